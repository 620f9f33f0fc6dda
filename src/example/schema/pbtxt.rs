//! Reads TFDV's `schema.pbtxt`: protobuf text of `tensorflow.metadata.v0.Schema`.

use serde_json::Number;

use super::print::TFX_LISTS;
use super::{FeatureSchema, Schema, SchemaMessage};
use crate::error::{Error, Result};
use crate::example::Kind;

/// Messages within messages: a schema has four.
const MAX_DEPTH: usize = 32;

impl Schema {
    /// Reads TFDV's `schema.pbtxt`.
    ///
    /// Taken over are name, type, presence (`min_fraction: 1` is required), shape, value_count, and the domains of
    /// integers, floats, strings and images; the features under `##SEQUENCE##` are the feature lists of a SequenceExample.
    /// What else a schema may say, such as drift comparators, is passed over.
    ///
    /// # Errors
    /// A usage error, with the line, for what is no protobuf text; for a feature whose type is neither BYTES, INT nor
    /// FLOAT.
    ///
    /// ```
    /// use tfrkit::example::Schema;
    ///
    /// let text = r#"feature { name: "label" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }"#;
    /// let schema = Schema::parse_pbtxt(text)?;
    /// assert!(schema.features["label"].required);
    /// assert_eq!(schema.features["label"].shape, Some(vec![1]));
    /// # Ok::<(), tfrkit::Error>(())
    /// ```
    pub fn parse_pbtxt(text: &str) -> Result<Self> {
        let mut parser = Parser { rest: text, line: 1 };
        let root = parser.message(None, 0)?;
        let mut schema = Schema::new(SchemaMessage::Example);
        for feature in root.messages("feature") {
            if feature.text("name") == Some(TFX_LISTS) {
                schema.message = SchemaMessage::SequenceExample;
                for list in feature.messages("struct_domain").flat_map(|domain| domain.messages("feature")) {
                    let (name, read) = read_feature(list, &root, true)?;
                    schema.feature_lists.insert(name, read);
                }
            } else {
                let (name, read) = read_feature(feature, &root, false)?;
                schema.features.insert(name, read);
            }
        }
        schema.checked()
    }
}

fn read_feature(feature: &Message, root: &Message, list: bool) -> Result<(String, FeatureSchema)> {
    let name = feature.text("name").ok_or_else(|| Error::usage("the schema has a feature without a name"))?;
    let kind = match feature.text("type") {
        Some("BYTES") => Kind::Bytes,
        Some("INT") => Kind::Int64,
        Some("FLOAT") => Kind::Float,
        other => {
            let other = other.unwrap_or("none");
            let detail = format!("the schema's feature '{name}' has the type {other}; BYTES, INT and FLOAT are read");
            return Err(Error::usage(detail));
        }
    };
    let mut read = FeatureSchema::new(kind);
    let number = |text: &str| text.parse::<f64>().ok();
    let fraction = feature.messages("presence").filter_map(|p| p.text("min_fraction")).filter_map(number).last();
    read.required = fraction.is_some_and(|f| f >= 1.0);
    let dims = |shape: &Message| shape.messages("dim").map(|dim| dim.text("size")?.parse().ok()).collect();
    read.shape = feature.messages("shape").last().and_then(dims);
    // Of a list the first count is that of the steps, the second that of their values.
    let count = match list {
        true => feature.messages("value_counts").last().and_then(|counts| counts.messages("value_count").nth(1)),
        false => feature.messages("value_count").last().filter(|_| read.shape.is_none()),
    };
    let bound = |name| count.and_then(|c| c.text(name)).and_then(|n| n.parse::<u64>().ok());
    match (bound("min"), bound("max")) {
        (Some(min), Some(max)) if list && min == max => {
            read.shape = Some(if max == 1 { vec![] } else { vec![usize::try_from(max).unwrap_or(usize::MAX)] });
        }
        (min, max) => (read.min_len, read.max_len) = (min.filter(|n| *n > 0), max),
    }
    let domain = match kind {
        Kind::Int64 => feature.messages("int_domain").last(),
        Kind::Float => feature.messages("float_domain").last(),
        Kind::Bytes => None,
    };
    if let Some(domain) = domain {
        (read.min, read.max) = (domain.number("min", kind), domain.number("max", kind));
    }
    if kind == Kind::Bytes {
        let named = |wanted| root.messages("string_domain").find(|domain| domain.text("name") == Some(wanted));
        let domain = feature.messages("string_domain").last().or_else(|| named(feature.text("domain")?));
        read.values = domain.map(|domain| domain.texts("value").map(str::to_owned).collect());
        read.image = feature.messages("image_domain").next().is_some();
    }
    Ok((name.to_owned(), read))
}

/// A message: its fields in order.
#[derive(Debug, Default)]
struct Message(Vec<(String, Field)>);

#[derive(Debug)]
enum Field {
    Message(Message),
    Scalar(String),
}

impl Message {
    fn messages(&self, name: &str) -> impl Iterator<Item = &Message> {
        self.0.iter().filter(move |(n, _)| n == name).filter_map(|(_, field)| match field {
            Field::Message(message) => Some(message),
            Field::Scalar(_) => None,
        })
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n == name).filter_map(|(_, field)| match field {
            Field::Scalar(text) => Some(text.as_str()),
            Field::Message(_) => None,
        })
    }

    /// Of a field that comes twice the last counts.
    fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).last()
    }

    fn number(&self, name: &str, kind: Kind) -> Option<Number> {
        let text = self.text(name)?;
        match kind {
            Kind::Int64 => text.parse::<i64>().ok().map(Number::from),
            // An infinite bound is none.
            _ => text.trim_end_matches('f').parse().ok().and_then(Number::from_f64),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    line: usize,
}

impl Parser<'_> {
    fn wrong(&self, what: &str) -> Error {
        Error::usage(format!("no valid schema: line {}: {what}", self.line))
    }

    /// Passes over spaces and comments; the next character.
    fn peek(&mut self) -> Option<char> {
        loop {
            let next = self.rest.chars().next()?;
            if next == '#' {
                self.rest = self.rest.split_once('\n').map_or("", |(comment, _)| &self.rest[comment.len()..]);
            } else if next.is_whitespace() {
                self.take(next);
            } else {
                return Some(next);
            }
        }
    }

    fn take(&mut self, next: char) {
        self.line += usize::from(next == '\n');
        self.rest = &self.rest[next.len_utf8()..];
    }

    fn take_if(&mut self, wanted: &[char]) -> bool {
        let found = self.peek().filter(|next| wanted.contains(next));
        found.into_iter().for_each(|next| self.take(next));
        found.is_some()
    }

    /// The fields up to `end`, or up to the end of the text.
    fn message(&mut self, end: Option<char>, depth: usize) -> Result<Message> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("too many messages within messages"));
        }
        let mut message = Message::default();
        loop {
            match (self.peek(), end) {
                (None, None) => return Ok(message),
                (Some(next), Some(end)) if next == end => {
                    self.take(next);
                    return Ok(message);
                }
                (None, Some(_)) => return Err(self.wrong("the text ends inside a message")),
                _ => {}
            }
            let name = self.word()?;
            let colon = self.take_if(&[':']);
            if colon && self.take_if(&['[']) {
                while !self.take_if(&[']']) {
                    let value = self.value(colon, depth)?;
                    message.0.push((name.clone(), value));
                    self.take_if(&[',']);
                }
            } else {
                let value = self.value(colon, depth)?;
                message.0.push((name, value));
            }
            self.take_if(&[',', ';']);
        }
    }

    fn value(&mut self, colon: bool, depth: usize) -> Result<Field> {
        match self.peek() {
            Some('{') => {
                self.take('{');
                Ok(Field::Message(self.message(Some('}'), depth + 1)?))
            }
            Some('<') => {
                self.take('<');
                Ok(Field::Message(self.message(Some('>'), depth + 1)?))
            }
            Some('"' | '\'') if colon => {
                let mut bytes = Vec::new();
                // Strings beside each other are one.
                while let Some(quote @ ('"' | '\'')) = self.peek() {
                    self.string(quote, &mut bytes)?;
                }
                String::from_utf8(bytes).map(Field::Scalar).map_err(|_| self.wrong("a string that is not UTF-8"))
            }
            _ if colon => Ok(Field::Scalar(self.word()?)),
            _ => Err(self.wrong("a field without ':' or '{'")),
        }
    }

    /// A name, a number, or a word such as `INT`.
    fn word(&mut self) -> Result<String> {
        self.peek();
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.+-".contains(c)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.is_empty() {
            let found = self.rest.chars().next().map_or("the end".to_owned(), |c| format!("{c:?}"));
            return Err(self.wrong(&format!("{found} where a name or a value is expected")));
        }
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn string(&mut self, quote: char, out: &mut Vec<u8>) -> Result<()> {
        self.take(quote);
        loop {
            let next = self.rest.chars().next().filter(|c| *c != '\n');
            let next = next.ok_or_else(|| self.wrong("a string without an end"))?;
            self.take(next);
            match next {
                '\\' => self.escape(out)?,
                _ if next == quote => return Ok(()),
                _ => out.extend(next.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let wrong = self.wrong("an escape that is not known");
        let Some(next) = self.rest.chars().next() else { return Err(wrong) };
        if next.is_digit(8) {
            return self.digits(8, 3).map(|byte| out.push(byte)).ok_or(wrong);
        }
        self.take(next);
        out.push(match next {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            '\\' | '\'' | '"' | '?' => next as u8,
            'x' => self.digits(16, 2).ok_or(wrong)?,
            _ => return Err(wrong),
        });
        Ok(())
    }

    /// The byte that up to so many digits give.
    fn digits(&mut self, radix: u32, most: usize) -> Option<u8> {
        let count = self.rest.chars().take(most).take_while(|c| c.is_digit(radix)).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        u8::from_str_radix(digits, radix).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tfdv_writes_is_read() {
        let schema = Schema::parse_pbtxt(
            "# a comment\nfeature {\n  name: \"fare\"\n  type: FLOAT\n  presence { min_fraction: 1.0 min_count: 1 }\n  \
             float_domain { min: 0.5 max: inf }\n  skew_comparator { infinity_norm { threshold: 0.01 } }\n}\n\
             feature < name: 'pay' \"ment\" type: BYTES domain: \"types\" value_count { min: 1 max: 3 } >\n\
             feature { name: \"n\\303\\244\\x41\", type: INT; int_domain { min: -4 } shape { dim { size: 2 } dim { size: 3 } } }\n\
             string_domain { name: \"types\" value: [\"Cash\", 'Credit\\tCard'] }\ndefault_environment: \"TRAINING\"\n",
        )
        .unwrap();
        let expected = Schema::parse(
            r#"{"version": 1, "message": "Example", "features": {
                "fare": {"kind": "float", "required": true, "min": 0.5},
                "payment": {"kind": "bytes", "required": false, "min_len": 1, "max_len": 3,
                    "values": ["Cash", "Credit\tCard"]},
                "näA": {"kind": "int64", "required": false, "shape": [2, 3], "min": -4}
            }}"#,
        )
        .unwrap();
        assert_eq!(schema, expected);
    }

    #[test]
    fn what_is_no_text_of_a_schema_is_an_error_with_its_line() {
        for (text, said) in [
            ("feature {\n", "line 2: the text ends"),
            ("feature { name: \"a\n\" }", "a string without an end"),
            ("feature { name: \"\\q\" }", "escape"),
            ("feature { name: \"\\777\" }", "escape"),
            ("feature {\n name \"a\" }", "line 2: a field without"),
            ("feature { name: }", "'}' where a name"),
            ("}", "'}' where a name"),
            ("feature { type: INT }", "without a name"),
            ("feature { name: \"a\" type: STRUCT }", "'a' has the type STRUCT"),
            ("feature { name: \"a\" type: INT int_domain { min: 2 max: 1 } }", "a min above its max"),
            (&"a {".repeat(100_000), "too many messages"),
        ] {
            let error = Schema::parse_pbtxt(text).unwrap_err();
            assert!(error.to_string().contains(said) && error.kind_name() == "usage", "{error}");
        }
    }
}
