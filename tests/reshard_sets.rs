//! `tfr reshard`: sets stay what they are, what lies beside them stays true, and what is wrong is told.

mod common;

use std::fs;
use std::path::Path;

use common::{names, pictures, shard_bytes, text, tfr, tfr_json};
use serde_json::{Value, json};
use tfrkit::dataset::{ShardWriter, idx_path, shard_file_name};
use tfrkit::example::ExampleBuilder;
use tfrkit::record::{Compression, Io, RecordSource};

fn set(dir: &Path, name: &str, payloads: &[Vec<u8>]) -> std::path::PathBuf {
    fs::create_dir_all(dir).unwrap();
    let path = dir.join(shard_file_name(name, 0, 1, Compression::None));
    let mut writer = ShardWriter::create(&path, Compression::None).unwrap();
    payloads.iter().for_each(|p| writer.write(p).unwrap());
    writer.finish().unwrap();
    path
}

fn labels(n: i64) -> Vec<Vec<u8>> {
    (0..n).map(|i| ExampleBuilder::new().int64("label", i).encode()).collect()
}

/// Runs the command, which must succeed.
fn done(args: &[&str]) -> Value {
    let (code, json) = tfr_json(args);
    assert_eq!(code, 0, "{args:?}: {json}");
    json
}

/// Runs the command, which must fail; the error.
fn failed(args: &[&str], code: i32) -> Value {
    let (found, json) = tfr_json(args);
    assert_eq!(found, code, "{args:?}: {json}");
    json["error"].clone()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// No finding at all.
fn is_clean(dir: &Path) {
    assert_eq!(done(&["validate", text(dir)])["findings_total"], 0);
}

#[test]
fn what_convert_wrote_keeps_its_sets_classes_and_metadata() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, a, b] = ["src", "a", "b"].map(|n| tmp.path().join(n));
    pictures(&src, &[20, 12, 8]);
    let split = "train=0.75,val=0.25";
    done(&["convert", text(&src), text(&a), "--split", split, "--shards", "5", "--label-offset", "1"]);
    let report = done(&["reshard", text(&a), "-o", text(&b), "--shards", "train=3,val=1", "--shuffle"]);
    assert_eq!(report["sets"], json!({"train": 30, "val": 10}));
    assert_eq!((&report["records"], &report["dropped"], &report["warnings"]), (&json!(40), &json!(0), &json!([])));
    assert_eq!(report["shards"].as_array().unwrap().len(), 4);
    is_clean(&b);
    for name in ["labels.txt", "labels.pbtxt", "features.json", "image.class.label.labels.txt"] {
        assert_eq!(fs::read(a.join(name)).unwrap(), fs::read(b.join(name)).unwrap(), "{name}");
    }
    let manifest = read_json(&b.join("manifest.json"));
    assert_eq!((&manifest["classes"][2], &manifest["label_offset"]), (&json!("class-2"), &json!(1)));
    let info = read_json(&b.join("dataset_info.json"));
    assert_eq!(info["splits"][0]["shardLengths"], json!(["10", "10", "10"]));
    assert_eq!(info["splits"][1]["shardLengths"], json!(["10"]));
    assert_eq!(names(&b.join("idx")).len(), 4);

    // Compressed: TFDS reads none of it, and what said otherwise is gone; back again, it is all there again.
    let [c, d] = ["c", "d"].map(|n| tmp.path().join(n));
    done(&["reshard", text(&b), "-o", text(&c), "--compression", "gzip", "--shards", "1"]);
    is_clean(&c);
    assert!(!c.join("features.json").exists() && !c.join("idx").exists());
    done(&["reshard", text(&c), "-o", text(&d), "--compression", "none", "--shards", "train=3,val=1"]);
    is_clean(&d);
    assert_eq!(shard_bytes(&d), shard_bytes(&b));
    assert_eq!(read_json(&d.join("dataset_info.json"))["splits"], info["splits"]);

    // A set replaced by one with other features is no longer what TFDS is told.
    let report = done(&["reshard", text(&a), "-o", text(&d), "--set", "val", "--drop", "image/filename", "--force"]);
    assert!(report["warnings"][0].as_str().unwrap().contains("TFDS"), "{report}");
    let info = read_json(&d.join("dataset_info.json"));
    assert_eq!(info["splits"].as_array().unwrap().iter().map(|s| &s["name"]).collect::<Vec<_>>(), ["train"]);
    is_clean(&d);
}

#[test]
fn metadata_of_tfds_itself_follow_the_records() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, out] = ["from", "out"].map(|n| tmp.path().join(n));
    fs::create_dir(&from).unwrap();
    for (shard, n) in [(0, 4), (1, 3)] {
        let path = from.join(format!("mnist-train.tfrecord-{shard:05}-of-00002"));
        let mut writer = ShardWriter::create(path, Compression::None).unwrap();
        labels(n).iter().for_each(|p| writer.write(p).unwrap());
        writer.finish().unwrap();
    }
    let features = "{\"pythonClassName\": \"x\" }";
    fs::write(from.join("features.json"), features).unwrap();
    fs::write(from.join("label.labels.txt"), "0\n1\n").unwrap();
    let info = json!({
        "name": "mnist", "version": "3.0.1", "description": "digits", "fileFormat": "tfrecord",
        "splits": [{"name": "train", "shardLengths": ["4", "3"]}, {"name": "test", "shardLengths": ["9"]}],
    });
    fs::write(from.join("dataset_info.json"), info.to_string()).unwrap();
    done(&["reshard", text(&from), "-o", text(&out), "--name", "train", "--shards", "3"]);
    is_clean(&out);
    assert_eq!(fs::read_to_string(out.join("features.json")).unwrap(), features);
    assert_eq!(fs::read_to_string(out.join("label.labels.txt")).unwrap(), "0\n1\n");
    let info = read_json(&out.join("dataset_info.json"));
    assert_eq!(
        (&info["name"], &info["version"], &info["description"]),
        (&json!("mnist"), &json!("3.0.1"), &json!("digits"))
    );
    let splits = info["splits"].as_array().unwrap();
    assert_eq!((splits.len(), &splits[0]["shardLengths"]), (1, &json!(["3", "2", "2"])));
    assert_eq!(splits[0]["filepathTemplate"], "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}");

    // Without a name, the new set is called as the split that the old one is.
    let same = tmp.path().join("same");
    done(&["reshard", text(&from), "-o", text(&same), "--shards", "1"]);
    is_clean(&same);
    let splits = read_json(&same.join("dataset_info.json"))["splits"].clone();
    assert_eq!((&splits[0]["name"], &splits[0]["shardLengths"]), (&json!("train"), &json!(["7"])));
    assert_eq!(splits[0]["filepathTemplate"], "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}");

    let renamed = tmp.path().join("renamed");
    let report = done(&["reshard", text(&from), "-o", text(&renamed), "--rename", "label=class"]);
    assert!(report["warnings"][0].as_str().unwrap().contains("TFDS"), "{report}");
    assert!(!renamed.join("features.json").exists() && !renamed.join("dataset_info.json").exists());
    done(&["reshard", text(&from), "-o", text(&same), "--rename", "label=class", "--shards", "1", "--force"]);
    assert!(!same.join("features.json").exists() && !same.join("dataset_info.json").exists());
}

#[test]
fn tfds_is_told_nothing_of_sets_with_other_features() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, a, out, plain] = ["src", "a", "out", "plain"].map(|n| tmp.path().join(n));
    pictures(&src, &[4, 3]);
    done(&["convert", text(&src), text(&a)]);
    done(&["reshard", text(&a), "-o", text(&out), "--name", "small", "--drop", "image/width"]);
    assert!(!out.join("features.json").exists());
    let splits = |dir: &Path| {
        let info = read_json(&dir.join("dataset_info.json"));
        info["splits"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    done(&["convert", text(&src), text(&out), "--name", "whole"]);
    assert_eq!(splits(&out), ["whole"]);
    assert_eq!(read_json(&out.join("manifest.json"))["sets"]["small"]["undescribed"], true);
    is_clean(&out);
    // Neither by a change of its shards nor beside others does it become what it is not.
    done(&["reshard", text(&out), "-o", text(&plain), "--set", "small", "--shards", "2"]);
    assert!(!plain.join("features.json").exists());
    done(&["reshard", text(&a), "-o", text(&plain), "--name", "whole"]);
    assert_eq!(splits(&plain), ["whole"]);
    assert_eq!(fs::read(plain.join("features.json")).unwrap(), fs::read(a.join("features.json")).unwrap());
}

#[test]
fn a_manifest_that_cannot_be_read_costs_no_records() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, out] = ["from", "out"].map(|n| tmp.path().join(n));
    set(&from, "train", &labels(3));
    for manifest in ["{", r#"{"version":1,"sets":{},"classes":["a"],"label_offset":4000000000000000000}"#] {
        fs::write(from.join("manifest.json"), manifest).unwrap();
        let report = done(&["reshard", text(&from), "-o", text(&out), "--force"]);
        assert_eq!(report["records"], 3);
        assert!(report["warnings"][0].as_str().unwrap().contains("class names are left out"), "{report}");
    }
}

#[test]
fn several_sets_become_one_only_when_that_is_said() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    set(&from, "train", &labels(6));
    set(&from, "test", &labels(3));
    let out = tmp.path().join("out");
    let (from, o) = (text(&from), text(&out));
    for flags in [&["--name", "x"][..], &["--split", "a=0.5,b=0.5"]] {
        let error = failed(&[&["reshard", from, "-o", o], flags].concat(), 2);
        assert!(error["message"].as_str().unwrap().contains("test, train"), "{error}");
        assert!(error["help"].as_str().unwrap().contains("--merge"), "{error}");
    }
    assert!(!out.exists());
    failed(&["reshard", from, "-o", o, "--merge"], 2);
    let sets = |name: &str, flags: &[&str]| {
        let out = tmp.path().join(name);
        done(&[&["reshard", from, "-o", text(&out)], flags].concat())["sets"].clone()
    };
    assert_eq!(sets("1", &[]), json!({"test": 3, "train": 6}));
    assert_eq!(sets("2", &["--set", "train", "--name", "x"]), json!({"x": 6}));
    assert_eq!(sets("3", &["--merge", "--name", "x"]), json!({"x": 9}));
    // Each set by itself: a condition, and a number of records.
    assert_eq!(sets("4", &["--where", "label < 4", "--take", "2"]), json!({"test": 2, "train": 2}));
    assert_eq!(sets("5", &["--where", "label > 4"]), json!({"test": 0, "train": 1}));
}

#[test]
fn directories_that_agree_keep_their_classes_and_others_are_told() {
    let tmp = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|n| tmp.path().join(n));
    for dir in [&a, &b, &c] {
        set(dir, "train", &labels(3));
        fs::write(dir.join("labels.txt"), "cat\ndog\nbird\n").unwrap();
    }
    fs::write(c.join("labels.txt"), "dog\ncat\nbird\n").unwrap();
    let [same, other] = ["same", "other"].map(|n| tmp.path().join(n));
    let report = done(&["reshard", text(&a), text(&b), "-o", text(&same)]);
    assert_eq!((&report["records"], &report["warnings"]), (&json!(6), &json!([])));
    assert_eq!(fs::read_to_string(same.join("labels.txt")).unwrap(), "cat\ndog\nbird\n");
    assert!(fs::read_to_string(same.join("labels.pbtxt")).unwrap().contains("id: 2\n  name: 'bird'"));
    let report = done(&["reshard", text(&a), text(&c), "-o", text(&other)]);
    assert!(report["warnings"][0].as_str().unwrap().contains("different classes"), "{report}");
    assert!(!other.join("labels.txt").exists());
    let error = failed(&["reshard", text(&c), "-o", text(&same), "--name", "val"], 2);
    assert!(error["message"].as_str().unwrap().contains("classes"), "{error}");
}

#[test]
fn the_damaged_record_is_named_and_nothing_is_left() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    let shard = set(&from, "train", &labels(10));
    let whole = fs::read(&shard).unwrap();
    let size = whole.len() / 10;
    let mut payload = whole.clone();
    payload[4 * size + 12] ^= 1;
    let mut header = whole.clone();
    header[6 * size] ^= 1;
    let cases =
        [(payload, "data_crc", 4), (header, "length_crc", 6), (whole[..whole.len() - 3].to_vec(), "truncated", 9)];
    for (number, (bytes, kind, record)) in cases.into_iter().enumerate() {
        fs::write(&shard, bytes).unwrap();
        for (io, flags) in
            [("mmap", &[][..]), ("read", &[]), ("auto", &["--where", "label >= 0"]), ("auto", &["--shuffle"])]
        {
            let out = tmp.path().join(format!("{number}-{io}-{}", flags.len()));
            let args = [&["reshard", text(&from), "-o", text(&out), "--shards", "3", "--io", io], flags].concat();
            let error = failed(&args, 1);
            assert_eq!((&error["kind"], &error["record"]), (&json!(kind), &json!(record)), "{args:?}: {error}");
            assert_eq!((&error["path"], &error["offset"]), (&json!(text(&shard)), &json!(record * size)), "{error}");
            assert!(error["help"].as_str().unwrap().contains("tfr repair"), "{error}");
            assert!(!out.exists());
        }
    }
}

#[test]
fn a_record_that_is_no_example_is_named_where_its_features_matter() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    let mut payloads = labels(3);
    payloads.push(b"no protobuf".to_vec());
    set(&from, "train", &payloads);
    let split = ["--split", "a=0.5,b=0.5"];
    let key = [&split[..], &["--key", "label"]].concat();
    let stratify = [&split[..], &["--stratify", "label"]].concat();
    for (number, flags) in [
        &["--where", "label > 0"][..],
        &["--drop", "x"],
        &["--keep", "label"],
        &["--rename", "label=l"],
        &key,
        &stratify,
    ]
    .into_iter()
    .enumerate()
    {
        let out = tmp.path().join(number.to_string());
        let error = failed(&[&["reshard", text(&from), "-o", text(&out)], flags].concat(), 1);
        assert_eq!((&error["kind"], &error["record"]), (&json!("proto"), &json!(3)), "{flags:?}: {error}");
        assert_eq!(error["offset"], fs::metadata(from.join(&names(&from)[0])).unwrap().len() - 27, "{error}");
        assert!(!out.exists());
    }
    // Else any bytes will do.
    for (name, flags) in [("plain", &[][..]), ("split", &split)] {
        done(&[&["reshard", text(&from), "-o", text(&tmp.path().join(name))], flags].concat());
    }
    // Features that collide, or are not there, are the record's fault too.
    set(&from, "train", &[ExampleBuilder::new().int64("a", 1).int64("b", 2).encode()]);
    for (name, flags) in [("c", &["--rename", "a=b"][..]), ("d", &[split[0], split[1], "--key", "c"])] {
        let out = tmp.path().join(name);
        let error = failed(&[&["reshard", text(&from), "-o", text(&out)], flags].concat(), 1);
        assert_eq!((&error["kind"], &error["record"]), (&json!("schema"), &json!(0)), "{error}");
    }
}

#[test]
fn an_index_that_lies_is_no_reason_to_lose_a_record() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    let shard = set(&from, "train", &[vec![1; 10], vec![2; 20], vec![3; 30]]);
    let idx = idx_path(&shard);
    fs::create_dir_all(idx.parent().unwrap()).unwrap();
    // Two records as one: it covers the shard and its last record fits. And one that does not even cover the shard.
    for (name, lie) in [("two", "0 62\n62 46\n"), ("short", "0 26\n")] {
        fs::write(&idx, lie).unwrap();
        let out = tmp.path().join(name);
        let output = tfr().args(["reshard", text(&from), "-o", text(&out)]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(said.contains("the index is not used") && said.contains(text(&idx)), "{said}");
        assert_eq!(shard_bytes(&out)[0].1, fs::read(&shard).unwrap(), "every record, as it was");
    }
}

#[test]
fn a_set_that_is_there_is_replaced_only_when_that_is_said() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, out] = ["from", "out"].map(|n| tmp.path().join(n));
    set(&from, "train", &labels(4));
    done(&["reshard", text(&from), "-o", text(&out)]);
    let before = shard_bytes(&out);
    failed(&["reshard", text(&from), "-o", text(&out), "--shards", "2"], 2);
    assert_eq!(names(&out), ["idx", "manifest.json", "train-00000-of-00001.tfrecord"]);
    assert_eq!(shard_bytes(&out), before);
    done(&["reshard", text(&from), "-o", text(&out), "--shards", "2", "--force"]);
    assert_eq!((shard_bytes(&out).len(), names(&out.join("idx")).len()), (2, 2));
    is_clean(&out);
}

#[test]
fn shards_in_the_working_directory_are_written_to_a_folder_in_it() {
    let tmp = tempfile::tempdir().unwrap();
    set(tmp.path(), "train", &labels(4));
    tfr().current_dir(tmp.path()).args(["reshard", ".", "-o", "out", "--shards", "2"]).assert().success();
    let said = tfr().current_dir(tmp.path()).args(["reshard", "*.tfrecord", "-o", "."]).output().unwrap();
    assert_eq!(said.status.code(), Some(2));
    let shard = tmp.path().join("out/train-00001-of-00002.tfrecord");
    let mut source = RecordSource::open(shard, Io::Auto, Default::default()).unwrap();
    assert_eq!(source.next_record().unwrap().unwrap().payload, labels(4)[2]);
}

#[test]
fn compressed_shards_that_cannot_be_shuffled_are_told_how() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, shards] = ["src", "shards"].map(|n| tmp.path().join(n));
    pictures(&src, &[6, 6]);
    done(&["convert", text(&src), text(&shards), "--compression", "gzip"]);
    let error = failed(&["stream", text(&shards), "--balance", "--batch", "2"], 2);
    assert!(error["help"].as_str().unwrap().contains("tfr reshard PATH -o OUT --compression none"), "{error}");
}
