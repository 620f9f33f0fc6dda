//! Files that `-o` names: refused before any work where they cannot be written, and there only when they are whole.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tfrkit::{Error, ErrorKind, Result};

use super::output::shown;

/// What to do about a file that is there already.
#[derive(clap::Args)]
pub(super) struct ForceArg {
    /// Replace the file that -o names, where it is there already
    #[arg(long)]
    pub(super) force: bool,
}

/// A file to be written.
#[derive(Debug)]
pub(super) struct OutFile {
    path: PathBuf,
    force: bool,
}

impl OutFile {
    /// Fails where the file could not be written once all the work is done: it is there and `force` is not, its folder is
    /// missing, it is a directory, or one of the inputs.
    pub(super) fn new<'p>(path: &Path, force: bool, inputs: impl IntoIterator<Item = &'p PathBuf>) -> Result<Self> {
        if path == Path::new("-") {
            return wrong("a file is written, not stdout".to_owned(), "give -o a file's name");
        }
        if path.is_dir() {
            return wrong(format!("{} is a directory", shown(path)), "give -o a file's name");
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            return wrong(format!("there is no directory {} to write to", shown(folder)), "make it first");
        }
        if let Ok(target) = path.canonicalize()
            && let Some(input) = inputs.into_iter().find(|input| input.canonicalize().is_ok_and(|path| path == target))
        {
            let detail = format!("{} is one of the inputs and would be written over", shown(input));
            return wrong(detail, "give -o another name");
        }
        if !force && !is_device(path) && path.symlink_metadata().is_ok() {
            return wrong(
                format!("{} is there already", shown(path)),
                "replace it with `--force`, or choose another name",
            );
        }
        Ok(OutFile { path: path.to_owned(), force })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file. One that came to be there meanwhile is left as it is, unless it may be replaced.
    pub(super) fn write(&self, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        put(&self.path, self.force, write).map_err(|e| placed(e, &self.path))
    }
}

/// The kind that a file's name says, out of names' endings and what they stand for. What is no ordinary file gets the
/// first.
pub(super) fn kind_of<K: Copy>(path: &Path, kinds: &[(&str, K)]) -> Result<K> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let named = kinds.iter().find(|(name, _)| ending.as_deref() == Some(*name));
    let first = kinds.first().filter(|_| is_device(path));
    let (_, kind) = named.or(first).ok_or_else(|| {
        let names: Vec<String> = kinds.iter().map(|(name, _)| format!(".{name}")).collect();
        let (last, most) = names.split_last().map_or((String::new(), &[][..]), |(last, most)| (last.clone(), most));
        let names = if most.is_empty() { last } else { format!("{} or {last}", most.join(", ")) };
        Error::new(ErrorKind::Usage {
            detail: format!("the name {} does not say which kind of file to write", shown(path)),
            hint: Some(format!("let it end with {names}")),
        })
    })?;
    Ok(*kind)
}

/// Writes a file, over one that is there, and so that it has its name only when it is whole. What is there and is no
/// ordinary file, such as a device, is written to directly.
pub(super) fn write_whole(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    put(path, true, write).map_err(|e| placed(e, path))
}

fn wrong<T>(detail: String, hint: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Usage { detail, hint: Some(hint.to_owned()) }))
}

fn placed(e: io::Error, path: &Path) -> Error {
    match e.kind() {
        // As on stdout: who reads has seen enough.
        io::ErrorKind::BrokenPipe => Error::from(e),
        _ => Error::from(e).at_path(path),
    }
}

/// The folder that a file is to lie in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether what is there takes bytes without being a file of its own: a pipe, `/dev/stdout` whatever it stands for.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() || path.starts_with("/dev"))
}

fn put(path: &Path, replace: bool, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    if is_device(path) {
        return write(&mut File::options().write(true).open(path)?);
    }
    // Opened by ourselves: the errors of `tempfile_in` name the temporary file, which nobody knows.
    let create = |at: &Path| File::options().write(true).create_new(true).open(at);
    let mut file = tempfile::Builder::new().prefix(".tfr-").make_in(folder_of(path), create)?;
    write(file.as_file_mut())?;
    match replace {
        true => file.persist(path)?,
        false => file.persist_noclobber(path)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn errors_name_the_target_and_not_the_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no/such/file");
        let said = write_whole(&path, |_| Ok(())).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{}: ", path.display())) && !said.contains(".tfr-"), "{said}");
        let path = dir.path().join("file");
        write_whole(&path, |file| file.write_all(b"whole")).unwrap();
        assert!(write_whole(&path, |_| Err(io::Error::other("full"))).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.html");
        let new = |force| OutFile::new(&path, force, []);
        let early = new(false).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let said = new(false).unwrap_err();
        assert!(said.hint().unwrap().contains("--force"), "{said}");
        // It came after the first look.
        assert!(early.write(|file| file.write_all(b"other")).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        new(true).unwrap().write(|file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn kinds_are_told_by_names() {
        let kinds = [("png", 1), ("jpg", 2)];
        let of = |name: &str| kind_of(Path::new(name), &kinds);
        assert_eq!((of("a.png").unwrap(), of("b.c.JPG").unwrap()), (1, 2));
        for name in ["a.gif", "png", ".png", "a."] {
            assert_eq!(of(name).unwrap_err().hint().unwrap(), "let it end with .png or .jpg", "{name}");
        }
    }
}
