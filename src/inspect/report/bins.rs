//! Counts in bounded memory, which come out the same in whatever order their parts are merged.

use std::collections::BTreeMap;

use crate::inspect::kinds::Place;

/// Cells that a [`Grid`] has at most.
const MOST_CELLS: usize = 4096;

/// Counts pairs of numbers, such as the sizes of images: one by one as long as they are few, then in squares whose side
/// doubles until they are few again.
#[derive(Debug, Clone, Default)]
pub(super) struct Grid {
    cells: BTreeMap<(u32, u32), u64>,
    /// A square's side is 2 to this power.
    level: u32,
}

impl Grid {
    pub(super) fn add(&mut self, x: usize, y: usize) {
        let cell = |v: usize| u32::try_from(v).unwrap_or(u32::MAX) >> self.level;
        *self.cells.entry((cell(x), cell(y))).or_default() += 1;
        self.coarsen(self.level);
    }

    /// Which squares there are depends on all pairs only: a part is never coarser than the whole.
    pub(super) fn merge(&mut self, other: Grid) {
        self.coarsen(other.level);
        let more = self.level - other.level;
        for ((x, y), count) in other.cells {
            *self.cells.entry((x >> more, y >> more)).or_default() += count;
        }
        self.coarsen(self.level);
    }

    fn coarsen(&mut self, level: u32) {
        while self.level < level || self.cells.len() > MOST_CELLS {
            self.level += 1;
            for ((x, y), count) in std::mem::take(&mut self.cells) {
                *self.cells.entry((x >> 1, y >> 1)).or_default() += count;
            }
        }
    }

    /// The middle of each square, and its count.
    pub(super) fn points(&self) -> impl Iterator<Item = (f64, f64, u64)> {
        let middle = |v: u32| ((u64::from(v) << self.level) as f64) + ((1u64 << self.level) - 1) as f64 / 2.0;
        self.cells.iter().map(move |(&(x, y), &count)| (middle(x), middle(y), count))
    }

    /// The pair that comes most often, and how often; `None` where pairs are no longer told apart. Of equally frequent
    /// ones the smallest.
    pub(super) fn most(&self) -> Option<(u32, u32, u64)> {
        let most = self.cells.iter().max_by_key(|&(pair, count)| (*count, std::cmp::Reverse(*pair)));
        most.filter(|_| self.level == 0).map(|(&(x, y), &count)| (x, y, count))
    }
}

/// Bins of equal ratio: `PER_OCTAVE` for each doubling.
#[derive(Debug, Clone, Default)]
pub(super) struct LogBins {
    bins: BTreeMap<i32, u64>,
    pub(super) range: Option<(f64, f64)>,
}

impl LogBins {
    const PER_OCTAVE: f64 = 4.0;
    /// Marks on an axis at most.
    pub(super) const MOST_TICKS: usize = 6;

    /// Counts a number above 0.
    pub(super) fn add(&mut self, value: f64) {
        // From libm, so that a number at the edge of a bin falls alike on every machine.
        let bin = libm::floor(libm::log2(value) * Self::PER_OCTAVE);
        *self.bins.entry(bin as i32).or_default() += 1;
        self.widen(value, value);
    }

    pub(super) fn merge(&mut self, other: LogBins) {
        other.bins.into_iter().for_each(|(bin, count)| *self.bins.entry(bin).or_default() += count);
        other.range.into_iter().for_each(|(min, max)| self.widen(min, max));
    }

    fn widen(&mut self, min: f64, max: f64) {
        self.range = Some(self.range.map_or((min, max), |(a, b)| (a.min(min), b.max(max))));
    }

    /// The bins from the first to the last, empty ones too, each with where it begins and ends; those between two powers
    /// of two are there in any case. With more than `most`, neighbours are joined.
    pub(super) fn bins(&self, most: usize, octaves: Option<(i32, i32)>) -> Vec<(f64, f64, u64)> {
        let (Some((&first, _)), Some((&last, _))) = (self.bins.first_key_value(), self.bins.last_key_value()) else {
            return Vec::new();
        };
        let (first, last) = octaves.map_or((first, last), |(from, to)| {
            let at = |octave: i32| octave * Self::PER_OCTAVE as i32;
            (first.min(at(from)), last.max(at(to) - 1))
        });
        let mut step = 1;
        while (last.div_euclid(step) - first.div_euclid(step)) as usize >= most {
            step *= 2;
        }
        let edge = |bin: i32| libm::exp2(f64::from(bin * step) / Self::PER_OCTAVE);
        let mut joined = BTreeMap::new();
        self.bins.iter().for_each(|(bin, count)| *joined.entry(bin.div_euclid(step)).or_default() += *count);
        let all = first.div_euclid(step)..=last.div_euclid(step);
        all.map(|bin| (edge(bin), edge(bin + 1), joined.get(&bin).copied().unwrap_or(0))).collect()
    }
}

/// A draw of records that is the same however they come: those with the smallest hashes of their places.
#[derive(Debug, Clone, Default)]
pub(super) struct Draw(Vec<(u64, Place)>);

impl Draw {
    /// Takes in a record, of which `most` are kept.
    pub(super) fn add(&mut self, place: Place, most: usize) {
        self.insert((hash(place), place), most);
    }

    pub(super) fn merge(&mut self, other: Draw, most: usize) {
        other.0.into_iter().for_each(|entry| self.insert(entry, most));
    }

    fn insert(&mut self, entry: (u64, Place), most: usize) {
        let at = self.0.partition_point(|held| *held < entry);
        if at < most {
            self.0.insert(at, entry);
            self.0.truncate(most);
        }
    }

    /// The records drawn, the first so many of which are a draw themselves.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.0.iter().map(|(_, place)| *place)
    }
}

/// SplitMix64's mixing function over the record's number and its shard's.
fn hash((shard, record, _): Place) -> u64 {
    let mut z = ((shard as u64) << 40 ^ record).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same numbers added in one go, and merged out of parts in two orders.
    fn three_ways<T: Default + Clone>(add: impl Fn(&mut T, usize), merge: impl Fn(&mut T, T)) -> [T; 3] {
        let n = 20_000;
        let mut whole = T::default();
        (0..n).for_each(|i| add(&mut whole, i));
        let parts: Vec<T> = (0..n)
            .step_by(3000)
            .map(|start| {
                let mut part = T::default();
                (start..(start + 3000).min(n)).for_each(|i| add(&mut part, i));
                part
            })
            .collect();
        let (mut forward, mut backward) = (T::default(), T::default());
        parts.iter().cloned().for_each(|part| merge(&mut forward, part));
        parts.into_iter().rev().for_each(|part| merge(&mut backward, part));
        [whole, forward, backward]
    }

    #[test]
    fn a_grid_is_bounded_and_does_not_depend_on_the_order() {
        let grids = three_ways(|g: &mut Grid, i| g.add(i * 7919 % 5000, i * 104_729 % 3000), Grid::merge);
        assert!(grids[0].cells.len() <= MOST_CELLS && grids[0].level > 0);
        assert_eq!(grids[0].points().map(|p| p.2).sum::<u64>(), 20_000);
        assert!(grids.iter().all(|g| (g.level, &g.cells) == (grids[0].level, &grids[0].cells)));
        let mut few = Grid::default();
        [(3, 4), (5, 6), (5, 6)].iter().for_each(|&(x, y)| few.add(x, y));
        assert_eq!(few.most(), Some((5, 6, 2)));
        assert_eq!(few.points().collect::<Vec<_>>(), [(3.0, 4.0, 1), (5.0, 6.0, 2)]);
    }

    #[test]
    fn bins_of_equal_ratio_cover_all_numbers() {
        let all = three_ways(|b: &mut LogBins, i| b.add((i + 1) as f64), LogBins::merge);
        assert!(all.iter().all(|b| b.bins == all[0].bins));
        assert_eq!(all[0].range, Some((1.0, 20_000.0)));
        for most in [5, 12, 100] {
            let bins = all[0].bins(most, None);
            assert!(bins.len() <= most && bins.iter().map(|b| b.2).sum::<u64>() == 20_000);
            assert!(bins[0].0 <= 1.0 && bins.last().unwrap().1 > 20_000.0);
            assert!(bins.windows(2).all(|w| w[0].1 == w[1].0));
        }
        assert!(LogBins::default().bins(9, None).is_empty());
        let mut one = LogBins::default();
        one.add(1.5);
        let bins = one.bins(9, Some((-1, 1)));
        assert_eq!((bins.len(), bins[0].0, bins[7].1, bins[6].2), (8, 0.5, 2.0, 1));
    }

    #[test]
    fn a_draw_is_spread_and_does_not_depend_on_the_order() {
        let drawn = three_ways(|d: &mut Draw, i| d.add((i % 3, i as u64, 0), 100), |a, b| a.merge(b, 100));
        let places: Vec<Vec<Place>> = drawn.iter().map(|d| d.places().collect()).collect();
        assert!(places[0].len() == 100 && places.iter().all(|p| *p == places[0]));
        let early = places[0].iter().filter(|(_, record, _)| *record < 10_000).count();
        assert!((30..70).contains(&early), "{early}");
    }
}
