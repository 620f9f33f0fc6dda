//! Which part of an image is decoded, at which size, and what of each component that takes.

use std::ops::Range;

use super::blocks::Plane;
use super::frame::{Component, Frame};
use super::upsample::{self, Upsampling};
use crate::image::error::Result;
use crate::image::ops::Rect;

/// The size at which a JPEG is decoded, as a share of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scale {
    /// As it is. The default.
    #[default]
    Full,
    /// Half as high and half as wide: `ratio = 2` of `tf.io.decode_jpeg`.
    Half,
    /// A quarter of each side.
    Quarter,
    /// An eighth of each side.
    Eighth,
}

impl Scale {
    /// What both sides are divided by: 1, 2, 4 or 8.
    #[must_use]
    pub fn divisor(self) -> usize {
        1 << self as usize
    }

    /// The smallest at which an image (or a part of one) of `size` has still at least the pixels of `target`; both are
    /// (height, width).
    ///
    /// ```
    /// use tfrkit::image::Scale;
    /// assert_eq!(Scale::for_target((600, 448), (224, 224)), Scale::Half);
    /// assert_eq!(Scale::for_target((600, 447), (224, 224)), Scale::Full);
    /// ```
    #[must_use]
    pub fn for_target(size: (usize, usize), target: (usize, usize)) -> Self {
        let fits = |scale: &Self| size.0 / scale.divisor() >= target.0 && size.1 / scale.divisor() >= target.1;
        [Self::Eighth, Self::Quarter, Self::Half].into_iter().find(fits).unwrap_or_default()
    }

    /// Height and width of an image of `size`, decoded at this scale: rounded up.
    #[must_use]
    pub fn size_of(self, size: (usize, usize)) -> (usize, usize) {
        (size.0.div_ceil(self.divisor()), size.1.div_ceil(self.divisor()))
    }

    /// A rectangle of an image of `size` at this scale, to the nearest pixel; it has one at least.
    pub(crate) fn rect_of(self, rect: Rect, size: (usize, usize)) -> Rect {
        let (height, width) = self.size_of(size);
        let side = |start: usize, len: usize, all: usize| {
            let at = |place: usize| (place + self.divisor() / 2) / self.divisor();
            let (first, end) = (at(start).min(all.saturating_sub(1)), at(start + len).min(all));
            (first, end.max(first + 1) - first)
        };
        let ((y, height), (x, width)) = (side(rect.y, rect.height, height), side(rect.x, rect.width, width));
        Rect { y, x, height, width }
    }

    /// Samples of a side of a block of the component with the largest sampling factors.
    fn block_side(self) -> usize {
        8 / self.divisor()
    }
}

/// What of an image is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) scale: Scale,
    /// In pixels of the decoded size; all of it if `None`.
    pub(crate) rect: Option<Rect>,
}

impl Extent {
    /// Whether it is the whole image at its own size.
    pub(crate) fn is_all(&self) -> bool {
        self.rect.is_none() && self.scale == Scale::Full
    }

    /// The rectangle that is wanted of a frame.
    pub(super) fn rect(&self, frame: &Frame) -> Result<Rect> {
        let (height, width) = self.scale.size_of((frame.height, frame.width));
        let shape = crate::image::Shape::new(height, width, 1);
        let rect = self.rect.unwrap_or(Rect::whole(shape));
        rect.check("decode_region", shape)?;
        Ok(rect)
    }
}

/// How a component becomes rows of the image.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    /// Samples of a block's side.
    pub(super) side: usize,
    upsampling: Upsampling,
    /// Samples that are wanted, across and down.
    pub(super) columns: Range<usize>,
    rows: Range<usize>,
    /// Samples down, without padding.
    height: usize,
    /// Pixels made of `columns`, before the first that is wanted.
    skip: usize,
    /// Pixels that are wanted.
    width: usize,
}

impl Way {
    /// The way of a component, or `None` for a ratio of sizes that is not whole, which libjpeg refuses.
    pub(super) fn new(component: &Component, frame: &Frame, scale: Scale, rect: &Rect) -> Option<Self> {
        let (h_max, v_max) = frame.max_sampling();
        let full = scale.block_side();
        // As libjpeg, at a smaller scale rather less of that than more samples later.
        let mut side = full;
        while side < 8
            && (h_max * full).is_multiple_of(component.h * side * 2)
            && (v_max * full).is_multiple_of(component.v * side * 2)
        {
            side *= 2;
        }
        let width = (frame.width * component.h * side).div_ceil(h_max * 8);
        let height = (frame.height * component.v * side).div_ceil(v_max * 8);
        let (h, v) = (component.h * side / full, component.v * side / full);
        let upsampling = Upsampling::of((h, h_max), (v, v_max), width, full > 1)?;
        let (across, down) = (upsampling.across(), upsampling.down());
        let samples = |start: usize, len: usize, (times, around): (usize, usize), all: usize| {
            (start / times).saturating_sub(around)..((start + len - 1) / times + 1 + around).min(all)
        };
        let columns = samples(rect.x, rect.width, across, width);
        Some(Self {
            side,
            upsampling,
            rows: samples(rect.y, rect.height, down, height),
            height,
            skip: rect.x - columns.start * across.0,
            width: rect.width,
            columns,
        })
    }

    /// Values that [`row`](Self::row) needs room for: pixels, and sums.
    pub(super) fn room(&self) -> (usize, usize) {
        (self.columns.len() * self.upsampling.across().0, self.columns.len() + 2)
    }

    pub(super) fn looks_down(&self) -> bool {
        self.upsampling.down().1 > 0
    }

    /// The MCUs with what is wanted, across and down, of a scan with so many blocks of this component in an MCU.
    pub(super) fn mcus(&self, (h, v): (usize, usize)) -> Window {
        let of = |samples: &Range<usize>, blocks: usize| {
            samples.start / (self.side * blocks)..samples.end.div_ceil(self.side * blocks)
        };
        Window { across: of(&self.columns, h), down: of(&self.rows, v) }
    }

    /// What is wanted of row `y` of the image, from a component; `spare` and `sums` have room for it.
    #[inline(always)]
    pub(super) fn row<'a>(&self, plane: &'a Plane, y: usize, sums: &mut [u16], spare: &'a mut [u8]) -> &'a [u8] {
        let row = |y: usize| plane.row(y).get(self.columns.clone()).unwrap_or_default();
        // libjpeg repeats the first and the last row that are in the image.
        let far =
            |y: usize| if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(self.height - 1) };
        let made = match self.upsampling {
            Upsampling::None => row(y),
            Upsampling::Repeat(1, v) => row(y / v),
            Upsampling::Across => {
                upsample::double_across(row(y), sums, spare);
                spare
            }
            Upsampling::Down => {
                upsample::double_down(row(y / 2), row(far(y)), 1 + (y % 2) as u16, spare);
                spare
            }
            Upsampling::Both => {
                upsample::double(row(y / 2), row(far(y)), sums, spare);
                spare
            }
            Upsampling::Repeat(h, v) => {
                upsample::repeat(row(y / v), h, spare);
                spare
            }
        };
        made.get(self.skip..self.skip + self.width).unwrap_or_default()
    }
}

/// The MCUs of a scan that are decoded to samples; of all others the codes are only read.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    pub(super) across: Range<usize>,
    pub(super) down: Range<usize>,
}

impl Window {
    /// The smallest that has both.
    pub(super) fn with(self, other: Self) -> Self {
        let both = |a: Range<usize>, b: Range<usize>| {
            if a.is_empty() { b } else { a.start.min(b.start)..a.end.max(b.end) }
        };
        Self { across: both(self.across, other.across), down: both(self.down, other.down) }
    }

    /// The part of a row of so many MCUs.
    pub(super) fn of_row(&self, row: usize, mcus: usize) -> Range<usize> {
        if self.down.contains(&row) { self.across.start.min(mcus)..self.across.end.min(mcus) } else { 0..0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_go_to_the_nearest_pixel() {
        let rect = |y, x, height, width| Rect { y, x, height, width };
        assert_eq!(Scale::Full.rect_of(rect(3, 5, 7, 9), (20, 30)), rect(3, 5, 7, 9));
        assert_eq!(Scale::Quarter.rect_of(rect(1, 2, 8, 8), (20, 30)), rect(0, 1, 2, 2));
        // The last pixel of the smaller image stands for one column.
        assert_eq!(Scale::Eighth.rect_of(rect(0, 24, 1, 1), (20, 25)), rect(0, 3, 1, 1));
        assert_eq!(Scale::Half.rect_of(rect(0, 0, 25, 1), (25, 1)), rect(0, 0, 13, 1));
    }
}
