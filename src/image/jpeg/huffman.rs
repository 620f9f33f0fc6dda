//! Huffman tables (B.2.4.2, annex C) and a reader of entropy-coded bits (F.2.2.5).

use memchr::memchr;

use super::entropy::located;
use super::frame::{Frame, Scan};
use super::segment::Segment;
use super::standard::STANDARD;
use crate::image::error::{ImageError, Result};
use crate::image::sniff::Format;

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
    values: [u8; 256],
    /// Made when first needed.
    skips: [Skip; 1 << LOOK],
    skips_made: bool,
}

impl Table {
    fn empty() -> Self {
        Self {
            look: [Entry::default(); 1 << LOOK],
            lengths: [(0, 0, 0); 17],
            values: [0; 256],
            skips: [Skip::NONE; 1 << LOOK],
            skips_made: false,
        }
    }

    /// Makes the table anew, of a definition without a fault.
    fn fill(&mut self, definition: &Definition) {
        self.look.fill(Entry::default());
        self.values = definition.values;
        self.skips_made = false;
        let (mut code, mut index) = (0u32, 0usize);
        for (&count, lengths) in definition.counts.iter().zip(self.lengths.iter_mut().skip(1)) {
            let number = u32::from(count);
            *lengths = (code, number, index);
            index += usize::from(count);
            code = (code + number) << 1;
        }
        for (len, (code, number, index)) in self.lengths.into_iter().enumerate().take(LOOK as usize + 1) {
            for (code, symbol) in (code..code + number).zip(definition.values.iter().skip(index)) {
                self.spread((code << (LOOK - len as u32)) as usize, len as u32, *symbol);
            }
        }
    }

    /// Writes the entries of one code.
    fn spread(&mut self, first: usize, len: u32, symbol: u8) {
        let (rest, size) = (LOOK - len, u32::from(symbol & 15));
        let entries = self.look.get_mut(first..first + (1 << rest)).unwrap_or_default();
        if size > rest {
            entries.fill(Entry::new(len, symbol, 0));
            return;
        }
        for (extra, same) in entries.chunks_exact_mut(1 << (rest - size)).enumerate() {
            let value = if size == 0 { 0 } else { extend((extra as u64) << (64 - size), size) };
            same.fill(Entry::new(len, symbol, value));
        }
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

/// A table as a DHT segment has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    /// Codes of each length, 1..=16.
    counts: [u8; 16],
    /// What they stand for, in order of the codes; the rest is zero.
    values: [u8; 256],
}

impl Definition {
    const EMPTY: Self = Self { counts: [0; 16], values: [0; 256] };

    /// One of the standard's.
    pub(super) const fn new<const N: usize>(counts: [u8; 16], symbols: &[u8; N]) -> Self {
        let mut values = [0; 256];
        let mut i = 0;
        while i < N {
            values[i] = symbols[i];
            i += 1;
        }
        Self { counts, values }
    }

    fn total(counts: &[u8; 16]) -> usize {
        counts.iter().map(|&n| usize::from(n)).sum()
    }

    /// What is wrong with it, by the rules of libjpeg: codes do not run out, and none is of ones alone.
    fn fault(&self, class: Class) -> Option<&'static str> {
        let mut code = 0u32;
        for (&count, len) in self.counts.iter().zip(1u32..) {
            code += u32::from(count);
            if code >= 1 << len && count > 0 {
                return Some("a Huffman table that is no prefix code, or has a code of ones alone");
            }
            code <<= 1;
        }
        let values = self.values.iter().take(Self::total(&self.counts));
        let is_wide = class == Class::Dc && values.into_iter().any(|&v| v > 15);
        is_wide.then_some("a DC table with a size above 15")
    }
}

/// What a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Dc,
    Ac,
}

/// A place for a table, which is kept from image to image.
#[derive(Debug)]
struct Slot {
    defined: bool,
    definition: Definition,
    /// Of this definition where it is ready; made when first needed.
    table: Option<Box<Table>>,
    ready: bool,
}

impl Default for Slot {
    fn default() -> Self {
        Self { defined: false, definition: Definition::EMPTY, table: None, ready: false }
    }
}

impl Slot {
    /// Takes in a definition; most files have the tables of annex K.
    fn define(&mut self, definition: Definition) {
        self.defined = true;
        if self.definition != definition {
            (self.definition, self.ready) = (definition, false);
        }
    }

    fn table(&self) -> Option<&Table> {
        self.table.as_deref().filter(|_| self.defined && self.ready)
    }
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

    /// Takes in a DHT segment. Its tables are checked when a scan needs them, as in libjpeg.
    pub(super) fn define(&mut self, segment: &Segment<'_>) -> Result<()> {
        let mut rest = segment.payload;
        while let Some((&class_and_id, tail)) = rest.split_first() {
            let (class, id) = (class_and_id >> 4, usize::from(class_and_id & 15));
            let Some((counts, tail)) = tail.split_first_chunk::<16>() else {
                return Err(segment.corrupt("a Huffman table shorter than its 16 counts"));
            };
            let mut definition = Definition { counts: *counts, ..Definition::EMPTY };
            let total = Definition::total(counts);
            let Some((values, tail)) = tail.split_at_checked(total) else {
                return Err(segment.corrupt("a Huffman table longer than its segment"));
            };
            definition
                .values
                .get_mut(..total)
                .ok_or_else(|| segment.corrupt(format!("a Huffman table of {total} codes")))?
                .copy_from_slice(values);
            match class {
                0 => self.dc.get_mut(id),
                1 => self.ac.get_mut(id),
                _ => None,
            }
            .ok_or_else(|| segment.corrupt(format!("a Huffman table of class {class}, number {id}")))?
            .define(definition);
            rest = tail;
        }
        Ok(())
    }

    /// Checks that the tables of a scan are there. A sequential frame may do without those of annex K, as those of Motion
    /// JPEG do.
    pub(super) fn check(&mut self, frame: &Frame, scan: &Scan, at: usize) -> Result<()> {
        self.each(frame, scan, |slot, class, id| {
            if !slot.defined {
                let standard = STANDARD.get(id).filter(|_| !frame.progressive);
                let (dc, ac) = standard.ok_or_else(|| located(Fault::NoTable, at))?;
                slot.define(if class == Class::Dc { dc.clone() } else { ac.clone() });
            }
            slot.definition.fault(class).map_or(Ok(()), |fault| Err(ImageError::corrupt(Format::Jpeg, at, fault)))
        })
    }

    /// Readies the tables of a scan that has been checked; AC tables for [`Bits::skip_coefficients`] too where `skips` says so.
    pub(super) fn make(&mut self, frame: &Frame, scan: &Scan, skips: bool) -> Result<()> {
        self.each(frame, scan, |slot, class, _| {
            let table = slot.table.get_or_insert_with(|| Box::new(Table::empty()));
            if !slot.ready {
                table.fill(&slot.definition);
                slot.ready = true;
            }
            if skips && class == Class::Ac && !table.skips_made {
                table.make_skips();
            }
            Ok(())
        })
    }

    /// Calls `f` with each table that a scan reads.
    fn each(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        mut f: impl FnMut(&mut Slot, Class, usize) -> Result<()>,
    ) -> Result<()> {
        let (dc, ac) = match (frame.progressive, scan.ss, scan.ah) {
            (false, ..) => (true, true),
            (true, 0, ah) => (ah == 0, false),
            (true, ..) => (false, true),
        };
        for part in &scan.components {
            if let Some(slot) = self.dc.get_mut(part.dc).filter(|_| dc) {
                f(slot, Class::Dc, part.dc)?;
            }
            if let Some(slot) = self.ac.get_mut(part.ac).filter(|_| ac) {
                f(slot, Class::Ac, part.ac)?;
            }
        }
        Ok(())
    }

    pub(super) fn dc(&self, id: usize) -> Option<&Table> {
        self.dc.get(id)?.table()
    }

    pub(super) fn ac(&self, id: usize) -> Option<&Table> {
        self.ac.get(id)?.table()
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
        let mut table = Table::empty();
        table.fill(&Definition::new(counts, &[1, 0x12, 0]));
        table
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
        let fault = |len: usize, count: u8, values: &[u8; 3], class| {
            let mut counts = [0; 16];
            counts[len - 1] = count;
            Definition::new(counts, values).fault(class)
        };
        assert!(fault(1, 3, &[1, 2, 3], Class::Ac).is_some());
        // A code of ones alone.
        assert!(fault(1, 2, &[1, 2, 0], Class::Ac).is_some());
        assert!(fault(16, 255, &[0; 3], Class::Ac).is_none());
        assert!(fault(1, 1, &[16, 0, 0], Class::Ac).is_none());
        assert!(fault(1, 1, &[16, 0, 0], Class::Dc).is_some());
    }

    #[test]
    fn restarts_are_counted() {
        let mut bits = Bits::new(&[0x12, 0xFF, 0xD0, 0x34, 0xFF, 0xD2]);
        assert_eq!(bits.restart(0), Ok(()));
        assert_eq!(bits.read(8), Ok(0x34));
        assert_eq!(bits.restart(1), Err(Fault::Restart));
    }
}
