//! A view of a serialised Example that finds features without building the message.

use std::borrow::Cow;

use prost::Message;

use super::proto;
use super::wire::{Fields, Value, varint};
use crate::error::{Error, Result};

/// The kind of a feature's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Byte strings.
    Bytes,
    /// 32-bit floats.
    Float,
    /// 64-bit signed integers.
    Int64,
}

impl Kind {
    /// The name in JSON: `bytes`, `float`, `int64`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bytes => "bytes",
            Kind::Float => "float",
            Kind::Int64 => "int64",
        }
    }
}

/// A serialised `tf.train.Example`, read in place.
///
/// Nothing is checked until it is asked for. Reads packed and unpacked lists; of a key that comes twice the last wins;
/// messages that come in pieces are merged by prost; unknown fields are skipped, which feature lists are here: see
/// [`SequenceExampleView`](super::SequenceExampleView).
///
/// ```
/// use tfrkit::example::{ExampleBuilder, ExampleView};
///
/// let payload = ExampleBuilder::new().bytes("image/encoded", b"...").int64("label", -7).encode();
/// let view = ExampleView::new(&payload);
/// assert_eq!(view.feature("label")?.unwrap().int64s()?.next().unwrap()?, -7);
/// assert_eq!(view.feature("image/encoded")?.unwrap().single_bytes()?, b"...");
/// assert!(view.feature("missing")?.is_none());
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ExampleView<'a>(&'a [u8]);

impl<'a> ExampleView<'a> {
    /// A view of `payload`.
    pub fn new(payload: &'a [u8]) -> Self {
        ExampleView(payload)
    }

    /// The feature named `key`; `None` where it is missing or has no kind.
    pub fn feature(&self, key: &str) -> Result<Option<FeatureView<'a>>> {
        let [found] = self.find([key])?;
        Ok(found)
    }

    /// The features named `keys`, in one pass over the payload.
    pub fn find<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<FeatureView<'a>>; N]> {
        let mut found = [const { None }; N];
        self.for_each(|key, feature| {
            for (slot, wanted) in found.iter_mut().zip(keys) {
                if key == wanted {
                    *slot = feature.clone();
                }
            }
        })?;
        Ok(found)
    }

    /// Calls `f` with every entry in the order of the wire: the key, and the feature, or `None` where it has no kind.
    /// A key that comes twice is given twice; the last one counts.
    pub fn for_each(&self, mut f: impl FnMut(&'a str, Option<FeatureView<'a>>)) -> Result<()> {
        let mut example = Fields(self.0);
        while let Some((number, value)) = example.next()? {
            // `features` in several pieces: their maps merge, so walking them one after the other is the same.
            if let Some(features) = message(1, number, value)? {
                each_feature(features, &mut f)?;
            }
        }
        Ok(())
    }
}

/// Gives every entry of serialised Features to `f`.
pub(super) fn each_feature<'a>(features: &'a [u8], f: &mut impl FnMut(&'a str, Option<FeatureView<'a>>)) -> Result<()> {
    let mut features = Fields(features);
    while let Some((number, value)) = features.next()? {
        let Some(entry) = message(1, number, value)? else { continue };
        let (key, feature) = map_entry::<proto::Feature>(entry)?;
        f(key, FeatureView::parse(key, feature)?);
    }
    Ok(())
}

/// The bytes of field `wanted`, which must be length-delimited; `None` for other fields.
pub(super) fn message(wanted: u32, number: u32, value: Value<'_>) -> Result<Option<&[u8]>> {
    match value {
        _ if number != wanted => Ok(None),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        _ => Err(Error::proto(format!("field {number} is no message"))),
    }
}

/// Key and value of a map entry, in any order. The value is a message `M`; where it comes in pieces, prost merges them.
pub(super) fn map_entry<M: Message + Default>(entry: &[u8]) -> Result<(&str, Cow<'_, [u8]>)> {
    let (mut key, mut value) = ("", None);
    let mut fields = Fields(entry);
    while let Some((number, found)) = fields.next()? {
        match number {
            1 => key = entry_key(found)?,
            2 if value.is_none() => value = message(2, number, found)?,
            2 => return merged_entry::<M>(entry),
            _ => {}
        }
    }
    Ok((key, Cow::Borrowed(value.unwrap_or_default())))
}

fn merged_entry<M: Message + Default>(entry: &[u8]) -> Result<(&str, Cow<'_, [u8]>)> {
    let (mut key, mut value) = ("", M::default());
    let mut fields = Fields(entry);
    while let Some((number, found)) = fields.next()? {
        match number {
            1 => key = entry_key(found)?,
            2 => value.merge(message(2, number, found)?.unwrap_or_default()).map_err(refused)?,
            _ => {}
        }
    }
    Ok((key, Cow::Owned(value.encode_to_vec())))
}

fn entry_key(value: Value<'_>) -> Result<&str> {
    let bytes = message(1, 1, value)?.unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|_| Error::proto("a feature's name is not UTF-8"))
}

/// What prost says of a message that it was left to.
fn refused(error: prost::DecodeError) -> Error {
    Error::proto(error.to_string())
}

/// One feature of a view, or one step of a feature list: its kind, and its values on demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureView<'a> {
    key: &'a str,
    kind: Kind,
    list: Cow<'a, [u8]>,
}

impl<'a> FeatureView<'a> {
    pub(super) fn parse(key: &'a str, feature: Cow<'a, [u8]>) -> Result<Option<Self>> {
        match feature {
            Cow::Borrowed(bytes) => Self::parse_slice(key, bytes),
            // Rare: a feature that had to be merged owns its list.
            Cow::Owned(bytes) => Ok(Self::parse_slice(key, &bytes)?.map(|f| FeatureView {
                key,
                kind: f.kind,
                list: Cow::Owned(f.list.into_owned()),
            })),
        }
    }

    fn parse_slice<'b>(key: &'b str, feature: &'b [u8]) -> Result<Option<FeatureView<'b>>> {
        let mut found: Option<FeatureView<'b>> = None;
        let mut fields = Fields(feature);
        while let Some((number, value)) = fields.next()? {
            let kind = match number {
                1 => Kind::Bytes,
                2 => Kind::Float,
                3 => Kind::Int64,
                _ => continue,
            };
            let piece = message(number, number, value)?.unwrap_or_default();
            if found.is_some() {
                // Rare: pieces of a list that merge, or of several kinds, the last of which wins; each must be whole.
                let merged = proto::Feature::decode(feature).map_err(refused)?.encode_to_vec();
                let found = Self::parse_slice(key, &merged)?;
                return Ok(found.map(|f| FeatureView { key, kind: f.kind, list: Cow::Owned(f.list.into_owned()) }));
            }
            found = Some(FeatureView { key, kind, list: Cow::Borrowed(piece) });
        }
        Ok(found)
    }

    /// The feature's name; of a step, that of its list.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The kind of the list.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The byte strings in order. An error where the list has another kind.
    pub fn bytes(&self) -> Result<impl Iterator<Item = Result<&[u8]>>> {
        self.expect(Kind::Bytes)?;
        let mut fields = Fields(&self.list);
        Ok(until_error(move || {
            while let Some((number, value)) = fields.next()? {
                if let Some(bytes) = message(1, number, value)? {
                    return Ok(Some(bytes));
                }
            }
            Ok(None)
        }))
    }

    /// The floats in order. An error where the list has another kind.
    pub fn floats(&self) -> Result<impl Iterator<Item = Result<f32>>> {
        self.expect(Kind::Float)?;
        let mut fields = Fields(&self.list);
        let mut packed: &[u8] = &[];
        Ok(until_error(move || {
            loop {
                if let Some((value, rest)) = packed.split_first_chunk() {
                    packed = rest;
                    return Ok(Some(f32::from_le_bytes(*value)));
                }
                if !packed.is_empty() {
                    return Err(Error::proto("a packed float list is cut"));
                }
                match fields.next()? {
                    Some((1, Value::Bytes(bytes))) => packed = bytes,
                    Some((1, Value::Fixed32(value))) => return Ok(Some(f32::from_le_bytes(value))),
                    Some((1, _)) => return Err(Error::proto("a float list holds another type")),
                    Some(_) => {}
                    None => return Ok(None),
                }
            }
        }))
    }

    /// The integers in order. An error where the list has another kind.
    pub fn int64s(&self) -> Result<impl Iterator<Item = Result<i64>>> {
        self.expect(Kind::Int64)?;
        let mut fields = Fields(&self.list);
        let mut packed: &[u8] = &[];
        Ok(until_error(move || {
            loop {
                if !packed.is_empty() {
                    return varint(&mut packed).map(|v| Some(v as i64));
                }
                match fields.next()? {
                    Some((1, Value::Bytes(bytes))) => packed = bytes,
                    Some((1, Value::Varint(value))) => return Ok(Some(value as i64)),
                    Some((1, _)) => return Err(Error::proto("an int64 list holds another type")),
                    Some(_) => {}
                    None => return Ok(None),
                }
            }
        }))
    }

    /// The only byte string of the feature.
    pub fn single_bytes(&self) -> Result<&[u8]> {
        self.single(self.bytes()?)
    }

    /// The only integer of the feature.
    pub fn single_int64(&self) -> Result<i64> {
        self.single(self.int64s()?)
    }

    fn expect(&self, kind: Kind) -> Result<()> {
        if self.kind == kind {
            return Ok(());
        }
        Err(Error::schema(self.key, format!("is a list of {}, not of {}", self.kind.name(), kind.name())))
    }

    fn single<T>(&self, mut values: impl Iterator<Item = Result<T>>) -> Result<T> {
        let wrong = |what: &str| Error::schema(self.key, format!("{what} where one value is expected"));
        let first = values.next().ok_or_else(|| wrong("has none"))??;
        match values.next() {
            None => Ok(first),
            Some(_) => Err(wrong("has more")),
        }
    }
}

/// An iterator over what `next` gives, which stops after an error.
pub(super) fn until_error<T>(mut next: impl FnMut() -> Result<Option<T>>) -> impl Iterator<Item = Result<T>> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let item = next().transpose();
        done = !matches!(item, Some(Ok(_)));
        item
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    fn ints(feature: &FeatureView<'_>) -> Vec<i64> {
        feature.int64s().unwrap().collect::<Result<_>>().unwrap()
    }

    #[test]
    fn values_borrow_from_the_payload() {
        let payload = ExampleBuilder::new().bytes("image", &[9; 1000]).encode();
        let feature = ExampleView::new(&payload).feature("image").unwrap().unwrap();
        let image = feature.single_bytes().unwrap();
        assert!(payload.as_ptr_range().contains(&image.as_ptr()));
    }

    #[test]
    fn an_empty_payload_is_an_empty_example() {
        assert!(ExampleView::new(&[]).feature("any").unwrap().is_none());
    }

    /// Feature { int64_list { value: packed [n] } }
    fn int_feature(n: u8) -> Vec<u8> {
        vec![0x1a, 3, 0x0a, 1, n]
    }

    fn example_of(entry: &[u8]) -> Vec<u8> {
        let mut features = vec![0x0a, entry.len() as u8];
        features.extend_from_slice(entry);
        let mut out = vec![0x0a, features.len() as u8];
        out.extend_from_slice(&features);
        out
    }

    fn entry(key: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![0x0a, 1, key, 0x12, value.len() as u8];
        out.extend_from_slice(value);
        out
    }

    #[test]
    fn pieces_are_merged_as_protobuf_says() {
        // The same list in two pieces, inside one feature and in two values of one entry.
        let twice = [int_feature(1), int_feature(2)].concat();
        let payload = example_of(&entry(b'k', &twice));
        assert_eq!(ints(&ExampleView::new(&payload).feature("k").unwrap().unwrap()), [1, 2]);
        let mut split = entry(b'k', &int_feature(1));
        split.extend_from_slice(&[0x12, 5]);
        split.extend_from_slice(&int_feature(2));
        let payload = example_of(&split);
        assert_eq!(ints(&ExampleView::new(&payload).feature("k").unwrap().unwrap()), [1, 2]);
        // `features` twice: the last of equal keys wins.
        let payload = [example_of(&entry(b'k', &int_feature(1))), example_of(&entry(b'k', &int_feature(2)))].concat();
        assert_eq!(ints(&ExampleView::new(&payload).feature("k").unwrap().unwrap()), [2]);
        // A oneof set twice with different members: the last member wins.
        let mixed = [int_feature(1), vec![0x0a, 3, 0x0a, 1, b'x']].concat();
        let payload = example_of(&entry(b'k', &mixed));
        assert_eq!(ExampleView::new(&payload).feature("k").unwrap().unwrap().single_bytes().unwrap(), b"x");
    }

    #[test]
    fn value_before_key_and_unpacked_lists_are_read() {
        let payload = example_of(&[&[0x12, 6, 0x1a, 4, 0x08, 5, 0x08, 6][..], &[0x0a, 1, b'k']].concat());
        assert_eq!(ints(&ExampleView::new(&payload).feature("k").unwrap().unwrap()), [5, 6]);
        let floats = [&[0x0a, 1, b'k', 0x12, 7, 0x12, 5, 0x0d][..], &1.5f32.to_le_bytes()].concat();
        let payload = example_of(&floats);
        let feature = ExampleView::new(&payload).feature("k").unwrap().unwrap();
        assert_eq!(feature.floats().unwrap().next().unwrap().unwrap(), 1.5);
    }

    /// Pieces of a list, of a feature or of an entry's value merge; each must be a message of its own. A view that joined
    /// their bytes would read a list that is cut where no piece may end.
    #[test]
    fn pieces_that_are_cut_are_refused_as_prost_refuses_them() {
        for entry in [
            // bytes_list { 0a 03 'x' (cut) } and bytes_list { 'yy' }, together 0a 03 'xyy'.
            &[0x0a, 1, b'k', 0x12, 9, 0x0a, 3, 0x0a, 3, b'x', 0x0a, 2, b'y', b'y'][..],
            // The same cut between two pieces of the entry's value.
            &[0x0a, 1, b'k', 0x12, 5, 0x0a, 5, 0x0a, 3, b'x', 0x12, 2, b'y', b'y'],
            // A list that is cut, and then one of another kind.
            &[0x0a, 1, b'k', 0x12, 7, 0x0a, 2, 0x0a, 3, 0x1a, 1, 0x08],
        ] {
            let payload = example_of(entry);
            assert!(crate::example::Example::decode(&payload[..]).is_err(), "{entry:x?}");
            let found = ExampleView::new(&payload).feature("k");
            assert_eq!(found.unwrap_err().kind_name(), "proto", "{entry:x?}");
        }
    }

    #[test]
    fn wrong_kinds_and_counts_are_errors() {
        let payload = ExampleBuilder::new().int64s("two", [1, 2]).int64s("none", []).encode();
        let view = ExampleView::new(&payload);
        let two = view.feature("two").unwrap().unwrap();
        assert!(two.single_bytes().unwrap_err().to_string().contains("'two' is a list of int64, not of bytes"));
        assert!(two.single_int64().unwrap_err().to_string().contains("has more"));
        assert!(view.feature("none").unwrap().unwrap().single_int64().unwrap_err().to_string().contains("has none"));
        assert!(ExampleView::new(b"no protobuf").feature("x").is_err());
    }
}
