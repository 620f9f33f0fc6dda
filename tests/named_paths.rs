//! What a path stands for: files that are passed over, splits in TFDS's naming, what is no file.

mod common;

use std::fs;
use std::path::Path;

use common::{text, tfr, tfr_json};
use serde_json::json;
use tfrkit::dataset::ShardWriter;
use tfrkit::example::ExampleBuilder;

fn shard(path: &Path, records: i64) {
    let mut writer = ShardWriter::create(path, Default::default()).unwrap();
    (0..records).for_each(|i| writer.write(&ExampleBuilder::new().int64("label", i).encode()).unwrap());
    writer.finish().unwrap();
}

fn run(args: &[&str]) -> (i32, String, String) {
    let output = tfr().args(args).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), out, err)
}

#[test]
fn shards_passed_over_for_their_names_are_named() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    shard(&dir.join("x.tfrecord"), 3);
    for other in ["notes.txt", "labels.json", "photo.jpg"] {
        fs::write(dir.join(other), "neither records nor a shard's name").unwrap();
    }
    let (code, out, err) = run(&["validate", text(dir)]);
    assert!(code == 0 && err.is_empty() && out.contains("nothing wrong"), "{out}{err}");

    let other = dir.join("train-00000-of-00003");
    shard(&other, 2);
    let (code, out, err) = run(&["info", text(dir)]);
    assert!(code == 0 && out.contains("x "), "{out}");
    assert!(err.contains("1 file not looked at") && err.contains("train-00000-of-00003"), "{err}");
    let (_, found) = tfr_json(&["info", text(dir)]);
    assert_eq!((&found["records"], &found["not_looked_at"]), (&json!(3), &json!([text(&other)])));
    let (code, out, err) = run(&["validate", text(dir)]);
    assert!(code == 0 && err.contains("1 file not looked at"), "{err}");
    assert!(!out.contains("nothing wrong") && out.contains("train-00000-of-00003"), "{out}");
    let (_, found) = tfr_json(&["validate", text(dir)]);
    assert_eq!((&found["warnings"], &found["findings"][0]["path"]), (&json!(1), &json!(text(&other))));
    // Named as well, it is looked at.
    let (_, _, err) = run(&["info", text(dir), text(&other)]);
    assert_eq!(err, "");
}

#[test]
fn tfds_names_are_splits() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    shard(&dir.join("mine-train.tfrecord-00000-of-00001"), 3);
    shard(&dir.join("mine-test.tfrecord-00000-of-00001"), 2);
    let (_, found) = tfr_json(&["info", text(dir)]);
    assert_eq!((&found["sets"]["train"]["records"], &found["sets"]["test"]["records"]), (&json!(3), &json!(2)));
    for name in ["train", "mine-train"] {
        let (code, out, _) = run(&["stats", text(dir), "--set", name]);
        assert!(code == 0 && out.contains("3 records"), "{out}");
    }
    // A split of a name that only the metadata tell.
    fs::rename(dir.join("mine-test.tfrecord-00000-of-00001"), dir.join("mine-night.tfrecord-00000-of-00001")).unwrap();
    assert!(tfr_json(&["info", text(dir)]).1["sets"].get("mine-night").is_some());
    let info = json!({"name": "mine", "splits": [
        {"name": "train", "shardLengths": ["3"]}, {"name": "night", "shardLengths": ["2"]},
    ]});
    fs::write(dir.join("dataset_info.json"), info.to_string()).unwrap();
    assert_eq!(tfr_json(&["info", text(dir)]).1["sets"]["night"]["records"], 2);
    assert!(run(&["validate", text(dir)]).1.contains("nothing wrong"));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_called_what_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let fifo = tmp.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let link = tmp.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    for (path, what) in [(text(&fifo), "a named pipe"), ("/dev/null", "a device"), (text(&link), "a link to nothing")] {
        let (code, _, err) = run(&["info", path]);
        assert!(code == 2 && err.contains(what) && !err.contains("nothing matches"), "{path}: {err}");
    }
}
