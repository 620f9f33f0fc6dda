//! A view of a serialised SequenceExample, and a builder of such.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::builder::{ExampleBuilder, List, delimited_len, put_delimiter};
use super::proto;
use super::values::Values;
use super::view::{FeatureView, Kind, each_feature, map_entry, message, until_error};
use super::wire::{Fields, Value};
use crate::error::Result;

/// A serialised `tf.train.SequenceExample`, read in place: features of the whole, its context, and feature lists, one feature
/// a step.
///
/// An Example is read as one without feature lists: the two are the same on the wire. Nothing is checked until it is asked
/// for; of a key that comes twice the last wins; messages that come in pieces are merged by prost.
///
/// ```
/// use tfrkit::example::{ExampleBuilder, SequenceExampleBuilder, SequenceExampleView};
///
/// let payload = SequenceExampleBuilder::new()
///     .context(ExampleBuilder::new().text("id", "a"))
///     .float_steps("audio", [vec![0.5, 1.0], vec![0.25]])
///     .encode();
/// let view = SequenceExampleView::new(&payload);
/// assert_eq!(view.feature("id")?.unwrap().single_bytes()?, b"a");
/// let audio = view.list("audio")?.unwrap();
/// let steps: Vec<usize> = audio.steps().map(|step| Ok(step?.unwrap().floats()?.count())).collect::<tfrkit::Result<_>>()?;
/// assert_eq!(steps, [2, 1]);
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SequenceExampleView<'a>(&'a [u8]);

/// What a key of a SequenceExample stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SequenceEntry<'a> {
    /// A feature of the context; `None` where it has no kind.
    Feature(Option<FeatureView<'a>>),
    /// A feature list.
    List(FeatureListView<'a>),
}

impl<'a> SequenceExampleView<'a> {
    /// A view of `payload`.
    pub fn new(payload: &'a [u8]) -> Self {
        SequenceExampleView(payload)
    }

    /// The feature of the context named `key`; `None` where it is missing or has no kind.
    pub fn feature(&self, key: &str) -> Result<Option<FeatureView<'a>>> {
        let mut found = None;
        self.for_each(|name, entry| {
            if let (true, SequenceEntry::Feature(feature)) = (name == key, entry) {
                found = feature;
            }
        })?;
        Ok(found)
    }

    /// The feature list named `key`; `None` where it is missing.
    pub fn list(&self, key: &str) -> Result<Option<FeatureListView<'a>>> {
        let mut found = None;
        self.for_each(|name, entry| {
            if let (true, SequenceEntry::List(list)) = (name == key, entry) {
                found = Some(list);
            }
        })?;
        Ok(found)
    }

    /// Calls `f` with every entry in the order of the wire. One name may be that of a feature and of a list. A key that
    /// comes twice is given twice; the last one counts.
    pub fn for_each(&self, mut f: impl FnMut(&'a str, SequenceEntry<'a>)) -> Result<()> {
        let mut example = Fields(self.0);
        while let Some((number, value)) = example.next()? {
            // Messages in several pieces: their maps merge, so walking them one after the other is the same.
            if let Some(features) = message(1, number, value)? {
                each_feature(features, &mut |key, feature| f(key, SequenceEntry::Feature(feature)))?;
            } else if let Some(lists) = message(2, number, value)? {
                each_list(lists, |list| f(list.key, SequenceEntry::List(list)))?;
            }
        }
        Ok(())
    }
}

/// As [`SequenceExampleView::for_each`], of a record that may be an Example: a second field that is no message is one that
/// Examples do not know, and skip.
pub(crate) fn each_entry<'a>(payload: &'a [u8], mut f: impl FnMut(&'a str, SequenceEntry<'a>)) -> Result<()> {
    let mut example = Fields(payload);
    while let Some((number, value)) = example.next()? {
        if let Some(features) = message(1, number, value)? {
            each_feature(features, &mut |key, feature| f(key, SequenceEntry::Feature(feature)))?;
        } else if let (2, Value::Bytes(lists)) = (number, value) {
            each_list(lists, |list| f(list.key, SequenceEntry::List(list)))?;
        }
    }
    Ok(())
}

/// Whether a record has a field for features, those of the context of a SequenceExample, and one for feature lists.
pub(crate) fn entry_fields(payload: &[u8]) -> Result<(bool, bool)> {
    let (mut fields, mut found) = (Fields(payload), (false, false));
    while let Some((number, value)) = fields.next()? {
        found.0 |= message(1, number, value)?.is_some();
        found.1 |= matches!((number, value), (2, Value::Bytes(_)));
    }
    Ok(found)
}

/// Gives every entry of serialised FeatureLists to `f`.
pub(super) fn each_list<'a>(lists: &'a [u8], mut f: impl FnMut(FeatureListView<'a>)) -> Result<()> {
    let mut lists = Fields(lists);
    while let Some((number, value)) = lists.next()? {
        let Some(entry) = message(1, number, value)? else { continue };
        let (key, list) = map_entry::<proto::FeatureList>(entry)?;
        f(FeatureListView { key, list });
    }
    Ok(())
}

/// A feature list of a [`SequenceExampleView`]: a feature for each step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureListView<'a> {
    key: &'a str,
    /// A serialised FeatureList.
    pub(super) list: Cow<'a, [u8]>,
}

impl<'a> FeatureListView<'a> {
    /// The list's name.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The steps in order; `None` for one without a kind. Stops after an error.
    pub fn steps(&self) -> impl Iterator<Item = Result<Option<FeatureView<'_>>>> {
        let mut fields = Fields(&self.list);
        until_error(move || {
            while let Some((number, value)) = fields.next()? {
                if let Some(step) = message(1, number, value)? {
                    return FeatureView::parse(self.key, Cow::Borrowed(step)).map(Some);
                }
            }
            Ok(None)
        })
    }

    /// How many steps there are.
    pub fn count(&self) -> Result<usize> {
        let mut fields = Fields(&self.list);
        let mut steps = 0;
        while let Some((number, value)) = fields.next()? {
            steps += usize::from(message(1, number, value)?.is_some());
        }
        Ok(steps)
    }

    /// The kind of the first step that has one; `None` where none has.
    pub fn kind(&self) -> Result<Option<Kind>> {
        self.steps().find_map(|step| step.map(|step| Some(step?.kind())).transpose()).transpose()
    }
}

/// Builds a serialised `tf.train.SequenceExample`: equal input, equal bytes, as [`ExampleBuilder`].
///
/// ```
/// use prost::Message;
/// use tfrkit::example::{ExampleBuilder, SequenceExample, SequenceExampleBuilder};
///
/// let payload = SequenceExampleBuilder::new()
///     .context(ExampleBuilder::new().int64("label", 3))
///     .bytes_steps("frames", [[&b"\xff\xd8"[..]], [b"\xff\xd9"]])
///     .int64_steps("tokens", [vec![7, 8], vec![]])
///     .encode();
/// let message = SequenceExample::decode(&payload[..]).unwrap();
/// assert_eq!(message.feature_lists.unwrap().feature_list["frames"].feature.len(), 2);
/// ```
#[derive(Debug, Clone, Default)]
pub struct SequenceExampleBuilder<'a> {
    context: ExampleBuilder<'a>,
    lists: BTreeMap<Cow<'a, str>, Vec<List<'a>>>,
}

impl<'a> SequenceExampleBuilder<'a> {
    /// A SequenceExample without context and lists.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the features of the context.
    pub fn context(self, context: ExampleBuilder<'a>) -> Self {
        SequenceExampleBuilder { context, ..self }
    }

    /// Sets a feature list whose steps are byte strings, any number of them each.
    pub fn bytes_steps<V: Into<Cow<'a, [u8]>>, S: IntoIterator<Item = V>>(
        self,
        key: impl Into<Cow<'a, str>>,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        let step = |values: S| List::Bytes(values.into_iter().map(Into::into).collect());
        self.set(key, steps.into_iter().map(step).collect())
    }

    /// Sets a feature list whose steps are integers.
    pub fn int64_steps<S: IntoIterator<Item = i64>>(
        self,
        key: impl Into<Cow<'a, str>>,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        self.set(key, steps.into_iter().map(|values| List::Int64(values.into_iter().collect())).collect())
    }

    /// Sets a feature list whose steps are floats.
    pub fn float_steps<S: IntoIterator<Item = f32>>(
        self,
        key: impl Into<Cow<'a, str>>,
        steps: impl IntoIterator<Item = S>,
    ) -> Self {
        self.set(key, steps.into_iter().map(|values| List::Float(values.into_iter().collect())).collect())
    }

    /// Sets a feature list to steps of whatever kind they have.
    pub fn steps(self, key: impl Into<Cow<'a, str>>, steps: &'a [Values]) -> Self {
        self.set(key, steps.iter().map(List::from).collect())
    }

    fn set(mut self, key: impl Into<Cow<'a, str>>, steps: Vec<List<'a>>) -> Self {
        self.lists.insert(key.into(), steps);
        self
    }

    /// The serialised SequenceExample.
    pub fn encode(&self) -> Vec<u8> {
        let list_len = |steps: &[List<'_>]| steps.iter().map(|step| delimited_len(step.feature_len())).sum::<usize>();
        let entry_len = |key: &str, list: usize| delimited_len(key.len()) + delimited_len(list);
        let lens: Vec<usize> = self.lists.values().map(|steps| list_len(steps)).collect();
        // The context has the field number of an Example's features.
        let mut out = self.context.encode();
        let all = self.lists.keys().zip(&lens).map(|(key, list)| delimited_len(entry_len(key, *list))).sum();
        put_delimiter(&mut out, 2, all);
        for ((key, steps), list) in self.lists.iter().zip(lens) {
            put_delimiter(&mut out, 1, entry_len(key, list));
            put_delimiter(&mut out, 1, key.len());
            out.extend_from_slice(key.as_bytes());
            put_delimiter(&mut out, 2, list);
            for step in steps {
                put_delimiter(&mut out, 1, step.feature_len());
                step.put_feature(&mut out);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::example::SequenceExample;

    fn built() -> Vec<u8> {
        let mixed = [Values::Int64(vec![1, -2]), Values::Float(vec![0.5]), Values::Int64(vec![])];
        SequenceExampleBuilder::new()
            .context(ExampleBuilder::new().text("id", "a").int64("both", 1))
            .bytes_steps("frames", [vec![&[7; 300][..], b""], vec![]])
            .int64_steps("both", [[3]])
            .steps("mixed", &mixed)
            .encode()
    }

    #[test]
    fn prost_reads_what_the_builder_writes_and_writes_the_same() {
        let payload = built();
        let message = SequenceExample::decode(&payload[..]).unwrap();
        assert_eq!(message.encode_to_vec(), payload);
        let lists = message.feature_lists.unwrap().feature_list;
        assert_eq!(lists.values().map(|list| list.feature.len()).collect::<Vec<_>>(), [1, 2, 3]);
        let empty = SequenceExampleBuilder::new().encode();
        let some = SequenceExample { context: Some(Default::default()), feature_lists: Some(Default::default()) };
        assert_eq!(SequenceExample::decode(&empty[..]).unwrap(), some);
    }

    #[test]
    fn the_view_finds_what_the_builder_wrote_and_borrows_it() {
        let payload = built();
        let view = SequenceExampleView::new(&payload);
        assert_eq!(view.feature("both").unwrap().unwrap().single_int64().unwrap(), 1);
        let both = view.list("both").unwrap().unwrap();
        assert_eq!(both.steps().next().unwrap().unwrap().unwrap().single_int64().unwrap(), 3);
        let frames = view.list("frames").unwrap().unwrap();
        let first = frames.steps().next().unwrap().unwrap().unwrap();
        let bytes = first.bytes().unwrap().next().unwrap().unwrap();
        assert!(payload.as_ptr_range().contains(&bytes.as_ptr()));
        assert_eq!((frames.count().unwrap(), frames.kind().unwrap()), (2, Some(Kind::Bytes)));
        let payload = SequenceExampleBuilder::new().float_steps("none", [[0.0; 0]; 0]).encode();
        let none = SequenceExampleView::new(&payload).list("none").unwrap().unwrap();
        assert_eq!((none.count().unwrap(), none.kind().unwrap()), (0, None));
        assert!(view.list("id").unwrap().is_none() && view.feature("frames").unwrap().is_none());
        let kinds = view.list("mixed").unwrap().unwrap();
        let kinds: Vec<_> = kinds.steps().map(|step| step.unwrap().unwrap().kind()).collect();
        assert_eq!(kinds, [Kind::Int64, Kind::Float, Kind::Int64]);
    }

    /// FeatureLists { entry }
    fn lists_of(entry: &[u8]) -> Vec<u8> {
        [&[0x12, entry.len() as u8 + 2, 0x0a, entry.len() as u8][..], entry].concat()
    }

    #[test]
    fn pieces_of_a_list_are_merged_and_cut_ones_refused_as_by_prost() {
        // FeatureList { feature { int64_list { n } } }, and a step without a kind.
        let piece = |n: u8| vec![0x12, 7, 0x0a, 5, 0x1a, 3, 0x0a, 1, n];
        let payload = lists_of(&[&[0x0a, 1, b'k'][..], &piece(5), &piece(6), &[0x12, 2, 0x0a, 0]].concat());
        let list = SequenceExampleView::new(&payload).list("k").unwrap().unwrap();
        let steps: Vec<_> = list.steps().map(|s| s.unwrap().map(|f| f.single_int64().unwrap())).collect();
        assert_eq!(steps, [Some(5), Some(6), None]);
        let message = SequenceExample::decode(&payload[..]).unwrap();
        assert_eq!(message.feature_lists.unwrap().feature_list["k"].feature.len(), 3);

        let cut = lists_of(&[0x0a, 1, b'k', 0x12, 2, 0x0a, 3, 0x12, 3, 0x1a, 1, 0]);
        assert!(SequenceExample::decode(&cut[..]).is_err());
        assert!(SequenceExampleView::new(&cut).list("k").is_err());
        // Of a list that comes twice, the last counts.
        let twice = [lists_of(&[&[0x0a, 1, b'k'][..], &piece(5)].concat()), lists_of(&[0x0a, 1, b'k'])].concat();
        assert_eq!(SequenceExampleView::new(&twice).list("k").unwrap().unwrap().count().unwrap(), 0);
        // An Example is a SequenceExample without lists; what is no message in place of lists is refused.
        let example = ExampleBuilder::new().int64("a", 1).encode();
        assert_eq!(SequenceExampleView::new(&example).feature("a").unwrap().unwrap().single_int64().unwrap(), 1);
        for (bad, is_example) in [(&[0x10, 1][..], true), (&[0x12, 1, 0xff], false)] {
            let record = [&example[..], bad].concat();
            assert!(SequenceExampleView::new(&record).for_each(|_, _| {}).is_err());
            assert_eq!(each_entry(&record, |_, _| {}).is_ok(), is_example, "{bad:?}");
        }
    }

    /// What the view sees, as prost would have it; an error where any value cannot be read.
    fn seen(payload: &[u8]) -> Result<(proto::Features, proto::FeatureLists)> {
        let (mut features, mut lists) = (proto::Features::default(), proto::FeatureLists::default());
        let mut read = Ok(());
        let value = |feature: Option<&FeatureView<'_>>| -> Result<proto::Feature> {
            let Some(feature) = feature else { return Ok(proto::Feature::default()) };
            let kind = match feature.kind() {
                Kind::Bytes => proto::feature::Kind::BytesList(proto::BytesList {
                    value: feature.bytes()?.map(|v| v.map(|v| v.to_vec().into())).collect::<Result<_>>()?,
                }),
                Kind::Float => proto::feature::Kind::FloatList(proto::FloatList {
                    value: feature.floats()?.collect::<Result<_>>()?,
                }),
                Kind::Int64 => proto::feature::Kind::Int64List(proto::Int64List {
                    value: feature.int64s()?.collect::<Result<_>>()?,
                }),
            };
            Ok(proto::Feature { kind: Some(kind) })
        };
        SequenceExampleView::new(payload).for_each(|key, entry| {
            let mut put = || -> Result<()> {
                match &entry {
                    SequenceEntry::Feature(feature) => {
                        features.feature.insert(key.to_owned(), value(feature.as_ref())?);
                    }
                    SequenceEntry::List(list) => {
                        let steps = list.steps().map(|step| value(step?.as_ref()));
                        let feature = steps.collect::<Result<_>>()?;
                        lists.feature_list.insert(key.to_owned(), proto::FeatureList { feature });
                    }
                }
                Ok(())
            };
            if let Err(e) = put() {
                read = Err(e);
            }
        })?;
        read.map(|()| (features, lists))
    }

    proptest::proptest! {
        /// Pieces of messages doubled, cut out, moved and changed: the view reads what prost reads, and refuses what it refuses.
        #[test]
        fn the_view_agrees_with_prost(
            edits in proptest::collection::vec((0usize..400, 0usize..40, 0u8..4, proptest::prelude::any::<u8>()), 0..6)
        ) {
            let steps = [Values::Int64(vec![1, -2]), Values::Float(vec![0.5])];
            let mut payload = SequenceExampleBuilder::new()
                .context(ExampleBuilder::new().text("id", "a").int64s("n", [1, 300]).float("x", 0.5))
                .bytes_steps("w", [vec![&b"ab"[..], b""], vec![]])
                .steps("m", &steps)
                .encode();
            for (at, len, what, byte) in edits {
                let at = at % (payload.len() + 1);
                let end = (at + len).min(payload.len());
                match what {
                    0 => drop(payload.drain(at..end)),
                    1 => {
                        let piece = payload[at..end].to_vec();
                        drop(payload.splice(at..at, piece));
                    }
                    2 => payload.insert(at, byte),
                    _ if at < payload.len() => payload[at] = byte,
                    _ => {}
                }
            }
            let expected = SequenceExample::decode(&payload[..]);
            let found = seen(&payload);
            match expected {
                Ok(message) => {
                    let expected = (message.context.unwrap_or_default(), message.feature_lists.unwrap_or_default());
                    // By their bytes: NaN is not equal to itself.
                    let bytes = |(a, b): (proto::Features, proto::FeatureLists)| (a.encode_to_vec(), b.encode_to_vec());
                    proptest::prop_assert_eq!(bytes(found.unwrap()), bytes(expected));
                }
                Err(e) => proptest::prop_assert!(found.is_err(), "prost says {}", e),
            }
        }
    }
}
