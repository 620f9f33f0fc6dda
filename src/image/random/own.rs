//! Draws that TensorFlow has no stateless form of: this crate's own, from the same streams.

use super::philox::{SeedPair, Stream, philox_u64};
use crate::image::error::{ImageError, Result};

/// 2^-32, for words as fractions.
const WORD: f64 = 1.0 / 4_294_967_296.0;

/// Fisher-Yates with one keyed draw a step: an order of the seed's and the name's own, the same on every machine.
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64, name: &str) {
    let key = named_key(seed, name);
    for i in (1..items.len()).rev() {
        let j = philox_u64(key, [i as u64, 0]) % (i as u64 + 1);
        items.swap(i, j as usize);
    }
}

/// The key for draws of one purpose out of a seed that serves several.
pub(crate) fn named_key(seed: u64, name: &str) -> u64 {
    seed ^ (u64::from(crc32c::crc32c(name.as_bytes())) << 32)
}

/// `n` draws of Beta(`alpha`, `alpha`), the weights of mixup.
///
/// This is the crate's own definition. Draw `i` takes blocks `i * 2^32`, `i * 2^32 + 1`... of the
/// pair's stream, so it depends on nothing but the pair, `alpha` and `i`. It is `a / (a + b)` for
/// two Gamma draws by the method of Marsaglia and Tsang (2000); each try takes one block: words 0
/// and 1 for a normal value, word 2 for the acceptance, and word 3 of the accepted block for
/// `alpha` below 1. All in `f64`, rounded to `f32` at the end.
///
/// # Errors
/// [`ImageError::Parameter`] unless `alpha` is above 0 and finite.
///
/// ```
/// use tfrkit::image::random::{SeedPair, beta};
/// let weights = beta(SeedPair([1, 2]), 0.2, 8)?;
/// assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)));
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn beta(seed: SeedPair, alpha: f32, n: usize) -> Result<Vec<f32>> {
    if !(alpha > 0.0 && alpha.is_finite()) {
        return Err(ImageError::parameter("beta", format!("alpha is {alpha}; it must be above 0")));
    }
    let (stream, alpha) = (Stream::new(seed), f64::from(alpha));
    let draw = |i: usize| {
        let mut block = (i as u64) << 32;
        let a = ln_gamma_draw(&stream, alpha, &mut block);
        let b = ln_gamma_draw(&stream, alpha, &mut block);
        // a / (a + b) in logarithms, which do not underflow for a small alpha.
        (1.0 / (1.0 + libm::exp(b - a))) as f32
    };
    Ok((0..n).map(draw).collect())
}

/// The logarithm of a Gamma(`alpha`) draw; moves `block` on.
fn ln_gamma_draw(stream: &Stream, alpha: f64, block: &mut u64) -> f64 {
    // The method wants 1 or more: Gamma(alpha) is Gamma(alpha + 1) times U^(1 / alpha).
    let boost = alpha < 1.0;
    let d = (if boost { alpha + 1.0 } else { alpha }) - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        // Halves keep the words off 0, whose logarithm is infinite.
        let [u0, u1, u2, u3] = stream.block(*block).map(|word| (f64::from(word) + 0.5) * WORD);
        *block = block.wrapping_add(1);
        let x = libm::sqrt(-2.0 * libm::log(u0)) * libm::cos(std::f64::consts::TAU * u1);
        let v = 1.0 + c * x;
        if v <= 0.0 {
            continue;
        }
        let (v, ln_v) = (v * v * v, 3.0 * libm::log(v));
        if libm::log(u2) < 0.5 * x * x + d - d * v + d * ln_v {
            let ln_boost = if boost { libm::log(u3) / alpha } else { 0.0 };
            return libm::log(d) + ln_v + ln_boost;
        }
    }
}

/// A uniform permutation of `0..n`: the pairing of mixup and cutmix.
///
/// This is the crate's own definition: `i` is sorted by the 64 bits of words `2 i` (low) and
/// `2 i + 1` (high) of the pair's stream, and by `i` where two are equal.
///
/// ```
/// use tfrkit::image::random::{SeedPair, permutation};
/// let mut order = permutation(SeedPair([1, 2]), 5);
/// order.sort_unstable();
/// assert_eq!(order, [0, 1, 2, 3, 4]);
/// ```
#[must_use]
pub fn permutation(seed: SeedPair, n: usize) -> Vec<usize> {
    let stream = Stream::new(seed);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_cached_key(|&i| sort_key(&stream, i));
    order
}

/// Whether `i` is among the first `count` of [`permutation`]`(seed, n)`; allocates nothing, for a small `n`.
#[must_use]
pub fn is_among_first(seed: SeedPair, n: usize, count: usize, i: usize) -> bool {
    let stream = Stream::new(seed);
    let own = sort_key(&stream, i);
    (0..n).filter(|&other| sort_key(&stream, other) < own).count() < count
}

fn sort_key(stream: &Stream, i: usize) -> (u64, usize) {
    let [a, b, c, d] = stream.block(i as u64 / 2);
    let (lo, hi) = if i.is_multiple_of(2) { (a, b) } else { (c, d) };
    (u64::from(hi) << 32 | u64::from(lo), i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_has_its_mean_and_variance() {
        const N: usize = 20_000;
        for alpha in [0.05f32, 0.2, 0.9, 1.0, 1.5, 8.0, 100.0] {
            let draws = beta(SeedPair([7, 8]), alpha, N).unwrap();
            assert!(draws.iter().all(|v| (0.0..=1.0).contains(v)));
            let mean = draws.iter().map(|&v| f64::from(v)).sum::<f64>() / N as f64;
            let variance = draws.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / N as f64;
            let exact = 1.0 / (4.0 * (2.0 * f64::from(alpha) + 1.0));
            // Five standard errors of the mean; the variance's is no larger than 2 % of it.
            assert!((mean - 0.5).abs() < 5.0 * (exact / N as f64).sqrt(), "alpha {alpha}: mean {mean}");
            assert!((variance / exact - 1.0).abs() < 0.05, "alpha {alpha}: variance {variance}, not {exact}");
        }
    }

    /// Beta(1, 1) is uniform: each tenth holds a tenth.
    #[test]
    fn beta_of_one_is_uniform() {
        let mut counts = [0; 10];
        for v in beta(SeedPair([1, 1]), 1.0, 10_000).unwrap() {
            counts[((v * 10.0) as usize).min(9)] += 1;
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }

    #[test]
    fn a_draw_does_not_depend_on_how_many_there_are() {
        let seed = SeedPair([3, 9]);
        assert_eq!(beta(seed, 0.4, 3).unwrap(), beta(seed, 0.4, 9).unwrap()[..3]);
        assert!(beta(seed, 1e-30, 3).unwrap().iter().all(|v| (0.0..=1.0).contains(v)));
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(beta(seed, bad, 1).is_err());
        }
    }

    #[test]
    fn permutations_are_permutations_and_differ() {
        for n in [0, 1, 2, 7, 100] {
            let mut order = permutation(SeedPair([n as i64, 0]), n);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
        // Of the six orders of three, each comes up.
        let mut seen: Vec<_> = (0..100).map(|s| permutation(SeedPair([s, 1]), 3)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn the_first_are_those_of_the_permutation() {
        for (seed, n) in [(3, 1), (4, 2), (5, 7), (6, 20)] {
            let (pair, count) = (SeedPair([seed, 9]), n / 2 + 1);
            let mut first = permutation(pair, n)[..count].to_vec();
            first.sort_unstable();
            let found: Vec<usize> = (0..n).filter(|&i| is_among_first(pair, n, count, i)).collect();
            assert_eq!(found, first);
        }
    }
}
