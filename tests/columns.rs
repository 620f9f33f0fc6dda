//! A program wants features of many records as columns: what tf.io.parse_example gives.

use std::path::Path;

use serde_json::{Value, json};
use tfrkit::ErrorKind;
use tfrkit::example::{Column, ColumnLayout, ColumnSpec, ExampleParser, Kind, Values};
use tfrkit::record::Shard;

/// As in fixtures/tfrecord/make_columns.py.
fn parser() -> ExampleParser {
    let column = |name, kind, layout| ColumnSpec::new(name, kind, layout);
    ExampleParser::new(vec![
        column("label", Kind::Int64, ColumnLayout::FixedLen { shape: vec![] }),
        column("box", Kind::Float, ColumnLayout::FixedLen { shape: vec![2, 2] })
            .with_default(Values::Float(vec![1.0, 2.0, 3.0, 4.0])),
        column("words", Kind::Bytes, ColumnLayout::VarLen),
        column("tokens", Kind::Int64, ColumnLayout::Ragged),
        column("steps", Kind::Float, ColumnLayout::FixedLenSequence { shape: vec![2] })
            .with_default(Values::Float(vec![-1.0])),
        column("names", Kind::Bytes, ColumnLayout::FixedLenSequence { shape: vec![] }),
    ])
    .unwrap()
}

/// As the script writes it.
fn told(column: &Column) -> Value {
    let values = match &column.values {
        Values::Int64(values) => json!(values),
        Values::Float(values) => json!(values),
        Values::Bytes(values) => json!(values.iter().map(String::from_utf8_lossy).collect::<Vec<_>>()),
    };
    match column.name.as_str() {
        "words" => {
            let indices: Vec<_> = column.indices().collect();
            json!({"values": values, "indices": indices, "dense_shape": column.dense_shape()})
        }
        "tokens" => json!({"values": values, "row_splits": column.row_splits}),
        _ => json!({"values": values, "shape": column.shape}),
    }
}

#[test]
fn columns_are_tensorflows() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord");
    let text = std::fs::read_to_string(dir.join("columns.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let shard = Shard::open(dir.join("columns.tfrecord")).unwrap();
    let payloads: Vec<Vec<u8>> = shard.records().map(|r| r.unwrap().payload.to_vec()).collect();
    let (good, doubtful) = payloads.split_at(4);

    let compare = |columns: Vec<Column>, expected: &Value, what: &str| {
        assert_eq!(columns.len(), 6);
        for column in columns {
            assert_eq!(told(&column), expected[&column.name], "{what}: {}", column.name);
        }
    };
    compare(parser().parse(good.iter().map(|p| &p[..])).unwrap(), &expected["good"], "good");

    let expected = expected["doubtful"].as_object().unwrap();
    assert_eq!(doubtful.len(), expected.len());
    let (mut errors, mut fine) = (0, 0);
    // serde_json sorts the names; the records are in the order of the script.
    let names = text.lines().filter_map(|l| l.strip_prefix("  \"")).filter_map(|l| l.split('"').next());
    let names: Vec<&str> = names.filter(|name| expected.contains_key(*name)).collect();
    for (name, payload) in names.iter().zip(doubtful) {
        let found = parser().parse([&payload[..]]);
        match &expected[*name] {
            Value::Null => {
                assert!(matches!(found.unwrap_err().kind(), ErrorKind::Schema { .. }), "{name}");
                errors += 1;
            }
            expected => {
                compare(found.unwrap(), expected, name);
                fine += 1;
            }
        }
    }
    assert_eq!((errors, fine), (9, 2));
}

#[test]
fn rows_are_found() {
    let shard = Shard::open(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tfrecord/columns.tfrecord")).unwrap();
    let payloads: Vec<Vec<u8>> = shard.records().take(4).map(|r| r.unwrap().payload.to_vec()).collect();
    let columns = parser().parse(payloads.iter().map(|p| &p[..])).unwrap();
    let rows = |i: usize| (0..4).map(|row| columns[i].row(row)).collect::<Vec<_>>();
    assert_eq!(rows(0), [0..1, 1..2, 2..3, 3..4]);
    assert_eq!(rows(1), [0..4, 4..8, 8..12, 12..16]);
    assert_eq!(rows(3), [0..3, 3..3, 3..3, 3..5]);
}

#[test]
fn specs_that_make_no_sense() {
    let wrong = |specs: Vec<ColumnSpec>| ExampleParser::new(specs).unwrap_err().to_string();
    let fixed = |shape: &[usize]| ColumnLayout::FixedLen { shape: shape.to_vec() };
    let spec = |layout| ColumnSpec::new("x", Kind::Int64, layout);
    let default = |layout, values| spec(layout).with_default(values);
    let ints = |n: usize| Values::Int64(vec![0; n]);
    for (specs, expected) in [
        (vec![spec(fixed(&[])), spec(ColumnLayout::Ragged)], "the column 'x' comes twice"),
        (vec![spec(fixed(&[usize::MAX, 2]))], "the column 'x' has a shape of more than 67108864 values"),
        (vec![spec(ColumnLayout::FixedLenSequence { shape: vec![0] })], "the column 'x' has steps without values"),
        (vec![default(fixed(&[]), Values::Float(vec![0.0]))], "the column 'x' is int64, and its default is float"),
        (
            vec![default(fixed(&[3]), ints(2))],
            "the column 'x' has a default of 2 values; 1 is possible, or as many as its shape has",
        ),
        (
            vec![default(ColumnLayout::FixedLenSequence { shape: vec![3] }, ints(3))],
            "the column 'x' has a default of 3 values; 1 is possible",
        ),
        (
            vec![default(ColumnLayout::VarLen, ints(1))],
            "the column 'x' has a default, and a layout whose rows may be empty",
        ),
    ] {
        assert_eq!(wrong(specs), expected);
    }
}
