//! Markers and segments (B.1.1).

use std::ops::Range;

use memchr::memchr;

use crate::image::error::{ImageError, Result};
use crate::image::sniff::Format;

/// Marker codes (table B.1).
pub(super) mod marker {
    pub(crate) const DHT: u8 = 0xC4;
    pub(crate) const DAC: u8 = 0xCC;
    pub(crate) const SOI: u8 = 0xD8;
    pub(crate) const EOI: u8 = 0xD9;
    pub(crate) const SOS: u8 = 0xDA;
    pub(crate) const DQT: u8 = 0xDB;
    pub(crate) const DRI: u8 = 0xDD;
    pub(crate) const APP0: u8 = 0xE0;
    pub(crate) const APP1: u8 = 0xE1;
    pub(crate) const APP14: u8 = 0xEE;

    /// A frame header of any kind: C0..CF without DHT, JPG and DAC.
    pub(crate) fn is_sof(m: u8) -> bool {
        matches!(m, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF)
    }

    pub(crate) fn is_rst(m: u8) -> bool {
        matches!(m, 0xD0..=0xD7)
    }

    /// Codes kept for extensions (RES, JPG, JPGn) and for hierarchical frames (DHP, EXP): what they would change is not known.
    pub(crate) fn is_reserved(m: u8) -> bool {
        matches!(m, 0x02..=0xBF | 0xC8 | 0xDE | 0xDF | 0xF0..=0xFD)
    }
}

/// A marker segment with its length taken off.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Offset of the marker in the file.
    pub(super) at: usize,
    pub(super) payload: &'a [u8],
}

impl Segment<'_> {
    pub(super) fn corrupt(&self, detail: impl Into<String>) -> ImageError {
        ImageError::corrupt(Format::Jpeg, self.at, detail)
    }
}

/// Goes from segment to segment, every length checked.
pub(super) struct Walker<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> Walker<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        if !bytes.starts_with(&[0xFF, marker::SOI]) {
            return Err(ImageError::corrupt(Format::Jpeg, 0, "no SOI marker"));
        }
        Ok(Self { bytes, pos: 2 })
    }

    pub(super) fn position(&self) -> usize {
        self.pos
    }

    /// The next segment, or `None` at EOI.
    ///
    /// Bytes that are no marker are skipped, as libjpeg does.
    pub(super) fn next_segment(&mut self) -> Result<Option<Segment<'a>>> {
        loop {
            let (at, code) = self.find_marker()?;
            match code {
                marker::EOI => return Ok(None),
                marker::SOI => {
                    return Err(ImageError::corrupt(Format::Jpeg, at, "a second SOI marker"));
                }
                // TEM, and restart markers outside a scan, stand alone.
                0x01 => {}
                m if marker::is_rst(m) => {}
                // As libjpeg-turbo, and so TensorFlow.
                m if marker::is_reserved(m) => {
                    return Err(ImageError::corrupt(Format::Jpeg, at, format!("the reserved marker ff{m:02x}")));
                }
                m => return self.payload(m, at).map(Some),
            }
        }
    }

    /// Moves past the marker that follows and returns its offset and code.
    fn find_marker(&mut self) -> Result<(usize, u8)> {
        loop {
            let rest = self.bytes.get(self.pos..).unwrap_or_default();
            let Some(skip) = memchr(0xFF, rest) else {
                return Err(self.ended("a marker"));
            };
            let at = self.pos + skip;
            let mut code_at = at + 1;
            while self.bytes.get(code_at) == Some(&0xFF) {
                code_at += 1;
            }
            let Some(&code) = self.bytes.get(code_at) else {
                return Err(self.ended("a marker"));
            };
            self.pos = code_at + 1;
            if code != 0 {
                return Ok((at, code));
            }
        }
    }

    fn payload(&mut self, marker: u8, at: usize) -> Result<Segment<'a>> {
        let Some(&[hi, lo]) = self.bytes.get(self.pos..self.pos + 2) else {
            return Err(self.ended("the length of a segment"));
        };
        let len = usize::from(u16::from_be_bytes([hi, lo]));
        if len < 2 {
            return Err(ImageError::corrupt(Format::Jpeg, at, "a segment shorter than its own length field"));
        }
        let Some(payload) = self.bytes.get(self.pos + 2..self.pos + len) else {
            return Err(self.ended(&format!("the end of a segment of {len} bytes (at {at})")));
        };
        self.pos += len;
        Ok(Segment { marker, at, payload })
    }

    /// The range of the entropy-coded data that begin here, up to a marker that is not a restart.
    pub(super) fn skip_scan(&mut self) -> Result<Range<usize>> {
        let start = self.pos;
        let mut pos = start;
        loop {
            let rest = self.bytes.get(pos..).unwrap_or_default();
            let (Some(skip), true) = (memchr(0xFF, rest), rest.len() > 1) else {
                return Err(self.ended("the end of a scan"));
            };
            let at = pos + skip;
            match self.bytes.get(at + 1) {
                None => return Err(self.ended("the end of a scan")),
                Some(0) => pos = at + 2,
                Some(0xFF) => pos = at + 1,
                Some(&m) if marker::is_rst(m) => pos = at + 2,
                Some(_) => {
                    self.pos = at;
                    return Ok(start..at);
                }
            }
        }
    }

    fn ended(&self, wanted: &str) -> ImageError {
        ImageError::truncated(Format::Jpeg, self.bytes.len(), format!("the file ends where {wanted} was expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_bytes_and_stuffing() {
        // SOI, a comment after fill bytes, a scan of stuffed bytes and a restart, EOI.
        let bytes = b"\xff\xd8\xff\xff\xff\xfe\0\x03c\xff\xda\0\x02\x01\xff\0\xff\xd0\x02\xff\xd9";
        let mut walker = Walker::new(bytes).unwrap();
        let comment = walker.next_segment().unwrap().unwrap();
        assert_eq!((comment.marker, comment.payload), (0xFE, &b"c"[..]));
        assert_eq!(walker.next_segment().unwrap().unwrap().marker, marker::SOS);
        let scan = walker.skip_scan().unwrap();
        assert_eq!(&bytes[scan], b"\x01\xff\0\xff\xd0\x02");
        assert!(walker.next_segment().unwrap().is_none());
    }

    #[test]
    fn reserved_markers_are_refused_and_lone_ones_passed() {
        for code in 1..=0xFE {
            let bytes = [0xFF, 0xD8, 0xFF, code, 0, 2, 0xFF, 0xD9];
            let next = Walker::new(&bytes).unwrap().next_segment();
            let refused = matches!(code, 2..=0xBF | 0xC8 | 0xD8 | 0xDE..=0xDF | 0xF0..=0xFD);
            assert_eq!(next.is_err(), refused, "ff{code:02x}");
        }
    }

    #[test]
    fn a_cut_segment_says_where() {
        let mut walker = Walker::new(b"\xff\xd8\xff\xe0\0\x10JFIF").unwrap();
        match walker.next_segment() {
            Err(ImageError::Truncated { offset, .. }) => assert_eq!(offset, 10),
            _ => panic!("a cut segment was accepted"),
        }
    }
}
