//! Hands out the work of a validation: mapped shards in chunks of whole frames, all others as one stream each.

use std::path::PathBuf;

use crate::error::Result;
use crate::record::{CrcCheck, FrameError, Io, RandomAccess, ReadOptions, Shard, frame};

/// A chunk ends once it has this many bytes ...
const CHUNK_BYTES: u64 = 8 << 20;
/// ... or this many records.
const CHUNK_RECORDS: usize = 4096;

/// A piece of work.
pub(super) enum Item {
    /// Frames of a mapped shard, whose headers have been verified.
    Chunk(Chunk),
    /// A shard to be read from front to back.
    Stream(usize),
}

/// Consecutive frames.
pub(super) struct Chunk {
    /// The shard's number.
    pub(super) shard: usize,
    /// The chunk's number in its shard.
    pub(super) number: u64,
    data: Shard,
    first_record: u64,
    first_offset: u64,
    lengths: Vec<u64>,
    /// Set on a shard's last chunk.
    pub(super) end: Option<End>,
}

/// How the walk over a shard's headers ended.
pub(super) struct End {
    /// How many whole frames there are.
    pub(super) records: u64,
    /// Where they end.
    pub(super) offset: u64,
    /// What stopped the walk before the end of the shard.
    pub(super) error: Option<FrameError>,
    /// See [`Boundaries`].
    pub(super) boundaries: Boundaries,
}

impl Chunk {
    /// Record number, offset and payload of each frame, or how its payload is damaged.
    pub(super) fn frames(&self) -> impl Iterator<Item = (u64, u64, Result<&[u8], FrameError>)> {
        let mut at = self.first_offset;
        self.lengths.iter().zip(self.first_record..).map(move |(&length, record)| {
            let offset = at;
            at += frame::OVERHEAD + length;
            (record, offset, self.payload(offset))
        })
    }

    fn payload(&self, offset: u64) -> Result<&[u8], FrameError> {
        // The walk has been here: the offset lies inside the data.
        let rest = usize::try_from(offset).ok().and_then(|o| self.data.as_bytes().get(o..)).unwrap_or_default();
        frame::parse_frame(rest, frame::MAX_RECORD_LEN, CrcCheck::Full).map(Option::unwrap_or_default)
    }

    /// The bytes that its frames cover.
    pub(super) fn bytes(&self) -> u64 {
        self.lengths.iter().map(|l| l + frame::OVERHEAD).sum()
    }
}

/// A running hash of where the records of a shard begin: equal for equal lists of frame lengths, and 8 bytes large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Boundaries(u64);

impl Boundaries {
    /// The next frame has this length.
    pub(super) fn add(&mut self, frame_len: u64) {
        // The multiplier is 2^64 over the golden ratio.
        self.0 = (self.0.rotate_left(5) ^ frame_len).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Walks the shards in order and gives out their chunks in order.
pub(super) struct Feeder<'a> {
    shards: &'a [PathBuf],
    next: usize,
    io: Io,
    options: ReadOptions,
    walk: Option<Walk>,
}

struct Walk {
    shard: usize,
    data: Shard,
    chunks: u64,
    records: u64,
    offset: u64,
    boundaries: Boundaries,
}

impl<'a> Feeder<'a> {
    pub(super) fn new(shards: &'a [PathBuf], io: Io, options: ReadOptions) -> Self {
        Feeder { shards, next: 0, io, options, walk: None }
    }

    /// The next piece of work; `None` after the last. An error names the shard that cannot be opened.
    pub(super) fn next(&mut self) -> Option<Result<Item, (usize, crate::error::Error)>> {
        if self.walk.is_none() {
            let shard = self.next;
            let path = self.shards.get(shard)?;
            self.next += 1;
            match RandomAccess::open(path, self.io, self.options) {
                Ok(Some(RandomAccess::Mapped(data))) => {
                    let (chunks, records, offset) = (0, 0, 0);
                    self.walk = Some(Walk { shard, data, chunks, records, offset, boundaries: Boundaries::default() });
                }
                Ok(_) => return Some(Ok(Item::Stream(shard))),
                Err(e) => return Some(Err((shard, e))),
            }
        }
        let chunk = self.walk.as_mut()?.chunk(self.options.max_record_len);
        if chunk.end.is_some() {
            self.walk = None;
        }
        Some(Ok(Item::Chunk(chunk)))
    }
}

impl Walk {
    fn chunk(&mut self, max_record_len: u64) -> Chunk {
        let (first_record, first_offset) = (self.records, self.offset);
        let mut lengths = Vec::new();
        let mut end = None;
        while lengths.len() < CHUNK_RECORDS && self.offset - first_offset < CHUNK_BYTES {
            let rest = usize::try_from(self.offset).ok().and_then(|o| self.data.as_bytes().get(o..));
            match frame::parse_frame(rest.unwrap_or_default(), max_record_len, CrcCheck::Lengths) {
                Ok(Some(payload)) => {
                    let length = payload.len() as u64;
                    lengths.push(length);
                    self.records += 1;
                    self.offset += frame::OVERHEAD + length;
                    self.boundaries.add(frame::OVERHEAD + length);
                }
                other => {
                    let (records, offset, boundaries) = (self.records, self.offset, self.boundaries);
                    end = Some(End { records, offset, error: other.err(), boundaries });
                    break;
                }
            }
        }
        self.chunks += 1;
        Chunk {
            shard: self.shard,
            number: self.chunks,
            data: self.data.clone(),
            first_record,
            first_offset,
            lengths,
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::Writer;

    #[test]
    fn chunks_cover_every_record_of_every_shard_once() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..3).map(|i| dir.path().join(format!("{i}.tfrecord"))).collect();
        for (path, records) in paths.iter().zip([CHUNK_RECORDS * 2 + 5, 0, 1]) {
            let mut w = Writer::new(Vec::new());
            for i in 0..records {
                w.write(&vec![1; i % 7]).unwrap();
            }
            fs::write(path, w.finish().unwrap()).unwrap();
        }
        let mut feeder = Feeder::new(&paths, Io::Mmap, ReadOptions::default());
        let mut seen = [0u64; 3];
        while let Some(item) = feeder.next() {
            let Ok(Item::Chunk(chunk)) = item else { panic!("a mapped shard comes in chunks") };
            for (record, _, payload) in chunk.frames() {
                assert_eq!(record, seen[chunk.shard]);
                assert_eq!(payload.unwrap().len() as u64, record % 7);
                seen[chunk.shard] += 1;
            }
            if let Some(end) = chunk.end {
                assert_eq!((end.records, end.error), (seen[chunk.shard], None));
            }
        }
        assert_eq!(seen, [CHUNK_RECORDS as u64 * 2 + 5, 0, 1]);
        assert!(matches!(Feeder::new(&paths, Io::Read, ReadOptions::default()).next(), Some(Ok(Item::Stream(0)))));
    }
}
