//! Somebody has SequenceExamples: a context, and feature lists, in every verb.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{text, tfr, tfr_json};
use serde_json::json;
use tfrkit::dataset::{ShardWriter, resolve};
use tfrkit::example::{ExampleBuilder, SequenceExampleBuilder, SequenceExampleView};
use tfrkit::pipeline::{Loader, LoaderOptions, Pipeline};
use tfrkit::record::Shard;

/// Clip `i` of a set: an id, a speaker, `i` mod 3 + 1 frames of audio, each of two samples, and words.
fn clip(i: i64) -> Vec<u8> {
    let steps = i % 3 + 1;
    SequenceExampleBuilder::new()
        .context(ExampleBuilder::new().int64("id", i).text("speaker", format!("s{}", i % 2)))
        .float_steps("audio", (0..steps).map(|t| [i as f32, t as f32]))
        .bytes_steps("words", (0..steps).map(|t| vec![format!("w{t}").into_bytes(); t as usize]))
        .encode()
}

fn write(path: &Path, payloads: impl IntoIterator<Item = Vec<u8>>) {
    let mut writer = ShardWriter::create(path, Default::default()).unwrap();
    payloads.into_iter().for_each(|payload| writer.write(&payload).unwrap());
    writer.finish().unwrap();
}

/// A folder with `clips` of the set `train`, and its shard.
fn clips(dir: &Path, count: i64) -> PathBuf {
    let path = dir.join("train-00000-of-00001.tfrecord");
    write(&path, (0..count).map(clip));
    path
}

/// Names of context and feature lists of the first record below `dir`.
fn names(dir: &Path) -> (Vec<String>, Vec<String>) {
    let shard = resolve(&[text(dir)]).unwrap().one(None).unwrap().shards.remove(0);
    let shard = Shard::open(shard).unwrap();
    let record = shard.records().next().unwrap().unwrap();
    let (mut features, mut lists) = (Vec::new(), Vec::new());
    let view = SequenceExampleView::new(record.payload);
    view.for_each(|name, entry| match entry {
        tfrkit::example::SequenceEntry::Feature(_) => features.push(name.to_owned()),
        tfrkit::example::SequenceEntry::List(_) => lists.push(name.to_owned()),
    })
    .unwrap();
    (features, lists)
}

/// `--keep id` that keeps the audio would publish what was to stay private.
#[test]
fn reshard_drops_keeps_and_renames_feature_lists() {
    let dir = tempfile::tempdir().unwrap();
    let shard = clips(dir.path(), 6);
    let names_after = |flags: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        tfr().args(["reshard", text(&shard), "-o", text(out.path())]).args(flags).assert().success();
        let (features, lists) = names(out.path());
        (features.join(","), lists.join(","))
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(names_after(&["--keep", "id"]), pair("id", ""));
    assert_eq!(names_after(&["--keep", "id", "--keep", "words"]), pair("id", "words"));
    assert_eq!(names_after(&["--drop", "audio", "--drop", "speaker"]), pair("id", "words"));
    assert_eq!(names_after(&["--rename", "audio=sound", "--rename", "id=key"]), pair("key,speaker", "sound,words"));
    assert_eq!(names_after(&[]), pair("id,speaker", "audio,words"));
    let (code, onto) =
        tfr_json(&["reshard", text(&shard), "-o", text(&dir.path().join("o")), "--rename", "audio=words"]);
    assert_eq!(code, 1);
    assert!(onto["error"]["message"].as_str().unwrap().contains("'words' is there already"), "{onto}");
}

const COLUMNS: &str = r#"
[batch]
output = "columns"
size = 2
[[column]]
name = "id"
kind = "int64"
[[column]]
name = "audio"
kind = "float"
layout = "steps"
shape = [2]
[[column]]
name = "words"
kind = "bytes"
layout = "ragged_steps"
"#;

#[test]
fn columns_of_feature_lists_come_in_batches_and_in_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let shard = clips(dir.path(), 4);
    let set = resolve(&[text(&shard)]).unwrap().one(None).unwrap();
    let options = LoaderOptions { mode: tfrkit::pipeline::Mode::Eval, threads: 1, ..Default::default() };
    let mut loader = Loader::open(&set, &Pipeline::parse(COLUMNS).unwrap(), options).unwrap();
    let batch = loader.next().unwrap().unwrap();
    let audio = batch.column("audio").unwrap();
    assert_eq!((&audio.shape, &audio.lengths), (&vec![2, 2, 2], &vec![1, 2]));
    assert_eq!(audio.values.floats().unwrap(), [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
    let words = batch.column("words").unwrap();
    assert_eq!((&words.row_splits, &words.step_splits), (&vec![0, 1, 3], &vec![0, 0, 0, 1]));
    drop(loader);

    let (spec, out) = (dir.path().join("p.toml"), dir.path().join("npy"));
    fs::write(&spec, COLUMNS).unwrap();
    let args = ["stream", text(&shard), "--pipeline", text(&spec), "--mode", "eval", "--digest"];
    let (code, summary) = tfr_json(&[&args[..], &["--save-npy", text(&out)]].concat());
    assert_eq!((code, &summary["batches"]), (0, &json!(2)));
    let saved = |name: &str| fs::metadata(out.join(format!("batch-000001.{name}.npy"))).is_ok();
    assert!(["audio", "audio.lengths", "words", "words.row_splits", "words.step_splits"].into_iter().all(saved));
    // The digest tells where steps begin: ["a", "b"] in one step is not the same as in two.
    let digest = |steps: &[&[&str]]| {
        let path = dir.path().join("d.tfrecord");
        let steps = steps.iter().map(|step| step.iter().map(|word| word.as_bytes()));
        let context = ExampleBuilder::new().int64("id", 1);
        let payload = SequenceExampleBuilder::new().context(context).float_steps("audio", [[1.0, 2.0]]);
        write(&path, [payload.bytes_steps("words", steps).encode()]);
        let (_, summary) = tfr_json(&[&["stream", text(&path)], &args[2..]].concat());
        summary["digest"].clone()
    };
    assert_ne!(digest(&[&["a", "b"]]), digest(&[&["a"], &["b"]]));

    // A layout of features finds no feature list, and says so in place of a column of nothing.
    for (layout, name) in [("ragged", "audio"), ("ragged_steps", "speaker")] {
        let column = format!(
            "[batch]\noutput = \"columns\"\n[[column]]\nname = \"{name}\"\nkind = \"float\"\nlayout = \"{layout}\""
        );
        fs::write(&spec, column).unwrap();
        let (code, found) = tfr_json(&args[..6]);
        let message = found["error"]["message"].as_str().unwrap();
        assert_eq!(code, 1);
        assert!(message.contains(&format!("'{name}' is a feature")) && message.contains("record 0"), "{message}");
    }
}

/// A reader of Examples passes over feature lists without a word; what looks at shards does not.
#[test]
fn a_shard_that_mixes_messages_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mixed.tfrecord");
    let example = |i: i64| ExampleBuilder::new().int64("id", i).encode();
    write(&path, (0..20).map(|i| if i == 17 { clip(i) } else { example(i) }));
    let (code, found) = tfr_json(&["validate", text(&path)]);
    let finding = &found["findings"][0];
    assert_eq!((code, &found["findings_total"], &finding["record"]), (1, &json!(1), &json!(17)));
    assert!(finding["detail"].as_str().unwrap().contains("feature lists"), "{finding}");
    let (_, found) = tfr_json(&["stats", text(&path)]);
    let set = &found["sets"]["mixed"];
    assert_eq!((&set["message"], &set["without_lists"]), (&json!("SequenceExample"), &json!(19)));
    assert_eq!((&set["unreadable"], &set["feature_lists"]["audio"]["missing"]), (&json!(0), &json!(0.95)));
    let (_, found) = tfr_json(&["info", text(&path)]);
    assert_eq!(
        (&found["feature_lists"]["audio"]["presence"], &found["features"]["id"]["presence"]),
        (&json!(0.05), &json!(1.0))
    );
    // A column of the list names the first record that lacks it.
    let spec = dir.path().join("p.toml");
    fs::write(&spec, COLUMNS).unwrap();
    let (code, found) = tfr_json(&["stream", text(&path), "--pipeline", text(&spec), "--mode", "eval"]);
    assert_eq!((code, &found["error"]["record"]), (1, &json!(0)));
    assert!(
        found["error"]["message"].as_str().unwrap().contains("'audio' is missing among the feature lists"),
        "{found}"
    );
}
