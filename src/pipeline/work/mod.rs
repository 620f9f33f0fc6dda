//! The image between two ops: u8 or f32, as it is and what has been put off.

mod image_ops;
mod write;

use super::cache::Cached;
use super::output::{Dtype, Pixels};
use super::pending::{Base, Pending};
use crate::image::ops::{self, ChannelSums, FilterScratch, JpegQuality, Rect};
use crate::image::{Image, ImageBuf, ImageError, Method, Resizer, Shape};

type Result<T> = std::result::Result<T, ImageError>;

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

impl Work {
    /// For the reference: nothing is put off.
    pub(super) fn eager() -> Self {
        Work { eager: true, ..Default::default() }
    }

    /// Gives all memory back; there is no image then.
    pub(super) fn let_go(&mut self) {
        *self = Work { eager: self.eager, ..Default::default() };
    }

    /// Bytes of the images and rows that are kept.
    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        let floats = self.f32.capacity() + self.spare_f32.capacity() + self.row.capacity();
        self.u8.capacity() + self.spare_u8.capacity() + 4 * floats
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
}
