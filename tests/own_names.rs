//! Sets that were not made by this toolkit: images and labels under names of their own, no labels, boxes as TFDS has them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{jpeg, names, text, tfr, tfr_json};
use tfrkit::example::ExampleBuilder;
use tfrkit::image::{DecodeOptions, Decoder, ImageBuf, Shape, encode_png};
use tfrkit::record::Writer;

fn write(path: &Path, payloads: &[Vec<u8>]) -> PathBuf {
    let mut writer = Writer::new(Vec::new());
    for payload in payloads {
        writer.write(payload).unwrap();
    }
    fs::write(path, writer.finish().unwrap()).unwrap();
    path.to_owned()
}

/// Six records, whose image is called `photo` and whose label is called `kind`.
fn photos(dir: &Path) -> PathBuf {
    let record = |i: usize| {
        ExampleBuilder::new().bytes("photo", &jpeg(i, 30, 40)).int64("kind", i as i64 % 2).text("note", "BM").encode()
    };
    write(&dir.join("photos.tfrecord"), &(0..6).map(record).collect::<Vec<_>>())
}

/// As [`photos`], each with a second image.
fn pairs(dir: &Path) -> PathBuf {
    let record =
        |i: usize| ExampleBuilder::new().bytes("left", &jpeg(i, 30, 40)).bytes("right", &jpeg(i + 9, 30, 40)).encode();
    write(&dir.join("pairs.tfrecord"), &(0..6).map(record).collect::<Vec<_>>())
}

fn decode(path: &Path) -> ImageBuf<u8> {
    Decoder::new(DecodeOptions::default()).unwrap().decode(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_only_feature_with_images_is_found_by_itself() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = photos(tmp.path());
    let (sheet, page, images) = (tmp.path().join("s.png"), tmp.path().join("r.html"), tmp.path().join("images"));
    let (code, json) = tfr_json(&["preview", text(&shard), "-o", text(&sheet)]);
    assert_eq!(code, 0, "{json}");
    assert_eq!(decode(&sheet).shape().width, 8 + 6 * (192 + 8));
    assert_eq!(tfr_json(&["report", text(&shard), "-o", text(&page)]).0, 0);
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("6 images: all JPEG") && page.contains("30 × 40 (100 %)"));
    tfr().args(["extract", text(&shard), "-o", text(&images)]).assert().success();
    assert_eq!(names(&images).iter().filter(|name| name.ends_with(".jpg")).count(), 6);
    let (_, json) = tfr_json(&["validate", text(&shard), "--decode"]);
    assert_eq!(json["findings_total"], 0, "{json}");
    // What is in it is looked at.
    let mut cut = jpeg(1, 30, 40);
    cut.truncate(cut.len() / 2);
    let more = [
        ExampleBuilder::new().bytes("photo", &jpeg(2, 30, 40)).encode(),
        ExampleBuilder::new().bytes("photo", &cut).encode(),
    ];
    let (code, json) = tfr_json(&["validate", text(&write(&shard, &more)), "--decode"]);
    assert_eq!((code, &json["findings"][0]["kind"]), (1, &serde_json::json!("image")), "{json}");
}

#[test]
fn of_several_features_with_images_one_is_named() {
    let tmp = tempfile::tempdir().unwrap();
    let shard = pairs(tmp.path());
    let (sheet, page) = (tmp.path().join("s.png"), tmp.path().join("r.html"));
    let (code, json) = tfr_json(&["preview", text(&shard), "-o", text(&sheet)]);
    let said = json["error"]["message"].as_str().unwrap();
    assert!(code == 2 && said.contains("left, right") && !sheet.exists(), "{json}");
    assert_eq!(tfr_json(&["preview", text(&shard), "--image", "right", "-o", text(&sheet)]).0, 0);
    let (_, json) = tfr_json(&["validate", text(&shard), "--decode"]);
    assert!(json["findings"][0]["detail"].as_str().unwrap().contains("left, right"), "{json}");
    assert_eq!(tfr_json(&["validate", text(&shard), "--decode", "--image", "left"]).1["findings_total"], 0);
    let (code, json) = tfr_json(&["validate", text(&shard), "--decode", "--image", "none"]);
    assert_eq!((code, &json["findings_total"]), (1, &serde_json::json!(6)), "{json}");
    let report = |more: &[&str]| {
        let args = [&["report", text(&shard), "--force", "-o", text(&page)][..], more].concat();
        assert_eq!(tfr_json(&args).0, 0);
        fs::read_to_string(&page).unwrap()
    };
    assert!(!report(&[]).contains("id=\"images\""));
    assert!(report(&["--image", "left"]).contains("6 images: all JPEG"));
}

#[test]
fn a_label_of_any_name_tells_the_class() {
    let tmp = tempfile::tempdir().unwrap();
    let (shard, page, spec) = (photos(tmp.path()), tmp.path().join("r.html"), tmp.path().join("p.toml"));
    assert_eq!(tfr_json(&["report", text(&shard), "--label", "kind", "-o", text(&page)]).0, 0);
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("<th scope=\"row\">label 1</th>"), "classes by the named label");
    fs::write(&spec, "[batch]\nsize = 2\n[[eval]]\nop = \"resize\"\nsize = [8, 8]\n").unwrap();
    let args = ["stream", text(&shard), "--pipeline", text(&spec), "--mode", "eval"];
    let (code, json) = tfr_json(&[&args[..], &["--image", "photo", "--label", "kind"]].concat());
    assert_eq!((code, json["images"].as_u64()), (0, Some(6)), "{json}");
}

#[test]
fn sets_without_labels_are_previewed_as_they_are() {
    let tmp = tempfile::tempdir().unwrap();
    let records: Vec<Vec<u8>> =
        (0..3).map(|i| ExampleBuilder::new().bytes("image/encoded", &jpeg(i, 20, 20)).encode()).collect();
    let shard = write(&tmp.path().join("a.tfrecord"), &records);
    let sheet = tmp.path().join("s.png");
    let (code, json) = tfr_json(&["preview", text(&shard), "-o", text(&sheet)]);
    assert_eq!(code, 0, "{json}");
    assert_eq!(json["shape"][1], 8 + 6 * 200);
}

/// The pixels of the yellow frames on a sheet.
fn framed(sheet: &ImageBuf<u8>) -> Vec<(usize, usize)> {
    let width = sheet.shape().width;
    let pixels = sheet.pixels().as_chunks::<3>().0.iter().enumerate();
    pixels.filter(|(_, pixel)| **pixel == [255, 210, 63]).map(|(i, _)| (i / width, i % width)).collect()
}

#[test]
fn boxes_are_drawn_on_originals_and_where_they_can_be_followed_on_samples() {
    let tmp = tempfile::tempdir().unwrap();
    let gray = encode_png(&ImageBuf::from_pixels(Shape::new(64, 64, 3), vec![128; 64 * 64 * 3]).unwrap()).unwrap();
    let sides = |names: [&str; 4]| {
        let example = ExampleBuilder::new().bytes("image/encoded", &gray);
        let values = [0.25, 0.5, 0.5, 1.0];
        let named = names.into_iter().zip(values);
        named.fold(example, |e, (name, value)| e.floats(format!("image/object/bbox/{name}"), [value])).encode()
    };
    let ours = sides(["xmin", "ymin", "xmax", "ymax"]);
    let tfds = ExampleBuilder::new().bytes("image", &gray).floats("objects/bbox", [0.5, 0.25, 1.0, 0.5]).encode();
    let (spec, sheet) = (tmp.path().join("p.toml"), tmp.path().join("s.png"));
    let preview = |payload: &[u8], ops: &str| {
        let shard = write(&tmp.path().join("a.tfrecord"), &[payload.to_vec()]);
        fs::write(&spec, ops).unwrap();
        let args = ["preview", text(&shard), "--pipeline", text(&spec), "--versions", "1", "--cell", "64", "--force"];
        let (code, json) = tfr_json(&[&args[..], &["-o", text(&sheet)]].concat());
        assert_eq!(code, 0, "{json}");
        framed(&decode(&sheet))
    };
    for payload in [ours, tfds] {
        let found = preview(&payload, "[[train]]\nop = \"flip_left_right\"\n");
        // The first cell begins at 8, the second at 80.
        let (first, second): (Vec<_>, Vec<_>) = found.iter().partition(|(_, x)| *x < 76);
        let across = |cell: &[(usize, usize)]| {
            (cell.iter().map(|p| p.1).min().unwrap(), cell.iter().map(|p| p.1).max().unwrap())
        };
        assert_eq!((across(&first), across(&second)), ((8 + 16, 8 + 32), (80 + 32, 80 + 48)));
        let turned = preview(&payload, "[[train]]\nop = \"random_rotation\"\nfactor = 0.1\n");
        assert!(turned.iter().all(|(_, x)| *x < 76) && turned.len() == first.len(), "on the original alone");
    }
}

#[test]
fn boxes_of_tfds_are_counted_and_drawn_in_reports() {
    let tmp = tempfile::tempdir().unwrap();
    let record = ExampleBuilder::new()
        .bytes("image", &jpeg(1, 100, 200))
        .floats("objects/bbox", [0.5, 0.25, 1.0, 0.75, 0.0, 0.0, 0.5, 0.5])
        .int64s("objects/label", [3, 4])
        .encode();
    let (shard, page) = (write(&tmp.path().join("a.tfrecord"), &[record]), tmp.path().join("r.html"));
    assert_eq!(tfr_json(&["report", text(&shard), "-o", text(&page)]).0, 0);
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("2 boxes on 1 image") && page.contains("Boxes by class"));
    assert!(
        page.contains("<rect x=\"40.0\" y=\"40.0\" width=\"80.0\" height=\"40.0\"/>") && page.contains(">3</text>")
    );
}

/// A record whose image is none, and a set of tables beside, are no images of some size.
#[test]
fn the_average_size_of_images_is_that_of_images() {
    let tmp = tempfile::tempdir().unwrap();
    let whole = jpeg(1, 40, 40);
    let (junk, text_of) =
        (vec![7u8; 300_000], |bytes: &[u8]| ExampleBuilder::new().bytes("image/encoded", bytes).encode());
    write(&tmp.path().join("a.tfrecord"), &[text_of(&whole), text_of(&junk)]);
    let table = |i: i64| ExampleBuilder::new().int64("n", i).floats("v", vec![0.5; 50_000]).encode();
    write(&tmp.path().join("b.tfrecord"), &[table(0), table(1)]);
    let page = tmp.path().join("r.html");
    assert_eq!(tfr_json(&["report", text(tmp.path()), "-o", text(&page)]).0, 0);
    let page = fs::read_to_string(&page).unwrap();
    let mean = format!("{:.1} KiB on average", whole.len() as f64 / 1024.0);
    assert!(page.contains(&format!("<dd>1</dd><dd class=\"note\">{mean}")), "{mean}");
}

/// A header with 50,000 rows of 60,000 pixels, told as everything else is: the height first.
#[test]
fn heights_come_before_widths() {
    let tmp = tempfile::tempdir().unwrap();
    let (whole, mut huge) = (jpeg(1, 30, 40), jpeg(1, 30, 40));
    let frame = huge.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    huge[frame + 5..frame + 9].copy_from_slice(&[&50_000u16.to_be_bytes()[..], &60_000u16.to_be_bytes()].concat());
    let record = |bytes: &[u8]| ExampleBuilder::new().bytes("image/encoded", bytes).encode();
    let shard = write(&tmp.path().join("a.tfrecord"), &[record(&whole), record(&huge)]);
    let (_, json) = tfr_json(&["validate", text(&shard), "--decode"]);
    let said = json["findings"][0]["detail"].as_str().unwrap();
    assert!(said.contains("50000x60000 pixels (height x width)"), "{said}");
    let said = |args: &[&str]| String::from_utf8(tfr().args(args).output().unwrap().stdout).unwrap();
    let info = said(&["info", text(&shard)]);
    assert!(info.contains("JPEG 30x40") && info.contains("height x width"), "{info}");
    let stats = said(&["stats", text(&shard)]);
    assert!(stats.find("height").unwrap() < stats.find("width").unwrap(), "{stats}");
    let (_, cat) = tfr_json(&["cat", text(&shard), "-n", "1"]);
    assert_eq!(cat["features"]["image/encoded"]["bytes"][0]["type"], "JPEG 30x40");
}
