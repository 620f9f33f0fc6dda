//! What is wrong with a pipeline is said with the file and the line, and once.

mod common;

use std::fs;
use std::path::Path;

use common::{pictures, text, tfr};

/// A stream of pictures of several sizes through this spec, in a file; what is said of it.
fn told(dir: &Path, spec: &str, extra: &[&str]) -> String {
    let (shards, file) = (dir.join("shards"), dir.join("my.toml"));
    if !shards.exists() {
        pictures(&dir.join("src"), &[9]);
        tfr().args(["convert", text(&dir.join("src")), text(&shards)]).assert().success();
    }
    fs::write(&file, spec).unwrap();
    let output = tfr().args(["stream", text(&shards), "--pipeline", text(&file)]).args(extra).output().unwrap();
    String::from_utf8(output.stderr).unwrap().replace(text(dir), "DIR")
}

const NORMALIZE: &str =
    "[[train]]\nop = \"resize\"\nsize = [8, 8]\n[[train]]\nop = \"normalize\"\nmean = [M, M, M]\nstd = [S, S, S]\n";

#[test]
fn errors_name_the_file_and_the_line() {
    let tmp = tempfile::tempdir().unwrap();
    let error = told(tmp.path(), "eval = []", &[]);
    assert!(error.contains("DIR/my.toml: the pipeline has no list [[train]]"), "{error}");
    let levels = format!("[batch]\ndtype = \"u8\"\n{}", NORMALIZE.replace('M', "100").replace('S', "50"));
    let error = told(tmp.path(), &levels, &["--batch", "4"]);
    assert!(error.contains("DIR/my.toml: line 6: normalize: the result is not a level"), "{error}");
    let error = told(tmp.path(), "train = []", &["--batch", "4"]);
    assert!(error.contains("(height, width), and the batch holds images of ["), "{error}");
    assert!(
        error.contains("train-00000-of-00001.tfrecord, record ") && error.contains("op list in DIR/my.toml"),
        "{error}"
    );
    let error = told(tmp.path(), "[batch]\ndrop_remainder = true\ntrain = []", &[]);
    let expected = "DIR/my.toml: line 2: [batch]: 'drop_remainder' is unknown; here it is 'tail': \"drop\" for true";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_warning_comes_once() {
    let tmp = tempfile::tempdir().unwrap();
    let units = NORMALIZE.replace('M', "0.5").replace('S', "0.25");
    let both = format!("{units}{}", units.replace("train", "eval"));
    let warned = told(tmp.path(), &both, &["--batch", "4", "--threads", "4"]);
    assert_eq!(warned.matches("units of 0..1").count(), 1, "{warned}");
    assert!(warned.contains("DIR/my.toml: line 4, 11: normalize"), "{warned}");
}
