//! Shards that TFDS, the object-detection API's scripts and video data sets lay out: described as TensorFlow reads them.

mod common;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use common::{text, tfr_json};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign")
}

/// Each set's path, its name where a directory holds several, and what TensorFlow found in it.
fn sets() -> Vec<(PathBuf, Option<&'static str>, Value)> {
    let expected = std::fs::read_to_string(dir().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let paths = [
        ("tfds", Some("zoo-train"), "tfds/zoo-train"),
        ("tfds", Some("zoo-test"), "tfds/zoo-test"),
        ("detection.record-00000-of-00001", None, "detection"),
        ("video.tfrecord", None, "video"),
    ];
    assert_eq!(expected.as_object().unwrap().len(), paths.len());
    paths.map(|(path, set, key)| (dir().join(path), set, expected[key].clone())).into()
}

/// The path of one set's shards alone.
fn pattern(path: &Path, set: Option<&str>) -> String {
    set.map_or(text(path).to_owned(), |set| format!("{}/{set}*", text(path)))
}

fn features<'a>(json: &'a Value, part: &str) -> &'a Map<String, Value> {
    static NONE: std::sync::OnceLock<Map<String, Value>> = std::sync::OnceLock::new();
    json[part].as_object().unwrap_or_else(|| NONE.get_or_init(Map::new))
}

#[test]
fn info_says_what_tensorflow_reads() {
    for (path, set, expected) in sets() {
        let (code, found) = tfr_json(&["info", &pattern(&path, set), "--full"]);
        assert_eq!((code, &found["records"], &found["message"]), (0, &expected["records"], &expected["message"]));
        for part in ["features", "feature_lists"] {
            let (found, expected) = (features(&found, part), features(&expected, part));
            assert!(found.keys().eq(expected.keys()), "{set:?}: {:?}", found.keys());
            for (name, wanted) in expected {
                for (what, value) in wanted.as_object().unwrap() {
                    let same = match (found[name][what].as_f64(), value.as_f64()) {
                        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                        _ => found[name][what] == *value,
                    };
                    assert!(same, "{set:?} {name} {what}: {} is not {value}", found[name][what]);
                }
            }
        }
    }
}

#[test]
fn the_schema_has_every_feature_with_its_kind_and_shape() {
    for (path, set, expected) in sets() {
        let (code, schema) = tfr_json(&["schema", &pattern(&path, set)]);
        assert_eq!((code, &schema["message"]), (0, &expected["message"]));
        let (found, expected) = (features(&schema, "features"), features(&expected, "features"));
        assert!(found.keys().eq(expected.keys()), "{set:?}");
        for (name, wanted) in expected {
            let feature = &found[name];
            assert_eq!(feature["kind"], wanted["kind"], "{name}");
            assert_eq!(feature["required"], wanted["presence"].as_f64() == Some(1.0), "{name}");
            let shape = match (wanted["min_len"].as_u64(), wanted["max_len"].as_u64()) {
                (Some(1), Some(1)) => serde_json::json!([]),
                (Some(n), Some(m)) if n == m => serde_json::json!([n]),
                _ => Value::Null,
            };
            assert_eq!(feature["shape"], shape, "{name}");
        }
    }
}

#[test]
fn nothing_is_found_wrong_with_them() {
    for path in ["tfds", "detection.record-00000-of-00001", "video.tfrecord"] {
        let (code, report) = tfr_json(&["validate", text(&dir().join(path)), "--duplicates"]);
        assert_eq!((code, report["findings_total"].as_u64()), (0, Some(0)), "{path}: {report}");
    }
    let (code, report) = tfr_json(&["validate", text(&dir().join("tfds")), "--decode"]);
    assert_eq!((code, report["findings_total"].as_u64()), (0, Some(0)), "{report}");
}
