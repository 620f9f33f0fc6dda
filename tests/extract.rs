//! Someone has shards and wants the pictures back.

mod common;
#[path = "common/list.rs"]
mod list;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{fixture, jpeg, names, pictures, shard_bytes, text, tfr, tfr_json};
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::example::{Example, ExampleBuilder, SequenceExample};
use tfrkit::inspect::{ExtractOptions, extract};
use tfrkit::record::{Io, ReadOptions, RecordSource, Writer};

fn write_shard(path: &Path, payloads: &[Vec<u8>]) {
    let mut writer = Writer::new(fs::File::create(path).unwrap());
    for payload in payloads {
        writer.write(payload).unwrap();
    }
    writer.finish().unwrap();
}

/// The payloads of a directory of shards, in order.
fn payloads(dir: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (name, _) in shard_bytes(dir) {
        let mut source = RecordSource::open(dir.join(name), Io::Auto, ReadOptions::default()).unwrap();
        while let Some(record) = source.next_record().unwrap() {
            all.push(record.payload.to_vec());
        }
    }
    all
}

/// Every file and folder below a directory: the path, and the bytes of a file.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(dir).min_depth(1).into_iter().map(|entry| {
        let entry = entry.unwrap();
        let path = text(entry.path().strip_prefix(dir).unwrap()).to_owned();
        match entry.file_type().is_dir() {
            true => (path + "/", Vec::new()),
            false => (path, fs::read(entry.path()).unwrap()),
        }
    });
    entries.collect()
}

/// Only the files of a tree, without the list.
fn images(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_image = |path: &str| !path.ends_with('/') && path != "manifest.jsonl" && path != "manifest.csv";
    tree(dir).into_iter().filter(|(path, _)| is_image(path)).collect()
}

/// Runs the command; exit code, stdout, stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = tfr().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A source of pictures in class folders, deeper ones and an empty class among them.
fn source(dir: &Path) {
    pictures(dir, &[7, 4]);
    fs::create_dir_all(dir.join("odd/deep/er")).unwrap();
    fs::create_dir_all(dir.join("nothing")).unwrap();
    for (name, place) in
        [("gray.jpg", "odd/gray.JPEG"), ("progressive.jpg", "odd/deep/er/p.jpg"), ("rgba.png", "odd/a.png")]
    {
        fs::copy(fixture(name), dir.join(place)).unwrap();
    }
}

#[test]
fn class_folders_come_back_and_make_the_same_shards() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, shards, dir, again] = ["src", "shards", "dir", "again"].map(|name| tmp.path().join(name));
    source(&src);
    let convert = |from: &Path, to: &Path| {
        tfr().args(["convert", text(from), text(to), "--shards", "2", "--no-shuffle"]).assert().success();
    };
    convert(&src, &shards);
    let (code, stdout, stderr) = run(&["extract", text(&shards), "-o", text(&dir)]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("14 images (") && stdout.contains("manifest.jsonl"), "{stdout}");
    let mut found = tree(&dir);
    found.remove("manifest.jsonl").unwrap();
    assert_eq!(found, tree(&src));
    // The list lies beside the folders and is no picture.
    convert(&dir, &again);
    assert_eq!(shard_bytes(&again), shard_bytes(&shards));
}

#[test]
fn split_folders_come_back_too() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, shards, dir, again] = ["src", "shards", "dir", "again"].map(|name| tmp.path().join(name));
    pictures(&src.join("train"), &[5, 3]);
    pictures(&src.join("val"), &[2, 2]);
    tfr().args(["convert", text(&src), text(&shards), "--no-shuffle"]).assert().success();
    tfr().args(["extract", text(&shards), "-o", text(&dir), "--quiet"]).assert().success();
    assert_eq!(images(&dir), images(&src));
    assert_eq!(list::records(&dir), payloads(&shards));
    assert_eq!(list::rows(&dir)[8]["split"], "val");
    tfr().args(["convert", text(&dir), text(&again), "--no-shuffle"]).assert().success();
    assert_eq!(shard_bytes(&again), shard_bytes(&shards));
    // One of them is a set like any other: no folder for it, and the records keep their names.
    let one = tmp.path().join("one");
    tfr().args(["extract", text(&shards), "--set", "val", "-o", text(&one)]).assert().success();
    assert_eq!(images(&one), images(&src.join("val")));
    assert_eq!(list::rows(&one)[0]["image/filename"], "val/class-0/0000.jpg");
    assert_eq!(list::records(&one), payloads(&shards)[8..]);
}

/// Records as `convert` writes them, of a class with an odd name.
fn converted(count: usize) -> Vec<Vec<u8>> {
    let tmp = tempfile::tempdir().unwrap();
    let (src, shards) = (tmp.path().join("src"), tmp.path().join("shards"));
    pictures(&src, &[count]);
    fs::rename(src.join("class-0"), src.join("class, \"0\"")).unwrap();
    tfr().args(["convert", text(&src), text(&shards), "--label-offset", "3"]).assert().success();
    payloads(&shards)
}

/// The payload with further features.
fn with(payload: &[u8], more: ExampleBuilder<'_>) -> Vec<u8> {
    let decode = |bytes: &[u8]| Example::decode(bytes).unwrap();
    let mut example = decode(payload);
    let more = decode(&more.encode()).features.unwrap_or_default();
    example.features.as_mut().unwrap().feature.extend(more.feature);
    example.encode_to_vec()
}

#[test]
fn the_list_makes_every_record_again() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    let bbox = |name: &str| format!("image/object/bbox/{name}");
    let boxes = |sides: &[[f32; 4]]| {
        let side = |at: usize| sides.iter().map(move |one| one[at]).collect::<Vec<_>>();
        ExampleBuilder::new()
            .floats(bbox("xmin"), side(0))
            .floats(bbox("ymin"), side(1))
            .floats(bbox("xmax"), side(2))
            .floats(bbox("ymax"), side(3))
    };
    let more = [
        boxes(&[[0.1, 0.2, 0.3, 0.7], [0.0, 1.0 / 3.0, 1.0, 0.999_999_94]])
            .int64s("image/object/class/label", [4, -1])
            .bytes_list("image/object/class/text", [&b"a"[..], b""]),
        boxes(&[]).int64s("image/object/class/label", []).bytes_list::<&[u8]>("image/object/class/text", []),
        boxes(&[[0.25; 4]]),
        ExampleBuilder::new().floats("f", [0.1, f32::NAN, f32::INFINITY]).int64s("i", []).floats("none", []),
        ExampleBuilder::new().float("f", 1.0).int64s("i", [i64::MIN, 7]).bytes("b", b"\xff\0\x80"),
        ExampleBuilder::new().bytes_list("b", [&b"text"[..], b"", b"\xc3"]).text("file_name", "x"),
        // Not where the file will be.
        ExampleBuilder::new().text("image/filename", "somewhere/else.jpg"),
    ];
    let records: Vec<Vec<u8>> = converted(8).iter().zip(more).map(|(payload, more)| with(payload, more)).collect();
    write_shard(&shard, &records);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&dir)]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(list::records(&dir), records);
    assert_eq!(list::rows(&dir)[6]["path"], "class, _0_/else.jpg");
}

#[test]
fn the_csv_list_makes_every_record_again_or_says_what_it_lacks() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    let more = [
        ExampleBuilder::new().float("score", 0.1).int64("id", -7).text("note", "a, \"b\"\nc"),
        ExampleBuilder::new().float("score", 2.0).text("note", " "),
        ExampleBuilder::new().text("image/filename", "x.jpg").floats("image/object/bbox/xmin", [0.5]),
    ];
    let mut records: Vec<Vec<u8>> = converted(3).iter().zip(more).map(|(payload, more)| with(payload, more)).collect();
    let side = |name: &str, value| ExampleBuilder::new().floats(format!("image/object/bbox/{name}"), [value]);
    for (name, value) in [("ymin", 0.1), ("xmax", 0.9), ("ymax", 0.3)] {
        records[2] = with(&records[2], side(name, value));
    }
    write_shard(&shard, &records);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&dir), "--format", "csv"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(names(&dir), ["class, _0_", "manifest.csv"]);
    assert_eq!(list::records(&dir), records);
    records[0] = with(&records[0], ExampleBuilder::new().text("zip", "007").int64s("many", [1, 2]));
    write_shard(&shard, &records);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&dir), "--format", "csv", "--force"]);
    assert_eq!(code, 0);
    assert!(stderr.contains("'zip' is not in the list") && stderr.contains("'many' is not in the list"), "{stderr}");
}

#[test]
fn what_convert_would_store_otherwise_is_told() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    let example = |format: &str| {
        let image = jpeg(1, 20, 30);
        let example = ExampleBuilder::new().bytes("image/encoded", &image).int64("label", 2);
        let example = example.text("image/format", format).int64("image/height", 20).int64("path", 1);
        example.floats("image/object/bbox/xmin", [0.5]).encode()
    };
    let gif = ExampleBuilder::new().bytes("image/encoded", b"GIF89a....").text("image/format", "gif").encode();
    let cut = ExampleBuilder::new().bytes("image/encoded", &jpeg(1, 20, 30)[..300]).encode();
    write_shard(&shard, &[example("jpeg"), example("JPEG"), example("jpg"), gif, cut]);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&dir)]);
    assert_eq!(code, 0);
    let told: Vec<&str> = stderr.lines().collect();
    assert_eq!(
        told,
        [
            "warning: 1 image neither JPEG nor PNG, which convert takes with `--reencode png` only",
            "warning: 1 image damaged, which convert refuses; `tfr validate --decode` lists such",
            "warning: convert will store another image/format than 2 records (jpeg, to be JPEG)",
            "warning: 'path' of 3 records is not in the list: convert gives that name a meaning of its own",
            "warning: 'image/object/bbox/xmin' of 3 records is not in the list: the lists of boxes do not fit",
        ]
    );
}

/// Sets by other tools: TFDS's names, labels as texts, no names of files, pixels that are no file.
#[test]
fn sets_by_other_tools_are_extracted() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = tmp.path().join("mnist-train.tfrecord-00000-of-00001");
    let out = |name: &str| tmp.path().join(name);
    let image = |seed| jpeg(seed, 20, 20);
    let record = |seed, label| ExampleBuilder::new().bytes("image", &image(seed)).int64("label", label).encode();
    write_shard(&shard, &[record(0, 7), record(1, -1)]);
    tfr().args(["extract", text(&shard), "-o", text(&out("a"))]).assert().success();
    let stem = "mnist-train-00000-of-00001";
    let found = images(&out("a"));
    assert_eq!(found[&format!("7/{stem}-000000.jpg")], image(0));
    assert_eq!(found[&format!("-1/{stem}-000001.jpg")], image(1));
    // Names of the classes beside the shards, none for the last.
    fs::write(tmp.path().join("label.labels.txt"), "a\nb\nc\nd\ne\nf\ng\nseven\n").unwrap();
    tfr().args(["extract", text(&shard), "-o", text(&out("b"))]).assert().success();
    assert_eq!(list::rows(&out("b"))[0]["text"], "seven");
    assert_eq!(names(&out("b")), ["-1", "a", "b", "c", "d", "e", "f", "g", "manifest.jsonl", "seven"]);
    tfr().args(["extract", text(&shard), "-o", text(&out("c")), "--take", "1"]).assert().success();
    assert_eq!(names(&out("c")), ["manifest.jsonl", "seven"], "no folders of classes that were not asked for");
    // Other features, one of them a text.
    let other = ExampleBuilder::new().bytes("thumb", &image(2)).text("kind", "cat").int64("label", 1).encode();
    write_shard(&shard, &[other]);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&out("d"))]);
    assert!(code == 1 && stderr.contains("'image/encoded' or 'image'") && stderr.contains("--image"), "{stderr}");
    assert_eq!(names(&out("d")), [""; 0]);
    let chosen = ["--image", "thumb", "--label", "kind"];
    let (code, _, stderr) = run(&[&["extract", text(&shard), "-o", text(&out("e"))], &chosen[..]].concat());
    assert_eq!(code, 0);
    assert!(stderr.contains("'label' of 1 record is not in the list"), "{stderr}");
    assert_eq!(images(&out("e"))[&format!("cat/{stem}-000000.jpg")], image(2));
    // Raw pixels.
    write_shard(&shard, &[ExampleBuilder::new().bytes("image", &[7; 784]).encode()]);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&out("f"))]);
    assert!(code == 0 && stderr.contains("1 image of no known type, named .bin"), "{stderr}");
    assert_eq!(names(&out("f")), ["manifest.jsonl".to_owned(), format!("{stem}-000000.bin")]);
}

/// A record of the class and the file name.
fn named(seed: usize, class: Option<&str>, filename: Option<&str>) -> Vec<u8> {
    let image = jpeg(seed, 16, 16);
    let mut example = ExampleBuilder::new().bytes("image/encoded", &image);
    if let Some(class) = class {
        example = example.text("image/class/text", class);
    }
    if let Some(filename) = filename {
        example = example.text("image/filename", filename);
    }
    example.encode()
}

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

#[test]
fn what_is_chosen_is_extracted() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, shards) = (tmp.path().join("src"), tmp.path().join("shards"));
    pictures(&src, &[6, 6]);
    tfr().args(["convert", text(&src), text(&shards), "--no-shuffle", "--shards", "3"]).assert().success();
    let extracted = |name: &str, args: &[&str]| {
        let dir = tmp.path().join(name);
        tfr().args([&["extract", text(&shards), "-o", text(&dir)], args].concat()).assert().success();
        images(&dir).into_keys().collect::<Vec<_>>()
    };
    let all = extracted("a", &["--where", "text == 'class-1'", "--skip", "2", "--take", "3"]);
    assert_eq!(all, ["class-1/0002.jpg", "class-1/0003.jpg", "class-1/0004.jpg"]);
    assert_eq!(extracted("b", &["--skip", "5", "--take", "2"]), ["class-0/0005.jpg", "class-1/0000.jpg"]);
    // Nothing chosen is nothing written, and no error.
    assert_eq!(extracted("c", &["--where", "label == 9"]), [""; 0]);
    assert_eq!(fs::read_to_string(tmp.path().join("c/manifest.jsonl")).unwrap(), "");
}

#[test]
fn the_tree_does_not_depend_on_the_threads_nor_on_the_compression() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[90, 60]);
    let (plain, gzip) = (tmp.path().join("plain"), tmp.path().join("gzip"));
    tfr().args(["convert", text(&src), text(&plain), "--shards", "3"]).assert().success();
    tfr().args(["convert", text(&src), text(&gzip), "--shards", "3", "--compression", "gzip"]).assert().success();
    let mut trees = Vec::new();
    for (shards, threads, io) in
        [(&plain, "1", "mmap"), (&plain, "2", "read"), (&plain, "5", "auto"), (&gzip, "3", "auto")]
    {
        let dir = tmp.path().join(format!("{threads}{io}"));
        let args = ["extract", text(shards), "-o", text(&dir), "--threads", threads, "--io", io, "--json"];
        let (code, stdout, _) = run(&args);
        assert_eq!(code, 0);
        // The lines are in order too.
        trees.push((tree(&dir), stdout.replace(".gz", "").replace("gzip", "plain")));
    }
    assert_eq!(trees[0].0.len(), 153);
    assert!(trees.iter().all(|other| *other == trees[0]));
}

#[test]
fn json_has_a_line_for_each_record() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    let image = jpeg(0, 16, 16);
    let labelled = ExampleBuilder::new().bytes("image", &image).int64("label", 4).encode();
    write_shard(&shard, &[labelled, ExampleBuilder::new().encode()]);
    let (code, stdout, _) = run(&["extract", text(&shard), "-o", text(&dir), "--json"]);
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = |record: u64, path: Value, label: Value, bytes: usize| json!({"set": "a", "shard": shard, "record": record, "path": path, "label": label, "text": null, "bytes": bytes});
    assert_eq!(code, 0);
    assert_eq!(lines, [line(0, json!("4/a-000000.jpg"), json!(4), image.len()), line(1, json!(null), json!(null), 0)]);
}

#[test]
fn damage_is_named_and_leaves_no_list() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, out) = (tmp.path().join("a.tfrecord"), |name: &str| tmp.path().join(name));
    let records: Vec<Vec<u8>> = (0..200).map(|i| named(i, Some("c"), None)).collect();
    write_shard(&shard, &records);
    let mut data = fs::read(&shard).unwrap();
    let middle = data.len() - 400;
    data[middle] ^= 1;
    fs::write(&shard, &data).unwrap();
    for threads in ["1", "4"] {
        let dir = out(threads);
        let (code, stdout, stderr) = run(&["extract", text(&shard), "-o", text(&dir), "--threads", threads]);
        assert_eq!((code, stdout.as_str()), (1, ""));
        assert!(stderr.contains("a.tfrecord, record 199, offset ") && stderr.contains("`tfr repair`"), "{stderr}");
        assert_eq!(names(&dir), ["c"]);
        assert_eq!(names(&dir.join("c")).len(), 199, "all that is before the damage");
    }
    // What is no Example is named, the first of several things that are wrong.
    use tfrkit::example::proto::{Feature, FeatureList, FeatureLists};
    let list = FeatureList { feature: vec![Feature::default()] };
    let feature_lists = Some(FeatureLists { feature_list: [("s".to_owned(), list)].into() });
    let sequence = SequenceExample { context: None, feature_lists }.encode_to_vec();
    let two = ExampleBuilder::new().bytes_list("image", [jpeg(0, 9, 9), jpeg(1, 9, 9)]).encode();
    for (dir, bad, said) in [
        ("s", sequence, "a SequenceExample"),
        ("r", b"\xffraw".to_vec(), "no valid tf.train.Example"),
        ("t", two, "'image' has several values"),
    ] {
        write_shard(&shard, &[records[0].clone(), bad, b"\xff".to_vec()]);
        let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&out(dir)), "--threads", "3"]);
        assert!(code == 1 && stderr.contains("a.tfrecord, record 1, offset ") && stderr.contains(said), "{stderr}");
        assert_eq!(names(&out(dir)), ["c"]);
    }
}

#[test]
fn a_directory_with_files_is_refused_unless_forced() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    write_shard(&shard, &[named(0, Some("c"), Some("1.jpg"))]);
    fs::create_dir_all(dir.join("c")).unwrap();
    fs::write(dir.join("c/1.jpg"), "mine").unwrap();
    fs::write(dir.join("c/2.jpg"), "mine too").unwrap();
    let (code, json) = tfr_json(&["extract", text(&shard), "-o", text(&dir)]);
    assert_eq!((code, &json["error"]["kind"]), (2, &json!("usage")));
    assert!(json["error"]["help"].as_str().unwrap().contains("--force"), "{json}");
    assert_eq!(fs::read(dir.join("c/1.jpg")).unwrap(), b"mine");
    tfr().args(["extract", text(&shard), "-o", text(&dir), "--force"]).assert().success();
    assert_eq!(fs::read(dir.join("c/1.jpg")).unwrap(), jpeg(0, 16, 16));
    assert_eq!(fs::read(dir.join("c/2.jpg")).unwrap(), b"mine too");
    assert_eq!(names(&dir.join("c")), ["1.jpg", "2.jpg"]);
    // What is no directory, no shard, no feature, no condition.
    let there = text(&shard);
    let elsewhere = tmp.path().join("new");
    for (paths, out) in [(there, there), ("no/such", text(&elsewhere))] {
        assert_eq!(run(&["extract", paths, "-o", out]).0, 2);
    }
    for flags in [&["--where", "label ="][..], &["--set", "no"], &["--format", "xml"], &["--take", "x"]] {
        assert_eq!(run(&[&["extract", there, "-o", text(&elsewhere)], flags].concat()).0, 2, "{flags:?}");
    }
    assert!(!elsewhere.exists());
}

#[cfg(unix)]
#[test]
fn links_in_the_directory_are_not_followed() {
    use std::os::unix::fs::symlink;
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir, elsewhere) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"), tmp.path().join("elsewhere"));
    write_shard(&shard, &[named(0, Some("c"), Some("c/d/1.jpg"))]);
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir_all(dir.join("c")).unwrap();
    symlink(&elsewhere, dir.join("c/d")).unwrap();
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&dir), "--force"]);
    assert!(code == 2 && stderr.contains("c/d is a link where a folder belongs"), "{stderr}");
    fs::remove_file(dir.join("c/d")).unwrap();
    // A link under the very name is replaced, and what it leads to is not touched.
    fs::create_dir(dir.join("c/d")).unwrap();
    fs::write(elsewhere.join("x"), "mine").unwrap();
    symlink(elsewhere.join("x"), dir.join("c/d/1.jpg")).unwrap();
    symlink(elsewhere.join("list"), dir.join("manifest.jsonl")).unwrap();
    tfr().args(["extract", text(&shard), "-o", text(&dir), "--force"]).assert().success();
    assert_eq!(fs::read(elsewhere.join("x")).unwrap(), b"mine");
    assert_eq!(names(&elsewhere), ["x"]);
    assert!(fs::symlink_metadata(dir.join("c/d/1.jpg")).unwrap().is_file());
    // The directory itself may be a link: that is the caller's own.
    let link = tmp.path().join("link");
    fs::create_dir(elsewhere.join("new")).unwrap();
    symlink(elsewhere.join("new"), &link).unwrap();
    tfr().args(["extract", text(&shard), "-o", text(&link)]).assert().success();
    assert_eq!(names(&elsewhere.join("new")), ["c", "manifest.jsonl"]);
}

#[test]
fn all_files_are_written_though_nobody_reads_on() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    let record = named(0, Some(&"c".repeat(200)), None);
    write_shard(&shard, &vec![record; 1500]);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"))
        .args(["extract", text(&shard), "-o", text(&dir), "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    assert_eq!(list::rows(&dir).len(), 1500);
}

#[test]
fn an_interrupted_run_leaves_whole_files_and_no_list() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, dir) = (tmp.path().join("a.tfrecord"), tmp.path().join("dir"));
    write_shard(&shard, &(0..600).map(|i| named(i % 50, Some("c"), None)).collect::<Vec<_>>());
    let sets = resolve(&[text(&shard)]).unwrap().complete().unwrap();
    let stop = AtomicBool::new(false);
    let job = Job { stop: Some(&stop), threads: 2, ..Default::default() };
    let options = ExtractOptions::default();
    let error = extract(&sets, &dir, &options, &job, &mut |record| {
        stop.fetch_or(record.record == 100, Ordering::Relaxed);
        Ok(())
    });
    assert_eq!(error.unwrap_err().kind_name(), "interrupted");
    assert_eq!(names(&dir), ["c"]);
    for (path, bytes) in images(&dir) {
        let record: usize = path[4..10].parse().unwrap();
        assert!(bytes == jpeg(record % 50, 16, 16), "{path}");
    }
}
