//! What the command prints: results to stdout, as text or JSON; the rest to stderr.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use tfrkit::dataset::{Existing, ResolvedSets};
use tfrkit::{Error, ErrorClass, ErrorKind, Result};

use super::args::GlobalArgs;

/// Prints for a verb.
pub(super) struct Output {
    pub(super) json: bool,
    quiet: bool,
    /// Files that hold records and were not looked at.
    passed_over: RefCell<Vec<PathBuf>>,
}

impl Output {
    pub(super) fn new(global: &GlobalArgs) -> Self {
        Output { json: global.json, quiet: global.quiet, passed_over: RefCell::default() }
    }

    /// Prints the result: as one line of JSON, or by `text`.
    pub(super) fn result(
        &self,
        value: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            let mut line = serde_json::to_string(value).map_err(io::Error::from)?;
            let passed_over = self.passed_over.borrow();
            if !passed_over.is_empty() && line.ends_with('}') {
                let paths: Vec<_> = passed_over.iter().map(|path| path.to_string_lossy()).collect();
                line.truncate(line.len() - 1);
                line.push_str(&format!(",\"not_looked_at\":{}}}", json!(paths)));
            }
            writeln!(out, "{}", harmless_json(line))?;
        } else {
            let mut lines = Vec::new();
            text(&mut lines)?;
            out.write_all(harmless(&String::from_utf8_lossy(&lines)).as_bytes())?;
        }
        Ok(out.flush()?)
    }

    /// Says what is being done, where anybody wants to know.
    pub(super) fn note(&self, text: impl Display) {
        if !self.quiet {
            say(text);
        }
    }

    /// Says what a person should know.
    pub(super) fn warning(&self, text: impl Display) {
        self.note(format_args!("warning: {text}"));
    }

    /// A warning of what is wrong with sets, in spite of which they are read.
    pub(super) fn problem(&self, problem: &Error) {
        self.warning(problem);
        if let Some(hint) = problem.hint() {
            self.note(format_args!("  help: {hint}"));
        }
    }

    /// What the paths stand for. Says what a person should know of it, and which files that hold records are no part of it.
    pub(super) fn resolve(&self, paths: &[String]) -> Result<ResolvedSets> {
        let found = tfrkit::dataset::resolve(paths)?;
        found.notes.iter().for_each(|note| self.warning(note));
        if let Some(first) = found.passed_over.first() {
            let files = count(found.passed_over.len() as u64, "file");
            let (holds, name) =
                if found.passed_over.len() == 1 { ("it holds", "its name") } else { ("they hold", "their names") };
            self.warning(format_args!(
                "{files} not looked at: {} ({holds} records, but {name} is not that of a shard; name it to look at it)",
                first.display()
            ));
        }
        self.passed_over.borrow_mut().extend(found.passed_over.iter().cloned());
        Ok(found)
    }

    /// Prints an error, and what to do about it.
    pub(super) fn error(&self, e: &Error, hint: Option<&str>) {
        say(format_args!("error: {e}"));
        if let Some(hint) = hint {
            say(format_args!("  help: {hint}"));
        }
        if self.json {
            // The exit code tells all the same where stdout is gone.
            let _ = writeln!(io::stdout(), "{}", harmless_json(error_json(e, hint).to_string()));
        }
    }

    /// Says what an interruption or a full disk has left of the sets that were being written.
    pub(super) fn how_to_go_on(&self, e: &Error, existing: Existing) {
        let is_full = matches!(e.kind(), ErrorKind::Io(e) if e.kind() == io::ErrorKind::StorageFull);
        if is_full || e.class() == ErrorClass::Interrupted {
            self.note(match existing {
                Existing::Replace => "the earlier set is still there; begin anew with `--force`",
                _ => "whole shards are kept; go on with `--resume`, or begin anew with `--force`",
            });
        }
    }

    /// Prints a line of JSON.
    pub(super) fn json_line(&self, value: &impl Serialize) -> Result<()> {
        let line = harmless_json(serde_json::to_string(value).map_err(io::Error::from)?);
        Ok(writeln!(io::stdout(), "{line}")?)
    }

    /// Whether only results and errors were asked for.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether somebody watches: there is a terminal, and neither silence nor JSON was asked for.
    pub(super) fn is_watched(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }
}

/// A line on stderr. Where nobody listens, nothing is lost.
pub(super) fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", harmless(&text.to_string()));
}

/// Text that does nothing to a terminal but fill lines: a file's name may hold what moves the cursor or sets the title.
fn harmless(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_hostile(c) && c != '\n' && c != '\t')
}

/// A name that stays on its line.
pub(super) fn one_line(name: &str) -> Cow<'_, str> {
    escape(name, is_hostile)
}

/// What a terminal obeys or turns text around by: C0 and C1 controls, and the marks of bidirectional text.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A line of JSON in which such characters are escaped: they stand in strings alone, and mean the same.
pub(super) fn harmless_json(line: String) -> String {
    // JSON escapes those below by itself.
    let is_bad = |c: char| c >= '\u{7f}' && is_hostile(c);
    if !line.contains(is_bad) {
        return line;
    }
    line.chars().fold(String::new(), |mut out, c| {
        match is_bad(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
        out
    })
}

fn escape(text: &str, is_bad: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_bad) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::new(), |mut out, c| {
        if is_bad(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    });
    Cow::Owned(escaped)
}

fn error_json(e: &Error, hint: Option<&str>) -> Value {
    let at = e.location();
    let path = at.path.as_ref().map(|p| p.to_string_lossy());
    json!({"error": {
        "kind": e.kind_name(),
        "message": e.to_string(),
        "path": path,
        "record": at.record,
        "offset": at.offset,
        "help": hint,
    }})
}

/// Prints rows as columns; those named in `right` are aligned to the right.
pub(super) fn table(out: &mut dyn Write, rows: &[Vec<String>], right: &[usize]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = (row.iter().enumerate())
            .map(|(c, cell)| match right.contains(&c) {
                true => format!("{cell:>width$}", width = widths[c]),
                false => format!("{cell:<width$}", width = widths[c]),
            })
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// A number of bytes for people.
pub(super) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1 record`, `2 records`, `2 batches`.
pub(super) fn count(n: u64, what: &str) -> String {
    let ending = match n {
        1 => "",
        _ if what.ends_with(['s', 'h']) => "es",
        _ => "s",
    };
    format!("{n} {what}{ending}")
}

/// A path as a person typed it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_500_000, "1.4 MiB"), (34 << 30, "34.0 GiB")]
        {
            assert_eq!(human_bytes(bytes), text);
        }
        let counted = [count(1, "shard"), count(0, "shard"), count(2, "batch"), count(3, "class")];
        assert_eq!(counted, ["1 shard", "0 shards", "2 batches", "3 classes"]);
    }

    #[test]
    fn names_do_nothing_to_a_terminal() {
        let name = "a\u{1b}]0;title\u{7}\r\u{9b}2J\tä\n";
        assert_eq!(harmless(name), "a\\u{1b}]0;title\\u{7}\\r\\u{9b}2J\tä\n");
        assert_eq!(one_line(name), "a\\u{1b}]0;title\\u{7}\\r\\u{9b}2J\\tä\\n");
        assert!(matches!(harmless("plain\n"), Cow::Borrowed(_)));
        assert_eq!(harmless("a\u{202e}gpj.exe\u{2066}"), "a\\u{202e}gpj.exe\\u{2066}");
        let text = "\u{9b}2J \u{202e} \u{7f} ä \n\u{1b}";
        let line = harmless_json(serde_json::to_string(text).unwrap());
        assert!(!line.contains(is_hostile), "{line:?}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
