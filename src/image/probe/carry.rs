//! Whether the bytes of a file can hold the pixels that its header promises, so that no memory is made for what cannot come.

use super::header::{bytes_at, has_hollow_tag, le16, tiff_tag};
use super::{Format, ImageError, Probe, Result};

/// Pixels that are not asked after where the format has codes for "the rest is blank".
const FREE: u64 = 1 << 23;

/// What a byte of LZW holds at the most: 4,096 codes grow to strings that long, each named by a code of 12 bits.
const LZW: u64 = 2_731;
/// What a byte of Deflate holds at the most: 258 bytes are named by two bits.
pub(super) const DEFLATE: u64 = 1_032;
/// PackBits: 128 bytes by two.
const PACK_BITS: u64 = 64;
/// Pixels of a byte of a bitmap's runs.
const RUNS: u64 = 128;
/// Pixels of a byte of lossy WebP: 256 pixels take two modes, of more than 0.8 bits each.
const VP8: u64 = 1_280;

/// Fails for a GIF, BMP, WebP or TIFF that is too short for its size.
pub(super) fn check(bytes: &[u8], probe: &Probe) -> Result<()> {
    // A decoder makes room for as many values as a tag says that it has.
    if probe.format == Format::Tiff && has_hollow_tag(bytes) {
        let detail = "a tag has more values than the file has bytes";
        return Err(ImageError::truncated(Format::Tiff, bytes.len(), detail));
    }
    let len = bytes.len() as u64;
    let pixels = (probe.width as u64).saturating_mul(probe.height as u64);
    let carried = match probe.format {
        Format::Gif => pixels <= FREE.max(len.saturating_mul(LZW)),
        Format::Bmp => bitmap(bytes, probe, pixels).unwrap_or(true),
        Format::Webp => !is_lossy(bytes) || pixels <= FREE.max(len.saturating_mul(VP8)),
        Format::Tiff => tiff(bytes, probe),
        Format::Jpeg | Format::Png => true,
    };
    if carried { Ok(()) } else { Err(hollow(probe, bytes.len())) }
}

/// The error for a file, or its data, of so many bytes.
pub(super) fn hollow(probe: &Probe, len: usize) -> ImageError {
    let Probe { format, width, height, .. } = *probe;
    ImageError::truncated(format, len, format!("{len} bytes cannot hold {height}x{width} pixels (height x width)"))
}

fn bitmap(bytes: &[u8], probe: &Probe, pixels: u64) -> Option<bool> {
    let start = u64::from(u32::from_le_bytes(bytes_at(bytes, 10)?));
    let is_old = u32::from_le_bytes(bytes_at(bytes, 14)?) == 12;
    let bits = le16(bytes, if is_old { 24 } else { 28 })? as u64;
    let len = bytes.len() as u64;
    if !is_old && matches!(u32::from_le_bytes(bytes_at(bytes, 30)?), 1 | 2) {
        return Some(pixels <= FREE.max(len.saturating_mul(RUNS)));
    }
    let row = (probe.width as u64).saturating_mul(bits).div_ceil(8);
    // The last row may lack its padding.
    let all = (probe.height as u64 - 1).saturating_mul(row.next_multiple_of(4)).saturating_add(row);
    Some(all <= len.saturating_sub(start))
}

/// Whether the first image of a WebP is lossy. A lossless one of one colour takes no bits for its pixels.
fn is_lossy(bytes: &[u8]) -> bool {
    let mut at = 12usize;
    while let (Some(kind), Some(len)) = (bytes_at::<4>(bytes, at), bytes_at(bytes, at + 4)) {
        at = match &kind {
            b"VP8 " => return true,
            b"VP8L" => return false,
            // The frame's own chunks are inside.
            b"ANMF" => at + 24,
            _ => at.saturating_add(8).saturating_add((u32::from_le_bytes(len) as usize).next_multiple_of(2)),
        };
    }
    // None at all is as hollow.
    true
}

fn tiff(bytes: &[u8], probe: &Probe) -> bool {
    let times = match tiff_tag(bytes, 259).unwrap_or(1) {
        1 => 1,
        5 => LZW,
        8 | 32_946 => DEFLATE,
        32_773 => PACK_BITS,
        // Fax codes and JPEG: a line of any length may be one bit.
        _ => return true,
    };
    let samples = u64::from(tiff_tag(bytes, 277).unwrap_or(1));
    let bits = u64::from(tiff_tag(bytes, 258).unwrap_or(1));
    let row = (probe.width as u64).saturating_mul(samples).saturating_mul(bits).div_ceil(8);
    row.saturating_mul(probe.height as u64) <= (bytes.len() as u64).saturating_mul(times)
}
