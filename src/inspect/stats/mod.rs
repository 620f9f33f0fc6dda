//! Statistics of the values in sets of shards, and how two sets differ.

mod compare;
mod feature;
mod lanes;
mod numbers;
mod sketch;
mod table;
mod top;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

pub use compare::{Comparison, Difference, Ignored, Thresholds};
pub use numbers::{NumberStats, QUANTILES};

use super::features::{kind_name, kind_names};
use super::message::{MessageType, Profile};
use super::work::{STREAM_NAME, Tracked, Work};
use crate::dataset::{Classes, ShardSet};
use crate::error::Result;
use crate::example::Kind;
use crate::job::Job;
use feature::Gathered;
use table::Table;

/// The names under which the number of a record's class goes, the first that is there being it.
pub(super) const LABEL_NAMES: [&str; 2] = ["image/class/label", "label"];

/// What is told of a set beyond its numbers.
#[derive(Debug, Clone, Copy)]
pub struct StatsOptions {
    /// How many of a feature's most frequent values are listed. Default: 10.
    pub top: usize,
}

impl Default for StatsOptions {
    fn default() -> Self {
        StatsOptions { top: 10 }
    }
}

/// What the values of a set are like. Serialised, it is what `tfr stats --json` tells of the set.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// Its records.
    pub records: u64,
    /// Records that are not the message of the others; they are left out of what follows.
    pub unreadable: u64,
    /// What the payloads are; SequenceExamples where any has feature lists, `None` where nothing tells.
    pub message: Option<MessageType>,
    /// Of SequenceExamples, the records that have no feature lists, as Examples have none.
    #[serde(skip_serializing_if = "is_zero")]
    pub without_lists: u64,
    /// Lengths of payloads in bytes; `None` where there are no records.
    pub payload_bytes: Option<NumberStats>,
    /// The features by name; of SequenceExamples, those of the context.
    pub features: BTreeMap<String, FeatureStats>,
    /// The feature lists of SequenceExamples by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_lists: BTreeMap<String, FeatureStats>,
    /// How often each class comes, by number, where files beside the shards name the classes: those that never come, and
    /// labels that are no class, are there too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelCount>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What the values of a feature are like.
#[derive(Debug, Clone, Serialize)]
pub struct FeatureStats {
    /// The kind of its list; where records differ, the most frequent one.
    #[serde(serialize_with = "kind_name")]
    pub kind: Kind,
    /// Other kinds that it has in some records.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "kind_names")]
    pub other_kinds: Vec<Kind>,
    /// Records that have it. A feature without a kind counts as missing.
    pub records: u64,
    /// The fraction of the records that lack it, 0 to 1.
    pub missing: f64,
    /// Of a feature list: steps of the records that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<NumberStats>,
    /// Values of the records that have it; of a feature list, values of the steps.
    pub lengths: Option<NumberStats>,
    /// The values, where they are numbers: those that are finite, as 64-bit floats. `None` where none is; `nan` and
    /// `infinite` count the others.
    pub numbers: Option<NumberStats>,
    /// The smallest and the largest integer, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int_range: Option<(i64, i64)>,
    /// Values that are no number.
    pub nan: u64,
    /// Values that are infinite, of either sign.
    pub infinite: u64,
    /// Of the infinite values, those below 0.
    pub negative_infinite: u64,
    /// The lengths of byte strings.
    pub byte_lengths: Option<NumberStats>,
    /// How many different values there are; `None` where they are more than could be followed (1,000 and more), or
    /// floats, or byte strings that are no texts of up to 128 bytes.
    pub distinct: Option<u64>,
    /// The most frequent integers, or texts of up to 128 bytes.
    pub top: Vec<TopValue>,
    /// By how much a count in `top` may be too low: 0 unless there are more different values than could be followed, and
    /// then a thousandth of all values at most.
    pub top_error: u64,
    /// The byte strings that are encoded images, by their headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageStats>,
    #[serde(skip)]
    gathered: Gathered,
}

impl FeatureStats {
    /// The fraction of the numbers in each of the stretches that `edges` part: up to the first, and so on, and beyond the
    /// last.
    pub(super) fn shares(&self, edges: &[f64]) -> Vec<f64> {
        self.gathered.numbers.sketch.shares(edges)
    }

    /// All texts that are followed.
    pub(super) fn texts(&self) -> BTreeSet<String> {
        self.gathered.top_texts.values().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }
}

/// A value and how often it comes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopValue {
    /// An integer or a text.
    pub value: Value,
    /// How often it comes.
    pub count: u64,
}

impl TopValue {
    fn new(value: Value, count: u64) -> Self {
        TopValue { value, count }
    }
}

/// What encoded images are like. Nothing is decoded; sizes are those of headers, before an EXIF orientation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageStats {
    /// How many images there are of each format, such as `JPEG`.
    pub formats: BTreeMap<String, u64>,
    /// Heights in pixels; `None` where no header could be read.
    pub height: Option<NumberStats>,
    /// Widths in pixels.
    pub width: Option<NumberStats>,
    /// Width over height.
    pub aspect: Option<NumberStats>,
}

/// How often a class comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelCount {
    /// Its number.
    pub label: i64,
    /// Its name; `None` for a label that is no class.
    pub name: Option<String>,
    /// How often it comes.
    pub count: u64,
}

/// Gathers statistics over all records of a set, every CRC verified, in one pass.
///
/// The result is the same for any number of threads; between ways of reading (mapped or not), means may differ in their
/// last digits and quantiles within their bound. Memory: up to 16 times (20 KB a feature of numbers, up to 400 KB where
/// a feature has thousands of different texts), whatever the number of records; of more than 1,000 names the rest is
/// passed over. Classes are those of `manifest.json`, or else of `labels.txt`, beside the first shard.
///
/// The first damaged record is the error; [`validate`](super::validate()) lists all damage.
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::example::ExampleBuilder;
/// use tfrkit::inspect::{StatsOptions, stats};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("a.tfrecord");
/// let mut writer = ShardWriter::create(&path, Default::default())?;
/// for label in [0, 1, 1, 2] {
///     writer.write(&ExampleBuilder::new().int64("label", label).encode())?;
/// }
/// writer.finish()?;
///
/// let set = resolve(&[path.to_str().unwrap()])?.one(None)?;
/// let stats = stats(&set, &StatsOptions::default(), &tfrkit::Job::default())?;
/// let label = &stats.features["label"];
/// assert_eq!((label.missing, label.numbers.as_ref().unwrap().mean), (0.0, 1.0));
/// assert_eq!((label.top[0].value.as_i64(), label.top[0].count), (Some(1), 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn stats(set: &ShardSet, options: &StatsOptions, job: &Job<'_>) -> Result<Stats> {
    let work = Work::new(job, set.shards.iter().map(PathBuf::as_path));
    let message = Profile::of_shards(&set.shards, work.io()).message;
    let table = lanes::gather(&set.shards, &work, |table: &mut Table, p| table.add(p, Some(message)), Table::merge)?;
    let classes = match set.shards.first() {
        Some(shard) => Classes::beside(shard)?,
        None => None,
    };
    Ok(tell(table, Some(message), classes, options))
}

/// As [`stats`], over one shard out of a stream, such as standard input. It has no classes.
pub fn stats_stream(input: Box<dyn Read + Send>, options: &StatsOptions, job: &Job<'_>) -> Result<Stats> {
    let work = Work::new(job, []);
    let mut table = Table::default();
    let source = Tracked::stream(input, Path::new(STREAM_NAME), work.reading())?;
    lanes::read_stream(source, &work, &mut |payload| table.add(payload, None))?;
    let message = table.votes.winner();
    Ok(tell(table, message, None, options))
}

/// What the values of some records of one or several sets are like.
#[derive(Debug, Default)]
pub(super) struct Sampled(Table);

impl Sampled {
    /// Takes in a record.
    pub(super) fn add(&mut self, payload: &[u8], message: MessageType) {
        self.0.add(payload, Some(message));
    }

    /// Takes in what was gathered of the records that follow.
    pub(super) fn merge(&mut self, other: Sampled) {
        self.0.merge(other.0);
    }

    pub(super) fn into_stats(self, top: usize) -> Stats {
        tell(self.0, None, None, &StatsOptions { top })
    }
}

fn tell(table: Table, message: Option<MessageType>, classes: Option<Classes>, options: &StatsOptions) -> Stats {
    let Table { records, unreadable, without_lists, payload_bytes, features, lists, .. } = table;
    let tell = |table: BTreeMap<String, Gathered>| -> BTreeMap<String, FeatureStats> {
        let told = table.into_iter().filter_map(|(name, g)| Some((name, g.into_stats(records, options.top)?)));
        told.collect()
    };
    let (features, feature_lists) = (tell(features), tell(lists));
    let label = LABEL_NAMES.into_iter().find_map(|name| features.get(name));
    let labels = classes.zip(label).map_or(Vec::new(), |(classes, label)| count_labels(&classes, label));
    let has_lists = message != Some(MessageType::Raw) && without_lists + unreadable < records;
    let message = message.filter(|_| records > 0).map(|m| if has_lists { MessageType::SequenceExample } else { m });
    let without_lists = if message == Some(MessageType::SequenceExample) { without_lists } else { 0 };
    let payload_bytes = payload_bytes.stats();
    Stats { records, unreadable, message, without_lists, payload_bytes, features, feature_lists, labels }
}

fn count_labels(classes: &Classes, label: &FeatureStats) -> Vec<LabelCount> {
    let found = &label.gathered.top_ints;
    let mut numbers: Vec<i64> = classes.numbers().chain(found.values().copied()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let count = |label| LabelCount { label, name: classes.name(label).map(str::to_owned), count: found.count(&label) };
    numbers.into_iter().map(count).collect()
}
