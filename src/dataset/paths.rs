//! From what a person types to sets of shards: files, directories, globs, `name@8`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::names::{NumberedName, is_shard_name, set_of, shard_file_name};
use super::shares::MAX_SHARDS;
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Compression, ReadOptions, RecordSource};

/// Shards that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSet {
    /// The set's name, such as `train`.
    pub name: String,
    /// Its shards, sorted by name.
    pub shards: Vec<PathBuf>,
}

/// What [`resolve`] found.
#[derive(Debug, Default)]
pub struct ResolvedSets {
    /// The sets, sorted by name.
    pub sets: Vec<ShardSet>,
    /// Shards that are missing or counts that contradict each other.
    pub problems: Vec<Error>,
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

    /// The sets of these names, in their order.
    pub fn several(self, names: &[&str]) -> Result<Vec<ShardSet>> {
        let sets = self.complete()?;
        if let Some(twice) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
            return Err(Error::usage(format!("the set '{}' is named twice", names[twice])));
        }
        let of = |name: &&str| {
            let mut found = sets.iter().filter(|set| set.name == **name);
            match (found.next(), found.next()) {
                (Some(set), None) => Ok(set.clone()),
                (Some(_), Some(_)) => Err(Error::usage_hint(
                    format!("there are several sets named '{name}'"),
                    "rename the shards of all but one",
                )),
                _ => {
                    let all: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
                    let hint = format!("the sets are: {}", all.join(", "));
                    Err(Error::usage_hint(format!("there is no set named '{name}'"), hint))
                }
            }
        };
        names.iter().map(of).collect()
    }

    /// The one set to read: the only one, or the one named `set`; of several directories, all its shards. Several sets
    /// and no name is an error that lists them, so that nobody trains on the test set by accident. Files that are named
    /// one by one and carry no number are taken together.
    pub fn one(self, set: Option<&str>) -> Result<ShardSet> {
        let explicit = self.explicit;
        let sets = self.complete()?;
        let mut names: Vec<&str> = sets.iter().map(|s| s.name.as_str()).collect();
        names.dedup();
        let list = names.join(", ");
        let wanted = match set {
            Some(name) if names.contains(&name) => Some(name),
            Some(name) => {
                let hint = format!("the sets are: {list}");
                return Err(Error::usage_hint(format!("there is no set named '{name}'"), hint));
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
            sets.into_iter().filter(|s| wanted.is_none() || s.name == name).flat_map(|s| s.shards).collect();
        if shards.is_empty() {
            return Err(Error::usage("no shards were named"));
        }
        Ok(ShardSet { name, shards })
    }
}

/// Resolves `patterns`: each a file, a directory, a glob, or `name@8` (a set of 8 shards in one of the usual forms).
///
/// A pattern that matches nothing is an error. Numbered sets out of directories, globs and `name@8` must be whole; what
/// is missing is listed in [`ResolvedSets::problems`].
pub fn resolve<S: AsRef<str>>(patterns: &[S]) -> Result<ResolvedSets> {
    let mut resolved = ResolvedSets { explicit: true, ..Default::default() };
    let mut sets: BTreeMap<(PathBuf, String), Vec<PathBuf>> = BTreeMap::new();
    let mut add = |path: PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let key = (path.parent().unwrap_or(Path::new("")).to_owned(), set_of(&name));
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
        let found = if path.is_dir() { directory(path)? } else { glob(pattern)? };
        resolved.problems.extend(contradictions(&found));
        found.into_iter().for_each(&mut add);
    }
    let numbered: BTreeSet<String> = sets
        .values()
        .flatten()
        .filter_map(|p| NumberedName::parse(&p.file_name()?.to_string_lossy()))
        .map(|n| n.set)
        .collect();
    let names: BTreeSet<&str> = sets.keys().map(|(_, name)| name.as_str()).collect();
    resolved.explicit &= numbered.is_empty() || names.len() <= 1;
    resolved.sets = sets
        .into_iter()
        .map(|((_, name), mut shards)| {
            shards.sort();
            shards.dedup();
            ShardSet { name, shards }
        })
        .collect();
    resolved.sets.sort_by(|a, b| a.name.cmp(&b.name));
    if resolved.sets.is_empty() && resolved.problems.is_empty() {
        return Err(Error::usage("no shards were named"));
    }
    Ok(resolved)
}

fn directory(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let named = |p: &&PathBuf| p.file_name().is_some_and(|n| is_shard_name(&n.to_string_lossy()));
    let mut shards: Vec<PathBuf> = files.iter().filter(named).cloned().collect();
    if shards.is_empty() {
        shards = files.into_iter().filter(|p| starts_like_a_shard(p)).collect();
    }
    if shards.is_empty() {
        return Err(Error::usage_hint(
            format!("no shards in the directory {}", dir.display()),
            "name the shard files or a glob; a directory of images becomes shards with `tfr convert`",
        ));
    }
    Ok(shards)
}

/// Whether the file's first header verifies.
fn starts_like_a_shard(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    RecordSource::from_stream(Box::new(file), Some(path), ReadOptions::default()).is_ok_and(|mut source| {
        source.compression() != Compression::None || matches!(source.next_record(), Ok(Some(_)))
    })
}

fn glob(pattern: &str) -> Result<Vec<PathBuf>> {
    let nothing = || {
        Error::usage_hint(
            format!("nothing matches '{pattern}'"),
            "check the spelling; a path is a file, a directory, a quoted glob, or NAME@COUNT",
        )
    };
    let pattern = pattern.trim_start_matches("./");
    if pattern == "-" {
        return Err(Error::usage_hint(
            "standard input is not read here: the shards are read more than once, or with what lies beside them",
            "name files, a directory, a quoted glob, or NAME@COUNT",
        ));
    }
    if !pattern.contains(['*', '?', '[', '{']) {
        return Err(nothing());
    }
    let matcher = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|e| Error::usage(format!("'{pattern}' is no glob: {}", e.kind())))?
        .compile_matcher();
    // Walk from the last folder that the pattern names literally.
    let literal = &pattern[..pattern.find(['*', '?', '[', '{']).unwrap_or(0)];
    let base = Path::new(&literal[..literal.rfind('/').map_or(0, |i| i + 1)]);
    let depth = pattern[base.as_os_str().len()..].matches('/').count() + 1;
    let start = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let walk = walkdir::WalkDir::new(start).follow_links(true);
    let walk = if pattern.contains("**") { walk } else { walk.max_depth(depth) };
    let mut failed = Vec::new();
    let mut found: Vec<PathBuf> = walk
        .into_iter()
        .filter_map(|entry| entry.map_err(|e| failed.push(e)).ok())
        .filter(|e| e.file_type().is_file())
        .map(|e| e.path().strip_prefix("./").unwrap_or(e.path()).to_owned())
        .filter(|p| matcher.is_match(p))
        .filter(|p| p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')))
        .collect();
    // A folder that cannot be read may hold shards; one that is not there holds none.
    let failed = failed.into_iter().filter_map(|e| Some((e.path()?.to_owned(), e.into_io_error()?)));
    if let Some((path, e)) = failed.into_iter().find(|(_, e)| e.kind() != std::io::ErrorKind::NotFound) {
        return Err(Error::io(&path, e));
    }
    found.sort();
    if found.is_empty() { Err(nothing()) } else { Ok(found) }
}

/// The shards of `name@count` that are there, in the first of the usual forms that has any; and what is missing.
fn numbered_set(name: &str, count: usize) -> Result<(Vec<PathBuf>, Option<Error>)> {
    if !(1..=MAX_SHARDS).contains(&count) {
        return Err(Error::usage(format!("'{name}@{count}': a set has from 1 to {MAX_SHARDS} shards")));
    }
    let forms: [&dyn Fn(usize) -> String; 5] = [
        &|i| shard_file_name(name, i, count, Compression::None),
        &|i| shard_file_name(name, i, count, Compression::Gzip),
        &|i| shard_file_name(name, i, count, Compression::Zlib),
        &|i| format!("{name}-{i:05}-of-{count:05}"),
        &|i| format!("{name}.tfrecord-{i:05}-of-{count:05}"),
    ];
    for form in forms {
        let (there, missing): (Vec<PathBuf>, Vec<PathBuf>) =
            (0..count).map(|i| PathBuf::from(form(i))).partition(|p| p.is_file());
        match missing.first() {
            None => return Ok((there, None)),
            Some(first) if !there.is_empty() => {
                let detail = format!("'{name}@{count}' lacks {} of its {count} shards", missing.len());
                return Ok((there, Some(Error::new(ErrorKind::MissingShard { detail }).at_path(first))));
            }
            _ => {}
        }
    }
    Err(Error::usage_hint(
        format!("nothing matches '{name}@{count}'"),
        format!("the first shard would be {}", shard_file_name(name, 0, count, Compression::None)),
    ))
}

/// The numbers of shards by the count that their names carry.
type ByCount = BTreeMap<usize, Vec<usize>>;

/// Missing shards and contradicting counts among files of one directory or glob.
fn contradictions(files: &[PathBuf]) -> Vec<Error> {
    let mut sets: BTreeMap<(PathBuf, String), ByCount> = BTreeMap::new();
    for path in files {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(n) = NumberedName::parse(&name) {
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
