//! Runs of an extraction: what is chosen, what is told, what is left of those that fail.

mod common;
#[path = "common/extracted.rs"]
mod extracted;
#[path = "common/list.rs"]
mod list;

use std::fs;
use std::io::Read;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{jpeg, names, pictures, text, tfr, tfr_json};
use extracted::{images, named, run, tree, write_shard};
use prost::Message;
use serde_json::{Value, json};
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::example::{ExampleBuilder, SequenceExample};
use tfrkit::inspect::{ExtractOptions, extract};

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

#[test]
fn what_a_killed_run_left_half_written_is_gone_after_the_next() {
    let tmp = tempfile::tempdir().unwrap();
    let [src, shards, out] = ["src", "shards", "out"].map(|n| tmp.path().join(n));
    pictures(&src, &[2, 1]);
    assert!(tfr().args(["convert", text(&src), text(&shards), "--quiet"]).output().unwrap().status.success());
    assert!(tfr().args(["extract", text(&shards), "-o", text(&out), "--quiet"]).output().unwrap().status.success());
    let before = (names(&out), names(&out.join("class-0")));
    fs::write(out.join("class-0/.tfr-1-2.tmp"), b"half").unwrap();
    fs::write(out.join(".tfr-AbC123.tmp"), b"half").unwrap();
    assert!(
        tfr()
            .args(["extract", text(&shards), "-o", text(&out), "--force", "--quiet"])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!((names(&out), names(&out.join("class-0"))), before);
    // Beside shards too.
    let before = names(&shards);
    fs::write(shards.join(".manifest.json.AbC123.tmp"), b"half").unwrap();
    fs::write(shards.join(".val-00000-of-00001.tfrecord.AbC123.tmp"), b"half").unwrap();
    assert!(
        tfr().args(["convert", text(&src), text(&shards), "--force", "--quiet"]).output().unwrap().status.success()
    );
    assert_eq!(names(&shards), before);
}
