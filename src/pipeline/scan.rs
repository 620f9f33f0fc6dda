//! One look at all records of a set: which of them fulfil a filter, and what their labels are.

use std::path::Path;

use super::features::FeatureNames;
use super::kept::Kept;
use super::loader::OnError;
use super::samples::Samples;
use super::skip::Skipped;
use super::view::{Place, record_number};
use crate::dataset::{Search, ShardSearch};
use crate::error::Result;
use crate::example::Filter;
use crate::job::in_order;

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

/// What a look at all shards is to do beside finding records.
pub(super) struct Look<'l> {
    pub(super) threads: usize,
    /// Where what was found is kept.
    pub(super) views: Option<&'l Path>,
    /// Whether bad records are left out.
    pub(super) on_error: OnError,
}

/// Looks at all shards; what it finds in each, and the bad records that it has left out.
///
/// # Errors
/// Of reading the records, every CRC verified; of features that are not as the filter takes them; a missing label. Where bad
/// records may be left out, only of more than that.
pub(super) fn scan(samples: &Samples, wanted: &Wanted<'_>, look: &Look<'_>) -> Result<(Vec<Found>, Vec<Skipped>)> {
    let search = wanted.filter.map(Search::new);
    let found = in_order(look.threads, samples.counts().len(), |shard| {
        let path = samples.shard_path(shard);
        let search = search.as_ref().map(|search| search.in_shard(path)).transpose()?;
        let kept = look.views.map(|dir| Kept::new(dir, path, wanted, search.as_ref())).transpose()?;
        let earlier = kept.as_ref().and_then(Kept::read);
        if let Some(found) = earlier.filter(|found| found.fits(samples.counts()[shard], wanted)) {
            search.as_ref().inspect(|search| search.was_kept());
            return Ok((found, Vec::new()));
        }
        let (mut found, mut bad) = (Found::default(), Vec::new());
        let each = |record, payload: &[u8]| {
            let number = record_number(record)?;
            if search.as_ref().map_or(Ok(true), |search| search.matches(payload))? {
                // First, so that a record without a label is in neither list.
                found.labels.extend(wanted.label.map(|names| names.label(payload)).transpose()?);
                found.records.push(number);
            }
            Ok(())
        };
        samples.read_shard(shard, each, |record, error| {
            let ordinal = samples.ordinal(Place { shard, record });
            bad.push(Skipped::new(path.to_owned(), record, ordinal, look.on_error.pardon(error)?));
            Ok(())
        })?;
        // What was left out is to be told of by each run.
        if let Some(kept) = kept.filter(|_| bad.is_empty() && search.as_ref().is_none_or(ShardSearch::may_be_kept)) {
            kept.write(&found);
        }
        Ok((found, bad))
    })?;
    search.as_ref().map_or(Ok(()), Search::check)?;
    let (found, bad): (Vec<Found>, Vec<Vec<Skipped>>) = found.into_iter().unzip();
    Ok((found, bad.into_iter().flatten().collect()))
}
