//! Turning a decoded image as its EXIF orientation says: moves of pixels.

use crate::image::buf::{ImageBuf, Shape};
use crate::image::error::Result;
use crate::image::ops::{Rect, flip_left_right, flip_up_down};

/// What to do with the EXIF orientation of a JPEG (APP1) or PNG (`eXIf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Orientation {
    /// The pixels stay as they are stored, as in `tf.io.decode_jpeg` and `tf.io.decode_image`. The default.
    #[default]
    Ignore,
    /// The image is turned or mirrored upright, so that height and width may change places: see
    /// [`Probe::size`](crate::image::Probe::size). Without a valid orientation nothing happens.
    Apply,
}

/// Whether this EXIF orientation swaps height and width.
pub(crate) fn swaps_sides(exif: Option<u8>) -> bool {
    matches!(exif, Some(5..=8))
}

/// Makes an image of EXIF orientation `exif` upright; `spare` keeps an allocation.
pub(super) fn upright(image: &mut ImageBuf<u8>, exif: Option<u8>, spare: &mut ImageBuf<u8>) -> Result<()> {
    if swaps_sides(exif) {
        transpose(image, spare)?;
        std::mem::swap(image, spare);
    }
    // After the transposition, 6 and 8 are quarter turns and 7 is the other diagonal.
    if matches!(exif, Some(2 | 3 | 6 | 7)) {
        flip_left_right(image);
    }
    if matches!(exif, Some(3 | 4 | 7 | 8)) {
        flip_up_down(image);
    }
    Ok(())
}

/// Where a box of the stored image is in the upright one: xmin, ymin, xmax, ymax in parts of its width and height.
pub(crate) fn upright_box([xmin, ymin, xmax, ymax]: [f32; 4], exif: Option<u8>) -> [f32; 4] {
    let flipped = |(from, to): (f32, f32)| (1.0 - to, 1.0 - from);
    let (mut x, mut y) = ((xmin, xmax), (ymin, ymax));
    if swaps_sides(exif) {
        std::mem::swap(&mut x, &mut y);
    }
    if matches!(exif, Some(2 | 3 | 6 | 7)) {
        x = flipped(x);
    }
    if matches!(exif, Some(3 | 4 | 7 | 8)) {
        y = flipped(y);
    }
    [x.0, y.0, x.1, y.1]
}

/// Where a rectangle of the upright image is in the stored one, of `size`.
pub(super) fn stored_rect(rect: Rect, exif: Option<u8>, size: (usize, usize)) -> Result<Rect> {
    let (height, width) = if swaps_sides(exif) { (size.1, size.0) } else { size };
    rect.check("decode_region", Shape::new(height, width, 1))?;
    let mut stored = rect;
    if matches!(exif, Some(3 | 4 | 7 | 8)) {
        stored.y = height - rect.y - rect.height;
    }
    if matches!(exif, Some(2 | 3 | 6 | 7)) {
        stored.x = width - rect.x - rect.width;
    }
    if swaps_sides(exif) {
        let Rect { y, x, height, width } = stored;
        stored = Rect { y: x, x: y, height: width, width: height };
    }
    Ok(stored)
}

fn transpose(image: &ImageBuf<u8>, out: &mut ImageBuf<u8>) -> Result<()> {
    let Shape { height, width, channels } = image.shape();
    out.reshape(Shape::new(width, height, channels))?;
    match channels {
        3 => transpose_pixels::<3>(image.pixels(), out.pixels_mut(), height, width),
        _ => transpose_pixels::<1>(image.pixels(), out.pixels_mut(), height, width),
    }
    Ok(())
}

fn transpose_pixels<const N: usize>(from: &[u8], out: &mut [u8], height: usize, width: usize) {
    /// Rows taken together, so that both sides are read and written in runs.
    const BAND: usize = 16;
    if height == 0 || width == 0 {
        return;
    }
    let (from, out) = (from.as_chunks::<N>().0, out.as_chunks_mut::<N>().0);
    for (band, rows) in from.chunks(BAND * width).enumerate() {
        for (x, column) in out.chunks_exact_mut(height).enumerate() {
            let run = column.iter_mut().skip(band * BAND);
            for (o, row) in run.zip(rows.chunks_exact(width)) {
                if let Some(&pixel) = row.get(x) {
                    *o = pixel;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2x3 pixels of one channel (or of three, repeated): 0 1 2 / 3 4 5.
    fn image(channels: usize) -> ImageBuf<u8> {
        let pixels = (0..6u8).flat_map(|v| std::iter::repeat_n(v, channels)).collect();
        ImageBuf::from_pixels(Shape::new(2, 3, channels), pixels).unwrap()
    }

    #[test]
    fn all_eight() {
        let upright_ones: [(usize, [u8; 6]); 8] = [
            (2, [0, 1, 2, 3, 4, 5]),
            (2, [2, 1, 0, 5, 4, 3]),
            (2, [5, 4, 3, 2, 1, 0]),
            (2, [3, 4, 5, 0, 1, 2]),
            (3, [0, 3, 1, 4, 2, 5]),
            (3, [3, 0, 4, 1, 5, 2]),
            (3, [5, 2, 4, 1, 3, 0]),
            (3, [2, 5, 1, 4, 0, 3]),
        ];
        let mut spare = ImageBuf::empty();
        for (exif, (height, pixels)) in (1..).zip(upright_ones) {
            for channels in [1, 3] {
                let mut turned = image(channels);
                upright(&mut turned, Some(exif), &mut spare).unwrap();
                assert_eq!(turned.shape(), Shape::new(height, 6 / height, channels));
                let first: Vec<u8> = turned.pixels().iter().step_by(channels).copied().collect();
                assert_eq!(first, pixels, "orientation {exif}");
            }
        }
        for none in [None, Some(0), Some(9)] {
            let mut same = image(3);
            upright(&mut same, none, &mut spare).unwrap();
            assert_eq!(same, image(3));
        }
    }

    #[test]
    fn transposing_twice_is_nothing() {
        for (height, width) in [(1, 1), (1, 40), (40, 1), (16, 17), (35, 33)] {
            for channels in [1, 3] {
                let shape = Shape::new(height, width, channels);
                let pixels = (0..height * width * channels).map(|i| (i % 251) as u8).collect();
                let image = ImageBuf::from_pixels(shape, pixels).unwrap();
                let (mut once, mut twice) = (ImageBuf::empty(), ImageBuf::empty());
                transpose(&image, &mut once).unwrap();
                transpose(&once, &mut twice).unwrap();
                assert_eq!(twice, image);
            }
        }
    }
}
