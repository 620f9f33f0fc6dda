//! `manifest.json`: what a directory of shards holds, so that nobody has to count.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::names::NumberedName;
use crate::error::{Error, Result};
use crate::example::{Kind, hex};
use crate::side_file;

/// The file's name in the directory of the shards.
pub(crate) const MANIFEST_NAME: &str = "manifest.json";

/// A larger number of the first class is no offset; TFDS's metadata name every number below it.
pub(crate) const MAX_LABEL_OFFSET: i64 = 1_000_000;

/// How many bytes of each end of a shard the fingerprint covers.
const FINGERPRINT_LEN: u64 = 64 << 10;

/// The sets of a directory of shards. Lists shards, never source files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this file: 1.
    pub version: u32,
    /// The sets by name.
    pub sets: BTreeMap<String, SetEntry>,
    /// Class names in the order of their numbers.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The number of the first class.
    #[serde(default)]
    pub label_offset: i64,
    /// The features of every record besides the image's own, but for sets that are
    /// [undescribed](SetEntry::undescribed). `None`: `image/class/label` and `image/class/text`, if
    /// there are classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<FeatureEntry>>,
}

/// A feature that every record of a directory has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureEntry {
    /// Its name.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
    /// Whether records have other than one value of it.
    pub list: bool,
}

/// One set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetEntry {
    /// A hash of what went in: sources, their order, options.
    pub plan: String,
    /// A hash of what else a resumption must find unchanged, such as the sources' times.
    #[serde(default)]
    pub stamp: String,
    /// The seed of the shuffle.
    pub seed: u64,
    /// Records in all shards.
    pub records: u64,
    /// The shards in order.
    pub shards: Vec<ShardEntry>,
    /// Whether its records may have other features than [`Manifest::features`] says, as those of a set that was
    /// rewritten or comes from elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undescribed: bool,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// The path, relative to the directory of the manifest.
    pub path: String,
    /// Its records.
    pub records: u64,
    /// The file's length in bytes.
    pub bytes: u64,
    /// Its [`fingerprint`].
    pub fingerprint: String,
}

impl Default for Manifest {
    fn default() -> Self {
        Manifest { version: 1, sets: BTreeMap::new(), classes: Vec::new(), label_offset: 0, features: None }
    }
}

impl FeatureEntry {
    /// Those that give an image its class.
    pub(crate) fn of_class() -> Vec<Self> {
        let class = [("image/class/label", Kind::Int64), ("image/class/text", Kind::Bytes)];
        class.map(|(name, kind)| FeatureEntry { name: name.into(), kind, list: false }).into()
    }
}

impl Manifest {
    /// Reads the manifest of `dir`; `None` where there is none.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(MANIFEST_NAME);
        let Some(text) = side_file::read_text(&path)? else { return Ok(None) };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|e| Error::metadata(&path, format!("no valid manifest: {e}")))?;
        if manifest.version != 1 {
            let detail = format!("the manifest has version {}, this program reads version 1", manifest.version);
            return Err(Error::metadata(&path, detail));
        }
        if !(0..=MAX_LABEL_OFFSET).contains(&manifest.label_offset) {
            let detail = format!("the label offset {} is not from 0 to {MAX_LABEL_OFFSET}", manifest.label_offset);
            return Err(Error::metadata(&path, detail));
        }
        Ok(Some(manifest))
    }

    /// Writes the manifest of `dir`, whole or not at all.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(MANIFEST_NAME);
        let mut text = serde_json::to_string_pretty(self).map_err(|e| Error::metadata(&path, e.to_string()))?;
        text.push('\n');
        super::shard_writer::write_atomically(&path, text.as_bytes())
    }

    /// The features of every record besides the image's own.
    pub(crate) fn record_features(&self) -> Vec<FeatureEntry> {
        match &self.features {
            Some(features) => features.clone(),
            None if self.classes.is_empty() => Vec::new(),
            None => FeatureEntry::of_class(),
        }
    }

    /// The sets whose features it knows.
    pub(crate) fn described(&self) -> impl Iterator<Item = (&String, &SetEntry)> {
        self.sets.iter().filter(|(_, set)| !set.undescribed)
    }

    /// The features of every record, once the sets of these `names` are written whose records have `ours`.
    pub(crate) fn shared_features(&self, ours: Option<&[FeatureEntry]>, names: &[&str]) -> Option<Vec<FeatureEntry>> {
        let replaces_all = self.described().all(|(set, _)| names.contains(&set.as_str()));
        match (ours, &self.features) {
            (None, None) => None,
            (ours, _) if replaces_all => ours.map(<[_]>::to_vec),
            (ours, theirs) => {
                let class = FeatureEntry::of_class();
                let (ours, theirs) = (ours.unwrap_or(&class), theirs.as_deref().unwrap_or(&class));
                let in_both = ours.iter().filter_map(|entry| {
                    let other = theirs.iter().find(|other| (&other.name, other.kind) == (&entry.name, entry.kind))?;
                    Some(FeatureEntry { list: entry.list || other.list, ..entry.clone() })
                });
                Some(in_both.collect())
            }
        }
    }

    /// The entry of the shard with this file name.
    ///
    /// Found at once where the shards of its set are listed in their order, as this crate writes them; the rest of the list
    /// is looked through otherwise.
    pub fn shard(&self, file_name: &str) -> Option<&ShardEntry> {
        self.shard_in_order(file_name).or_else(|| {
            let mut all = self.sets.values().flat_map(|set| &set.shards);
            all.find(|shard| shard.path == file_name)
        })
    }

    /// As [`shard`](Self::shard), where the name tells its place in the list.
    fn shard_in_order(&self, file_name: &str) -> Option<&ShardEntry> {
        let name = NumberedName::parse(file_name)?;
        self.sets.get(&name.set)?.shards.get(name.index).filter(|shard| shard.path == file_name)
    }

    /// The entries of all shards by file name, to look up many.
    pub(crate) fn into_shards(self) -> HashMap<String, ShardEntry> {
        let shards = self.sets.into_values().flat_map(|set| set.shards);
        shards.map(|shard| (shard.path.clone(), shard)).collect()
    }
}

/// A cheap identity of a shard file: the first 32 hex digits of the SHA-256 of its length, its first and its last
/// 64 KiB. It tells another file from this one at the price of two reads; the frames' CRCs, not it, guard the rest.
pub fn fingerprint(path: &Path) -> Result<String> {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut hash = Sha256::new();
        hash.update(length.to_le_bytes());
        let mut part = Vec::new();
        (&mut file).take(FINGERPRINT_LEN).read_to_end(&mut part)?;
        hash.update(&part);
        part.clear();
        file.seek(SeekFrom::Start(length.saturating_sub(FINGERPRINT_LEN)))?;
        file.take(FINGERPRINT_LEN).read_to_end(&mut part)?;
        hash.update(&part);
        Ok(hex(&hash.finalize()[..16]))
    };
    read().map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_fingerprint_sees_length_and_both_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let mut data = vec![0u8; 300_000];
        let of = |data: &[u8]| {
            fs::write(&path, data).unwrap();
            fingerprint(&path).unwrap()
        };
        let first = of(&data);
        assert_eq!(first.len(), 32);
        data.push(0);
        assert_ne!(of(&data), first);
        data.pop();
        assert_eq!(of(&data), first);
        for at in [0, 299_999] {
            data[at] = 1;
            assert_ne!(of(&data), first);
            data[at] = 0;
        }
    }

    #[test]
    fn damaged_and_future_manifests_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), None);
        Manifest::default().write(dir.path()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap(), Some(Manifest::default()));
        for bad in ["{", r#"{"version":2,"sets":{},"classes":[]}"#] {
            fs::write(dir.path().join(MANIFEST_NAME), bad).unwrap();
            assert_eq!(Manifest::read(dir.path()).unwrap_err().kind_name(), "index");
        }
    }
}
