//! The index job: an `idx/` file for each shard.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::work::Work;
use crate::dataset::{ShardSet, build_index, clear_leftovers, dir_of, idx_path, path_as_text, write_idx};
use crate::error::Result;
use crate::job::Job;

/// An index that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexedShard {
    /// The shard.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// Its index, see [`idx_path`](crate::dataset::idx_path).
    #[serde(serialize_with = "path_as_text")]
    pub idx: PathBuf,
    /// The shard's records.
    pub records: u64,
}

/// Writes the index of every shard of `sets`, in `idx/` beside the shards. Lengths are verified, payloads are not.
///
/// The first shard that is damaged or compressed is the error; the indexes of whole shards before it are written.
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::inspect::index;
///
/// let dir = tempfile::tempdir()?;
/// let mut writer = ShardWriter::create(dir.path().join("a.tfrecord"), Default::default())?;
/// writer.write(b"payload")?;
/// writer.finish()?;
///
/// let sets = resolve(&[dir.path().to_str().unwrap()])?.complete()?;
/// let indexed = index(&sets, &tfrkit::Job::default())?;
/// assert_eq!(std::fs::read_to_string(&indexed[0].idx)?, "0 23\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn index(sets: &[ShardSet], job: &Job<'_>) -> Result<Vec<IndexedShard>> {
    let shards: Vec<&PathBuf> = sets.iter().flat_map(|s| &s.shards).collect();
    let work = Work::new(job, shards.iter().map(|p| p.as_path()));
    let dirs: BTreeSet<PathBuf> = shards.iter().map(|shard| dir_of(&idx_path(shard)).to_owned()).collect();
    dirs.iter().try_for_each(|dir| clear_leftovers(dir))?;
    work.in_order(shards.len(), |i| {
        let path = shards[i];
        let spans = build_index(path, work.io())?;
        let idx = write_idx(path, &spans)?;
        work.advance(fs::metadata(path).map_or(0, |m| m.len()))?;
        Ok(IndexedShard { path: path.clone(), idx, records: spans.len() as u64 })
    })
}
