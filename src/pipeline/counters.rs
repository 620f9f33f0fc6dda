//! Where the time of a loader goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// A stage of the work on a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Finding the record, verifying its CRC, finding its features; page faults are counted here.
    Read,
    /// Decoding the image.
    Decode,
    /// Resizing it.
    Resize,
    /// The other ops.
    Ops,
    /// A worker waiting for the consumer to take batches.
    Wait,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Stage; 5] = [Stage::Read, Stage::Decode, Stage::Resize, Stage::Ops, Stage::Wait];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        ["read", "decode", "resize", "ops", "wait"][self as usize]
    }
}

/// Nanoseconds by stage, of one worker.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times([u64; 5]);

impl Times {
    pub(super) fn add(&mut self, stage: Stage, nanoseconds: u64) {
        self.0[stage as usize] += nanoseconds;
    }

    /// Gives what has been counted, and begins anew.
    pub(super) fn take(&mut self) -> Times {
        std::mem::take(self)
    }
}

/// The same, of all workers, and the consumer's waiting.
#[derive(Debug, Default)]
pub(super) struct SharedTimes {
    stages: [AtomicU64; 5],
    consumer_wait: AtomicU64,
    bytes: AtomicU64,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
}

impl SharedTimes {
    pub(super) fn add(&self, times: Times) {
        for (total, part) in self.stages.iter().zip(times.0) {
            total.fetch_add(part, Ordering::Relaxed);
        }
    }

    pub(super) fn add_consumer_wait(&self, time: Duration) {
        self.consumer_wait.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_cached(&self, is_hit: bool) {
        let counter = if is_hit { &self.cache_hits } else { &self.cache_misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, workers: usize) -> Counters {
        let seconds = |n: &AtomicU64| n.load(Ordering::Relaxed) as f64 / 1e9;
        let [read, decode, resize, ops, wait] = [0, 1, 2, 3, 4].map(|i| seconds(&self.stages[i]));
        let [bytes, cache_hits, cache_misses] =
            [&self.bytes, &self.cache_hits, &self.cache_misses].map(|n| n.load(Ordering::Relaxed));
        let consumer_wait = seconds(&self.consumer_wait);
        let times = Counters { workers, read, decode, resize, ops, wait, consumer_wait, ..Counters::default() };
        Counters { bytes, cache_hits, cache_misses, ..times }
    }
}

/// Where a loader's time has gone so far, in seconds summed over its workers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Counters {
    /// How many workers there are.
    pub workers: usize,
    /// [`Stage::Read`].
    pub read: f64,
    /// [`Stage::Decode`].
    pub decode: f64,
    /// [`Stage::Resize`].
    pub resize: f64,
    /// [`Stage::Ops`].
    pub ops: f64,
    /// [`Stage::Wait`].
    pub wait: f64,
    /// Seconds that the consumer waited for batches.
    pub consumer_wait: f64,
    /// Bytes of records read.
    pub bytes: u64,
    /// Samples that were begun from the cache.
    pub cache_hits: u64,
    /// Samples that were not in it; 0 without a cache.
    pub cache_misses: u64,
    /// Finished batches that wait for the consumer now.
    pub queue: usize,
    /// Batches that wait or are being filled now.
    pub in_flight: usize,
}

impl Counters {
    /// Seconds that workers worked, summed.
    pub fn busy(&self) -> f64 {
        self.read + self.decode + self.resize + self.ops
    }

    /// What has come since an earlier reading of the same loader: times and bytes are the difference, the queue is as it
    /// stands.
    ///
    /// ```
    /// use tfrkit::pipeline::Counters;
    ///
    /// let (then, now) = (Counters { decode: 2.0, ..Default::default() }, Counters { decode: 5.0, ..Default::default() });
    /// assert_eq!(now.since(&then).decode, 3.0);
    /// ```
    pub fn since(&self, earlier: &Counters) -> Counters {
        Counters {
            read: self.read - earlier.read,
            decode: self.decode - earlier.decode,
            resize: self.resize - earlier.resize,
            ops: self.ops - earlier.ops,
            wait: self.wait - earlier.wait,
            consumer_wait: self.consumer_wait - earlier.consumer_wait,
            bytes: self.bytes.saturating_sub(earlier.bytes),
            cache_hits: self.cache_hits.saturating_sub(earlier.cache_hits),
            cache_misses: self.cache_misses.saturating_sub(earlier.cache_misses),
            ..*self
        }
    }

    /// Seconds of a stage.
    pub fn of(&self, stage: Stage) -> f64 {
        match stage {
            Stage::Read => self.read,
            Stage::Decode => self.decode,
            Stage::Resize => self.resize,
            Stage::Ops => self.ops,
            Stage::Wait => self.wait,
        }
    }

    /// The stage that takes most of the work, `None` before there was any.
    pub fn limiting(&self) -> Option<Stage> {
        let work = [Stage::Read, Stage::Decode, Stage::Resize, Stage::Ops];
        work.into_iter().filter(|s| self.of(*s) > 0.0).max_by(|a, b| self.of(*a).total_cmp(&self.of(*b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up_by_stage() {
        let shared = SharedTimes::default();
        for _ in 0..2 {
            let mut times = Times::default();
            times.add(Stage::Decode, 2_000_000_000);
            times.add(Stage::Wait, 9_000_000_000);
            times.add(Stage::Ops, 500_000_000);
            shared.add(times.take());
        }
        let counters = shared.read(2);
        assert_eq!((counters.decode, counters.ops, counters.busy()), (4.0, 1.0, 5.0));
        assert_eq!(counters.limiting(), Some(Stage::Decode));
        assert_eq!(Stage::ALL.map(|s| counters.of(s)), [0.0, 4.0, 0.0, 1.0, 18.0]);
        assert_eq!(Counters::default().limiting(), None);
    }
}
