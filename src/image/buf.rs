//! Pixel buffers.

use super::error::{ImageError, Result};

/// Height, width and channels of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Values in a pixel.
    pub channels: usize,
}

impl Shape {
    /// Makes a shape from height, width and channels.
    #[must_use]
    pub const fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// Number of values, or `None` when it does not fit a `usize`.
    #[must_use]
    pub fn checked_len(&self) -> Option<usize> {
        self.height.checked_mul(self.width)?.checked_mul(self.channels)
    }

    /// Number of values in one row.
    #[must_use]
    pub fn row_len(&self) -> usize {
        self.width * self.channels
    }
}

/// An image that owns its pixels, interleaved HWC.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageBuf<T> {
    shape: Shape,
    pixels: Vec<T>,
}

impl<T> ImageBuf<T> {
    /// Makes an image of `shape` from its interleaved values.
    ///
    /// # Errors
    /// [`ImageError::Parameter`] when the number of values is not height x width x channels.
    ///
    /// ```
    /// use tfrkit::image::{ImageBuf, Shape};
    /// let image = ImageBuf::from_pixels(Shape::new(1, 2, 3), vec![0u8, 1, 2, 3, 4, 5])?;
    /// assert_eq!(image.shape().width, 2);
    /// assert!(ImageBuf::from_pixels(Shape::new(1, 2, 3), vec![0u8; 5]).is_err());
    /// # Ok::<(), tfrkit::image::ImageError>(())
    /// ```
    pub fn from_pixels(shape: Shape, pixels: Vec<T>) -> Result<Self> {
        if shape.checked_len() != Some(pixels.len()) {
            return Err(ImageError::parameter(
                "from_pixels",
                format!(
                    "{} values for an image of {}x{}x{} (height, width, channels)",
                    pixels.len(),
                    shape.height,
                    shape.width,
                    shape.channels
                ),
            ));
        }
        Ok(Self { shape, pixels })
    }

    /// An image without pixels, to be filled by a `*_into` function.
    #[must_use]
    pub const fn empty() -> Self {
        Self { shape: Shape::new(0, 0, 0), pixels: Vec::new() }
    }

    /// Height, width and channels.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The values, row by row, pixel by pixel.
    #[must_use]
    pub fn pixels(&self) -> &[T] {
        &self.pixels
    }

    /// The room for values.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.pixels.capacity()
    }

    /// The values, mutable.
    pub fn pixels_mut(&mut self) -> &mut [T] {
        &mut self.pixels
    }

    /// The values by themselves.
    #[must_use]
    pub fn into_pixels(self) -> Vec<T> {
        self.pixels
    }
}

impl<T> ImageBuf<T> {
    /// Gives back what an outlier has left in a spare image that is next to hold so many values: see [`fit`].
    pub(crate) fn give_back(&mut self, len: usize) {
        give_back(&mut self.pixels, len);
        if self.pixels.is_empty() {
            self.shape = Shape::default();
        }
    }
}

impl<T: Copy + Default> ImageBuf<T> {
    /// An image of zeros.
    ///
    /// # Errors
    /// [`ImageError::Parameter`] when the number of values overflows a `usize`.
    pub fn zeros(shape: Shape) -> Result<Self> {
        let mut image = Self::empty();
        image.reshape(shape)?;
        Ok(image)
    }

    /// Gives the image another shape and keeps its allocation.
    ///
    /// Values that were there may remain, so the caller is to write all of them; new ones are
    /// zero. Allocates only when the image grows beyond its largest size so far.
    ///
    /// # Errors
    /// [`ImageError::Parameter`] when the number of values overflows a `usize`; [`ImageError::OutOfMemory`].
    pub fn reshape(&mut self, shape: Shape) -> Result<()> {
        let len = shape
            .checked_len()
            .ok_or_else(|| ImageError::parameter("reshape", "height x width x channels overflows".to_owned()))?;
        let more = len.saturating_sub(self.pixels.len());
        self.pixels.try_reserve_exact(more).map_err(|_| ImageError::OutOfMemory { values: len })?;
        self.pixels.resize(len, T::default());
        self.shape = shape;
        Ok(())
    }
}

/// Bytes of scratch memory that are kept whatever the next image needs.
const KEPT: usize = 16 << 20;

/// Gives scratch memory that is used for image after image so many values; what is new is `value`.
///
/// Memory is kept, but what an outlier has left behind is given back: more than [`KEPT`] and four times what is needed.
///
/// # Errors
/// [`ImageError::OutOfMemory`].
pub(crate) fn fit<T: Clone>(buffer: &mut Vec<T>, len: usize, value: T) -> Result<()> {
    give_back(buffer, len);
    let more = len.saturating_sub(buffer.len());
    buffer.try_reserve_exact(more).map_err(|_| ImageError::OutOfMemory { values: len })?;
    buffer.resize(len, value);
    Ok(())
}

/// Empties a scratch buffer that an outlier has left, where so many values are needed.
fn give_back<T>(buffer: &mut Vec<T>, len: usize) {
    if buffer.capacity() / 4 > len && buffer.capacity().saturating_mul(size_of::<T>()) > KEPT {
        *buffer = Vec::new();
    }
}

/// An image of either element type.
#[derive(Debug, Clone, PartialEq)]
pub enum Image {
    /// Levels 0..=255, as decoded.
    U8(ImageBuf<u8>),
    /// Single precision, in levels of 0..255 unless an operation says otherwise.
    F32(ImageBuf<f32>),
}

impl Image {
    /// Height, width and channels.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self {
            Self::U8(image) => image.shape(),
            Self::F32(image) => image.shape(),
        }
    }

    /// The element type's name as TensorFlow spells it.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::U8(_) => "uint8",
            Self::F32(_) => "float32",
        }
    }

    /// The image in `f32`, the levels unchanged (`tf.cast`); an `f32` image is passed through.
    #[must_use]
    pub fn into_f32(self) -> ImageBuf<f32> {
        match self {
            Self::U8(image) => {
                ImageBuf { shape: image.shape, pixels: image.pixels.iter().map(|&v| f32::from(v)).collect() }
            }
            Self::F32(image) => image,
        }
    }
}

impl From<ImageBuf<u8>> for Image {
    fn from(image: ImageBuf<u8>) -> Self {
        Self::U8(image)
    }
}

impl From<ImageBuf<f32>> for Image {
    fn from(image: ImageBuf<f32>) -> Self {
        Self::F32(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_overflows_is_refused() {
        let huge = Shape::new(usize::MAX, 2, 3);
        assert!(huge.checked_len().is_none());
        assert!(ImageBuf::<u8>::zeros(huge).is_err());
        assert!(ImageBuf::<u8>::from_pixels(huge, vec![]).is_err());
    }

    #[test]
    fn reshape_keeps_the_allocation() {
        let mut image = ImageBuf::<u8>::zeros(Shape::new(4, 4, 3)).unwrap();
        let before = image.pixels().as_ptr();
        image.reshape(Shape::new(2, 2, 3)).unwrap();
        assert_eq!(image.pixels().len(), 12);
        assert_eq!(image.pixels().as_ptr(), before);
    }

    #[test]
    fn what_an_outlier_took_is_given_back() {
        let mut scratch = Vec::new();
        fit(&mut scratch, KEPT + 4, 0u8).unwrap();
        for kept in [KEPT, KEPT / 4 + 1] {
            fit(&mut scratch, kept, 0).unwrap();
            assert!(scratch.capacity() > KEPT && scratch.len() == kept);
        }
        fit(&mut scratch, KEPT / 4, 7).unwrap();
        assert!(scratch.capacity() < KEPT && scratch == vec![7; KEPT / 4]);
        assert!(fit(&mut scratch, isize::MAX as usize, 0).is_err());
    }

    #[test]
    fn either_type() {
        let image = Image::from(ImageBuf::from_pixels(Shape::new(1, 1, 2), vec![7u8, 9]).unwrap());
        assert_eq!(image.dtype(), "uint8");
        assert_eq!(image.into_f32().pixels(), [7.0, 9.0]);
    }
}
