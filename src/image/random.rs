//! Random numbers without state: Philox4x32-10, and TensorFlow's stateless draws made from it.
//!
//! Every draw is a function of a [`SeedPair`], which is a function of the run's seed, the sample's
//! ordinal, the epoch and the operation. Passing the pair to `tf.image.stateless_random_*` in
//! TensorFlow 2.21 repeats the draw.

use super::error::{ImageError, Result};

/// One block of Philox4x32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as
/// 1, 2, 3", 2011).
///
/// ```
/// // A known-answer vector of the authors' Random123 library.
/// use tfrkit::image::random::philox4x32;
/// let block = philox4x32([0, 0], [0, 0, 0, 0]);
/// assert_eq!(block, [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
/// ```
#[must_use]
pub fn philox4x32(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let ([mut k0, mut k1], mut c) = (key, counter);
    for _ in 0..10 {
        let p0 = MULTIPLIERS[0] * u64::from(c[0]);
        let p1 = MULTIPLIERS[1] * u64::from(c[2]);
        c = [(p1 >> 32) as u32 ^ c[1] ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k1, p0 as u32];
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    c
}

/// 64 random bits for a key and a 128-bit counter, for permutations and sort keys.
///
/// The words of key and counter go to Philox from the lowest; the result is its first two words.
///
/// ```
/// use tfrkit::image::random::philox_u64;
/// assert_eq!(philox_u64(0, [0, 0]), 0xe169c58d_6627e8d5);
/// ```
#[must_use]
pub fn philox_u64(key: u64, counter: [u64; 2]) -> u64 {
    let [a, b] = counter;
    let [lo, hi, ..] = philox4x32(words(key), [words(a)[0], words(a)[1], words(b)[0], words(b)[1]]);
    join(lo, hi)
}

fn words(v: u64) -> [u32; 2] {
    [v as u32, (v >> 32) as u32]
}

fn join(lo: u32, hi: u32) -> u64 {
    u64::from(hi) << 32 | u64::from(lo)
}

/// The `seed` argument, of shape `[2]` and type int64, of TensorFlow's stateless functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeedPair(pub [i64; 2]);

/// The number of the `k`-th use (from 0) of an operation's name: the CRC-32C of `name#k`.
///
/// ```
/// use tfrkit::image::random::op_id;
/// assert_eq!(op_id("random_crop", 0), crc32c::crc32c(b"random_crop#0"));
/// ```
#[must_use]
pub fn op_id(name: &str, k: usize) -> u32 {
    crc32c::crc32c(format!("{name}#{k}").as_bytes())
}

/// The seed pair of one operation on one sample in one epoch.
///
/// It is the four words of Philox4x32-10 with the run's seed as the key and ordinal (low, high),
/// epoch and [`op_id`] as the counter, taken as two 64-bit integers, the low word first.
///
/// ```
/// use tfrkit::image::random::{op_id, op_seed, random_flip};
/// let seed = op_seed(42, 1_000, 3, op_id("random_flip_left_right", 0));
/// assert_eq!(random_flip(seed), random_flip(seed));
/// ```
#[must_use]
pub fn op_seed(run_seed: u64, ordinal: u64, epoch: u32, op_id: u32) -> SeedPair {
    let [lo, hi] = words(ordinal);
    let [a, b, c, d] = philox4x32(words(run_seed), [lo, hi, epoch, op_id]);
    SeedPair([join(a, b) as i64, join(c, d) as i64])
}

/// The random words behind one seed pair, in TensorFlow's order.
///
/// TensorFlow first scrambles the pair by one Philox block under a fixed key; its words are the
/// key and the high half of the counter of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 2],
}

impl Stream {
    /// The stream of a seed pair.
    #[must_use]
    pub fn new(seed: SeedPair) -> Self {
        let [a, b] = seed.0.map(|s| words(s as u64));
        let [k0, k1, c2, c3] = philox4x32([0x3EC8_F720, 0x0246_1E29], [a[0], a[1], b[0], b[1]]);
        Self { key: [k0, k1], counter: [c2, c3] }
    }

    /// Words `4 * index` to `4 * index + 3`.
    #[must_use]
    pub fn block(&self, index: u64) -> [u32; 4] {
        let [lo, hi] = words(index);
        philox4x32(self.key, [lo, hi, self.counter[0], self.counter[1]])
    }
}

/// `tf.random.stateless_uniform([], seed, lo, hi)`: one `f32` in `[lo, hi)`.
///
/// As in TensorFlow, rounding may give `hi` itself where the range is small beside `lo`.
///
/// ```
/// use tfrkit::image::random::{SeedPair, uniform};
/// let u = uniform(SeedPair([1, 2]), 0.0, 1.0);
/// assert!((0.0..1.0).contains(&u));
/// ```
#[must_use]
pub fn uniform(seed: SeedPair, lo: f32, hi: f32) -> f32 {
    let [word, ..] = Stream::new(seed).block(0);
    unit(word) * (hi - lo) + lo
}

/// A word as a float in `[0, 1)`: its low 23 bits are the fraction of a float in `[1, 2)`.
#[must_use]
pub fn unit(word: u32) -> f32 {
    f32::from_bits(word & 0x007F_FFFF | 0x3F80_0000) - 1.0
}

/// Whether `tf.image.stateless_random_flip_*` flips: one in two.
#[must_use]
pub fn random_flip(seed: SeedPair) -> bool {
    uniform(seed, 0.0, 1.0) < 0.5
}

/// The delta of `tf.image.stateless_random_brightness`: uniform in `[-max_delta, max_delta)`.
///
/// # Errors
/// [`ImageError::Parameter`] when `max_delta` is negative or not finite.
pub fn random_brightness(seed: SeedPair, max_delta: f32) -> Result<f32> {
    if !(max_delta >= 0.0 && max_delta.is_finite()) {
        return Err(ImageError::parameter(
            "random_brightness",
            format!("max_delta is {max_delta}; it must be 0 or more"),
        ));
    }
    Ok(uniform(seed, -max_delta, max_delta))
}

/// The factor of `tf.image.stateless_random_contrast`: uniform in `[lower, upper)`.
///
/// # Errors
/// [`ImageError::Parameter`] unless `0 <= lower < upper`, as in TensorFlow.
pub fn random_contrast(seed: SeedPair, lower: f32, upper: f32) -> Result<f32> {
    if !(lower >= 0.0 && lower < upper && upper.is_finite()) {
        return Err(ImageError::parameter(
            "random_contrast",
            format!("lower {lower} and upper {upper}; 0 <= lower < upper is needed"),
        ));
    }
    Ok(uniform(seed, lower, upper))
}

/// The offsets `(y, x)` of `tf.image.stateless_random_crop` from an image of `height` x `width`
/// pixels to `crop_height` x `crop_width`.
///
/// Each offset is a draw of int32 below 2^31 - 1, modulo the number of places, so that places are
/// equally likely but for the modulo's bias, which is TensorFlow's.
///
/// # Errors
/// [`ImageError::Parameter`] when the crop is larger than the image.
///
/// ```
/// use tfrkit::image::random::{SeedPair, random_crop};
/// let (y, x) = random_crop(SeedPair([1, 2]), (256, 256), (224, 224))?;
/// assert!(y <= 32 && x <= 32);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn random_crop(
    seed: SeedPair,
    (height, width): (usize, usize),
    (crop_height, crop_width): (usize, usize),
) -> Result<(usize, usize)> {
    if crop_height > height || crop_width > width {
        return Err(ImageError::parameter(
            "random_crop",
            format!("a crop of {crop_height}x{crop_width} from an image of {height}x{width}"),
        ));
    }
    let [a, b, ..] = Stream::new(seed).block(0);
    let offset = |word: u32, places: usize| (word % (i32::MAX as u32)) as usize % places;
    Ok((offset(a, height - crop_height + 1), offset(b, width - crop_width + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let ones = philox4x32([u32::MAX; 2], [u32::MAX; 4]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = philox4x32([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let base = op_seed(1, 2, 3, 4);
        for other in [
            op_seed(2, 2, 3, 4),
            op_seed(1 << 32, 2, 3, 4),
            op_seed(1, 3, 3, 4),
            op_seed(1, 2 + (1 << 32), 3, 4),
            op_seed(1, 2, 4, 4),
            op_seed(1, 2, 3, 5),
        ] {
            assert_ne!(base, other);
        }
        assert_ne!(op_id("random_crop", 0), op_id("random_crop", 1));
    }

    #[test]
    fn draws_stay_in_range_and_spread() {
        let (mut flips, mut sum) = (0, 0.0);
        for ordinal in 0..4000 {
            let seed = op_seed(9, ordinal, 0, 77);
            flips += usize::from(random_flip(seed));
            let delta = random_brightness(seed, 0.25).unwrap();
            assert!((-0.25..0.25).contains(&delta));
            sum += f64::from(delta);
            let factor = random_contrast(seed, 0.5, 1.5).unwrap();
            assert!((0.5..=1.5).contains(&factor));
            let (y, x) = random_crop(seed, (10, 7), (4, 7)).unwrap();
            assert!(y <= 6 && x == 0);
        }
        assert!((1850..2150).contains(&flips), "{flips}");
        assert!(sum.abs() / 4000.0 < 0.01);
    }

    #[test]
    fn parameters_out_of_range() {
        let seed = SeedPair([0, 0]);
        assert!(random_brightness(seed, -0.1).is_err());
        assert!(random_brightness(seed, f32::NAN).is_err());
        assert!(random_contrast(seed, 1.0, 1.0).is_err());
        assert!(random_contrast(seed, -0.1, 1.0).is_err());
        assert!(random_crop(seed, (4, 4), (5, 4)).is_err());
    }
}
