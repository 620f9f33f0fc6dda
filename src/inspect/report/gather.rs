//! What a page tells, out of what was counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bins::Draw;
use super::tally::{ClassKey, ClassTable, DECODED, ImageFacts, Lengths, MOST_CLASSES, VALUED, shorten};
use crate::dataset::{Classes, ResolvedSets};
use crate::inspect::duplicates::Groups;
use crate::inspect::features::{FeatureInfo, FeatureTable};
use crate::inspect::finding::{FindingCounts, Key};
use crate::inspect::message::MessageType;
use crate::inspect::stats::LABEL_NAMES;
use crate::inspect::survey::Survey;
use crate::inspect::validate::Report;
use crate::record::Compression;

/// Everything that is told, but for the pixels.
pub(super) struct Facts {
    /// By name: sets of one name in several folders are one.
    pub(super) sets: Vec<SetFacts>,
    /// In the order that places count them.
    pub(super) shards: Vec<ShardFacts>,
    /// The folder that all shards lie in; empty where there is none but the root or the current one.
    pub(super) folder: PathBuf,
    pub(super) features: Features,
    pub(super) classes: ClassFacts,
    pub(super) objects: ClassFacts,
    /// Boxes, and records that have some.
    pub(super) boxes: (u64, u64),
    pub(super) images: ImageFacts,
    /// Of sets without images.
    pub(super) payloads: Lengths,
    pub(super) report: Report,
    pub(super) counts: FindingCounts,
    pub(super) groups: Groups,
}

pub(super) struct SetFacts {
    pub(super) name: String,
    pub(super) shards: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) compressions: Vec<&'static str>,
    pub(super) messages: Vec<&'static str>,
    pub(super) images: u64,
    /// Images to be decoded for their brightness.
    pub(super) drawn: Draw,
    /// Records whose values are looked at.
    pub(super) rows: Draw,
}

pub(super) struct ShardFacts {
    pub(super) path: PathBuf,
    /// The place of its set in [`Facts::sets`].
    pub(super) set: usize,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) compression: Compression,
    /// The feature that holds its images.
    pub(super) image_key: Option<Arc<str>>,
    pub(super) message: MessageType,
}

#[derive(Default)]
pub(super) struct Features {
    pub(super) features: BTreeMap<String, FeatureInfo>,
    pub(super) lists: BTreeMap<String, FeatureInfo>,
    /// How many records they come from.
    pub(super) sampled: u64,
}

/// How often classes come.
#[derive(Default)]
pub(super) struct ClassFacts {
    /// The most frequent first; classes that never come are there where files beside the shards name them.
    pub(super) rows: Vec<ClassRow>,
    /// Whether there are too many to be classes; then there are no rows.
    pub(super) overflows: bool,
    /// Records without one.
    pub(super) unclassed: u64,
}

pub(super) struct ClassRow {
    pub(super) name: String,
    /// For each set.
    pub(super) counts: Vec<u64>,
    pub(super) total: u64,
    pub(super) samples: Draw,
}

impl Facts {
    pub(super) fn gather(resolved: &ResolvedSets, survey: Survey) -> Self {
        let Survey { report, counts, shards, sets: surveyed, groups } = survey;
        let mut names: Vec<&str> = resolved.sets.iter().map(|set| set.name.as_str()).collect();
        names.dedup();
        let set_of = |i: usize| names.iter().position(|name| *name == resolved.sets[i].name).unwrap_or_default();
        let mut sets: Vec<SetFacts> = names.iter().map(|name| SetFacts::new(name)).collect();
        let mut told = Vec::new();
        for shard in shards {
            // What cannot be asked for its length any more has none to tell.
            let bytes = std::fs::metadata(&shard.path).map_or(0, |m| m.len());
            let image_key = surveyed[shard.set].profile.image_key.clone();
            let message = surveyed[shard.set].profile.message;
            let set = set_of(shard.set);
            sets[set].add_shard(shard.records, bytes, shard.compression);
            let (records, compression) = (shard.records, shard.compression);
            told.push(ShardFacts { path: shard.path, set, records, bytes, compression, image_key, message });
        }
        let mut facts = Facts {
            folder: common_folder(told.iter().map(|shard| shard.path.as_path())),
            sets,
            shards: told,
            features: Features::default(),
            classes: ClassFacts::default(),
            objects: ClassFacts::default(),
            boxes: (0, 0),
            images: ImageFacts::default(),
            payloads: Lengths::default(),
            report,
            counts,
            groups,
        };
        let mut tables: BTreeMap<Key, (FeatureTable, u64)> = BTreeMap::new();
        let (mut classes, mut objects) = (ClassRows::new(names.len()), ClassRows::new(names.len()));
        let labels = LABEL_NAMES.map(str::to_owned);
        for (i, set) in surveyed.into_iter().enumerate() {
            let at = set_of(i);
            let told = &mut facts.sets[at];
            if told.records > 0 && !told.messages.contains(&set.profile.message.name()) {
                told.messages.push(set.profile.message.name());
            }
            let tally = set.tally;
            told.images += tally.images.count();
            told.drawn.merge(tally.drawn, DECODED);
            facts.images.merge(tally.images);
            facts.payloads.merge(tally.payloads);
            told.rows.merge(tally.rows, VALUED);
            facts.boxes = (facts.boxes.0 + tally.boxes, facts.boxes.1 + tally.boxed);
            facts.classes.unclassed += tally.unclassed * u64::from(set.profile.message != MessageType::Raw);
            tables.extend(tally.features);
            let names = resolved.sets[i]
                .shards
                .first()
                .and_then(|shard| Classes::beside_or_tfds(shard, &labels).ok().flatten());
            classes.add(at, tally.classes, names.as_ref());
            objects.add(at, tally.objects, None);
        }
        facts.features = Features::new(tables);
        classes.finish(&mut facts.classes);
        objects.finish(&mut facts.objects);
        facts
    }

    pub(super) fn records(&self) -> u64 {
        self.sets.iter().map(|set| set.records).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.sets.iter().map(|set| set.bytes).sum()
    }

    pub(super) fn findings_total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// A file's path, as short as it can be told.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.folder).unwrap_or(path).to_string_lossy().into_owned()
    }
}

impl SetFacts {
    fn new(name: &str) -> Self {
        SetFacts {
            name: name.to_owned(),
            shards: 0,
            records: 0,
            bytes: 0,
            compressions: Vec::new(),
            messages: Vec::new(),
            images: 0,
            drawn: Draw::default(),
            rows: Draw::default(),
        }
    }

    fn add_shard(&mut self, records: u64, bytes: u64, compression: Compression) {
        self.shards += 1;
        self.records += records;
        self.bytes += bytes;
        if !self.compressions.contains(&compression.name()) {
            self.compressions.push(compression.name());
        }
    }
}

impl Features {
    fn new(tables: BTreeMap<Key, (FeatureTable, u64)>) -> Self {
        let (mut all, mut sampled) = (FeatureTable::default(), 0);
        for (table, records) in tables.into_values() {
            all.merge(table);
            sampled += records;
        }
        let (features, lists) = all.into_infos(sampled);
        Features { features, lists, sampled }
    }
}

/// Classes on the way to [`ClassFacts`].
struct ClassRows {
    sets: usize,
    rows: BTreeMap<ClassKey, (Vec<u64>, Draw)>,
    /// The names that files beside the shards give to numbers.
    names: BTreeMap<i64, String>,
    overflows: bool,
}

impl ClassRows {
    fn new(sets: usize) -> Self {
        ClassRows { sets, rows: BTreeMap::new(), names: BTreeMap::new(), overflows: false }
    }

    /// The classes of the set `at`; `names` tells those that the records do not.
    fn add(&mut self, at: usize, table: ClassTable, names: Option<&Classes>) {
        self.overflows |= table.overflows;
        let named = |number| names.and_then(|names| names.name(number)).map(shorten);
        let numbers = names.into_iter().flat_map(Classes::numbers).take(MOST_CLASSES);
        self.names.extend(numbers.filter_map(|n| Some((n, named(n)?))));
        for (mut key, (count, draw)) in table.entries {
            if key.text.is_empty() {
                key.text = key.number.and_then(named).unwrap_or_default();
            }
            let sets = self.sets;
            let (counts, samples) = self.rows.entry(key).or_insert_with(|| (vec![0; sets], Draw::default()));
            counts[at] += count;
            samples.merge(draw, super::MOST_SAMPLES);
        }
        self.overflows |= self.rows.len() > MOST_CLASSES;
    }

    fn finish(mut self, facts: &mut ClassFacts) {
        if self.overflows {
            self.rows.clear();
        }
        let seen: BTreeSet<i64> = self.rows.keys().filter_map(|key| key.number).collect();
        if !seen.is_empty() {
            let unseen = std::mem::take(&mut self.names).into_iter().filter(|(number, _)| !seen.contains(number));
            let row = |(number, text)| (ClassKey { number: Some(number), text }, (vec![0; self.sets], Draw::default()));
            self.rows.extend(unseen.map(row));
        }
        let mut texts: BTreeMap<&str, u32> = BTreeMap::new();
        self.rows.keys().for_each(|key| *texts.entry(&key.text).or_default() += 1);
        let name = |key: &ClassKey| match (key.number, key.text.as_str()) {
            (Some(number), "") => format!("label {number}"),
            (None, "") => "(empty text)".to_owned(),
            (Some(number), text) if texts.get(text).is_some_and(|n| *n > 1) => format!("{text} ({number})"),
            (_, text) => text.to_owned(),
        };
        let names: Vec<String> = self.rows.keys().map(name).collect();
        let rows = names.into_iter().zip(self.rows.into_values()).map(|(name, (counts, samples))| {
            let total = counts.iter().sum();
            ClassRow { name, counts, total, samples }
        });
        facts.rows = rows.collect();
        // Stable: equally frequent ones stay in the order of their numbers.
        facts.rows.sort_by_key(|row| std::cmp::Reverse(row.total));
        facts.overflows = self.overflows;
    }
}

/// The folder that all of `paths` lie in.
fn common_folder<'p>(paths: impl Iterator<Item = &'p Path>) -> PathBuf {
    let mut folders = paths.map(|path| path.parent().unwrap_or(Path::new("")));
    let Some(first) = folders.next() else { return PathBuf::new() };
    let mut common = first;
    for folder in folders {
        while !folder.starts_with(common) {
            common = common.parent().unwrap_or(Path::new(""));
        }
    }
    common.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_below_the_folder_they_share() {
        let of = |paths: &[&str]| common_folder(paths.iter().map(Path::new));
        assert_eq!(of(&["a/b/x", "a/b/y"]), Path::new("a/b"));
        assert_eq!(of(&["a/b/x", "a/c/y"]), Path::new("a"));
        assert_eq!(of(&["a/x", "b/y"]), Path::new(""));
        assert_eq!(of(&["/a/x", "/b/y"]), Path::new("/"));
        assert_eq!(of(&["x"]), Path::new(""));
    }

    #[test]
    fn classes_of_several_sets_stand_in_one_row() {
        let table = |keys: &[(Option<i64>, &str, u64)]| ClassTable {
            entries: (keys.iter())
                .map(|&(number, text, n)| (ClassKey { number, text: text.into() }, (n, Draw::default())))
                .collect(),
            overflows: false,
        };
        let mut rows = ClassRows::new(2);
        rows.add(0, table(&[(Some(0), "cat", 5), (Some(1), "dog", 2), (Some(9), "", 1)]), None);
        rows.add(1, table(&[(Some(1), "dog", 8), (Some(2), "cat", 1), (None, "", 1)]), None);
        let mut facts = ClassFacts::default();
        rows.finish(&mut facts);
        let told: Vec<_> = facts.rows.iter().map(|r| (r.name.as_str(), r.counts.as_slice(), r.total)).collect();
        assert_eq!(
            told,
            [
                ("dog", &[2, 8][..], 10),
                ("cat (0)", &[5, 0], 5),
                ("(empty text)", &[0, 1], 1),
                ("cat (2)", &[0, 1], 1),
                ("label 9", &[1, 0], 1),
            ]
        );
    }
}
