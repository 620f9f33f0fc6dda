//! Validation: frames, messages, kinds, counts, and on request images.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::check::{Hashing, RecordCheck, Scope};
use super::duplicates::{Contents, Groups};
use super::feed::{Boundaries, Chunk, End, Feeder, Item};
use super::finding::{Collector, Finding, FindingKind, FindingList, Severity, total};
use super::groups::FindingGroup;
use super::images::{Depth, ImageChecker};
use super::kinds::KindTable;
use super::message::{MessageType, Profile, TELLING};
use super::metadata::{Sidecars, Whole};
use super::report::Tally;
use super::survey::{Survey, SurveyedSet, SurveyedShard, Wanted};
use super::work::{STREAM_NAME, Tracked, Work, lock};
use crate::dataset::ResolvedSets;
use crate::error::{Error, ErrorClass, ErrorKind, Result};
use crate::example::Schema;
use crate::image::Limits;
use crate::job::Job;
use crate::record::{Compression, FrameError, OnCorrupt, Passed, ReadOptions};

/// How many bytes of a stream's first records are held to tell what it holds.
const HELD_BYTES: usize = 32 << 20;

/// What is validated beyond frames, messages, kinds and counts.
#[derive(Debug, Clone, Default)]
pub struct ValidateOptions {
    /// Decode every image, strictly, and hold the record's height, width, channels, format and label against it.
    /// Default: no; frames are checked at memory speed, images at the speed of their decoder.
    pub decode: bool,
    /// Find records that hold the same: twice in a set (`duplicate`, a warning), or in two sets (`leakage`, an error).
    /// They are compared by the SHA-256 stored as `image/key/sha256`; where none is, by that of the image, or of the
    /// whole record. Takes 40 bytes of memory a record. Default: no.
    pub duplicates: bool,
    /// As `duplicates`, with the SHA-256 of every image computed, which the stored one must be. Default: no.
    pub deep: bool,
    /// The feature that holds the encoded image. Default: `image/encoded`, or else `image`, or else the only one that holds
    /// images.
    pub image: Option<String>,
    /// The feature that holds the label's number. Default: `image/class/label`.
    pub label: Option<String>,
    /// Hold every record against this schema. Features that it does not name are a warning, one each. Default: none.
    pub schema: Option<Schema>,
    /// What an image may have and take: larger ones are errors, and are not decoded.
    pub limits: Limits,
}

/// The outcome of a validation. Serialised, it is the JSON of `tfr validate --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Shards looked at.
    pub shards: u64,
    /// Whole frames found in them, those with a damaged payload included.
    pub records: u64,
    /// Bytes of the shard files.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// All findings, listed or not.
    pub findings_total: u64,
    /// Findings that make the data bad.
    pub errors: u64,
    /// Findings that do not.
    pub warnings: u64,
    /// All findings, those of one sort together: by severity, kind and the place of the first one. Of a kind with more
    /// than 50 sorts, all are one group.
    pub groups: Vec<FindingGroup>,
    /// The first 1,000 findings: by set, shard and record.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether the data are bad.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }
}

/// Validates sets of shards. Damage becomes findings; an error is what keeps the job from looking: a file that cannot
/// be read, an interruption.
///
/// Both CRCs of every frame are verified. A damaged payload is one finding, and the walk goes on behind it; a damaged
/// header ends the walk over its shard. Payloads must be the message that the set holds, told by its first records
/// (a set of bytes of somebody's own gets one warning, and no such check); a feature must have one kind across a set.
/// Whole shards are held against `manifest.json`, `dataset_info.json` and `idx/` beside them.
///
/// Memory: 1,000 findings and 50 groups of each kind in all, as many and a chunk's 4,096 lengths a thread, 10,000
/// feature names a set; 40 bytes a record where they are compared; mapped shards aside. Of a record over 64 MiB in a
/// compressed or streamed shard the checksums are verified as it goes by, and a warning says that its content was not
/// looked at.
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::example::ExampleBuilder;
/// use tfrkit::inspect::{ValidateOptions, validate};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("a.tfrecord");
/// let mut writer = ShardWriter::create(&path, Default::default())?;
/// writer.write(&ExampleBuilder::new().int64("label", 1).encode())?;
/// writer.finish()?;
///
/// let sets = resolve(&[path.to_str().unwrap()])?;
/// let report = validate(&sets, &ValidateOptions::default(), &tfrkit::Job::default())?;
/// assert_eq!((report.records, report.findings_total), (1, 0));
/// assert!(!report.has_errors());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn validate(sets: &ResolvedSets, options: &ValidateOptions, job: &Job<'_>) -> Result<Report> {
    survey(sets, options, None, job).map(|survey| survey.report)
}

/// Validates, and counts what is wanted; then images are checked, by their headers at least.
pub(super) fn survey(
    sets: &ResolvedSets,
    options: &ValidateOptions,
    wanted: Option<Wanted>,
    job: &Job<'_>,
) -> Result<Survey> {
    let begin = Instant::now();
    let shards: Vec<PathBuf> = sets.sets.iter().flat_map(|s| s.shards.iter().cloned()).collect();
    let set_of = sets.sets.iter().enumerate().flat_map(|(i, s)| s.shards.iter().map(move |_| i)).collect();
    let work = Work::new(job, shards.iter().map(PathBuf::as_path));
    let (sidecars, damaged) = Sidecars::read(&shards)?;
    let profiles = work.in_order(sets.sets.len(), |i| {
        let profile = Profile::of_shards(&sets.sets[i].shards, work.io());
        Ok(profile.with_names(options.image.as_deref(), options.label.as_deref()))
    })?;
    let names: Vec<&str> = sets.sets.iter().map(|s| s.name.as_str()).collect();
    let profiles = profiles.into_iter().map(OnceLock::from).collect();
    let run = Run::new(&work, options, wanted, shards, set_of, profiles, &names);
    let mut problems = FindingList::default();
    for problem in &sets.problems {
        let finding = Finding::error(FindingKind::MissingShard, problem.message());
        problems.push(match &problem.location().path {
            Some(path) => finding.at_path(path),
            None => finding,
        });
    }
    for path in &sets.passed_over {
        let detail =
            "it holds records and was not looked at, since its name is not that of a shard: name it to look at it";
        problems.push(Finding::warning(FindingKind::MissingShard, detail).at_path(path));
    }
    run.add((0, 0), problems);
    damaged.into_iter().for_each(|(shard, finding)| run.add_one(shard, finding));

    let feeder = Mutex::new(Feeder::new(&run.shards, work.io(), work.reading()));
    work.on_each_thread(|| run.take_items(&feeder, &sidecars))?;
    run.failure()?;
    let whole = work.in_order(run.shards.len(), |i| match lock(&run.outcomes[i]).whole() {
        Some(whole) => sidecars.check(&run.shards[i], &whole, work.io()),
        None => Ok(Vec::new()),
    })?;
    whole.into_iter().enumerate().for_each(|(i, all)| all.into_iter().for_each(|f| run.add_one(i, f)));
    Ok(run.finish(begin, job_bytes(&sets.sets.iter().flat_map(|s| &s.shards).collect::<Vec<_>>())))
}

/// Validates one shard out of a stream, such as standard input. Findings call it `-`. It has no set and no files
/// beside it, so its counts are held against nothing; one thread does all the work.
pub fn validate_stream(input: Box<dyn Read + Send>, options: &ValidateOptions, job: &Job<'_>) -> Result<Report> {
    let begin = Instant::now();
    let work = Work::new(job, []);
    let run = Run::new(&work, options, None, vec![STREAM_NAME.into()], vec![0], vec![OnceLock::new()], &[STREAM_NAME]);
    let source = Tracked::stream(input, Path::new(STREAM_NAME), reading(&work))?;
    let mut images = run.checker()?;
    let bytes = run.stream(0, source, images.as_mut(), None)?;
    Ok(run.finish(begin, bytes).report)
}

fn reading(work: &Work<'_>) -> ReadOptions {
    ReadOptions { on_corrupt: OnCorrupt::Continue, ..work.reading() }
}

fn job_bytes(shards: &[&PathBuf]) -> u64 {
    shards.iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum()
}

/// A validation under way.
struct Run<'a> {
    work: &'a Work<'a>,
    /// How far images are checked; `None` where they are not.
    images: Option<Depth>,
    limits: Limits,
    wanted: Option<Wanted>,
    hashing: Hashing,
    schema: Option<&'a Schema>,
    /// The features of image and label, where they are named.
    names: (Option<&'a str>, Option<&'a str>),
    shards: Vec<PathBuf>,
    /// The set of each shard.
    set_of: Vec<usize>,
    /// Of each set, the first one of that name: sets of one name in several directories are one split.
    split_of: Vec<usize>,
    /// Of each set; empty where only reading it will tell.
    profiles: Vec<OnceLock<Profile>>,
    kinds: Vec<Mutex<KindTable>>,
    tallies: Vec<Mutex<Tally>>,
    contents: Mutex<Contents>,
    outcomes: Vec<Mutex<Outcome>>,
    collector: Mutex<Collector>,
    /// The first shard that could not be read, and why.
    failed: Mutex<Option<(usize, Error)>>,
}

/// What is known of a shard so far.
#[derive(Debug, Default)]
struct Outcome {
    records: u64,
    boundaries: Boundaries,
    compression: Compression,
    damaged: bool,
}

impl Outcome {
    /// A whole record of a stream.
    fn see(&mut self, check: &mut RecordCheck<'_>, record: Passed<'_>) {
        self.records = record.index + 1;
        self.boundaries.add(record.frame_len());
        match record.payload {
            Some(payload) => check.record(record.index, record.offset, payload),
            None => check.too_long(record.index, record.offset, record.len),
        }
    }

    /// A damaged frame of a stream.
    fn damage(&mut self, check: &mut RecordCheck<'_>, error: Error) -> Result<()> {
        self.damaged = true;
        if let (ErrorKind::Frame(FrameError::DataCrc { .. }), Some(record)) = (error.kind(), error.location().record) {
            self.records = record + 1;
        }
        check.damage(error)
    }

    fn whole(&self) -> Option<Whole> {
        let Outcome { records, boundaries, compression, damaged } = *self;
        (!damaged).then_some(Whole { records, boundaries, compression })
    }
}

impl<'a> Run<'a> {
    fn new(
        work: &'a Work<'a>,
        options: &'a ValidateOptions,
        wanted: Option<Wanted>,
        shards: Vec<PathBuf>,
        set_of: Vec<usize>,
        profiles: Vec<OnceLock<Profile>>,
        names: &[&str],
    ) -> Self {
        let split_of = names.iter().map(|name| names.iter().position(|n| n == name).unwrap_or_default()).collect();
        Run {
            work,
            limits: options.limits,
            images: match options.decode {
                true => Some(Depth::Pixels),
                false => wanted.map(|_| Depth::Headers),
            },
            wanted,
            hashing: match (options.duplicates, options.deep) {
                (_, true) => Hashing::Recomputed,
                (true, false) => Hashing::Stored,
                (false, false) => Hashing::Off,
            },
            contents: Mutex::default(),
            schema: options.schema.as_ref(),
            names: (options.image.as_deref(), options.label.as_deref()),
            kinds: profiles.iter().map(|_| Mutex::default()).collect(),
            tallies: profiles.iter().map(|_| Mutex::new(Tally::new(wanted.map_or(0, |w| w.samples)))).collect(),
            outcomes: shards.iter().map(|_| Mutex::default()).collect(),
            shards,
            set_of,
            split_of,
            profiles,
            collector: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    fn add(&self, key: (usize, u64), list: FindingList) {
        lock(&self.collector).add(key, list);
    }

    /// A finding about a shard as a whole: listed behind those of its records.
    fn add_one(&self, shard: usize, finding: Finding) {
        let mut list = FindingList::default();
        list.push(finding);
        self.add((shard, u64::MAX), list);
    }

    /// One thread's work.
    fn take_items(&self, feeder: &Mutex<Feeder<'_>>, sidecars: &Sidecars) {
        let mut images = None;
        while lock(&self.failed).is_none() {
            let Some(item) = lock(feeder).next() else { return };
            let (shard, result) = match item {
                Ok(Item::Chunk(chunk)) => (chunk.shard, self.item(chunk.shard, &mut images, sidecars, Some(chunk))),
                Ok(Item::Stream(shard)) => (shard, self.item(shard, &mut images, sidecars, None)),
                Err((shard, e)) => (shard, Err(e)),
            };
            if let Err(e) = result {
                let mut failed = lock(&self.failed);
                if failed.as_ref().is_none_or(|(first, _)| shard < *first) {
                    *failed = Some((shard, e));
                }
            }
        }
    }

    /// A checker of images, where they are checked.
    fn checker(&self) -> Result<Option<ImageChecker>> {
        self.images.map(|depth| ImageChecker::new(depth, self.limits)).transpose()
    }

    fn item(
        &self,
        shard: usize,
        images: &mut Option<ImageChecker>,
        sidecars: &Sidecars,
        chunk: Option<Chunk>,
    ) -> Result<()> {
        if images.is_none() {
            *images = self.checker()?;
        }
        let labels = self.images.and_then(|_| sidecars.labels(&self.shards[shard]));
        match chunk {
            Some(chunk) => self.chunk(chunk, images.as_mut(), labels),
            None => {
                let source = Tracked::open_stream(&self.shards[shard], reading(self.work))?;
                self.stream(shard, source, images.as_mut(), labels).map(drop)
            }
        }
    }

    fn failure(&self) -> Result<()> {
        lock(&self.failed).take().map_or(Ok(()), |(_, e)| Err(e))
    }

    fn scope<'s>(&'s self, shard: usize, profile: &Profile, labels: Option<Range<i64>>) -> Scope<'s> {
        let mut profile = profile.clone();
        if let Some(schema) = self.schema {
            profile.message = schema.message.into();
        }
        Scope { shard, path: &self.shards[shard], profile, labels, hashing: self.hashing, schema: self.schema }
    }

    fn check<'s>(&'s self, scope: Scope<'s>, images: Option<&'s mut ImageChecker>, stretch: u64) -> RecordCheck<'s> {
        let tally = self.wanted.map(|wanted| (Tally::new(wanted.samples), (scope.shard, stretch)));
        RecordCheck::new(scope, images, tally)
    }

    fn chunk(&self, chunk: Chunk, images: Option<&mut ImageChecker>, labels: Option<Range<i64>>) -> Result<()> {
        let shard = chunk.shard;
        let profile = self.profiles[self.set_of[shard]].get_or_init(|| Profile::of_payloads(&[]));
        let mut check = self.check(self.scope(shard, profile, labels), images, chunk.number);
        let mut damaged = false;
        for (record, offset, payload) in chunk.frames() {
            match payload {
                Ok(payload) => check.record(record, offset, payload),
                Err(e) => {
                    damaged = true;
                    check.damage(Error::from(e).at_record(record, offset))?;
                }
            }
        }
        if let Some(End { records, offset, error, boundaries }) = &chunk.end {
            if let Some(e) = error {
                damaged = true;
                check.damage(Error::from(e.clone()).at_record(*records, *offset))?;
            }
            let mut outcome = lock(&self.outcomes[shard]);
            (outcome.records, outcome.boundaries) = (*records, *boundaries);
        }
        self.close(check, (shard, chunk.number), damaged);
        self.work.advance(chunk.bytes())
    }

    /// Checks a streamed shard; the bytes read.
    fn stream(
        &self,
        shard: usize,
        mut source: Tracked,
        images: Option<&mut ImageChecker>,
        labels: Option<Range<i64>>,
    ) -> Result<u64> {
        let profile = &self.profiles[self.set_of[shard]];
        let (image, label) = self.names;
        let held = if profile.get().is_none() { hold(&mut source, self.work)? } else { Vec::new() };
        let profile = profile.get_or_init(|| {
            let whole = held.iter().filter_map(|r| r.as_ref().ok());
            Profile::of_payloads(&whole.filter_map(|r| r.payload.as_deref()).collect::<Vec<_>>())
                .with_names(image, label)
        });
        let mut check = self.check(self.scope(shard, profile, labels), images, 1);
        let mut outcome = Outcome { compression: source.compression(), ..Default::default() };
        for item in held {
            match item {
                Ok(Held { index, offset, len, payload }) => {
                    outcome.see(&mut check, Passed { index, offset, len, payload: payload.as_deref() });
                }
                Err(e) => outcome.damage(&mut check, e)?,
            }
        }
        loop {
            match source.next_held(self.work) {
                Ok(Some(record)) => outcome.see(&mut check, record),
                Ok(None) => break,
                Err(e) => outcome.damage(&mut check, e)?,
            }
        }
        let damaged = outcome.damaged;
        *lock(&self.outcomes[shard]) = outcome;
        self.close(check, (shard, 1), damaged);
        Ok(source.bytes())
    }

    fn close(&self, check: RecordCheck<'_>, key: (usize, u64), damaged: bool) {
        let (kinds, contents, found, tally) = check.into_parts();
        tally.into_iter().for_each(|tally| lock(&self.tallies[self.set_of[key.0]]).merge(tally));
        lock(&self.contents).merge(contents);
        lock(&self.kinds[self.set_of[key.0]]).merge(kinds);
        if damaged {
            lock(&self.outcomes[key.0]).damaged = true;
        }
        self.add(key, found);
    }

    /// What can be said only once everything has been seen.
    fn finish(self, begin: Instant, bytes: u64) -> Survey {
        let records = self.outcomes.iter().map(|o| lock(o).records).sum();
        for (set, kinds) in self.kinds.iter().enumerate() {
            let kinds = std::mem::take(&mut *lock(kinds));
            let unexpected = self.schema.map_or(Vec::new(), |schema| kinds.unexpected(schema, &self.shards));
            unexpected.into_iter().for_each(|(shard, finding)| self.add_one(shard, finding));
            kinds.findings(&self.shards).into_iter().for_each(|(shard, finding)| self.add_one(shard, finding));
            self.note_what_was_not_checked(set);
        }
        let mut contents = std::mem::take(&mut *lock(&self.contents));
        contents.sort();
        let split_of: Vec<usize> = self.set_of.iter().map(|&set| self.split_of[set]).collect();
        contents.findings(&self.shards, &split_of).into_iter().for_each(|(shard, f)| self.add_one(shard, f));
        let groups = self.wanted.map_or_else(Groups::default, |wanted| contents.groups(&split_of, wanted.groups));
        let mut collector = std::mem::take(&mut *lock(&self.collector));
        let sorts = std::mem::take(&mut collector.groups);
        let counts = sorts.counts();
        let (errors, warnings) = (total(&counts, Severity::Error), total(&counts, Severity::Warning));
        let report = Report {
            shards: self.shards.len() as u64,
            records,
            bytes,
            seconds: begin.elapsed().as_secs_f64(),
            findings_total: errors + warnings,
            errors,
            warnings,
            groups: sorts.into_groups(),
            findings: collector.into_listed(),
        };
        let outcomes = self.outcomes.into_iter().map(|o| o.into_inner().unwrap_or_else(PoisonError::into_inner));
        let shards = self.shards.into_iter().zip(self.set_of).zip(outcomes);
        let set = |(profile, tally): (OnceLock<Profile>, Mutex<Tally>)| SurveyedSet {
            profile: profile.into_inner().unwrap_or_else(|| Profile::of_payloads(&[])),
            tally: tally.into_inner().unwrap_or_else(PoisonError::into_inner),
        };
        Survey {
            report,
            counts,
            shards: shards
                .map(|((path, set), Outcome { records, compression, .. })| SurveyedShard {
                    path,
                    set,
                    records,
                    compression,
                })
                .collect(),
            sets: self.profiles.into_iter().zip(self.tallies).map(set).collect(),
            groups,
        }
    }

    /// One warning a set, at its first whole shard that has records: a damaged shard has enough to say.
    fn note_what_was_not_checked(&self, set: usize) {
        let Some(profile) = self.profiles[set].get() else { return };
        let detail = match profile {
            Profile { message: MessageType::Raw, .. } if self.schema.is_none() => {
                "the set's payloads are no tf.train.Example messages: frames and CRCs were checked, nothing inside"
                    .to_owned()
            }
            Profile { image_key: None, image_keys, .. } if self.images == Some(Depth::Pixels) => {
                match &image_keys[..] {
                    [] => "no feature of this set holds images: nothing was decoded".to_owned(),
                    keys => format!(
                        "the features {} hold images, and which is meant is not told: nothing was decoded",
                        keys.join(", ")
                    ),
                }
            }
            _ => return,
        };
        let kind = if profile.message == MessageType::Raw { FindingKind::Proto } else { FindingKind::Image };
        let first = (0..self.shards.len()).find(|&i| {
            let outcome = lock(&self.outcomes[i]);
            self.set_of[i] == set && !outcome.damaged && outcome.records > 0
        });
        if let Some(shard) = first {
            self.add_one(shard, Finding::warning(kind, detail).at_path(&self.shards[shard]));
        }
    }
}

/// A record that went by, with its payload where that was held.
struct Held {
    index: u64,
    offset: u64,
    len: u64,
    payload: Option<Vec<u8>>,
}

/// A stream's first records, which tell what it holds, and the damage between them.
fn hold(source: &mut Tracked, work: &Work<'_>) -> Result<Vec<Result<Held>>> {
    let (mut held, mut bytes) = (Vec::new(), 0);
    while held.len() < TELLING && bytes < HELD_BYTES {
        match source.next_held(work) {
            Ok(Some(Passed { index, offset, len, payload })) => {
                bytes += payload.map_or(0, <[u8]>::len);
                held.push(Ok(Held { index, offset, len, payload: payload.map(<[u8]>::to_vec) }));
            }
            Ok(None) => break,
            Err(e) if e.class() != ErrorClass::Data => return Err(e),
            Err(e) => held.push(Err(e)),
        }
    }
    Ok(held)
}
