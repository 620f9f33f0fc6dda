//! The samples of a set: how many each shard has, and how to get one.

use std::path::{Path, PathBuf};

use super::order::EpochOrder;
use super::spec::Shuffle;
use super::view::{Place, Records, View};
use crate::dataset::{Manifest, build_index, fingerprint, idx_path, read_idx};
use crate::error::{Error, Location, Result};
use crate::job::in_order;
use crate::record::{CrcCheck, Io, RandomAccess, ReadOptions, Record, RecordSource};

/// The shards of a set, opened.
pub(crate) struct Samples {
    shards: Vec<ShardSamples>,
    counts: Vec<u64>,
    /// The ordinal of each shard's first sample.
    firsts: Vec<u64>,
    io: Io,
    read: ReadOptions,
}

struct ShardSamples {
    path: PathBuf,
    access: Access,
}

enum Access {
    /// Any record at once: by its offset.
    Random {
        access: RandomAccess,
        /// Where each record begins, and the end of the last.
        offsets: Vec<u64>,
    },
    /// Compressed: one after the other.
    Sequential,
}

impl Samples {
    /// Opens the shards and counts their records: from the index beside them, the manifest, or else their headers.
    pub(crate) fn open(paths: &[PathBuf], io: Io, read: ReadOptions, threads: usize) -> Result<Self> {
        let mut samples = Samples { shards: Vec::new(), counts: Vec::new(), firsts: Vec::new(), io, read };
        let mut first = 0;
        let opened = in_order(threads, paths.len(), |i| {
            let path = &paths[i];
            Ok(match RandomAccess::open(path, io, read)? {
                Some(access) => {
                    let offsets = offsets(path, io)?;
                    let count = offsets.len() as u64 - 1;
                    (Access::Random { access, offsets }, count)
                }
                None => (Access::Sequential, count_compressed(path, io, read)?),
            })
        })?;
        for (path, (access, count)) in paths.iter().zip(opened) {
            samples.shards.push(ShardSamples { path: path.clone(), access });
            samples.counts.push(count);
            samples.firsts.push(first);
            first = u64::checked_add(first, count)
                .ok_or_else(|| Error::metadata(path, "the number of records is out of range"))?;
        }
        Ok(samples)
    }

    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub(crate) fn len(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Bytes of a record in the mean; only where the set [`is_random`](Self::is_random).
    pub(super) fn mean_bytes(&self) -> u64 {
        let bytes = self.shards.iter().map(|shard| match &shard.access {
            Access::Random { offsets, .. } => offsets.last().copied().unwrap_or(0),
            Access::Sequential => 0,
        });
        bytes.sum::<u64>() / self.len().max(1)
    }

    pub(super) fn ordinal(&self, place: Place) -> u64 {
        self.firsts[place.shard] + place.record
    }

    pub(super) fn path(&self, place: Place) -> &Path {
        self.shard_path(place.shard)
    }

    pub(super) fn shard_path(&self, shard: usize) -> &Path {
        &self.shards[shard].path
    }

    /// Where a sample is, but for its offset.
    pub(super) fn location(&self, place: Place) -> Location {
        Location { path: Some(self.path(place).to_owned()), record: Some(place.record), offset: None }
    }

    /// Whether every record can be had at once.
    pub(super) fn is_random(&self) -> bool {
        self.shards.iter().all(|s| matches!(s.access, Access::Random { .. }))
    }

    /// Where a sample's record begins; 0 in a compressed shard.
    pub(super) fn offset(&self, place: Place) -> u64 {
        match &self.shards[place.shard].access {
            Access::Random { offsets, .. } => offsets[place.record as usize],
            Access::Sequential => 0,
        }
    }

    /// The payload of a sample, and its offset. Only where the set [`is_random`](Self::is_random).
    pub(super) fn get<'a>(&'a self, place: Place, buffer: &'a mut Vec<u8>) -> Result<(&'a [u8], u64)> {
        let Access::Random { access, offsets } = &self.shards[place.shard].access else {
            return Err(Error::usage("a compressed shard has no random access").at_path(self.path(place)));
        };
        let offset = offsets[place.record as usize];
        let record = access.record_at(place.record, offset, buffer)?;
        // An index that passes over a record would otherwise leave it out in silence.
        let end = offsets[place.record as usize + 1];
        if offset + record.frame_len() != end {
            let detail = format!("the index says that the record ends at {end}, its header says otherwise");
            return Err(Error::metadata(self.path(place), detail).at_record(place.record, offset));
        }
        Ok((record.payload, offset))
    }

    /// Gives the payloads of some samples to `f`, each with its ordinal and its place; `ordinals` ascend. An error is about
    /// the record it comes of.
    pub(crate) fn read(&self, ordinals: &[u64], mut f: impl FnMut(u64, &Location, &[u8]) -> Result<()>) -> Result<()> {
        let mut give = |ordinal, place: Place, offset, payload: &[u8]| {
            let path = Some(self.path(place).to_owned());
            let at = Location { path, record: Some(place.record), offset: Some(offset) };
            f(ordinal, &at, payload).map_err(|e| e.at(&at))
        };
        if self.is_random() {
            let mut buffer = Vec::new();
            for &ordinal in ordinals {
                let Some(shard) = self.firsts.iter().rposition(|first| *first <= ordinal) else { continue };
                let place = Place { shard, record: ordinal - self.firsts[shard] };
                let (payload, offset) = self.get(place, &mut buffer)?;
                give(ordinal, place, offset, payload)?;
            }
            return Ok(());
        }
        let (mut wanted, mut result) = (ordinals.iter().copied().peekable(), Ok(()));
        let all = View::all(&self.counts, 0);
        self.walk(&all, &EpochOrder::new(all.counts(), Shuffle::None, 0, 0), 0, |place, record| {
            result = record.and_then(|record| {
                let ordinal = self.ordinal(place);
                match wanted.next_if_eq(&ordinal) {
                    Some(_) => give(ordinal, place, record.offset, &record.payload),
                    None => Ok(()),
                }
            });
            result.is_ok() && wanted.peek().is_some()
        });
        result
    }

    /// Gives every record of a shard to `f`, with its number. What is wrong with a record goes to `bad`, which may end it all;
    /// damaged frames of a compressed shard end it anyway.
    pub(super) fn read_shard(
        &self,
        shard: usize,
        mut f: impl FnMut(u64, &[u8]) -> Result<()>,
        mut bad: impl FnMut(u64, Error) -> Result<()>,
    ) -> Result<()> {
        let mut found = |result: Result<()>, record, offset| {
            let located = |e: Error| e.at_record(record, offset).at_path(self.shard_path(shard));
            result.or_else(|e| bad(record, located(e)))
        };
        if let Access::Random { offsets, .. } = &self.shards[shard].access {
            let mut buffer = Vec::new();
            for record in 0..self.counts[shard] {
                let payload = self.get(Place { shard, record }, &mut buffer);
                found(payload.and_then(|(payload, _)| f(record, payload)), record, offsets[record as usize])?;
            }
            return Ok(());
        }
        let mut source = RecordSource::open(self.shard_path(shard), self.io, self.read)?;
        while let Some(record) = source.next_record()? {
            found(f(record.index, record.payload), record.index, record.offset)?;
        }
        Ok(())
    }

    /// Walks the samples of an epoch from a position of the stored order on, one shard after the other: for sets with
    /// compressed shards. Gives each with its place, and stops after an error, when `f` says so, or at the end.
    pub(super) fn walk(
        &self,
        view: &View,
        order: &EpochOrder,
        from: u64,
        mut f: impl FnMut(Place, Result<Record>) -> bool,
    ) {
        for &(part, first) in order.parts() {
            let (shard, records) = (view.part(part).shard, &view.part(part).records);
            if first + records.len() <= from {
                continue;
            }
            // Of the records that are wanted, those that have come.
            let (mut record, mut come) = (0, 0);
            let mut source = match RecordSource::open(&self.shards[shard].path, self.io, self.read) {
                Ok(source) => source,
                Err(e) => {
                    f(Place { shard, record }, Err(e));
                    return;
                }
            };
            while come < records.len() {
                let place = Place { shard, record };
                // What lies before is read all the same: a compressed shard has no other way to what lies behind.
                let is_next = records.at(come) == record;
                let is_wanted = is_next && first + come >= from;
                let found = source.next_record().and_then(|found| match found {
                    Some(r) if is_wanted => {
                        Ok(Some(Record { index: r.index, offset: r.offset, payload: r.payload.to_vec() }))
                    }
                    Some(_) => Ok(None),
                    None => Err(self.ended_early(place)),
                });
                let good = found.is_ok();
                if found.transpose().is_some_and(|found| !f(place, found)) || !good {
                    return;
                }
                (record, come) = (record + 1, come + u64::from(is_next));
            }
            if *records != Records::Range(0..self.counts[shard]) {
                continue;
            }
            // The end is met too: what follows the last record is damage, or a manifest that is wrong.
            let end = source.next_record().map(|more| more.is_none());
            if let Some(e) = end.map_or_else(Some, |is_end| (!is_end).then(|| self.goes_on(shard))) {
                f(Place { shard, record: record.saturating_sub(1) }, Err(e));
                return;
            }
        }
    }

    fn goes_on(&self, shard: usize) -> Error {
        let detail = format!("the shard has more than the {} records that its manifest says", self.counts[shard]);
        Error::metadata(&self.shards[shard].path, detail)
    }

    fn ended_early(&self, place: Place) -> Error {
        let detail = format!("the shard ends here; its manifest says {} records", self.counts[place.shard]);
        Error::metadata(self.path(place), detail)
    }
}

/// Where each record begins, and the end of the last: from the index, or else from the headers.
fn offsets(path: &Path, io: Io) -> Result<Vec<u64>> {
    let idx = idx_path(path);
    let spans = if idx.is_file() {
        let len = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        read_idx(&idx, len).or_else(|e| {
            log::warn!("index not used: {e}");
            build_index(path, io)
        })?
    } else {
        build_index(path, io)?
    };
    let end = spans.last().map_or(0, |s| s.offset + s.size);
    Ok(spans.into_iter().map(|s| s.offset).chain([end]).collect())
}

/// The records of a compressed shard: from the manifest where it speaks of this very file, or else by inflating it.
fn count_compressed(path: &Path, io: Io, read: ReadOptions) -> Result<u64> {
    let dir = path.parent().unwrap_or(Path::new(""));
    if let Some(name) = path.file_name()
        && let Some(manifest) = Manifest::read(dir).unwrap_or_else(|e| {
            log::warn!("manifest not used: {e}");
            None
        })
        && let Some(entry) = manifest.shard(&name.to_string_lossy())
        && entry.fingerprint == fingerprint(path)?
    {
        return Ok(entry.records);
    }
    let mut source = RecordSource::open(path, io, ReadOptions { crc: CrcCheck::Lengths, ..read })?;
    let mut count = 0;
    while source.next_record()?.is_some() {
        count += 1;
    }
    Ok(count)
}
