//! What readers are told of sets that a writer has not ended: it may still be at work, or was killed.

use std::path::{Path, PathBuf};

use super::listing::file_name;
use super::manifest::{Manifest, fingerprint};
use super::marker::{Marking, lock_dir, marker_path};
use super::swap::{Journal, finish_swap};
use super::tfds;
use crate::error::{Error, ErrorKind, Result};
use crate::side_file;

/// What is to be said of a set before its shards are read.
pub(super) enum Unfinished {
    /// It cannot be read as one set.
    Problem(Error),
    /// It can, but is not what it will be.
    Note(String),
}

/// What is to be said of those of `sets` (their names, and the shards of them that are to be read) in `dir`. To be asked
/// after the shards were listed: what is put into place meanwhile is seen then.
pub(super) fn unfinished<'a>(
    dir: &Path,
    sets: impl Iterator<Item = (&'a str, &'a [PathBuf])>,
) -> impl Iterator<Item = Unfinished> {
    let (journal, damaged) = match Journal::read(dir) {
        Ok(journal) => (journal, None),
        Err(e) => (None, Some(Unfinished::Problem(e))),
    };
    let told = sets.filter_map(|(set, shards)| match &journal {
        Some(journal) if journal.sets.contains_key(set) => Some(half_in_place(dir, set, shards)),
        _ => marked(dir, set, shards),
    });
    damaged.into_iter().chain(told.collect::<Vec<_>>())
}

/// One shard alone is of one set, whichever.
fn half_in_place(dir: &Path, set: &str, shards: &[PathBuf]) -> Unfinished {
    let what = format!("replacing the set '{set}' has not ended (it goes on, or was interrupted)");
    if shards.len() == 1 {
        return Unfinished::Note(format!("{}: {what}", dir.display()));
    }
    let detail = format!("{what}: shards of the earlier set and of the new one lie side by side");
    let hint =
        format!("where no process writes there any more, `tfr index {}` puts the new set in place", dir.display());
    Unfinished::Problem(Error::new(ErrorKind::Unfinished { detail, hint }).at_path(dir))
}

/// What the marker of a set says, where there is one.
fn marked(dir: &Path, set: &str, shards: &[PathBuf]) -> Option<Unfinished> {
    let text = match side_file::read_text(&marker_path(dir, set)) {
        Ok(text) => text?,
        Err(e) => return Some(Unfinished::Problem(e)),
    };
    let dir_shown = dir.display();
    Some(match Marking::of(&text)? {
        Marking::New => Unfinished::Note(format!(
            "{dir_shown}: writing the set '{set}' has not ended (it goes on, or was interrupted, and `--resume` ends it)"
        )),
        Marking::Replacing if shards.len() == 1 || is_the_earlier(dir, set, shards) => Unfinished::Note(format!(
            "{dir_shown}: the set '{set}' is being replaced, or that was interrupted; what is read is the earlier set"
        )),
        Marking::Replacing => {
            let detail = format!(
                "replacing the set '{set}' was interrupted: its shards are not those that manifest.json lists, \
                 and may be of two sets"
            );
            let hint = "write the set again with `--force`, or name the shard to read".to_owned();
            Unfinished::Problem(Error::new(ErrorKind::Unfinished { detail, hint }).at_path(dir))
        }
    })
}

/// Whether the shards are those of which the manifest tells; or nothing tells.
fn is_the_earlier(dir: &Path, set: &str, shards: &[PathBuf]) -> bool {
    let Ok(Some(manifest)) = Manifest::read(dir) else { return true };
    let is_listed = |path: &PathBuf| {
        let listed = manifest.shard(&file_name(path));
        listed.is_some_and(|shard| fingerprint(path).is_ok_and(|found| found == shard.fingerprint))
    };
    !manifest.sets.contains_key(set) || shards.iter().all(is_listed)
}

/// Ends in `dir` what a killed run has begun to put into place, and writes what depends on it. Whether there was
/// something.
///
/// # Errors
/// A usage error where another process writes into the directory.
pub fn finish_replacement(dir: &Path) -> Result<bool> {
    let _lock = lock_dir(dir)?;
    let found = finish_swap(dir)?;
    if found {
        let manifest = Manifest::read(dir)?.unwrap_or_default();
        // Metadata of somebody else's describe no set of ours.
        if manifest.described().next().is_some() && tfds::metadata_in(dir).is_some() {
            tfds::write_tfds(dir, &manifest, true)?;
        }
    }
    Ok(found)
}
