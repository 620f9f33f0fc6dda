//! Pixels on their way from one file to another: upright, with all their channels, 8 or 16 bits each.

use super::buf::{ImageBuf, Shape};
use super::encode::{decode_dynamic, encode_png, encode_png_16};
use super::error::Result;
use super::probe::Limits;
use super::resize::{resize_shorter_side, resize_shorter_side_16};

/// Decoded pixels of the file's own depth.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pixels {
    U8(ImageBuf<u8>),
    U16(ImageBuf<u16>),
}

impl Pixels {
    /// As [`resize_shorter_side`].
    pub(crate) fn resize_shorter_side(self, side: usize) -> Result<Self> {
        Ok(match self {
            Pixels::U8(image) => Pixels::U8(resize_shorter_side(image, side)?),
            Pixels::U16(image) => Pixels::U16(resize_shorter_side_16(image, side)?),
        })
    }

    /// As a PNG of the same depth.
    pub(crate) fn encode_png(&self) -> Result<Vec<u8>> {
        match self {
            Pixels::U8(image) => encode_png(image),
            Pixels::U16(image) => encode_png_16(image),
        }
    }
}

/// Decodes any known format to its own channels (1 to 4) and depth, turned as its EXIF orientation says. Of an animation
/// the first frame; floating point becomes 8 bits. JPEG is better decoded by [`Decoder`](super::Decoder).
pub(crate) fn decode_upright(bytes: &[u8], limits: &Limits) -> Result<Pixels> {
    let (mut decoded, orientation) = decode_dynamic(bytes, limits)?;
    decoded.apply_orientation(orientation);
    let color = decoded.color();
    let channels = usize::from(color.channel_count());
    let shape = Shape::new(decoded.height() as usize, decoded.width() as usize, channels);
    // Two bytes a channel are 16-bit integers; floats have four.
    if color.bytes_per_pixel() != 2 * color.channel_count() {
        return super::encode::to_8_bits(decoded).map(Pixels::U8);
    }
    let samples = match channels {
        1 => decoded.into_luma16().into_raw(),
        2 => decoded.into_luma_alpha16().into_raw(),
        3 => decoded.into_rgb16().into_raw(),
        _ => decoded.into_rgba16().into_raw(),
    };
    Ok(Pixels::U16(ImageBuf::from_pixels(shape, samples)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(channels: usize) -> ImageBuf<u16> {
        let shape = Shape::new(4, 6, channels);
        let samples = (0..4 * 6 * channels).map(|i| (i * 2657 % 65_521) as u16).collect();
        ImageBuf::from_pixels(shape, samples).unwrap()
    }

    /// The PNG with an orientation (`eXIf`) before its pixels.
    fn turned(png: &[u8], orientation: u8) -> Vec<u8> {
        let data = [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0]].concat();
        let chunk = [b"eXIf", &data[..]].concat();
        let length = (data.len() as u32).to_be_bytes();
        let crc = crc32fast::hash(&chunk).to_be_bytes();
        [&png[..33], &length, &chunk, &crc, &png[33..]].concat()
    }

    #[test]
    fn sixteen_bits_go_through_a_png_and_a_resize() {
        for channels in 1..=4 {
            let png = Pixels::U16(image(channels)).encode_png().unwrap();
            let back = decode_upright(&png, &Limits::default()).unwrap();
            assert_eq!(back, Pixels::U16(image(channels)));
            let Pixels::U16(small) = back.resize_shorter_side(2).unwrap() else { panic!("8 bits") };
            assert_eq!(small.shape(), Shape::new(2, 3, channels));
        }
        let flat = ImageBuf::from_pixels(Shape::new(4, 4, 1), vec![40_001u16; 16]).unwrap();
        let Pixels::U16(small) = Pixels::U16(flat).resize_shorter_side(2).unwrap() else { panic!("8 bits") };
        assert_eq!(small.pixels(), [40_001; 4]);
    }

    #[test]
    fn a_png_is_turned_as_the_decoder_turns_it() {
        use crate::image::{DecodeOptions, Decoder, Orientation};
        let shape = Shape::new(3, 5, 3);
        let rgb = ImageBuf::from_pixels(shape, (0..45).collect()).unwrap();
        let png = encode_png(&rgb).unwrap();
        let options = DecodeOptions { orientation: Orientation::Apply, ..DecodeOptions::default() };
        let mut decoder = Decoder::new(options).unwrap();
        for orientation in 1..=8 {
            let png = turned(&png, orientation);
            let upright = decode_upright(&png, &Limits::default()).unwrap();
            assert_eq!(upright, Pixels::U8(decoder.decode(&png).unwrap()), "orientation {orientation}");
        }
        assert_eq!(decode_upright(&turned(&png, 9), &Limits::default()).unwrap(), Pixels::U8(rgb));
    }
}
