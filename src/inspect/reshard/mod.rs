//! Reshard: the records of sets, written into other shards.

mod beside;
mod options;
mod plan;
mod scan;
mod select;
mod split;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use self::beside::{Beside, Written};
use self::plan::{Identity, PlannedSet, Source, check_once, check_places, output_names, sources};
use self::scan::{Scan, Scanned};
use self::select::select;
use self::split::{Keys, deal};
use self::write::{Inputs, write_sets};
use super::known::Known;
use super::work::Work;
use crate::dataset::{
    Existing, Search, SetWriter, ShardCount, ShardSet, ShardSummary, WrittenShard, check_split, finish_sets,
    finish_swap, lock_dir, refuse_existing, without_empty_dir,
};
use crate::error::{Error, ErrorClass, Result};
use crate::example::Rewrite;
use crate::image::random;
use crate::job::Job;

pub use self::options::{ReshardOptions, Sample, Sets, Stratify};

/// What a resharding did. Serialised, it is the JSON of `tfr reshard --json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReshardReport {
    /// Records in all sets that were written.
    pub records: u64,
    /// Records by set.
    pub sets: BTreeMap<String, u64>,
    /// The shards in order.
    pub shards: Vec<WrittenShard>,
    /// Records of the inputs that were not selected.
    pub dropped: u64,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// Writes the records of `sets` into other shards, in the directory `out`: merged, split, selected, shuffled, as
/// [`ReshardOptions`] say. Payloads are copied byte for byte, unless features are dropped or renamed; every CRC is
/// verified. Index, manifest, class names and TFDS metadata are written with them, as far as the inputs have them.
///
/// The shards' bytes depend on the inputs and the options alone, not on the number of threads or on how often the run was
/// interrupted and resumed. A shard has its final name only when it is whole.
///
/// A split goes by a number for each record: the first 8 bytes, the highest first, of the SHA-256 of the seed (8 bytes,
/// little-endian) and the record's key. Divided by 2^64 it falls into the part of one set between 0 and 1, in the order
/// of the sets; so records of equal key are never in two sets, and a record that is added moves no other. With
/// [`Stratify`], each class is cut by the rank of these numbers instead, which keeps every class within one record of its
/// shares, but for records of equal key.
///
/// Memory: 24 bytes a record of the inputs, 48 with a split, twice that for a moment, and 16 a record written; mapped files
/// aside. A compressed input is first inflated into a nameless file in `out`, which takes so much room on the disk until the
/// end. Progress counts bytes twice: as the inputs are looked through, and as records are written.
///
/// # Errors
/// Usage errors for options that contradict each other, an output among the inputs, several sets that would become one
/// without [`Sets::Merge`], a condition that no record fulfils, and one over a feature that no record has. The first damaged record, and the first that is no
/// Example where its features are asked for; nothing of this run is left behind then. After an interruption or an error of
/// the system, whole shards stay, for [`Existing::Resume`].
///
/// ```
/// use tfrkit::dataset::{ShardCount, ShardWriter, resolve};
/// use tfrkit::inspect::{ReshardOptions, reshard};
///
/// let dir = tempfile::tempdir()?;
/// let mut writer = ShardWriter::create(dir.path().join("train.tfrecord"), Default::default())?;
/// (0..10).try_for_each(|i| writer.write(&[i]))?;
/// writer.finish()?;
///
/// let sets = resolve(&[dir.path().to_str().unwrap()])?.complete()?;
/// let options = ReshardOptions { shards: ShardCount::Each(3), shuffle: true, ..Default::default() };
/// let report = reshard(&sets, &dir.path().join("shuffled"), &options, &tfrkit::Job::default())?;
/// assert_eq!(report.shards.iter().map(|s| s.records).collect::<Vec<_>>(), [4, 3, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn reshard(sets: &[ShardSet], out: &Path, options: &ReshardOptions, job: &Job<'_>) -> Result<ReshardReport> {
    without_empty_dir(out, || write_anew(sets, out, options, job))
}

fn write_anew(sets: &[ShardSet], out: &Path, options: &ReshardOptions, job: &Job<'_>) -> Result<ReshardReport> {
    let start = Instant::now();
    let rewrite = Rewrite::new(&options.drop, &options.keep, &options.rename)?;
    check_shares(options)?;
    let (sources, paths) = sources(sets, options)?;
    check_once(&paths)?;
    check_places(&paths, out)?;
    // Class numbers and the manifest belong to all sets of the directory: one job at a time may change them.
    let _lock = lock_dir(out)?;
    finish_swap(out)?;
    if options.existing == Existing::Refuse {
        output_names(&sources, options).iter().try_for_each(|name| refuse_existing(out, name))?;
    }
    let mut report = ReshardReport::default();
    let beside = Beside::read(&paths, &mut report.warnings)?;
    beside.check(out)?;

    let work = Work::new(job, paths.iter().map(PathBuf::as_path));
    let keys = (!options.split.is_empty()).then(|| Keys::new(options.seed, options.key.as_deref(), &options.stratify));
    let search = options.filter.as_ref().map(Search::new);
    let scan = Scan {
        work: &work,
        known: Known::beside(paths.iter().map(PathBuf::as_path), work.io()),
        out,
        search: search.as_ref(),
        keys: keys.as_ref(),
        rewrite: rewrite.as_ref().filter(|_| matches!(options.shards, ShardCount::OfBytes(_))),
    };
    let mut scanned = work.in_order(paths.len(), |i| scan.input(i, &paths[i]))?;
    search.as_ref().map_or(Ok(()), Search::check)?;
    let planned = plan_sets(&sources, &mut scanned, options, &mut report.warnings)?;
    let inputs = open(paths, &scanned, &planned, &work)?;

    let (compression, rewritten) = (options.compression, rewrite.is_some());
    let new = Written { sets: &planned, inputs: &inputs, compression, rewritten };
    let described = beside.describes(&new)?;
    let rewrite = rewrite.as_ref();
    let run = Run { out, options, job, work: &work, sources: &sources, inputs: &inputs, rewrite, described };
    let written = run.write(&planned, &beside)?;
    for (set, shards) in planned.iter().zip(written) {
        report.sets.insert(set.name.clone(), shards.iter().map(|s| s.records).sum());
        report.shards.extend(shards.into_iter().map(WrittenShard::from));
    }
    report.records = report.sets.values().sum();
    report.dropped = scanned.iter().map(|s| s.records).sum::<u64>().saturating_sub(report.records);
    // The records of kept shards are not rewritten again.
    let is_anew = options.existing != Existing::Resume && report.records > 0;
    if let Some(rewrite) = rewrite.filter(|_| is_anew) {
        report.warnings.extend(rewrite.unseen().map(|name| format!("no record has the feature '{name}'")));
    }
    beside.write_tfds(out, &new, described, &mut report.warnings)?;
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Refuses shares that cannot be, and what a split goes by where there is none.
fn check_shares(options: &ReshardOptions) -> Result<()> {
    if let Some(Sample::Share(share)) = options.sample
        && !(share > 0.0 && share <= 1.0)
    {
        return Err(Error::usage(format!("a sample of {share} of the records is not above 0 and up to 1")));
    }
    if !options.split.is_empty() {
        return check_split(&options.split).map_err(Error::usage);
    }
    if options.key.is_some() || options.stratify != Stratify::No {
        let hint = "name the sets and their shares, such as `--split train=0.8,val=0.2`";
        return Err(Error::usage_hint("a key or classes to split by, and no split", hint));
    }
    Ok(())
}

/// Selects the records of each set, puts them in order and deals them to shards.
fn plan_sets(
    sources: &[Source],
    scanned: &mut [Scanned],
    options: &ReshardOptions,
    warnings: &mut Vec<String>,
) -> Result<Vec<PlannedSet>> {
    let records: u64 = scanned.iter().map(|s| s.records).sum();
    if let Some(filter) = options.filter.as_ref().filter(|_| records > 0)
        && scanned.iter().all(|s| s.places.is_empty())
    {
        return Err(Error::usage_hint(
            format!("no record fulfils '{filter}'"),
            "`tfr stats` shows which values there are",
        ));
    }
    let mut planned = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let found = &mut scanned[source.inputs.clone()];
        let traits: Vec<_> = found.iter_mut().flat_map(|s| std::mem::take(&mut s.traits)).collect();
        let mut places: Vec<_> = found.iter_mut().flat_map(|s| std::mem::take(&mut s.places)).collect();
        let mut dealt = Vec::new();
        if options.split.is_empty() {
            select(&mut places, &source.name, options, warnings);
            dealt.push((source.name.as_str(), places));
        } else {
            let mut records: Vec<_> = places.into_iter().zip(traits).collect();
            select(&mut records, &source.name, options, warnings);
            let sets = deal(records, &options.split, &options.stratify, warnings)?;
            dealt.extend(options.split.iter().map(|(name, _)| name.as_str()).zip(sets));
        }
        for (name, mut places) in dealt {
            if options.shuffle {
                random::shuffle(&mut places, options.seed, name);
            }
            let set = PlannedSet::new(name, number, places, &options.shards);
            match set.places.len() {
                0 => warnings.push(format!("the set '{name}' has no records")),
                n if n < set.shards() => {
                    let shards = set.shards();
                    warnings.push(format!(
                        "the set '{name}' has fewer records ({n}) than shards ({shards}): some are empty"
                    ));
                }
                _ => {}
            }
            planned.push(set);
        }
    }
    Ok(planned)
}

/// Opens the inputs out of which records are taken.
fn open(paths: Vec<PathBuf>, scanned: &[Scanned], sets: &[PlannedSet], work: &Work<'_>) -> Result<Inputs> {
    let used: BTreeSet<u32> = sets.iter().flat_map(|set| &set.places).map(|place| place.input).collect();
    let is_used = |i: usize| u32::try_from(i).is_ok_and(|i| used.contains(&i));
    let open = work.in_order(paths.len(), |i| is_used(i).then(|| scanned[i].open(&paths[i], work)).transpose())?;
    Ok(Inputs { paths, open })
}

struct Run<'a> {
    out: &'a Path,
    options: &'a ReshardOptions,
    job: &'a Job<'a>,
    work: &'a Work<'a>,
    sources: &'a [Source],
    inputs: &'a Inputs,
    rewrite: Option<&'a Rewrite>,
    /// Whether the records have the features that the manifest lists.
    described: bool,
}

impl Run<'_> {
    /// Writes all sets. They are ended together, so that a bad record in the last leaves nothing of the first.
    fn write(&self, sets: &[PlannedSet], beside: &Beside) -> Result<Vec<Vec<ShardSummary>>> {
        let identities = self.work.in_order(self.inputs.paths.len(), |i| Identity::of(&self.inputs.paths[i]))?;
        let mut writers = Vec::new();
        // All are begun before the first is written: what refuses the last should not take hours to show.
        let begun = sets.iter().try_for_each(|set| {
            let inputs = self.sources[set.source].inputs.clone();
            let plan =
                set.set_plan(&identities[inputs.clone()], inputs.start, self.options, self.rewrite, !self.described);
            writers.push(SetWriter::create(self.out, plan, self.options.existing)?);
            Ok::<_, Error>(())
        });
        let written = begun.and_then(|()| write_sets(sets, &writers, self.inputs, self.rewrite, self.job, self.work));
        match written {
            Ok(written) => {
                // Before the first set is in the manifest: its labels are nothing without their numbers.
                let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
                beside.write_shared(self.out, self.described, &names)?;
                finish_sets(writers, written)
            }
            Err(e) => {
                if matches!(e.class(), ErrorClass::Data | ErrorClass::Usage) {
                    writers.into_iter().try_for_each(SetWriter::abandon)?;
                }
                Err(e)
            }
        }
    }
}
