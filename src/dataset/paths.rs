//! From what a person types to sets of shards: files, directories, globs, `name@8`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::listing::{Listed, directory, file_name, glob, numbered_set};
use super::names::{NumberedName, set_of};
use super::splits::split_names;
use super::unfinished::{Unfinished, unfinished};
use crate::error::{Error, ErrorKind, Result};

/// Shards that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSet {
    /// The set's name, such as `train`.
    pub name: String,
    /// Its shards, sorted by name.
    pub shards: Vec<PathBuf>,
}

impl ShardSet {
    /// The folder of its first shard.
    fn dir(&self) -> &Path {
        self.shards.first().and_then(|shard| shard.parent()).unwrap_or(Path::new(""))
    }

    /// Whether this is its name: that of the split, or that of its files.
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.shards.first().is_some_and(|shard| set_of(&file_name(shard)) == name)
    }
}

/// What [`resolve`] found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ResolvedSets {
    /// The sets, sorted by name.
    pub sets: Vec<ShardSet>,
    /// Shards that are missing, counts that contradict each other, sets of which an earlier and a new state lie mixed.
    pub problems: Vec<Error>,
    /// What a person should know of sets that can be read: that a writer has not ended, and which state is read.
    pub notes: Vec<String>,
    /// Files of directories that hold records, and are no part of a set: their names are not those of shards, and other
    /// files of the directory have such names.
    pub passed_over: Vec<PathBuf>,
    /// Whether every file was named one by one and none carries a set's number (then a choice among sets is the caller's
    /// own; a shell's glob over several sets is not).
    pub explicit: bool,
}

impl ResolvedSets {
    /// The sets, or the first problem as the error.
    pub fn complete(self) -> Result<Vec<ShardSet>> {
        match self.problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(self.sets),
        }
    }

    /// The sets of these names, in their order. Where folders hold sets of one name, each is named by its folder too, such as
    /// `photos/train`, or by the folder alone where that holds no other.
    ///
    /// # Errors
    /// A usage error for a name that is that of no set, of several, or of one that is named already.
    pub fn several(self, names: &[&str]) -> Result<Vec<ShardSet>> {
        let sets = self.complete()?;
        let mut chosen: Vec<&ShardSet> = Vec::new();
        for name in names {
            let set = match &called(&sets, name)[..] {
                [set] => *set,
                [] => return Err(no_set(name, &sets)),
                several => {
                    let hint = format!("name one with its folder: {}", list(several));
                    return Err(Error::usage_hint(format!("'{name}' may be one of {} sets", several.len()), hint));
                }
            };
            if chosen.contains(&set) {
                return Err(Error::usage(format!("the set '{name}' is named twice")));
            }
            chosen.push(set);
        }
        Ok(chosen.into_iter().cloned().collect())
    }

    /// The one set to read: the only one, or the one named `set`; of several directories, all its shards, unless it is named with
    /// its folder, such as `photos/train`. Several sets
    /// and no name is an error that lists them, so that nobody trains on the test set by accident. Files that are named
    /// one by one and carry no number are taken together.
    pub fn one(self, set: Option<&str>) -> Result<ShardSet> {
        let explicit = self.explicit;
        let sets = self.complete()?;
        let mut names: Vec<&str> = sets.iter().map(|s| s.name.as_str()).collect();
        names.dedup();
        let list = names.join(", ");
        let wanted = match set {
            Some(name) if sets.iter().any(|set| set.is_called(name)) => Some(name),
            Some(name) => {
                return match called(&sets, name)[..] {
                    [set] => Ok(set.clone()),
                    _ => Err(no_set(name, &sets)),
                };
            }
            None if names.len() > 1 && !explicit => {
                return Err(Error::usage_hint(
                    format!("there are {} sets: {list}", names.len()),
                    "choose one with `--set NAME`",
                ));
            }
            None => None,
        };
        let name = wanted.or(names.first().copied()).unwrap_or_default().to_owned();
        let shards: Vec<PathBuf> =
            sets.into_iter().filter(|s| wanted.is_none_or(|name| s.is_called(name))).flat_map(|s| s.shards).collect();
        if shards.is_empty() {
            return Err(Error::usage("no shards were named"));
        }
        Ok(ShardSet { name, shards })
    }
}

/// The sets that a person may mean by a name: those of this name; or else the one in a folder, as in `photos/train`; or else
/// all in the folder of this name.
fn called<'s>(sets: &'s [ShardSet], name: &str) -> Vec<&'s ShardSet> {
    // Without `.` and a slash at the end.
    let path: PathBuf = Path::new(name).components().filter(|part| *part != Component::CurDir).collect();
    let of = |fits: &dyn Fn(&ShardSet) -> bool| sets.iter().filter(|set| fits(set)).collect::<Vec<_>>();
    let found = of(&|set| set.is_called(name));
    if !found.is_empty() || path.as_os_str().is_empty() {
        return found;
    }
    let found = of(&|set| set.dir().join(&set.name).ends_with(&path));
    if found.is_empty() { of(&|set| set.dir().ends_with(&path)) } else { found }
}

fn no_set(name: &str, sets: &[ShardSet]) -> Error {
    let hint = format!("the sets are: {}", list(&sets.iter().collect::<Vec<_>>()));
    Error::usage_hint(format!("there is no set named '{name}'"), hint)
}

/// Names of sets; with their folders, where two have one name.
fn list(sets: &[&ShardSet]) -> String {
    let twice = sets.windows(2).any(|pair| pair[0].name == pair[1].name);
    let name = |set: &&ShardSet| match twice {
        true => set.dir().join(&set.name).display().to_string(),
        false => set.name.clone(),
    };
    sets.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Resolves `patterns`: each a file, a directory, a glob, or `name@8` (a set of 8 shards in one of the usual forms).
///
/// A pattern that matches nothing is an error. Numbered sets out of directories, globs and `name@8` must be whole; what
/// is missing is listed in [`ResolvedSets::problems`], and so is a set whose replacement was begun and has not ended.
///
/// A set is named as its files are; in TFDS's way of naming them (`DATASET-SPLIT.tfrecord-00000-of-00001`), as the split.
pub fn resolve<S: AsRef<str>>(patterns: &[S]) -> Result<ResolvedSets> {
    let mut resolved = ResolvedSets { explicit: true, ..Default::default() };
    let mut sets: BTreeMap<(PathBuf, String), Vec<PathBuf>> = BTreeMap::new();
    let mut add = |path: PathBuf| {
        let key = (path.parent().unwrap_or(Path::new("")).to_owned(), set_of(&file_name(&path)));
        sets.entry(key).or_default().push(path);
    };
    for pattern in patterns {
        let pattern = pattern.as_ref();
        let path = Path::new(pattern);
        if path.is_file() {
            add(path.to_owned());
            continue;
        }
        if let Some((name, count)) = pattern.rsplit_once('@')
            && let Ok(count) = count.parse::<usize>()
            && !path.exists()
        {
            let (there, missing) = numbered_set(name, count)?;
            there.into_iter().for_each(&mut add);
            resolved.problems.extend(missing);
            continue;
        }
        resolved.explicit = false;
        let found = if path.is_dir() {
            let Listed { shards, passed_over } = directory(path)?;
            resolved.passed_over.extend(passed_over);
            shards
        } else {
            glob(pattern)?
        };
        resolved.problems.extend(contradictions(&found));
        found.into_iter().for_each(&mut add);
    }
    let is_numbered = |path: &PathBuf| NumberedName::parse(&file_name(path)).is_some();
    let names: BTreeSet<&str> = sets.keys().map(|(_, name)| name.as_str()).collect();
    resolved.explicit &= names.len() <= 1 || !sets.values().flatten().any(is_numbered);
    let mut by_dir: BTreeMap<PathBuf, Vec<(String, Vec<PathBuf>)>> = BTreeMap::new();
    for ((dir, name), mut shards) in sets {
        shards.sort();
        shards.dedup();
        by_dir.entry(dir).or_default().push((name, shards));
    }
    let mut problems = Vec::new();
    for (dir, sets) in by_dir {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { &dir };
        for told in unfinished(dir, sets.iter().map(|(name, shards)| (name.as_str(), shards.as_slice()))) {
            match told {
                Unfinished::Problem(e) => problems.push(e),
                Unfinished::Note(note) => resolved.notes.push(note),
            }
        }
        let names = split_names(dir, &sets);
        resolved.sets.extend(names.into_iter().zip(sets).map(|(name, (_, shards))| ShardSet { name, shards }));
    }
    // They explain the others.
    problems.append(&mut resolved.problems);
    resolved.problems = problems;
    resolved.sets.sort_by(|a, b| a.name.cmp(&b.name));
    resolved.passed_over.sort();
    resolved.passed_over.dedup();
    let named: BTreeSet<&PathBuf> = resolved.sets.iter().flat_map(|set| &set.shards).collect();
    resolved.passed_over.retain(|path| !named.contains(path));
    if resolved.sets.is_empty() && resolved.problems.is_empty() {
        return Err(Error::usage("no shards were named"));
    }
    for ShardSet { name, shards } in &resolved.sets {
        let (first, last) = (shards.first(), shards.last());
        let shown = |path: Option<&PathBuf>| path.map_or_else(String::new, |path| path.display().to_string());
        log::debug!("set '{name}': {} files, {} to {}", shards.len(), shown(first), shown(last));
    }
    Ok(resolved)
}

/// The numbers of shards by the count that their names carry.
type ByCount = BTreeMap<usize, Vec<usize>>;

/// Missing shards and contradicting counts among files of one directory or glob.
fn contradictions(files: &[PathBuf]) -> Vec<Error> {
    let mut sets: BTreeMap<(PathBuf, String), ByCount> = BTreeMap::new();
    for path in files {
        if let Some(n) = NumberedName::parse(&file_name(path)) {
            let dir = path.parent().unwrap_or(Path::new("")).to_owned();
            sets.entry((dir, n.set)).or_default().entry(n.count).or_default().push(n.index);
        }
    }
    let mut problems = Vec::new();
    for ((dir, set), counts) in &sets {
        if counts.len() > 1 {
            let counts: Vec<String> = counts.keys().map(ToString::to_string).collect();
            let detail = format!("set '{set}' has shards of {} at once", counts.join(" and of "));
            problems.push(Error::new(ErrorKind::MissingShard { detail }).at_path(dir));
            continue;
        }
        for (count, shards) in counts {
            let there: BTreeSet<usize> = shards.iter().copied().collect();
            if there.len() < shards.len() {
                let detail = format!("set '{set}' has a shard twice, in different files");
                problems.push(Error::new(ErrorKind::MissingShard { detail }).at_path(dir));
            }
            for index in (0..*count).filter(|i| !there.contains(i)).take(100) {
                let detail = format!("shard {index} of the {count} of set '{set}' is missing");
                problems.push(Error::new(ErrorKind::MissingShard { detail }).at_path(dir));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn touch(dir: &Path, names: &[&str]) {
        for name in names {
            fs::write(dir.join(name), b"").unwrap();
        }
    }

    fn at(dir: &Path, pattern: &str) -> Result<ResolvedSets> {
        resolve(&[dir.join(pattern).to_string_lossy()])
    }

    #[test]
    fn a_directory_is_grouped_by_set_and_refused_where_one_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        touch(
            dir.path(),
            &["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord", "val-00000-of-00001.tfrecord"],
        );
        touch(dir.path(), &["labels.txt", ".hidden.tfrecord", "manifest.json"]);
        let sets = at(dir.path(), "").unwrap().complete().unwrap();
        assert_eq!(
            sets.iter().map(|s| (s.name.as_str(), s.shards.len())).collect::<Vec<_>>(),
            [("train", 2), ("val", 1)]
        );
        let both = ["train-00000-of-00002.tfrecord", "val-00000-of-00001.tfrecord"].map(|n| dir.path().join(n));
        let both = both.map(|p| p.to_string_lossy().into_owned());
        assert!(resolve(&both).unwrap().one(None).is_err(), "a shell's glob over several sets");
        let error = at(dir.path(), "").unwrap().one(None).unwrap_err();
        assert!(error.to_string().contains("train, val"), "{error}");
        assert_eq!(at(dir.path(), "").unwrap().one(Some("val")).unwrap().shards.len(), 1);
        assert!(at(dir.path(), "").unwrap().one(Some("test")).unwrap_err().hint().unwrap().contains("train, val"));
    }

    #[test]
    fn missing_and_contradicting_shards_are_problems() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["a-00000-of-00003.tfrecord", "a-00002-of-00003.tfrecord"]);
        let problems = at(dir.path(), "").unwrap().problems;
        assert_eq!(problems.len(), 1);
        assert!(problems[0].to_string().contains("shard 1 of the 3"), "{}", problems[0]);
        touch(dir.path(), &["a-00000-of-00004.tfrecord"]);
        assert!(at(dir.path(), "a*").unwrap().problems[0].to_string().contains("of 3 and of 4"));
    }

    #[test]
    fn at_count_takes_the_usual_forms_and_wants_all() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["x.tfrecord-00000-of-00002", "x.tfrecord-00001-of-00002", "y-00000-of-00002.tfrecord.gz"]);
        assert_eq!(at(dir.path(), "x@2").unwrap().one(None).unwrap().shards.len(), 2);
        assert_eq!(at(dir.path(), "y@2").unwrap().one(None).unwrap_err().kind_name(), "missing_shard");
        assert_eq!(at(dir.path(), "z@2").unwrap_err().kind_name(), "usage");
    }

    #[test]
    fn a_set_in_two_directories_is_read_from_both() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for dir in [&a, &b] {
            touch(dir.path(), &["train-00000-of-00001.tfrecord", "val-00000-of-00001.tfrecord"]);
        }
        let dirs = [a.path().to_string_lossy(), b.path().to_string_lossy()];
        assert_eq!(resolve(&dirs).unwrap().one(Some("train")).unwrap().shards.len(), 2);
        assert!(resolve(&dirs).unwrap().one(None).unwrap_err().to_string().contains("2 sets: train, val"));
    }

    #[test]
    fn sets_of_one_name_are_told_apart_by_their_folders() {
        let tmp = tempfile::tempdir().unwrap();
        for dir in ["a", "b", "c/train"] {
            fs::create_dir_all(tmp.path().join(dir)).unwrap();
            touch(&tmp.path().join(dir), &["train-00000-of-00001.tfrecord"]);
        }
        touch(&tmp.path().join("b"), &["val-00000-of-00001.tfrecord"]);
        let dirs = ["a", "b/", "c/./train"].map(|dir| tmp.path().join(dir).to_string_lossy().into_owned());
        let several = |names: &[&str]| -> Result<Vec<String>> {
            let at = |set: &ShardSet| set.shards[0].strip_prefix(tmp.path()).unwrap().to_string_lossy().into_owned();
            Ok(resolve(&dirs).unwrap().several(names)?.iter().map(at).collect())
        };
        let [a, b, val] = ["a/train-", "b/train-", "b/val-"].map(|path| format!("{path}00000-of-00001.tfrecord"));
        assert_eq!(several(&["a", "b/train", "val"]).unwrap(), [a.clone(), b, val.clone()]);
        assert_eq!(several(&["./a/", &format!("{}/val", dirs[1])]).unwrap(), [a, val]);
        let error = several(&["train"]).unwrap_err();
        assert_eq!(error.to_string(), "'train' may be one of 3 sets");
        assert!(error.hint().unwrap().contains("a/train") && error.hint().unwrap().contains("b/train"), "{error}");
        assert!(several(&["b"]).unwrap_err().hint().unwrap().ends_with(": train, val"));
        assert!(several(&["a", "a/train"]).unwrap_err().to_string().contains("named twice"));
        assert!(several(&["d"]).unwrap_err().to_string().contains("no set named 'd'"));
        let one = |name| resolve(&dirs).unwrap().one(Some(name)).map(|set| set.shards.len());
        assert_eq!((one("train").unwrap(), one("a/train").unwrap(), one("val").unwrap()), (3, 1, 1));
        assert!(one("b").is_err() && one("").is_err());
    }

    #[test]
    fn a_count_beyond_reason_is_refused_at_once() {
        for pattern in ["x@99999999999", "x@0"] {
            assert!(resolve(&[pattern]).unwrap_err().to_string().contains("from 1 to 99999"));
        }
        assert!(ResolvedSets::default().one(None).is_err());
    }

    #[test]
    fn globs_match_files_and_nothing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["t-00000-of-00001.tfrecord", "t.json"]);
        fs::create_dir(dir.path().join("idx")).unwrap();
        touch(&dir.path().join("idx"), &["t-00000-of-00001.idx"]);
        assert_eq!(at(dir.path(), "t*.tfrecord").unwrap().one(None).unwrap().shards.len(), 1);
        for nothing in ["u*", "u", "*/u"] {
            assert_eq!(at(dir.path(), nothing).unwrap_err().kind_name(), "usage", "{nothing}");
        }
    }

    #[test]
    fn without_a_telling_name_the_first_header_decides() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = crate::record::Writer::new(File::create(dir.path().join("train_data")).unwrap());
        w.write(b"x").unwrap();
        w.finish().unwrap();
        touch(dir.path(), &["README"]);
        let set = at(dir.path(), "").unwrap().one(None).unwrap();
        assert_eq!(set.shards, [dir.path().join("train_data")]);
    }
}
