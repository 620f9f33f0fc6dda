//! What a conversion would do, without a byte written.

use std::collections::BTreeMap;
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use super::options::{ConvertOptions, Layout, OnError};
use super::plan::PlannedSet;
use super::prepare::Prepared;
use super::report::{Duplicate, Flattened, PassedOver, Skipped, flattened_warning};
use super::run::{Ready, check_out, prepare_each};
use crate::dataset::{Existing, Manifest, refuse_existing};
use crate::error::{ErrorClass, Result};
use crate::job::Job;

/// What a conversion would do.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct DryRun {
    /// What the source was read as.
    pub layout: Layout,
    /// Records in all sets.
    pub records: u64,
    /// Records by set.
    pub sets: BTreeMap<String, u64>,
    /// More of each set.
    pub planned: BTreeMap<String, DrySet>,
    /// Class names in the order of their numbers.
    pub classes: Vec<String>,
    /// Every file that cannot be stored, by path; what is looked at is what [`verify`](ConvertOptions::verify) says.
    pub skipped: Vec<Skipped>,
    /// Images that would be left out because of their size, by path.
    pub filtered: Vec<Skipped>,
    /// Files that would be left out because an earlier one has the same bytes.
    pub duplicates: Vec<Duplicate>,
    /// Files of several frames or pages of which the first would be stored.
    pub flattened: Vec<Flattened>,
    /// Files that were not looked at, because their names are not an image's.
    pub passed_over: PassedOver,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Whether the conversion would go through: there is no bad file, or the options leave so many out.
    pub passes: bool,
    /// Wall-clock time.
    pub seconds: f64,
}

/// A set as it would be.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct DrySet {
    /// Its shards.
    pub shards: u64,
    /// The bytes of its source files.
    pub source_bytes: u64,
    /// Records by the name of their class.
    pub classes: BTreeMap<String, u64>,
    /// Records without a class.
    pub unlabelled: u64,
    /// Objects in all images.
    pub objects: u64,
}

/// Does all that [`convert`](super::convert) does but writing: every image is read and checked, no bad one ends it, and
/// nothing is made, not even the output directory. Progress counts source bytes.
///
/// ```no_run
/// use tfrkit::convert::{ConvertOptions, dry_run};
/// use tfrkit::Job;
///
/// let found = dry_run(&ConvertOptions::new("photos", "shards"), &Job::default())?;
/// println!("{:?}: {} records, {} bad files", found.layout, found.records, found.skipped.len());
/// # Ok::<(), tfrkit::Error>(())
/// ```
///
/// # Errors
/// As of [`convert`](super::convert), but for bad files.
pub fn dry_run(options: &ConvertOptions, job: &Job<'_>) -> Result<DryRun> {
    let start = Instant::now();
    let pool = job.pool()?;
    let Ready { source, sets, duplicates, .. } = Ready::new(options, job, &pool)?;
    if options.out.is_dir() {
        check_out(options, &Manifest::read(&options.out)?.unwrap_or_default(), &source.classes)?;
    }
    for set in sets.iter().filter(|_| options.existing == Existing::Refuse) {
        refuse_existing(&options.out, &set.name)?;
    }
    let done = job.counter(sets.iter().flat_map(|set| &set.files).map(|file| file.size).sum());
    let mut run = DryRun {
        layout: source.layout,
        duplicates,
        passed_over: source.passed_over,
        warnings: source.warnings,
        skipped: source.bad.into_iter().map(|(path, reason)| Skipped { path, reason }).collect(),
        ..Default::default()
    };
    for set in &sets {
        let checked = prepare_each(options, &source.root, &source.classes, set.files.par_iter(), |file, prepared| {
            job.check()?;
            done.add(file.size);
            let left_out = |reason| Skipped { path: file.path.to_string(), reason };
            match prepared {
                Ok(Prepared::Record(_)) => Ok(Outcome::Record(None)),
                Ok(Prepared::First(_, frames)) => {
                    Ok(Outcome::Record(Some(Flattened { path: file.path.to_string(), frames })))
                }
                Ok(Prepared::Filtered(reason)) => Ok(Outcome::Filtered(left_out(reason))),
                Err(e) if e.class() == ErrorClass::System && e.location().path.is_none() => Err(e),
                Err(e) => Ok(Outcome::Bad(left_out(e.message()))),
            }
        });
        let outcomes: Vec<Outcome> = pool.install(|| checked.collect::<Result<_>>())?;
        run.count(set, &source.classes, outcomes);
    }
    run.skipped.sort();
    run.filtered.sort();
    run.flattened.sort();
    run.warnings.extend(flattened_warning(&run.flattened));
    run.passes = match options.on_error {
        OnError::Fail => run.skipped.is_empty(),
        OnError::Skip(most) => run.skipped.len() as u64 <= most,
    };
    run.records = run.sets.values().sum();
    run.classes = source.classes;
    run.seconds = start.elapsed().as_secs_f64();
    Ok(run)
}

/// What would come of a file.
enum Outcome {
    Record(Option<Flattened>),
    Filtered(Skipped),
    Bad(Skipped),
}

impl DryRun {
    fn count(&mut self, set: &PlannedSet, classes: &[String], outcomes: Vec<Outcome>) {
        let mut planned = DrySet { shards: set.shards() as u64, ..Default::default() };
        let mut records = 0;
        for (file, outcome) in set.files.iter().zip(outcomes) {
            match outcome {
                Outcome::Record(flattened) => self.flattened.extend(flattened),
                Outcome::Filtered(file) => {
                    self.filtered.push(file);
                    continue;
                }
                Outcome::Bad(file) => {
                    self.skipped.push(file);
                    continue;
                }
            }
            records += 1;
            planned.source_bytes += file.size;
            let objects = file.notes.as_ref().and_then(|notes| notes.objects.as_ref());
            planned.objects += objects.map_or(0, |objects| objects.boxes.len() as u64);
            match file.class.and_then(|class| classes.get(class as usize)) {
                Some(class) => *planned.classes.entry(class.clone()).or_default() += 1,
                None => planned.unlabelled += 1,
            }
        }
        self.sets.insert(set.name.clone(), records);
        self.planned.insert(set.name.clone(), planned);
    }
}
