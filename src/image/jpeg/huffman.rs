//! Huffman tables (B.2.4.2, annex C) and a reader of entropy-coded bits (F.2.2.5).

use memchr::memchr;

use super::segment::Segment;
use crate::image::error::Result;

/// Why a scan cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bits ended before the block did.
    Early,
    /// No code has these bits.
    BadCode,
    /// A run goes past the last coefficient.
    Overrun,
    /// A restart marker is missing or out of sequence.
    Restart,
    /// The scan names a table that was not defined.
    NoTable,
}

/// Bits resolved by one look-up; the rare longer codes are searched for.
const LOOK: u32 = 10;

/// How far an end-of-block moves on: past any coefficient.
pub(super) const END_OF_BLOCK: u32 = 128;

/// Codes of one block with their extra bits, as many as are within [`LOOK`] bits: what is passed where only the length
/// of the data matters.
#[derive(Debug, Clone, Copy)]
struct Skip {
    /// Of all codes.
    bits: u8,
    /// Coefficients that they pass, and [`END_OF_BLOCK`] where the last is one; [`Skip::NONE`] where there is no whole code.
    advance: u8,
}

impl Skip {
    /// More coefficients than a block has left.
    const NONE: Self = Self { bits: 0, advance: 64 };
}

/// What a code stands for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    /// The value in the extra bits, where these are within [`LOOK`] too.
    pub(super) value: i16,
    /// A run of zeros in the high half and a size in the low half.
    pub(super) symbol: u8,
    /// Code length and extra bits together; 0 when the code is longer than [`LOOK`].
    bits: u8,
}

impl Entry {
    fn new(len: u32, symbol: u8, value: i16) -> Self {
        Self { value, symbol, bits: len as u8 + (symbol & 15) }
    }

    /// Coefficients that the symbol passes in a sequential block, or [`END_OF_BLOCK`].
    #[inline(always)]
    pub(super) fn advance(self) -> u32 {
        match self.symbol {
            0xF0 => 16,
            symbol if symbol & 15 == 0 => END_OF_BLOCK,
            symbol => u32::from(symbol >> 4) + 1,
        }
    }
}

/// A value of `size` bits, which are the top ones (F.2.2.1): those that begin with a zero are negative.
#[inline(always)]
fn extend(top: u64, size: u32) -> i16 {
    // Two shifts, since a size of 0 would be one of 64.
    let raw = ((top >> 1) >> (63 - size)) as i32;
    let negative = !((top as i64) >> 63) as i32;
    (raw + (negative & (1 - (1 << size)))) as i16
}

/// A Huffman table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    look: [Entry; 1 << LOOK],
    /// For each length: first code, number of codes, index of the first value.
    lengths: [(u32, u32, usize); 17],
    counts: [u8; 16],
    values: [u8; 256],
    total: usize,
    /// Made when first needed.
    skips: [Skip; 1 << LOOK],
    skips_made: bool,
}

impl Table {
    fn empty() -> Self {
        Self {
            look: [Entry::default(); 1 << LOOK],
            lengths: [(0, 0, 0); 17],
            counts: [0; 16],
            values: [0; 256],
            total: 0,
            skips: [Skip::NONE; 1 << LOOK],
            skips_made: false,
        }
    }

    #[cfg(test)]
    fn new(counts: &[u8; 16], values: &[u8]) -> Option<Self> {
        let mut table = Self::empty();
        table.fill(counts, values)?;
        Some(table)
    }

    /// Whether it was made of these; most files have the tables of annex K.
    fn is(&self, counts: &[u8; 16], values: &[u8]) -> bool {
        self.counts == *counts && self.values.get(..self.total) == Some(values)
    }

    /// Makes the table anew, or gives `None` when the lengths are not those of a prefix code.
    fn fill(&mut self, counts: &[u8; 16], values: &[u8]) -> Option<()> {
        self.look.fill(Entry::default());
        (self.counts, self.total, self.skips_made) = ([0; 16], 0, false);
        let (mut code, mut index) = (0u32, 0usize);
        for (&count, len) in counts.iter().zip(1u32..) {
            let number = u32::from(count);
            if code + number > 1 << len {
                return None;
            }
            *self.lengths.get_mut(len as usize)? = (code, number, index);
            for _ in 0..number {
                let symbol = *values.get(index)?;
                if len <= LOOK {
                    let first = (code << (LOOK - len)) as usize;
                    self.spread(first, len, symbol)?;
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        self.values.get_mut(..values.len())?.copy_from_slice(values);
        (self.counts, self.total) = (*counts, values.len());
        Some(())
    }

    /// Writes the entries of one code.
    fn spread(&mut self, first: usize, len: u32, symbol: u8) -> Option<()> {
        let (rest, size) = (LOOK - len, u32::from(symbol & 15));
        let entries = self.look.get_mut(first..first + (1 << rest))?;
        if size > rest {
            entries.fill(Entry::new(len, symbol, 0));
            return Some(());
        }
        for (extra, same) in entries.chunks_exact_mut(1 << (rest - size)).enumerate() {
            let value = if size == 0 { 0 } else { extend((extra as u64) << (64 - size), size) };
            same.fill(Entry::new(len, symbol, value));
        }
        Some(())
    }

    /// Readies an AC table for [`Bits::skip_coefficients`].
    fn make_skips(&mut self) {
        for (index, skip) in self.skips.iter_mut().enumerate() {
            *skip = Skip::NONE;
            let (mut bits, mut advance) = (0, 0);
            while bits < LOOK && advance < END_OF_BLOCK {
                let rest = index << bits & ((1 << LOOK) - 1);
                let Some(&entry) = self.look.get(rest).filter(|e| e.bits > 0) else { break };
                let next = advance + entry.advance();
                if bits + u32::from(entry.bits) > LOOK || next % END_OF_BLOCK > 63 {
                    break;
                }
                (bits, advance) = (bits + u32::from(entry.bits), next);
                *skip = Skip { bits: bits as u8, advance: advance as u8 };
            }
        }
        self.skips_made = true;
    }

    /// A code longer than [`LOOK`] bits at the top of `acc`.
    #[cold]
    #[inline(never)]
    fn search(&self, acc: u64) -> Option<Entry> {
        for len in LOOK + 1..=16 {
            let &(first, count, index) = self.lengths.get(len as usize)?;
            let code = (acc >> (64 - len)) as u32;
            if code >= first && code - first < count {
                let value = *self.values.get(index + (code - first) as usize)?;
                return Some(Entry::new(len, value, 0));
            }
        }
        None
    }
}

/// A place for a table, which is kept from image to image.
#[derive(Debug, Default)]
struct Slot {
    table: Option<Box<Table>>,
    defined: bool,
}

/// The four DC and four AC tables in force.
#[derive(Debug, Default)]
pub(super) struct Tables {
    dc: [Slot; 4],
    ac: [Slot; 4],
}

impl Tables {
    /// Forgets the tables of the image before.
    pub(super) fn clear(&mut self) {
        self.dc.iter_mut().chain(&mut self.ac).for_each(|slot| slot.defined = false);
    }

    /// Takes in a DHT segment.
    pub(super) fn define(&mut self, segment: &Segment<'_>) -> Result<()> {
        let mut rest = segment.payload;
        while let Some((&class_and_id, tail)) = rest.split_first() {
            let (class, id) = (class_and_id >> 4, usize::from(class_and_id & 15));
            let Some((counts, tail)) = tail.split_first_chunk::<16>() else {
                return Err(segment.corrupt("a Huffman table shorter than its 16 counts"));
            };
            let total: usize = counts.iter().map(|&n| usize::from(n)).sum();
            let Some((values, tail)) = tail.split_at_checked(total) else {
                return Err(segment.corrupt("a Huffman table longer than its segment"));
            };
            let slot = match class {
                0 if values.iter().all(|&v| v < 16) => self.dc.get_mut(id),
                0 => return Err(segment.corrupt("a DC table with a size above 15")),
                1 => self.ac.get_mut(id),
                _ => None,
            }
            .ok_or_else(|| segment.corrupt(format!("a Huffman table of class {class}, number {id}")))?;
            let table = slot.table.get_or_insert_with(|| Box::new(Table::empty()));
            slot.defined = (table.total > 0 && table.is(counts, values)) || table.fill(counts, values).is_some();
            if !slot.defined {
                return Err(segment.corrupt("a Huffman table that is no prefix code"));
            }
            rest = tail;
        }
        Ok(())
    }

    /// Readies AC tables for [`Bits::skip_coefficients`].
    pub(super) fn make_skips(&mut self) {
        let tables = self.ac.iter_mut().filter(|slot| slot.defined).filter_map(|slot| slot.table.as_mut());
        tables.filter(|table| !table.skips_made).for_each(|table| table.make_skips());
    }

    pub(super) fn dc(&self, id: usize) -> Option<&Table> {
        self.dc.get(id).filter(|slot| slot.defined)?.table.as_deref()
    }

    pub(super) fn ac(&self, id: usize) -> Option<&Table> {
        self.ac.get(id).filter(|slot| slot.defined)?.table.as_deref()
    }
}

/// Reads the bits of a scan; stuffed zeros are taken out, a marker is the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    pos: usize,
    /// The next bits, from the top. Those beyond `count` are either zero or already right.
    acc: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, pos: 0, acc: 0, count: 0 }
    }

    /// Offset in the scan of the next byte to load, which is where the reader stopped.
    pub(super) fn position(&self) -> usize {
        self.pos
    }

    #[inline(always)]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(chunk) = self.data.get(self.pos..).and_then(|d| d.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*chunk);
            if !has_ff(word) {
                let bytes = (63 - self.count) / 8;
                self.acc |= word >> self.count;
                self.count += bytes * 8;
                self.pos += bytes as usize;
                return;
            }
        }
        *self = self.refilled_slowly();
    }

    /// By value, so that a copy of the reader can stay in registers.
    #[inline(never)]
    fn refilled_slowly(mut self) -> Self {
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.pos) else { break };
            if byte == 0xFF {
                if self.data.get(self.pos + 1) != Some(&0) {
                    break;
                }
                self.pos += 1;
            }
            self.pos += 1;
            self.acc |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// Skips `n` bits, at most 32 of them.
    #[inline(always)]
    pub(super) fn skip(&mut self, n: u32) -> std::result::Result<(), Fault> {
        self.refill();
        self.consume(n)
    }

    #[inline(always)]
    fn consume(&mut self, n: u32) -> std::result::Result<(), Fault> {
        if n > self.count {
            return Err(Fault::Early);
        }
        self.acc <<= n;
        self.count -= n;
        Ok(())
    }

    /// Reads `n` bits, 1..=16 of them.
    #[inline(always)]
    pub(super) fn read(&mut self, n: u32) -> std::result::Result<u32, Fault> {
        self.refill();
        let value = (self.acc >> (64 - n)) as u32;
        self.consume(n)?;
        Ok(value)
    }

    /// Reads a code and skips its extra bits (the low half of the symbol says how many).
    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Table) -> std::result::Result<Entry, Fault> {
        self.refill();
        let mut entry = table.look[(self.acc >> (64 - LOOK)) as usize];
        if entry.bits == 0 {
            entry = self.long_code(table)?;
        }
        self.consume(u32::from(entry.bits))?;
        Ok(entry)
    }

    /// Passes the coefficients of a sequential block but the first (F.2.2.2); the table has been readied for that.
    #[inline(always)]
    pub(super) fn skip_coefficients(&mut self, table: &Table) -> std::result::Result<(), Fault> {
        let mut k = 1;
        while k < 64 {
            self.refill();
            let skip = table.skips[(self.acc >> (64 - LOOK)) as usize];
            let next = k + u32::from(skip.advance);
            // Else a code would be the first of the next block, or there is none.
            if next % END_OF_BLOCK < 64 {
                self.consume(u32::from(skip.bits))?;
                k = next;
            } else {
                k += self.symbol(table)?.advance();
            }
        }
        if k > 64 && k < END_OF_BLOCK { Err(Fault::Overrun) } else { Ok(()) }
    }

    /// Reads a code and the value in its extra bits.
    #[inline(always)]
    pub(super) fn value(&mut self, table: &Table) -> std::result::Result<Entry, Fault> {
        self.refill();
        let mut entry = table.look[(self.acc >> (64 - LOOK)) as usize];
        // One comparison: 0 wraps to the top.
        if u32::from(entry.bits).wrapping_sub(1) >= LOOK {
            if entry.bits == 0 {
                entry = self.long_code(table)?;
            }
            let size = u32::from(entry.symbol & 15);
            entry.value = extend(self.acc << (u32::from(entry.bits) - size), size);
        }
        self.consume(u32::from(entry.bits))?;
        Ok(entry)
    }

    #[inline(always)]
    fn long_code(&self, table: &Table) -> std::result::Result<Entry, Fault> {
        match table.search(self.acc) {
            Some(entry) => Ok(entry),
            // Fewer bits than the longest code: they may be the start of one.
            None if self.count < 16 => Err(Fault::Early),
            None => Err(Fault::BadCode),
        }
    }

    /// Drops the rest of the interval and passes the restart marker with this number (F.2.2.5).
    pub(super) fn restart(&mut self, number: u8) -> std::result::Result<(), Fault> {
        (self.acc, self.count) = (0, 0);
        loop {
            let rest = self.data.get(self.pos..).unwrap_or_default();
            let skip = memchr(0xFF, rest).ok_or(Fault::Early)?;
            self.pos += skip + 1;
            match self.data.get(self.pos) {
                None => return Err(Fault::Early),
                Some(0xFF | 0) => {}
                Some(&m) if m == 0xD0 + number => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(_) => return Err(Fault::Restart),
            }
        }
    }
}

/// Whether any byte of the word is FF.
fn has_ff(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let inverted = !word;
    inverted.wrapping_sub(ONES) & word & (ONES << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10 and 110 for the symbols 1, 0x12 and 0.
    fn table() -> Table {
        let mut counts = [0; 16];
        counts[..3].fill(1);
        Table::new(&counts, &[1, 0x12, 0]).unwrap()
    }

    #[test]
    fn ff_is_found_in_every_place() {
        for i in 0..8 {
            assert!(has_ff(0xFFu64 << (8 * i)));
            assert!(!has_ff(0xFEu64 << (8 * i)));
        }
        assert!(!has_ff(0x7F80_8180_0001_FEFE));
    }

    #[test]
    fn symbols_and_the_end() {
        // 0 1 | 10 11 | 110, then bits that begin no code
        let mut bits = Bits::new(&[0b0110_1111, 0b0111_1111]);
        let table = table();
        let mut next = || bits.symbol(&table).map(|e| (e.symbol, e.advance()));
        assert_eq!(next(), Ok((1, 1)));
        assert_eq!(next(), Ok((0x12, 2)));
        assert_eq!(next(), Ok((0, END_OF_BLOCK)));
        assert_eq!(next(), Err(Fault::Early));
    }

    #[test]
    fn a_stuffed_byte_is_one_byte() {
        let mut bits = Bits::new(&[0xFF, 0, 0xFF, 0xD9]);
        assert_eq!(bits.read(8), Ok(0xFF));
        assert_eq!(bits.read(1), Err(Fault::Early));
    }

    #[test]
    fn too_many_codes_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3]).is_none());
    }

    #[test]
    fn restarts_are_counted() {
        let mut bits = Bits::new(&[0x12, 0xFF, 0xD0, 0x34, 0xFF, 0xD2]);
        assert_eq!(bits.restart(0), Ok(()));
        assert_eq!(bits.read(8), Ok(0x34));
        assert_eq!(bits.restart(1), Err(Fault::Restart));
    }
}
