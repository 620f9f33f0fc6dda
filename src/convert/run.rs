//! The conversion itself: lanes that each write a shard, fed by a pool that prepares records.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use super::options::{ConvertOptions, OnError};
use super::plan::{PlannedSet, plan};
use super::prepare::Preparer;
use super::source::{SourceFile, scan};
use crate::dataset::{FeatureEntry, Manifest, SetWriter, ShardSummary, labels, lock_dir, tfds};
use crate::error::{Error, ErrorClass, ErrorKind, Result};
use crate::job::{Counter, Job};
use crate::record::Compression;

/// Records that a lane prepares at a time, at most this many files and source bytes (a larger file goes alone).
const WINDOW_FILES: usize = 64;
const WINDOW_BYTES: u64 = 8 << 20;

/// What a conversion did.
#[derive(Debug, Default, Serialize)]
pub struct ConvertReport {
    /// Records in all sets.
    pub records: u64,
    /// Records by set.
    pub sets: BTreeMap<String, u64>,
    /// The shards in order.
    pub shards: Vec<ShardReport>,
    /// Class names in the order of their numbers.
    pub classes: Vec<String>,
    /// Files that were left out.
    pub skipped: Vec<Skipped>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// A shard that was written, or kept of an earlier run.
#[derive(Debug, Serialize)]
pub struct ShardReport {
    /// Its path.
    pub path: PathBuf,
    /// Its records.
    pub records: u64,
    /// The file's length in bytes.
    pub bytes: u64,
}

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Skipped {
    /// Its path below the source.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Converts a directory of images, or a list of them, to shards. Progress counts source bytes.
///
/// The shards' bytes depend on the sources and the options alone, not on the number of threads or on how often the run
/// was interrupted and resumed. A shard has its final name only when it is whole.
///
/// # Errors
/// Usage errors for options, sources and outputs that contradict each other. With [`OnError::Fail`], the first bad
/// file, and nothing of this run is left behind; with [`OnError::Skip`], the file after the last one allowed. After an
/// interruption or an error of the system, whole shards stay, for `Existing::Resume`.
pub fn convert(options: &ConvertOptions, job: &Job<'_>) -> Result<ConvertReport> {
    let start = Instant::now();
    check_places(&options.src, &options.out)?;
    let given = options.labels.as_deref().map(labels::read_labels).transpose()?;
    let mut source = scan(options, given)?;
    let (features, missing) = source.features();
    if options.compression == Compression::None {
        source.warnings.extend(missing);
    }
    let sets = plan(&mut source, options)?;
    if sets.iter().all(|set| set.files.is_empty()) && source.bad.is_empty() {
        return Err(Error::usage(format!("there are no images in {}", options.src.display())));
    }
    // Class numbers and the manifest belong to all sets of the directory: one conversion at a time may change them.
    let _lock = lock_dir(&options.out)?;
    let manifest = Manifest::read(&options.out)?.unwrap_or_default();
    check_labels(options, &manifest, &source.classes)?;
    let total = sets.iter().flat_map(|s| &s.files).map(|f| f.size).sum();
    let run = Run {
        options,
        job,
        root: &source.root,
        classes: &source.classes,
        features,
        pool: job.pool()?,
        done: job.counter(total),
        skipped: Mutex::new(BTreeSet::new()),
    };
    for (path, reason) in source.bad {
        let error = Error::new(ErrorKind::Source { detail: reason.clone() }).at_path(&source.root.join(&path));
        run.skip_or_fail(Skipped { path, reason }, error)?;
    }
    let mut report = ConvertReport { warnings: source.warnings, ..Default::default() };
    for (set, shards) in sets.iter().zip(run.write_sets(&sets)?) {
        report.sets.insert(set.name.clone(), shards.iter().map(|s| s.records).sum());
        let shards = shards.into_iter();
        report.shards.extend(shards.map(|s| ShardReport { path: s.path, records: s.records, bytes: s.bytes }));
    }
    report.records = report.sets.values().sum();
    let earlier = !manifest.sets.is_empty();
    tfds::write_tfds(&options.out, &Manifest::read(&options.out)?.unwrap_or_default(), earlier)?;
    if options.compression != Compression::None {
        report.warnings.push("TFDS reads no compressed shards, so its metadata leave them out".into());
    }
    report.skipped = run.skipped.into_inner().unwrap_or_default().into_iter().collect();
    report.classes = source.classes;
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
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

/// Holds the classes against those of sets that are there already.
fn check_labels(options: &ConvertOptions, manifest: &Manifest, classes: &[String]) -> Result<()> {
    let path = options.out.join(labels::LABELS_NAME);
    if path.exists() && labels::read_labels(&path)? != classes {
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
    if !manifest.classes.is_empty() && manifest.label_offset != options.label_offset {
        return Err(Error::usage_hint(
            format!("the sets in {} have the label offset {}", options.out.display(), manifest.label_offset),
            format!("convert with `--label-offset {}`, or choose another directory", manifest.label_offset),
        ));
    }
    Ok(())
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
                writers.into_iter().zip(written).map(|(writer, shards)| writer.finish(shards)).collect()
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
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let results: Mutex<BTreeMap<usize, Result<ShardSummary>>> = Mutex::default();
        // One lane more than threads: while one waits for the disk, the others go on.
        let lanes = (self.job.thread_count() + 1).min(writer.count());
        std::thread::scope(|scope| {
            for _ in 0..lanes {
                scope.spawn(|| {
                    while !failed.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= writer.count() {
                            break;
                        }
                        let result = self.write_shard(set, writer, index);
                        failed.fetch_or(result.is_err(), Ordering::Relaxed);
                        if let Ok(mut results) = results.lock() {
                            results.insert(index, result);
                        }
                    }
                });
            }
        });
        results.into_inner().unwrap_or_default().into_values().collect()
    }

    fn write_shard(&self, set: &PlannedSet, writer: &SetWriter, index: usize) -> Result<ShardSummary> {
        self.job.check()?;
        let files = &set.files[set.shard(index)];
        if let Some(kept) = writer.kept(index) {
            self.done.add(files.iter().map(|f| f.size).sum());
            return Ok(kept.clone());
        }
        let mut shard = writer.shard(index)?;
        let windows = windows(files);
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
                for (file, payload) in files[windows[number].clone()].iter().zip(current) {
                    match payload {
                        Ok(payload) => shard.write(&payload)?,
                        Err(e) => {
                            let reason = e.message();
                            self.skip_or_fail(Skipped { path: file.path.to_string(), reason }, e)?;
                        }
                    }
                    self.done.add(file.size);
                }
                Ok::<(), Error>(())
            })?;
        }
        shard.finish()
    }

    fn prepare(&self, files: &[SourceFile]) -> Vec<Result<Vec<u8>>> {
        let preparer = || Preparer::new(self.options, self.root, self.classes);
        files
            .par_iter()
            .map_init(preparer, |preparer, file| match preparer {
                Ok(ready) => catch_unwind(AssertUnwindSafe(|| ready.prepare(file))).unwrap_or_else(|_| {
                    // What it has kept of the picture may be anything.
                    *preparer = Preparer::new(self.options, self.root, self.classes);
                    let detail = "while reading a picture, which is not stored".to_owned();
                    Err(Error::new(ErrorKind::Panic { detail }).at_path(&self.root.join(&*file.path)))
                }),
                Err(e) => Err(e.clone()),
            })
            .collect()
    }

    /// Lists a bad file where the options allow that, or gives its error back.
    fn skip_or_fail(&self, skipped: Skipped, error: Error) -> Result<()> {
        let OnError::Skip(most) = self.options.on_error else { return Err(error) };
        let Ok(mut list) = self.skipped.lock() else { return Err(error) };
        list.insert(skipped);
        if list.len() as u64 > most { Err(error) } else { Ok(()) }
    }
}

/// Cuts a shard's files into windows.
fn windows(files: &[SourceFile]) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let (mut start, mut bytes) = (0, 0u64);
    for (i, file) in files.iter().enumerate() {
        if i > start && (i - start == WINDOW_FILES || bytes.saturating_add(file.size) > WINDOW_BYTES) {
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
        let windows = windows(&files);
        assert_eq!(windows[..4], [0..2, 2..3, 3..4, 4..5]);
        assert_eq!(windows.iter().cloned().flatten().collect::<Vec<_>>(), (0..files.len()).collect::<Vec<_>>());
        assert!(windows.iter().all(|w| w.len() <= WINDOW_FILES));
        assert!(super::windows(&[]).is_empty());
    }
}
