//! The first pass: which records the inputs hold, and what must be known of each before any is written.

use std::fs;
use std::path::Path;

use super::split::{Keys, Traits};
use crate::dataset::{Search, ShardSearch, Span};
use crate::error::{Error, ErrorClass, Result};
use crate::example::Rewrite;
use crate::inspect::known::Known;
use crate::inspect::work::{Tracked, Work, spool};
use crate::record::{Compression, RandomAccess, Shard, Writer, frame};

/// A record of an input: 24 bytes, of which there is one for each record as long as the job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The byte offset of its frame (in the inflated stream, where the input is compressed).
    pub(super) offset: u64,
    /// The length of its frame.
    pub(super) size: u32,
    /// The length of the frame to be written, as far as it decides anything.
    pub(super) out: u32,
    /// The input's number.
    pub(super) input: u32,
    /// The record's number in the input.
    pub(super) record: u32,
}

/// What the first pass found in one input.
#[derive(Default)]
pub(super) struct Scanned {
    /// The records that fulfil the condition, in order.
    pub(super) places: Vec<Place>,
    /// What a split goes by, for each of them; empty without a split.
    pub(super) traits: Vec<Traits>,
    /// All records of the input.
    pub(super) records: u64,
    /// The inflated records of a compressed input.
    inflated: Option<Shard>,
}

impl Scanned {
    /// Opens the input for the second pass, in which it is read at any offset.
    pub(super) fn open(&self, path: &Path, work: &Work<'_>) -> Result<RandomAccess> {
        if let Some(shard) = &self.inflated {
            return Ok(RandomAccess::Mapped(shard.clone()));
        }
        let changed = || Error::metadata(path, "the file changed while it was read");
        RandomAccess::open(path, work.io(), work.reading())?.ok_or_else(changed)
    }
}

/// What is looked at in each record.
pub(super) struct Scan<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) known: Known,
    /// The directory for the inflated records of compressed inputs.
    pub(super) out: &'a Path,
    pub(super) search: Option<&'a Search<'a>>,
    pub(super) keys: Option<&'a Keys>,
    /// Set where the lengths of rewritten records must be known.
    pub(super) rewrite: Option<&'a Rewrite>,
}

impl Scan<'_> {
    /// Finds the records of an input. Payloads are read and verified only where something in them is asked for, or where
    /// they are compressed; else the index beside the input, or its headers, tell.
    pub(super) fn input(&self, number: usize, path: &Path) -> Result<Scanned> {
        let number = u32::try_from(number).map_err(|_| Error::usage("there are more inputs than 2^32"))?;
        let mut source = Tracked::open(path, self.work.io(), self.work.reading())?;
        let search = self.search.map(|search| search.in_shard(path)).transpose()?;
        if source.compression() != Compression::None {
            return self.compressed(number, path, source, search.as_ref());
        }
        if self.looks_inside() {
            return self.payloads(number, path, &mut source, search.as_ref(), |_| Ok(()));
        }
        let mut found = Scanned::default();
        let mut add = |record, span: Span| place(number, record, span.offset, span.size).map(|p| found.places.push(p));
        match self.known.spans(path, u64::MAX) {
            Some(spans) => {
                (0..).zip(spans).try_for_each(|(record, span)| add(record, span)).map_err(|e| e.at_path(path))?;
                source.leave(fs::metadata(path).map_or(0, |m| m.len()), self.work)?;
            }
            None => {
                while let Some(record) = source.pass_over(self.work)? {
                    let span = Span { offset: record.offset, size: record.frame_len() };
                    add(record.index, span).map_err(|e| e.at_path(path))?;
                }
            }
        }
        found.records = found.places.len() as u64;
        Ok(found)
    }

    fn looks_inside(&self) -> bool {
        self.search.is_some() || self.keys.is_some() || self.rewrite.is_some()
    }

    /// Compressed records have no offsets to jump to: they are inflated once, into a nameless file.
    fn compressed(
        &self,
        number: u32,
        path: &Path,
        mut source: Tracked,
        search: Option<&ShardSearch<'_>>,
    ) -> Result<Scanned> {
        let beside = self.out.join("inflated");
        let mut found = Scanned::default();
        let data = spool(&beside, |to| {
            let mut writer = Writer::new(to);
            found = self.payloads(number, path, &mut source, search, |payload| {
                // What cannot be written there is no fault of the input.
                writer.write(payload).map(drop).map_err(|e| e.at_path(self.out))
            })?;
            writer.finish().map(drop).map_err(|e| e.at_path(self.out))
        });
        let data = data.map_err(|e| match e.class() {
            ErrorClass::Interrupted => e,
            _ => e.at_path(self.out),
        })?;
        let shard = Shard::from_bytes(data).with_path(path);
        Ok(Scanned { inflated: Some(shard), ..found })
    }

    fn payloads(
        &self,
        number: u32,
        path: &Path,
        source: &mut Tracked,
        search: Option<&ShardSearch<'_>>,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<Scanned> {
        let mut found = Scanned::default();
        let mut rewritten = Vec::new();
        while let Some(record) = source.next_record(self.work)? {
            each(record.payload)?;
            found.records += 1;
            let mut look = || -> Result<()> {
                if search.map_or(Ok(true), |search| search.matches(record.payload))? {
                    let mut place = place(number, record.index, record.offset, record.frame_len())?;
                    if let Some(rewrite) = self.rewrite
                        && rewrite.apply(record.payload, &mut rewritten)?
                    {
                        place.out = frame_len(frame::OVERHEAD + rewritten.len() as u64)?;
                    }
                    found.traits.extend(self.keys.map(|keys| keys.of(record.payload)).transpose()?);
                    found.places.push(place);
                }
                Ok(())
            };
            look().map_err(|e| e.at_record(record.index, record.offset).at_path(path))?;
        }
        Ok(found)
    }
}

fn place(input: u32, record: u64, offset: u64, size: u64) -> Result<Place> {
    let record = u32::try_from(record).map_err(|_| Error::usage("a shard of more than 2^32 records"))?;
    let size = frame_len(size)?;
    Ok(Place { offset, size, out: size, input, record })
}

fn frame_len(bytes: u64) -> Result<u32> {
    u32::try_from(bytes)
        .map_err(|_| Error::new(frame::FrameError::Oversized { length: bytes, limit: frame::MAX_RECORD_LEN }))
}
