//! Ops that wait: crops, flips and per-channel factors, done together when the image is next needed, or while it is written
//! into its batch.

use crate::image::ops::{self, LANES, Level, Rect, lanes};
use crate::image::simd::avx2;
use crate::image::{ImageBuf, ImageError, Shape};

/// Most channels that factors are kept for, as [`LANES`] holds whole pixels of so many.
pub(super) const MAX_CHANNELS: usize = 4;

/// The image that changes are put off from.
#[derive(Clone, Copy)]
pub(super) struct Base<'a, T> {
    pub(super) shape: Shape,
    pub(super) pixels: &'a [T],
}

impl<'a, T> From<&'a ImageBuf<T>> for Base<'a, T> {
    fn from(image: &'a ImageBuf<T>) -> Self {
        Base { shape: image.shape(), pixels: image.pixels() }
    }
}

/// What is still to be done to a base image.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    /// The part of the base image that is left.
    pub(super) rect: Rect,
    mirrored: bool,
    upside_down: bool,
    /// Each value x of channel c stands for x * scale[c] + shift[c] + means[c] * the mean.
    affine: Option<Affine>,
}

#[derive(Debug, Clone, Copy)]
struct Affine {
    scale: [f32; MAX_CHANNELS],
    shift: [f32; MAX_CHANNELS],
    /// How often the channel's mean in the base image is added: it may not be known yet.
    means: [f32; MAX_CHANNELS],
}

impl Affine {
    const NONE: Affine = Affine { scale: [1.0; MAX_CHANNELS], shift: [0.0; MAX_CHANNELS], means: [0.0; MAX_CHANNELS] };
}

impl Pending {
    /// Nothing to be done to an image of this shape.
    pub(super) fn none(shape: Shape) -> Self {
        Pending { rect: Rect::whole(shape), ..Default::default() }
    }

    /// Whether nothing but crops has been put off.
    pub(super) fn is_crop(&self) -> bool {
        !self.mirrored && !self.upside_down && self.affine.is_none()
    }

    pub(super) fn has_factors(&self) -> bool {
        self.affine.is_some()
    }

    /// Cuts a rectangle out of what is seen; it lies inside.
    pub(super) fn crop(&mut self, rect: Rect) {
        let at = |turned: bool, start: usize, len: usize, all: usize| if turned { all - start - len } else { start };
        self.rect = Rect {
            y: self.rect.y + at(self.upside_down, rect.y, rect.height, self.rect.height),
            x: self.rect.x + at(self.mirrored, rect.x, rect.width, self.rect.width),
            height: rect.height,
            width: rect.width,
        };
    }

    pub(super) fn flip_left_right(&mut self) {
        self.mirrored = !self.mirrored;
    }

    /// Leaves the mirroring of a base image so wide to somebody else; whether there was any.
    pub(super) fn take_mirror(&mut self, width: usize) -> bool {
        let mirrored = std::mem::take(&mut self.mirrored);
        if mirrored {
            self.rect.x = width - self.rect.x - self.rect.width;
        }
        mirrored
    }

    pub(super) fn flip_up_down(&mut self) {
        self.upside_down = !self.upside_down;
    }

    /// Then x * scale + shift, by channel.
    pub(super) fn affine(&mut self, change: impl Fn(usize) -> (f32, f32)) {
        let affine = self.affine.get_or_insert(Affine::NONE);
        for c in 0..MAX_CHANNELS {
            let (factor, add) = change(c);
            affine.scale[c] *= factor;
            affine.shift[c] = affine.shift[c] * factor + add;
            affine.means[c] *= factor;
        }
    }

    /// From u8 to f32, the levels unchanged.
    pub(super) fn widen(&mut self) {
        self.affine(|_| (1.0, 0.0));
    }

    /// Then the distance from the channel's mean as it stands, times a factor. All of the base is seen.
    pub(super) fn contrast(&mut self, factor: f32) {
        let affine = self.affine.get_or_insert(Affine::NONE);
        for c in 0..MAX_CHANNELS {
            // The mean as it stands is the base's, times the two factors, and the shift: which so stays as it is.
            affine.means[c] = affine.means[c] * factor + (1.0 - factor) * (affine.scale[c] + affine.means[c]);
            affine.scale[c] *= factor;
        }
    }

    /// Whether [`know_means`](Self::know_means) is to be called before the image is written.
    pub(super) fn needs_means(&self) -> bool {
        self.affine.is_some_and(|affine| affine.means != [0.0; MAX_CHANNELS])
    }

    /// Takes the means of the base image's channels.
    pub(super) fn know_means(&mut self, mean: impl Fn(usize) -> f32) {
        if let Some(affine) = &mut self.affine {
            for c in 0..MAX_CHANNELS {
                affine.shift[c] += std::mem::take(&mut affine.means[c]) * mean(c);
            }
        }
    }

    /// Crops and flips an image in place: all that has been put off, where that is no factors.
    pub(super) fn move_pixels<T: Copy + Default>(&self, base: &mut ImageBuf<T>) -> Result<(), ImageError> {
        if self.rect != Rect::whole(base.shape()) {
            ops::crop_to_bounding_box(base, self.rect)?;
        }
        if self.mirrored {
            ops::flip_left_right(base);
        }
        if self.upside_down {
            ops::flip_up_down(base);
        }
        Ok(())
    }

    /// As [`move_pixels`](Self::move_pixels), from an image that stays as it is.
    pub(super) fn move_into<T: Copy + Default>(
        self,
        base: Base<'_, T>,
        out: &mut ImageBuf<T>,
    ) -> Result<(), ImageError> {
        let Shape { channels, .. } = base.shape;
        let shape = Shape::new(self.rect.height, self.rect.width, channels);
        out.reshape(shape)?;
        let rows = base.pixels.chunks_exact(base.shape.row_len().max(1)).skip(self.rect.y);
        for (out, row) in out.pixels_mut().chunks_exact_mut(shape.row_len().max(1)).zip(rows) {
            out.copy_from_slice(&row[self.rect.x * channels..][..out.len()]);
        }
        Pending { rect: Rect::whole(shape), ..self }.move_pixels(out)
    }

    /// Writes the image as it stands, HWC: `dst` has exactly its values.
    pub(super) fn write<'a, T: Rows + Level + 'a>(&self, base: impl Into<Base<'a, T>>, dst: &mut [f32]) {
        let base = base.into();
        let factors = self.factors(base.shape.channels);
        // An image without pixels has no rows.
        for (y, out) in dst.chunks_exact_mut((self.rect.width * base.shape.channels).max(1)).enumerate() {
            self.write_row(base, factors.as_ref(), y, out);
        }
    }

    /// The factors over lanes, if there are any.
    pub(super) fn factors(&self, channels: usize) -> Option<Factors> {
        self.affine.map(|affine| Factors::new(&affine, channels))
    }

    /// Writes row `y` of the image as it stands.
    pub(super) fn write_row<T: Rows + Level>(
        &self,
        base: Base<'_, T>,
        factors: Option<&Factors>,
        y: usize,
        out: &mut [f32],
    ) {
        let channels = base.shape.channels;
        let y = if self.upside_down { self.rect.y + self.rect.height - 1 - y } else { self.rect.y + y };
        let row = &base.pixels[y * base.shape.row_len() + self.rect.x * channels..][..out.len()];
        match (factors, self.mirrored) {
            (None, false) => T::copy_row(row, out),
            (None, true) => mirror(row, out, channels),
            (Some(factors), false) => T::change_row(row, out, factors),
            (Some(factors), true) => T::change_mirrored(row, out, factors, channels),
        }
    }

    /// The row that is made of row `y` of the base image, if one is.
    pub(super) fn row_of(&self, y: usize) -> Option<usize> {
        let y = y.checked_sub(self.rect.y).filter(|y| *y < self.rect.height)?;
        Some(if self.upside_down { self.rect.height - 1 - y } else { y })
    }
}

/// The factors of a row, repeated over lanes.
pub(super) struct Factors {
    scale: [f32; LANES],
    shift: [f32; LANES],
}

impl Factors {
    fn new(affine: &Affine, channels: usize) -> Self {
        let lanes = |values: &[f32; MAX_CHANNELS]| lanes(&values[..channels]).unwrap_or([0.0; LANES]);
        Factors { scale: lanes(&affine.scale), shift: lanes(&affine.shift) }
    }
}

/// A row of a base image, written as f32.
pub(super) trait Rows: Sized {
    fn copy_row(row: &[Self], out: &mut [f32]);
    fn change_row(row: &[Self], out: &mut [f32], factors: &Factors);
    fn change_mirrored(row: &[Self], out: &mut [f32], factors: &Factors, channels: usize);
}

impl Rows for f32 {
    fn copy_row(row: &[f32], out: &mut [f32]) {
        out.copy_from_slice(row);
    }

    fn change_row(row: &[f32], out: &mut [f32], factors: &Factors) {
        change_f32(row, out, factors);
    }

    fn change_mirrored(row: &[f32], out: &mut [f32], factors: &Factors, channels: usize) {
        mirror(row, out, channels);
        change_in_place(out, factors);
    }
}

impl Rows for u8 {
    fn copy_row(row: &[u8], out: &mut [f32]) {
        widen(row, out);
    }

    fn change_row(row: &[u8], out: &mut [f32], factors: &Factors) {
        change_u8(row, out, factors);
    }

    fn change_mirrored(row: &[u8], out: &mut [f32], factors: &Factors, channels: usize) {
        if channels == 3 {
            return change_mirrored_rgb(row, out, factors);
        }
        mirror(row, out, channels);
        change_in_place(out, factors);
    }
}

avx2! {
    fn widen(row: &[u8], out: &mut [f32]) {
        for (o, v) in out.iter_mut().zip(row) {
            *o = f32::from(*v);
        }
    }
}

avx2! {
    fn change_f32(row: &[f32], out: &mut [f32], factors: &Factors) {
        change(row, out, factors, |v| v);
    }
}

avx2! {
    fn change_u8(row: &[u8], out: &mut [f32], factors: &Factors) {
        change(row, out, factors, f32::from);
    }
}

avx2! {
    /// [`mirror`] and [`change_in_place`] at once, pixels turned in whole vectors.
    fn change_mirrored_rgb(row: &[u8], out: &mut [f32], factors: &Factors) {
        let (first, body) = row.as_rchunks::<LANES>();
        let (out_body, last) = out.as_chunks_mut::<LANES>();
        for (o, v) in out_body.iter_mut().zip(body.iter().rev()) {
            let turned: [u8; LANES] = std::array::from_fn(|i| v[LANES - 3 - i / 3 * 3 + i % 3]);
            for (((o, v), scale), shift) in o.iter_mut().zip(turned).zip(&factors.scale).zip(&factors.shift) {
                *o = f32::from(v) * scale + shift;
            }
        }
        mirror_pixels::<u8, 3>(first, last);
        change_in_place(last, factors);
    }
}

avx2! {
    fn change_in_place(out: &mut [f32], factors: &Factors) {
        let (body, tail) = out.as_chunks_mut::<LANES>();
        for values in body.iter_mut().map(|v| &mut v[..]).chain([tail]) {
            for ((v, scale), shift) in values.iter_mut().zip(&factors.scale).zip(&factors.shift) {
                *v = *v * scale + shift;
            }
        }
    }
}

/// As [`change_f32`], into memory that nobody reads soon, such as a batch: written around the caches, it is not read into them
/// first.
pub(super) fn change_past_caches(values: &[f32], out: &mut [f32], factors: &Factors) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && (out.as_ptr() as usize).is_multiple_of(32) {
        // SAFETY: the processor has AVX2, as just asked, and the memory is aligned.
        #[allow(unsafe_code)]
        unsafe {
            change_past_caches_wide(values, out, factors);
        }
        return;
    }
    change_f32(values, out, factors);
}

/// # Safety
/// `out` is aligned to 32 bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)]
unsafe fn change_past_caches_wide(values: &[f32], out: &mut [f32], factors: &Factors) {
    use std::arch::x86_64::*;
    const LANE: usize = 8;
    let (body, tail) = values.as_chunks::<LANES>();
    let (out_body, out_tail) = out.as_chunks_mut::<LANES>();
    for (out, values) in out_body.iter_mut().zip(body) {
        for at in (0..LANES).step_by(LANE) {
            // SAFETY: each reference is to `LANES` values, of which these are eight; `out` begins at a multiple of 32
            // bytes, and so does each eight of its values.
            unsafe {
                let scaled = _mm256_mul_ps(
                    _mm256_loadu_ps(values.as_ptr().add(at)),
                    _mm256_loadu_ps(factors.scale.as_ptr().add(at)),
                );
                let shifted = _mm256_add_ps(scaled, _mm256_loadu_ps(factors.shift.as_ptr().add(at)));
                _mm256_stream_ps(out.as_mut_ptr().add(at), shifted);
            }
        }
    }
    // Whoever is told that the batch is done sees these stores.
    _mm_sfence();
    change(tail, out_tail, factors, |v| v);
}

#[inline(always)]
fn change<T: Copy>(row: &[T], out: &mut [f32], factors: &Factors, level: impl Fn(T) -> f32) {
    let one = |out: &mut [f32], row: &[T]| {
        for (((o, v), scale), shift) in out.iter_mut().zip(row).zip(&factors.scale).zip(&factors.shift) {
            *o = level(*v) * scale + shift;
        }
    };
    let ((out_body, out_tail), (body, tail)) = (out.as_chunks_mut::<LANES>(), row.as_chunks::<LANES>());
    for (o, v) in out_body.iter_mut().zip(body) {
        one(o, v);
    }
    one(out_tail, tail);
}

/// Writes a row's pixels from the last to the first.
fn mirror<T: Level>(row: &[T], out: &mut [f32], channels: usize) {
    match channels {
        1 => out.iter_mut().zip(row.iter().rev()).for_each(|(o, v)| *o = v.to_f32()),
        3 => mirror_pixels::<T, 3>(row, out),
        _ => {
            for (o, pixel) in out.chunks_exact_mut(channels).zip(row.chunks_exact(channels).rev()) {
                o.iter_mut().zip(pixel).for_each(|(o, v)| *o = v.to_f32());
            }
        }
    }
}

fn mirror_pixels<T: Level, const C: usize>(row: &[T], out: &mut [f32]) {
    for (o, pixel) in out.as_chunks_mut::<C>().0.iter_mut().zip(row.as_chunks::<C>().0.iter().rev()) {
        *o = pixel.map(Level::to_f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Change {
        Crop(f32, f32, f32, f32),
        Mirror,
        UpsideDown,
        Factors(f32, f32),
    }

    fn change() -> impl Strategy<Value = Change> {
        let share = 0.0f32..1.0;
        prop_oneof![
            (share.clone(), share.clone(), share.clone(), share).prop_map(|(y, x, h, w)| Change::Crop(y, x, h, w)),
            Just(Change::Mirror),
            Just(Change::UpsideDown),
            (-2.0f32..2.0, -50.0f32..50.0).prop_map(|(a, b)| Change::Factors(a, b)),
        ]
    }

    proptest! {
        /// Put off or done at once, the image is the same.
        #[test]
        fn putting_off_changes_nothing(
            (height, width) in (1usize..20, 1usize..40),
            channels in prop::sample::select(vec![1usize, 3]),
            changes in prop::collection::vec(change(), 0..8),
        ) {
            let shape = Shape::new(height, width, channels);
            let levels: Vec<u8> = (0..height * width * channels).map(|i| (i * 37 % 251) as u8).collect();
            let base = ImageBuf::from_pixels(shape, levels.clone()).unwrap();
            let floats = ImageBuf::from_pixels(shape, levels.iter().map(|v| f32::from(*v)).collect()).unwrap();
            let (mut pending, mut done, mut largest) = (Pending::none(shape), floats.clone(), 255.0f32);
            for change in changes {
                largest = done.pixels().iter().fold(largest, |most, v| most.max(v.abs()));
                match change {
                    Change::Mirror => {
                        pending.flip_left_right();
                        ops::flip_left_right(&mut done);
                    }
                    Change::UpsideDown => {
                        pending.flip_up_down();
                        ops::flip_up_down(&mut done);
                    }
                    Change::Factors(a, b) => {
                        pending.affine(|c| (a, b + c as f32));
                        for pixel in done.pixels_mut().chunks_mut(channels) {
                            pixel.iter_mut().enumerate().for_each(|(c, v)| *v = *v * a + (b + c as f32));
                        }
                    }
                    Change::Crop(y, x, h, w) => {
                        let Shape { height, width, .. } = done.shape();
                        let side = |at: f32, len: f32, all: usize| {
                            let len = ((len * all as f32) as usize).max(1);
                            ((at * (all - len + 1) as f32) as usize, len)
                        };
                        let ((y, height), (x, width)) = (side(y, h, height), side(x, w, width));
                        let rect = Rect { y, x, height, width };
                        pending.crop(rect);
                        ops::crop_to_bounding_box(&mut done, rect).unwrap();
                    }
                }
            }
            if !pending.has_factors() {
                let mut moved = ImageBuf::empty();
                pending.move_into((&floats).into(), &mut moved).unwrap();
                prop_assert_eq!(&moved, &done);
            }
            let mut out = vec![0.0; done.pixels().len()];
            for from_u8 in [false, true] {
                match from_u8 {
                    true => pending.write(&base, &mut out),
                    false => pending.write(&floats, &mut out),
                }
                for (a, b) in out.iter().zip(done.pixels()) {
                    prop_assert!((a - b).abs() <= 1e-5 * largest, "{} and {}", a, b);
                }
            }
        }
    }
}
