//! Someone has pictures with boxes, annotated as COCO or as Pascal VOC, and wants shards.

#[path = "common/annotated.rs"]
mod annotated;
mod common;

use std::fs;
use std::path::Path;

use annotated::{coco, convert, instances, picture, read_json, records, refused, threads_and_resume};
use common::{text, tfr_json};
use serde_json::{Value, json};

#[test]
fn a_coco_dataset_with_its_sets() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("coco"), tmp.path().join("out"));
    coco(&src, &instances());
    let report = convert(&src, &out, &["--label-offset", "1"]);
    assert_eq!(report["sets"], json!({"train2017": 2, "val2017": 2}));
    assert_eq!(report["classes"], json!(["zebra", "dog"]), "in the order of the categories' ids");
    assert!(report["warnings"].to_string().contains("segmentations"));
    let train = records(&out, "train2017");
    let record = &train["train2017/b.jpg"];
    // Boxes in the order of the annotations' ids; one reaches half a pixel over the edge.
    for (feature, values) in [
        ("bbox/xmin", json!({"float": [0.0, 0.5]})),
        ("bbox/ymin", json!({"float": [0.0, 0.25]})),
        ("bbox/xmax", json!({"float": [0.2, 1.0]})),
        ("bbox/ymax", json!({"float": [0.5, 1.0]})),
        ("class/label", json!({"int64": [1, 2]})),
        ("class/text", json!({"bytes": ["zebra", "dog"]})),
        ("area", json!({"float": [200.0, 700.5]})),
        ("is_crowd", json!({"int64": [0, 1]})),
        ("category_id", json!({"int64": [3, 18]})),
    ] {
        assert_eq!(record[&format!("image/object/{feature}")], values, "{feature}");
    }
    assert_eq!(record["image/source_id"], json!({"bytes": ["20"]}));
    assert_eq!(record.get("image/class/label"), None);
    let empty = &train["train2017/a.jpg"];
    assert_eq!(empty["image/object/bbox/xmax"], json!({"float": []}));
    assert_eq!(empty["image/object/class/text"], json!({"bytes": []}));
    assert!(fs::read_to_string(out.join("labels.pbtxt")).unwrap().starts_with("item {\n  id: 1\n  name: 'zebra'"));
    let features = &read_json(&out.join("features.json"))["featuresDict"]["features"];
    assert_eq!(features["image/object/class/label"]["sequence"]["feature"]["classLabel"]["numClasses"], "3");
}

#[test]
fn one_file_of_annotations_finds_its_pictures() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("coco");
    coco(&src, &instances());
    let file = src.join("annotations/instances_val2017.json");
    let out = tmp.path().join("out");
    assert_eq!(convert(&file, &out, &[])["sets"], json!({"val2017": 2}), "a validation set is not called train");
    assert!(records(&out, "val2017").contains_key("b.jpg"));
    let out = tmp.path().join("split");
    assert_eq!(convert(&file, &out, &["--split", "train=0.5,val=0.5"])["sets"], json!({"train": 1, "val": 1}));

    // Beside the file, in images beside its folder; with its labels numbered by hand.
    for place in ["flat", "flat/images"] {
        let dir = tmp.path().join(place);
        picture(&dir.join("a.jpg"), 1);
        picture(&dir.join("b.jpg"), 2);
    }
    fs::write(tmp.path().join("flat/boxes.json"), instances().to_string()).unwrap();
    fs::create_dir_all(tmp.path().join("flat/json")).unwrap();
    fs::write(tmp.path().join("flat/json/boxes.json"), instances().to_string()).unwrap();
    let labels = tmp.path().join("labels.txt");
    fs::write(&labels, "dog\ncat\nzebra\n").unwrap();
    for (at, file) in ["flat/boxes.json", "flat/json/boxes.json"].into_iter().enumerate() {
        let out = tmp.path().join(format!("beside-{at}"));
        convert(&tmp.path().join(file), &out, &["--labels", text(&labels)]);
        assert_eq!(records(&out, "train")["b.jpg"]["image/object/class/label"], json!({"int64": [2, 0]}));
    }
    fs::write(&labels, "dog\n").unwrap();
    let (code, said) = refused(&file, &["--labels", text(&labels)]);
    assert!(code == 2 && said.contains("category 3, 'zebra'"), "{said}");
}

#[test]
fn annotations_that_contradict_the_pictures_or_each_other_are_named() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("coco");
    let set = |path: &str, value: Value| {
        let mut changed = instances();
        *changed.pointer_mut(path).unwrap() = value;
        changed
    };
    for (changed, what) in [
        (set("/annotations/0/image_id", json!(99)), "the annotation 2 is of the image 99"),
        (set("/annotations/0/category_id", json!(4)), "the annotation 2 is of the category 4"),
        (set("/annotations/0/bbox", json!(null)), "the annotation 2 has no bbox"),
        (set("/annotations/0/bbox", json!([25, 10, 30, 30])), "the annotation 2 spans x 25 to 55"),
        (set("/annotations/1/bbox", json!([5, 5, -1, 3])), "the annotation 1 spans x 5 to 4"),
        (set("/annotations/1/bbox", json!([5, 5, 3])), "line 1 column"),
        (set("/images/0/width", json!(60)), "annotated as 60x40, the image is 50x40"),
        (set("/images/0/id", json!(10)), "two images have the id 10"),
        (set("/images/1/file_name", json!("none.jpg")), "(image 10 of"),
        (set("/categories/1/name", json!("dog")), "two categories are called 'dog'"),
        (json!([]), "no annotations of COCO's kind"),
    ] {
        coco(&src, &changed);
        let (code, said) = refused(&src, &[]);
        assert!(code == 1 && said.contains(what), "{what}: {code} {said}");
    }
    coco(&src, &set("/images/0/width", json!(60)));
    let out = tmp.path().join("out");
    let (code, report) = tfr_json(&["convert", text(&src), text(&out), "--on-error", "skip"]);
    assert_eq!((code, &report["records"]), (0, &json!(2)));
    // Turned, as annotation tools show a picture with an EXIF orientation.
    let mut turned = instances();
    turned["images"][0]["height"] = json!(50);
    turned["images"][0]["width"] = json!(40);
    turned["annotations"] = json!([]);
    coco(&src, &turned);
    assert!(refused(&src, &[]).1.contains("EXIF"));
    // A size that is not said is the picture's.
    let mut unsaid = instances();
    unsaid["images"][0]["width"] = json!(0);
    coco(&src, &unsaid);
    let out = tmp.path().join("unsaid");
    convert(&src, &out, &[]);
    assert_eq!(records(&out, "val2017")["val2017/b.jpg"]["image/object/bbox/xmin"], json!({"float": [0.0, 0.5]}));
    fs::remove_dir_all(src.join("val2017")).unwrap();
    let (code, said) = refused(&src, &[]);
    assert!(code == 2 && said.contains("instances_val2017.json are not found, such as b.jpg"), "{said}");
}

#[test]
fn boxes_stay_in_place_when_pictures_are_made_smaller() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("coco"), tmp.path().join("out"));
    coco(&src, &instances());
    convert(&src, &out, &["--resize-shorter", "20"]);
    let record = &records(&out, "train2017")["train2017/b.jpg"];
    assert_eq!(record["image/height"], json!({"int64": [20]}));
    assert_eq!(record["image/object/bbox/xmax"], json!({"float": [0.2, 1.0]}));
}

fn voc_object(name: &str, corners: [&str; 4]) -> String {
    let [xmin, ymin, xmax, ymax] = corners;
    format!(
        "<object><name>{name}</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>\
         <part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>\
         <bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
    )
}

fn voc_xml(dir: &Path, stem: &str, size: [u32; 2], objects: &str) {
    let [width, height] = size;
    let xml = format!(
        "<annotation>\n<filename>{stem}.jpg</filename>\
         <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n{objects}</annotation>\n"
    );
    fs::create_dir_all(dir.join("Annotations")).unwrap();
    fs::write(dir.join(format!("Annotations/{stem}.xml")), xml).unwrap();
}

/// Four pictures, the last without objects.
fn voc(dir: &Path) {
    for (i, objects) in [
        voc_object("dog", ["5", "4", "50", "40"]) + &voc_object("cat", ["10.5", "8", "20", "20"]),
        voc_object("cat", ["1", "1", "51", "41"]),
        "<object><name>dog</name><bndbox><ymax>2</ymax><xmax>2</xmax><ymin>1</ymin><xmin>1</xmin></bndbox></object>"
            .into(),
        String::new(),
    ]
    .iter()
    .enumerate()
    {
        voc_xml(dir, &format!("{i}"), [50, 40], objects);
        picture(&dir.join(format!("JPEGImages/{i}.jpg")), i);
    }
}

fn list(dir: &Path, name: &str, lines: &str) {
    fs::create_dir_all(dir.join("ImageSets/Main")).unwrap();
    fs::write(dir.join(format!("ImageSets/Main/{name}.txt")), lines).unwrap();
}

#[test]
fn a_voc_dataset_with_its_sets() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("VOC2012"), tmp.path().join("out"));
    voc(&src);
    list(&src, "trainval", "0\n1\n2\n3\n");
    let report = convert(&src, &tmp.path().join("trainval"), &[]);
    assert_eq!(report["sets"], json!({"trainval": 4}));
    list(&src, "train", "0\r\n1\r\n");
    list(&src, "val", "2  1\n3 -1\n");
    list(&src, "cat_train", "0 1\n1 1\n");
    let report = convert(&src, &out, &["--label-offset", "1"]);
    assert_eq!((&report["sets"], &report["classes"]), (&json!({"train": 2, "val": 2}), &json!(["cat", "dog"])));
    let train = records(&out, "train");
    let record = &train["JPEGImages/0.jpg"];
    for (feature, values) in [
        ("object/bbox/xmin", json!({"float": [0.1, 0.21]})),
        ("object/bbox/ymin", json!({"float": [0.1, 0.2]})),
        ("object/bbox/xmax", json!({"float": [1.0, 0.4]})),
        ("object/bbox/ymax", json!({"float": [1.0, 0.5]})),
        ("object/class/label", json!({"int64": [2, 1]})),
        ("object/class/text", json!({"bytes": ["dog", "cat"]})),
        ("object/difficult", json!({"int64": [0, 0]})),
        ("object/truncated", json!({"int64": [1, 1]})),
        ("object/view", json!({"bytes": ["Left", "Left"]})),
        ("source_id", json!({"bytes": ["0.jpg"]})),
    ] {
        assert_eq!(record[&format!("image/{feature}")], values, "{feature}");
    }
    // A pixel over the edge is cut there.
    assert_eq!(train["JPEGImages/1.jpg"]["image/object/bbox/xmax"], json!({"float": [1.0]}));
    let val = records(&out, "val");
    assert_eq!(val["JPEGImages/2.jpg"]["image/object/view"], json!({"bytes": ["Unspecified"]}));
    assert_eq!(val["JPEGImages/3.jpg"]["image/object/difficult"], json!({"int64": []}));
    let (code, said) = refused(&src, &["--split", "a=0.5,b=0.5"]);
    assert!(code == 2 && said.contains("names its sets itself"), "{said}");
    fs::remove_dir_all(src.join("ImageSets")).unwrap();
    let report = convert(&src, &tmp.path().join("one"), &["--split", "a=0.5,b=0.5"]);
    assert_eq!(report["sets"], json!({"a": 2, "b": 2}));
}

#[test]
fn bad_files_of_voc_are_named_and_can_be_left_out() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("voc");
    voc(&src);
    let xml = src.join("Annotations/1.xml");
    for (content, what) in [
        ("<annotation><object></annotation>", "expected 'object' tag"),
        ("<!DOCTYPE a [<!ENTITY x \"y\">]><annotation/>", "DTD"),
        ("<annotation><object><name>cat</name></object></annotation>", "line 1, object 0: it has no bndbox"),
        ("<annotation><object><bndbox><xmin>a</xmin></bndbox></object></annotation>", "the xmin of its bndbox is 'a'"),
    ] {
        fs::write(&xml, content).unwrap();
        let (code, said) = refused(&src, &[]);
        assert!(code == 1 && said.contains(what) && said.contains("1.xml"), "{content}: {said}");
    }
    // No such file is there, but an image is called as its annotations are.
    fs::write(&xml, "<annotation><filename>none.jpg</filename></annotation>").unwrap();
    let out = tmp.path().join("renamed");
    convert(&src, &out, &[]);
    assert!(records(&out, "train").contains_key("JPEGImages/1.jpg"));
    voc_xml(&src, "1", [50, 40], &voc_object("cat", ["1", "1", "80", "40"]));
    assert!(refused(&src, &[]).1.contains("spans x 1 to 80"));
    voc_xml(&src, "1", [64, 64], "");
    assert!(refused(&src, &[]).1.contains("annotated as 64x64, the image is 50x40"));
    fs::write(&xml, "<annotation").unwrap();
    fs::remove_file(src.join("JPEGImages/2.jpg")).unwrap();
    let out = tmp.path().join("out");
    let (code, report) = tfr_json(&["convert", text(&src), text(&out), "--on-error", "skip"]);
    assert_eq!((code, &report["records"]), (0, &json!(2)));
    let skipped = ["Annotations/1.xml", "Annotations/2.xml"];
    assert_eq!([&report["skipped"][0]["path"], &report["skipped"][1]["path"]], skipped);
    let (code, said) = refused(&tmp.path().join("out"), &["--layout", "voc"]);
    assert!(code == 2 && said.contains("JPEGImages"), "{said}");
}

#[test]
fn annotations_name_no_files_of_the_machine() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("voc");
    voc(&src);
    picture(&tmp.path().join("other.jpg"), 9);
    fs::write(src.join("Annotations/1.xml"), "<annotation><filename>../../other.jpg</filename></annotation>").unwrap();
    for more in [&[][..], &["--on-error", "skip"]] {
        let (code, said) = refused(&src, more);
        assert!(code == 1 && said.contains("Annotations/1.xml") && said.contains("--allow-outside"), "{said}");
    }
    assert_eq!(convert(&src, &tmp.path().join("any"), &["--allow-outside"])["records"], 4);
    voc_xml(&src, "1", [50, 40], "");
    list(&src, "train", "0\n../../else/a\n");
    let (code, said) = refused(&src, &[]);
    assert!(code == 1 && said.contains("'../../else/a' of the set"), "{said}");

    let src = tmp.path().join("coco");
    let mut outside = instances();
    outside["images"][1]["file_name"] = json!("../../other.jpg");
    coco(&src, &outside);
    let (code, said) = refused(&src, &[]);
    assert!(code == 1 && said.contains("the image 10: ") && said.contains("--allow-outside"), "{said}");
}

#[test]
fn a_dataset_named_a_level_too_high_or_too_low_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    voc(&tmp.path().join("kit/VOC2012"));
    coco(&tmp.path().join("photos/coco"), &instances());
    for (given, meant) in [
        ("kit", "kit/VOC2012"),
        ("kit/VOC2012/JPEGImages", "kit/VOC2012"),
        ("kit/VOC2012/Annotations", "kit/VOC2012"),
        ("photos", "photos/coco"),
        ("photos/coco/train2017", "photos/coco"),
        ("photos/coco/annotations", "photos/coco"),
    ] {
        let (code, said) = refused(&tmp.path().join(given), &[]);
        assert!(code == 2 && said.contains(meant) && !said.contains("--on-error"), "{given}: {said}");
    }
    let report = convert(&tmp.path().join("photos/coco/train2017"), &tmp.path().join("out"), &["--layout", "flat"]);
    assert_eq!(report["records"], 2, "the images alone can be had");
}

#[test]
fn the_bytes_of_boxes_do_not_depend_on_threads_or_interruptions() {
    let tmp = tempfile::tempdir().unwrap();
    let src = tmp.path().join("coco");
    coco(&src, &instances());
    let file = src.join("annotations/instances_train2017.json");
    threads_and_resume(&file, tmp.path(), || {
        // One box is another: nothing else has changed.
        let mut changed = instances();
        changed["annotations"][1]["bbox"][0] = json!(1);
        fs::write(&file, changed.to_string()).unwrap();
    });
}
