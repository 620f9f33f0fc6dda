//! Shards against the files beside them: `manifest.json`, TFDS's `dataset_info.json`, `idx/`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::feed::Boundaries;
use super::finding::{Finding, FindingKind};
use crate::dataset::{Manifest, NumberedName, ShardEntry, build_index, dir_of, fingerprint, idx_path, read_idx};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Compression, Io};
use crate::side_file;

/// TFDS's file of split lengths.
const INFO_NAME: &str = "dataset_info.json";

/// What is known of a shard whose frames are whole.
pub(super) struct Whole {
    pub(super) records: u64,
    pub(super) boundaries: Boundaries,
    pub(super) compression: Compression,
}

/// The side files of every directory that shards lie in.
pub(super) struct Sidecars(BTreeMap<PathBuf, Sidecar>);

#[derive(Default)]
struct Sidecar {
    /// What the manifest says of shards, by their file names.
    shards: HashMap<String, ShardEntry>,
    /// The numbers of the manifest's classes; empty where it names none.
    labels: Range<i64>,
    info: Option<DatasetInfo>,
}

/// What is read of `dataset_info.json`; TFDS writes 64-bit integers as strings.
#[derive(Deserialize)]
struct DatasetInfo {
    #[serde(default)]
    name: String,
    #[serde(default)]
    splits: Vec<Split>,
}

#[derive(Deserialize)]
struct Split {
    name: String,
    #[serde(default, rename = "shardLengths")]
    shard_lengths: Vec<serde_json::Value>,
}

impl Split {
    fn length(&self, index: usize) -> Option<u64> {
        let value = self.shard_lengths.get(index)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}

impl Sidecars {
    /// Reads them; what cannot be understood is a finding at the first shard beside it.
    pub(super) fn read(shards: &[PathBuf]) -> Result<(Self, Vec<(usize, Finding)>)> {
        let mut dirs = BTreeMap::new();
        let mut found = Vec::new();
        for (number, shard) in shards.iter().enumerate() {
            let dir = dir_of(shard);
            if dirs.contains_key(dir) {
                continue;
            }
            let manifest = data_or_finding(Manifest::read(dir))?;
            let info = data_or_finding(read_info(dir))?;
            let mut sidecar = Sidecar::default();
            match manifest {
                Ok(manifest) => {
                    let manifest = manifest.unwrap_or_default();
                    let end = manifest.label_offset.checked_add_unsigned(manifest.classes.len() as u64);
                    sidecar.labels = manifest.label_offset..end.unwrap_or(manifest.label_offset);
                    sidecar.shards = manifest.into_shards();
                }
                Err(finding) => found.push((number, finding)),
            }
            match info {
                Ok(info) => sidecar.info = info,
                Err(finding) => found.push((number, finding)),
            }
            dirs.insert(dir.to_owned(), sidecar);
        }
        Ok((Sidecars(dirs), found))
    }

    /// The numbers of the classes, where the manifest beside `shard` lists the shard and names classes.
    pub(super) fn labels(&self, shard: &Path) -> Option<Range<i64>> {
        let side = self.0.get(dir_of(shard))?;
        side.shards.get(&file_name(shard))?;
        (!side.labels.is_empty()).then(|| side.labels.clone())
    }

    /// Holds a whole shard against what the files beside it say.
    pub(super) fn check(&self, shard: &Path, whole: &Whole, io: Io) -> Result<Vec<Finding>> {
        let mut found = Vec::new();
        let bytes = fs::metadata(shard).map_err(|e| Error::io(shard, e))?.len();
        let name = file_name(shard);
        let side = self.0.get(dir_of(shard));
        let mut contradictions = Vec::new();
        if let Some(entry) = side.and_then(|s| s.shards.get(&name)) {
            if (entry.records, entry.bytes) != (whole.records, bytes) {
                contradictions.push(format!("manifest.json says {} records, {} bytes", entry.records, entry.bytes));
            } else if fingerprint(shard)? != entry.fingerprint {
                let detail = "the shard has the records and bytes that manifest.json says, but is another file \
                              (its fingerprint differs)";
                found.push(Finding::warning(FindingKind::Count, detail).at_path(shard));
            }
        }
        if let Some(said) = side.and_then(|s| s.info.as_ref()).and_then(|i| i.says(&name)) {
            match said {
                Ok(records) if records != whole.records => {
                    contradictions.push(format!("{INFO_NAME} says {records} records"));
                }
                Ok(_) => {}
                Err(what) => contradictions.push(what),
            }
        }
        if !contradictions.is_empty() {
            let detail =
                format!("{}; the shard has {} records, {bytes} bytes", contradictions.join("; "), whole.records);
            found.push(Finding::error(FindingKind::Count, detail).at_path(shard));
        }
        if whole.compression == Compression::None {
            found.extend(check_index(shard, bytes, whole, io)?);
        }
        Ok(found)
    }
}

impl DatasetInfo {
    /// How many records a shard should have, or how the file contradicts its name; `None` where it says nothing.
    fn says(&self, file_name: &str) -> Option<Result<u64, String>> {
        let number = NumberedName::parse(file_name)?;
        let split = self
            .splits
            .iter()
            .find(|s| number.set == s.name || number.set.strip_prefix(&format!("{}-", self.name)) == Some(&s.name))?;
        if split.shard_lengths.len() != number.count {
            let lengths = split.shard_lengths.len();
            return Some(Err(format!("{INFO_NAME} says {lengths} shards, the file's name says {}", number.count)));
        }
        split.length(number.index).map(Ok)
    }
}

fn check_index(shard: &Path, bytes: u64, whole: &Whole, io: Io) -> Result<Option<Finding>> {
    let path = idx_path(shard);
    if !path.is_file() {
        return Ok(None);
    }
    let spans = match read_idx(&path, bytes) {
        Ok(spans) => spans,
        Err(e) if matches!(e.kind(), ErrorKind::Metadata { .. }) => return Finding::from_error(e).map(Some),
        // Not text at all.
        Err(e) if matches!(e.kind(), ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::InvalidData) => {
            return Ok(Some(Finding::error(FindingKind::Index, "the index is no text").at_path(path)));
        }
        Err(e) => return Err(e),
    };
    let mut boundaries = Boundaries::default();
    spans.iter().for_each(|s| boundaries.add(s.size));
    if spans.len() as u64 == whole.records && boundaries == whole.boundaries {
        return Ok(None);
    }
    // Rare: walk the shard again to say where they part.
    let real = build_index(shard, io)?;
    let at = real.iter().zip(&spans).take_while(|(a, b)| a == b).count();
    let detail = format!(
        "the index has {} records, the shard {}; they part at record {at}: make it anew with `tfr index`",
        spans.len(),
        real.len()
    );
    let offset = real.get(at).map_or(bytes, |s| s.offset);
    Ok(Some(Finding::error(FindingKind::Index, detail).at_path(path).at_record(at as u64, offset)))
}

fn read_info(dir: &Path) -> Result<Option<DatasetInfo>> {
    let path = dir.join(INFO_NAME);
    let Some(text) = side_file::read_text(&path)? else { return Ok(None) };
    let info = serde_json::from_str(&text);
    info.map(Some).map_err(|e| Error::metadata(&path, format!("no valid {INFO_NAME}: {e}")))
}

/// A side file, or the finding that it is damaged. Other errors stay errors.
fn data_or_finding<T>(read: Result<T>) -> Result<Result<T, Finding>> {
    match read {
        Ok(data) => Ok(Ok(data)),
        Err(e) if matches!(e.kind(), ErrorKind::Metadata { .. }) => {
            Finding::from_error(e).map(|f| Err(Finding { kind: FindingKind::Count, ..f }))
        }
        Err(e) => Err(e),
    }
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_tfds_names_are_understood() {
        let info: DatasetInfo = serde_json::from_str(
            r#"{"name":"mnist","splits":[{"name":"train","shardLengths":["5",6]},{"name":"test","shardLengths":["7"]}]}"#,
        )
        .unwrap();
        assert_eq!(info.says("train-00001-of-00002.tfrecord"), Some(Ok(6)));
        assert_eq!(info.says("mnist-train.tfrecord-00000-of-00002"), Some(Ok(5)));
        assert!(info.says("train-00000-of-00003.tfrecord").unwrap().unwrap_err().contains("2 shards"));
        assert_eq!(info.says("val-00000-of-00001.tfrecord"), None);
        assert_eq!(info.says("train.tfrecord"), None);
    }
}
