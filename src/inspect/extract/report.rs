//! What came of an extraction.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::row::{LeftOut, Tally};
use crate::dataset::path_as_text;

/// A record whose image is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extracted {
    /// Its set.
    pub set: String,
    /// Its shard.
    #[serde(serialize_with = "path_as_text")]
    pub shard: PathBuf,
    /// Its number in the shard, from 0.
    pub record: u64,
    /// The file, below the directory, `/` between the parts; `None` where the record has no image.
    pub path: Option<String>,
    /// The number of its class.
    pub label: Option<i64>,
    /// The name of its class.
    pub text: Option<String>,
    /// The length of the image in bytes.
    pub bytes: u64,
}

/// What an extraction did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ExtractReport {
    /// Records read.
    pub records: u64,
    /// Images written.
    pub images: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Images by set.
    pub sets: BTreeMap<String, u64>,
    /// Records without an image: they are in the list, without a path.
    pub without_image: u64,
    /// The list of images.
    #[serde(serialize_with = "path_as_text")]
    pub list: PathBuf,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Wall-clock time.
    pub seconds: f64,
}

impl ExtractReport {
    pub(super) fn count(&mut self, extracted: &Extracted) {
        let image = u64::from(extracted.path.is_some());
        self.records += 1;
        self.images += image;
        self.without_image += 1 - image;
        self.bytes += extracted.bytes;
        *self.sets.entry(extracted.set.clone()).or_default() += image;
    }

    pub(super) fn warn(&mut self, tally: &Tally, contradiction: Option<&str>, left_out: Vec<String>) {
        let warnings = &mut self.warnings;
        if self.without_image > 0 {
            warnings
                .push(format!("{} without an image: in the list without a path", count(self.without_image, "record")));
        }
        for (n, what) in [
            (tally.unknown, "of no known type, named .bin"),
            (tally.foreign, "neither JPEG nor PNG, which convert takes with `--reencode png` only"),
            (tally.damaged, "damaged, which convert refuses; `tfr validate --decode` lists such"),
        ] {
            if n > 0 {
                warnings.push(format!("{} {what}", count(n, "image")));
            }
        }
        warnings.extend(tally.left_out.iter().map(|((why, name), (n, example))| {
            let records = count(*n, "record");
            match why {
                LeftOut::Differs => {
                    format!("convert will store another {name} than {records} ({example})")
                }
                LeftOut::Taken => {
                    format!("'{name}' of {records} is not in the list: convert gives that name a meaning of its own")
                }
                LeftOut::Class => format!("'{name}' of {records} is not in the list: it is not one class"),
                LeftOut::Boxes => format!("'{name}' of {records} is not in the list: the lists of boxes do not fit"),
            }
        }));
        let mixed = tally.kinds.iter().filter(|(_, kinds)| kinds.len() > 1);
        warnings.extend(mixed.map(|(name, kinds)| {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            format!("'{name}' is of several kinds ({}): convert will refuse the list", kinds.join(", "))
        }));
        warnings.extend(contradiction.map(|text| format!("{text}: convert will refuse the list")));
        warnings.extend(left_out);
    }
}

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
