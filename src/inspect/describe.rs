//! What bytes are, in a word or two, for people.

use crate::image;

/// Signatures of what is often put into records.
const SIGNATURES: [(&[u8], &str); 9] = [
    (b"\x93NUMPY", "npy"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"%PDF-", "PDF"),
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"\x1aE\xdf\xa3", "Matroska"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
];

/// What `bytes` are, told by their beginning: `JPEG 552x400` (height x width), `PNG 10x10`, `text`, `npy`, ...;
/// `None` where nothing is known about them.
///
/// ```
/// use tfrkit::inspect::describe;
///
/// assert_eq!(describe(b"a tabby cat").as_deref(), Some("text"));
/// assert_eq!(describe(b"\xff\xd8\xff\xe0").as_deref(), Some("JPEG"));
/// assert_eq!(describe(&[0, 1, 2]), None);
/// ```
pub fn describe(bytes: &[u8]) -> Option<String> {
    if is_text(bytes) {
        return Some("text".to_owned());
    }
    if let Ok((format, probe)) = image::probe_magic(bytes) {
        return Some(match probe {
            Some(probe) => format!("{format} {}x{}", probe.height, probe.width),
            None => format.to_string(),
        });
    }
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some("WAV".to_owned()),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("MP4".to_owned()),
        _ => SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, name)| (*name).to_owned()),
    }
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && std::str::from_utf8(bytes).is_ok_and(|t| !t.contains(|c: char| c.is_control() && !c.is_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_text() {
        let of = |b: &[u8]| describe(b).unwrap_or_default();
        assert_eq!(of(b"GIF89a\x02\0\x01\0"), "GIF 1x2");
        assert_eq!(of("naïve\n".as_bytes()), "text");
        assert_eq!(of(b"BMW is a car"), "text");
        assert_eq!(of(b"\x93NUMPY\x01\0"), "npy");
        assert_eq!(of(b"RIFF\0\0\0\0WAVEfmt "), "WAV");
        assert_eq!(of(b"\0\0\0\x18ftypmp42"), "MP4");
        assert_eq!(of(b""), "");
    }
}
