//! The inverse transforms in vector instructions of x86-64, since the compiler takes four times as many for a
//! transposition that it finds itself. Two blocks go side by side, one in each half of the registers.
//!
//! Nothing here is unsafe: the instructions work on values, and functions that name their target feature may use them.

use std::arch::x86_64::*;

use super::idct::*;

/// A row of two blocks.
type Row = __m256i;

#[target_feature(enable = "avx2")]
#[inline]
fn half(row: &[i16; 8]) -> __m128i {
    let [a, b, c, d, e, f, g, h] = *row;
    _mm_setr_epi16(a, b, c, d, e, f, g, h)
}

/// Rows become columns, block by block: zipping the halves three times over makes the upper bits of a place the lower.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(mut rows: [Row; 8]) -> [Row; 8] {
    for _ in 0..3 {
        let [a, b, c, d, e, f, g, h] = rows;
        rows = [
            _mm256_unpacklo_epi16(a, e),
            _mm256_unpackhi_epi16(a, e),
            _mm256_unpacklo_epi16(b, f),
            _mm256_unpackhi_epi16(b, f),
            _mm256_unpacklo_epi16(c, g),
            _mm256_unpackhi_epi16(c, g),
            _mm256_unpacklo_epi16(d, h),
            _mm256_unpackhi_epi16(d, h),
        ];
    }
    rows
}

#[target_feature(enable = "avx2")]
#[inline]
fn high_product(value: Row, factor: i16) -> Row {
    _mm256_mulhi_epi16(_mm256_slli_epi16::<2>(value), _mm256_set1_epi16(factor))
}

/// As the fast pass of the portable code.
#[target_feature(enable = "avx2")]
#[inline]
fn fast_pass(c: [Row; 8]) -> [Row; 8] {
    let (sum, difference) = (_mm256_add_epi16(c[0], c[4]), _mm256_sub_epi16(c[0], c[4]));
    let high = _mm256_add_epi16(c[2], c[6]);
    let low = _mm256_sub_epi16(high_product(_mm256_sub_epi16(c[2], c[6]), H1_414), high);
    let e0 = _mm256_add_epi16(sum, high);
    let e1 = _mm256_add_epi16(difference, low);
    let e2 = _mm256_sub_epi16(difference, low);
    let e3 = _mm256_sub_epi16(sum, high);

    let (z13, z10) = (_mm256_add_epi16(c[5], c[3]), _mm256_sub_epi16(c[5], c[3]));
    let (z11, z12) = (_mm256_add_epi16(c[1], c[7]), _mm256_sub_epi16(c[1], c[7]));
    let z5 = high_product(_mm256_add_epi16(z10, z12), H1_847);
    let o0 = _mm256_add_epi16(z11, z13);
    let o1 = _mm256_sub_epi16(high_product(z10, -H1_613), z10);
    let o1 = _mm256_sub_epi16(_mm256_add_epi16(o1, z5), o0);
    let o2 = _mm256_sub_epi16(high_product(_mm256_sub_epi16(z11, z13), H1_414), o1);
    let o3 = _mm256_add_epi16(_mm256_sub_epi16(high_product(z12, H1_082), z5), o2);
    [
        _mm256_add_epi16(e0, o0),
        _mm256_add_epi16(e1, o1),
        _mm256_add_epi16(e2, o2),
        _mm256_sub_epi16(e3, o3),
        _mm256_add_epi16(e3, o3),
        _mm256_sub_epi16(e2, o2),
        _mm256_sub_epi16(e1, o1),
        _mm256_sub_epi16(e0, o0),
    ]
}

/// Lanes of two rows in turn, as pairs for [`dot`].
#[target_feature(enable = "avx2")]
#[inline]
fn pairs(a: Row, b: Row) -> [__m256i; 2] {
    [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
}

/// Sums of two products in 32 bits, of the lower and the upper lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn dot(pairs: [__m256i; 2], fa: i32, fb: i32) -> [__m256i; 2] {
    let factors = _mm256_set1_epi32((fb << 16) | (fa & 0xFFFF));
    [_mm256_madd_epi16(pairs[0], factors), _mm256_madd_epi16(pairs[1], factors)]
}

#[target_feature(enable = "avx2")]
#[inline]
fn add(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])]
}

#[target_feature(enable = "avx2")]
#[inline]
fn subtract(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])]
}

/// A row times 2^[`FACTOR_BITS`] in 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn scaled(row: Row) -> [__m256i; 2] {
    let zero = _mm256_setzero_si256();
    let [low, high] = pairs(zero, row);
    [_mm256_srai_epi32::<{ 16 - FACTOR_BITS }>(low), _mm256_srai_epi32::<{ 16 - FACTOR_BITS }>(high)]
}

/// To 16 bits, divided by 2^`BITS`, rounded and saturated.
#[target_feature(enable = "avx2")]
#[inline]
fn narrow<const BITS: i32>(sums: [__m256i; 2]) -> Row {
    let half = _mm256_set1_epi32(1 << (BITS - 1));
    _mm256_packs_epi32(
        _mm256_srai_epi32::<BITS>(_mm256_add_epi32(sums[0], half)),
        _mm256_srai_epi32::<BITS>(_mm256_add_epi32(sums[1], half)),
    )
}

/// As the accurate pass of the portable code.
#[target_feature(enable = "avx2")]
#[inline]
fn accurate_pass<const BITS: i32>(c: [Row; 8]) -> [Row; 8] {
    let c26 = pairs(c[2], c[6]);
    let low = dot(c26, F0_541, F0_541 - F1_847);
    let high = dot(c26, F0_541 + F0_765, F0_541);
    let (sum, difference) = (scaled(_mm256_add_epi16(c[0], c[4])), scaled(_mm256_sub_epi16(c[0], c[4])));
    let even = [add(sum, high), add(difference, low), subtract(difference, low), subtract(sum, high)];

    let z = pairs(_mm256_add_epi16(c[7], c[3]), _mm256_add_epi16(c[5], c[1]));
    let z3 = dot(z, F1_175 - F1_961, F1_175);
    let z4 = dot(z, F1_175, F1_175 - F0_390);
    let (c71, c53) = (pairs(c[7], c[1]), pairs(c[5], c[3]));
    let odd = [
        add(dot(c71, -F0_899, F1_501 - F0_899), z4),
        add(dot(c53, -F2_562, F3_072 - F2_562), z3),
        add(dot(c53, F2_053 - F2_562, -F2_562), z4),
        add(dot(c71, F0_298 - F0_899, -F0_899), z3),
    ];
    [
        narrow::<BITS>(add(even[0], odd[0])),
        narrow::<BITS>(add(even[1], odd[1])),
        narrow::<BITS>(add(even[2], odd[2])),
        narrow::<BITS>(add(even[3], odd[3])),
        narrow::<BITS>(subtract(even[3], odd[3])),
        narrow::<BITS>(subtract(even[2], odd[2])),
        narrow::<BITS>(subtract(even[1], odd[1])),
        narrow::<BITS>(subtract(even[0], odd[0])),
    ]
}

/// Two blocks of coefficients times their multipliers.
#[target_feature(enable = "avx2")]
#[inline]
fn load(blocks: &[Coefficients; 2], multipliers: [&Coefficients; 2]) -> [Row; 8] {
    let mut rows = [_mm256_setzero_si256(); 8];
    let [a, b] = blocks;
    let [m, n] = multipliers;
    let (a, b, m, n) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0, m.as_chunks::<8>().0, n.as_chunks::<8>().0);
    for ((((row, a), b), m), n) in rows.iter_mut().zip(a).zip(b).zip(m).zip(n) {
        *row = _mm256_mullo_epi16(_mm256_set_m128i(half(b), half(a)), _mm256_set_m128i(half(n), half(m)));
    }
    rows
}

/// Rows to samples of both blocks.
#[target_feature(enable = "avx2")]
#[inline]
fn store(rows: [Row; 8]) -> [Samples; 2] {
    let mut out = [[[0; 8]; 8]; 2];
    let [first, second] = &mut out;
    let rows = transpose(rows);
    for ((pair, a), b) in
        rows.as_chunks::<2>().0.iter().zip(first.as_chunks_mut::<2>().0).zip(second.as_chunks_mut::<2>().0)
    {
        let bytes = _mm256_add_epi8(_mm256_packs_epi16(pair[0], pair[1]), _mm256_set1_epi8(-128));
        a[0] = _mm256_extract_epi64::<0>(bytes).to_le_bytes();
        a[1] = _mm256_extract_epi64::<1>(bytes).to_le_bytes();
        b[0] = _mm256_extract_epi64::<2>(bytes).to_le_bytes();
        b[1] = _mm256_extract_epi64::<3>(bytes).to_le_bytes();
    }
    out
}

/// The fast transform of two blocks.
#[target_feature(enable = "avx2")]
#[inline(never)]
pub(super) fn inverse_fast(blocks: &[Coefficients; 2], multipliers: [&Coefficients; 2]) -> [Samples; 2] {
    let mut rows = fast_pass(transpose(fast_pass(load(blocks, multipliers))));
    for row in &mut rows {
        *row = _mm256_srai_epi16::<{ PASS_BITS + 3 }>(*row);
    }
    store(rows)
}

/// The accurate transform of two blocks.
#[target_feature(enable = "avx2")]
#[inline(never)]
pub(super) fn inverse_accurate(blocks: &[Coefficients; 2], multipliers: [&Coefficients; 2]) -> [Samples; 2] {
    const FIRST: i32 = FACTOR_BITS - PASS_BITS;
    const SECOND: i32 = FACTOR_BITS + PASS_BITS + 3;
    let rows = load(blocks, multipliers);
    // Beyond what an encoder writes; the same question as `saturates`.
    let over = _mm256_xor_si256(_mm256_srai_epi16::<13>(rows[0]), _mm256_srai_epi16::<15>(rows[0]));
    if _mm256_testz_si256(over, over) == 0 {
        return portable_pair(blocks, multipliers, true);
    }
    store(accurate_pass::<SECOND>(transpose(accurate_pass::<FIRST>(rows))))
}
