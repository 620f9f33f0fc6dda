//! Batches as arrays in files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tfrkit::example::{Column, Values};
use tfrkit::pipeline::{Batch, Output, Pipeline, Pixels};
use tfrkit::{Error, ErrorKind, Result};

use super::npy;

/// Writes everything that batches hold: `batch-000000.images.npy`, `.labels.npy`, `.records.npy`, and `.NAME.npy` for each
/// column.
pub(super) struct Saver {
    dir: PathBuf,
    holds: Output,
}

impl Saver {
    /// Makes the directory. Fails where two columns would be one file.
    pub(super) fn new(dir: &Path, pipeline: &Pipeline) -> Result<Self> {
        let holds = pipeline.batch.output;
        let own = match holds {
            Output::Images => &["images", "labels"][..],
            Output::Records => &["records", "records.row_splits"],
            Output::Columns => &[],
        };
        let mut files: BTreeMap<String, &str> = own.iter().map(|name| ((*name).to_owned(), "")).collect();
        for column in &pipeline.columns {
            for part in ["", ".row_splits", ".step_splits", ".lengths"] {
                let file = file_name(&column.name) + part;
                if let Some(other) = files.insert(file.clone(), &column.name) {
                    let other =
                        if other.is_empty() { "what the batch itself holds".to_owned() } else { format!("'{other}'") };
                    let detail = format!("the column '{}' and {other} would be one file, .{file}.npy", column.name);
                    let hint = Some("leave one of them out of the pipeline".to_owned());
                    return Err(Error::new(ErrorKind::Usage { detail, hint }));
                }
            }
        }
        fs::create_dir_all(dir).map_err(|e| Error::from(e).at_path(dir))?;
        Ok(Saver { dir: dir.to_owned(), holds })
    }

    /// Writes a batch under its number.
    pub(super) fn save(&self, number: u64, batch: &Batch) -> Result<()> {
        let file = |what: &str| self.dir.join(format!("batch-{number:06}.{what}.npy"));
        match (self.holds, batch.pixels()) {
            (Output::Images, Pixels::F32(pixels)) => npy::write(&file("images"), &batch.shape(), pixels)?,
            (Output::Images, Pixels::U8(pixels)) => npy::write(&file("images"), &batch.shape(), pixels)?,
            _ => {}
        }
        match (self.holds, batch.soft_labels()) {
            (Output::Images, None) => npy::write(&file("labels"), &[batch.len()], batch.labels())?,
            (Output::Images, Some(soft)) => {
                npy::write(&file("labels"), &[batch.len(), soft.len() / batch.len().max(1)], soft)?;
            }
            _ => {}
        }
        if self.holds == Output::Records {
            // Bytes of any kind, which NumPy's strings would lose the zeros at the end of: one behind the other, and where
            // each begins, as ragged columns have it.
            let records: Vec<&[u8]> = (0..batch.len()).map(|i| batch.record(i).unwrap_or_default()).collect();
            let mut splits = vec![0i64];
            splits.extend(records.iter().scan(0i64, |end, record| {
                *end += record.len() as i64;
                Some(*end)
            }));
            let bytes = records.concat();
            npy::write(&file("records"), &[bytes.len()], &bytes)?;
            npy::write(&file("records.row_splits"), &[splits.len()], &splits)?;
        }
        batch.columns().iter().try_for_each(|column| save_column(&file, column))
    }
}

fn save_column(file: &impl Fn(&str) -> PathBuf, column: &Column) -> Result<()> {
    let name = file_name(&column.name);
    let is_ragged = !column.row_splits.is_empty();
    let shape = if is_ragged { vec![column.values.len()] } else { column.shape.clone() };
    match &column.values {
        Values::Int64(values) => npy::write(&file(&name), &shape, values)?,
        Values::Float(values) => npy::write(&file(&name), &shape, values)?,
        Values::Bytes(values) => npy::write_strings(&file(&name), &shape, values)?,
    }
    let beside =
        [("row_splits", &column.row_splits), ("step_splits", &column.step_splits), ("lengths", &column.lengths)];
    for (what, numbers) in beside.into_iter().filter(|(_, numbers)| !numbers.is_empty()) {
        let numbers: Vec<i64> = numbers.iter().map(|n| *n as i64).collect();
        npy::write(&file(&format!("{name}.{what}")), &[numbers.len()], &numbers)?;
    }
    Ok(())
}

/// A column's name, which is no path.
fn file_name(column: &str) -> String {
    column.replace(['/', '\\'], "_")
}
