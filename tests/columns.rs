//! A program wants features of many records as columns: what tf.io.parse_example gives.

use std::path::Path;

use serde_json::{Value, json};
use tfrkit::ErrorKind;
use tfrkit::example::{
    Column, ColumnLayout, ColumnSpec, ExampleBuilder, ExampleParser, Kind, SequenceExampleBuilder, Values,
};
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

/// As in fixtures/tfrecord/make_sequence_columns.py, where `allow_missing` is what a default is here.
fn sequence_parser() -> ExampleParser {
    let steps = |shape: &[usize]| ColumnLayout::Steps { shape: shape.to_vec() };
    let column = |name, kind, layout| ColumnSpec::new(name, kind, layout);
    ExampleParser::new(vec![
        column("labels", Kind::Int64, steps(&[])),
        column("boxes", Kind::Float, steps(&[2])).with_default(Values::Float(vec![0.0])),
        column("names", Kind::Bytes, steps(&[])).with_default(Values::Bytes([""].into_iter().collect())),
        column("words", Kind::Bytes, ColumnLayout::RaggedSteps),
        column("scores", Kind::Float, ColumnLayout::RaggedSteps),
    ])
    .unwrap()
}

#[test]
fn columns_of_feature_lists_are_tensorflows() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord");
    let text = std::fs::read_to_string(dir.join("sequence_columns.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    let shard = Shard::open(dir.join("sequence_columns.tfrecord")).unwrap();
    let payloads: Vec<Vec<u8>> = shard.records().map(|r| r.unwrap().payload.to_vec()).collect();
    let (good, doubtful) = payloads.split_at(4);
    let compare = |columns: Vec<Column>, expected: &Value, what: &str| {
        assert_eq!(columns.len(), 5);
        for column in columns {
            let mut told = match &column.values {
                Values::Int64(values) => json!({"values": values}),
                Values::Float(values) => json!({"values": values}),
                Values::Bytes(values) => {
                    json!({"values": values.iter().map(String::from_utf8_lossy).collect::<Vec<_>>()})
                }
            };
            if column.step_splits.is_empty() {
                (told["shape"], told["lengths"]) = (json!(column.shape), json!(column.lengths));
            } else {
                (told["row_splits"], told["step_splits"]) = (json!(column.row_splits), json!(column.step_splits));
            }
            assert_eq!(told, expected[&column.name], "{what}: {}", column.name);
        }
    };
    let columns = sequence_parser().parse(good.iter().map(|p| &p[..])).unwrap();
    assert_eq!((0..4).map(|row| columns[3].row(row)).collect::<Vec<_>>(), [0..3, 3..3, 3..3, 3..5]);
    compare(columns, &expected["good"], "good");

    let expected = expected["doubtful"].as_object().unwrap();
    let names = text.lines().filter_map(|l| l.strip_prefix("  \"")).filter_map(|l| l.split('"').next());
    let names: Vec<&str> = names.filter(|name| expected.contains_key(*name)).collect();
    assert_eq!((names.len(), doubtful.len()), (expected.len(), expected.len()));
    let mut errors = 0;
    for (name, payload) in names.iter().zip(doubtful) {
        let found = sequence_parser().parse([&payload[..]]);
        match &expected[*name] {
            Value::Null => {
                assert!(matches!(found.unwrap_err().kind(), ErrorKind::Schema { .. }), "{name}");
                errors += 1;
            }
            expected => compare(found.unwrap(), expected, name),
        }
    }
    assert_eq!(errors, 9);
}

/// The trap: a feature list asked for as a feature would be a column of nothing.
#[test]
fn a_feature_list_is_no_feature_and_the_other_way_round() {
    let sequence = SequenceExampleBuilder::new()
        .context(ExampleBuilder::new().int64("id", 7).int64("both", 1))
        .int64_steps("tokens", [[1], [2]])
        .int64_steps("both", [[3]])
        .encode();
    let parse = |name, layout| {
        let parser = ExampleParser::new(vec![ColumnSpec::new(name, Kind::Int64, layout)]).unwrap();
        parser.parse([&sequence[..]]).map(|columns| columns[0].values.clone())
    };
    let steps = || ColumnLayout::Steps { shape: vec![] };
    for (name, layout, expected) in [
        ("tokens", ColumnLayout::Ragged, "feature 'tokens' is a feature list, not a feature"),
        ("tokens", ColumnLayout::FixedLen { shape: vec![] }, "feature 'tokens' is a feature list, not a feature"),
        ("id", steps(), "feature 'id' is a feature, not a feature list"),
        ("id", ColumnLayout::RaggedSteps, "feature 'id' is a feature, not a feature list"),
        ("none", steps(), "feature 'none' is missing among the feature lists"),
    ] {
        let error = parse(name, layout).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(parse("both", ColumnLayout::Ragged).unwrap(), Values::Int64(vec![1]));
    assert_eq!(parse("both", ColumnLayout::RaggedSteps).unwrap(), Values::Int64(vec![3]));
    assert_eq!(parse("none", ColumnLayout::RaggedSteps).unwrap(), Values::Int64(vec![]));
}
