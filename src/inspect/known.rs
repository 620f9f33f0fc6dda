//! What the files beside shards know of them, so that a shard need not be read from its first record on.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::metadata::file_name;
use crate::dataset::{Manifest, ShardEntry, Span, dir_of, fingerprint, idx_path, read_idx};
use crate::record::{CrcCheck, Io, RandomAccess, ReadOptions};

/// The manifests beside shards, read once. What cannot be read or does not fit its shard counts as not there:
/// [`validate`](super::validate()) tells of it.
pub(super) struct Known {
    manifests: BTreeMap<PathBuf, HashMap<String, ShardEntry>>,
    io: Io,
}

impl Known {
    pub(super) fn beside<'p>(shards: impl IntoIterator<Item = &'p Path>, io: Io) -> Self {
        let mut manifests = BTreeMap::new();
        for dir in shards.into_iter().map(dir_of) {
            if !manifests.contains_key(dir) {
                let manifest = Manifest::read(dir).ok().flatten().unwrap_or_default();
                manifests.insert(dir.to_owned(), manifest.into_shards());
            }
        }
        Known { manifests, io }
    }

    /// How many records the shard has, where the manifest lists this very file, told by its fingerprint.
    pub(super) fn records(&self, shard: &Path) -> Option<u64> {
        let entry = self.manifests.get(dir_of(shard))?.get(&file_name(shard))?;
        let bytes = std::fs::metadata(shard).ok()?.len();
        (entry.bytes == bytes && fingerprint(shard).ok()? == entry.fingerprint).then_some(entry.records)
    }

    /// Where the shard's records lie, where its index covers it and the frame of the last record is where it says.
    pub(super) fn spans(&self, shard: &Path) -> Option<Vec<Span>> {
        let path = idx_path(shard);
        let bytes = std::fs::metadata(shard).ok().filter(|_| path.is_file())?.len();
        let spans = read_idx(&path, bytes).ok()?;
        let Some(last) = spans.last() else { return Some(spans) };
        let options = ReadOptions { crc: CrcCheck::Lengths, ..Default::default() };
        let access = RandomAccess::open(shard, self.io, options).ok()??;
        let index = spans.len() as u64 - 1;
        let fits = access.record_at(index, last.offset, &mut Vec::new()).is_ok_and(|r| r.frame_len() == last.size);
        fits.then_some(spans)
    }
}
