//! `idx/` files: a line `offset size` for each record, as DALI and tfrecord2idx read and write them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::record::{Compression, CrcCheck, Io, ReadOptions, RecordSource, frame};

/// The longest line that is read: two numbers of 20 digits, and more blanks than anybody puts there.
const MAX_LINE: u64 = 64;

/// Where a record's frame lies in its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The byte offset of the frame.
    pub offset: u64,
    /// The length of the frame in bytes: payload and 16.
    pub size: u64,
}

/// Where the index of a shard lies: `idx/NAME.idx` beside it, NAME being the shard's less `.tfrecord`.
///
/// A folder of their own, so that a glob such as `train*` in other loaders takes no index for a shard.
pub fn idx_path(shard: &Path) -> PathBuf {
    let name = shard.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.strip_suffix(".tfrecord").unwrap_or(&name);
    shard.with_file_name("idx").join(format!("{stem}.idx"))
}

/// The spans of a shard's records, found by walking its headers. Lengths are verified, payloads are not; a cut
/// record is an error, not a short span.
pub fn build_index(shard: &Path, io: Io) -> Result<Vec<Span>> {
    let options = ReadOptions { crc: CrcCheck::Lengths, ..Default::default() };
    let mut source = RecordSource::open(shard, io, options)?;
    if source.compression() != Compression::None {
        return Err(Error::usage_hint(
            format!("the shard is {}-compressed: its records have no offsets to jump to", source.compression()),
            "only uncompressed shards can be indexed: `tfr reshard PATH -o OUT --compression none` writes them",
        )
        .at_path(shard));
    }
    let mut spans = Vec::new();
    while let Some(record) = source.pass_over()? {
        spans.push(Span { offset: record.offset, size: record.frame_len() });
    }
    Ok(spans)
}

/// Writes the index of a shard to [`idx_path`], whole or not at all.
pub fn write_idx(shard: &Path, spans: &[Span]) -> Result<PathBuf> {
    let path = idx_path(shard);
    let mut text = String::with_capacity(spans.len() * 16);
    for Span { offset, size } in spans {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{offset} {size}");
    }
    super::shard_writer::write_atomically(&path, text.as_bytes())?;
    Ok(path)
}

/// Reads an index; `shard_len` is the length of the shard that it must cover exactly, without a gap.
pub fn read_idx(path: &Path, shard_len: u64) -> Result<Vec<Span>> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut lines = BufReader::with_capacity(128 << 10, file);
    let mut spans: Vec<Span> = Vec::new();
    let (mut end, mut line) = (0u64, Vec::new());
    // Every line takes its bytes of the shard, so that there are no more than it has records.
    for number in 0.. {
        line.clear();
        lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(|e| Error::io(path, e))?;
        if line.is_empty() {
            break;
        }
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        let bad = |what: &str| Error::metadata(path, format!("line {}: {what}: '{line}'", number + 1));
        let (offset, size) = line.split_once(' ').ok_or_else(|| bad("not `offset size`"))?;
        let offset: u64 = offset.parse().map_err(|_| bad("not `offset size`"))?;
        let size: u64 = size.parse().map_err(|_| bad("not `offset size`"))?;
        if offset != end {
            return Err(bad(&format!("the record before ends at {end}")));
        }
        end = offset.checked_add(size).ok_or_else(|| bad("the size is out of range"))?;
        if size < frame::OVERHEAD || end > shard_len {
            return Err(bad(&format!("no record of a shard of {shard_len} bytes has this size")));
        }
        spans.push(Span { offset, size });
    }
    if end != shard_len {
        return Err(Error::metadata(path, format!("the index ends at {end}, the shard has {shard_len} bytes")));
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::Writer;

    #[test]
    fn an_index_is_written_read_and_held_against_its_shard() {
        let dir = tempfile::tempdir().unwrap();
        let shard = dir.path().join("a-00000-of-00001.tfrecord");
        let mut w = Writer::new(File::create(&shard).unwrap());
        for len in [3usize, 0, 100] {
            w.write(&vec![1; len]).unwrap();
        }
        let len = w.offset();
        w.finish().unwrap();
        let spans = build_index(&shard, Io::Auto).unwrap();
        assert_eq!(spans.iter().map(|s| (s.offset, s.size)).collect::<Vec<_>>(), [(0, 19), (19, 16), (35, 116)]);
        let idx = write_idx(&shard, &spans).unwrap();
        assert_eq!(idx, dir.path().join("idx/a-00000-of-00001.idx"));
        assert_eq!(fs::read_to_string(&idx).unwrap(), "0 19\n19 16\n35 116\n");
        assert_eq!(read_idx(&idx, len).unwrap(), spans);
        assert_eq!(read_idx(&idx, len + 1).unwrap_err().kind_name(), "index");
        for hostile in ["0 0\n0 0\n", "0 19\n19 17\n", &"9".repeat(1000)] {
            fs::write(&idx, hostile).unwrap();
            assert_eq!(read_idx(&idx, 35).unwrap_err().kind_name(), "index", "{hostile}");
        }
        fs::write(&idx, "0 19\n20 16\n").unwrap();
        assert!(read_idx(&idx, 36).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_truncated_tail_is_not_indexed() {
        let dir = tempfile::tempdir().unwrap();
        let shard = dir.path().join("a.tfrecord");
        let mut w = Writer::new(Vec::new());
        w.write(&[1; 50]).unwrap();
        let data = w.finish().unwrap();
        fs::write(&shard, &data[..60]).unwrap();
        assert_eq!(build_index(&shard, Io::Auto).unwrap_err().kind_name(), "truncated");
    }
}
