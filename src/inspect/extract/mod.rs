//! Images out of shards, into class folders with a list beside them.

mod lanes;
mod list;
mod names;
mod parts;
mod plan;
mod report;
mod row;
mod tree;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use super::cat::{CatOptions, cat};
use super::message::{MessageType, Profile};
use crate::dataset::{ShardSet, lock_dir, without_empty_dir};
use crate::error::{Error, ErrorKind, Result};
use crate::example::Filter;
use crate::job::Job;
use crate::pipeline::FeatureNames;
use lanes::{Lanes, in_lanes};
use list::List;
pub(super) use parts::Parts;
use plan::{Planned, Planner};
pub use report::{ExtractReport, Extracted};
use row::Tally;
use tree::Tree;

/// Records that one thread writes at a time: at most this many, and this many bytes (a larger record goes alone).
const WINDOW_RECORDS: usize = 64;
const WINDOW_BYTES: usize = 4 << 20;

/// The form of the list of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListFormat {
    /// `manifest.jsonl`: a JSON object a line. Holds every feature (the default).
    #[default]
    Jsonl,
    /// `manifest.csv`: a table with a header. Holds features of one number or one text.
    Csv,
}

impl FromStr for ListFormat {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "jsonl" => Ok(ListFormat::Jsonl),
            "csv" => Ok(ListFormat::Csv),
            _ => Err(format!("'{s}' is neither jsonl nor csv")),
        }
    }
}

/// Which images are extracted, and how they are laid out.
#[derive(Debug, Clone, Default)]
pub struct ExtractOptions {
    /// Only records that fulfil it, counted by the two fields below. Default: all.
    pub filter: Option<Filter>,
    /// How many records are passed over first, counted over all shards. Default: none.
    pub skip: u64,
    /// How many records are taken at most. Default: all.
    pub take: Option<u64>,
    /// The form of the list.
    pub list: ListFormat,
    /// The feature that holds the encoded image. Default: `image/encoded`, or else `image`, or else the only one that holds
    /// images.
    pub image: Option<String>,
    /// The feature that holds the label, a number or a text. Default: `image/class/label`, or else `label`.
    pub label: Option<String>,
    /// Whether class folders are left out.
    pub flat: bool,
    /// Whether the directory may hold files already; those of the same names are replaced one by one.
    pub replace: bool,
}

/// Writes the images of `sets` to files below `dir`, and the list of them, beside which `convert` finds all that it needs
/// to make the same records again. `f` gets each record in order, once its file is there.
///
/// A file is `[SET/]CLASS/NAME`: the set where there are several; the class as image/class/text has it, or the name of
/// its number beside the shards, or the number; the name as image/filename has it, or else the shard and the record's
/// number; folders of image/filename are kept where they lead through that of the class, or where there is none. Records
/// without a class are in `unlabelled` where others have one. Names are made safe for every system, no file is written
/// outside `dir` or through a link below it, and of two files of one name the later is called `NAME-2`. The bytes are
/// those of the record, the extension is that of their type.
///
/// Without filter, skip and take, known classes without images get their (empty) folders, so that the numbers stay.
///
/// The tree and the list are the same for any number of threads. A file has its name only when it is whole; the list is
/// written last, when all files are on disk. Memory: threads + 3 times 4 MiB (or the largest record), and 9 to 60 bytes a record for the names.
///
/// # Errors
/// A usage error for a directory that is not empty. The first damaged record, the first that is no Example, or has
/// several images; and a set without any image. What was written before stays.
///
/// ```
/// use tfrkit::dataset::{ShardWriter, resolve};
/// use tfrkit::example::ExampleBuilder;
/// use tfrkit::inspect::{ExtractOptions, extract};
///
/// let tmp = tempfile::tempdir()?;
/// let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("images"));
/// let mut writer = ShardWriter::create(&shard, Default::default())?;
/// let example = ExampleBuilder::new().bytes("image/encoded", b"\x89PNG\r\n\x1a\n...").text("image/class/text", "cat");
/// writer.write(&example.encode())?;
/// writer.finish()?;
///
/// let sets = resolve(&[shard.to_str().unwrap()])?.complete()?;
/// let report = extract(&sets, &dir, &ExtractOptions::default(), &tfrkit::Job::default(), &mut |_| Ok(()))?;
/// assert_eq!(report.images, 1);
/// assert!(dir.join("cat/a-000000.png").is_file() && dir.join("manifest.jsonl").is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn extract(
    sets: &[ShardSet],
    dir: impl Into<PathBuf>,
    options: &ExtractOptions,
    job: &Job<'_>,
    f: &mut dyn FnMut(&Extracted) -> Result<()>,
) -> Result<ExtractReport> {
    let dir = dir.into();
    without_empty_dir(&dir, || extract_into(sets, &dir, options, job, f))
}

fn extract_into(
    sets: &[ShardSet],
    dir: &Path,
    options: &ExtractOptions,
    job: &Job<'_>,
    f: &mut dyn FnMut(&Extracted) -> Result<()>,
) -> Result<ExtractReport> {
    let start = Instant::now();
    let mut features = FeatureNames::default();
    match &options.image {
        Some(image) => features.image = vec![image.clone()],
        None => {
            let found = sets.iter().find_map(|set| Profile::of_shards(&set.shards, job.io).image_key);
            // What has a usual name stays where it is in their order.
            if let Some(key) = found.filter(|key| features.image.iter().all(|usual| **usual != **key)) {
                features.image.insert(0, key.to_string());
            }
        }
    }
    if let Some(label) = &options.label {
        features.label = vec![label.clone()];
    }
    let (filter, skip, limit) = (options.filter.clone(), options.skip, options.take);
    let chosen = CatOptions { filter, skip, limit, ..Default::default() };
    let is_whole = chosen.filter.is_none() && chosen.skip == 0 && chosen.limit.is_none();
    let tree = Tree::open(dir, options.replace)?;
    // Two runs would take each other's names for their own.
    let _lock = lock_dir(dir)?;
    let nameless_folder = !options.flat && has_classes(sets, &chosen, &features, job)?;
    let mut planner = Planner::new(sets, &features, options.flat, nameless_folder);
    let mut list = List::begin(&tree)?;
    let (mut report, mut tally) = (ExtractReport::default(), Tally::default());
    let has_splits = planner.has_splits();
    let mut take = |written: Written| {
        for (line, extracted) in written.rows {
            list.push(&line)?;
            report.count(&extracted);
            f(&extracted)?;
        }
        tally.merge(written.tally);
        Ok(())
    };
    let write = |window: Vec<Planned>| write(window, &tree, &features, has_splits);
    in_lanes(job.thread_count(), write, &mut take, |lanes| {
        let mut window = Window::default();
        let read = cat(sets, chosen, job, &mut |record| {
            job.check()?;
            let planned = planner.plan(&record).map_err(|e| record.place(e))?;
            window.push(planned, lanes)
        });
        // What was read before an error is written all the same.
        window.flush(lanes).and(read.map(drop))
    })?;
    if report.records > 0 && report.images == 0 {
        let detail = "is in no record; name the feature that holds the images with `--image`";
        return Err(Error::schema(&features.image.join("' or '"), detail));
    }
    if is_whole && nameless_folder {
        planner.known_folders().iter().try_for_each(|folder| tree.folder(folder.as_ref()).map(drop))?;
    }
    let (path, left_out) = list.finish(options.list)?;
    report.list = path;
    report.warn(&tally, planner.contradiction(), left_out);
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Whether any record has a class. In most sets the first one tells.
fn has_classes(sets: &[ShardSet], chosen: &CatOptions, features: &FeatureNames, job: &Job<'_>) -> Result<bool> {
    let mut found = false;
    let unseen = Job { on_progress: None, ..*job };
    let read = cat(sets, chosen.clone(), &unseen, &mut |record| {
        let parts = Parts::read(record.payload, features).map_err(|e| record.place(e))?;
        found = parts.label().is_some() || parts.text().is_some();
        // Ends the reading; nobody sees it.
        if found { Err(Error::new(ErrorKind::Interrupted)) } else { Ok(()) }
    });
    if found { Ok(true) } else { read.map(|_| false) }
}

/// Records to be handed in together.
#[derive(Default)]
struct Window {
    records: Vec<Planned>,
    bytes: usize,
}

impl Window {
    fn push(&mut self, planned: Planned, lanes: &mut Lanes<'_, Vec<Planned>, Written>) -> Result<()> {
        let bytes = planned.payload.len();
        if self.records.len() == WINDOW_RECORDS || self.bytes + bytes > WINDOW_BYTES {
            self.flush(lanes)?;
        }
        self.bytes += bytes;
        self.records.push(planned);
        Ok(())
    }

    fn flush(&mut self, lanes: &mut Lanes<'_, Vec<Planned>, Written>) -> Result<()> {
        self.bytes = 0;
        match std::mem::take(&mut self.records) {
            records if records.is_empty() => Ok(()),
            records => lanes.push(records),
        }
    }
}

/// Records whose files are written.
struct Written {
    rows: Vec<(String, Extracted)>,
    tally: Tally,
}

fn write(window: Vec<Planned>, tree: &Tree, features: &FeatureNames, has_splits: bool) -> Result<Written> {
    let mut written = Written { rows: Vec::with_capacity(window.len()), tally: Tally::default() };
    for planned in window {
        let row = write_one(&planned, tree, features, has_splits, &mut written.tally);
        let (line, bytes) = row.map_err(|e| match e.kind() {
            // The place is that of the file.
            ErrorKind::Io(_) | ErrorKind::Usage { .. } => e,
            _ => e.at_record(planned.record, planned.offset).at_path(&planned.shard),
        })?;
        let Planned { set, shard, record, path, label, text, .. } = planned;
        let (set, shard) = (set.to_string(), shard.to_path_buf());
        written.rows.push((line, Extracted { set, shard, record, path, label, text, bytes }));
    }
    Ok(written)
}

/// The line of the list, and the length of the image.
fn write_one(
    planned: &Planned,
    tree: &Tree,
    features: &FeatureNames,
    has_splits: bool,
    tally: &mut Tally,
) -> Result<(String, u64)> {
    match MessageType::of(&planned.payload) {
        None | Some(MessageType::Example) => {}
        Some(MessageType::SequenceExample) => {
            return Err(Error::proto("it is a SequenceExample, out of which no images are extracted"));
        }
        Some(MessageType::Raw) => return Err(Error::proto("the record holds something else")),
    }
    let parts = Parts::read(&planned.payload, features)?;
    let line = row::line(planned, &parts, has_splits, tally)?;
    let image = parts.image()?;
    if let (Some(path), Some(image)) = (&planned.path, image) {
        tree.write(path, image)?;
    }
    Ok((line, image.map_or(0, |image| image.len() as u64)))
}
