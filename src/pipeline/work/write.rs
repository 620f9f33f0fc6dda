//! The image on its way into a batch.

use std::slice::ChunksExact;

use super::super::output::{Layout, Slot};
use super::super::pending::{Pending, change_past_caches};
use super::{Result, Stretch, Work};
use crate::image::Shape;
use crate::image::ops::{ChannelSums, Level};

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

impl Work {
    /// Writes the image as it stands: `slot` has exactly its values.
    pub(in crate::pipeline) fn write(&mut self, slot: Slot<'_>, layout: Layout) -> Result<()> {
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
        // What is gone over again is kept in the cache meanwhile.
        let kept = &mut self.spare_f32;
        if needs_means {
            kept.reshape(Shape::new(pending.rect.height, pending.rect.width, channels))?;
        }
        let each = |y: usize, row: &[f32]| {
            if needs_means {
                sums.add_row(row);
            }
            let Some(to) = pending.row_of(y) else { return };
            let (row, place) = (&row[pending.rect.x * channels..][..row_len], to * row_len..(to + 1) * row_len);
            match &factors {
                Some(factors) => change_past_caches(row, &mut slot[place], factors),
                None if needs_means => kept.pixels_mut()[place].copy_from_slice(row),
                None => slot[place].copy_from_slice(row),
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
                change_past_caches(self.spare_f32.pixels(), slot, &factors);
            }
        }
        Ok(())
    }
}
