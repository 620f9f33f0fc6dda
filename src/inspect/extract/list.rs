//! The list of images: lines gathered in a hidden file, which becomes the list when all is done.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::ListFormat;
use super::row::COLUMNS;
use super::tree::{Temp, Tree};
use crate::dataset::IMAGE_LISTS;
use crate::error::{Error, Result};

/// So many columns a CSV file has at most.
const MAX_COLUMNS: usize = 10_000;

/// The list while it grows: JSON lines, whatever it will be.
pub(super) struct List<'a> {
    lines: BufWriter<Temp<'a>>,
    tree: &'a Tree,
}

impl<'a> List<'a> {
    pub(super) fn begin(tree: &'a Tree) -> Result<Self> {
        Ok(List { lines: BufWriter::with_capacity(256 << 10, tree.unnamed()?), tree })
    }

    pub(super) fn push(&mut self, line: &str) -> Result<()> {
        let mut write = || self.lines.write_all(line.as_bytes()).and_then(|()| self.lines.write_all(b"\n"));
        write().map_err(|e| Error::io(self.tree.root(), e))
    }

    /// Brings the files to disk that the list names, and gives it its name; its path, and what it could not hold.
    pub(super) fn finish(self, format: ListFormat) -> Result<(PathBuf, Vec<String>)> {
        let [jsonl, csv] = IMAGE_LISTS;
        let tree = self.tree;
        tree.sync()?;
        let lines = self.lines.into_inner().map_err(|e| Error::io(tree.root(), e.into_error()))?;
        match format {
            ListFormat::Jsonl => Ok((tree.name(lines, jsonl)?, Vec::new())),
            ListFormat::Csv => {
                let (table, left_out) = to_csv(lines, tree).map_err(|e| e.at_path(tree.root()))?;
                Ok((tree.name(table, csv)?, left_out))
            }
        }
    }
}

/// What a column of a CSV file would be read as.
#[derive(Default)]
struct Column {
    texts: bool,
    numbers: bool,
    /// Whether every cell so far could be a number.
    like_numbers: bool,
    /// Whether a cell cannot be written.
    refused: bool,
}

impl Column {
    fn add(&mut self, value: &Value) {
        self.like_numbers |= !(self.texts || self.numbers);
        match value {
            Value::Number(_) => self.numbers = true,
            Value::String(text) if !text.is_empty() => {
                self.texts = true;
                self.like_numbers &= text.trim().parse::<f64>().is_ok();
            }
            _ => self.refused = true,
        }
    }

    /// Whether the reader of the file will find the same values.
    fn is_faithful(&self) -> bool {
        !self.refused && !(self.texts && (self.numbers || self.like_numbers))
    }
}

fn to_csv<'t>(mut lines: Temp<'_>, tree: &'t Tree) -> Result<(Temp<'t>, Vec<String>)> {
    let mut columns = BTreeMap::<String, Column>::new();
    let mut too_many = false;
    each_line(&mut lines, |line| {
        for (name, value) in line {
            if columns.len() < MAX_COLUMNS || columns.contains_key(&name) {
                columns.entry(name).or_default().add(&value);
            } else {
                too_many = true;
            }
        }
        Ok(())
    })?;
    // Of these the reader knows the kinds. The list has a path, though no record may have an image.
    let (mut header, mut warnings) = (vec![COLUMNS[0].to_owned()], Vec::new());
    header.extend(COLUMNS[1..].iter().filter(|name| columns.contains_key(**name)).map(|name| (*name).to_owned()));
    for (name, column) in columns.into_iter().filter(|(name, _)| !COLUMNS.contains(&name.as_str())) {
        match column.is_faithful() {
            true => header.push(name),
            false => warnings.push(format!(
                "the feature '{name}' is not in the list: CSV has no form for lists, bytes, empty texts, and texts that \
                 are all numbers; `--format jsonl` has"
            )),
        }
    }
    if too_many {
        warnings
            .push(format!("the features after the first {MAX_COLUMNS} are not in the list; `--format jsonl` has them"));
    }
    let mut table = BufWriter::new(tree.unnamed()?);
    write_row(&mut table, header.iter().map(|name| name.as_str().into()))?;
    each_line(&mut lines, |line| {
        write_row(&mut table, header.iter().map(|name| line.get(name).map_or("".into(), cell)))
    })?;
    Ok((table.into_inner().map_err(|e| Error::from(e.into_error()))?, warnings))
}

fn cell(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::String(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}

fn each_line(lines: &mut Temp<'_>, mut f: impl FnMut(Map<String, Value>) -> Result<()>) -> Result<()> {
    lines.rewind()?;
    for line in BufReader::new(lines).lines() {
        f(serde_json::from_str(&line?).map_err(io::Error::from)?)?;
    }
    Ok(())
}

/// A row as RFC 4180 has it, but for its end, which is `\n`.
fn write_row<'a>(out: &mut impl Write, cells: impl Iterator<Item = std::borrow::Cow<'a, str>>) -> Result<()> {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        let has_blank_end = cell.trim().len() != cell.len();
        if has_blank_end || cell.contains([',', '"', '\n', '\r']) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    Ok(out.write_all(b"\n")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_holds_what_it_can_and_says_what_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path(), false).unwrap();
        let mut list = List::begin(&tree).unwrap();
        for line in [
            r#"{"path":"a,\"b.jpg","label":1,"boxes":[{"xmin":0.5}],"score":0.5,"note":" x","zip":"007","odd":[1,2]}"#,
            r#"{"text":"1","id":3,"note":"nan","zip":"08","odd":1,"mixed":"x"}"#,
            r#"{"path":"c.jpg","score":1.0,"mixed":1}"#,
        ] {
            list.push(line).unwrap();
        }
        let (path, warnings) = list.finish(ListFormat::Csv).unwrap();
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "path,label,text,boxes,id,note,score\n\
             \"a,\"\"b.jpg\",1,,\"[{\"\"xmin\"\":0.5}]\",,\" x\",0.5\n\
             ,,1,,3,nan,\n\
             c.jpg,,,,,,1.0\n"
        );
        let names: Vec<&str> = warnings.iter().filter_map(|w| w.split('\'').nth(1)).collect();
        assert_eq!(names, ["mixed", "odd", "zip"]);
    }

    #[test]
    fn a_list_has_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path(), false).unwrap();
        let mut list = List::begin(&tree).unwrap();
        list.push("{}").unwrap();
        assert!(!dir.path().join("manifest.jsonl").exists());
        drop(list);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
