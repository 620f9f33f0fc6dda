//! YCbCr to RGB in vector instructions of x86-64, sixteen pixels at a time: the compiler finds neither the pairwise product
//! nor the shuffles that put channels side by side. The arithmetic is that of the portable code.

use std::arch::x86_64::*;

use super::ycc::{BLUE, GREEN, HALF, RED};

/// Pixels handled together.
const PIXELS: usize = 16;
/// Picks no byte.
const NO: i8 = -1;

/// Where the first sixteen bytes of eight pixels come from: red (0 to 7) and green (8 to 15) in one register, blue in another.
const FIRST: [[i8; 16]; 2] = [
    [0, 8, NO, 1, 9, NO, 2, 10, NO, 3, 11, NO, 4, 12, NO, 5],
    [NO, NO, 0, NO, NO, 1, NO, NO, 2, NO, NO, 3, NO, NO, 4, NO],
];
/// And the last eight.
const LAST: [[i8; 16]; 2] = [
    [13, NO, 6, 14, NO, 7, 15, NO, NO, NO, NO, NO, NO, NO, NO, NO],
    [NO, 5, NO, NO, 6, NO, NO, 7, NO, NO, NO, NO, NO, NO, NO, NO],
];

/// As many pixels of a row as come in whole groups; gives their number.
#[target_feature(enable = "avx2")]
pub(super) fn row_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], rgb: &mut [u8]) -> usize {
    let groups = rgb.as_chunks_mut::<{ 3 * PIXELS }>().0.iter_mut();
    let groups = groups.zip(y.as_chunks::<PIXELS>().0).zip(cb.as_chunks().0).zip(cr.as_chunks().0);
    let mut done = 0;
    for (((rgb, y), cb), cr) in groups {
        to_rgb(y, cb, cr, rgb);
        done += PIXELS;
    }
    done
}

#[target_feature(enable = "avx2")]
#[inline]
fn widened(values: &[u8; PIXELS]) -> __m256i {
    // SAFETY: the reference is to sixteen bytes.
    #[allow(unsafe_code)]
    unsafe {
        _mm256_cvtepu8_epi16(_mm_loadu_si128(values.as_ptr().cast()))
    }
}

/// The high half of a product with twice the value, which is the product with one bit to round, rounded.
#[target_feature(enable = "avx2")]
#[inline]
fn rounded(value: __m256i, factor: i16) -> __m256i {
    let product = _mm256_mulhi_epi16(_mm256_add_epi16(value, value), _mm256_set1_epi16(factor));
    _mm256_srai_epi16::<1>(_mm256_add_epi16(product, _mm256_set1_epi16(1)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn both_halves(bytes: [i8; 16]) -> __m256i {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
    _mm256_broadcastsi128_si256(_mm_setr_epi8(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p))
}

#[target_feature(enable = "avx2")]
#[inline]
fn to_rgb(y: &[u8; PIXELS], cb: &[u8; PIXELS], cr: &[u8; PIXELS], out: &mut [u8; 3 * PIXELS]) {
    let centre = _mm256_set1_epi16(128);
    let (y, cb, cr) = (widened(y), widened(cb), widened(cr));
    let (cb, cr) = (_mm256_sub_epi16(cb, centre), _mm256_sub_epi16(cr, centre));

    let red = _mm256_add_epi16(_mm256_add_epi16(y, cr), rounded(cr, RED));
    let blue = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_add_epi16(cb, cb)), rounded(cb, BLUE));
    let factors = _mm256_set1_epi32((GREEN[1] << 16) | (GREEN[0] & 0xffff));
    let half = _mm256_set1_epi32(HALF);
    let weighed = |pairs| _mm256_srai_epi32::<16>(_mm256_add_epi32(_mm256_madd_epi16(pairs, factors), half));
    let (low, high) = (weighed(_mm256_unpacklo_epi16(cb, cr)), weighed(_mm256_unpackhi_epi16(cb, cr)));
    let green = _mm256_add_epi16(_mm256_sub_epi16(y, cr), _mm256_packs_epi32(low, high));

    // Each half now holds eight pixels.
    let red_green = _mm256_packus_epi16(red, green);
    let blue = _mm256_packus_epi16(blue, blue);
    let mixed = |[a, b]: [[i8; 16]; 2]| {
        let (a, b) = (both_halves(a), both_halves(b));
        _mm256_or_si256(_mm256_shuffle_epi8(red_green, a), _mm256_shuffle_epi8(blue, b))
    };
    let (first, last) = (mixed(FIRST), mixed(LAST));
    let to = out.as_mut_ptr();
    // SAFETY: 16 and 8 bytes for each half, which is 48 in all.
    #[allow(unsafe_code)]
    unsafe {
        _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(first));
        _mm_storel_epi64(to.add(16).cast(), _mm256_castsi256_si128(last));
        _mm_storeu_si128(to.add(24).cast(), _mm256_extracti128_si256::<1>(first));
        _mm_storel_epi64(to.add(40).cast(), _mm256_extracti128_si256::<1>(last));
    }
}
