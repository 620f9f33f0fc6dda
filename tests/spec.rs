//! The pipeline's spec, as its documentation and its errors tell it.
//!
//! `TFRKIT_UPDATE=1 cargo test --test spec` writes the expected files anew; look at what has changed before it is committed.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRng;
use tfrkit::pipeline::{Op, ParamDoc, Pipeline};

const MARK: &str = "<!-- The rest is made of the code: TFRKIT_UPDATE=1 cargo test --test spec -->\n";

/// Compares with a committed file, or writes it.
fn expect(path: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("TFRKIT_UPDATE").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{} line {}", path.display(), line + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{}", path.display());
}

/// Lines of a doc comment as one paragraph, fit for a table.
fn paragraph(lines: &[&str]) -> String {
    let text: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    text.join(" ").replace('|', "\\|")
}

#[test]
fn the_documentation_lists_every_op() {
    let head = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pipeline.md")).unwrap();
    let (head, _) = head.split_once(MARK).expect("docs/pipeline.md has the mark");
    let mut page = format!("{head}{MARK}");
    for op in Op::docs() {
        write!(page, "\n### {}\n\n{}\n", op.name, paragraph(op.text).replace("\\|", "|")).unwrap();
        if op.params.is_empty() {
            continue;
        }
        page.push_str("\n| parameter | default | allowed | |\n|---|---|---|---|\n");
        for param in &op.params {
            let default = param.default.as_ref().map_or("required".to_owned(), |d| format!("`{d}`"));
            let text = paragraph(param.text);
            writeln!(page, "| `{}` | {default} | {} | {text} |", param.name, param.allowed.replace('|', "\\|"))
                .unwrap();
        }
    }
    expect("docs/pipeline.md", &page);
}

/// Each op's documentation says what it equals, and every parameter is described.
#[test]
fn nothing_is_left_undocumented() {
    for op in Op::docs() {
        assert!(!op.text.is_empty(), "{}", op.name);
        assert!(op.params.iter().all(|p| !p.text.is_empty() && !p.allowed.is_empty()), "{}", op.name);
    }
    assert_eq!(Op::docs().len(), Op::NAMES.len());
}

/// Specs that are wrong, and what is said of each.
#[test]
fn invalid_specs() {
    let cases = include_str!("snapshots/invalid_specs.toml");
    let mut found = String::new();
    let mut count = 0;
    for case in cases.split("#---\n").map(str::trim).filter(|case| !case.is_empty()) {
        let error = match Pipeline::parse(case) {
            Ok(_) => panic!("this spec is taken for valid:\n{case}"),
            Err(error) => error,
        };
        writeln!(found, "{case}\n  => {error}").unwrap();
        if let Some(hint) = error.hint() {
            writeln!(found, "     {hint}").unwrap();
        }
        found.push('\n');
        count += 1;
    }
    assert!(count >= 25, "{count} specs");
    expect("tests/snapshots/invalid_specs.txt", &found);
}

/// A value that the documentation allows.
fn value(param: &ParamDoc, rng: &mut TestRng) -> String {
    let allowed = param.allowed.as_str();
    let share: f64 = rng.random();
    let between = |from: f64, to: f64| from + (to - from) * share;
    // The numbers in the text of what is allowed.
    let bounds: Vec<f64> = allowed
        .split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .filter_map(|word| word.trim_end_matches('.').parse().ok())
        .collect();
    let number = |v: f64| match share {
        // Whole numbers in either form, and digits that no f32 has.
        s if s < 0.2 => format!("{}", v.round()),
        s if s < 0.4 => format!("{:.1}", v.round()),
        s if s < 0.6 => format!("{v:.2}"),
        _ => format!("{v}"),
    };
    match allowed {
        "true or false" => (share < 0.5).to_string(),
        _ if allowed.starts_with("[height, width]") || allowed.starts_with("[y, x]") => {
            format!("[{}, {}]", between(1.0, 60.0) as u32, rng.random_range(1..60))
        }
        _ if allowed.starts_with("an odd number") => (2 * rng.random_range(0..bounds[1] as u32 / 2) + 1).to_string(),
        _ if allowed.starts_with("a list of ops") => {
            "[{ op = \"invert\" }, { op = \"solarize\", threshold = 3.5, p = 0.1 }]".to_owned()
        }
        _ if allowed.starts_with("a list of numbers of 0 or more") => format!("[{share}, 2]"),
        _ if allowed.starts_with("a list of numbers, one for each channel") => {
            format!("[{}, {}, 1e30]", number(between(1.0, 255.0)), between(1.0, 255.0))
        }
        _ if allowed.starts_with("a number from") && share < 0.5 => {
            let lower = rng.random_range(bounds[0]..=bounds[1]);
            format!("[{lower}, {}]", rng.random_range(lower..=bounds[1]))
        }
        _ if allowed.starts_with("[lower, upper]") => {
            let most = *bounds.last().unwrap();
            let lower = rng.random_range(most / 1000.0..most);
            format!("[{lower}, {}]", rng.random_range(lower..most))
        }
        _ if allowed.starts_with('[') => {
            let names = allowed.split(']').next().unwrap().split(',').count();
            let numbers: Vec<String> = (0..names).map(|_| rng.random_range(0.0f32..1.0).to_string()).collect();
            format!("[{}]", numbers.join(", "))
        }
        _ if allowed.contains("noise") && share < 0.3 => "\"noise\"".to_owned(),
        _ if allowed.starts_with('"') => {
            let words: Vec<&str> = allowed.split(" or ").collect();
            words[rng.random_range(0..words.len())].to_owned()
        }
        // Whole numbers are those whose bounds and default are.
        _ if ["k", "bits", "jpeg_quality", "num_ops", "num_classes", "max_attempts"].contains(&param.name)
            || param.name.ends_with("_jpeg_quality")
            || param.name.ends_with("num_ops") =>
        {
            // No more ops than a list of ops has here.
            let most = if param.name == "num_ops" { 2.0 } else { bounds[1].min(100.0) };
            rng.random_range(bounds[0] as u64..=most as u64).to_string()
        }
        _ => number(between(bounds[0] + 0.01, bounds[1])),
    }
}

/// A table of an op with some of its parameters.
fn table(list: &str, rng: &mut TestRng, at: usize) -> String {
    let docs = Op::docs();
    let op = &docs[at % docs.len()];
    let mut text = format!("[[{list}]]\nop = '{}'\n", op.name);
    for param in &op.params {
        if param.default.is_none() || rng.random_bool(0.6) {
            writeln!(text, "{} = {}", param.name, value(param, rng)).unwrap();
        }
    }
    if rng.random_bool(0.2) {
        writeln!(text, "p = {}", rng.random::<f32>()).unwrap();
    }
    text
}

/// What stands before the lists.
fn tables(rng: &mut TestRng) -> String {
    let mut some = |lines: &[&str]| -> String {
        lines.iter().filter(|_| rng.random_bool(0.5)).fold(String::new(), |text, line| text + line + "\n")
    };
    let mut text = String::from("[decode]\n");
    text += &some(&["channels = 3", "dct = 'islow'", "fast = false", "orientation = 'apply'", "max_pixels = 77"]);
    text += &(String::from("[features]\n") + &some(&["image = 'a\\n\u{7}\u{e9}\"'", "label = ''"]));
    text += &(String::from("[batch]\n") + &some(&["size = 3", "tail = 'drop'", "dtype = 'f32'", "layout = 'nchw'"]));
    text += &some(&["[shuffle]\nmode = 'buffer'\nsize = 9", "[cache]\nmode = 'memory'\nmax_bytes = '1KiB'"]);
    text +=
        &some(&["[[column]]\nname = 'c'\nkind = 'float'\nlayout = 'fixed_len'\nshape = [2]\ndefault = [0.1, 1e-9]"]);
    text + &some(&["[[column]]\nname = 'd'\nkind = 'bytes'\nlayout = 'fixed_len_sequence'\ndefault = 'x'"])
}

/// Written, a pipeline is read as what it was; written again, it is the same text.
fn check_round_trip(text: &str) -> bool {
    let Ok(pipeline) = Pipeline::parse(text) else { return false };
    let written = pipeline.to_toml();
    let again = Pipeline::parse(&written).unwrap_or_else(|e| panic!("{e}\n{text}\n{written}"));
    assert_eq!(again, pipeline, "{text}\n{written}");
    assert_eq!(again.to_toml(), written, "{text}");
    true
}

#[test]
fn every_op_is_written_as_it_is_read() {
    let mut rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    for (at, op) in Op::docs().iter().enumerate() {
        let channels = if op.name == "grayscale_to_rgb" { 1 } else { 3 };
        let mut one =
            || check_round_trip(&format!("[decode]\nchannels = {channels}\n{}", table("train", &mut rng, at)));
        let good = (0..200).filter(|_| one()).count();
        assert!(good >= 20, "{}: {good} of 200 specs are valid", op.name);
    }
    assert!(check_round_trip("train = []\neval = []") && check_round_trip(include_str!("snapshots/full_spec.toml")));
    for (_, preset) in tfrkit::pipeline::PRESETS {
        assert!(check_round_trip(preset));
    }
}

proptest! {
    #[test]
    fn a_spec_is_written_as_it_is_read(ops in prop::collection::vec(0usize..100, 0..4), mut rng in any::<[u8; 32]>().prop_perturb(|_, rng| rng)) {
        let lists: String = ops.iter().map(|at| table(if at % 2 == 0 { "train" } else { "eval" }, &mut rng, *at)).collect();
        check_round_trip(&(tables(&mut rng) + &lists));
    }
}
