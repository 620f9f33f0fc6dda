//! Which sets are made of which, and where their shards begin: decided before a byte is written.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::options::{ReshardOptions, Sets};
use super::scan::Place;
use crate::dataset::{SetPlan, ShardCount, ShardSet, check_set_name, dir_of, even_part, fingerprint};
use crate::error::{Error, Result};
use crate::example::{Rewrite, hex};
use crate::inspect::metadata::file_name;

/// Bumped when the bytes of a shard change for the same inputs and options.
const PLAN_VERSION: u32 = 2;

/// Input shards out of which one set is made, or several by a split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The name of the set.
    pub(super) name: String,
    /// Its shards, by their numbers among all inputs.
    pub(super) inputs: Range<usize>,
}

/// Groups the inputs, and gives their paths.
pub(super) fn sources(sets: &[ShardSet], options: &ReshardOptions) -> Result<(Vec<Source>, Vec<PathBuf>)> {
    let mut groups: Vec<(&str, Vec<PathBuf>)> = Vec::new();
    for set in sets {
        match groups.iter_mut().find(|(name, _)| *name == set.name) {
            Some((_, shards)) => shards.extend(set.shards.iter().cloned()),
            None => groups.push((&set.name, set.shards.clone())),
        }
    }
    let list = groups.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = &options.set {
        groups.retain(|(name, _)| name == wanted);
        if groups.is_empty() {
            let hint = format!("the sets are: {list}");
            return Err(Error::usage_hint(format!("there is no set named '{wanted}'"), hint));
        }
    }
    let (renames, splits) = (options.name.is_some(), !options.split.is_empty());
    if renames && splits {
        return Err(Error::usage("a name for the only set and a split into several exclude each other"));
    }
    if groups.len() > 1 && options.sets == Sets::Apart && (renames || splits) {
        let what = if renames { "a name for the only set" } else { "a split" };
        return Err(Error::usage_hint(
            format!("there are {} sets ({list}) and {what}", groups.len()),
            "choose one with `--set NAME`, or take them together with `--merge`",
        ));
    }
    if groups.len() > 1 && options.sets == Sets::Merge {
        if !renames && !splits {
            return Err(Error::usage_hint(
                format!("the sets {list} are to become one, which has no name"),
                "name it with `--name NAME`",
            ));
        }
        groups = vec![(list.as_str(), groups.into_iter().flat_map(|(_, shards)| shards).collect())];
    }
    let mut inputs = Vec::new();
    let mut sources = Vec::new();
    for (name, shards) in groups {
        let first = inputs.len();
        inputs.extend(shards);
        let name = options.name.clone().unwrap_or_else(|| name.to_owned());
        sources.push(Source { name, inputs: first..inputs.len() });
    }
    let names = output_names(&sources, options);
    for name in &names {
        check_set_name(name).map_err(|e| match (renames || splits, e.hint()) {
            (false, Some(hint)) => Error::usage_hint(e.message(), format!("{hint}; give another with `--name`")),
            _ => e,
        })?;
    }
    options.shards.check(&names)?;
    match inputs.is_empty() {
        true => Err(Error::usage("no shards were named")),
        false => Ok((sources, inputs)),
    }
}

/// Refuses a shard that is named twice, whose records would be written twice.
pub(super) fn check_once(inputs: &[PathBuf]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match inputs.iter().find(|path| path.canonicalize().is_ok_and(|real| !seen.insert(real))) {
        None => Ok(()),
        Some(path) => {
            let hint = "name each shard once; links count as what they point to";
            Err(Error::usage_hint(format!("{} is among the inputs twice", path.display()), hint))
        }
    }
}

/// The names of the sets that are written.
pub(super) fn output_names<'a>(sources: &'a [Source], options: &'a ReshardOptions) -> Vec<&'a str> {
    match options.split.is_empty() {
        true => sources.iter().map(|source| source.name.as_str()).collect(),
        false => options.split.iter().map(|(name, _)| name.as_str()).collect(),
    }
}

/// Refuses an output that is one of the directories that are read: old and new shards would lie side by side.
pub(super) fn check_places(inputs: &[PathBuf], out: &Path) -> Result<()> {
    if out.exists() && !out.is_dir() {
        return Err(Error::usage_hint(
            format!("{} is not a directory", out.display()),
            "name a directory for the shards; it is made where it is missing",
        ));
    }
    let Ok(there) = out.canonicalize() else { return Ok(()) };
    let is_in_out = |path: &Path| dir_of(path).canonicalize().is_ok_and(|dir| dir == there);
    match inputs.iter().find(|path| is_in_out(path) || path.canonicalize().is_ok_and(|real| is_in_out(&real))) {
        None => Ok(()),
        Some(path) => Err(Error::usage_hint(
            format!("{} is to be written to, and {} is read from it", out.display(), path.display()),
            "choose another directory; the inputs stay as they are",
        )),
    }
}

/// A set to write: its records in order, and where its shards begin.
pub(super) struct PlannedSet {
    pub(super) name: String,
    /// The number of the source that it is made of.
    pub(super) source: usize,
    pub(super) places: Vec<Place>,
    /// Where each shard begins, and the end of the last.
    cuts: Vec<usize>,
}

impl PlannedSet {
    pub(super) fn new(name: &str, source: usize, places: Vec<Place>, shards: &ShardCount) -> Self {
        let bytes = places.iter().map(|p| u64::from(p.out)).sum();
        let count = shards.of(name, places.len(), bytes);
        let cuts = match shards {
            ShardCount::OfBytes(_) => cuts_by_bytes(&places, count, bytes),
            _ => (0..count).map(|i| even_part(places.len(), count, i).start).chain([places.len()]).collect(),
        };
        PlannedSet { name: name.to_owned(), source, places, cuts }
    }

    /// How many shards it has.
    pub(super) fn shards(&self) -> usize {
        self.cuts.len() - 1
    }

    /// The records of a shard.
    pub(super) fn shard(&self, index: usize) -> &[Place] {
        &self.places[self.cuts[index]..self.cuts[index + 1]]
    }

    /// What the sharded writer needs to know. `inputs` are those of the set, the `first` being the number of the first.
    pub(super) fn set_plan(
        &self,
        inputs: &[Identity],
        first: usize,
        options: &ReshardOptions,
        rewrite: Option<&Rewrite>,
        undescribed: bool,
    ) -> SetPlan {
        let (mut plan, mut stamp) = (Sha256::new(), Sha256::new());
        let rewrite = rewrite.map(Rewrite::text).unwrap_or_default();
        plan.update(format!("tfrkit reshard {PLAN_VERSION}\n{}\n{}\n{rewrite}\n", self.name, options.compression));
        for (number, input) in inputs.iter().enumerate() {
            plan.update(format!("{number} {}\n", input.contents));
            stamp.update(input.modified.to_le_bytes());
        }
        self.cuts.iter().for_each(|&cut| plan.update((cut as u64).to_le_bytes()));
        for place in &self.places {
            plan.update((place.input as u64 - first as u64).to_le_bytes());
            plan.update(place.record.to_le_bytes());
        }
        SetPlan {
            name: self.name.clone(),
            seed: options.seed,
            compression: options.compression,
            shard_records: (0..self.shards()).map(|i| self.shard(i).len() as u64).collect(),
            plan: hex(&plan.finalize()),
            stamp: hex(&stamp.finalize()[..8]),
            undescribed,
        }
    }
}

/// By what an input is known again.
pub(super) struct Identity {
    contents: String,
    modified: u128,
}

impl Identity {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        Ok(Identity {
            contents: format!("{} {} {}", file_name(path), metadata.len(), fingerprint(path)?),
            modified: modified.unwrap_or_default().as_nanos(),
        })
    }
}

/// Cuts into at most `count` shards of about as many bytes each, none of them empty but an only one.
fn cuts_by_bytes(places: &[Place], count: usize, bytes: u64) -> Vec<usize> {
    let mut cuts = vec![0];
    let mut sum = 0;
    for (i, place) in places.iter().enumerate() {
        // A shard ends where the records so far have its share of the bytes.
        let reached = u128::from(sum) * count as u128 >= cuts.len() as u128 * u128::from(bytes);
        if i > 0 && cuts.len() < count && reached {
            cuts.push(i);
        }
        sum += u64::from(place.out);
    }
    cuts.push(places.len());
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(sizes: &[u32]) -> Vec<Place> {
        let place = |(record, &size)| Place { offset: 0, size, out: size, input: 0, record };
        (0..).zip(sizes).map(place).collect()
    }

    fn shard_set(name: &str, shards: &[&str]) -> ShardSet {
        ShardSet { name: name.into(), shards: shards.iter().map(PathBuf::from).collect() }
    }

    #[test]
    fn shards_by_bytes_are_even_and_never_empty() {
        let sizes = |sizes: &[u32], size| {
            let set = PlannedSet::new("a", 0, places(sizes), &ShardCount::OfBytes(size));
            (0..set.shards()).map(|i| set.shard(i).iter().map(|p| p.out).sum()).collect::<Vec<u32>>()
        };
        assert_eq!(sizes(&[10; 10], 25), [30, 20, 30, 20]);
        assert_eq!(sizes(&[1000, 1, 1], 300), [1000, 1, 1]);
        assert_eq!(sizes(&[1, 1, 1000], 300), [1002]);
        assert_eq!(sizes(&[100, 1, 1, 1, 1, 96], 100), [100, 100]);
        assert_eq!(sizes(&[], 100), [0]);
    }

    #[test]
    fn shards_by_number_have_equally_many_records_and_may_be_empty() {
        let counts = |n, shards| {
            let set = PlannedSet::new("a", 0, places(&vec![1; n]), &ShardCount::Each(shards));
            (0..set.shards()).map(|i| set.shard(i).len()).collect::<Vec<_>>()
        };
        assert_eq!(counts(11, 4), [3, 3, 3, 2]);
        assert_eq!(counts(1, 3), [1, 0, 0]);
    }

    #[test]
    fn several_sets_stay_apart_unless_they_are_merged_by_name() {
        let sets = [shard_set("test", &["x/t"]), shard_set("train", &["x/a"]), shard_set("train", &["y/a"])];
        let of = |options: &ReshardOptions| sources(&sets, options);
        let base = ReshardOptions::default;
        let names = |options: &ReshardOptions| {
            of(options).unwrap().0.into_iter().map(|s| (s.name, s.inputs)).collect::<Vec<_>>()
        };
        assert_eq!(names(&base()), [("test".to_owned(), 0..1), ("train".to_owned(), 1..3)]);
        assert_eq!(names(&ReshardOptions { set: Some("test".into()), ..base() }), [("test".to_owned(), 0..1)]);
        let named = ReshardOptions { name: Some("all-of-it".into()), ..base() };
        assert!(of(&named).unwrap_err().to_string().contains("2 sets (test, train)"));
        let merged = ReshardOptions { sets: Sets::Merge, ..named };
        assert_eq!(names(&merged), [("all-of-it".to_owned(), 0..3)]);
        let split = ReshardOptions { split: vec![("a".into(), 1.0)], ..base() };
        assert!(of(&split).unwrap_err().hint().unwrap().contains("--merge"));
        assert!(of(&ReshardOptions { sets: Sets::Merge, ..base() }).is_err());
        assert!(of(&ReshardOptions { set: Some("val".into()), ..base() }).is_err());
        assert!(of(&ReshardOptions { split: split.split, ..merged }).is_err());
    }
}
