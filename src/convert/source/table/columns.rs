//! The kinds of a list's further columns, which are known only when its last line is.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::super::malformed;
use crate::dataset::{BOX_FEATURES, IMAGE_FEATURES};
use crate::error::Result;
use crate::example::{ByteStrings, Kind, Values};

/// Features that convert makes of the list's own columns, beside those of the image and the boxes.
const MADE: [&str; 4] =
    ["image/class/label", "image/class/text", "image/object/class/label", "image/object/class/text"];

/// Whether convert makes the feature itself. The name of the file may be given.
fn is_made(name: &str) -> bool {
    let of_image = IMAGE_FEATURES.contains(&name) && name != super::FILENAME;
    of_image || MADE.contains(&name) || BOX_FEATURES.contains(&name)
}

/// Why a column of this name cannot be a feature.
pub(super) fn refuse_name(name: &str) -> Option<(String, &'static str)> {
    if name.trim().is_empty() {
        Some(("a column without a name".into(), "name it, or leave it out (pandas: `index=False`)"))
    } else if is_made(name) {
        Some((
            format!("the column '{name}' is a feature that convert makes itself"),
            "leave it out; class and boxes go into the columns label, text and boxes",
        ))
    } else {
        None
    }
}

/// What a value looks like by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Bytes,
    Float,
    Int64,
    /// An integer that is not to become a float.
    ExactInt64,
    /// A list without values.
    Empty,
    /// Text of a list whose cells are all text: beside it numbers are text too.
    Text,
}

/// A further column: where each look of its values occurs first.
#[derive(Debug, Default)]
pub(super) struct Column {
    bytes: Option<u64>,
    float: Option<u64>,
    int64: Option<u64>,
    exact: Option<u64>,
    empty: Option<u64>,
    text: Option<u64>,
}

impl Column {
    pub(super) fn note(&mut self, look: Look, line: u64) {
        let first = match look {
            Look::Text => &mut self.text,
            Look::Bytes => &mut self.bytes,
            Look::Float => &mut self.float,
            Look::Int64 => &mut self.int64,
            Look::ExactInt64 => &mut self.exact,
            Look::Empty => &mut self.empty,
        };
        first.get_or_insert(line);
    }

    /// The kind of all values; or two lines whose values do not go together, or one whose list has no kind.
    fn kind(&self) -> Result<Kind, String> {
        if self.text.is_some() {
            return Ok(Kind::Bytes);
        }
        let integer = self.exact.or(self.int64);
        match (self.bytes, self.float, integer) {
            (Some(a), Some(b), _) | (Some(a), None, Some(b)) => {
                Err(format!("holds bytes in line {a} and a number in line {b}"))
            }
            (Some(_), None, None) => Ok(Kind::Bytes),
            (None, Some(a), _) if self.exact.is_some() => {
                Err(format!("holds a float in line {a} and int64 in line {}", integer.unwrap_or_default()))
            }
            (None, Some(_), _) => Ok(Kind::Float),
            (None, None, Some(_)) => Ok(Kind::Int64),
            (None, None, None) => Err(format!("holds empty lists only (line {})", self.empty.unwrap_or_default())),
        }
    }
}

/// All further columns by name. Equal names share their memory.
#[derive(Debug, Default)]
pub(super) struct Columns {
    columns: HashMap<Arc<str>, Column>,
}

impl Columns {
    /// The column of a name, which begins with this.
    pub(super) fn column(&mut self, name: &str) -> (Arc<str>, &mut Column) {
        let name = self.columns.get_key_value(name).map_or_else(|| name.into(), |(name, _)| Arc::clone(name));
        (Arc::clone(&name), self.columns.entry(name).or_default())
    }

    /// Says of each column of numbers that a text makes one of texts.
    pub(super) fn warnings(&self) -> Vec<String> {
        let warning = |(name, column): (&Arc<str>, &Column)| {
            let (text, number) = (column.text?, column.int64.or(column.float)?);
            Some(format!("the column '{name}' is stored as text: line {text} holds text, line {number} a number"))
        };
        let mut warnings: Vec<String> = self.columns.iter().filter_map(warning).collect();
        warnings.sort();
        warnings
    }

    /// The kind of each column of which a value was noted.
    pub(super) fn kinds(&self, list: &Path) -> Result<HashMap<Arc<str>, Kind>> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_by_key(|(name, _)| *name);
        let kind = |(name, column): (&Arc<str>, &Column)| {
            let kind = column.kind().map_err(|problem| {
                malformed(
                    list,
                    format!("the column '{name}' {problem}"),
                    "a feature has one kind in all records; {\"float\": []} says the kind of a list without values",
                )
            });
            Ok((Arc::clone(name), kind?))
        };
        columns.into_iter().map(kind).collect()
    }
}

/// What a cell of text looks like. Digits that int64 cannot hold stay text, so that no digit is lost.
pub(super) fn look_of(cell: &str) -> Look {
    let cell = cell.trim();
    let only_digits = cell.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit());
    match cell.parse::<f32>() {
        Ok(_) if cell.parse::<i64>().is_ok() => Look::Int64,
        Ok(value) if !only_digits && (value.is_finite() || !cell.contains(|c: char| c.is_ascii_digit())) => Look::Float,
        _ => Look::Text,
    }
}

/// The values in the kind of their column: text is read, integers become floats, a list without values has any kind.
pub(super) fn in_kind(values: Values, kind: Kind) -> Values {
    match (values, kind) {
        (Values::Bytes(texts), Kind::Int64) => Values::Int64(parsed(&texts)),
        (Values::Bytes(texts), Kind::Float) => Values::Float(parsed(&texts)),
        (Values::Int64(values), Kind::Float) => Values::Float(values.into_iter().map(|v| v as f32).collect()),
        (values, kind) if values.is_empty() => {
            drop(values);
            Values::new(kind)
        }
        (values, _) => values,
    }
}

/// Texts of which [`look_of`] has said that they are numbers.
fn parsed<T: std::str::FromStr>(texts: &ByteStrings) -> Vec<T> {
    texts.iter().filter_map(|text| std::str::from_utf8(text).ok()?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_look_like_what_they_hold() {
        for (cell, look) in [
            ("12", Look::Int64),
            (" -3 ", Look::Int64),
            ("1.5", Look::Float),
            ("1e3", Look::Float),
            ("NaN", Look::Float),
            ("-inf", Look::Float),
            ("1e99", Look::Text),
            ("99999999999999999999", Look::Text),
            ("cat", Look::Text),
            ("", Look::Text),
        ] {
            assert_eq!(look_of(cell), look, "{cell}");
        }
    }

    #[test]
    fn a_column_has_one_kind() {
        let kind = |looks: &[Look]| {
            let mut column = Column::default();
            (2..).zip(looks).for_each(|(line, look)| column.note(*look, line));
            column.kind()
        };
        assert_eq!(kind(&[Look::Int64, Look::Float, Look::Empty]), Ok(Kind::Float));
        assert_eq!(kind(&[Look::ExactInt64, Look::Int64]), Ok(Kind::Int64));
        assert_eq!(kind(&[Look::Bytes, Look::Empty]), Ok(Kind::Bytes));
        assert_eq!(kind(&[Look::Int64, Look::Text, Look::Float]), Ok(Kind::Bytes));
        assert_eq!(kind(&[Look::Int64, Look::Bytes]).unwrap_err(), "holds bytes in line 3 and a number in line 2");
        assert_eq!(
            kind(&[Look::Int64, Look::Float, Look::ExactInt64]).unwrap_err(),
            "holds a float in line 3 and int64 in line 4"
        );
        assert!(kind(&[Look::Empty]).unwrap_err().contains("line 2"));
    }

    #[test]
    fn values_take_the_kind_of_their_column() {
        let text = |cell: &str| Values::Bytes([cell].into_iter().collect());
        assert_eq!(in_kind(text(" 7"), Kind::Int64), Values::Int64(vec![7]));
        assert_eq!(in_kind(text("7"), Kind::Float), Values::Float(vec![7.0]));
        assert_eq!(in_kind(text("7"), Kind::Bytes), text("7"));
        assert_eq!(in_kind(Values::Int64(vec![7]), Kind::Float), Values::Float(vec![7.0]));
        assert_eq!(in_kind(Values::Int64(vec![]), Kind::Bytes), Values::new(Kind::Bytes));
    }
}
