//! PNG through the `png` crate.

use std::io::Cursor;

use png::{ColorType, Transformations};

use super::{Channels, DecodeOptions};
use crate::image::buf::{ImageBuf, Shape};
use crate::image::error::{ImageError, Result};
use crate::image::probe::probe_header;
use crate::image::sniff::Format;

/// Decodes to the wanted channels; always strict.
pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
    scratch: &mut Vec<u8>,
    image: &mut ImageBuf<u8>,
) -> Result<()> {
    let probe = probe_header(bytes, &options.limits)?;
    let mut decoder = png::Decoder::new_with_limits(
        Cursor::new(bytes),
        png::Limits { bytes: usize::try_from(options.limits.max_bytes).unwrap_or(usize::MAX) },
    );
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(failed)?;
    let (color, _) = reader.output_color_type();
    let samples = color.samples();
    let wanted = options.channels.count();
    options.limits.check(probe.width, probe.height, samples.max(wanted))?;
    let expected = probe.width * probe.height * samples;
    if reader.output_buffer_size() != Some(expected) {
        return Err(failed("another size than the header's"));
    }
    image.reshape(Shape::new(probe.height, probe.width, wanted))?;
    if samples == wanted {
        reader.next_frame(image.pixels_mut()).map_err(failed)?;
    } else {
        scratch.resize(expected, 0);
        reader.next_frame(scratch).map_err(failed)?;
        convert(scratch, color, options.channels, image.pixels_mut());
    }
    // Reads the rest of the data, so that their checksum is verified as well.
    reader.finish().map_err(failed)
}

fn convert(from: &[u8], color: ColorType, channels: Channels, out: &mut [u8]) {
    let step = color.samples();
    match (channels, step) {
        (Channels::Rgb, 1 | 2) => {
            for (o, pixel) in out.chunks_exact_mut(3).zip(from.chunks_exact(step)) {
                o.fill(pixel.first().copied().unwrap_or(0));
            }
        }
        (Channels::Rgb, _) => {
            for (o, pixel) in out.chunks_exact_mut(3).zip(from.chunks_exact(step)) {
                o.copy_from_slice(pixel.get(..3).unwrap_or(&[0; 3]));
            }
        }
        (Channels::Gray, 1 | 2) => {
            for (o, pixel) in out.iter_mut().zip(from.chunks_exact(step)) {
                *o = pixel.first().copied().unwrap_or(0);
            }
        }
        (Channels::Gray, _) => {
            for (o, pixel) in out.iter_mut().zip(from.chunks_exact(step)) {
                if let &[r, g, b, ..] = pixel {
                    *o = gray(r, g, b);
                }
            }
        }
    }
}

/// Gray from RGB with libpng's default weights, in units of 1/32768, truncated as libpng does.
fn gray(r: u8, g: u8, b: u8) -> u8 {
    if r == g && g == b {
        return r;
    }
    ((6_968 * u32::from(r) + 23_434 * u32::from(g) + 2_366 * u32::from(b)) >> 15) as u8
}

fn failed(error: impl std::fmt::Display) -> ImageError {
    ImageError::decoder(Format::Png, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_gray() {
        assert_eq!(6_968 + 23_434 + 2_366, 32_768);
        for v in [0, 1, 127, 255] {
            assert_eq!(gray(v, v, v), v);
        }
    }

    #[test]
    fn conversions() {
        let mut rgb = [0; 6];
        convert(&[5, 0, 9, 255], ColorType::GrayscaleAlpha, Channels::Rgb, &mut rgb);
        assert_eq!(rgb, [5, 5, 5, 9, 9, 9]);
        convert(&[1, 2, 3, 0, 4, 5, 6, 7], ColorType::Rgba, Channels::Rgb, &mut rgb);
        assert_eq!(rgb, [1, 2, 3, 4, 5, 6]);
        let mut gray = [0; 1];
        convert(&[200, 0, 0], ColorType::Rgb, Channels::Gray, &mut gray);
        assert_eq!(gray, [42]);
    }
}
