//! What a wrong use is told: every command of `snapshots/wrong_uses.txt` with the text and the exit code it gives.
//!
//! To add a case, write its `$ ` line into the file; `TFRKIT_UPDATE=1 cargo test --test wrong_uses` fills in the rest. Look at
//! what it says before it is committed: a message names what is wrong, and what to do.

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use common::{pictures, text, tfr};
use tfrkit::example::ExampleBuilder;
use tfrkit::record::Writer;

/// What the commands find in their directory.
fn prepare(dir: &Path) {
    pictures(&dir.join("photos"), &[3, 3]);
    let both = ["--split", "train=0.5,val=0.5"];
    tfr().current_dir(dir).args(["convert", "photos", "shards"]).args(both).assert().success();
    tfr().current_dir(dir).args(["convert", "photos", "packed", "--compression", "gzip"]).assert().success();
    fs::create_dir(dir.join("empty")).unwrap();
    fs::write(dir.join("notes.txt"), "these are no images\n").unwrap();
    fs::write(dir.join("spec.toml"), "[[train]]\nop = \"random_brightnes\"\nmax_delta = 0.2\n").unwrap();
    // One shard with a flipped bit in its second record, and one that ends in the middle of it.
    let mut writer = Writer::new(Vec::new());
    for i in 0..3 {
        writer.write(&ExampleBuilder::new().int64("image/class/label", i).bytes("pixels", &[7; 100]).encode()).unwrap();
    }
    let mut shard = writer.finish().unwrap();
    fs::write(dir.join("cut.tfrecord"), &shard[..200]).unwrap();
    shard[300] ^= 1;
    fs::write(dir.join("damaged.tfrecord"), &shard).unwrap();
    pictures(&dir.join("split/a"), &[1]);
    pictures(&dir.join("split/b"), &[1, 1]);
    pictures(&dir.join("mixed"), &[1]);
    fs::rename(dir.join("mixed/class-0"), dir.join("mixed/train")).unwrap();
    pictures(&dir.join("mixed"), &[1]);
    fs::create_dir_all(dir.join("above/VOC2012/Annotations")).unwrap();
    fs::create_dir_all(dir.join("above/VOC2012/JPEGImages")).unwrap();
    // A feature of two kinds; and files of no bytes.
    let mut mixed = Writer::new(fs::File::create(dir.join("mixed.tfrecord")).unwrap());
    mixed.write(&ExampleBuilder::new().int64("score", 1).encode()).unwrap();
    mixed.write(&ExampleBuilder::new().floats("score", [0.5]).encode()).unwrap();
    mixed.finish().unwrap();
    fs::write(dir.join("nothing.tfrecord"), b"").unwrap();
    fs::write(dir.join("nothing.jpg"), b"").unwrap();
    fs::create_dir(dir.join("gap")).unwrap();
    fs::write(dir.join("gap/train-00000-of-00002.tfrecord"), b"").unwrap();
}

/// The arguments of a command line; a blank inside single quotes belongs to one.
fn arguments(line: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    for (i, part) in line.split('\'').enumerate() {
        match i % 2 {
            0 => arguments.extend(part.split_whitespace().map(str::to_owned)),
            _ => arguments.push(part.to_owned()),
        }
    }
    arguments
}

#[test]
fn wrong_uses_say_what_to_do() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/wrong_uses.txt");
    let expected = fs::read_to_string(&file).unwrap();
    let commands: Vec<&str> = expected.lines().filter_map(|line| line.strip_prefix("$ tfr ")).collect();
    assert!(commands.len() >= 30);
    let tmp = tempfile::tempdir().unwrap();
    prepare(tmp.path());
    let before = common::names(tmp.path());
    let mut found = String::new();
    for command in &commands {
        let arguments = arguments(command);
        let output = tfr().current_dir(tmp.path()).args(&arguments).output().unwrap();
        let (code, said) = (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(code != 0 && output.stdout.is_empty(), "{command}: exit code {code}");
        let blocks = if found.is_empty() { "" } else { "\n" };
        write!(found, "{blocks}$ tfr {command}\nexit code {code}\n{said}").unwrap();
        // A program is told the same.
        let json = tfr().current_dir(tmp.path()).args(&arguments).arg("--json").output().unwrap();
        assert_eq!(json.status.code(), Some(code), "{command}");
        // The last line: behind those of records that came before the trouble.
        let json = String::from_utf8(json.stdout).unwrap();
        let json: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
        let message = json["error"]["message"].as_str().unwrap();
        let first = said.lines().find_map(|line| line.strip_prefix("error: ")).unwrap_or_else(|| panic!("{said}"));
        assert!(message.contains(first.lines().next().unwrap()), "{command}: {message}");
    }
    assert_eq!(common::names(tmp.path()), before, "a wrong use left a file behind");
    if std::env::var_os("TFRKIT_UPDATE").is_some() {
        fs::write(&file, &found).unwrap();
        return;
    }
    for (found, expected) in found.split("\n$ ").zip(expected.split("\n$ ")) {
        assert_eq!(found, expected, "in {}", text(&file));
    }
    assert_eq!(found, expected);
}
