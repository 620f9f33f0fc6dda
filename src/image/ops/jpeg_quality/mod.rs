//! JPEG artefacts without a JPEG: the lossy steps of coding and decoding alone.

mod color;
mod dct;
mod quant;

use quant::Tables;

use crate::image::buf::{ImageBuf, Shape};
use crate::image::error::{ImageError, Result};
use crate::image::jpeg::upsample;
use crate::image::ycc;

/// libjpeg's longest side.
const MAX_SIDE: usize = 65_500;

/// The inverse transform of [`JpegQuality`]: the `dct_method` argument of `tf.image.adjust_jpeg_quality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Idct {
    /// `INTEGER_FAST`, TensorFlow's default. The default.
    #[default]
    Ifast,
    /// `INTEGER_ACCURATE`.
    Islow,
}

/// Gives images the artefacts of JPEG at a quality: `tf.image.adjust_jpeg_quality`. One for each worker, since it keeps
/// the planes and tables.
///
/// TensorFlow codes the image with libjpeg-turbo at that quality (chroma at half the width and height) and decodes it
/// again. Huffman coding loses nothing, so it is left out here; the other steps are done in libjpeg-turbo's integer
/// arithmetic, and every pixel is TensorFlow's (held against its x86-64 build).
///
/// ```
/// use tfrkit::image::{ImageBuf, Shape, ops::JpegQuality};
/// let mut image = ImageBuf::from_pixels(Shape::new(2, 2, 3), (1..=12u8).collect())?;
/// JpegQuality::default().apply_u8(&mut image, 100)?;
/// assert_eq!(image.pixels(), [0, 1, 3, 3, 4, 6, 6, 7, 9, 9, 10, 12]);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
#[derive(Debug, Default)]
pub struct JpegQuality {
    idct: Idct,
    /// The tables of the quality they were made for.
    tables: Option<(u8, [Tables; 2])>,
    luma: Plane,
    chroma: [Plane; 2],
    rows: Rows,
}

/// Samples, with whole blocks each way.
#[derive(Debug, Default)]
struct Plane {
    stride: usize,
    samples: Vec<u8>,
}

impl Plane {
    /// Makes room for `height` x `width` samples; what they are is left open.
    fn reshape(&mut self, height: usize, width: usize) {
        self.stride = width.next_multiple_of(8);
        self.samples.resize(self.stride * height.next_multiple_of(8), 0);
    }

    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..][..self.stride]
    }

    fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.samples[y * self.stride..][..self.stride]
    }

    /// Repeats the last of `height` rows to the end of its block.
    fn extend_down(&mut self, height: usize) {
        let end = height * self.stride;
        for to in (end..self.samples.len()).step_by(self.stride.max(1)) {
            self.samples.copy_within(end - self.stride..end, to);
        }
    }

    fn code(&mut self, tables: &Tables, idct: Idct) {
        for band in self.samples.chunks_exact_mut(8 * self.stride) {
            dct::code_band(band, self.stride, tables, idct == Idct::Islow);
        }
    }
}

/// Repeats the last of the first `width` samples of a row to its end.
fn extend_right(row: &mut [u8], width: usize) {
    let (samples, rest) = row.split_at_mut(width);
    rest.fill(samples.last().copied().unwrap_or(0));
}

/// Rows at the full width.
#[derive(Debug, Default)]
struct Rows {
    /// Interleaved pixels of a float image.
    bytes: Vec<u8>,
    /// Cb of two rows (or of one, decoded), then Cr.
    chroma: [[Vec<u8>; 2]; 2],
    sums: Vec<u16>,
}

impl JpegQuality {
    /// As the default one, with another inverse transform.
    #[must_use]
    pub fn new(idct: Idct) -> Self {
        Self { idct, ..Self::default() }
    }

    /// `tf.image.adjust_jpeg_quality` of a uint8 image with 1 or 3 channels; every pixel is TensorFlow's.
    ///
    /// `quality` is 0..=100 on libjpeg's scale; 0 is the same as 1, and 100 still loses something.
    ///
    /// # Errors
    /// [`ImageError::Parameter`] for a quality above 100, another number of channels, an image without pixels or with a
    /// side above 65,500 (TensorFlow refuses the same).
    pub fn apply_u8(&mut self, image: &mut ImageBuf<u8>, quality: u8) -> Result<()> {
        let shape = image.shape();
        self.start(shape, quality)?;
        let len = shape.row_len();
        for (y, row) in image.pixels().chunks_exact(len).enumerate() {
            self.take_row(y, row, shape);
        }
        self.code(shape);
        for (y, row) in image.pixels_mut().chunks_exact_mut(len).enumerate() {
            self.give_row(y, row, shape);
        }
        Ok(())
    }

    /// `tf.image.adjust_jpeg_quality` of a float image in levels of 0..255: TensorFlow's result for `image / 255`,
    /// times 255, within 1e-5 of the range. The levels come out whole.
    ///
    /// As in TensorFlow, a level x becomes trunc(x / 255 * 255.5), saturated (so not-a-number becomes 0).
    ///
    /// # Errors
    /// As [`apply_u8`](Self::apply_u8).
    pub fn apply(&mut self, image: &mut ImageBuf<f32>, quality: u8) -> Result<()> {
        let shape = image.shape();
        self.start(shape, quality)?;
        let len = shape.row_len();
        let mut bytes = std::mem::take(&mut self.rows.bytes);
        bytes.resize(len, 0);
        for (y, row) in image.pixels().chunks_exact(len).enumerate() {
            color::to_bytes(row, &mut bytes);
            self.take_row(y, &bytes, shape);
        }
        self.code(shape);
        for (y, row) in image.pixels_mut().chunks_exact_mut(len).enumerate() {
            self.give_row(y, &mut bytes, shape);
            color::to_levels(&bytes, row);
        }
        self.rows.bytes = bytes;
        Ok(())
    }

    /// Checks the parameters and readies planes and tables.
    fn start(&mut self, shape: Shape, quality: u8) -> Result<()> {
        let Shape { height, width, channels } = shape;
        let refuse = |detail| Err(ImageError::parameter("adjust_jpeg_quality", detail));
        if quality > 100 {
            return refuse(format!("a quality of {quality}, not in 0..=100"));
        }
        if !matches!(channels, 1 | 3) {
            return refuse(format!("{channels} channels, not 1 or 3"));
        }
        if height == 0 || width == 0 || height.max(width) > MAX_SIDE {
            return refuse(format!("an image of {height}x{width} pixels (height x width), not 1 to {MAX_SIDE} a side"));
        }
        if self.tables.as_ref().is_none_or(|(of, _)| *of != quality) {
            self.tables = Some((quality, Tables::pair(quality, self.idct == Idct::Islow)));
        }
        self.luma.reshape(height, width);
        if channels == 3 {
            let (h, w) = (height.div_ceil(2), width.div_ceil(2));
            self.chroma.iter_mut().for_each(|plane| plane.reshape(h, w));
            let full = 2 * self.chroma[0].stride;
            self.rows.chroma.iter_mut().flatten().for_each(|row| row.resize(full, 0));
            self.rows.sums.resize(w + 2, 0);
        }
        Ok(())
    }

    /// Moves a row of pixels into the planes; rows come in order.
    fn take_row(&mut self, y: usize, row: &[u8], shape: Shape) {
        let Shape { height, width, channels } = shape;
        let luma = self.luma.row_mut(y);
        if channels == 1 {
            luma[..width].copy_from_slice(row);
            extend_right(luma, width);
            return;
        }
        let [cb, cr] = &mut self.rows.chroma;
        let odd = y % 2;
        color::from_rgb(row, luma, &mut cb[odd], &mut cr[odd]);
        extend_right(luma, width);
        for (rows, plane) in [cb, cr].into_iter().zip(&mut self.chroma) {
            extend_right(&mut rows[odd], width);
            if odd == 1 || y + 1 == height {
                // The last row of an odd number is its own neighbour.
                color::halve(&rows[0], &rows[odd], plane.row_mut(y / 2));
            }
        }
    }

    /// Codes and decodes the planes.
    fn code(&mut self, shape: Shape) {
        let Some((_, [luma, chroma])) = &self.tables else { return };
        self.luma.extend_down(shape.height);
        self.luma.code(luma, self.idct);
        if shape.channels == 3 {
            for plane in &mut self.chroma {
                plane.extend_down(shape.height.div_ceil(2));
                plane.code(chroma, self.idct);
            }
        }
    }

    /// Makes a row of pixels of the planes.
    fn give_row(&mut self, y: usize, row: &mut [u8], shape: Shape) {
        let Shape { height, width, channels } = shape;
        let luma = &self.luma.row(y)[..width];
        if channels == 1 {
            row.copy_from_slice(luma);
            return;
        }
        let (w, near) = (width.div_ceil(2), y / 2);
        let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(height.div_ceil(2) - 1) };
        for (plane, [out, _]) in self.chroma.iter().zip(&mut self.rows.chroma) {
            let near = &plane.row(near)[..w];
            if w > 2 {
                upsample::double(near, &plane.row(far)[..w], &mut self.rows.sums, out);
            } else {
                // What libjpeg does with an image of up to four columns.
                upsample::repeat(near, 2, out);
            }
        }
        let [[cb, _], [cr, _]] = &self.rows.chroma;
        ycc::row_to_rgb(luma, cb, cr, row);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(shape: Shape, seed: u32) -> ImageBuf<u8> {
        let mut state = seed | 1;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 11) as u8
        };
        let len = shape.checked_len().unwrap();
        ImageBuf::from_pixels(shape, (0..len).map(next).collect()).unwrap()
    }

    #[test]
    fn bad_parameters() {
        let mut op = JpegQuality::default();
        for shape in [Shape::new(0, 4, 3), Shape::new(4, 0, 1), Shape::new(4, 4, 2), Shape::new(1, 65_501, 1)] {
            assert!(op.apply_u8(&mut noise(shape, 1), 50).is_err(), "{shape:?}");
        }
        let error = op.apply_u8(&mut noise(Shape::new(4, 4, 3), 1), 101).unwrap_err();
        assert!(error.to_string().contains("101"), "{error}");
    }

    #[test]
    fn not_a_number_is_black() {
        let levels = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, 127.5];
        let mut image = ImageBuf::from_pixels(Shape::new(1, 5, 1), levels).unwrap();
        JpegQuality::default().apply(&mut image, 100).unwrap();
        assert_eq!(image.pixels(), [3.0, 243.0, 12.0, 245.0, 129.0]);
    }

    /// Scratch of one image must not show in the next.
    #[test]
    fn a_used_one_gives_the_same() {
        let mut used = JpegQuality::default();
        for (i, shape) in
            [(40, 40, 3), (3, 5, 3), (17, 33, 1), (9, 1, 3), (1, 1, 1), (31, 18, 3)].into_iter().enumerate()
        {
            let image = noise(Shape::new(shape.0, shape.1, shape.2), 77 + i as u32);
            let (mut a, mut b) = (image.clone(), image);
            used.apply_u8(&mut a, 30 + 5 * i as u8).unwrap();
            JpegQuality::default().apply_u8(&mut b, 30 + 5 * i as u8).unwrap();
            assert!(a == b, "{shape:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Any size and quality: the shape stays, u8 and float agree, and a flat gray image stays flat.
        #[test]
        fn any_image(h in 1usize..40, w in 1usize..40, color: bool, quality in 0u8..=100, seed: u32, slow: bool) {
            let shape = Shape::new(h, w, if color { 3 } else { 1 });
            let mut op = JpegQuality::new(if slow { Idct::Islow } else { Idct::Ifast });
            let mut bytes = noise(shape, seed);
            let levels = bytes.pixels().iter().map(|&v| f32::from(v)).collect();
            let mut levels = ImageBuf::from_pixels(shape, levels).unwrap();
            op.apply_u8(&mut bytes, quality).unwrap();
            op.apply(&mut levels, quality).unwrap();
            prop_assert_eq!(bytes.shape(), shape);
            prop_assert!(bytes.pixels().iter().zip(levels.pixels()).all(|(&a, &b)| f32::from(a) == b));

            let mut flat = ImageBuf::from_pixels(shape, vec![(seed >> 24) as u8; shape.checked_len().unwrap()]).unwrap();
            op.apply_u8(&mut flat, quality).unwrap();
            let first = flat.pixels()[0];
            prop_assert!(flat.pixels().iter().all(|&v| v.abs_diff(first) <= 1));
        }
    }
}
