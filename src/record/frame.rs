//! The TFRecord frame, on slices and without I/O. Reader, writer, mapped shard and validator all call this file.
//!
//! ```text
//! u64 length, little-endian | u32 masked crc32c of those 8 bytes | payload | u32 masked crc32c of the payload
//! ```

use thiserror::Error;

/// Bytes before the payload: the length and its CRC.
pub const HEADER_LEN: usize = 12;
/// Bytes after the payload: its CRC.
pub const FOOTER_LEN: usize = 4;
/// Bytes that framing adds to a payload.
pub const OVERHEAD: u64 = (HEADER_LEN + FOOTER_LEN) as u64;
/// The default limit on a payload: a protobuf message holds 2 GiB at most.
pub const MAX_RECORD_LEN: u64 = i32::MAX as u64;

const MASK_DELTA: u32 = 0xa282_ead8;

/// The CRC-32C (Castagnoli) of `data`, masked as TFRecord stores it: rotated right by 15 bits, plus `0xa282ead8`.
///
/// ```
/// assert_eq!(tfrkit::record::masked_crc(b"123456789"), 0xc78a_b0e5);
/// ```
pub fn masked_crc(data: &[u8]) -> u32 {
    mask(crc32c::crc32c(data))
}

/// A CRC as TFRecord stores it.
pub(super) fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

/// A part of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramePart {
    /// The 8 length bytes and their CRC.
    Header,
    /// The payload.
    Payload,
    /// The CRC behind the payload.
    Footer,
    /// The compressed stream that the frames lie in.
    Stream,
}

impl std::fmt::Display for FramePart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FramePart::Header => "header",
            FramePart::Payload => "payload",
            FramePart::Footer => "payload CRC",
            FramePart::Stream => "compressed stream",
        })
    }
}

/// What is wrong with a frame. It knows no position; whoever walks the frames adds it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The CRC of the length does not match: neither the length nor what follows can be trusted.
    #[error("the length's CRC does not match: stored {stored:08x}, computed {computed:08x}")]
    LengthCrc {
        /// The CRC in the file.
        stored: u32,
        /// The CRC of the length bytes.
        computed: u32,
    },
    /// The CRC of the payload does not match: this record is damaged, the next one can still be found.
    #[error("the payload's CRC does not match: stored {stored:08x}, computed {computed:08x}")]
    DataCrc {
        /// The CRC in the file.
        stored: u32,
        /// The CRC of the payload.
        computed: u32,
    },
    /// The data end inside the record.
    #[error("the data end inside the {part}: {expected} bytes expected, {found} found")]
    Truncated {
        /// The part that is cut.
        part: FramePart,
        /// Bytes that the part should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The length is beyond the limit; nothing was allocated for it.
    #[error("the record's length {length} is over the limit of {limit} bytes")]
    Oversized {
        /// The length in the header.
        length: u64,
        /// The limit in force.
        limit: u64,
    },
}

/// Which checksums a reader verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CrcCheck {
    /// Of lengths and payloads (the default).
    #[default]
    Full,
    /// Of lengths only: enough to walk from record to record safely.
    Lengths,
}

/// Reads a header: verifies the length's CRC, then holds the length against `limit`.
pub fn parse_header(header: &[u8; HEADER_LEN], limit: u64) -> Result<u64, FrameError> {
    let [a, b, c, d, e, f, g, h, crc @ ..] = *header;
    let stored = u32::from_le_bytes(crc);
    let computed = masked_crc(&header[..8]);
    if stored != computed {
        return Err(FrameError::LengthCrc { stored, computed });
    }
    let length = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    if length > limit {
        return Err(FrameError::Oversized { length, limit });
    }
    Ok(length)
}

/// Holds a payload against the CRC that is stored behind it.
pub fn check_payload(payload: &[u8], footer: [u8; FOOTER_LEN]) -> Result<(), FrameError> {
    check_crc(crc32c::crc32c(payload), footer)
}

/// As [`check_payload`], of a payload whose CRC (not masked) was computed as it went by.
pub(super) fn check_crc(crc: u32, footer: [u8; FOOTER_LEN]) -> Result<(), FrameError> {
    let stored = u32::from_le_bytes(footer);
    let computed = mask(crc);
    if stored == computed { Ok(()) } else { Err(FrameError::DataCrc { stored, computed }) }
}

/// The payload of the frame at the start of `data`, or `None` where `data` is empty (the clean end).
pub fn parse_frame(data: &[u8], limit: u64, crc: CrcCheck) -> Result<Option<&[u8]>, FrameError> {
    if data.is_empty() {
        return Ok(None);
    }
    let Some((header, rest)) = data.split_first_chunk::<HEADER_LEN>() else {
        return Err(truncated(FramePart::Header, HEADER_LEN as u64, data.len()));
    };
    let length = parse_header(header, limit)?;
    let cut = || truncated(FramePart::Payload, length, rest.len());
    let (payload, rest) = usize::try_from(length).ok().and_then(|n| rest.split_at_checked(n)).ok_or_else(cut)?;
    let Some(footer) = rest.first_chunk::<FOOTER_LEN>() else {
        return Err(truncated(FramePart::Footer, FOOTER_LEN as u64, rest.len()));
    };
    if crc == CrcCheck::Full {
        check_payload(payload, *footer)?;
    }
    Ok(Some(payload))
}

/// The header of a payload of `length` bytes.
pub fn encode_header(length: u64) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let bytes = length.to_le_bytes();
    header[..8].copy_from_slice(&bytes);
    header[8..].copy_from_slice(&masked_crc(&bytes).to_le_bytes());
    header
}

/// The footer of a payload.
pub fn encode_footer(payload: &[u8]) -> [u8; FOOTER_LEN] {
    masked_crc(payload).to_le_bytes()
}

fn truncated(part: FramePart, expected: u64, found: usize) -> FrameError {
    FrameError::Truncated { part, expected, found: found as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut out = encode_header(payload.len() as u64).to_vec();
        out.extend_from_slice(payload);
        out.extend_from_slice(&encode_footer(payload));
        out
    }

    #[test]
    fn known_vectors() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked_crc(b""), 0xa282_ead8);
        assert_eq!(masked_crc(&24u64.to_le_bytes()), 0x224b_7fa3);
        assert_eq!(frame(b""), [0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x03, 0x98, 0x07, 0xd8, 0xea, 0x82, 0xa2]);
    }

    #[test]
    fn every_cut_names_its_part() {
        let whole = frame(b"payload");
        assert_eq!(parse_frame(&whole, MAX_RECORD_LEN, CrcCheck::Full), Ok(Some(&b"payload"[..])));
        assert_eq!(parse_frame(&[], MAX_RECORD_LEN, CrcCheck::Full), Ok(None));
        for cut in 1..whole.len() {
            let part = match cut {
                0..12 => FramePart::Header,
                12..19 => FramePart::Payload,
                _ => FramePart::Footer,
            };
            match parse_frame(&whole[..cut], MAX_RECORD_LEN, CrcCheck::Full) {
                Err(FrameError::Truncated { part: found, .. }) => assert_eq!(found, part, "cut at {cut}"),
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_hostile_length_is_refused_before_use() {
        let header = encode_header(1 << 63);
        assert_eq!(
            parse_frame(&header, MAX_RECORD_LEN, CrcCheck::Full),
            Err(FrameError::Oversized { length: 1 << 63, limit: MAX_RECORD_LEN })
        );
        assert!(matches!(
            parse_frame(&header, u64::MAX, CrcCheck::Full),
            Err(FrameError::Truncated { part: FramePart::Payload, .. })
        ));
    }

    #[test]
    fn lengths_only_lets_a_damaged_payload_pass() {
        let mut data = frame(b"payload");
        data[14] ^= 1;
        assert!(matches!(parse_frame(&data, MAX_RECORD_LEN, CrcCheck::Full), Err(FrameError::DataCrc { .. })));
        assert!(parse_frame(&data, MAX_RECORD_LEN, CrcCheck::Lengths).is_ok());
    }
}
