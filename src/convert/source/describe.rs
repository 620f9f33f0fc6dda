//! Which features the records will have, besides those that every image gives.

use std::collections::BTreeMap;

use super::{Source, SourceFile};
use crate::dataset::{BOX_FEATURES, FeatureEntry};
use crate::example::Kind;

/// What is known of a feature.
struct Seen {
    kind: Kind,
    list: bool,
    records: u64,
}

impl Source {
    /// The features that all records of all sets have; `None` where those are just a class for each image. Those that
    /// some records lack are named in the second list, with what a person should know.
    pub(in crate::convert) fn features(&self) -> (Option<Vec<FeatureEntry>>, Vec<String>) {
        let described = |name: &Option<String>| name.as_deref().is_none_or(|name| !self.is_undescribed(name));
        let files = || self.sets.iter().filter(|(name, _)| described(name)).flat_map(|(_, files)| files);
        let left_out = self.unlabelled.iter().filter(|set| self.is_undescribed(set));
        let left_out = left_out.map(|set| format!("the set '{set}' has no labels: TFDS's metadata leave it out"));
        if !self.classes.is_empty() && files().all(|f| f.class.is_some() && f.notes.is_none()) {
            return (None, left_out.collect());
        }
        let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
        let mut total = 0;
        for file in files() {
            total += 1;
            for_each_feature(file, |name, kind, list| {
                let entry = seen.entry(name).or_insert(Seen { kind, list, records: 0 });
                entry.list |= list;
                entry.records += 1;
            });
        }
        let (everywhere, rest): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(_, seen)| seen.records == total);
        let entry = |(name, seen): (&str, Seen)| FeatureEntry { name: name.into(), kind: seen.kind, list: seen.list };
        let missing = |(name, seen): (&str, Seen)| {
            let lacking = total - seen.records;
            format!("{lacking} of {total} records have no feature '{name}': TFDS's metadata leave it out")
        };
        (Some(everywhere.into_iter().map(entry).collect()), rest.into_iter().map(missing).chain(left_out).collect())
    }

    /// Whether a set's records lack the labels that those of others have.
    pub(in crate::convert) fn is_undescribed(&self, set: &str) -> bool {
        !self.classes.is_empty() && self.unlabelled.iter().any(|unlabelled| unlabelled == set)
    }
}

/// Gives name, kind and whether it is a list, of each feature that is not the image's own.
fn for_each_feature<'a>(file: &'a SourceFile, mut each: impl FnMut(&'a str, Kind, bool)) {
    if file.class.is_some() {
        each("image/class/label", Kind::Int64, false);
        each("image/class/text", Kind::Bytes, false);
    }
    let Some(notes) = &file.notes else { return };
    if let Some(objects) = &notes.objects {
        BOX_FEATURES.into_iter().for_each(|name| each(name, Kind::Float, true));
        if objects.classes.is_some() {
            each("image/object/class/label", Kind::Int64, true);
            each("image/object/class/text", Kind::Bytes, true);
        }
    }
    for (name, values) in &notes.features {
        each(name, values.kind(), values.len() != 1 || name.starts_with("image/object/"));
    }
}
