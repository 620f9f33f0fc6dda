//! Features of many Examples as columns, as `tf.io.parse_example` makes them, and feature lists of SequenceExamples, as
//! `tf.io.parse_sequence_example`.

use std::ops::Range;

use super::sequence::{FeatureListView, SequenceEntry, each_entry};
use super::values::{ByteStrings, Values};
use super::view::{FeatureView, Kind};
use crate::error::{Error, Result};

/// A feature, or a feature list, that is wanted as a column.
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
    /// is an error. `FixedLenSequence` and `Steps`: the one value that shorter rows are filled up with; without it 0 or an
    /// empty string, and a missing list of `Steps` is an error, which has no steps otherwise.
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
    /// A feature list of a SequenceExample by `tf.io.FixedLenSequenceFeature`: rows of any number of steps, each of this
    /// shape, filled up to the longest. The column is `[rows, steps, ...shape]`, with [`Column::lengths`].
    Steps {
        /// Of one step; `[]` is one value.
        shape: Vec<usize>,
    },
    /// A feature list of a SequenceExample by `tf.io.RaggedFeature`: rows of any number of steps of any length, with
    /// [`Column::row_splits`] and [`Column::step_splits`]; no steps where the list is missing.
    RaggedSteps,
}

impl ColumnLayout {
    /// Whether it is one of feature lists, not of features.
    fn is_of_lists(&self) -> bool {
        matches!(self, ColumnLayout::Steps { .. } | ColumnLayout::RaggedSteps)
    }
}

/// The values of one feature, or feature list, of many records.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// The feature's name.
    pub name: String,
    /// All values, row by row.
    pub values: Values,
    /// Rows and what each has: `[rows, ...]`, where all rows are equally long; else `[rows]`.
    pub shape: Vec<usize>,
    /// Where rows differ in length: row i is `values[row_splits[i]..row_splits[i + 1]]`; of `RaggedSteps`, its steps are
    /// those numbers. Else empty.
    pub row_splits: Vec<usize>,
    /// Of `RaggedSteps`: step j of all is `values[step_splits[j]..step_splits[j + 1]]`. Else empty.
    pub step_splits: Vec<usize>,
    /// Of `Steps`: how many steps each row has, without those that fill it up. Else empty.
    pub lengths: Vec<usize>,
}

impl Column {
    /// Where the values of row `i` are among all.
    pub fn row(&self, i: usize) -> Range<usize> {
        match self.row_splits.get(i..i + 2) {
            Some(ends) if !self.step_splits.is_empty() => self.step_splits[ends[0]]..self.step_splits[ends[1]],
            Some(ends) => ends[0]..ends[1],
            None => {
                let len = self.shape.iter().skip(1).product::<usize>();
                i * len..(i + 1) * len
            }
        }
    }

    /// Of `VarLen`, row and place in the row of each value: the `indices` of TensorFlow's SparseTensor.
    pub fn indices(&self) -> impl Iterator<Item = [usize; 2]> {
        let rows = self.row_splits.windows(2).enumerate();
        rows.flat_map(|(row, ends)| (0..ends[1] - ends[0]).map(move |place| [row, place]))
    }

    /// Of `VarLen`, rows, and the values of the longest: the `dense_shape` of TensorFlow's SparseTensor.
    pub fn dense_shape(&self) -> [usize; 2] {
        let longest = self.row_splits.windows(2).map(|ends| ends[1] - ends[0]).max();
        [self.row_splits.len().saturating_sub(1), longest.unwrap_or(0)]
    }
}

/// Takes features out of serialised Examples, as columns: `tf.io.parse_example`. Of SequenceExamples, it takes features of
/// the context and, by the layouts [`Steps`](ColumnLayout::Steps) and [`RaggedSteps`](ColumnLayout::RaggedSteps), feature
/// lists: `tf.io.parse_sequence_example`.
///
/// Of a key that comes twice the last wins that has a kind; a feature without a kind is a missing one. What is wanted is
/// copied, the rest is passed over. A name that is not there as a feature, but as a feature list, is not missing, but an
/// error; the same goes the other way round.
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
    cells: Vec<Cell>,
}

impl Row {
    pub(crate) fn copy_from(&mut self, other: &Row) {
        self.cells.resize_with(other.cells.len(), Cell::default);
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            cell.values.clone_from(&other.values);
            cell.ends.clone_from(&other.ends);
        }
    }
}

/// One wanted feature of one Example.
#[derive(Debug)]
struct Cell {
    values: Values,
    /// Of a feature list, where each step ends.
    ends: Vec<usize>,
    /// Whether it was there, and if it was, whether it is as its spec says.
    found: Result<bool>,
    /// Whether the name is that of a feature list where a feature is wanted, or the other way round.
    is_other: bool,
}

impl Default for Cell {
    fn default() -> Self {
        Cell::new(Kind::Int64)
    }
}

impl Cell {
    fn new(kind: Kind) -> Self {
        Cell { values: Values::new(kind), ends: Vec::new(), found: Ok(false), is_other: false }
    }

    fn clear(&mut self) {
        self.values.clear();
        self.ends.clear();
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
            ColumnLayout::FixedLen { shape }
            | ColumnLayout::FixedLenSequence { shape }
            | ColumnLayout::Steps { shape } => Some(shape),
            ColumnLayout::VarLen | ColumnLayout::Ragged | ColumnLayout::RaggedSteps => None,
        };
        let product = |shape: &Vec<usize>| shape.iter().try_fold(1, |all: usize, side| all.checked_mul(*side));
        let len = shape.map_or(Some(1), product).filter(|len| *len <= MAX_LEN);
        let len = len.ok_or_else(|| format!("has a shape of more than {MAX_LEN} values"))?;
        let steps = matches!(self.layout, ColumnLayout::FixedLenSequence { .. } | ColumnLayout::Steps { .. });
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
        each_entry(payload, |key, entry| {
            if let Some((wanted, cell)) = self.wanted.iter().zip(&mut row.cells).find(|(w, _)| w.spec.name == key) {
                wanted.see(&entry, cell);
            }
        })?;
        for (wanted, cell) in self.wanted.iter().zip(&mut row.cells) {
            if std::mem::replace(&mut cell.found, Ok(false))? {
                continue;
            }
            let name = &wanted.spec.name;
            match (&wanted.spec.layout, &wanted.missing) {
                (layout, _) if cell.is_other => {
                    let (has, of) = match layout.is_of_lists() {
                        true => ("feature, not a feature list", "feature lists"),
                        false => ("feature list, not a feature", "features"),
                    };
                    return Err(Error::schema(
                        name,
                        format!("is a {has}, and the layout of its column is one of {of}"),
                    ));
                }
                (ColumnLayout::FixedLen { .. }, Some(missing)) => cell.values.append(missing, 1),
                (ColumnLayout::FixedLen { .. }, None) => {
                    return Err(Error::schema(name, "is missing, and its column has no default"));
                }
                (ColumnLayout::Steps { .. }, _) if wanted.spec.default.is_none() => {
                    return Err(Error::schema(
                        name,
                        "is missing among the feature lists, and its column has no default",
                    ));
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
            match (&wanted.missing, &mut cell.values) {
                (Some(missing), values) => values.append(missing, 1),
                (None, Values::Int64(values)) => values.resize(wanted.len, 0),
                (None, Values::Float(values)) => values.resize(wanted.len, 0.0),
                (None, Values::Bytes(values)) => (0..wanted.len).for_each(|_| values.push(b"")),
            }
        }
    }

    fn clear(&self, row: &mut Row) {
        if row.cells.len() != self.wanted.len() {
            row.cells = self.wanted.iter().map(|wanted| Cell::new(wanted.spec.kind)).collect();
        }
        for cell in &mut row.cells {
            cell.clear();
            (cell.found, cell.is_other) = (Ok(false), false);
        }
    }

    /// Rows to columns.
    pub(crate) fn columns(&self, rows: &[&Row]) -> Vec<Column> {
        let cells = |i: usize| rows.iter().filter_map(move |row| row.cells.get(i));
        self.wanted.iter().enumerate().map(|(i, wanted)| wanted.column(cells(i))).collect()
    }
}

impl Wanted {
    /// Takes what stands under the name. Of a key that comes twice, the last one counts that has a kind, as in TensorFlow.
    fn see(&self, entry: &SequenceEntry<'_>, cell: &mut Cell) {
        match (entry, self.spec.layout.is_of_lists()) {
            (SequenceEntry::Feature(Some(feature)), false) => {
                cell.clear();
                cell.found = self.take(feature, &mut cell.values).map(|()| true);
            }
            (SequenceEntry::List(list), true) => {
                cell.clear();
                cell.found = self.take_steps(list, cell).map(|()| true);
            }
            (SequenceEntry::Feature(None), _) => {}
            _ => cell.is_other = true,
        }
    }

    fn take_steps(&self, list: &FeatureListView<'_>, cell: &mut Cell) -> Result<()> {
        for (number, step) in list.steps().enumerate() {
            let before = cell.values.len();
            if let Some(step) = step? {
                self.expect_kind(&step)?;
                cell.values.extend_from(&step)?;
            }
            let found = cell.values.len() - before;
            if matches!(self.spec.layout, ColumnLayout::Steps { .. }) && found != self.len {
                let detail = format!("has {found} values in step {number}, and its column {}", self.len);
                return Err(Error::schema(&self.spec.name, detail));
            }
            cell.ends.push(cell.values.len());
        }
        Ok(())
    }

    fn expect_kind(&self, feature: &FeatureView<'_>) -> Result<()> {
        if feature.kind() == self.spec.kind {
            return Ok(());
        }
        let kinds = (feature.kind().name(), self.spec.kind.name());
        Err(Error::schema(&self.spec.name, format!("is {}, and its column is {}", kinds.0, kinds.1)))
    }

    fn take(&self, feature: &FeatureView<'_>, values: &mut Values) -> Result<()> {
        let name = &self.spec.name;
        self.expect_kind(feature)?;
        values.extend_from(feature)?;
        match &self.spec.layout {
            ColumnLayout::FixedLen { .. } if values.len() != self.len => {
                Err(Error::schema(name, format!("has {} values, and its column {}", values.len(), self.len)))
            }
            ColumnLayout::FixedLenSequence { .. } if !values.len().is_multiple_of(self.len) => {
                Err(Error::schema(name, format!("has {} values, which are no steps of {}", values.len(), self.len)))
            }
            _ => Ok(()),
        }
    }

    fn column<'c>(&self, cells: impl Iterator<Item = &'c Cell> + Clone) -> Column {
        let rows = cells.clone().count();
        let mut column = Column {
            name: self.spec.name.clone(),
            values: Values::new(self.spec.kind),
            shape: vec![rows],
            row_splits: Vec::new(),
            step_splits: Vec::new(),
            lengths: Vec::new(),
        };
        let Column { values, shape, row_splits, step_splits, lengths, .. } = &mut column;
        match &self.spec.layout {
            ColumnLayout::FixedLen { shape: inner } => {
                cells.for_each(|cell| values.append(&cell.values, 1));
                shape.extend(inner);
            }
            ColumnLayout::VarLen | ColumnLayout::Ragged => {
                row_splits.push(0);
                for cell in cells {
                    values.append(&cell.values, 1);
                    row_splits.push(values.len());
                }
            }
            ColumnLayout::FixedLenSequence { shape: inner } | ColumnLayout::Steps { shape: inner } => {
                if self.spec.layout.is_of_lists() {
                    lengths.extend(cells.clone().map(|cell| cell.ends.len()));
                }
                let longest = cells.clone().map(|cell| cell.values.len()).max().unwrap_or(0);
                for cell in cells {
                    values.append(&cell.values, 1);
                    if let Some(filling) = &self.missing {
                        values.append(filling, longest - cell.values.len());
                    }
                }
                shape.push(longest / self.len.max(1));
                shape.extend(inner);
            }
            ColumnLayout::RaggedSteps => {
                row_splits.push(0);
                step_splits.push(0);
                for cell in cells {
                    let first = values.len();
                    values.append(&cell.values, 1);
                    step_splits.extend(cell.ends.iter().map(|end| first + end));
                    row_splits.push(step_splits.len() - 1);
                }
            }
        }
        column
    }
}
