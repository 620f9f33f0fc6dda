//! Smaller images for storing.

use super::{Method, Resizer, Sample, fit_shorter_side};
use crate::image::buf::{ImageBuf, Shape};
use crate::image::error::{ImageError, Result};
use crate::image::simd::avx2;

/// Shrinks an 8-bit image of 1 to 4 channels until its shorter side is `side`, with antialiasing.
///
/// It is `tf.image.resize(image, fit_shorter_side(size, side), method="bicubic", antialias=True)`, rounded (halves to
/// the even number) and clipped to 0..=255: the kernel of Keys, also called Catmull-Rom, over the whole footprint.
/// Every channel is resized by itself; colours are not weighted by alpha. An image that is small enough is returned
/// as it is, never enlarged.
///
/// # Errors
/// [`ImageError::Parameter`] unless there are 1 to 4 channels, pixels, and a `side` above 0.
///
/// ```
/// use tfrkit::image::{ImageBuf, Shape, resize_shorter_side};
/// let image = ImageBuf::from_pixels(Shape::new(2, 4, 1), vec![90u8; 8])?;
/// let small = resize_shorter_side(image, 1)?;
/// assert_eq!((small.shape(), small.pixels()), (Shape::new(1, 2, 1), &[90, 90][..]));
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn resize_shorter_side(image: ImageBuf<u8>, side: usize) -> Result<ImageBuf<u8>> {
    let Some(resized) = shrunk(&image, side)? else { return Ok(image) };
    let mut pixels = vec![0; resized.pixels().len()];
    round(resized.pixels(), &mut pixels);
    ImageBuf::from_pixels(resized.shape(), pixels)
}

/// As [`resize_shorter_side`], of 16-bit samples.
pub(in crate::image) fn resize_shorter_side_16(image: ImageBuf<u16>, side: usize) -> Result<ImageBuf<u16>> {
    let levels = image.pixels().iter().map(|&v| f32::from(v)).collect();
    let Some(resized) = shrunk(&ImageBuf::from_pixels(image.shape(), levels)?, side)? else { return Ok(image) };
    // A cast clips what is beyond either end.
    let samples = resized.pixels().iter().map(|v| v.round_ties_even() as u16).collect();
    ImageBuf::from_pixels(resized.shape(), samples)
}

/// The smaller image, not yet rounded; `None` where it is small enough.
fn shrunk<T: Sample>(image: &ImageBuf<T>, side: usize) -> Result<Option<ImageBuf<f32>>> {
    let Shape { height, width, channels } = image.shape();
    let wrong = |detail: String| ImageError::parameter("resize_shorter_side", detail);
    if side == 0 || image.pixels().is_empty() {
        return Err(wrong(format!("from {height}x{width} to a side of {side}")));
    }
    if !(1..=4).contains(&channels) {
        return Err(wrong(format!("{channels} channels, not 1 to 4")));
    }
    if height.min(width) <= side {
        return Ok(None);
    }
    let mut resized = ImageBuf::empty();
    let size = fit_shorter_side((height, width), side);
    Resizer::new().resize_with(image, size, Method::Bicubic, true, &mut resized)?;
    Ok(Some(resized))
}

avx2! {
    /// Rounds to 8 bits, halves to the even number.
    fn round(values: &[f32], out: &mut [u8]) {
        // Adding 2^23 leaves no bits for a fraction, and the addition rounds as wanted.
        const ONES: f32 = 8_388_608.0;
        for (o, v) in out.iter_mut().zip(values) {
            *o = (v.clamp(0.0, 255.0) + ONES).to_bits() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_number() {
        let values = [-3.0, -0.5, 0.5, 1.5, 2.5, 2.6, 254.5, 254.51, 255.4, 300.0];
        let mut out = [9; 10];
        round(&values, &mut out);
        assert_eq!(out, [0, 0, 0, 2, 2, 3, 254, 255, 255, 255]);
    }

    #[test]
    fn shorter_side() {
        for channels in 1..=4 {
            let image = |h: usize, w: usize| {
                let pixels = (0..h * w * channels).map(|i| (i % channels * 60) as u8).collect();
                ImageBuf::from_pixels(Shape::new(h, w, channels), pixels).unwrap()
            };
            // Each channel is constant, so it stays.
            assert_eq!(resize_shorter_side(image(40, 60), 10).unwrap(), image(10, 15));
            assert_eq!(resize_shorter_side(image(4, 6), 10).unwrap(), image(4, 6));
            assert!(resize_shorter_side(image(4, 6), 0).is_err());
        }
        assert!(resize_shorter_side(ImageBuf::zeros(Shape::new(4, 6, 5)).unwrap(), 3).is_err());
        assert!(resize_shorter_side(ImageBuf::empty(), 3).is_err());
        assert_eq!(fit_shorter_side((1, 1000), 1), (1, 1000));
        assert_eq!(fit_shorter_side((300, 300), 7), (7, 7));
    }
}
