//! What every job over shards shares: results in order, progress, interruption.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::dataset::dir_of;
use crate::error::{Error, Result};
use crate::job::{Counter, Job, in_order};
use crate::record::{Compression, Io, Passed, RandomAccess, ReadOptions, RecordRef, RecordSource};
use crate::sys;

/// The longest record that [`info`](super::info()) and [`validate`](super::validate()) hold in memory: 64 MiB. Of a longer
/// one in a compressed or streamed shard only the checksums are looked at.
pub(super) const HELD: u64 = 64 << 20;

/// Bytes between two reports of a shard.
const REPORT_EVERY: u64 = 1 << 20;

/// A job over shards under way. Its progress is counted in bytes of shard files.
pub(super) struct Work<'a> {
    job: &'a Job<'a>,
    done: Counter<'a>,
}

impl<'a> Work<'a> {
    /// Work on the files at `paths`; none where the shard is a stream, whose length is not known.
    pub(super) fn new<'p>(job: &'a Job<'a>, paths: impl IntoIterator<Item = &'p Path>) -> Self {
        // What cannot be asked for its length will fail, with its name, when it is opened.
        let total = paths.into_iter().filter_map(|p| fs::metadata(p).ok()).map(|m| m.len()).sum();
        log::debug!("{total} bytes of shards to look at; threads: {}", job.thread_count());
        Work { job, done: job.counter(total) }
    }

    pub(super) fn io(&self) -> Io {
        self.job.io
    }

    /// Becomes true when the job is to stop.
    pub(super) fn stop(&self) -> Option<&'a AtomicBool> {
        self.job.stop
    }

    /// How records are read: every checksum verified, up to the job's longest record, to the first error.
    pub(super) fn reading(&self) -> ReadOptions {
        self.job.reading()
    }

    /// `bytes` more are done. An error where the job is to stop.
    pub(super) fn advance(&self, bytes: u64) -> Result<()> {
        self.done.add(bytes);
        self.job.check()
    }

    /// Runs `f` once on every thread of a pool of the job's own; where that is one thread, on this one.
    pub(super) fn on_each_thread(&self, f: impl Fn() + Sync) -> Result<()> {
        match self.job.thread_count() {
            1 => f(),
            _ => drop(self.job.pool()?.broadcast(|_| f())),
        }
        Ok(())
    }

    /// The results of `f(0)`, `f(1)`, ... in this order, begun in this order; or the error of the lowest number.
    pub(super) fn in_order<T: Send>(&self, count: usize, f: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        in_order(self.job.thread_count(), count, f)
    }
}

/// Locks a mutex whose data are whole at every moment: what another thread left in a panic can be used.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The records of a shard, whose bytes are reported to the job as they go by.
pub(super) struct Tracked {
    source: RecordSource,
    /// Bytes read out of the file; `None` for a map, whose bytes are those of its records.
    read: Option<Arc<AtomicU64>>,
    /// Bytes of records gone by.
    passed: u64,
    reported: u64,
}

impl Tracked {
    /// Opens a shard file by whichever way fits.
    pub(super) fn open(path: &Path, io: Io, options: ReadOptions) -> Result<Self> {
        if let Some(RandomAccess::Mapped(shard)) = RandomAccess::open(path, io, options)? {
            let source = RecordSource::from_shard(shard);
            return Ok(Tracked { source, read: None, passed: 0, reported: 0 });
        }
        Self::open_stream(path, options)
    }

    /// Opens an uncompressed shard file at the record `index`, whose frame begins at `offset`.
    pub(super) fn open_at(path: &Path, io: Io, options: ReadOptions, index: u64, offset: u64) -> Result<Self> {
        let mut opened = match RandomAccess::open(path, io, options)? {
            Some(RandomAccess::File { mut file, .. }) => {
                file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io(path, e))?;
                Self::stream(Box::new(file), path, options)?
            }
            _ => Self::open(path, io, options)?,
        };
        opened.source = opened.source.starting_at(index, offset);
        opened.passed = offset;
        if let Some(read) = &opened.read {
            read.fetch_add(offset, Ordering::Relaxed);
        }
        Ok(opened)
    }

    /// Opens a shard file to be read from front to back.
    pub(super) fn open_stream(path: &Path, options: ReadOptions) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        Self::stream(Box::new(file), path, options)
    }

    /// Over a stream; `path` is how errors call it.
    pub(super) fn stream(input: Box<dyn Read + Send>, path: &Path, options: ReadOptions) -> Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { input, read: read.clone() };
        let source = RecordSource::from_stream(Box::new(counted), Some(path), options)?;
        Ok(Tracked { source, read: Some(read), passed: 0, reported: 0 })
    }

    pub(super) fn compression(&self) -> Compression {
        self.source.compression()
    }

    /// Bytes of the file gone by.
    pub(super) fn bytes(&self) -> u64 {
        self.read.as_ref().map_or(self.passed, |r| r.load(Ordering::Relaxed))
    }

    /// The next record. Reports what has gone by, now and then and at the end.
    pub(super) fn next_record(&mut self, work: &Work<'_>) -> Result<Option<RecordRef<'_>>> {
        let passed = self.step(work, |source| source.next_within(u64::MAX))?;
        Ok(passed.map(|Passed { index, offset, payload, .. }| RecordRef {
            index,
            offset,
            payload: payload.unwrap_or_default(),
        }))
    }

    /// As [`next_record`](Self::next_record), of a record that is not wanted: its payload need not be read.
    pub(super) fn pass_over(&mut self, work: &Work<'_>) -> Result<Option<Passed<'_>>> {
        self.step(work, RecordSource::pass_over)
    }

    /// As [`next_record`](Self::next_record), for jobs that hold no long record in memory: see [`HELD`].
    pub(super) fn next_held(&mut self, work: &Work<'_>) -> Result<Option<Passed<'_>>> {
        self.step(work, |source| source.next_within(HELD))
    }

    fn step(
        &mut self,
        work: &Work<'_>,
        next: impl for<'s> FnOnce(&'s mut RecordSource) -> Result<Option<Passed<'s>>>,
    ) -> Result<Option<Passed<'_>>> {
        if self.bytes() - self.reported >= REPORT_EVERY {
            self.report(work)?;
        }
        let read = self.read.clone();
        let record = next(&mut self.source)?;
        match &record {
            Some(record) => self.passed += record.frame_len(),
            None => {
                let bytes = read.map_or(self.passed, |r| r.load(Ordering::Relaxed));
                work.advance(bytes - self.reported)?;
                self.reported = bytes;
            }
        }
        Ok(record)
    }

    /// The rest of the file's `bytes` need not be read.
    pub(super) fn leave(&mut self, bytes: u64, work: &Work<'_>) -> Result<()> {
        let more = bytes.saturating_sub(self.reported);
        self.reported += more;
        work.advance(more)
    }

    fn report(&mut self, work: &Work<'_>) -> Result<()> {
        let more = self.bytes() - self.reported;
        self.reported += more;
        work.advance(more)
    }
}

struct Counted {
    input: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buf)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Maps what `fill` writes into a nameless file beside `output`, which goes when the map does.
pub(super) fn spool<T, E: From<io::Error>>(
    output: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<T, E>,
) -> Result<Bytes, E> {
    let dir = dir_of(output);
    let file = tempfile::tempfile_in(dir)?;
    let mut to = BufWriter::with_capacity(256 << 10, &file);
    fill(&mut to)?;
    to.flush()?;
    drop(to);
    Ok(sys::map(&file)?)
}

/// What a shard out of a stream is called.
pub(super) const STREAM_NAME: &str = "-";

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn results_and_the_first_error_come_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let job = Job { threads, ..Default::default() };
            let work = Work::new(&job, []);
            assert_eq!(work.in_order(50, Ok).unwrap(), (0..50).collect::<Vec<_>>());
            let error = work.in_order(50, |i| if i % 20 == 13 { Err(Error::usage(i.to_string())) } else { Ok(i) });
            assert_eq!(error.unwrap_err().to_string(), "13");
        }
    }

    #[test]
    fn a_job_stops_when_it_is_interrupted() {
        let flag = AtomicBool::new(true);
        let job = Job { stop: Some(&flag), ..Default::default() };
        assert_eq!(Work::new(&job, []).advance(1).unwrap_err().kind_name(), "interrupted");
    }
}
