//! Lists of images: a table or JSON lines. Memory is proportional to their rows: 48 bytes, the path, and what else the
//! row says.

mod columns;
mod csv;
mod jsonl;
mod value;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use self::columns::{Columns, Look};
use super::below::Below;
use super::classes::{ClassNames, odd_names};
use super::{Annotations, Objects, Source, SourceFile, boxes, malformed};
use crate::convert::options::{ConvertOptions, Layout};
use crate::dataset::{check_set_name, dir_of};
use crate::error::{Error, Result};
use crate::example::Values;
use crate::job::Job;

/// The column that names the image, and what it may be called where there is no `path`.
const PATH_NAMES: [&str; 5] = ["path", "file_name", "filename", "file", "image"];
/// A longer row is none: a quote that nothing closes makes one row of all lines behind it.
const LONGEST_ROW: u64 = if cfg!(test) { 256 << 10 } else { 256 << 20 };
/// More sets are no split, but a column that holds something else.
const MOST_SETS: usize = 100;
/// Overrides the stored name.
const FILENAME: &str = "image/filename";

/// Reads a list. Its classes are numbered by `labels`, if given.
pub(super) fn read(
    options: &ConvertOptions,
    layout: Layout,
    labels: Option<Vec<String>>,
    job: &Job<'_>,
) -> Result<Source> {
    let mut table = Table::new(options, job);
    match layout {
        Layout::Jsonl => jsonl::read(&options.src, &mut table)?,
        _ => csv::read(&options.src, &mut table)?,
    }
    table.finish(labels)
}

/// One row, its cells told apart.
#[derive(Debug, Default)]
struct Row {
    line: u64,
    path: Box<str>,
    label: Option<Box<str>>,
    text: Option<Box<str>>,
    split: Option<Box<str>>,
    filename: Option<Box<str>>,
    boxes: Option<Vec<RowBox>>,
    features: Vec<(Arc<str>, Values)>,
}

/// A box as a row gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowBox {
    xmin: f64,
    ymin: f64,
    xmax: f64,
    ymax: f64,
    #[serde(default)]
    label: Option<Value>,
    #[serde(default)]
    text: Option<Box<str>>,
}

/// The rows read so far.
struct Table<'a> {
    options: &'a ConvertOptions,
    job: &'a Job<'a>,
    /// Where the images lie.
    below: Below,
    columns: Columns,
    /// The classes of files and of boxes are keys of this until the end.
    names: ClassNames,
    source: Source,
    /// Whether some box has a class.
    classed: bool,
    /// Whether `class` is the label, and the line that says so first.
    class_is_label: Option<(bool, u64)>,
}

impl<'a> Table<'a> {
    fn new(options: &'a ConvertOptions, job: &'a Job<'a>) -> Self {
        let source = Source { root: dir_of(&options.src).to_owned(), ..Source::default() };
        let below = Below::new(&source.root, options.allow_outside);
        let (columns, names) = (Columns::default(), ClassNames::default());
        Table { options, job, below, columns, names, source, classed: false, class_is_label: None }
    }

    /// Whether the column `class` is the label: where there is no `label`. It is the one or the other in all rows.
    fn class_is_label(&mut self, beside_label: bool, line: u64) -> Result<bool> {
        let (is_label, first) = *self.class_is_label.get_or_insert((!beside_label, line));
        if is_label == beside_label {
            let (with, without) = if beside_label { (line, first) } else { (first, line) };
            let detail = format!("'class' stands beside 'label' in line {with}, and without it in line {without}");
            return Err(self.error(line, detail, "call the label 'label' in all rows"));
        }
        Ok(is_label)
    }

    fn error(&self, line: u64, detail: impl std::fmt::Display, hint: impl Into<String>) -> Error {
        malformed(&self.options.src, format!("line {line}: {detail}"), hint)
    }

    /// Notes a value of a further column.
    fn note(&mut self, name: &str, look: Look, line: u64) -> Arc<str> {
        let (name, column) = self.columns.column(name);
        column.note(look, line);
        name
    }

    fn add(&mut self, row: Row) -> Result<()> {
        self.job.check()?;
        let line = row.line;
        if row.path.is_empty() {
            return Err(self.error(line, "the row names no image", "give the path of the image"));
        }
        let class = match (row.label, row.text) {
            (None, None) => None,
            (label, text) => Some(self.names.key(label, text, || format!("line {line}"))),
        };
        let set = self.set(row.split.as_deref(), line)?;
        let objects = match row.boxes {
            None => Ok(None),
            Some(boxes) => self.objects(boxes, line)?.map(Some),
        };
        self.below.check(&row.path, &self.options.src, &format!("line {line}"))?;
        let found = objects.and_then(|objects| Ok((objects, SourceFile::at(&self.source.root, &row.path)?)));
        match found {
            Ok((objects, mut file)) => {
                file.class = class;
                if objects.is_some() || row.filename.is_some() || !row.features.is_empty() {
                    let (filename, features) = (row.filename, row.features);
                    file.notes = Some(Box::new(Annotations { size: None, filename, objects, features }));
                }
                self.source.sets[set].1.push(file);
            }
            Err(reason) => self.source.bad.push((row.path.into(), format!("{reason} (line {line} of the list)"))),
        }
        Ok(())
    }

    /// The place of a set among the others. The one without a name is that of the rows without a split, and of those
    /// whose split is called as that set will be.
    fn set(&mut self, split: Option<&str>, line: u64) -> Result<usize> {
        if let Some(split) = split {
            check_set_name(split).map_err(|e| self.error(line, e.message(), e.hint().unwrap_or_default()))?;
            if !self.options.split.is_empty() {
                return Err(Error::usage_hint(
                    format!("{}, line {line}: the list names its sets itself", self.options.src.display()),
                    "leave out the split, or the column 'split'",
                ));
            }
        }
        let unnamed = self.options.name.as_deref().unwrap_or("train");
        let sets = &mut self.source.sets;
        let at = sets.iter().position(|(name, _)| name.as_deref().unwrap_or(unnamed) == split.unwrap_or(unnamed));
        if at.is_none() && sets.len() == MOST_SETS {
            let detail = format!("the list names more than {MOST_SETS} sets");
            return Err(self.error(line, detail, "give the column 'split' another name where it is no split"));
        }
        let at = at.unwrap_or_else(|| {
            sets.push((split.map(str::to_owned), Vec::new()));
            sets.len() - 1
        });
        if split.is_none() {
            sets[at].0 = None;
        }
        Ok(at)
    }

    /// A row's boxes; or why the row is bad.
    fn objects(&mut self, boxes: Vec<RowBox>, line: u64) -> Result<Result<Objects, String>> {
        let mut objects = Objects::default();
        let mut keys = Vec::new();
        for (number, one) in boxes.into_iter().enumerate() {
            match boxes::from_parts([one.xmin, one.ymin, one.xmax, one.ymax]) {
                Ok(corners) => objects.boxes.push(corners),
                Err(reason) => return Ok(Err(format!("box {number} {reason}"))),
            }
            let label = one.label.map(|label| value::label(&label)).transpose();
            let label =
                label.map_err(|problem| self.error(line, format!("box {number}: {problem}"), value::LABEL_HINT))?;
            match (label.flatten(), one.text.filter(|text| !text.is_empty())) {
                (None, None) => {}
                (label, text) => keys.push(self.names.key(label, text, || format!("line {line}"))),
            }
        }
        if !keys.is_empty() {
            if keys.len() < objects.boxes.len() {
                let detail = "some boxes have a label or text, others have none";
                return Err(self.error(line, detail, "give every box a class, or none"));
            }
            self.classed = true;
            objects.classes = Some(keys);
        }
        Ok(Ok(objects))
    }

    /// Numbers the classes and gives each column its kind, now that all rows are known.
    fn finish(mut self, labels: Option<Vec<String>>) -> Result<Source> {
        let list = &self.options.src;
        let numbered = self.names.number(list, labels, self.options.label_offset)?;
        let kinds = self.columns.kinds(list)?;
        for file in self.source.sets.iter_mut().flat_map(|(_, files)| files) {
            file.class = file.class.map(|key| numbered.class(key));
            let Some(notes) = &mut file.notes else { continue };
            if let Some(objects) = &mut notes.objects {
                match &mut objects.classes {
                    Some(classes) => classes.iter_mut().for_each(|key| *key = numbered.class(*key)),
                    none => *none = (self.classed && objects.boxes.is_empty()).then(Vec::new),
                }
            }
            for (name, values) in &mut notes.features {
                if let Some(kind) = kinds.get(name) {
                    *values = columns::in_kind(std::mem::replace(values, Values::Int64(Vec::new())), *kind);
                }
            }
        }
        self.source.warnings.extend(odd_names(&numbered.classes));
        self.source.warnings.extend(self.columns.warnings());
        self.source.classes = numbered.classes;
        Ok(self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a list.
    fn refused(layout: Layout, text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("list");
        std::fs::write(&list, text).unwrap();
        let options = ConvertOptions::new(list, "out");
        read(&options, layout, None, &Job::default()).unwrap_err().to_string()
    }

    #[test]
    fn rows_without_end_are_not_read_into_memory() {
        let long = "x".repeat(LONGEST_ROW as usize + (64 << 10));
        for row in [format!("a,\"{long}"), format!("a,{long}\nb,\n")] {
            let said = refused(Layout::Csv, &format!("path,note\na,b\n\n{row}"));
            assert!(said.contains("line 4: the row is over"), "{said}");
        }
        assert!(refused(Layout::Csv, &long).contains("line 1: the row is over"));
        let said = refused(Layout::Jsonl, &format!("\n\"{long}"));
        assert!(said.contains("line 2: the line is over"), "{said}");
        // Many rows may be longer together.
        let rows = format!("a,{}\n", &long[..long.len() / 2]).repeat(3);
        let said = refused(Layout::Csv, &format!("path,note\n{rows}a,b,c\n"));
        assert!(said.contains("line 5: 3 cells"), "{said}");
    }

    #[test]
    fn a_column_of_ids_is_no_split() {
        let rows: String = (0..=MOST_SETS).map(|i| format!("a,id{i}\n")).collect();
        let said = refused(Layout::Csv, &format!("path,split\n{rows}"));
        assert!(said.contains("line 102: the list names more than 100 sets"), "{said}");
    }
}
