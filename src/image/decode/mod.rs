//! Decoding JPEG and PNG to 8-bit pixels.

mod orientation;
mod png;
#[cfg(feature = "turbojpeg")]
mod turbo;
#[cfg(not(feature = "turbojpeg"))]
mod zune;

#[cfg(feature = "turbojpeg")]
use turbo as backend;
#[cfg(not(feature = "turbojpeg"))]
use zune as backend;

pub use orientation::Orientation;
pub(crate) use orientation::{swaps_sides, upright_box};

use super::buf::{ImageBuf, Shape, fit};
use super::error::{ImageError, Result};
use super::jpeg::{self, Depth, EntropyScratch, Extent, Jpeg, Scale, Target};
use super::ops::{Rect, crop_to_bounding_box};
use super::probe::{Limits, unknown};
use super::sniff::{Format, sniff};

/// See [`Decoder::decoder_revision`].
const REVISION: u32 = 1;

/// Channels of the decoded image: the `channels` argument of `tf.io.decode_jpeg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Channels {
    /// One channel. From a colour JPEG this is its luma plane, as libjpeg's grayscale output.
    Gray,
    /// Three channels; gray is repeated, alpha is dropped. The default.
    #[default]
    Rgb,
}

impl Channels {
    /// The number of channels: 1 or 3.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
        }
    }

    /// The variant for a number of channels, or `None` unless it is 1 or 3.
    #[must_use]
    pub fn from_count(count: usize) -> Option<Self> {
        match count {
            1 => Some(Self::Gray),
            3 => Some(Self::Rgb),
            _ => None,
        }
    }
}

/// What to do with a JPEG whose data end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Truncated {
    /// An error. The default.
    #[default]
    Refuse,
    /// Decode what is there; the rest is the decoder's filling, usually gray. JPEG only.
    Accept,
}

/// The inverse DCT of a JPEG: the `dct_method` argument of `tf.io.decode_jpeg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dct {
    /// TensorFlow's default, which is [`Dct::Ifast`]. The default.
    #[default]
    Auto,
    /// libjpeg's fast transform (TensorFlow `INTEGER_FAST`).
    Ifast,
    /// libjpeg's accurate transform (TensorFlow `INTEGER_ACCURATE`).
    Islow,
}

/// How to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// Channels of the output.
    pub channels: Channels,
    /// What to do with a JPEG whose data end early.
    pub truncated: Truncated,
    /// The inverse DCT.
    pub dct: Dct,
    /// What to do with an EXIF orientation.
    pub orientation: Orientation,
    /// Bounds checked before allocation.
    pub limits: Limits,
}

/// Decodes images one after another; one for each worker, since it keeps scratch memory.
///
/// Strict unless [`Truncated::Accept`] says otherwise: a JPEG must pass the marker walk of
/// [`probe_header`](super::probe_header) and have every block of every scan, whichever library
/// decodes it. EXIF orientation is ignored, as in TensorFlow, unless [`Orientation::Apply`] says
/// otherwise.
///
/// # TensorFlow's pixels
///
/// PNG and JPEG have TensorFlow's very pixels, for both transforms, held against its x86-64 build (2.21): JPEG sequential
/// and progressive, gray, YCbCr, RGB, CMYK and YCCK, with all sampling factors that libjpeg takes. The decoder is this
/// crate's own; with the feature `turbojpeg` it is libjpeg-turbo for whole images at their own size, with the same pixels.
/// Arithmetic coding and 12-bit
/// samples are not decoded.
///
/// What differs is what is refused: TensorFlow takes some damaged files that are an error here. What
/// [`Truncated::Accept`] makes of these is not TensorFlow's.
///
/// ```
/// use tfrkit::image::{DecodeOptions, Decoder, ImageBuf, Shape, encode_png};
/// let image = ImageBuf::from_pixels(Shape::new(1, 2, 3), vec![1u8, 2, 3, 4, 5, 6])?;
/// let mut decoder = Decoder::new(DecodeOptions::default())?;
/// assert_eq!(decoder.decode(&encode_png(&image)?)?, image);
/// # Ok::<(), tfrkit::image::ImageError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    options: DecodeOptions,
    entropy: EntropyScratch,
    scratch: Vec<u8>,
    jpeg: jpeg::Scratch,
    turned: ImageBuf<u8>,
    backend: backend::Backend,
}

impl Decoder {
    /// Makes a decoder.
    ///
    /// # Errors
    /// [`ImageError::Corrupt`] if libjpeg-turbo cannot start, which is out of memory.
    pub fn new(options: DecodeOptions) -> Result<Self> {
        Ok(Self {
            backend: backend::Backend::new(options.dct)?,
            options,
            entropy: EntropyScratch::default(),
            scratch: Vec::new(),
            jpeg: jpeg::Scratch::default(),
            turned: ImageBuf::empty(),
        })
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// What decodes JPEG: `tfrkit`, or `libjpeg-turbo` with feature `turbojpeg`.
    #[must_use]
    pub fn decoder_name() -> &'static str {
        backend::NAME
    }

    /// The version of [`decoder_name`](Self::decoder_name): this crate's, or that of the library it was tested with.
    ///
    /// A dependent crate's lock file may hold a later compatible release; the library does not tell its version at run
    /// time.
    #[must_use]
    pub fn decoder_version() -> &'static str {
        backend::VERSION
    }

    /// A number that is raised by hand where any image's pixels change, or an image is decoded that was an error before:
    /// what depends on them, such as checkpoints and caches, goes by it and not by the crate's version.
    #[must_use]
    pub fn decoder_revision() -> u32 {
        REVISION
    }

    /// Decodes a JPEG or PNG: `tf.io.decode_image(contents, channels, expand_animations=False)`.
    ///
    /// PNG: 16-bit samples keep their high byte, palettes are expanded, alpha is dropped. JPEG with
    /// four inks (CMYK, YCCK) becomes RGB; to one channel it is an error, as in TensorFlow.
    ///
    /// Height and width are those of [`Probe::size`](super::Probe::size) for the option
    /// [`orientation`](DecodeOptions::orientation).
    ///
    /// # Errors
    /// As [`probe_header`](super::probe_header), and what the decoder finds beyond it.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<ImageBuf<u8>> {
        let mut image = ImageBuf::empty();
        self.decode_into(bytes, &mut image)?;
        Ok(image)
    }

    /// As [`decode`](Self::decode), into an image whose allocation is reused.
    ///
    /// After an error the pixels of `image` are unspecified.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_into(&mut self, bytes: &[u8], image: &mut ImageBuf<u8>) -> Result<()> {
        let exif = match sniff(bytes) {
            Some(Format::Jpeg) => self.decode_jpeg(bytes, Extent::default(), image)?,
            Some(Format::Png) => {
                self.jpeg.give_back()?;
                png::decode(bytes, &self.options, &mut self.scratch, image)?
            }
            Some(other) => {
                let detail = "decoding this format in a pipeline (re-encode the set as PNG)";
                return Err(ImageError::unsupported(other, detail));
            }
            None => return Err(unknown(bytes)),
        };
        self.turn(exif, image)
    }

    /// Decodes a rectangle of the image: the pixels of [`decode_into`](Self::decode_into) and then
    /// [`crop_to_bounding_box`](super::ops::crop_to_bounding_box), which is `tf.io.decode_and_crop_jpeg`.
    ///
    /// Of a JPEG only what the rectangle takes is computed. All of it is read nevertheless, so that damage anywhere is
    /// found as it is by [`decode`](Self::decode). With the orientation applied, the rectangle is one of the upright image.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and [`ImageError::Parameter`] for a rectangle that is empty or not inside the image.
    ///
    /// ```
    /// use tfrkit::image::{DecodeOptions, Decoder, ImageBuf, Shape, encode_jpeg, ops::{self, Rect}};
    /// let pixels = (0..60 * 40 * 3).map(|i| (i % 256) as u8).collect();
    /// let jpeg = encode_jpeg(&ImageBuf::from_pixels(Shape::new(60, 40, 3), pixels)?, 90)?;
    /// let rect = Rect::at((10, 20), (30, 15));
    /// let mut decoder = Decoder::new(DecodeOptions::default())?;
    /// let mut part = ImageBuf::empty();
    /// decoder.decode_region(&jpeg, rect, &mut part)?;
    /// let mut whole = decoder.decode(&jpeg)?;
    /// ops::crop_to_bounding_box(&mut whole, rect)?;
    /// assert_eq!(part, whole);
    /// # Ok::<(), tfrkit::image::ImageError>(())
    /// ```
    pub fn decode_region(&mut self, bytes: &[u8], rect: Rect, image: &mut ImageBuf<u8>) -> Result<()> {
        self.decode_scaled(bytes, Scale::Full, Some(rect), image)
    }

    /// Decodes a JPEG to fewer pixels, by an inverse transform to fewer samples: `tf.io.decode_jpeg` with a `ratio` of 2, 4
    /// or 8, with its very pixels, in a fraction of the time. `rect` is as for [`decode_region`](Self::decode_region), in
    /// pixels of the smaller image; `None` is all of it.
    ///
    /// Height and width are those of [`Scale::size_of`]. A PNG has no smaller sizes and is decoded as it is.
    ///
    /// # Errors
    /// As [`decode_region`](Self::decode_region). At a smaller scale a truncated JPEG is an error even with
    /// [`Truncated::Accept`].
    pub fn decode_scaled(
        &mut self,
        bytes: &[u8],
        scale: Scale,
        rect: Option<Rect>,
        image: &mut ImageBuf<u8>,
    ) -> Result<()> {
        if sniff(bytes) != Some(Format::Jpeg) {
            self.decode_into(bytes, image)?;
            return rect.map_or(Ok(()), |rect| crop_to_bounding_box(image, rect));
        }
        let rect = match (rect, self.options.orientation) {
            (Some(rect), Orientation::Apply) => {
                let header = jpeg::read(bytes, &self.options.limits, Depth::Header)?;
                let size = scale.size_of((header.frame.height, header.frame.width));
                Some(orientation::stored_rect(rect, header.orientation, size)?)
            }
            (rect, _) => rect,
        };
        let exif = self.decode_jpeg(bytes, Extent { scale, rect }, image)?;
        self.turn(exif, image)
    }

    /// Height and width that a JPEG will be decoded to, by its header; `None` for other formats.
    pub(crate) fn jpeg_size(&self, bytes: &[u8]) -> Result<Option<(usize, usize)>> {
        if sniff(bytes) != Some(Format::Jpeg) {
            return Ok(None);
        }
        let jpeg = jpeg::read(bytes, &self.options.limits, Depth::Header)?;
        Ok(Some(jpeg.probe().size(self.options.orientation)))
    }

    /// Turns a decoded image upright if that is wanted.
    fn turn(&mut self, exif: Option<u8>, image: &mut ImageBuf<u8>) -> Result<()> {
        match self.options.orientation {
            Orientation::Ignore => Ok(()),
            Orientation::Apply => {
                self.turned.give_back(image.pixels().len());
                orientation::upright(image, exif, &mut self.turned)
            }
        }
    }

    /// Decodes a JPEG and returns its EXIF orientation.
    fn decode_jpeg(&mut self, bytes: &[u8], extent: Extent, image: &mut ImageBuf<u8>) -> Result<Option<u8>> {
        let DecodeOptions { channels, truncated, limits, dct, .. } = self.options;
        fit(&mut self.scratch, 0, 0)?;
        if backend::DECODES_ALL && extent.is_all() {
            return self.decode_by_backend(bytes, image);
        }
        let target = Target {
            scratch: &mut self.jpeg,
            image,
            gray: channels == Channels::Gray,
            accurate: dct == Dct::Islow,
            limits,
            extent,
        };
        let read = jpeg::read(bytes, &limits, Depth::Pixels(target));
        if read.is_err() && truncated == Truncated::Accept && extent.scale == Scale::Full {
            let exif = self.decode_by_backend(bytes, image)?;
            if let Some(rect) = extent.rect {
                crop_to_bounding_box(image, rect)?;
            }
            return Ok(exif);
        }
        read.map(|jpeg| jpeg.orientation)
    }

    fn decode_by_backend(&mut self, bytes: &[u8], image: &mut ImageBuf<u8>) -> Result<Option<u8>> {
        let DecodeOptions { channels, truncated, limits, .. } = self.options;
        let strict = truncated == Truncated::Refuse;
        let depth = if strict { Depth::Markers } else { Depth::Header };
        let jpeg = jpeg::read(bytes, &limits, depth)?;
        let channels = jpeg::check(&jpeg.frame, channels == Channels::Gray, &limits)?;
        image.reshape(Shape::new(jpeg.frame.height, jpeg.frame.width, channels))?;
        let doubt = self.backend.decode(bytes, &jpeg, &self.options, &mut self.scratch, image.pixels_mut())?;
        if doubt == Doubt::Warned && strict {
            // libjpeg warns of harmless things as well; the walk tells which this is.
            jpeg::read(bytes, &self.options.limits, Depth::Entropy(&mut self.entropy))?;
        }
        Ok(jpeg.orientation)
    }
}

/// Whether a decoder found fault with what it decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    #[cfg_attr(not(feature = "turbojpeg"), allow(dead_code))]
    Warned,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_locked_one() {
        let Ok(lock) = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")) else {
            return;
        };
        let entry = format!("name = \"{}\"\nversion = \"{}\"", backend::CRATE.0, backend::CRATE.1);
        assert!(lock.contains(&entry), "Cargo.lock does not hold {entry}");
    }

    #[test]
    fn formats_outside_the_pipeline_say_what_to_do() {
        let mut decoder = Decoder::new(DecodeOptions::default()).unwrap();
        let error = decoder.decode(b"GIF89a").unwrap_err();
        assert!(error.to_string().contains("PNG"), "{error}");
        assert!(decoder.decode(b"").is_err());
    }
}
