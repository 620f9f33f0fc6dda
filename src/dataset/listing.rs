//! The files that a directory, a glob or `name@8` stands for.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::names::{is_shard_name, shard_file_name};
use super::shares::MAX_SHARDS;
use crate::error::{Error, Result};
use crate::record::{Compression, DETECT_LEN, frame, read_full};
use crate::sys;

/// The files of a directory.
pub(super) struct Listed {
    pub(super) shards: Vec<PathBuf>,
    /// Those that hold records as well, but have no shard's name where others have.
    pub(super) passed_over: Vec<PathBuf>,
}

/// The last part of a path, as text.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The shards of a directory, by name; where no name tells, by their first header.
pub(super) fn directory(dir: &Path) -> Result<Listed> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let (mut shards, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|p| is_shard_name(&file_name(p)));
    let mut passed_over: Vec<PathBuf> = others.into_iter().filter(|p| starts_like_a_shard(p)).collect();
    if shards.is_empty() {
        shards = std::mem::take(&mut passed_over);
    }
    if shards.is_empty() {
        return Err(Error::usage_hint(
            format!("no shards in the directory {}", dir.display()),
            "name the shard files or a glob; a directory of images becomes shards with `tfr convert`",
        ));
    }
    Ok(Listed { shards, passed_over })
}

/// Whether the file's first header verifies, or that of what it inflates to.
fn starts_like_a_shard(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut header = [0; frame::HEADER_LEN];
    if read_full(&mut file, &mut header).is_ok_and(|n| n == header.len()) {
        let could_be_compressed = header.starts_with(&[0x1f, 0x8b]) || header[0] & 0x0f == 8;
        return frame::parse_header(&header, u64::MAX).is_ok() || could_be_compressed && is_compressed(file, &header);
    }
    false
}

/// Whether a file, of which `start` was read, is a compressed shard.
fn is_compressed(mut file: File, start: &[u8]) -> bool {
    let mut data = vec![0; DETECT_LEN];
    data[..start.len()].copy_from_slice(start);
    read_full(&mut file, &mut data[start.len()..])
        .is_ok_and(|n| Compression::detect(&data[..start.len() + n]) != Compression::None)
}

/// Matches what the pattern says, hidden files left out.
pub(super) fn glob(pattern: &str) -> Result<Vec<PathBuf>> {
    let nothing = || {
        Error::usage_hint(
            format!("nothing matches '{pattern}'"),
            "check the spelling; a path is a file, a directory, a quoted glob, or NAME@COUNT",
        )
    };
    let pattern = pattern.trim_start_matches("./");
    if pattern == "-" {
        return Err(Error::usage_hint(
            "standard input is not read here: the shards are read more than once, or with what lies beside them",
            "name files, a directory, a quoted glob, or NAME@COUNT",
        ));
    }
    match fs::metadata(pattern) {
        Ok(found) if !found.is_file() && !found.is_dir() => return Err(no_file(pattern, &found.file_type())),
        Err(e) if e.kind() == ErrorKind::NotFound && Path::new(pattern).is_symlink() => {
            let hint = "name the file itself, or make the link again";
            return Err(Error::usage_hint(format!("'{pattern}' is a link to nothing"), hint));
        }
        // Says more than that nothing matches.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => return Err(Error::io(Path::new(pattern), e)),
        _ => {}
    }
    if !pattern.contains(['*', '?', '[', '{']) {
        return Err(nothing());
    }
    let matcher = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|e| Error::usage(format!("'{pattern}' is not a glob: {}", e.kind())))?
        .compile_matcher();
    // Walk from the last folder that the pattern names literally.
    let literal = &pattern[..pattern.find(['*', '?', '[', '{']).unwrap_or(0)];
    let base = Path::new(&literal[..literal.rfind('/').map_or(0, |i| i + 1)]);
    let depth = pattern[base.as_os_str().len()..].matches('/').count() + 1;
    let start = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let walk = walkdir::WalkDir::new(start).follow_links(true);
    let walk = if pattern.contains("**") { walk } else { walk.max_depth(depth) };
    let mut failed = Vec::new();
    let mut found: Vec<PathBuf> = walk
        .into_iter()
        .filter_map(|entry| entry.map_err(|e| failed.push(e)).ok())
        .filter(|e| e.file_type().is_file())
        .map(|e| e.path().strip_prefix("./").unwrap_or(e.path()).to_owned())
        .filter(|p| matcher.is_match(p))
        .filter(|p| p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')))
        .collect();
    // A folder that cannot be read may hold shards; one that is not there holds none.
    let failed = failed.into_iter().filter_map(|e| Some((e.path()?.to_owned(), e.into_io_error()?)));
    if let Some((path, e)) = failed.into_iter().find(|(_, e)| e.kind() != ErrorKind::NotFound) {
        return Err(Error::io(&path, e));
    }
    found.sort();
    if found.is_empty() { Err(nothing()) } else { Ok(found) }
}

/// What is there, and is neither a file nor a directory.
fn no_file(path: &str, kind: &fs::FileType) -> Error {
    let what = sys::special_file(kind);
    let hint = "shards are mapped, or read more than once: name files; a stream goes to `-` (standard input), where the verb takes one";
    Error::usage_hint(format!("'{path}' is {what}, not a file"), hint)
}

/// The shards of `name@count` that are there, in the first of the usual forms that has any; and what is missing.
pub(super) fn numbered_set(name: &str, count: usize) -> Result<(Vec<PathBuf>, Option<Error>)> {
    if !(1..=MAX_SHARDS).contains(&count) {
        return Err(Error::usage(format!("'{name}@{count}': a set has from 1 to {MAX_SHARDS} shards")));
    }
    let forms: [&dyn Fn(usize) -> String; 5] = [
        &|i| shard_file_name(name, i, count, Compression::None),
        &|i| shard_file_name(name, i, count, Compression::Gzip),
        &|i| shard_file_name(name, i, count, Compression::Zlib),
        &|i| format!("{name}-{i:05}-of-{count:05}"),
        &|i| format!("{name}.tfrecord-{i:05}-of-{count:05}"),
    ];
    for form in forms {
        let (there, missing): (Vec<PathBuf>, Vec<PathBuf>) =
            (0..count).map(|i| PathBuf::from(form(i))).partition(|p| p.is_file());
        match missing.first() {
            None => return Ok((there, None)),
            Some(first) if !there.is_empty() => {
                let detail = format!("'{name}@{count}' lacks {} of its {count} shards", missing.len());
                return Ok((there, Some(Error::new(crate::ErrorKind::MissingShard { detail }).at_path(first))));
            }
            _ => {}
        }
    }
    Err(Error::usage_hint(
        format!("nothing matches '{name}@{count}'"),
        format!("the first shard would be {}", shard_file_name(name, 0, count, Compression::None)),
    ))
}
