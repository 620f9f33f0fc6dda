//! Statistics of features: kind, presence, sizes.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::describe::describe;
use crate::error::Result;
use crate::example::{FeatureListView, FeatureView, Kind, SequenceEntry, each_entry};

/// How many feature names are followed; a set with more of them has names made of data.
const MAX_NAMES: usize = 10_000;

/// What is known of one feature, over the records looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureInfo {
    /// The kind of its list; where records differ, the most frequent one.
    #[serde(serialize_with = "kind_name")]
    pub kind: Kind,
    /// The fraction of the records that have it, 0 to 1. A feature without a kind counts as missing.
    pub presence: f64,
    /// The smallest number of values in a record that has it.
    pub min_len: u64,
    /// The largest number of values.
    pub max_len: u64,
    /// The length of the shortest byte string; `None` for other kinds.
    pub min_bytes: Option<u64>,
    /// The length of the longest byte string.
    pub max_bytes: Option<u64>,
    /// What the first byte string is, as [`describe`] tells it: `JPEG 552x400` (height x width), `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Other kinds that it has in some records: the set is inconsistent.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "kind_names")]
    pub other_kinds: Vec<Kind>,
}

pub(super) fn kind_name<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

pub(super) fn kind_names<S: Serializer>(kinds: &[Kind], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(kinds.iter().map(|k| k.name()))
}

const KINDS: [Kind; 3] = [Kind::Bytes, Kind::Float, Kind::Int64];

/// Gathers features over records.
#[derive(Debug, Default)]
pub(super) struct FeatureTable {
    features: BTreeMap<String, Stat>,
    lists: BTreeMap<String, Stat>,
}

#[derive(Debug, Clone, Default)]
struct Stat {
    kinds: [u64; 3],
    len: Extent,
    bytes: Extent,
    content: Option<String>,
}

/// The smallest and largest value seen.
#[derive(Debug, Clone, Copy, Default)]
struct Extent(Option<(u64, u64)>);

impl Extent {
    fn add(&mut self, value: u64) {
        self.merge(Extent(Some((value, value))));
    }

    fn merge(&mut self, other: Extent) {
        self.0 = match (self.0, other.0) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }
}

impl Stat {
    fn add_bytes(&mut self, value: &[u8]) {
        self.bytes.add(value.len() as u64);
        if self.content.is_none() {
            self.content = describe(value);
        }
    }

    fn add(&mut self, feature: &FeatureView<'_>) -> Result<()> {
        let len = match feature.kind() {
            Kind::Bytes => {
                let mut len = 0;
                for value in feature.bytes()? {
                    self.add_bytes(value?);
                    len += 1;
                }
                len
            }
            Kind::Float => feature.floats()?.try_fold(0, |n, v| v.map(|_| n + 1))?,
            Kind::Int64 => feature.int64s()?.try_fold(0, |n, v| v.map(|_| n + 1))?,
        };
        self.kinds[feature.kind() as usize] += 1;
        self.len.add(len);
        Ok(())
    }

    fn add_steps(&mut self, list: &FeatureListView<'_>) -> Result<()> {
        let (mut first, mut len) = (None, 0);
        for step in list.steps() {
            len += 1;
            let Some(step) = step? else { continue };
            first.get_or_insert(step.kind());
            if step.kind() == Kind::Bytes {
                step.bytes()?.try_for_each(|v| v.map(|v| self.add_bytes(v)))?;
            }
        }
        // Of a list without steps no kind is known; it takes that of the other records.
        if let Some(kind) = first {
            self.kinds[kind as usize] += 1;
        }
        self.len.add(len);
        Ok(())
    }

    fn merge(&mut self, other: Stat) {
        self.kinds.iter_mut().zip(other.kinds).for_each(|(a, b)| *a += b);
        self.len.merge(other.len);
        self.bytes.merge(other.bytes);
        self.content = self.content.take().or(other.content);
    }

    fn into_info(self, records: u64) -> Option<FeatureInfo> {
        let present: u64 = self.kinds.iter().sum();
        let (_, at) = self.kinds.iter().zip(0usize..).max_by_key(|&(count, at)| (count, std::cmp::Reverse(at)))?;
        let others = KINDS.into_iter().zip(self.kinds).filter(|&(kind, count)| count > 0 && kind != KINDS[at]);
        let (min_len, max_len) = self.len.0?;
        Some(FeatureInfo {
            kind: KINDS[at],
            presence: present as f64 / records.max(1) as f64,
            min_len,
            max_len,
            min_bytes: self.bytes.0.map(|(min, _)| min),
            max_bytes: self.bytes.0.map(|(_, max)| max),
            content: self.content,
            other_kinds: others.map(|(kind, _)| kind).collect(),
        })
    }
}

fn stat<'t>(table: &'t mut BTreeMap<String, Stat>, name: &str) -> Option<&'t mut Stat> {
    if !table.contains_key(name) {
        if table.len() >= MAX_NAMES {
            return None;
        }
        table.insert(name.to_owned(), Stat::default());
    }
    table.get_mut(name)
}

impl FeatureTable {
    /// Takes in the features of an Example, or the context and the feature lists of a SequenceExample. One that cannot be read
    /// has none.
    pub(super) fn add(&mut self, payload: &[u8]) {
        let (mut features, mut lists) = (BTreeMap::new(), BTreeMap::new());
        // Into maps first: of a name that comes twice the last counts.
        let read = each_entry(payload, |name, entry| match entry {
            SequenceEntry::Feature(feature) => drop(features.insert(name, feature)),
            SequenceEntry::List(list) => drop(lists.insert(name, list)),
        });
        if read.is_err() {
            return;
        }
        for (name, feature) in features {
            if let (Some(feature), Some(stat)) = (feature, stat(&mut self.features, name)) {
                // A list that cannot be read does not count; what of it was read before the damage does no harm.
                let _ = stat.add(&feature);
            }
        }
        for (name, list) in lists {
            if let Some(stat) = stat(&mut self.lists, name) {
                let _ = stat.add_steps(&list);
            }
        }
    }

    /// Takes in what another table has gathered behind this one.
    pub(super) fn merge(&mut self, other: FeatureTable) {
        for (mine, theirs) in [(&mut self.features, other.features), (&mut self.lists, other.lists)] {
            for (name, theirs) in theirs {
                if let Some(stat) = stat(mine, &name) {
                    stat.merge(theirs);
                }
            }
        }
    }

    /// Features and feature lists, over `records` records.
    pub(super) fn into_infos(self, records: u64) -> (BTreeMap<String, FeatureInfo>, BTreeMap<String, FeatureInfo>) {
        let infos = |table: BTreeMap<String, Stat>| {
            table.into_iter().filter_map(|(name, stat)| Some((name, stat.into_info(records)?))).collect()
        };
        (infos(self.features), infos(self.lists))
    }
}
