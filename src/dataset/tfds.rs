//! The metadata by which `tfds.builder_from_directory` reads a directory of shards: `dataset_info.json`,
//! `features.json`, and a file of class names.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::labels::lines;
use super::manifest::{Manifest, SetEntry};
use super::shard_writer::write_atomically;
use crate::error::{Error, Result};

const INFO_NAME: &str = "dataset_info.json";
const FEATURES_NAME: &str = "features.json";
const NAMES_NAME: &str = "image.class.label.labels.txt";

/// Writes the metadata of what [`Manifest`] lists. Where TFDS could read none of it (it reads no compressed shards), what
/// is there is removed if it is `ours`, of an earlier state of the directory. Whether there is something to read.
pub(crate) fn write_tfds(dir: &Path, manifest: &Manifest, ours: bool) -> Result<bool> {
    let readable = |set: &SetEntry| set.records > 0 && set.shards.iter().all(|s| s.path.ends_with(".tfrecord"));
    let sets: Vec<(&String, &SetEntry)> = manifest.sets.iter().filter(|(_, set)| readable(set)).collect();
    if sets.is_empty() {
        for name in [INFO_NAME, FEATURES_NAME, NAMES_NAME].into_iter().filter(|_| ours) {
            let path = dir.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&path, e)),
                _ => {}
            }
        }
        return Ok(false);
    }
    write_json(&dir.join(INFO_NAME), &dataset_info(&dataset_name(dir), &sets))?;
    write_json(&dir.join(FEATURES_NAME), &features(manifest))?;
    // TFDS takes labels from 0 and drops blank lines: numbers below the offset need a name that is not blank.
    let placeholders: Vec<String> = (0..manifest.label_offset).map(|i| format!("__unused_{i}__")).collect();
    let names = placeholders.iter().chain(&manifest.classes).map(String::as_str);
    write_atomically(&dir.join(NAMES_NAME), lines(names).as_bytes())?;
    Ok(true)
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_atomically(path, format!("{value:#}\n").as_bytes())
}

/// A dataset name that TFDS takes, `[a-zA-Z]\w*`, out of the directory's.
fn dataset_name(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_default();
    let name = absolute.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) { word } else { format!("dataset_{word}") }
}

fn dataset_info(name: &str, sets: &[(&String, &SetEntry)]) -> Value {
    let splits: Vec<Value> = sets
        .iter()
        .map(|(name, set)| {
            json!({
                "name": name,
                "filepathTemplate": "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}",
                "shardLengths": set.shards.iter().map(|s| s.records.to_string()).collect::<Vec<_>>(),
                "numBytes": set.shards.iter().map(|s| s.bytes).sum::<u64>().to_string(),
            })
        })
        .collect();
    json!({
        "name": name,
        "version": "1.0.0",
        "fileFormat": "tfrecord",
        "supervisedKeys": {"tuple": {"items": [{"featureKey": "image/encoded"}, {"featureKey": "image/class/label"}]}},
        "splits": splits,
    })
}

fn features(manifest: &Manifest) -> Value {
    let class = |name: &str| format!("tensorflow_datasets.core.features.{name}");
    let scalar = || {
        json!({
            "pythonClassName": class("scalar.Scalar"),
            "tensor": {"shape": {}, "dtype": "int64", "encoding": "none"},
        })
    };
    let text = || json!({"pythonClassName": class("text_feature.Text"), "text": {}});
    // The last dimension makes TFDS decode every image to three channels, gray and RGBA ones too. Its bytes tell JPEG
    // from PNG, so no encoding is declared.
    let image = json!({"shape": {"dimensions": ["-1", "-1", "3"]}, "dtype": "uint8"});
    let classes = manifest.classes.len() as i64 + manifest.label_offset;
    json!({
        "pythonClassName": class("features_dict.FeaturesDict"),
        "featuresDict": {"features": {
            "image/channels": scalar(),
            "image/class/label": {
                "pythonClassName": class("class_label_feature.ClassLabel"),
                "classLabel": {"numClasses": classes.to_string()},
            },
            "image/class/text": text(),
            "image/colorspace": text(),
            "image/encoded": {"pythonClassName": class("image_feature.Image"), "image": image},
            "image/filename": text(),
            "image/format": text(),
            "image/height": scalar(),
            "image/key/sha256": text(),
            "image/width": scalar(),
        }},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::ShardEntry;

    fn manifest(path: &str, records: u64) -> Manifest {
        let shard = ShardEntry { path: path.into(), records, bytes: 100, fingerprint: String::new() };
        let set = SetEntry { plan: String::new(), stamp: String::new(), seed: 0, records, shards: vec![shard] };
        Manifest {
            sets: [("train".to_owned(), set)].into(),
            classes: vec!["a".into(), "b".into()],
            label_offset: 1,
            ..Default::default()
        }
    }

    #[test]
    fn metadata_follows_the_manifest() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("2-cats");
        assert!(write_tfds(&dir, &manifest("train-00000-of-00001.tfrecord", 7), false).unwrap());
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        let info: Value = serde_json::from_str(&read(INFO_NAME)).unwrap();
        assert_eq!(info["name"], "dataset_2_cats");
        assert_eq!(info["splits"][0]["shardLengths"], json!(["7"]));
        let features: Value = serde_json::from_str(&read(FEATURES_NAME)).unwrap();
        assert_eq!(features["featuresDict"]["features"]["image/class/label"]["classLabel"]["numClasses"], "3");
        assert_eq!(read(NAMES_NAME), "__unused_0__\na\nb\n");
    }

    #[test]
    fn compressed_and_empty_sets_leave_no_metadata() {
        let dir = tempfile::tempdir().unwrap();
        write_tfds(dir.path(), &manifest("train-00000-of-00001.tfrecord", 7), false).unwrap();
        assert!(!write_tfds(dir.path(), &manifest("train-00000-of-00001.tfrecord.gz", 7), false).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "somebody else's stay");
        assert!(!write_tfds(dir.path(), &manifest("train-00000-of-00001.tfrecord.gz", 7), true).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(!write_tfds(dir.path(), &manifest("train-00000-of-00001.tfrecord", 0), true).unwrap());
    }
}
