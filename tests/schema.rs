//! `tfr schema` and `tfr validate --schema`.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::example::{ExampleBuilder, ExampleParser, Kind, Schema, SchemaMessage};
use tfrkit::inspect::{FindingKind, Report, Severity, StatsOptions, ValidateOptions, stats, validate};
use tfrkit::record::{Shard, Writer};

use common::{text, tfr, tfr_json};

/// What `tfr schema --format rust` writes of [`records`]: that it compiles is a part of the test.
mod generated {
    include!("snapshots/schema.rs");
}

fn write(path: &Path, payloads: &[Vec<u8>]) {
    let mut writer = Writer::new(Vec::new());
    for payload in payloads {
        writer.write(payload).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

/// Records with a feature of every sort.
fn records() -> Vec<Vec<u8>> {
    let record = |i: i64| {
        let e = ExampleBuilder::new().bytes("image/encoded", &[0xff, 0xd8, 0xff, 0xe0]).int64("label", i % 3);
        let e = e.text("kind", ["cat", "say \"dog\"", "ящик\t"][i as usize % 3]).text("id", format!("{i:05}"));
        let e = e.floats("embedding", [0.5; 4]).int64s("tokens", 1..2 + i % 5).int64("width", 100 + i % 7 * 50);
        if i % 2 == 0 { e.float("sometimes", 1.0) } else { e }.encode()
    };
    (0..60).map(record).collect()
}

fn snapshot(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name)
}

fn run(path: &Path, schema: &Schema, threads: usize) -> Report {
    let options = ValidateOptions { schema: Some(schema.clone()), ..Default::default() };
    validate(&resolve(&[text(path)]).unwrap(), &options, &Job { threads, ..Default::default() }).unwrap()
}

#[test]
fn every_form_is_the_one_that_was_read_by_those_it_is_for() {
    // The snapshots have been parsed by tensorflow-metadata and run by TensorFlow 2.21.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    write(&path, &records());
    let sequence = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord/sequence.tfrecord");
    for (shards, name, forms) in [
        (&path, "schema", &["json", "pbtxt", "python", "rust"][..]),
        (&sequence, "sequence", &["json", "pbtxt", "python"]),
    ] {
        for form in forms {
            let output = tfr().args(["schema", text(shards), "--format", form]).output().unwrap();
            assert!(output.status.success());
            let ending = [("python", "py"), ("rust", "rs")].iter().find(|(f, _)| f == form).map_or(*form, |(_, e)| *e);
            let expected = fs::read_to_string(snapshot(&format!("{name}.{ending}"))).unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{name}.{ending}");
        }
    }
    let written = dir.path().join("schema.json");
    tfr().args(["schema", text(&path), "-o", text(&written)]).assert().success();
    assert_eq!(fs::read(written).unwrap(), fs::read(snapshot("schema.json")).unwrap());
}

#[test]
fn the_text_for_tfdv_says_what_the_json_says() {
    for name in ["schema", "sequence"] {
        let [json, text] = ["json", "pbtxt"].map(|form| Schema::read(&snapshot(&format!("{name}.{form}"))).unwrap());
        assert_eq!(json, text, "{name}");
    }
}

#[test]
fn the_columns_of_a_schema_read_the_records_it_came_from() {
    let schema = Schema::read(&snapshot("schema.json")).unwrap();
    assert_eq!(generated::columns(), schema.columns());
    let mut writer = Writer::new(Vec::new());
    records().iter().for_each(|r| assert!(writer.write(r).is_ok()));
    let shard = Shard::from_bytes(writer.finish().unwrap());
    let payloads: Vec<_> = shard.records().map(|r| r.unwrap().payload).collect();
    let columns = ExampleParser::new(schema.columns()).unwrap().parse(payloads).unwrap();
    let shape = |name: &str| columns.iter().find(|c| c.name == name).unwrap().shape.clone();
    assert_eq!((shape("embedding"), shape("label"), shape("tokens")), (vec![60, 4], vec![60], vec![60]));
}

#[test]
fn what_is_inferred_is_no_more_than_the_records_show() {
    let schema = Schema::read(&snapshot("schema.json")).unwrap();
    let feature = |name: &str| &schema.features[name];
    assert_eq!((feature("label").min.clone(), feature("label").max.clone()), (Some(0.into()), Some(2.into())));
    assert_eq!(feature("width").max, None, "seven widths far from each other are no numbers of classes");
    assert_eq!(feature("kind").values.as_ref().unwrap().len(), 3);
    assert_eq!(feature("id").values, None, "as many as there are records");
    assert!(feature("image/encoded").image && !feature("id").image);
    assert_eq!((&feature("embedding").shape, &feature("label").shape), (&Some(vec![4]), &Some(vec![])));
    let tokens = feature("tokens");
    assert_eq!((&tokens.shape, tokens.min_len, tokens.max_len, tokens.required), (&None, Some(1), None, true));
    let sometimes = feature("sometimes");
    assert_eq!((&sometimes.shape, sometimes.required), (&Some(vec![]), false));
}

#[test]
fn records_follow_their_own_schema_and_each_anomaly_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let schema = Schema::read(&snapshot("schema.json")).unwrap();
    write(&path, &records());
    assert_eq!(run(&path, &schema, 2).findings_total, 0);

    let good = || {
        let e = ExampleBuilder::new().bytes("image/encoded", b"").int64("label", 0).text("kind", "cat").text("id", "0");
        e.floats("embedding", [0.5; 4]).int64s("tokens", [1]).int64("width", 1)
    };
    let mut payloads = records();
    payloads[10] = good().int64("label", 3).encode();
    payloads[20] = good().floats("embedding", [0.5; 3]).encode();
    payloads[30] = ExampleBuilder::new().int64("label", 0).encode();
    payloads[40] = good().float("width", 1.0).text("kind", "bird").encode();
    payloads[50] = good().int64s("tokens", []).int64("news", 1).encode();
    payloads[51] = good().int64("news", 1).encode();
    write(&path, &payloads);
    let report = run(&path, &schema, 1);
    assert_eq!(run(&path, &schema, 3).findings, report.findings);
    let schema_findings = report.findings.iter().filter(|f| f.kind == FindingKind::Schema);
    let errors: Vec<(u64, &str)> = schema_findings
        .clone()
        .filter(|f| f.severity == Severity::Error)
        .map(|f| (f.record.unwrap(), f.detail.as_str()))
        .collect();
    let missing = ["embedding", "id", "image/encoded", "kind", "tokens", "width"];
    let missing = missing.map(|name| format!("feature '{name}' is missing"));
    let mut expected = vec![
        (10, "feature 'label' has the value 3; 0 to 2 are allowed"),
        (20, "feature 'embedding' has 3 values; its shape [4] has 4"),
    ];
    expected.extend(missing.iter().map(|m| (30, m.as_str())));
    expected.extend([
        (40, "feature 'kind' has the value \"bird\", which is none of the 3 allowed"),
        (40, "feature 'width' is of float, not of int64"),
        (50, "feature 'tokens' has 0 values; 1 or more are allowed"),
    ]);
    assert_eq!(errors, expected);
    let warnings: Vec<_> = schema_findings.filter(|f| f.severity == Severity::Warning).map(|f| f.to_string()).collect();
    assert_eq!(warnings.len(), 1);
    let place = format!("warning schema: {}, record 50, offset ", path.display());
    let detail = "feature 'news', found in 2 records of the set, is not in the schema";
    assert!(warnings[0].starts_with(&place) && warnings[0].ends_with(detail), "{warnings:?}");
}

#[test]
fn feature_lists_are_held_against_the_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord/sequence.tfrecord");
    let mut schema = Schema::read(&snapshot("sequence.json")).unwrap();
    assert_eq!(schema.message, SchemaMessage::SequenceExample);
    assert_eq!(run(&path, &schema, 2).findings_total, 0);
    schema.feature_lists.get_mut("label").unwrap().min = Some(0.into());
    schema.feature_lists.get_mut("frames").unwrap().required = true;
    schema.feature_lists.remove("gain");
    let found: Vec<String> = run(&path, &schema, 2).findings.into_iter().map(|f| f.detail).collect();
    let missing = "feature 'feature_lists/frames' is missing".to_owned();
    assert_eq!(found.iter().filter(|f| **f == missing).count(), 3);
    assert!(
        found.iter().any(|f| f.contains("'feature_lists/label' has the value -1; 0 is the smallest allowed, in step"))
    );
    assert!(
        found.iter().any(|f| f == "feature 'feature_lists/gain', found in 1 record of the set, is not in the schema")
    );
    assert_eq!(found.len(), 5);
}

#[test]
fn payloads_that_are_no_messages_do_not_follow_a_schema() {
    let raw = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord/raw.tfrecord");
    let report = run(&raw, &Schema::new(SchemaMessage::Example), 1);
    assert!(report.errors > 0 && report.findings.iter().all(|f| f.kind == FindingKind::Proto), "{:?}", report.findings);
    let (code, failure) = tfr_json(&["schema", text(&raw)]);
    assert_eq!((code, &failure["error"]["kind"]), (1, &json!("proto")));
    let empty = raw.with_file_name("empty.tfrecord");
    assert_eq!(tfr_json(&["schema", text(&empty)]).0, 2);
}

#[test]
fn a_feature_of_two_kinds_has_no_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let record = |i: i64| match i % 2 {
        0 => ExampleBuilder::new().int64("score", i).encode(),
        _ => ExampleBuilder::new().floats("score", [0.5]).encode(),
    };
    write(&path, &(0..10).map(record).collect::<Vec<_>>());
    let (code, failure) = tfr_json(&["schema", text(&path)]);
    let message = failure["error"]["message"].as_str().unwrap();
    assert_eq!((code, &failure["error"]["kind"]), (1, &json!("schema")));
    assert!(message.contains("'score' is float in some records and int64 in others"), "{message}");
}

#[test]
fn validating_ends_as_the_schema_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    write(&path, &records());
    let file = dir.path().join("schema.json");
    fs::copy(snapshot("schema.json"), &file).unwrap();
    tfr().args(["validate", text(&path), "--schema", text(&file)]).assert().success();
    let narrow = fs::read_to_string(&file).unwrap().replace("\"max\": 2", "\"max\": 1");
    fs::write(&file, narrow).unwrap();
    let (code, report) = tfr_json(&["validate", text(&path), "--schema", text(&file)]);
    assert_eq!((code, &report["errors"], &report["findings"][0]["kind"]), (1, &json!(20), &json!("schema")));
    fs::write(&file, "{").unwrap();
    assert_eq!(tfr_json(&["validate", text(&path), "--schema", text(&file)]).0, 2);
    assert_eq!(tfr_json(&["validate", text(&path), "--schema", text(&dir.path().join("none"))]).0, 3);
}

#[test]
fn classes_by_name_are_the_domain_of_the_label() {
    let dir = tempfile::tempdir().unwrap();
    common::pictures(&dir.path().join("src"), &[3, 1]);
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    tfr().args(["convert", text(&src), text(&out), "--label-offset", "1", "--quiet"]).assert().success();
    let set = resolve(&[text(&out)]).unwrap().one(None).unwrap();
    let schema = stats(&set, &StatsOptions::default(), &Job::default()).unwrap().schema().unwrap();
    let label = &schema.features["image/class/label"];
    assert_eq!((label.kind, &label.min, &label.max), (Kind::Int64, &Some(1.into()), &Some(2.into())));
    assert!(schema.features["image/encoded"].image);
    assert_eq!(run(&out, &schema, 2).findings_total, 0);
}
