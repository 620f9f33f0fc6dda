//! What the payloads of a set are: Examples, SequenceExamples, or something of somebody's own.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::work::HELD;
use crate::error::Result;
use crate::example::{ExampleView, FeatureView, Kind, SchemaMessage, SequenceEntry, each_entry, entry_fields};
use crate::pipeline::ImageFeature;
use crate::record::{Io, OnCorrupt, Passed, ReadOptions, RecordSource};

/// How many whole records tell what a set holds.
pub(super) const TELLING: usize = 16;

/// How many damaged records are passed over in the search for whole ones.
const MAX_DAMAGED: usize = 1000;

/// The message that payloads hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum MessageType {
    /// `tf.train.Example`.
    Example,
    /// `tf.train.SequenceExample`.
    SequenceExample,
    /// Neither: bytes of somebody's own, which a TFRecord file may hold as well.
    #[serde(rename = "raw")]
    Raw,
}

impl From<SchemaMessage> for MessageType {
    fn from(message: SchemaMessage) -> Self {
        match message {
            SchemaMessage::Example => MessageType::Example,
            SchemaMessage::SequenceExample => MessageType::SequenceExample,
        }
    }
}

impl MessageType {
    /// The name in JSON: `Example`, `SequenceExample`, `raw`.
    pub fn name(self) -> &'static str {
        match self {
            MessageType::Example => "Example",
            MessageType::SequenceExample => "SequenceExample",
            MessageType::Raw => "raw",
        }
    }

    /// What a payload is. `None` for an empty one, which every message encodes to.
    ///
    /// A message that has none of the fields of either is raw: other protobuf messages would pass for an Example
    /// without features otherwise.
    pub(super) fn of(payload: &[u8]) -> Option<Self> {
        if payload.is_empty() {
            return None;
        }
        match entry_fields(payload) {
            Ok((_, true)) if walk_sequence(payload, |_, _| {}).is_ok() => Some(MessageType::SequenceExample),
            Ok((true, false)) if walk(payload, |_, _| {}).is_ok() => Some(MessageType::Example),
            _ => Some(MessageType::Raw),
        }
    }
}

/// Counts what payloads are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Votes([u64; 3]);

impl Votes {
    /// Counts a payload; what it is.
    pub(super) fn add(&mut self, payload: &[u8]) -> Option<MessageType> {
        let message = MessageType::of(payload)?;
        self.0[message as usize] += 1;
        Some(message)
    }

    /// Counts what others have counted.
    pub(super) fn merge(&mut self, other: Votes) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }

    /// What most payloads are; raw only where none is anything else. `None` where all were empty.
    pub(super) fn winner(self) -> Option<MessageType> {
        match self.0 {
            [0, 0, 0] => None,
            [0, 0, _] => Some(MessageType::Raw),
            [examples, sequences, _] if sequences > examples => Some(MessageType::SequenceExample),
            _ => Some(MessageType::Example),
        }
    }
}

/// Reads an Example through to its last value, and gives every feature that has a kind to `f`.
pub(super) fn walk<'a>(payload: &'a [u8], mut f: impl FnMut(&'a str, &FeatureView<'a>)) -> Result<()> {
    let mut damaged = Ok(());
    ExampleView::new(payload).for_each(|key, feature| {
        let Some(feature) = feature else { return };
        if damaged.is_ok() {
            damaged = walk_values(&feature);
        }
        f(key, &feature);
    })?;
    damaged
}

/// Reads a SequenceExample through to its last value, and gives every entry to `f`.
pub(super) fn walk_sequence<'a>(payload: &'a [u8], mut f: impl FnMut(&'a str, SequenceEntry<'a>)) -> Result<()> {
    let mut damaged = Ok(());
    each_entry(payload, |key, entry| {
        if damaged.is_ok() {
            damaged = match &entry {
                SequenceEntry::Feature(feature) => feature.as_ref().map_or(Ok(()), walk_values),
                SequenceEntry::List(list) => {
                    list.steps().try_for_each(|step| step?.as_ref().map_or(Ok(()), walk_values))
                }
            };
        }
        f(key, entry);
    })?;
    damaged
}

fn walk_values(feature: &FeatureView<'_>) -> Result<()> {
    match feature.kind() {
        Kind::Bytes => feature.bytes()?.try_for_each(|v| v.map(drop)),
        Kind::Float => feature.floats()?.try_for_each(|v| v.map(drop)),
        Kind::Int64 => feature.int64s()?.try_for_each(|v| v.map(drop)),
    }
}

/// What a set holds, told by its first whole records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// The message. Example where nothing tells.
    pub(super) message: MessageType,
    /// The feature that holds an encoded image.
    pub(super) image_key: Option<Arc<str>>,
    /// Features that hold images, where it is not told which one is meant.
    pub(super) image_keys: Vec<String>,
    /// The feature that holds the label, where somebody has named it; else the usual ones.
    pub(super) label_key: Option<Arc<str>>,
}

impl Profile {
    /// Of payloads at hand.
    pub(super) fn of_payloads(payloads: &[&[u8]]) -> Self {
        let mut votes = Votes::default();
        for payload in payloads {
            votes.add(payload);
        }
        let message = votes.winner().unwrap_or(MessageType::Example);
        let (image_key, image_keys) = match ImageFeature::of(payloads.iter().copied()) {
            ImageFeature::Found(key) => (Some(key), Vec::new()),
            ImageFeature::Several(keys) => (None, keys),
            ImageFeature::Nowhere => (None, Vec::new()),
        };
        Profile { message, image_key, image_keys, label_key: None }
    }

    /// The same, with image and label in the features that somebody has named.
    pub(super) fn with_names(mut self, image: Option<&str>, label: Option<&str>) -> Self {
        if let Some(key) = image {
            (self.image_key, self.image_keys) = (Some(key.into()), Vec::new());
        }
        self.label_key = label.map(Arc::from);
        self
    }

    /// Of the first shard among `shards` that has a whole record. Says nothing of damage: the job itself will.
    pub(super) fn of_shards(shards: &[PathBuf], io: Io) -> Self {
        let payloads = shards.iter().take(TELLING).map(|path| first_whole(path, io)).find(|found| !found.is_empty());
        Self::of_payloads(&payloads.unwrap_or_default().iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

fn first_whole(path: &PathBuf, io: Io) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let options = ReadOptions { on_corrupt: OnCorrupt::Continue, ..Default::default() };
    let Ok(mut source) = RecordSource::open(path, io, options) else { return found };
    let (mut damaged, mut bytes) = (0, 0);
    while found.len() < TELLING && damaged < MAX_DAMAGED && bytes < HELD {
        match source.next_within(HELD) {
            Ok(Some(Passed { len, payload: Some(payload), .. })) if found.is_empty() || bytes + len <= HELD => {
                bytes += len;
                found.push(payload.to_vec());
            }
            Ok(Some(_)) => damaged += 1,
            Ok(None) => break,
            Err(_) => damaged += 1,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ExampleBuilder, SequenceExampleBuilder};

    #[test]
    fn messages_are_told_apart() {
        let example = ExampleBuilder::new().int64("a", 1).encode();
        assert_eq!(MessageType::of(&example), Some(MessageType::Example));
        assert_eq!(MessageType::of(&ExampleBuilder::new().encode()), Some(MessageType::Example));
        let sequence = SequenceExampleBuilder::new().int64_steps("s", [[1]]).encode();
        assert_eq!(MessageType::of(&sequence), Some(MessageType::SequenceExample));
        assert_eq!(MessageType::of(&sequence[2..]), Some(MessageType::SequenceExample), "without a context");
        // What stands in the place of feature lists and is none is not passed over.
        for bad in [&[0x12, 1, 0xff][..], &[0x12, 8, 0x0a, 6, 0x12, 4, 0x0a, 2, 0x1a, 9]] {
            assert_eq!(MessageType::of(&[&example[..], bad].concat()), Some(MessageType::Raw), "{bad:?}");
        }
        let unknown = [&example[..], &[0x10, 1]].concat();
        assert_eq!(MessageType::of(&unknown), Some(MessageType::Example), "an unknown field");
        for raw in [&b"hello world"[..], &[0x18, 5], &[0xff; 40], b"\x0a\x05hello"] {
            assert_eq!(MessageType::of(raw), Some(MessageType::Raw), "{raw:?}");
        }
        assert_eq!(MessageType::of(b""), None);
        let mut votes = Votes::default();
        for payload in [&b"raw"[..], &example[..], b"raw"] {
            votes.add(payload);
        }
        assert_eq!(votes.winner(), Some(MessageType::Example));
    }

    #[test]
    fn a_damaged_list_is_found_by_the_walk() {
        // A packed float list of 3 bytes.
        let payload = [0x0a, 12, 0x0a, 10, 0x0a, 1, b'k', 0x12, 5, 0x12, 3, 0x0a, 1, 0];
        assert!(ExampleView::new(&payload).for_each(|_, _| {}).is_ok());
        assert!(walk(&payload, |_, _| {}).is_err());
    }

    #[test]
    fn only_an_image_makes_image_the_image() {
        let profile = |key, bytes: &[u8]| Profile::of_payloads(&[&ExampleBuilder::new().bytes(key, bytes).encode()]);
        assert_eq!(profile("image", b"\xff\xd8\xff\xe0").image_key.as_deref(), Some("image"));
        assert_eq!(profile("image", &[0; 784]).image_key, None);
        assert_eq!(profile("image/encoded", &[0; 784]).image_key.as_deref(), Some("image/encoded"));
        assert_eq!(profile("other", b"").image_key, None);
        assert_eq!(profile("other", b"").with_names(Some("other"), None).image_key.as_deref(), Some("other"));
    }
}
