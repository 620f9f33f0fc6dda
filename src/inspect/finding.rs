//! What validation finds: one finding, and the bounded list of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::groups::GroupTable;
use crate::dataset::path_as_text;
use crate::error::{Error, ErrorKind};
use crate::record::FrameError;

/// How many findings a report lists; it counts all of them.
pub const MAX_LISTED: usize = 1000;

/// Whether a finding makes the data bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The data are damaged, or contradict themselves.
    Error,
    /// The data can be read, but may not be what was meant.
    Warning,
}

/// What a finding is about. The names are those of the JSON output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A record's length does not match its CRC.
    LengthCrc,
    /// A payload does not match its CRC.
    DataCrc,
    /// The data end inside a record.
    Truncated,
    /// A length over the limit.
    Oversized,
    /// A compressed stream is damaged.
    Compression,
    /// A payload is not the message that the set holds.
    Proto,
    /// A feature does not follow the schema.
    Schema,
    /// A feature has different kinds in different records.
    KindMixed,
    /// An image cannot be decoded.
    Image,
    /// `image/format` is not what the image is.
    Format,
    /// Declared and real sizes differ.
    Shape,
    /// A box lies outside its image or is inside out.
    Bbox,
    /// An EXIF orientation that readers may ignore.
    Exif,
    /// An image of four inks.
    Cmyk,
    /// A label outside the classes.
    Label,
    /// Two records hold the same.
    Duplicate,
    /// Two sets hold the same.
    Leakage,
    /// Records or bytes are not as many as a side file says.
    Count,
    /// An index does not fit its shard.
    Index,
    /// A shard of a numbered set is not there.
    MissingShard,
}

impl Severity {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl FindingKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            FindingKind::LengthCrc => "length_crc",
            FindingKind::DataCrc => "data_crc",
            FindingKind::Truncated => "truncated",
            FindingKind::Oversized => "oversized",
            FindingKind::Compression => "compression",
            FindingKind::Proto => "proto",
            FindingKind::Schema => "schema",
            FindingKind::KindMixed => "kind_mixed",
            FindingKind::Image => "image",
            FindingKind::Format => "format",
            FindingKind::Shape => "shape",
            FindingKind::Bbox => "bbox",
            FindingKind::Exif => "exif",
            FindingKind::Cmyk => "cmyk",
            FindingKind::Label => "label",
            FindingKind::Duplicate => "duplicate",
            FindingKind::Leakage => "leakage",
            FindingKind::Count => "count",
            FindingKind::Index => "index",
            FindingKind::MissingShard => "missing_shard",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that validation found. What is not known about its place is `None`.
///
/// Its text form is a line: `error length_crc: train.tfrecord, record 3, offset 99: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether it makes the data bad.
    pub severity: Severity,
    /// What it is about.
    pub kind: FindingKind,
    /// The file.
    #[serde(serialize_with = "optional_path")]
    pub path: Option<PathBuf>,
    /// The record's number in its shard, from 0.
    pub record: Option<u64>,
    /// The byte offset of the record in the shard (in the inflated stream, where the shard is compressed).
    pub offset: Option<u64>,
    /// What is wrong, in words.
    pub detail: String,
}

fn optional_path<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => path_as_text(path, serializer),
        None => serializer.serialize_none(),
    }
}

impl Finding {
    pub(super) fn error(kind: FindingKind, detail: impl Into<String>) -> Self {
        Finding { severity: Severity::Error, kind, path: None, record: None, offset: None, detail: detail.into() }
    }

    pub(super) fn warning(kind: FindingKind, detail: impl Into<String>) -> Self {
        Finding { severity: Severity::Warning, ..Self::error(kind, detail) }
    }

    pub(super) fn at_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    pub(super) fn at_record(mut self, record: u64, offset: u64) -> Self {
        (self.record, self.offset) = (Some(record), Some(offset));
        self
    }

    /// An error about the data as a finding; an error of the system or the caller is given back.
    pub(super) fn from_error(error: Error) -> Result<Self, Error> {
        let kind = match error.kind() {
            ErrorKind::Frame(FrameError::LengthCrc { .. }) => FindingKind::LengthCrc,
            ErrorKind::Frame(FrameError::DataCrc { .. }) => FindingKind::DataCrc,
            ErrorKind::Frame(FrameError::Truncated { .. }) => FindingKind::Truncated,
            ErrorKind::Frame(FrameError::Oversized { .. }) => FindingKind::Oversized,
            ErrorKind::Compression { .. } => FindingKind::Compression,
            ErrorKind::Proto { .. } => FindingKind::Proto,
            ErrorKind::Schema { .. } => FindingKind::Schema,
            ErrorKind::Image(_) => FindingKind::Image,
            ErrorKind::MissingShard { .. } => FindingKind::MissingShard,
            ErrorKind::Metadata { .. } => FindingKind::Index,
            _ => return Err(error),
        };
        let mut detail = error.message();
        match kind {
            FindingKind::LengthCrc | FindingKind::Oversized => {
                detail
                    .push_str("; where the next record begins is not known, and nothing behind this place was checked");
            }
            FindingKind::Compression => detail.push_str("; nothing behind this place was checked"),
            _ => {}
        }
        let at = error.location().clone();
        Ok(Finding { path: at.path, record: at.record, offset: at.offset, ..Self::error(kind, detail) })
    }
}

impl Finding {
    /// Where it is: `train.tfrecord, record 3, offset 99`. Empty where nothing of it is known.
    pub(super) fn place(&self) -> String {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        let at = self.record.zip(self.offset).map(|(record, offset)| format!("record {record}, offset {offset}"));
        path.into_iter().chain(at).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.severity.name(), self.kind)?;
        match self.place() {
            place if place.is_empty() => f.write_str(&self.detail),
            place => write!(f, "{place}: {}", self.detail),
        }
    }
}

/// Findings of one stretch of work: all counted and grouped, the first [`MAX_LISTED`] kept.
#[derive(Debug, Default)]
pub(super) struct FindingList {
    pub(super) listed: Vec<Finding>,
    groups: GroupTable,
}

/// How many findings there are of each kind.
pub(super) type FindingCounts = BTreeMap<(Severity, FindingKind), u64>;

/// How many findings of this severity there are.
pub(super) fn total(counts: &FindingCounts, severity: Severity) -> u64 {
    counts.iter().filter(|((s, _), _)| *s == severity).map(|(_, count)| count).sum()
}

impl FindingList {
    pub(super) fn push(&mut self, finding: Finding) {
        self.groups.see(&finding);
        if self.listed.len() < MAX_LISTED {
            self.listed.push(finding);
        }
    }
}

/// Where a stretch of findings belongs in the report: shard number, then stretch of the shard.
pub(super) type Key = (usize, u64);

/// Gathers stretches in any order; lists the findings in the order of their keys.
///
/// Holds [`MAX_LISTED`] findings at most: of what has come so far, only the first so many by their keys can ever be
/// listed, whatever is still to come.
#[derive(Debug, Default)]
pub(super) struct Collector {
    stretches: BTreeMap<Key, Vec<Finding>>,
    held: usize,
    pub(super) groups: GroupTable,
}

impl Collector {
    pub(super) fn add(&mut self, key: Key, list: FindingList) {
        self.groups.merge(list.groups, key);
        if list.listed.is_empty() {
            return;
        }
        self.held += list.listed.len();
        self.stretches.entry(key).or_default().extend(list.listed);
        while self.held > MAX_LISTED
            && let Some(mut last) = self.stretches.last_entry()
        {
            let over = (self.held - MAX_LISTED).min(last.get().len());
            let kept = last.get().len() - over;
            last.get_mut().truncate(kept);
            self.held -= over;
            if kept == 0 {
                last.remove();
            }
        }
    }

    pub(super) fn into_listed(self) -> Vec<Finding> {
        self.stretches.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_text_and_json_are_the_same() {
        for kind in [FindingKind::LengthCrc, FindingKind::KindMixed, FindingKind::MissingShard, FindingKind::Exif] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let finding = Finding::warning(FindingKind::Shape, "x").at_path("a").at_record(3, 99);
        assert_eq!(finding.to_string(), "warning shape: a, record 3, offset 99: x");
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(
            (&json["severity"], &json["kind"], &json["path"]),
            (&"warning".into(), &"shape".into(), &"a".into())
        );
    }

    #[test]
    fn the_first_thousand_are_listed_whatever_order_they_come_in() {
        let list = |i: u64| {
            let mut list = FindingList::default();
            (0..400).for_each(|j| list.push(Finding::error(FindingKind::Image, "").at_record(i * 400 + j, 0)));
            list
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let mut collector = Collector::default();
            for i in order {
                collector.add((0, i), list(i));
                assert!(collector.held <= MAX_LISTED);
            }
            let counts = collector.groups.counts();
            assert_eq!(total(&counts, Severity::Error), 1600);
            assert_eq!(counts[&(Severity::Error, FindingKind::Image)], 1600);
            let records: Vec<_> = collector.into_listed().iter().map(|f| f.record.unwrap()).collect();
            assert_eq!(records, (0..1000).collect::<Vec<_>>());
        }
    }
}
