//! One look at all records of a set: which of them fulfil a filter, and what their labels are. What was found is kept beside the
//! shards.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::features::FeatureNames;
use super::samples::Samples;
use super::view::record_number;
use crate::canonical::{list, optional, quoted};
use crate::dataset::{Search, ShardSearch, ShardWriter, fingerprint};
use crate::error::{Error, Result};
use crate::example::{ExampleBuilder, ExampleView, Filter, hex};
use crate::job::in_order;
use crate::record::{Compression, Shard};

/// What the names of kept scans begin with; as hidden files they are nobody's shards.
const PREFIX: &str = ".tfrkit-view-";

/// Raised by hand where a filter finds other records, or they are kept in another way.
const REVISION: u32 = 2;

/// What is looked for.
pub(super) struct Wanted<'w> {
    pub(super) filter: Option<&'w Filter>,
    /// Where the label is found, if it is wanted.
    pub(super) label: Option<&'w FeatureNames>,
}

/// The records of a shard that fulfil the filter, and the label of each, if it is wanted.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) records: Vec<u32>,
    pub(super) labels: Vec<i64>,
}

impl Found {
    /// Whether it may be of a shard of so many records.
    fn fits(&self, count: u64, wanted: &Wanted<'_>) -> bool {
        let labels = if wanted.label.is_some() { self.records.len() } else { 0 };
        self.records.is_sorted_by(|a, b| a < b)
            && self.records.last().is_none_or(|last| u64::from(*last) < count)
            && self.labels.len() == labels
    }

    /// The label of a record that was found.
    pub(super) fn label(&self, record: u32) -> i64 {
        self.records.binary_search(&record).ok().and_then(|at| self.labels.get(at).copied()).unwrap_or(-1)
    }
}

/// Looks at all shards.
///
/// # Errors
/// Of reading the records, every CRC verified; of features that are not as the filter takes them; a missing label.
pub(super) fn scan(samples: &Samples, wanted: &Wanted<'_>, threads: usize) -> Result<Vec<Found>> {
    let search = wanted.filter.map(Search::new);
    let found = in_order(threads, samples.counts().len(), |shard| {
        let path = samples.shard_path(shard);
        let search = search.as_ref().map(|search| search.in_shard(path)).transpose()?;
        let kept = Kept::new(path, wanted, search.as_ref())?;
        if let Some(found) = kept.read().filter(|found| found.fits(samples.counts()[shard], wanted)) {
            search.as_ref().inspect(|search| search.was_kept());
            return Ok(found);
        }
        let mut found = Found::default();
        samples.read_shard(shard, |record, payload| {
            if search.as_ref().map_or(Ok(true), |search| search.matches(payload))? {
                found.records.push(record_number(record)?);
                if let Some(names) = wanted.label {
                    found.labels.push(names.label(payload)?);
                }
            }
            Ok(())
        })?;
        if search.as_ref().is_none_or(ShardSearch::may_be_kept) {
            kept.write(&found);
        }
        Ok(found)
    })?;
    search.as_ref().map_or(Ok(()), Search::check)?;
    Ok(found)
}

/// The file that a scan of a shard is kept in: one record, an Example of two lists.
struct Kept(PathBuf);

impl Kept {
    fn new(shard: &Path, wanted: &Wanted<'_>, search: Option<&ShardSearch<'_>>) -> Result<Self> {
        let mut hash = Sha256::new();
        hash.update(fingerprint(shard)?);
        // The fingerprint sees both ends of a shard; this, a change between them.
        let modified = std::fs::metadata(shard).and_then(|meta| meta.modified()).map_err(|e| Error::io(shard, e))?;
        let modified = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let filter = optional(search, |search| quoted(&search.key()));
        let label = optional(wanted.label, |names| list(&names.label, |name| quoted(name)));
        hash.update(format!("tfrkit view {REVISION}\nmodified = {modified}\nfilter = {filter}\nlabel = {label}\n"));
        Ok(Kept(shard.with_file_name(format!("{PREFIX}{}", hex(&hash.finalize()[..16])))))
    }

    /// What has been kept; nothing where that cannot be read, or is damaged.
    fn read(&self) -> Option<Found> {
        if !self.0.is_file() {
            return None;
        }
        let read = || -> Result<Option<Found>> {
            let shard = Shard::open(&self.0)?;
            let Some(record) = shard.records().next() else { return Ok(None) };
            let [records, labels] = ExampleView::new(record?.payload).find(["record", "label"])?;
            let (Some(records), Some(labels)) = (records, labels) else { return Ok(None) };
            let records: Vec<i64> = records.int64s()?.collect::<Result<_>>()?;
            let records = records.into_iter().map(u32::try_from).collect::<std::result::Result<Vec<u32>, _>>();
            let Ok(records) = records else { return Ok(None) };
            Ok(Some(Found { records, labels: labels.int64s()?.collect::<Result<_>>()? }))
        };
        read().unwrap_or_else(|e| {
            log::warn!("a kept view is not used: {e}");
            None
        })
    }

    /// Keeps what was found, if the folder can be written.
    fn write(&self, found: &Found) {
        let write = || {
            let mut writer = ShardWriter::create(&self.0, Compression::None)?;
            let example = ExampleBuilder::new()
                .int64s("record", found.records.iter().map(|record| i64::from(*record)))
                .int64s("label", found.labels.iter().copied());
            writer.write(&example.encode())?;
            writer.finish()
        };
        if let Err(e) = write() {
            log::debug!("the view is not kept: {e}");
        }
    }
}
