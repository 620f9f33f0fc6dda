//! Reading a spec's tables so that every complaint names the line, the place and what is allowed.

use std::cell::RefCell;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use crate::canonical::float;
use crate::error::{Error, Result};
use crate::near::is_near;
use crate::size::parse_size;

/// A table of the spec while it is read: it knows its text, and which keys were asked for.
pub(super) struct Section<'t> {
    text: &'t str,
    /// How errors speak of it: `[decode]`, `random_crop`.
    name: String,
    table: &'t DeTable<'t>,
    start: usize,
    known: RefCell<Vec<&'static str>>,
    /// Keys that will be asked for: none of them is a misspelling of another.
    expected: RefCell<Vec<&'static str>>,
}

impl<'t> Section<'t> {
    pub(super) fn new(text: &'t str, name: impl Into<String>, table: &'t DeTable<'t>, start: usize) -> Self {
        Section { text, name: name.into(), table, start, known: RefCell::default(), expected: RefCell::default() }
    }

    /// Says which keys the section may have.
    pub(super) fn expect(&self, keys: &[&'static str]) {
        self.expected.borrow_mut().extend(keys);
    }

    /// The value of a key, if it is there.
    pub(super) fn get<T: FromToml>(&self, key: &'static str) -> Result<Option<T>> {
        self.get_as(key, T::EXPECTED)
    }

    /// The value of a key, if it is there; `expected` is what errors say of a value of another type.
    pub(super) fn get_as<T: FromToml>(&self, key: &'static str, expected: &str) -> Result<Option<T>> {
        self.know(key);
        let Some(value) = self.table.get(key) else { return Ok(None) };
        match T::from_toml(value.get_ref()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong(key, &format!("must be {expected}"))),
        }
    }

    /// The value of a key that must be there.
    pub(super) fn require<T: FromToml>(&self, key: &'static str) -> Result<T> {
        self.get(key)?.ok_or_else(|| self.missing(key, T::EXPECTED))
    }

    /// An error about a key that must be there.
    pub(super) fn missing(&self, key: &str, allowed: &str) -> Error {
        let expected = self.expected.borrow();
        let near = |name: &&str| !expected.contains(name) && is_near(name, key);
        let misspelt = self.table.keys().map(|k| k.get_ref().as_ref()).find(near);
        match misspelt.and_then(|name| Some((name, self.table.get_key_value(name)?.0.span().start))) {
            Some((name, at)) => self.error(at, &format!("'{name}' is unknown; did you mean '{key}'?")),
            None => self.error(self.start, &format!("'{key}' is missing: {allowed}")),
        }
    }

    /// The value of a key that must lie in a range, which the message states.
    pub(super) fn require_in<T: FromToml>(
        &self,
        key: &'static str,
        range: &str,
        holds: impl Fn(&T) -> bool,
    ) -> Result<T> {
        let value = self.require(key)?;
        if holds(&value) { Ok(value) } else { Err(self.wrong(key, &format!("must be {range}"))) }
    }

    /// The value of a key, one of a few words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(found) = self.get::<String>(key)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == found) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                Err(self.wrong(key, &format!("must be {}", all.join(" or "))))
            }
        }
    }

    /// A table under a key.
    pub(super) fn section(&self, key: &'static str) -> Result<Option<Section<'t>>> {
        self.know(key);
        let Some(value) = self.table.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(table) => Ok(Some(Section::new(self.text, format!("[{key}]"), table, value.span().start))),
            _ => Err(self.wrong(key, &format!("must be a table: [{key}]"))),
        }
    }

    /// The tables of an array under a key; `None` where the key is missing.
    pub(super) fn sections(&self, key: &'static str) -> Result<Option<Vec<Section<'t>>>> {
        self.know(key);
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let wrong = || self.wrong(key, &format!("must be a list of tables: [[{key}]]"));
        let DeValue::Array(items) = value.get_ref() else { return Err(wrong()) };
        let tables = items.iter().map(|item| match item.get_ref() {
            DeValue::Table(table) => Ok(Section::new(self.text, format!("[[{key}]]"), table, item.span().start)),
            _ => Err(wrong()),
        });
        tables.collect::<Result<_>>().map(Some)
    }

    /// The tables of an array that stands behind a key.
    pub(super) fn inline_sections(&self, key: &'static str, expected: &str) -> Result<Option<Vec<Section<'t>>>> {
        self.know(key);
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let wrong = || self.wrong(key, &format!("must be {expected}"));
        let DeValue::Array(items) = value.get_ref() else { return Err(wrong()) };
        let tables = items.iter().map(|item| match item.get_ref() {
            DeValue::Table(table) => Ok(Section::new(self.text, key, table, item.span().start)),
            _ => Err(wrong()),
        });
        tables.collect::<Result<_>>().map(Some)
    }

    /// Gives the section the name that errors use.
    pub(super) fn rename(&mut self, name: &str) {
        self.name = name.to_owned();
    }

    /// Refuses keys that nobody has asked for.
    pub(super) fn finish(&self) -> Result<()> {
        let known = self.known.borrow();
        let Some(unknown) = self.table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) else {
            return Ok(());
        };
        let name = unknown.get_ref().as_ref();
        let foreign = FOREIGN.iter().find(|(foreign, ours, _)| *foreign == name && known.contains(ours));
        let what = match foreign {
            Some((_, ours, how)) => format!("'{name}' is unknown; here it is '{ours}'{how}"),
            None => format!("'{name}' is unknown; {}", suggest(name, &known)),
        };
        Err(self.error(unknown.span().start, &what))
    }

    /// An error about the value of a key.
    pub(super) fn wrong(&self, key: &str, what: &str) -> Error {
        let found = self.table.get(key);
        let at = found.map_or(self.start, |v| v.span().start);
        let shown = found.map(|v| shown(self.text, v)).unwrap_or_default();
        self.error(at, &format!("{key} {what}{shown}"))
    }

    /// An error about a name, the value of a key, that is none of `known`.
    pub(super) fn unknown(&self, key: &str, name: &str, known: &[&str]) -> Error {
        let at = self.table.get(key).map_or(self.start, |v| v.span().start);
        self.error(at, &format!("there is no {key} of this name; {}", suggest(name, known)))
    }

    /// An error about the section as a whole.
    pub(super) fn misfit(&self, what: &str, hint: &str) -> Error {
        Error::usage_hint(format!("{}: {what}", self.place(self.start)), hint)
    }

    fn error(&self, at: usize, what: &str) -> Error {
        Error::usage(format!("{}: {what}", self.place(at)))
    }

    /// The line that the section begins in, from 1.
    pub(super) fn line(&self) -> usize {
        self.line_of(self.start)
    }

    fn line_of(&self, at: usize) -> usize {
        self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
    }

    fn place(&self, at: usize) -> String {
        format!("line {}: {}", self.line_of(at), self.name)
    }

    /// Notes that a key was asked for.
    fn know(&self, key: &'static str) {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
        }
    }
}

fn shown(text: &str, value: &Spanned<DeValue<'_>>) -> String {
    text.get(value.span()).map(|text| format!(", not {text}")).unwrap_or_default()
}

/// Keys that go by another name in other libraries: theirs, ours, and how ours is used.
const FOREIGN: [(&str, &str, &str); 5] = [
    ("drop_remainder", "tail", ": \"drop\" for true, \"uneven\" for false"),
    ("drop_last", "tail", ": \"drop\" for true, \"uneven\" for false"),
    ("batch_size", "size", ""),
    ("buffer_size", "size", ""),
    ("dct_method", "dct", ": \"ifast\" or \"islow\""),
];

/// Names shown at most where none is near.
const SHOWN: usize = 6;

/// `did you mean 'x'?`, or what there is.
pub(crate) fn suggest(unknown: &str, known: &[&str]) -> String {
    let name = snake_case(unknown);
    let holding: Vec<&str> = known.iter().copied().filter(|k| name.len() > 2 && k.contains(&name)).collect();
    if let [first, rest @ ..] = &holding[..] {
        return match rest {
            [] => format!("did you mean '{first}'?"),
            _ => format!("did you mean one of {}?", holding[..holding.len().min(SHOWN)].join(", ")),
        };
    }
    if let Some(near) = known.iter().filter(|k| is_near(&name, k)).min_by_key(|k| strsim::levenshtein(&name, k)) {
        return format!("did you mean '{near}'?");
    }
    // Or names that hold a word of it: `rotation` is in `random_rotation`.
    let words: Vec<&str> = name.split('_').filter(|word| word.len() > 2).collect();
    let shared = |k: &str| words.iter().filter(|word| k.contains(&word[..word.len().min(6)])).count();
    let mut close: Vec<&str> = known.iter().copied().filter(|k| shared(k) > 0).collect();
    close.sort_by_key(|k| std::cmp::Reverse(shared(k)));
    match &close[..] {
        [] if known.len() > 2 * SHOWN => format!("docs/pipeline.md lists all {}", known.len()),
        [] => format!("there are: {}", known.join(", ")),
        [only] => format!("did you mean '{only}'?"),
        close => format!("did you mean one of {}?", close[..close.len().min(SHOWN)].join(", ")),
    }
}

/// `RandomFlip` as `random_flip`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(c.to_lowercase().map(|c| if c == '-' || c == ' ' { '_' } else { c }));
    }
    out
}

/// A TOML value that a spec uses.
pub(super) trait FromToml: Sized {
    /// What errors say is expected.
    const EXPECTED: &'static str;

    fn from_toml(value: &DeValue<'_>) -> Option<Self>;
}

impl FromToml for String {
    const EXPECTED: &'static str = "a string";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::String(s) => Some(s.to_string()),
            _ => None,
        }
    }
}

impl FromToml for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::Boolean(b) => Some(*b),
            _ => None,
        }
    }
}

impl FromToml for u64 {
    const EXPECTED: &'static str = "a whole number of 0 or more";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).ok(),
            _ => None,
        }
    }
}

impl FromToml for usize {
    const EXPECTED: &'static str = u64::EXPECTED;

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        u64::from_toml(value)?.try_into().ok()
    }
}

impl FromToml for i64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix()).ok(),
            _ => None,
        }
    }
}

impl FromToml for f64 {
    const EXPECTED: &'static str = "a number";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let number: f64 = match value {
            DeValue::Float(f) => f.as_str().parse().ok()?,
            value => i64::from_toml(value)? as f64,
        };
        number.is_finite().then_some(number)
    }
}

impl FromToml for f32 {
    const EXPECTED: &'static str = "a number";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        // Rounded once: by way of an f64, the digits of an f32 may come to its neighbour.
        let number: f32 = match value {
            DeValue::Float(f) => f.as_str().parse().ok()?,
            value => i64::from_toml(value)? as f32,
        };
        number.is_finite().then_some(number)
    }
}

impl FromToml for Vec<usize> {
    const EXPECTED: &'static str = "a list of whole numbers of 0 or more";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::Array(items) => items.iter().map(|item| usize::from_toml(item.get_ref())).collect(),
            _ => None,
        }
    }
}

/// A number as a canonical spec writes it.
pub(super) trait ToToml {
    fn to_toml(&self) -> String;
}

impl ToToml for usize {
    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl ToToml for f32 {
    fn to_toml(&self) -> String {
        float(*self)
    }
}

impl ToToml for f64 {
    fn to_toml(&self) -> String {
        float(*self)
    }
}

/// A number of bytes, or a size as text.
pub(super) struct ByteSize(pub(super) u64);

impl FromToml for ByteSize {
    const EXPECTED: &'static str = "a size, such as \"2GiB\", or a number of bytes";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match String::from_toml(value) {
            Some(text) => parse_size(&text).ok().map(ByteSize),
            None => u64::from_toml(value).map(ByteSize),
        }
    }
}

/// A value, or a list of such values.
pub(super) struct OneOrMore<T>(pub(super) Vec<T>);

impl<T: FromToml> FromToml for OneOrMore<T> {
    const EXPECTED: &'static str = "a value of the column's kind, or a list of such";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let values: Option<Vec<T>> = match value {
            DeValue::Array(items) => items.iter().map(|item| T::from_toml(item.get_ref())).collect(),
            value => T::from_toml(value).map(|value| vec![value]),
        };
        values.map(OneOrMore)
    }
}

impl FromToml for Vec<f32> {
    const EXPECTED: &'static str = "a list of numbers";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::Array(items) => items.iter().map(|item| f32::from_toml(item.get_ref())).collect(),
            _ => None,
        }
    }
}

impl FromToml for (f32, f32) {
    const EXPECTED: &'static str = "two numbers";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        match Vec::<f32>::from_toml(value)?[..] {
            [a, b] => Some((a, b)),
            _ => None,
        }
    }
}

/// Height and width.
impl FromToml for (usize, usize) {
    const EXPECTED: &'static str = "[height, width]";

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let DeValue::Array(items) = value else { return None };
        match &items[..] {
            [height, width] => Some((usize::from_toml(height.get_ref())?, usize::from_toml(width.get_ref())?)),
            _ => None,
        }
    }
}
