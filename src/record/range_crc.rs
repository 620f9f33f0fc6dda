//! The CRC-32C of any stretch of some data, in time that does not grow with the stretch.

use std::ops::Range;
use std::sync::OnceLock;

/// Where the CRC of all before is kept: every so many bytes. Takes a 256th of the data in memory.
const STEP: usize = 1 << 10;

/// The reversed Castagnoli polynomial.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// CRCs of stretches of `data`, out of those of its beginnings: each byte is checksummed once to keep them, and a stretch
/// costs 2 * [`STEP`] bytes more at most.
#[derive(Debug, Clone)]
pub(super) struct RangeCrc<'a> {
    data: &'a [u8],
    /// No stretch begins before it.
    base: usize,
    /// The CRCs of `base..base + i * STEP`, as far as they were needed.
    marks: Vec<u32>,
    /// How many bytes were checksummed.
    #[cfg(test)]
    pub(super) work: u64,
}

impl<'a> RangeCrc<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        RangeCrc {
            data,
            base: 0,
            marks: vec![0],
            #[cfg(test)]
            work: 0,
        }
    }

    /// From here on, no stretch is asked for that begins before `base`.
    pub(super) fn begin(&mut self, base: usize) {
        // What is known goes on being used where it reaches so far.
        if self.base + (self.marks.len() - 1) * STEP < base {
            self.base = base;
            self.marks.truncate(1);
        }
    }

    /// The CRC of a stretch that lies in the data.
    pub(super) fn of(&mut self, range: Range<usize>) -> u32 {
        if range.len() <= 2 * STEP {
            return self.append(0, range);
        }
        let before = self.until(range.start);
        // The CRC of two stretches is that of the first, moved over as many zeros as the second has bytes, and that of
        // the second.
        self.until(range.end) ^ over_zeros(before, range.len())
    }

    /// The CRC of all from the base on.
    fn until(&mut self, end: usize) -> u32 {
        let whole = end.saturating_sub(self.base) / STEP;
        while let (Some(&last), true) = (self.marks.last(), self.marks.len() <= whole) {
            let at = self.base + (self.marks.len() - 1) * STEP;
            let next = self.append(last, at..at + STEP);
            self.marks.push(next);
        }
        let mark = self.marks.get(whole).copied().unwrap_or_default();
        self.append(mark, self.base + whole * STEP..end)
    }

    fn append(&mut self, crc: u32, range: Range<usize>) -> u32 {
        #[cfg(test)]
        {
            self.work += range.len() as u64;
        }
        crc32c::crc32c_append(crc, self.data.get(range).unwrap_or_default())
    }
}

/// A linear map of CRCs: what each bit becomes.
type Matrix = [u32; 32];

fn apply(matrix: &Matrix, crc: u32) -> u32 {
    let (mut crc, mut sum, mut bit) = (crc, 0, 0);
    while crc != 0 {
        bit += crc.trailing_zeros() as usize;
        sum ^= matrix[bit & 31];
        crc >>= crc.trailing_zeros();
        crc >>= 1;
        bit += 1;
    }
    sum
}

/// A CRC after so many bytes of zeros, less what they would add to it.
fn over_zeros(mut crc: u32, mut bytes: usize) -> u32 {
    /// What 1, 2, 4, ... bytes of zeros do.
    static POWERS: OnceLock<[Matrix; usize::BITS as usize]> = OnceLock::new();
    let powers = POWERS.get_or_init(|| {
        let over_a_byte = |bit| (0..8).fold(1u32 << bit, |crc, _| crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 });
        let mut power: Matrix = std::array::from_fn(over_a_byte);
        std::array::from_fn(|_| {
            let this = power;
            power = this.map(|crc| apply(&this, crc));
            this
        })
    });
    while bytes != 0 {
        crc = apply(&powers[bytes.trailing_zeros() as usize], crc);
        bytes &= bytes - 1;
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_have_the_crcs_that_they_have_alone() {
        let data: Vec<u8> = (0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for first in [0, 1, 1023, 7777] {
            let mut crcs = RangeCrc::new(&data);
            crcs.begin(first);
            for (a, b) in [(0, 0), (0, 3000), (5, 2053), (5, 2054), (1024, 4096), (3, 40_000), (9999, 42_223), (30, 30)]
            {
                let range = first + a..first + b;
                assert_eq!(crcs.of(range.clone()), crc32c::crc32c(&data[range.clone()]), "{range:?}");
            }
        }
    }

    #[test]
    fn a_crc_moves_over_zeros_as_the_crate_combines_it() {
        for bytes in [1, 2, 3, 255, 65_536, 1_234_567, 0x7fff_ffff] {
            assert_eq!(over_zeros(0xdead_beef, bytes), crc32c::crc32c_combine(0xdead_beef, 0, bytes));
        }
    }
}
