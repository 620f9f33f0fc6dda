//! The classes that files beside shards name.

use std::path::Path;

use super::labels::{LABELS_NAME, read_labels};
use super::manifest::Manifest;
use super::shard_writer::dir_of;
use crate::error::Result;

/// The classes that files beside a shard name.
#[derive(PartialEq, Eq)]
pub(crate) struct Classes {
    pub(crate) names: Vec<String>,
    /// The number of the first.
    pub(crate) first: i64,
}

impl Classes {
    /// Those of the manifest, or else of `labels.txt`, whose first line is the class 0 then.
    pub(crate) fn beside(shard: &Path) -> Result<Option<Self>> {
        let dir = dir_of(shard);
        let found = match Manifest::read(dir)? {
            Some(manifest) => Some(Classes { names: manifest.classes, first: manifest.label_offset }),
            None if dir.join(LABELS_NAME).is_file() => {
                Some(Classes { names: read_labels(&dir.join(LABELS_NAME))?, first: 0 })
            }
            None => None,
        };
        Ok(found.filter(|classes| !classes.names.is_empty()))
    }

    /// As [`beside`](Self::beside), or else those of TFDS's file of names for the first of these features that has one.
    pub(crate) fn beside_or_tfds(shard: &Path, features: &[impl AsRef<str>]) -> Result<Option<Self>> {
        let found = Self::beside(shard)?;
        let tfds = |feature: &str| dir_of(shard).join(format!("{}.{LABELS_NAME}", feature.replace('/', ".")));
        match features.iter().map(|feature| tfds(feature.as_ref())).find(|path| found.is_none() && path.is_file()) {
            Some(path) => Ok(Some(Classes { names: read_labels(&path)?, first: 0 })),
            None => Ok(found),
        }
    }

    /// The numbers of the classes.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = i64> {
        (0i64..).zip(&self.names).filter_map(|(at, _)| self.first.checked_add(at))
    }

    /// The name of a class.
    pub(crate) fn name(&self, number: i64) -> Option<&str> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.names.get(at).map(String::as_str)
    }
}
