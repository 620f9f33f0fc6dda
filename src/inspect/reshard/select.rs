//! Which of a set's records are taken.

use super::options::{ReshardOptions, Sample};
use crate::image::random::{named_key, philox_u64};

/// Skips, takes and samples: leaves of `records` what is selected, in order.
pub(super) fn select<T>(records: &mut Vec<T>, name: &str, options: &ReshardOptions, warnings: &mut Vec<String>) {
    let len = records.len();
    let count = |n: u64| usize::try_from(n).map_or(len, |n| n.min(len));
    records.drain(..count(options.skip));
    records.truncate(options.take.map_or(len, count));
    let Some(sample) = options.sample else { return };
    if let Sample::Count(n) = sample
        && n > records.len() as u64
    {
        warnings.push(format!("a sample of {n} of the {} records of the set '{name}': all are taken", records.len()));
    }
    let mut draw = Draw::new(options.seed, name, sample, records.len() as u64);
    records.retain(|_| draw.takes_next());
}

/// Decides for one record after the other.
struct Draw {
    key: u64,
    sample: Sample,
    position: u64,
    len: u64,
    taken: u64,
}

impl Draw {
    fn new(seed: u64, name: &str, sample: Sample, len: u64) -> Self {
        Draw { key: named_key(seed, &format!("sample {name}")), sample, position: 0, len, taken: 0 }
    }

    fn takes_next(&mut self) -> bool {
        let number = philox_u64(self.key, [self.position, 0]);
        let takes = match self.sample {
            Sample::Share(share) => (number as f64) < share * 2f64.powi(64),
            // Of those left, so many are still wanted: all choices are as likely (Knuth, volume 2, algorithm 3.4.2 S).
            Sample::Count(n) => {
                let left = self.len.saturating_sub(self.position).max(1);
                number % left < n.saturating_sub(self.taken)
            }
        };
        self.position += 1;
        self.taken += u64::from(takes);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(len: usize, options: &ReshardOptions) -> Vec<usize> {
        let mut records = (0..len).collect();
        select(&mut records, "train", options, &mut Vec::new());
        records
    }

    #[test]
    fn skip_comes_before_take() {
        let options = ReshardOptions { skip: 3, take: Some(4), ..Default::default() };
        assert_eq!(selected(10, &options), [3, 4, 5, 6]);
        assert_eq!(selected(5, &options), [3, 4]);
        assert!(selected(2, &options).is_empty());
        assert!(selected(9, &ReshardOptions { skip: u64::MAX, take: Some(u64::MAX), ..Default::default() }).is_empty());
    }

    #[test]
    fn a_count_is_exact_and_evenly_likely_anywhere() {
        let mut counts = [0u32; 10];
        for seed in 0..4000 {
            let options = ReshardOptions { sample: Some(Sample::Count(3)), seed, ..Default::default() };
            let records = selected(10, &options);
            assert!(records.len() == 3 && records.is_sorted(), "{records:?}");
            records.into_iter().for_each(|i| counts[i] += 1);
        }
        // 1,200 are expected, with a standard deviation of 29.
        assert!(counts.iter().all(|n| (1080..1320).contains(n)), "{counts:?}");
        assert_eq!(selected(2, &ReshardOptions { sample: Some(Sample::Count(3)), ..Default::default() }).len(), 2);
    }

    #[test]
    fn a_share_is_about_right_and_keeps_its_choice_as_records_are_added() {
        let options = ReshardOptions { sample: Some(Sample::Share(0.1)), seed: 5, ..Default::default() };
        let (few, many) = (selected(5_000, &options), selected(10_000, &options));
        assert!((900..1100).contains(&many.len()), "{}", many.len());
        assert_eq!(few, many[..few.len()]);
        assert_eq!(selected(50, &ReshardOptions { sample: Some(Sample::Share(1.0)), ..Default::default() }).len(), 50);
    }
}
