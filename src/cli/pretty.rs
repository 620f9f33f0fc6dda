//! JSON on a terminal: a line for each feature, names in colour.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::output::harmless_json;

/// Objects within objects within objects stay on one line: `"label": {"int64": [3]}`.
const OPEN_DEPTH: usize = 2;
const BLUE: &[u8] = b"\x1b[34m";
const PLAIN: &[u8] = b"\x1b[0m";

/// How JSON is laid out on stdout where a person reads it.
#[derive(Clone, Copy)]
pub(super) struct Pretty {
    colour: bool,
    depth: usize,
    some: bool,
}

impl Pretty {
    /// `None` where stdout is no terminal.
    pub(super) fn of_stdout() -> Option<Self> {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        io::stdout().is_terminal().then(|| Self::new(!no_colour))
    }

    fn new(colour: bool) -> Self {
        Pretty { colour, depth: 0, some: false }
    }

    /// Writes a value and ends its line.
    pub(super) fn write(self, mut out: impl Write, value: &impl Serialize) -> io::Result<()> {
        value.serialize(&mut Serializer::with_formatter(&mut out, self))?;
        writeln!(out)
    }

    fn new_line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        write!(out, "\n{:indent$}", "", indent = self.depth * 2)
    }
}

impl Formatter for Pretty {
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.some = false;
        out.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.some && self.depth < OPEN_DEPTH {
            self.new_line(out)?;
        }
        self.some = true;
        out.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        if self.depth <= OPEN_DEPTH {
            self.new_line(out)?;
        } else if !first {
            out.write_all(b" ")?;
        }
        if self.colour { out.write_all(BLUE) } else { Ok(()) }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.some = true;
        if self.colour { out.write_all(PLAIN) } else { Ok(()) }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        out.write_all(harmless_json(fragment.to_owned()).as_bytes())
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pretty(value: &Value, colour: bool) -> String {
        let mut out = Vec::new();
        Pretty::new(colour).write(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_feature_has_a_line() {
        let record = json!({
            "features": {"image": {"bytes": [{"bytes": 9, "type": "JPEG"}]}, "label": {"int64": [3, 4]}, "none": null},
            "lists": {},
            "record": 7
        });
        let expected = "{\n  \"features\": {\n    \"image\": {\"bytes\": [{\"bytes\": 9, \"type\": \"JPEG\"}]},\n    \
                        \"label\": {\"int64\": [3, 4]},\n    \"none\": null\n  },\n  \"lists\": {},\n  \"record\": 7\n}\n";
        assert_eq!(pretty(&record, false), expected);
        assert_eq!(serde_json::from_str::<Value>(expected).unwrap(), record);
        assert_eq!(pretty(&json!({"a\u{9b}": "\u{202e}b"}), false), "{\n  \"a\\u009b\": \"\\u202eb\"\n}\n");
        assert_eq!(pretty(&json!({"a": 1}), true), "{\n  \x1b[34m\"a\"\x1b[0m: 1\n}\n");
    }
}
