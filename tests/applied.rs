//! What `apply -o` and `stream --save-npy` leave behind: files of the kind that their names say, which hold all there is.

mod common;
#[path = "common/streams.rs"]
mod streams;

use std::fs;
use std::path::Path;

use common::{fixture, jpeg, names, text, tfr, tfr_json};
use serde_json::json;
use streams::SPEC;
use tfrkit::example::ExampleBuilder;
use tfrkit::image::{DecodeOptions, Decoder, Format, sniff};
use tfrkit::record::Writer;

const FLIP: &str = "[[eval]]\nop = \"flip_left_right\"\n";

/// The header and the bytes of the values of an array.
fn npy(bytes: &[u8]) -> (String, &[u8]) {
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"));
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    (String::from_utf8_lossy(&bytes[10..end]).into_owned(), &bytes[end..])
}

/// The members of a ZIP archive whose files are stored as they are, by its directory.
fn unzip(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let short = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let end = bytes.len() - 22;
    assert!(bytes[end..].starts_with(b"PK\x05\x06"));
    let (count, mut at) = (short(end + 10), number(end + 16));
    assert_eq!(at + number(end + 12), end);
    let mut members = Vec::new();
    for _ in 0..count {
        assert!(bytes[at..].starts_with(b"PK\x01\x02"));
        let (crc, len, name, local) = (number(at + 16), number(at + 24), short(at + 28), number(at + 42));
        let name = String::from_utf8(bytes[at + 46..][..name].to_vec()).unwrap();
        assert!(bytes[local..].starts_with(b"PK\x03\x04"));
        let data = bytes[local + 30 + name.len()..][..len].to_vec();
        assert_eq!(crc32fast::hash(&data) as usize, crc);
        at += 46 + name.len();
        members.push((name, data));
    }
    members
}

#[test]
fn the_name_says_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, photo) = (dir.path().join("p.toml"), fixture("color420.jpg"));
    fs::write(&spec, FLIP).unwrap();
    let apply = |out: &Path| {
        let args = ["apply", text(&photo), "--pipeline", text(&spec), "-o", text(out)];
        assert_eq!(tfr_json(&args).0, 0);
        fs::read(out).unwrap()
    };
    let array = apply(&dir.path().join("a.npy"));
    let (header, pixels) = npy(&array);
    assert!(header.contains("'|u1'"), "{header}");
    let archive = unzip(&apply(&dir.path().join("a.npz")));
    assert_eq!((archive.len(), archive[0].0.as_str(), &archive[0].1), (1, "images.npy", &array));
    let png = apply(&dir.path().join("a.PNG"));
    assert_eq!(sniff(&png), Some(Format::Png));
    let decoded = Decoder::new(DecodeOptions::default()).unwrap().decode(&png).unwrap();
    assert_eq!(decoded.pixels(), pixels);
    for name in ["a.jpg", "a.jpeg"] {
        assert_eq!(sniff(&apply(&dir.path().join(name))), Some(Format::Jpeg));
    }
}

#[test]
fn images_of_several_sizes_are_pictures_of_their_own_or_arrays_of_one_archive() {
    let dir = tempfile::tempdir().unwrap();
    let spec = dir.path().join("p.toml");
    fs::write(&spec, FLIP).unwrap();
    let photos = [("x.jpg", 20), ("y.jpg", 30)].map(|(name, side)| {
        let path = dir.path().join(name);
        fs::write(&path, jpeg(side, side, 40)).unwrap();
        path
    });
    let apply = |out: &str, more: &[&str]| {
        let out = dir.path().join(out);
        let args = ["apply", text(&photos[0]), text(&photos[1]), "--pipeline", text(&spec), "-o", text(&out)];
        tfr_json(&[&args[..], more].concat())
    };
    let (code, json) = apply("out.png", &[]);
    assert_eq!((code, &json["shape"], json["files"].as_array().unwrap().len()), (0, &json!(null), 2));
    let sizes = ["out-0.png", "out-1.png"].map(|name| {
        let png = fs::read(dir.path().join(name)).unwrap();
        Decoder::new(DecodeOptions::default()).unwrap().decode(&png).unwrap().shape().height
    });
    assert_eq!(sizes, [20, 30]);
    // Before any work: neither is replaced, and the first is not written again.
    fs::remove_file(dir.path().join("out-0.png")).unwrap();
    let (code, json) = apply("out.png", &[]);
    assert!(code == 2 && json["error"]["message"].as_str().unwrap().contains("out-1.png"), "{json}");
    assert!(!dir.path().join("out-0.png").exists());
    assert_eq!(apply("out.png", &["--force"]).0, 0);
    assert_eq!(apply("out.npz", &[]).0, 0);
    let arrays = unzip(&fs::read(dir.path().join("out.npz")).unwrap());
    assert_eq!(arrays.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["image_0.npy", "image_1.npy"]);
    assert!(npy(&arrays[1].1).0.contains("(30,40,3,)"));
    assert_eq!(npy(&arrays[1].1).1.len(), 30 * 40 * 3);
    let (code, json) = apply("out.npy", &[]);
    assert!(code == 2 && json["error"]["message"].as_str().unwrap().contains("no single array"));
}

#[test]
fn levels_are_rounded_into_pictures_and_what_ends_their_range_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (spec, photo) = (dir.path().join("p.toml"), fixture("color420.jpg"));
    let apply = |ops: &str, out: &str| {
        fs::write(&spec, ops).unwrap();
        let out = dir.path().join(out);
        let (code, json) = tfr_json(&["apply", text(&photo), "--pipeline", text(&spec), "--force", "-o", text(&out)]);
        (code, json, fs::read(out).unwrap_or_default())
    };
    let ops = "[[eval]]\nop = \"adjust_contrast\"\ncontrast_factor = 1.3\n";
    let (_, _, array) = apply(&format!("{ops}[[eval]]\nop = \"resize\"\nsize = [20, 30]\n"), "a.npy");
    let (_, _, png) = apply(&format!("{ops}[[eval]]\nop = \"resize\"\nsize = [20, 30]\n"), "a.png");
    let (header, values) = npy(&array);
    assert!(header.contains("'<f4'"), "{header}");
    let rounded: Vec<u8> = (values.as_chunks::<4>().0.iter())
        .map(|bytes| f32::from_le_bytes(*bytes).round_ties_even().clamp(0.0, 255.0) as u8)
        .collect();
    assert!(values.chunks(4).any(|b| f32::from_le_bytes(b.try_into().unwrap()).fract() != 0.0));
    assert_eq!(Decoder::new(DecodeOptions::default()).unwrap().decode(&png).unwrap().pixels(), rounded);
    let normalized = format!("{ops}[[eval]]\nop = \"normalize\"\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n");
    let (code, _, png) = apply(&normalized, "b.png");
    let (_, _, plain) = apply(ops, "c.png");
    assert!(code == 0 && png == plain, "the picture is that of the levels");
    let args = ["apply", text(&photo), "--force", "-o", text(&dir.path().join("b.png"))].map(str::to_owned);
    let said = tfr().args(args).output().unwrap().stderr;
    assert!(String::from_utf8(said).unwrap().starts_with("normalize is left out"));
    // One of two ops, either of which ends the range.
    let nested = "[[train]]\nop = \"one_of\"\n".to_owned()
        + &"[[train.ops]]\nop = \"normalize\"\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n".repeat(2);
    fs::write(&spec, nested).unwrap();
    let out = dir.path().join("d.png");
    let (code, json) =
        tfr_json(&["apply", text(&photo), "--pipeline", text(&spec), "--mode", "train", "-o", text(&out)]);
    let said = json["error"]["message"].as_str().unwrap();
    assert!(code == 2 && said.contains("the result of normalize is not a level") && !out.exists(), "{json}");
    assert_eq!(apply(&normalized, "b.npz").0, 0);
}

#[test]
fn an_image_that_cannot_be_applied_brings_no_advice_about_convert() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad.jpg");
    let whole = jpeg(0, 30, 30);
    fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    let output = tfr().args(["apply", text(&bad), "-o", text(&dir.path().join("x.npy"))]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("truncated") && said.contains("help:") && !said.contains("convert"), "{said}");
}

#[test]
fn everything_that_a_batch_holds_is_saved() {
    let dir = tempfile::tempdir().unwrap();
    let shard = dir.path().join("a.tfrecord");
    let mut writer = Writer::new(Vec::new());
    let payloads: Vec<Vec<u8>> = (0..5)
        .map(|i| {
            let example = ExampleBuilder::new().int64("label", i).floats("a/b", [i as f32, 0.5]);
            example.bytes("image/encoded", &jpeg(i as usize, 16, 16)).bytes("note", &[7, 0, 0][..]).encode()
        })
        .collect();
    for payload in &payloads {
        writer.write(payload).unwrap();
    }
    fs::write(&shard, writer.finish().unwrap()).unwrap();
    let (spec, out) = (dir.path().join("p.toml"), dir.path().join("out"));
    let column = "[[column]]\nname = \"a/b\"\nkind = \"float\"\nshape = [2]\n";
    let stream = |batch: &str, columns: &str| {
        let _ = fs::remove_dir_all(&out);
        fs::write(&spec, format!("[batch]\nsize = 2\ntail = \"uneven\"\n{batch}\n{columns}")).unwrap();
        let args = ["stream", text(&shard), "--pipeline", text(&spec), "--mode", "eval", "--save-npy", text(&out)];
        tfr_json(&args)
    };
    assert_eq!(stream("output = \"records\"", column).0, 0);
    let files = |n: usize| ["a_b", "records", "records.row_splits"].map(|what| format!("batch-{n:06}.{what}.npy"));
    assert_eq!(names(&out), [files(0), files(1), files(2)].concat());
    let read = |name: &str| fs::read(out.join(name)).unwrap();
    let (bytes, splits) = (read("batch-000001.records.npy"), read("batch-000001.records.row_splits.npy"));
    let (header, bytes) = npy(&bytes);
    assert!(header.contains("'|u1'"), "{header}");
    assert_eq!(bytes, [&payloads[2][..], &payloads[3]].concat());
    let splits: Vec<i64> = npy(&splits).1.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
    assert_eq!(splits, [0, payloads[2].len() as i64, (payloads[2].len() + payloads[3].len()) as i64]);
    let floats: Vec<f32> =
        npy(&read("batch-000001.a_b.npy")).1.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    assert_eq!(floats, [2.0, 0.5, 3.0, 0.5]);
    // Columns alone: no labels that nobody has asked for.
    assert_eq!(stream("output = \"columns\"", column).0, 0);
    assert_eq!(names(&out), (0..3).map(|n| format!("batch-{n:06}.a_b.npy")).collect::<Vec<_>>());
    // Two columns that would be one file, or a column that would be the labels.
    for second in ["a_b", "labels"] {
        let columns = format!("{column}[[column]]\nname = \"{second}\"\nkind = \"float\"\nshape = [2]\n");
        let (code, json) = stream("", &format!("{columns}[[eval]]\nop = \"resize\"\nsize = [8, 8]\n"));
        assert!(code == 2 && json["error"]["message"].as_str().unwrap().contains("would be one file"), "{json}");
        assert!(!out.exists());
    }
}

#[test]
fn a_digest_is_said_to_cost_time() {
    let dir = tempfile::tempdir().unwrap();
    streams::set(dir.path(), "none");
    let (spec, shards) = (dir.path().join("p.toml"), dir.path().join("none"));
    fs::write(&spec, SPEC).unwrap();
    let args = ["stream", text(&shards), "--pipeline", text(&spec), "--digest"];
    let output = tfr().args(args).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("without --digest the stream is faster"));
    let (_, json) = tfr_json(&args);
    assert!(json["digest_seconds"].as_f64().unwrap() > 0.0);
}
