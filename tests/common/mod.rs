//! What several tests need: a folder of small pictures, and the command.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tfrkit::image::{ImageBuf, Shape, encode_jpeg};

/// The command under test.
pub fn tfr() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tfr"));
    // Nothing of a test stays in the cache folder of whoever runs it.
    command.env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    command
}

/// Runs the command with `--json`; exit code and the object printed.
pub fn tfr_json(args: &[&str]) -> (i32, Value) {
    let output = tfr().args(args).arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{args:?}: {e}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), value)
}

/// A committed picture.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/images").join(name)
}

/// A small JPEG that differs from others.
pub fn jpeg(seed: usize, height: usize, width: usize) -> Vec<u8> {
    let pixels = (0..height * width * 3)
        .map(|i| {
            let (y, x, c) = (i / 3 / width, i / 3 % width, i % 3);
            ((x * 7 + y * (3 + seed % 5) + c * 60 + seed * 31) % 256) as u8
        })
        .collect();
    encode_jpeg(&ImageBuf::from_pixels(Shape::new(height, width, 3), pixels).unwrap(), 85).unwrap()
}

/// Makes `counts.len()` class folders `class-0`, ... with so many pictures each.
pub fn pictures(dir: &Path, counts: &[usize]) {
    for (class, &n) in counts.iter().enumerate() {
        let folder = dir.join(format!("class-{class}"));
        fs::create_dir_all(&folder).unwrap();
        for i in 0..n {
            let bytes = jpeg(class * 1000 + i, 40 + i % 7, 50 + class);
            fs::write(folder.join(format!("{i:04}.jpg")), bytes).unwrap();
        }
    }
}

/// All shards of a directory, one after the other.
pub fn shard_bytes(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut shards: Vec<(String, Vec<u8>)> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_file() && p.to_string_lossy().contains(".tfrecord"))
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&p).unwrap()))
        .collect();
    shards.sort();
    shards
}

/// The names in a directory, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
