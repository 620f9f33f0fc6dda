//! What a conversion is asked to do.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::dataset::{Existing, ShardCount};
use crate::image::Limits;
use crate::record::Compression;

/// What a source is, and how it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Told by the source (the default): a file by its extension, a directory as COCO or VOC by what it holds; else as
    /// splits where its folders are named as such (train, training, val, valid, validation, dev, eval, evaluation, test,
    /// testing, holdout, unlabeled, in capitals or not), else as classes. A usage error where that cannot be told: a
    /// folder with a split's name beside others that hold images, or folders that all hold folders alone. Never flat.
    #[default]
    Auto,
    /// `SRC/<class>/.../<image>`.
    Classes,
    /// `SRC/<split>/<class>/.../<image>`. Each folder makes a set of its name; one without class folders, and one that is
    /// called `unlabeled`, makes a set without labels.
    Splits,
    /// Every image below SRC, without labels.
    Flat,
    /// SRC is a table of images, a line each after the header line: `path`, `label`, `text`, `split`, `boxes` (JSON),
    /// further features. Tabs between the cells where its name ends in `.tsv`.
    Csv,
    /// SRC is a list of images, a JSON object a line, with the keys of [`Csv`](Self::Csv)'s columns.
    Jsonl,
    /// SRC is a COCO `instances_*.json`, or the directory that holds it in `annotations/`.
    Coco,
    /// SRC is a Pascal VOC directory: `Annotations`, `JPEGImages`, `ImageSets/Main`.
    Voc,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layout::Auto => "auto",
            Layout::Classes => "classes",
            Layout::Splits => "splits",
            Layout::Flat => "flat",
            Layout::Csv => "csv",
            Layout::Jsonl => "jsonl",
            Layout::Coco => "coco",
            Layout::Voc => "voc",
        })
    }
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

/// What to do with the EXIF orientation of a JPEG or PNG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub enum Exif {
    /// The file is stored as it is, its orientation with it (the default). Most readers, TensorFlow's among them, ignore
    /// it and see such an image lying.
    #[default]
    Keep,
    /// An image whose orientation is other than 1 is turned upright and encoded anew: a JPEG with the
    /// [`quality`](ConvertOptions::quality), which loses a little; a PNG without loss.
    Bake,
}

/// The least width and height of an image, in pixels.
///
/// ```
/// use tfrkit::convert::MinSize;
///
/// // The shorter side, or both.
/// assert_eq!("64".parse(), Ok(MinSize { width: 64, height: 64 }));
/// assert_eq!("640x480".parse(), Ok(MinSize { width: 640, height: 480 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinSize {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl FromStr for MinSize {
    type Err = String;

    /// `64`, or `640x480` (width, height).
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let side = |n: &str| match n.trim().parse() {
            Ok(n) if (1..=65_535).contains(&n) => Ok(n),
            _ => Err(format!("'{s}' is no size: pixels (1 to 65535), or WIDTHxHEIGHT")),
        };
        let (width, height) = s.split_once('x').unwrap_or((s, s));
        Ok(MinSize { width: side(width)?, height: side(height)? })
    }
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
    /// The directory of images, or the list of them. In a directory, the list that `tfr extract` writes at its top
    /// (`manifest.jsonl`, `manifest.csv`) is passed over.
    pub src: PathBuf,
    /// The directory for the shards.
    pub out: PathBuf,
    /// The name of the only set. Default: `train`, or as the source calls it (COCO, VOC). Not together with `split`,
    /// nor where the source names its sets.
    pub name: Option<String>,
    /// What the source is.
    pub layout: Layout,
    /// Into how many shards each set goes.
    pub shards: ShardCount,
    /// Sets and their shares of each class (of all images, where these have no classes of their own), such as `train`
    /// 0.8 and `val` 0.2. Default: no split.
    pub split: Vec<(String, f64)>,
    /// The seed of shuffle and split. Default: 0.
    pub seed: u64,
    /// Whether the records are shuffled. Default: they are. If not, they are sorted by path, or in the list's order.
    pub shuffle: bool,
    /// A file of class names in the order of their numbers. Default: the classes of the source, numbered as it says (a
    /// list's numeric labels, COCO's order of categories) or sorted by bytes.
    pub labels: Option<PathBuf>,
    /// The number of the first class, from 0 to 1,000,000. Default: 0. Detection models mostly want 1.
    pub label_offset: i64,
    /// The shards' compression. Default: none.
    pub compression: Compression,
    /// Lets lists, COCO and VOC name files outside their own folder: above it, at absolute paths, behind links that lead out.
    /// Else such a name is an error, since a list may come from anybody. Default: off.
    pub allow_outside: bool,
    /// How each image is checked.
    pub verify: Verify,
    /// What to do about bad files.
    pub on_error: OnError,
    /// Leaves files out whose bytes are those of an earlier one: in the training set, then in the others, then in the
    /// test set, by path in each. Default: off.
    pub dedupe: bool,
    /// Leaves smaller images out. What counts is the source's size, before any resize. Default: off.
    pub min_size: Option<MinSize>,
    /// Leaves images out whose longer side is more than so many times the shorter one. Default: off.
    pub max_aspect: Option<f64>,
    /// What to do with an EXIF orientation.
    pub exif: Exif,
    /// Makes images whose shorter side is longer than this so long, in pixels, and turns those upright whose EXIF
    /// orientation says so. Default: off.
    pub resize_shorter: Option<usize>,
    /// The JPEG quality of images that are encoded anew, 1 to 100. Default: 90.
    pub quality: u8,
    /// Whether other image types are stored as PNG.
    pub reencode: Reencode,
    /// What an image may have and take: larger ones are bad files. Holds for their structure (`verify`) and their pixels.
    pub limits: Limits,
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
            allow_outside: false,
            verify: Verify::default(),
            on_error: OnError::default(),
            dedupe: false,
            min_size: None,
            max_aspect: None,
            exif: Exif::default(),
            resize_shorter: None,
            quality: 90,
            reencode: Reencode::default(),
            limits: Limits::default(),
            existing: Existing::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_sizes() {
        for bad in ["", "x", "0", "64x", "x64", "65536", "1x2x3", "-5", "1.5"] {
            assert!(bad.parse::<MinSize>().is_err(), "{bad}");
        }
    }
}
