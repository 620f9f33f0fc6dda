//! Single records by offset, for readers that jump: mapped, or read into the caller's buffer.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::compression::Compression;
use super::frame::{self, CrcCheck, FOOTER_LEN, FrameError, FramePart, HEADER_LEN};
use super::open::{Io, file_compression};
use super::reader::{ReadOptions, reserve};
use super::shard::{RecordRef, Shard};
use crate::error::{Error, Result};
use crate::sys;

/// An uncompressed shard that is read record by record, at any offset, from any thread.
#[derive(Debug)]
pub enum RandomAccess {
    /// Through a map: records borrow from it.
    Mapped(Shard),
    /// Through reads at an offset: records are copied into the caller's buffer.
    File {
        /// The open file.
        file: File,
        /// Its path, for errors.
        path: PathBuf,
        /// How records are read.
        options: ReadOptions,
    },
}

impl RandomAccess {
    /// Opens the file at `path`. `None` where the shard is compressed and has no offsets to jump to.
    pub fn open(path: impl AsRef<Path>, io: Io, options: ReadOptions) -> Result<Option<Self>> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        let compression = file_compression(&mut file, path)?;
        if compression != Compression::None {
            log::debug!("{}: {}, inflated from front to back", path.display(), compression.name());
            return Ok(None);
        }
        let maps = io.maps(path);
        log::debug!("{}: not compressed, {}", path.display(), if maps { "mapped" } else { "read" });
        Ok(Some(if maps {
            RandomAccess::Mapped(Shard::open(path)?.with_options(options))
        } else {
            RandomAccess::File { file, path: path.to_owned(), options }
        }))
    }

    /// The length of the frame that begins at `offset`, by its header alone.
    pub(crate) fn frame_len_at(&self, offset: u64) -> Result<u64> {
        let mut header = [0; HEADER_LEN];
        let found = match self {
            RandomAccess::Mapped(shard) => {
                let rest = usize::try_from(offset).ok().and_then(|at| shard.as_bytes().get(at..)).unwrap_or_default();
                let found = rest.len().min(HEADER_LEN);
                header[..found].copy_from_slice(&rest[..found]);
                found
            }
            RandomAccess::File { file, path, .. } => {
                sys::read_at(file, &mut header, offset).map_err(|e| Error::io(path, e))?
            }
        };
        if found < HEADER_LEN {
            let (part, expected) = (FramePart::Header, HEADER_LEN as u64);
            return Err(FrameError::Truncated { part, expected, found: found as u64 }.into());
        }
        Ok(frame::OVERHEAD + frame::parse_header(&header, frame::MAX_RECORD_LEN)?)
    }

    /// The record whose frame begins at `offset`, borrowed from the map or from `buffer`.
    pub fn record_at<'a>(&'a self, index: u64, offset: u64, buffer: &'a mut Vec<u8>) -> Result<RecordRef<'a>> {
        match self {
            RandomAccess::Mapped(shard) => shard.record_at(index, offset),
            RandomAccess::File { file, path, options } => read_at(file, path, options, offset, buffer)
                .map_err(|e| e.at_record(index, offset).at_path(path))
                .map(|()| RecordRef { index, offset, payload: buffer }),
        }
    }
}

fn read_at(file: &File, path: &Path, options: &ReadOptions, offset: u64, buffer: &mut Vec<u8>) -> Result<()> {
    let read = |buf: &mut [u8], at: u64, part: FramePart| -> Result<()> {
        let found = sys::read_at(file, buf, at).map_err(|e| Error::io(path, e))?;
        if found < buf.len() {
            return Err(FrameError::Truncated { part, expected: buf.len() as u64, found: found as u64 }.into());
        }
        Ok(())
    };
    let mut header = [0; HEADER_LEN];
    read(&mut header, offset, FramePart::Header)?;
    let length = frame::parse_header(&header, options.max_record_len)?;
    let file_len = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let payload_at = offset + HEADER_LEN as u64;
    let left = file_len.saturating_sub(payload_at);
    // Held against the file before the buffer grows.
    if length > left {
        return Err(FrameError::Truncated { part: FramePart::Payload, expected: length, found: left }.into());
    }
    let length_here =
        usize::try_from(length).map_err(|_| FrameError::Oversized { length, limit: usize::MAX as u64 })?;
    buffer.clear();
    reserve(buffer, length_here)?;
    buffer.resize(length_here, 0);
    read(buffer, payload_at, FramePart::Payload)?;
    let mut footer = [0; FOOTER_LEN];
    read(&mut footer, payload_at + length, FramePart::Footer)?;
    if options.crc == CrcCheck::Full {
        frame::check_payload(buffer, footer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Writer;

    #[test]
    fn mapped_and_read_records_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tfrecord");
        let mut w = Writer::new(File::create(&path).unwrap());
        let offsets: Vec<u64> = (0..20u8).map(|i| w.write(&vec![i; 100 - usize::from(i)]).unwrap()).collect();
        w.finish().unwrap();
        let open = |io| RandomAccess::open(&path, io, ReadOptions::default()).unwrap().unwrap();
        let (mapped, read) = (open(Io::Mmap), open(Io::Read));
        assert!(matches!(mapped, RandomAccess::Mapped(_)) && matches!(read, RandomAccess::File { .. }));
        for (i, &offset) in offsets.iter().enumerate().rev() {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            assert_eq!(
                mapped.record_at(i as u64, offset, &mut a).unwrap(),
                read.record_at(i as u64, offset, &mut b).unwrap()
            );
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tfrecord");
        let mut w = Writer::new(File::create(&path).unwrap());
        w.write(&[1; 50]).unwrap();
        let offset = w.write(&[2; 50]).unwrap();
        w.finish().unwrap();
        let access = RandomAccess::open(&path, Io::Read, ReadOptions::default()).unwrap().unwrap();
        File::options().write(true).open(&path).unwrap().set_len(offset + 20).unwrap();
        let error = access.record_at(1, offset, &mut Vec::new()).unwrap_err();
        assert_eq!((error.kind_name(), error.location().record), ("truncated", Some(1)));
    }
}
