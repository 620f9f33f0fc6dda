//! Someone has a directory of pictures and wants shards.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::{fixture, names, pictures, shard_bytes, text, tfr, tfr_json};
use serde_json::json;
use sha2::{Digest, Sha256};
use tfrkit::example::ExampleView;
use tfrkit::record::{Io, ReadOptions, RecordSource};

/// One record's features, as far as the tests look at them.
#[derive(Debug, PartialEq)]
struct Row {
    filename: String,
    label: i64,
    class: String,
    format: String,
    colorspace: String,
    shape: [i64; 3],
    encoded: Vec<u8>,
    sha256: String,
}

fn rows(dir: &Path, set: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, _) in shard_bytes(dir).into_iter().filter(|(name, _)| name.starts_with(&format!("{set}-"))) {
        let mut source = RecordSource::open(dir.join(name), Io::Auto, ReadOptions::default()).unwrap();
        while let Some(record) = source.next_record().unwrap() {
            let view = ExampleView::new(record.payload);
            let bytes = |key: &str| view.feature(key).unwrap().unwrap().single_bytes().unwrap().to_vec();
            let string = |key: &str| String::from_utf8(bytes(key)).unwrap();
            let int = |key: &str| view.feature(key).unwrap().unwrap().single_int64().unwrap();
            rows.push(Row {
                filename: string("image/filename"),
                label: int("image/class/label"),
                class: string("image/class/text"),
                format: string("image/format"),
                colorspace: string("image/colorspace"),
                shape: [int("image/height"), int("image/width"), int("image/channels")],
                encoded: bytes("image/encoded"),
                sha256: string("image/key/sha256"),
            });
        }
    }
    rows
}

#[test]
fn every_picture_becomes_a_record_byte_for_byte() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[5, 3]);
    fs::create_dir_all(src.join("odd/deep/er")).unwrap();
    for (name, place) in [
        ("gray.jpg", "odd/gray.jpg"),
        ("progressive.jpg", "odd/deep/er/p.jpg"),
        ("rgba.png", "odd/named-as.jpg"),
        ("cmyk.jpg", "odd/cmyk.jpg"),
        ("gray16.png", "odd/g16.png"),
    ] {
        fs::copy(fixture(name), src.join(place)).unwrap();
    }
    let (code, report) = tfr_json(&["convert", text(&src), text(&out), "--shards", "3"]);
    assert_eq!(code, 0);
    assert_eq!(report["records"], 13);
    assert_eq!(report["sets"], json!({"train": 13}));
    assert_eq!(report["classes"], json!(["class-0", "class-1", "odd"]));
    assert_eq!(report["shards"].as_array().unwrap().len(), 3);
    let mut rows = rows(&out, "train");
    rows.sort_by(|a, b| a.filename.cmp(&b.filename));
    assert_eq!(rows.len(), 13);
    for row in &rows {
        assert_eq!(row.encoded, fs::read(src.join(&row.filename)).unwrap(), "{}", row.filename);
        let sha256: String = Sha256::digest(&row.encoded).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(row.sha256, sha256);
        assert_eq!(row.class, row.filename.split('/').next().unwrap());
        assert_eq!(report["classes"][row.label as usize], row.class.as_str());
    }
    let told = |name: &str| {
        let row = rows.iter().find(|r| r.filename == name).unwrap();
        (row.format.as_str(), row.colorspace.as_str(), row.shape[2])
    };
    assert_eq!(told("odd/gray.jpg"), ("JPEG", "Grayscale", 1));
    assert_eq!(told("odd/named-as.jpg"), ("PNG", "RGBA", 4));
    assert_eq!(told("odd/cmyk.jpg"), ("JPEG", "CMYK", 4));
    assert_eq!(told("odd/g16.png"), ("PNG", "Grayscale", 1));
    assert_eq!(told("class-0/0000.jpg"), ("JPEG", "RGB", 3));
    assert_eq!(
        names(&out),
        [
            "dataset_info.json",
            "features.json",
            "idx",
            "image.class.label.labels.txt",
            "labels.pbtxt",
            "labels.txt",
            "manifest.json",
            "train-00000-of-00003.tfrecord",
            "train-00001-of-00003.tfrecord",
            "train-00002-of-00003.tfrecord"
        ]
    );
    assert_eq!(names(&out.join("idx")).len(), 3);
    assert_eq!(fs::read_to_string(out.join("labels.txt")).unwrap(), "class-0\nclass-1\nodd\n");
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[60, 60, 31]);
    for compression in ["none", "gzip", "zlib"] {
        for shards in ["1", "4"] {
            let convert = |threads: &str| {
                let out = tmp.path().join(format!("{compression}-{shards}-{threads}"));
                let args = ["convert", text(&src), text(&out), "--shards", shards, "--compression", compression];
                tfr().args(args).args(["--threads", threads]).assert().success();
                shard_bytes(&out)
            };
            let one = convert("1");
            assert_eq!(one.len().to_string(), shards);
            assert_eq!(one, convert("2"));
            assert_eq!(one, convert("5"));
        }
    }
}

#[test]
fn a_killed_convert_is_resumed_to_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[250, 250]);
    // Decoding and gzip make it slow enough to be killed at various points.
    let args = |out: &Path| {
        [
            "convert",
            text(&src),
            text(out),
            "--shards",
            "6",
            "--compression",
            "gzip",
            "--verify",
            "decode",
            "--threads",
            "1",
        ]
        .map(str::to_owned)
    };
    let undisturbed = tmp.path().join("undisturbed");
    tfr().args(args(&undisturbed)).assert().success();
    let mut unfinished = 0;
    for wait in [5, 40, 80, 150, 300] {
        let out = tmp.path().join(format!("killed-{wait}"));
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"))
            .args(args(&out))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        // Whatever is seen under a final name is whole.
        if out.exists() {
            for (name, bytes) in shard_bytes(&out).into_iter().filter(|(name, _)| !name.starts_with('.')) {
                assert_eq!(bytes, fs::read(undisturbed.join(&name)).unwrap(), "{name}");
            }
            unfinished += usize::from(!out.join("manifest.json").exists());
        }
        tfr().args(args(&out)).arg("--resume").assert().success();
        assert_eq!(shard_bytes(&out), shard_bytes(&undisturbed), "killed after {wait} ms");
        assert_eq!(names(&out), names(&undisturbed));
        assert_eq!(fs::read(out.join("manifest.json")).unwrap(), fs::read(undisturbed.join("manifest.json")).unwrap());
    }
    assert!(unfinished > 0, "no run was killed before its end");
}

#[test]
fn an_unfinished_set_is_not_begun_anew_by_accident() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[4]);
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join(".train.plan"), "of another run").unwrap();
    let (code, error) = tfr_json(&["convert", text(&src), text(&out)]);
    assert_eq!((code, error["error"]["kind"].as_str()), (2, Some("usage")));
    assert!(error["error"]["help"].as_str().unwrap().contains("--resume"));
    // Other options than those of the earlier run.
    let (code, error) = tfr_json(&["convert", text(&src), text(&out), "--resume"]);
    assert_eq!(code, 2);
    assert!(error["error"]["message"].as_str().unwrap().contains("other sources or options"));
    tfr().args(["convert", text(&src), text(&out), "--force"]).assert().success();
    // A finished set is refused too, and left as it is by a second `--resume`.
    assert_eq!(tfr_json(&["convert", text(&src), text(&out)]).0, 2);
    let before = shard_bytes(&out);
    tfr().args(["convert", text(&src), text(&out), "--resume"]).assert().success();
    assert_eq!(shard_bytes(&out), before);
}

#[test]
fn force_replaces_all_of_the_earlier_set_and_only_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[6, 6]);
    let convert = |args: &[&str]| tfr().args(["convert", text(&src), text(&out)]).args(args).assert().success();
    convert(&["--name", "val", "--shards", "2"]);
    convert(&["--shards", "4"]);
    convert(&["--shards", "3", "--compression", "gzip", "--force"]);
    let tfrecords: Vec<String> = shard_bytes(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        tfrecords,
        [
            "train-00000-of-00003.tfrecord.gz",
            "train-00001-of-00003.tfrecord.gz",
            "train-00002-of-00003.tfrecord.gz",
            "val-00000-of-00002.tfrecord",
            "val-00001-of-00002.tfrecord"
        ]
    );
    assert_eq!(names(&out.join("idx")), ["val-00000-of-00002.idx", "val-00001-of-00002.idx"]);
    let info: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("dataset_info.json")).unwrap()).unwrap();
    assert_eq!(info["splits"].as_array().unwrap().len(), 1);
}

#[test]
fn one_conversion_at_a_time_writes_into_a_directory() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[300, 300]);
    let mut first = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"))
        .args(["convert", text(&src), text(&out), "--verify", "decode", "--compression", "gzip", "--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !out.join(".train.plan").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Of fewer classes, whose numbers would be others.
    let other = tmp.path().join("other");
    fs::create_dir_all(other.join("class-1")).unwrap();
    fs::write(other.join("class-1/1.jpg"), common::jpeg(1, 20, 20)).unwrap();
    let (code, error) = tfr_json(&["convert", text(&other), text(&out), "--name", "val"]);
    assert_eq!(code, 2);
    assert!(error["error"]["message"].as_str().unwrap().contains("another process"), "{error}");
    assert!(first.wait().unwrap().success());
    assert_eq!(tfr_json(&["convert", text(&other), text(&out), "--name", "val"]).0, 2, "the classes differ");
}

#[test]
fn a_set_that_cannot_be_is_refused_before_anything_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[4]);
    // The bad file would be met while the first set is written.
    fs::write(src.join("class-0/bad.jpg"), b"nothing").unwrap();
    let (code, error) = tfr_json(&["convert", text(&src), text(&out), "--split", "train=0.5,all=0.5"]);
    assert_eq!((code, &error["error"]["kind"]), (2, &json!("usage")));
    assert!(!out.exists());
}

#[test]
fn bad_pictures_are_named_and_never_stored() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[10]);
    let whole = common::jpeg(5, 90, 120);
    let folder = src.join("class-0");
    let n = whole.len();
    for (name, bytes) in [
        ("a-half.jpg", &whole[..n / 2]),
        ("b-less-100.jpg", &whole[..n - 100]),
        ("c-less-2.jpg", &whole[..n - 2]),
        ("d-empty.jpg", &[][..]),
        ("e-text.jpg", b"this is no picture"),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
    for verify in ["header", "decode"] {
        let out = tmp.path().join(format!("fail-{verify}"));
        let (code, error) = tfr_json(&["convert", text(&src), text(&out), "--verify", verify, "--no-shuffle"]);
        assert_eq!(code, 1);
        assert_eq!(error["error"]["kind"], "image");
        assert!(error["error"]["path"].as_str().unwrap().ends_with("class-0/a-half.jpg"), "{error}");
        assert!(!out.exists(), "a failed run leaves nothing");

        let out = tmp.path().join(format!("skip-{verify}"));
        let (code, report) = tfr_json(&["convert", text(&src), text(&out), "--verify", verify, "--on-error", "skip"]);
        assert_eq!((code, &report["records"]), (0, &json!(10)), "what was left out was to be");
        let skipped: Vec<&str> =
            report["skipped"].as_array().unwrap().iter().map(|s| s["path"].as_str().unwrap()).collect();
        let expected =
            ["a-half", "b-less-100", "c-less-2", "d-empty", "e-text"].map(|name| format!("class-0/{name}.jpg"));
        assert_eq!(skipped, expected);
        assert!(report["skipped"][0]["reason"].as_str().unwrap().contains("truncated"));

        let out = tmp.path().join(format!("most-{verify}"));
        let most = ["--on-error", "skip", "--max-errors", "4", "--verify", verify];
        let (code, error) = tfr_json(&[&["convert", text(&src), text(&out)], &most[..]].concat());
        assert_eq!(code, 1);
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains("5 files cannot be stored, more than the 4"), "{message}");
        assert!(
            error["error"]["path"].as_str().is_some() && error["error"]["help"].to_string().contains("--max-errors")
        );
        assert!(!out.exists());
    }
}

#[test]
fn a_bad_picture_in_the_last_set_leaves_nothing_of_the_first() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src.join("train"), &[5]);
    pictures(&src.join("val"), &[2]);
    let bad = src.join("val/class-0/bad.jpg");
    fs::write(&bad, b"nothing").unwrap();
    assert_eq!(tfr_json(&["convert", text(&src), text(&out)]).0, 1);
    assert!(!out.exists());
    // A set that is there already keeps the other from being begun.
    fs::remove_file(&bad).unwrap();
    tfr().args(["convert", text(&src.join("val")), text(&out), "--name", "val"]).assert().success();
    let before = names(&out);
    assert_eq!(tfr_json(&["convert", text(&src), text(&out)]).0, 2);
    assert_eq!(names(&out), before);
    tfr().args(["convert", text(&src), text(&out), "--force"]).assert().success();
}

#[test]
fn a_header_of_a_giant_is_refused_without_its_memory() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[1]);
    let mut giant = common::jpeg(1, 16, 16);
    let sof = giant.windows(2).position(|w| w[0] == 0xff && (0xc0..=0xc2).contains(&w[1])).unwrap();
    giant[sof + 5..sof + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    fs::write(src.join("class-0/giant.jpg"), giant).unwrap();
    let (code, error) = tfr_json(&["convert", text(&src), text(&out)]);
    assert_eq!(code, 1);
    assert!(error["error"]["message"].as_str().unwrap().contains("65500x65500"), "{error}");
}

#[test]
fn what_is_no_picture_is_ignored_or_bad() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[2]);
    for ignored in ["Thumbs.db", ".DS_Store", "desktop.ini"] {
        fs::write(src.join("class-0").join(ignored), b"x").unwrap();
    }
    symlink("../class-0/0000.jpg", src.join("class-0/linked.jpg")).unwrap();
    let (code, report) = tfr_json(&["convert", text(&src), text(&out)]);
    assert_eq!((code, &report["records"]), (0, &json!(3)));
    // A name that is no image's is counted; one that is says that something is wrong.
    fs::write(src.join("README.md"), b"# Pictures").unwrap();
    fs::write(src.join("class-0/LICENSE"), b"free").unwrap();
    let (code, report) = tfr_json(&["convert", text(&src), text(&out), "--force"]);
    assert_eq!((code, &report["records"], &report["skipped"]), (0, &json!(3), &json!([])));
    assert_eq!(report["passed_over"], json!({"files": 2, "kinds": {".md": 1, "without an extension": 1}}));
    let said = tfr().args(["convert", text(&src), text(&out), "--force"]).output().unwrap().stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("2 files whose names are not an image's are passed over: 1 .md"), "{said}");
    fs::write(src.join("stray.jpg"), b"text").unwrap();
    let (code, error) = tfr_json(&["convert", text(&src), text(&out), "--force"]);
    assert_eq!((code, &error["error"]["kind"]), (1, &json!("source")));
    assert!(error["error"]["path"].as_str().unwrap().ends_with("stray.jpg"));
    let skip = ["convert", text(&src), text(&out), "--force", "--on-error", "skip"];
    let said = tfr().args(skip).assert().code(0).get_output().stderr.clone();
    assert!(String::from_utf8(said).unwrap().contains("1 bad file left out"));
    tfr().args(skip).args(["--max-errors", "0"]).assert().code(1);
}

#[test]
fn an_output_inside_the_source_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[1]);
    for out in [src.clone(), src.join("shards"), src.join("a/b/c"), src.join("../src/shards")] {
        let (code, error) = tfr_json(&["convert", text(&src), text(&out)]);
        assert_eq!(code, 2);
        assert!(error["error"]["message"].as_str().unwrap().contains("inside the source"), "{error}");
    }
    tfr().args(["convert", text(&src), text(&src.join("../shards"))]).assert().success();
}

#[test]
fn splits_come_from_folders_or_shares() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src.join("train"), &[7, 5]);
    pictures(&src.join("validation"), &[3]);
    let out = tmp.path().join("folders");
    let (_, report) = tfr_json(&["convert", text(&src), text(&out), "--shards", "train=2,validation=1"]);
    assert_eq!(report["sets"], json!({"train": 12, "validation": 3}));
    assert!(rows(&out, "validation").iter().all(|r| r.filename.starts_with("validation/class-0/")));
    let (code, _) = tfr_json(&["convert", text(&src), text(&tmp.path().join("x")), "--name", "all-of-it"]);
    assert_eq!(code, 2, "split folders name the sets themselves");

    let out = tmp.path().join("shares");
    let train = src.join("train");
    let (_, report) = tfr_json(&["convert", text(&train), text(&out), "--split", "train=0.5,test=0.5"]);
    assert_eq!(report["records"], 12);
    let all: Vec<String> = ["train", "test"].iter().flat_map(|set| rows(&out, set)).map(|r| r.filename).collect();
    let unique: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), unique.len()), (12, 12));
}

#[test]
fn labels_keep_their_numbers() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[2, 2]);
    let labels = tmp.path().join("names.txt");
    fs::write(&labels, "class-1\nunused\nclass-0\n").unwrap();
    let args = ["convert", text(&src), text(&out), "--labels", text(&labels), "--label-offset", "1"];
    let (code, report) = tfr_json(&args);
    assert_eq!(code, 0);
    assert!(report["warnings"][0].as_str().unwrap().contains("'unused'"));
    for row in rows(&out, "train") {
        assert_eq!(row.label, if row.class == "class-1" { 1 } else { 3 });
    }
    assert!(fs::read_to_string(out.join("labels.pbtxt")).unwrap().contains("id: 3\n  name: 'class-0'"));
    assert_eq!(
        fs::read_to_string(out.join("image.class.label.labels.txt")).unwrap(),
        "__unused_0__\nclass-1\nunused\nclass-0\n"
    );
    // Another set beside it must have the same classes and numbers; nothing of the attempt is left.
    let (code, error) = tfr_json(&["convert", text(&src), text(&out), "--name", "val"]);
    assert_eq!(code, 2);
    assert!(error["error"]["help"].as_str().unwrap().contains("--labels"));
}

#[test]
fn large_pictures_are_made_smaller_and_other_types_are_encoded_anew() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    fs::create_dir_all(src.join("a")).unwrap();
    fs::write(src.join("a/large.jpg"), common::jpeg(1, 120, 90)).unwrap();
    fs::write(src.join("a/small.jpg"), common::jpeg(2, 20, 90)).unwrap();
    fs::copy(fixture("rgb.png"), src.join("a/p.png")).unwrap();
    let (code, _) = tfr_json(&["convert", text(&src), text(&out), "--resize-shorter", "30"]);
    assert_eq!(code, 0);
    let rows = rows(&out, "train");
    let row = |name: &str| rows.iter().find(|r| r.filename == name).unwrap();
    assert_eq!(row("a/large.jpg").shape, [40, 30, 3]);
    assert_eq!(row("a/small.jpg").encoded, common::jpeg(2, 20, 90));

    // A GIF of one pixel.
    let gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";
    fs::write(src.join("a/one.gif"), gif).unwrap();
    let other = tmp.path().join("other");
    let (code, error) = tfr_json(&["convert", text(&src), text(&other)]);
    assert_eq!(code, 1);
    assert!(error["error"]["message"].as_str().unwrap().contains("--reencode png"));
    let (code, report) = tfr_json(&["convert", text(&src), text(&other), "--reencode", "png"]);
    assert_eq!((code, &report["records"]), (0, &json!(4)));

    assert_eq!(report["flattened"], json!([]));
    // Of several frames the first is stored, which is said.
    fs::write(src.join("a/two.gif"), [&gif[..gif.len() - 1], &gif[19..]].concat()).unwrap();
    let (code, found) = tfr_json(&["convert", text(&src), text(&other), "--reencode", "png", "--dry-run", "--force"]);
    assert_eq!((code, &found["flattened"]), (0, &json!([{"path": "a/two.gif", "frames": 2}])));
    let (code, report) = tfr_json(&["convert", text(&src), text(&other), "--reencode", "png", "--force"]);
    assert_eq!((code, &report["flattened"]), (0, &found["flattened"]));
    let warned = report["warnings"].to_string();
    assert!(
        warned.contains("1 file holds several frames or pages, of which the first is stored: a/two.gif (2)"),
        "{warned}"
    );

    // Both at once: a BMP is made smaller too.
    let bmp = tmp.path().join("bmp");
    fs::create_dir_all(bmp.join("a")).unwrap();
    let mut bytes = b"BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00".to_vec();
    for value in [40u32, 40, 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&[90; 40 * 40 * 3]);
    fs::write(bmp.join("a/x.bmp"), bytes).unwrap();
    let small = tmp.path().join("small");
    let args = ["convert", text(&bmp), text(&small), "--reencode", "png", "--resize-shorter", "10"];
    assert_eq!(tfr_json(&args).0, 0);
    assert_eq!({ crate::rows(&small, "train") }[0].shape, [10, 10, 3]);
}

#[test]
fn smaller_pictures_keep_their_channels() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    fs::create_dir_all(src.join("a")).unwrap();
    let kept = [
        ("gray.jpg", "JPEG", "Grayscale", 1),
        ("gray.png", "PNG", "Grayscale", 1),
        ("gray16.png", "PNG", "Grayscale", 1),
        ("graya.png", "PNG", "GrayAlpha", 2),
        ("rgb.png", "PNG", "RGB", 3),
        ("palette_trns.png", "PNG", "RGBA", 4),
        ("rgba.png", "PNG", "RGBA", 4),
        ("color420.jpg", "JPEG", "RGB", 3),
    ];
    for (name, ..) in kept {
        fs::copy(fixture(name), src.join("a").join(name)).unwrap();
    }
    for verify in ["header", "decode", "none"] {
        let out = out.join(verify);
        let args = ["convert", text(&src), text(&out), "--resize-shorter", "5", "--verify", verify];
        assert_eq!(tfr_json(&args).0, 0);
        let rows = rows(&out, "train");
        for (name, format, colorspace, channels) in kept {
            let row = rows.iter().find(|r| r.filename == format!("a/{name}")).unwrap();
            assert_eq!((row.format.as_str(), row.colorspace.as_str()), (format, colorspace), "{name}");
            assert_eq!((row.shape[0], row.shape[2]), (5, channels), "{name}");
        }
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_of_the_system() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[1]);
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("idx"), b"in the way").unwrap();
    let (code, error) = tfr_json(&["convert", text(&src), text(&out)]);
    assert_eq!((code, &error["error"]["kind"]), (3, &json!("io")));
    assert!(error["error"]["path"].as_str().unwrap().contains("idx"), "{error}");
    // Once the way is free, the run is resumed.
    fs::remove_file(out.join("idx")).unwrap();
    tfr().args(["convert", text(&src), text(&out), "--resume"]).assert().success();
    assert!(out.join("manifest.json").exists());
}

#[test]
fn a_folder_that_cannot_be_read_is_an_error_of_the_system() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[2, 2]);
    fs::create_dir(&out).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(tmp.path(), 0o755);
    mode(&out, 0o777);
    let locked = src.join("class-1");
    mode(&locked, 0);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"));
    if fs::read_dir(&locked).is_ok() {
        // Nothing is locked to root.
        command.uid(65_534);
    }
    let output = command.args(["convert", text(&src), text(&out), "--on-error", "skip", "--json"]).output().unwrap();
    mode(&locked, 0o755);
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &error["error"]["kind"]), (Some(3), &json!("io")), "{error}");
    assert!(error["error"]["path"].as_str().unwrap().ends_with("class-1"), "{error}");
}

#[test]
fn somebody_elses_metadata_are_not_overwritten() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    pictures(&src, &[3]);
    fs::create_dir(&out).unwrap();
    fs::write(out.join("features.json"), "theirs").unwrap();
    let (code, error) = tfr_json(&["convert", text(&src), text(&out)]);
    assert_eq!(code, 2);
    assert!(error["error"]["message"].as_str().unwrap().contains("features.json"), "{error}");
    assert!(error["error"]["help"].as_str().unwrap().contains("--force"), "{error}");
    assert_eq!(names(&out), ["features.json"], "nothing of the attempt is left");
    // Compressed sets have no metadata.
    tfr().args(["convert", text(&src), text(&out), "--compression", "gzip"]).assert().success();
    assert_eq!(fs::read_to_string(out.join("features.json")).unwrap(), "theirs");
    let forced = tmp.path().join("forced");
    fs::create_dir(&forced).unwrap();
    fs::write(forced.join("dataset_info.json"), "theirs").unwrap();
    tfr().args(["convert", text(&src), text(&forced), "--force"]).assert().success();
    assert!(fs::read_to_string(forced.join("dataset_info.json")).unwrap().contains("shardLengths"));
}

#[test]
fn names_with_control_characters_do_nothing_to_the_terminal() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    pictures(&src, &[2]);
    fs::write(src.join("class-0/\u{1b}[2Jbad\nname.jpg"), "x").unwrap();
    let run = |name: &str, args: &[&str]| {
        let out = tmp.path().join(name);
        tfr().args(["convert", text(&src), text(&out)]).args(args).output().unwrap()
    };
    let (skipped, failed) = (run("skip", &["--on-error", "skip"]), run("fail", &[]));
    let said = String::from_utf8(skipped.stdout).unwrap();
    assert!(said.contains("left out class-0/\\u{1b}[2Jbad\\nname.jpg: "), "{said}");
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(said.contains("\\u{1b}[2Jbad") && !said.contains('\u{1b}'), "{said}");
    let (_, report) = tfr_json(&["convert", text(&src), text(&tmp.path().join("json")), "--on-error", "skip"]);
    assert_eq!(report["skipped"][0]["path"], "class-0/\u{1b}[2Jbad\nname.jpg");
}
