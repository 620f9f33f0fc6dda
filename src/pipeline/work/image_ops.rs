//! Every image operation, on the image as it is: u8 or f32.

use super::super::pending::{MAX_CHANNELS, Pending};
use super::{Result, Stretch, Work};
use crate::image::ops::{self, Affine, Fill, Interpolation, Normalizer, Rect};
use crate::image::random::SeedPair;
use crate::image::{
    CropMethod, ImageError, Method, check_resize, crop_and_resize, resize_nearest, resize_nearest_with_pad,
};

/// The value range of f32 images.
const RANGE: f32 = 255.0;

/// Calls an op that works in place, on the image as it stands.
macro_rules! in_place {
    ($work:ident, $f32:expr, $u8:expr $(, $arg:expr)*) => {{
        $work.settle()?;
        match $work.is_f32 {
            true => $f32(&mut $work.f32 $(, $arg)*),
            false => $u8(&mut $work.u8 $(, $arg)*),
        }
    }};
}

/// Calls an op that writes an image of the same type elsewhere.
macro_rules! moved {
    ($work:ident, $op:expr $(, $arg:expr)*) => {
        $work.settle()?;
        match $work.is_f32 {
            true => {
                $op(&$work.f32 $(, $arg)*, &mut $work.spare_f32)?;
                std::mem::swap(&mut $work.f32, &mut $work.spare_f32);
            }
            false => {
                $op(&$work.u8 $(, $arg)*, &mut $work.spare_u8)?;
                std::mem::swap(&mut $work.u8, &mut $work.spare_u8);
            }
        }
    };
}

impl Work {
    pub(in crate::pipeline) fn resize(&mut self, size: (usize, usize), method: Method, antialias: bool) -> Result<()> {
        if method == Method::Nearest {
            moved!(self, resize_nearest, size);
            return Ok(());
        }
        let rect = self.seen()?;
        if method == Method::Bilinear && !antialias && !self.eager && self.stored_shape().channels <= MAX_CHANNELS {
            match self.is_f32 {
                true => check_resize(&self.f32, rect, size)?,
                false => check_resize(&self.u8, rect, size)?,
            }
            self.stretch = Some(Stretch { rect, size });
            return Ok(());
        }
        let (resizer, out) = (&mut self.resizer, &mut self.spare_f32);
        match self.is_f32 {
            true => resizer.resize_rect_with(&self.f32, rect, size, method, antialias, out)?,
            false => resizer.resize_rect_with(&self.u8, rect, size, method, antialias, out)?,
        }
        self.now_f32();
        Ok(())
    }

    pub(in crate::pipeline) fn resize_with_pad(
        &mut self,
        size: (usize, usize),
        method: Method,
        antialias: bool,
    ) -> Result<()> {
        if method == Method::Nearest {
            moved!(self, resize_nearest_with_pad, size);
            return Ok(());
        }
        self.settle()?;
        let (resizer, out) = (&mut self.resizer, &mut self.spare_f32);
        match self.is_f32 {
            true => resizer.resize_with_pad(&self.f32, size, method, antialias, out)?,
            false => resizer.resize_with_pad(&self.u8, size, method, antialias, out)?,
        }
        self.now_f32();
        Ok(())
    }

    pub(in crate::pipeline) fn crop_and_resize(
        &mut self,
        bounds: [f32; 4],
        size: (usize, usize),
        method: CropMethod,
        outside: f32,
    ) -> Result<()> {
        self.settle()?;
        let out = &mut self.spare_f32;
        match self.is_f32 {
            true => crop_and_resize(&self.f32, bounds, size, method, outside, out)?,
            false => crop_and_resize(&self.u8, bounds, size, method, outside, out)?,
        }
        self.now_f32();
        Ok(())
    }

    pub(in crate::pipeline) fn crop(&mut self, rect: Rect) -> Result<()> {
        rect.check("crop_to_bounding_box", self.shape())?;
        self.put_off(|pending| pending.crop(rect))
    }

    pub(in crate::pipeline) fn pad(&mut self, offset: (usize, usize), size: (usize, usize)) -> Result<()> {
        moved!(self, ops::pad_to_bounding_box, offset, size);
        Ok(())
    }

    pub(in crate::pipeline) fn crop_or_pad(&mut self, size: (usize, usize)) -> Result<()> {
        moved!(self, ops::resize_with_crop_or_pad, size);
        Ok(())
    }

    pub(in crate::pipeline) fn flip_left_right(&mut self) -> Result<()> {
        self.put_off(Pending::flip_left_right)
    }

    pub(in crate::pipeline) fn flip_up_down(&mut self) -> Result<()> {
        self.put_off(Pending::flip_up_down)
    }

    pub(in crate::pipeline) fn rot90(&mut self, k: usize) -> Result<()> {
        moved!(self, ops::rot90, k as i64);
        Ok(())
    }

    pub(in crate::pipeline) fn transpose(&mut self) -> Result<()> {
        moved!(self, ops::transpose);
        Ok(())
    }

    pub(in crate::pipeline) fn warp(
        &mut self,
        transform: &Affine,
        interpolation: Interpolation,
        fill: Fill,
    ) -> Result<()> {
        if interpolation == Interpolation::Nearest {
            moved!(self, ops::warp_nearest, transform, fill);
            return Ok(());
        }
        self.settle()?;
        match self.is_f32 {
            true => ops::warp(&self.f32, transform, interpolation, fill, &mut self.spare_f32)?,
            false => ops::warp_u8(&self.u8, transform, interpolation, fill, &mut self.spare_f32)?,
        }
        self.now_f32();
        Ok(())
    }

    /// `delta` is a fraction of the range.
    pub(in crate::pipeline) fn brightness(&mut self, delta: f32) -> Result<()> {
        if self.is_float() && !self.eager {
            return self.put_off(|pending| pending.affine(|_| (1.0, delta * RANGE)));
        }
        self.settle()?;
        match self.is_f32 {
            true => ops::adjust_brightness(&mut self.f32, delta * RANGE),
            false => ops::adjust_brightness_u8(&mut self.u8, delta),
        }
        Ok(())
    }

    pub(in crate::pipeline) fn contrast(&mut self, factor: f32) -> Result<()> {
        if !self.is_float() || self.eager {
            in_place!(self, ops::adjust_contrast, ops::adjust_contrast_u8, factor);
            return Ok(());
        }
        // The mean is of what is seen now.
        if self.pending.as_ref().is_some_and(|p| p.rect != Rect::whole(self.base_shape())) {
            self.settle()?;
        }
        if self.is_stretched() {
            // It is known when the rows have been made.
            return self.put_off(|pending| pending.contrast(factor));
        }
        let mut means = [0.0; MAX_CHANNELS];
        let seen = means.get_mut(..self.base_shape().channels).unwrap_or_default();
        match self.is_f32 {
            true => ops::channel_means(&self.f32, seen)?,
            false => ops::level_means(self.levels().pixels, seen),
        }
        self.put_off(|pending| {
            pending.contrast(factor);
            pending.know_means(|c| means[c]);
        })
    }

    pub(in crate::pipeline) fn saturation(&mut self, factor: f32) -> Result<()> {
        in_place!(self, ops::adjust_saturation, ops::adjust_saturation_u8, factor)
    }

    pub(in crate::pipeline) fn hue(&mut self, delta: f32) -> Result<()> {
        in_place!(self, ops::adjust_hue, ops::adjust_hue_u8, delta)
    }

    /// Values below 0 count as 0, where TensorFlow gives NaN for most exponents.
    pub(in crate::pipeline) fn gamma(&mut self, gamma: f32, gain: f32) -> Result<()> {
        self.settle()?;
        if self.is_f32 && gamma != 1.0 {
            self.f32.pixels_mut().iter_mut().for_each(|v| *v = v.max(0.0));
        }
        in_place!(self, ops::adjust_gamma, ops::adjust_gamma_u8, gamma, gain)
    }

    pub(in crate::pipeline) fn jpeg_quality(&mut self, quality: u8) -> Result<()> {
        self.settle()?;
        match self.is_f32 {
            true => self.jpeg.apply(&mut self.f32, quality),
            false => self.jpeg.apply_u8(&mut self.u8, quality),
        }
    }

    pub(in crate::pipeline) fn rgb_to_grayscale(&mut self) -> Result<()> {
        self.settle()?;
        match self.is_f32 {
            true => {
                ops::rgb_to_grayscale(&self.f32, &mut self.spare_f32)?;
                std::mem::swap(&mut self.f32, &mut self.spare_f32);
            }
            false => {
                ops::rgb_to_grayscale_u8(&self.u8, &mut self.spare_u8)?;
                std::mem::swap(&mut self.u8, &mut self.spare_u8);
            }
        }
        Ok(())
    }

    pub(in crate::pipeline) fn grayscale_to_rgb(&mut self) -> Result<()> {
        moved!(self, ops::grayscale_to_rgb);
        Ok(())
    }

    pub(in crate::pipeline) fn posterize(&mut self, bits: u32) -> Result<()> {
        in_place!(self, ops::posterize, ops::posterize_u8, bits)
    }

    pub(in crate::pipeline) fn solarize(&mut self, threshold: f32, addition: f32) -> Result<()> {
        in_place!(self, ops::solarize, ops::solarize_u8, threshold, addition);
        Ok(())
    }

    pub(in crate::pipeline) fn equalize(&mut self) -> Result<()> {
        in_place!(self, ops::equalize, ops::equalize_u8);
        Ok(())
    }

    pub(in crate::pipeline) fn autocontrast(&mut self) -> Result<()> {
        in_place!(self, ops::autocontrast, ops::autocontrast_u8);
        Ok(())
    }

    pub(in crate::pipeline) fn invert(&mut self) -> Result<()> {
        in_place!(self, ops::invert, ops::invert_u8);
        Ok(())
    }

    pub(in crate::pipeline) fn sharpness(&mut self, factor: f32) -> Result<()> {
        in_place!(self, ops::sharpness, ops::sharpness_u8, factor, &mut self.filter)
    }

    pub(in crate::pipeline) fn gaussian_blur(&mut self, kernel_size: usize, sigma: f32) -> Result<()> {
        in_place!(self, ops::gaussian_blur, ops::gaussian_blur_u8, kernel_size, sigma, &mut self.filter)
    }

    /// `stddev` is a fraction of the range.
    pub(in crate::pipeline) fn gaussian_noise(&mut self, seed: SeedPair, stddev: f32) -> Result<()> {
        in_place!(self, ops::gaussian_noise, ops::gaussian_noise_u8, seed, stddev * RANGE)
    }

    pub(in crate::pipeline) fn salt_and_pepper(&mut self, seed: SeedPair, amount: f32) -> Result<()> {
        in_place!(self, ops::salt_and_pepper, ops::salt_and_pepper, seed, amount)
    }

    pub(in crate::pipeline) fn erase(&mut self, rect: Rect, level: f32) -> Result<()> {
        in_place!(self, ops::erase, ops::erase, rect, level)
    }

    pub(in crate::pipeline) fn erase_noise(&mut self, rect: Rect, seed: SeedPair) -> Result<()> {
        in_place!(self, ops::erase_noise, ops::erase_noise, rect, seed)
    }

    pub(in crate::pipeline) fn standardize(&mut self) -> Result<()> {
        self.settle()?;
        if self.is_f32 {
            ops::per_image_standardization(&mut self.f32);
        } else {
            ops::per_image_standardization_u8(&self.u8, &mut self.spare_f32)?;
            self.now_f32();
        }
        Ok(())
    }

    pub(in crate::pipeline) fn convert_to_unit(&mut self) -> Result<()> {
        self.settle()?;
        if self.is_f32 {
            return Err(ImageError::parameter(
                "convert_image_dtype",
                "the image is f32 already, which TensorFlow would leave as it is",
            ));
        }
        ops::to_unit(&self.u8, &mut self.spare_f32)?;
        self.now_f32();
        Ok(())
    }

    pub(in crate::pipeline) fn normalize(&mut self, normalizer: &Normalizer) -> Result<()> {
        if self.eager {
            self.cast()?;
            return normalizer.apply(&mut self.f32);
        }
        normalizer.check(self.shape().channels)?;
        self.put_off(|pending| pending.affine(|c| normalizer.factors(c)))
    }
}
