//! A whole uncompressed shard over bytes, from which records are borrowed.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::compression::{Compression, DETECT_LEN};
use super::frame::{self, CrcCheck, FrameError, OVERHEAD};
use super::reader::ReadOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::sys;

/// A record borrowed from its shard or reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The record's number, from 0.
    pub index: u64,
    /// The byte offset of its frame.
    pub offset: u64,
    /// The payload.
    pub payload: &'a [u8],
}

impl RecordRef<'_> {
    /// The length of the whole frame in bytes.
    pub fn frame_len(&self) -> u64 {
        OVERHEAD + self.payload.len() as u64
    }
}

/// An uncompressed shard: a map of a file, or a buffer. Cheap to clone; clones share the bytes.
///
/// Opening verifies nothing but that the file is there and not compressed; walking the records does.
///
/// ```
/// use tfrkit::record::{Shard, Writer};
///
/// let mut writer = Writer::new(Vec::new());
/// writer.write(b"payload")?;
/// let shard = Shard::from_bytes(writer.finish()?);
/// for record in shard.records() {
///     let record = record?;
///     assert_eq!((record.index, record.offset, record.payload), (0, 0, &b"payload"[..]));
/// }
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Shard {
    data: Bytes,
    path: Option<PathBuf>,
    options: ReadOptions,
}

impl Shard {
    /// Maps the file at `path`.
    ///
    /// A file that another program cuts short while it is mapped kills the process (SIGBUS); where that can happen,
    /// read it with [`Reader`](super::Reader) instead. A compressed shard is refused: it can only be read as a stream.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let data = sys::map_file(path).map_err(|e| Error::io(path, e))?;
        let compression = Compression::detect(&data[..data.len().min(DETECT_LEN)]);
        if compression != Compression::None {
            return Err(Error::usage_hint(
                format!("the shard is {compression}-compressed and cannot be mapped"),
                "read it as a stream (`Reader`), or write it anew: `tfr reshard PATH -o OUT --compression none`",
            )
            .at_path(path));
        }
        Ok(Shard { path: Some(path.to_owned()), ..Shard::from_bytes(data) })
    }

    /// A shard over bytes in memory.
    pub fn from_bytes(data: impl Into<Bytes>) -> Self {
        Shard { data: data.into(), path: None, options: ReadOptions::default() }
    }

    /// Names the file that errors should speak of.
    pub fn with_path(mut self, path: impl AsRef<Path>) -> Self {
        self.path = Some(path.as_ref().to_owned());
        self
    }

    /// Sets how records are read. Default: every CRC, 2 GiB at most, stop at the first error.
    pub fn with_options(mut self, options: ReadOptions) -> Self {
        self.options = options;
        self
    }

    /// The file, where there is one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// All bytes of the shard.
    pub fn as_bytes(&self) -> &Bytes {
        &self.data
    }

    /// Walks the records in order.
    pub fn records(&self) -> ShardRecords<'_> {
        ShardRecords { shard: self, state: WalkState::default() }
    }

    /// The record whose frame begins at `offset`; `index` is only written into the result and into errors.
    pub fn record_at(&self, index: u64, offset: u64) -> Result<RecordRef<'_>> {
        let payload = self.frame_at(offset, self.options.crc).map_err(|e| self.place(e.into(), index, offset))?;
        let payload = payload.ok_or_else(|| {
            let detail = format!("no record begins here: the shard has {} bytes", self.data.len());
            self.place(Error::new(ErrorKind::Metadata { detail }), index, offset)
        })?;
        Ok(RecordRef { index, offset, payload })
    }

    /// The payload of a record of this shard as `Bytes` that share the shard's memory: nothing is copied.
    ///
    /// # Panics
    /// When the record does not come from this shard.
    pub fn payload_bytes(&self, record: RecordRef<'_>) -> Bytes {
        self.data.slice_ref(record.payload)
    }

    fn frame_at(&self, offset: u64, crc: CrcCheck) -> Result<Option<&[u8]>, FrameError> {
        let rest = usize::try_from(offset).ok().and_then(|o| self.data.get(o..)).unwrap_or_default();
        frame::parse_frame(rest, self.options.max_record_len, crc)
    }

    fn place(&self, error: Error, index: u64, offset: u64) -> Error {
        let error = error.at_record(index, offset);
        match &self.path {
            Some(path) => error.at_path(path),
            None => error,
        }
    }
}

/// Iterator of [`Shard::records`]. Stops after an error, unless the shard's options say to go on.
#[derive(Debug, Clone)]
pub struct ShardRecords<'a> {
    shard: &'a Shard,
    state: WalkState,
}

impl<'a> Iterator for ShardRecords<'a> {
    type Item = Result<RecordRef<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.state.next(self.shard)
    }
}

/// Where a walk over a shard stands: the number and offset of the next record.
#[derive(Debug, Clone, Default)]
pub(super) struct WalkState {
    index: u64,
    offset: u64,
    done: bool,
}

impl WalkState {
    /// At the record `index`, whose frame begins at `offset`.
    pub(super) fn at(index: u64, offset: u64) -> Self {
        WalkState { index, offset, done: false }
    }

    /// The next record, its payload not verified. An error ends the walk.
    pub(super) fn pass_over<'a>(&mut self, shard: &'a Shard) -> Result<Option<RecordRef<'a>>> {
        let (index, offset) = (self.index, self.offset);
        let found = if self.done { Ok(None) } else { shard.frame_at(offset, CrcCheck::Lengths) };
        match found {
            Ok(Some(payload)) => {
                self.step_over(payload);
                Ok(Some(RecordRef { index, offset, payload }))
            }
            Ok(None) => {
                self.done = true;
                Ok(None)
            }
            Err(e) => {
                self.done = true;
                Err(shard.place(e.into(), index, offset))
            }
        }
    }

    pub(super) fn next<'a>(&mut self, shard: &'a Shard) -> Option<Result<RecordRef<'a>>> {
        if self.done {
            return None;
        }
        let (index, offset) = (self.index, self.offset);
        match shard.frame_at(offset, shard.options.crc) {
            Ok(Some(payload)) => {
                self.step_over(payload);
                Some(Ok(RecordRef { index, offset, payload }))
            }
            Ok(None) => {
                self.done = true;
                None
            }
            Err(e) => {
                self.done = true;
                if shard.options.goes_on(&e)
                    && let Ok(Some(payload)) = shard.frame_at(offset, CrcCheck::Lengths)
                {
                    self.done = false;
                    self.step_over(payload);
                }
                Some(Err(shard.place(e.into(), index, offset)))
            }
        }
    }

    fn step_over(&mut self, payload: &[u8]) {
        self.index += 1;
        self.offset += OVERHEAD + payload.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{OnCorrupt, Writer};

    fn ten() -> Vec<u8> {
        let mut w = Writer::new(Vec::new());
        for i in 0..10u8 {
            w.write(&vec![i; usize::from(i) * 3]).unwrap();
        }
        w.finish().unwrap()
    }

    #[test]
    fn records_know_their_place_and_can_be_read_by_it() {
        let shard = Shard::from_bytes(ten());
        let all: Vec<_> = shard.records().collect::<Result<_>>().unwrap();
        assert_eq!(all.len(), 10);
        for r in &all {
            assert_eq!(shard.record_at(r.index, r.offset).unwrap(), *r);
        }
        assert_eq!(shard.record_at(9, 1 << 40).unwrap_err().kind_name(), "index");
    }

    #[test]
    fn payload_bytes_share_the_shards_memory() {
        let shard = Shard::from_bytes(ten());
        let record = shard.records().nth(5).unwrap().unwrap();
        assert_eq!(shard.payload_bytes(record).as_ptr(), record.payload.as_ptr());
    }

    #[test]
    fn the_walk_goes_on_behind_a_damaged_payload_only_when_told() {
        let mut data = ten();
        let damaged = Shard::from_bytes(data.clone()).records().nth(4).unwrap().unwrap().offset as usize;
        data[damaged + 12] ^= 0x10;
        let shard = Shard::from_bytes(data);
        let errors = |s: &Shard| s.records().filter_map(Result::err).collect::<Vec<_>>();
        assert_eq!(shard.records().count(), 5);
        let shard = shard.with_options(ReadOptions { on_corrupt: OnCorrupt::Continue, ..Default::default() });
        assert_eq!(shard.records().count(), 10);
        let errors = errors(&shard);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].location().record, Some(4));
        assert_eq!(errors[0].location().offset, Some(damaged as u64));
    }
}
