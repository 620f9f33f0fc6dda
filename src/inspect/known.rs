//! What the files beside shards know of them, so that a shard need not be read from its first record on.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::metadata::file_name;
use crate::dataset::{Manifest, ShardEntry, Span, dir_of, fingerprint, idx_path, read_idx};
use crate::error::{Error, Result};
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

    /// Where the shard's records lie, where its index covers it, and the headers of the first `looked_at` records and the
    /// frame of the last are where it says. One that does not fit is warned of.
    ///
    /// An index may be contiguous, end where the shard does and still give numbers to the wrong records, by taking two for
    /// one: only their headers tell. One that is damaged tells nothing, and the index is its only witness.
    pub(super) fn spans(&self, shard: &Path, looked_at: u64) -> Option<Vec<Span>> {
        let path = idx_path(shard);
        if !path.is_file() {
            return None;
        }
        let options = ReadOptions { crc: CrcCheck::Lengths, ..Default::default() };
        let access = RandomAccess::open(shard, self.io, options).ok()??;
        let read = || -> Result<Vec<Span>> {
            let bytes = std::fs::metadata(shard).map_err(|e| Error::io(shard, e))?.len();
            let spans = read_idx(&path, bytes)?;
            let says = |number: usize, len: u64| {
                let detail = format!("record {number} has {len} bytes with its frame, not {}", spans[number].size);
                Error::metadata(&path, detail)
            };
            for (number, span) in spans.iter().enumerate().take(usize::try_from(looked_at).unwrap_or(usize::MAX)) {
                if let Ok(len) = access.frame_len_at(span.offset)
                    && len != span.size
                {
                    return Err(says(number, len));
                }
            }
            if let Some((number, last)) = spans.iter().enumerate().next_back() {
                let len = access.record_at(number as u64, last.offset, &mut Vec::new())?.frame_len();
                if len != last.size {
                    return Err(says(number, len));
                }
            }
            Ok(spans)
        };
        let read = read();
        read.inspect_err(|e| log::warn!("the index is not used; it should be made again: {e}")).ok()
    }
}
