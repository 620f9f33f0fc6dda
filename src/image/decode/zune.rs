//! JPEG through the pure-Rust `zune-jpeg`: what this crate's own decoder refuses and `Truncated::Accept` wants all the same.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Channels, Dct, DecodeOptions, Doubt, Jpeg};
use crate::image::buf::fit;
use crate::image::error::{ImageError, Result};
use crate::image::jpeg::MAX_SCANS;
use crate::image::jpeg::color::{ColorModel, cmyk_to_rgb, rgb_to_luma, ycck_to_cmyk};
use crate::image::sniff::Format;

/// What decodes whole images.
pub(super) const NAME: &str = env!("CARGO_PKG_NAME");
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The crate in Cargo.lock, for the test that keeps [`VERSION`] true.
#[cfg(test)]
pub(super) const CRATE: (&str, &str) = (NAME, VERSION);
/// It takes only what this crate's decoder refuses.
pub(super) const DECODES_ALL: bool = false;

#[derive(Debug)]
pub(super) struct Backend;

impl Backend {
    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn new(_: Dct) -> Result<Self> {
        Ok(Self)
    }

    /// Decodes into `out`, which has exactly the frame's pixels in the wanted channels.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        jpeg: &Jpeg,
        options: &DecodeOptions,
        scratch: &mut Vec<u8>,
        out: &mut [u8],
    ) -> Result<Doubt> {
        // It panics over some of these; libjpeg-turbo decodes them to gray.
        jpeg.frame.check_fractions()?;
        let base = DecoderOptions::default()
            .set_use_unsafe(true)
            .set_strict_mode(false)
            .set_max_width(options.limits.max_dim)
            .set_max_height(options.limits.max_dim)
            .jpeg_set_max_scans(MAX_SCANS);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), base);
        decoder.decode_headers().map_err(failed)?;
        let input = decoder.input_colorspace();
        let output = match (options.channels, input) {
            (Channels::Gray, _) if jpeg.model != ColorModel::Rgb => ColorSpace::Luma,
            (_, Some(inks @ (ColorSpace::CMYK | ColorSpace::YCCK))) => inks,
            _ => ColorSpace::RGB,
        };
        decoder.set_options(base.jpeg_set_out_colorspace(output));
        let pixels = jpeg.frame.width * jpeg.frame.height;
        if decoder.dimensions() != Some((jpeg.frame.width, jpeg.frame.height)) {
            return Err(failed("zune-jpeg reads another size from the header"));
        }
        let channels = output.num_components();
        // Some sampling factors are more than its assertions allow. Neither the decoder nor what it has written is looked
        // at after a panic.
        let mut decode = |out: &mut [u8]| {
            let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode_into(out).map_err(failed)));
            decoded.unwrap_or_else(|_| Err(failed("zune-jpeg panicked")))
        };
        if channels == options.channels.count() {
            decode(out)?;
            return Ok(Doubt::None);
        }
        fit(scratch, pixels * channels, 0)?;
        decode(scratch)?;
        match output {
            ColorSpace::YCCK => {
                // zune-jpeg's own conversion rounds where TensorFlow's truncates.
                ycck_to_cmyk(scratch);
                cmyk_to_rgb(scratch, jpeg.adobe, out);
            }
            ColorSpace::CMYK => cmyk_to_rgb(scratch, jpeg.adobe, out),
            _ => rgb_to_luma(scratch, out),
        }
        Ok(Doubt::None)
    }
}

fn failed(error: impl std::fmt::Debug) -> ImageError {
    ImageError::decoder(Format::Jpeg, format!("{error:?}"))
}
