//! What a look at all records has found, kept for the next run: in a folder of the user's own, never beside the data.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::scan::{Found, Wanted};
use crate::canonical::{list, optional, quoted};
use crate::dataset::{ShardSearch, ShardWriter, dir_of, fingerprint};
use crate::error::{Error, Result};
use crate::example::{ExampleBuilder, ExampleView, hex};
use crate::record::{Compression, Shard};

/// What the names of kept scans end in.
const SUFFIX: &str = ".tfrkit-view";
/// Raised by hand where a filter finds other records, or they are kept in another way.
const REVISION: u32 = 2;
/// Most bytes that are kept.
const MOST_BYTES: u64 = 256 << 20;
/// What was not used for so long is let go.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The file that a scan of a shard is kept in: one record, an Example of two lists.
pub(super) struct Kept(PathBuf);

impl Kept {
    /// In the folder `dir`, whose files are named by all that a scan depends on.
    pub(super) fn new(dir: &Path, shard: &Path, wanted: &Wanted<'_>, search: Option<&ShardSearch<'_>>) -> Result<Self> {
        let mut hash = Sha256::new();
        hash.update(fingerprint(shard)?);
        // The fingerprint sees both ends of a shard; this, a change between them.
        let modified = std::fs::metadata(shard).and_then(|meta| meta.modified()).map_err(|e| Error::io(shard, e))?;
        let modified = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let filter = optional(search, |search| quoted(&search.key()));
        let label = optional(wanted.label, |names| list(&names.label, |name| quoted(name)));
        hash.update(format!("tfrkit view {REVISION}\nmodified = {modified}\nfilter = {filter}\nlabel = {label}\n"));
        Ok(Kept(dir.join(format!("{}{SUFFIX}", hex(&hash.finalize()[..16])))))
    }

    /// What has been kept; nothing where that cannot be read, or is damaged.
    pub(super) fn read(&self) -> Option<Found> {
        if !self.0.is_file() {
            return None;
        }
        let read = || -> Result<Option<Found>> {
            let shard = Shard::open(&self.0)?;
            let Some(record) = shard.records().next() else { return Ok(None) };
            let [records, labels] = ExampleView::new(record?.payload).find(["record", "label"])?;
            let (Some(records), Some(labels)) = (records, labels) else { return Ok(None) };
            let records: Vec<i64> = records.int64s()?.collect::<Result<_>>()?;
            let records = records.into_iter().map(u32::try_from).collect::<std::result::Result<Vec<u32>, _>>();
            let Ok(records) = records else { return Ok(None) };
            Ok(Some(Found { records, labels: labels.int64s()?.collect::<Result<_>>()? }))
        };
        let found = read().unwrap_or_else(|e| {
            log::debug!("a kept view is not used: {e}");
            None
        });
        if found.is_some() {
            // It was used last now; where that cannot be told, it goes earlier.
            let _ = File::options().append(true).open(&self.0).and_then(|file| file.set_modified(SystemTime::now()));
        }
        found
    }

    /// Keeps what was found, where that can be, and lets go what was kept for long.
    pub(super) fn write(&self, found: &Found) {
        let dir = dir_of(&self.0);
        let write = || {
            fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
            let mut writer = ShardWriter::create(&self.0, Compression::None)?;
            let example = ExampleBuilder::new()
                .int64s("record", found.records.iter().map(|record| i64::from(*record)))
                .int64s("label", found.labels.iter().copied());
            writer.write(&example.encode())?;
            writer.finish()
        };
        match write() {
            Ok(_) => clean(dir, MOST_BYTES),
            Err(e) => log::debug!("the view is not kept: {e}"),
        }
    }
}

/// Removes what was not used for long, and of the rest what was used least lately, until no more than `most` bytes are left.
fn clean(dir: &Path, most: u64) {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| {
        // Those that a killed process has left are named so too, with more behind.
        let is_ours = entry.file_name().to_string_lossy().contains(SUFFIX);
        let metadata = entry.metadata().ok().filter(|metadata| is_ours && metadata.is_file())?;
        Some((metadata.modified().ok()?, metadata.len(), entry.path()))
    });
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    let mut bytes: u64 = files.iter().map(|(_, len, _)| len).sum();
    for (used, len, path) in files {
        let is_old = used.elapsed().is_ok_and(|age| age > LONGEST);
        if !is_old && bytes <= most {
            break;
        }
        // Another process may have been quicker.
        let _ = fs::remove_file(&path);
        bytes -= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_too_much_goes_and_what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str, days: u64, len: usize| {
            let path = dir.path().join(name);
            fs::write(&path, vec![0; len]).unwrap();
            let day = Duration::from_secs(24 * 3600);
            File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(SystemTime::now() - day * days as u32)
                .unwrap();
        };
        make(&format!("old{SUFFIX}"), 40, 10);
        make(&format!(".old{SUFFIX}.x7.tmp"), 40, 10);
        make("mine.txt", 400, 1000);
        for (name, days) in [("a", 3), ("b", 2), ("c", 1)] {
            make(&format!("{name}{SUFFIX}"), days, 100);
        }
        clean(dir.path(), 250);
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, [format!("b{SUFFIX}"), format!("c{SUFFIX}"), "mine.txt".to_owned()]);
        clean(&dir.path().join("missing"), 0);
    }
}
