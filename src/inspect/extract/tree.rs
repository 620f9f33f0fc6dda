//! The directory that files are written into, and never out of.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::NamedTempFile;

use crate::dataset::temp_in;
use crate::error::{Error, Result};
use crate::inspect::work::lock;

/// What the names of files begin with that are not whole yet.
const PREFIX: &str = ".tfr-";

/// A directory to write into. Folders below it are never reached through links.
pub(super) struct Tree {
    root: PathBuf,
    /// Whether files that are there already are written over.
    replace: bool,
    /// Folders that are known to be folders.
    folders: Mutex<HashSet<PathBuf>>,
}

impl Tree {
    /// Makes the directory, or takes one that is empty, or with `replace` any.
    pub(super) fn open(dir: &Path, replace: bool) -> Result<Self> {
        match fs::metadata(dir) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::usage_hint(
                    format!("{} is no directory", dir.display()),
                    "name a directory for the images",
                ));
            }
            Ok(_) if !replace && fs::read_dir(dir).map_err(|e| Error::io(dir, e))?.next().is_some() => {
                return Err(Error::usage_hint(
                    format!("{} is not empty", dir.display()),
                    "choose another directory, or write over files of the same names with `--force`",
                ));
            }
            _ => fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?,
        }
        Ok(Tree { root: dir.to_owned(), replace, folders: Mutex::default() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file whole or not at all, and its folders where they are missing; `path` is relative, with `/` between
    /// its parts. It is not waited for until it is on disk.
    pub(super) fn write(&self, path: &str, data: &[u8]) -> Result<()> {
        let full = self.root.join(path);
        let below = Path::new(path).parent().unwrap_or(Path::new(""));
        self.folder(below)?;
        let write = || {
            let mut temp = temp_in(&self.root.join(below), PREFIX)?;
            temp.write_all(data)?;
            let persisted = if self.replace { temp.persist(&full) } else { temp.persist_noclobber(&full) };
            persisted.map(drop).map_err(|e| e.error)
        };
        write().map_err(|e: io::Error| Error::io(&full, e))
    }

    /// A file in the directory that has no name yet.
    pub(super) fn unnamed(&self) -> Result<NamedTempFile> {
        temp_in(&self.root, PREFIX).map_err(|e| Error::io(&self.root, e))
    }

    /// Brings a whole file to disk, and gives it its name.
    pub(super) fn name(&self, file: NamedTempFile, name: &str) -> Result<PathBuf> {
        let full = self.root.join(name);
        let persist = || {
            file.as_file().sync_all()?;
            file.persist(&full).map_err(|e| e.error)
        };
        persist().map_err(|e| Error::io(&full, e))?;
        Ok(full)
    }

    /// Makes a folder, and those above it.
    pub(super) fn folder(&self, below: &Path) -> Result<()> {
        if below.as_os_str().is_empty() || lock(&self.folders).contains(below) {
            return Ok(());
        }
        if let Some(above) = below.parent() {
            self.folder(above)?;
        }
        let full = self.root.join(below);
        match fs::create_dir(&full) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(&full).map_err(|e| Error::io(&full, e))?;
                if !found.is_dir() {
                    let what = if found.is_symlink() { "a link" } else { "a file" };
                    return Err(Error::usage_hint(
                        format!("{} is {what} where a folder belongs", full.display()),
                        "move it away, or choose another directory; links are not followed",
                    ));
                }
            }
            made => made.map_err(|e| Error::io(&full, e))?,
        }
        lock(&self.folders).insert(below.to_owned());
        Ok(())
    }
}
