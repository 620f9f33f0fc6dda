//! The second pass: each output shard written from the places of its records.

use std::path::PathBuf;

use super::plan::PlannedSet;
use super::scan::Place;
use crate::dataset::{SetWriter, ShardSummary};
use crate::error::{Error, Result};
use crate::example::Rewrite;
use crate::inspect::work::Work;
use crate::job::{Counter, Job};
use crate::record::{RandomAccess, RecordRef};

/// Bytes between two reports of a shard.
const REPORT_EVERY: u64 = 1 << 20;

/// The inputs, opened to be read at any offset; `None` for one out of which no record is taken.
pub(super) struct Inputs {
    pub(super) paths: Vec<PathBuf>,
    pub(super) open: Vec<Option<RandomAccess>>,
}

impl Inputs {
    /// The record at `place`, borrowed from a map or from `buffer`, its CRCs verified.
    pub(super) fn record<'a>(&'a self, place: &Place, buffer: &'a mut Vec<u8>) -> Result<RecordRef<'a>> {
        let number = place.input as usize;
        let opened = self.open.get(number).and_then(Option::as_ref);
        let access = opened.ok_or_else(|| self.at(place, Error::usage("the input is not open")))?;
        let record = access.record_at(place.record.into(), place.offset, buffer)?;
        if record.frame_len() == u64::from(place.size) {
            return Ok(record);
        }
        let detail = format!("the index says that the record has {} bytes; it has {}", place.size, record.frame_len());
        Err(self.at(place, Error::new(crate::ErrorKind::Metadata { detail })))
    }

    /// The error, placed at a record.
    pub(super) fn at(&self, place: &Place, error: Error) -> Error {
        let error = error.at_record(place.record.into(), place.offset);
        match self.paths.get(place.input as usize) {
            Some(path) => error.at_path(path),
            None => error,
        }
    }
}

/// Writes the shards of all sets, several at a time; the summaries of each set in order. Of several errors, the one of
/// the first shard is given.
pub(super) fn write_sets(
    sets: &[PlannedSet],
    writers: &[SetWriter],
    inputs: &Inputs,
    rewrite: Option<&Rewrite>,
    job: &Job<'_>,
    work: &Work<'_>,
) -> Result<Vec<Vec<ShardSummary>>> {
    let bytes = sets.iter().flat_map(|set| &set.places).map(|place| u64::from(place.size)).sum();
    let lane = Lane { inputs, rewrite, job, done: job.counter(bytes) };
    let shards: Vec<(&PlannedSet, &SetWriter, usize)> = sets
        .iter()
        .zip(writers)
        .flat_map(|(set, writer)| (0..set.shards()).map(move |index| (set, writer, index)))
        .collect();
    let written = work.in_order(shards.len(), |i| {
        let (set, writer, index) = shards[i];
        lane.write(set.shard(index), writer, index)
    })?;
    let mut written = written.into_iter();
    Ok(sets.iter().map(|set| written.by_ref().take(set.shards()).collect()).collect())
}

struct Lane<'a> {
    inputs: &'a Inputs,
    rewrite: Option<&'a Rewrite>,
    job: &'a Job<'a>,
    done: Counter<'a>,
}

impl Lane<'_> {
    fn write(&self, places: &[Place], writer: &SetWriter, index: usize) -> Result<ShardSummary> {
        self.job.check()?;
        if let Some(kept) = writer.kept(index, &|| self.job.check())? {
            self.done.add(places.iter().map(|place| u64::from(place.size)).sum());
            return Ok(kept);
        }
        let mut shard = writer.shard(index)?;
        let (mut buffer, mut rewritten, mut waiting) = (Vec::new(), Vec::new(), 0);
        for place in places {
            let payload = self.inputs.record(place, &mut buffer)?.payload;
            let is_new = match self.rewrite {
                Some(rewrite) => rewrite.apply(payload, &mut rewritten).map_err(|e| self.inputs.at(place, e))?,
                None => false,
            };
            shard.write(if is_new { &rewritten } else { payload })?;
            waiting += u64::from(place.size);
            if waiting >= REPORT_EVERY {
                self.done.add(std::mem::take(&mut waiting));
                self.job.check()?;
            }
        }
        self.done.add(waiting);
        shard.finish()
    }
}
