//! The element types that a resize reads.

use super::bilinear::{self, Column};
use super::separable;
use crate::image::simd::avx2;

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for f32 {}
}

/// An element type that [`Resizer`](super::Resizer) reads: `u8` or `f32`.
///
/// The inner loops are methods, so that each type's are compiled once for each set of instructions.
pub trait Sample: sealed::Sealed + Copy + Default {
    #[doc(hidden)]
    fn to_f32(self) -> f32;

    /// The values as bytes, if that is what they are.
    #[doc(hidden)]
    fn bytes(values: &[Self]) -> Option<&[u8]>;

    /// The sum of rows `stride` apart, each with its weight.
    #[doc(hidden)]
    fn sum_rows(rows: &[Self], stride: usize, weights: &[f32], out: &mut [f32]);

    /// A row resized across, bilinear.
    #[doc(hidden)]
    fn blend_columns(columns: &[Column], channels: usize, row: &[Self], out: &mut [f32]);

    /// Two rows resized across and blended, bilinear.
    #[doc(hidden)]
    fn blend_both(columns: &[Column], channels: usize, rows: (&[Self], &[Self]), weight: f32, out: &mut [f32]);
}

macro_rules! sample {
    ($t:ty, $to_f32:expr, $bytes:expr) => {
        impl Sample for $t {
            #[inline(always)]
            fn to_f32(self) -> f32 {
                $to_f32(self)
            }

            #[inline(always)]
            fn bytes(values: &[Self]) -> Option<&[u8]> {
                $bytes(values)
            }

            fn sum_rows(rows: &[Self], stride: usize, weights: &[f32], out: &mut [f32]) {
                avx2! {
                    fn run(rows: &[$t], stride: usize, weights: &[f32], out: &mut [f32]) {
                        separable::sum_rows(rows, stride, weights, out);
                    }
                }
                run(rows, stride, weights, out);
            }

            fn blend_columns(columns: &[Column], channels: usize, row: &[Self], out: &mut [f32]) {
                avx2! {
                    fn run(columns: &[Column], channels: usize, row: &[$t], out: &mut [f32]) {
                        bilinear::blend_columns(columns, channels, row, out);
                    }
                }
                run(columns, channels, row, out);
            }

            fn blend_both(columns: &[Column], channels: usize, rows: (&[Self], &[Self]), weight: f32, out: &mut [f32]) {
                avx2! {
                    fn run(columns: &[Column], channels: usize, rows: (&[$t], &[$t]), weight: f32, out: &mut [f32]) {
                        bilinear::blend_both(columns, channels, rows, weight, out);
                    }
                }
                run(columns, channels, rows, weight, out);
            }
        }
    };
}

sample!(u8, f32::from, Some);
sample!(f32, std::convert::identity, |_| None);
