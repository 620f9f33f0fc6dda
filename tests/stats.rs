//! `tfr stats`: what the values of a set are like, and how two sets differ.

mod common;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use serde_json::{Value, json};
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::example::ExampleBuilder;
use tfrkit::inspect::{Ignored, MessageType, QUANTILES, Stats, StatsOptions, Thresholds, stats, stats_stream};
use tfrkit::record::{Compression, Io, Writer};

use common::{text, tfr, tfr_json};

fn write(path: &Path, payloads: impl IntoIterator<Item = Vec<u8>>) {
    let compression = if text(path).ends_with(".gz") { Compression::Gzip } else { Compression::None };
    let mut writer = Writer::with_compression(Vec::new(), compression);
    for payload in payloads {
        writer.write(&payload).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
}

fn gather(path: &Path, job: Job<'_>) -> Stats {
    stats(&resolve(&[text(path)]).unwrap().one(None).unwrap(), &StatsOptions::default(), &job).unwrap()
}

fn fixture(name: &str) -> Stats {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord").join(name);
    gather(&path, Job::default())
}

/// A number that looks random.
fn draw(i: u64) -> u64 {
    let n = i.wrapping_add(1).wrapping_mul(0xd134_2543_de82_ef95);
    (n ^ (n >> 29)).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20
}

/// The mean and the deviation in two passes, as the textbook has it.
fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[test]
fn what_is_told_is_what_can_be_computed_from_the_values() {
    let dir = tempfile::tempdir().unwrap();
    let n = 30_000u64;
    let score = |i: u64| (draw(i) % 100_000) as f32 / 1000.0 - 20.0;
    let class = |i: u64| ["cat", "dog", "cat", "bird"][(draw(i) % 4) as usize];
    let record = |i: u64| {
        let e =
            ExampleBuilder::new().float("score", score(i)).text("class", class(i)).int64("id", 1_000_000 + i as i64);
        let e = e.int64s("boxes", (0..i % 4).map(|b| b as i64));
        if i.is_multiple_of(5) { e.bytes("blob", &[0xff; 200]) } else { e }.encode()
    };
    // More records than a piece of work has, in three shards.
    for shard in 0..3u64 {
        let path = dir.path().join(format!("train-{shard:05}-of-00003.tfrecord"));
        write(&path, (shard * n / 3..(shard + 1) * n / 3).map(record));
    }
    let found = gather(dir.path(), Job::default());
    assert_eq!((found.records, found.unreadable, found.message), (n, 0, Some(MessageType::Example)));

    let mut scores: Vec<f64> = (0..n).map(|i| f64::from(score(i))).collect();
    let (mean, std) = mean_and_std(&scores);
    let told = found.features["score"].numbers.clone().unwrap();
    assert_eq!((told.count, found.features["score"].missing), (n, 0.0));
    assert!((told.mean - mean).abs() < 1e-9 && (told.std - std).abs() < 1e-9, "{told:?}, {mean}, {std}");
    scores.sort_by(f64::total_cmp);
    assert_eq!((told.min, told.max), (scores[0], scores[n as usize - 1]));
    assert_eq!(told.zeros, scores.iter().filter(|v| **v == 0.0).count() as u64);
    for (fraction, quantile) in QUANTILES.into_iter().zip(told.quantiles) {
        let rank = scores.partition_point(|v| *v <= quantile) as f64 / n as f64;
        assert!((rank - fraction).abs() < 0.01, "{fraction}: {quantile} has the rank {rank}");
    }

    let class_count = |name| (0..n).filter(|i| class(*i) == name).count() as u64;
    let classes = &found.features["class"];
    let top: Vec<(&str, u64)> = classes.top.iter().map(|t| (t.value.as_str().unwrap(), t.count)).collect();
    let mut expected = ["cat", "dog", "bird"].map(|name| (name, class_count(name)));
    expected.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    assert_eq!((classes.distinct, classes.top_error, top), (Some(3), 0, expected.to_vec()));

    // All different: too many to follow, which is said.
    let id = &found.features["id"];
    assert_eq!((id.distinct, id.int_range), (None, Some((1_000_000, 1_000_000 + n as i64 - 1))));
    assert!(id.top_error > 0 && id.top_error <= n / 1000);

    let boxes = found.features["boxes"].lengths.clone().unwrap();
    assert_eq!((boxes.count, boxes.min, boxes.max, boxes.mean), (n, 0.0, 3.0, 1.5));
    let blob = &found.features["blob"];
    assert_eq!((blob.records, blob.missing, blob.distinct), (n / 5, 0.8, None));
    let lengths = blob.byte_lengths.clone().unwrap();
    assert_eq!((lengths.min, lengths.max, lengths.std, lengths.quantiles), (200.0, 200.0, 0.0, [200.0; 7]));

    // To the last bit the same on any number of threads.
    let json = serde_json::to_string(&found).unwrap();
    for threads in [1, 3, 40] {
        assert_eq!(serde_json::to_string(&gather(dir.path(), Job { threads, ..Default::default() })).unwrap(), json);
    }
    let read = gather(dir.path(), Job { io: Io::Read, ..Default::default() });
    let told_by_reading = read.features["score"].numbers.clone().unwrap();
    assert!((told_by_reading.mean - told.mean).abs() < 1e-9 && told_by_reading.min == told.min);
}

#[test]
fn shards_that_tensorflow_wrote_are_described() {
    let plain = fixture("plain.tfrecord");
    assert_eq!((plain.records, plain.unreadable), (11, 0));
    let (score, label, name) = (&plain.features["score"], &plain.features["label"], &plain.features["name"]);
    assert_eq!((score.records, score.nan, score.infinite, score.negative_infinite), (4, 1, 2, 1));
    assert_eq!(score.numbers.as_ref().unwrap().max, f64::from(f32::MAX));
    assert_eq!(label.int_range, Some((i64::MIN, i64::MAX)));
    let lengths = name.lengths.as_ref().unwrap();
    assert_eq!((lengths.min, lengths.max), (0.0, 4.0));
    assert!(name.top.iter().any(|t| t.value == "naïve café"));
    for packed in ["plain.tfrecord.gz", "plain.tfrecord.zlib", "multi_member.tfrecord.gz"] {
        let found = serde_json::to_value(fixture(packed)).unwrap();
        assert_eq!(found, serde_json::to_value(&plain).unwrap(), "{packed}");
    }

    let sequence = fixture("sequence.tfrecord");
    assert_eq!((sequence.records, sequence.message), (5, Some(MessageType::SequenceExample)));
    assert_eq!((sequence.features["id"].records, sequence.features["id"].missing), (3, 0.4));
    let mixed = &sequence.feature_lists["mixed_lengths"];
    let (steps, lengths) = (mixed.steps.as_ref().unwrap(), mixed.lengths.as_ref().unwrap());
    assert_eq!((steps.count, steps.max, lengths.count, lengths.min, lengths.max), (1, 4.0, 4, 0.0, 3.0));
    let frames = sequence.feature_lists["frames"].steps.as_ref().unwrap();
    assert_eq!((frames.count, frames.min, frames.max), (2, 0.0, 3.0), "a list without steps is a list");

    let raw = fixture("raw.tfrecord");
    assert_eq!((raw.records, raw.message, raw.features.len()), (4, Some(MessageType::Raw), 0));
    assert_eq!(fixture("empty.tfrecord").payload_bytes, None);
    let merged = fixture("duplicate_keys.tfrecord");
    assert_eq!(merged.features["a"].other_kinds.len(), 2);
}

#[test]
fn images_and_labels_are_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    common::pictures(&dir.path().join("src"), &[5, 2, 3]);
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    tfr().args(["convert", text(&src), text(&out), "--label-offset", "1", "--quiet"]).assert().success();
    let (code, found) = tfr_json(&["stats", text(&out)]);
    assert_eq!(code, 0);
    let train = &found["sets"]["train"];
    let count = |label, count| json!({"label": label, "name": format!("class-{}", label - 1), "count": count});
    assert_eq!(train["labels"], json!([count(1, 5), count(2, 2), count(3, 3)]));
    let images = &train["features"]["image/encoded"]["images"];
    assert_eq!(images["formats"], json!({"JPEG": 10}));
    // Heights are 40 + i mod 7, widths 50 + class.
    assert_eq!((&images["height"]["min"], &images["height"]["max"]), (&json!(40.0), &json!(44.0)));
    assert_eq!((&images["width"]["mean"], &images["aspect"]["count"]), (&json!(50.8), &json!(10)));

    let shown = String::from_utf8(tfr().args(["stats", text(&out)]).output().unwrap().stdout).unwrap();
    let line =
        |start: &str| shown.lines().find(|l| l.trim_start().starts_with(start)).unwrap_or_else(|| panic!("{shown}"));
    assert!(line("1  class-0").ends_with(&format!("5  {}", "#".repeat(40))), "{shown}");
    assert!(line("image/encoded: ").ends_with("10 JPEG"));
    assert!(line("image/width").contains("50.800"));

    // Without a manifest, labels.txt names them from 0; a class that never comes and a label that is none are there.
    fs::remove_file(out.join("manifest.json")).unwrap();
    let (_, found) = tfr_json(&["stats", text(&out)]);
    let labels = &found["sets"]["train"]["labels"];
    assert_eq!(labels[0], json!({"label": 0, "name": "class-0", "count": 0}));
    assert_eq!(labels[3], json!({"label": 3, "name": null, "count": 3}));
}

#[test]
fn sets_are_told_apart_and_streams_are_sets_too() {
    let dir = tempfile::tempdir().unwrap();
    let record = |i: i64| ExampleBuilder::new().int64("n", i).encode();
    write(&dir.path().join("train-00000-of-00001.tfrecord"), (0..3).map(record));
    write(&dir.path().join("val-00000-of-00001.tfrecord.gz"), (0..2).map(record));
    let (_, found) = tfr_json(&["stats", text(dir.path()), "--top", "1"]);
    assert_eq!((&found["sets"]["train"]["records"], &found["sets"]["val"]["records"]), (&json!(3), &json!(2)));
    assert_eq!(found["sets"]["train"]["features"]["n"]["top"], json!([{"value": 0, "count": 1}]));
    let (_, found) = tfr_json(&["stats", text(dir.path()), "--set", "val"]);
    assert_eq!(found["sets"].as_object().unwrap().keys().collect::<Vec<_>>(), ["val"]);
    let data = fs::read(dir.path().join("val-00000-of-00001.tfrecord.gz")).unwrap();
    let output = tfr().args(["stats", "-", "--json"]).write_stdin(data.clone()).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["sets"]["-"]["records"], 2);
    // Damage is an error, with its place.
    let cut = Box::new(Cursor::new(data[..data.len() - 9].to_vec()));
    assert!(stats_stream(cut, &StatsOptions::default(), &Job::default()).is_err());
}

#[test]
fn records_that_are_no_message_are_counted_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let mut payloads = vec![ExampleBuilder::new().int64("n", 1).encode(); 3];
    payloads.push(b"\xff no message".to_vec());
    write(&path, payloads);
    let found = gather(&path, Job::default());
    assert_eq!((found.records, found.unreadable, found.features["n"].records), (4, 1, 3));
}

#[test]
fn a_drift_is_found_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let set = |name: &str, shift: f32, cats: u64, extra: bool| {
        let path = dir.path().join(format!("{name}.tfrecord"));
        let record = |i: u64| {
            let kind = if i < cats { "cat" } else { ["dog", "bird"][i as usize % 2] };
            let e = ExampleBuilder::new().text("kind", kind).float("x", (draw(i) % 1000) as f32 + shift);
            let e = e.int64("same", (i % 3) as i64);
            if extra { e.int64("extra", 1) } else { e }.encode()
        };
        write(&path, (0..1000).map(record));
        path
    };
    let train = set("train", 0.0, 500, false);
    let drifted = set("serving", 500.0, 700, true);
    let apart = set("apart", 5000.0, 500, false);
    let (train, drifted, apart) =
        (gather(&train, Job::default()), gather(&drifted, Job::default()), gather(&apart, Job::default()));

    let same =
        train.compare(&train, &Thresholds { l_infinity: 0.0, jensen_shannon: 0.0 }, &Ignored::default()).unwrap();
    assert_eq!(
        (same.over, same.features["x"].jensen_shannon, same.features["kind"].l_infinity),
        (0, Some(0.0), Some(0.0))
    );
    let found = train.compare(&drifted, &Thresholds::default(), &Ignored::default()).unwrap();
    let over: Vec<&str> = found.features.iter().filter(|(_, d)| d.over).map(|(name, _)| name.as_str()).collect();
    assert_eq!((found.over, over), (3, vec!["extra", "kind", "x"]));
    let kind = &found.features["kind"];
    assert!((kind.l_infinity.unwrap() - 0.2).abs() < 1e-12, "{kind:?}");
    assert_eq!(kind.l_infinity_value, Some(json!("cat")));
    assert_eq!(found.features["extra"].missing, [1.0, 0.0]);
    // Uniform on 0..1000 and on 500..1500; the tenths of both together are at 200, 400, 550, ..., 950, 1100, 1300.
    let side = 0.4 + 0.15 * (0.15f64 / 0.1).log2() + 0.05 * (0.05f64 / 0.1).log2();
    let x = found.features["x"].jensen_shannon.unwrap();
    assert!((x - side).abs() < 0.03, "{x}, not {side}");
    assert_eq!(found.features["same"].jensen_shannon, Some(0.0));
    // Nothing in common: a whole bit.
    let x = train.compare(&apart, &Thresholds::default(), &Ignored::default()).unwrap().features["x"]
        .jensen_shannon
        .unwrap();
    assert!((x - 1.0).abs() < 1e-12, "{x}");
    // And the thresholds are those given.
    let loose = Thresholds { l_infinity: 0.21, jensen_shannon: 0.6 };
    assert_eq!(train.compare(&drifted, &loose, &Ignored::default()).unwrap().over, 1, "a feature that one side lacks");
}

#[test]
fn comparing_ends_with_1_beyond_the_thresholds() {
    let dir = tempfile::tempdir().unwrap();
    let record = |i: i64| ExampleBuilder::new().int64("n", i % 10).encode();
    let (a, b) = (dir.path().join("a-00000-of-00001.tfrecord"), dir.path().join("b-00000-of-00001.tfrecord"));
    write(&a, (0..1000).map(record));
    write(&b, (0..900).map(record).chain(vec![record(0); 100]));
    let (code, found) = tfr_json(&["stats", text(&a), "--compare", text(&b)]);
    assert_eq!((code, &found["over"], &found["records"]), (0, &json!(0), &json!([1000, 1000])));
    assert!((found["features"]["n"]["l_infinity"].as_f64().unwrap() - 0.09).abs() < 1e-12);
    let (code, found) = tfr_json(&["stats", text(&a), "--compare", text(&b), "--max-l-infinity", "0.05"]);
    assert_eq!((code, &found["over"], &found["features"]["n"]["kind"]), (1, &json!(1), &json!(["int64", "int64"])));
    // Two sets on one side are not compared by chance.
    let (code, found) = tfr_json(&["stats", text(&a), "--compare", text(dir.path())]);
    assert_eq!(code, 2);
    assert!(found["error"]["message"].as_str().unwrap().contains("--compare"), "{found}");
    tfr().args(["stats", text(&a), "--max-l-infinity", "0.1"]).assert().code(2);
    tfr().args(["stats", text(&a), "--compare", text(&b), "--max-l-infinity", "2"]).assert().code(2);
}

#[test]
fn a_set_is_held_against_another_and_never_against_itself() {
    let dir = tempfile::tempdir().unwrap();
    let record = |i: i64| ExampleBuilder::new().int64("n", i % 10).encode();
    write(&dir.path().join("train-00000-of-00001.tfrecord"), (0..1000).map(record));
    write(&dir.path().join("val-00000-of-00001.tfrecord"), (0..100).map(|_| record(3)));
    let shards = text(dir.path());
    for flags in
        [&["--compare", shards][..], &["--compare", shards, "--compare-set", "train"], &["--compare-set", "train"]]
    {
        let (code, found) = tfr_json(&[&["stats", shards, "--set", "train"], flags].concat());
        assert_eq!(code, 2, "{flags:?}: {found}");
        let message = found["error"]["message"].as_str().unwrap();
        assert!(message.contains("'train' is held against itself"), "{message}");
    }
    for flags in [&["--compare-set", "val"][..], &["--compare", shards, "--compare-set", "val"]] {
        let (code, found) = tfr_json(&[&["stats", shards, "--set", "train"], flags].concat());
        assert_eq!((code, &found["records"], &found["over"]), (1, &json!([1000, 100]), &json!(1)));
    }
    let (code, _) = tfr_json(&["stats", shards, "--set", "train", "--compare-set", "test"]);
    assert_eq!(code, 2);
}

#[test]
fn what_tells_records_apart_is_left_out_of_a_comparison_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let set = |name: &str, count: i64| {
        let path = dir.path().join(format!("{name}-00000-of-00001.tfrecord"));
        let record = |i: i64| {
            let e = ExampleBuilder::new().text("image/filename", format!("{name}/{i}.jpg")).int64("label", i % 3);
            let e = e.text("image/key/sha256", format!("{name}{i:060}")).text("uuid", format!("{name}-{i}"));
            e.text("word", ["a", "b"][i as usize % 2]).encode()
        };
        write(&path, (0..count).map(record));
        path
    };
    for (a, b) in [(30, 15), (3000, 2000)] {
        let (a, b) = (set("a", a), set("b", b));
        let (code, found) = tfr_json(&["stats", text(&a), "--compare", text(&b)]);
        assert_eq!((code, &found["over"]), (0, &json!(0)), "{found}");
        assert_eq!(found["ignored"], json!(["image/filename", "image/key/sha256", "uuid"]));
        assert_eq!(found["features"].as_object().unwrap().keys().collect::<Vec<_>>(), ["label", "word"]);
    }
    let (a, b) = (set("a", 30), set("b", 15));
    let args = ["stats", text(&a), "--compare", text(&b)];
    let shown = String::from_utf8(tfr().args(args).output().unwrap().stdout).unwrap();
    assert!(shown.ends_with("left out: image/filename, image/key/sha256, uuid (`--ignore` chooses)\n"), "{shown}");
    let (code, found) =
        tfr_json(&[&args[..], &["--ignore", "word", "--ignore", "uuid", "--max-l-infinity", "0.05"]].concat());
    assert_eq!((code, &found["ignored"]), (1, &json!(["uuid", "word"])));
    let (_, found) = tfr_json(&[&args[..], &["--ignore", "none"]].concat());
    assert_eq!((&found["ignored"], found["features"].as_object().unwrap().len()), (&json!([]), 5));
    let (code, found) = tfr_json(&[&args[..], &["--ignore", "wrod"]].concat());
    assert_eq!(code, 2);
    assert!(found["error"]["help"].as_str().unwrap().starts_with("did you mean 'word'?"), "{found}");
    tfr().args(["stats", text(&a), "--ignore", "word"]).assert().code(2);
}

#[test]
fn values_that_are_no_finite_numbers_are_counted_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, of: &dyn Fn(usize) -> [f32; 3]| {
        let path = dir.path().join(name);
        let mut writer = Writer::new(fs::File::create(&path).unwrap());
        for i in 0..2 {
            writer.write(&ExampleBuilder::new().floats("score", of(i)).int64("n", 7).encode()).unwrap();
        }
        writer.finish().unwrap();
        path
    };
    let none =
        write("none.tfrecord", &|i| [f32::NAN, f32::NEG_INFINITY, if i == 0 { f32::INFINITY } else { f32::NAN }]);
    let some = write("some.tfrecord", &|i| [f32::NAN, i as f32, 3.0]);
    let row = |path: &Path| {
        let said =
            String::from_utf8(common::tfr().args(["stats", common::text(path)]).output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = said.lines().filter(|l| l.starts_with("score") || l.starts_with("n ")).collect();
        assert_eq!(lines[0].rfind("2 values"), lines[1].rfind(" of 6").map(|at| at - 1), "columns are aligned: {said}");
        lines[1].split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row(&none), "score float 0.0 % 3 - - - - - - - 0 of 6 values; 3 NaN, 1 +inf, 2 -inf");
    let told = row(&some);
    assert!(told.starts_with("score float 0.0 % 3 0 0 1 3 3 1.7500 "), "{told}");
    assert!(told.ends_with(" 4 of 6 values; 2 NaN"), "{told}");
    let (_, json) = common::tfr_json(&["stats", common::text(&none)]);
    let score = &json["sets"]["none"]["features"]["score"];
    assert_eq!((&score["numbers"], &score["nan"]), (&json!(null), &json!(3)));
    assert_eq!((&score["infinite"], &score["negative_infinite"]), (&json!(3), &json!(2)));
    // A feature that has become NaN has changed.
    let (code, json) = common::tfr_json(&["stats", common::text(&none), "--compare", common::text(&some)]);
    assert_eq!((code, &json["features"]["score"]["over"]), (1, &json!(true)));
    assert_eq!(json["features"]["score"]["not_finite"][0], json!(1.0));
}
