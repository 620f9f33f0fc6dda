//! What shards hold: exact counts, and features with their kinds and sizes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::features::{FeatureInfo, FeatureTable};
use super::known::Known;
use super::message::{MessageType, TELLING, Votes};
use super::work::{STREAM_NAME, Tracked, Work};
use crate::dataset::{ShardSet, path_as_text};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::record::{Compression, CrcCheck, ReadOptions, frame};

/// How many records of each shard features are taken from.
const SAMPLE: u64 = 1000;

/// What shards hold. Serialised, it is the JSON of `tfr info --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Info {
    /// Records in all shards.
    pub records: u64,
    /// Bytes of all shard files.
    pub bytes: u64,
    /// What the payloads are; `None` where sets differ or nothing tells.
    pub message: Option<MessageType>,
    /// The sets by name.
    pub sets: BTreeMap<String, SetInfo>,
    /// The shards, by set and name.
    pub shards: Vec<ShardInfo>,
    /// The length of the shortest and of the longest payload in bytes; `None` where there are no records. Of a shard
    /// whose count only the manifest tells, the payloads are those that were looked at.
    pub payload_bytes: Option<(u64, u64)>,
    /// The features by name; of SequenceExamples, those of the context.
    pub features: BTreeMap<String, FeatureInfo>,
    /// The feature lists of SequenceExamples by name; their lengths are numbers of steps.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_lists: BTreeMap<String, FeatureInfo>,
    /// Whether the features come from some of the records only.
    pub sampled: bool,
    /// How many records the features come from.
    pub sampled_records: u64,
    /// Records that are over 64 MiB long and lie in compressed shards or streams: their features are not looked at, so that
    /// they need not be held in memory.
    pub too_long: u64,
}

/// One set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SetInfo {
    /// Its shards.
    pub shards: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// What the payloads are; `None` where nothing tells (no records, or empty ones only).
    pub message: Option<MessageType>,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardInfo {
    /// Its path; `-` for a stream.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// The set it belongs to.
    pub set: String,
    /// Its records.
    pub records: u64,
    /// The file's length in bytes.
    pub bytes: u64,
    /// Its compression.
    #[serde(serialize_with = "compression_name")]
    pub compression: Compression,
}

fn compression_name<S: Serializer>(compression: &Compression, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(compression.name())
}

/// Looks at sets of shards. Counts are exact: every header is read and verified, unless the shard's index covers it, or
/// the manifest lists it with its fingerprint. Features come from the first 1,000 records of each shard, or from all
/// records where `full` (then every header is read); payload CRCs are not verified. No record over 64 MiB is held in memory.
///
/// The first damaged shard is the error; [`validate`](super::validate()) lists all damage.
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::example::{ExampleBuilder, Kind};
/// use tfrkit::inspect::info;
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("train.tfrecord");
/// let mut writer = ShardWriter::create(&path, Default::default())?;
/// writer.write(&ExampleBuilder::new().floats("embedding", [0.5; 128]).encode())?;
/// writer.finish()?;
///
/// let sets = resolve(&[path.to_str().unwrap()])?.complete()?;
/// let info = info(&sets, false, &tfrkit::Job::default())?;
/// assert_eq!((info.records, info.sets["train"].records), (1, 1));
/// let embedding = &info.features["embedding"];
/// assert_eq!((embedding.kind, embedding.min_len, embedding.presence), (Kind::Float, 128, 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn info(sets: &[ShardSet], full: bool, job: &Job<'_>) -> Result<Info> {
    let shards: Vec<(&str, &Path)> =
        sets.iter().flat_map(|s| s.shards.iter().map(|p| (s.name.as_str(), p.as_path()))).collect();
    let work = Work::new(job, shards.iter().map(|(_, path)| *path));
    let known = Known::beside(shards.iter().map(|(_, path)| *path), work.io());
    let scans = work.in_order(shards.len(), |i| {
        let path = shards[i].1;
        let bytes = fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        let mut scan = Scan::of(Tracked::open(path, work.io(), reading(&work))?, full, &work, |scan| {
            let spans = known.spans(path, u64::MAX);
            let sizes = spans.iter().flatten().map(|span| span.size.saturating_sub(frame::OVERHEAD));
            sizes.for_each(|length| scan.see(length));
            Some((spans.map(|s| s.len() as u64).or_else(|| known.records(path))?, bytes))
        })?;
        scan.bytes = bytes;
        Ok(scan)
    })?;
    Ok(gather(shards.into_iter().map(|(set, path)| (set, path.to_owned())).zip(scans)))
}

/// Looks at one shard out of a stream, such as standard input; it is called `-`, and so is its set.
pub fn info_stream(input: Box<dyn Read + Send>, full: bool, job: &Job<'_>) -> Result<Info> {
    let work = Work::new(job, []);
    let scan = Scan::of(Tracked::stream(input, Path::new(STREAM_NAME), reading(&work))?, full, &work, |_| None)?;
    Ok(gather([((STREAM_NAME, STREAM_NAME.into()), scan)]))
}

fn reading(work: &Work<'_>) -> ReadOptions {
    ReadOptions { crc: CrcCheck::Lengths, ..work.reading() }
}

/// What one shard holds.
struct Scan {
    records: u64,
    bytes: u64,
    compression: Compression,
    payload_bytes: Option<(u64, u64)>,
    votes: Votes,
    features: FeatureTable,
    sampled_records: u64,
    too_long: u64,
}

impl Scan {
    /// Reads a shard; where only counting is left to do, `count` is asked first for its records, and its bytes.
    fn of(
        mut source: Tracked,
        full: bool,
        work: &Work<'_>,
        count: impl FnOnce(&mut Scan) -> Option<(u64, u64)>,
    ) -> Result<Self> {
        let mut count = Some(count);
        let mut scan = Scan {
            records: 0,
            bytes: 0,
            compression: source.compression(),
            payload_bytes: None,
            votes: Votes::default(),
            features: FeatureTable::default(),
            sampled_records: 0,
            too_long: 0,
        };
        while let Some(record) = source.next_held(work)? {
            scan.see(record.len);
            match record.payload {
                Some(payload) if full || scan.records < SAMPLE => scan.sample(payload),
                Some(_) => {}
                None => scan.too_long += 1,
            }
            scan.records += 1;
            if !full
                && scan.records == SAMPLE
                && let Some((records, bytes)) = count.take().and_then(|count| count(&mut scan))
            {
                scan.records = records;
                source.leave(bytes, work)?;
                break;
            }
        }
        scan.bytes = source.bytes();
        Ok(scan)
    }

    fn see(&mut self, length: u64) {
        self.payload_bytes = Some(widen(self.payload_bytes, (length, length)));
    }

    fn sample(&mut self, payload: &[u8]) {
        self.sampled_records += 1;
        // To tell what a message is costs more than to read it: the first ones tell.
        let message =
            if self.sampled_records <= TELLING as u64 { self.votes.add(payload) } else { self.votes.winner() };
        match message {
            Some(MessageType::Raw) => {}
            // Feature lists are looked at whatever the first records are: shards may mix both messages.
            _ => self.features.add(payload),
        }
    }
}

fn widen(known: Option<(u64, u64)>, (min, max): (u64, u64)) -> (u64, u64) {
    known.map_or((min, max), |(a, b)| (a.min(min), b.max(max)))
}

fn gather<'a>(scans: impl IntoIterator<Item = ((&'a str, PathBuf), Scan)>) -> Info {
    let (mut features, mut payload_bytes) = (FeatureTable::default(), None);
    let mut sets: BTreeMap<String, (SetInfo, Votes)> = BTreeMap::new();
    let mut shards = Vec::new();
    let (mut sampled_records, mut too_long) = (0, 0);
    for ((name, path), scan) in scans {
        let (set, votes) = sets.entry(name.to_owned()).or_default();
        set.shards += 1;
        set.records += scan.records;
        set.bytes += scan.bytes;
        votes.merge(scan.votes);
        features.merge(scan.features);
        sampled_records += scan.sampled_records;
        too_long += scan.too_long;
        if let Some(range) = scan.payload_bytes {
            payload_bytes = Some(widen(payload_bytes, range));
        }
        let Scan { records, bytes, compression, .. } = scan;
        shards.push(ShardInfo { path, set: name.to_owned(), records, bytes, compression });
    }
    let sets: BTreeMap<String, SetInfo> =
        sets.into_iter().map(|(name, (set, votes))| (name, SetInfo { message: votes.winner(), ..set })).collect();
    let mut messages: Vec<MessageType> = sets.values().filter_map(|s| s.message).collect();
    messages.dedup();
    let records = shards.iter().map(|s| s.records).sum();
    let (features, feature_lists) = features.into_infos(sampled_records);
    Info {
        records,
        bytes: shards.iter().map(|s| s.bytes).sum(),
        message: if let [message] = messages[..] { Some(message) } else { None },
        sets,
        shards,
        payload_bytes,
        features,
        feature_lists,
        sampled: sampled_records < records,
        sampled_records,
        too_long,
    }
}
