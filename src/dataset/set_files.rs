//! The files of a set in a directory: exactly those that the writer names, so that nothing else is ever removed.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::names::{NumberedName, shard_file_name};
use super::shard_writer::TEMP_SUFFIX;
use crate::error::{Error, Result};
use crate::record::Compression;

pub(super) fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).map_err(|e| Error::io(dir, e))?;
    let names = entries.map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>, _>>().map_err(|e| Error::io(dir, e))?;
    names.sort();
    Ok(names)
}

/// The names of the shards of set `name` that are in `dir`, of whatever count and compression.
pub(super) fn shards_of(dir: &Path, name: &str) -> Result<BTreeSet<String>> {
    Ok(names_in(dir)?.into_iter().filter(|file| is_shard_of(file, name)).collect())
}

/// Whether a file's name is one that the writer gives shards of set `name`.
pub(super) fn is_shard_of(file: &str, name: &str) -> bool {
    let compressions = [Compression::None, Compression::Gzip, Compression::Zlib];
    NumberedName::parse(file)
        .is_some_and(|n| compressions.iter().any(|c| file == shard_file_name(name, n.index, n.count, *c)))
}

/// Removes what a killed run has left half-written.
pub(super) fn remove_leftovers(dir: &Path, name: &str) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for file in names_in(dir)? {
        // The temporary file of a staged shard has two dots.
        let hidden = file.starts_with('.').then(|| file.trim_start_matches('.'));
        let ours = hidden.and_then(|f| f.strip_suffix(TEMP_SUFFIX)).is_some_and(|f| {
            let stem = f.split_once(".tfrecord").or_else(|| f.split_once(".idx"));
            stem.and_then(|(f, _)| NumberedName::parse(f)).is_some_and(|n| n.set == name)
        });
        if ours {
            remove_if_there(&dir.join(file))?;
        }
    }
    Ok(())
}

pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(path, e)),
        _ => Ok(()),
    }
}
