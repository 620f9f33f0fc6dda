//! Inverse transforms of 8 x 8 blocks with libjpeg-turbo's integers.
//!
//! Sums wrap and saturate at 16 bits where the x86-64 SIMD code of libjpeg-turbo does, so that even coefficients that
//! no encoder writes give its samples.

// The index is that of a lane, the same in all eight rows.
#![allow(clippy::needless_range_loop)]

/// Coefficients of a block.
pub(crate) const COEFFICIENTS: usize = 64;

/// Samples or coefficients of a block, row by row.
pub(crate) type Block = [[i16; 8]; 8];

/// Coefficients of a block or their multipliers.
pub(super) type Coefficients = [i16; COEFFICIENTS];

/// Samples of a block.
pub(super) type Samples = [[u8; 8]; 8];

/// A real factor in 13-bit fixed point.
pub(crate) const fn fix13(value: f64) -> i32 {
    (value * 8192.0 + 0.5) as i32
}

/// Rotations that the accurate transforms share, named by their factors.
pub(crate) const F0_298: i32 = fix13(0.298_631_336);
pub(crate) const F0_390: i32 = fix13(0.390_180_644);
pub(crate) const F0_541: i32 = fix13(0.541_196_100);
pub(crate) const F0_765: i32 = fix13(0.765_366_865);
pub(crate) const F0_899: i32 = fix13(0.899_976_223);
pub(crate) const F1_175: i32 = fix13(1.175_875_602);
pub(crate) const F1_501: i32 = fix13(1.501_321_110);
pub(crate) const F1_847: i32 = fix13(1.847_759_065);
pub(crate) const F1_961: i32 = fix13(1.961_570_560);
pub(crate) const F2_053: i32 = fix13(2.053_119_869);
pub(crate) const F2_562: i32 = fix13(2.562_915_447);
pub(crate) const F3_072: i32 = fix13(3.072_711_026);

/// Fraction bits of [`fix13`].
pub(crate) const FACTOR_BITS: i32 = 13;
/// Bits by which the first of two passes scales up, to lose less by its rounding.
pub(crate) const PASS_BITS: i32 = 2;

/// Scale factors of the fast transform by frequency: 1 and sqrt(2) cos(k pi / 16).
const FAST_SCALES: [f64; 8] =
    [1.0, 1.387_039_845, 1.306_562_965, 1.175_875_602, 1.0, 0.785_694_958, 0.541_196_100, 0.275_899_379];

/// What the transform multiplies quantised coefficients with, row by row. The fast one has its scale factors in them:
/// both (14 fraction bits) times the quantiser, rounded to 2 fraction bits.
pub(crate) fn multipliers(quantisers: &[u16; COEFFICIENTS], accurate: bool) -> [i16; COEFFICIENTS] {
    let factor = |k: usize| FAST_SCALES.get(k).copied().unwrap_or(1.0);
    std::array::from_fn(|i| {
        let quantiser = quantisers.get(i).map_or(1, |&q| i32::from(q));
        if accurate {
            return quantiser as i16;
        }
        let scale = (factor(i / 8) * factor(i % 8) * 16_384.0).round() as i32;
        ((quantiser * scale + (1 << 11)) >> 12) as i16
    })
}

/// Divides by 2^`bits`, to the nearest, halves upwards.
#[inline(always)]
pub(crate) fn descale(value: i32, bits: i32) -> i32 {
    value.wrapping_add(1 << (bits - 1)) >> bits
}

/// Rows become columns.
#[inline(always)]
pub(crate) fn transpose(block: &Block) -> Block {
    let mut out = [[0; 8]; 8];
    for (y, row) in out.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            *value = block[x][y];
        }
    }
    out
}

/// A sum of two products, which fits 32 bits for the factors here.
#[inline(always)]
fn dot(a: i16, fa: i32, b: i16, fb: i32) -> i32 {
    (i32::from(a) * fa).wrapping_add(i32::from(b) * fb)
}

/// Eight one-dimensional accurate transforms side by side, down the columns.
#[inline(always)]
fn accurate_pass(block: &mut Block, second: bool) {
    let bits = if second { FACTOR_BITS + PASS_BITS + 3 } else { FACTOR_BITS - PASS_BITS };
    for x in 0..8 {
        let c = |k: usize| block[k][x];
        let low = dot(c(2), F0_541, c(6), F0_541 - F1_847);
        let high = dot(c(2), F0_541 + F0_765, c(6), F0_541);
        let sum = i32::from(c(0).wrapping_add(c(4))) << FACTOR_BITS;
        let difference = i32::from(c(0).wrapping_sub(c(4))) << FACTOR_BITS;
        let even = [
            sum.wrapping_add(high),
            difference.wrapping_add(low),
            difference.wrapping_sub(low),
            sum.wrapping_sub(high),
        ];

        let (c7, c5, c3, c1) = (c(7), c(5), c(3), c(1));
        let (a, b) = (c7.wrapping_add(c3), c5.wrapping_add(c1));
        let z3 = dot(a, F1_175 - F1_961, b, F1_175);
        let z4 = dot(a, F1_175, b, F1_175 - F0_390);
        let odd = [
            dot(c7, -F0_899, c1, F1_501 - F0_899).wrapping_add(z4),
            dot(c5, -F2_562, c3, F3_072 - F2_562).wrapping_add(z3),
            dot(c5, F2_053 - F2_562, c3, -F2_562).wrapping_add(z4),
            dot(c7, F0_298 - F0_899, c1, -F0_899).wrapping_add(z3),
        ];
        let narrow = |value: i32| value.clamp(-32_768, 32_767) as i16;
        for k in 0..4 {
            block[k][x] = narrow(descale(even[k].wrapping_add(odd[k]), bits));
            block[7 - k][x] = narrow(descale(even[k].wrapping_sub(odd[k]), bits));
        }
    }
}

/// Factors of the fast transform: 8 fraction bits, raised so that the high half of a product with a value shifted up by
/// 2 is the result.
const fn fix_high(eight_bits: i32) -> i16 {
    (eight_bits << 6) as i16
}
pub(super) const H1_414: i16 = fix_high(362);
pub(super) const H1_847: i16 = fix_high(473);
pub(super) const H1_082: i16 = fix_high(277);
/// 2.613 does not fit: the integer part is subtracted apart.
pub(super) const H1_613: i16 = fix_high(413);

#[inline(always)]
fn high_product(value: i16, factor: i16) -> i16 {
    ((i32::from(value.wrapping_shl(2)) * i32::from(factor)) >> 16) as i16
}

/// Eight one-dimensional fast transforms (Arai, Agui and Nakajima) side by side, down the columns.
#[inline(always)]
fn fast_pass(block: &mut Block) {
    for x in 0..8 {
        let c = |k: usize| block[k][x];
        let (sum, difference) = (c(0).wrapping_add(c(4)), c(0).wrapping_sub(c(4)));
        let high = c(2).wrapping_add(c(6));
        let low = high_product(c(2).wrapping_sub(c(6)), H1_414).wrapping_sub(high);
        let even = [
            sum.wrapping_add(high),
            difference.wrapping_add(low),
            difference.wrapping_sub(low),
            sum.wrapping_sub(high),
        ];

        let (z13, z10) = (c(5).wrapping_add(c(3)), c(5).wrapping_sub(c(3)));
        let (z11, z12) = (c(1).wrapping_add(c(7)), c(1).wrapping_sub(c(7)));
        let z5 = high_product(z10.wrapping_add(z12), H1_847);
        let o0 = z11.wrapping_add(z13);
        let o1 = high_product(z10, -H1_613).wrapping_sub(z10).wrapping_add(z5).wrapping_sub(o0);
        let o2 = high_product(z11.wrapping_sub(z13), H1_414).wrapping_sub(o1);
        let o3 = high_product(z12, H1_082).wrapping_sub(z5).wrapping_add(o2);
        // The fourth odd term has the opposite sign.
        let odd = [o0, o1, o2, o3.wrapping_neg()];
        for k in 0..4 {
            block[k][x] = even[k].wrapping_add(odd[k]);
            block[7 - k][x] = even[k].wrapping_sub(odd[k]);
        }
    }
}

/// Coefficients with their multipliers to samples.
#[inline(always)]
pub(crate) fn inverse(block: &Block, accurate: bool) -> [[u8; 8]; 8] {
    let mut block = *block;
    let shift = if accurate {
        accurate_pass(&mut block, false);
        block = transpose(&block);
        accurate_pass(&mut block, true);
        0
    } else {
        fast_pass(&mut block);
        block = transpose(&block);
        fast_pass(&mut block);
        PASS_BITS + 3
    };
    block = transpose(&block);
    let mut out = [[0; 8]; 8];
    for (o, value) in out.as_flattened_mut().iter_mut().zip(block.as_flattened()) {
        *o = ((value >> shift).clamp(-128, 127) + 128) as u8;
    }
    out
}

/// Two blocks of quantised coefficients, row by row, to samples.
#[inline(always)]
pub(super) fn inverse_pair(
    blocks: &[Coefficients; 2],
    multipliers: [&Coefficients; 2],
    accurate: bool,
) -> [Samples; 2] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as just asked; the functions are otherwise safe.
        #[allow(unsafe_code)]
        return unsafe {
            if accurate {
                super::idct_wide::inverse_accurate(blocks, multipliers)
            } else {
                super::idct_wide::inverse_fast(blocks, multipliers)
            }
        };
    }
    portable_pair(blocks, multipliers, accurate)
}

/// As [`inverse_pair`], on any processor.
#[inline(never)]
pub(super) fn portable_pair(
    blocks: &[Coefficients; 2],
    multipliers: [&Coefficients; 2],
    accurate: bool,
) -> [Samples; 2] {
    let mut out = [[[0; 8]; 8]; 2];
    for ((out, block), multipliers) in out.iter_mut().zip(blocks).zip(multipliers) {
        let mut rows = [[0; 8]; 8];
        for ((value, &coefficient), &factor) in rows.as_flattened_mut().iter_mut().zip(block).zip(multipliers) {
            *value = coefficient.wrapping_mul(factor);
        }
        *out = if accurate && saturates(&rows[0]) && block.iter().skip(8).all(|&c| c == 0) {
            of_one_row(&rows[0])
        } else {
            inverse(&rows, accurate)
        };
    }
    out
}

/// Whether the first pass of an accurate transform makes any of these more than 16 bits hold.
#[inline(always)]
pub(super) fn saturates(row: &[i16; 8]) -> bool {
    row.iter().any(|value| value >> 13 != value >> 15)
}

/// The accurate transform of a block with coefficients in its first row alone. libjpeg-turbo has a shorter first pass for
/// those, which wraps where the other saturates.
fn of_one_row(row: &[i16; 8]) -> Samples {
    let mut block = [row.map(|value| value.wrapping_shl(PASS_BITS as u32)); 8];
    block = transpose(&block);
    accurate_pass(&mut block, true);
    transpose(&block).map(|row| row.map(|value| (value.clamp(-128, 127) + 128) as u8))
}

/// The sample that all of a block have whose only coefficient is the first, here multiplied.
#[inline(always)]
pub(crate) fn inverse_flat(dc: i16, accurate: bool) -> u8 {
    let value = if accurate {
        descale(i32::from(dc.wrapping_shl(PASS_BITS as u32)), PASS_BITS + 3)
    } else {
        i32::from(dc >> (PASS_BITS + 3))
    };
    (value.clamp(-128, 127) + 128) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(state: &mut u32) -> u32 {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        *state >> 8
    }

    /// Whatever the processor has, the samples are the same, for coefficients of any size.
    #[test]
    fn pairs_are_as_the_portable_ones() {
        let mut state = 1;
        for round in 0..4000u32 {
            let kept = noise(&mut state) % 16;
            let blocks = [0, 1].map(|_| {
                std::array::from_fn(|_| {
                    let value = noise(&mut state) as i16 >> (round % 16);
                    if noise(&mut state) % 16 <= kept { value } else { 0 }
                })
            });
            let factors = [1, 2].map(|_| std::array::from_fn(|_| noise(&mut state) as i16 >> (round / 16 % 16)));
            let [a, b] = &factors;
            for accurate in [false, true] {
                let expected = portable_pair(&blocks, [a, b], accurate);
                assert_eq!(inverse_pair(&blocks, [a, b], accurate), expected, "round {round}");
            }
        }
    }

    #[test]
    fn a_flat_block_is_that_of_its_first_coefficient() {
        for accurate in [false, true] {
            for dc in (i16::MIN..=i16::MAX).step_by(7) {
                let mut block = [0; COEFFICIENTS];
                block[0] = dc;
                let samples = portable_pair(&[block; 2], [&[1; COEFFICIENTS]; 2], accurate);
                assert_eq!(samples, [[[inverse_flat(dc, accurate); 8]; 8]; 2], "{dc} {accurate}");
            }
        }
    }
}
