//! Saturation and hue, with TensorFlow's arithmetic step by step and without a branch.
//!
//! Selections stand for its branches, so that the compiler can handle pixels side by side; each rounding is where
//! TensorFlow's kernel has it, so the results are the same bits.

use super::lanes::{Pixel, rgb_blocks, three};
use crate::image::buf::ImageBuf;
use crate::image::error::{ImageError, Result};
use crate::image::simd::avx2;

/// Multiplies the saturation of an RGB image by `factor`: `tf.image.adjust_saturation` of a float image.
///
/// The saturation S = (max - min) / max of hue, saturation and value is limited to 0..1 afterwards. A `factor` of 0
/// gives grey, 1 the same image up to rounding. Levels are taken as they are; nothing is clipped. The result has
/// TensorFlow's bits.
///
/// # Errors
/// [`ImageError::Parameter`] unless the image has 3 channels.
///
/// ```
/// use tfrkit::image::{ImageBuf, Shape, ops::adjust_saturation};
/// let mut image = ImageBuf::from_pixels(Shape::new(1, 1, 3), vec![200.0f32, 150.0, 100.0])?;
/// adjust_saturation(&mut image, 0.5)?;
/// assert_eq!(image.pixels(), [200.0, 175.0, 150.0]);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn adjust_saturation(image: &mut ImageBuf<f32>, factor: f32) -> Result<()> {
    three("adjust_saturation", image.shape().channels)?;
    saturation(image.pixels_mut(), factor);
    Ok(())
}

/// `tf.image.adjust_saturation` of a uint8 image.
///
/// # Errors
/// [`ImageError::Parameter`] unless the image has 3 channels.
pub fn adjust_saturation_u8(image: &mut ImageBuf<u8>, factor: f32) -> Result<()> {
    three("adjust_saturation", image.shape().channels)?;
    saturation_u8(image.pixels_mut(), factor);
    Ok(())
}

/// Turns the hue of an RGB image by `delta` of a full turn: `tf.image.adjust_hue` of a float image.
///
/// The greatest and the least channel of a pixel keep their values, so nothing leaves their range. A `delta` of 0, 1
/// or -1 gives the same image up to rounding. The result has TensorFlow's bits.
///
/// # Errors
/// [`ImageError::Parameter`] unless the image has 3 channels and -1 <= `delta` <= 1.
///
/// ```
/// use tfrkit::image::{ImageBuf, Shape, ops::adjust_hue};
/// let mut image = ImageBuf::from_pixels(Shape::new(1, 1, 3), vec![200.0f32, 0.0, 100.0])?;
/// adjust_hue(&mut image, 0.5)?;
/// assert_eq!(image.pixels(), [0.0, 200.0, 100.0]);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn adjust_hue(image: &mut ImageBuf<f32>, delta: f32) -> Result<()> {
    check_hue(image.shape().channels, delta)?;
    hue(image.pixels_mut(), delta * SECTORS);
    Ok(())
}

/// `tf.image.adjust_hue` of a uint8 image.
///
/// # Errors
/// [`ImageError::Parameter`] unless the image has 3 channels and -1 <= `delta` <= 1.
pub fn adjust_hue_u8(image: &mut ImageBuf<u8>, delta: f32) -> Result<()> {
    check_hue(image.shape().channels, delta)?;
    hue_u8(image.pixels_mut(), delta * SECTORS);
    Ok(())
}

fn check_hue(channels: usize, delta: f32) -> Result<()> {
    three("adjust_hue", channels)?;
    if (-1.0..=1.0).contains(&delta) {
        return Ok(());
    }
    Err(ImageError::parameter("adjust_hue", format!("delta is {delta}; -1 <= delta <= 1 is needed")))
}

avx2! {
    fn saturation(pixels: &mut [f32], factor: f32) {
        rgb_blocks(pixels, &Saturate(factor), &FromSaturation);
    }
}

avx2! {
    fn saturation_u8(pixels: &mut [u8], factor: f32) {
        rgb_blocks(pixels, &Saturate(factor), &FromSaturation);
    }
}

avx2! {
    fn hue(pixels: &mut [f32], shift: f32) {
        rgb_blocks(pixels, &Turn(shift), &FromHue);
    }
}

avx2! {
    fn hue_u8(pixels: &mut [u8], shift: f32) {
        rgb_blocks(pixels, &Turn(shift), &FromHue);
    }
}

/// Sixths of the circle of hues, in each of which one channel is greatest and another least.
const SECTORS: f32 = 6.0;

// The instructions' own minimum and maximum, where f32::min also looks for NaN.
#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// `if condition { a } else { b }`, both computed.
#[inline(always)]
fn pick(condition: bool, a: f32, b: f32) -> f32 {
    if condition { a } else { b }
}

/// The place in a pair of sectors, 0 to 2; exact.
#[inline(always)]
fn in_pair(sector: f32) -> f32 {
    sector - pick(sector < 2.0, 0.0, pick(sector < 4.0, 2.0, 4.0))
}

/// Gives a pixel's three values to the channels, by its place on the circle of hues, 0 to 6 sectors.
#[inline(always)]
fn channels(sector: f32, greatest: f32, between: f32, least: f32) -> [f32; 3] {
    // In the second sector of a pair, two channels have changed places.
    let first = in_pair(sector) < 1.0;
    let (one, other) = (pick(first, greatest, between), pick(first, between, greatest));
    let until = |end: f32| sector < end;
    [
        pick(until(2.0), one, pick(until(4.0), least, other)),
        pick(until(2.0), other, pick(until(4.0), one, least)),
        pick(until(2.0), least, pick(until(4.0), other, one)),
    ]
}

/// From red, green and blue to hue, 0 to 1, the new saturation, and value. The hue of grey is not a number.
struct Saturate(f32);

impl Pixel for Saturate {
    #[inline(always)]
    fn of(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let value = max(r, max(g, b));
        let range = value - min(r, min(g, b));
        let saturation = pick(value > 0.0, range / value, 0.0);
        let norm = 1.0 / (SECTORS * range);
        let (of_red, of_green) = (r == value, g == value);
        let distance = pick(of_red, g - b, pick(of_green, b - r, r - g));
        // TensorFlow adds thirds of double precision to green's and blue's.
        let thirds = pick(of_red, 0.0, pick(of_green, 1.0, 2.0));
        let hue = (f64::from(norm * distance) + f64::from(thirds) * (1.0 / 3.0)) as f32;
        let hue = pick(hue < 0.0, hue + 1.0, hue);
        [hue, min(1.0, max(0.0, saturation * self.0)), value]
    }
}

struct FromSaturation;

impl Pixel for FromSaturation {
    #[inline(always)]
    fn of(&self, [hue, saturation, value]: [f32; 3]) -> [f32; 3] {
        let chroma = saturation * value;
        let least = value - chroma;
        let sector = hue * SECTORS;
        // 6 itself can come out, from a hue just below 0; it belongs to no sector, as in TensorFlow. Nor does grey.
        let chroma = pick(sector < SECTORS, chroma, 0.0);
        let middle = max(chroma * (1.0 - (in_pair(sector) - 1.0).abs()), 0.0);
        channels(sector, chroma, middle, 0.0).map(|v| v + least)
    }
}

/// From red, green and blue to their greatest and least, and the new hue, which may be a turn off.
struct Turn(f32);

impl Pixel for Turn {
    #[inline(always)]
    fn of(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let (low, high) = (min(r, g), max(r, g));
        let (greatest, least) = (max(high, b), min(low, b));
        let between = max(low, min(high, b));
        let range = greatest - least;
        let ratio = (between - least) / range;
        let (red_below, blue_least, blue_greatest) = (r < g, b < low, b > high);
        let start = pick(
            blue_least,
            pick(red_below, 1.0, 0.0),
            pick(blue_greatest, pick(red_below, 3.0, 4.0), pick(red_below, 2.0, 5.0)),
        );
        let falls = (blue_least | blue_greatest) == red_below;
        let hue = pick(range == 0.0, 0.0, start + pick(falls, 1.0 - ratio, ratio));
        [greatest, least, hue + self.0]
    }
}

struct FromHue;

impl Pixel for FromHue {
    #[inline(always)]
    fn of(&self, [greatest, least, hue]: [f32; 3]) -> [f32; 3] {
        let hue = pick(hue < 0.0, hue + SECTORS, hue);
        let hue = pick(hue >= SECTORS, hue - SECTORS, hue);
        let place = in_pair(hue);
        let ratio = pick(place < 1.0, place, 1.0 - (place - 1.0));
        channels(hue, greatest, least + ratio * (greatest - least), least)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::buf::Shape;

    fn image(pixels: Vec<f32>) -> ImageBuf<f32> {
        ImageBuf::from_pixels(Shape::new(1, pixels.len() / 3, 3), pixels).unwrap()
    }

    fn colors() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(0.0f32..255.0, 1..120).prop_map(|mut v| {
            v.resize(v.len().div_ceil(3) * 3, 7.0);
            v
        })
    }

    proptest! {
        #[test]
        fn identity_parameters(pixels in colors()) {
            let (mut hue, mut saturation) = (image(pixels.clone()), image(pixels.clone()));
            adjust_hue(&mut hue, 0.0).unwrap();
            adjust_saturation(&mut saturation, 1.0).unwrap();
            for ((a, b), c) in pixels.iter().zip(hue.pixels()).zip(saturation.pixels()) {
                prop_assert!((a - b).abs() < 1e-3 && (a - c).abs() < 1e-3, "{a} {b} {c}");
            }
        }

        #[test]
        fn the_range_of_each_pixel_is_kept(pixels in colors(), delta in -1.0f32..=1.0, factor in 0.0f32..9.0) {
            let (mut hue, mut saturation) = (image(pixels.clone()), image(pixels.clone()));
            adjust_hue(&mut hue, delta).unwrap();
            adjust_saturation(&mut saturation, factor).unwrap();
            let ends = |p: &[f32]| (p.iter().copied().fold(f32::MAX, min), p.iter().copied().fold(f32::MIN, max));
            for ((a, b), c) in pixels.chunks(3).zip(hue.pixels().chunks(3)).zip(saturation.pixels().chunks(3)) {
                prop_assert_eq!(ends(a).0, ends(b).0);
                // What lies between may be rounded up to the float behind the greatest, as in TensorFlow.
                prop_assert!(ends(b).1 == ends(a).1 || ends(b).1 == ends(a).1.next_up());
                prop_assert!((ends(a).1 - ends(c).1).abs() < 1e-3);
            }
        }

        #[test]
        fn bytes_keep_their_identity(pixels in prop::collection::vec(any::<u8>(), 99)) {
            let shape = Shape::new(11, 3, 3);
            let mut hue = ImageBuf::from_pixels(shape, pixels.clone()).unwrap();
            adjust_hue_u8(&mut hue, 0.0).unwrap();
            prop_assert_eq!(hue.pixels(), &pixels);
        }
    }

    /// A pixel whose red TensorFlow 2.21 rounds to the float behind the greatest value.
    #[test]
    fn rounding_beyond_the_range_is_that_of_tensorflow() {
        let mut pixel = image(vec![157.93172, 171.40398, 40.839592]);
        adjust_hue(&mut pixel, 0.982_802_45).unwrap();
        let bits: Vec<u32> = pixel.pixels().iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, [1_126_917_996, 1_126_917_995, 1_109_613_502]);
    }

    #[test]
    fn wrong_parameters() {
        let mut gray = ImageBuf::zeros(Shape::new(2, 2, 1)).unwrap();
        assert!(adjust_hue(&mut gray, 0.1).unwrap_err().to_string().starts_with("adjust_hue: "));
        assert!(adjust_saturation(&mut gray, 0.1).is_err());
        let mut bytes = ImageBuf::zeros(Shape::new(2, 2, 4)).unwrap();
        assert!(adjust_hue_u8(&mut bytes, 0.1).is_err());
        assert!(adjust_saturation_u8(&mut bytes, 0.1).is_err());
        let mut color = ImageBuf::zeros(Shape::new(2, 2, 3)).unwrap();
        for delta in [1.01, -1.5, f32::NAN] {
            assert!(adjust_hue(&mut color, delta).is_err());
        }
    }

    #[test]
    fn no_pixels() {
        let mut empty = ImageBuf::zeros(Shape::new(0, 4, 3)).unwrap();
        adjust_hue(&mut empty, 0.3).unwrap();
        adjust_saturation(&mut empty, 0.3).unwrap();
    }
}
