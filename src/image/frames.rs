//! How many frames or pages an image file holds, of which a re-encoding keeps the first.

use std::collections::HashSet;

use super::sniff::Format;

/// More pages are not counted.
const MOST_PAGES: usize = 1 << 16;

/// The number of frames of a GIF, a WebP or an animated PNG, and of pages of a TIFF; 1 for all else, and where it cannot be
/// told. Takes time in proportion to the file's length at most.
pub(crate) fn frame_count(bytes: &[u8], format: Format) -> usize {
    let found = match format {
        Format::Gif => gif(bytes),
        Format::Webp => webp(bytes),
        Format::Png => apng(bytes),
        Format::Tiff => tiff(bytes),
        Format::Jpeg | Format::Bmp => None,
    };
    found.unwrap_or(1).max(1)
}

/// The images among the blocks; of a file that is cut, those before the cut.
fn gif(bytes: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    let mut at = 13 + table(*bytes.get(10)?);
    let mut frames = 0;
    while let Some(block) = bytes.get(at) {
        at += match block {
            0x2c => {
                let Some(flags) = bytes.get(at + 9) else { break };
                frames += 1;
                11 + table(*flags)
            }
            0x21 => 2,
            _ => break,
        };
        while let Some(&length) = bytes.get(at) {
            at += 1 + usize::from(length);
            if length == 0 {
                break;
            }
        }
    }
    Some(frames)
}

fn webp(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut frames) = (12, 0);
    while let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let [a, b, c, d, length @ ..] = header;
        frames += usize::from([*a, *b, *c, *d] == *b"ANMF");
        let length = u32::from_le_bytes(*length) as usize;
        let Some(next) = length.checked_add(length % 2).and_then(|n| n.checked_add(at + 8)) else { break };
        at = next;
    }
    Some(frames)
}

/// `acTL` comes before the pixels.
fn apng(bytes: &[u8]) -> Option<usize> {
    let mut at = 8;
    while let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let [a, b, c, d, kind @ ..] = header;
        match kind {
            b"acTL" => return Some(u32::from_be_bytes(*bytes.get(at + 8..)?.first_chunk()?) as usize),
            b"IDAT" => return None,
            _ => at = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).checked_add(12)?.checked_add(at)?,
        }
    }
    None
}

/// The directories that the file chains, but for smaller copies of what another one holds.
fn tiff(bytes: &[u8]) -> Option<usize> {
    let big_endian = bytes.starts_with(b"MM");
    let number = |at: usize, length: usize| -> Option<u64> {
        let part = bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if big_endian { part.iter().fold(0, fold) } else { part.iter().rev().fold(0, fold) })
    };
    // The lengths of an offset, of a directory's count, and of an entry.
    let (offset, count, entry, first) = match number(2, 2)? {
        43 => (8, 8, 20, 8),
        _ => (4, 2, 12, 4),
    };
    let mut at = usize::try_from(number(first, offset)?).ok()?;
    let (mut pages, mut seen) = (0, HashSet::new());
    while at != 0 && pages < MOST_PAGES && seen.insert(at) {
        let Some(entries) = number(at, count).and_then(|n| usize::try_from(n).ok()) else { break };
        let start = at + count;
        // Tags are sorted: the kind of the directory is the first of all.
        let kind = (entries > 0 && number(start, 2) == Some(254)).then(|| number(start + entry - offset, 4));
        let is_smaller = kind.flatten().is_some_and(|kind| kind & 1 == 1);
        pages += usize::from(!is_smaller || pages == 0);
        let next = entries.checked_mul(entry).and_then(|length| length.checked_add(start));
        let Some(next) = next.and_then(|next| number(next, offset)).and_then(|n| usize::try_from(n).ok()) else {
            break;
        };
        at = next;
    }
    Some(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIF_HEAD: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\xff\0\0\0\0\0";
    const GIF_FRAME: &[u8] = b"!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0";

    #[test]
    fn frames_of_gif_and_webp() {
        for n in 0..4 {
            let gif = [GIF_HEAD, &GIF_FRAME.repeat(n), b";"].concat();
            assert_eq!(frame_count(&gif, Format::Gif), n.max(1));
            // Cut anywhere, it ends.
            (0..gif.len()).for_each(|end| assert!(frame_count(&gif[..end], Format::Gif) <= n.max(1)));
            let webp = [&b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0"[..], &[0; 10], &b"ANMF\x03\0\0\0abc\0".repeat(n)].concat();
            assert_eq!(frame_count(&webp, Format::Webp), n.max(1));
        }
        let long = [&b"RIFF\0\0\0\0WEBPANMF"[..], &[0xff; 8]].concat();
        assert_eq!(frame_count(&long, Format::Webp), 1);
    }

    #[test]
    fn frames_of_an_animated_png() {
        let head = b"\x89PNG\r\n\x1a\n\0\0\0\x01IHDRxcrc!";
        let png = [&head[..], b"\0\0\0\x08acTL\0\0\0\x05\0\0\0\0crc!"].concat();
        assert_eq!(frame_count(&png, Format::Png), 5);
        assert_eq!(frame_count(&[&head[..], b"\0\0\0\0IDAT"].concat(), Format::Png), 1);
        assert_eq!(frame_count(&head[..20], Format::Png), 1);
    }

    /// Directories in a chain, each with one entry: its kind.
    fn tiff(kinds: &[u32], end: u32) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        for (at, kind) in kinds.iter().enumerate() {
            let next = if at + 1 < kinds.len() { bytes.len() as u32 + 18 } else { end };
            bytes.extend(1u16.to_le_bytes());
            bytes.extend([254u16.to_le_bytes(), 4u16.to_le_bytes()].concat());
            bytes.extend([1, *kind, next].map(u32::to_le_bytes).concat());
        }
        bytes
    }

    #[test]
    fn pages_of_a_tiff() {
        assert_eq!(frame_count(&tiff(&[0], 0), Format::Tiff), 1);
        assert_eq!(frame_count(&tiff(&[0, 2, 2], 0), Format::Tiff), 3);
        assert_eq!(frame_count(&tiff(&[0, 1, 1], 0), Format::Tiff), 1, "smaller copies are no pages");
        assert_eq!(frame_count(&tiff(&[0, 0], 8), Format::Tiff), 2, "a circle has an end");
        assert_eq!(frame_count(&tiff(&[0, 0], u32::MAX), Format::Tiff), 2);
        assert_eq!(frame_count(b"II*\0", Format::Tiff), 1);
    }
}
