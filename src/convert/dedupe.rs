//! Leaving out files whose bytes another file has: no image twice, and none in two sets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::report::Duplicate;
use super::source::{Source, SourceFile};
use crate::dataset::{Part, part_of_set};
use crate::error::Result;
use crate::job::Job;

/// How much of a file is read at a time.
const READ_LEN: usize = 64 << 10;
/// Duplicates across classes that are warned of one by one.
const MOST_WARNINGS: usize = 10;

/// Where a file is: the number of its split, its number there.
type Place = (usize, usize);

/// Takes the files out of the source whose bytes an earlier one has. Only files of equal length are read.
///
/// A file that cannot be read stays: storing it will tell why.
pub(super) fn remove_duplicates(
    source: &mut Source,
    job: &Job<'_>,
    pool: &rayon::ThreadPool,
) -> Result<Vec<Duplicate>> {
    let places = of_equal_length(&ranked(source));
    let at = |(split, index): Place| -> &SourceFile { &source.sets[split].1[index] };
    let done = job.counter(places.iter().map(|&place| at(place).size).sum());
    let hash_of = |buffer: &mut Vec<u8>, place: &Place| {
        job.check()?;
        let file = at(*place);
        let hash = hash(&source.root.join(&*file.path), buffer);
        done.add(file.size);
        Ok(hash)
    };
    let hashes: Vec<Option<[u8; 32]>> =
        pool.install(|| places.par_iter().map_init(|| vec![0; READ_LEN], hash_of).collect::<Result<_>>())?;
    let mut first: HashMap<[u8; 32], Place> = HashMap::new();
    let (mut duplicates, mut dropped, mut across) = (Vec::new(), Vec::new(), Vec::new());
    for (&place, hash) in places.iter().zip(hashes) {
        let Some(hash) = hash else { continue };
        let kept = match first.entry(hash) {
            Entry::Vacant(free) => {
                free.insert(place);
                continue;
            }
            Entry::Occupied(kept) => at(*kept.get()),
        };
        let file = at(place);
        if file.class != kept.class {
            across
                .push(format!("{} and {} are the same image in two classes; the first is kept", kept.path, file.path));
        }
        duplicates.push(Duplicate { path: file.path.to_string(), of: kept.path.to_string() });
        dropped.push(place);
    }
    if across.len() > MOST_WARNINGS {
        let more = across.len() - MOST_WARNINGS;
        across.truncate(MOST_WARNINGS);
        across.push(format!("{more} more images are in two classes; the first of each is kept"));
    }
    source.warnings.append(&mut across);
    dropped.sort_unstable();
    for (split, (_, files)) in source.sets.iter_mut().enumerate() {
        let mut index = 0;
        files.retain(|_| {
            let gone = dropped.binary_search(&(split, index)).is_ok();
            index += 1;
            !gone
        });
    }
    Ok(duplicates)
}

/// Every file's length and place, in the order that decides which of several is kept: what is trained on first, what is
/// tested on last.
fn ranked(source: &Source) -> Vec<(u64, Place)> {
    let mut splits: Vec<usize> = (0..source.sets.len()).collect();
    splits.sort_by_key(|&split| match part_of_set(source.sets[split].0.as_deref()) {
        Part::Train => 0,
        Part::Validation | Part::Unlabeled => 1,
        Part::Test => 2,
    });
    let files = |split: usize| source.sets[split].1.iter().enumerate().map(move |(i, f)| (f.size, (split, i)));
    splits.into_iter().flat_map(files).collect()
}

/// The places of those whose length another one has, in the same order. Empty files are no images, each of them.
fn of_equal_length(files: &[(u64, Place)]) -> Vec<Place> {
    let mut lengths: Vec<u64> = files.iter().map(|(length, _)| *length).collect();
    lengths.sort_unstable();
    let is_shared = |length: u64| {
        let at = lengths.partition_point(|l| *l < length);
        length > 0 && lengths.get(at + 1) == Some(&length)
    };
    files.iter().filter(|(length, _)| is_shared(*length)).map(|(_, place)| *place).collect()
}

fn hash(path: &Path, buffer: &mut [u8]) -> Option<[u8; 32]> {
    let mut file = File::open(path).ok()?;
    let mut hash = Sha256::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Some(hash.finalize().into()),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A split by name; its files by path, class and bytes.
    type Split<'a> = (Option<&'a str>, &'a [(&'a str, u32, &'a str)]);

    fn source(dir: &Path, splits: &[Split<'_>]) -> Source {
        let sets = splits.iter().map(|(name, files)| {
            let files = files.iter().map(|(path, class, bytes)| {
                let at = dir.join(path);
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                std::fs::write(at, bytes).unwrap();
                let size = bytes.len() as u64;
                SourceFile { path: (*path).into(), class: Some(*class), size, modified: 0, notes: None }
            });
            (name.map(str::to_owned), files.collect())
        });
        Source { root: dir.to_owned(), sets: sets.collect(), ..Source::default() }
    }

    fn run(source: &mut Source, threads: usize) -> Result<Vec<Duplicate>> {
        let job = Job { threads, ..Job::default() };
        remove_duplicates(source, &job, &job.pool()?)
    }

    #[test]
    fn the_first_of_the_training_set_is_kept_and_the_test_set_comes_last() {
        let dir = tempfile::tempdir().unwrap();
        let splits: [Split<'_>; 3] = [
            (Some("test"), &[("test/a/1", 0, "one"), ("test/a/2", 0, "two"), ("test/a/3", 0, "six")]),
            (Some("train"), &[("train/a/1", 0, "one"), ("train/a/2", 0, "one"), ("train/b/4", 1, "four")]),
            (Some("val"), &[("val/a/7", 0, "two"), ("val/b/8", 1, "six")]),
        ];
        for threads in [1, 3] {
            let mut source = source(dir.path(), &splits);
            let duplicates = run(&mut source, threads).unwrap();
            let pairs: Vec<_> = duplicates.iter().map(|d| (d.path.as_str(), d.of.as_str())).collect();
            assert_eq!(
                pairs,
                [
                    ("train/a/2", "train/a/1"),
                    ("test/a/1", "train/a/1"),
                    ("test/a/2", "val/a/7"),
                    ("test/a/3", "val/b/8")
                ]
            );
            let left: Vec<usize> = source.sets.iter().map(|(_, files)| files.len()).collect();
            assert_eq!(left, [0, 2, 2]);
            assert_eq!(source.warnings.len(), 1);
            assert!(source.warnings[0].contains("val/b/8") && source.warnings[0].contains("test/a/3"));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_stays_and_many_warnings_become_one() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..30).map(|i| format!("a/{i:02}")).collect();
        let files: Vec<_> = names.iter().zip(0..).map(|(name, class)| (name.as_str(), class, "same")).collect();
        let mut source = source(dir.path(), &[(None, &files)]);
        std::fs::remove_file(dir.path().join("a/00")).unwrap();
        let duplicates = run(&mut source, 2).unwrap();
        assert_eq!((duplicates.len(), duplicates[0].of.as_str()), (28, "a/01"));
        assert_eq!(source.sets[0].1.len(), 2);
        assert_eq!(source.warnings.len(), MOST_WARNINGS + 1);
        assert!(source.warnings[MOST_WARNINGS].starts_with("18 more"));
    }

    #[test]
    fn empty_files_are_no_duplicates() {
        let dir = tempfile::tempdir().unwrap();
        let mut source = source(dir.path(), &[(None, &[("a/1", 0, ""), ("a/2", 0, "")])]);
        assert_eq!(run(&mut source, 1).unwrap(), []);
    }

    #[test]
    fn it_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let mut source = source(dir.path(), &[(None, &[("a/1", 0, "x"), ("a/2", 0, "x")])]);
        let stop = true.into();
        let job = Job { stop: Some(&stop), ..Job::default() };
        let error = remove_duplicates(&mut source, &job, &job.pool().unwrap()).unwrap_err();
        assert_eq!(error.kind_name(), "interrupted");
    }
}
