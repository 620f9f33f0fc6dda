//! A filter held against the records of shards.

use std::borrow::Cow;
use std::path::Path;

use super::classes::Classes;
use crate::error::Result;
use crate::example::{Filter, Sought};

/// The features whose classes TFDS may name in a file of their own.
const LABELS: [&str; 3] = ["image/class/label", "label", "image/object/class/label"];

/// A search through shards, on any number of threads. What it is for beyond [`Filter`]: names of classes are those beside
/// each shard, and a feature that no record has is an error.
pub(crate) struct Search<'f> {
    filter: &'f Filter,
    sought: Sought,
}

impl<'f> Search<'f> {
    pub(crate) fn new(filter: &'f Filter) -> Self {
        Search { filter, sought: Sought::new(filter) }
    }

    /// The search in one shard.
    ///
    /// # Errors
    /// Of reading the classes beside it, where the filter names one.
    pub(crate) fn in_shard(&self, shard: &Path) -> Result<ShardSearch<'_>> {
        let mut filter = Cow::Borrowed(self.filter);
        if self.filter.asks_for_classes()
            && let Some(classes) = Classes::beside_or_tfds(shard, &LABELS)?
        {
            filter = Cow::Owned(self.filter.clone().with_classes(classes.first, classes.names));
        }
        Ok(ShardSearch { sought: &self.sought, filter })
    }

    /// The search in a stream, which has no files beside it.
    pub(crate) fn in_stream(&self) -> ShardSearch<'_> {
        ShardSearch { sought: &self.sought, filter: Cow::Borrowed(self.filter) }
    }

    /// To be asked when all records have gone by.
    ///
    /// # Errors
    /// A usage error for a feature that none of them had.
    pub(crate) fn check(&self) -> Result<()> {
        self.sought.check("record")
    }
}

/// A search in one shard.
pub(crate) struct ShardSearch<'s> {
    sought: &'s Sought,
    filter: Cow<'s, Filter>,
}

impl ShardSearch<'_> {
    /// As [`Filter::matches`].
    pub(crate) fn matches(&self, payload: &[u8]) -> Result<bool> {
        self.sought.matches(&self.filter, payload)
    }

    /// As [`Filter::key`].
    pub(crate) fn key(&self) -> String {
        self.filter.key()
    }

    /// Whether results may be kept: what was found without a feature that is still to be met is not to hide that.
    pub(crate) fn may_be_kept(&self) -> bool {
        self.sought.is_settled()
    }

    /// Results that were kept are used.
    pub(crate) fn was_kept(&self) {
        self.sought.settle();
    }
}
