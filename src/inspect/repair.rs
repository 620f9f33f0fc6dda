//! Repair: the whole records of damaged shards, written anew.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::work::{STREAM_NAME, Work, spool};
use crate::dataset::{ResolvedSets, ShardWriter, clear_leftovers, dir_of, path_as_text, write_atomically};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::record::{Compression, DETECT_LEN, Piece, Pieces, RecordSource, compression_of_damaged, salvage};
use crate::sys;

/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 1 << 20;

/// How shards are repaired.
#[derive(Debug, Clone, Copy, Default)]
pub struct RepairOptions {
    /// The compression of what is written. Default: that of the input.
    pub compression: Option<Compression>,
}

/// The outcome of a repair. Serialised, it is the JSON of `tfr repair --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepairReport {
    /// Records kept.
    pub records: u64,
    /// Bytes lost: of shards, and of compressed files.
    pub lost_bytes: u64,
    /// What is lost, by shard and offset. Kept records and lost spans cover every byte of an (inflated) shard.
    pub lost: Vec<LostSpan>,
    /// What was written, in the order of the inputs.
    pub shards: Vec<RepairedShard>,
    /// How long it took.
    pub seconds: f64,
}

impl RepairReport {
    /// Whether anything is lost. If not, each shard written has the bytes of its input, unless another compression was
    /// asked for.
    pub fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }
}

/// A span of bytes that is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostSpan {
    /// The file.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// The byte offset at which it begins: in the shard, which is the inflated stream of a compressed file; or in the
    /// compressed file itself, where `kind` is `compression`.
    pub offset: u64,
    /// How many bytes it has. 0 for a compressed stream that ends where it should, but not with the checksum it should.
    pub bytes: u64,
    /// What is wrong at its beginning, as one word: `length_crc`, `data_crc`, `truncated`, `oversized`, `compression`.
    pub kind: &'static str,
    /// The same in a sentence.
    pub reason: String,
}

/// A shard that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RepairedShard {
    /// The damaged shard.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// What was written.
    #[serde(serialize_with = "path_as_text")]
    pub output: PathBuf,
    /// The compression found in the damaged shard.
    #[serde(serialize_with = "as_name")]
    pub compression: Compression,
    /// Records kept.
    pub records: u64,
    /// The length of the file written.
    pub bytes: u64,
    /// How many spans are lost.
    pub lost: u64,
}

fn as_name<S: Serializer>(compression: &Compression, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(compression.name())
}

/// Writes the whole records of each shard of `sets` to `out`: a directory, in which the shards keep their names, or for
/// a single shard the file itself. Directories are made where they are missing; what exists is never overwritten.
///
/// A record is kept, byte for byte, if both its CRCs hold. Where a payload is damaged and a valid header, or the end,
/// follows at the record's declared end, that record is lost and no other; behind a bad header the walk takes up again
/// at the next whole record that is not seen to lie inside the payload of a lost one. Behind a record that declares more
/// than there is, nothing is taken up: it was cut. Of a damaged compressed file, the records before the damage are kept,
/// and those of later gzip members; a record of less than 258 bytes that stands there twice may be the inflater's doing.
/// A shard without damage is written as it is.
///
/// The work grows with the length of the shard and no faster, whatever it holds. Only the search for later members of a
/// damaged gzip file has a bound of its own: 256 MiB and 16 times the file, read and inflated; where it is reached, the
/// rest of the file is lost, and the reason says so.
///
/// Memory: 16 bytes a record kept, a 256th of a damaged shard, and the list of what is lost; mapped files aside. A damaged compressed file is
/// inflated into a nameless file beside the output, and so is one that is read and not mapped ([`Job::io`]).
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::inspect::repair;
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("a.tfrecord");
/// let mut writer = ShardWriter::create(&path, Default::default())?;
/// (0..3).try_for_each(|i| writer.write(&[i; 10]))?;
/// writer.finish()?;
/// let mut bytes = std::fs::read(&path)?;
/// bytes[26 + 15] ^= 1; // in the payload of record 1
/// std::fs::write(&path, bytes)?;
///
/// let sets = resolve(&[path.to_str().unwrap()])?;
/// let report = repair(&sets, &dir.path().join("mended.tfrecord"), &Default::default(), &tfrkit::Job::default())?;
/// assert_eq!((report.records, report.lost.len()), (2, 1));
/// assert_eq!((report.lost[0].offset, report.lost[0].bytes, report.lost[0].kind), (26, 26, "data_crc"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn repair(sets: &ResolvedSets, out: &Path, options: &RepairOptions, job: &Job<'_>) -> Result<RepairReport> {
    let begin = Instant::now();
    let shards: Vec<&Path> = sets.sets.iter().flat_map(|s| &s.shards).map(PathBuf::as_path).collect();
    let outputs = outputs(&shards, out)?;
    let work = Work::new(job, shards.iter().copied());
    let repaired = work.in_order(shards.len(), |i| {
        let (path, output) = (shards[i], outputs[i].as_path());
        let data = match work.io().maps(path) {
            true => sys::map_file(path),
            false => File::open(path).and_then(|mut file| spool(output, |to| io::copy(&mut file, to))),
        };
        Repair { work: &work, path, output, options }.run(data.map_err(|e| Error::io(path, e))?)
    })?;
    Ok(report(repaired, begin))
}

/// As [`repair`], of one shard out of a stream such as standard input, into the file `out`. The stream is first written
/// to a nameless file beside it.
pub fn repair_stream(mut input: impl Read, out: &Path, options: &RepairOptions, job: &Job<'_>) -> Result<RepairReport> {
    let begin = Instant::now();
    if is_directory(out) {
        return Err(Error::usage_hint(
            format!("{} is a directory", out.display()),
            "a stream has no name: name the file",
        ));
    }
    refuse_existing(out)?;
    let path = Path::new(STREAM_NAME);
    let work = Work::new(job, []);
    let data = spool(out, |to| io::copy(&mut input, to)).map_err(|e| Error::io(out, e))?;
    let repaired = Repair { work: &work, path, output: out, options }.run(data)?;
    Ok(report(vec![repaired], begin))
}

fn report(repaired: Vec<(RepairedShard, Vec<LostSpan>)>, begin: Instant) -> RepairReport {
    let (shards, lost): (Vec<_>, Vec<_>) = repaired.into_iter().unzip();
    let lost: Vec<LostSpan> = lost.into_iter().flatten().collect();
    RepairReport {
        records: shards.iter().map(|s: &RepairedShard| s.records).sum(),
        lost_bytes: lost.iter().map(|l| l.bytes).sum(),
        lost,
        shards,
        seconds: begin.elapsed().as_secs_f64(),
    }
}

/// The file that each shard is written to.
fn outputs(shards: &[&Path], out: &Path) -> Result<Vec<PathBuf>> {
    let outputs: Vec<PathBuf> = if shards.len() > 1 || is_directory(out) {
        fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
        shards.iter().map(|s| out.join(s.file_name().unwrap_or_default())).collect()
    } else {
        vec![out.to_owned()]
    };
    outputs.iter().map(|output| dir_of(output)).collect::<BTreeSet<_>>().into_iter().try_for_each(clear_leftovers)?;
    let mut seen = BTreeSet::new();
    for output in &outputs {
        if !seen.insert(output) {
            let detail = format!("two shards would be written to {}", output.display());
            return Err(Error::usage_hint(detail, "repair each directory into one of its own"));
        }
        refuse_existing(output)?;
    }
    Ok(outputs)
}

fn is_directory(out: &Path) -> bool {
    out.is_dir() || out.to_string_lossy().ends_with(std::path::is_separator)
}

/// The input among them, by whatever path.
fn refuse_existing(output: &Path) -> Result<()> {
    match output.symlink_metadata() {
        Ok(_) => {
            let detail = format!("{} exists, and repair overwrites nothing", output.display());
            Err(Error::usage_hint(
                detail,
                "name a place where nothing is, and swap the files when you have seen the report",
            ))
        }
        Err(_) => Ok(()),
    }
}

/// The repair of one shard.
struct Repair<'a> {
    work: &'a Work<'a>,
    path: &'a Path,
    output: &'a Path,
    options: &'a RepairOptions,
}

impl Repair<'_> {
    fn run(&self, data: Bytes) -> Result<(RepairedShard, Vec<LostSpan>)> {
        let compression = self.compression(&data);
        let target = self.options.compression.unwrap_or(compression);
        if compression == Compression::None {
            return self.write(&data, &[], compression, Vec::new());
        }
        let whole = if target == compression { count_if_whole(&data, self.work)? } else { None };
        if let Some(records) = whole {
            write_atomically(self.output, &data)?;
            self.work.advance(data.len() as u64)?;
            return Ok((self.shard(compression, records, data.len() as u64, 0), Vec::new()));
        }
        let mut salvaged = None;
        let inflated = spool(self.output, |to| {
            salvaged = Some(salvage(&data, compression, self.work.stop(), to)?);
            Ok(())
        });
        self.work.advance(0)?;
        let inflated = inflated.map_err(|e| Error::io(self.output, e))?;
        let salvaged = salvaged.unwrap_or_default();
        let gaps = salvaged.gaps.into_iter().map(|gap| LostSpan {
            path: self.path.to_owned(),
            offset: gap.offset,
            bytes: gap.bytes,
            kind: "compression",
            reason: format!("the {compression} stream is damaged: {}", gap.detail),
        });
        self.write(&inflated, &salvaged.breaks, compression, gaps.collect())
    }

    /// The file's compression, told by more than its beginning where that is damaged.
    fn compression(&self, data: &[u8]) -> Compression {
        let detected = Compression::detect(&data[..data.len().min(DETECT_LEN)]);
        let kept = || Pieces::new(data).until(self.work.stop()).find(|p| matches!(p, Piece::Kept(_)));
        if detected != Compression::None || data.is_empty() {
            return detected;
        }
        match compression_of_damaged(data) {
            Compression::None if kept().is_none() => {
                let name = self.path.to_string_lossy();
                let named = |c: &Compression| name.ends_with(c.extension());
                match data.starts_with(&[0x1f, 0x8b, 8]) {
                    true => Compression::Gzip,
                    false => [Compression::Gzip, Compression::Zlib].into_iter().find(named).unwrap_or_default(),
                }
            }
            told => told,
        }
    }

    /// Writes the whole records of `data`, in which records do not go on across `breaks`.
    fn write(
        &self,
        data: &[u8],
        breaks: &[u64],
        compression: Compression,
        mut lost: Vec<LostSpan>,
    ) -> Result<(RepairedShard, Vec<LostSpan>)> {
        let mut writer = ShardWriter::create(self.output, self.options.compression.unwrap_or(compression))?;
        let (mut begin, mut waiting) = (0, 0);
        for end in breaks.iter().map(|&b| b as usize).chain([data.len()]) {
            for piece in Pieces::new(&data[begin..end]).until(self.work.stop()) {
                waiting += match piece {
                    Piece::Kept(record) => {
                        writer.write(record.payload)?;
                        record.frame_len()
                    }
                    Piece::Lost { offset, bytes, error } => {
                        let error = Error::from(error);
                        let (kind, reason) = (error.kind_name(), error.message());
                        let offset = begin as u64 + offset;
                        lost.push(LostSpan { path: self.path.to_owned(), offset, bytes, kind, reason });
                        bytes
                    }
                };
                if waiting >= REPORT_EVERY {
                    self.work.advance(std::mem::take(&mut waiting))?;
                }
            }
            begin = end;
        }
        // Where the job is to stop, pieces may be missing.
        self.work.advance(waiting)?;
        let written = writer.finish()?;
        Ok((self.shard(compression, written.records, written.bytes, lost.len() as u64), lost))
    }

    fn shard(&self, compression: Compression, records: u64, bytes: u64, lost: u64) -> RepairedShard {
        let (path, output) = (self.path.to_owned(), self.output.to_owned());
        RepairedShard { path, output, compression, records, bytes, lost }
    }
}

/// How many records a compressed shard has, if it is whole.
fn count_if_whole(data: &Bytes, work: &Work<'_>) -> Result<Option<u64>> {
    let input = Box::new(io::Cursor::new(data.clone()));
    let mut source = RecordSource::from_stream(input, None, work.reading())?;
    let mut records = 0;
    loop {
        work.advance(0)?;
        match source.next_record() {
            Ok(Some(_)) => records += 1,
            Ok(None) => return Ok(Some(records)),
            Err(_) => return Ok(None),
        }
    }
}
