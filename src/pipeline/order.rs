//! Which sample comes when: a pure function of seed and epoch.

use std::ops::Range;

use super::spec::Shuffle;
use crate::image::random::philox_u64;

/// Keeps the keys of shards, windows and samples apart.
const SHARDS: u64 = 0x5348_4152;
const WINDOW: u64 = 0x5749_4e44;

/// Samples that are read together where there is no shuffle.
const UNSHUFFLED_WINDOW: u64 = 256;

/// The order of one epoch: shards in some order, one after the other, cut into windows.
#[derive(Debug, Clone)]
pub(super) struct EpochOrder {
    seed: u64,
    epoch: u64,
    window: Option<u64>,
    /// Shards in the order they are read, each with the position of its first sample.
    shards: Vec<(usize, u64)>,
    /// The number of samples.
    len: u64,
}

/// A sample's place: shard, and record in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: usize,
    pub(super) record: u64,
}

impl EpochOrder {
    /// `counts` are the records of each shard.
    pub(super) fn new(counts: &[u64], shuffle: Shuffle, seed: u64, epoch: u64) -> Self {
        let mut indices: Vec<usize> = (0..counts.len()).collect();
        let window = match shuffle {
            Shuffle::None => None,
            Shuffle::Buffer(size) => {
                permute(&mut indices, seed, [SHARDS, epoch]);
                Some(size.max(1))
            }
        };
        let mut start = 0;
        let shards = indices.into_iter().map(|i| {
            let first = start;
            start += counts[i];
            (i, first)
        });
        EpochOrder { shards: shards.collect(), seed, epoch, window, len: start }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The window that a position lies in.
    pub(super) fn span(&self, position: u64) -> Range<u64> {
        let size = self.window.unwrap_or(UNSHUFFLED_WINDOW);
        let start = position / size * size;
        start.min(self.len)..self.len.min(start.saturating_add(size))
    }

    /// The positions of a window in the order in which they are delivered.
    pub(super) fn members(&self, span: &Range<u64>) -> Vec<u64> {
        let mut members: Vec<u64> = span.clone().collect();
        if self.window.is_some() {
            permute(&mut members, self.seed, [WINDOW | self.epoch << 32, span.start]);
        }
        members
    }

    /// The sample at a position of the shards laid end to end.
    pub(super) fn place(&self, position: u64) -> Place {
        // The last shard that begins at or before the position; empty shards before it begin there too.
        let at = self.shards.partition_point(|(_, first)| *first <= position).saturating_sub(1);
        let (shard, first) = self.shards[at];
        Place { shard, record: position - first }
    }

    /// The shards in the order they are read.
    pub(super) fn shards(&self) -> impl Iterator<Item = usize> {
        self.shards.iter().map(|(shard, _)| *shard)
    }
}

/// Fisher-Yates with one keyed draw a step.
fn permute<T>(items: &mut [T], seed: u64, [stream, number]: [u64; 2]) {
    for i in (1..items.len() as u64).rev() {
        let draw = philox_u64(seed ^ stream.rotate_left(17), [i, number]);
        items.swap(i as usize, (draw % (i + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(order: &EpochOrder) -> Vec<Place> {
        let mut out = Vec::new();
        let mut position = 0;
        while position < order.len() {
            let span = order.span(position);
            assert_eq!(span.start, position);
            position = span.end;
            out.extend(order.members(&span).into_iter().map(|p| order.place(p)));
        }
        out
    }

    #[test]
    fn every_sample_comes_once_in_every_order() {
        let counts = [5, 0, 17, 1, 30];
        let mut expected: Vec<(usize, u64)> =
            counts.iter().enumerate().flat_map(|(s, &n)| (0..n).map(move |r| (s, r))).collect();
        for shuffle in [Shuffle::None, Shuffle::Buffer(1), Shuffle::Buffer(10), Shuffle::Buffer(1000)] {
            let order = EpochOrder::new(&counts, shuffle, 3, 1);
            let mut found: Vec<(usize, u64)> = all(&order).iter().map(|p| (p.shard, p.record)).collect();
            if shuffle == Shuffle::None {
                assert_eq!(found, expected);
            } else {
                assert_ne!(found, expected, "{shuffle:?}");
            }
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{shuffle:?}");
        }
    }

    #[test]
    fn the_order_is_the_seeds_and_the_epochs_own() {
        let order = |seed, epoch| all(&EpochOrder::new(&[40, 40], Shuffle::Buffer(16), seed, epoch));
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(2, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(0, 1));
    }

    #[test]
    fn windows_shuffle_within_and_not_across() {
        let order = EpochOrder::new(&[100], Shuffle::Buffer(10), 0, 0);
        for (i, place) in all(&order).iter().enumerate() {
            assert_eq!(place.record / 10, i as u64 / 10);
        }
    }
}
