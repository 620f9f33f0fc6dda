//! Someone has a list of pictures, or pictures without labels, and wants shards.

#[path = "common/annotated.rs"]
mod annotated;
mod common;

use std::fs;
use std::path::Path;

use annotated::{convert, read_json, records, refused, threads_and_resume};
use common::{text, tfr, tfr_json};
use serde_json::json;

/// Ten pictures `img/0.jpg`, ... 40 high and 50 wide.
fn ten(dir: &Path) {
    fs::create_dir_all(dir.join("img")).unwrap();
    for i in 0..10 {
        fs::write(dir.join(format!("img/{i}.jpg")), common::jpeg(i, 40, 50)).unwrap();
    }
}

#[test]
fn a_table_with_names_columns_and_sets() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let list = tmp.path().join("list.csv");
    // With what spreadsheets write: a byte order mark, CRLF, blank lines, quotes.
    fs::write(
        &list,
        "\u{feff}file_name, label,split,weight,count,code,note\r\n\
         img/3.jpg,dog,,0.5,1,007a,\"a, b\"\r\n\
         \r\n\
         img/1.jpg,cat,,2,2,12,\r\n\
         img/2.jpg,dog,val,1e-3,3,13,x\r\n",
    )
    .unwrap();
    let out = tmp.path().join("out");
    let report = convert(&list, &out, &["--no-shuffle"]);
    assert_eq!(report["sets"], json!({"train": 2, "val": 1}));
    assert_eq!(report["classes"], json!(["cat", "dog"]));
    let warned = report["warnings"].to_string();
    assert!(warned.contains("1 of 3 records have no feature 'note'"), "{warned}");
    let train = records(&out, "train");
    let record = &train["img/3.jpg"];
    assert_eq!(record["image/class/label"], json!({"int64": [1]}));
    assert_eq!(record["image/class/text"], json!({"bytes": ["dog"]}));
    assert_eq!(record["weight"], json!({"float": [0.5]}));
    assert_eq!(record["count"], json!({"int64": [1]}));
    assert_eq!(record["code"], json!({"bytes": ["007a"]}));
    assert_eq!(record["note"], json!({"bytes": ["a, b"]}));
    assert_eq!(train["img/1.jpg"].get("note"), None);
    assert_eq!(train["img/1.jpg"]["weight"], json!({"float": [2.0]}));
    assert_eq!(records(&out, "val")["img/2.jpg"]["count"], json!({"int64": [3]}));
    // The list's order, not that of the paths.
    let shard = out.join("train-00000-of-00001.tfrecord");
    let cat = tfr().args(["cat", text(&shard), "--feature", "image/filename"]).output().unwrap();
    let order = String::from_utf8(cat.stdout).unwrap();
    assert!(order.find("img/3.jpg").unwrap() < order.find("img/1.jpg").unwrap(), "{order}");
    // TFDS is told of what all records have.
    let features = &read_json(&out.join("features.json"))["featuresDict"]["features"];
    assert_eq!(features["weight"]["tensor"]["dtype"], "float32");
    assert_eq!((features.get("note"), features.get("code").is_some()), (None, true));
}

#[test]
fn numbers_of_a_list_are_stored_as_they_are() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let list = tmp.path().join("list.tsv");
    fs::write(&list, "path\tlabel\ttext\nimg/0.jpg\t3\tcow\nimg/1.jpg\t1\tant\nimg/2.jpg\t3\t\n").unwrap();
    let out = tmp.path().join("out");
    let report = convert(&list, &out, &["--label-offset", "1"]);
    assert_eq!(report["classes"], json!(["ant", "2", "cow"]));
    let train = records(&out, "train");
    assert_eq!(train["img/2.jpg"]["image/class/label"], json!({"int64": [3]}));
    assert_eq!(train["img/2.jpg"]["image/class/text"], json!({"bytes": ["cow"]}));
    assert!(fs::read_to_string(out.join("labels.pbtxt")).unwrap().contains("id: 3\n  name: 'cow'"));

    let labels = tmp.path().join("labels.txt");
    fs::write(&labels, "ant\nbee\ncow\n").unwrap();
    let given = ["--label-offset", "1", "--labels", text(&labels)];
    let out = tmp.path().join("given");
    assert_eq!(convert(&list, &out, &given)["classes"], json!(["ant", "bee", "cow"]));
    fs::write(&labels, "ant\nbee\n").unwrap();
    let (code, said) = refused(&list, &given);
    assert_eq!(code, 2);
    assert!(said.contains("list.tsv, line 2") && said.contains("no class 3"), "{said}");
}

#[test]
fn json_lines_with_boxes_and_columns_of_every_kind() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let list = tmp.path().join("list.jsonl");
    let rows = [
        json!({"path": "img/0.jpg", "boxes": [
            {"xmin": 0.1, "ymin": 0.2, "xmax": 0.5, "ymax": 1.0, "text": "cat"},
            {"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 0.25, "text": "ant"}],
            "id": 7, "mixed": 1, "list": [1, 2], "flag": true, "raw": {"bytes": [{"base64": "/w=="}]}}),
        json!({"path": "img/1.jpg", "boxes": [], "id": 8, "mixed": 0.5, "list": [], "flag": false, "raw": null,
            "image/filename": "other.jpg"}),
    ];
    fs::write(&list, rows.iter().map(|row| format!("{row}\n\n")).collect::<String>()).unwrap();
    let out = tmp.path().join("out");
    assert_eq!(convert(&list, &out, &["--label-offset", "1"])["classes"], json!(["ant", "cat"]));
    let train = records(&out, "train");
    let (first, second) = (&train["img/0.jpg"], &train["other.jpg"]);
    assert_eq!(first["image/object/bbox/xmin"], json!({"float": [0.1, 0.0]}));
    assert_eq!(first["image/object/bbox/ymax"], json!({"float": [1.0, 0.25]}));
    assert_eq!(first["image/object/class/label"], json!({"int64": [2, 1]}));
    assert_eq!(first["image/object/class/text"], json!({"bytes": ["cat", "ant"]}));
    assert_eq!(first["mixed"], json!({"float": [1.0]}));
    assert_eq!(first["flag"], json!({"int64": [1]}));
    assert_eq!(first["list"], json!({"int64": [1, 2]}));
    assert_eq!(first["raw"]["bytes"][0]["bytes"], 1);
    assert_eq!(first.get("image/class/label"), None);
    assert_eq!(second["list"], json!({"int64": []}));
    assert_eq!(second["image/object/bbox/xmin"], json!({"float": []}));
    assert_eq!(second["image/object/class/text"], json!({"bytes": []}));
    let features = &read_json(&out.join("features.json"))["featuresDict"]["features"];
    assert_eq!(features.get("image/class/label"), None);
    assert_eq!(features["list"]["tensor"]["shape"]["dimensions"], json!(["-1"]));
    assert_eq!(
        fs::read_to_string(out.join("image.object.class.label.labels.txt")).unwrap(),
        "__unused_0__\nant\ncat\n"
    );
}

#[test]
fn lists_that_cannot_be_understood_name_the_line() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let csv = tmp.path().join("bad.csv");
    for (content, code, what) in [
        ("file,label\n", 2, "no images"),
        ("name,label\nimg/0.jpg,1\n", 1, "line 1: no column names the images; there are: name, label"),
        ("path,a,a\nimg/0.jpg,1,2\n", 1, "line 1, column 3: the column 'a' is there twice"),
        ("path,\nimg/0.jpg,1\n", 1, "line 1, column 2: a column without a name"),
        ("path,image/height\nimg/0.jpg,1\n", 1, "'image/height' is a feature that convert makes"),
        ("path,label\nimg/0.jpg,1\nimg/1.jpg\n", 1, "line 3: 1 cells, the header line has 2"),
        ("path,label\n,1\n", 1, "line 2: the row names no image"),
        ("\u{feff}path,label\r\nimg/0.jpg,1\r\n\r\n\r\n,2\r\n", 1, "line 5: the row names no image"),
        ("\n\npath,note\nimg/0.jpg,\"1\n2\"\n\n,2\n", 1, "line 7: the row names no image"),
        ("path,label\r\nimg/0.jpg,1\r\n\r\nimg/1.jpg\r\n", 1, "line 4: 1 cells"),
        ("path,label,text\nimg/0.jpg,1,a\nimg/1.jpg,1,b\n", 1, "line 3: the class 1 is called 'b', but 'a' at line 2"),
        ("path,label\nimg/0.jpg,-1\n", 1, "line 2: the label -1 is not one of 0 to"),
        ("path,split\nimg/0.jpg,a b\n", 1, "line 2: 'a b' cannot name a set"),
        ("path,boxes\nimg/0.jpg,\"[{]\"\n", 1, "line 2: column 'boxes'"),
        ("path,label\nimg/x.jpg,1\n", 1, "line 2 of the list"),
        (
            "path,boxes\nimg/0.jpg,\"[{\"\"xmin\"\":0,\"\"ymin\"\":0,\"\"xmax\"\":30,\"\"ymax\"\":1}]\"\n",
            1,
            "box 0 spans x 0 to 30",
        ),
    ] {
        fs::write(&csv, content).unwrap();
        let (got, said) = refused(&csv, &[]);
        assert!(got == code && said.contains(what), "{content:?}: {got} {said}");
    }
    fs::write(&csv, b"path,label\nimg/0.jpg,\xff\n").unwrap();
    assert!(refused(&csv, &[]).1.contains("line 2: cell 2 is not UTF-8"));

    let jsonl = tmp.path().join("bad.jsonl");
    for (content, what) in [
        ("\n{\"path\": \"img/0.jpg\",}\n", "line 2: column 22: trailing comma"),
        ("{\"path\": \"a\", \"path\": \"b\"}\n", "the key 'path' is there twice"),
        ("[1]\n", "line 1: column"),
        ("{\"label\": 1}\n", "line 1: no key names the image"),
        ("{\"path\": 1}\n", "key 'path': 1 is no string"),
        ("{\"path\": \"img/0.jpg\", \"label\": 1.5}\n", "line 1: 1.5 is no label"),
        ("{\"path\": \"img/0.jpg\", \"x\": [1, \"a\"]}\n", "line 1: key 'x': \"a\" is no float"),
        ("{\"path\": \"img/0.jpg\", \"x\": []}\n", "the column 'x' holds empty lists only (line 1)"),
        (
            "{\"path\": \"img/0.jpg\", \"x\": 1}\n{\"path\": \"img/1.jpg\", \"x\": \"a\"}\n",
            "bytes in line 2 and a number in line 1",
        ),
        ("{\"path\": \"img/0.jpg\", \"boxes\": [{\"x\": 1}]}\n", "key 'boxes': unknown field `x`"),
    ] {
        fs::write(&jsonl, content).unwrap();
        let (got, said) = refused(&jsonl, &[]);
        assert!(got == 1 && said.contains(what), "{content:?}: {got} {said}");
    }
}

#[test]
fn class_names_go_by_class_and_one_word_among_numbers_is_a_slip() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let (csv, jsonl) = (tmp.path().join("list.csv"), tmp.path().join("list.jsonl"));
    let both = [
        (&csv, "path,class\nimg/0.jpg,dog\nimg/1.jpg,cat\n"),
        (&jsonl, "{\"path\": \"img/0.jpg\", \"class\": \"dog\"}\n{\"path\": \"img/1.jpg\", \"class\": \"cat\"}\n"),
    ];
    for (at, (list, content)) in both.into_iter().enumerate() {
        fs::write(list, content).unwrap();
        let out = tmp.path().join(format!("class-{at}"));
        assert_eq!(convert(list, &out, &[])["classes"], json!(["cat", "dog"]));
        assert_eq!(records(&out, "train")["img/0.jpg"]["image/class/label"], json!({"int64": [1]}));
    }
    // Beside a label it is a column like others, in all rows or in none.
    fs::write(&csv, "path,class,label\nimg/0.jpg,animal,3\n").unwrap();
    let out = tmp.path().join("beside");
    convert(&csv, &out, &[]);
    assert_eq!(records(&out, "train")["img/0.jpg"]["class"], json!({"bytes": ["animal"]}));
    let rows =
        "{\"path\": \"img/0.jpg\", \"class\": \"a\"}\n{\"path\": \"img/1.jpg\", \"label\": 1, \"class\": \"a\"}\n";
    fs::write(&jsonl, rows).unwrap();
    let said = refused(&jsonl, &[]).1;
    assert!(said.contains("'class' stands beside 'label' in line 2, and without it in line 1"), "{said}");

    let rows: String =
        (0..10).map(|i| format!("img/{i}.jpg,{}\n", if i == 7 { "cat".into() } else { i.to_string() })).collect();
    fs::write(&csv, format!("path,label\n{rows}")).unwrap();
    let (code, said) = refused(&csv, &[]);
    assert!(code == 1 && said.contains("line 9: the label 'cat' is a name, but line 2 has the number 0"), "{said}");
    // Names that look like numbers are names where a file says so.
    let labels = tmp.path().join("labels.txt");
    fs::write(&labels, "cat\n9\n8\n6\n5\n4\n3\n2\n1\n0\n").unwrap();
    let out = tmp.path().join("names");
    convert(&csv, &out, &["--labels", text(&labels)]);
    assert_eq!(records(&out, "train")["img/9.jpg"]["image/class/label"], json!({"int64": [1]}));
    // A further column of numbers with a word in it is stored as text, and said to be.
    fs::write(&csv, "path,weight\nimg/0.jpg,0.5\nimg/1.jpg,heavy\n").unwrap();
    let report = convert(&csv, &tmp.path().join("words"), &[]);
    assert!(report["warnings"].to_string().contains("'weight' is stored as text: line 3 holds text"), "{report}");
}

#[test]
fn a_list_names_no_files_of_the_machine() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    ten(&tmp.path().join("lists"));
    let lists = tmp.path().join("lists");
    std::os::unix::fs::symlink(tmp.path().join("img/1.jpg"), lists.join("img/link.jpg")).unwrap();
    let absolute = tmp.path().join("img/1.jpg");
    for path in ["../img/1.jpg", text(&absolute), "img/link.jpg"] {
        let csv = lists.join("list.csv");
        fs::write(&csv, format!("path\nimg/0.jpg\n{path}\n")).unwrap();
        let jsonl = lists.join("list.jsonl");
        fs::write(&jsonl, format!("\n{}\n{}\n", json!({"path": "img/0.jpg"}), json!({"path": path}))).unwrap();
        for list in [csv, jsonl] {
            for more in [&[][..], &["--on-error", "skip"]] {
                let (code, said) = refused(&list, more);
                let what = format!("line 3: '{path}' lies outside {}", lists.display());
                assert!(code == 1 && said.contains(&what) && said.contains("--allow-outside"), "{said}");
            }
            let out = tmp.path().join("out");
            assert_eq!(convert(&list, &out, &["--allow-outside"])["records"], 2);
            fs::remove_dir_all(&out).unwrap();
        }
    }
    // A path may be absolute where it leads below the list.
    fs::write(lists.join("list.csv"), format!("path\n{}\n", text(&lists.join("img/0.jpg")))).unwrap();
    assert_eq!(convert(&lists.join("list.csv"), &tmp.path().join("in"), &[])["records"], 1);
    // What is no path is not printed whole.
    fs::write(lists.join("list.csv"), format!("path,split\n{},train\n", "x".repeat(1 << 20))).unwrap();
    let said = refused(&lists.join("list.csv"), &[]).1;
    assert!(said.len() < 1000 && said.contains("line 2: the path") && said.contains("1048576 bytes"), "{said}");
    fs::write(lists.join("list.csv"), format!("path,split\nimg/0.jpg,{}\n", "x y".repeat(1 << 20))).unwrap();
    assert!(refused(&lists.join("list.csv"), &[]).1.len() < 1000);
}

#[test]
fn missing_files_of_a_list_are_left_out_and_listed() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let list = tmp.path().join("list.csv");
    fs::write(&list, "path,label\nimg/0.jpg,1\nimg/none.jpg,1\nimg,2\n").unwrap();
    let out = tmp.path().join("out");
    let (code, report) = tfr_json(&["convert", text(&list), text(&out), "--on-error", "skip"]);
    assert_eq!((code, &report["records"]), (0, &json!(1)));
    assert_eq!(report["skipped"][0]["path"], "img");
    assert_eq!(report["skipped"][1]["path"], "img/none.jpg");
    assert!(report["skipped"][1]["reason"].as_str().unwrap().ends_with("(line 3 of the list)"));
}

#[test]
fn sets_of_a_list_and_of_the_options() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let list = tmp.path().join("list.csv");
    let rows: String = (0..10).map(|i| format!("img/{i}.jpg,{}\n", if i < 2 { "" } else { "val" })).collect();
    fs::write(&list, format!("path,split\n{rows}")).unwrap();
    let out = tmp.path().join("named");
    assert_eq!(convert(&list, &out, &["--name", "mine"])["sets"], json!({"mine": 2, "val": 8}));
    let out = tmp.path().join("same");
    assert_eq!(convert(&list, &out, &["--name", "val"])["sets"], json!({"val": 10}));
    let (code, said) = refused(&list, &["--split", "a=0.5,b=0.5"]);
    assert!(code == 2 && said.contains("line 4: the list names its sets itself"), "{said}");

    // Without a column of sets the options split: each class by its shares.
    let rows: String = (0..10).map(|i| format!("img/{i}.jpg,{}\n", i % 2)).collect();
    fs::write(&list, format!("path,label\n{rows}")).unwrap();
    let out = tmp.path().join("split");
    let report = convert(&list, &out, &["--split", "train=0.6,val=0.4"]);
    assert_eq!(report["sets"], json!({"train": 6, "val": 4}));
    let odd = records(&out, "val").values().filter(|r| r["image/class/label"]["int64"][0] == 1).count();
    assert_eq!(odd, 2);
}

#[test]
fn pictures_without_labels() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out) = (tmp.path().join("src"), tmp.path().join("out"));
    ten(&src);
    fs::copy(src.join("img/0.jpg"), src.join("top.jpg")).unwrap();
    let report = convert(&src, &out, &["--layout", "flat", "--split", "train=0.7,val=0.3"]);
    assert_eq!((&report["records"], &report["classes"]), (&json!(11), &json!([])));
    assert_eq!(report["sets"], json!({"train": 8, "val": 3}));
    let all = [records(&out, "train"), records(&out, "val")];
    assert!(all.iter().flatten().all(|(_, r)| !r.keys().any(|name| name.starts_with("image/class"))));
    assert!(!out.join("labels.txt").exists() && !out.join("labels.pbtxt").exists());
    assert_eq!(read_json(&out.join("features.json"))["featuresDict"]["features"].get("image/class/label"), None);
    // Nobody loses labels by accident: neither without the word, nor beside sets that have them.
    fs::remove_dir_all(src.join("img")).unwrap();
    let (code, said) = refused(&src, &[]);
    assert!(code == 2 && said.contains("--layout flat"), "{said}");
    common::pictures(&tmp.path().join("classes"), &[2]);
    let (code, error) = tfr_json(&["convert", text(&tmp.path().join("classes")), text(&out), "--name", "more"]);
    assert_eq!(code, 2, "{error}");
}

#[test]
fn the_bytes_of_a_list_do_not_depend_on_threads_or_interruptions() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let list = tmp.path().join("list.jsonl");
    let row = |i: usize| json!({"path": format!("img/{}.jpg", i % 10), "label": i % 3, "id": i, "boxes": []});
    let write = |n: usize| fs::write(&list, (0..n).map(|i| format!("{}\n", row(i))).collect::<String>()).unwrap();
    write(200);
    threads_and_resume(&list, tmp.path(), || write(199));
}

#[test]
fn what_is_neither_a_folder_nor_a_list_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    ten(tmp.path());
    let list = tmp.path().join("list.txt");
    fs::write(&list, "path,label\nimg/0.jpg,1\n").unwrap();
    let (code, said) = refused(&list, &[]);
    assert!(code == 2 && said.contains("--layout"), "{said}");
    assert_eq!(convert(&list, &tmp.path().join("out"), &["--layout", "csv"])["records"], 1);
    for layout in ["csv", "jsonl", "coco", "voc", "flat", "classes"] {
        let (code, said) = refused(&tmp.path().join("none"), &["--layout", layout]);
        assert_eq!(code, 2, "{said}");
    }
    assert_eq!(refused(&tmp.path().join("img"), &["--layout", "csv"]).0, 2);
    assert_eq!(refused(&list, &["--layout", "voc"]).0, 2);
}
