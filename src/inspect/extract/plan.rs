//! Where each image goes: decided record by record, in order, before anything is written.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names::{Folders, MAX_NAME, Names, Stored, component, with_extension};
use super::parts::Parts;
use crate::dataset::{Classes, ShardSet, dir_of, shard_stem};
use crate::error::Result;
use crate::image::{Format, sniff};
use crate::inspect::cat::CatRecord;
use crate::inspect::metadata::file_name;
use crate::pipeline::FeatureNames;

/// So many classes are held against each other, but for those with names that are none.
const MAX_PAIRS: usize = 100_000;

/// A record, and where its image goes.
pub(super) struct Planned {
    pub(super) set: Arc<str>,
    pub(super) shard: Arc<Path>,
    pub(super) record: u64,
    pub(super) offset: u64,
    pub(super) payload: Vec<u8>,
    pub(super) label: Option<i64>,
    pub(super) text: Option<String>,
    /// Below the directory, `/` between its parts; `None` where the record has no image.
    pub(super) path: Option<String>,
    /// The image's type, where it is known.
    pub(super) format: Option<Format>,
}

/// Decides the paths. Holds 9 to 60 bytes a record.
pub(super) struct Planner<'a> {
    features: &'a FeatureNames,
    flat: bool,
    /// Whether records without a class get a folder too.
    nameless_folder: bool,
    set_of: HashMap<&'a Path, Arc<str>>,
    /// Whether each set has a folder.
    several: bool,
    shard: Option<Shard>,
    classes: HashMap<PathBuf, Option<Arc<Classes>>>,
    set_folders: Folders,
    class_folders: Folders,
    files: Names,
    pairs: Pairs,
}

/// The shard that the records at hand are from.
#[derive(Clone)]
struct Shard {
    path: Arc<Path>,
    set: Arc<str>,
    stem: Arc<str>,
    classes: Option<Arc<Classes>>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(sets: &'a [ShardSet], features: &'a FeatureNames, flat: bool, nameless_folder: bool) -> Self {
        let mut set_of = HashMap::new();
        for set in sets {
            let name: Arc<str> = set.name.as_str().into();
            set_of.extend(set.shards.iter().map(|path| (path.as_path(), name.clone())));
        }
        Planner {
            features,
            flat,
            nameless_folder,
            set_of,
            several: sets.iter().any(|set| set.name != sets[0].name),
            shard: None,
            classes: HashMap::new(),
            set_folders: Folders::new(),
            class_folders: Folders::new(),
            files: Names::new(),
            pairs: Pairs::default(),
        }
    }

    /// Whether the sets are more than one.
    pub(super) fn has_splits(&self) -> bool {
        self.several
    }

    pub(super) fn plan(&mut self, record: &CatRecord<'_>) -> Result<Planned> {
        let Shard { path: shard, set, stem, classes } = self.enter(record.path)?;
        let parts = Parts::read(record.payload, self.features)?;
        let label = parts.label();
        let known = || classes.as_ref().and_then(|classes| classes.name(label?));
        let text = parts.text().or_else(known).map(str::to_owned);
        let fallback = format!("{stem}-{:06}", record.record);
        let (mut path, mut format) = (None, None);
        if let Some(image) = parts.image()? {
            format = sniff(image);
            let class = text.clone().or_else(|| label.map(|label| label.to_string()));
            path = Some(self.path(&set, class.as_deref(), parts.filename(), &fallback, format));
        }
        if let (Some(label), Some(text)) = (label, &text) {
            self.pairs.see(label, text);
        }
        let payload = record.payload.to_vec();
        Ok(Planned { set, shard, record: record.record, offset: record.offset, payload, label, text, path, format })
    }

    fn enter(&mut self, path: &Path) -> Result<Shard> {
        if let Some(shard) = self.shard.as_ref().filter(|shard| &*shard.path == path) {
            return Ok(shard.clone());
        }
        let dir = dir_of(path);
        if !self.classes.contains_key(dir) {
            self.classes.insert(dir.to_owned(), Classes::beside_or_tfds(path, &self.features.label)?.map(Arc::new));
        }
        let shard = Shard {
            path: path.into(),
            set: self.set_of.get(path).cloned().unwrap_or_else(|| "".into()),
            stem: shard_stem(&file_name(path)).into(),
            classes: self.classes.get(dir).cloned().flatten(),
        };
        Ok(self.shard.insert(shard).clone())
    }

    /// The folder of a set, empty or with a `/` at its end.
    fn set_root(&mut self, set: &str) -> String {
        if self.several { format!("{}/", self.set_folders.of(Some(set))) } else { String::new() }
    }

    fn path(
        &mut self,
        set: &str,
        class: Option<&str>,
        stored: Option<&str>,
        fallback: &str,
        format: Option<Format>,
    ) -> String {
        let mut root = self.set_root(set);
        let in_folder = !self.flat && (class.is_some() || self.nameless_folder);
        if in_folder {
            root.extend([self.class_folders.of(class), "/"]);
        }
        let stored = stored.and_then(Stored::parse);
        let below = stored.as_ref().map_or(&[][..], |stored| match class {
            _ if self.flat => &[],
            _ if in_folder => below_class(&stored.folders, set, class),
            // What has no class keeps the folders that it came from.
            _ if stored.is_absolute => &[],
            _ => strip(&stored.folders, set).filter(|_| self.several).unwrap_or(&stored.folders),
        });
        let name = stored.as_ref().map_or(fallback, |stored| &stored.name);
        self.files.file(&root, below, &with_extension(&component(name), format))
    }

    /// The folders of all classes that the files beside the shards name, used or not.
    pub(super) fn known_folders(&mut self) -> Vec<String> {
        let known: BTreeSet<(Arc<str>, &Path)> =
            self.set_of.iter().map(|(path, set)| (set.clone(), dir_of(path))).collect();
        let mut folders = Vec::new();
        for (set, dir) in known {
            let Some(classes) = self.classes.get(dir).cloned().flatten() else { continue };
            let root = self.set_root(&set);
            for name in classes.numbers().filter_map(|number| classes.name(number)) {
                folders.push(format!("{root}{}", self.class_folders.of(Some(name))));
            }
        }
        folders
    }

    /// What contradicts itself in the classes.
    pub(super) fn contradiction(&self) -> Option<&str> {
        self.pairs.contradiction.as_deref()
    }
}

/// The folders below that of the class, where the path leads through it: `CLASS/...` or `SET/CLASS/...`.
fn below_class<'f>(folders: &'f [String], set: &str, class: Option<&str>) -> &'f [String] {
    let Some(class) = class else { return &[] };
    let inside = |folders| strip(folders, class);
    inside(folders).or_else(|| strip(folders, set).and_then(inside)).unwrap_or(&[])
}

fn strip<'f>(folders: &'f [String], name: &str) -> Option<&'f [String]> {
    let (first, rest) = folders.split_first()?;
    (*first == component(name)).then_some(rest)
}

/// Numbers and names of classes as they come together.
#[derive(Default)]
struct Pairs {
    by_label: HashMap<i64, String>,
    by_text: HashMap<String, i64>,
    contradiction: Option<String>,
}

impl Pairs {
    fn see(&mut self, label: i64, text: &str) {
        match (self.by_label.get(&label), self.by_text.get(text)) {
            _ if self.contradiction.is_some() => {}
            (Some(other), _) if other != text => {
                self.contradiction = Some(format!("the class {label} is called '{other}' and '{text}'"));
            }
            (_, Some(other)) if *other != label => {
                self.contradiction = Some(format!("the class '{text}' has the numbers {other} and {label}"));
            }
            (None, None) if self.by_label.len() < MAX_PAIRS && text.len() <= MAX_NAME => {
                self.by_label.insert(label, text.to_owned());
                self.by_text.insert(text.to_owned(), label);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    struct Sample<'a>(&'a str, Option<(i64, &'a str)>, Option<&'a str>);

    fn paths(sets: &[&str], flat: bool, nameless: bool, samples: &[Sample<'_>]) -> Vec<String> {
        let sets: Vec<ShardSet> = (sets.iter())
            .map(|set| ShardSet { name: set.to_string(), shards: vec![format!("{set}.tfrecord").into()] })
            .collect();
        let features = FeatureNames::default();
        let mut planner = Planner::new(&sets, &features, flat, nameless);
        let mut plan = |Sample(set, class, filename): &Sample<'_>| {
            let mut example = ExampleBuilder::new().bytes("image/encoded", b"\xff\xd8\xff\xe0");
            if let Some((label, text)) = class {
                example = example.int64("image/class/label", *label).text(TEXT, *text);
            }
            if let Some(filename) = filename {
                example = example.text("image/filename", *filename);
            }
            let (path, payload) = (format!("{set}.tfrecord"), example.encode());
            let record = CatRecord { features: &[], path: Path::new(&path), record: 7, offset: 0, payload: &payload };
            planner.plan(&record).unwrap().path.unwrap()
        };
        samples.iter().map(&mut plan).collect()
    }

    const TEXT: &str = "image/class/text";

    #[test]
    fn class_folders_keep_what_was_below_them() {
        let cat = Some((0, "cat"));
        let samples = [
            Sample("train", cat, Some("cat/a/1.jpg")),
            Sample("train", cat, Some("train/cat/2.jpg")),
            Sample("train", cat, Some("n0123/3.jpg")),
            Sample("train", cat, None),
            Sample("train", None, Some("x/4.jpg")),
        ];
        let expected = ["cat/a/1.jpg", "cat/2.jpg", "cat/3.jpg", "cat/train-000007.jpg", "unlabelled/4.jpg"];
        assert_eq!(paths(&["train"], false, true, &samples), expected);
        let expected = ["1.jpg", "2.jpg", "3.jpg", "train-000007.jpg", "4.jpg"];
        assert_eq!(paths(&["train"], true, true, &samples), expected);
    }

    #[test]
    fn several_sets_have_folders_and_what_has_no_class_keeps_its_own() {
        let samples = [
            Sample("a", None, Some("a/x/1.jpg")),
            Sample("b", None, Some("a/x/1.jpg")),
            Sample("b", None, Some("/home/1.jpg")),
        ];
        assert_eq!(paths(&["a", "b"], false, false, &samples), ["a/x/1.jpg", "b/a/x/1.jpg", "b/1.jpg"]);
        let expected = ["a/x/1.jpg", "a/x/1-2.jpg", "1.jpg"];
        assert_eq!(paths(&["a"], false, false, &samples), expected);
    }

    #[test]
    fn numbers_and_names_of_classes_are_one_to_one() {
        let mut pairs = Pairs::default();
        [(1, "a"), (2, "b"), (1, "a")].into_iter().for_each(|(label, text)| pairs.see(label, text));
        assert_eq!(pairs.contradiction, None);
        pairs.see(3, "b");
        pairs.see(1, "c");
        assert_eq!(pairs.contradiction.unwrap(), "the class 'b' has the numbers 2 and 3");
        let mut pairs = Pairs::default();
        pairs.see(1, &"x".repeat(MAX_NAME + 1));
        assert!(pairs.by_text.is_empty(), "no name of any length is kept");
    }
}
