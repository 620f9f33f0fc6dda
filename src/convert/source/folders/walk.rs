//! All images below a folder.

use std::cell::RefCell;
use std::io;
use std::path::Path;

use walkdir::WalkDir;

use crate::convert::source::image_names::{is_ignored, is_image};
use crate::convert::source::{Source, SourceFile};
use crate::dataset::IMAGE_LISTS;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::sys;

/// Gives the images below a folder to `files`; what is none is counted, what cannot be one is bad.
pub(super) fn walk(
    src: &Path,
    folder: &str,
    class: Option<u32>,
    files: &mut Vec<SourceFile>,
    source: &mut Source,
    job: &Job<'_>,
) -> Result<()> {
    let root = src.join(folder);
    let real_root = root.canonicalize().map_err(|e| Error::io(&root, e))?;
    let below = |path: &Path| {
        let below = path.strip_prefix(src).unwrap_or(path);
        below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
    };
    let loop_at = |at: String| format!("{at}: a link leads back to a folder above it; not followed");
    let loops = RefCell::new(Vec::new());
    let walk = WalkDir::new(&root).follow_links(true).into_iter();
    let walk = walk.filter_entry(|e| {
        // The walk itself knows the folders from the class down, not those above it.
        let leads_up = e.depth() > 0
            && e.path_is_symlink()
            && e.file_type().is_dir()
            && e.path().canonicalize().is_ok_and(|target| target != real_root && real_root.starts_with(target));
        if leads_up {
            loops.borrow_mut().push(loop_at(below(e.path())));
        }
        !leads_up && (e.depth() == 0 || !is_ignored(&e.file_name().to_string_lossy()))
    });
    for entry in walk {
        job.check()?;
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) if e.loop_ancestor().is_some() => {
                let at = e.path().map(below).unwrap_or_default();
                source.warnings.push(loop_at(at));
                continue;
            }
            // A link to nothing is a bad file. Of a folder that cannot be read, nobody knows what is missing.
            Err(e) if e.path().is_some_and(Path::is_symlink) && !is_denied(&e) => {
                let path = e.path().unwrap_or(&root);
                refuse(path, below(path), reason(&e), source);
                continue;
            }
            Err(e) => {
                let path = e.path().unwrap_or(&root).to_owned();
                return Err(Error::io(&path, e.into()));
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        let path = below(entry.path());
        // The list that `tfr extract` writes beside class folders has a warning of its own.
        if IMAGE_LISTS.contains(&&*path) {
            continue;
        }
        if !entry.file_type().is_file() {
            refuse(entry.path(), path, sys::kind_of(&entry.file_type()).to_owned() + ", not a file", source);
            continue;
        }
        if !is_image(entry.path()) {
            source.passed_over.note(entry.path());
            continue;
        }
        if entry.path().to_str().is_none() {
            source.bad.push((path, "the name is not UTF-8".into()));
            continue;
        }
        match entry.metadata() {
            Ok(meta) => files.push(SourceFile::new(path, class, &meta)),
            Err(e) => source.bad.push((path, reason(&e))),
        }
    }
    source.warnings.extend(loops.into_inner());
    Ok(())
}

/// What is no ordinary file is bad where it is named as an image, and passed over where it is not.
pub(super) fn refuse(path: &Path, below: String, reason: String, source: &mut Source) {
    match is_image(path) {
        true => source.bad.push((below, reason)),
        false => source.passed_over.note(path),
    }
}

fn is_denied(e: &walkdir::Error) -> bool {
    e.io_error().is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

fn reason(e: &walkdir::Error) -> String {
    e.io_error().map_or_else(|| e.to_string(), ToString::to_string)
}
