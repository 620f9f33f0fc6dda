//! The one error type: what went wrong, where, and what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::image::ImageError;
use crate::record::{Compression, FrameError};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its place: [`kind`](Error::kind) says what is wrong, [`location`](Error::location) where.
///
/// ```
/// use tfrkit::{Error, ErrorKind};
///
/// let error = tfrkit::record::Shard::open("no/such/shard").unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Io(_)));
/// assert!(error.to_string().contains("no/such/shard"));
/// ```
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    at: Location,
}

/// A place in the data; what is not known is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: Option<PathBuf>,
    /// The record's number in its shard, from 0.
    pub record: Option<u64>,
    /// The byte offset of the record in the shard (in the inflated stream, where the shard is compressed).
    pub offset: Option<u64>,
}

/// What went wrong, grouped by who must act: the system, the data, the caller.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The system could not do it.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// A frame is damaged, cut or too large.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The compressed stream is damaged.
    #[error("the {format} stream is damaged: {detail}")]
    Compression {
        /// The compression in use.
        format: Compression,
        /// What the inflater says.
        detail: String,
    },
    /// The payload is no protobuf message of the expected type.
    #[error("the payload is no valid tf.train.Example: {detail}")]
    Proto {
        /// What is wrong with it.
        detail: String,
    },
    /// A feature is missing, or of another kind or size than the reader needs.
    #[error("feature '{feature}' {detail}")]
    Schema {
        /// The feature's name.
        feature: String,
        /// What is wrong with it.
        detail: String,
    },
    /// An image cannot be decoded.
    #[error("{0}")]
    Image(#[from] ImageError),
    /// A file among the sources cannot become a record.
    #[error("{detail}")]
    Source {
        /// Why.
        detail: String,
    },
    /// A list of images, or the annotations of images, cannot be understood.
    #[error("{detail}")]
    Annotations {
        /// What is wrong, and in which line or with which id.
        detail: String,
        /// What to do about it.
        hint: String,
    },
    /// More sources than allowed cannot become records. Its place is the last of them.
    #[error("{bad} files cannot be stored, more than the {most} that may be left out; the last one: {last}")]
    TooManyBad {
        /// How many there were when the job stopped.
        bad: u64,
        /// How many may be left out.
        most: u64,
        /// What is wrong with the last one.
        last: String,
    },
    /// A shard of a numbered set is not there, or counts contradict each other.
    #[error("{detail}")]
    MissingShard {
        /// Which, and what was expected.
        detail: String,
    },
    /// A set has shards of two states: putting a new one in its place has not ended.
    #[error("{detail}")]
    Unfinished {
        /// Which set, and what is known of it.
        detail: String,
        /// What to do about it.
        hint: String,
    },
    /// A count, index, manifest or other side file contradicts the shards.
    #[error("{detail}")]
    Metadata {
        /// What contradicts what.
        detail: String,
    },
    /// The caller asked for something that cannot be: a wrong option, spec or pattern.
    #[error("{detail}")]
    Usage {
        /// What is wrong with the request.
        detail: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// A worker thread panicked: a defect of this crate.
    #[error("a worker panicked: {detail}")]
    Panic {
        /// The panic's message.
        detail: String,
    },
}

/// Who must act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The data are bad.
    Data,
    /// The request is wrong.
    Usage,
    /// The system could not do it: I/O, permission, a full disk.
    System,
    /// The run was interrupted.
    Interrupted,
}

impl Error {
    /// An error of `kind`, its place still unknown.
    pub fn new(kind: impl Into<ErrorKind>) -> Self {
        Error(Box::new(Inner { kind: kind.into(), at: Location::default() }))
    }

    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage { detail: detail.into(), hint: None })
    }

    pub(crate) fn usage_hint(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage { detail: detail.into(), hint: Some(hint.into()) })
    }

    pub(crate) fn proto(detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::Proto { detail: detail.into() })
    }

    pub(crate) fn schema(feature: &str, detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::Schema { feature: feature.into(), detail: detail.into() })
    }

    /// What a caught panic says.
    pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
        let detail =
            text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
        Error::new(ErrorKind::Panic { detail })
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Error::from(source).at_path(path)
    }

    pub(crate) fn metadata(path: &Path, detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::Metadata { detail: detail.into() }).at_path(path)
    }

    /// The same error, placed in a file; a place already known stays.
    pub fn at_path(mut self, path: &Path) -> Self {
        self.0.at.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The same error, placed at a record; a place already known stays.
    pub fn at_record(mut self, record: u64, offset: u64) -> Self {
        self.0.at.record.get_or_insert(record);
        self.0.at.offset.get_or_insert(offset);
        self
    }

    /// The same error, placed where `location` says; what is known of its place already stays.
    pub(crate) fn at(mut self, location: &Location) -> Self {
        let at = &mut self.0.at;
        at.path = at.path.take().or_else(|| location.path.clone());
        at.record = at.record.or(location.record);
        at.offset = at.offset.or(location.offset);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Where it went wrong.
    pub fn location(&self) -> &Location {
        &self.0.at
    }

    /// Who must act on it.
    pub fn class(&self) -> ErrorClass {
        match &self.0.kind {
            ErrorKind::Io(_) | ErrorKind::Panic { .. } => ErrorClass::System,
            ErrorKind::Usage { .. } | ErrorKind::Image(ImageError::Parameter { .. }) => ErrorClass::Usage,
            ErrorKind::Image(ImageError::OutOfMemory { .. }) => ErrorClass::System,
            ErrorKind::Interrupted => ErrorClass::Interrupted,
            _ => ErrorClass::Data,
        }
    }

    /// The kind as one word, as JSON output and findings name it.
    pub fn kind_name(&self) -> &'static str {
        match &self.0.kind {
            ErrorKind::Io(_) => "io",
            ErrorKind::Frame(FrameError::LengthCrc { .. }) => "length_crc",
            ErrorKind::Frame(FrameError::DataCrc { .. }) => "data_crc",
            ErrorKind::Frame(FrameError::Truncated { .. }) => "truncated",
            ErrorKind::Frame(FrameError::Oversized { .. }) => "oversized",
            ErrorKind::Compression { .. } => "compression",
            ErrorKind::Proto { .. } => "proto",
            ErrorKind::Schema { .. } => "schema",
            ErrorKind::Image(_) => "image",
            ErrorKind::Source { .. } | ErrorKind::TooManyBad { .. } => "source",
            ErrorKind::Annotations { .. } => "annotations",
            ErrorKind::MissingShard { .. } => "missing_shard",
            ErrorKind::Unfinished { .. } => "unfinished",
            ErrorKind::Metadata { .. } => "index",
            ErrorKind::Usage { .. } => "usage",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Panic { .. } => "panic",
        }
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> String {
        self.0.kind.to_string()
    }

    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<String> {
        let text = match &self.0.kind {
            ErrorKind::Usage { hint, .. } => return hint.clone(),
            ErrorKind::Annotations { hint, .. } | ErrorKind::Unfinished { hint, .. } => return Some(hint.clone()),
            ErrorKind::Frame(FrameError::Truncated { .. }) => {
                "the file was cut or is still being written; copy it again, or save what is whole with `tfr repair`"
            }
            ErrorKind::Frame(_) | ErrorKind::Compression { .. } => {
                "copy the shard from its source again, or save what is whole with `tfr repair`; `tfr validate` lists the damage"
            }
            ErrorKind::Proto { .. } => "the records may hold another message; `tfr cat -n 1` shows what is inside",
            ErrorKind::Schema { .. } => "`tfr info` lists the features that the shards have",
            ErrorKind::Image(ImageError::Parameter { .. }) => {
                "the op does not fit this image: put a resize before it, or use an op that takes any size"
            }
            ErrorKind::Image(_) if self.0.at.record.is_some() => "`tfr validate --decode` lists every bad image",
            ErrorKind::Image(_) | ErrorKind::Source { .. } => {
                "mend or remove the file; `tfr convert --on-error skip` leaves such files out and lists them"
            }
            ErrorKind::TooManyBad { .. } => {
                "mend or remove the files, or allow more with `--max-errors`; without it, all of them are listed"
            }
            ErrorKind::MissingShard { .. } => "bring the missing shard, or name the shard files one by one",
            ErrorKind::Metadata { .. } => match self.0.at.path.as_deref().and_then(Path::extension) {
                Some(extension) if extension == "idx" => "make the index again with `tfr index`",
                Some(extension) if extension == "json" => {
                    "write the set again, or remove the file: the shards can be read without it"
                }
                _ => "make the index again with `tfr index`, or write the set again",
            },
            ErrorKind::Io(e) => match e.kind() {
                io::ErrorKind::NotFound => "check the spelling of the path",
                io::ErrorKind::PermissionDenied => "check the permissions of the path",
                io::ErrorKind::StorageFull => "free some space first",
                io::ErrorKind::OutOfMemory => "`--max-record-bytes` refuses records that are longer than memory allows",
                _ => return None,
            },
            _ => return None,
        };
        Some(text.to_owned())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.location();
        if let Some(path) = &at.path {
            write!(f, "{}", path.display())?;
        }
        if let Some(record) = at.record {
            write!(f, "{}record {record}", if at.path.is_some() { ", " } else { "" })?;
        }
        if let Some(offset) = at.offset {
            write!(f, ", offset {offset}")?;
        }
        if *at != Location::default() {
            f.write_str(": ")?;
        }
        self.0.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.kind)
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Error::new(ErrorKind::Io(Arc::new(e)))
    }
}

impl From<FrameError> for Error {
    fn from(e: FrameError) -> Self {
        Error::new(e)
    }
}

impl From<ImageError> for Error {
    fn from(e: ImageError) -> Self {
        Error::new(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_for_a_file_beside_shards_is_about_that_file() {
        let hint = |name: &str| Error::metadata(Path::new(name), "damaged").hint().unwrap();
        assert!(hint("idx/a.idx").contains("tfr index"));
        // The set may be compressed, and have no index.
        assert!(!hint("manifest.json").contains("tfr index"));
        let full = Error::io(Path::new("out"), io::ErrorKind::StorageFull.into()).hint().unwrap();
        assert!(!full.contains("same command"), "a set that was begun wants --resume or --force: {full}");
    }

    #[test]
    fn an_error_says_where_and_what_to_do() {
        let e =
            Error::from(FrameError::LengthCrc { stored: 1, computed: 2 }).at_record(3, 99).at_path(Path::new("a.tfr"));
        assert_eq!(
            e.to_string(),
            "a.tfr, record 3, offset 99: the length's CRC does not match: stored 00000001, computed 00000002"
        );
        assert_eq!(e.kind_name(), "length_crc");
        assert_eq!(e.class(), ErrorClass::Data);
        assert!(e.hint().is_some());
        let e = e.at_record(7, 7).at_path(Path::new("other"));
        assert_eq!(e.location().record, Some(3), "the first place known is the innermost one");
    }
}
