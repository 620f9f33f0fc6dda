//! Builds serialised Examples: equal input, equal bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::values::Values;
use super::wire::{put_varint, varint_len};

/// Builds a serialised `tf.train.Example`.
///
/// Keys are sorted by their bytes, key goes before value, lists are packed: equal features give equal bytes, and
/// parsers that demand this order can read them. Values are borrowed where they can be, and copied once, by `encode`.
///
/// ```
/// use prost::Message;
/// use tfrkit::example::{Example, ExampleBuilder};
///
/// let payload = ExampleBuilder::new()
///     .bytes("image/encoded", &[0xff, 0xd8])
///     .text("image/class/text", "cat")
///     .int64("image/class/label", 3)
///     .floats("embedding", [0.5, -1.0])
///     .encode();
/// let example = Example::decode(&payload[..]).unwrap();
/// assert_eq!(example.features.unwrap().feature.len(), 4);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ExampleBuilder<'a> {
    features: BTreeMap<Cow<'a, str>, List<'a>>,
}

/// The values of a feature.
#[derive(Debug, Clone)]
pub(super) enum List<'a> {
    Bytes(Vec<Cow<'a, [u8]>>),
    Float(Vec<f32>),
    Int64(Vec<i64>),
}

impl<'a> ExampleBuilder<'a> {
    /// An Example without features.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a feature of one byte string.
    pub fn bytes(self, key: impl Into<Cow<'a, str>>, value: &'a [u8]) -> Self {
        self.set(key, List::Bytes(vec![value.into()]))
    }

    /// Sets a feature of one byte string, given as text.
    pub fn text(self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        let bytes = match value.into() {
            Cow::Borrowed(s) => Cow::Borrowed(s.as_bytes()),
            Cow::Owned(s) => Cow::Owned(s.into_bytes()),
        };
        self.set(key, List::Bytes(vec![bytes]))
    }

    /// Sets a feature of byte strings.
    pub fn bytes_list<V: Into<Cow<'a, [u8]>>>(
        self,
        key: impl Into<Cow<'a, str>>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.set(key, List::Bytes(values.into_iter().map(Into::into).collect()))
    }

    /// Sets a feature of one integer.
    pub fn int64(self, key: impl Into<Cow<'a, str>>, value: i64) -> Self {
        self.set(key, List::Int64(vec![value]))
    }

    /// Sets a feature of integers.
    pub fn int64s(self, key: impl Into<Cow<'a, str>>, values: impl IntoIterator<Item = i64>) -> Self {
        self.set(key, List::Int64(values.into_iter().collect()))
    }

    /// Sets a feature of one float.
    pub fn float(self, key: impl Into<Cow<'a, str>>, value: f32) -> Self {
        self.set(key, List::Float(vec![value]))
    }

    /// Sets a feature of floats.
    pub fn floats(self, key: impl Into<Cow<'a, str>>, values: impl IntoIterator<Item = f32>) -> Self {
        self.set(key, List::Float(values.into_iter().collect()))
    }

    /// Sets a feature to values of whatever kind they have.
    pub fn values(self, key: impl Into<Cow<'a, str>>, values: &'a Values) -> Self {
        self.set(key, List::from(values))
    }

    fn set(mut self, key: impl Into<Cow<'a, str>>, list: List<'a>) -> Self {
        self.features.insert(key.into(), list);
        self
    }

    /// The serialised Example.
    pub fn encode(&self) -> Vec<u8> {
        let sizes: Vec<Sizes> = self.features.iter().map(|(key, list)| Sizes::of(key, list)).collect();
        let features_len: usize = sizes.iter().map(|s| delimited_len(s.entry)).sum();
        let mut out = Vec::with_capacity(delimited_len(features_len));
        put_delimiter(&mut out, 1, features_len);
        for ((key, list), sizes) in self.features.iter().zip(&sizes) {
            put_delimiter(&mut out, 1, sizes.entry);
            put_delimiter(&mut out, 1, key.len());
            out.extend_from_slice(key.as_bytes());
            put_delimiter(&mut out, 2, sizes.feature);
            put_delimiter(&mut out, list.field(), sizes.list);
            list.put(&mut out, sizes.packed);
        }
        out
    }
}

/// The lengths of a map entry's nested messages, innermost first.
struct Sizes {
    packed: usize,
    list: usize,
    feature: usize,
    entry: usize,
}

impl Sizes {
    fn of(key: &str, list: &List<'_>) -> Self {
        let (packed, list) = list.sizes();
        let feature = delimited_len(list);
        Sizes { packed, list, feature, entry: delimited_len(key.len()) + delimited_len(feature) }
    }
}

fn packed_sizes(packed: usize) -> (usize, usize) {
    (packed, if packed == 0 { 0 } else { delimited_len(packed) })
}

impl<'a> From<&'a Values> for List<'a> {
    fn from(values: &'a Values) -> Self {
        match values {
            Values::Bytes(values) => List::Bytes(values.iter().map(Into::into).collect()),
            Values::Float(values) => List::Float(values.clone()),
            Values::Int64(values) => List::Int64(values.clone()),
        }
    }
}

impl List<'_> {
    /// The length of the packed values, and of the list.
    fn sizes(&self) -> (usize, usize) {
        match self {
            List::Bytes(values) => (0, values.iter().map(|v| delimited_len(v.len())).sum()),
            List::Float(values) => packed_sizes(values.len() * 4),
            List::Int64(values) => packed_sizes(values.iter().map(|&v| varint_len(v as u64)).sum()),
        }
    }

    /// The length of the serialised feature.
    pub(super) fn feature_len(&self) -> usize {
        delimited_len(self.sizes().1)
    }

    /// Appends the serialised feature.
    pub(super) fn put_feature(&self, out: &mut Vec<u8>) {
        let (packed, list) = self.sizes();
        put_delimiter(out, self.field(), list);
        self.put(out, packed);
    }

    fn field(&self) -> u8 {
        match self {
            List::Bytes(_) => 1,
            List::Float(_) => 2,
            List::Int64(_) => 3,
        }
    }

    fn put(&self, out: &mut Vec<u8>, packed: usize) {
        if let List::Bytes(values) = self {
            for value in values {
                put_delimiter(out, 1, value.len());
                out.extend_from_slice(value);
            }
            return;
        }
        if packed == 0 {
            return;
        }
        put_delimiter(out, 1, packed);
        match self {
            List::Float(values) => values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes())),
            List::Int64(values) => values.iter().for_each(|&v| put_varint(out, v as u64)),
            List::Bytes(_) => {}
        }
    }
}

/// The length of a length-delimited field (with a one-byte tag) around `len` bytes.
pub(super) fn delimited_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

pub(super) fn put_delimiter(out: &mut Vec<u8>, field: u8, len: usize) {
    out.push(field << 3 | 2);
    put_varint(out, len as u64);
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::example::proto::feature::Kind;
    use crate::example::{Example, proto};

    #[test]
    fn prost_reads_what_the_builder_writes() {
        let payload = ExampleBuilder::new()
            .int64s("ints", [0, 1, -1, i64::MIN, i64::MAX])
            .floats("floats", [0.0, -1.5, f32::MAX])
            .bytes_list("bytes", [&b""[..], b"a", &[0; 200]])
            .floats("empty", [])
            .text("z", "last")
            .encode();
        let features = Example::decode(&payload[..]).unwrap().features.unwrap().feature;
        let kind = |k: &str| features[k].kind.clone().unwrap();
        assert_eq!(kind("ints"), Kind::Int64List(proto::Int64List { value: vec![0, 1, -1, i64::MIN, i64::MAX] }));
        assert_eq!(kind("floats"), Kind::FloatList(proto::FloatList { value: vec![0.0, -1.5, f32::MAX] }));
        assert_eq!(kind("empty"), Kind::FloatList(proto::FloatList { value: vec![] }));
        let Kind::BytesList(list) = kind("bytes") else { panic!() };
        assert_eq!(list.value.iter().map(|v| v.len()).collect::<Vec<_>>(), [0, 1, 200]);
        // Sorted maps make prost write the very same bytes.
        assert_eq!(Example::decode(&payload[..]).unwrap().encode_to_vec(), payload);
    }

    #[test]
    fn the_order_of_calls_does_not_matter() {
        let a = ExampleBuilder::new().int64("b", 1).int64("a", 2).encode();
        let b = ExampleBuilder::new().int64("a", 2).int64("b", 1).encode();
        assert_eq!(a, b);
        let values = [Values::Int64(vec![1]), Values::Int64(vec![2])];
        assert_eq!(a, ExampleBuilder::new().values("b", &values[0]).values("a", &values[1]).encode());
    }
}
