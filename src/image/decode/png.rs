//! PNG through the `png` crate.

use std::io::Cursor;

use png::{BitDepth, ColorType, Transformations};

use super::{Channels, DecodeOptions};
use crate::image::buf::{ImageBuf, Shape, fit};
use crate::image::error::{ImageError, Result};
use crate::image::probe::probe_header;
use crate::image::sniff::Format;

/// Decodes to the wanted channels, always strict; returns the EXIF orientation.
pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
    scratch: &mut Vec<u8>,
    image: &mut ImageBuf<u8>,
) -> Result<Option<u8>> {
    let probe = probe_header(bytes, &options.limits)?;
    let mut decoder = png::Decoder::new_with_limits(
        Cursor::new(bytes),
        png::Limits { bytes: usize::try_from(options.limits.max_bytes).unwrap_or(usize::MAX) },
    );
    // libpng makes gray of 16-bit colours before it drops their low bytes, so these stay whole.
    let wide_gray = options.channels == Channels::Gray
        && decoder.read_header_info().map_err(failed)?.bit_depth == BitDepth::Sixteen;
    decoder.set_transformations(if wide_gray {
        Transformations::EXPAND
    } else {
        Transformations::EXPAND | Transformations::STRIP_16
    });
    let mut reader = decoder.read_info().map_err(failed)?;
    let (color, depth) = reader.output_color_type();
    let samples = color.samples();
    let sample_bytes = if depth == BitDepth::Sixteen { 2 } else { 1 };
    let wanted = options.channels.count();
    options.limits.check(probe.width, probe.height, (samples * sample_bytes).max(wanted))?;
    let expected = probe.width * probe.height * samples * sample_bytes;
    if reader.output_buffer_size() != Some(expected) {
        return Err(failed("another size than the header's"));
    }
    image.reshape(Shape::new(probe.height, probe.width, wanted))?;
    if samples * sample_bytes == wanted {
        reader.next_frame(image.pixels_mut()).map_err(failed)?;
    } else {
        fit(scratch, expected, 0)?;
        reader.next_frame(scratch).map_err(failed)?;
        if sample_bytes == 2 {
            wide_to_gray(scratch, samples, image.pixels_mut());
        } else {
            convert(scratch, color, options.channels, image.pixels_mut());
        }
    }
    // Reads the rest of the data, so that their checksum is verified as well.
    reader.finish().map_err(failed)?;
    Ok(probe.exif_orientation)
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

/// Weights of 0.299 and 0.587 in units of 1/32768 as libpng has them; blue has the rest.
const WEIGHTS: [u32; 3] = [9_797, 19_234, 3_737];

/// Gray from 8-bit RGB as in `tf.io.decode_png(channels=1)`: truncated.
fn gray(r: u8, g: u8, b: u8) -> u8 {
    let sum: u32 = WEIGHTS.iter().zip([r, g, b]).map(|(w, v)| w * u32::from(v)).sum();
    (sum >> 15) as u8
}

/// The high byte of gray from 16-bit samples, which libpng rounds.
fn wide_to_gray(from: &[u8], samples: usize, out: &mut [u8]) {
    for (o, pixel) in out.iter_mut().zip(from.chunks_exact(2 * samples)) {
        *o = match *pixel {
            [r1, r0, g1, g0, b1, b0, ..] => {
                let rgb = [[r1, r0], [g1, g0], [b1, b0]].map(u16::from_be_bytes);
                let sum: u32 = WEIGHTS.iter().zip(rgb).map(|(w, v)| w * u32::from(v)).sum();
                // A weighted mean of 16-bit values: at most 65535 x 32768 + 16384, below 2^32.
                ((sum + 16_384) >> 23) as u8
            }
            [high, ..] => high,
            [] => 0,
        };
    }
}

fn failed(error: impl std::fmt::Display) -> ImageError {
    ImageError::decoder(Format::Png, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_gray() {
        assert_eq!(WEIGHTS.iter().sum::<u32>(), 32_768);
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
        assert_eq!(gray, [59]);
        wide_to_gray(&[1, 2, 255, 0], 1, &mut gray);
        assert_eq!(gray, [1]);
    }
}
