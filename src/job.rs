//! How a whole job runs: on how many threads, and how it is watched and stopped.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::record::{Io, ReadOptions};

/// How a whole job (`convert`, `inspect`) runs: threads, reading, progress, stopping.
///
/// ```
/// use tfrkit::Job;
///
/// let report = |done, total| eprint!("\r{done} of {total}");
/// let job = Job { threads: 2, on_progress: Some(&report), ..Default::default() };
/// # let _ = job;
/// ```
#[derive(Clone, Copy, Default)]
pub struct Job<'a> {
    /// How many threads work. Default: 0, as many as the machine runs at once.
    pub threads: usize,
    /// How shards are brought into memory. Default: [`Io::Auto`].
    pub io: Io,
    /// Is called as the job goes on, from any of its threads: with the bytes done and the bytes in all (0 where that is
    /// not known).
    pub on_progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
    /// The longest payload that is accepted, in bytes: a longer record is an error ([`FrameError::Oversized`]). Default: 2 GiB
    /// less one byte, protobuf's own limit.
    ///
    /// [`FrameError::Oversized`]: crate::record::FrameError::Oversized
    pub max_record_len: Option<u64>,
    /// Ends the job soon after it becomes `true`, with [`ErrorKind::Interrupted`].
    pub stop: Option<&'a AtomicBool>,
}

impl<'a> Job<'a> {
    /// The number of threads, the default resolved.
    pub(crate) fn thread_count(&self) -> usize {
        thread_count(self.threads)
    }

    /// How records are read: every checksum verified, up to the longest record, to the first error.
    pub(crate) fn reading(&self) -> ReadOptions {
        let default = ReadOptions::default();
        ReadOptions { max_record_len: self.max_record_len.unwrap_or(default.max_record_len), ..default }
    }

    /// A pool of the job's own: rayon's global one belongs to the program around us.
    pub(crate) fn pool(&self) -> Result<rayon::ThreadPool> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.thread_count())
            .thread_name(|i| format!("tfrkit-{i}"))
            .build()
            .map_err(|e| Error::from(std::io::Error::other(e)))
    }

    /// An error once the job is to stop.
    pub(crate) fn check(&self) -> Result<()> {
        match self.stop {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(Error::new(ErrorKind::Interrupted)),
            _ => Ok(()),
        }
    }

    /// A counter of work done out of `total`, which reports to the job.
    pub(crate) fn counter(&self, total: u64) -> Counter<'a> {
        Counter { done: AtomicU64::new(0), total, progress: self.on_progress }
    }
}

/// So many threads; for 0, as many as the machine runs at once.
pub(crate) fn thread_count(threads: usize) -> usize {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
        n => n,
    }
}

/// The results of `f(0)`, `f(1)`, ... in this order, begun in this order on some threads; or the error of the lowest number.
pub(crate) fn in_order<T: Send>(threads: usize, count: usize, f: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(usize::MAX);
    let slots: Vec<Mutex<Option<Result<T>>>> = (0..count).map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            // What comes before a failure has begun already, so the lowest one is always found.
            let Some(slot) = slots.get(i).filter(|_| i < failed.load(Ordering::Relaxed)) else { return };
            let result = f(i);
            if result.is_err() {
                failed.fetch_min(i, Ordering::Relaxed);
            }
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for i in 1..threads.min(count) {
            // Without another thread, those that there are do all of it.
            let _ = std::thread::Builder::new().name(format!("tfrkit-{i}")).spawn_scoped(scope, work);
        }
        work();
    });
    slots.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Counts the work of a job and reports it.
pub(crate) struct Counter<'a> {
    done: AtomicU64,
    total: u64,
    progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
}

impl Counter<'_> {
    pub(crate) fn add(&self, work: u64) {
        let done = self.done.fetch_add(work, Ordering::Relaxed) + work;
        if let Some(progress) = self.progress {
            progress(done, self.total);
        }
    }
}
