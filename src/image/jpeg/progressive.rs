//! Scans of a progressive frame (annex G): Huffman codes to coefficients, which are kept whole.

use super::blocks::natural_place;
use super::entropy::{Pace, Walked, read_eob_run};
use super::frame::{Component, Frame, Scan};
use super::huffman::{Bits, Fault, Table, Tables};
use super::idct::{COEFFICIENTS, Coefficients};
use crate::image::buf::fit;
use crate::image::error::Result;

/// The coefficients of a component, block by block, each row by row.
#[derive(Debug, Default)]
pub(super) struct Coded {
    pub(super) blocks: Vec<Coefficients>,
    /// Blocks across, of whole MCUs.
    pub(super) across: usize,
}

impl Coded {
    /// Makes room for a component of a frame whose size has been checked.
    pub(super) fn start(&mut self, frame: &Frame, component: &Component) -> Result<()> {
        let (mcus, mcu_rows) = frame.mcus();
        self.across = mcus * component.h;
        self.blocks.clear();
        fit(&mut self.blocks, self.across * mcu_rows * component.v, [0; COEFFICIENTS])
    }

    /// Holds nothing of an image before.
    pub(super) fn clear(&mut self) -> Result<()> {
        self.blocks.clear();
        fit(&mut self.blocks, 0, [0; COEFFICIENTS])
    }

    /// The row `y` of blocks.
    pub(super) fn row(&mut self, y: usize) -> &mut [Coefficients] {
        self.blocks.get_mut(y * self.across..(y + 1) * self.across).unwrap_or_default()
    }
}

/// Takes in one scan.
pub(super) fn scan(pace: &mut Pace<'_>, coded: &mut [Coded], frame: &Frame, scan: &Scan, tables: &Tables) -> Walked {
    if scan.ss == 0 { dc_scan(pace, coded, frame, scan, tables) } else { ac_scan(pace, coded, frame, scan, tables) }
}

/// A difference the first time, then one bit a block (G.1.2.1).
fn dc_scan(pace: &mut Pace<'_>, coded: &mut [Coded], frame: &Frame, scan: &Scan, tables: &Tables) -> Walked {
    let (across, down) = frame.mcus_of(scan);
    let single = scan.components.len() == 1;
    let mut last = [0i32; 4];
    for (row, mcu) in (0..down).flat_map(|row| (0..across).map(move |mcu| (row, mcu))) {
        if pace.mcu()? {
            last = [0; 4];
        }
        for (part, last) in scan.components.iter().zip(&mut last) {
            let component = frame.components.get(part.index).ok_or(Fault::NoTable)?;
            let coded = coded.get_mut(part.index).ok_or(Fault::NoTable)?;
            let (h, v) = if single { (1, 1) } else { (component.h, component.v) };
            for y in 0..v {
                let blocks = coded.row(row * v + y);
                for x in 0..h {
                    let coefficient = blocks.get_mut(mcu * h + x).map(|block| &mut block[0]).ok_or(Fault::NoTable)?;
                    if scan.ah == 0 {
                        let table = tables.dc(part.dc).ok_or(Fault::NoTable)?;
                        *last = last.wrapping_add(i32::from(pace.bits.value(table)?.value));
                        *coefficient = last.wrapping_shl(u32::from(scan.al)) as i16;
                    } else if pace.bits.read(1)? != 0 {
                        *coefficient |= 1 << scan.al;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A band of one component (G.1.2.2, G.1.2.3).
fn ac_scan(pace: &mut Pace<'_>, coded: &mut [Coded], frame: &Frame, scan: &Scan, tables: &Tables) -> Walked {
    let only = scan.components.first().ok_or(Fault::NoTable)?;
    let ac = tables.ac(only.ac).ok_or(Fault::NoTable)?;
    let coded = coded.get_mut(only.index).ok_or(Fault::NoTable)?;
    let (across, down) = frame.mcus_of(scan);
    let mut eob_run = 0;
    for y in 0..down {
        for block in coded.row(y).iter_mut().take(across) {
            if pace.mcu()? {
                eob_run = 0;
            }
            // A copy, which stays in registers.
            let mut bits = pace.bits;
            let walked = if scan.ah == 0 {
                first(&mut bits, ac, scan, block, &mut eob_run)
            } else {
                refine(&mut bits, ac, scan, block, &mut eob_run)
            };
            pace.bits = bits;
            walked?;
        }
    }
    Ok(())
}

/// A block of a band's first scan.
#[inline(always)]
fn first(bits: &mut Bits<'_>, ac: &Table, scan: &Scan, block: &mut Coefficients, eob_run: &mut u32) -> Walked {
    if *eob_run > 0 {
        *eob_run -= 1;
        return Ok(());
    }
    let (mut k, end) = (usize::from(scan.ss), usize::from(scan.se));
    while k <= end {
        let entry = bits.value(ac)?;
        match (entry.symbol >> 4, entry.symbol & 15) {
            (15, 0) => k += 16,
            (r, 0) => {
                *eob_run = read_eob_run(bits, r)? - 1;
                return Ok(());
            }
            (run, _) => {
                k += usize::from(run);
                if k > end {
                    return Err(Fault::Overrun);
                }
                block[natural_place(k) % COEFFICIENTS] = entry.value.wrapping_shl(u32::from(scan.al));
                k += 1;
            }
        }
    }
    Ok(())
}

/// One more bit of a coefficient that is not zero.
#[inline(always)]
fn refine_one(bits: &mut Bits<'_>, value: &mut i16, bit: i16) -> Walked {
    if bits.read(1)? != 0 && *value & bit == 0 {
        *value = value.wrapping_add(if *value >= 0 { bit } else { -bit });
    }
    Ok(())
}

/// A block of a band's later scans: each known coefficient that is passed has one more bit.
#[inline(always)]
fn refine(bits: &mut Bits<'_>, ac: &Table, scan: &Scan, block: &mut Coefficients, eob_run: &mut u32) -> Walked {
    let (mut k, end) = (usize::from(scan.ss), usize::from(scan.se));
    let bit = 1i16 << scan.al;
    if *eob_run == 0 {
        while k <= end {
            let entry = bits.value(ac)?;
            let (mut run, size) = (entry.symbol >> 4, entry.symbol & 15);
            if size > 1 {
                return Err(Fault::BadCode);
            }
            if size == 0 && run < 15 {
                *eob_run = read_eob_run(bits, run)?;
                break;
            }
            while k <= end {
                let value = &mut block[natural_place(k) % COEFFICIENTS];
                if *value != 0 {
                    refine_one(bits, value, bit)?;
                } else if run == 0 {
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
            if size == 1 {
                if k > end {
                    return Err(Fault::Overrun);
                }
                block[natural_place(k) % COEFFICIENTS] = entry.value * bit;
            }
            k += 1;
        }
    }
    if *eob_run > 0 {
        while k <= end {
            let value = &mut block[natural_place(k) % COEFFICIENTS];
            if *value != 0 {
                refine_one(bits, value, bit)?;
            }
            k += 1;
        }
        *eob_run -= 1;
    }
    Ok(())
}
