//! JPEG against libjpeg-turbo: what is accepted here is accepted there, with the same pixels, for both transforms, all
//! scales, in colour and in gray.
//!
//! Exceptions, by name: see `is_excepted`.
#![no_main]

use std::ffi::{CStr, c_int};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use tfrkit::image::{Channels, Dct, DecodeOptions, Decoder, ImageBuf, Limits, Orientation, Scale, Truncated};
use tfrkit_fuzz::{Noise, jpeg};
use turbojpeg_sys as sys;

const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_dim: 4096, max_bytes: 1 << 21 };

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match seed % 3 {
        0 => fuzzer_mutate(data, size, max_size),
        _ => jpeg::mutate(&mut data[..max_size], size, seed),
    }
});

fuzz_target!(|data: &[u8]| {
    let mut noise = Noise::of(data);
    let channels = if noise.one_in(3) { Channels::Gray } else { Channels::Rgb };
    let scales = [(Scale::Full, 1), (Scale::Half, 2), (Scale::Quarter, 4), (Scale::Eighth, 8)];
    for dct in [Dct::Ifast, Dct::Islow] {
        let options = DecodeOptions {
            channels,
            truncated: Truncated::Refuse,
            dct,
            orientation: Orientation::Ignore,
            limits: LIMITS,
        };
        let mut decoder = Decoder::new(options).expect("a decoder");
        let mut ours = ImageBuf::empty();
        if decoder.decode_into(data, &mut ours).is_err() {
            return;
        }
        for (scale, divisor) in [scales[0], scales[1 + noise.below(3)]] {
            decoder.decode_scaled(data, scale, None, &mut ours).expect("what decodes, scaled");
            let theirs = match turbo(data, dct, channels, divisor) {
                Ok(theirs) => theirs,
                Err(error) => panic!("libjpeg-turbo refuses it: {error}"),
            };
            let shape = (ours.shape().height, ours.shape().width);
            assert_eq!(shape, theirs.shape, "{dct:?} {scale:?}");
            let is_same = theirs.pixels.iter().any(|pixels| pixels[..] == *ours.pixels());
            assert!(is_same || is_excepted(data, dct, divisor), "other pixels: {dct:?} {channels:?} {scale:?}");
        }
    }
});

/// Where the pixels may differ.
fn is_excepted(_data: &[u8], _dct: Dct, _divisor: c_int) -> bool {
    false
}

struct Theirs {
    shape: (usize, usize),
    /// Of four inks, once as Adobe stores them and once not: which it is, the header says, and the pixels tell as well.
    pixels: Vec<Vec<u8>>,
}

struct Handle(sys::tjhandle);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is live, and not used again.
        unsafe { sys::tj3Destroy(self.0) }
    }
}

impl Handle {
    fn get(&self, parameter: sys::TJPARAM) -> c_int {
        // SAFETY: the handle is live.
        unsafe { sys::tj3Get(self.0, parameter as c_int) }
    }

    fn set(&self, parameter: sys::TJPARAM, value: c_int) {
        // SAFETY: the handle is live.
        assert_eq!(unsafe { sys::tj3Set(self.0, parameter as c_int, value) }, 0);
    }

    /// An error, unless it is a warning.
    fn checked(&self, code: c_int) -> Result<(), String> {
        // SAFETY: the handle is live; the text is the library's own, until its next call.
        unsafe {
            if code == 0 || sys::tj3GetErrorCode(self.0) == sys::TJERR_TJERR_WARNING as c_int {
                return Ok(());
            }
            Err(CStr::from_ptr(sys::tj3GetErrorStr(self.0)).to_string_lossy().into_owned())
        }
    }
}

fn turbo(data: &[u8], dct: Dct, channels: Channels, divisor: c_int) -> Result<Theirs, String> {
    // SAFETY: takes no pointer.
    let handle = Handle(unsafe { sys::tj3Init(sys::TJINIT_TJINIT_DECOMPRESS as c_int) });
    assert!(!handle.0.is_null());
    handle.set(sys::TJPARAM_TJPARAM_FASTDCT, c_int::from(dct == Dct::Ifast));
    let len = data.len() as sys::size_t;
    // SAFETY: pointer and length are those of a slice.
    handle.checked(unsafe { sys::tj3DecompressHeader(handle.0, data.as_ptr(), len) })?;
    let scale = sys::tjscalingfactor { num: 1, denom: divisor };
    // SAFETY: the handle is live.
    handle.checked(unsafe { sys::tj3SetScalingFactor(handle.0, scale) })?;
    let side = |parameter| (handle.get(parameter) + divisor - 1) / divisor;
    let (width, height) =
        (side(sys::TJPARAM_TJPARAM_JPEGWIDTH) as usize, side(sys::TJPARAM_TJPARAM_JPEGHEIGHT) as usize);
    let space = handle.get(sys::TJPARAM_TJPARAM_COLORSPACE);
    let inks = space == sys::TJCS_TJCS_CMYK as c_int || space == sys::TJCS_TJCS_YCCK as c_int;
    let (format, count) = match channels {
        _ if inks => (sys::TJPF_TJPF_CMYK, 4),
        Channels::Gray => (sys::TJPF_TJPF_GRAY, 1),
        Channels::Rgb => (sys::TJPF_TJPF_RGB, 3),
    };
    let mut pixels = vec![0; width * height * count];
    // SAFETY: as above; the output has as many pixels as the scaled image, without padding.
    let code = unsafe { sys::tj3Decompress8(handle.0, data.as_ptr(), len, pixels.as_mut_ptr(), 0, format as c_int) };
    handle.checked(code)?;
    let pixels = match inks {
        true => [true, false].map(|adobe| rgb(&pixels, adobe)).to_vec(),
        false => vec![pixels],
    };
    Ok(Theirs { shape: (height, width), pixels })
}

/// Four inks to RGB as TensorFlow does it.
fn rgb(inks: &[u8], adobe: bool) -> Vec<u8> {
    let light = |v: u8| u32::from(if adobe { v } else { 255 - v });
    let pixel = |inks: &[u8]| [0, 1, 2].map(|i| (light(inks[i]) * light(inks[3]) / 255) as u8);
    inks.chunks_exact(4).flat_map(pixel).collect()
}
