//! Resizes with TensorFlow's numbers.

mod area;
mod bilinear;
#[cfg(target_arch = "x86_64")]
mod bilinear_wide;
mod crop;
mod kernel;
mod nearest;
mod sample;
mod separable;
mod shorter;
mod size;
mod view;

pub use crop::{CropMethod, crop_and_resize};
pub use nearest::{resize_nearest, resize_nearest_with_pad};
pub use sample::Sample;
pub use shorter::resize_shorter_side;
pub(super) use shorter::resize_shorter_side_16;
pub use size::{PadLayout, fit_shorter_side, fit_within, pad_layout};

use std::ops::Range;

use area::Area;
use bilinear::Bilinear;
use kernel::{CachedSpans, Kernel, Weights};
use separable::Separable;
use view::{Canvas, View};

use super::buf::{ImageBuf, Shape};
use super::error::{ImageError, Result};
use super::ops::Rect;

/// How an image is sampled: the `method` argument of `tf.image.resize`.
///
/// With `antialias` the kernel of [`Bilinear`](Self::Bilinear), [`Bicubic`](Self::Bicubic) and those below
/// [`Area`](Self::Area) widens where the image shrinks, so that all its pixels count. [`Nearest`](Self::Nearest) and
/// [`Area`](Self::Area) are the same with it and without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Between the four pixels around. The default.
    #[default]
    Bilinear,
    /// The nearest pixel.
    Nearest,
    /// Keys' cubic (Catmull-Rom) over the sixteen pixels around. Without `antialias` its weights are those of a table
    /// in steps of 1/1024 pixel, as in TensorFlow.
    Bicubic,
    /// The mean of the pixels under the output pixel.
    Area,
    /// Lanczos' kernel with a radius of 3 pixels.
    Lanczos3,
    /// Lanczos' kernel with a radius of 5 pixels.
    Lanczos5,
    /// Mitchell and Netravali's cubic, which blurs a little, even at the same size.
    MitchellCubic,
    /// A Gaussian of sigma 0.5 pixels, which blurs, even at the same size.
    Gaussian,
}

/// Resizes images one after another, as `tf.image.resize` does. One for each worker, since it keeps weights and rows:
/// nothing is allocated once it has seen the largest image.
///
/// Centres are at half pixels. The arithmetic is that of TensorFlow's CPU kernels, in `f32` and in their order. The
/// result is `f32` levels and not clipped: cubic and Lanczos kernels overshoot.
///
/// ```
/// use tfrkit::image::{ImageBuf, Resizer, Shape};
/// let image = ImageBuf::from_pixels(Shape::new(1, 2, 1), vec![0u8, 100])?;
/// let mut out = [0.0; 4];
/// Resizer::new().resize_into(&image, (1, 4), &mut out)?;
/// assert_eq!(out, [0.0, 25.0, 75.0, 100.0]);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
#[derive(Debug, Default)]
pub struct Resizer {
    bilinear: Bilinear,
    area: Area,
    rows: CachedSpans,
    columns: CachedSpans,
    separable: Separable,
    row: Vec<f32>,
}

impl Resizer {
    /// Makes a resizer; it allocates on first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Resizes `image` (levels in `u8` or `f32`, any channels) to `size` (height, width):
    /// `tf.image.resize(image, size)`, bilinear without antialiasing. The bits are TensorFlow's.
    ///
    /// # Errors
    /// As [`resize_with`](Self::resize_with).
    pub fn resize<T: Sample>(
        &mut self,
        image: &ImageBuf<T>,
        size: (usize, usize),
        out: &mut ImageBuf<f32>,
    ) -> Result<()> {
        self.resize_with(image, size, Method::Bilinear, false, out)
    }

    /// As [`resize`](Self::resize), into a slice.
    ///
    /// # Errors
    /// As [`resize_with_into`](Self::resize_with_into).
    pub fn resize_into<T: Sample>(&mut self, image: &ImageBuf<T>, size: (usize, usize), dst: &mut [f32]) -> Result<()> {
        self.resize_with_into(image, size, Method::Bilinear, false, dst)
    }

    /// Resizes `image` (levels in `u8` or `f32`, any channels) to `size` (height, width):
    /// `tf.image.resize(image, size, method, antialias=antialias)`.
    ///
    /// [`Method::Nearest`] gives the `f32` of the values; [`resize_nearest`] keeps their type. The bits are those
    /// of TensorFlow's CPU kernels; only Lanczos kernels, whose sines are another library's, differ, by less than 1e-5
    /// of 255 levels. The allocation of `out` is reused.
    ///
    /// # Errors
    /// [`ImageError::Parameter`] when the image or the size is empty, when a side has 2^24 pixels or more, or when a
    /// source row has 2^32 values or more.
    ///
    /// ```
    /// use tfrkit::image::{ImageBuf, Method, Resizer, Shape};
    /// let image = ImageBuf::from_pixels(Shape::new(1, 4, 1), vec![0u8, 100, 200, 40])?;
    /// let mut out = ImageBuf::empty();
    /// let mut resizer = Resizer::new();
    /// resizer.resize_with(&image, (1, 2), Method::Area, false, &mut out)?;
    /// assert_eq!(out.pixels(), [50.0, 120.0]);
    /// resizer.resize_with(&image, (1, 2), Method::Nearest, false, &mut out)?;
    /// assert_eq!(out.pixels(), [100.0, 40.0]);
    /// # Ok::<(), tfrkit::image::ImageError>(())
    /// ```
    pub fn resize_with<T: Sample>(
        &mut self,
        image: &ImageBuf<T>,
        size: (usize, usize),
        method: Method,
        antialias: bool,
        out: &mut ImageBuf<f32>,
    ) -> Result<()> {
        self.resize_rect_with(image, Rect::whole(image.shape()), size, method, antialias, out)
    }

    /// As [`resize_with`](Self::resize_with), into a slice: HWC.
    ///
    /// # Errors
    /// As [`resize_with`](Self::resize_with), and when `dst` has not exactly height x width x channels values.
    pub fn resize_with_into<T: Sample>(
        &mut self,
        image: &ImageBuf<T>,
        size: (usize, usize),
        method: Method,
        antialias: bool,
        dst: &mut [f32],
    ) -> Result<()> {
        self.resize_rect_with_into(image, Rect::whole(image.shape()), size, method, antialias, dst)
    }

    /// Crops to `rect` and resizes, without making the crop: the bits of
    /// [`crop_to_bounding_box`](super::ops::crop_to_bounding_box) and then [`resize_with`](Self::resize_with).
    ///
    /// # Errors
    /// As [`resize_with`](Self::resize_with), and when the rectangle is empty or not inside the image.
    pub fn resize_rect_with<T: Sample>(
        &mut self,
        image: &ImageBuf<T>,
        rect: Rect,
        size: (usize, usize),
        method: Method,
        antialias: bool,
        out: &mut ImageBuf<f32>,
    ) -> Result<()> {
        let from = view(image, rect, size)?;
        let shape = Shape::new(size.0, size.1, from.channels);
        out.reshape(shape)?;
        self.run(from, Canvas::whole(out.pixels_mut(), shape), method, antialias);
        Ok(())
    }

    /// As [`resize_rect_with`](Self::resize_rect_with), into a slice: HWC.
    ///
    /// # Errors
    /// As [`resize_rect_with`](Self::resize_rect_with), and when `dst` has not exactly height x width x channels
    /// values.
    pub fn resize_rect_with_into<T: Sample>(
        &mut self,
        image: &ImageBuf<T>,
        rect: Rect,
        size: (usize, usize),
        method: Method,
        antialias: bool,
        dst: &mut [f32],
    ) -> Result<()> {
        let from = view(image, rect, size)?;
        let shape = Shape::new(size.0, size.1, from.channels);
        if shape.checked_len() != Some(dst.len()) {
            let detail = format!("room for {} values of {}x{}x{}", dst.len(), size.0, size.1, from.channels);
            return Err(ImageError::parameter("resize", detail));
        }
        self.run(from, Canvas::whole(dst, shape), method, antialias);
        Ok(())
    }

    /// The rows of what [`resize_rect_with`](Self::resize_rect_with) gives, bilinear and without antialiasing, from the first
    /// to the last, while they are in the cache; if that is wanted, mirrored.
    ///
    /// # Errors
    /// As [`resize_rect_with`](Self::resize_rect_with).
    pub(crate) fn bilinear_rows<T: Sample>(
        &mut self,
        image: &ImageBuf<T>,
        rect: Rect,
        size: (usize, usize),
        mirrored: bool,
        rows: Range<usize>,
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<()> {
        let from = view(image, rect, size)?;
        let (mut row, (height, width)) = (std::mem::take(&mut self.row), size);
        row.resize(width * from.channels, 0.0);
        self.bilinear.begin(&from, width, mirrored);
        for y in rows {
            self.bilinear.row(&from, height, y, &mut row);
            each(y, &row);
        }
        self.row = row;
        Ok(())
    }

    /// Resizes to fit into `target` (height, width), the aspect kept, and pads with zeros around:
    /// `tf.image.resize_with_pad`. [`pad_layout`] tells where the image lies.
    ///
    /// # Errors
    /// As [`resize_with`](Self::resize_with), also when the shape is so extreme that a side of the resized image is 0.
    pub fn resize_with_pad<T: Sample>(
        &mut self,
        image: &ImageBuf<T>,
        target: (usize, usize),
        method: Method,
        antialias: bool,
        out: &mut ImageBuf<f32>,
    ) -> Result<()> {
        let (from, to) = padded(image, target, out)?;
        self.run(from, to, method, antialias);
        Ok(())
    }

    /// Resizes a view to the size of a canvas; both have pixels.
    fn run<T: Sample>(&mut self, from: View<'_, T>, to: Canvas<'_, f32>, method: Method, antialias: bool) {
        let weights = match method {
            Method::Nearest => return nearest::run(from, to, T::to_f32),
            Method::Bilinear if !antialias => return self.bilinear.run(from, to),
            Method::Area => {
                let columns = self.columns.prepare(Weights::Area, to.width, from.width);
                return self.area.run(columns, from, to);
            }
            Method::Bicubic if !antialias => Weights::Bicubic,
            Method::Bilinear => Weights::Kernel(Kernel::Triangle, antialias),
            Method::Bicubic => Weights::Kernel(Kernel::KeysCubic, antialias),
            Method::Lanczos3 => Weights::Kernel(Kernel::Lanczos3, antialias),
            Method::Lanczos5 => Weights::Kernel(Kernel::Lanczos5, antialias),
            Method::MitchellCubic => Weights::Kernel(Kernel::MitchellCubic, antialias),
            Method::Gaussian => Weights::Kernel(Kernel::Gaussian, antialias),
        };
        let rows = self.rows.prepare(weights, to.height, from.height);
        let columns = self.columns.prepare(weights, to.width, from.width);
        self.separable.run((rows, columns), from, to);
    }
}

/// What a resize of a rectangle of an image is refused for.
pub(crate) fn check_resize<T>(image: &ImageBuf<T>, rect: Rect, size: (usize, usize)) -> Result<()> {
    view(image, rect, size).map(drop)
}

/// The rectangle of an image that is to be resized.
fn view<T>(image: &ImageBuf<T>, rect: Rect, size: (usize, usize)) -> Result<View<'_, T>> {
    if rect != Rect::whole(image.shape()) {
        rect.check("resize", image.shape())?;
    }
    let view = View::rect(image, rect);
    check("resize", &view, size)?;
    Ok(view)
}

/// Sides from here on are not exact in the `f32` that places are worked out in; TensorFlow has the same limit for
/// nearest.
const SIDE_LIMIT: usize = 1 << 24;

fn check<T>(op: &'static str, from: &View<'_, T>, (height, width): (usize, usize)) -> Result<()> {
    let sides = [from.height, from.width, height, width];
    let wrong = |what: &str| {
        let [h, w, ..] = sides;
        let detail = format!("from {h}x{w} to {height}x{width} (height, width){what}");
        Err(ImageError::parameter(op, detail))
    };
    if from.pixels.is_empty() || sides.contains(&0) {
        return wrong("");
    }
    if sides.iter().any(|side| *side >= SIDE_LIMIT) || u32::try_from(from.row_len()).is_err() {
        return wrong(": a side is too long");
    }
    Ok(())
}

/// The image, and its place in `out` after zeros are put around it.
fn padded<'a, T, U: Copy + Default>(
    image: &'a ImageBuf<T>,
    target: (usize, usize),
    out: &'a mut ImageBuf<U>,
) -> Result<(View<'a, T>, Canvas<'a, U>)> {
    let from = View::whole(image);
    let layout = pad_layout((from.height, from.width), target);
    check("resize_with_pad", &from, layout.size)?;
    out.reshape(Shape::new(target.0, target.1, from.channels))?;
    if layout.size != target {
        out.pixels_mut().fill(U::default());
    }
    Ok((from, Canvas::part(out, layout.offset, layout.size)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METHODS: [Method; 8] = [
        Method::Bilinear,
        Method::Nearest,
        Method::Bicubic,
        Method::Area,
        Method::Lanczos3,
        Method::Lanczos5,
        Method::MitchellCubic,
        Method::Gaussian,
    ];

    fn image(height: usize, width: usize, channels: usize) -> ImageBuf<u8> {
        let shape = Shape::new(height, width, channels);
        let pixels = (0..height * width * channels).map(|i| (i * 31 % 253) as u8).collect();
        ImageBuf::from_pixels(shape, pixels).unwrap()
    }

    fn resized<T: Sample>(image: &ImageBuf<T>, size: (usize, usize), method: Method, antialias: bool) -> ImageBuf<f32> {
        let mut out = ImageBuf::empty();
        Resizer::new().resize_with(image, size, method, antialias, &mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn every_size_is_made(
            (h, w, c) in (1usize..40, 1usize..40, 1usize..6),
            size in (1usize..50, 1usize..50),
            method in prop::sample::select(&METHODS[..]),
            antialias: bool,
        ) {
            let image = image(h, w, c);
            let out = resized(&image, size, method, antialias);
            prop_assert_eq!(out.shape(), Shape::new(size.0, size.1, c));
            // Kernels with negative lobes overshoot, at the border of a tiny image by any amount.
            let overshoots = !matches!(method, Method::Bilinear | Method::Nearest | Method::Area | Method::Gaussian);
            // TensorFlow's own area weights sum to a little more than 1: its result for 36 to 43 columns reaches 252.0012.
            let range = if overshoots { f32::MIN..=f32::MAX } else { -0.001..=252.003 };
            prop_assert!(out.pixels().iter().all(|v| range.contains(v)));
            // The types have the same values.
            let floats = image.pixels().iter().map(|&v| f32::from(v)).collect();
            let floats = ImageBuf::from_pixels(image.shape(), floats).unwrap();
            prop_assert_eq!(out, resized(&floats, size, method, antialias));
        }

        #[test]
        fn one_colour_stays(
            (h, w, c) in (1usize..40, 1usize..40, 1usize..5),
            size in (1usize..50, 1usize..50),
            method in prop::sample::select(&METHODS[..]),
            antialias: bool,
        ) {
            let image = ImageBuf::from_pixels(Shape::new(h, w, c), vec![200u8; h * w * c]).unwrap();
            let out = resized(&image, size, method, antialias);
            prop_assert!(out.pixels().iter().all(|v| (v - 200.0).abs() < 1e-2));
        }

        #[test]
        fn crops_have_the_size(
            (h, w, c) in (1usize..20, 1usize..20, 1usize..6),
            size in (1usize..80, 1usize..80),
            bounds in prop::array::uniform4(-1.0f32..2.0),
            nearest: bool,
        ) {
            let method = if nearest { CropMethod::Nearest } else { CropMethod::Bilinear };
            let mut out = ImageBuf::empty();
            crop_and_resize(&image(h, w, c), bounds, size, method, -9.0, &mut out).unwrap();
            prop_assert_eq!(out.shape(), Shape::new(size.0, size.1, c));
            prop_assert!(out.pixels().iter().all(|v| *v == -9.0 || (0.0..=252.0).contains(v)));
        }
    }

    #[test]
    fn the_same_size_is_the_image() {
        for channels in 1..=5 {
            let image = image(7, 19, channels);
            let same: Vec<f32> = image.pixels().iter().map(|&v| f32::from(v)).collect();
            for method in [Method::Bilinear, Method::Nearest, Method::Bicubic, Method::Area] {
                for antialias in [false, true] {
                    assert_eq!(resized(&image, (7, 19), method, antialias).pixels(), same);
                }
            }
            let mut out = ImageBuf::empty();
            crop_and_resize(&image, [0.0, 0.0, 1.0, 1.0], (7, 19), CropMethod::Bilinear, 0.0, &mut out).unwrap();
            assert_eq!(out.pixels(), same);
        }
    }

    #[test]
    fn a_resizer_remembers_nothing_between_images() {
        let mut resizer = Resizer::new();
        let mut out = ImageBuf::empty();
        for method in METHODS {
            for (h, w, c, size) in [(9, 8, 3, (4, 5)), (9, 8, 1, (4, 5)), (5, 8, 3, (4, 5)), (9, 8, 3, (4, 5))] {
                for antialias in [false, true] {
                    resizer.resize_with(&image(h, w, c), size, method, antialias, &mut out).unwrap();
                    assert_eq!(out, resized(&image(h, w, c), size, method, antialias));
                }
            }
        }
    }

    #[test]
    fn wrong_sizes() {
        let mut resizer = Resizer::new();
        let (small, mut out) = (image(2, 2, 1), ImageBuf::empty());
        assert!(resizer.resize_into(&small, (0, 4), &mut []).is_err());
        assert!(resizer.resize_into(&small, (2, 4), &mut [0.0; 7]).is_err());
        let empty = ImageBuf::<u8>::empty();
        assert!(resizer.resize_into(&empty, (1, 1), &mut [0.0]).is_err());
        assert!(resizer.resize(&small, (usize::MAX, 4), &mut out).is_err());
        assert!(resize_nearest(&small, (2, 0), &mut ImageBuf::empty()).is_err());
        for rect in [
            Rect { y: 0, x: 1, height: 2, width: 2 },
            Rect { y: 0, x: 0, height: 0, width: 2 },
            Rect { y: usize::MAX, x: 0, height: 2, width: 2 },
        ] {
            assert!(resizer.resize_rect_with(&small, rect, (2, 2), Method::Area, false, &mut out).is_err());
        }
        for target in [(0, 3), (3, 0)] {
            assert!(resizer.resize_with_pad(&small, target, Method::Area, false, &mut out).is_err());
        }
        assert!(resizer.resize_with_pad(&image(1, 500, 1), (9, 9), Method::Area, false, &mut out).is_err());
        for bound in [f32::NAN, f32::INFINITY] {
            let bounds = [0.0, bound, 1.0, 1.0];
            assert!(crop_and_resize(&small, bounds, (2, 2), CropMethod::Nearest, 0.0, &mut out).is_err());
        }
    }
}
