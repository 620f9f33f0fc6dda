//! Class names by number: `labels.txt` and the label map `labels.pbtxt`.

use std::path::Path;

use super::manifest::{FeatureEntry, Manifest};
use super::shard_writer::write_atomically;
use crate::error::{Error, Result};
use crate::side_file;

/// The file of class names, one a line, in the order of their numbers.
pub(crate) const LABELS_NAME: &str = "labels.txt";

/// Reads class names, one a line. Blank lines at the end are ignored; a name that comes twice is an error.
pub(crate) fn read_labels(path: &Path) -> Result<Vec<String>> {
    let text = side_file::read_named(path)?;
    let names: Vec<String> =
        text.trim_end_matches(['\n', '\r']).lines().map(|l| l.trim_end_matches('\r').to_owned()).collect();
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|w| w[0] == w[1]) {
        return Err(Error::usage(format!("{}: class '{}' is named twice", path.display(), twice[0])));
    }
    if names.iter().any(String::is_empty) {
        return Err(Error::usage(format!("{}: a line without a class name", path.display())));
    }
    Ok(names)
}

/// Writes `labels.txt` and `labels.pbtxt` into `dir`; the first class has the number `offset`.
fn write_labels(dir: &Path, classes: &[String], offset: i64) -> Result<()> {
    write_atomically(&dir.join(LABELS_NAME), lines(classes.iter().map(String::as_str)).as_bytes())?;
    let items = classes.iter().zip(offset..).map(|(name, id)| {
        let name = escape(name);
        format!("item {{\n  id: {id}\n  name: '{name}'\n  display_name: '{name}'\n}}\n")
    });
    write_atomically(&dir.join("labels.pbtxt"), items.collect::<String>().as_bytes())
}

/// Writes what all sets of a directory share, before the sets of these names are in its manifest: the classes, there and as
/// [`write_labels`] does, and the features of every record.
pub(crate) fn write_shared(
    dir: &Path,
    (classes, offset): (&[String], i64),
    features: Option<&[FeatureEntry]>,
    names: &[&str],
) -> Result<()> {
    let mut manifest = Manifest::read(dir)?.unwrap_or_default();
    manifest.features = manifest.shared_features(features, names);
    manifest.write(dir)?;
    write_classes(dir, (classes, offset))
}

/// Writes the classes of all sets of a directory, if there are any; see [`write_shared`].
pub(crate) fn write_classes(dir: &Path, (classes, offset): (&[String], i64)) -> Result<()> {
    if classes.is_empty() {
        return Ok(());
    }
    let mut manifest = Manifest::read(dir)?.unwrap_or_default();
    manifest.classes = classes.to_vec();
    manifest.label_offset = offset;
    manifest.write(dir)?;
    write_labels(dir, classes, offset)
}

/// The class names that new sets of a directory must have: those in `labels.txt`, if it is there. A run that was killed
/// between writing them and its first set has left them, and the same in the manifest: they bind nobody.
pub(crate) fn binding_labels(dir: &Path, manifest: &Manifest) -> Result<Option<Vec<String>>> {
    let path = dir.join(LABELS_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let names = read_labels(&path)?;
    let is_left_over = manifest.sets.is_empty() && !names.is_empty() && names == manifest.classes;
    Ok((!is_left_over).then_some(names))
}

/// Each item on a line of its own.
pub(super) fn lines<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.flat_map(|item| [item, "\n"]).collect()
}

/// A string between single quotes in protobuf's text format.
fn escape(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn labels_round_trip_and_the_map_has_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let classes = ["cat's".to_owned(), "dog".to_owned()];
        write_labels(dir.path(), &classes, 1).unwrap();
        assert_eq!(read_labels(&dir.path().join(LABELS_NAME)).unwrap(), classes);
        let map = fs::read_to_string(dir.path().join("labels.pbtxt")).unwrap();
        assert!(map.starts_with("item {\n  id: 1\n  name: 'cat\\'s'\n"), "{map}");
        assert!(map.contains("id: 2"));
    }

    #[test]
    fn doubled_and_empty_names_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        for bad in ["a\nb\na\n", "a\n\nb\n"] {
            fs::write(dir.path().join("l"), bad).unwrap();
            assert!(read_labels(&dir.path().join("l")).is_err());
        }
    }
}
