//! The names of extracted pictures: each its own, and none outside the directory.

mod common;
#[path = "common/extracted.rs"]
mod extracted;
#[path = "common/list.rs"]
mod list;

use std::fs;

use common::{jpeg, names, text, tfr};
use extracted::{images, named, run, tree, write_shard};
use proptest::prelude::*;
use serde_json::{Value, json};
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::example::ExampleBuilder;
use tfrkit::inspect::{ExtractOptions, extract};

#[test]
fn records_without_class_image_or_name() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, out) = (tmp.path().join("a.tfrecord"), |name: &str| tmp.path().join(name));
    let bare = ExampleBuilder::new().int64("n", 1).encode();
    write_shard(&shard, &[named(0, None, None), named(1, None, Some("x/1.jpg")), bare.clone()]);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&out("a"))]);
    assert!(code == 0 && stderr.contains("1 record without an image"), "{stderr}");
    assert_eq!(images(&out("a")).into_keys().collect::<Vec<_>>(), ["a-000000.jpg", "x/1.jpg"]);
    assert_eq!(Value::from(list::rows(&out("a"))[2].clone()), json!({"n": 1}));
    // Where others have a class, also one that comes later.
    write_shard(&shard, &[named(0, None, None), bare, named(1, Some("unlabelled"), None)]);
    tfr().args(["extract", text(&shard), "-o", text(&out("b"))]).assert().success();
    assert_eq!(
        images(&out("b")).into_keys().collect::<Vec<_>>(),
        ["unlabelled-2/a-000002.jpg", "unlabelled/a-000000.jpg"]
    );
    tfr().args(["extract", text(&shard), "-o", text(&out("c")), "--flat"]).assert().success();
    assert_eq!(names(&out("c")), ["a-000000.jpg", "a-000002.jpg", "manifest.jsonl"]);
}

#[test]
fn equal_names_are_numbered_and_every_picture_is_there() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    let file_names = ["1.jpg", "1.jpg", "c/1.JPG", "x/1.jpg", "c/1.jpg/2.jpg", "c/d.jpg/3.jpg", "d.jpg", "1.png"];
    let records: Vec<Vec<u8>> = (0..).zip(file_names).map(|(i, name)| named(i, Some("c"), Some(name))).collect();
    write_shard(&shard, &records);
    tfr().args(["extract", text(&shard), "-o", text(&dir)]).assert().success();
    let rows = list::rows(&dir);
    let paths: Vec<&str> = rows.iter().map(|row| row["path"].as_str().unwrap()).collect();
    let expected = ["1.jpg", "1-2.jpg", "1-3.JPG", "1-4.jpg", "2.jpg", "d.jpg/3.jpg", "d-2.jpg", "1-5.jpg"];
    assert_eq!(paths, expected.map(|name| format!("c/{name}")));
    for (seed, path) in paths.iter().enumerate() {
        assert_eq!(fs::read(dir.join(path)).unwrap(), jpeg(seed, 16, 16), "{path}");
    }
}

#[test]
fn hostile_names_stay_inside() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("in/dir"));
    let deep = "d/".repeat(3000) + "x.jpg";
    let long = "é".repeat(400) + ".jpg";
    let classes = ["..", "../..", "/", "", ".", "a/../../b", "C:\\x", "nul", "manifest.jsonl", "x\0y", &long];
    let files = ["../../../up.jpg", "/etc/passwd", "..\\..\\w.jpg", "C:\\w.jpg", "CON", ".x", "a. .", "", &deep, &long];
    let mut records = Vec::new();
    for class in classes {
        records.extend(files.iter().map(|file| named(records.len(), Some(class), Some(file))).collect::<Vec<_>>());
    }
    records.extend(["../m.jpg", "manifest.jsonl", "manifest.csv/x.jpg"].map(|file| named(0, None, Some(file))));
    write_shard(&shard, &records);
    tfr().args(["extract", text(&shard), "-o", text(&dir), "--quiet"]).assert().success();
    assert_eq!(images(&dir).len(), records.len());
    assert_eq!(
        (names(tmp.path()), names(&tmp.path().join("in"))),
        (vec!["a.tfrecord".into(), "in".into()], vec!["dir".into()])
    );
    for part in tree(&dir).keys().flat_map(|path| path.split('/')).filter(|part| !part.is_empty()) {
        assert!(part.len() <= 255 && !part.starts_with('.') && !part.ends_with(['.', ' ']), "{part}");
        assert!(!part.contains(|c: char| c.is_control() || "\\:*?\"<>|".contains(c)), "{part}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn no_name_leads_out_and_none_is_lost(
        pairs in proptest::collection::vec(
            (proptest::option::of("[./\\\\ a:~A\0]{0,6}|\\PC{0,4}"), proptest::option::of("[./\\\\ a:A\n-]{0,9}|\\PC{0,9}")),
            1..12,
        ),
        flat: bool,
    ) {
        let tmp = tempfile::tempdir().unwrap();
        let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
        let image = |i: usize| [b"\xff\xd8\xff\xe0".as_slice(), &i.to_le_bytes()].concat();
        let records: Vec<Vec<u8>> = pairs.iter().enumerate().map(|(i, (class, file))| {
            let image = image(i);
            let mut example = ExampleBuilder::new().bytes("image/encoded", &image);
            if let Some(class) = class {
                example = example.text("image/class/text", class);
            }
            if let Some(file) = file {
                example = example.text("image/filename", file);
            }
            example.encode()
        }).collect();
        write_shard(&shard, &records);
        let sets = resolve(&[text(&shard)]).unwrap().complete().unwrap();
        let options = ExtractOptions { flat, ..Default::default() };
        let mut paths = Vec::new();
        extract(&sets, &dir, &options, &Job::default(), &mut |record| {
            paths.push(record.path.clone().unwrap());
            Ok(())
        }).unwrap();
        prop_assert_eq!(names(tmp.path()), ["a.tfrecord", "dir"]);
        let root = dir.canonicalize().unwrap();
        for (i, path) in paths.iter().enumerate() {
            let full = dir.join(path).canonicalize().unwrap();
            prop_assert!(full.starts_with(&root), "{}", path);
            prop_assert_eq!(fs::read(full).unwrap(), image(i));
        }
        let mut small: Vec<String> = paths.iter().map(|path| path.to_lowercase()).collect();
        small.sort();
        small.dedup();
        prop_assert_eq!(small.len(), paths.len());
    }
}
