//! Folders of images: of classes, of splits that hold class folders, or of images alone.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use walkdir::WalkDir;

use super::classes::odd_names;
use super::{Source, SourceFile};
use crate::convert::options::Layout;
use crate::dataset::IMAGE_LISTS;
use crate::error::{Error, Result};
use crate::job::Job;

/// Folders that are splits where every top-level folder is one of them.
const SPLIT_NAMES: [&str; 5] = ["train", "val", "valid", "validation", "test"];
/// What file managers leave behind.
const IGNORED: [&str; 2] = ["Thumbs.db", "desktop.ini"];

/// Walks the source. `labels` are class names whose order counts; without them the classes are sorted by bytes.
pub(super) fn scan(src: &Path, layout: Layout, labels: Option<Vec<String>>, job: &Job<'_>) -> Result<Source> {
    let mut source = Source { root: src.to_owned(), ..Source::default() };
    let tops = folders(src, &mut source.bad)?;
    let splits = match layout {
        Layout::Auto => {
            !tops.is_empty()
                && tops.iter().all(|name| SPLIT_NAMES.contains(&name.as_str()) && has_folder(&src.join(name)))
        }
        layout => layout == Layout::Splits,
    };
    let roots: Vec<(Option<String>, String)> = match splits {
        true => tops.into_iter().map(|name| (Some(name.clone()), format!("{name}/"))).collect(),
        false => vec![(None, String::new())],
    };
    if splits {
        strays(src, "", &mut source.bad)?;
    }
    // Classes first: their numbers are those of the union over the splits.
    let mut found = BTreeSet::new();
    let mut class_folders = Vec::new();
    for (_, prefix) in &roots {
        let names = folders(&src.join(prefix), &mut source.bad)?;
        strays(src, prefix, &mut source.bad)?;
        found.extend(names.iter().cloned());
        class_folders.push(names);
    }
    source.classes = number_classes(found, labels, &mut source.warnings)?;
    let numbers: HashMap<String, u32> = source.classes.iter().cloned().zip(0..).collect();
    let mut populated = vec![false; source.classes.len()];
    for ((split, prefix), names) in roots.into_iter().zip(class_folders) {
        let mut files = Vec::new();
        for name in names {
            let number = numbers.get(&name).copied().unwrap_or_default();
            let before = files.len();
            walk(src, &format!("{prefix}{name}"), Some(number), &mut files, &mut source, job)?;
            populated[number as usize] |= files.len() > before;
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        source.sets.push((split, files));
    }
    let empty = source.classes.iter().zip(populated).filter(|(_, populated)| !populated);
    source.warnings.extend(empty.map(|(name, _)| format!("class '{name}' has no images; it keeps its number")));
    source.warnings.extend(passed_over(src));
    Ok(source)
}

/// Walks a source of images without classes.
pub(super) fn scan_flat(src: &Path, job: &Job<'_>) -> Result<Source> {
    let mut source = Source { root: src.to_owned(), ..Source::default() };
    let mut files = Vec::new();
    walk(src, "", None, &mut files, &mut source, job)?;
    // The list that `tfr extract` writes beside images.
    files.retain(|file| !IMAGE_LISTS.contains(&&*file.path));
    source.warnings.extend(passed_over(src));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    source.sets.push((None, files));
    Ok(source)
}

/// Says of each list of images that it is not read: it may know of boxes and labels that folders do not show.
fn passed_over(src: &Path) -> impl Iterator<Item = String> {
    let lists = IMAGE_LISTS.into_iter().map(|name| src.join(name)).filter(|path| path.is_file());
    lists.map(|path| {
        format!("labels, boxes and features in {0} are passed over; to use them, convert {0}", path.display())
    })
}

/// The classes in order, each of `found` among them.
fn number_classes(
    found: BTreeSet<String>,
    labels: Option<Vec<String>>,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>> {
    let Some(labels) = labels else {
        if found.is_empty() {
            return Err(Error::usage_hint(
                "the source has no class folders",
                "put the images of each class into a folder of its own, SRC/<class>/<image>; \
                 or store them without labels with `--layout flat`",
            ));
        }
        let classes: Vec<String> = found.into_iter().collect();
        warnings.extend(odd_names(&classes));
        return Ok(classes);
    };
    let known: HashSet<&String> = labels.iter().collect();
    if let Some(unknown) = found.iter().find(|name| !known.contains(name)) {
        return Err(Error::usage_hint(
            format!("the class folder '{unknown}' is not in the labels file"),
            "add the name to the file, or move the folder out of the source",
        ));
    }
    Ok(labels)
}

fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || IGNORED.contains(&name)
}

/// The names of the folders in `dir` (links followed), sorted.
fn folders(dir: &Path, bad: &mut Vec<(String, String)>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let entry = entry.map_err(|e| Error::io(dir, e))?;
        if !entry.path().is_dir() {
            continue;
        }
        match entry.file_name().into_string() {
            Ok(name) if is_ignored(&name) => {}
            Ok(name) if name.contains(char::is_control) => {
                bad.push((name, "the folder's name holds a control character".into()));
            }
            Ok(name) => names.push(name),
            Err(name) => bad.push((name.to_string_lossy().into_owned(), "the folder's name is not UTF-8".into())),
        }
    }
    names.sort();
    Ok(names)
}

fn has_folder(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|entries| {
        entries.flatten().any(|e| e.path().is_dir() && !is_ignored(&e.file_name().to_string_lossy()))
    })
}

/// Lists the files that lie beside the folders in which images belong.
fn strays(src: &Path, prefix: &str, bad: &mut Vec<(String, String)>) -> Result<()> {
    let dir = src.join(prefix);
    for entry in fs::read_dir(&dir).map_err(|e| Error::io(&dir, e))? {
        let entry = entry.map_err(|e| Error::io(&dir, e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The list that `tfr extract` writes beside class folders.
        let is_list = prefix.is_empty() && IMAGE_LISTS.contains(&name.as_str());
        if !is_ignored(&name) && !is_list && !entry.path().is_dir() {
            bad.push((format!("{prefix}{name}"), "the file is not inside a class folder".into()));
        }
    }
    Ok(())
}

/// Gives the files below a folder to `files`.
fn walk(
    src: &Path,
    folder: &str,
    class: Option<u32>,
    files: &mut Vec<SourceFile>,
    source: &mut Source,
    job: &Job<'_>,
) -> Result<()> {
    let root = src.join(folder);
    let real_root = root.canonicalize().map_err(|e| Error::io(&root, e))?;
    let below = |path: &Path| {
        let below = path.strip_prefix(src).unwrap_or(path);
        below.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
    };
    let loop_at = |at: String| format!("{at}: a link leads back to a folder above it; not followed");
    let loops = RefCell::new(Vec::new());
    let walk = WalkDir::new(&root).follow_links(true).into_iter();
    let walk = walk.filter_entry(|e| {
        // The walk itself knows the folders from the class down, not those above it.
        let leads_up = e.depth() > 0
            && e.path_is_symlink()
            && e.file_type().is_dir()
            && e.path().canonicalize().is_ok_and(|target| target != real_root && real_root.starts_with(target));
        if leads_up {
            loops.borrow_mut().push(loop_at(below(e.path())));
        }
        !leads_up && (e.depth() == 0 || !is_ignored(&e.file_name().to_string_lossy()))
    });
    for entry in walk {
        job.check()?;
        let entry = match entry {
            Ok(entry) => entry,
            Err(e) if e.loop_ancestor().is_some() => {
                let at = e.path().map(below).unwrap_or_default();
                source.warnings.push(loop_at(at));
                continue;
            }
            // A link to nothing is a bad file. Of a folder that cannot be read, nobody knows what is missing.
            Err(e) if e.path().is_some_and(Path::is_symlink) && !is_denied(&e) => {
                source.bad.push((e.path().map(below).unwrap_or_default(), reason(&e)));
                continue;
            }
            Err(e) => {
                let path = e.path().unwrap_or(&root).to_owned();
                return Err(Error::io(&path, e.into()));
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        let path = below(entry.path());
        if entry.path().to_str().is_none() {
            source.bad.push((path, "the name is not UTF-8".into()));
            continue;
        }
        if !entry.file_type().is_file() {
            source.bad.push((path, "neither a file nor a folder".into()));
            continue;
        }
        match entry.metadata() {
            Ok(meta) => files.push(SourceFile::new(path, class, &meta)),
            Err(e) => source.bad.push((path, reason(&e))),
        }
    }
    source.warnings.extend(loops.into_inner());
    Ok(())
}

fn is_denied(e: &walkdir::Error) -> bool {
    e.io_error().is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

fn reason(e: &walkdir::Error) -> String {
    e.io_error().map_or_else(|| e.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        dir
    }

    fn paths(files: &[SourceFile]) -> Vec<(&str, u32)> {
        files.iter().map(|f| (&*f.path, f.class.unwrap())).collect()
    }

    #[test]
    fn classes_are_sorted_and_deeper_folders_belong_to_them() {
        let dir = tree(&["b/1.jpg", "a/deep/er/2.jpg", "a/Thumbs.db", "a/.x", ".git/y", "stray.txt", "manifest.jsonl"]);
        fs::create_dir(dir.path().join("c")).unwrap();
        let source = scan(dir.path(), Layout::Auto, None, &Job::default()).unwrap();
        assert_eq!(source.classes, ["a", "b", "c"]);
        assert_eq!(paths(&source.sets[0].1), [("a/deep/er/2.jpg", 0), ("b/1.jpg", 1)]);
        assert_eq!(source.bad.len(), 1);
        assert!(source.bad[0].0 == "stray.txt");
        assert!(source.warnings[0].contains("'c' has no images"));
        assert!(source.warnings[1].contains("manifest.jsonl are passed over"));
        assert_eq!(scan_flat(dir.path(), &Job::default()).unwrap().warnings.len(), 1);
    }

    #[test]
    fn split_folders_are_told_from_classes() {
        let dir = tree(&["train/a/1", "train/b/1", "val/b/2"]);
        let source = scan(dir.path(), Layout::Auto, None, &Job::default()).unwrap();
        assert_eq!(source.classes, ["a", "b"]);
        assert_eq!(source.sets.iter().map(|s| s.0.as_deref()).collect::<Vec<_>>(), [Some("train"), Some("val")]);
        assert_eq!(paths(&source.sets[1].1), [("val/b/2", 1)]);
        // A class that is called like a split does not make splits, and the layout can be told.
        let dir = tree(&["train/1", "plane/2"]);
        assert_eq!(scan(dir.path(), Layout::Auto, None, &Job::default()).unwrap().classes, ["plane", "train"]);
        let dir = tree(&["train/a/1"]);
        assert_eq!(scan(dir.path(), Layout::Classes, None, &Job::default()).unwrap().classes, ["train"]);
    }

    #[test]
    fn given_labels_fix_the_numbers() {
        let dir = tree(&["a/1", "b/1"]);
        let labels = |names: &[&str]| Some(names.iter().map(|n| n.to_string()).collect());
        let source = scan(dir.path(), Layout::Auto, labels(&["b", "z", "a"]), &Job::default()).unwrap();
        assert_eq!(paths(&source.sets[0].1), [("a/1", 2), ("b/1", 0)]);
        assert!(
            scan(dir.path(), Layout::Auto, labels(&["a"]), &Job::default()).unwrap_err().to_string().contains("'b'")
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_loops_are_not() {
        use std::os::unix::fs::symlink;
        let dir = tree(&["a/1", "elsewhere-not-a-class/x"]);
        symlink(dir.path().join("a"), dir.path().join("b")).unwrap();
        symlink(dir.path().join("a"), dir.path().join("a/loop")).unwrap();
        symlink(dir.path(), dir.path().join("a/up")).unwrap();
        symlink("nowhere", dir.path().join("a/broken")).unwrap();
        let source = scan(dir.path(), Layout::Classes, None, &Job::default()).unwrap();
        assert!(paths(&source.sets[0].1).contains(&("b/1", 1)));
        assert!(source.warnings.iter().any(|w| w.contains("a/loop")));
        assert!(source.warnings.iter().any(|w| w.contains("a/up")));
        assert_eq!(source.sets[0].1.len(), 3, "each picture once for each class that it is in");
        assert!(source.bad.iter().any(|(path, _)| path == "a/broken"));
    }

    #[test]
    fn a_source_without_classes_is_refused() {
        let error = scan(tree(&["1.jpg"]).path(), Layout::Auto, None, &Job::default()).unwrap_err();
        assert_eq!(error.kind_name(), "usage");
        assert!(error.hint().unwrap().contains("--layout flat"));
    }

    #[test]
    fn flat_takes_every_file_and_gives_no_class() {
        let dir = tree(&["b.jpg", "a/deep/1.jpg", "Thumbs.db", ".x"]);
        let source = scan_flat(dir.path(), &Job::default()).unwrap();
        let files: Vec<_> = source.sets[0].1.iter().map(|f| (&*f.path, f.class)).collect();
        assert_eq!(files, [("a/deep/1.jpg", None), ("b.jpg", None)]);
        assert!(source.classes.is_empty());
    }
}
