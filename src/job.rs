//! How a whole job runs: on how many threads, and how it is watched and stopped.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::record::Io;

/// Settings of a whole job (`convert`, `inspect`): threads, reading, progress, stopping.
///
/// ```
/// use tfrkit::Job;
///
/// let job = Job::default().threads(2).on_progress(&|done, total| eprintln!("{done} of {total}"));
/// # let _ = job;
/// ```
#[derive(Clone, Copy, Default)]
pub struct Job<'a> {
    threads: usize,
    io: Io,
    progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Job<'a> {
    /// Sets the number of threads. Default: 0, as many as the machine runs at once.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how files are brought into memory. Default: [`Io::Auto`].
    pub fn io(mut self, io: Io) -> Self {
        self.io = io;
        self
    }

    /// Sets what is called as the job goes on, from any of its threads: with the work done and the whole work, in the
    /// unit that the job's docs name.
    pub fn on_progress(mut self, progress: &'a (dyn Fn(u64, u64) + Sync)) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Sets a flag that stops the job soon after it is raised, with [`ErrorKind::Interrupted`].
    pub fn stop_on(mut self, flag: &'a AtomicBool) -> Self {
        self.stop = Some(flag);
        self
    }

    pub(crate) fn read_io(&self) -> Io {
        self.io
    }

    /// The number of threads, the default resolved.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            n => n,
        }
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
        Counter { done: AtomicU64::new(0), total, progress: self.progress }
    }
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
