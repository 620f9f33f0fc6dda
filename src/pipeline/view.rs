//! What of a set is streamed: some of its records, or all, once or more often.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::order::Spot;
use crate::error::{Error, Result};
use crate::example::Filter;

/// Which samples of a set are streamed, and how often in an epoch.
///
/// ```
/// use tfrkit::example::Filter;
/// use tfrkit::pipeline::Select;
///
/// let cats = Select { filter: Some(Filter::parse("label == 3")?), take: Some(100), ..Default::default() };
/// assert_eq!(cats.repeat, 1);
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// Only records that fulfil this. They are looked for once, when the loader is opened; which they are is kept in the folder
    /// of [`LoaderOptions::views`](super::LoaderOptions::views). Default: all.
    pub filter: Option<Filter>,
    /// Samples left out at the beginning of what the filter leaves, as they are stored. Default: 0.
    pub skip: u64,
    /// Samples taken behind those at most. Default: all.
    pub take: Option<u64>,
    /// How often each sample comes in an epoch, augmented anew each time; at least 1. Default: 1.
    pub repeat: u64,
    /// Whether all classes come equally often: those with fewer samples begin anew before the others end. An epoch has as
    /// many samples as without. Uncompressed shards only. Default: no.
    pub balance: bool,
}

impl Default for Select {
    fn default() -> Self {
        Select { filter: None, skip: 0, take: None, repeat: 1, balance: false }
    }
}

/// In words, as a state has it; nothing for the whole set.
impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.filter.as_ref().map(|filter| format!("where {filter}")),
            (self.skip > 0).then(|| format!("skip {}", self.skip)),
            self.take.map(|take| format!("take {take}")),
            (self.repeat != 1).then(|| format!("repeat {}", self.repeat)),
            self.balance.then(|| "balance".to_owned()),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// A sample's place: shard, and record in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) shard: usize,
    pub(super) record: u64,
}

/// Records of one shard, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) shard: usize,
    pub(super) records: Records,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Records {
    /// Consecutive ones.
    Range(Range<u64>),
    /// By number.
    Table(Vec<u32>),
}

impl Records {
    pub(super) fn len(&self) -> u64 {
        match self {
            Records::Range(range) => range.end - range.start,
            Records::Table(table) => table.len() as u64,
        }
    }

    /// Record `i` of these.
    pub(super) fn at(&self, i: u64) -> u64 {
        match self {
            Records::Range(range) => range.start + i,
            Records::Table(table) => table.get(i as usize).map_or(0, |record| u64::from(*record)),
        }
    }

    /// Those at some places.
    fn slice(&self, places: Range<u64>) -> Records {
        match self {
            Records::Range(range) => Records::Range(range.start + places.start..range.start + places.end),
            Records::Table(table) => Records::Table(table[places.start as usize..places.end as usize].to_vec()),
        }
    }
}

/// The samples that one order goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    parts: Vec<Part>,
    counts: Vec<u64>,
    len: u64,
}

impl View {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        let parts: Vec<Part> = parts.into_iter().filter(|part| part.records.len() > 0).collect();
        let counts: Vec<u64> = parts.iter().map(|part| part.records.len()).collect();
        View { len: counts.iter().sum(), counts, parts }
    }

    /// All records of shards of these sizes, the first of them numbered `first`.
    pub(super) fn all(counts: &[u64], first: usize) -> Self {
        let parts = (first..).zip(counts).map(|(shard, count)| Part { shard, records: Records::Range(0..*count) });
        View::new(parts.collect())
    }

    /// Samples of each part.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn part(&self, part: usize) -> &Part {
        &self.parts[part]
    }

    pub(super) fn place(&self, spot: Spot) -> Place {
        let part = &self.parts[spot.part];
        Place { shard: part.shard, record: part.records.at(spot.at) }
    }

    /// Without the first `skip` samples, and at most `take` of the others.
    pub(super) fn cut(self, skip: u64, take: Option<u64>) -> Self {
        let (mut skip, mut left) = (skip, take.unwrap_or(u64::MAX));
        let parts = self.parts.into_iter().map(|part| {
            let len = part.records.len();
            let start = skip.min(len);
            let end = start + left.min(len - start);
            (skip, left) = (skip - start, left - (end - start));
            Part { records: part.records.slice(start..end), ..part }
        });
        View::new(parts.collect())
    }

    /// Every sample so many times.
    pub(super) fn repeated(self, times: u64) -> Result<Self> {
        /// More would be a mistake, and much memory.
        const MOST: usize = 1 << 24;
        let parts = usize::try_from(times).ok().and_then(|times| times.checked_mul(self.parts.len()));
        if times == 0 || parts.is_none_or(|parts| parts > MOST) {
            let hint = "with epochs, all samples come again as often as wanted";
            return Err(Error::usage_hint(format!("each sample {times} times in an epoch is not possible"), hint));
        }
        Ok(View::new((0..times).flat_map(|_| self.parts.iter().cloned()).collect()))
    }

    /// The samples of each label, by label; `label` tells that of a shard's record.
    pub(super) fn by_label(&self, label: impl Fn(usize, u32) -> i64) -> Result<BTreeMap<i64, View>> {
        let mut classes: BTreeMap<i64, Vec<Part>> = BTreeMap::new();
        for part in &self.parts {
            for at in 0..part.records.len() {
                let record = record_number(part.records.at(at))?;
                let parts = classes.entry(label(part.shard, record)).or_default();
                match parts.last_mut() {
                    Some(Part { shard, records: Records::Table(table) }) if *shard == part.shard => table.push(record),
                    _ => parts.push(Part { shard: part.shard, records: Records::Table(vec![record]) }),
                }
            }
        }
        Ok(classes.into_iter().map(|(label, parts)| (label, View::new(parts))).collect())
    }
}

/// A record's number, for a table.
pub(super) fn record_number(record: u64) -> Result<u32> {
    u32::try_from(record).map_err(|_| Error::usage("a shard of more than 4 billion records cannot be filtered"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(view: &View) -> Vec<(usize, u64)> {
        let spots = (0..view.counts.len()).flat_map(|part| (0..view.counts[part]).map(move |at| Spot { part, at }));
        spots.map(|spot| view.place(spot)).map(|place| (place.shard, place.record)).collect()
    }

    fn table(shard: usize, records: &[u32]) -> Part {
        Part { shard, records: Records::Table(records.to_vec()) }
    }

    #[test]
    fn views_are_cut_where_the_samples_are() {
        let all = View::all(&[3, 0, 4], 5);
        assert_eq!(places(&all), [(5, 0), (5, 1), (5, 2), (7, 0), (7, 1), (7, 2), (7, 3)]);
        assert_eq!(places(&all.clone().cut(2, Some(3))), [(5, 2), (7, 0), (7, 1)]);
        assert_eq!(all.clone().cut(7, None).len() + all.clone().cut(0, Some(0)).len(), 0);
        let some = View::new(vec![table(0, &[1, 4]), table(2, &[0, 2, 9])]);
        assert_eq!(places(&some.clone().cut(1, Some(2))), [(0, 4), (2, 0)]);
        assert_eq!(places(&some.cut(0, Some(2)).repeated(2).unwrap()), [(0, 1), (0, 4), (0, 1), (0, 4)]);
    }

    #[test]
    fn repeats_have_bounds() {
        let all = View::all(&[3], 0);
        assert!(all.clone().repeated(0).is_err());
        assert!(all.repeated(1 << 40).is_err());
    }

    #[test]
    fn classes_are_told_apart() {
        let view = View::new(vec![Part { shard: 0, records: Records::Range(2..6) }, table(3, &[1, 8])]);
        let fives = [(0, 3), (3, 1)];
        let classes = view.by_label(|shard, record| if fives.contains(&(shard, record)) { 5 } else { 7 }).unwrap();
        assert_eq!(classes.keys().copied().collect::<Vec<_>>(), [5, 7]);
        assert_eq!(places(&classes[&5]), [(0, 3), (3, 1)]);
        assert_eq!(places(&classes[&7]), [(0, 2), (0, 4), (0, 5), (3, 8)]);
    }
}
