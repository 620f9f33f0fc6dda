//! Shards to pictures and a list, and back: the very same records.

#[path = "common/annotated.rs"]
mod annotated;
mod common;

use std::fs;
use std::path::Path;

use annotated::{coco, instances};
use common::{pictures, shard_bytes, text, tfr};
use serde_json::json;
use tfrkit::record::Reader;

/// The payloads of a set, in order.
fn payloads(dir: &Path, set: &str) -> Vec<Vec<u8>> {
    let shards = shard_bytes(dir).into_iter().filter(|(name, _)| name.starts_with(&format!("{set}-")));
    let records = |bytes: Vec<u8>| Reader::new(std::io::Cursor::new(bytes)).unwrap().into_records();
    shards.flat_map(|(_, bytes)| records(bytes)).map(|record| record.unwrap().payload.to_vec()).collect()
}

/// Converts `src`, extracts it, converts the list, and compares the records of each set.
fn there_and_back(src: &Path, sets: &[(&str, usize)], list: &str, more: &[&str]) {
    let tmp = tempfile::tempdir().unwrap();
    let (first, images, again) = (tmp.path().join("first"), tmp.path().join("images"), tmp.path().join("again"));
    tfr().args(["convert", text(src), text(&first), "--shards", "2"]).args(more).assert().success();
    let format = Path::new(list).extension().unwrap().to_str().unwrap();
    tfr().args(["extract", text(&first), "-o", text(&images), "--format", format]).assert().success();
    let list = images.join(list);
    let offset: Vec<&str> = more.iter().copied().filter(|arg| ["--label-offset", "1"].contains(arg)).collect();
    let name = if sets.len() == 1 { vec!["--name", sets[0].0] } else { Vec::new() };
    let args = ["convert", text(&list), text(&again), "--no-shuffle"];
    // The list knows the names of classes that have pictures; the others come from the file.
    let labels = first.join("labels.txt");
    let labels = if labels.exists() { vec!["--labels", text(&labels)] } else { Vec::new() };
    tfr().args(args).args(offset).args(name).args(labels).assert().success();
    for (set, count) in sets {
        let before = payloads(&first, set);
        assert_eq!(before.len(), *count);
        assert!(payloads(&again, set) == before, "{set} of {}", list.display());
    }
    let labels = |dir: &Path| fs::read(dir.join("labels.txt")).ok();
    assert_eq!(labels(&again), labels(&first));
}

#[test]
fn class_folders() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[5, 3, 0, 4]);
    for list in ["manifest.jsonl", "manifest.csv"] {
        there_and_back(&src, &[("train", 12)], list, &[]);
        there_and_back(&src, &[("train", 12)], list, &["--label-offset", "1"]);
        there_and_back(&src, &[("train", 7), ("val", 5)], list, &["--split", "train=0.5,val=0.5"]);
    }
}

#[test]
fn pictures_without_labels() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[4, 2]);
    for list in ["manifest.jsonl", "manifest.csv"] {
        there_and_back(&src, &[("train", 6)], list, &["--layout", "flat"]);
    }
}

#[test]
fn boxes_of_coco() {
    let tmp = tempfile::tempdir().unwrap();
    coco(tmp.path(), &instances());
    let sets = [("train2017", 2), ("val2017", 2)];
    there_and_back(tmp.path(), &sets, "manifest.jsonl", &["--label-offset", "1"]);
}

#[test]
fn columns_of_every_kind() {
    let tmp = tempfile::tempdir().unwrap();
    pictures(tmp.path(), &[3]);
    let rows = [
        json!({"path": "class-0/0000.jpg", "text": "b", "id": 7, "score": 1.0, "list": [1, 2], "tag": "7", "x": [0.1, 2.5]}),
        json!({"path": "class-0/0001.jpg", "text": "a", "id": -8, "score": 0.1, "list": [], "tag": "ä,\"\n",
            "raw": {"bytes": [{"base64": "/wA="}, "text"]}, "x": {"float": ["NaN", "-inf"]}}),
        json!({"path": "class-0/0002.jpg", "text": "b", "score": 3, "tag": "", "image/filename": "../else/where.jpg"}),
    ];
    let list = tmp.path().join("list.jsonl");
    fs::write(&list, rows.iter().map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    there_and_back(&list, &[("train", 3)], "manifest.jsonl", &[]);
}
