//! Normalisation by mean and standard deviation.

use super::lanes::{LANES, lanes};
use crate::image::buf::ImageBuf;
use crate::image::error::{ImageError, Result};
use crate::image::simd::avx2;

/// Subtracts a mean and divides by a deviation, each channel its own: `(x - mean) / std`.
///
/// TensorFlow has no such function; this is its arithmetic in `f32`, with a true division.
///
/// ```
/// use tfrkit::image::{ImageBuf, Shape, ops::Normalizer};
/// let mut image = ImageBuf::from_pixels(Shape::new(1, 1, 3), vec![0.0f32, 127.5, 255.0])?;
/// Normalizer::new(&[127.5; 3], &[127.5; 3])?.apply(&mut image)?;
/// assert_eq!(image.pixels(), [-1.0, 0.0, 1.0]);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Normalizer {
    channels: usize,
    mean: [f32; LANES],
    std: [f32; LANES],
}

impl Normalizer {
    /// Makes one from a mean and a deviation for each of 1 to 4 channels, in levels.
    ///
    /// # Errors
    /// [`ImageError::Parameter`] when the lengths differ or are not 1 to 4, when a value is not
    /// finite, or when a deviation is 0.
    pub fn new(mean: &[f32], std: &[f32]) -> Result<Self> {
        let wrong = |detail: String| Err(ImageError::parameter("normalize", detail));
        let (Some(mean_lanes), Some(std_lanes)) = (lanes(mean), lanes(std)) else {
            return wrong("mean and std need one value for each of 1 to 4 channels".to_owned());
        };
        if mean.len() != std.len() {
            return wrong(format!("{} means and {} deviations", mean.len(), std.len()));
        }
        if !mean.iter().chain(std).all(|v| v.is_finite()) || std.contains(&0.0) {
            return wrong(format!("mean {mean:?} and std {std:?}; std must not be 0"));
        }
        Ok(Self { channels: mean.len(), mean: mean_lanes, std: std_lanes })
    }

    /// The same as a factor and a summand of a channel: x / std - mean / std.
    pub(crate) fn factors(&self, channel: usize) -> (f32, f32) {
        let at = channel % self.channels;
        (1.0 / self.std[at], -self.mean[at] / self.std[at])
    }

    /// Fails for an image of another number of channels.
    pub(crate) fn check(&self, channels: usize) -> Result<()> {
        if channels == self.channels {
            return Ok(());
        }
        Err(ImageError::parameter("normalize", format!("{} means for an image of {channels} channels", self.channels)))
    }

    /// Normalises a float image in place.
    ///
    /// # Errors
    /// [`ImageError::Parameter`] for another number of channels.
    pub fn apply(&self, image: &mut ImageBuf<f32>) -> Result<()> {
        self.check(image.shape().channels)?;
        apply(image.pixels_mut(), &self.mean, &self.std);
        Ok(())
    }
}

avx2! {
    fn apply(values: &mut [f32], mean: &[f32; LANES], std: &[f32; LANES]) {
        let (body, tail) = values.as_chunks_mut::<LANES>();
        for values in body {
            for ((v, m), s) in values.iter_mut().zip(mean).zip(std) {
                *v = (*v - m) / s;
            }
        }
        for ((v, m), s) in tail.iter_mut().zip(mean).zip(std) {
            *v = (*v - m) / s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::buf::Shape;

    #[test]
    fn wrong_parameters() {
        assert!(Normalizer::new(&[0.0], &[0.0]).is_err());
        assert!(Normalizer::new(&[0.0; 3], &[1.0; 1]).is_err());
        assert!(Normalizer::new(&[], &[]).is_err());
        assert!(Normalizer::new(&[f32::NAN], &[1.0]).is_err());
        let normalizer = Normalizer::new(&[0.0; 3], &[1.0; 3]).unwrap();
        let mut gray = ImageBuf::zeros(Shape::new(2, 2, 1)).unwrap();
        assert!(normalizer.apply(&mut gray).is_err());
    }

    #[test]
    fn zero_and_one_are_the_image() {
        let shape = Shape::new(3, 5, 3);
        let image = ImageBuf::from_pixels(shape, (0..45).map(|v| v as f32).collect()).unwrap();
        let mut same = image.clone();
        let identity = Normalizer::new(&[0.0; 3], &[1.0; 3]).unwrap();
        identity.apply(&mut same).unwrap();
        assert_eq!(same, image);
    }
}
