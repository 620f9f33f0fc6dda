//! Someone has shards and wants the pictures back, and the same records of them again.

mod common;
#[path = "common/extracted.rs"]
mod extracted;
#[path = "common/list.rs"]
mod list;

use std::fs;
use std::path::Path;

use common::{fixture, jpeg, names, pictures, shard_bytes, text, tfr};
use extracted::{images, payloads, run, tree, write_shard};
use prost::Message;
use tfrkit::example::{Example, ExampleBuilder};

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
    let (thumb, full) = (image(2), image(3));
    let other = ExampleBuilder::new().bytes("thumb", &thumb).text("kind", "cat").int64("label", 1);
    // Of two features with images, which one is meant is not told; one alone is found, as `own_names` tests.
    write_shard(&shard, &[other.clone().bytes("full", &full).encode()]);
    let (code, _, stderr) = run(&["extract", text(&shard), "-o", text(&out("d"))]);
    assert!(code == 1 && stderr.contains("'image/encoded' or 'image'") && stderr.contains("--image"), "{stderr}");
    assert!(!out("d").exists());
    write_shard(&shard, &[other.encode()]);
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
