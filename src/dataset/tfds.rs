//! The metadata by which `tfds.builder_from_directory` reads a directory of shards: `dataset_info.json`,
//! `features.json`, and a file of class names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::labels::lines;
use super::manifest::{FeatureEntry, Manifest, SetEntry};
use super::set_files::remove_if_there;
use super::shard_writer::write_atomically;
use crate::error::{Error, Result};
use crate::example::Kind;
use crate::side_file;

const INFO_NAME: &str = "dataset_info.json";
const FEATURES_NAME: &str = "features.json";
const NAMES_SUFFIX: &str = ".labels.txt";
/// The features that hold class numbers, and the files of their names.
const IMAGE_CLASS: (&str, &str) = ("image/class/label", "image.class.label.labels.txt");
const OBJECT_CLASS: (&str, &str) = ("image/object/class/label", "image.object.class.label.labels.txt");

/// The features of an image itself, which [`write_tfds`] describes with those that the manifest lists.
pub(crate) const IMAGE_FEATURES: [&str; 8] = [
    "image/channels",
    "image/colorspace",
    "image/encoded",
    "image/filename",
    "image/format",
    "image/height",
    "image/key/sha256",
    "image/width",
];

/// The sides of boxes, in parts of the image's width and height.
pub(crate) const BOX_FEATURES: [&str; 4] =
    ["image/object/bbox/xmin", "image/object/bbox/ymin", "image/object/bbox/xmax", "image/object/bbox/ymax"];

/// Writes the metadata of what [`Manifest`] lists and describes. Where TFDS could read none of it (it reads no compressed shards), what
/// is there is removed if it is `ours`, of an earlier state of the directory. Whether there is something to read.
pub(crate) fn write_tfds(dir: &Path, manifest: &Manifest, ours: bool) -> Result<bool> {
    let sets = readable(manifest.described());
    if sets.is_empty() {
        for name in [INFO_NAME, FEATURES_NAME, IMAGE_CLASS.1, OBJECT_CLASS.1].into_iter().filter(|_| ours) {
            remove_if_there(&dir.join(name))?;
        }
        return Ok(false);
    }
    let described = manifest.record_features();
    let has = |name: &str| described.iter().any(|f| f.name == name);
    write_json(&dir.join(INFO_NAME), &dataset_info(&dataset_name(dir), has(IMAGE_CLASS.0), &sets))?;
    write_json(&dir.join(FEATURES_NAME), &features(manifest, &described))?;
    // TFDS takes labels from 0 and drops blank lines: numbers below the offset need a name that is not blank.
    let placeholders: Vec<String> = (0..manifest.label_offset).map(|i| format!("__unused_{i}__")).collect();
    let names = lines(placeholders.iter().chain(&manifest.classes).map(String::as_str));
    for (feature, file) in [IMAGE_CLASS, OBJECT_CLASS] {
        if has(feature) {
            write_atomically(&dir.join(file), names.as_bytes())?;
        } else if ours {
            remove_if_there(&dir.join(file))?;
        }
    }
    Ok(true)
}

/// A file of metadata that is in `dir`, if one is.
pub(crate) fn metadata_in(dir: &Path) -> Option<PathBuf> {
    let names = [INFO_NAME, FEATURES_NAME, IMAGE_CLASS.1, OBJECT_CLASS.1];
    names.iter().map(|name| dir.join(name)).find(|path| path.exists())
}

/// Those sets that TFDS can read: it takes neither compressed nor empty ones.
fn readable<'a>(sets: impl Iterator<Item = (&'a String, &'a SetEntry)>) -> Vec<(&'a String, &'a SetEntry)> {
    let readable = |set: &SetEntry| set.records > 0 && set.shards.iter().all(|s| s.path.ends_with(".tfrecord"));
    sets.filter(|(_, set)| readable(set)).collect()
}

/// The files by which TFDS knows the features of `dir`, by name; none where there is no `features.json`.
pub(crate) fn feature_files(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    if !dir.join(FEATURES_NAME).is_file() {
        return Ok(files);
    }
    for entry in fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_file() && (name == FEATURES_NAME || name.ends_with(NAMES_SUFFIX)) {
            files.insert(name, side_file::read(&path)?.unwrap_or_default());
        }
    }
    Ok(files)
}

/// Writes `files`, the [`feature_files`] of `from`, into `dir` as they are, and the `dataset_info.json` of `from` with the
/// new sets of these `names`, and those that the metadata in `dir` have already. Whether there is something to read.
pub(crate) fn carry_tfds(
    from: &Path,
    dir: &Path,
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &Manifest,
    names: &[&str],
) -> Result<bool> {
    let there = Told::read(dir)?;
    let sets = readable(manifest.sets.iter().filter(|(set, _)| names.contains(&set.as_str()) || there.has(set)));
    if sets.is_empty() {
        return Ok(false);
    }
    for (name, data) in files {
        write_atomically(&dir.join(name), data)?;
    }
    let mut info = match read_info(from)? {
        Some(info) => info,
        None => json!({"name": dataset_name(dir), "version": "1.0.0"}),
    };
    info["fileFormat"] = json!("tfrecord");
    let name = info["name"].as_str().unwrap_or_default().to_owned();
    info["splits"] = splits(&name, &sets);
    write_json(&dir.join(INFO_NAME), &info)?;
    Ok(true)
}

/// The sets of which a `dataset_info.json` tells.
#[derive(Default)]
pub(crate) struct Told(Value);

impl Told {
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        Ok(Told(read_info(dir)?.unwrap_or_default()))
    }

    pub(crate) fn has(&self, set: &str) -> bool {
        self.split(set).is_some() || self.names().any(|name| name == set)
    }

    /// The split that the set of files called `DATASET-SPLIT` is, if it tells of that.
    pub(super) fn split<'s>(&self, set: &'s str) -> Option<&'s str> {
        let split = split_name(self.0["name"].as_str().unwrap_or_default(), set)?;
        self.names().any(|name| name == split).then_some(split)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0["splits"].as_array().into_iter().flatten().filter_map(|split| split["name"].as_str())
    }
}

/// Takes sets that are no longer what the metadata say out of them. Metadata without a set are removed.
pub(crate) fn forget(dir: &Path, names: &[&str]) -> Result<()> {
    let Some(mut info) = read_info(dir)? else { return Ok(()) };
    let dataset = info["name"].as_str().unwrap_or_default().to_owned();
    let Some(splits) = info.get_mut("splits").and_then(Value::as_array_mut) else { return Ok(()) };
    let before = splits.len();
    let gone: Vec<&str> = names.iter().map(|name| split_name(&dataset, name).unwrap_or(name)).collect();
    splits.retain(|split| !split["name"].as_str().is_some_and(|name| gone.contains(&name) || names.contains(&name)));
    if splits.len() == before {
        return Ok(());
    }
    if !splits.is_empty() {
        return write_json(&dir.join(INFO_NAME), &info);
    }
    for name in feature_files(dir)?.keys().map(String::as_str).chain([INFO_NAME]) {
        remove_if_there(&dir.join(name))?;
    }
    Ok(())
}

/// The `dataset_info.json` of `dir`; `None` where there is none, or none that is an object of JSON.
fn read_info(dir: &Path) -> Result<Option<Value>> {
    let path = dir.join(INFO_NAME);
    Ok(side_file::read(&path)?.and_then(|text| serde_json::from_slice(&text).ok()).filter(Value::is_object))
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

/// The split that a set is in TFDS's own way of naming files, `DATASET-SPLIT`; `None` for a set that is named as its split.
fn split_name<'a>(dataset: &str, set: &'a str) -> Option<&'a str> {
    set.strip_prefix(dataset)?.strip_prefix('-').filter(|split| !split.is_empty())
}

fn splits(dataset: &str, sets: &[(&String, &SetEntry)]) -> Value {
    let splits = sets.iter().map(|(name, set)| {
        let split = split_name(dataset, name).filter(|split| !sets.iter().any(|(other, _)| other == split));
        let template = match split {
            Some(_) => "{DATASET}-{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}",
            None => "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}",
        };
        json!({
            "name": split.unwrap_or(name),
            "filepathTemplate": template,
            "shardLengths": set.shards.iter().map(|s| s.records.to_string()).collect::<Vec<_>>(),
            "numBytes": set.shards.iter().map(|s| s.bytes).sum::<u64>().to_string(),
        })
    });
    splits.collect()
}

fn dataset_info(name: &str, labelled: bool, sets: &[(&String, &SetEntry)]) -> Value {
    let mut info = json!({
        "name": name,
        "version": "1.0.0",
        "fileFormat": "tfrecord",
        "splits": splits(name, sets),
    });
    if labelled {
        let items = json!([{"featureKey": "image/encoded"}, {"featureKey": IMAGE_CLASS.0}]);
        info["supervisedKeys"] = json!({"tuple": {"items": items}});
    }
    info
}

fn features(manifest: &Manifest, described: &[FeatureEntry]) -> Value {
    let class = |name: &str| format!("tensorflow_datasets.core.features.{name}");
    let scalar = |dtype: &str| {
        json!({
            "pythonClassName": class("scalar.Scalar"),
            "tensor": {"shape": {}, "dtype": dtype, "encoding": "none"},
        })
    };
    let text = || json!({"pythonClassName": class("text_feature.Text"), "text": {}});
    // The last dimension makes TFDS decode every image to three channels, gray and RGBA ones too. Its bytes tell JPEG
    // from PNG, so no encoding is declared.
    let image = json!({"shape": {"dimensions": ["-1", "-1", "3"]}, "dtype": "uint8"});
    let mut features = json!({
        "image/channels": scalar("int64"),
        "image/colorspace": text(),
        "image/encoded": {"pythonClassName": class("image_feature.Image"), "image": image},
        "image/filename": text(),
        "image/format": text(),
        "image/height": scalar("int64"),
        "image/key/sha256": text(),
        "image/width": scalar("int64"),
    });
    let label = || {
        let classes = manifest.classes.len() as i64 + manifest.label_offset;
        json!({
            "pythonClassName": class("class_label_feature.ClassLabel"),
            "classLabel": {"numClasses": classes.to_string()},
        })
    };
    let list = |dtype: &str| {
        json!({
            "pythonClassName": class("tensor_feature.Tensor"),
            "tensor": {"shape": {"dimensions": ["-1"]}, "dtype": dtype, "encoding": "none"},
        })
    };
    for feature in described {
        features[&feature.name] = match (feature.kind, feature.list) {
            _ if feature.name == IMAGE_CLASS.0 => label(),
            _ if feature.name == OBJECT_CLASS.0 => json!({
                "pythonClassName": class("sequence_feature.Sequence"),
                "sequence": {"feature": label(), "length": "-1"},
            }),
            (Kind::Bytes, false) => text(),
            (Kind::Bytes, true) => list("string"),
            (Kind::Float, false) => scalar("float32"),
            (Kind::Float, true) => list("float32"),
            (Kind::Int64, false) => scalar("int64"),
            (Kind::Int64, true) => list("int64"),
        };
    }
    json!({"pythonClassName": class("features_dict.FeaturesDict"), "featuresDict": {"features": features}})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dataset::ShardEntry;

    fn manifest(path: &str, records: u64) -> Manifest {
        let shard = ShardEntry { path: path.into(), records, bytes: 100, fingerprint: String::new() };
        let set = SetEntry {
            plan: String::new(),
            stamp: String::new(),
            seed: 0,
            records,
            shards: vec![shard],
            undescribed: false,
        };
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
        let described = features["featuresDict"]["features"].as_object().unwrap();
        let expected = IMAGE_FEATURES.into_iter().chain(["image/class/label", "image/class/text"]).collect();
        assert_eq!(described.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
        assert_eq!(features["featuresDict"]["features"]["image/class/label"]["classLabel"]["numClasses"], "3");
        assert_eq!(read(IMAGE_CLASS.1), "__unused_0__\na\nb\n");
    }

    #[test]
    fn features_are_those_of_the_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let entry = |name: &str, kind, list| FeatureEntry { name: name.into(), kind, list };
        let described = vec![entry(OBJECT_CLASS.0, Kind::Int64, true), entry("score", Kind::Float, false)];
        let shard = "train-00000-of-00001.tfrecord";
        write_tfds(dir, &manifest(shard, 7), false).unwrap();
        write_tfds(dir, &Manifest { features: Some(described), ..manifest(shard, 7) }, true).unwrap();
        let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(dir.join(name)).unwrap()).unwrap();
        let features = &read(FEATURES_NAME)["featuresDict"]["features"];
        assert_eq!(features["score"]["tensor"]["dtype"], "float32");
        assert_eq!(features[OBJECT_CLASS.0]["sequence"]["feature"]["classLabel"]["numClasses"], "3");
        assert_eq!(features.get(IMAGE_CLASS.0), None);
        assert_eq!(read(INFO_NAME).get("supervisedKeys"), None);
        assert!(dir.join(OBJECT_CLASS.1).exists() && !dir.join(IMAGE_CLASS.1).exists());
    }

    #[test]
    fn metadata_of_others_keep_all_but_the_sets() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        fs::write(from.join(FEATURES_NAME), "{ \"theirs\": 1 }").unwrap();
        fs::write(from.join("label.labels.txt"), "a\nb\n").unwrap();
        fs::write(from.join("labels.txt"), "a\nb\n").unwrap();
        fs::write(from.join(INFO_NAME), r#"{"name":"mnist","version":"3.0.1","splits":[{"name":"test"}]}"#).unwrap();
        let files = feature_files(&from).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), [FEATURES_NAME, "label.labels.txt"]);
        assert!(!carry_tfds(&from, &to, &files, &Manifest::default(), &["train"]).unwrap());
        assert!(carry_tfds(&from, &to, &files, &manifest("train-00000-of-00001.tfrecord", 7), &["train"]).unwrap());
        assert_eq!(feature_files(&to).unwrap(), files);
        let info = read_info(&to).unwrap().unwrap();
        assert_eq!((&info["name"], &info["version"]), (&json!("mnist"), &json!("3.0.1")));
        assert_eq!(info["splits"][0]["name"], "train");
        forget(&to, &["test"]).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 3);
        forget(&to, &["train"]).unwrap();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
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
