//! Records one by one, for people and for pipes.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::known::Known;
use super::shown::ShownRecord;
use super::work::{STREAM_NAME, Tracked, Work};
use crate::dataset::{Search, ShardSearch, ShardSet};
use crate::error::{Error, Result};
use crate::example::{FeatureView, Filter, Kind, SequenceExampleView, Sought};
use crate::job::Job;
use crate::record::RecordRef;

/// Which records are shown.
#[derive(Debug, Clone, Default)]
pub struct CatOptions {
    /// Only records that fulfil it are shown, and counted by the fields below. Default: all.
    pub filter: Option<Filter>,
    /// How many records are passed over first, counted over all shards. Default: none.
    pub skip: u64,
    /// How many records are shown at most. Default: all.
    pub limit: Option<u64>,
    /// The features and feature lists to show, by name. Default: all.
    pub features: Vec<String>,
}

/// A record as [`cat`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct CatRecord<'a> {
    pub(super) features: &'a [String],
    /// Its shard; `-` for a stream.
    pub path: &'a Path,
    /// Its number in the shard, from 0.
    pub record: u64,
    /// The byte offset of its frame (in the inflated stream, where the shard is compressed).
    pub offset: u64,
    /// The payload.
    pub payload: &'a [u8],
}

/// Gives the records of `sets` to `f`, shard by shard, in order, their CRCs verified. How many were given.
///
/// What is skipped is not read where the manifest counts a whole shard; of one that an index covers, the headers are read and
/// held against it; else the headers of mapped shards are read, and all of others.
///
/// The first damaged record ends it, as does an error out of `f`. A filter over a feature that no record has is a usage error
/// at the end, and so is a feature to show that no record shown has; where a filter compares a label with text, the classes
/// are those that files beside the shards name.
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::example::ExampleBuilder;
/// use tfrkit::inspect::{CatOptions, cat};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("a.tfrecord");
/// let mut writer = ShardWriter::create(&path, Default::default())?;
/// writer.write(&ExampleBuilder::new().int64("label", 3).encode())?;
/// writer.finish()?;
///
/// let sets = resolve(&[path.to_str().unwrap()])?.complete()?;
/// let mut lines = Vec::new();
/// cat(&sets, CatOptions { limit: Some(1), ..Default::default() }, &tfrkit::Job::default(), &mut |record| {
///     lines.push(serde_json::to_value(record.shown()).map_err(std::io::Error::other)?);
///     Ok(())
/// })?;
/// assert_eq!(lines[0]["features"]["label"]["int64"][0], 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cat(
    sets: &[ShardSet],
    options: CatOptions,
    job: &Job<'_>,
    f: &mut dyn FnMut(CatRecord<'_>) -> Result<()>,
) -> Result<u64> {
    let paths: Vec<&Path> = sets.iter().flat_map(|s| s.shards.iter().map(|p| p.as_path())).collect();
    let work = Work::new(job, paths.iter().copied());
    let search = options.filter.as_ref().map(Search::new);
    let mut window = Window::new(&options, search.as_ref());
    let known = Known::beside(paths.iter().copied().filter(|_| window.can_jump()), work.io());
    for path in paths {
        if window.is_over() {
            break;
        }
        if let Some(source) = window.open(path, &known, &work)? {
            let search = search.as_ref().map(|search| search.in_shard(path)).transpose()?;
            window.show(path, source, search, &work, f)?;
        }
    }
    window.end()
}

/// As [`cat`], of one shard out of a stream, such as standard input; its path is `-`.
pub fn cat_stream(
    input: Box<dyn Read + Send>,
    options: CatOptions,
    job: &Job<'_>,
    f: &mut dyn FnMut(CatRecord<'_>) -> Result<()>,
) -> Result<u64> {
    let work = Work::new(job, []);
    let path = Path::new(STREAM_NAME);
    let search = options.filter.as_ref().map(Search::new);
    let mut window = Window::new(&options, search.as_ref());
    if !window.is_over() {
        let source = Tracked::stream(input, path, work.reading())?;
        window.show(path, source, search.as_ref().map(Search::in_stream), &work, f)?;
    }
    window.end()
}

/// The stretch of records to show, counted over all shards.
struct Window<'s> {
    search: Option<&'s Search<'s>>,
    features: &'s [String],
    /// What was met of those features.
    met: Sought,
    skip: u64,
    left: u64,
    shown: u64,
}

impl<'s> Window<'s> {
    fn new(options: &'s CatOptions, search: Option<&'s Search<'s>>) -> Self {
        let (features, met) = (&options.features[..], Sought::of_names(&options.features));
        let (skip, left) = (options.skip, options.limit.unwrap_or(u64::MAX));
        Window { search, features, met, skip, left, shown: 0 }
    }

    /// How many records were shown; an error where all have gone by, and none had a feature that the filter names.
    fn end(self) -> Result<u64> {
        if let (Some(search), false) = (self.search, self.is_over()) {
            search.check()?;
        }
        self.met.check("record shown")?;
        Ok(self.shown)
    }

    fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Whether records are left out by their number alone.
    fn can_jump(&self) -> bool {
        self.skip > 0 && self.search.is_none()
    }

    /// Opens a shard, at the first record to show where its place is known. `None` for a shard that is skipped.
    fn open(&mut self, path: &Path, known: &Known, work: &Work<'_>) -> Result<Option<Tracked>> {
        let options = work.reading();
        if !self.can_jump() {
            return Tracked::open(path, work.io(), options).map(Some);
        }
        let told = known.records(path);
        let spans = match told {
            Some(records) if records <= self.skip => None,
            _ => known.spans(path, self.skip.saturating_add(1)),
        };
        let records = spans.as_ref().map(|s| s.len() as u64).or(told);
        if let Some(records) = records.filter(|n| *n <= self.skip) {
            self.skip -= records;
            work.advance(fs::metadata(path).map_or(0, |m| m.len()))?;
            return Ok(None);
        }
        let first = spans.as_ref().and_then(|spans| spans.get(usize::try_from(self.skip).ok()?));
        match first {
            Some(first) => {
                let index = std::mem::take(&mut self.skip);
                Tracked::open_at(path, work.io(), options, index, first.offset).map(Some)
            }
            None => Tracked::open(path, work.io(), options).map(Some),
        }
    }

    fn show(
        &mut self,
        path: &Path,
        mut source: Tracked,
        search: Option<ShardSearch<'_>>,
        work: &Work<'_>,
        f: &mut dyn FnMut(CatRecord<'_>) -> Result<()>,
    ) -> Result<()> {
        while self.can_jump() {
            if source.pass_over(work)?.is_none() {
                return Ok(());
            }
            self.skip -= 1;
        }
        while !self.is_over()
            && let Some(RecordRef { index, offset, payload }) = source.next_record(work)?
        {
            let record = CatRecord { features: self.features, path, record: index, offset, payload };
            let matches = search.as_ref().map_or(Ok(true), |search| search.matches(payload));
            if !matches.map_err(|e| record.place(e))? {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            self.shown += 1;
            self.met.note(payload);
            f(record)?;
        }
        Ok(())
    }
}

impl<'a> CatRecord<'a> {
    /// What is shown of the record. A damaged message is shown as bytes of somebody's own.
    pub fn shown(&self) -> ShownRecord<'a> {
        ShownRecord::new(*self)
    }

    /// The byte strings of the feature named `feature`, or else those of all steps of the feature list; none where the
    /// record lacks it. An error where it has another kind, or where the payload is neither Example nor SequenceExample.
    pub fn values(&self, feature: &str) -> Result<Vec<Vec<u8>>> {
        let read = || {
            let view = SequenceExampleView::new(self.payload);
            if let Some(found) = view.feature(feature)? {
                return bytes_of(&found);
            }
            let Some(list) = view.list(feature)? else { return Ok(Vec::new()) };
            let steps = list.steps().map(|step| step?.as_ref().map_or(Ok(Vec::new()), bytes_of));
            Ok(steps.collect::<Result<Vec<_>>>()?.concat())
        };
        read().map_err(|e| self.place(e))
    }

    pub(super) fn place(&self, error: Error) -> Error {
        error.at_record(self.record, self.offset).at_path(self.path)
    }
}

fn bytes_of(feature: &FeatureView<'_>) -> Result<Vec<Vec<u8>>> {
    if feature.kind() != Kind::Bytes {
        let kind = feature.kind().name();
        return Err(Error::schema(feature.key(), format!("is a list of {kind}: it has no bytes")));
    }
    feature.bytes()?.map(|v| v.map(<[u8]>::to_vec)).collect()
}
