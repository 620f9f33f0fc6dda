//! What an encoded image says about itself, without decoding its pixels.

mod carry;
mod header;
mod png;

use super::decode::{Orientation, swaps_sides};
use super::error::{ImageError, Result};
use super::jpeg::{self, Depth};
use super::sniff::{Format, sniff};

/// Bounds checked against an image's header before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (height x width). Default 178,956,970, as in Pillow.
    pub max_pixels: u64,
    /// Longest side in pixels. Default 65,535.
    pub max_dim: usize,
    /// Most bytes of decoded 8-bit output; and, apart from it, of what a JPEG of several scans is kept in until its last one:
    /// two for each coefficient of a progressive one, else one for each sample. Default four a pixel of `max_pixels`.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 178_956_970, max_dim: 65_535, max_bytes: 4 * 178_956_970 }
    }
}

impl Limits {
    /// As [`check`](Self::check), for memory that is not the image itself.
    pub(crate) fn check_bytes(&self, (width, height): (usize, usize), bytes: u64, unit: &'static str) -> Result<()> {
        if bytes > self.max_bytes {
            return Err(ImageError::TooLarge { width, height, limit: self.max_bytes, unit });
        }
        Ok(())
    }

    /// Fails with [`ImageError::TooLarge`] when an image of this size is over a limit.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`], naming the limit.
    pub fn check(&self, width: usize, height: usize, channels: usize) -> Result<()> {
        let pixels = (width as u64).saturating_mul(height as u64);
        let bytes = pixels.saturating_mul(channels as u64);
        let over = |limit, unit| Err(ImageError::TooLarge { width, height, limit, unit });
        if width.max(height) > self.max_dim {
            over(self.max_dim as u64, "pixels a side")
        } else if pixels > self.max_pixels {
            over(self.max_pixels, "pixels")
        } else if bytes > self.max_bytes {
            over(self.max_bytes, "bytes decoded")
        } else {
            Ok(())
        }
    }
}

/// The colour model of an encoded image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Colorspace {
    /// One channel.
    Grayscale,
    /// Gray with alpha.
    GrayAlpha,
    /// Three colours, whether stored as RGB, YCbCr or a palette.
    Rgb,
    /// Three colours with alpha.
    Rgba,
    /// Four inks, stored as CMYK or YCCK.
    Cmyk,
}

impl Colorspace {
    /// The name written in TFRecord `image/colorspace` features.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grayscale => "Grayscale",
            Self::GrayAlpha => "GrayAlpha",
            Self::Rgb => "RGB",
            Self::Rgba => "RGBA",
            Self::Cmyk => "CMYK",
        }
    }
}

/// What an image's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The container format.
    pub format: Format,
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Channels as stored; a palette counts as its colours.
    pub channels: usize,
    /// The colour model.
    pub colorspace: Colorspace,
    /// Whether the image is a progressive JPEG or an interlaced PNG.
    pub progressive: bool,
    /// The EXIF orientation, 1..=8; TensorFlow ignores it. Height and width are those before it is applied.
    pub exif_orientation: Option<u8>,
}

impl Probe {
    /// Height and width as a [`Decoder`](super::Decoder) with this option gives them.
    ///
    /// ```
    /// use tfrkit::image::{Orientation, probe_magic};
    /// // A JPEG of 2 rows and 3 columns that is to be turned by a quarter.
    /// let exif = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    /// let jpeg = [b"\xff\xd8", &exif[..], b"\xff\xc0\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0"].concat();
    /// let (_, probe) = probe_magic(&jpeg)?;
    /// let probe = probe.unwrap();
    /// assert_eq!(probe.size(Orientation::Ignore), (2, 3));
    /// assert_eq!(probe.size(Orientation::Apply), (3, 2));
    /// # Ok::<(), tfrkit::image::ImageError>(())
    /// ```
    #[must_use]
    pub fn size(&self, orientation: Orientation) -> (usize, usize) {
        if orientation == Orientation::Apply && swaps_sides(self.exif_orientation) {
            (self.width, self.height)
        } else {
            (self.height, self.width)
        }
    }
}

/// Checks an image's structure from its first to its last marker, and reads its header.
///
/// A JPEG's segments are all bounds-checked, its frame, table and scan headers read, its scans
/// passed over to an EOI marker; each scan must have its tables (Huffman tables that a sequential frame does not define are
/// those of annex K), and a progressive image all its refinements. A PNG's
/// chunks are walked to IEND and each CRC is checked. Bytes after EOI or IEND are accepted. No
/// pixel is decoded; [`verify_entropy`](super::verify_entropy) goes further for JPEG. Of GIF, BMP,
/// WebP and TIFF only the header is read. A file of any format that is too short to hold as many pixels as its header
/// promises is truncated.
///
/// # Errors
/// [`ImageError::UnknownFormat`]; [`ImageError::Truncated`] and [`ImageError::Corrupt`] with the
/// byte offset; [`ImageError::Unsupported`] (lossless, arithmetic or 12-bit JPEG);
/// [`ImageError::TooLarge`].
///
/// ```
/// use tfrkit::image::{ImageBuf, Limits, Shape, encode_jpeg, probe_header};
/// let image = ImageBuf::from_pixels(Shape::new(8, 16, 3), vec![128u8; 8 * 16 * 3])?;
/// let bytes = encode_jpeg(&image, 90)?;
/// let probe = probe_header(&bytes, &Limits::default())?;
/// assert_eq!((probe.height, probe.width), (8, 16));
/// assert!(probe_header(&bytes[..bytes.len() - 2], &Limits::default()).is_err());
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn probe_header(bytes: &[u8], limits: &Limits) -> Result<Probe> {
    match sniff(bytes) {
        Some(Format::Jpeg) => {
            let jpeg = jpeg::read(bytes, limits, Depth::Markers)?;
            jpeg.frame.check_fractions()?;
            Ok(jpeg.probe())
        }
        Some(Format::Png) => png::probe(bytes, limits),
        Some(other) => {
            let probe = header::probe(bytes, other)
                .ok_or_else(|| ImageError::truncated(other, bytes.len(), "the header cannot be read"))?;
            limits.check(probe.width, probe.height, probe.channels)?;
            carry::check(bytes, &probe)?;
            Ok(probe)
        }
        None => Err(unknown(bytes)),
    }
}

/// Names the format by its magic number and reads the header where that is possible.
///
/// Nothing is verified: `None` beside the format means that the header could not be read, and a
/// probe does not mean that the image can be decoded. Only the bytes up to the header are touched.
///
/// # Errors
/// [`ImageError::UnknownFormat`].
///
/// ```
/// use tfrkit::image::{Format, probe_magic};
/// let (format, probe) = probe_magic(b"GIF89a\x02\0\x01\0")?;
/// assert_eq!(format, Format::Gif);
/// assert_eq!(probe.map(|p| (p.height, p.width)), Some((1, 2)));
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
pub fn probe_magic(bytes: &[u8]) -> Result<(Format, Option<Probe>)> {
    let format = sniff(bytes).ok_or_else(|| unknown(bytes))?;
    let open = Limits { max_pixels: u64::MAX, max_dim: usize::MAX, max_bytes: u64::MAX };
    let probe = match format {
        Format::Jpeg => jpeg::read(bytes, &open, Depth::Header).ok().map(|j| j.probe()),
        Format::Png => png::probe_ihdr(bytes),
        other => header::probe(bytes, other),
    };
    Ok((format, probe))
}

pub(crate) fn unknown(bytes: &[u8]) -> ImageError {
    ImageError::UnknownFormat { start: bytes.iter().take(8).copied().collect() }
}

/// The orientation (tag 274 of IFD 0) of a TIFF structure as EXIF holds it, if valid.
pub(crate) fn exif_orientation(tiff: &[u8]) -> Option<u8> {
    let value = header::exif_tag(tiff, 274)?;
    u8::try_from(value).ok().filter(|o| (1..=8).contains(o))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_header_is_refused_before_allocation() {
        let limits = Limits::default();
        match limits.check(65_500, 65_500, 3) {
            Err(ImageError::TooLarge { unit: "pixels", .. }) => {}
            other => panic!("{other:?}"),
        }
        // SOI and a frame header of 65500x65500 with one component.
        let jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\0";
        assert!(matches!(probe_header(jpeg, &limits), Err(ImageError::TooLarge { .. })));
        let (_, probe) = probe_magic(jpeg).unwrap();
        assert_eq!(probe.unwrap().width, 65_500);
    }

    #[test]
    fn unknown_bytes_are_shown() {
        let error = probe_header(b"<html>", &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("3c, 68"), "{error}");
        assert!(probe_magic(b"").is_err());
    }

    #[test]
    fn magic_survives_a_cut_header() {
        assert_eq!(probe_magic(b"\xff\xd8\xff\xe0").unwrap(), (Format::Jpeg, None));
        assert_eq!(probe_magic(b"BM").unwrap(), (Format::Bmp, None));
    }

    #[test]
    fn orientation_in_both_byte_orders() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0";
        assert_eq!(exif_orientation(little), Some(6));
        assert_eq!(exif_orientation(big), Some(3));
        for cut in 0..little.len() - 2 {
            assert_eq!(exif_orientation(&little[..cut]), None);
        }
    }
}
