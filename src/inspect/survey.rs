//! What a validation gathers for a report.

use std::path::PathBuf;

use super::duplicates::Groups;
use super::finding::FindingCounts;
use super::message::Profile;
use super::report::Tally;
use super::validate::Report;
use crate::record::Compression;

/// What a report is made of beside a validation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Groups of records that hold the same.
    pub(super) groups: usize,
    /// Records drawn of each class.
    pub(super) samples: usize,
}

/// A validation, and what was counted on the way.
pub(super) struct Survey {
    pub(super) report: Report,
    pub(super) counts: FindingCounts,
    pub(super) shards: Vec<SurveyedShard>,
    /// Of each of the sets.
    pub(super) sets: Vec<SurveyedSet>,
    pub(super) groups: Groups,
}

pub(super) struct SurveyedShard {
    pub(super) path: PathBuf,
    /// The number of its set.
    pub(super) set: usize,
    pub(super) records: u64,
    pub(super) compression: Compression,
}

pub(super) struct SurveyedSet {
    pub(super) profile: Profile,
    /// Nothing, where nothing was wanted.
    pub(super) tally: Tally,
}
