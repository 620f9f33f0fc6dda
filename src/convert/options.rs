//! What a conversion is asked to do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use crate::dataset::Existing;
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

/// Into how many shards a set goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardCount {
    /// This many for each set.
    Each(usize),
    /// By set name.
    BySet(BTreeMap<String, usize>),
    /// As many as make shards of about this many bytes (the default, with 256 MiB).
    OfBytes(u64),
}

impl Default for ShardCount {
    fn default() -> Self {
        ShardCount::OfBytes(256 << 20)
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
    /// The directory of images.
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

impl FromStr for ShardCount {
    type Err = String;

    /// `8`, or `train=8,val=1`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let count = |n: &str| match n.trim().parse::<usize>() {
            Ok(n) if (1..=99_999).contains(&n) => Ok(n),
            _ => Err(format!("'{n}' is no number of shards (1 to 99999)")),
        };
        if !s.contains('=') {
            return Ok(ShardCount::Each(count(s)?));
        }
        let pairs = s.split(',').map(|pair| {
            let (name, n) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not NAME=COUNT"))?;
            Ok((name.trim().to_owned(), count(n)?))
        });
        Ok(ShardCount::BySet(pairs.collect::<Result<_, String>>()?))
    }
}

/// Reads `train=0.8,val=0.1,test=0.1`: shares above 0 that add up to 1.
pub fn parse_split(s: &str) -> Result<Vec<(String, f64)>, String> {
    let mut shares = Vec::new();
    for pair in s.split(',') {
        let (name, share) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not NAME=SHARE"))?;
        let share: f64 = share.trim().parse().map_err(|_| format!("'{share}' is no number"))?;
        if !(share > 0.0 && share <= 1.0) {
            return Err(format!("the share {share} of '{name}' is not between 0 and 1"));
        }
        if shares.iter().any(|(n, _)| n == name.trim()) {
            return Err(format!("'{name}' is named twice"));
        }
        shares.push((name.trim().to_owned(), share));
    }
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(format!("the shares add up to {sum}, not to 1"));
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_counts() {
        assert_eq!("8".parse(), Ok(ShardCount::Each(8)));
        let by_set = [("train".to_owned(), 8), ("val".to_owned(), 1)].into();
        assert_eq!("train=8,val=1".parse(), Ok(ShardCount::BySet(by_set)));
        for bad in ["0", "x", "train=0", "train=1,2", "100000"] {
            assert!(bad.parse::<ShardCount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn splits() {
        assert_eq!(parse_split("a=0.5,b=0.5").unwrap().len(), 2);
        for bad in ["a", "a=0.5", "a=0.5,a=0.5", "a=1.5,b=-0.5", "a=nan"] {
            assert!(parse_split(bad).is_err(), "{bad}");
        }
    }
}
