//! What a conversion tells at its end.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dataset::WrittenShard;

/// What a conversion did.
#[derive(Debug, Default, Serialize)]
pub struct ConvertReport {
    /// Records in all sets.
    pub records: u64,
    /// Records by set.
    pub sets: BTreeMap<String, u64>,
    /// The shards in order.
    pub shards: Vec<WrittenShard>,
    /// Class names in the order of their numbers.
    pub classes: Vec<String>,
    /// Files that could not be stored, by path.
    pub skipped: Vec<Skipped>,
    /// Images that were left out because of their size, by path.
    pub filtered: Vec<Skipped>,
    /// Files that were left out because an earlier one has the same bytes, in the order in which they were looked at.
    pub duplicates: Vec<Duplicate>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// Its path below the source.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A file that was left out because an earlier one has the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Its path below the source.
    pub path: String,
    /// The path of the file that is kept.
    pub of: String,
}
