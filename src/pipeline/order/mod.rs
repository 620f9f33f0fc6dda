//! Which sample comes when: a pure function of seed, epoch and position, in memory that does not grow with the set.

mod deal;
mod permutation;

use std::ops::Range;

use super::spec::Shuffle;
pub(super) use deal::{Deal, Dealt};
use permutation::Permutation;

/// Keeps the keys of shards, windows and runs apart.
const SHARDS: u32 = 0x5348_4152;
const WINDOW: u32 = 0x5749_4e44;
const RUNS: u32 = 0x5255_4e53;
const SHORT: u32 = 0x5348_5254;

/// Samples that are read together where there is no shuffle.
const UNSHUFFLED_WINDOW: u64 = 256;
/// Runs whose samples are shuffled together.
const RUNS_IN_WINDOW: u64 = 64;

/// The order of one epoch: positions `0..len` to samples.
#[derive(Debug, Clone)]
pub(super) struct EpochOrder {
    seed: u64,
    epoch: u64,
    kind: Kind,
    /// Parts in the order they are read, each with the position of its first sample.
    parts: Vec<(usize, u64)>,
    /// The number of samples.
    len: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    /// As stored.
    None,
    /// Windows of so many samples, each permuted.
    Buffer(u64),
    /// Runs permuted, then windows of runs.
    Global(Runs),
}

/// Runs of consecutive samples, permuted. The last run may be short; where it goes is drawn.
#[derive(Debug, Clone)]
struct Runs {
    run: u64,
    whole: Permutation,
    /// The slot of the short run among the others, and its length.
    short: (u64, u64),
    /// The number of whole runs.
    count: u64,
}

/// A sample's place in a view: the part, and which of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) part: usize,
    pub(super) at: u64,
}

impl EpochOrder {
    /// `counts` are the samples of each part: a shard, or some of its records.
    pub(super) fn new(counts: &[u64], shuffle: Shuffle, seed: u64, epoch: u64) -> Self {
        let len: u64 = counts.iter().sum();
        let mut indices: Vec<usize> = (0..counts.len()).collect();
        let kind = match shuffle {
            Shuffle::None => Kind::None,
            Shuffle::Buffer(size) => {
                let parts = Permutation::new(counts.len() as u64, seed, SHARDS, epoch);
                indices = (0..counts.len() as u64).map(|i| parts.at(i) as usize).collect();
                Kind::Buffer(size.max(1))
            }
            Shuffle::Global { run } => Kind::Global(Runs::new(len, run.max(1), seed, epoch)),
        };
        let mut start = 0;
        let parts = indices.into_iter().map(|i| {
            let first = start;
            start += counts[i];
            (i, first)
        });
        EpochOrder { parts: parts.collect(), seed, epoch, kind, len }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The window that a position lies in.
    pub(super) fn span(&self, position: u64) -> Range<u64> {
        let size = match &self.kind {
            Kind::None => UNSHUFFLED_WINDOW,
            Kind::Buffer(size) => *size,
            Kind::Global(runs) => runs.run.saturating_mul(RUNS_IN_WINDOW),
        };
        let start = position / size * size;
        start.min(self.len)..self.len.min(start.saturating_add(size))
    }

    /// The place of a position in the parts laid end to end, in the order they are read, after the shuffle.
    pub(super) fn stored(&self, position: u64) -> u64 {
        if matches!(self.kind, Kind::None) {
            return position;
        }
        let span = self.span(position);
        let window = Permutation::new(span.end - span.start, self.seed, WINDOW ^ (self.epoch as u32), span.start);
        let position = span.start + window.at(position - span.start);
        match &self.kind {
            Kind::Global(runs) => runs.at(position),
            _ => position,
        }
    }

    /// The sample at a position of the epoch.
    pub(super) fn at(&self, position: u64) -> Spot {
        let stored = self.stored(position);
        // The last part that begins at or before the position; empty parts before it begin there too.
        let at = self.parts.partition_point(|(_, first)| *first <= stored).saturating_sub(1);
        let (part, first) = self.parts[at];
        Spot { part, at: stored - first }
    }

    /// The parts in the order they are read, each with the position of its first sample.
    pub(super) fn parts(&self) -> &[(usize, u64)] {
        &self.parts
    }
}

impl Runs {
    fn new(len: u64, run: u64, seed: u64, epoch: u64) -> Self {
        let count = len / run;
        let slot = Permutation::new(count + 1, seed, SHORT, epoch).at(0);
        Runs { run, whole: Permutation::new(count.max(1), seed, RUNS, epoch), short: (slot, len % run), count }
    }

    /// The sample at a position of the permuted runs.
    fn at(&self, position: u64) -> u64 {
        let (slot, short) = self.short;
        let begins = slot * self.run;
        let position = match position {
            p if p < begins => p,
            p if p < begins + short => return self.count * self.run + (p - begins),
            p => p - short,
        };
        self.whole.at(position / self.run) * self.run + position % self.run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHUFFLES: [Shuffle; 8] = [
        Shuffle::None,
        Shuffle::Buffer(1),
        Shuffle::Buffer(10),
        Shuffle::Buffer(1000),
        Shuffle::Global { run: 1 },
        Shuffle::Global { run: 7 },
        Shuffle::Global { run: 53 },
        Shuffle::Global { run: 1000 },
    ];

    fn all(order: &EpochOrder) -> Vec<Spot> {
        (0..order.len()).map(|position| order.at(position)).collect()
    }

    #[test]
    fn every_sample_comes_once_in_every_order() {
        let counts = [5, 0, 17, 1, 30];
        let stored: Vec<Spot> =
            (0..).zip(counts).flat_map(|(part, n)| (0..n).map(move |at| Spot { part, at })).collect();
        for shuffle in SHUFFLES {
            for epoch in 0..20 {
                let order = EpochOrder::new(&counts, shuffle, 3, epoch);
                let mut found = all(&order);
                if shuffle == Shuffle::None {
                    assert_eq!(found, stored);
                }
                found.sort_by_key(|spot| (spot.part, spot.at));
                assert_eq!(found, stored, "{shuffle:?}");
            }
        }
    }

    #[test]
    fn the_order_is_the_seeds_and_the_epochs_own() {
        for shuffle in [Shuffle::Buffer(16), Shuffle::Global { run: 1 }, Shuffle::Global { run: 4 }] {
            let order = |seed, epoch| all(&EpochOrder::new(&[40, 40], shuffle, seed, epoch));
            assert_eq!(order(1, 0), order(1, 0));
            assert_ne!(order(1, 0), order(2, 0));
            assert_ne!(order(1, 0), order(1, 1));
            assert_ne!(order(1, 0), order(0, 1));
        }
    }

    #[test]
    fn windows_shuffle_within_and_not_across() {
        let order = EpochOrder::new(&[100], Shuffle::Buffer(10), 0, 0);
        for (i, place) in all(&order).iter().enumerate() {
            assert_eq!(place.at / 10, i as u64 / 10);
        }
    }

    /// Samples of one run come within one window of runs, so that reading stays nearly sequential.
    #[test]
    fn runs_stay_together() {
        let (run, len) = (5, 5 * 640 + 3);
        let order = EpochOrder::new(&[len], Shuffle::Global { run }, 2, 0);
        let mut windows = vec![Vec::new(); (len / run + 1) as usize];
        for position in 0..len {
            windows[(order.at(position).at / run) as usize].push(position / (run * RUNS_IN_WINDOW));
        }
        // The short run moves those behind it, so that a run may lie across the border of two windows.
        assert!(windows.iter().all(|w| w.iter().max().unwrap() - w.iter().min().unwrap() <= 1));
        let across = windows.iter().filter(|w| w.iter().max() != w.iter().min()).count();
        assert!(across <= 10, "{across}");
    }

    #[test]
    fn nothing_is_no_trouble() {
        for shuffle in SHUFFLES {
            assert_eq!(EpochOrder::new(&[], shuffle, 0, 0).len(), 0);
            assert_eq!(EpochOrder::new(&[0, 0], shuffle, 0, 0).len(), 0);
        }
    }
}
