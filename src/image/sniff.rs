//! Image formats by their first bytes.

use std::fmt;

/// An encoded image format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// PNG (W3C PNG, third edition).
    Png,
    /// GIF 87a or 89a.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// WebP in its RIFF container.
    Webp,
    /// TIFF, either byte order, classic or BigTIFF.
    Tiff,
}

impl Format {
    /// The name written in TFRecord `image/format` features: lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Webp => "webp",
            Self::Tiff => "tiff",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Webp => "WebP",
            Self::Tiff => "TIFF",
        })
    }
}

/// Names the format of encoded bytes by their magic number, or `None`.
///
/// Nothing beyond the first 12 bytes is read. A JPEG is `FF D8 FF`, as in
/// `tf.io.is_jpeg` and `tf.io.decode_image`.
///
/// ```
/// use tfrkit::image::{Format, sniff};
/// assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Some(Format::Jpeg));
/// assert_eq!(sniff(b"hello"), None);
/// ```
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    const MAGICS: [(&[u8], Format); 9] = [
        (b"\xff\xd8\xff", Format::Jpeg),
        (b"\x89PNG\r\n\x1a\n", Format::Png),
        (b"GIF87a", Format::Gif),
        (b"GIF89a", Format::Gif),
        (b"BM", Format::Bmp),
        (b"II*\0", Format::Tiff),
        (b"MM\0*", Format::Tiff),
        (b"II+\0", Format::Tiff),
        (b"MM\0+", Format::Tiff),
    ];
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some(Format::Webp);
    }
    MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, format)| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_magic() {
        assert_eq!(sniff(b"\xff\xd8\xff"), Some(Format::Jpeg));
        assert_eq!(sniff(b"\xff\xd8"), None);
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n"), Some(Format::Png));
        assert_eq!(sniff(b"GIF89a...."), Some(Format::Gif));
        assert_eq!(sniff(b"BM"), Some(Format::Bmp));
        assert_eq!(sniff(b"RIFF\0\0\0\0WEBP"), Some(Format::Webp));
        assert_eq!(sniff(b"RIFF\0\0\0\0WAVE"), None);
        assert_eq!(sniff(b"MM\0*"), Some(Format::Tiff));
        assert_eq!(sniff(b""), None);
    }
}
