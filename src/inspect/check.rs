//! What is checked of each record behind its frame.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use prost::Message as _;

use super::duplicates::Contents;
use super::finding::{Finding, FindingKind, FindingList, Key};
use super::images::ImageChecker;
use super::kinds::KindTable;
use super::message::{MessageType, Profile, walk};
use super::report::Tally;
use super::stats::LABEL_NAMES;
use super::work::HELD;
use crate::error::{Error, Result};
use crate::example::proto::{Feature, FeatureLists, feature};
use crate::example::{Kind, Schema, SequenceExample, entry_fields};

/// The shard that records come from, and what its set holds.
pub(super) struct Scope<'a> {
    pub(super) shard: usize,
    pub(super) path: &'a Path,
    pub(super) profile: Profile,
    /// The numbers of the set's classes.
    pub(super) labels: Option<Range<i64>>,
    pub(super) hashing: Hashing,
    /// What records must look like.
    pub(super) schema: Option<&'a Schema>,
}

/// What records are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashing {
    /// They are not.
    Off,
    /// The hash stored in them, where there is one.
    Stored,
    /// The hash of what they hold, which a stored one must be.
    Recomputed,
}

/// Checks consecutive records of a shard.
pub(super) struct RecordCheck<'a> {
    scope: Scope<'a>,
    images: Option<&'a mut ImageChecker>,
    kinds: KindTable,
    contents: Contents,
    found: FindingList,
    /// What a report counts, and the stretch of the shard that it is counted over.
    tally: Option<(Tally, Key)>,
}

impl<'a> RecordCheck<'a> {
    pub(super) fn new(scope: Scope<'a>, images: Option<&'a mut ImageChecker>, tally: Option<(Tally, Key)>) -> Self {
        RecordCheck {
            scope,
            images,
            kinds: KindTable::default(),
            contents: Contents::default(),
            found: Default::default(),
            tally,
        }
    }

    /// Checks a record whose CRCs hold.
    pub(super) fn record(&mut self, record: u64, offset: u64, payload: &[u8]) {
        self.guarded(record, offset, |check| {
            check.message(record, offset, payload)?;
            check.content(record, offset, payload)?;
            check.count(record, offset, payload)
        });
    }

    /// A record whose CRCs hold, and which was too long to be held.
    pub(super) fn too_long(&mut self, record: u64, offset: u64, len: u64) {
        let detail = format!(
            "the record has {len} bytes; over {HELD} of a compressed or streamed shard, the checksums alone are verified \
             (`tfr reshard --compression none` writes a shard that is looked at whole)"
        );
        self.push(record, offset, Finding::warning(FindingKind::Oversized, detail));
    }

    /// Whatever befalls a check, the record is named.
    fn guarded(&mut self, record: u64, offset: u64, check: impl FnOnce(&mut Self) -> Result<()>) {
        let finding = match catch_unwind(AssertUnwindSafe(|| check(self))) {
            Ok(Ok(())) => return,
            Ok(Err(e)) => {
                let name = self.scope.profile.message.name();
                Finding::error(FindingKind::Proto, format!("{}; other records of the set are {name}s", e.message()))
            }
            Err(panic) => {
                // What it has kept of the image may be anything.
                if let Some(images) = &mut self.images {
                    images.forget();
                }
                let detail = format!("{}, while it checked this record", Error::panicked(&*panic).message());
                Finding::error(FindingKind::Image, detail)
            }
        };
        self.push(record, offset, finding);
    }

    fn content(&mut self, record: u64, offset: u64, payload: &[u8]) -> Result<()> {
        if self.scope.hashing == Hashing::Off {
            return Ok(());
        }
        let Scope { shard, path, hashing, .. } = self.scope;
        let deep = hashing == Hashing::Recomputed;
        let found = &mut self.found;
        let key = self.scope.profile.image_key.as_deref();
        self.contents.see(payload, key, deep, (shard, record, offset), |finding| {
            found.push(finding.at_path(path).at_record(record, offset));
        })
    }

    fn count(&mut self, record: u64, offset: u64, payload: &[u8]) -> Result<()> {
        let Some((tally, stretch)) = &mut self.tally else { return Ok(()) };
        tally.see(payload, (self.scope.shard, record, offset), *stretch, &self.scope.profile)
    }

    /// A frame is damaged. An error that is not about the data is given back.
    pub(super) fn damage(&mut self, error: Error) -> Result<()> {
        let finding = Finding::from_error(error.at_path(self.scope.path))?;
        self.found.push(finding);
        Ok(())
    }

    pub(super) fn into_parts(self) -> (KindTable, Contents, FindingList, Option<Tally>) {
        (self.kinds, self.contents, self.found, self.tally.map(|(tally, _)| tally))
    }

    fn push(&mut self, record: u64, offset: u64, finding: Finding) {
        self.found.push(finding.at_path(self.scope.path).at_record(record, offset));
    }

    fn message(&mut self, record: u64, offset: u64, payload: &[u8]) -> Result<()> {
        let place = (self.scope.shard, record, offset);
        if self.scope.profile.message == MessageType::Raw {
            return Ok(());
        }
        // The context of a SequenceExample has the field number of an Example's features.
        walk(payload, |name, feature| self.kinds.see(name, feature.kind(), place))?;
        let (has_features, has_lists) = entry_fields(payload)?;
        let lists = if has_lists { self.lists(payload)? } else { None };
        match &lists {
            // Readers of Examples would pass over them in silence.
            Some(_) => self.kinds.see_message(MessageType::SequenceExample, place),
            None if has_features => self.kinds.see_message(MessageType::Example, place),
            None => {}
        }
        if let Some(schema) = self.scope.schema {
            let (found, path) = (&mut self.found, self.scope.path);
            schema.check(payload, &mut |name, detail| {
                let finding = Finding::error(FindingKind::Schema, format!("feature '{name}' {detail}"));
                found.push(finding.at_path(path).at_record(record, offset));
            })?;
        }
        if let Some(lists) = lists {
            self.sequence(lists, place);
        }
        let Profile { image_key, label_key, .. } = &self.scope.profile;
        let (Some(key), Some(images)) = (image_key.as_deref(), self.images.as_deref_mut()) else {
            return Ok(());
        };
        let (found, path) = (&mut self.found, self.scope.path);
        let label = label_key.as_deref().unwrap_or(LABEL_NAMES[0]);
        images.check(payload, [key, label], self.scope.labels.as_ref(), |finding| {
            found.push(finding.at_path(path).at_record(record, offset));
        })
    }

    /// The feature lists of a payload that has a field for them.
    fn lists(&self, payload: &[u8]) -> Result<Option<FeatureLists>> {
        match SequenceExample::decode(payload) {
            Ok(message) => Ok(message.feature_lists),
            // A field that an Example does not know: readers pass over it.
            Err(_) if self.scope.profile.message == MessageType::Example => Ok(None),
            Err(e) => Err(Error::proto(e.to_string())),
        }
    }

    fn sequence(&mut self, lists: FeatureLists, place: (usize, u64, u64)) {
        for (name, list) in lists.feature_list {
            let kind = |step: &Feature| {
                Some(match step.kind.as_ref()? {
                    feature::Kind::BytesList(_) => Kind::Bytes,
                    feature::Kind::FloatList(_) => Kind::Float,
                    feature::Kind::Int64List(_) => Kind::Int64,
                })
            };
            let mut steps = list.feature.iter().filter_map(kind);
            let Some(first) = steps.next() else { continue };
            self.kinds.see(&format!("feature_lists/{name}"), first, place);
            if let Some(other) = steps.find(|kind| *kind != first) {
                let (first, other) = (first.name(), other.name());
                let detail = format!("feature list '{name}' has steps of {first} and of {other}");
                self.push(place.1, place.2, Finding::error(FindingKind::KindMixed, detail));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::images::Depth;
    use super::*;

    #[test]
    fn a_panic_is_a_finding_that_names_the_record() {
        let profile = Profile::of_payloads(&[]);
        let scope =
            Scope { shard: 0, path: Path::new("a"), profile, labels: None, hashing: Hashing::Off, schema: None };
        let mut images = ImageChecker::new(Depth::Pixels, crate::image::Limits::default()).unwrap();
        let mut check = RecordCheck::new(scope, Some(&mut images), None);
        check.guarded(7, 99, |_| panic!("index out of bounds"));
        check.record(8, 120, b"");
        let found = check.into_parts().2.listed;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].kind, found[0].record, found[0].offset), (FindingKind::Image, Some(7), Some(99)));
        assert!(found[0].detail.contains("panicked: index out of bounds"), "{}", found[0]);
    }
}
