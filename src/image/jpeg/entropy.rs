//! Walks the Huffman codes of a scan without computing coefficients.
//!
//! This is what makes decoding strict whatever the decoder: libraries fill in zeros when a scan
//! ends early, and not all of them say so. The walk knows how many blocks a scan has (A.2) and
//! reads every one. A refinement scan's length depends on which coefficients are not zero, so one
//! 64-bit mask a block is kept for progressive images.

use arrayvec::ArrayVec;

use super::frame::{COMPONENTS, Frame, Scan, ScanComponent};
use super::huffman::{Bits, Fault, Table, Tables};
use crate::image::buf::fit;
use crate::image::error::{ImageError, Result};
use crate::image::sniff::Format;

pub(super) type Walked<T = ()> = std::result::Result<T, Fault>;

/// The masks of non-zero coefficients, kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct EntropyScratch {
    masks: [Vec<u64>; COMPONENTS],
}

impl EntropyScratch {
    /// Readies the masks for a frame whose size has been checked.
    pub(super) fn start(&mut self, frame: &Frame) -> Result<()> {
        for (index, mask) in self.masks.iter_mut().enumerate() {
            mask.clear();
            let component = frame.components.get(index).filter(|_| frame.progressive);
            let (across, down) = component.map_or((0, 0), |component| frame.blocks_of(component));
            fit(mask, across * down, 0)?;
        }
        Ok(())
    }
}

/// Reads all blocks of one scan; `base` is the offset of `data` in the file.
pub(super) fn walk(
    data: &[u8],
    base: usize,
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    restart_interval: usize,
    scratch: &mut EntropyScratch,
) -> Result<()> {
    let mut pace = Pace::new(data, restart_interval);
    let walked = if frame.progressive {
        progressive(&mut pace, frame, scan, tables, scratch)
    } else {
        scan_codes(frame, scan, tables).and_then(|mut codes| skip_mcus(&mut pace, &mut codes, frame.mcu_count(scan)))
    };
    walked.map_err(|fault| located(fault, base + pace.bits.position()))
}

/// The error for a fault at this offset of the file.
pub(super) fn located(fault: Fault, offset: usize) -> ImageError {
    let detail = match fault {
        Fault::Early => {
            return ImageError::truncated(Format::Jpeg, offset, "the scan's data end before its last block");
        }
        Fault::BadCode => "bits that are no Huffman code",
        Fault::Overrun => "a run past the last coefficient",
        Fault::Restart => "a restart marker out of sequence",
        Fault::NoTable => "a scan whose Huffman table was not defined",
    };
    ImageError::corrupt(Format::Jpeg, offset, detail)
}

/// The bits, and the count to the next restart marker.
pub(super) struct Pace<'a> {
    pub(super) bits: Bits<'a>,
    interval: usize,
    left: usize,
    number: u8,
}

impl<'a> Pace<'a> {
    pub(super) fn new(data: &'a [u8], interval: usize) -> Self {
        Self { bits: Bits::new(data), interval, left: interval, number: 0 }
    }

    /// To be called before each MCU: passes the restart marker that is due and says whether.
    #[inline(always)]
    pub(super) fn mcu(&mut self) -> Walked<bool> {
        if self.interval == 0 {
            return Ok(false);
        }
        let due = self.left == 0;
        if due {
            self.bits.restart(self.number)?;
            self.number = (self.number + 1) & 7;
            self.left = self.interval;
        }
        self.left -= 1;
        Ok(due)
    }
}

/// What the codes of a component of a sequential scan are read with.
pub(super) struct Codes<'a> {
    pub(super) dc: &'a Table,
    /// Readied for [`Bits::skip_coefficients`].
    pub(super) ac: &'a Table,
    /// Blocks of an MCU across and down.
    pub(super) h: usize,
    pub(super) v: usize,
    /// The DC coefficient of the block before.
    pub(super) last_dc: i32,
}

impl<'a> Codes<'a> {
    pub(super) fn new(frame: &Frame, scan: &Scan, part: &ScanComponent, tables: &'a Tables) -> Walked<Self> {
        let component = frame.components.get(part.index).ok_or(Fault::NoTable)?;
        let (h, v) = frame.blocks_in_mcu(component, scan);
        let (dc, ac) = (tables.dc(part.dc).ok_or(Fault::NoTable)?, tables.ac(part.ac).ok_or(Fault::NoTable)?);
        Ok(Self { dc, ac, h, v, last_dc: 0 })
    }

    /// One block of F.2.2, of which the DC coefficient alone is computed.
    #[inline(always)]
    pub(super) fn skip_block(&mut self, bits: &mut Bits<'_>) -> Walked {
        self.last_dc = self.last_dc.wrapping_add(i32::from(bits.value(self.dc)?.value));
        bits.skip_coefficients(self.ac)
    }
}

/// The codes of all components of a sequential scan.
pub(super) type ScanCodes<'a> = ArrayVec<Codes<'a>, COMPONENTS>;

/// What a sequential scan is read with.
pub(super) fn scan_codes<'a>(frame: &Frame, scan: &Scan, tables: &'a Tables) -> Walked<ScanCodes<'a>> {
    scan.components.iter().map(|part| Codes::new(frame, scan, part, tables)).collect()
}

/// Passes so many MCUs of a sequential scan.
pub(super) fn skip_mcus(pace: &mut Pace<'_>, codes: &mut [Codes<'_>], mcus: usize) -> Walked {
    for _ in 0..mcus {
        if pace.mcu()? {
            codes.iter_mut().for_each(|codes| codes.last_dc = 0);
        }
        // A copy, which stays in registers.
        let mut bits = pace.bits;
        let mut walked = Ok(());
        for codes in codes.iter_mut() {
            for _ in 0..codes.h * codes.v {
                walked = walked.and_then(|()| codes.skip_block(&mut bits));
            }
        }
        pace.bits = bits;
        walked?;
    }
    Ok(())
}

fn progressive(
    pace: &mut Pace<'_>,
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    scratch: &mut EntropyScratch,
) -> Walked {
    if scan.ss == 0 {
        return progressive_dc(pace, frame, scan, tables);
    }
    let only = scan.components.first().ok_or(Fault::NoTable)?;
    let ac = tables.ac(only.ac).ok_or(Fault::NoTable)?;
    let masks = scratch.masks.get_mut(only.index).ok_or(Fault::NoTable)?;
    let mut eob_run = 0;
    for mask in masks.iter_mut() {
        if pace.mcu()? {
            eob_run = 0;
        }
        if scan.ah == 0 {
            ac_first(&mut pace.bits, ac, scan, mask, &mut eob_run)?;
        } else {
            ac_refine(&mut pace.bits, ac, scan, mask, &mut eob_run)?;
        }
    }
    Ok(())
}

/// DC scans (G.1.2.1): a difference the first time, then one bit a block.
fn progressive_dc(pace: &mut Pace<'_>, frame: &Frame, scan: &Scan, tables: &Tables) -> Walked {
    for _ in 0..frame.mcu_count(scan) {
        pace.mcu()?;
        for part in &scan.components {
            let component = frame.components.get(part.index).ok_or(Fault::NoTable)?;
            let (h, v) = frame.blocks_in_mcu(component, scan);
            for _ in 0..h * v {
                if scan.ah == 0 {
                    pace.bits.symbol(tables.dc(part.dc).ok_or(Fault::NoTable)?)?;
                } else {
                    pace.bits.skip(1)?;
                }
            }
        }
    }
    Ok(())
}

/// The length of a run of blocks without further coefficients: 2^r and r more bits.
pub(super) fn read_eob_run(bits: &mut Bits<'_>, r: u8) -> Walked<u32> {
    let extra = if r == 0 { 0 } else { bits.read(u32::from(r))? };
    Ok((1 << r) + extra)
}

/// A band's first scan (G.1.2.2).
fn ac_first(bits: &mut Bits<'_>, ac: &Table, scan: &Scan, mask: &mut u64, eob_run: &mut u32) -> Walked {
    if *eob_run > 0 {
        *eob_run -= 1;
        return Ok(());
    }
    let (mut k, end) = (u32::from(scan.ss), u32::from(scan.se));
    while k <= end {
        let symbol = bits.symbol(ac)?.symbol;
        match (symbol >> 4, symbol & 15) {
            (15, 0) => k += 16,
            (r, 0) => {
                *eob_run = read_eob_run(bits, r)? - 1;
                return Ok(());
            }
            (run, _) => {
                k += u32::from(run);
                if k > end {
                    return Err(Fault::Overrun);
                }
                *mask |= 1 << k;
                k += 1;
            }
        }
    }
    Ok(())
}

/// A band's later scans (G.1.2.3): each known coefficient that is passed has one more bit.
fn ac_refine(bits: &mut Bits<'_>, ac: &Table, scan: &Scan, mask: &mut u64, eob_run: &mut u32) -> Walked {
    let (mut k, end) = (u32::from(scan.ss), u32::from(scan.se));
    if *eob_run == 0 {
        while k <= end {
            let symbol = bits.symbol(ac)?.symbol;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            if size > 1 {
                return Err(Fault::BadCode);
            }
            if size == 0 && run < 15 {
                *eob_run = read_eob_run(bits, run)?;
                break;
            }
            while k <= end {
                if *mask >> k & 1 != 0 {
                    bits.skip(1)?;
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
                *mask |= 1 << k;
            }
            k += 1;
        }
    }
    if *eob_run > 0 {
        // Bits k..=end of the mask, if there are any; end is at most 63.
        let rest = if k <= end { (*mask >> k << k) & (u64::MAX >> (63 - end)) } else { 0 };
        let known = rest.count_ones();
        bits.skip(known.min(32))?;
        bits.skip(known.saturating_sub(32))?;
        *eob_run -= 1;
    }
    Ok(())
}
