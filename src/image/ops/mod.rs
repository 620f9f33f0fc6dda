//! Image operations with TensorFlow's names and numbers.
//!
//! Those on `f32` images work in levels and clip nothing. Those on `u8` images do as TensorFlow
//! does with integers: to `f32` by `x * (1 / 255)`, the operation, then `trunc(x * 255.5)`
//! saturated. All work in place and allocate nothing per image for up to four channels.

mod color;
mod geometry;
mod normalize;

pub use color::{
    adjust_brightness, adjust_brightness_u8, adjust_contrast, adjust_contrast_u8, adjust_contrast_with_means,
    channel_means,
};
pub use geometry::{Rect, central_crop, central_crop_rect, crop_to_bounding_box, flip_left_right, flip_up_down};
pub use normalize::Normalizer;
