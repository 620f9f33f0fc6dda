//! One shard on disk that is seen under its final name only when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use tempfile::NamedTempFile;

use super::index::Span;
use super::manifest::fingerprint;
use crate::error::{Error, Result};
use crate::record::{Compression, Writer, frame};
use crate::sys;

/// What the names of temporary files end in; they begin with a dot.
pub(super) const TEMP_SUFFIX: &str = ".tmp";

/// Writes one shard: into a hidden file beside it, which [`finish`](ShardWriter::finish) flushes to disk and renames.
///
/// Dropped without `finish`, it leaves nothing behind.
///
/// ```
/// use tfrkit::{dataset::ShardWriter, record::Compression};
///
/// let dir = tempfile::tempdir()?;
/// let mut writer = ShardWriter::create(dir.path().join("train-00000-of-00001.tfrecord"), Compression::None)?;
/// writer.write(b"payload")?;
/// let shard = writer.finish()?;
/// assert_eq!((shard.records, shard.bytes), (1, 23));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ShardWriter {
    writer: Writer<BufWriter<NamedTempFile>>,
    spans: Vec<Span>,
    path: PathBuf,
    /// How many records it is to have, if that was planned.
    planned: Option<u64>,
    left_out: u64,
}

/// A finished shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSummary {
    /// Its path.
    pub path: PathBuf,
    /// How many records it holds.
    pub records: u64,
    /// The file's length in bytes.
    pub bytes: u64,
    /// Where each record lies (in the inflated stream, where the shard is compressed).
    pub spans: Vec<Span>,
    /// The file's [`fingerprint`].
    pub fingerprint: String,
}

/// A shard that a job has written, or kept of an earlier run: what its report says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenShard {
    /// Its path.
    #[serde(serialize_with = "path_as_text")]
    pub path: PathBuf,
    /// Its records.
    pub records: u64,
    /// The file's length in bytes.
    pub bytes: u64,
}

impl From<ShardSummary> for WrittenShard {
    fn from(shard: ShardSummary) -> Self {
        WrittenShard { path: shard.path, records: shard.records, bytes: shard.bytes }
    }
}

/// A path in JSON: with U+FFFD for what is not UTF-8, since it must not fail when all is done.
pub(crate) fn path_as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl ShardWriter {
    /// Begins the shard that will be at `path`. Its directory must exist.
    pub fn create(path: impl Into<PathBuf>, compression: Compression) -> Result<Self> {
        let path = path.into();
        let temp = temp_beside(&path).map_err(|e| Error::io(&path, e))?;
        let writer = Writer::with_compression(BufWriter::with_capacity(256 << 10, temp), compression);
        Ok(ShardWriter { writer, spans: Vec::new(), path, planned: None, left_out: 0 })
    }

    /// The same, held to a number of records.
    pub(super) fn planned(self, records: u64) -> Self {
        ShardWriter { planned: Some(records), ..self }
    }

    /// Counts a record that was planned and is not written, such as that of a file which cannot be read.
    pub fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Appends a record.
    pub fn write(&mut self, payload: &[u8]) -> Result<()> {
        let offset = self.writer.write(payload).map_err(|e| e.at_path(&self.path))?;
        self.spans.push(Span { offset, size: frame::OVERHEAD + payload.len() as u64 });
        Ok(())
    }

    /// Bytes written so far, before compression.
    pub fn bytes(&self) -> u64 {
        self.writer.offset()
    }

    /// Brings the shard to disk under its final name.
    ///
    /// # Errors
    /// Those of the system; and a usage error, with nothing under the final name, where a shard of a
    /// [`SetWriter`](super::SetWriter) has other records than planned, those [left out](Self::leave_out) counted.
    pub fn finish(self) -> Result<ShardSummary> {
        let path = self.path;
        let written = self.spans.len() as u64;
        if let Some(planned) = self.planned.filter(|planned| *planned != written + self.left_out) {
            let left_out = self.left_out;
            let detail = format!("{planned} records were planned, {written} are written and {left_out} left out");
            return Err(Error::usage(detail).at_path(&path));
        }
        let buffered = self.writer.finish().map_err(|e| e.at_path(&path))?;
        let temp = buffered.into_inner().map_err(|e| Error::io(&path, e.into_error()))?;
        persist(temp, &path).and_then(|()| sys::sync_dir(dir_of(&path))).map_err(|e| Error::io(&path, e))?;
        let bytes = fs::metadata(&path).map_err(|e| Error::io(&path, e))?.len();
        let fingerprint = fingerprint(&path)?;
        Ok(ShardSummary { records: self.spans.len() as u64, bytes, spans: self.spans, fingerprint, path })
    }
}

/// Writes a small file whole or not at all, and its folder where that is missing. After a crash of the machine the
/// earlier file may be back: what is written so can be made again.
pub(crate) fn write_atomically(path: &Path, data: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut temp = temp_beside(path)?;
        temp.write_all(data)?;
        persist(temp, path)
    };
    write().map_err(|e| Error::io(path, e))
}

/// Whether a file is one that is being written, or was when a process died.
pub(crate) fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(TEMP_SUFFIX)
}

fn temp_beside(path: &Path) -> io::Result<NamedTempFile> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    temp_in(dir_of(path), &format!(".{}.", name.to_string_lossy()))
}

/// A file in `dir` to be renamed once it is whole; `prefix` begins with a dot.
fn temp_in(dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    // Opened by ourselves: with the permissions of any other file, and errors that do not name the temporary one.
    let create = |at: &Path| {
        let file = File::options().read(true).write(true).create_new(true).open(at)?;
        // Taken for one that a killed process left: another name is tried.
        if sys::claim(&file)? { Ok(file) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    };
    tempfile::Builder::new().prefix(prefix).suffix(TEMP_SUFFIX).make_in(dir, create)
}

fn persist(temp: NamedTempFile, path: &Path) -> io::Result<()> {
    temp.as_file().sync_all()?;
    temp.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// The directory of a path, `.` where it names none.
pub(crate) fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Reads a shard through: its summary, or the first thing that is wrong with it. An error of `check`, which is asked
/// before each record, ends it.
pub(super) fn summarize(path: &Path, check: &dyn Fn() -> Result<()>) -> Result<ShardSummary> {
    let mut source = crate::record::RecordSource::open(path, Default::default(), Default::default())?;
    let mut spans = Vec::new();
    while let Some(record) = source.next_within(0)? {
        check()?;
        spans.push(Span { offset: record.offset, size: record.frame_len() });
    }
    let bytes = File::open(path).and_then(|f| f.metadata()).map_err(|e| Error::io(path, e))?.len();
    Ok(ShardSummary {
        path: path.to_owned(),
        records: spans.len() as u64,
        bytes,
        spans,
        fingerprint: fingerprint(path)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn nothing_is_seen_before_the_end_and_nothing_is_left_of_a_dropped_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tfrecord");
        let visible = || fs::read_dir(dir.path()).unwrap().filter(|e| !is_hidden(&e.as_ref().unwrap().path())).count();
        let mut w = ShardWriter::create(&path, Compression::Gzip).unwrap();
        w.write(&[5; 100]).unwrap();
        assert_eq!(visible(), 0);
        drop(w);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut w = ShardWriter::create(&path, Compression::Gzip).unwrap();
        w.write(&[5; 100]).unwrap();
        let summary = w.finish().unwrap();
        assert_eq!(visible(), 1);
        assert_eq!(summarize(&path, &|| Ok(())).unwrap(), summary);
    }

    fn is_hidden(path: &Path) -> bool {
        path.file_name().unwrap().to_string_lossy().starts_with('.')
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_with_the_path() {
        let error = ShardWriter::create("no/such/dir/a.tfrecord", Compression::None).err().unwrap();
        assert!(matches!(error.kind(), ErrorKind::Io(_)));
        assert!(error.to_string().contains("no/such/dir/a.tfrecord"));
    }

    #[cfg(unix)]
    #[test]
    fn shards_have_the_permissions_of_any_other_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode();
        let (shard, plain) = (dir.path().join("a.tfrecord"), dir.path().join("plain"));
        ShardWriter::create(&shard, Compression::None).unwrap().finish().unwrap();
        File::create(&plain).unwrap();
        assert_eq!(mode(&shard), mode(&plain));
    }
}
