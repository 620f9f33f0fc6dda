//! Inverse transforms of 8 x 8 coefficients to fewer samples, with the numbers of libjpeg's accurate ones: each sample
//! stands for a square of those that the whole transform gives.

use super::idct::{COEFFICIENTS, Coefficients, FACTOR_BITS, PASS_BITS, descale, fix13, inverse_flat, saturates};
use crate::image::simd::avx2;

/// Most samples of a side.
pub(super) const SIDE: usize = 4;

/// Samples of a block, row by row; of two a side, the first two of the first two rows.
pub(super) type Reduced = [[u8; SIDE]; SIDE];

/// Odd coefficients 1, 3, 5 and 7: their parts in the outer and the inner of four samples, and in one of two.
const OUTER: [i32; 4] = [fix13(2.562_915_447), fix13(0.899_976_223), -fix13(0.601_344_887), -fix13(0.509_795_579)];
const INNER: [i32; 4] = [fix13(1.061_594_337), -fix13(2.172_734_803), fix13(1.451_774_981), -fix13(0.211_164_243)];
const OF_TWO: [i32; 4] = [fix13(3.624_509_785), -fix13(1.272_758_580), fix13(0.850_430_095), -fix13(0.720_959_822)];
/// Even coefficients 2 and 6.
const EVEN: [i32; 2] = [fix13(1.847_759_065), -fix13(0.765_366_865)];

/// Coefficients side by side, in one dimension; the fourth is not used.
type Lanes<const N: usize> = [[i32; N]; 8];

#[inline(always)]
fn odd<const N: usize>(c: &Lanes<N>, factors: &[i32; 4], lane: usize) -> i32 {
    let products = [1, 3, 5, 7].iter().zip(factors).map(|(&k, factor)| c[k][lane].wrapping_mul(*factor));
    products.fold(0, i32::wrapping_add)
}

/// To four samples, scaled down by 2^`bits`.
#[inline(always)]
fn to_four<const N: usize>(c: &Lanes<N>, bits: i32) -> [[i32; N]; 4] {
    let mut out = [[0; N]; 4];
    for lane in 0..N {
        let first = c[0][lane] << (FACTOR_BITS + 1);
        let even = c[2][lane].wrapping_mul(EVEN[0]).wrapping_add(c[6][lane].wrapping_mul(EVEN[1]));
        let (outer, inner) = (odd(c, &OUTER, lane), odd(c, &INNER, lane));
        let (sum, difference) = (first.wrapping_add(even), first.wrapping_sub(even));
        out[0][lane] = descale(sum.wrapping_add(outer), bits + 1);
        out[1][lane] = descale(difference.wrapping_add(inner), bits + 1);
        out[2][lane] = descale(difference.wrapping_sub(inner), bits + 1);
        out[3][lane] = descale(sum.wrapping_sub(outer), bits + 1);
    }
    out
}

/// To two samples.
#[inline(always)]
fn to_two<const N: usize>(c: &Lanes<N>, bits: i32) -> [[i32; N]; 2] {
    let mut out = [[0; N]; 2];
    for lane in 0..N {
        let first = c[0][lane] << (FACTOR_BITS + 2);
        let odd = odd(c, &OF_TWO, lane);
        out[0][lane] = descale(first.wrapping_add(odd), bits + 2);
        out[1][lane] = descale(first.wrapping_sub(odd), bits + 2);
    }
    out
}

const FIRST: i32 = FACTOR_BITS - PASS_BITS;
const SECOND: i32 = FACTOR_BITS + PASS_BITS + 3;

/// Columns of the first pass, saturated at 16 bits, as rows of the second.
#[inline(always)]
fn turned<const N: usize>(columns: &[[i32; 8]; N]) -> Lanes<N> {
    let mut out = [[0; N]; 8];
    for (y, column) in columns.iter().enumerate() {
        for (k, (row, &value)) in out.iter_mut().zip(column).enumerate() {
            // As in libjpeg-turbo, of two samples a side the first keeps its 32 bits.
            row[y] = if N == 2 && k == 0 { value } else { value.clamp(-32_768, 32_767) };
        }
    }
    out
}

fn sample(value: i32) -> u8 {
    (value.clamp(-128, 127) + 128) as u8
}

avx2! {
    fn four_a_side(rows: &Lanes<8>) -> Reduced {
        let columns = to_four(&turned(&to_four(rows, FIRST)), SECOND);
        std::array::from_fn(|y| std::array::from_fn(|x| sample(columns[x][y])))
    }
}

/// As [`four_a_side`] for a block with coefficients in its first row alone: see the whole transform.
#[cold]
fn four_of_one_row(row: &[i32; 8]) -> Reduced {
    let column = row.map(|value| i32::from((value as i16).wrapping_shl(PASS_BITS as u32)));
    let columns = to_four(&turned(&[column; 4]), SECOND);
    std::array::from_fn(|y| std::array::from_fn(|x| sample(columns[x][y])))
}

avx2! {
    fn two_a_side(rows: &Lanes<8>) -> Reduced {
        let columns = to_two(&turned(&to_two(rows, FIRST)), SECOND);
        let mut out = [[0; SIDE]; SIDE];
        for (y, x) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            out[y][x] = sample(columns[x][y]);
        }
        out
    }
}

/// A block of quantised coefficients, row by row, to 4, 2 or 1 samples a side.
#[inline(always)]
pub(super) fn inverse(block: &Coefficients, multipliers: &[i16; COEFFICIENTS], side: usize) -> Reduced {
    let mut rows = [[0; 8]; 8];
    for ((value, &coefficient), &factor) in rows.as_flattened_mut().iter_mut().zip(block).zip(multipliers) {
        *value = i32::from(coefficient.wrapping_mul(factor));
    }
    match side {
        4 if saturates(&rows[0].map(|value| value as i16)) && has_one_row(block) => four_of_one_row(&rows[0]),
        4 => four_a_side(&rows),
        2 => two_a_side(&rows),
        _ => [[mean(block[0], multipliers[0]); SIDE]; SIDE],
    }
}

/// Whether no coefficient stands in the rows below the first, the fourth of which is not used.
fn has_one_row(block: &Coefficients) -> bool {
    block.as_chunks::<8>().0.iter().enumerate().all(|(y, row)| matches!(y, 0 | 4) || *row == [0; 8])
}

/// The only sample of a block. libjpeg takes the lowest ten bits of the level for all of it.
fn mean(dc: i16, multiplier: i16) -> u8 {
    let level = descale(i32::from(dc) * i32::from(multiplier), 3);
    sample(level << 22 >> 22)
}

/// The sample that all of a block have whose only coefficient is the first.
#[inline(always)]
pub(super) fn flat(dc: i16, multiplier: i16, side: usize) -> u8 {
    let value = dc.wrapping_mul(multiplier);
    match side {
        1 => mean(dc, multiplier),
        2 => sample(descale(i32::from(value).wrapping_shl(PASS_BITS as u32 + 15), SECOND + 2)),
        _ => inverse_flat(value, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_block_is_that_of_its_first_coefficient() {
        for dc in (i16::MIN..=i16::MAX).step_by(3) {
            let mut block = [0; COEFFICIENTS];
            block[0] = dc;
            for side in [4, 2, 1] {
                let level = flat(dc, 1, side);
                assert!(level == inverse_flat(dc, true) || dc.unsigned_abs() > 4091);
                let samples = inverse(&block, &[1; COEFFICIENTS], side);
                assert!(samples.iter().take(side).all(|row| row[..side].iter().all(|&v| v == level)), "{dc} {side}");
            }
        }
    }

    /// A frequency that a square of samples holds whole comes out as their means.
    #[test]
    fn samples_are_means() {
        for (k, amplitude) in [(1, 300), (8, -300), (9, 200), (2, 150)] {
            let mut block = [0; COEFFICIENTS];
            (block[0], block[k]) = (200, amplitude);
            let whole = super::super::idct::inverse_pair(&[block; 2], [&[1; COEFFICIENTS]; 2], true)[0];
            for side in [4, 2] {
                let step = 8 / side;
                let samples = inverse(&block, &[1; COEFFICIENTS], side);
                for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                    let square = whole[y * step..][..step].iter().flat_map(|row| &row[x * step..][..step]);
                    let mean = square.map(|&v| f32::from(v)).sum::<f32>() / (step * step) as f32;
                    let found = f32::from(samples[y][x]);
                    assert!((found - mean).abs() <= 6.0, "{k} {side}: {found} for {mean}");
                }
            }
        }
    }
}
