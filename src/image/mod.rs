//! Pixels: probing, decoding, resizing, image operations and their random draws.
//!
//! Everything here is a pure function of byte slices and pixel buffers. Images are interleaved
//! HWC (rows, then pixels, then channels), as in TensorFlow. A decoder gives `u8`; a resize gives
//! `f32` in levels of 0..255; the operations have TensorFlow's names and its numbers.
//!
//! Results are the same bits on x86-64 and aarch64: sums have a fixed order and nothing is
//! contracted to fused multiply-add.

mod buf;
mod decode;
mod encode;
mod error;
mod frames;
mod jpeg;
pub mod ops;
mod probe;
pub mod random;
mod resize;
pub(crate) mod simd;
mod sniff;
mod upright;
mod ycc;
#[cfg(target_arch = "x86_64")]
mod ycc_wide;

pub use buf::{Image, ImageBuf, Shape};
pub(crate) use decode::upright_box;
pub use decode::{Channels, Dct, DecodeOptions, Decoder, Orientation, Truncated};
pub use encode::{decode_any, encode_jpeg, encode_png};
pub use error::{ImageError, Result};
pub(crate) use frames::frame_count;
pub use jpeg::{Scale, verify_entropy};
pub use probe::{Colorspace, Limits, Probe, probe_header, probe_magic};
pub(crate) use resize::check_resize;
pub use resize::{
    CropMethod, Method, PadLayout, Resizer, Sample, crop_and_resize, fit_shorter_side, fit_within, pad_layout,
    resize_nearest, resize_nearest_with_pad, resize_shorter_side,
};
pub use sniff::{Format, sniff};
pub(crate) use upright::{Pixels, decode_upright};
