//! Texts that people write: pipelines, filters, schemas, states of loaders, sizes and shares. What is read has one text, and
//! that text is read as the same; everything else is an error with a message.
#![no_main]

use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use tfrkit::convert::{MinSize, ShardCount, parse_size, parse_split};
use tfrkit::dataset::{NumberedName, is_shard_name, shard_file_name};
use tfrkit::example::{ExampleBuilder, ExampleParser, Filter, Schema};
use tfrkit::pipeline::{LoaderState, Mode, Pipeline};
use tfrkit::record::Compression;
use tfrkit::{Error, Result};

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match kind % 6 {
        0 => pipeline(text),
        1 => filter(text),
        2 => schema(Schema::parse(text)),
        3 => schema(Schema::parse_pbtxt(text)),
        4 => state(text),
        _ => words(text),
    }
});

/// Whether it was read; what was not has a message of one line.
fn read<T>(result: Result<T>) -> Option<T> {
    result.map_err(|error: Error| assert!(!error.to_string().is_empty() && !error.kind_name().is_empty())).ok()
}

fn pipeline(text: &str) {
    let Some(pipeline) = read(Pipeline::parse(text)) else { return };
    for mode in [Mode::Train, Mode::Eval] {
        let _ = (read(pipeline.ops(mode)), read(pipeline.output_shape(mode)), read(pipeline.soft_classes(mode)));
    }
    let canonical = pipeline.to_toml();
    let again = Pipeline::parse(&canonical).unwrap_or_else(|error| panic!("{error}: {canonical}"));
    assert_eq!(again.to_toml(), canonical);
    // Unless there is a NaN in it, which is no value's equal.
    assert!(again == pipeline || canonical.contains("nan"), "{again:?} is not {pipeline:?}");
}

fn filter(text: &str) {
    let Some(filter) = read(Filter::parse(text)) else { return };
    let canonical = filter.to_string();
    let again = Filter::parse(&canonical).unwrap_or_else(|error| panic!("{canonical}: {error}"));
    assert_eq!(again.to_string(), canonical);
    let payload = ExampleBuilder::new()
        .int64s("a", [0, -1, i64::MAX, i64::MIN])
        .floats("b", [0.5, f32::NAN, f32::INFINITY])
        .text("text", "cat")
        .int64("image/class/label", 3)
        .encode();
    let outcome = |filter: &Filter| filter.matches(&payload).map_err(|error| error.to_string());
    assert_eq!(outcome(&filter), outcome(&again));
}

fn schema(schema: Result<Schema>) {
    let Some(schema) = read(schema) else { return };
    let again = Schema::parse(&schema.to_json()).expect("the schema's own JSON");
    assert_eq!(again, schema);
    // TFDV's form knows less, so that only its own text is read as the same.
    let pbtxt = schema.to_pbtxt();
    let coarse = Schema::parse_pbtxt(&pbtxt).unwrap_or_else(|error| panic!("{error}: {pbtxt}"));
    assert_eq!(coarse.to_pbtxt(), pbtxt);
    let _ = (schema.to_python(), schema.to_rust());
    let names: usize = schema.columns().iter().map(|column| column.name.len()).sum();
    let values = |column: &tfrkit::example::ColumnSpec| match &column.layout {
        tfrkit::example::ColumnLayout::FixedLen { shape } => shape.iter().product::<usize>(),
        _ => 0,
    };
    // A parser holds the defaults of what may be missing.
    if schema.columns().iter().map(values).sum::<usize>() < 1 << 20 {
        let _ = (read(ExampleParser::new(schema.columns())), names);
    }
    let payload = ExampleBuilder::new().int64s("a", [1, 2]).text("b", "x").float("c", f32::NAN).encode();
    let _ = read(schema.check(&payload, &mut |feature, detail| assert!(!detail.is_empty(), "{feature}")));
}

fn state(text: &str) {
    if let Some(state) = read(LoaderState::from_json(text)) {
        assert_eq!(LoaderState::from_json(&state.to_json()).expect("the state's own JSON"), state);
    }
}

fn words(text: &str) {
    let _ = (parse_size(text), MinSize::from_str(text), ShardCount::from_str(text), Compression::from_str(text));
    if let Ok(shares) = parse_split(text) {
        // What may name a set is asked where sets are written.
        assert!(!shares.is_empty() && shares.iter().all(|(_, share)| *share > 0.0), "{shares:?}");
    }
    if let Some(name) = NumberedName::parse(text) {
        assert!(name.index < name.count, "{name:?}");
    }
    let _ = is_shard_name(text);
    if is_shard_name(&shard_file_name("a", 0, 1, Compression::None)) {
        return;
    }
    panic!("a shard's own name is none");
}
