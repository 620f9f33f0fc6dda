//! Lists of values of one kind.

use super::view::{FeatureView, Kind};
use crate::error::Result;

/// Values of one kind, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 64-bit signed integers.
    Int64(Vec<i64>),
    /// 32-bit floats.
    Float(Vec<f32>),
    /// Byte strings.
    Bytes(ByteStrings),
}

/// Byte strings, kept in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByteStrings {
    data: Vec<u8>,
    /// Where each string ends.
    ends: Vec<usize>,
}

impl ByteStrings {
    /// The number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string `i`; `None` behind the last.
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        let start = i.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.data.get(start..*self.ends.get(i)?)
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.data[start..*end])
    }

    /// Puts a string behind the last.
    pub fn push(&mut self, string: &[u8]) {
        self.data.extend_from_slice(string);
        self.ends.push(self.data.len());
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for ByteStrings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut all = ByteStrings::default();
        strings.into_iter().for_each(|string| all.push(string.as_ref()));
        all
    }
}

impl Values {
    /// No values of a kind.
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Int64 => Values::Int64(Vec::new()),
            Kind::Float => Values::Float(Vec::new()),
            Kind::Bytes => Values::Bytes(ByteStrings::default()),
        }
    }

    /// Their kind.
    pub fn kind(&self) -> Kind {
        match self {
            Values::Int64(_) => Kind::Int64,
            Values::Float(_) => Kind::Float,
            Values::Bytes(_) => Kind::Bytes,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Int64(values) => values.len(),
            Values::Float(values) => values.len(),
            Values::Bytes(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integers, if that is what they are.
    pub fn int64s(&self) -> Option<&[i64]> {
        if let Values::Int64(values) = self { Some(values) } else { None }
    }

    /// The floats, if that is what they are.
    pub fn floats(&self) -> Option<&[f32]> {
        if let Values::Float(values) = self { Some(values) } else { None }
    }

    /// The byte strings, if that is what they are.
    pub fn bytes(&self) -> Option<&ByteStrings> {
        if let Values::Bytes(values) = self { Some(values) } else { None }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Values::Int64(values) => values.clear(),
            Values::Float(values) => values.clear(),
            Values::Bytes(values) => {
                values.data.clear();
                values.ends.clear();
            }
        }
    }

    /// Puts a feature's values behind the last; they have the same kind.
    pub(super) fn extend_from(&mut self, feature: &FeatureView<'_>) -> Result<()> {
        match self {
            Values::Int64(values) => feature.int64s()?.try_for_each(|v| v.map(|v| values.push(v))),
            Values::Float(values) => feature.floats()?.try_for_each(|v| v.map(|v| values.push(v))),
            Values::Bytes(values) => feature.bytes()?.try_for_each(|v| v.map(|v| values.push(v))),
        }
    }

    /// Puts other values of the same kind behind the last, so many times.
    pub(super) fn append(&mut self, other: &Values, times: usize) {
        for _ in 0..times {
            match (&mut *self, other) {
                (Values::Int64(values), Values::Int64(other)) => values.extend_from_slice(other),
                (Values::Float(values), Values::Float(other)) => values.extend_from_slice(other),
                (Values::Bytes(values), Values::Bytes(other)) => {
                    let start = values.data.len();
                    values.data.extend_from_slice(&other.data);
                    values.ends.extend(other.ends.iter().map(|end| start + end));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_again() {
        let strings: ByteStrings = ["", "ab", "", "c"].into_iter().collect();
        assert_eq!(strings.len(), 4);
        assert_eq!(strings.iter().collect::<Vec<_>>(), [&b""[..], b"ab", b"", b"c"]);
        assert_eq!((strings.get(1), strings.get(3), strings.get(4)), (Some(&b"ab"[..]), Some(&b"c"[..]), None));
        let mut all = Values::Bytes(strings.clone());
        all.append(&Values::Bytes(strings), 2);
        assert_eq!((all.len(), all.bytes().unwrap().get(9)), (12, Some(&b"ab"[..])));
    }
}
