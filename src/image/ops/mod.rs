//! Image operations with TensorFlow's names and numbers.
//!
//! Those on `f32` images work in levels and clip nothing unless they say so. Those on `u8` images do as TensorFlow
//! does with integers: to `f32` by `x * (1 / 255)`, the operation, then `trunc(x * 255.5)`
//! saturated. Those of Keras, which knows only floats, work in levels and are rounded half to even. All work in place,
//! or into an image that is reused, and allocate nothing per image for up to four channels.

mod affine;
mod color;
mod convert;
mod erase;
mod filter;
mod gamma;
mod geometry;
mod histogram;
mod hsv;
mod jpeg_quality;
mod lanes;
mod level;
mod levels;
mod noise;
mod normalize;
mod pad;
mod places;
mod standardize;
mod turn;
mod warp;

pub use affine::Affine;
pub use color::{adjust_brightness, adjust_brightness_u8, adjust_contrast, adjust_contrast_u8, channel_means};
pub use convert::{from_unit, grayscale_to_rgb, levels_to_u8, rgb_to_grayscale, rgb_to_grayscale_u8, to_unit};
pub use erase::{cutout_rect, erase, erase_noise, erasing_rect};
pub use filter::{FilterScratch, gaussian_blur, gaussian_blur_u8, sharpness, sharpness_u8};
pub use gamma::{adjust_gamma, adjust_gamma_u8};
pub use geometry::{Rect, central_crop, central_crop_rect, crop_to_bounding_box, flip_left_right, flip_up_down};
pub use histogram::{autocontrast, autocontrast_u8, equalize, equalize_u8};
pub use hsv::{adjust_hue, adjust_hue_u8, adjust_saturation, adjust_saturation_u8};
pub use jpeg_quality::{Idct, JpegQuality};
pub(crate) use lanes::{ChannelSums, LANES, lanes, level_means};
pub use level::Level;
pub use levels::{invert, invert_u8, posterize, posterize_u8, solarize, solarize_u8};
pub use noise::{gaussian_noise, gaussian_noise_u8, salt_and_pepper};
pub use normalize::Normalizer;
pub use pad::{pad_to_bounding_box, resize_with_crop_or_pad};
pub use standardize::{per_image_standardization, per_image_standardization_u8};
pub use turn::{rot90, transpose};
pub use warp::{Fill, FillMode, Interpolation, warp, warp_nearest, warp_u8};
