//! Brightness and contrast.

use crate::image::buf::ImageBuf;
use crate::image::error::{ImageError, Result};

/// Values handled side by side: a multiple of 1, 2, 3 and 4 channels and of the vector widths.
pub(super) const LANES: usize = 24;

/// Most channels for which [`LANES`] holds whole pixels.
const MAX_LANE_CHANNELS: usize = 4;

/// Repeats one value a channel over [`LANES`].
pub(super) fn lanes(values: &[f32]) -> Option<[f32; LANES]> {
    if values.is_empty() || values.len() > MAX_LANE_CHANNELS {
        return None;
    }
    let mut out = [0.0; LANES];
    for chunk in out.chunks_exact_mut(values.len()) {
        chunk.copy_from_slice(values);
    }
    Some(out)
}

/// Adds `delta` levels: `tf.image.adjust_brightness` of a float image.
///
/// In TensorFlow too, `delta` is in the units of a float image; nothing is clipped.
pub fn adjust_brightness(image: &mut ImageBuf<f32>, delta: f32) {
    for v in image.pixels_mut() {
        *v += delta;
    }
}

/// `tf.image.adjust_brightness` of a uint8 image: `delta` is a fraction of 255, and the result
/// saturates.
///
/// ```
/// use tfrkit::image::{ImageBuf, Shape, ops::adjust_brightness_u8};
/// let mut image = ImageBuf::from_pixels(Shape::new(1, 1, 3), vec![0u8, 100, 250])?;
/// adjust_brightness_u8(&mut image, 0.2);
/// assert_eq!(image.pixels(), [51, 151, 255]);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn adjust_brightness_u8(image: &mut ImageBuf<u8>, delta: f32) {
    let table = table(|x| x + delta);
    for v in image.pixels_mut() {
        *v = look(&table, *v);
    }
}

/// The result of an operation on each of the 256 levels, by TensorFlow's conversions.
fn table(op: impl Fn(f32) -> f32) -> [u8; 256] {
    let mut out = [0; 256];
    for (level, o) in (0u8..=255).zip(&mut out) {
        *o = to_u8(op(to_unit(level)));
    }
    out
}

fn look(table: &[u8; 256], level: u8) -> u8 {
    table[usize::from(level)]
}

/// uint8 to float in [0, 1] as `tf.image.convert_image_dtype` does it.
fn to_unit(level: u8) -> f32 {
    f32::from(level) * (1.0 / 255.0)
}

/// Float to uint8, truncated and saturated, as `tf.image.convert_image_dtype` does it.
fn to_u8(unit: f32) -> u8 {
    (unit * 255.5) as u8
}

/// The mean of each channel over the whole image, into `means` (one for each channel).
///
/// The order of the sum is fixed: short runs in `f32`, side by side, and those in `f64`. So the
/// bits are the same on every machine. The mean of an image without pixels is 0.
///
/// # Errors
/// [`ImageError::Parameter`] when `means` has not the image's number of channels.
pub fn channel_means(image: &ImageBuf<f32>, means: &mut [f32]) -> Result<()> {
    /// Additions to one lane before it is moved to double precision.
    const RUN: usize = 32;
    let channels = image.shape().channels;
    if means.len() != channels {
        return Err(ImageError::parameter(
            "channel_means",
            format!("room for {} means of {channels} channels", means.len()),
        ));
    }
    means.fill(0.0);
    let count = image.shape().height * image.shape().width;
    if count == 0 || channels == 0 {
        return Ok(());
    }
    let pixels = image.pixels();
    let wide = if channels <= MAX_LANE_CHANNELS { pixels.len() / LANES * LANES } else { 0 };
    let (body, tail) = pixels.split_at(wide);
    let mut totals = [0.0f64; LANES];
    for run in body.chunks(RUN * LANES) {
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
    for (c, mean) in means.iter_mut().enumerate() {
        let lanes: f64 = if wide > 0 { totals.iter().skip(c).step_by(channels).sum() } else { 0.0 };
        let rest: f64 = tail.iter().skip(c).step_by(channels).map(|&v| f64::from(v)).sum();
        *mean = ((lanes + rest) / count as f64) as f32;
    }
    Ok(())
}

/// Moves each channel's values away from its mean by `factor`: `tf.image.adjust_contrast` of a
/// float image, `(x - mean) * factor + mean`.
///
/// The mean is of the whole image as it is now. Nothing is clipped.
///
/// ```
/// use tfrkit::image::{ImageBuf, Shape, ops::adjust_contrast};
/// let mut image = ImageBuf::from_pixels(Shape::new(1, 2, 1), vec![10.0f32, 20.0])?;
/// adjust_contrast(&mut image, 2.0);
/// assert_eq!(image.pixels(), [5.0, 25.0]);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn adjust_contrast(image: &mut ImageBuf<f32>, factor: f32) {
    let channels = image.shape().channels;
    let (mut few, mut many) = ([0.0; MAX_LANE_CHANNELS], Vec::new());
    let means = match few.get_mut(..channels) {
        Some(means) => means,
        None => {
            many.resize(channels, 0.0);
            &mut many[..]
        }
    };
    // There is a mean for each channel, so neither call can fail.
    if channel_means(image, means).is_ok() {
        let _ = adjust_contrast_with_means(image, factor, means);
    }
}

/// [`adjust_contrast`] with means taken elsewhere, such as of the image before a crop.
///
/// # Errors
/// [`ImageError::Parameter`] when `means` has not the image's number of channels.
pub fn adjust_contrast_with_means(image: &mut ImageBuf<f32>, factor: f32, means: &[f32]) -> Result<()> {
    let channels = image.shape().channels;
    if means.len() != channels {
        return Err(ImageError::parameter("adjust_contrast", format!("{} means for {channels} channels", means.len())));
    }
    if channels == 0 {
        return Ok(());
    }
    let adjust = |values: &mut [f32], means: &[f32]| {
        for (v, m) in values.iter_mut().zip(means) {
            *v = (*v - m) * factor + m;
        }
    };
    let Some(lanes) = lanes(means) else {
        image.pixels_mut().chunks_exact_mut(channels).for_each(|pixel| adjust(pixel, means));
        return Ok(());
    };
    let (body, tail) = image.pixels_mut().as_chunks_mut::<LANES>();
    for values in body {
        adjust(values, &lanes);
    }
    adjust(tail, &lanes);
    Ok(())
}

/// `tf.image.adjust_contrast` of a uint8 image; the result saturates.
pub fn adjust_contrast_u8(image: &mut ImageBuf<u8>, factor: f32) {
    let channels = image.shape().channels;
    let count = image.shape().height * image.shape().width;
    if channels == 0 || count == 0 {
        return;
    }
    for c in 0..channels {
        let mut histogram = [0u32; 256];
        for &v in image.pixels().iter().skip(c).step_by(channels) {
            histogram[usize::from(v)] += 1;
        }
        let sum: f64 = (0u8..=255).zip(histogram).map(|(level, n)| f64::from(to_unit(level)) * f64::from(n)).sum();
        let mean = (sum / count as f64) as f32;
        let table = table(|x| (x - mean) * factor + mean);
        for v in image.pixels_mut().iter_mut().skip(c).step_by(channels) {
            *v = look(&table, *v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::buf::Shape;

    fn image(height: usize, width: usize, channels: usize) -> ImageBuf<f32> {
        let shape = Shape::new(height, width, channels);
        let pixels = (0..height * width * channels).map(|i| (i * 37 % 256) as f32 + 0.25).collect();
        ImageBuf::from_pixels(shape, pixels).unwrap()
    }

    #[test]
    fn every_level_survives_the_round_trip() {
        let same = table(|x| x);
        for level in 0..=255u8 {
            assert_eq!(look(&same, level), level);
        }
    }

    #[test]
    fn identity_parameters() {
        let mut same = image(13, 11, 3);
        adjust_brightness(&mut same, 0.0);
        assert_eq!(same, image(13, 11, 3));
        adjust_contrast(&mut same, 1.0);
        for (a, b) in same.pixels().iter().zip(image(13, 11, 3).pixels()) {
            assert!((a - b).abs() < 1e-4);
        }
        let levels: Vec<u8> = (0..=255).collect();
        let mut bytes = ImageBuf::from_pixels(Shape::new(16, 16, 1), levels.clone()).unwrap();
        adjust_brightness_u8(&mut bytes, 0.0);
        adjust_contrast_u8(&mut bytes, 1.0);
        assert_eq!(bytes.pixels(), levels);
    }

    #[test]
    fn means_of_any_channels() {
        for channels in 1..=6 {
            let image = image(40, 31, channels);
            let mut means = vec![0.0; channels];
            channel_means(&image, &mut means).unwrap();
            for (c, mean) in means.iter().enumerate() {
                let values = image.pixels().iter().skip(c).step_by(channels);
                let exact = values.map(|&v| f64::from(v)).sum::<f64>() / (40.0 * 31.0);
                assert!((f64::from(*mean) - exact).abs() < 1e-4);
            }
        }
        assert!(channel_means(&image(2, 2, 3), &mut [0.0; 2]).is_err());
        let mut empty = ImageBuf::from_pixels(Shape::new(0, 5, 3), vec![]).unwrap();
        adjust_contrast(&mut empty, 2.0);
    }

    #[test]
    fn zero_contrast_is_the_mean() {
        for channels in [1, 3, 5] {
            let mut flat = image(6, 5, channels);
            let mut means = vec![0.0; channels];
            channel_means(&flat, &mut means).unwrap();
            adjust_contrast(&mut flat, 0.0);
            for pixel in flat.pixels().chunks(channels) {
                assert_eq!(pixel, means);
            }
        }
    }
}
