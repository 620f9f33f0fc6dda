//! What a conversion tells at its end.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::options::Layout;
use crate::dataset::WrittenShard;

/// What a conversion did.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ConvertReport {
    /// What the source was read as.
    pub layout: Layout,
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
    /// Files of several frames or pages (GIF, WebP, TIFF, animated PNG) that are encoded again, by path: the first is stored.
    /// Those of shards that are kept of an earlier run are not among them.
    pub flattened: Vec<Flattened>,
    /// Files that were not looked at, because their names are not an image's.
    pub passed_over: PassedOver,
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

/// A file of which the first frame or page is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Flattened {
    /// Its path below the source.
    pub path: String,
    /// How many frames or pages it has.
    pub frames: usize,
}

/// Says of such files what is lost; the first few by name.
pub(super) fn flattened_warning(files: &[Flattened]) -> Option<String> {
    const NAMED: usize = 5;
    let named = files.iter().take(NAMED).map(|file| format!("{} ({})", file.path, file.frames));
    let mut named = named.collect::<Vec<_>>().join(", ");
    match files.len() {
        0 => return None,
        n if n > NAMED => named += &format!(" and {} more", n - NAMED),
        _ => {}
    }
    let what = if files.len() == 1 { "1 file holds" } else { &format!("{} files hold", files.len()) };
    Some(format!("{what} several frames or pages, of which the first is stored: {named}"))
}

/// A file that was left out because an earlier one has the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Its path below the source.
    pub path: String,
    /// The path of the file that is kept.
    pub of: String,
}

/// Files among the sources whose names are not an image's, such as `README.md`: nothing is wrong with them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PassedOver {
    /// How many they are.
    pub files: u64,
    /// How many of each kind: `.txt`, `without an extension`; the rare ones of many kinds together are `others`.
    pub kinds: BTreeMap<String, u64>,
}

impl fmt::Display for PassedOver {
    /// `3 files whose names are not an image's are passed over: 2 .txt, 1 .md`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files {
            1 => f.write_str("1 file whose name is not an image's is passed over: ")?,
            n => write!(f, "{n} files whose names are not an image's are passed over: ")?,
        }
        for (at, (kind, n)) in self.kinds.iter().enumerate() {
            write!(f, "{}{n} {kind}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
