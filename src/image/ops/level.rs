//! The two types that hold levels.

use super::lanes::{cut_to_u8, round_to_u8};

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for f32 {}
}

/// An element type whose values are levels of 0..255: `u8` or `f32`.
pub trait Level: sealed::Sealed + Copy + Default {
    /// The level as it is.
    fn to_f32(self) -> f32;
    /// From a level as C casts it: `u8` drops the fraction; beyond 0..=255 it saturates.
    fn cast(level: f32) -> Self;
    /// From a level: `u8` rounds halves to even and saturates.
    fn round(level: f32) -> Self;
}

impl Level for u8 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn cast(level: f32) -> Self {
        cut_to_u8(level)
    }

    #[inline(always)]
    fn round(level: f32) -> Self {
        round_to_u8(level)
    }
}

impl Level for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn cast(level: f32) -> Self {
        level
    }

    #[inline(always)]
    fn round(level: f32) -> Self {
        level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_to_even_and_saturates() {
        for (level, expected) in [(-3.0, 0), (0.5, 0), (1.5, 2), (2.5, 2), (2.500_001, 3), (254.5, 254), (255.5, 255)] {
            assert_eq!(<u8 as Level>::round(level), expected, "{level}");
        }
        for i in 0..=25_600u16 {
            let level = f32::from(i) / 100.0;
            assert_eq!(<u8 as Level>::round(level), level.round_ties_even() as u8);
        }
        assert_eq!(u8::cast(12.9), 12);
        assert_eq!(<f32 as Level>::round(12.9), 12.9);
    }
}
