//! Whether a set may be begun: the hidden file that marks an unfinished set, and what is said of sets that are there.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::set_files::shards_of;
use super::set_writer::{Existing, SetPlan};
use crate::error::{Error, Result};
use crate::{side_file, sys};

const REPLACING: &str = "replace";

/// How an unfinished set is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marking {
    /// Under the final names.
    New,
    /// Beside an earlier set, whose place it takes in the end.
    Replacing,
}

impl Marking {
    /// Out of what a marker holds; `None` where nothing was written yet.
    pub(super) fn of(text: &str) -> Option<Self> {
        match text {
            "" => None,
            text if Marker::is_replacing(text) => Some(Marking::Replacing),
            _ => Some(Marking::New),
        }
    }
}

/// The hidden file that marks an unfinished set and keeps a second writer out.
pub(super) struct Marker {
    pub(super) path: PathBuf,
    /// What it held when it was opened; `None` where it is new.
    pub(super) begun: Option<String>,
    /// Locked as long as it is open.
    file: File,
}

impl Marker {
    pub(super) fn open(dir: &Path, set: &str) -> Result<Self> {
        let path = marker_path(dir, set);
        let io = |e| Error::io(&path, e);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        if !sys::try_lock(&file).map_err(io)? {
            let what = format!("another process is writing the set '{set}' in {}", dir.display());
            return Err(Error::usage_hint(what, "wait for it, or choose another directory"));
        }
        let text = side_file::read_open_text(&path, &file)?;
        let begun = (!text.is_empty()).then_some(text);
        Ok(Marker { begun, file, path })
    }

    /// What the marker holds. It tells a set that replaces another from one that is written in place: only of the latter
    /// do the shards under the final names belong to the plan.
    fn text(plan: &SetPlan, existing: Existing) -> String {
        let how = if existing == Existing::Replace { REPLACING } else { "new" };
        format!("{how} {} {}\n", plan.plan, plan.stamp)
    }

    fn is_replacing(text: &str) -> bool {
        text.starts_with(REPLACING)
    }

    pub(super) fn write(&mut self, plan: &SetPlan, existing: Existing) -> Result<()> {
        let text = Self::text(plan, existing);
        if self.begun.as_ref() == Some(&text) {
            return Ok(());
        }
        let mut write = || {
            self.file.rewind()?;
            self.file.write_all(text.as_bytes())?;
            self.file.set_len(text.len() as u64)?;
            self.file.sync_all()
        };
        write().map_err(|e| Error::io(&self.path, e))
    }
}

/// The file that marks an unfinished set.
pub(super) fn marker_path(dir: &Path, set: &str) -> PathBuf {
    dir.join(format!(".{set}.plan"))
}

/// What [`SetWriter::create`](super::SetWriter::create) would say to [`Existing::Refuse`]: for jobs that have much to do before they begin to write.
pub(crate) fn refuse_existing(dir: &Path, name: &str) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    // A marker that cannot be read now is an error when the set is begun.
    let begun = side_file::read_text(&marker_path(dir, name)).ok().flatten().filter(|text| !text.is_empty());
    refuse(dir, name, begun.as_deref(), shards_of(dir, name)?.is_empty())
}

fn refuse(dir: &Path, name: &str, begun: Option<&str>, is_new: bool) -> Result<()> {
    match begun {
        Some(begun) if Marker::is_replacing(begun) => Err(half_replaced(dir, name)),
        Some(_) => Err(Error::usage_hint(
            format!("an earlier run has left the set '{name}' unfinished in {}", dir.display()),
            "finish it with `--resume`, or begin anew with `--force`",
        )),
        None if is_new => Ok(()),
        None => Err(Error::usage_hint(
            format!("the set '{name}' is already in {}", dir.display()),
            "replace it with `--force`, or choose another name or directory",
        )),
    }
}

/// The shards under the final names are those of the earlier set, or of both.
fn half_replaced(dir: &Path, name: &str) -> Error {
    Error::usage_hint(
        format!("replacing the set '{name}' in {} was interrupted, which cannot be resumed", dir.display()),
        "begin anew with `--force`",
    )
}

/// Whether the set may be begun, given what an earlier run has left; it `is_new` where no shard of it is there.
pub(super) fn may_begin(
    dir: &Path,
    plan: &SetPlan,
    existing: Existing,
    begun: Option<&str>,
    is_new: bool,
) -> Result<()> {
    let name = &plan.name;
    let matches = match (existing, begun) {
        (Existing::Replace, _) => return Ok(()),
        (Existing::Refuse, _) => return refuse(dir, name, begun, is_new),
        (Existing::Resume, Some(begun)) if Marker::is_replacing(begun) => return Err(half_replaced(dir, name)),
        (Existing::Resume, Some(begun)) => begun == Marker::text(plan, existing),
        (Existing::Resume, None) if is_new => true,
        (Existing::Resume, None) => {
            let manifest = Manifest::read(dir)?;
            let set = manifest.as_ref().and_then(|m| m.sets.get(name));
            set.is_some_and(|s| s.plan == plan.plan && s.stamp == plan.stamp)
        }
    };
    if matches {
        return Ok(());
    }
    Err(Error::usage_hint(
        format!("the set '{name}' in {} was begun from other sources or options", dir.display()),
        "give the options of the earlier run, or begin anew with `--force`",
    ))
}

/// Writes into a directory; where that fails, and the directory is new and empty, it is gone again.
pub(crate) fn without_empty_dir<T>(out: &Path, write: impl FnOnce() -> Result<T>) -> Result<T> {
    let is_new = !out.exists();
    write().inspect_err(|_| {
        if is_new {
            // Removes no directory in which anything is, such as whole shards.
            let _ = fs::remove_dir(out);
        }
    })
}

/// Keeps other writers out of a directory of sets, which is made where it is missing, as long as the file is open.
pub(crate) fn lock_dir(out: &Path) -> Result<Option<File>> {
    fs::create_dir_all(out).map_err(|e| Error::io(out, e))?;
    let Some(dir) = sys::open_dir(out).map_err(|e| Error::io(out, e))? else { return Ok(None) };
    if sys::try_lock(&dir).map_err(|e| Error::io(out, e))? {
        return Ok(Some(dir));
    }
    let what = format!("another process is writing into {}", out.display());
    Err(Error::usage_hint(what, "wait for it, or choose another directory"))
}
