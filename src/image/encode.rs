//! Encoding PNG and JPEG, and decoding the formats that a pipeline does not take.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};

use super::buf::{ImageBuf, Shape};
use super::error::{ImageError, Result};
use super::probe::{Limits, probe_header, unknown};
use super::sniff::{Format, sniff};

/// Encodes an 8-bit image of 1 to 4 channels (gray, gray and alpha, RGB, RGBA) as PNG.
///
/// # Errors
/// [`ImageError::Parameter`] for another number of channels or an empty image;
/// [`ImageError::Encode`].
///
/// ```
/// use tfrkit::image::{Format, ImageBuf, Shape, encode_png, sniff};
/// let image = ImageBuf::from_pixels(Shape::new(1, 1, 1), vec![9u8])?;
/// assert_eq!(sniff(&encode_png(&image)?), Some(Format::Png));
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn encode_png(image: &ImageBuf<u8>) -> Result<Vec<u8>> {
    let color = match image.shape().channels {
        1 => ExtendedColorType::L8,
        2 => ExtendedColorType::La8,
        3 => ExtendedColorType::Rgb8,
        4 => ExtendedColorType::Rgba8,
        n => return Err(channels("encode_png", n, "1 to 4")),
    };
    let mut out = Vec::new();
    encode(image.shape(), image.pixels(), PngEncoder::new(&mut out), color, Format::Png)?;
    Ok(out)
}

/// As [`encode_png`], with 16 bits a sample.
pub(super) fn encode_png_16(image: &ImageBuf<u16>) -> Result<Vec<u8>> {
    let color = match image.shape().channels {
        1 => ExtendedColorType::L16,
        2 => ExtendedColorType::La16,
        3 => ExtendedColorType::Rgb16,
        4 => ExtendedColorType::Rgba16,
        n => return Err(channels("encode_png", n, "1 to 4")),
    };
    let bytes: Vec<u8> = image.pixels().iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    let mut out = Vec::new();
    encode(image.shape(), &bytes, PngEncoder::new(&mut out), color, Format::Png)?;
    Ok(out)
}

/// Encodes an 8-bit image of 1 or 3 channels as baseline JPEG.
///
/// `quality` is 1..=100 on libjpeg's scale. The encoder is the `image` crate's, which does not
/// subsample the colours, so the bytes are not those of `tf.io.encode_jpeg`.
///
/// # Errors
/// [`ImageError::Parameter`] for another number of channels, a quality out of range or an empty
/// image; [`ImageError::Encode`].
pub fn encode_jpeg(image: &ImageBuf<u8>, quality: u8) -> Result<Vec<u8>> {
    let color = match image.shape().channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        n => return Err(channels("encode_jpeg", n, "1 or 3")),
    };
    if !(1..=100).contains(&quality) {
        return Err(ImageError::parameter("encode_jpeg", format!("a quality of {quality}, not in 1..=100")));
    }
    let mut out = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut out, quality);
    encode(image.shape(), image.pixels(), encoder, color, Format::Jpeg)?;
    Ok(out)
}

fn channels(op: &'static str, found: usize, wanted: &str) -> ImageError {
    ImageError::parameter(op, format!("{found} channels, not {wanted}"))
}

fn encode(
    shape: Shape,
    samples: &[u8],
    encoder: impl ImageEncoder,
    color: ExtendedColorType,
    format: Format,
) -> Result<()> {
    let Shape { height, width, .. } = shape;
    let failed = |detail: String| ImageError::Encode { format, detail };
    let (Ok(w), Ok(h)) = (u32::try_from(width), u32::try_from(height)) else {
        return Err(failed(format!("{height}x{width} pixels (height x width)")));
    };
    if w == 0 || h == 0 {
        return Err(failed("an image without pixels".to_owned()));
    }
    encoder.write_image(samples, w, h, color).map_err(|e| failed(e.to_string()))
}

/// Decodes any known format to 8 bits, with its own number of channels (1 to 4).
///
/// For re-encoding: of an animation the first frame, of 16-bit samples the value scaled to 8 bits.
/// JPEG and PNG are better decoded by [`Decoder`](super::Decoder), which is strict and has
/// TensorFlow's conversions.
///
/// # Errors
/// As [`probe_header`]; [`ImageError::Corrupt`] with the decoder's message.
pub fn decode_any(bytes: &[u8], limits: &Limits) -> Result<ImageBuf<u8>> {
    to_8_bits(decode_dynamic(bytes, limits)?.0)
}

/// Decodes any known format to what it holds, as it lies, and its orientation.
pub(super) fn decode_dynamic(bytes: &[u8], limits: &Limits) -> Result<(DynamicImage, Orientation)> {
    let format = sniff(bytes).ok_or_else(|| unknown(bytes))?;
    let probe = probe_header(bytes, limits)?;
    let mut reader = ImageReader::with_format(
        Cursor::new(bytes),
        match format {
            Format::Jpeg => ImageFormat::Jpeg,
            Format::Png => ImageFormat::Png,
            Format::Gif => ImageFormat::Gif,
            Format::Bmp => ImageFormat::Bmp,
            Format::Webp => ImageFormat::WebP,
            Format::Tiff => ImageFormat::Tiff,
        },
    );
    let mut bounds = image::Limits::default();
    let side = u32::try_from(limits.max_dim).unwrap_or(u32::MAX);
    bounds.max_image_width = Some(side);
    bounds.max_image_height = Some(side);
    bounds.max_alloc = Some(limits.max_bytes);
    reader.limits(bounds.clone());
    let failed = |e: image::ImageError| ImageError::decoder(format, e.to_string());
    let mut decoder = reader.into_decoder().map_err(failed)?;
    bounds.reserve(decoder.total_bytes()).map_err(failed)?;
    decoder.set_limits(bounds).map_err(failed)?;
    let exif = match format {
        Format::Jpeg | Format::Png => probe.exif_orientation,
        _ => decoder.orientation().ok().map(Orientation::to_exif),
    };
    let orientation = exif.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder).map_err(failed)?, orientation))
}

/// The pixels with their own number of channels.
pub(super) fn to_8_bits(decoded: DynamicImage) -> Result<ImageBuf<u8>> {
    let (height, width) = (decoded.height() as usize, decoded.width() as usize);
    let (channels, pixels) = match decoded.color().channel_count() {
        1 => (1, decoded.into_luma8().into_raw()),
        2 => (2, decoded.into_luma_alpha8().into_raw()),
        3 => (3, decoded.into_rgb8().into_raw()),
        _ => (4, DynamicImage::into_rgba8(decoded).into_raw()),
    };
    ImageBuf::from_pixels(Shape::new(height, width, channels), pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(channels: usize) -> ImageBuf<u8> {
        let shape = Shape::new(5, 7, channels);
        let pixels = (0..5 * 7 * channels).map(|i| (i * 3 % 251) as u8).collect();
        ImageBuf::from_pixels(shape, pixels).unwrap()
    }

    #[test]
    fn png_keeps_every_value() {
        for channels in 1..=4 {
            let bytes = encode_png(&image(channels)).unwrap();
            let back = decode_any(&bytes, &Limits::default()).unwrap();
            assert_eq!(back, image(channels));
        }
        assert!(encode_png(&image(5)).is_err());
    }

    #[test]
    fn jpeg_has_the_shape() {
        for channels in [1, 3] {
            let bytes = encode_jpeg(&image(channels), 95).unwrap();
            let back = decode_any(&bytes, &Limits::default()).unwrap();
            assert_eq!(back.shape(), Shape::new(5, 7, channels));
        }
        assert!(encode_jpeg(&image(2), 95).is_err());
        assert!(encode_jpeg(&image(3), 0).is_err());
    }

    #[test]
    fn an_empty_image_is_refused() {
        let empty = ImageBuf::from_pixels(Shape::new(0, 4, 3), vec![]).unwrap();
        assert!(encode_png(&empty).is_err());
        assert!(encode_jpeg(&empty, 90).is_err());
    }

    #[test]
    fn the_other_formats_decode() {
        let rgb = image::RgbImage::from_fn(6, 4, |x, y| image::Rgb([x as u8 * 40, y as u8 * 60, 7]));
        for format in [ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Tiff] {
            let mut bytes = Cursor::new(Vec::new());
            let source = match format {
                ImageFormat::Gif => DynamicImage::from(rgb.clone()).into_rgba8().into(),
                _ => DynamicImage::from(rgb.clone()),
            };
            source.write_to(&mut bytes, format).unwrap();
            let bytes = bytes.into_inner();
            let probe = probe_header(&bytes, &Limits::default()).unwrap();
            assert_eq!((probe.height, probe.width), (4, 6), "{format:?}");
            let back = decode_any(&bytes, &Limits::default()).unwrap();
            assert_eq!((back.shape().height, back.shape().width), (4, 6));
            let tight = Limits { max_pixels: 23, ..Limits::default() };
            assert!(decode_any(&bytes, &tight).is_err());
        }
    }
}
