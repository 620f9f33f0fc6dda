//! Tables: a header line, then a line for each image.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use csv::{Position, ReaderBuilder, StringRecord, Trim};

use super::super::watched::Watched;
use super::super::{extension, malformed};
use super::columns::{look_of, refuse_name};
use super::{FILENAME, LONGEST_ROW, PATH_NAMES, Row, RowBox, Table};
use crate::error::{Error, Result};
use crate::example::Values;

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Path,
    Label,
    Text,
    Split,
    Boxes,
    Filename,
    Feature,
}

pub(super) fn read(list: &Path, table: &mut Table<'_>) -> Result<()> {
    let delimiter = if extension(list) == "tsv" { b'\t' } else { b',' };
    let open = || File::open(list).map_err(|e| Error::io(list, e));
    let mut lines = Lines { reader: BufReader::new(open()?), at: 0, line: 1 };
    let input = Watched::new(open()?, table.job);
    let mut reader = ReaderBuilder::new().delimiter(delimiter).trim(Trim::Headers).from_reader(input);
    reader.get_mut().allow(LONGEST_ROW);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(e) => return Err(in_csv(list, e, &reader, &Position::new(), &mut lines, table)),
    };
    let cells = cells(list, &header)?;
    let mut record = StringRecord::new();
    loop {
        let start = reader.position().clone();
        reader.get_mut().allow(LONGEST_ROW);
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(e) => return Err(in_csv(list, e, &reader, &start, &mut lines, table)),
        }
        let line = lines.of(record.position()).map_err(|e| Error::io(list, e))?;
        let row = row(&record, line, &header, &cells, table)?;
        table.add(row)?;
    }
    Ok(())
}

/// The numbers of lines, told by a second reader behind the first: what is known of a record is where the one before
/// it ends, ahead of blank lines and of the second half of CRLF.
struct Lines {
    reader: BufReader<File>,
    at: u64,
    line: u64,
}

impl Lines {
    /// The line on which a record begins. Positions must grow.
    fn of(&mut self, position: Option<&Position>) -> io::Result<u64> {
        let start = position.map_or(0, Position::byte);
        loop {
            let buffer = self.reader.fill_buf()?;
            let before = usize::try_from(start.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
            let (before, behind) = buffer.split_at(before);
            let breaks = behind.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            let length = before.len() + breaks;
            self.line += buffer[..length].iter().filter(|b| **b == b'\n').count() as u64;
            let ended = length < buffer.len() || buffer.is_empty();
            self.reader.consume(length);
            self.at += length as u64;
            if ended {
                return Ok(self.line);
            }
        }
    }
}

/// Tells the columns apart by their names.
fn cells(list: &Path, header: &StringRecord) -> Result<Vec<Cell>> {
    let refuse = |column: usize, detail: &str, hint: &str| {
        Err(malformed(list, format!("line 1, column {}: {detail}", column + 1), hint))
    };
    let mut places = HashMap::new();
    for (at, name) in header.iter().enumerate() {
        if let Some(first) = places.insert(name, at) {
            let detail = format!("the column '{name}' is there twice, first as column {}", first + 1);
            return refuse(at, &detail, "give each column a name of its own");
        }
    }
    let Some(path) = PATH_NAMES.iter().find_map(|name| header.iter().position(|column| column == *name)) else {
        return Err(malformed(
            list,
            format!("line 1: no column names the images; there are: {}", header.iter().collect::<Vec<_>>().join(", ")),
            "the first line names the columns; that of the images is called 'path'",
        ));
    };
    let mut cells = Vec::new();
    for (at, name) in header.iter().enumerate() {
        cells.push(match name {
            _ if at == path => Cell::Path,
            "label" => Cell::Label,
            "class" if !header.iter().any(|name| name == "label") => Cell::Label,
            "text" => Cell::Text,
            "split" => Cell::Split,
            "boxes" => Cell::Boxes,
            FILENAME => Cell::Filename,
            name => match refuse_name(name) {
                Some((detail, hint)) => return refuse(at, &detail, hint),
                None => Cell::Feature,
            },
        });
    }
    Ok(cells)
}

fn row(record: &StringRecord, line: u64, header: &StringRecord, cells: &[Cell], table: &mut Table<'_>) -> Result<Row> {
    let mut row = Row { line, ..Row::default() };
    for ((cell, kind), name) in record.iter().zip(cells).zip(header) {
        let some = |cell: &str| (!cell.is_empty()).then(|| cell.into());
        match kind {
            Cell::Path => row.path = cell.into(),
            Cell::Label => row.label = some(cell.trim()),
            Cell::Text => row.text = some(cell.trim()),
            Cell::Split => row.split = some(cell.trim()),
            Cell::Filename => row.filename = some(cell),
            Cell::Boxes => row.boxes = boxes(cell, line, table)?,
            Cell::Feature if cell.is_empty() => {}
            Cell::Feature => {
                let name = table.note(name, look_of(cell), line);
                row.features.push((name, Values::Bytes([cell].into_iter().collect())));
            }
        }
    }
    Ok(row)
}

fn boxes(cell: &str, line: u64, table: &Table<'_>) -> Result<Option<Vec<RowBox>>> {
    if cell.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(cell).map(Some).map_err(|e| {
        let hint = "boxes are a JSON list of {\"xmin\", \"ymin\", \"xmax\", \"ymax\", \"label\", \"text\"}";
        table.error(line, format!("column 'boxes': {e}"), hint)
    })
}

/// The error of reading the row that begins at `start`.
fn in_csv(
    list: &Path,
    e: csv::Error,
    reader: &csv::Reader<Watched<'_, File>>,
    start: &Position,
    lines: &mut Lines,
    table: &Table<'_>,
) -> Error {
    if let Err(stopped) = table.job.check() {
        return stopped;
    }
    let line = match lines.of(e.position().or(Some(start))) {
        Ok(line) => line,
        Err(e) => return Error::io(list, e),
    };
    let (detail, hint) = match e.into_kind() {
        csv::ErrorKind::Io(_) if reader.get_ref().is_used_up() => {
            let hint = "close the double quote that is open, or write a shorter row";
            (format!("the row is over {} MiB", LONGEST_ROW >> 20), hint)
        }
        csv::ErrorKind::Io(e) => return Error::io(list, e),
        csv::ErrorKind::Utf8 { err, .. } => {
            (format!("cell {} is not UTF-8", err.field() + 1), "save the list as UTF-8")
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => (
            format!("{len} cells, the header line has {expected_len}"),
            "put cells that hold a comma or a line break between double quotes",
        ),
        other => (format!("{other:?}"), "mend the line"),
    };
    malformed(list, format!("line {line}: {detail}"), hint)
}
