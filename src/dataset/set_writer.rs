//! A set of shards on disk: refused, resumed or replaced as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::index::{idx_path, write_idx};
use super::leftovers::clear_leftovers;
use super::manifest::{SetEntry, ShardEntry};
use super::marker::{Marker, may_begin};
use super::names::shard_file_name;
use super::set_files::{remove_if_there, remove_leftovers, shards_of};
use super::shard_writer::{ShardSummary, ShardWriter, summarize};
use super::swap::{self, Journal, finish_swap};
use crate::error::{Error, ErrorClass, Result};
use crate::job::in_order;
use crate::record::Compression;

/// Files that are flushed to disk at a time: a disk takes many at once in the time of one.
const SYNCING: usize = 32;

/// What is to be written.
#[derive(Debug, Clone)]
pub struct SetPlan {
    /// The set's name: a letter, then letters, digits, `_` and `-`; not `all`.
    pub name: String,
    /// The seed of the shuffle, for the manifest.
    pub seed: u64,
    /// The shards' compression.
    pub compression: Compression,
    /// How many records each shard is to hold.
    pub shard_records: Vec<u64>,
    /// A hash of what goes in: sources, their order, options. Goes into the manifest.
    pub plan: String,
    /// A hash of what must not change between a run and its resumption but does not belong into the manifest, such as
    /// the sources' times.
    pub stamp: String,
    /// Whether its records may have other features than the manifest lists: then TFDS's metadata leave it out.
    pub undescribed: bool,
}

/// What to do about shards of the set that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// An error (the default).
    #[default]
    Refuse,
    /// Keep what is whole of an earlier run with the same plan, write the rest.
    Resume,
    /// Write the new set beside the old one, and put it in its place once it is whole.
    Replace,
}

/// Writes the shards of one set into a directory, several at a time.
///
/// A shard is seen under its final name only when it is whole and on disk. Until [`finish`](SetWriter::finish), a
/// hidden plan file marks the set as unfinished; it is what [`Existing::Resume`] goes by, and is locked against a
/// second writer.
pub struct SetWriter {
    dir: PathBuf,
    plan: SetPlan,
    existing: Existing,
    /// Whether each shard was begun in this run.
    begun: Vec<AtomicBool>,
    /// The names of the set's shards that were there before this run.
    there: BTreeSet<String>,
    marker: Marker,
}

impl SetWriter {
    /// Begins a set in `dir`, which is made where it is missing.
    ///
    /// # Errors
    /// Usage errors: a name that cannot be, a set that is there and not to be replaced, an unfinished set of another
    /// plan, a second writer.
    pub fn create(dir: &Path, plan: SetPlan, existing: Existing) -> Result<Self> {
        check_set_name(&plan.name)?;
        fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        finish_swap(dir)?;
        let mut marker = Marker::open(dir, &plan.name)?;
        let there = shards_of(dir, &plan.name)?;
        if let Err(e) = may_begin(dir, &plan, existing, marker.begun.as_deref(), there.is_empty()) {
            if marker.begun.is_none() {
                remove_if_there(&marker.path)?;
            }
            return Err(e);
        }
        marker.write(&plan, existing)?;
        for dir in [dir, &dir.join("idx")] {
            remove_leftovers(dir, &plan.name)?;
            clear_leftovers(dir)?;
        }
        let begun = plan.shard_records.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(SetWriter { dir: dir.to_owned(), begun, plan, existing, there, marker })
    }

    /// How many shards the set has.
    pub fn count(&self) -> usize {
        self.plan.shard_records.len()
    }

    /// The shard that an earlier run has finished already, if it has and the set is resumed: it is read through. An error
    /// of `check`, which is asked before each record, ends that.
    pub fn kept(&self, index: usize, check: &dyn Fn() -> Result<()>) -> Result<Option<ShardSummary>> {
        let Some(&records) = self.plan.shard_records.get(index) else { return Ok(None) };
        if self.existing != Existing::Resume || !self.there.contains(&self.shard_name(index)) {
            return Ok(None);
        }
        match summarize(&self.final_path(index), check) {
            // A shard that lacks records lacks images that were left out; doing it again names them again.
            Ok(shard) => Ok((shard.records == records).then_some(shard)),
            Err(e) if e.class() == ErrorClass::Data => {
                log::warn!("written again: {e}");
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// Begins the shard with this number. It is held to the number of records that the plan gives it.
    pub fn shard(&self, index: usize) -> Result<ShardWriter> {
        if let Some(begun) = self.begun.get(index) {
            begun.store(true, Ordering::Relaxed);
        }
        let path = match self.existing {
            Existing::Replace => self.staged_path(index),
            _ => self.final_path(index),
        };
        let planned = self.plan.shard_records.get(index).copied().unwrap_or_default();
        Ok(ShardWriter::create(path, self.plan.compression)?.planned(planned))
    }

    /// Ends the set: `shards` are the summaries in order, as many as planned. Puts a replaced set into place, writes the indexes and the
    /// set's entry in the manifest, and removes what an earlier set has left.
    pub fn finish(self, shards: Vec<ShardSummary>) -> Result<Vec<ShardSummary>> {
        Ok(finish_sets(vec![self], vec![shards])?.pop().unwrap_or_default())
    }

    fn end(self, entry: SetEntry, mut shards: Vec<ShardSummary>) -> Result<Vec<ShardSummary>> {
        swap::put_in_place(&self.dir, &self.plan.name, &entry)?;
        for (index, shard) in shards.iter_mut().enumerate() {
            shard.path = self.final_path(index);
        }
        // Each is flushed to disk by itself: together they wait once.
        in_order(SYNCING, shards.len(), |index| match self.plan.compression {
            Compression::None => write_idx(&shards[index].path, &shards[index].spans).map(drop),
            _ => remove_if_there(&idx_path(&shards[index].path)),
        })?;
        swap::enter(&self.dir, &self.plan.name, entry)?;
        Ok(shards)
    }

    /// What the manifest will say of the set.
    pub(super) fn entry(&self, shards: &[ShardSummary]) -> SetEntry {
        let entries = shards.iter().enumerate().map(|(index, shard)| ShardEntry {
            path: self.shard_name(index),
            records: shard.records,
            bytes: shard.bytes,
            fingerprint: shard.fingerprint.clone(),
        });
        SetEntry {
            plan: self.plan.plan.clone(),
            stamp: self.plan.stamp.clone(),
            seed: self.plan.seed,
            records: shards.iter().map(|s| s.records).sum(),
            shards: entries.collect(),
            undescribed: self.plan.undescribed,
        }
    }

    /// Gives the set up: removes what this run has written, so that the same run can be tried again. No shard that was
    /// there before is removed.
    pub fn abandon(self) -> Result<()> {
        let mut rewritten = false;
        for index in 0..self.count() {
            remove_if_there(&self.staged_path(index))?;
            if !self.there.contains(&self.shard_name(index)) {
                remove_if_there(&self.final_path(index))?;
            } else if self.existing == Existing::Resume {
                rewritten |= self.begun[index].load(Ordering::Relaxed);
            }
        }
        // What an earlier run has left unfinished stays so, and so does a finished set in which a shard may be new.
        if self.marker.begun.is_none() && !rewritten {
            remove_if_there(&self.marker.path)?;
        }
        Ok(())
    }

    fn shard_name(&self, index: usize) -> String {
        shard_file_name(&self.plan.name, index, self.count(), self.plan.compression)
    }

    fn final_path(&self, index: usize) -> PathBuf {
        self.dir.join(self.shard_name(index))
    }

    fn staged_path(&self, index: usize) -> PathBuf {
        swap::staged_path(&self.dir, &self.shard_name(index))
    }
}

/// Ends sets of one directory, each with the summaries of its shards in order. Those that replace others take their place
/// together: of all of them or of none.
pub(crate) fn finish_sets(writers: Vec<SetWriter>, shards: Vec<Vec<ShardSummary>>) -> Result<Vec<Vec<ShardSummary>>> {
    let Some(dir) = writers.first().map(|writer| writer.dir.clone()) else { return Ok(Vec::new()) };
    if writers.len() != shards.len() || writers.iter().zip(&shards).any(|(writer, s)| writer.count() != s.len()) {
        return Err(Error::usage("a set cannot be ended with another number of shards than was planned").at_path(&dir));
    }
    let mut journal = Journal::default();
    for (writer, shards) in writers.iter().zip(&shards).filter(|(writer, _)| writer.existing == Existing::Replace) {
        journal.sets.insert(writer.plan.name.clone(), writer.entry(shards));
    }
    if !journal.sets.is_empty() {
        journal.write(&dir)?;
    }
    let ended = writers.into_iter().zip(shards).map(|(writer, shards)| {
        let entry = writer.entry(&shards);
        writer.end(entry, shards)
    });
    let ended = ended.collect::<Result<_>>()?;
    swap::end(&dir)?;
    Ok(ended)
}

/// A set's name goes into file names and TFDS metadata: `[A-Za-z][\w-]*`, ASCII, and not `all`, which TFDS cannot take.
pub(crate) fn check_set_name(name: &str) -> Result<()> {
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && name != "all";
    if good {
        return Ok(());
    }
    Err(Error::usage_hint(
        format!("'{name}' cannot name a set"),
        "a letter first, then letters, digits, '_' and '-'; 'all' is taken",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Manifest;
    use super::super::set_files::names_in;
    use super::*;
    use crate::error::ErrorKind;

    fn kept(set: &SetWriter, index: usize) -> Option<ShardSummary> {
        set.kept(index, &|| Ok(())).unwrap()
    }

    fn plan(shard_records: &[u64], plan: &str) -> SetPlan {
        SetPlan {
            name: "train".into(),
            seed: 0,
            compression: Compression::None,
            shard_records: shard_records.to_vec(),
            plan: plan.into(),
            stamp: String::new(),
            undescribed: false,
        }
    }

    fn write_one(set: &SetWriter, index: usize, records: u64) -> ShardSummary {
        let mut shard = set.shard(index).unwrap();
        (0..records).for_each(|r| shard.write(&r.to_le_bytes()).unwrap());
        (records..set.plan.shard_records[index]).for_each(|_| shard.leave_out());
        shard.finish().unwrap()
    }

    fn visible(dir: &Path) -> Vec<String> {
        names_in(dir).unwrap().into_iter().filter(|n| !n.starts_with('.')).collect()
    }

    #[test]
    fn an_unfinished_set_is_refused_resumed_and_then_whole() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let set = SetWriter::create(dir, plan(&[2, 3], "p"), Existing::Refuse).unwrap();
        write_one(&set, 0, 2);
        drop(set);
        fs::write(dir.join(".train-00001-of-00002.tfrecord.XyZ.tmp"), b"half").unwrap();
        fs::create_dir_all(dir.join("idx")).unwrap();
        let half_index = dir.join("idx/.train-00000-of-00002.idx.XyZ.tmp");
        fs::write(&half_index, b"half").unwrap();
        let refused = SetWriter::create(dir, plan(&[2, 3], "p"), Existing::Refuse).err().unwrap();
        assert!(refused.hint().unwrap().contains("--resume"));
        let other = SetWriter::create(dir, plan(&[2, 3], "q"), Existing::Resume).err().unwrap();
        assert!(other.to_string().contains("other sources or options"));
        let set = SetWriter::create(dir, plan(&[2, 3], "p"), Existing::Resume).unwrap();
        let first = kept(&set, 0).unwrap();
        assert!(kept(&set, 1).is_none() && kept(&set, 2).is_none());
        let second = write_one(&set, 1, 3);
        set.finish(vec![first, second]).unwrap();
        assert_eq!(
            names_in(dir).unwrap(),
            ["idx", "manifest.json", "train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"]
        );
        assert!(!half_index.exists());
        assert_eq!(Manifest::read(dir).unwrap().unwrap().sets["train"].records, 5);
        let again = SetWriter::create(dir, plan(&[2, 3], "p"), Existing::Resume).unwrap();
        assert!(kept(&again, 0).is_some() && kept(&again, 1).is_some());
        let interrupted = again.kept(0, &|| Err(Error::new(ErrorKind::Interrupted))).unwrap_err();
        assert_eq!(interrupted.kind_name(), "interrupted");
    }

    #[test]
    fn a_replaced_set_is_there_until_the_new_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let set = SetWriter::create(dir, plan(&[1, 1], "p"), Existing::Refuse).unwrap();
        let shards = vec![write_one(&set, 0, 1), write_one(&set, 1, 1)];
        set.finish(shards).unwrap();
        let before = visible(dir);
        assert!(SetWriter::create(dir, plan(&[4], "q"), Existing::Refuse).is_err());
        let set = SetWriter::create(dir, plan(&[4], "q"), Existing::Replace).unwrap();
        let shard = write_one(&set, 0, 4);
        assert_eq!(visible(dir), before);
        set.finish(vec![shard]).unwrap();
        assert_eq!(names_in(dir).unwrap(), ["idx", "manifest.json", "train-00000-of-00001.tfrecord"]);
        assert_eq!(visible(&dir.join("idx")), ["train-00000-of-00001.idx"]);
    }

    #[test]
    fn an_interrupted_replacement_is_never_resumed_from_the_earlier_set() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let set = SetWriter::create(dir, plan(&[1, 1], "p"), Existing::Refuse).unwrap();
        let shards = vec![write_one(&set, 0, 1), write_one(&set, 1, 1)];
        set.finish(shards).unwrap();
        let set = SetWriter::create(dir, plan(&[1, 1], "q"), Existing::Replace).unwrap();
        write_one(&set, 0, 1);
        drop(set);
        fs::write(dir.join("..train-00001-of-00002.tfrecord.new.tmp.XyZ.tmp"), b"half").unwrap();
        for existing in [Existing::Resume, Existing::Refuse] {
            let error = SetWriter::create(dir, plan(&[1, 1], "q"), existing).err().unwrap();
            assert!(error.hint().unwrap().contains("--force") && !error.hint().unwrap().contains("--resume"));
        }
        let set = SetWriter::create(dir, plan(&[1, 1], "q"), Existing::Replace).unwrap();
        let hidden = names_in(dir).unwrap().into_iter().filter(|n| n.starts_with('.')).collect::<Vec<_>>();
        assert_eq!(hidden, [".train.plan"], "nothing is left of the interrupted run");
        let shards = vec![write_one(&set, 0, 1), write_one(&set, 1, 1)];
        set.finish(shards).unwrap();
        assert_eq!(Manifest::read(dir).unwrap().unwrap().sets["train"].plan, "q");
    }

    #[test]
    fn a_resumption_given_up_removes_no_shard_that_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        // The second shard lacks a record that was left out.
        let set = SetWriter::create(dir, plan(&[2, 2], "p"), Existing::Refuse).unwrap();
        let shards = vec![write_one(&set, 0, 2), write_one(&set, 1, 1)];
        set.finish(shards).unwrap();
        let before = visible(dir);
        SetWriter::create(dir, plan(&[2, 2], "p"), Existing::Resume).unwrap().abandon().unwrap();
        assert_eq!(visible(dir), before);
    }

    #[test]
    fn a_shard_with_other_records_than_planned_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let set = SetWriter::create(dir, plan(&[2, 1], "p"), Existing::Refuse).unwrap();
        for records in [1, 3] {
            let mut shard = set.shard(0).unwrap();
            (0..records).for_each(|_| shard.write(b"x").unwrap());
            let error = shard.finish().unwrap_err();
            assert!(error.to_string().contains(&format!("2 records were planned, {records} are written")), "{error}");
            assert!(visible(dir).is_empty(), "nothing is seen of it");
        }
        let first = write_one(&set, 0, 2);
        let error = set.finish(vec![first]).unwrap_err();
        assert!(error.to_string().contains("another number of shards"), "{error}");
        assert!(!dir.join("manifest.json").exists());
    }

    #[test]
    fn only_shards_are_taken_for_shards() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let others =
            ["train-00000-of-00002.tfrecord.bak", "train-00000-of-00002.tfrecord.idx", "train-0-of-2.tfrecord"];
        others.iter().for_each(|name| fs::write(dir.join(name), b"mine").unwrap());
        let set = SetWriter::create(dir, plan(&[1], "p"), Existing::Replace).unwrap();
        let shard = write_one(&set, 0, 1);
        set.finish(vec![shard]).unwrap();
        assert!(others.iter().all(|name| dir.join(name).exists()));
    }

    #[test]
    fn a_damaged_shard_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let set = SetWriter::create(dir, plan(&[2], "p"), Existing::Refuse).unwrap();
        let path = write_one(&set, 0, 2).path;
        drop(set);
        let mut data = fs::read(&path).unwrap();
        data[13] ^= 1;
        fs::write(&path, data).unwrap();
        assert!(kept(&SetWriter::create(dir, plan(&[2], "p"), Existing::Resume).unwrap(), 0).is_none());
    }

    #[test]
    fn two_writers_of_one_set_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = SetWriter::create(dir.path(), plan(&[1], "p"), Existing::Refuse).unwrap();
        let second = SetWriter::create(dir.path(), plan(&[1], "p"), Existing::Resume).err().unwrap();
        assert!(second.to_string().contains("another process"), "{second}");
    }

    #[test]
    fn names_that_cannot_be() {
        for bad in ["", "all", "1st", "a.b", "a/b", "ä"] {
            assert!(check_set_name(bad).is_err(), "{bad}");
        }
        for good in ["train", "a-b_C1"] {
            assert!(check_set_name(good).is_ok(), "{good}");
        }
    }
}
