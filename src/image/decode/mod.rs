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
pub(crate) use orientation::swaps_sides;

use super::buf::ImageBuf;
use super::error::{ImageError, Result};
use super::jpeg::{self, Depth, EntropyScratch, Jpeg, Target};
use super::probe::{Limits, unknown};
use super::sniff::{Format, sniff};

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
/// crate's own; with the feature `turbojpeg` it is libjpeg-turbo, with the same pixels. Arithmetic coding and 12-bit
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
            Some(Format::Jpeg) => self.decode_jpeg(bytes, image)?,
            Some(Format::Png) => png::decode(bytes, &self.options, &mut self.scratch, image)?,
            Some(other) => {
                let detail = "decoding this format in a pipeline (re-encode the set as PNG)";
                return Err(ImageError::unsupported(other, detail));
            }
            None => return Err(unknown(bytes)),
        };
        match self.options.orientation {
            Orientation::Ignore => Ok(()),
            Orientation::Apply => orientation::upright(image, exif, &mut self.turned),
        }
    }

    /// Decodes a JPEG and returns its EXIF orientation.
    fn decode_jpeg(&mut self, bytes: &[u8], image: &mut ImageBuf<u8>) -> Result<Option<u8>> {
        let DecodeOptions { channels, truncated, limits, dct, .. } = self.options;
        let strict = truncated == Truncated::Refuse;
        let target = Target {
            scratch: &mut self.jpeg,
            image,
            gray: channels == Channels::Gray,
            accurate: dct == Dct::Islow,
            limits,
        };
        if backend::DECODES_ALL {
            return self.decode_by_backend(bytes, image);
        }
        match jpeg::read(bytes, &limits, Depth::Pixels(target)) {
            Err(_) if !strict => self.decode_by_backend(bytes, image),
            read => read.map(|jpeg| jpeg.orientation),
        }
    }

    fn decode_by_backend(&mut self, bytes: &[u8], image: &mut ImageBuf<u8>) -> Result<Option<u8>> {
        let DecodeOptions { channels, truncated, limits, .. } = self.options;
        let strict = truncated == Truncated::Refuse;
        let depth = if strict { Depth::Markers } else { Depth::Header };
        let jpeg = jpeg::read(bytes, &limits, depth)?;
        jpeg::shape(&jpeg.frame, channels == Channels::Gray, &limits, image)?;
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
