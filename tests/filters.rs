//! Somebody looks for records by what is in them: `--where` in every verb that has it.

mod common;

use std::fs;
use std::path::Path;

use common::{pictures, text, tfr, tfr_json};
use serde_json::{Value, json};
use tfrkit::dataset::ShardWriter;
use tfrkit::example::{ExampleBuilder, Filter, SequenceExampleBuilder};

fn write(path: &Path, payloads: impl IntoIterator<Item = Vec<u8>>) {
    let mut writer = ShardWriter::create(path, Default::default()).unwrap();
    payloads.into_iter().for_each(|payload| writer.write(&payload).unwrap());
    writer.finish().unwrap();
}

/// The numbers of the records that `cat` shows.
fn shown(path: &Path, filter: &str) -> Vec<u64> {
    let output = tfr().args(["cat", text(path), "--json", "--where", filter]).output().unwrap();
    assert!(output.status.success(), "{filter}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].as_u64().unwrap()).collect()
}

#[test]
fn every_example_of_the_docs_is_read() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/filters.md")).unwrap();
    let blocks: Vec<&str> = page.split("```filter\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let examples: Vec<&str> = blocks.iter().flat_map(|block| block.lines()).collect();
    assert!(examples.len() > 12, "{examples:?}");
    for example in examples {
        Filter::parse(example).unwrap_or_else(|e| panic!("{example}: {e}"));
    }
    // And the help has every form.
    let help = String::from_utf8(tfr().args(["cat", "--help"]).output().unwrap().stdout).unwrap();
    for form in ["==", "!=", "<=", ">=", "^=", "$=", "*=", " in [", "has(", "len(", "!", "&&", "||", "docs/filters.md"]
    {
        assert!(help.contains(form), "{form}: {help}");
    }
}

#[test]
fn classes_are_asked_for_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    pictures(&src, &[2, 3, 1]);
    tfr().args(["convert", text(&src), text(&out), "--no-shuffle", "--label-offset", "1"]).assert().success();
    assert_eq!(shown(&out, "label == 'class-1'"), [2, 3, 4]);
    assert_eq!(shown(&out, "image/class/label in ['class-0', 'class-2']"), [0, 1, 5]);
    assert_eq!(shown(&out, "label ^= 'class' && image/filename *= '-2/'"), [5]);
    let (code, found) = tfr_json(&["cat", text(&out), "--where", "label == 'clas-1'"]);
    assert_eq!(code, 2);
    assert!(found["error"]["message"].as_str().unwrap().ends_with("there is no class 'clas-1'"), "{found}");
    assert!(found["error"]["help"].as_str().unwrap().starts_with("did you mean 'class-1'? the classes are: class-0"));

    // The scan of a stream is kept beside the shard, and not used any more when the classes have other names.
    let images = |filter: &str| {
        let (code, found) = tfr_json(&["stream", text(&out), "--batch", "1", "--mode", "eval", "--where", filter]);
        assert_eq!(code, 0, "{found}");
        found["images"].as_u64().unwrap()
    };
    assert_eq!((images("label == 'class-1'"), images("label == 'class-1'")), (3, 3));
    for name in ["manifest.json", "labels.txt"] {
        let path = out.join(name);
        let swapped = fs::read_to_string(&path).unwrap().replace("class-1", "tmp").replace("class-2", "class-1");
        fs::write(&path, swapped.replace("tmp", "class-2")).unwrap();
    }
    assert_eq!(images("label == 'class-1'"), 1);

    // Without any file, the name in the record counts.
    let lone = dir.path().join("lone.tfrecord");
    let shard = common::names(&out).into_iter().find(|name| name.ends_with(".tfrecord")).unwrap();
    fs::copy(out.join(shard), &lone).unwrap();
    assert_eq!(shown(&lone, "label == 'class-2'"), [5]);
}

#[test]
fn a_feature_that_no_record_has_is_an_error_in_every_verb() {
    let dir = tempfile::tempdir().unwrap();
    let (src, shards) = (dir.path().join("src"), dir.path().join("shards"));
    pictures(&src, &[3]);
    tfr().args(["convert", text(&src), text(&shards), "--shards", "2"]).assert().success();
    let out = dir.path().join("out");
    let verbs: [&[&str]; 5] = [
        &["cat", text(&shards)],
        &["head", text(&shards)],
        &["reshard", text(&shards), "-o", text(&out)],
        &["extract", text(&shards), "-o", text(&out)],
        &["stream", text(&shards), "--mode", "eval"],
    ];
    for verb in verbs {
        for filter in ["image/hight >= 2", "label == 0 && len(image/hight) == 0"] {
            // Twice: what is kept beside the shards does not hide it.
            for _ in 0..2 {
                let output = tfr().args(verb).args(["--where", filter]).output().unwrap();
                let said = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(2), "{verb:?}: {said}");
                let expected = "error: no record has a feature 'image/hight'\n  help: did you mean 'image/height'? \
                                the features are: image/channels, image/class/label, ";
                assert!(said.contains(expected), "{verb:?}: {said}");
                // What extract wrote before all records had gone by is there.
                let _ = fs::remove_dir_all(&out);
            }
        }
        // One shard that has it is enough, and `has` asks for what may be missing.
        let found = tfr().args(verb).args(["--where", "!has(image/hight) && label == 0"]).output().unwrap();
        assert_eq!(found.status.code(), Some(0), "{verb:?}: {}", String::from_utf8_lossy(&found.stderr));
        let _ = fs::remove_dir_all(&out);
    }
    write(&shards.join("other-00000-of-00001.tfrecord"), [ExampleBuilder::new().int64("rare", 1).encode()]);
    assert_eq!(shown(&shards, "rare == 1 || label == 9"), [0]);
}

#[test]
fn conditions_on_feature_lists() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clips.tfrecord");
    let clip = |i: i64| {
        let context = ExampleBuilder::new().int64("id", i);
        let words = (0..=i).map(|n| vec![format!("w{n}").into_bytes()]);
        SequenceExampleBuilder::new().context(context).bytes_steps("words", words).encode()
    };
    write(&path, (0..4).map(clip));
    assert_eq!(shown(&path, "words == 'w2'"), [2, 3]);
    assert_eq!(shown(&path, "len(words) < 3 && id > 0"), [1]);
    assert_eq!(shown(&path, "!(words == 'w1')"), [0]);
    let out = dir.path().join("out");
    let (code, report) = tfr_json(&["reshard", text(&path), "-o", text(&out), "--where", "words *= '3'"]);
    assert_eq!((code, &report["records"]), (0, &json!(1)));
    let (code, found) = tfr_json(&["cat", text(&path), "--where", "word == 'w1'"]);
    assert_eq!((code, &found["error"]["help"]), (2, &json!("did you mean 'words'? the features are: id, words")));
}
