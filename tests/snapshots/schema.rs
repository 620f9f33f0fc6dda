use tfrkit::example::{ColumnLayout, ColumnSpec, Kind};

/// The features of a record, as `tfrkit::example::ExampleParser` takes them.
pub fn columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::new("embedding", Kind::Float, ColumnLayout::FixedLen { shape: vec![4] }),
        ColumnSpec::new("id", Kind::Bytes, ColumnLayout::FixedLen { shape: vec![] }),
        ColumnSpec::new("image/encoded", Kind::Bytes, ColumnLayout::FixedLen { shape: vec![] }),
        ColumnSpec::new("kind", Kind::Bytes, ColumnLayout::FixedLen { shape: vec![] }),
        ColumnSpec::new("label", Kind::Int64, ColumnLayout::FixedLen { shape: vec![] }),
        ColumnSpec::new("sometimes", Kind::Float, ColumnLayout::VarLen),
        ColumnSpec::new("tokens", Kind::Int64, ColumnLayout::VarLen),
        ColumnSpec::new("width", Kind::Int64, ColumnLayout::FixedLen { shape: vec![] }),
    ]
}
