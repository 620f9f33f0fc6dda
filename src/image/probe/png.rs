//! PNG chunks: lengths, order and checksums.

use super::carry::{DEFLATE, hollow};
use super::{Colorspace, Limits, Probe, exif_orientation};
use crate::image::error::{ImageError, Result};
use crate::image::sniff::Format;

const SIGNATURE_LEN: usize = 8;

struct Chunk<'a> {
    at: usize,
    kind: [u8; 4],
    data: &'a [u8],
}

impl Chunk<'_> {
    fn corrupt(&self, detail: impl Into<String>) -> ImageError {
        ImageError::corrupt(Format::Png, self.at, detail)
    }
}

/// The chunk at `at` with its CRC checked, and the offset of the next one.
fn chunk(bytes: &[u8], at: usize) -> Result<(Chunk<'_>, usize)> {
    let ended = |wanted: &str| {
        ImageError::truncated(
            Format::Png,
            bytes.len(),
            format!("the file ends where {wanted} was expected (chunk at {at})"),
        )
    };
    let header = bytes.get(at..).and_then(|b| b.first_chunk::<8>()).ok_or_else(|| ended("a chunk's header"))?;
    let &[l3, l2, l1, l0, ref kind @ ..] = header;
    let len = u32::from_be_bytes([l3, l2, l1, l0]);
    if len > i32::MAX as u32 || !kind.iter().all(u8::is_ascii_alphabetic) {
        return Err(ImageError::corrupt(Format::Png, at, format!("a chunk of {len} bytes of type {kind:02x?}")));
    }
    // Below 2^31 + 12, and `at` is inside a slice: no overflow where usize has 64 bits; a checked
    // sum keeps that true on 32.
    let body_end = (at + 8).checked_add(len as usize);
    let data = body_end.and_then(|end| bytes.get(at + 8..end)).ok_or_else(|| ended("the end of a chunk"))?;
    let crc_at = at + 8 + data.len();
    let crc = bytes.get(crc_at..).and_then(|b| b.first_chunk::<4>()).ok_or_else(|| ended("a chunk's CRC"))?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(kind);
    hasher.update(data);
    let (stored, computed) = (u32::from_be_bytes(*crc), hasher.finalize());
    let chunk = Chunk { at, kind: *kind, data };
    if stored != computed {
        return Err(chunk.corrupt(format!(
            "the CRC of chunk {} is {computed:08x}, stored {stored:08x}",
            String::from_utf8_lossy(kind)
        )));
    }
    Ok((chunk, crc_at + 4))
}

/// Walks all chunks to IEND.
pub(super) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe> {
    let (first, mut next) = chunk(bytes, SIGNATURE_LEN)?;
    if first.kind != *b"IHDR" {
        return Err(first.corrupt("the first chunk is not IHDR"));
    }
    let (mut probe, palette, least_bytes) = ihdr(first.data).map_err(|detail| first.corrupt(detail))?;
    limits.check(probe.width, probe.height, probe.channels)?;
    let (mut seen_palette, mut data_len) = (false, 0);
    loop {
        let (chunk, after) = chunk(bytes, next)?;
        next = after;
        match &chunk.kind {
            b"IHDR" => return Err(chunk.corrupt("a second IHDR")),
            b"PLTE" => seen_palette = true,
            b"tRNS" if palette => {
                probe.channels = 4;
                probe.colorspace = Colorspace::Rgba;
            }
            b"eXIf" => probe.exif_orientation = exif_orientation(chunk.data),
            b"IDAT" if palette && !seen_palette => {
                return Err(chunk.corrupt("an indexed image without PLTE"));
            }
            b"IDAT" => data_len += chunk.data.len(),
            b"IEND" if data_len == 0 => return Err(chunk.corrupt("no IDAT")),
            b"IEND" if least_bytes.div_ceil(DEFLATE) > data_len as u64 => return Err(hollow(&probe, data_len)),
            b"IEND" => return Ok(probe),
            _ => {}
        }
    }
}

/// The header alone, unverified.
pub(super) fn probe_ihdr(bytes: &[u8]) -> Option<Probe> {
    if bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    ihdr(bytes.get(16..29)?).ok().map(|(probe, ..)| probe)
}

/// Reads IHDR; also says whether the image has a palette, and how many bytes its samples are at the least.
fn ihdr(data: &[u8]) -> std::result::Result<(Probe, bool, u64), String> {
    let &[w3, w2, w1, w0, h3, h2, h1, h0, depth, color, compression, filter, interlace] = data else {
        return Err(format!("IHDR of {} bytes", data.len()));
    };
    let width = u32::from_be_bytes([w3, w2, w1, w0]);
    let height = u32::from_be_bytes([h3, h2, h1, h0]);
    if width == 0 || height == 0 || width.max(height) > i32::MAX as u32 {
        return Err(format!("an image of {height}x{width} pixels (height x width)"));
    }
    let (channels, colorspace) = match (color, depth) {
        (0, 1 | 2 | 4 | 8 | 16) => (1, Colorspace::Grayscale),
        (2, 8 | 16) | (3, 1 | 2 | 4 | 8) => (3, Colorspace::Rgb),
        (4, 8 | 16) => (2, Colorspace::GrayAlpha),
        (6, 8 | 16) => (4, Colorspace::Rgba),
        _ => return Err(format!("colour type {color} with {depth} bits")),
    };
    if compression != 0 || filter != 0 || interlace > 1 {
        return Err(format!("compression {compression}, filter {filter}, interlace {interlace}"));
    }
    let probe = Probe {
        format: Format::Png,
        height: height as usize,
        width: width as usize,
        channels,
        colorspace,
        progressive: interlace == 1,
        exif_orientation: None,
    };
    let samples = if color == 3 { 1 } else { channels as u64 };
    let row_bits = u64::from(width).saturating_mul(samples * u64::from(depth));
    Ok((probe, color == 3, row_bits.saturating_mul(u64::from(height)) / 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ImageBuf, Shape, encode_png};

    fn sample() -> Vec<u8> {
        let pixels = (0..60u8).collect();
        encode_png(&ImageBuf::from_pixels(Shape::new(4, 5, 3), pixels).unwrap()).unwrap()
    }

    #[test]
    fn every_cut_is_truncated() {
        let bytes = sample();
        assert_eq!(probe(&bytes, &Limits::default()).unwrap().channels, 3);
        for cut in SIGNATURE_LEN..bytes.len() {
            let error = probe(&bytes[..cut], &Limits::default()).unwrap_err();
            assert!(error.is_truncated(), "cut at {cut}: {error}");
        }
    }

    #[test]
    fn every_flipped_byte_is_corrupt() {
        let bytes = sample();
        for at in SIGNATURE_LEN..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert!(probe(&bad, &Limits::default()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn trailing_bytes_are_accepted() {
        let mut bytes = sample();
        bytes.extend_from_slice(b"more");
        assert!(probe(&bytes, &Limits::default()).is_ok());
        assert_eq!(probe_ihdr(&bytes[..29]).unwrap().width, 5);
        assert!(probe_ihdr(&bytes[..28]).is_none());
    }
}
