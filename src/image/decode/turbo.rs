//! JPEG through libjpeg-turbo's TurboJPEG 3 interface, for TensorFlow's exact pixels.
//!
//! The only unsafe code of the image floor is here: calls of a C library on one handle.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::ptr::NonNull;

use turbojpeg_sys as sys;

use super::{Channels, Dct, DecodeOptions, Doubt, Jpeg};
use crate::image::buf::fit;
use crate::image::error::{ImageError, Result};
use crate::image::jpeg::MAX_SCANS;
use crate::image::jpeg::color::cmyk_to_rgb;
use crate::image::sniff::Format;

pub(super) const NAME: &str = "libjpeg-turbo";
pub(super) const VERSION: &str = "3.1.0";
/// The crate in Cargo.lock that bundles [`VERSION`].
#[cfg(test)]
pub(super) const CRATE: (&str, &str) = ("turbojpeg-sys", "1.2.0");
/// It takes every JPEG, and warns whenever a scan's data end before its last block.
pub(super) const DECODES_ALL: bool = true;

/// Makes a handle for each image.
///
/// One that is used again keeps the tables of the image before, with which it would decode a JPEG that has none of its own
/// (Motion JPEG); and after a header that fails, it is left in the middle of that header (3.1.0).
#[derive(Debug)]
pub(super) struct Backend {
    dct: Dct,
}

impl Backend {
    pub(super) fn new(dct: Dct) -> Result<Self> {
        Handle::new(dct).map(|_| Self { dct })
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
        Handle::new(self.dct)?.decode(bytes, jpeg, options, scratch, out)
    }
}

/// The library's opaque struct.
#[derive(Debug)]
struct Handle(NonNull<std::ffi::c_void>);

impl Handle {
    fn new(dct: Dct) -> Result<Self> {
        // SAFETY: takes no pointer; returns null on failure.
        let handle = unsafe { sys::tj3Init(sys::TJINIT_TJINIT_DECOMPRESS as c_int) };
        let mut handle = NonNull::new(handle.cast())
            .map(Self)
            .ok_or_else(|| ImageError::decoder(Format::Jpeg, "libjpeg-turbo cannot start"))?;
        let fast = c_int::from(dct != Dct::Islow);
        handle.set(sys::TJPARAM_TJPARAM_FASTDCT, fast)?;
        handle.set(sys::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS as c_int)?;
        Ok(handle)
    }

    fn set(&mut self, parameter: sys::TJPARAM, value: c_int) -> Result<()> {
        // SAFETY: the handle is live.
        let code = unsafe { sys::tj3Set(self.raw(), parameter as c_int, value) };
        if code == 0 { Ok(()) } else { Err(self.error()) }
    }

    fn get(&mut self, parameter: sys::TJPARAM) -> usize {
        // SAFETY: the handle is live.
        let value = unsafe { sys::tj3Get(self.raw(), parameter as c_int) };
        usize::try_from(value).unwrap_or(0)
    }

    fn raw(&self) -> sys::tjhandle {
        self.0.as_ptr().cast()
    }

    fn error(&mut self) -> ImageError {
        // SAFETY: the handle is live; the library returns a NUL-terminated string it owns, which
        // stays valid until the next call on the handle.
        let text = unsafe { CStr::from_ptr(sys::tj3GetErrorStr(self.raw())) };
        ImageError::decoder(Format::Jpeg, text.to_string_lossy())
    }

    /// Whether the last failure was a warning, after which the pixels are all written.
    fn warned(&mut self) -> bool {
        // SAFETY: the handle is live.
        let code = unsafe { sys::tj3GetErrorCode(self.raw()) };
        code == sys::TJERR_TJERR_WARNING as c_int
    }

    /// Decodes into `out`, which has exactly the frame's pixels in the wanted channels.
    fn decode(
        &mut self,
        bytes: &[u8],
        jpeg: &Jpeg,
        options: &DecodeOptions,
        scratch: &mut Vec<u8>,
        out: &mut [u8],
    ) -> Result<Doubt> {
        let format = match options.channels {
            _ if jpeg.frame.components.len() == 4 => sys::TJPF_TJPF_CMYK,
            Channels::Gray => sys::TJPF_TJPF_GRAY,
            Channels::Rgb => sys::TJPF_TJPF_RGB,
        };
        if format != sys::TJPF_TJPF_CMYK {
            return self.decompress(bytes, jpeg, format, options.channels.count(), out);
        }
        fit(scratch, jpeg.frame.width * jpeg.frame.height * 4, 0)?;
        let doubt = self.decompress(bytes, jpeg, format, 4, scratch)?;
        cmyk_to_rgb(scratch, jpeg.adobe, out);
        Ok(doubt)
    }

    fn decompress(
        &mut self,
        bytes: &[u8],
        jpeg: &Jpeg,
        format: sys::TJPF,
        channels: usize,
        out: &mut [u8],
    ) -> Result<Doubt> {
        let len = bytes.len() as sys::size_t;
        // SAFETY: the handle is live and the pointer and length are those of a slice.
        let code = unsafe { sys::tj3DecompressHeader(self.raw(), bytes.as_ptr(), len) };
        if code != 0 && !self.warned() {
            return Err(self.error());
        }
        // The library writes as many pixels as it reads from the header, not as many as we did.
        let size = (self.get(sys::TJPARAM_TJPARAM_JPEGWIDTH), self.get(sys::TJPARAM_TJPARAM_JPEGHEIGHT));
        if size != (jpeg.frame.width, jpeg.frame.height) || out.len() != size.0 * size.1 * channels {
            return Err(ImageError::decoder(Format::Jpeg, "libjpeg-turbo reads another size from the header"));
        }
        // SAFETY: as above; `out` holds width x height pixels of this format, as just checked,
        // and a pitch of 0 means rows without padding.
        let code = unsafe { sys::tj3Decompress8(self.raw(), bytes.as_ptr(), len, out.as_mut_ptr(), 0, format) };
        if code == 0 {
            Ok(Doubt::None)
        } else if self.warned() {
            Ok(Doubt::Warned)
        } else {
            Err(self.error())
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is live and not used again.
        unsafe { sys::tj3Destroy(self.raw()) }
    }
}
