//! What the operations share: values side by side, one value's conversions, tables of the 256 levels.

use crate::image::error::{ImageError, Result};
use crate::image::simd::avx2;

/// Values handled side by side: a multiple of 1, 2, 3 and 4 channels and of the vector widths.
pub(crate) const LANES: usize = 24;

/// Most channels for which [`LANES`] holds whole pixels.
pub(super) const MAX_LANE_CHANNELS: usize = 4;

/// Additions to one lane before it is moved to double precision.
const RUN: usize = 32 * LANES;

/// Pixels handled side by side where the channels depend on each other.
const BLOCK: usize = 64;

/// Repeats one value a channel over [`LANES`].
pub(crate) fn lanes(values: &[f32]) -> Option<[f32; LANES]> {
    if values.is_empty() || values.len() > MAX_LANE_CHANNELS {
        return None;
    }
    let mut out = [0.0; LANES];
    for chunk in out.chunks_exact_mut(values.len()) {
        chunk.copy_from_slice(values);
    }
    Some(out)
}

/// That the image has three channels, or an error of `op`.
pub(super) fn three(op: &'static str, channels: usize) -> Result<()> {
    if channels == 3 {
        return Ok(());
    }
    Err(ImageError::parameter(op, format!("an image of {channels} channels; it needs 3")))
}

/// uint8 to float in [0, 1] as `tf.image.convert_image_dtype` does it.
#[inline(always)]
pub(super) fn unit(level: u8) -> f32 {
    f32::from(level) * (1.0 / 255.0)
}

/// 2^23: an f32 has no fraction there, so adding it rounds half to even, and the lowest byte is the number.
const WHOLE: f32 = 8_388_608.0;

/// Clips to 0..255, or to 255.5 where that is the greatest number to be cut; not a number is 0.
#[inline(always)]
fn limit(level: f32, most: f32) -> f32 {
    let level = if level > 0.0 { level } else { 0.0 };
    if level < most { level } else { most }
}

/// Truncates what lies in 0..=255.5. A cast does not become vector instructions.
#[inline(always)]
fn cut(value: f32) -> u8 {
    let rounded = value + WHOLE;
    rounded.to_bits().wrapping_sub(u32::from(rounded - WHOLE > value)) as u8
}

/// Float in [0, 1] to uint8, truncated and saturated, as `tf.image.convert_image_dtype` does it; not a number is 0.
#[inline(always)]
pub(super) fn unit_to_u8(unit: f32) -> u8 {
    cut(limit(unit * 255.5, 255.5))
}

/// Levels to uint8, truncated and saturated; not a number is 0.
#[inline(always)]
pub(super) fn cut_to_u8(level: f32) -> u8 {
    cut(limit(level, 255.0))
}

/// Levels to uint8, rounded half to even and saturated; not a number is 0.
#[inline(always)]
pub(super) fn round_to_u8(level: f32) -> u8 {
    (limit(level, 255.0) + WHOLE).to_bits() as u8
}

/// The result of an operation in [0, 1] on each of the 256 levels, by TensorFlow's conversions.
pub(super) fn unit_table(op: impl Fn(f32) -> f32) -> [u8; 256] {
    table(|level| unit_to_u8(op(unit(level))))
}

/// The result of an operation on each of the 256 levels.
pub(super) fn table(op: impl Fn(u8) -> u8) -> [u8; 256] {
    let mut out = [0; 256];
    for (level, o) in (0u8..=255).zip(&mut out) {
        *o = op(level);
    }
    out
}

#[inline(always)]
pub(super) fn look(table: &[u8; 256], level: u8) -> u8 {
    table[usize::from(level)]
}

/// Looks every level up.
pub(super) fn look_all(table: &[u8; 256], levels: &mut [u8]) {
    for v in levels {
        *v = look(table, *v);
    }
}

avx2! {
    /// Adds whole groups of lanes: short runs in `f32`, and those in `f64`, so that the order and the bits are fixed.
    fn add_lanes(values: &[f32], totals: &mut [f64; LANES]) {
        for run in values.chunks(RUN) {
            let mut sums = [0.0f32; LANES];
            for values in run.as_chunks::<LANES>().0 {
                for (s, v) in sums.iter_mut().zip(values) {
                    *s += v;
                }
            }
            for (t, s) in totals.iter_mut().zip(sums) {
                *t += f64::from(s);
            }
        }
    }
}

/// Levels that are summed side by side; they fill vectors.
const LEVEL_LANES: usize = 4 * LANES;

avx2! {
    /// The sum of the levels at each lane; exact.
    fn level_sums(levels: &[u8], totals: &mut [u64; LEVEL_LANES]) {
        // As many levels as fit a sum of 16 bits.
        for run in levels.chunks(256 * LEVEL_LANES) {
            let mut sums = [0u16; LEVEL_LANES];
            let (body, tail) = run.as_chunks::<LEVEL_LANES>();
            for levels in body {
                for (s, v) in sums.iter_mut().zip(levels) {
                    *s += u16::from(*v);
                }
            }
            for (s, v) in sums.iter_mut().zip(tail) {
                *s += u16::from(*v);
            }
            for (t, s) in totals.iter_mut().zip(sums) {
                *t += u64::from(s);
            }
        }
    }
}

avx2! {
    /// The sum of all levels, and that of their squares; exact.
    pub(super) fn level_moments(levels: &[u8]) -> (u64, u64) {
        const WIDE: usize = 32;
        let (mut sum, mut square) = (0, 0);
        // As many levels as fit a sum of 16 bits.
        for run in levels.chunks(256 * WIDE) {
            let (mut sums, mut squares) = ([0u16; WIDE], [0u32; WIDE]);
            let mut add = |levels: &[u8]| {
                for ((s, q), v) in sums.iter_mut().zip(&mut squares).zip(levels) {
                    let v = u16::from(*v);
                    *s += v;
                    *q += u32::from(v * v);
                }
            };
            let (body, tail) = run.as_chunks::<WIDE>();
            body.iter().for_each(|levels| add(levels));
            add(tail);
            sum += sums.iter().map(|s| u64::from(*s)).sum::<u64>();
            square += squares.iter().map(|q| u64::from(*q)).sum::<u64>();
        }
        (sum, square)
    }
}

avx2! {
    /// [`add_lanes`] of squared distances from `mean`.
    fn add_square_lanes(values: &[f32], mean: f32, totals: &mut [f64; LANES]) {
        for run in values.chunks(RUN) {
            let mut sums = [0.0f32; LANES];
            for values in run.as_chunks::<LANES>().0 {
                for (s, v) in sums.iter_mut().zip(values) {
                    *s += (v - mean) * (v - mean);
                }
            }
            for (t, s) in totals.iter_mut().zip(sums) {
                *t += f64::from(s);
            }
        }
    }
}

/// The mean of each channel, one in `means` for each; 0 without pixels.
fn means_by<T: Copy>(values: &[T], means: &mut [f32], add: impl Fn(&[T], &mut [f64; LANES]), value: impl Fn(T) -> f32) {
    let channels = means.len();
    means.fill(0.0);
    if values.is_empty() || channels == 0 {
        return;
    }
    let count = (values.len() / channels) as f64;
    let wide = if channels <= MAX_LANE_CHANNELS { values.len() / LANES * LANES } else { 0 };
    let (body, tail) = values.split_at(wide);
    let mut totals = [0.0f64; LANES];
    add(body, &mut totals);
    for (c, mean) in means.iter_mut().enumerate() {
        let lanes: f64 = if wide > 0 { totals.iter().skip(c).step_by(channels).sum() } else { 0.0 };
        let rest: f64 = tail.iter().skip(c).step_by(channels).map(|&v| f64::from(value(v))).sum();
        *mean = ((lanes + rest) / count) as f32;
    }
}

/// The sums of an image's channels, taken row by row; of at most [`MAX_LANE_CHANNELS`].
#[derive(Debug, Default)]
pub(crate) struct ChannelSums([f64; LANES]);

impl ChannelSums {
    /// Adds a row, which begins with a pixel.
    pub(crate) fn add_row(&mut self, row: &[f32]) {
        let (body, tail) = row.split_at(row.len() / LANES * LANES);
        add_lanes(body, &mut self.0);
        for (total, v) in self.0.iter_mut().zip(tail) {
            *total += f64::from(*v);
        }
    }

    /// The mean of a channel of so many pixels.
    pub(crate) fn mean(&self, channel: usize, channels: usize, pixels: usize) -> f32 {
        let sum: f64 = self.0.iter().skip(channel).step_by(channels).sum();
        (sum / pixels.max(1) as f64) as f32
    }
}

/// The mean of each channel.
pub(super) fn means(values: &[f32], means: &mut [f32]) {
    means_by(values, means, add_lanes, |v| v);
}

/// The mean of each channel, as floats in [0, 1]; 0 without pixels. The sums are exact.
pub(super) fn unit_means(levels: &[u8], means: &mut [f32]) {
    scaled_means(levels, 255.0, means);
}

/// The mean of each channel; 0 without pixels. The sums are exact.
pub(crate) fn level_means(levels: &[u8], means: &mut [f32]) {
    scaled_means(levels, 1.0, means);
}

/// The mean of each channel, through `range`.
fn scaled_means(levels: &[u8], range: f64, means: &mut [f32]) {
    let channels = means.len();
    means.fill(0.0);
    if levels.is_empty() || channels == 0 {
        return;
    }
    let all = (levels.len() / channels) as f64 * range;
    let mut totals = [0; LEVEL_LANES];
    if channels <= MAX_LANE_CHANNELS {
        level_sums(levels, &mut totals);
    }
    for (c, mean) in means.iter_mut().enumerate() {
        let total: u64 = match channels {
            ..=MAX_LANE_CHANNELS => totals.iter().skip(c).step_by(channels).sum(),
            _ => levels.iter().skip(c).step_by(channels).map(|&v| u64::from(v)).sum(),
        };
        *mean = (total as f64 / all) as f32;
    }
}

/// The mean of the squared distances from `mean`; 0 without values.
pub(super) fn variance(values: &[f32], mean: f32) -> f32 {
    let mut out = [0.0];
    means_by(values, &mut out, |body, totals| add_square_lanes(body, mean, totals), |v| (v - mean) * (v - mean));
    out[0]
}

/// Runs `body` with room for one value a channel, on the stack for up to four.
pub(super) fn with_channels<R>(channels: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut few = [0.0; MAX_LANE_CHANNELS];
    match few.get_mut(..channels) {
        Some(values) => body(values),
        None => body(&mut vec![0.0; channels]),
    }
}

/// A function of RGB pixels.
///
/// A trait and not a closure, as only a named function can be told to be inlined: one that is not would be compiled
/// without the wider instructions of its caller.
pub(super) trait Pixel<O = [f32; 3]> {
    fn of(&self, rgb: [f32; 3]) -> O;
}

/// A value of an image in the units of TensorFlow's float arithmetic.
pub(super) trait Value: Copy + Default {
    fn load(self) -> f32;
    fn store(value: f32) -> Self;
}

impl Value for f32 {
    #[inline(always)]
    fn load(self) -> f32 {
        self
    }

    #[inline(always)]
    fn store(value: f32) -> Self {
        value
    }
}

impl Value for u8 {
    #[inline(always)]
    fn load(self) -> f32 {
        unit(self)
    }

    #[inline(always)]
    fn store(value: f32) -> Self {
        unit_to_u8(value)
    }
}

/// Applies `first` to each RGB pixel, and `then` to the three values that it gives.
///
/// One long chain of dependent steps leaves most of the processor idle; of two shorter ones, more pixels' are under way
/// at a time. Values that `first` only passes on should not keep their place: the compiler would make a masked store of
/// a selection between the new and the old, which is slow.
#[inline(always)]
pub(super) fn rgb_blocks<T: Value>(pixels: &mut [T], first: &impl Pixel, then: &impl Pixel) {
    let (body, tail) = pixels.as_chunks_mut::<{ 3 * BLOCK }>();
    for block in body {
        rgb_block(block, first, then);
    }
    if !tail.is_empty() {
        let mut block = [T::default(); 3 * BLOCK];
        for (b, t) in block.iter_mut().zip(tail.iter()) {
            *b = *t;
        }
        rgb_block(&mut block, first, then);
        for (t, b) in tail.iter_mut().zip(block) {
            *t = b;
        }
    }
}

#[inline(always)]
fn rgb_block<T: Value>(block: &mut [T; 3 * BLOCK], first: &impl Pixel, then: &impl Pixel) {
    let [mut r, mut g, mut b] = apart(block.as_chunks::<3>().0);
    for ((r, g), b) in r.iter_mut().zip(&mut g).zip(&mut b) {
        [*r, *g, *b] = first.of([*r, *g, *b]);
    }
    for ((r, g), b) in r.iter_mut().zip(&mut g).zip(&mut b) {
        [*r, *g, *b] = then.of([*r, *g, *b]);
    }
    for (((pixel, r), g), b) in block.as_chunks_mut::<3>().0.iter_mut().zip(&r).zip(&g).zip(&b) {
        *pixel = [T::store(*r), T::store(*g), T::store(*b)];
    }
}

/// Makes one value of each RGB pixel.
#[inline(always)]
pub(super) fn gray_blocks<T: Value>(pixels: &[T], out: &mut [T], op: &impl Pixel<f32>) {
    let (body, tail) = pixels.as_chunks::<3>().0.as_chunks::<BLOCK>();
    let (out_body, out_tail) = out.as_chunks_mut::<BLOCK>();
    for (pixels, out) in body.iter().zip(out_body) {
        gray_block(pixels, out, op);
    }
    gray_block(tail, out_tail, op);
}

#[inline(always)]
fn gray_block<T: Value>(pixels: &[[T; 3]], out: &mut [T], op: &impl Pixel<f32>) {
    let [r, g, b] = apart(pixels);
    for (((o, r), g), b) in out.iter_mut().zip(&r).zip(&g).zip(&b) {
        *o = T::store(op.of([*r, *g, *b]));
    }
}

/// The channels of up to [`BLOCK`] pixels in an array each.
#[inline(always)]
fn apart<T: Value>(pixels: &[[T; 3]]) -> [[f32; BLOCK]; 3] {
    let (mut r, mut g, mut b) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
    for (((pixel, r), g), b) in pixels.iter().zip(&mut r).zip(&mut g).zip(&mut b) {
        (*r, *g, *b) = (pixel[0].load(), pixel[1].load(), pixel[2].load());
    }
    [r, g, b]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_row_are_those_of_the_image() {
        for (channels, width) in [(1, 7), (3, 5), (3, 300), (4, 100)] {
            let values: Vec<f32> = (0..9 * width * channels).map(|i| (i * 31 % 253) as f32 * 0.7).collect();
            let mut sums = ChannelSums::default();
            values.chunks(width * channels).for_each(|row| sums.add_row(row));
            let mut expected = vec![0.0; channels];
            means(&values, &mut expected);
            for (c, mean) in expected.iter().enumerate() {
                assert!((sums.mean(c, channels, 9 * width) - mean).abs() < 1e-4 * mean.abs());
            }
        }
    }

    #[test]
    fn every_level_survives_the_round_trip() {
        let same = unit_table(|x| x);
        for level in 0..=255u8 {
            assert_eq!(look(&same, level), level);
        }
    }

    #[test]
    fn levels_are_rounded_half_to_even() {
        let cases = [(-1.0, 0), (0.5, 0), (0.500001, 1), (1.5, 2), (2.5, 2), (254.5, 254), (254.51, 255), (1e30, 255)];
        for (level, expected) in cases {
            assert_eq!(round_to_u8(level), expected, "{level}");
        }
        assert_eq!(round_to_u8(f32::NAN), 0);
        assert_eq!(round_to_u8(f32::INFINITY), 255);
        assert_eq!(round_to_u8(f32::NEG_INFINITY), 0);
    }

    #[test]
    fn units_are_truncated() {
        for i in -1000..3000 {
            let unit = i as f32 * 0.001;
            assert_eq!(unit_to_u8(unit), (unit * 255.5) as u8, "{unit}");
            assert_eq!(cut_to_u8(unit * 255.0), (unit * 255.0) as u8, "{unit}");
        }
        let ends = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-45, 1e30];
        assert_eq!(ends.map(unit_to_u8), [0, 255, 0, 0, 0, 255]);
        assert_eq!(ends.map(cut_to_u8), [0, 255, 0, 0, 0, 255]);
    }

    struct Turned(f32);

    impl Pixel for Turned {
        fn of(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
            [b, r + self.0, g * 2.0]
        }
    }

    #[test]
    fn blocks_reach_every_pixel() {
        for pixels in [0, 1, 63, 64, 65, 140] {
            let mut values: Vec<f32> = (0..3 * pixels).map(|v| v as f32).collect();
            let expected: Vec<f32> =
                values.chunks(3).flat_map(|p| [p[1] * 2.0, p[2] + 7.0, (p[0] + 1.0) * 2.0]).collect();
            rgb_blocks(&mut values, &Turned(1.0), &Turned(7.0));
            assert_eq!(values, expected);
        }
    }
}
