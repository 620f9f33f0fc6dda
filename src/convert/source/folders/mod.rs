//! Folders of images: of classes, of splits that hold class folders, or of images alone.

mod reading;
mod walk;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use self::walk::walk;
use super::Source;
use super::classes::odd_names;
use super::image_names::{is_ignored, is_image};
use crate::convert::options::Layout;
use crate::dataset::{IMAGE_LISTS, Part, check_set_name, part_named};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::sys;

/// A folder that makes a set: its name, how paths in it begin, and its class folders, if it has classes.
struct Root {
    set: Option<String>,
    prefix: String,
    classes: Option<Vec<String>>,
}

/// Walks the source. `labels` are class names whose order counts; without them the classes are sorted by bytes.
pub(super) fn scan(src: &Path, layout: Layout, labels: Option<Vec<String>>, job: &Job<'_>) -> Result<Source> {
    let mut source = Source { root: src.to_owned(), ..Source::default() };
    let mut tops = folders(src, &mut source.bad)?;
    source.layout = match layout {
        Layout::Auto => reading::tell(src, &mut tops, &mut source.warnings)?,
        layout => layout,
    };
    let roots = match source.layout {
        Layout::Splits => split_roots(src, tops, &mut source)?,
        _ => vec![Root { set: None, prefix: String::new(), classes: Some(tops) }],
    };
    strays(src, "", &mut source)?;
    for root in roots.iter().filter(|root| root.set.is_some() && root.classes.is_some()) {
        strays(src, &root.prefix, &mut source)?;
    }
    // Classes first: their numbers are those of the union over the splits.
    let labelled = roots.iter().any(|root| root.classes.is_some());
    let found: BTreeSet<String> = roots.iter().filter_map(|root| root.classes.as_ref()).flatten().cloned().collect();
    if labelled {
        source.classes = number_classes(found, labels, &mut source.warnings)?;
    }
    let numbers: HashMap<String, u32> = source.classes.iter().cloned().zip(0..).collect();
    let mut populated = vec![false; source.classes.len()];
    for Root { set, prefix, classes } in roots {
        let mut files = Vec::new();
        for name in classes.iter().flatten() {
            let number = numbers.get(name).copied().unwrap_or_default();
            let before = files.len();
            walk(src, &format!("{prefix}{name}"), Some(number), &mut files, &mut source, job)?;
            populated[number as usize] |= files.len() > before;
        }
        if let (None, Some(set)) = (&classes, &set) {
            walk(src, set, None, &mut files, &mut source, job)?;
            if files.is_empty() {
                source.warnings.push(format!("the folder '{set}' holds no images and makes no set"));
                continue;
            }
            source.warnings.push(format!("the set '{set}' has no labels: its folder holds no class folders"));
            source.unlabelled.push(set.clone());
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        source.sets.push((set, files));
    }
    let empty = source.classes.iter().zip(populated).filter(|(_, populated)| !populated);
    source.warnings.extend(empty.map(|(name, _)| format!("class '{name}' has no images; it keeps its number")));
    source.warnings.extend(passed_over(src));
    Ok(source)
}

/// The folders that make sets. One that is named for what has no labels, or holds no folders, has no classes.
fn split_roots(src: &Path, tops: Vec<String>, source: &mut Source) -> Result<Vec<Root>> {
    if tops.is_empty() {
        return Err(Error::usage_hint(
            "the source has no folders that could be splits",
            "put the images of each split into a folder of its own, SRC/<split>/<class>/<image>",
        ));
    }
    let mut spelled: HashMap<String, &str> = HashMap::new();
    let mut parts: HashMap<Part, &str> = HashMap::new();
    for name in &tops {
        check_set_name(name)
            .map_err(|e| Error::usage_hint(format!("the folder {}: {}", name, e.message()), "give it another name"))?;
        if let Some(other) = spelled.insert(name.to_ascii_lowercase(), name) {
            return Err(Error::usage_hint(
                format!("the folders '{other}' and '{name}' would make sets of one name where capitals do not count"),
                "give one of them another name, or move them together",
            ));
        }
        if let Some(other) = part_named(name).and_then(|part| parts.insert(part, name)) {
            let both = format!("'{other}' and '{name}' are named as the same split; they stay two sets");
            source.warnings.push(both);
        }
    }
    let root = |name: String| {
        let classes = match part_named(&name) {
            Some(Part::Unlabeled) => None,
            _ => Some(folders(&src.join(&name), &mut source.bad)?).filter(|classes| !classes.is_empty()),
        };
        Ok(Root { prefix: format!("{name}/"), set: Some(name), classes })
    };
    tops.into_iter().map(root).collect()
}

/// Walks a source of images without classes.
pub(super) fn scan_flat(src: &Path, job: &Job<'_>) -> Result<Source> {
    let mut source = Source { root: src.to_owned(), ..Source::default() };
    let mut files = Vec::new();
    walk(src, "", None, &mut files, &mut source, job)?;
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

/// Notes the files that lie beside the folders in which images belong.
fn strays(src: &Path, prefix: &str, source: &mut Source) -> Result<()> {
    let dir = src.join(prefix);
    for entry in fs::read_dir(&dir).map_err(|e| Error::io(&dir, e))? {
        let path = entry.map_err(|e| Error::io(&dir, e))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The list that `tfr extract` writes beside class folders has a warning of its own.
        let is_list = prefix.is_empty() && IMAGE_LISTS.contains(&name.as_str());
        match fs::metadata(&path) {
            _ if is_ignored(&name) || is_list => {}
            Ok(found) if found.is_dir() => {}
            found if is_image(&path) => {
                let reason = match found {
                    Ok(found) if !found.is_file() => format!("{}, not a file", sys::kind_of(&found.file_type())),
                    _ => "the file is not inside a class folder".to_owned(),
                };
                source.bad.push((format!("{prefix}{name}"), reason));
            }
            _ => source.passed_over.note(&path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::SourceFile;
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
        let dir = tree(&["b/1.jpg", "a/deep/er/2.jpg", "a/Thumbs.db", "a/.x", ".git/y", "stray.jpg", "manifest.jsonl"]);
        fs::write(dir.path().join("a/README.md"), "text").unwrap();
        fs::create_dir(dir.path().join("c")).unwrap();
        let source = scan(dir.path(), Layout::Auto, None, &Job::default()).unwrap();
        assert_eq!(source.classes, ["a", "b", "c"]);
        assert_eq!(paths(&source.sets[0].1), [("a/deep/er/2.jpg", 0), ("b/1.jpg", 1)]);
        assert_eq!((source.bad.len(), source.passed_over.files), (1, 1));
        assert!(source.bad[0].0 == "stray.jpg");
        assert!(source.warnings[0].contains("'c' has no images"));
        assert!(source.warnings[1].contains("manifest.jsonl are passed over"));
        assert_eq!(scan_flat(dir.path(), &Job::default()).unwrap().warnings.len(), 1);
    }

    /// Classes, and sets with their numbers of images.
    type Understood = (Vec<String>, Vec<(String, usize)>);

    fn understood(files: &[&str], layout: Layout) -> Result<Understood> {
        let dir = tree(files);
        let source = scan(dir.path(), layout, None, &Job::default())?;
        let sets = source.sets.into_iter().map(|(name, files)| (name.unwrap_or_default(), files.len()));
        Ok((source.classes, sets.collect()))
    }

    #[test]
    fn split_folders_are_told_from_classes() {
        let dir = tree(&["train/a/1.jpg", "train/b/1.jpg", "val/b/2.jpg"]);
        let source = scan(dir.path(), Layout::Auto, None, &Job::default()).unwrap();
        assert_eq!(source.classes, ["a", "b"]);
        assert_eq!(source.sets.iter().map(|s| s.0.as_deref()).collect::<Vec<_>>(), [Some("train"), Some("val")]);
        assert_eq!(paths(&source.sets[1].1), [("val/b/2.jpg", 1)]);
        // Every pair of names, in capitals or not, with and without classes.
        for (one, other) in [("Train", "Test"), ("training", "testing"), ("train", "dev"), ("train", "eval")] {
            for file in ["1.jpg", "a/1.jpg"] {
                let files = [format!("{one}/a/1.jpg"), format!("{one}/b/1.jpg"), format!("{other}/{file}")];
                let (classes, mut sets) = understood(&files.each_ref().map(|f| &**f), Layout::Auto).unwrap();
                sets.sort();
                let mut expected = [(one.to_owned(), 2), (other.to_owned(), 1)];
                expected.sort();
                assert_eq!((classes, sets), (vec!["a".to_owned(), "b".to_owned()], expected.into()));
            }
        }
        // What has no labels has none in deeper folders either.
        let (classes, sets) = understood(&["train/a/1.jpg", "unlabeled/part/1.jpg"], Layout::Auto).unwrap();
        assert_eq!((classes, sets.len()), (vec!["a".to_owned()], 2));
        let (classes, sets) = understood(&["train/1.jpg", "test/1.jpg"], Layout::Auto).unwrap();
        assert_eq!((classes.len(), sets.len()), (0, 2));
    }

    #[test]
    fn folders_that_may_be_either_are_refused_and_can_be_told() {
        let refused = |files: &[&str]| understood(files, Layout::Auto).unwrap_err();
        let mixed = refused(&["train/1.jpg", "plane/2.jpg"]);
        assert!(mixed.to_string().contains("a split (train)") && mixed.to_string().contains("(plane)"), "{mixed}");
        let either = refused(&["x/a/1.jpg", "y/b/1.jpg", "y/c/1.jpg"]);
        assert!(either.to_string().contains("2 classes (x, y), or splits, 2 sets (x, y) of 3 classes (a, b, c)"));
        for error in [mixed, either] {
            assert_eq!(error.kind_name(), "usage");
            assert!(error.hint().unwrap().contains("`--layout classes` or `--layout splits`"));
        }
        let one = refused(&["photos/a/1.jpg", "photos/b/1.jpg"]).hint().unwrap();
        assert!(one.contains("photos, if its folders are the classes"), "{one}");
        let files = ["train/1.jpg", "plane/2.jpg"];
        assert_eq!(understood(&files, Layout::Classes).unwrap().0, ["plane", "train"]);
        assert_eq!(understood(&files, Layout::Splits).unwrap().1.len(), 2);
        // Images in one class folder are enough to know.
        assert_eq!(understood(&["x/a/1.jpg", "y/1.jpg"], Layout::Auto).unwrap().0, ["x", "y"]);
        // Notes beside splits are no class.
        let dir = tree(&["train/a/1.jpg", "docs/notes.txt"]);
        let source = scan(dir.path(), Layout::Auto, None, &Job::default()).unwrap();
        assert_eq!(source.sets.len(), 1);
        assert!(source.warnings[0].contains("without images is passed over: docs"), "{:?}", source.warnings);
    }

    #[test]
    fn sets_are_called_as_their_folders_and_never_merged() {
        let dir = tree(&["Train/a/1.jpg", "training/a/1.jpg"]);
        let source = scan(dir.path(), Layout::Auto, None, &Job::default()).unwrap();
        assert_eq!(source.sets.len(), 2);
        assert!(source.warnings[0].contains("'Train' and 'training' are named as the same split"));
        for files in [&["train/a/1.jpg", "Train/a/1.jpg"][..], &["fold 1/a/1.jpg"]] {
            assert_eq!(understood(files, Layout::Splits).unwrap_err().kind_name(), "usage");
        }
    }

    #[test]
    fn given_labels_fix_the_numbers() {
        let dir = tree(&["a/1.jpg", "b/1.jpg"]);
        let labels = |names: &[&str]| Some(names.iter().map(|n| n.to_string()).collect());
        let source = scan(dir.path(), Layout::Auto, labels(&["b", "z", "a"]), &Job::default()).unwrap();
        assert_eq!(paths(&source.sets[0].1), [("a/1.jpg", 2), ("b/1.jpg", 0)]);
        assert!(
            scan(dir.path(), Layout::Auto, labels(&["a"]), &Job::default()).unwrap_err().to_string().contains("'b'")
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_loops_are_not() {
        use std::os::unix::fs::symlink;
        let dir = tree(&["a/1.jpg", "elsewhere-not-a-class/x.jpg"]);
        symlink(dir.path().join("a"), dir.path().join("b")).unwrap();
        symlink(dir.path().join("a"), dir.path().join("a/loop")).unwrap();
        symlink(dir.path(), dir.path().join("a/up")).unwrap();
        symlink("nowhere", dir.path().join("a/broken.jpg")).unwrap();
        let source = scan(dir.path(), Layout::Classes, None, &Job::default()).unwrap();
        assert!(paths(&source.sets[0].1).contains(&("b/1.jpg", 1)));
        assert!(source.warnings.iter().any(|w| w.contains("a/loop")));
        assert!(source.warnings.iter().any(|w| w.contains("a/up")));
        assert_eq!(source.sets[0].1.len(), 3, "each picture once for each class that it is in");
        assert!(source.bad.iter().any(|(path, _)| path == "a/broken.jpg"));
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
