//! What is told of many numbers: extremes, mean, deviation, quantiles.

use serde::Serialize;

use super::sketch::Sketch;

/// The fractions of the quantiles that are told.
pub const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// What is told of numbers, all of them finite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumberStats {
    /// How many there are.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// The standard deviation, of the numbers themselves: divided by the count, not by one less.
    pub std: f64,
    /// How many are 0.
    pub zeros: u64,
    /// For each of [`QUANTILES`] (1, 5, 25, 50, 75, 95 and 99 %), the smallest number that so many do not exceed. Exact
    /// up to 1,024 numbers, then right within 1 % of rank.
    pub quantiles: [f64; QUANTILES.len()],
}

/// Gathers numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    count: u64,
    zeros: u64,
    min: f64,
    max: f64,
    /// The sum, and what rounding has cost it.
    sum: (f64, f64),
    /// The mean on the way.
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
    pub(super) sketch: Sketch,
    pub(super) nan: u64,
    /// Infinite ones: of either sign, and those below 0.
    pub(super) infinite: u64,
    pub(super) negative_infinite: u64,
}

impl Numbers {
    /// Takes in a number. What is not finite is counted, and left out of the rest.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.nan += u64::from(value.is_nan());
            self.infinite += u64::from(value.is_infinite());
            self.negative_infinite += u64::from(value == f64::NEG_INFINITY);
            return;
        }
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1;
        self.zeros += u64::from(value == 0.0);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.add_to_sum(value);
        // Welford's: sums of squares would lose what is small beside a large mean.
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
        self.sketch.add(value);
    }

    /// Neumaier's sum: whole numbers have the mean that people expect.
    fn add_to_sum(&mut self, value: f64) {
        let (sum, lost) = &mut self.sum;
        let next = *sum + value;
        *lost += if sum.abs() >= value.abs() { (*sum - next) + value } else { (value - next) + *sum };
        *sum = next;
    }

    /// Takes in what another has gathered.
    pub(super) fn merge(&mut self, other: Numbers) {
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.negative_infinite += other.negative_infinite;
        if self.count == 0 || other.count == 0 {
            let (nan, infinite, negative_infinite) = (self.nan, self.infinite, self.negative_infinite);
            if self.count == 0 {
                *self = other;
            }
            *self = Numbers { nan, infinite, negative_infinite, ..std::mem::take(self) };
            return;
        }
        let count = self.count + other.count;
        let off = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        self.squares += other.squares + off * off * self.count as f64 * share;
        self.mean += off * share;
        self.add_to_sum(other.sum.0);
        self.sum.1 += other.sum.1;
        self.count = count;
        self.zeros += other.zeros;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sketch.merge(other.sketch);
    }

    /// How many finite ones there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many there are, those that are not finite included.
    pub(super) fn all(&self) -> u64 {
        self.count + self.nan + self.infinite
    }

    /// What is told of them; `None` where there are none.
    pub(super) fn stats(&self) -> Option<NumberStats> {
        let quantiles = self.sketch.quantiles(&QUANTILES).try_into().ok()?;
        let Numbers { count, min, max, squares, zeros, .. } = *self;
        let mean = (self.sum.0 + self.sum.1) / count as f64;
        Some(NumberStats { count, min, max, mean, std: (squares / count as f64).sqrt(), zeros, quantiles })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Numbers {
        let mut numbers = Numbers::default();
        values.iter().for_each(|v| numbers.add(*v));
        numbers
    }

    #[test]
    fn a_small_spread_beside_a_large_mean_is_kept_also_through_merges() {
        let values = [1e15, 1e15 + 4.0, 1e15 + 8.0, 1e15 + 8.0];
        let mut merged = of(&values[..1]);
        merged.merge(of(&values[1..3]));
        merged.merge(Numbers::default());
        merged.merge(of(&values[3..]));
        let mut from_nothing = Numbers::default();
        from_nothing.merge(merged.clone());
        for numbers in [of(&values), merged, from_nothing] {
            let stats = numbers.stats().unwrap();
            assert_eq!((stats.count, stats.min, stats.max, stats.mean), (4, 1e15, 1e15 + 8.0, 1e15 + 5.0));
            assert!((stats.std - 11f64.sqrt()).abs() < 1e-9, "{}", stats.std);
        }
    }

    #[test]
    fn what_is_not_finite_is_counted_apart() {
        let mut numbers = of(&[f64::NAN, f64::INFINITY]);
        assert_eq!(numbers.stats(), None);
        numbers.merge(of(&[f64::NEG_INFINITY, -0.0, 2.0]));
        assert_eq!((numbers.nan, numbers.infinite, numbers.negative_infinite), (1, 2, 1));
        let stats = numbers.stats().unwrap();
        assert_eq!((stats.count, stats.zeros, stats.mean), (2, 1, 1.0));
    }
}
