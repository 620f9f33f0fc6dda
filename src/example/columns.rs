//! Features of many Examples as columns, as `tf.io.parse_example` makes them.

use std::ops::Range;

use super::values::{ByteStrings, Values};
use super::view::{ExampleView, FeatureView, Kind};
use crate::error::{Error, Result};

/// A feature that is wanted as a column.
///
/// ```
/// use tfrkit::example::{ColumnLayout, ColumnSpec, Kind};
///
/// let label = ColumnSpec::new("label", Kind::Int64, ColumnLayout::FixedLen { shape: vec![] });
/// let tokens = ColumnSpec::new("tokens", Kind::Int64, ColumnLayout::Ragged);
/// assert_eq!(label.default, None);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ColumnSpec {
    /// The feature's name.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
    /// How rows become a column.
    pub layout: ColumnLayout,
    /// `FixedLen`: what stands for a missing feature, one value or as many as the shape has; without it a missing feature
    /// is an error. `FixedLenSequence`: the one value that shorter rows are filled up with; without it 0 or an empty string.
    pub default: Option<Values>,
}

/// How the values of many rows become a column. The names are TensorFlow's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnLayout {
    /// `tf.io.FixedLenFeature`: each row has exactly the values of this shape. The column is `[rows, ...shape]`.
    FixedLen {
        /// Of one row; `[]` is one value.
        shape: Vec<usize>,
    },
    /// `tf.io.VarLenFeature`: rows of any length, none where the feature is missing. Of its SparseTensor,
    /// [`Column::indices`] and [`Column::dense_shape`] tell the other parts.
    VarLen,
    /// `tf.io.RaggedFeature`: rows of any length, with [`Column::row_splits`].
    Ragged,
    /// `tf.io.FixedLenSequenceFeature` with `allow_missing`: rows of any number of steps of this shape, filled up to the
    /// longest. The column is `[rows, steps, ...shape]`.
    FixedLenSequence {
        /// Of one step; `[]` is one value.
        shape: Vec<usize>,
    },
}

/// The values of one feature of many Examples.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// The feature's name.
    pub name: String,
    /// All values, row by row.
    pub values: Values,
    /// Rows and what each has: `[rows, ...]`, where all rows are equally long; else `[rows]`.
    pub shape: Vec<usize>,
    /// Where rows differ in length: row i is `values[row_splits[i]..row_splits[i + 1]]`. Else empty.
    pub row_splits: Vec<usize>,
}

impl Column {
    /// Where the values of row `i` are among all.
    pub fn row(&self, i: usize) -> Range<usize> {
        match self.row_splits.get(i..i + 2) {
            Some(ends) => ends[0]..ends[1],
            None => {
                let len = self.shape.iter().skip(1).product::<usize>();
                i * len..(i + 1) * len
            }
        }
    }

    /// Row and place in the row of each value: the `indices` of TensorFlow's SparseTensor.
    pub fn indices(&self) -> impl Iterator<Item = [usize; 2]> {
        let rows = self.row_splits.windows(2).enumerate();
        rows.flat_map(|(row, ends)| (0..ends[1] - ends[0]).map(move |place| [row, place]))
    }

    /// Rows, and the values of the longest: the `dense_shape` of TensorFlow's SparseTensor.
    pub fn dense_shape(&self) -> [usize; 2] {
        let longest = self.row_splits.windows(2).map(|ends| ends[1] - ends[0]).max();
        [self.row_splits.len().saturating_sub(1), longest.unwrap_or(0)]
    }
}

/// Takes features out of serialised Examples, as columns: `tf.io.parse_example`.
///
/// Of a key that comes twice the last wins that has a kind; a feature without a kind is a missing one. What is wanted is copied, the rest is
/// passed over.
///
/// ```
/// use tfrkit::example::{ColumnLayout, ColumnSpec, ExampleBuilder, ExampleParser, Kind};
///
/// let parser = ExampleParser::new(vec![
///     ColumnSpec::new("label", Kind::Int64, ColumnLayout::FixedLen { shape: vec![] }),
///     ColumnSpec::new("tokens", Kind::Int64, ColumnLayout::Ragged),
/// ])?;
/// let payloads = [
///     ExampleBuilder::new().int64("label", 3).int64s("tokens", [7, 8]).encode(),
///     ExampleBuilder::new().int64("label", 4).encode(),
/// ];
/// let columns = parser.parse(payloads.iter().map(|p| &p[..]))?;
/// assert_eq!(columns[0].values.int64s(), Some(&[3, 4][..]));
/// assert_eq!(columns[1].row_splits, [0, 2, 2]);
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExampleParser {
    wanted: Vec<Wanted>,
}

#[derive(Debug, Clone)]
struct Wanted {
    spec: ColumnSpec,
    /// Values of the spec's shape.
    len: usize,
    /// What stands for a missing feature, all values of it.
    missing: Option<Values>,
}

/// The wanted features of one Example; its memory can be used again.
#[derive(Debug, Default)]
pub(crate) struct Row {
    cells: Vec<Values>,
    /// Whether each feature was there, and if it was, whether it is as its spec says.
    found: Vec<Result<bool>>,
}

impl Row {
    pub(crate) fn copy_from(&mut self, other: &Row) {
        self.cells.clone_from(&other.cells);
    }
}

impl ColumnSpec {
    /// A feature as a column, without a default.
    pub fn new(name: impl Into<String>, kind: Kind, layout: ColumnLayout) -> Self {
        ColumnSpec { name: name.into(), kind, layout, default: None }
    }

    /// Sets the default.
    pub fn with_default(self, default: Values) -> Self {
        ColumnSpec { default: Some(default), ..self }
    }

    /// Values of the shape, and what stands for a missing feature or a missing step.
    fn check(&self) -> std::result::Result<(usize, Option<Values>), String> {
        let shape = match &self.layout {
            ColumnLayout::FixedLen { shape } | ColumnLayout::FixedLenSequence { shape } => Some(shape),
            ColumnLayout::VarLen | ColumnLayout::Ragged => None,
        };
        let product = |shape: &Vec<usize>| shape.iter().try_fold(1, |all: usize, side| all.checked_mul(*side));
        let len = shape.map_or(Some(1), product).filter(|len| *len <= MAX_LEN);
        let len = len.ok_or_else(|| format!("has a shape of more than {MAX_LEN} values"))?;
        let steps = matches!(self.layout, ColumnLayout::FixedLenSequence { .. });
        if steps && len == 0 {
            return Err("has steps without values".to_owned());
        }
        let Some(default) = &self.default else {
            let zero = match self.kind {
                Kind::Int64 => Values::Int64(vec![0]),
                Kind::Float => Values::Float(vec![0.0]),
                Kind::Bytes => Values::Bytes([""].into_iter().collect::<ByteStrings>()),
            };
            return Ok((len, steps.then_some(zero)));
        };
        if shape.is_none() {
            return Err("has a default, and a layout whose rows may be empty".to_owned());
        }
        if default.kind() != self.kind {
            return Err(format!("is {}, and its default is {}", self.kind.name(), default.kind().name()));
        }
        let mut missing = Values::new(self.kind);
        match default.len() {
            1 if steps => missing.append(default, 1),
            1 => missing.append(default, len),
            n if n == len && !steps => missing.append(default, 1),
            n => {
                return Err(format!(
                    "has a default of {n} values; 1 is possible{}",
                    if steps { "" } else { ", or as many as its shape has" }
                ));
            }
        }
        Ok((len, Some(missing)))
    }
}

/// Most values of a spec's shape.
pub(super) const MAX_LEN: usize = 1 << 26;

impl ExampleParser {
    /// A parser of these features.
    ///
    /// # Errors
    /// A usage error for a name that comes twice, a shape beyond 2^26 values, a default that does not fit.
    pub fn new(specs: Vec<ColumnSpec>) -> Result<Self> {
        let mut wanted: Vec<Wanted> = Vec::with_capacity(specs.len());
        for spec in specs {
            let wrong = |what: &str| Error::usage(format!("the column '{}' {what}", spec.name));
            if wanted.iter().any(|w| w.spec.name == spec.name) {
                return Err(wrong("comes twice"));
            }
            let (len, missing) = spec.check().map_err(|what| wrong(&what))?;
            wanted.push(Wanted { spec, len, missing });
        }
        Ok(ExampleParser { wanted })
    }

    /// The columns of some Examples, in the order of the specs.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) for a feature that is missing, of another kind, or of another number
    /// of values; what is no Example.
    pub fn parse<'p>(&self, payloads: impl IntoIterator<Item = &'p [u8]>) -> Result<Vec<Column>> {
        let rows = payloads.into_iter().map(|payload| {
            let mut row = Row::default();
            self.parse_row(payload, &mut row)?;
            Ok(row)
        });
        let rows = rows.collect::<Result<Vec<Row>>>()?;
        Ok(self.columns(&rows.iter().collect::<Vec<_>>()))
    }

    /// Takes the features out of one Example; what was in `row` is forgotten.
    pub(crate) fn parse_row(&self, payload: &[u8], row: &mut Row) -> Result<()> {
        self.clear(row);
        ExampleView::new(payload).for_each(|key, feature| {
            for ((wanted, cell), found) in self.wanted.iter().zip(&mut row.cells).zip(&mut row.found) {
                if wanted.spec.name == key {
                    // Of a key that comes twice, the last one counts that has a kind, as in TensorFlow.
                    if let Some(feature) = &feature {
                        cell.clear();
                        *found = wanted.take(feature, cell).map(|()| true);
                    }
                    break;
                }
            }
        })?;
        for ((wanted, cell), found) in self.wanted.iter().zip(&mut row.cells).zip(&mut row.found) {
            if std::mem::replace(found, Ok(false))? {
                continue;
            }
            match (&wanted.spec.layout, &wanted.missing) {
                (ColumnLayout::FixedLen { .. }, Some(missing)) => cell.append(missing, 1),
                (ColumnLayout::FixedLen { .. }, None) => {
                    return Err(Error::schema(&wanted.spec.name, "is missing, and its column has no default"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An empty row, in whose place there is no Example: the defaults, or else zeros.
    pub(crate) fn pad_row(&self, row: &mut Row) {
        self.clear(row);
        for (wanted, cell) in self.wanted.iter().zip(&mut row.cells) {
            if !matches!(wanted.spec.layout, ColumnLayout::FixedLen { .. }) {
                continue;
            }
            match (&wanted.missing, cell) {
                (Some(missing), cell) => cell.append(missing, 1),
                (None, Values::Int64(values)) => values.resize(wanted.len, 0),
                (None, Values::Float(values)) => values.resize(wanted.len, 0.0),
                (None, Values::Bytes(values)) => (0..wanted.len).for_each(|_| values.push(b"")),
            }
        }
    }

    fn clear(&self, row: &mut Row) {
        if row.cells.len() != self.wanted.len() {
            row.cells = self.wanted.iter().map(|wanted| Values::new(wanted.spec.kind)).collect();
        }
        row.cells.iter_mut().for_each(Values::clear);
        row.found.clear();
        row.found.extend(self.wanted.iter().map(|_| Ok(false)));
    }

    /// Rows to columns.
    pub(crate) fn columns(&self, rows: &[&Row]) -> Vec<Column> {
        let cells = |i: usize| rows.iter().filter_map(move |row| row.cells.get(i));
        self.wanted.iter().enumerate().map(|(i, wanted)| wanted.column(cells(i))).collect()
    }
}

impl Wanted {
    fn take(&self, feature: &FeatureView<'_>, cell: &mut Values) -> Result<()> {
        let name = &self.spec.name;
        if feature.kind() != self.spec.kind {
            let kinds = (feature.kind().name(), self.spec.kind.name());
            return Err(Error::schema(name, format!("is {}, and its column is {}", kinds.0, kinds.1)));
        }
        cell.extend_from(feature)?;
        match &self.spec.layout {
            ColumnLayout::FixedLen { .. } if cell.len() != self.len => {
                Err(Error::schema(name, format!("has {} values, and its column {}", cell.len(), self.len)))
            }
            ColumnLayout::FixedLenSequence { .. } if !cell.len().is_multiple_of(self.len) => {
                Err(Error::schema(name, format!("has {} values, which are no steps of {}", cell.len(), self.len)))
            }
            _ => Ok(()),
        }
    }

    fn column<'c>(&self, cells: impl Iterator<Item = &'c Values> + Clone) -> Column {
        let rows = cells.clone().count();
        let mut values = Values::new(self.spec.kind);
        let (mut shape, mut row_splits) = (vec![rows], Vec::new());
        match &self.spec.layout {
            ColumnLayout::FixedLen { shape: inner } => {
                cells.for_each(|cell| values.append(cell, 1));
                shape.extend(inner);
            }
            ColumnLayout::VarLen | ColumnLayout::Ragged => {
                row_splits.push(0);
                for cell in cells {
                    values.append(cell, 1);
                    row_splits.push(values.len());
                }
            }
            ColumnLayout::FixedLenSequence { shape: inner } => {
                let longest = cells.clone().map(Values::len).max().unwrap_or(0);
                for cell in cells {
                    values.append(cell, 1);
                    if let Some(filling) = &self.missing {
                        values.append(filling, longest - cell.len());
                    }
                }
                shape.push(longest / self.len.max(1));
                shape.extend(inner);
            }
        }
        Column { name: self.spec.name.clone(), values, shape, row_splits }
    }
}
