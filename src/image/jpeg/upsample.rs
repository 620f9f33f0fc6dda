//! Rows of a component at a smaller size than the image's, as libjpeg's upsampling makes them.

use crate::image::simd::avx2;

/// How the samples of a component become one for each pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Upsampling {
    /// One sample for each pixel.
    #[default]
    None,
    /// Twice as many across: three quarters of the nearer one and a quarter of the next.
    Across,
    /// Twice as many down, the same way.
    Down,
    /// Both.
    Both,
    /// Each sample this many times across and down.
    Repeat(usize, usize),
}

impl Upsampling {
    /// libjpeg's choice for a component of `width` samples, `h` of them across and `v` down where the image has `h_max`
    /// and `v_max` pixels; or `None` for a ratio that is not whole, which it refuses. Without `fancy`, samples are repeated.
    pub(super) fn of(
        (h, h_max): (usize, usize),
        (v, v_max): (usize, usize),
        width: usize,
        fancy: bool,
    ) -> Option<Self> {
        if !h_max.is_multiple_of(h) || !v_max.is_multiple_of(v) {
            return None;
        }
        Some(match (h_max / h, v_max / v) {
            (1, 1) => Self::None,
            (2, 1) if width > 2 && fancy => Self::Across,
            (1, 2) if fancy => Self::Down,
            (2, 2) if width > 2 && fancy => Self::Both,
            (h, v) => Self::Repeat(h, v),
        })
    }

    /// Pixels that a sample becomes across, and how many samples beside it they depend on.
    pub(super) fn across(self) -> (usize, usize) {
        match self {
            Self::None | Self::Down => (1, 0),
            Self::Across | Self::Both => (2, 1),
            Self::Repeat(h, _) => (h, 0),
        }
    }

    /// The same down.
    pub(super) fn down(self) -> (usize, usize) {
        match self {
            Self::None | Self::Across => (1, 0),
            Self::Down | Self::Both => (2, 1),
            Self::Repeat(_, v) => (v, 0),
        }
    }
}

/// Twice the length, from sums with a value more at each end, which is that next to it; in units of 1 / 2^`bits`.
#[inline(always)]
fn spread<const LEFT: u16, const RIGHT: u16, const BITS: u32>(sums: &mut [u16], out: &mut [u8]) {
    let count = sums.len().saturating_sub(2);
    if let (Some(&first), Some(&last)) = (sums.get(1), sums.get(count)) {
        sums[0] = first;
        sums[count + 1] = last;
    }
    let (left, right) = (sums.iter(), sums.iter().skip(2));
    let sums = left.zip(sums.iter().skip(1)).zip(right);
    for (out, ((l, m), r)) in out.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
        *out = [((3 * m + l + LEFT) >> BITS) as u8, ((3 * m + r + RIGHT) >> BITS) as u8];
    }
}

avx2! {
    /// One row at twice the length, between two rows: three quarters of the nearer and one of the farther, and the same
    /// across. `sums` is scratch, of two values more than the row.
    pub(crate) fn double(near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
        let Some(sums) = sums.get_mut(..near.len() + 2) else { return };
        for ((s, &n), &f) in sums.iter_mut().skip(1).zip(near).zip(far) {
            *s = 3 * u16::from(n) + u16::from(f);
        }
        spread::<8, 7, 4>(sums, out);
    }
}

avx2! {
    /// One row at twice the length.
    pub(super) fn double_across(near: &[u8], sums: &mut [u16], out: &mut [u8]) {
        let Some(sums) = sums.get_mut(..near.len() + 2) else { return };
        for (s, &n) in sums.iter_mut().skip(1).zip(near) {
            *s = u16::from(n);
        }
        spread::<1, 2, 2>(sums, out);
    }
}

avx2! {
    /// One row between two; `bias` is 1 above the middle and 2 below.
    pub(super) fn double_down(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
        for ((out, &n), &f) in out.iter_mut().zip(near).zip(far) {
            *out = ((3 * u16::from(n) + u16::from(f) + bias) >> 2) as u8;
        }
    }
}

/// Each sample `times` times.
pub(crate) fn repeat(near: &[u8], times: usize, out: &mut [u8]) {
    for (out, &value) in out.chunks_mut(times.max(1)).zip(near) {
        out.fill(value);
    }
}
