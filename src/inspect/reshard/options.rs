//! What a resharding is asked to do.

use std::str::FromStr;

use crate::dataset::{Existing, ShardCount};
use crate::example::Filter;
use crate::record::Compression;

/// How records become shards anew.
///
/// What is selected is decided in this order, for each set on its own: `filter`, `skip`, `take`, `sample`, `split`; then
/// the records are shuffled, and dealt to shards.
///
/// ```
/// use tfrkit::dataset::ShardCount;
/// use tfrkit::inspect::ReshardOptions;
///
/// let options = ReshardOptions { shards: ShardCount::Each(8), shuffle: true, seed: 7, ..Default::default() };
/// assert!(options.split.is_empty() && options.filter.is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReshardOptions {
    /// Only the input set of this name is taken. Default: all sets, each becoming a set of its own.
    pub set: Option<String>,
    /// The name of what is written. Default: that of the input set. Not together with `split`.
    pub name: Option<String>,
    /// What becomes of several input sets. Default: they stay apart.
    pub sets: Sets,
    /// Into how many shards each set goes: a number of shards with equally many records, or (the default, with 256 MiB)
    /// shards of about so many bytes, before compression.
    pub shards: ShardCount,
    /// Whether the records of each set are shuffled. Default: they keep the order of the inputs.
    pub shuffle: bool,
    /// The seed of shuffle, sample and split. Default: 0.
    pub seed: u64,
    /// The compression of what is written. Default: none, whatever that of the inputs is.
    pub compression: Compression,
    /// Only records that fulfil it are taken. Default: all.
    pub filter: Option<Filter>,
    /// How many of those are passed over. Default: none.
    pub skip: u64,
    /// How many of the rest are taken at most. Default: all.
    pub take: Option<u64>,
    /// Which of those are drawn. Default: all.
    pub sample: Option<Sample>,
    /// Features that are left out. Default: none. Not together with `keep`.
    pub drop: Vec<String>,
    /// The only features that stay. Default: all.
    pub keep: Vec<String>,
    /// Features that get another name: old and new ones. `filter`, `drop`, `keep`, `key` and `stratify` go by the old.
    pub rename: Vec<(String, String)>,
    /// Sets and their shares, such as `train` 0.8 and `val` 0.2. Default: no split.
    pub split: Vec<(String, f64)>,
    /// The feature by whose value a split tells records apart: one byte string or integer in each record. Default:
    /// `image/key/sha256`, or else `image/filename`, or else the whole payload.
    pub key: Option<String>,
    /// Whether each class is split by the shares. Default: no.
    pub stratify: Stratify,
    /// What to do about a set that is there already.
    pub existing: Existing,
}

/// What becomes of several input sets, such as `train` and `val`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sets {
    /// Each is written under its own name; what would make one of them is an error (the default).
    #[default]
    Apart,
    /// They are taken together, in the order of their names.
    Merge,
}

/// Which records are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// Each record with this probability, by a hash of the seed and its position among those selected.
    Share(f64),
    /// So many, each choice of them being as likely; all where there are not more.
    Count(u64),
}

impl FromStr for Sample {
    type Err = String;

    /// `1000`, or a share such as `0.1`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Ok(count) = s.parse() {
            return Ok(Sample::Count(count));
        }
        match s.parse() {
            Ok(share) if share > 0.0 && share <= 1.0 => Ok(Sample::Share(share)),
            _ => Err(format!("'{s}' is no number of records, and no share above 0 and up to 1, such as 0.1")),
        }
    }
}

/// Whether a split shares out each class by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stratify {
    /// It goes by the records' keys alone (the default).
    #[default]
    No,
    /// Each value of `image/class/label`, or else of `label`, is a class.
    Label,
    /// Each value of this feature is a class: one byte string or integer.
    By(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples() {
        assert_eq!("1000".parse(), Ok(Sample::Count(1000)));
        assert_eq!("1".parse(), Ok(Sample::Count(1)));
        assert_eq!("0.25".parse(), Ok(Sample::Share(0.25)));
        for bad in ["", "-1", "0.0", "1.5", "nan", "x"] {
            assert!(bad.parse::<Sample>().is_err(), "{bad}");
        }
    }
}
