//! What the tests of extraction need: shards out of payloads, and what lies in a directory.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tfrkit::example::ExampleBuilder;
use tfrkit::record::{Io, ReadOptions, RecordSource, Writer};

use crate::common::{jpeg, shard_bytes, text, tfr};

pub fn write_shard(path: &Path, payloads: &[Vec<u8>]) {
    let mut writer = Writer::new(fs::File::create(path).unwrap());
    for payload in payloads {
        writer.write(payload).unwrap();
    }
    writer.finish().unwrap();
}

/// The payloads of a directory of shards, in order.
pub fn payloads(dir: &Path) -> Vec<Vec<u8>> {
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
pub fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
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
pub fn images(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_image = |path: &str| !path.ends_with('/') && path != "manifest.jsonl" && path != "manifest.csv";
    tree(dir).into_iter().filter(|(path, _)| is_image(path)).collect()
}

/// Runs the command; exit code, stdout, stderr.
pub fn run(args: &[&str]) -> (i32, String, String) {
    let output = tfr().args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A record of the class and the file name.
pub fn named(seed: usize, class: Option<&str>, filename: Option<&str>) -> Vec<u8> {
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
