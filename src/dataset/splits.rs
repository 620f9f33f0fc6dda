//! The split that a set is, where its files are named in TFDS's own way: `DATASET-SPLIT.tfrecord-00000-of-00001`.

use std::path::{Path, PathBuf};

use super::listing::file_name;
use super::names::NumberedName;
use super::parts::part_named;
use super::tfds::Told;

/// The name of each of the sets of a directory, given by what their files are called, and their shards.
///
/// A set is the split S where `dataset_info.json` names the dataset D and the split S, and its files D-S; or, where
/// nothing is said of D-S, where all sets in TFDS's form have the same D, and S is a usual word. No two sets of a
/// directory get the same name.
pub(super) fn split_names(dir: &Path, sets: &[(String, Vec<PathBuf>)]) -> Vec<String> {
    let full: Vec<String> = sets.iter().map(|(name, _)| name.clone()).collect();
    if !sets.iter().any(|(name, shards)| name.contains('-') && is_numbered(shards)) {
        return full;
    }
    let told = Told::read(dir).unwrap_or_default();
    let in_tfds_form: Vec<Option<(&str, &str)>> =
        sets.iter().map(|(name, shards)| is_tfds_form(shards).then(|| name.rsplit_once('-'))?).collect();
    let mut datasets: Vec<&str> = in_tfds_form.iter().flatten().map(|(dataset, _)| *dataset).collect();
    datasets.dedup();
    let by_rule = |form: Option<(&'_ str, &'_ str)>| {
        let (_, split) = form.filter(|(_, split)| datasets.len() == 1 && part_named(split).is_some())?;
        Some(split.to_owned())
    };
    let short: Vec<String> = (sets.iter().zip(&in_tfds_form))
        .map(|((name, _), form)| told.split(name).map(str::to_owned).or_else(|| by_rule(*form)).unwrap_or(name.clone()))
        .collect();
    let is_shared = |name: &String| short.iter().filter(|other| *other == name).count() > 1;
    short.iter().zip(full).map(|(short, full)| if is_shared(short) { full } else { short.clone() }).collect()
}

fn is_numbered(shards: &[PathBuf]) -> bool {
    shards.first().is_some_and(|path| NumberedName::parse(&file_name(path)).is_some())
}

/// `.tfrecord` before the number.
fn is_tfds_form(shards: &[PathBuf]) -> bool {
    is_numbered(shards) && shards.iter().all(|path| file_name(path).contains(".tfrecord-"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(dir: &Path, files: &[&str]) -> Vec<String> {
        let set = |file: &&str| (NumberedName::parse(file).unwrap().set, vec![dir.join(file)]);
        split_names(dir, &files.iter().map(set).collect::<Vec<_>>())
    }

    #[test]
    fn tfds_names_are_splits_by_rule_or_as_dataset_info_says() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let [train, test] = ["mine-train.tfrecord-00000-of-00001", "mine-test.tfrecord-00000-of-00001"];
        assert_eq!(names(dir, &[train, test]), ["train", "test"]);
        // Another form, another dataset, a name that is taken, a word that is no split's: as the files say.
        assert_eq!(names(dir, &["mine-train-00000-of-00001.tfrecord"]), ["mine-train"]);
        assert_eq!(names(dir, &[train, "other-test.tfrecord-00000-of-00001"]), ["mine-train", "other-test"]);
        assert_eq!(names(dir, &[train, "train-00000-of-00001.tfrecord"]), ["mine-train", "train"]);
        assert_eq!(names(dir, &["mine-night.tfrecord-00000-of-00001"]), ["mine-night"]);
        fs::write(dir.join("dataset_info.json"), r#"{"name":"mine","splits":[{"name":"night"},{"name":"train"}]}"#)
            .unwrap();
        let told = ["mine-night.tfrecord-00000-of-00001", "mine-train-00000-of-00001.tfrecord", "night-1-of-2"];
        assert_eq!(names(dir, &told[..2]), ["night", "train"]);
        assert_eq!(names(dir, &told), ["mine-night", "train", "night"]);
    }
}
