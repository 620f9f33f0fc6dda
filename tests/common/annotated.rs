//! What the tests of annotated sources need.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use tfrkit::example::example_to_json;
use tfrkit::record::{Io, ReadOptions, RecordSource};

use crate::common::{jpeg, names, shard_bytes, text, tfr, tfr_json};

/// The features of each record of a set, by the file's name.
pub fn records(dir: &Path, set: &str) -> BTreeMap<String, Map<String, Value>> {
    let mut all = BTreeMap::new();
    for (name, _) in shard_bytes(dir).into_iter().filter(|(name, _)| name.starts_with(&format!("{set}-"))) {
        let mut source = RecordSource::open(dir.join(name), Io::Auto, ReadOptions::default()).unwrap();
        while let Some(record) = source.next_record().unwrap() {
            let features = example_to_json(record.payload, |_| None).unwrap();
            let name = features["image/filename"]["bytes"][0].as_str().unwrap().to_owned();
            assert!(all.insert(name, features).is_none());
        }
    }
    all
}

pub fn convert(src: &Path, out: &Path, more: &[&str]) -> Value {
    let (code, report) = tfr_json(&[&["convert", text(src), text(out)], more].concat());
    assert_eq!(code, 0, "{report}");
    let (code, found) = tfr_json(&["validate", "--decode", text(out)]);
    assert_eq!((code, &found["findings_total"]), (0, &json!(0)), "{found}");
    report
}

/// What is said of a source that cannot be converted: the exit code and the error's text, path and help.
pub fn refused(src: &Path, more: &[&str]) -> (i32, String) {
    let out = tempfile::tempdir().unwrap();
    let (code, report) = tfr_json(&[&["convert", text(src), text(out.path())], more].concat());
    assert_eq!(names(out.path()), [""; 0], "a failed run leaves nothing");
    let said = ["path", "message", "help"].map(|key| report["error"][key].as_str().unwrap_or_default().to_owned());
    (code, said.join(" | "))
}

pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Converts with various numbers of threads, and goes on after a run that has left one shard of several; then does
/// `change` to the source, after which there is nothing to go on with.
pub fn threads_and_resume(src: &Path, tmp: &Path, change: impl FnOnce()) {
    let run = |out: &Path, threads: &str, more: &[&str]| {
        let args = ["convert", text(src), text(out), "--shards", "3", "--threads", threads];
        tfr().args(args).args(more).output().unwrap().status.code().unwrap()
    };
    let one = tmp.join("one");
    assert_eq!(run(&one, "1", &[]), 0);
    for threads in ["2", "5"] {
        let out = tmp.join(threads);
        assert_eq!(run(&out, threads, &[]), 0);
        assert_eq!(shard_bytes(&out), shard_bytes(&one));
    }
    let set = read_json(&one.join("manifest.json"))["sets"].as_object().unwrap().clone();
    let (name, entry) = set.iter().next().unwrap();
    let begun = tmp.join("begun");
    fs::create_dir_all(&begun).unwrap();
    let marker = format!("new {} {}\n", entry["plan"].as_str().unwrap(), entry["stamp"].as_str().unwrap());
    fs::write(begun.join(format!(".{name}.plan")), marker).unwrap();
    let first = entry["shards"][0]["path"].as_str().unwrap();
    fs::copy(one.join(first), begun.join(first)).unwrap();
    assert_eq!(run(&begun, "2", &[]), 2, "not by accident");
    assert_eq!(run(&begun, "2", &["--resume"]), 0);
    assert_eq!(shard_bytes(&begun), shard_bytes(&one));
    assert_eq!(names(&begun), names(&one));
    assert_eq!(run(&begun, "2", &["--resume"]), 0);
    change();
    assert_eq!(run(&begun, "2", &["--resume"]), 2);
}

/// A picture 40 high and 50 wide.
pub fn picture(path: &Path, seed: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, jpeg(seed, 40, 50)).unwrap();
}

/// Annotations of two pictures, the second without objects.
pub fn instances() -> Value {
    json!({
        "info": {"year": 2024},
        "images": [
            {"id": 20, "file_name": "b.jpg", "height": 40, "width": 50},
            {"id": 10, "file_name": "a.jpg", "height": 40, "width": 50},
        ],
        "annotations": [
            {"id": 2, "image_id": 20, "category_id": 18, "bbox": [25, 10, 25.5, 30], "area": 700.5, "iscrowd": 1,
                "segmentation": [[1, 2, 3, 4]]},
            {"id": 1, "image_id": 20, "category_id": 3, "bbox": [0, 0, 10, 20], "area": 200, "iscrowd": 0},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "zebra"}],
    })
}

pub fn coco(dir: &Path, instances: &Value) {
    fs::create_dir_all(dir.join("annotations")).unwrap();
    for (seed, set) in ["train2017", "val2017"].into_iter().enumerate() {
        fs::write(dir.join(format!("annotations/instances_{set}.json")), instances.to_string()).unwrap();
        picture(&dir.join(set).join("a.jpg"), seed);
        picture(&dir.join(set).join("b.jpg"), seed + 10);
    }
    fs::write(dir.join("annotations/captions_train2017.json"), r#"{"images": [], "annotations": []}"#).unwrap();
}
