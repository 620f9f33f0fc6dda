//! Blocks of a sequential scan: Huffman codes to coefficients to samples.

use std::ops::Range;

use super::entropy::{Codes, Pace, Walked, skip_mcus};
use super::huffman::{Bits, Fault};
use super::idct::{COEFFICIENTS, Coefficients, inverse_flat, inverse_pair, multipliers};
use super::reduced;

/// The place of each coefficient in its block, in the order of the data (figure 5).
const ZIGZAG: [u8; COEFFICIENTS] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, //
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, //
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, //
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The place in its block of coefficient `k` of the data.
pub(super) fn natural_place(k: usize) -> usize {
    ZIGZAG.get(k).map_or(0, |&place| usize::from(place))
}

/// The samples of a component: all rows, or the last ones in a ring.
#[derive(Debug, Default)]
pub(super) struct Plane {
    pub(super) samples: Vec<u8>,
    /// Samples in a row, of whole MCUs.
    pub(super) stride: usize,
    /// Rows that are kept, whole blocks.
    pub(super) rows: usize,
    /// `None` before the first scan.
    pub(super) transform: Option<Transform>,
    /// Whether the output takes nothing of it.
    pub(super) unused: bool,
}

impl Plane {
    /// Row `y` of the component.
    #[inline(always)]
    pub(super) fn row(&self, y: usize) -> &[u8] {
        self.samples.get(y % self.rows * self.stride..).and_then(|s| s.get(..self.stride)).unwrap_or_default()
    }
}

/// Where the samples of a component of a scan go.
pub(super) struct Part<'a> {
    pub(super) samples: &'a mut [u8],
    pub(super) stride: usize,
    /// Where the row of MCUs begins in the samples.
    pub(super) start: usize,
    pub(super) transform: Transform,
    pub(super) unused: bool,
}

impl Part<'_> {
    /// Writes a block whose only coefficient is the first, from sample `at`.
    #[inline(always)]
    fn place_flat(&mut self, dc: i16, at: usize) {
        let Transform { multipliers, side, accurate } = &self.transform;
        let sample = match side {
            8 => inverse_flat(dc.wrapping_mul(multipliers[0]), *accurate),
            _ => reduced::flat(dc, multipliers[0], *side),
        };
        let to = self.samples.get_mut(at..).unwrap_or_default();
        for y in 0..*side {
            if let Some(row) = to.get_mut(y * self.stride..y * self.stride + side) {
                row.fill(sample);
            }
        }
    }
}

/// The inverse transform of a component.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transform {
    pub(super) multipliers: Coefficients,
    /// Samples of a block's side: 8, 4, 2 or 1.
    pub(super) side: usize,
    /// The accurate one rather than the fast; smaller sizes have but one.
    pub(super) accurate: bool,
}

impl Transform {
    pub(super) fn new(quantisers: &[u16; COEFFICIENTS], side: usize, accurate: bool) -> Self {
        let accurate = accurate || side < 8;
        Self { multipliers: multipliers(quantisers, accurate), side, accurate }
    }

    /// Transforms one block to fewer samples than 8 a side, at the start of `to`.
    #[inline(always)]
    fn reduce(&self, block: &Coefficients, to: &mut [u8], stride: usize) {
        let samples = reduced::inverse(block, &self.multipliers, self.side);
        place(&samples, self.side, to, stride);
    }

    /// Transforms blocks that lie side by side.
    pub(super) fn row(&self, blocks: &[Coefficients], to: &mut [u8], stride: usize) {
        if self.side < 8 {
            for (i, block) in blocks.iter().enumerate() {
                self.reduce(block, to.get_mut(i * self.side..).unwrap_or_default(), stride);
            }
            return;
        }
        for (i, pair) in blocks.chunks(2).enumerate() {
            let [a, b] = match *pair {
                [a, b] => [a, b],
                _ => [pair.first().copied().unwrap_or([0; COEFFICIENTS]); 2],
            };
            let both = inverse_pair(&[a, b], [&self.multipliers; 2], self.accurate);
            for (j, one) in both.iter().enumerate().take(pair.len()) {
                place(one, 8, to.get_mut((2 * i + j) * 8..).unwrap_or_default(), stride);
            }
        }
    }
}

/// The codes of one block (F.2.2). Whether it has no coefficient but the first.
#[inline(always)]
fn coefficients(bits: &mut Bits<'_>, codes: &mut Codes<'_>, block: &mut Coefficients) -> Walked<bool> {
    codes.last_dc = codes.last_dc.wrapping_add(i32::from(bits.value(codes.dc)?.value));
    block[0] = codes.last_dc as i16;
    let mut k = 1;
    while k < COEFFICIENTS {
        let entry = bits.value(codes.ac)?;
        let run = usize::from(entry.symbol >> 4);
        if entry.symbol & 15 == 0 {
            if run < 15 {
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        let Some(&place) = ZIGZAG.get(k) else { return Err(Fault::Overrun) };
        block[usize::from(place) % COEFFICIENTS] = entry.value;
        k += 1;
    }
    if k > COEFFICIENTS { Err(Fault::Overrun) } else { Ok(k == 1) }
}

/// Writes a block, of `side` samples a side, at the start of `to`.
#[inline(always)]
fn place<const N: usize>(samples: &[[u8; N]; N], side: usize, to: &mut [u8], stride: usize) {
    for (y, values) in samples.iter().enumerate().take(side) {
        if let (Some(row), Some(values)) = (to.get_mut(y * stride..y * stride + side), values.get(..side)) {
            row.copy_from_slice(values);
        }
    }
}

/// Blocks that wait for their transform, which takes two at a time.
struct Waiting {
    blocks: [Coefficients; 2],
    /// The part of each and the place of its first sample.
    places: [(usize, usize); 2],
    count: usize,
}

impl Waiting {
    /// Transforms what waits, and makes room.
    #[inline(always)]
    fn transform(&mut self, parts: &mut [Part<'_>]) {
        let [a, b] = self.places.map(|(part, _)| parts.get(part).map(|part| &part.transform));
        let (Some(a), Some(b)) = (a, b) else { return };
        let samples = inverse_pair(&self.blocks, [&a.multipliers, &b.multipliers], a.accurate);
        for (samples, &(part, at)) in samples.iter().zip(&self.places).take(self.count) {
            if let Some(part) = parts.get_mut(part) {
                place(samples, 8, part.samples.get_mut(at..).unwrap_or_default(), part.stride);
            }
        }
        self.blocks = [[0; COEFFICIENTS]; 2];
        self.count = 0;
    }
}

/// Decodes those of a row's MCUs that are in `wanted`, and passes the others.
pub(super) fn mcu_row(
    pace: &mut Pace<'_>,
    codes: &mut [Codes<'_>],
    parts: &mut [Part<'_>],
    mcus: usize,
    wanted: Range<usize>,
) -> Walked {
    skip_mcus(pace, codes, wanted.start)?;
    let mut waiting = Waiting { blocks: [[0; COEFFICIENTS]; 2], places: [(0, 0); 2], count: 0 };
    for mcu in wanted.clone() {
        if pace.mcu()? {
            codes.iter_mut().for_each(|codes| codes.last_dc = 0);
        }
        // A copy, which stays in registers.
        let mut bits = pace.bits;
        let walked = mcu_blocks(&mut bits, codes, parts, mcu, &mut waiting);
        pace.bits = bits;
        walked?;
    }
    if waiting.count > 0 {
        waiting.transform(parts);
    }
    skip_mcus(pace, codes, mcus - wanted.end)
}

#[inline(always)]
fn mcu_blocks(
    bits: &mut Bits<'_>,
    codes: &mut [Codes<'_>],
    parts: &mut [Part<'_>],
    mcu: usize,
    waiting: &mut Waiting,
) -> Walked {
    for (index, codes) in codes.iter_mut().enumerate() {
        let (across, down) = (codes.h, codes.v);
        for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
            let Some(part) = parts.get_mut(index) else { break };
            if part.unused {
                codes.skip_block(bits)?;
                continue;
            }
            if part.transform.side == 1 {
                // Its only sample comes of the first coefficient.
                codes.skip_block(bits)?;
                part.place_flat(codes.last_dc as i16, part.start + y * part.stride + mcu * across + x);
                continue;
            }
            let Some(block) = waiting.blocks.get_mut(waiting.count) else { continue };
            let flat = coefficients(bits, codes, block)?;
            let side = part.transform.side;
            let at = part.start + (y * part.stride + mcu * across + x) * side;
            if flat {
                part.place_flat(std::mem::take(&mut block[0]), at);
                continue;
            }
            if side < 8 {
                part.transform.reduce(block, part.samples.get_mut(at..).unwrap_or_default(), part.stride);
                *block = [0; COEFFICIENTS];
                continue;
            }
            if let Some(place) = waiting.places.get_mut(waiting.count) {
                *place = (index, at);
            }
            waiting.count += 1;
            if waiting.count == 2 {
                waiting.transform(parts);
            }
        }
    }
    Ok(())
}
