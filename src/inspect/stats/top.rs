//! The most frequent values in bounded memory: Misra and Gries' counters ("Finding repeated elements", 1982).

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Values that are followed for certain.
const FOLLOWED: usize = 1000;

/// Counts values. Up to 1,000 different ones are counted exactly; beyond, each count is too low by [`Top::error`] at
/// most, which is no more than a thousandth of all values.
#[derive(Debug, Clone)]
pub(super) struct Top<K> {
    counts: HashMap<K, u64>,
    error: u64,
}

impl<K> Default for Top<K> {
    fn default() -> Self {
        Top { counts: HashMap::new(), error: 0 }
    }
}

impl<K: Hash + Ord + Clone> Top<K> {
    /// Counts a value.
    pub(super) fn add<Q: Hash + Eq + ToOwned<Owned: Into<K>> + ?Sized>(&mut self, value: &Q)
    where
        K: Borrow<Q>,
    {
        match self.counts.get_mut(value) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(value.to_owned().into(), 1);
                self.prune();
            }
        }
    }

    /// Takes in what another has counted.
    pub(super) fn merge(&mut self, other: Top<K>) {
        self.error += other.error;
        for (value, count) in other.counts {
            *self.counts.entry(value).or_default() += count;
        }
        self.prune();
    }

    /// By how much a count may be too low; 0 where all are exact.
    pub(super) fn error(&self) -> u64 {
        self.error
    }

    /// Different values, where they are all followed.
    pub(super) fn distinct(&self) -> Option<u64> {
        (self.error == 0).then_some(self.counts.len() as u64)
    }

    /// How often `value` came.
    pub(super) fn count<Q: Hash + Eq + ?Sized>(&self, value: &Q) -> u64
    where
        K: Borrow<Q>,
    {
        self.counts.get(value).copied().unwrap_or(0)
    }

    /// The values that are followed, in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = &K> {
        self.counts.keys()
    }

    /// The most frequent values; of equally frequent ones, the smaller first.
    pub(super) fn most(&self, limit: usize) -> Vec<(K, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(value, count)| (value.clone(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(limit);
        all
    }

    /// Once twice as many as may be are followed, the first that is too many is counted out of all of them.
    fn prune(&mut self) {
        if self.counts.len() < 2 * FOLLOWED {
            return;
        }
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let (_, out, _) = counts.select_nth_unstable_by(FOLLOWED, |a, b| b.cmp(a));
        let out = *out;
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(out);
            *count > 0
        });
        self.error += out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_counted_exactly() {
        let mut top = Top::<Box<[u8]>>::default();
        for value in ["b", "a", "c", "b", "a"] {
            top.add(value.as_bytes());
        }
        assert_eq!((top.distinct(), top.error(), top.count(&b"b"[..]), top.count(&b"z"[..])), (Some(3), 0, 2, 0));
        let most = top.most(2).into_iter().map(|(v, n)| (v.to_vec(), n));
        assert_eq!(most.collect::<Vec<_>>(), [(b"a".to_vec(), 2), (b"b".to_vec(), 2)]);
    }

    #[test]
    fn among_many_values_the_frequent_ones_are_found_with_their_error() {
        // Every third value is one of ten, the others come once.
        let value = |i: i64| if i % 3 == 0 { i / 3 % 10 } else { 1000 + i };
        let n = 100_000;
        let mut one = Top::<i64>::default();
        (0..n).for_each(|i| one.add(&value(i)));
        let mut merged = Top::<i64>::default();
        for start in (0..n).step_by(7000) {
            let mut part = Top::default();
            (start..(start + 7000).min(n)).for_each(|i| part.add(&value(i)));
            merged.merge(part);
        }
        for top in [one, merged] {
            assert_eq!(top.distinct(), None);
            assert!(top.counts.len() < 2 * FOLLOWED && top.error() <= n as u64 / 1000, "{}", top.error());
            for (found, count) in top.most(10) {
                let real = (0..n).filter(|i| value(*i) == found).count() as u64;
                assert!(found < 10 && count <= real && real <= count + top.error(), "{found}: {count} of {real}");
            }
        }
    }
}
