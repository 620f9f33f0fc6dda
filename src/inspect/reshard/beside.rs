//! What lies beside the shards: class names and TFDS metadata, carried over and kept true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::plan::PlannedSet;
use super::write::Inputs;
use crate::dataset::labels;
use crate::dataset::{Classes, FeatureEntry, Manifest, dir_of, tfds};
use crate::error::{Error, ErrorClass, Result};
use crate::example::ExampleView;
use crate::inspect::metadata::file_name;
use crate::record::Compression;

/// The files beside the inputs, as far as the inputs' directories agree on them.
pub(super) struct Beside {
    classes: Option<Classes>,
    /// The files by which TFDS knows the features; empty where there are none, or different ones.
    files: BTreeMap<String, Vec<u8>>,
    /// What the manifests say of the features of every record.
    features: Option<Vec<FeatureEntry>>,
    /// Whether some input is of a set that its manifest does not describe.
    undescribed: bool,
    /// A directory with those files.
    dir: PathBuf,
}

impl Beside {
    pub(super) fn read(inputs: &[PathBuf], warnings: &mut Vec<String>) -> Result<Self> {
        let shards: BTreeMap<&Path, &Path> = inputs.iter().map(|path| (dir_of(path), path.as_path())).collect();
        let mut classes = Vec::new();
        for shard in shards.values() {
            classes.push(match Classes::beside(shard) {
                Err(e) if e.class() != ErrorClass::System => {
                    warnings.push(format!("class names are left out: {e}"));
                    None
                }
                found => found?,
            });
        }
        let mut files = shards.keys().map(|dir| tfds::feature_files(dir)).collect::<Result<Vec<_>>>()?;
        let mut manifests = BTreeMap::new();
        for &dir in shards.keys() {
            let manifest = match Manifest::read(dir) {
                // Told already, with the class names.
                Err(e) if e.class() != ErrorClass::System => None,
                read => read?,
            };
            manifests.insert(dir, manifest.unwrap_or_default());
        }
        let names: BTreeSet<(&Path, String)> = inputs.iter().map(|path| (dir_of(path), file_name(path))).collect();
        let (mut undescribed, mut untold) = (false, false);
        for (&dir, manifest) in &manifests {
            for (name, set) in manifest.sets.iter().filter(|(_, set)| set.undescribed) {
                if set.shards.iter().any(|shard| names.contains(&(dir, shard.path.clone()))) {
                    undescribed = true;
                    untold |= !tfds::Told::read(dir)?.has(name);
                }
            }
        }
        if untold {
            files.iter_mut().for_each(BTreeMap::clear);
        }
        let features = manifests.into_values().map(|manifest| manifest.features).collect();
        Ok(Beside {
            classes: agreed(classes, "name different classes: class names are left out", warnings),
            files: agreed(files, "have different TFDS metadata, which are left out", warnings),
            features: agreed(features, "list different features, which are left out of the manifest", warnings),
            undescribed,
            dir: shards.keys().next().map(|dir| dir.to_path_buf()).unwrap_or_default(),
        })
    }

    /// Holds the classes against those of sets that are in `out` already.
    pub(super) fn check(&self, out: &Path) -> Result<()> {
        let Some(classes) = &self.classes else { return Ok(()) };
        let manifest = Manifest::read(out)?.unwrap_or_default();
        let bound = labels::binding_labels(out, &manifest)?;
        let listed = !manifest.sets.is_empty()
            && !manifest.classes.is_empty()
            && (manifest.classes != classes.names || manifest.label_offset != classes.first);
        if listed || bound.is_some_and(|bound| bound != classes.names) {
            return Err(Error::usage_hint(
                format!("the classes of the inputs are not those of the sets in {}", out.display()),
                "choose another directory",
            ));
        }
        Ok(())
    }

    /// Writes classes and features, which all sets of the directory share, before the sets of these names are there.
    pub(super) fn write_shared(&self, out: &Path, described: bool, names: &[&str]) -> Result<()> {
        let classes = self.classes.as_ref().map_or((&[][..], 0), |classes| (&classes.names[..], classes.first));
        match described {
            true => labels::write_shared(out, classes, self.features.as_deref(), names),
            false => labels::write_classes(out, classes),
        }
    }

    /// Whether the new records have the features that the manifest lists: those that `convert` gives, if it was it that
    /// wrote them.
    pub(super) fn describes(&self, new: &Written<'_>) -> Result<bool> {
        Ok(!self.undescribed && new.have(&self.converted(), self.features.is_some())?)
    }

    /// The features that `convert` gave every record, if it was it that wrote them.
    fn converted(&self) -> BTreeSet<&str> {
        let class = self.classes.iter().flat_map(|_| ["image/class/label", "image/class/text"]);
        let listed = self.features.iter().flatten().map(|feature| feature.name.as_str());
        let others: Vec<&str> = if self.features.is_some() { listed.collect() } else { class.collect() };
        tfds::IMAGE_FEATURES.into_iter().chain(others).collect()
    }

    /// Writes TFDS's metadata once the sets are in the manifest: as `convert` does where the records have its features,
    /// else the inputs' own with the new lengths. Where neither can be true of the new sets, they are left out of it.
    pub(super) fn write_tfds(
        &self,
        out: &Path,
        new: &Written<'_>,
        described: bool,
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        let manifest = Manifest::read(out)?.unwrap_or_default();
        let names: Vec<&str> = new.sets.iter().map(|set| set.name.as_str()).collect();
        if new.compression == Compression::None {
            if described {
                return tfds::write_tfds(out, &manifest, false).map(drop);
            }
            if !self.files.is_empty() {
                let there = tfds::feature_files(out)?;
                if new.rewritten {
                    warnings.push("the features are not those of the inputs' TFDS metadata, which are left out".into());
                } else if !there.is_empty() && there != self.files {
                    warnings.push(format!(
                        "the TFDS metadata in {} have other features, and leave the new sets out",
                        out.display()
                    ));
                } else if tfds::carry_tfds(&self.dir, out, &self.files, &manifest, &names)? {
                    return Ok(());
                }
            }
        } else if !self.files.is_empty() {
            warnings.push("TFDS reads no compressed shards, so its metadata leave them out".into());
        }
        tfds::forget(out, &names)
    }
}

/// What the directories agree on; where they do not, a warning, and nothing.
fn agreed<T: PartialEq + Default>(found: Vec<T>, otherwise: &str, warnings: &mut Vec<String>) -> T {
    let mut found = found.into_iter();
    let Some(first) = found.next() else { return T::default() };
    if found.all(|other| other == first) {
        return first;
    }
    warnings.push(format!("the directories of the inputs {otherwise}"));
    T::default()
}

/// What was written.
pub(super) struct Written<'a> {
    pub(super) sets: &'a [PlannedSet],
    pub(super) inputs: &'a Inputs,
    pub(super) compression: Compression,
    /// Whether features were dropped or renamed.
    pub(super) rewritten: bool,
}

impl Written<'_> {
    /// Whether there are records, and the first of each new shard has these features; no others, unless there may be `more`.
    fn have(&self, expected: &BTreeSet<&str>, more: bool) -> Result<bool> {
        let (mut buffer, mut has_records) = (Vec::new(), false);
        let shards = self.sets.iter().flat_map(|set| (0..set.shards()).map(|i| set.shard(i)));
        for place in shards.filter_map(<[_]>::first).filter(|_| !self.rewritten) {
            let record = self.inputs.record(place, &mut buffer)?;
            let mut found = BTreeSet::new();
            let is_example = ExampleView::new(record.payload).for_each(|name, feature| {
                found.extend(feature.map(|_| name));
            });
            if is_example.is_err() || !expected.is_subset(&found) || !more && found.len() > expected.len() {
                return Ok(false);
            }
            has_records = true;
        }
        Ok(has_records)
    }
}
