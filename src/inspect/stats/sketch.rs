//! Quantiles in bounded memory: a KLL sketch (Karnin, Lang, Liberty: "Optimal quantile approximation in streams", 2016).

/// Values of the largest level. With it, the rank of a quantile is right within 1 % of the count (0.5 % is usual).
const WIDTH: usize = 1024;
/// Values of the smallest level: below it, a level is sorted more often than it saves memory.
const MIN_WIDTH: usize = 8;

/// A sample of values, each of a level standing for twice as many as one of the level below. Up to 1,024 values are
/// all there, and what is asked of them is exact.
///
/// Its coins come from a counter: equal values in equal order give an equal sketch.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    levels: Vec<Vec<f64>>,
    /// Values in all levels.
    held: usize,
    compactions: u64,
}

impl Sketch {
    /// Takes in a value, which is not NaN.
    pub(super) fn add(&mut self, value: f64) {
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
        }
        self.levels[0].push(value);
        self.held += 1;
        self.shrink();
    }

    /// Takes in what another sketch holds.
    pub(super) fn merge(&mut self, other: Sketch) {
        self.held += other.held;
        self.compactions = self.compactions.wrapping_add(other.compactions);
        for (at, level) in other.levels.into_iter().enumerate() {
            match self.levels.get_mut(at) {
                Some(mine) => mine.extend(level),
                None => self.levels.push(level),
            }
        }
        self.shrink();
    }

    /// The values and how many each stands for, in order.
    pub(super) fn weighted(&self) -> Vec<(f64, u64)> {
        let levels = self.levels.iter().enumerate();
        let mut all: Vec<(f64, u64)> =
            levels.flat_map(|(at, level)| level.iter().map(move |v| (*v, 1 << at))).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    /// For each of `fractions`, in order, the smallest value that this fraction of all values does not exceed. Empty
    /// without values.
    pub(super) fn quantiles(&self, fractions: &[f64]) -> Vec<f64> {
        let all = self.weighted();
        let total: u64 = all.iter().map(|(_, weight)| weight).sum();
        let mut rest = all.iter().copied();
        let (mut value, mut below) = (None, 0);
        let quantile = |fraction: &f64| {
            let wanted = (fraction * total as f64).ceil().max(1.0) as u64;
            while below < wanted
                && let Some((next, weight)) = rest.next()
            {
                (value, below) = (Some(next), below + weight);
            }
            value
        };
        fractions.iter().filter_map(quantile).collect()
    }

    /// The fraction of all values in each of the stretches that `edges` part: up to the first, and so on, and beyond
    /// the last.
    pub(super) fn shares(&self, edges: &[f64]) -> Vec<f64> {
        let mut counts = vec![0u64; edges.len() + 1];
        for (value, weight) in self.weighted() {
            counts[edges.partition_point(|edge| *edge < value)] += weight;
        }
        let total = counts.iter().sum::<u64>().max(1) as f64;
        counts.into_iter().map(|count| count as f64 / total).collect()
    }

    fn capacity(&self, level: usize) -> usize {
        let below_top = self.levels.len() - 1 - level;
        ((WIDTH as f64 * (2.0f64 / 3.0).powi(below_top as i32)).ceil() as usize).max(MIN_WIDTH)
    }

    fn shrink(&mut self) {
        while self.held > (0..self.levels.len()).map(|level| self.capacity(level)).sum() {
            let full = (0..self.levels.len()).find(|&at| self.levels[at].len() > self.capacity(at));
            // More is held than all levels may: one of them holds more than it may.
            let Some(at) = full else { return };
            self.compact(at);
        }
    }

    /// Every second value of a level goes up, the others go.
    fn compact(&mut self, at: usize) {
        if at + 1 == self.levels.len() {
            self.levels.push(Vec::new());
        }
        let mut level = std::mem::take(&mut self.levels[at]);
        level.sort_by(f64::total_cmp);
        // Of an odd number, one stays for itself.
        let odd = if level.len() % 2 == 1 { level.pop() } else { None };
        let coin = (mix(self.compactions) & 1) as usize;
        self.compactions = self.compactions.wrapping_add(1);
        self.held -= level.len() / 2;
        self.levels[at + 1].extend(level.iter().skip(coin).step_by(2));
        level.clear();
        level.extend(odd);
        self.levels[at] = level;
    }
}

/// Bits that look random (the finalizer of SplitMix64).
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRACTIONS: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

    /// The largest distance between the rank of a quantile and the rank wanted, as a fraction of the count.
    fn rank_error(sketch: &Sketch, mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let distance = |(wanted, found): (&f64, f64)| {
            let below = values.partition_point(|v| *v < found) as f64 / n;
            let up_to = values.partition_point(|v| *v <= found) as f64 / n;
            (below - wanted).max(wanted - up_to).max(0.0)
        };
        FRACTIONS.iter().zip(sketch.quantiles(&FRACTIONS)).map(distance).fold(0.0, f64::max)
    }

    #[test]
    fn few_values_give_exact_quantiles() {
        let mut sketch = Sketch::default();
        assert!(sketch.quantiles(&[0.5]).is_empty());
        (0..1000).rev().for_each(|v| sketch.add(f64::from(v)));
        assert_eq!(sketch.quantiles(&[0.0, 0.001, 0.0011, 0.5, 0.99, 1.0]), [0.0, 0.0, 1.0, 499.0, 989.0, 999.0]);
        assert_eq!(sketch.shares(&[9.0, 499.0]), [0.01, 0.49, 0.5]);
    }

    #[test]
    fn many_values_in_any_order_are_within_one_percent() {
        let n = 300_000u64;
        let orders: [fn(u64) -> f64; 5] = [
            |i| i as f64,
            |i| -(i as f64),
            |i| (mix(i) >> 11) as f64,
            |i| ((mix(i) >> 11) as f64 / (1u64 << 53) as f64).powi(20),
            |i| (mix(i) % 5) as f64,
        ];
        for value in orders {
            let values: Vec<f64> = (0..n).map(value).collect();
            let mut one = Sketch::default();
            values.iter().for_each(|v| one.add(*v));
            let mut merged = Sketch::default();
            for part in values.chunks(7000) {
                let mut sketch = Sketch::default();
                part.iter().for_each(|v| sketch.add(*v));
                merged.merge(sketch);
            }
            for sketch in [one, merged] {
                assert_eq!(sketch.weighted().iter().map(|w| w.1).sum::<u64>(), n, "every value is stood for");
                assert!(sketch.held < 4 * WIDTH, "{}", sketch.held);
                let error = rank_error(&sketch, values.clone());
                assert!(error < 0.01, "{error}");
            }
        }
    }
}
