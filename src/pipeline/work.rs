//! The image between two ops: u8 or f32, and every image operation on whichever it is.

use std::slice::ChunksExact;

use super::cache::Cached;
use super::output::{Dtype, Layout, Pixels, Slot};
use super::pending::{Base, MAX_CHANNELS, Pending, change_in_place};
use crate::image::ops::{
    self, Affine, ChannelSums, Fill, FilterScratch, Interpolation, JpegQuality, Level, Normalizer, Rect,
};
use crate::image::random::SeedPair;
use crate::image::{
    CropMethod, Image, ImageBuf, ImageError, Method, Resizer, Shape, check_resize, crop_and_resize, resize_nearest,
    resize_nearest_with_pad,
};

type Result<T> = std::result::Result<T, ImageError>;

/// The value range of f32 images.
const RANGE: f32 = 255.0;

/// One image, and the memory that ops need; kept from image to image.
#[derive(Default)]
pub(super) struct Work {
    u8: ImageBuf<u8>,
    /// The image in the place of `u8`, where it is in a cache; something is always put off then.
    cached: Option<Cached>,
    f32: ImageBuf<f32>,
    is_f32: bool,
    /// The shape of an image that is still to be decoded.
    undecoded: Option<Shape>,
    /// A bilinear resize of the image that is still to be done.
    stretch: Option<Stretch>,
    /// What crops, flips and factors are still to be done then.
    pending: Option<Pending>,
    /// Whether nothing is put off.
    eager: bool,
    spare_u8: ImageBuf<u8>,
    spare_f32: ImageBuf<f32>,
    /// A row on its way into a batch.
    row: Vec<f32>,
    resizer: Resizer,
    filter: FilterScratch,
    jpeg: JpegQuality,
}

/// A bilinear resize without antialiasing: its result is not kept where its rows can go straight into the batch.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    rect: Rect,
    size: (usize, usize),
}

/// Writes the pixels of row `y` into the planes of their channels.
fn to_planes<T>(
    row: ChunksExact<'_, f32>,
    planes: &mut [T],
    y: usize,
    height: usize,
    channels: usize,
    level: impl Fn(f32) -> T,
) {
    let width = row.len();
    for (c, plane) in planes.chunks_exact_mut(height * width).enumerate().take(channels) {
        for (out, pixel) in plane[y * width..].iter_mut().zip(row.clone()) {
            *out = level(pixel[c]);
        }
    }
}

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
    /// For the reference: nothing is put off.
    pub(super) fn eager() -> Self {
        Work { eager: true, ..Default::default() }
    }

    pub(super) fn shape(&self) -> Shape {
        let base = self.base_shape();
        match &self.pending {
            Some(Pending { rect, .. }) => Shape::new(rect.height, rect.width, base.channels),
            None => base,
        }
    }

    /// The shape before what is pending.
    fn base_shape(&self) -> Shape {
        let shape = self.stored_shape();
        match self.stretch {
            Some(Stretch { size: (height, width), .. }) => Shape { height, width, ..shape },
            None => shape,
        }
    }

    fn stored_shape(&self) -> Shape {
        let stored = if self.is_f32 { self.f32.shape() } else { self.levels().shape };
        self.undecoded.unwrap_or(stored)
    }

    /// The image as it was before what has been put off, where it is u8.
    fn levels(&self) -> Base<'_, u8> {
        match &self.cached {
            Some(cached) => cached.base(),
            None => (&self.u8).into(),
        }
    }

    /// Whether the image as it stands is f32.
    fn is_float(&self) -> bool {
        self.is_f32 || self.is_stretched() || self.pending.as_ref().is_some_and(Pending::has_factors)
    }

    /// Whether a resize has been put off.
    pub(super) fn is_stretched(&self) -> bool {
        self.stretch.is_some()
    }

    /// Puts something off.
    fn put_off(&mut self, change: impl FnOnce(&mut Pending)) -> Result<()> {
        let shape = self.base_shape();
        change(self.pending.get_or_insert_with(|| Pending::none(shape)));
        if self.eager { self.settle() } else { Ok(()) }
    }

    /// Does the resize that has been put off.
    fn settle_stretch(&mut self) -> Result<()> {
        let Some(Stretch { rect, size }) = self.stretch.take() else { return Ok(()) };
        let (resizer, out) = (&mut self.resizer, &mut self.spare_f32);
        match self.is_f32 {
            true => resizer.resize_rect_with(&self.f32, rect, size, Method::Bilinear, false, out)?,
            false => resizer.resize_rect_with(&self.u8, rect, size, Method::Bilinear, false, out)?,
        }
        self.now_f32();
        if let Some(pending) = self.pending.as_mut().filter(|pending| pending.needs_means()) {
            let (shape, mut sums) = (self.f32.shape(), ChannelSums::default());
            self.f32.pixels().chunks_exact(shape.row_len()).for_each(|row| sums.add_row(row));
            pending.know_means(|c| sums.mean(c, shape.channels, shape.height * shape.width));
        }
        Ok(())
    }

    /// Does what has been put off.
    fn settle(&mut self) -> Result<()> {
        self.settle_stretch()?;
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let Rect { height, width, .. } = pending.rect;
        let shape = Shape::new(height, width, self.base_shape().channels);
        if !pending.has_factors() {
            if let Some(cached) = self.cached.take() {
                return pending.move_into(cached.base(), &mut self.u8);
            }
            return match self.is_f32 {
                true => pending.move_pixels(&mut self.f32),
                false => pending.move_pixels(&mut self.u8),
            };
        }
        let mut out = std::mem::take(&mut self.spare_f32);
        out.reshape(shape)?;
        match self.is_f32 {
            true => pending.write(&self.f32, out.pixels_mut()),
            false => pending.write(self.levels(), out.pixels_mut()),
        }
        (self.cached, self.spare_f32) = (None, out);
        self.now_f32();
        Ok(())
    }

    /// Writes the image as it stands: `slot` has exactly its values.
    pub(super) fn write(&mut self, slot: Slot<'_>, layout: Layout) -> Result<()> {
        let slot = match (slot, layout, self.stretch) {
            (Slot::F32(slot), Layout::Nhwc, Some(stretch)) => return self.stretch_into(stretch, slot),
            (slot, ..) => slot,
        };
        self.settle_stretch()?;
        let Shape { height, width, channels } = self.shape();
        let pending = self.pending.take().unwrap_or_else(|| Pending::none(self.base_shape()));
        let mut slot = match (slot, layout) {
            (Slot::F32(slot), Layout::Nhwc) => {
                match self.is_f32 {
                    true => pending.write(&self.f32, slot),
                    false => pending.write(self.levels(), slot),
                }
                return Ok(());
            }
            (slot, _) => slot,
        };
        // Row by row by way of one that is still in the cache.
        let factors = pending.factors(channels);
        let mut values = std::mem::take(&mut self.row);
        values.resize(width * channels, 0.0);
        for y in 0..height {
            match self.is_f32 {
                true => pending.write_row((&self.f32).into(), factors.as_ref(), y, &mut values),
                false => pending.write_row(self.levels(), factors.as_ref(), y, &mut values),
            }
            let row = values.chunks_exact(channels);
            match (&mut slot, layout) {
                (Slot::F32(slot), _) => to_planes(row, slot, y, height, channels, |v| v),
                (Slot::U8(slot), Layout::Nchw) => to_planes(row, slot, y, height, channels, u8::round),
                (Slot::U8(slot), Layout::Nhwc) => {
                    for (out, v) in slot[y * values.len()..].iter_mut().zip(&values) {
                        *out = u8::round(*v);
                    }
                }
            }
        }
        self.row = values;
        Ok(())
    }

    /// Resizes row by row into the batch, and does there what is pending. Where that needs the means of the whole image, rows
    /// that are not seen are made too, and the factors come when all are known.
    fn stretch_into(&mut self, stretch: Stretch, slot: &mut [f32]) -> Result<()> {
        let Shape { height, width, channels } = self.base_shape();
        let mut pending = self.pending.take().unwrap_or_else(|| Pending::none(self.base_shape()));
        self.stretch = None;
        let mirrored = pending.take_mirror(width);
        let row_len = pending.rect.width * channels;
        let (needs_means, mut sums) = (pending.needs_means(), ChannelSums::default());
        let factors = if needs_means { None } else { pending.factors(channels) };
        let seen = pending.rect.y..pending.rect.y + pending.rect.height;
        let each = |y: usize, row: &[f32]| {
            if needs_means {
                sums.add_row(row);
            }
            if let Some(to) = pending.row_of(y) {
                pending.write_part(row, channels, factors.as_ref(), &mut slot[to * row_len..][..row_len]);
            }
        };
        let (resizer, rows) = (&mut self.resizer, if needs_means { 0..height } else { seen });
        match self.is_f32 {
            true => resizer.bilinear_rows(&self.f32, stretch.rect, stretch.size, mirrored, rows, each)?,
            false => resizer.bilinear_rows(&self.u8, stretch.rect, stretch.size, mirrored, rows, each)?,
        }
        if needs_means {
            pending.know_means(|c| sums.mean(c, channels, height * width));
            if let Some(factors) = pending.factors(channels) {
                change_in_place(slot, &factors);
            }
        }
        Ok(())
    }

    /// Puts an image in.
    pub(super) fn set(&mut self, image: Image) {
        self.decoded();
        match image {
            Image::F32(image) => (self.f32, self.is_f32) = (image, true),
            Image::U8(image) => (self.u8, self.is_f32) = (image, false),
        }
    }

    /// Takes the image out.
    pub(super) fn take(&mut self) -> Result<Image> {
        self.settle()?;
        Ok(match self.is_f32 {
            true => Image::F32(std::mem::take(&mut self.f32)),
            false => Image::U8(std::mem::take(&mut self.u8)),
        })
    }

    /// The buffer for a decoded image, which takes the place of the last.
    pub(super) fn decoded(&mut self) -> &mut ImageBuf<u8> {
        (self.stretch, self.pending, self.cached) = (None, None, None);
        (self.is_f32, self.undecoded) = (false, None);
        &mut self.u8
    }

    /// Gives the image to `keep` as a cache has it: rounded to u8, half to even, unless it may be f32. The ops that follow
    /// take it for what it was, of f32 if that is it.
    pub(super) fn keep(&mut self, dtype: Dtype, keep: impl FnOnce(Shape, Pixels<'_>)) -> Result<()> {
        self.settle()?;
        match (self.is_f32, dtype) {
            (false, _) => keep(self.u8.shape(), Pixels::U8(self.u8.pixels())),
            (true, Dtype::F32) => keep(self.f32.shape(), Pixels::F32(self.f32.pixels())),
            (true, Dtype::U8) => {
                ops::levels_to_u8(&self.f32, &mut self.u8)?;
                keep(self.u8.shape(), Pixels::U8(self.u8.pixels()));
                self.is_f32 = false;
                self.put_off(Pending::widen)?;
            }
        }
        Ok(())
    }

    /// An image of this shape takes the place of the last. Until it is decoded there may only be crops and flips, whose
    /// pixels are then all that need be decoded. Whether that is of use.
    pub(super) fn expect(&mut self, shape: Shape) -> bool {
        if !self.eager {
            self.decoded();
            self.undecoded = Some(shape);
        }
        !self.eager
    }

    /// Of an image that is still to be decoded: its shape, and what is seen of it.
    pub(super) fn expected(&self) -> Option<(Shape, Rect)> {
        let shape = self.undecoded?;
        Some((shape, self.pending.as_ref().map_or(Rect::whole(shape), |pending| pending.rect)))
    }

    /// What is seen of the image that was expected, decoded by `decode`.
    pub(super) fn decode_expected(&mut self, decode: impl FnOnce(&mut ImageBuf<u8>) -> Result<()>) -> Result<()> {
        self.undecoded = None;
        decode(&mut self.u8)?;
        if let Some(pending) = &mut self.pending {
            pending.rect = Rect::whole(self.u8.shape());
        }
        Ok(())
    }

    /// Begins with an image of a cache, which was f32 there if `is_float`.
    pub(super) fn set_cached(&mut self, cached: Cached, is_float: bool) -> Result<()> {
        self.decoded();
        if cached.dtype == Dtype::F32 {
            self.f32.reshape(cached.shape)?;
            for (v, bytes) in self.f32.pixels_mut().iter_mut().zip(cached.pixels.as_chunks().0) {
                *v = f32::from_le_bytes(*bytes);
            }
            self.is_f32 = true;
            return Ok(());
        }
        self.cached = Some(cached);
        self.put_off(|pending| {
            if is_float {
                pending.widen()
            }
        })
    }

    /// The result of an op stands in the spare f32 image.
    fn now_f32(&mut self) {
        std::mem::swap(&mut self.f32, &mut self.spare_f32);
        self.is_f32 = true;
    }

    /// Casts levels to f32.
    pub(super) fn cast(&mut self) -> Result<()> {
        if self.is_float() {
            return Ok(());
        }
        self.settle()?;
        self.f32.reshape(self.u8.shape())?;
        Pending::none(self.u8.shape()).write(&self.u8, self.f32.pixels_mut());
        self.is_f32 = true;
        Ok(())
    }

    /// The part of the base image that is seen, where nothing but crops has been put off; else all of it, settled.
    fn seen(&mut self) -> Result<Rect> {
        self.settle_stretch()?;
        match self.pending.take() {
            Some(pending) if pending.is_crop() && self.cached.is_none() => Ok(pending.rect),
            pending => {
                self.pending = pending;
                self.settle()?;
                Ok(Rect::whole(self.base_shape()))
            }
        }
    }

    pub(super) fn resize(&mut self, size: (usize, usize), method: Method, antialias: bool) -> Result<()> {
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

    pub(super) fn resize_with_pad(&mut self, size: (usize, usize), method: Method, antialias: bool) -> Result<()> {
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

    pub(super) fn crop_and_resize(
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

    pub(super) fn crop(&mut self, rect: Rect) -> Result<()> {
        rect.check("crop_to_bounding_box", self.shape())?;
        self.put_off(|pending| pending.crop(rect))
    }

    pub(super) fn pad(&mut self, offset: (usize, usize), size: (usize, usize)) -> Result<()> {
        moved!(self, ops::pad_to_bounding_box, offset, size);
        Ok(())
    }

    pub(super) fn crop_or_pad(&mut self, size: (usize, usize)) -> Result<()> {
        moved!(self, ops::resize_with_crop_or_pad, size);
        Ok(())
    }

    pub(super) fn flip_left_right(&mut self) -> Result<()> {
        self.put_off(Pending::flip_left_right)
    }

    pub(super) fn flip_up_down(&mut self) -> Result<()> {
        self.put_off(Pending::flip_up_down)
    }

    pub(super) fn rot90(&mut self, k: usize) -> Result<()> {
        moved!(self, ops::rot90, k as i64);
        Ok(())
    }

    pub(super) fn transpose(&mut self) -> Result<()> {
        moved!(self, ops::transpose);
        Ok(())
    }

    pub(super) fn warp(&mut self, transform: &Affine, interpolation: Interpolation, fill: Fill) -> Result<()> {
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
    pub(super) fn brightness(&mut self, delta: f32) -> Result<()> {
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

    pub(super) fn contrast(&mut self, factor: f32) -> Result<()> {
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

    pub(super) fn saturation(&mut self, factor: f32) -> Result<()> {
        in_place!(self, ops::adjust_saturation, ops::adjust_saturation_u8, factor)
    }

    pub(super) fn hue(&mut self, delta: f32) -> Result<()> {
        in_place!(self, ops::adjust_hue, ops::adjust_hue_u8, delta)
    }

    /// Values below 0 count as 0, where TensorFlow gives NaN for most exponents.
    pub(super) fn gamma(&mut self, gamma: f32, gain: f32) -> Result<()> {
        self.settle()?;
        if self.is_f32 && gamma != 1.0 {
            self.f32.pixels_mut().iter_mut().for_each(|v| *v = v.max(0.0));
        }
        in_place!(self, ops::adjust_gamma, ops::adjust_gamma_u8, gamma, gain)
    }

    pub(super) fn jpeg_quality(&mut self, quality: u8) -> Result<()> {
        self.settle()?;
        match self.is_f32 {
            true => self.jpeg.apply(&mut self.f32, quality),
            false => self.jpeg.apply_u8(&mut self.u8, quality),
        }
    }

    pub(super) fn rgb_to_grayscale(&mut self) -> Result<()> {
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

    pub(super) fn grayscale_to_rgb(&mut self) -> Result<()> {
        moved!(self, ops::grayscale_to_rgb);
        Ok(())
    }

    pub(super) fn posterize(&mut self, bits: u32) -> Result<()> {
        in_place!(self, ops::posterize, ops::posterize_u8, bits)
    }

    pub(super) fn solarize(&mut self, threshold: f32, addition: f32) -> Result<()> {
        in_place!(self, ops::solarize, ops::solarize_u8, threshold, addition);
        Ok(())
    }

    pub(super) fn equalize(&mut self) -> Result<()> {
        in_place!(self, ops::equalize, ops::equalize_u8);
        Ok(())
    }

    pub(super) fn autocontrast(&mut self) -> Result<()> {
        in_place!(self, ops::autocontrast, ops::autocontrast_u8);
        Ok(())
    }

    pub(super) fn invert(&mut self) -> Result<()> {
        in_place!(self, ops::invert, ops::invert_u8);
        Ok(())
    }

    pub(super) fn sharpness(&mut self, factor: f32) -> Result<()> {
        in_place!(self, ops::sharpness, ops::sharpness_u8, factor, &mut self.filter)
    }

    pub(super) fn gaussian_blur(&mut self, kernel_size: usize, sigma: f32) -> Result<()> {
        in_place!(self, ops::gaussian_blur, ops::gaussian_blur_u8, kernel_size, sigma, &mut self.filter)
    }

    /// `stddev` is a fraction of the range.
    pub(super) fn gaussian_noise(&mut self, seed: SeedPair, stddev: f32) -> Result<()> {
        in_place!(self, ops::gaussian_noise, ops::gaussian_noise_u8, seed, stddev * RANGE)
    }

    pub(super) fn salt_and_pepper(&mut self, seed: SeedPair, amount: f32) -> Result<()> {
        in_place!(self, ops::salt_and_pepper, ops::salt_and_pepper, seed, amount)
    }

    pub(super) fn erase(&mut self, rect: Rect, level: f32) -> Result<()> {
        in_place!(self, ops::erase, ops::erase, rect, level)
    }

    pub(super) fn erase_noise(&mut self, rect: Rect, seed: SeedPair) -> Result<()> {
        in_place!(self, ops::erase_noise, ops::erase_noise, rect, seed)
    }

    pub(super) fn standardize(&mut self) -> Result<()> {
        self.settle()?;
        if self.is_f32 {
            ops::per_image_standardization(&mut self.f32);
        } else {
            ops::per_image_standardization_u8(&self.u8, &mut self.spare_f32)?;
            self.now_f32();
        }
        Ok(())
    }

    pub(super) fn convert_to_unit(&mut self) -> Result<()> {
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

    pub(super) fn normalize(&mut self, normalizer: &Normalizer) -> Result<()> {
        if self.eager {
            self.cast()?;
            return normalizer.apply(&mut self.f32);
        }
        normalizer.check(self.shape().channels)?;
        self.put_off(|pending| pending.affine(|c| normalizer.factors(c)))
    }
}
