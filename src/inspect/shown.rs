//! A record as people and scripts see it.

use std::path::Path;

use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::cat::CatRecord;
use super::describe::describe;
use super::message::walk_sequence;
use crate::error::{Error, Result};
use crate::example::{
    DigestJson, FeatureJson, FeatureListView, FeatureView, Kind, SequenceEntry, ValuesJson, entry_fields, short_text,
};

/// What is shown of a record. Serialised, it is a JSON object with the keys in this order:
/// `{"path","record","offset","bytes","features":{...}}`.
///
/// `features` are sorted by name, each as [`example_to_json`](crate::example::example_to_json) gives it, long byte strings as
/// length, SHA-256 and [`describe`]d type; of a SequenceExample they are the context, and `feature_lists` holds a list of
/// steps for each name. A payload that is neither has `"raw":{"bytes","sha256","type"}` instead. Only the features and lists
/// that were asked for are there.
#[derive(Debug)]
pub struct ShownRecord<'a> {
    path: &'a Path,
    record: u64,
    offset: u64,
    payload: &'a [u8],
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Raw,
    Message {
        features: Vec<(&'a str, Option<FeatureView<'a>>)>,
        /// `None` for an Example.
        lists: Option<Vec<(&'a str, FeatureListView<'a>)>>,
    },
}

impl<'a> ShownRecord<'a> {
    pub(super) fn new(of: CatRecord<'a>) -> Self {
        let CatRecord { path, record, offset, payload, .. } = of;
        ShownRecord { path, record, offset, payload, content: Content::read(payload, of.features) }
    }

    /// The shard.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// Its number in the shard, from 0.
    pub fn record(&self) -> u64 {
        self.record
    }

    /// The byte offset of its frame.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The names of features and feature lists, in order.
    pub fn names(&self) -> Vec<&'a str> {
        let Content::Message { features, lists } = &self.content else { return Vec::new() };
        let lists = lists.iter().flatten().map(|(name, _)| *name);
        features.iter().map(|(name, _)| *name).chain(lists).collect()
    }

    /// What a feature, or else a feature list, holds, as a text: one value as it is, several as a JSON list; of a feature
    /// list, a JSON list of steps. Bytes that are no short text are `[BYTES bytes, TYPE]`. `None` where the record lacks it.
    ///
    /// # Errors
    /// [`ErrorKind::Proto`](crate::ErrorKind::Proto) for values that cannot be read.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        let Content::Message { features, lists } = &self.content else { return Ok(None) };
        if let Some((_, feature)) = features.iter().find(|(key, _)| *key == name) {
            return feature.as_ref().map(feature_text).transpose();
        }
        let list = lists.iter().flatten().find(|(key, _)| *key == name);
        list.map(|(_, list)| json_text(&StepsJson(list, true))).transpose()
    }

    /// Of a payload that is no message of features, how long it is and what.
    pub fn raw(&self) -> Option<String> {
        matches!(self.content, Content::Raw).then(|| bytes_text(self.payload))
    }
}

impl<'a> Content<'a> {
    fn read(payload: &'a [u8], wanted: &[String]) -> Self {
        let (mut features, mut lists) = (Vec::new(), Vec::new());
        let read = walk_sequence(payload, |name, entry| {
            if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
                return;
            }
            match entry {
                SequenceEntry::Feature(feature) => features.push((name, feature)),
                SequenceEntry::List(list) => lists.push((name, list)),
            }
        });
        match read.and_then(|()| entry_fields(payload)) {
            // An empty payload is a message without features; one of other fields alone is somebody's own.
            Ok((has_features, has_lists)) if has_features || has_lists || payload.is_empty() => {
                Content::Message { features: last_by_name(features), lists: has_lists.then(|| last_by_name(lists)) }
            }
            _ => Content::Raw,
        }
    }
}

/// Sorted by name; of a name that comes twice, the last.
fn last_by_name<T>(mut entries: Vec<(&str, T)>) -> Vec<(&str, T)> {
    entries.reverse();
    entries.sort_by_key(|(name, _)| *name);
    entries.dedup_by(|later, kept| later.0 == kept.0);
    entries
}

impl Serialize for ShownRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &self.path.to_string_lossy())?;
        map.serialize_entry("record", &self.record)?;
        map.serialize_entry("offset", &self.offset)?;
        map.serialize_entry("bytes", &self.payload.len())?;
        match &self.content {
            Content::Raw => map.serialize_entry("raw", &DigestJson(self.payload, &describe))?,
            Content::Message { features, lists } => {
                map.serialize_entry("features", &Features(features))?;
                if let Some(lists) = lists {
                    map.serialize_entry("feature_lists", &Lists(lists))?;
                }
            }
        }
        map.end()
    }
}

struct Features<'f, 'a>(&'f [(&'a str, Option<FeatureView<'a>>)]);

impl Serialize for Features<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, f)| (name, f.as_ref().map(|f| FeatureJson(f, &describe)))))
    }
}

struct Lists<'f, 'a>(&'f [(&'a str, FeatureListView<'a>)]);

impl Serialize for Lists<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, list)| (name, StepsJson(list, false))))
    }
}

/// The steps of a feature list as a JSON list; their values alone, or with their kind.
struct StepsJson<'f, 'a>(&'f FeatureListView<'a>, bool);

impl Serialize for StepsJson<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for step in self.0.steps() {
            match step.map_err(|e| S::Error::custom(e.message()))? {
                None => list.serialize_element(&())?,
                Some(step) if self.1 => list.serialize_element(&ValuesJson(&step, &describe))?,
                Some(step) => list.serialize_element(&FeatureJson(&step, &describe))?,
            }
        }
        list.end()
    }
}

fn json_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::proto(e.to_string()))
}

fn feature_text(feature: &FeatureView<'_>) -> Result<String> {
    if feature.kind() == Kind::Bytes
        && let Ok(bytes) = feature.single_bytes()
    {
        return Ok(bytes_text(bytes));
    }
    let text = json_text(&ValuesJson(feature, &describe))?;
    let one = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .filter(|one| !one.is_empty() && !one.contains(','));
    Ok(one.filter(|_| feature.kind() != Kind::Bytes).map(|one| one.trim_matches('"').to_owned()).unwrap_or(text))
}

fn bytes_text(bytes: &[u8]) -> String {
    if let Some(text) = short_text(bytes) {
        return text.to_owned();
    }
    match describe(bytes) {
        Some(what) => format!("[{} bytes, {what}]", bytes.len()),
        None => format!("[{} bytes]", bytes.len()),
    }
}
