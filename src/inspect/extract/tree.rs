//! The directory that files are written into, and never out of.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dataset::{TEMP_PREFIX, clear};
use crate::error::{Error, Result};
use crate::inspect::work::lock;
use crate::sys::{self, Dir};

/// A directory to write into. It and the folders below it are open while files are put there: links are not followed,
/// those neither that somebody puts in the place of a folder meanwhile.
pub(super) struct Tree {
    path: PathBuf,
    root: Dir,
    /// Whether files that are there already are written over.
    replace: bool,
    /// Folders out of which what killed runs have left was removed.
    cleared: Mutex<HashSet<PathBuf>>,
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
        let root = Dir::open(dir).and_then(|root| if replace { clear(&root).map(|()| root) } else { Ok(root) });
        let root = root.map_err(|e| Error::io(dir, e))?;
        Ok(Tree { path: dir.to_owned(), root, replace, cleared: Mutex::default() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.path
    }

    /// Writes a file whole or not at all, and its folders where they are missing; `path` is relative, with `/` between
    /// its parts. It is on disk once [`sync`](Self::sync) has come back.
    pub(super) fn write(&self, path: &str, data: &[u8]) -> Result<()> {
        let (below, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(Path::new(below))?;
        let write = |dir: &Dir| {
            let mut temp = Temp::create(dir)?;
            temp.write_all(data)?;
            temp.persist(name.as_ref(), self.replace)
        };
        write(folder.as_ref().unwrap_or(&self.root)).map_err(|e| Error::io(&self.path.join(path), e))
    }

    /// Brings all files to disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.root.sync_below().map_err(|e| Error::io(&self.path, e))
    }

    /// A file in the directory that has no name yet.
    pub(super) fn unnamed(&self) -> Result<Temp<'_>> {
        Temp::create(&self.root).map_err(|e| Error::io(&self.path, e))
    }

    /// Brings a whole file to disk, and gives it its name.
    pub(super) fn name(&self, file: Temp<'_>, name: &str) -> Result<PathBuf> {
        let full = self.path.join(name);
        let persist = || {
            file.file.sync_all()?;
            file.persist(name.as_ref(), true)
        };
        persist().map_err(|e| Error::io(&full, e))?;
        Ok(full)
    }

    /// A folder below the directory, made where it is missing, and those above it; `None` for the directory itself.
    pub(super) fn folder(&self, below: &Path) -> Result<Option<Dir>> {
        let mut folder: Option<Dir> = None;
        let mut full = self.path.clone();
        for part in below {
            full.push(part);
            let next = folder.as_ref().unwrap_or(&self.root).folder(part).map_err(|e| match e.kind() {
                io::ErrorKind::NotADirectory => Error::usage_hint(
                    format!(
                        "{} is {} where a folder belongs",
                        full.display(),
                        if full.is_symlink() { "a link" } else { "a file" }
                    ),
                    "move it away, or choose another directory; links are not followed",
                ),
                _ => Error::io(&full, e),
            })?;
            if self.replace && lock(&self.cleared).insert(full.clone()) {
                clear(&next).map_err(|e| Error::io(&full, e))?;
            }
            folder = Some(next);
        }
        Ok(folder)
    }
}

/// A file that has no name yet, and goes where it gets none.
pub(super) struct Temp<'a> {
    dir: &'a Dir,
    /// `None` once it has its own.
    name: Option<OsString>,
    file: File,
}

impl<'a> Temp<'a> {
    fn create(dir: &'a Dir) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = OsString::from(format!("{TEMP_PREFIX}{}-{number}.tmp", std::process::id()));
            match dir.create(&name) {
                Ok(file) if sys::claim(&file)? => return Ok(Temp { dir, name: Some(name), file }),
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                // Of an earlier process with this number; or taken for one's, and removed.
                _ => {}
            }
        }
    }

    fn persist(mut self, name: &OsStr, replace: bool) -> io::Result<()> {
        if let Some(hidden) = &self.name {
            self.dir.rename(hidden, name, replace)?;
        }
        self.name = None;
        Ok(())
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // A later run removes it where this cannot.
            let _ = self.dir.remove(name);
        }
    }
}

impl Write for Temp<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for Temp<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read(buf)
    }
}

impl Seek for Temp<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_put_there_meanwhile_are_not_followed() {
        let tmp = tempfile::tempdir().unwrap();
        let [dir, outside, aside] = ["dir", "outside", "aside"].map(|name| tmp.path().join(name));
        fs::create_dir(&outside).unwrap();
        let tree = Tree::open(&dir, false).unwrap();
        tree.write("cat/1.jpg", b"one").unwrap();
        fs::rename(dir.join("cat"), &aside).unwrap();
        std::os::unix::fs::symlink(&outside, dir.join("cat")).unwrap();
        let said = tree.write("cat/2.jpg", b"two").unwrap_err().to_string();
        assert!(said.contains("is a link where a folder belongs"), "{said}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        // The directory itself, moved away, is still the one that was opened.
        let moved = tmp.path().join("moved");
        fs::rename(&dir, &moved).unwrap();
        std::os::unix::fs::symlink(&outside, &dir).unwrap();
        tree.write("dog/1.jpg", b"one").unwrap();
        assert_eq!(fs::read(moved.join("dog/1.jpg")).unwrap(), b"one");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_is_replaced_only_where_that_is_asked_for() {
        let tmp = tempfile::tempdir().unwrap();
        let tree = Tree::open(tmp.path(), false).unwrap();
        tree.write("a/1.jpg", b"one").unwrap();
        assert!(tree.write("a/1.jpg", b"two").is_err());
        fs::write(tmp.path().join("a/.tfr-1-1.tmp"), b"half").unwrap();
        let tree = Tree::open(tmp.path(), true).unwrap();
        tree.write("a/1.jpg", b"two").unwrap();
        assert_eq!(fs::read(tmp.path().join("a/1.jpg")).unwrap(), b"two");
        assert_eq!(fs::read_dir(tmp.path().join("a")).unwrap().count(), 1, "and what a killed run left is gone");
    }
}
