//! What a conversion is asked to do.

use std::path::PathBuf;

use crate::dataset::{Existing, ShardCount};
use crate::record::Compression;

/// How the folders of a source are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Splits where every top-level folder is named as one and holds class folders, classes otherwise (the default).
    #[default]
    Auto,
    /// `SRC/<class>/.../<image>`.
    Classes,
    /// `SRC/<split>/<class>/.../<image>`.
    Splits,
}

/// How each image is checked before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub enum Verify {
    /// Its structure is walked from the first to the last marker, no pixel is decoded (the default).
    #[default]
    Header,
    /// It is decoded, strictly.
    Decode,
    /// Only its first bytes are looked at.
    None,
}

/// What to do about a file that cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Stop and name it (the default).
    #[default]
    Fail,
    /// Leave it out and list it; more than this many stop the run.
    Skip(u64),
}

/// Whether images that are neither JPEG nor PNG are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub enum Reencode {
    /// They are bad input (the default).
    #[default]
    No,
    /// GIF, BMP, WebP and TIFF are decoded and stored as PNG.
    Png,
}

/// What to convert, into what, and how.
///
/// ```no_run
/// use tfrkit::convert::{ConvertOptions, ShardCount, convert};
/// use tfrkit::Job;
///
/// let options = ConvertOptions { shards: ShardCount::Each(8), ..ConvertOptions::new("photos", "shards") };
/// let report = convert(&options, &Job::default())?;
/// println!("{} records in {} classes", report.records, report.classes.len());
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ConvertOptions {
    /// The directory of images. The list that `tfr extract` writes at its top (`manifest.jsonl`, `manifest.csv`) is
    /// passed over.
    pub src: PathBuf,
    /// The directory for the shards.
    pub out: PathBuf,
    /// The name of the only set. Default: `train`. Not together with `split` or split folders.
    pub name: Option<String>,
    /// How the folders are read.
    pub layout: Layout,
    /// Into how many shards each set goes.
    pub shards: ShardCount,
    /// Sets and their shares of each class, such as `train` 0.8 and `val` 0.2. Default: no split.
    pub split: Vec<(String, f64)>,
    /// The seed of shuffle and split. Default: 0.
    pub seed: u64,
    /// Whether the records are shuffled. Default: they are. If not, they are sorted by path.
    pub shuffle: bool,
    /// A file of class names in the order of their numbers. Default: the class folders, sorted by bytes.
    pub labels: Option<PathBuf>,
    /// The number of the first class. Default: 0.
    pub label_offset: i64,
    /// The shards' compression. Default: none.
    pub compression: Compression,
    /// How each image is checked.
    pub verify: Verify,
    /// What to do about bad files.
    pub on_error: OnError,
    /// Makes images whose shorter side is longer than this so long, in pixels. Default: off.
    pub resize_shorter: Option<usize>,
    /// The JPEG quality of resized images, 1 to 100. Default: 90.
    pub quality: u8,
    /// Whether other image types are stored as PNG.
    pub reencode: Reencode,
    /// What to do about a set that is there already.
    pub existing: Existing,
}

impl ConvertOptions {
    /// The defaults for a source and an output directory.
    pub fn new(src: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        ConvertOptions {
            src: src.into(),
            out: out.into(),
            name: None,
            layout: Layout::default(),
            shards: ShardCount::default(),
            split: Vec::new(),
            seed: 0,
            shuffle: true,
            labels: None,
            label_offset: 0,
            compression: Compression::None,
            verify: Verify::default(),
            on_error: OnError::default(),
            resize_shorter: None,
            quality: 90,
            reencode: Reencode::default(),
            existing: Existing::default(),
        }
    }
}
