//! Errors of the image floor.

use thiserror::Error;

use super::sniff::Format;

/// A result whose error is an [`ImageError`].
pub type Result<T> = std::result::Result<T, ImageError>;

/// What went wrong with an image, located inside its encoded bytes where that is possible.
///
/// Offsets count bytes from the start of the encoded image, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes end, or a marker ends them, before the image is complete.
    #[error("{format} is truncated at byte {offset}: {detail}")]
    Truncated {
        /// The container format.
        format: Format,
        /// Where the missing bytes should have been.
        offset: usize,
        /// What was expected there.
        detail: String,
    },
    /// The bytes contradict the format.
    #[error("{format} is corrupt{}: {detail}", at(*.offset))]
    Corrupt {
        /// The container format.
        format: Format,
        /// What is wrong.
        detail: String,
        /// Where, if known.
        offset: Option<usize>,
    },
    /// The image is valid as far as was read, but uses something this crate does not decode.
    #[error("{format}: {detail} is not supported")]
    Unsupported {
        /// The container format.
        format: Format,
        /// The unsupported feature.
        detail: String,
    },
    /// The first bytes are not those of any known image format.
    #[error("{}", unknown(start))]
    UnknownFormat {
        /// Up to the first eight bytes; none of what is empty.
        start: Vec<u8>,
    },
    /// The header asks for more than [`Limits`](super::Limits) allow; nothing was allocated.
    #[error("image of {height}x{width} pixels (height x width) exceeds the limit of {limit} {unit}")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The limit that was exceeded.
        limit: u64,
        /// The unit of the limit.
        unit: &'static str,
    },
    /// A parameter does not fit the image or the operation.
    #[error("{op}: {detail}")]
    Parameter {
        /// The operation.
        op: &'static str,
        /// What is wrong with the parameter.
        detail: String,
    },
    /// There is no memory for so large an image.
    #[error("no memory for an image of {values} values")]
    OutOfMemory {
        /// Height x width x channels.
        values: usize,
    },
    /// An encoder failed.
    #[error("cannot encode {format}: {detail}")]
    Encode {
        /// The target format.
        format: Format,
        /// The encoder's message.
        detail: String,
    },
}

fn unknown(start: &[u8]) -> String {
    match start {
        [] => "the file is empty".to_owned(),
        start => format!("not a JPEG, PNG, GIF, BMP, WebP or TIFF image: it starts with {start:02x?}"),
    }
}

fn at(offset: Option<usize>) -> String {
    offset.map_or_else(String::new, |o| format!(" at byte {o}"))
}

impl ImageError {
    pub(crate) fn truncated(format: Format, offset: usize, detail: impl Into<String>) -> Self {
        Self::Truncated { format, offset, detail: detail.into() }
    }

    pub(crate) fn corrupt(format: Format, offset: usize, detail: impl Into<String>) -> Self {
        Self::Corrupt { format, offset: Some(offset), detail: detail.into() }
    }

    /// A decoder's own complaint, whose place in the file is not known.
    pub(crate) fn decoder(format: Format, detail: impl Into<String>) -> Self {
        Self::Corrupt { format, offset: None, detail: detail.into() }
    }

    pub(crate) fn unsupported(format: Format, detail: impl Into<String>) -> Self {
        Self::Unsupported { format, detail: detail.into() }
    }

    pub(crate) fn parameter(op: &'static str, detail: impl Into<String>) -> Self {
        Self::Parameter { op, detail: detail.into() }
    }

    /// Whether the image is incomplete, as opposed to wrong.
    ///
    /// ```
    /// use tfrkit::image::{Limits, probe_header};
    /// let error = probe_header(b"\xff\xd8\xff", &Limits::default()).unwrap_err();
    /// assert!(error.is_truncated());
    /// ```
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        matches!(self, Self::Truncated { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_offset() {
        let e = ImageError::corrupt(Format::Jpeg, 17, "no quantisation table");
        assert_eq!(e.to_string(), "JPEG is corrupt at byte 17: no quantisation table");
        let e = ImageError::decoder(Format::Png, "bad filter");
        assert_eq!(e.to_string(), "PNG is corrupt: bad filter");
        let e = ImageError::truncated(Format::Jpeg, 3, "marker expected");
        assert_eq!(e.to_string(), "JPEG is truncated at byte 3: marker expected");
        assert!(e.is_truncated());
    }
}
