//! Somebody looks at records, by eye and by script: `cat` and its forms.

mod common;

use std::fs;
use std::path::Path;

use common::{text, tfr, tfr_json};
use serde_json::json;
use tfrkit::dataset::{ShardWriter, idx_path};
use tfrkit::example::{ExampleBuilder, SequenceExampleBuilder};

fn write(path: &Path, payloads: impl IntoIterator<Item = Vec<u8>>) {
    let mut writer = ShardWriter::create(path, Default::default()).unwrap();
    payloads.into_iter().for_each(|payload| writer.write(&payload).unwrap());
    writer.finish().unwrap();
}

fn shard(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("a.tfrecord");
    let long = [0u8; 300];
    let first = ExampleBuilder::new().text("name", "a\tcat").int64("label", 3).floats("x", [0.1, f32::NAN]);
    let second = ExampleBuilder::new().bytes("name", &long).int64s("label", []);
    let third = SequenceExampleBuilder::new()
        .context(ExampleBuilder::new().text("name", "clip"))
        .int64_steps("tokens", [vec![1, 2], vec![]]);
    write(&path, [first.encode(), second.encode(), third.encode(), b"\xffraw".to_vec()]);
    path
}

fn stdout(args: &[&str]) -> String {
    let output = tfr().args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn json_has_its_keys_in_the_order_of_reading() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path());
    let lines = stdout(&["cat", text(&path), "--json"]);
    let mut lines = lines.lines();
    let first = format!(
        "{{\"path\":\"{}\",\"record\":0,\"offset\":0,\"bytes\":56,\"features\":{{\"label\":{{\"int64\":[3]}},\
         \"name\":{{\"bytes\":[\"a\\tcat\"]}},\"x\":{{\"float\":[0.1,\"NaN\"]}}}}}}",
        path.display()
    );
    assert_eq!(lines.next().unwrap(), first);
    assert!(lines.next().unwrap().contains("\"name\":{\"bytes\":[{\"bytes\":300,\"sha256\":\""));
    let third = "\"features\":{\"name\":{\"bytes\":[\"clip\"]}},\
                 \"feature_lists\":{\"tokens\":[{\"int64\":[1,2]},{\"int64\":[]}]}}";
    assert!(lines.next().unwrap().ends_with(third));
    assert!(lines.next().unwrap().contains("\"bytes\":4,\"raw\":{\"bytes\":4,\"sha256\":\""));
}

#[test]
fn features_are_named_and_shown_in_other_forms() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path());
    let named = ["--feature", "name", "--feature", "label", "--feature", "tokens"];
    let show = |flags: &[&str]| stdout(&[&["cat", text(&path)], flags].concat());
    let rows = "a\\tcat\t3\t\n[300 bytes]\t[]\t\nclip\t\t[[1,2],[]]\n\t\t\n";
    assert_eq!(show(&[&named[..], &["--format", "plain"]].concat()), rows);
    let p = path.display();
    let expected =
        format!("path\trecord\toffset\tname\tlabel\ttokens\n{p}\t0\t0\ta\\tcat\t3\t\n{p}\t1\t72\t[300 bytes]\t[]\t\n");
    // A feature that none of the records shown has: the two rows, and the error.
    let output = tfr().args(["cat", text(&path), "--format", "tsv", "-n", "2"]).args(named).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(2), expected));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("no record shown has a feature 'tokens'") && said.contains("the features are: label, name, x")
    );
}

#[test]
fn plain_is_a_line_for_each_feature() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path());
    let p = path.display();
    let expected = format!(
        "{p}, record 0, offset 0\n  label: 3\n  name: a\\tcat\n  x: [0.1,\"NaN\"]\n\n\
         {p}, record 1, offset 72\n  label: []\n  name: [300 bytes]\n"
    );
    assert_eq!(stdout(&["cat", text(&path), "--format", "plain", "-n", "2"]), expected);
    let last = stdout(&["cat", text(&path), "--format", "plain", "--skip", "3"]);
    assert!(last.ends_with("\n  [4 bytes]\n"), "{last}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = shard(dir.path());
    for flags in [
        &["--format", "tsv"][..],
        &["--format", "plain", "--json"],
        &["--format", "json", "--raw"],
        &["--raw", "--feature", "name", "--feature", "label"],
    ] {
        tfr().args(["cat", text(&path)]).args(flags).assert().code(2);
    }
    let output = tfr().args(["head", text(&path), "-n", "1", "--feature", "lable"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("error: no record shown has a feature 'lable'\n  help: did you mean 'label'?"), "{said}");
    // The bytes of a feature list are those of all its steps.
    let list = dir.path().join("list.tfrecord");
    let steps = [vec![&b"ab"[..]], vec![], vec![b"c", b"d"]];
    write(&list, [SequenceExampleBuilder::new().bytes_steps("parts", steps).encode()]);
    assert_eq!(stdout(&["cat", text(&list), "--raw", "--feature", "parts"]), "abcd");
}

/// An index that ends where the shard does, and takes two records for one, gave the next ones a wrong number.
#[test]
fn an_index_that_lies_is_not_used_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    write(&path, (0..9).map(|i| ExampleBuilder::new().int64("n", i).encode()));
    tfr().args(["index", text(&path)]).assert().success();
    let idx = idx_path(&path);
    let index = fs::read_to_string(&idx).unwrap();
    let lines: Vec<&str> = index.lines().collect();
    let size: u64 = lines[2].split_once(' ').unwrap().1.parse().unwrap();
    let both = format!("{} {}", size * 2, size * 2);
    fs::write(&idx, [&lines[..2], &[&both], &lines[4..]].concat().join("\n")).unwrap();
    let output = tfr().args(["cat", text(&path), "--json", "--skip", "5", "-n", "1"]).output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["record"], &shown["features"]["n"]["int64"]), (&json!(5), &json!([5])));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the index is not used") && said.contains("a.idx: record 2 has"), "{said}");
    let (_, found) = tfr_json(&["info", text(&path)]);
    assert_eq!(found["records"], 9);
}
