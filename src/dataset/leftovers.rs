//! Files that a killed process has left half-written.
//!
//! A temporary file is locked while it is written, so that one that is not locked has nobody who will ever rename it.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::names::is_shard_name;
use super::shard_writer::TEMP_SUFFIX;
use crate::error::{Error, Result};
use crate::sys::{self, Dir};

/// What the names of temporary files begin with that are no shard's and none of what lies beside shards.
pub(crate) const TEMP_PREFIX: &str = ".tfr-";

/// Files beside shards that are written under a temporary name first.
const BESIDE: [&str; 6] =
    ["manifest.json", "labels.txt", "labels.pbtxt", "dataset_info.json", "features.json", ".swap.json"];

/// Removes from a folder, where there is one, the temporary files of this crate that no living process writes.
pub(crate) fn clear_leftovers(dir: &Path) -> Result<()> {
    let cleared = match Dir::open(dir) {
        Ok(dir) => clear(&dir),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    };
    cleared.map_err(|e| Error::io(dir, e))
}

/// As [`clear_leftovers`], of an open folder.
pub(crate) fn clear(dir: &Dir) -> io::Result<()> {
    for name in dir.names()?.iter().filter(|name| is_temporary(name)) {
        // What cannot be opened or removed is somebody else's.
        let Ok(file) = dir.read(name) else { continue };
        if file.metadata().is_ok_and(|found| found.is_file()) && sys::is_abandoned(&file) {
            let _ = dir.remove(name);
        }
    }
    Ok(())
}

/// Whether it is a name that this crate gives a file until it is whole: `.NAME.RANDOM.tmp`, or `.tfr-RANDOM.tmp`.
fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let Some(inner) = name.strip_suffix(TEMP_SUFFIX) else { return false };
    if inner.starts_with(TEMP_PREFIX) {
        return true;
    }
    let Some((target, random)) = inner.strip_prefix('.').and_then(|inner| inner.rsplit_once('.')) else { return false };
    let is_random = random.len() == 6 && random.bytes().all(|b| b.is_ascii_alphanumeric());
    // A shard that waits to be put into place is hidden itself.
    let staged = target.strip_prefix('.').and_then(|target| target.strip_suffix(".new.tmp")).is_some_and(is_shard_name);
    let beside = BESIDE.contains(&target) || target.ends_with(".labels.txt") || target.ends_with(".idx");
    is_random && (is_shard_name(target) || staged || beside)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::dataset::ShardWriter;

    #[cfg(unix)]
    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_being_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let left = [
            ".train-00000-of-00002.tfrecord.AbC123.tmp",
            "..train-00000-of-00002.tfrecord.new.tmp.AbC123.tmp",
            ".mended.tfrecord.gz.AbC123.tmp",
            ".manifest.json.AbC123.tmp",
            ".train-00000-of-00002.idx.AbC123.tmp",
            ".tfr-12-3.tmp",
        ];
        let theirs = [".bashrc.AbC123.tmp", ".notes.tmp", "x.tfrecord", ".x.tfrecord.AbC123", ".a.tfrecord.new.tmp"];
        left.iter().chain(&theirs).for_each(|name| fs::write(dir.join(name), "half").unwrap());
        let mut writer = ShardWriter::create(dir.join("living.tfrecord"), Default::default()).unwrap();
        clear_leftovers(dir).unwrap();
        clear_leftovers(&dir.join("missing")).unwrap();
        let names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), theirs.len() + 1, "{names:?}");
        assert!(theirs.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
        writer.write(b"payload").unwrap();
        assert_eq!(writer.finish().unwrap().records, 1);
    }
}
