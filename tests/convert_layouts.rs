//! Someone has a folder of pictures as the internet has it, and must get the sets and classes that it means, or a word.

mod common;

use std::fs;
use std::path::Path;

use common::{jpeg, names, text, tfr, tfr_json};
use serde_json::{Value, json};

fn write(dir: &Path, files: &[&str]) {
    for (seed, file) in files.iter().enumerate() {
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = if file.ends_with("jpg") { jpeg(seed, 20, 30) } else { b"text".to_vec() };
        fs::write(path, bytes).unwrap();
    }
}

fn dry(src: &Path, more: &[&str]) -> (i32, Value) {
    let out = src.with_extension("out");
    let found = tfr_json(&[&["convert", text(src), text(&out), "--dry-run"], more].concat());
    assert!(!out.exists(), "a dry run writes nothing");
    found
}

#[test]
fn an_unlabelled_test_set_is_a_set_and_no_class() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    write(&src, &["Train/car/1.jpg", "Train/plane/2.jpg", "test/3.jpg", "test/4.jpg", "README.md"]);
    let (code, report) = tfr_json(&["convert", text(&src), text(&out)]);
    assert_eq!((code, &report["classes"], &report["layout"]), (0, &json!(["car", "plane"]), &json!("splits")));
    assert_eq!(report["sets"], json!({"Train": 2, "test": 2}));
    assert!(report["warnings"].to_string().contains("the set 'test' has no labels"), "{report}");
    let (code, found) = tfr_json(&["validate", "--decode", text(&out)]);
    assert_eq!((code, &found["findings_total"]), (0, &json!(0)), "{found}");
    // TFDS is told of the labelled set alone, with its labels.
    let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(out.join(name)).unwrap()).unwrap();
    let splits = read("dataset_info.json")["splits"].as_array().unwrap().clone();
    assert_eq!((splits.len(), &splits[0]["name"]), (1, &json!("Train")));
    assert!(read("features.json").to_string().contains("image/class/label"));
    // All of it again: nothing has changed.
    tfr().args(["convert", text(&src), text(&out), "--resume"]).assert().success();
}

#[test]
fn folders_that_may_be_classes_or_splits_are_refused_with_both_readings() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    write(&src, &["a/x/1.jpg", "b/x/2.jpg", "b/y/3.jpg"]);
    let (code, error) = dry(&src, &[]);
    assert_eq!((code, &error["error"]["kind"]), (2, &json!("usage")));
    let said = error["error"]["message"].as_str().unwrap();
    assert!(said.contains("2 classes (a, b)") && said.contains("2 sets (a, b) of 2 classes (x, y)"), "{said}");
    assert_eq!(dry(&src, &["--layout", "classes"]).1["sets"], json!({"train": 3}));
    let (_, splits) = dry(&src, &["--layout", "splits"]);
    assert_eq!((&splits["sets"], &splits["classes"]), (&json!({"a": 1, "b": 2}), &json!(["x", "y"])));
    write(&src, &["train/x/1.jpg"]);
    let (code, error) = dry(&src, &[]);
    assert_eq!(code, 2);
    assert!(error["error"]["message"].as_str().unwrap().contains("named as a split (train)"), "{error}");
}

#[test]
fn a_dry_run_shows_what_is_understood_and_every_bad_file() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    write(&src, &["train/car/1.jpg", "train/car/2.jpg", "train/plane/3.jpg", "val/car/4.jpg", "train/car/notes.txt"]);
    let whole = fs::read(src.join("train/car/1.jpg")).unwrap();
    fs::write(src.join("train/car/cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    fs::write(src.join("val/car/empty.jpg"), b"").unwrap();
    fs::write(src.join("val/stray.jpg"), &whole).unwrap();
    let (code, found) = dry(&src, &[]);
    assert_eq!((code, &found["passes"]), (1, &json!(false)));
    assert_eq!(found["sets"], json!({"train": 3, "val": 1}));
    assert_eq!(found["planned"]["train"]["classes"], json!({"car": 2, "plane": 1}));
    let bad: Vec<&str> = found["skipped"].as_array().unwrap().iter().map(|s| s["path"].as_str().unwrap()).collect();
    assert_eq!(bad, ["train/car/cut.jpg", "val/car/empty.jpg", "val/stray.jpg"]);
    assert_eq!(found["skipped"][1]["reason"], "the file is empty");
    // Of a cut file the first bytes are good.
    assert_eq!(dry(&src, &["--verify", "none"]).1["skipped"].as_array().unwrap().len(), 2);
    assert_eq!(dry(&src, &["--on-error", "skip"]).0, 0);
    assert_eq!(dry(&src, &["--on-error", "skip", "--max-errors", "2"]).0, 1);
    let said = tfr().args(["convert", text(&src), "out", "--dry-run"]).output().unwrap();
    let shown = String::from_utf8(said.stdout).unwrap();
    for line in ["read as splits", "  car: 2", "bad: val/stray.jpg: ", "2 classes: car, plane", "nothing was written"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(names(tmp.path()), ["src"]);
    // What is written then is what was said.
    let out = tmp.path().join("out");
    let (_, report) = tfr_json(&["convert", text(&src), text(&out), "--on-error", "skip"]);
    assert_eq!((&report["sets"], &report["skipped"]), (&found["sets"], &found["skipped"]));
    // What is in the way is found before the long run.
    let again = tfr_json(&["convert", text(&src), text(&out), "--dry-run"]);
    assert_eq!((again.0, &again.1["error"]["kind"]), (2, &json!("usage")));
}
