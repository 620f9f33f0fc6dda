//! Someone wants only some of the pictures, and those upright.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{fixture, jpeg, names, pictures, shard_bytes, text, tfr, tfr_json};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tfrkit::example::ExampleView;
use tfrkit::image::{DecodeOptions, Decoder, ImageBuf, Limits, Orientation, Shape, encode_png, probe_header};
use tfrkit::record::{Io, ReadOptions, RecordSource};

/// What is stored of each picture, by its file name; its size and hash are held against its bytes.
fn stored(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut stored = BTreeMap::new();
    for (name, _) in shard_bytes(dir) {
        let mut source = RecordSource::open(dir.join(name), Io::Auto, ReadOptions::default()).unwrap();
        while let Some(record) = source.next_record().unwrap() {
            let view = ExampleView::new(record.payload);
            let bytes = |key: &str| view.feature(key).unwrap().unwrap().single_bytes().unwrap().to_vec();
            let int = |key: &str| view.feature(key).unwrap().unwrap().single_int64().unwrap() as usize;
            let encoded = bytes("image/encoded");
            let probe = probe_header(&encoded, &Limits::default()).unwrap();
            assert_eq!((int("image/height"), int("image/width")), (probe.height, probe.width));
            let sha256: String = Sha256::digest(&encoded).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(bytes("image/key/sha256"), sha256.as_bytes());
            let name = String::from_utf8(bytes("image/filename")).unwrap();
            assert!(stored.insert(name.clone(), encoded).is_none(), "{name} is there twice");
        }
    }
    stored
}

/// EXIF that holds nothing but an orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
}

fn jpeg_with(orientation: u8, jpeg: &[u8]) -> Vec<u8> {
    let exif = exif(orientation);
    let length = (exif.len() as u16 + 8).to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &length, b"Exif\0\0", &exif, &jpeg[2..]].concat()
}

fn png_with(orientation: u8, png: &[u8]) -> Vec<u8> {
    let chunk = [b"eXIf", &exif(orientation)[..]].concat();
    let length = (chunk.len() as u32 - 4).to_be_bytes();
    // Behind IHDR.
    [&png[..33], &length, &chunk, &crc32fast::hash(&chunk).to_be_bytes(), &png[33..]].concat()
}

fn pixels(encoded: &[u8], orientation: Orientation) -> ImageBuf<u8> {
    Decoder::new(DecodeOptions { orientation, ..DecodeOptions::default() }).unwrap().decode(encoded).unwrap()
}

#[test]
fn baked_pictures_are_upright_and_all_others_untouched() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    fs::create_dir_all(src.join("a")).unwrap();
    let photo = jpeg(3, 24, 40);
    let drawing = encode_png(&pixels(&photo, Orientation::Ignore)).unwrap();
    for orientation in 1..=9 {
        fs::write(src.join(format!("a/{orientation}.jpg")), jpeg_with(orientation, &photo)).unwrap();
        fs::write(src.join(format!("a/{orientation}.png")), png_with(orientation, &drawing)).unwrap();
    }
    for name in ["exif6.jpg", "gray.jpg", "rgb16.png", "cmyk.jpg"] {
        fs::copy(fixture(name), src.join("a").join(name)).unwrap();
    }
    let run = |name: &str, args: &[&str]| {
        let out = tmp.path().join(name);
        let (code, report) = tfr_json(&[&["convert", text(&src), text(&out)], args].concat());
        assert_eq!(code, 0, "{report}");
        stored(&out)
    };
    let source = |name: &str| fs::read(src.join(name)).unwrap();
    let kept = run("kept", &[]);
    assert!(kept.iter().all(|(name, bytes)| *bytes == source(name)));
    for verify in ["header", "decode", "none"] {
        let baked = run(verify, &["--exif", "bake", "--verify", verify]);
        assert_eq!(baked.len(), kept.len());
        for (name, bytes) in &baked {
            let turned = ["2.", "3.", "4.", "5.", "6.", "7.", "8.", "exif6."].iter().any(|n| name[2..].starts_with(n));
            if !turned {
                assert_eq!(*bytes, source(name), "{name}");
                continue;
            }
            assert_eq!(probe_header(bytes, &Limits::default()).unwrap().exif_orientation, None);
            let expected = pixels(&source(name), Orientation::Apply);
            let found = pixels(bytes, Orientation::Ignore);
            if name.ends_with("png") {
                assert_eq!(found, expected, "{name}");
                continue;
            }
            assert_eq!(found.shape(), expected.shape(), "{name}");
            let off = found.pixels().iter().zip(expected.pixels()).map(|(f, e)| f64::from(f.abs_diff(*e)));
            let mean = off.sum::<f64>() / found.pixels().len() as f64;
            assert!(mean < 12.0, "{name} is off by {mean}");
        }
    }
    let (fine, coarse) = (run("fine", &["--exif", "bake"]), run("coarse", &["--exif", "bake", "--quality", "20"]));
    assert!(coarse["a/6.jpg"].len() < fine["a/6.jpg"].len());
    assert_eq!(coarse["a/6.png"], fine["a/6.png"]);
    let out = tmp.path().join("none-anew");
    let (code, error) = tfr_json(&["convert", text(&src), text(&out), "--quality", "20"]);
    assert!(code == 2 && error["error"]["help"].as_str().unwrap().contains("--exif bake"), "{error}");
}

#[test]
fn smaller_pictures_are_upright_and_keep_16_bits() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    fs::create_dir_all(src.join("a")).unwrap();
    let photo = jpeg(3, 24, 40);
    fs::write(src.join("a/lying.jpg"), jpeg_with(6, &photo)).unwrap();
    fs::write(src.join("a/small.jpg"), jpeg_with(6, &jpeg(3, 5, 12))).unwrap();
    for name in ["gray16.png", "graya16.png", "rgb16.png", "rgba16.png", "gray_trns.png"] {
        fs::copy(fixture(name), src.join("a").join(name)).unwrap();
    }
    let (code, _) = tfr_json(&["convert", text(&src), text(&out), "--resize-shorter", "5"]);
    assert_eq!(code, 0);
    let stored = stored(&out);
    let probe = |name: &str| probe_header(&stored[name], &Limits::default()).unwrap();
    let lying = probe("a/lying.jpg");
    assert_eq!((lying.height, lying.width, lying.exif_orientation), (8, 5, None));
    // What is small enough is stored as it is, its orientation with it.
    assert_eq!(probe("a/small.jpg").exif_orientation, Some(6));
    for (name, channels) in [("gray16", 1), ("graya16", 2), ("rgb16", 3), ("rgba16", 4)] {
        let name = format!("a/{name}.png");
        assert_eq!((stored[&name][24], probe(&name).channels), (16, channels), "{name}");
    }
    assert_eq!(probe("a/gray_trns.png").channels, 2, "a transparent gray stays transparent");
}

#[test]
fn pictures_of_the_wrong_size_are_left_out_and_listed() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    fs::create_dir_all(src.join("a")).unwrap();
    for (name, height, width) in [("good", 40, 60), ("low", 20, 80), ("small", 19, 30), ("wide", 30, 91)] {
        fs::write(src.join(format!("a/{name}.jpg")), jpeg(1, height, width)).unwrap();
    }
    fs::write(src.join("a/lying.jpg"), jpeg_with(6, &jpeg(1, 40, 60))).unwrap();
    let run = |name: &str, args: &[&str]| -> (i32, Value) {
        let out = tmp.path().join(name);
        tfr_json(&[&["convert", text(&src), text(&out), "--shards", "2"], args].concat())
    };
    let filtered = |report: &Value| -> Vec<String> {
        report["filtered"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()[2..].to_owned()).collect()
    };
    let (code, report) = run("size", &["--min-size", "20"]);
    assert_eq!((code, filtered(&report)), (0, vec!["small.jpg".to_owned()]));
    assert_eq!((&report["records"], &report["skipped"]), (&json!(4), &json!([])));
    assert_eq!(report["filtered"][0]["reason"], "30x19 pixels, less than 20x20");
    assert!(!stored(&tmp.path().join("size")).contains_key("a/small.jpg"));
    assert_eq!(filtered(&run("sides", &["--min-size", "60x25"]).1), ["low.jpg", "small.jpg"]);
    // Upright, the lying one is 40 wide.
    let baked = run("baked", &["--min-size", "60x25", "--exif", "bake"]).1;
    assert_eq!(filtered(&baked), ["low.jpg", "lying.jpg", "small.jpg"]);
    let (_, report) = run("aspect", &["--max-aspect", "3", "--resize-shorter", "10"]);
    assert_eq!(filtered(&report), ["low.jpg", "wide.jpg"]);
    assert!(report["filtered"][0]["reason"].as_str().unwrap().contains("aspect of 4.00, more than 3"));
    // The source's size counts, not that after the resize.
    assert_eq!(filtered(&run("both", &["--min-size", "20", "--resize-shorter", "10"]).1), ["small.jpg"]);

    let (code, report) = run("none-left", &["--min-size", "500"]);
    assert_eq!((code, &report["records"]), (0, &json!(0)));
    assert!(report["warnings"].to_string().contains("no image is left in the set 'train'"), "{report}");

    // Going on lists them again, and the bytes are the same for any number of threads.
    let before = shard_bytes(&tmp.path().join("size"));
    assert_eq!(filtered(&run("size", &["--min-size", "20", "--resume"]).1), ["small.jpg"]);
    run("threads", &["--min-size", "20", "--threads", "5"]);
    assert!(shard_bytes(&tmp.path().join("size")) == before && shard_bytes(&tmp.path().join("threads")) == before);
    assert_eq!(run("size", &["--min-size", "21", "--resume"]).0, 2, "other options are another plan");

    // A damaged picture is bad whatever its size.
    fs::write(src.join("a/cut.jpg"), &jpeg(1, 10, 10)[..300]).unwrap();
    let (code, report) = run("cut", &["--min-size", "20", "--on-error", "skip"]);
    assert_eq!((code, filtered(&report)), (0, vec!["small.jpg".to_owned()]));
    assert_eq!(report["skipped"][0]["path"], "a/cut.jpg");
    let out = tmp.path().join("text");
    let args = ["convert", text(&src), text(&out), "--min-size", "20", "--on-error", "skip"];
    let output = tfr().args(args).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 image filtered by size"));
    for bad in [["--min-size", "0"], ["--min-size", "3x"], ["--max-aspect", "0.5"], ["--max-aspect", "nan"]] {
        assert_eq!(run("bad", &bad).0, 2, "{bad:?}");
    }
}

#[test]
fn a_picture_that_is_there_twice_is_stored_once_and_in_one_set() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("src");
    for set in ["train", "val", "test"] {
        pictures(&src.join(set), &[6, 2]);
    }
    // Of the same length as another, with other bytes.
    let mut near = fs::read(src.join("train/class-0/0001.jpg")).unwrap();
    let last = near.len() - 1;
    near[last - 2] ^= 1;
    fs::write(src.join("train/class-0/near.jpg"), near).unwrap();
    fs::copy(src.join("train/class-0/0002.jpg"), src.join("train/class-1/copy.jpg")).unwrap();
    fs::write(src.join("val/class-0/own.jpg"), jpeg(99, 33, 44)).unwrap();
    fs::write(src.join("test/class-0/own.jpg"), jpeg(99, 33, 44)).unwrap();
    let run = |name: &str, args: &[&str]| {
        let out = tmp.path().join(name);
        tfr_json(&[&["convert", text(&src), text(&out), "--dedupe"], args].concat())
    };
    let (code, report) = run("one", &["--threads", "1"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(report["sets"], json!({"train": 9, "val": 1, "test": 0}));
    let duplicates: Vec<(&str, &str)> = (report["duplicates"].as_array().unwrap().iter())
        .map(|d| (d["path"].as_str().unwrap(), d["of"].as_str().unwrap()))
        .collect();
    assert_eq!(duplicates.len(), 1 + 8 + 8 + 1);
    assert_eq!(duplicates[0], ("train/class-1/copy.jpg", "train/class-0/0002.jpg"));
    assert!(duplicates.contains(&("test/class-0/own.jpg", "val/class-0/own.jpg")));
    assert!(duplicates.contains(&("val/class-1/0000.jpg", "train/class-1/0000.jpg")));
    let warned = report["warnings"].to_string();
    assert!(warned.contains("train/class-0/0002.jpg and train/class-1/copy.jpg"), "{warned}");
    let one = tmp.path().join("one");
    assert!(stored(&one).contains_key("train/class-0/near.jpg"));
    assert_eq!(run("four", &["--threads", "4"]).1["duplicates"], report["duplicates"]);
    assert_eq!(shard_bytes(&one), shard_bytes(&tmp.path().join("four")));
    assert_eq!(run("one", &["--resume"]).0, 0);
    assert_eq!(tfr_json(&["validate", text(&one), "--duplicates"]).1["findings_total"], 0);
    let said = tfr().args(["convert", text(&src), text(&tmp.path().join("said")), "--dedupe"]).output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).contains("18 duplicates left out"));

    // Before a split, so that no set has what another one has.
    let (mixed, out) = (tmp.path().join("mixed"), tmp.path().join("shares"));
    pictures(&mixed, &[20]);
    for (name, _) in names(&mixed.join("class-0")).into_iter().zip(0..) {
        fs::copy(mixed.join("class-0").join(&name), mixed.join("class-0").join(format!("x-{name}"))).unwrap();
    }
    let (_, report) = tfr_json(&["convert", text(&mixed), text(&out), "--dedupe", "--split", "train=0.5,test=0.5"]);
    assert_eq!(report["sets"], json!({"train": 10, "test": 10}));
    assert_eq!(tfr_json(&["validate", text(&out), "--duplicates"]).1["findings_total"], 0);
}

#[test]
fn boxes_turn_with_their_picture() {
    let tmp = tempfile::tempdir().unwrap();
    // A white box on black, in stored coordinates: columns 2 to 4 of 10, row 1 of 6.
    let white = |i: usize| if (2..5).contains(&(i / 3 % 10)) && i / 30 == 1 { 255 } else { 0 };
    let image = ImageBuf::from_pixels(Shape::new(6, 10, 3), (0..180).map(white).collect()).unwrap();
    let png = encode_png(&image).unwrap();
    let mut list = String::new();
    for orientation in 1..=8 {
        fs::write(tmp.path().join(format!("{orientation}.png")), png_with(orientation, &png)).unwrap();
        let one = json!({"xmin": 0.2, "ymin": 1.0 / 6.0, "xmax": 0.5, "ymax": 2.0 / 6.0, "label": 0, "text": "white"});
        list += &format!("{}\n", json!({"path": format!("{orientation}.png"), "boxes": [one]}));
    }
    let (src, out) = (tmp.path().join("list.jsonl"), tmp.path().join("out"));
    fs::write(&src, list).unwrap();
    tfr().args(["convert", text(&src), text(&out), "--exif", "bake"]).assert().success();
    let mut source =
        RecordSource::open(out.join("train-00000-of-00001.tfrecord"), Io::Auto, ReadOptions::default()).unwrap();
    let mut seen = 0;
    while let Some(record) = source.next_record().unwrap() {
        let view = ExampleView::new(record.payload);
        let side = |name: &str| {
            let feature = view.feature(&format!("image/object/bbox/{name}")).unwrap().unwrap();
            feature.floats().unwrap().next().unwrap().unwrap()
        };
        let stored = view.feature("image/encoded").unwrap().unwrap();
        let pixels = pixels(stored.single_bytes().unwrap(), Orientation::Ignore);
        let Shape { height, width, .. } = pixels.shape();
        let at = |part: f32, size: usize| (part * size as f32).round() as usize;
        let (rows, columns) =
            (at(side("ymin"), height)..at(side("ymax"), height), at(side("xmin"), width)..at(side("xmax"), width));
        for (i, &value) in pixels.pixels().iter().enumerate() {
            let inside = columns.contains(&(i / 3 % width)) && rows.contains(&(i / 3 / width));
            assert_eq!(value == 255, inside, "{:?}", view.feature("image/filename"));
        }
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn a_run_that_fails_leaves_no_directory_and_classes_keep_their_numbers() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, other, out] = ["src", "other", "out"].map(|n| tmp.path().join(n));
    pictures(&src, &[2, 2]);
    fs::write(src.join("class-0/bad.jpg"), b"no picture").unwrap();
    assert_eq!(tfr_json(&["convert", text(&src), text(&out)]).0, 1);
    assert!(!out.exists());
    fs::remove_file(src.join("class-0/bad.jpg")).unwrap();
    assert_eq!(tfr_json(&["convert", text(&src), text(&out)]).0, 0);
    // The manifest tells too, where somebody has taken labels.txt away.
    fs::remove_file(out.join("labels.txt")).unwrap();
    pictures(&other, &[1]);
    let (code, said) = tfr_json(&["convert", text(&other), text(&out), "--name", "val"]);
    assert_eq!(code, 2);
    assert!(said["error"]["message"].as_str().unwrap().contains("not those of the sets"), "{said}");
}
