//! Opening a shard file by whichever way fits: mapped where it can be, read as a stream otherwise.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use super::compression::{Compression, DETECT_LEN, read_full};
use super::reader::{Passed, ReadOptions, Reader};
use super::shard::{RecordRef, Shard};
use crate::error::{Error, Result};
use crate::sys;

/// How files are brought into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// Map on local disks, read on network and FUSE file systems (the default).
    #[default]
    Auto,
    /// Always map.
    Mmap,
    /// Never map: a file that shrinks while it is read is an error, not the process's end.
    Read,
}

impl Io {
    /// Whether the file at `path` is to be mapped.
    pub(crate) fn maps(self, path: &Path) -> bool {
        match self {
            Io::Auto => !sys::is_remote(path),
            Io::Mmap => true,
            Io::Read => false,
        }
    }
}

impl FromStr for Io {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "auto" => Ok(Io::Auto),
            "mmap" => Ok(Io::Mmap),
            "read" => Ok(Io::Read),
            _ => Err(format!("'{s}' is not a way to read: auto, mmap or read")),
        }
    }
}

/// The records of one file in order, mapped or streamed, plain or compressed.
///
/// ```no_run
/// use tfrkit::record::{Io, ReadOptions, RecordSource};
///
/// let mut source = RecordSource::open("train-00000-of-00008.tfrecord", Io::Auto, ReadOptions::default())?;
/// while let Some(record) = source.next_record()? {
///     println!("record {} at {}: {} bytes", record.index, record.offset, record.payload.len());
/// }
/// # Ok::<(), tfrkit::Error>(())
/// ```
pub struct RecordSource {
    compression: Compression,
    walk: Walk,
}

enum Walk {
    /// The shard, and where its walk stands: record number, offset, done.
    Mapped(Shard, super::shard::WalkState),
    Stream(Box<Reader<Box<dyn Read + Send>>>),
}

impl RecordSource {
    /// Opens the file at `path`. Verifies nothing yet.
    pub fn open(path: impl AsRef<Path>, io: Io, options: ReadOptions) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        if io.maps(path) && file_compression(&mut file, path)? == Compression::None {
            let shard = Shard::open(path)?.with_options(options);
            return Ok(Self::from_shard(shard));
        }
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        Self::from_stream(Box::new(file), Some(path), options)
    }

    /// Over a shard in memory.
    pub fn from_shard(shard: Shard) -> Self {
        RecordSource { compression: Compression::None, walk: Walk::Mapped(shard, Default::default()) }
    }

    /// Over a stream, such as standard input.
    pub fn from_stream(input: Box<dyn Read + Send>, path: Option<&Path>, options: ReadOptions) -> Result<Self> {
        let mut reader = Reader::with_options(input, options).map_err(|e| match path {
            Some(path) => e.at_path(path),
            None => e,
        })?;
        if let Some(path) = path {
            reader = reader.with_path(path);
        }
        Ok(RecordSource { compression: reader.compression(), walk: Walk::Stream(Box::new(reader)) })
    }

    /// The compression found.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The first record is the one with the number `index`, whose frame begins at `offset` of the shard. A stream must
    /// have been brought there.
    pub(crate) fn starting_at(self, index: u64, offset: u64) -> Self {
        let walk = match self.walk {
            Walk::Mapped(shard, _) => Walk::Mapped(shard, super::shard::WalkState::at(index, offset)),
            Walk::Stream(reader) => Walk::Stream(Box::new(reader.starting_at(index, offset))),
        };
        RecordSource { walk, ..self }
    }

    /// As [`next_record`](Self::next_record), for a record that is not wanted: of a mapped shard only the header is read,
    /// and nothing is held.
    pub(crate) fn pass_over(&mut self) -> Result<Option<Passed<'_>>> {
        match &mut self.walk {
            Walk::Mapped(shard, state) => Ok(state.pass_over(shard)?.map(Passed::from)),
            Walk::Stream(reader) => reader.next_within(0),
        }
    }

    /// As [`next_record`](Self::next_record); but where a payload would have to be held in memory, as those of mapped shards
    /// are not, and is longer than `most`, it is verified as it goes by.
    pub(crate) fn next_within(&mut self, most: u64) -> Result<Option<Passed<'_>>> {
        match &mut self.walk {
            Walk::Mapped(shard, state) => Ok(state.next(shard).transpose()?.map(Passed::from)),
            Walk::Stream(reader) => reader.next_within(most),
        }
    }

    /// The next record, or `None` at the end. After an error it goes on only where the options say so.
    pub fn next_record(&mut self) -> Result<Option<RecordRef<'_>>> {
        match &mut self.walk {
            Walk::Mapped(shard, state) => state.next(shard).transpose(),
            Walk::Stream(reader) => reader.next_record(),
        }
    }
}

/// The compression of an open file, told by its first bytes.
pub(super) fn file_compression(file: &mut File, path: &Path) -> Result<Compression> {
    let mut start = vec![0; DETECT_LEN];
    let n = read_full(file, &mut start).map_err(|e| Error::io(path, e))?;
    Ok(Compression::detect(&start[..n]))
}
