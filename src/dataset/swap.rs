//! Putting new sets into the place of earlier ones: a journal tells which, so that the next run ends what a kill has
//! interrupted, and no set is left half old and half new.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::index::{build_index, idx_path, write_idx};
use super::manifest::{Manifest, SetEntry, fingerprint};
use super::marker::marker_path;
use super::set_files::{is_shard_of, remove_if_there, shards_of};
use super::shard_writer::{TEMP_SUFFIX, write_atomically};
use crate::error::{Error, Result};
use crate::record::Io;
use crate::side_file;
use crate::sys;

const JOURNAL_NAME: &str = ".swap.json";

/// The sets that are whole beside the earlier ones, by name.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) sets: BTreeMap<String, SetEntry>,
}

impl Journal {
    pub(super) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(JOURNAL_NAME);
        let Some(text) = side_file::read(&path)? else { return Ok(None) };
        let invalid =
            |what: String| Error::metadata(&path, format!("{what}: remove this file, and begin again with `--force`"));
        let journal: Journal = serde_json::from_slice(&text).map_err(|e| invalid(format!("no valid journal: {e}")))?;
        let shards =
            journal.sets.iter().flat_map(|(name, set)| set.shards.iter().map(move |shard| (name, &shard.path)));
        for (name, shard) in shards {
            if !is_shard_of(shard, name) {
                return Err(invalid(format!("'{shard}' is no shard of the set '{name}'")));
            }
        }
        Ok(Some(journal))
    }

    /// From here on the new sets are those of the directory.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(JOURNAL_NAME);
        let text = serde_json::to_vec(self).map_err(|e| Error::metadata(&path, e.to_string()))?;
        write_atomically(&path, &text)?;
        sys::sync_dir(dir).map_err(|e| Error::io(dir, e))
    }

    /// Whether every shard is there, whole, under either name.
    fn can_be_finished(&self, dir: &Path) -> bool {
        self.sets.values().flat_map(|set| &set.shards).all(|shard| {
            let is_it = |path: &Path| fingerprint(path).is_ok_and(|found| found == shard.fingerprint);
            is_it(&staged_path(dir, &shard.path)) || is_it(&dir.join(&shard.path))
        })
    }
}

/// Ends what a killed run has begun to put into place. Whether there was something.
///
/// Where a new shard is gone, the sets stay marked as unfinished, to be begun anew.
pub(crate) fn finish_swap(dir: &Path) -> Result<bool> {
    let Some(journal) = Journal::read(dir)? else { return Ok(false) };
    if journal.can_be_finished(dir) {
        for (name, set) in &journal.sets {
            put_in_place(dir, name, set)?;
            for path in set.shards.iter().map(|shard| dir.join(&shard.path)) {
                if path.extension().is_some_and(|e| e == "tfrecord") {
                    write_idx(&path, &build_index(&path, Io::default())?)?;
                } else {
                    remove_if_there(&idx_path(&path))?;
                }
            }
            enter(dir, name, set.clone())?;
        }
    } else {
        log::warn!("{}: a replacement was interrupted, and a shard of it is gone", dir.display());
    }
    end(dir)?;
    Ok(true)
}

/// Removes the journal.
pub(super) fn end(dir: &Path) -> Result<()> {
    remove_if_there(&dir.join(JOURNAL_NAME))
}

/// Gives the shards of a set that are staged their names, and removes those of the earlier set.
pub(super) fn put_in_place(dir: &Path, name: &str, set: &SetEntry) -> Result<()> {
    for shard in &set.shards {
        let path = dir.join(&shard.path);
        match fs::rename(staged_path(dir, &shard.path), &path) {
            // It has its name already.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            renamed => renamed.map_err(|e| Error::io(&path, e))?,
        }
    }
    let new: BTreeSet<&str> = set.shards.iter().map(|shard| shard.path.as_str()).collect();
    for old in shards_of(dir, name)?.iter().filter(|old| !new.contains(old.as_str())).map(|old| dir.join(old)) {
        // The index first: after a kill, an index without its shard would never be found.
        remove_if_there(&idx_path(&old))?;
        remove_if_there(&old)?;
    }
    sys::sync_dir(dir).map_err(|e| Error::io(dir, e))
}

/// Enters a set that is in place into the manifest, and takes its marker away.
pub(super) fn enter(dir: &Path, name: &str, set: SetEntry) -> Result<()> {
    let mut manifest = Manifest::read(dir)?.unwrap_or_default();
    manifest.sets.insert(name.to_owned(), set);
    manifest.write(dir)?;
    remove_if_there(&marker_path(dir, name))
}

/// Where a shard of this name waits to be put into place.
pub(super) fn staged_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.new{TEMP_SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::super::set_writer::{Existing, SetPlan, SetWriter};
    use super::super::shard_writer::ShardSummary;
    use super::*;
    use crate::record::{Compression, Shard};

    fn begin(dir: &Path, set: &str, plan: &str, shards: usize, existing: Existing) -> Result<SetWriter> {
        let plan = SetPlan {
            name: set.into(),
            seed: 7,
            compression: Compression::None,
            shard_records: vec![1; shards],
            plan: plan.into(),
            stamp: "s".into(),
            undescribed: false,
        };
        SetWriter::create(dir, plan, existing)
    }

    fn write(set: &SetWriter, payload: &[u8]) -> Vec<ShardSummary> {
        let shards = (0..set.count()).map(|index| {
            let mut shard = set.shard(index).unwrap();
            shard.write(payload).unwrap();
            shard.finish().unwrap()
        });
        shards.collect()
    }

    /// A directory with the sets train and val of three shards each, both about to be replaced by sets of two, after the
    /// journal was written.
    fn killed() -> tempfile::TempDir {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path();
        let mut journal = Journal::default();
        for set in ["train", "val"] {
            let writer = begin(dir, set, "old", 3, Existing::Refuse).unwrap();
            let shards = write(&writer, b"old");
            writer.finish(shards).unwrap();
            let writer = begin(dir, set, "new", 2, Existing::Replace).unwrap();
            let shards = write(&writer, b"new!");
            journal.sets.insert(set.into(), writer.entry(&shards));
        }
        journal.write(dir).unwrap();
        tmp
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_swap_killed_anywhere_is_finished_by_the_next_run() {
        type Step = fn(&Path);
        let steps: [Step; 6] = [
            |_| {},
            |dir| {
                let name = "train-00000-of-00002.tfrecord";
                fs::rename(staged_path(dir, name), dir.join(name)).unwrap();
            },
            |dir| {
                let name = "train-00001-of-00002.tfrecord";
                fs::rename(staged_path(dir, name), dir.join(name)).unwrap();
            },
            |dir| fs::remove_file(idx_path(&dir.join("train-00000-of-00003.tfrecord"))).unwrap(),
            |dir| fs::remove_file(dir.join("train-00000-of-00003.tfrecord")).unwrap(),
            |dir| {
                let set = Journal::read(dir).unwrap().unwrap().sets["train"].clone();
                put_in_place(dir, "train", &set).unwrap();
                enter(dir, "train", set).unwrap();
            },
        ];
        for killed_after in 0..steps.len() {
            let tmp = killed();
            let dir = tmp.path();
            steps[..=killed_after].iter().for_each(|step| step(dir));
            // Whatever is asked for, and of whichever set.
            let existing = [Existing::Refuse, Existing::Resume][killed_after % 2];
            begin(dir, "other", "o", 1, existing).unwrap().abandon().unwrap();
            let expected = ["train-00000-of-00002", "train-00001-of-00002", "val-00000-of-00002", "val-00001-of-00002"];
            let mut all = vec!["idx".to_owned(), "manifest.json".to_owned()];
            all.extend(expected.map(|name| format!("{name}.tfrecord")));
            assert_eq!(names(dir), all, "killed after step {killed_after}");
            assert_eq!(names(&dir.join("idx")), expected.map(|name| format!("{name}.idx")));
            let manifest = Manifest::read(dir).unwrap().unwrap();
            assert!(manifest.sets.values().all(|set| set.plan == "new" && set.records == 2 && set.seed == 7));
            for name in expected {
                let shard = Shard::open(dir.join(format!("{name}.tfrecord"))).unwrap();
                assert_eq!(shard.records().next().unwrap().unwrap().payload, b"new!");
            }
        }
    }

    #[test]
    fn a_new_shard_that_is_gone_leaves_the_set_to_be_begun_anew() {
        let tmp = killed();
        let dir = tmp.path();
        fs::remove_file(staged_path(dir, "val-00001-of-00002.tfrecord")).unwrap();
        let error = begin(dir, "train", "new", 2, Existing::Resume).err().unwrap();
        assert!(error.hint().unwrap().contains("--force"), "{error}");
        assert!(dir.join("train-00002-of-00003.tfrecord").exists() && !dir.join(JOURNAL_NAME).exists());
        let writer = begin(dir, "train", "new", 2, Existing::Replace).unwrap();
        let shards = write(&writer, b"new!");
        writer.finish(shards).unwrap();
        assert_eq!(shards_of(dir, "train").unwrap().len(), 2);
    }

    #[test]
    fn a_journal_names_nothing_but_shards() {
        let tmp = killed();
        let dir = tmp.path();
        for bad in ["../train-00000-of-00002.tfrecord", "labels.txt", "val-00000-of-00002.tfrecord"] {
            let mut journal = Journal::read(dir).unwrap().unwrap_or_default();
            journal.sets.get_mut("train").unwrap().shards[0].path = bad.into();
            let text = serde_json::to_vec(&journal).unwrap();
            let path = dir.join(JOURNAL_NAME);
            let whole = fs::read(&path).unwrap();
            for bad in [&text[..], b"{"] {
                fs::write(&path, bad).unwrap();
                let error = begin(dir, "train", "new", 2, Existing::Replace).err().unwrap();
                assert!(error.to_string().contains("remove this file"), "{error}");
            }
            fs::write(&path, whole).unwrap();
        }
    }
}
