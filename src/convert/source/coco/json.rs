//! What is read of a COCO file, as it streams by: an annotation's segmentation never is in memory.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::super::malformed;
use super::super::watched::Watched;
use crate::error::{Error, Result};
use crate::job::Job;

#[derive(Debug, Deserialize)]
pub(super) struct Instances {
    pub(super) images: Vec<Image>,
    #[serde(default)]
    pub(super) annotations: Vec<Annotation>,
    #[serde(default)]
    pub(super) categories: Vec<Category>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Image {
    pub(super) id: i64,
    pub(super) file_name: Box<str>,
    #[serde(default)]
    pub(super) height: u32,
    #[serde(default)]
    pub(super) width: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category {
    pub(super) id: i64,
    pub(super) name: String,
}

/// An object in an image. What may be missing is what some tools leave out.
#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    pub(super) id: Option<i64>,
    pub(super) image_id: i64,
    pub(super) category_id: Option<i64>,
    /// Left, top, width, height, in pixels.
    pub(super) bbox: Option<[f64; 4]>,
    pub(super) area: Option<f64>,
    #[serde(default, deserialize_with = "flag")]
    pub(super) iscrowd: bool,
    #[serde(default, rename = "segmentation", deserialize_with = "there")]
    pub(super) segmented: bool,
}

/// 0, 1, false, true or null.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Bool(bool),
        Number(i64),
    }
    Ok(match Option::deserialize(deserializer)? {
        Some(Flag::Bool(flag)) => flag,
        Some(Flag::Number(number)) => number != 0,
        None => false,
    })
}

fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}

/// Reads a file of annotations.
pub(super) fn read(path: &Path, job: &Job<'_>) -> Result<Instances> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let read = serde_json::from_reader(BufReader::with_capacity(1 << 20, Watched::new(file, job)));
    job.check()?;
    read.map_err(|e| match e.io_error_kind() {
        Some(_) => Error::io(path, e.into()),
        None => malformed(
            path,
            format!("no annotations of COCO's kind: {e}"),
            "an instances file holds \"images\", \"annotations\" and \"categories\"",
        ),
    })
}

/// Whether a file holds lists of images and of annotations, as far as the job goes on.
pub(super) fn is_coco(path: &Path, job: &Job<'_>) -> bool {
    #[derive(Deserialize)]
    struct Lists {
        #[serde(rename = "images")]
        _images: Vec<IgnoredAny>,
        #[serde(rename = "annotations")]
        _annotations: Vec<IgnoredAny>,
    }
    let read = |file| serde_json::from_reader::<_, Lists>(BufReader::new(Watched::new(file, job)));
    File::open(path).is_ok_and(|file| read(file).is_ok())
}
