//! Rows of three u8 channels resized across, in vector instructions of x86-64: the compiler goes pixel by pixel, with a
//! quarter of each register idle. Two output pixels go side by side, one in each half of the registers.
//!
//! The arithmetic is that of the portable code, value by value, so the bits are the same.

use std::arch::x86_64::*;

use super::bilinear::Column;

const CHANNELS: usize = 3;
/// Source bytes that a pair reads.
const WINDOW: usize = 16;
/// Picks no byte.
const NONE: u8 = 0x80;

/// Two neighbouring output pixels: where their values are in a window of a source row.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Pair {
    /// For each value, as 32 bits: the byte that is the first of its two, and the second.
    first: [u8; 32],
    second: [u8; 32],
    weights: [f32; 8],
    offset: usize,
}

/// The pairs of a row of output pixels, but for an odd last one.
///
/// Empty where a pair's source pixels may lie more than a window apart, and where the processor has no AVX2.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pairs: Vec<Pair>,
    /// Values of a source row.
    row_len: usize,
}

impl Pairs {
    pub(super) fn prepare(&mut self, columns: &[Column], channels: usize, row_len: usize) {
        self.pairs.clear();
        self.row_len = row_len;
        if channels != CHANNELS || !is_x86_feature_detected!("avx2") {
            return;
        }
        for columns in columns.as_chunks::<2>().0 {
            match Pair::new(columns, row_len) {
                Some(pair) => self.pairs.push(pair),
                None => return self.pairs.clear(),
            }
        }
    }

    /// Resizes a row across; gives the number of columns done.
    pub(super) fn blend_columns(&self, row: &[u8], out: &mut [f32]) -> usize {
        let pairs = self.fit(row);
        if !pairs.is_empty() {
            // SAFETY: there are pairs only where the processor has AVX2.
            #[allow(unsafe_code)]
            unsafe {
                across(pairs, row, out);
            }
        }
        pairs.len() * 2
    }

    /// Resizes two rows across and blends them; gives the number of columns done.
    pub(super) fn blend_both(&self, rows: (&[u8], &[u8]), weight: f32, out: &mut [f32]) -> usize {
        let pairs = if rows.0.len() == rows.1.len() { self.fit(rows.0) } else { &[] };
        if !pairs.is_empty() {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            unsafe {
                both(pairs, rows, weight, out);
            }
        }
        pairs.len() * 2
    }

    /// The pairs, if they are of rows of this length: all their windows lie inside.
    fn fit(&self, row: &[u8]) -> &[Pair] {
        if row.len() == self.row_len { &self.pairs } else { &[] }
    }
}

impl Pair {
    fn new(columns: &[Column; 2], row_len: usize) -> Option<Pair> {
        let starts = columns.map(|column| column.places());
        let first = *starts.as_flattened().iter().min()?;
        let offset = first.min(row_len.checked_sub(WINDOW)?);
        let mut pair = Pair { first: [NONE; 32], second: [NONE; 32], weights: [0.0; 8], offset };
        for (pixel, (column, [first, second])) in columns.iter().zip(starts).enumerate() {
            for channel in 0..CHANNELS {
                let value = pixel * 4 + channel;
                for (picks, start) in [(&mut pair.first, first), (&mut pair.second, second)] {
                    let byte =
                        u8::try_from(start + channel - offset).ok().filter(|byte| usize::from(*byte) < WINDOW)?;
                    picks[value * 4] = byte;
                }
                pair.weights[value] = column.weight();
            }
        }
        Some(pair)
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn blend(a: __m256, b: __m256, weight: __m256) -> __m256 {
    _mm256_add_ps(a, _mm256_mul_ps(_mm256_sub_ps(b, a), weight))
}

/// The blend of a pair's source pixels in one row.
///
/// # Safety
/// The row has a window from the pair's offset on.
#[target_feature(enable = "avx2")]
#[inline]
#[allow(unsafe_code)]
unsafe fn pixels(pair: &Pair, row: &[u8]) -> __m256 {
    debug_assert!(pair.offset + WINDOW <= row.len());
    // SAFETY: what the caller promises; the other references are to as many bytes as are read.
    let (window, first, second, weights) = unsafe {
        (
            _mm256_broadcastsi128_si256(_mm_loadu_si128(row.as_ptr().add(pair.offset).cast())),
            _mm256_load_si256(pair.first.as_ptr().cast()),
            _mm256_load_si256(pair.second.as_ptr().cast()),
            _mm256_load_ps(pair.weights.as_ptr()),
        )
    };
    let picked = |picks| _mm256_cvtepi32_ps(_mm256_shuffle_epi8(window, picks));
    blend(picked(first), picked(second), weights)
}

/// Makes pair after pair and writes it. The fourth value of each half is nothing: the next pixel is written over it, and
/// the last pair goes by way of memory of its own.
#[target_feature(enable = "avx2")]
#[inline]
fn write_all(pairs: &[Pair], out: &mut [f32], make: impl Fn(&Pair) -> __m256) {
    const VALUES: usize = 2 * CHANNELS;
    let Some((last, others)) = pairs.split_last() else { return };
    let store = |values: __m256, to: &mut [f32; VALUES + 1]| {
        // SAFETY: four values from the first on, and four from the fourth on, which is seven in all.
        #[allow(unsafe_code)]
        unsafe {
            _mm_storeu_ps(to.as_mut_ptr(), _mm256_castps256_ps128(values));
            _mm_storeu_ps(to.as_mut_ptr().add(CHANNELS), _mm256_extractf128_ps::<1>(values));
        }
    };
    let mut rest = out;
    for pair in others {
        let Some(to) = rest.first_chunk_mut() else { return };
        store(make(pair), to);
        rest = &mut rest[VALUES..];
    }
    let mut values = [0.0; VALUES + 1];
    store(make(last), &mut values);
    rest.iter_mut().zip(&values[..VALUES]).for_each(|(out, value)| *out = *value);
}

#[target_feature(enable = "avx2")]
fn across(pairs: &[Pair], row: &[u8], out: &mut [f32]) {
    // SAFETY: `Pairs::fit` has looked at the row.
    #[allow(unsafe_code)]
    write_all(pairs, out, |pair| unsafe { pixels(pair, row) });
}

#[target_feature(enable = "avx2")]
fn both(pairs: &[Pair], (upper, lower): (&[u8], &[u8]), weight: f32, out: &mut [f32]) {
    let weight = _mm256_set1_ps(weight);
    // SAFETY: `Pairs::fit` has looked at both rows.
    #[allow(unsafe_code)]
    write_all(pairs, out, |pair| unsafe { blend(pixels(pair, upper), pixels(pair, lower), weight) });
}
