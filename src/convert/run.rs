//! The conversion itself: lanes that each write a shard, fed by a pool that prepares records.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::dedupe::remove_duplicates;
use super::options::{ConvertOptions, OnError};
use super::plan::{PlannedSet, plan};
use super::prepare::{Prepared, Preparer};
use super::report::{ConvertReport, Duplicate, Flattened, Skipped, flattened_warning};
use super::source::{Source, SourceFile, scan};
use crate::dataset::{
    Existing, FeatureEntry, MAX_LABEL_OFFSET, Manifest, SetWriter, ShardSummary, WrittenShard, finish_sets,
    finish_swap, labels, lock_dir, tfds, without_empty_dir,
};
use crate::error::{Error, ErrorClass, ErrorKind, Result};
use crate::job::{Counter, Job, in_order};
use crate::record::Compression;

/// Records that a lane prepares at a time, at most this many files and source bytes (a larger file goes alone).
const WINDOW_FILES: usize = 64;
const WINDOW_BYTES: u64 = 8 << 20;
/// Shards of fewer source bytes are flushed to disk so many at a time.
const SMALL_SHARD: u64 = 1 << 20;
const SMALL_LANES: usize = 32;
/// Source bytes in the windows of all lanes together, of which each has two at a time.
const ALL_WINDOWS_BYTES: u64 = 64 << 20;

/// Converts a directory of images, or a list of them, to shards. Progress counts source bytes; with
/// [`dedupe`](ConvertOptions::dedupe), first those of files of equal length, then again those of all that are kept.
///
/// The shards' bytes depend on the sources and the options alone, not on the number of threads or on how often the run
/// was interrupted and resumed. A shard has its final name only when it is whole.
///
/// # Errors
/// Usage errors for options, sources and outputs that contradict each other. With [`OnError::Fail`], the first bad
/// file, and nothing of this run is left behind; with [`OnError::Skip`], the file after the last one allowed. After an
/// interruption or an error of the system, whole shards stay, for `Existing::Resume`.
pub fn convert(options: &ConvertOptions, job: &Job<'_>) -> Result<ConvertReport> {
    without_empty_dir(&options.out, || write_anew(options, job))
}

fn write_anew(options: &ConvertOptions, job: &Job<'_>) -> Result<ConvertReport> {
    let start = Instant::now();
    let pool = job.pool()?;
    let Ready { source, sets, features, duplicates } = Ready::new(options, job, &pool)?;
    // Class numbers and the manifest belong to all sets of the directory: one conversion at a time may change them.
    let _lock = lock_dir(&options.out)?;
    if finish_swap(&options.out)? {
        let manifest = Manifest::read(&options.out)?.unwrap_or_default();
        tfds::write_tfds(&options.out, &manifest, manifest.described().next().is_some())?;
    }
    let manifest = Manifest::read(&options.out)?.unwrap_or_default();
    check_out(options, &manifest, &source.classes)?;
    let total = sets.iter().flat_map(|s| &s.files).map(|f| f.size).sum();
    let run = Run {
        options,
        job,
        root: &source.root,
        classes: &source.classes,
        features,
        pool,
        done: job.counter(total),
        skipped: Mutex::default(),
        filtered: Mutex::default(),
        flattened: Mutex::default(),
    };
    for (path, reason) in source.bad {
        let error = bad_file(&source.root, &path, &reason);
        run.skip_or_fail(Skipped { path, reason }, error)?;
    }
    let mut report = ConvertReport {
        layout: source.layout,
        duplicates,
        passed_over: source.passed_over,
        warnings: source.warnings,
        ..Default::default()
    };
    for (set, shards) in sets.iter().zip(run.write_sets(&sets)?) {
        report.sets.insert(set.name.clone(), shards.iter().map(|s| s.records).sum());
        report.shards.extend(shards.into_iter().map(WrittenShard::from));
    }
    report.records = report.sets.values().sum();
    let earlier = manifest.described().next().is_some();
    tfds::write_tfds(&options.out, &Manifest::read(&options.out)?.unwrap_or_default(), earlier)?;
    if options.compression != Compression::None {
        report.warnings.push("TFDS reads no compressed shards, so its metadata leave them out".into());
    }
    let sorted = |list: Mutex<BTreeSet<Skipped>>| list.into_inner().unwrap_or_default().into_iter().collect();
    report.skipped = sorted(run.skipped);
    report.filtered = sorted(run.filtered);
    report.flattened = std::mem::take(&mut *locked(&run.flattened)).into_iter().collect();
    report.warnings.extend(flattened_warning(&report.flattened));
    let emptied = |set: &&PlannedSet| !set.files.is_empty() && report.sets.get(&set.name) == Some(&0);
    let emptied = sets.iter().filter(emptied).map(|set| format!("no image is left in the set '{}'", set.name));
    report.warnings.extend(emptied);
    report.classes = source.classes;
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// What is known before the first image is read.
pub(super) struct Ready {
    pub(super) source: Source,
    pub(super) sets: Vec<PlannedSet>,
    /// What the records will have besides what every image gives, for TFDS's metadata.
    pub(super) features: Option<Vec<FeatureEntry>>,
    pub(super) duplicates: Vec<Duplicate>,
}

impl Ready {
    /// Finds the images and deals them to sets. Writes nothing.
    pub(super) fn new(options: &ConvertOptions, job: &Job<'_>, pool: &rayon::ThreadPool) -> Result<Self> {
        check_places(&options.src, &options.out)?;
        check_offset(options.label_offset)?;
        let given = options.labels.as_deref().map(labels::read_labels).transpose()?;
        let mut source = scan(options, given, job)?;
        let duplicates = if options.dedupe { remove_duplicates(&mut source, job, pool)? } else { Vec::new() };
        let (features, missing) = source.features();
        if options.compression == Compression::None {
            source.warnings.extend(missing);
        }
        let sets = plan(&mut source, options)?;
        if sets.iter().all(|set| set.files.is_empty()) && source.bad.is_empty() {
            let src = options.src.display();
            return Err(match source.passed_over.files {
                0 => Error::usage(format!("there are no images in {src}")),
                _ => Error::usage(format!("there are no images in {src}: {}", source.passed_over)),
            });
        }
        Ok(Ready { source, sets, features, duplicates })
    }
}

/// The error of a file that the scan of the sources has found to be bad.
pub(super) fn bad_file(root: &Path, path: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Source { detail: reason.to_owned() }).at_path(&root.join(path))
}

/// Refuses what cannot go with the sets and files that are in the output directory.
pub(super) fn check_out(options: &ConvertOptions, manifest: &Manifest, classes: &[String]) -> Result<()> {
    check_labels(options, manifest, classes)?;
    check_metadata(options, manifest)
}

/// Refuses an output among the sources: its files would be taken for sources by the next run.
fn check_places(src: &Path, out: &Path) -> Result<()> {
    if out.exists() && !out.is_dir() {
        return Err(Error::usage_hint(
            format!("{} is not a directory", out.display()),
            "name a directory for the shards; it is made where it is missing",
        ));
    }
    let whole = std::path::absolute(out).map_err(|e| Error::io(out, e))?;
    // The output may not be there yet; what is there of its path decides.
    let existing = whole.ancestors().find_map(|p| p.canonicalize().ok());
    if let (Ok(real), Some(existing)) = (src.canonicalize(), existing)
        && existing.starts_with(real)
    {
        return Err(Error::usage_hint(
            format!("{} lies inside the source {}", out.display(), src.display()),
            "choose a directory beside it",
        ));
    }
    Ok(())
}

/// Refuses a first class that neither the manifest nor TFDS can have.
fn check_offset(offset: i64) -> Result<()> {
    if (0..=MAX_LABEL_OFFSET).contains(&offset) {
        return Ok(());
    }
    Err(Error::usage(format!("the number of the first class is from 0 to {MAX_LABEL_OFFSET}, not {offset}")))
}

/// Holds the classes against those of sets that are there already.
fn check_labels(options: &ConvertOptions, manifest: &Manifest, classes: &[String]) -> Result<()> {
    let path = options.out.join(labels::LABELS_NAME);
    if labels::binding_labels(&options.out, manifest)?.is_some_and(|bound| bound != classes) {
        return Err(Error::usage_hint(
            format!("the classes of the source are not those of {}", path.display()),
            format!("use the same numbers with `--labels {}`, or choose another directory", path.display()),
        ));
    }
    if !manifest.sets.is_empty() && manifest.classes.is_empty() != classes.is_empty() {
        return Err(Error::usage_hint(
            format!("the sets in {} and the source do not both have classes", options.out.display()),
            "choose another directory",
        ));
    }
    if !manifest.sets.is_empty() && manifest.classes != classes {
        return Err(Error::usage_hint(
            format!("the classes of the source are not those of the sets in {}", options.out.display()),
            "give them the same numbers with `--labels`, or choose another directory",
        ));
    }
    if !manifest.sets.is_empty() && !manifest.classes.is_empty() && manifest.label_offset != options.label_offset {
        return Err(Error::usage_hint(
            format!("the sets in {} have the label offset {}", options.out.display(), manifest.label_offset),
            format!("convert with `--label-offset {}`, or choose another directory", manifest.label_offset),
        ));
    }
    Ok(())
}

/// Refuses to write TFDS metadata over somebody else's. Where the manifest describes sets, they are ours.
fn check_metadata(options: &ConvertOptions, manifest: &Manifest) -> Result<()> {
    if manifest.described().next().is_some()
        || options.compression != Compression::None
        || options.existing == Existing::Replace
    {
        return Ok(());
    }
    let Some(path) = tfds::metadata_in(&options.out) else { return Ok(()) };
    Err(Error::usage_hint(
        format!("{} is there already, and no set of this directory goes with it", path.display()),
        "choose another directory, or write it anew with `--force`",
    ))
}

struct Run<'a> {
    options: &'a ConvertOptions,
    job: &'a Job<'a>,
    root: &'a Path,
    classes: &'a [String],
    features: Option<Vec<FeatureEntry>>,
    pool: rayon::ThreadPool,
    done: Counter<'a>,
    skipped: Mutex<BTreeSet<Skipped>>,
    filtered: Mutex<BTreeSet<Skipped>>,
    flattened: Mutex<BTreeSet<Flattened>>,
}

impl Run<'_> {
    /// Writes all sets. They are ended together, so that a bad file in the last leaves nothing of the first.
    fn write_sets(&self, sets: &[PlannedSet]) -> Result<Vec<Vec<ShardSummary>>> {
        let mut writers = Vec::new();
        // All are begun before the first is written: what refuses the last should not take hours to show.
        let begun = sets.iter().try_for_each(|set| {
            let plan = set.set_plan(self.options, self.classes);
            writers.push(SetWriter::create(&self.options.out, plan, self.options.existing)?);
            Ok::<_, Error>(())
        });
        let written = begun.and_then(|()| {
            sets.iter().zip(&writers).map(|(set, writer)| self.write_shards(set, writer)).collect::<Result<Vec<_>>>()
        });
        match written {
            Ok(written) => {
                // Before the first set is in the manifest: its labels are nothing without their numbers.
                let names: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
                let classes = (self.classes, self.options.label_offset);
                labels::write_shared(&self.options.out, classes, self.features.as_deref(), &names)?;
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

    /// Writes the shards of a set, several at a time. Of several errors, the one of the first shard is given.
    fn write_shards(&self, set: &PlannedSet, writer: &SetWriter) -> Result<Vec<ShardSummary>> {
        // One lane more than threads: while one waits for the disk, the others go on. Small shards do nothing but wait.
        let bytes: u64 = set.files.iter().map(|file| file.size).sum();
        let small = bytes / (writer.count() as u64).max(1) < SMALL_SHARD;
        let lanes = self.job.thread_count() + 1;
        let lanes = if small { lanes.max(SMALL_LANES) } else { lanes }.min(writer.count());
        let window = (ALL_WINDOWS_BYTES / (2 * lanes.max(1) as u64)).min(WINDOW_BYTES);
        in_order(lanes, writer.count(), |index| self.write_shard(set, writer, index, window))
    }

    fn write_shard(&self, set: &PlannedSet, writer: &SetWriter, index: usize, window: u64) -> Result<ShardSummary> {
        self.job.check()?;
        let files = &set.files[set.shard(index)];
        if let Some(kept) = writer.kept(index, &|| self.job.check())? {
            self.done.add(files.iter().map(|f| f.size).sum());
            return Ok(kept);
        }
        let mut shard = writer.shard(index)?;
        let windows = windows(files, window);
        let mut prepared = windows.first().map(|first| self.pool.install(|| self.prepare(&files[first.clone()])));
        for number in 0..windows.len() {
            self.job.check()?;
            let current = prepared.take().unwrap_or_default();
            // While this thread writes a window, the pool prepares the next one.
            self.pool.in_place_scope(|scope| {
                if let Some(next) = windows.get(number + 1) {
                    let prepared = &mut prepared;
                    scope.spawn(move |_| *prepared = Some(self.prepare(&files[next.clone()])));
                }
                for (file, prepared) in files[windows[number].clone()].iter().zip(current) {
                    match prepared {
                        Ok(Prepared::Record(payload)) => shard.write(&payload)?,
                        Ok(Prepared::First(payload, frames)) => {
                            shard.write(&payload)?;
                            let path = file.path.to_string();
                            locked(&self.flattened).insert(Flattened { path, frames });
                        }
                        Ok(Prepared::Filtered(reason)) => {
                            shard.leave_out();
                            self.filter(Skipped { path: file.path.to_string(), reason });
                        }
                        Err(e) => {
                            let reason = e.message();
                            self.skip_or_fail(Skipped { path: file.path.to_string(), reason }, e)?;
                            shard.leave_out();
                        }
                    }
                    self.done.add(file.size);
                }
                Ok::<(), Error>(())
            })?;
        }
        shard.finish()
    }

    fn prepare(&self, files: &[SourceFile]) -> Vec<Result<Prepared>> {
        prepare_each(self.options, self.root, self.classes, files.par_iter(), |_, prepared| prepared).collect()
    }

    /// Lists a bad file where the options allow that, or gives its error back.
    fn skip_or_fail(&self, skipped: Skipped, error: Error) -> Result<()> {
        let OnError::Skip(most) = self.options.on_error else { return Err(error) };
        let Ok(mut list) = self.skipped.lock() else { return Err(error) };
        list.insert(skipped);
        let bad = list.len() as u64;
        if bad <= most {
            return Ok(());
        }
        let too_many = Error::new(ErrorKind::TooManyBad { bad, most, last: error.message() });
        Err(too_many.at(error.location()))
    }

    /// Lists an image that the options leave out.
    fn filter(&self, filtered: Skipped) {
        locked(&self.filtered).insert(filtered);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prepares files on the threads of the current pool, and gives each to `then` with what came of it.
pub(super) fn prepare_each<'a, T: Send + 'a>(
    options: &'a ConvertOptions,
    root: &'a Path,
    classes: &'a [String],
    files: impl IndexedParallelIterator<Item = &'a SourceFile> + 'a,
    then: impl Fn(&'a SourceFile, Result<Prepared>) -> T + Sync + Send + 'a,
) -> impl IndexedParallelIterator<Item = T> + 'a {
    let preparer = move || Preparer::new(options, root, classes);
    files.map_init(preparer, move |preparer, file| {
        let prepared = match preparer {
            Ok(ready) => catch_unwind(AssertUnwindSafe(|| ready.prepare(file))).unwrap_or_else(|_| {
                // What it has kept of the picture may be anything.
                *preparer = Preparer::new(options, root, classes);
                let detail = "while reading a picture, which is not stored".to_owned();
                Err(Error::new(ErrorKind::Panic { detail }).at_path(&root.join(&*file.path)))
            }),
            Err(e) => Err(e.clone()),
        };
        then(file, prepared)
    })
}

/// Cuts a shard's files into windows of at most so many bytes.
fn windows(files: &[SourceFile], most_bytes: u64) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let (mut start, mut bytes) = (0, 0u64);
    for (i, file) in files.iter().enumerate() {
        if i > start && (i - start == WINDOW_FILES || bytes.saturating_add(file.size) > most_bytes) {
            windows.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes = bytes.saturating_add(file.size);
    }
    if start < files.len() {
        windows.push(start..files.len());
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_all_files_within_their_bounds() {
        let files: Vec<SourceFile> = [1, 1, WINDOW_BYTES, 1, WINDOW_BYTES * 3, 1]
            .into_iter()
            .chain(std::iter::repeat_n(10, 200))
            .map(|size| SourceFile { path: "x".into(), class: None, size, modified: 0, notes: None })
            .collect();
        let windows = windows(&files, WINDOW_BYTES);
        assert_eq!(windows[..4], [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(windows.iter().cloned().flatten().collect::<Vec<_>>(), (0..files.len()).collect::<Vec<_>>());
        assert!(windows.iter().all(|w| w.len() <= WINDOW_FILES));
        assert!(super::windows(&[], WINDOW_BYTES).is_empty());
    }
}
