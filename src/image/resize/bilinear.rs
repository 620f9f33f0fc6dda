//! Bilinear without antialiasing: TensorFlow's ResizeBilinear with half-pixel centres, bit for bit.

#[cfg(target_arch = "x86_64")]
use super::bilinear_wide::Pairs;
use super::sample::Sample;
use super::view::{Canvas, View};
use crate::image::simd::avx2;

/// Where an output coordinate falls: the two source coordinates and the weight of the second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tap {
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) weight: f32,
}

/// TensorFlow's half-pixel scaler, in `f32` as there.
fn tap(out: usize, out_len: usize, in_len: usize) -> Tap {
    let scale = in_len as f32 / out_len as f32;
    let at = (out as f32 + 0.5) * scale - 0.5;
    let floor = at.floor();
    let last = in_len - 1;
    Tap {
        first: (floor.max(0.0) as usize).min(last),
        second: (at.ceil().max(0.0) as usize).min(last),
        weight: at - floor,
    }
}

/// Where an output column falls in a source row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Column {
    /// Offsets of the two pixels in a source row.
    first: u32,
    second: u32,
    weight: f32,
}

impl Column {
    pub(super) fn new(tap: Tap, channels: usize) -> Self {
        let first = (tap.first * channels) as u32;
        // A pixel without weight may be any: the neighbour is read together with the first.
        let second = if tap.weight == 0.0 { first + channels as u32 } else { (tap.second * channels) as u32 };
        Self { first, second, weight: tap.weight }
    }

    /// Offsets of the two pixels in a source row; the first's twice where the second has no weight.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn places(&self) -> [usize; 2] {
        [self.first as usize, if self.weight == 0.0 { self.first } else { self.second } as usize]
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn weight(&self) -> f32 {
        self.weight
    }
}

/// The columns for one pair of widths.
#[derive(Debug, Default)]
struct Columns {
    /// Source width, output width, channels, and whether the output is mirrored.
    key: (usize, usize, usize, bool),
    columns: Vec<Column>,
    #[cfg(target_arch = "x86_64")]
    pairs: Pairs,
}

impl Columns {
    fn prepare(&mut self, in_width: usize, out_width: usize, channels: usize, mirrored: bool) {
        let key = (in_width, out_width, channels, mirrored);
        if self.key != key {
            self.key = key;
            self.columns.clear();
            self.columns.extend((0..out_width).map(|x| Column::new(tap(x, out_width, in_width), channels)));
            if mirrored {
                self.columns.reverse();
            }
            #[cfg(target_arch = "x86_64")]
            self.pairs.prepare(&self.columns, channels, in_width * channels);
        }
    }

    /// Resizes a row across.
    fn blend<T: Sample>(&self, channels: usize, row: &[T], out: &mut [f32]) {
        #[allow(unused_mut)]
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if let Some(row) = T::bytes(row) {
            done = self.pairs.blend_columns(row, out);
        }
        T::blend_columns(&self.columns[done..], channels, row, &mut out[done * channels..]);
    }

    /// Resizes two rows across and blends them.
    fn blend_both<T: Sample>(&self, channels: usize, rows: (&[T], &[T]), weight: f32, out: &mut [f32]) {
        #[allow(unused_mut)]
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if let (Some(upper), Some(lower)) = (T::bytes(rows.0), T::bytes(rows.1)) {
            done = self.pairs.blend_both((upper, lower), weight, out);
        }
        T::blend_both(&self.columns[done..], channels, rows, weight, &mut out[done * channels..]);
    }
}

/// One source row, resized across.
#[derive(Debug, Default)]
struct Row {
    y: Option<usize>,
    values: Vec<f32>,
}

impl Row {
    fn load<T: Sample>(&mut self, columns: &Columns, from: &View<'_, T>, y: usize) {
        if self.y != Some(y) {
            columns.blend(from.channels, from.row(y), &mut self.values);
            self.y = Some(y);
        }
    }
}

/// Columns and two rows, kept from image to image.
#[derive(Debug, Default)]
pub(super) struct Bilinear {
    /// Straight, and mirrored.
    columns: [Columns; 2],
    mirrored: bool,
    upper: Row,
    lower: Row,
}

impl Bilinear {
    /// Resizes `from` to the size of `to`.
    pub(super) fn run<T: Sample>(&mut self, from: View<'_, T>, mut to: Canvas<'_, f32>) {
        self.begin(&from, to.width, false);
        let height = to.height;
        for (y, out) in to.rows().enumerate() {
            self.row(&from, height, y, out);
        }
    }

    /// To be called before the rows of an image.
    pub(super) fn begin<T: Sample>(&mut self, from: &View<'_, T>, width: usize, mirrored: bool) {
        self.mirrored = mirrored;
        self.columns[usize::from(mirrored)].prepare(from.width, width, from.channels, mirrored);
        for row in [&mut self.upper, &mut self.lower] {
            row.y = None;
            row.values.resize(width * from.channels, 0.0);
        }
    }

    /// Row `y` of an image of so many rows.
    pub(super) fn row<T: Sample>(&mut self, from: &View<'_, T>, height: usize, y: usize, out: &mut [f32]) {
        let columns = &self.columns[usize::from(self.mirrored)];
        let tap = tap(y, height, from.height);
        // Where a source row is used once, it is not worth keeping.
        if from.height >= 2 * height {
            let rows = (from.row(tap.first), from.row(tap.second));
            columns.blend_both(from.channels, rows, tap.weight, out);
            return;
        }
        // Going down, the second row of one output row is often the first of the next.
        if self.upper.y != Some(tap.first) && self.lower.y == Some(tap.first) {
            std::mem::swap(&mut self.upper, &mut self.lower);
        }
        self.upper.load(columns, from, tap.first);
        if tap.second == tap.first {
            // Both rows are one: the blend is exactly that row.
            out.copy_from_slice(&self.upper.values);
            return;
        }
        self.lower.load(columns, from, tap.second);
        blend_rows(&self.upper.values, &self.lower.values, tap.weight, out);
    }
}

#[inline(always)]
fn blend(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

avx2! {
    fn blend_rows(a: &[f32], b: &[f32], weight: f32, out: &mut [f32]) {
        for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
            *o = blend(*a, *b, weight);
        }
    }
}

/// Resizes one row across.
#[inline(always)]
pub(super) fn blend_columns<T: Sample>(columns: &[Column], channels: usize, row: &[T], out: &mut [f32]) {
    match channels {
        1 => across_one(columns, row, out),
        3 => across::<T, 3>(columns, row, out),
        4 => across::<T, 4>(columns, row, out),
        _ => across_any(columns, row, out, channels),
    }
}

/// Resizes two rows across and blends them: what [`blend_columns`] of each and [`blend_rows`] give.
#[inline(always)]
pub(super) fn blend_both<T: Sample>(
    columns: &[Column],
    channels: usize,
    rows: (&[T], &[T]),
    weight: f32,
    out: &mut [f32],
) {
    match channels {
        3 => both::<T, 3>(columns, rows, weight, out),
        4 => both::<T, 4>(columns, rows, weight, out),
        _ => both_any(columns, rows, weight, out, channels),
    }
}

/// The blend of the two pixels at the start of a window, in four lanes. With three channels the last lane is nothing.
#[inline(always)]
fn pixel<T: Sample, const C: usize>(window: &[T], weight: f32) -> [f32; 4] {
    match (window.first_chunk::<4>(), window.get(C..).and_then(|w| w.first_chunk::<4>())) {
        (Some(a), Some(b)) => std::array::from_fn(|i| blend(a[i].to_f32(), b[i].to_f32(), weight)),
        _ => [0.0; 4],
    }
}

/// Three or four channels: a vector a pixel, where its two source pixels are neighbours and both row and result have
/// four lanes. With three channels a pixel spoils the next one's first value, which is written after it.
#[inline(always)]
fn across<T: Sample, const C: usize>(columns: &[Column], row: &[T], out: &mut [f32]) {
    for (x, column) in columns.iter().enumerate() {
        let first = column.first as usize;
        if column.second == column.first + C as u32
            && let Some(window) = row.get(first..first + C + 4)
            && let Some(out) = out.get_mut(x * C..x * C + 4)
        {
            out.copy_from_slice(&pixel::<T, C>(window, column.weight));
        } else {
            let out = out.get_mut(x * C..(x + 1) * C).unwrap_or_default();
            across_any(std::slice::from_ref(column), row, out, C);
        }
    }
}

#[inline(always)]
fn both<T: Sample, const C: usize>(columns: &[Column], (upper, lower): (&[T], &[T]), weight: f32, out: &mut [f32]) {
    // With one length, a place is checked once for both rows.
    let lower = lower.get(..upper.len()).unwrap_or_default();
    for (x, column) in columns.iter().enumerate() {
        let window = column.first as usize..column.first as usize + C + 4;
        if column.second == column.first + C as u32
            && let Some(a) = upper.get(window.clone())
            && let Some(b) = lower.get(window)
            && let Some(out) = out.get_mut(x * C..x * C + 4)
        {
            let (a, b) = (pixel::<T, C>(a, column.weight), pixel::<T, C>(b, column.weight));
            out.copy_from_slice(&std::array::from_fn::<f32, 4, _>(|i| blend(a[i], b[i], weight)));
        } else {
            let out = out.get_mut(x * C..(x + 1) * C).unwrap_or_default();
            both_any(std::slice::from_ref(column), (upper, lower), weight, out, C);
        }
    }
}

/// One channel: the values of some columns are collected, and blended side by side.
#[inline(always)]
fn across_one<T: Sample>(columns: &[Column], row: &[T], out: &mut [f32]) {
    /// With less, the compiler would collect in registers, which takes longer.
    const TOGETHER: usize = 32;
    let (columns, columns_rest) = columns.as_chunks::<TOGETHER>();
    let (out, out_rest) = out.as_chunks_mut::<TOGETHER>();
    for (out, columns) in out.iter_mut().zip(columns) {
        let (mut first, mut second) = ([T::default(); TOGETHER], [T::default(); TOGETHER]);
        for ((a, b), column) in first.iter_mut().zip(&mut second).zip(columns) {
            let at = |offset: u32| row.get(offset as usize).copied().unwrap_or_default();
            (*a, *b) = (at(column.first), at(column.second));
        }
        *out = std::array::from_fn(|i| blend(first[i].to_f32(), second[i].to_f32(), columns[i].weight));
    }
    across_any(columns_rest, row, out_rest, 1);
}

/// The blend of channel `c` of a column's pixels.
#[inline(always)]
fn value<T: Sample>(column: &Column, row: &[T], c: usize) -> f32 {
    let at = |offset: u32| row.get(offset as usize + c).copied().unwrap_or_default().to_f32();
    blend(at(column.first), at(column.second), column.weight)
}

fn across_any<T: Sample>(columns: &[Column], row: &[T], out: &mut [f32], channels: usize) {
    for (out, column) in out.chunks_exact_mut(channels).zip(columns) {
        for (c, o) in out.iter_mut().enumerate() {
            *o = value(column, row, c);
        }
    }
}

fn both_any<T: Sample>(
    columns: &[Column],
    (upper, lower): (&[T], &[T]),
    weight: f32,
    out: &mut [f32],
    channels: usize,
) {
    for (out, column) in out.chunks_exact_mut(channels).zip(columns) {
        for (c, o) in out.iter_mut().enumerate() {
            *o = blend(value(column, upper, c), value(column, lower, c), weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of three channels go two pixels at a time where the processor can.
    #[test]
    fn pairs_have_the_same_bits() {
        for (in_width, out_width) in
            [(6, 4), (37, 21), (37, 37), (5, 40), (40, 13), (40, 12), (90, 70), (400, 256), (90, 5), (3, 3)]
        {
            let mut columns = Columns::default();
            columns.prepare(in_width, out_width, 3, in_width % 2 == 1);
            let rows: Vec<u8> = (0..2 * in_width * 3).map(|i| (i * 31 % 253) as u8).collect();
            let rows = rows.split_at(in_width * 3);
            let mut out = [(); 4].map(|()| vec![0.0; out_width * 3]);
            columns.blend(3, rows.0, &mut out[0]);
            u8::blend_columns(&columns.columns, 3, rows.0, &mut out[1]);
            assert_eq!(out[0], out[1], "{in_width} {out_width}");
            columns.blend_both(3, rows, 0.3, &mut out[2]);
            u8::blend_both(&columns.columns, 3, rows, 0.3, &mut out[3]);
            assert_eq!(out[2], out[3], "{in_width} {out_width}");
        }
    }

    #[test]
    fn every_path_has_the_same_bits() {
        for (in_width, out_width) in [(37, 21), (37, 37), (5, 40), (1, 3), (40, 8), (90, 70)] {
            for channels in [1, 2, 3, 4] {
                let mut columns = Columns::default();
                columns.prepare(in_width, out_width, channels, false);
                let columns = columns.columns.as_slice();
                let rows: Vec<f32> = (0..2 * in_width * channels).map(|i| (i * 31 % 253) as f32 * 0.97).collect();
                let (upper, lower) = rows.split_at(in_width * channels);
                let mut out = [(); 6].map(|()| vec![0.0; out_width * channels]);
                f32::blend_columns(columns, channels, upper, &mut out[0]);
                blend_columns(columns, channels, upper, &mut out[1]);
                across_any(columns, upper, &mut out[2], channels);
                assert_eq!(out[0], out[1], "plain and AVX2 code have the same bits");
                assert_eq!(out[0], out[2]);
                f32::blend_both(columns, channels, (upper, lower), 0.3, &mut out[3]);
                across_any(columns, lower, &mut out[4], channels);
                let [first, .., second, both] = &mut out;
                blend_rows(first, second, 0.3, both);
                assert_eq!(out[3], out[5]);
            }
        }
    }
}
