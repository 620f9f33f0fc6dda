//! Header fields of GIF, BMP, WebP and TIFF, and TIFF tags for EXIF.

use super::{Colorspace, Probe};
use crate::image::sniff::Format;

pub(super) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

pub(super) fn le16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes_at(bytes, at)?)))
}

fn le24(bytes: &[u8], at: usize) -> Option<usize> {
    let [a, b, c] = bytes_at(bytes, at)?;
    Some(u32::from_le_bytes([a, b, c, 0]) as usize)
}

/// The header's fields, or `None` when it is cut or makes no sense.
pub(super) fn probe(bytes: &[u8], format: Format) -> Option<Probe> {
    let (width, height, colorspace) = match format {
        Format::Gif => (le16(bytes, 6)?, le16(bytes, 8)?, Colorspace::Rgb),
        Format::Bmp => bmp(bytes)?,
        Format::Webp => webp(bytes)?,
        Format::Tiff => tiff(bytes)?,
        Format::Jpeg | Format::Png => return None,
    };
    let channels = match colorspace {
        Colorspace::Grayscale => 1,
        Colorspace::GrayAlpha => 2,
        Colorspace::Rgb => 3,
        Colorspace::Rgba | Colorspace::Cmyk => 4,
    };
    (width > 0 && height > 0).then_some(Probe {
        format,
        height,
        width,
        channels,
        colorspace,
        progressive: false,
        exif_orientation: None,
    })
}

fn bmp(bytes: &[u8]) -> Option<(usize, usize, Colorspace)> {
    let header = u32::from_le_bytes(bytes_at(bytes, 14)?);
    if header == 12 {
        return Some((le16(bytes, 18)?, le16(bytes, 20)?, Colorspace::Rgb));
    }
    let width = i32::from_le_bytes(bytes_at(bytes, 18)?);
    // A negative height means that the rows run from the top.
    let height = i32::from_le_bytes(bytes_at(bytes, 22)?);
    let colorspace = match le16(bytes, 28)? {
        32 => Colorspace::Rgba,
        _ => Colorspace::Rgb,
    };
    Some((usize::try_from(width).ok()?, height.unsigned_abs() as usize, colorspace))
}

fn webp(bytes: &[u8]) -> Option<(usize, usize, Colorspace)> {
    match &bytes_at::<4>(bytes, 12)? {
        b"VP8 " if bytes_at(bytes, 23)? == *b"\x9d\x01\x2a" => {
            Some((le16(bytes, 26)? & 0x3FFF, le16(bytes, 28)? & 0x3FFF, Colorspace::Rgb))
        }
        b"VP8L" if bytes.get(20) == Some(&0x2F) => {
            let bits = u32::from_le_bytes(bytes_at(bytes, 21)?);
            let colorspace = match bits >> 28 & 1 {
                1 => Colorspace::Rgba,
                _ => Colorspace::Rgb,
            };
            let size = |shift: u32| (bits >> shift & 0x3FFF) as usize + 1;
            Some((size(0), size(14), colorspace))
        }
        b"VP8X" => {
            let colorspace = match bytes.get(20)? & 0x10 {
                0 => Colorspace::Rgb,
                _ => Colorspace::Rgba,
            };
            Some((le24(bytes, 24)? + 1, le24(bytes, 27)? + 1, colorspace))
        }
        _ => None,
    }
}

fn tiff(bytes: &[u8]) -> Option<(usize, usize, Colorspace)> {
    let width = usize::try_from(tiff_tag(bytes, 256)?).ok()?;
    let height = usize::try_from(tiff_tag(bytes, 257)?).ok()?;
    let samples = tiff_tag(bytes, 277).unwrap_or(1);
    let colorspace = match (tiff_tag(bytes, 262), samples) {
        (Some(5), _) => Colorspace::Cmyk,
        (Some(0 | 1), 2) => Colorspace::GrayAlpha,
        (Some(0 | 1), _) => Colorspace::Grayscale,
        (_, 4) => Colorspace::Rgba,
        _ => Colorspace::Rgb,
    };
    Some((width, height, colorspace))
}

/// The first value of a BYTE, SHORT or LONG tag in IFD 0 of a TIFF file. Where the tag comes again the last one counts, and
/// types that are not known are passed over, as the decoder does both.
pub(super) fn tiff_tag(bytes: &[u8], wanted: u16) -> Option<u32> {
    let tiff = Tiff::new(bytes)?;
    let entry = tiff.entries().filter(|entry| entry.tag == wanted && matches!(entry.kind, 1..=13 | 16..=18)).last()?;
    tiff.value(&entry)
}

/// As [`tiff_tag`], of the TIFF structure that holds EXIF: the first of equal tags counts.
pub(super) fn exif_tag(bytes: &[u8], wanted: u16) -> Option<u32> {
    let tiff = Tiff::new(bytes)?;
    let entry = tiff.entries().find(|entry| entry.tag == wanted)?;
    tiff.value(&entry)
}

/// Whether a tag in IFD 0 says that it has more values than the whole file has bytes for.
pub(super) fn has_hollow_tag(bytes: &[u8]) -> bool {
    let is_hollow = |entry: Entry| {
        let size = match entry.kind {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        u64::from(entry.count) * size > bytes.len() as u64
    };
    Tiff::new(bytes).is_some_and(|tiff| tiff.entries().any(is_hollow))
}

/// A classic TIFF structure, in either byte order.
struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

/// An entry of IFD 0: its tag, the type and number of its values, and where they or their offset are.
struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    value_at: usize,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes_at(bytes, 0)? {
            [b'I', b'I', 42, 0] => Some(Self { bytes, little: true }),
            [b'M', b'M', 0, 42] => Some(Self { bytes, little: false }),
            _ => None,
        }
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        let value = bytes_at(self.bytes, at)?;
        Some(if self.little { u16::from_le_bytes(value) } else { u16::from_be_bytes(value) })
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        let value = bytes_at(self.bytes, at)?;
        Some(if self.little { u32::from_le_bytes(value) } else { u32::from_be_bytes(value) })
    }

    /// The entries, as far as they are in the file.
    /// The first value of an entry, if it is a BYTE, SHORT or LONG; of several, those of a SHORT.
    fn value(&self, entry: &Entry) -> Option<u32> {
        let Entry { kind, count, value_at, .. } = *entry;
        // A tag of several values that do not fit the entry holds an offset instead.
        match (kind, count) {
            (1, 1..=4) => self.bytes.get(value_at).map(|&b| u32::from(b)),
            (3, 1..=2) => self.u16_at(value_at).map(u32::from),
            (3, 3..) => self.u16_at(usize::try_from(self.u32_at(value_at)?).ok()?).map(u32::from),
            (4, 1) => self.u32_at(value_at),
            _ => None,
        }
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        let start = self.u32_at(4).and_then(|ifd| usize::try_from(ifd).ok());
        let places = start.into_iter().flat_map(|ifd| {
            let count = self.u16_at(ifd).unwrap_or(0);
            (0..usize::from(count)).map_while(move |index| ifd.checked_add(2 + index * 12))
        });
        places.map_while(|at| {
            Some(Entry {
                tag: self.u16_at(at)?,
                kind: self.u16_at(at.checked_add(2)?)?,
                count: self.u32_at(at.checked_add(4)?)?,
                value_at: at.checked_add(8)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = |bytes: &[u8], format| probe(bytes, format).map(|p| (p.width, p.height));
        assert_eq!(size(b"GIF89a\x02\x01\x03\0", Format::Gif), Some((258, 3)));
        let mut bmp = vec![0u8; 30];
        bmp[14] = 40;
        bmp[18] = 5;
        bmp[22..26].copy_from_slice(&(-7i32).to_le_bytes());
        assert_eq!(size(&bmp, Format::Bmp), Some((5, 7)));
        let lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x04\x80\x01\x10";
        let probed = probe(lossless, Format::Webp).unwrap();
        assert_eq!((probed.width, probed.height), (5, 7));
        assert_eq!(probed.colorspace, Colorspace::Rgba);
        let extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x04\0\0\x06\0\0";
        assert_eq!(size(extended, Format::Webp), Some((5, 7)));
        for cut in 0..extended.len() {
            assert_eq!(size(&extended[..cut], Format::Webp), None);
        }
    }

    #[test]
    fn hostile_tiff_offsets() {
        let far = b"II*\0\xff\xff\xff\xff";
        assert_eq!(tiff_tag(far, 256), None);
        let many = b"II*\0\x08\0\0\0\xff\xff";
        assert_eq!(tiff_tag(many, 256), None);
    }
}
