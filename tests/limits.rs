//! Limits on what an image may take: flags of every verb that decodes, told by the image's header.

mod common;

use std::fs;
use std::path::Path;

use common::{fixture, jpeg, text, tfr, tfr_json};

/// A class of one image of 40 x 50 pixels, its set, and the folders of both.
fn set(dir: &Path) -> (String, String) {
    let (photos, shards) = (dir.join("photos"), dir.join("shards"));
    fs::create_dir_all(photos.join("a")).unwrap();
    fs::write(photos.join("a/1.jpg"), jpeg(1, 40, 50)).unwrap();
    let (photos, shards) = (text(&photos).to_owned(), text(&shards).to_owned());
    assert_eq!(tfr_json(&["convert", &photos, &shards]).0, 0);
    (photos, shards)
}

/// Exit code, and what was said on stderr and stdout.
fn said(args: &[&str]) -> (i32, String) {
    let output = tfr().args(args).output().unwrap();
    let said = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn each_verb_that_decodes_refuses_larger_images_and_takes_those_at_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, shards) = set(dir.path());
    let image = format!("{photos}/a/1.jpg");
    let out = |name: &str| text(&dir.path().join(name)).to_owned();
    let (again, page, sheet, array) = (out("again"), out("r.html"), out("s.png"), out("a.npy"));
    let verbs: [&[&str]; 6] = [
        &["convert", &photos, &again],
        &["validate", &shards, "--decode"],
        &["stream", &shards, "--batch", "1"],
        &["apply", &image, "-o", &array],
        &["preview", &shards, "-o", &sheet],
        &["report", &shards, "-o", &page],
    ];
    for verb in verbs {
        for (flag, below, at) in [("--max-pixels", "1999", "2000"), ("--max-image-bytes", "5999", "6000")] {
            let force: &[&str] = if matches!(verb[0], "validate" | "stream") { &[] } else { &["--force"] };
            let (code, text) = said(&[verb, force, &[flag, below]].concat());
            match verb[0] {
                // A report on bad data is a report.
                "report" => assert!(code == 0 && text.contains("1 finding"), "{flag} {below}: {code}, {text}"),
                _ => assert!(
                    code == 1 && text.contains("exceeds the limit of"),
                    "{verb:?} {flag} {below}: {code}, {text}"
                ),
            }
            if !matches!(verb[0], "report" | "validate") {
                assert!(text.contains(&format!("`{flag}` allows more")), "{verb:?}: {text}");
            }
            let (code, text) = said(&[verb, force, &[flag, at]].concat());
            assert_eq!(code, 0, "{verb:?} {flag} {at}: {text}");
        }
    }
}

/// 48 blocks of luma and 24 of chroma have two bytes a coefficient, more than the pixels.
#[test]
fn what_a_progressive_image_is_kept_in_counts() {
    let dir = tempfile::tempdir().unwrap();
    let image = text(&fixture("progressive.jpg")).to_owned();
    let out = text(&dir.path().join("a.npy")).to_owned();
    let apply = |bytes: &str| said(&["apply", &image, "-o", &out, "--force", "--max-image-bytes", bytes]);
    let (code, text) = apply("9215");
    assert!(code == 1 && text.contains("9215 bytes kept between scans"), "{text}");
    assert_eq!(apply("9216").0, 0);
    // A limit on pixels brings its own on bytes, which a flag raises.
    let pixels =
        |more: &[&str]| said(&[&["apply", &image, "-o", &out, "--force", "--max-pixels", "2745"], more].concat());
    assert_eq!(pixels(&[]).0, 0);
    assert_eq!(pixels(&["--max-image-bytes", "8KiB"]).0, 1);
}

#[test]
fn limits_are_positive_numbers() {
    for (flag, value) in [("--max-pixels", "0"), ("--max-pixels", "many"), ("--max-image-bytes", "4 parsecs")] {
        let (code, text) = said(&["validate", "nothing", flag, value]);
        assert!(code == 2 && text.contains(flag), "{flag} {value}: {text}");
    }
}

#[test]
fn each_verb_that_reads_refuses_longer_records() {
    let dir = tempfile::tempdir().unwrap();
    let (_, shards) = set(dir.path());
    let out = |name: &str| text(&dir.path().join(name)).to_owned();
    let (sheet, again, images) = (out("s.png"), out("again"), out("images"));
    let verbs: [&[&str]; 8] = [
        &["cat", &shards],
        &["info", &shards],
        &["stats", &shards],
        &["schema", &shards],
        &["stream", &shards, "--batch", "1"],
        &["preview", &shards, "-o", &sheet],
        &["reshard", &shards, "-o", &again],
        &["extract", &shards, "-o", &images],
    ];
    for verb in verbs {
        let (code, text) = said(&[verb, &["--max-record-bytes", "500"]].concat());
        assert!(code == 1 && text.contains("over the limit of 500 bytes"), "{verb:?}: {code}, {text}");
        assert!(text.contains("`--max-record-bytes` allows more"), "{verb:?}: {text}");
        let (code, text) = said(&[verb, &["--max-record-bytes", "1MiB"]].concat());
        assert_eq!(code, 0, "{verb:?}: {text}");
    }
}
