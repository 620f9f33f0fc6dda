//! A program wants batches in the form that its model takes: bytes or floats, either order of axes, further features, data
//! that are no images, its own memory.

mod common;
#[path = "common/streams.rs"]
mod streams;

use std::path::Path;

use common::{text, tfr, tfr_json};
use streams::{SPEC, batches, options, set};
use tfrkit::dataset::{ShardSet, resolve};
use tfrkit::example::{ExampleBuilder, Values};
use tfrkit::pipeline::{Batch, BatchDigest, Loader, LoaderOptions, Mode, OnError, Pipeline, Pixels, Select};
use tfrkit::record::{Shard, Writer};

fn with_batch(lines: &str) -> String {
    SPEC.replace("size = 8", &format!("size = 8\n{lines}"))
}

/// [`SPEC`] without normalize, whose result is no level.
fn levels(lines: &str) -> String {
    let spec = with_batch(lines);
    let at = spec.find("[[train]]\n    op = \"normalize\"").unwrap();
    let end = spec.find("[[eval]]").unwrap();
    format!("{}{}", &spec[..at], &spec[end..])
}

#[test]
fn bytes_are_the_floats_rounded_and_planes_are_the_pixels_apart() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let floats = batches(&set, &levels(""), options(Mode::Train, 2));
    assert_eq!(floats[0].shape(), [8, 16, 16, 3]);
    let planar = |at: usize| at / 768 * 768 + at % 256 * 3 + at % 768 / 256;
    let all = |lines: &str| batches(&set, &levels(lines), options(Mode::Train, 2));
    let (bytes, planes) = (all("dtype = \"u8\""), all("layout = \"nchw\""));
    let both = all("dtype = \"u8\"\nlayout = \"nchw\"");
    for (i, batch) in floats.iter().enumerate() {
        let pixels = batch.images();
        assert_eq!(pixels.as_ptr() as usize % 64, 0);
        let rounded: Vec<u8> = pixels.iter().map(|v| v.round_ties_even().clamp(0.0, 255.0) as u8).collect();
        assert_eq!(bytes[i].images_u8(), rounded);
        assert_eq!(bytes[i].pixels(), Pixels::U8(&rounded));
        assert_eq!(planes[i].shape(), [8, 3, 16, 16]);
        assert!(planes[i].images().iter().enumerate().all(|(at, v)| *v == pixels[planar(at)]));
        assert!(both[i].images_u8().iter().enumerate().all(|(at, v)| *v == rounded[planar(at)]));
        assert_eq!(both[i].labels(), batch.labels());
    }
    // The digest is of pixels in one order.
    let digest = |all: &[Batch]| {
        let mut digest = BatchDigest::default();
        all.iter().for_each(|batch| digest.update(batch));
        digest.finish()
    };
    assert_eq!(digest(&floats), digest(&planes));
    assert_eq!(digest(&bytes), digest(&both));
    assert_ne!(digest(&floats), digest(&bytes));
}

#[test]
fn samples_are_mixed_alike_in_either_order_of_axes() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    for op in ["mixup", "cutmix"] {
        let mixed = |lines| {
            levels(lines)
                .replace("[[eval]]", &format!("[[train]]\nop = \"{op}\"\nalpha = 1.0\nnum_classes = 3\n[[eval]]"))
        };
        let nhwc = batches(&set, &mixed(""), options(Mode::Train, 2));
        let nchw = batches(&set, &mixed("layout = \"nchw\""), options(Mode::Train, 2));
        for (a, b) in nhwc.iter().zip(&nchw) {
            assert_eq!(a.soft_labels(), b.soft_labels());
            let planar = |at: usize| at / 768 * 768 + at % 256 * 3 + at % 768 / 256;
            assert!(b.images().iter().enumerate().all(|(at, v)| *v == a.images()[planar(at)]));
        }
        let error = Loader::open(&set, &Pipeline::parse(&mixed("dtype = \"u8\"")).unwrap(), options(Mode::Train, 1));
        assert!(error.err().unwrap().to_string().contains(op));
    }
}

#[test]
fn levels_that_are_none_are_refused_as_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let pipeline = Pipeline::parse(&with_batch("dtype = \"u8\"")).unwrap();
    let error = Loader::open(&set, &pipeline, options(Mode::Train, 1)).err().unwrap();
    let told = "normalize: the result is not a level of 0 to 255, and [batch] has dtype = \"u8\"";
    assert!(error.to_string().starts_with("line ") && error.to_string().ends_with(told), "{error}");
    assert!(Loader::open(&set, &pipeline, options(Mode::Eval, 1)).is_ok());
}

const KEYS: &str = r#"
    [[column]]
    name = "image/filename"
    kind = "bytes"
    [[column]]
    name = "image/height"
    kind = "int64"
    [[column]]
    name = "image/object/bbox/xmin"
    kind = "float"
    layout = "ragged"
"#;

#[test]
fn chosen_features_come_along() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let mut names = Vec::new();
    for shard in &set.shards {
        for record in Shard::open(shard).unwrap().records() {
            let view = record.unwrap().payload.to_vec();
            let view = tfrkit::example::ExampleView::new(&view);
            names.push(view.feature("image/filename").unwrap().unwrap().single_bytes().unwrap().to_vec());
        }
    }
    let spec = format!("{}{KEYS}", with_batch("tail = \"pad\""));
    for threads in [1, 3] {
        let all = batches(&set, &spec, options(Mode::Train, threads));
        assert_eq!(all.len(), 7);
        for batch in &all {
            let found = batch.column("image/filename").unwrap();
            assert_eq!(found.shape, [8]);
            for (i, name) in found.values.bytes().unwrap().iter().enumerate() {
                match batch.valid()[i] {
                    true => assert_eq!(name, names[batch.ordinals()[i] as usize]),
                    false => assert_eq!(name, b""),
                }
            }
            assert_eq!(batch.columns()[1].values.len(), 8);
            assert_eq!(batch.columns()[2].row_splits, [0; 9]);
            assert!(batch.column("image/width").is_none() && batch.record(0).is_none());
        }
    }
}

/// A shard of token lists; record 3 lacks its label where `bad`.
fn tokens(dir: &Path, bad: bool) -> ShardSet {
    let path = dir.join("tokens-00000-of-00001.tfrecord");
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap());
    for i in 0..11i64 {
        let example = ExampleBuilder::new().int64s("tokens", (0..i).map(|t| 10 * i + t));
        let example = if bad && i == 3 { example } else { example.int64("label", i % 3) };
        writer.write(&example.encode()).unwrap();
    }
    writer.finish().unwrap();
    resolve(&[text(&path)]).unwrap().one(None).unwrap()
}

const PARSED: &str = r#"
    [batch]
    size = 4
    output = "columns"
    tail = "uneven"
    [[column]]
    name = "tokens"
    kind = "int64"
    layout = "ragged"
    [[column]]
    name = "label"
    kind = "int64"
"#;

#[test]
fn records_that_are_no_images_come_as_columns() {
    let tmp = tempfile::tempdir().unwrap();
    let set = tokens(tmp.path(), false);
    for threads in [1, 4] {
        let all = batches(&set, PARSED, options(Mode::Eval, threads));
        assert_eq!(all.iter().map(Batch::len).collect::<Vec<_>>(), [4, 4, 3]);
        let labels: Vec<i64> =
            all.iter().flat_map(|b| b.column("label").unwrap().values.int64s().unwrap().to_vec()).collect();
        assert_eq!(labels, (0..11).map(|i| i % 3).collect::<Vec<i64>>());
        let tokens = all[1].column("tokens").unwrap();
        assert_eq!(tokens.row_splits, [0, 4, 9, 15, 22]);
        assert_eq!(tokens.values.int64s().unwrap()[..5], [40, 41, 42, 43, 50]);
        assert_eq!((all[0].shape(), all[0].pixels()), ([4, 0, 0, 0], Pixels::F32(&[])));
    }
    let shuffled = format!("[shuffle]\nmode = \"global\"\nrun = 1\n{PARSED}");
    let ordinals = |epochs| {
        let all = batches(&set, &shuffled, LoaderOptions { epochs, ..options(Mode::Train, 2) });
        all.iter().flat_map(|b| b.ordinals().to_vec()).collect::<Vec<_>>()
    };
    let two = ordinals(2);
    assert_eq!(two[..11], ordinals(1));
    assert_ne!(two[..11], two[11..]);
    let error = Loader::open(&set, &Pipeline::parse("[batch]\noutput = \"columns\"").unwrap(), options(Mode::Train, 1));
    assert!(error.err().unwrap().hint().unwrap().contains("[[column]]"));
}

#[test]
fn a_record_that_does_not_fit_is_named_or_skipped() {
    let tmp = tempfile::tempdir().unwrap();
    let set = tokens(tmp.path(), true);
    let pipeline = Pipeline::parse(PARSED).unwrap();
    let mut loader = Loader::open(&set, &pipeline, options(Mode::Eval, 2)).unwrap();
    let error = loader.next().unwrap().unwrap_err();
    assert_eq!((error.location().record, error.to_string().contains("'label'")), (Some(3), true), "{error}");
    assert!(loader.next().is_none());

    let skip = LoaderOptions { on_error: OnError::Skip(1), ..options(Mode::Eval, 2) };
    let first = &batches(&set, PARSED, skip)[0];
    assert_eq!(first.valid(), [true, true, true, false]);
    // The nearest good one stands in its place.
    assert_eq!(first.column("tokens").unwrap().values.int64s().unwrap(), [10, 20, 21, 20, 21]);
}

#[test]
fn raw_records_come_as_they_are() {
    let tmp = tempfile::tempdir().unwrap();
    let set = tokens(tmp.path(), false);
    let stored: Vec<Vec<u8>> =
        Shard::open(&set.shards[0]).unwrap().records().map(|r| r.unwrap().payload.to_vec()).collect();
    let spec = "[batch]\nsize = 4\noutput = \"records\"\ntail = \"pad\"";
    let pipeline = Pipeline::parse(spec).unwrap();
    let mut found = Vec::new();
    for batch in Loader::open(&set, &pipeline, LoaderOptions { epochs: 3, ..options(Mode::Eval, 2) }).unwrap() {
        let batch = batch.unwrap();
        for i in 0..batch.len() {
            match batch.valid()[i] {
                true => found.push(batch.record(i).unwrap().to_vec()),
                false => assert_eq!(batch.record(i), Some(&b""[..])),
            }
        }
        assert!(batch.record(4).is_none());
    }
    assert_eq!(found, [&stored[..], &stored, &stored].concat());
}

#[test]
fn batches_go_into_the_callers_memory() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let spec = with_batch("tail = \"uneven\"");
    let expected = batches(&set, &spec, options(Mode::Train, 2));
    let mut loader = Loader::open(&set, &Pipeline::parse(&spec).unwrap(), options(Mode::Train, 2)).unwrap();
    let mut images = vec![0f32; 8 * 768 + 5];
    for expected in &expected {
        let batch = loader.fill(&mut images).unwrap().unwrap();
        assert_eq!(images[..expected.images().len()], *expected.images());
        assert_eq!(batch.labels(), expected.labels());
    }
    assert!(loader.fill(&mut images).unwrap().is_none());
}

/// Memory of the wrong type or too little of it is found before the batch is taken: it comes next, and no state passes over it.
#[test]
fn a_batch_is_not_lost_for_want_of_room() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let spec = with_batch("tail = \"uneven\"");
    let expected = batches(&set, &spec, options(Mode::Train, 2));
    let mut loader = Loader::open(&set, &Pipeline::parse(&spec).unwrap(), options(Mode::Train, 2)).unwrap();
    let mut images = vec![0f32; 8 * 768];
    for (at, expected) in expected.iter().enumerate() {
        let error = loader.fill(&mut [0u8; 8 * 768]).unwrap_err().to_string();
        assert_eq!(error, "memory for u8 values, and the batches hold f32");
        let error = loader.fill(&mut images[..100]).unwrap_err().to_string();
        assert_eq!(error, format!("memory for 100 values, and the batch has {}", expected.images().len()));
        assert_eq!(loader.state().unwrap().step, at as u64);
        let batch = match at % 2 {
            0 => loader.fill(&mut images).unwrap().unwrap(),
            _ => loader.next().unwrap().unwrap(),
        };
        assert_eq!((batch.step(), batch.ordinals()), (at as u64, expected.ordinals()));
        assert_eq!(batch.images(), expected.images());
        // The pixels are taken out as what they are, or the batch stays.
        let batch = batch.into_images::<u8>().unwrap_err();
        assert_eq!(batch.into_images::<f32>().unwrap()[..], *expected.images());
    }
    assert!(loader.fill(&mut images).unwrap().is_none());
}

/// Numbers that no run has are refused by what they are; none of them overflows or hangs.
#[test]
fn numbers_beyond_reason_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let refused = |options: LoaderOptions, told: &str| {
        let error =
            Loader::open(&set, &Pipeline::parse(SPEC).unwrap(), options).err().unwrap_or_else(|| panic!("{told}"));
        assert!(error.kind_name() == "usage" && error.to_string().contains(told), "{error}");
    };
    let base = || options(Mode::Train, 1);
    for world in [0, u64::MAX, 1 << 40] {
        refused(LoaderOptions { world, ..base() }, &format!("a world of {world} processes: from 1 to 16777216"));
    }
    refused(LoaderOptions { rank: 3, world: 3, ..base() }, "rank 3 in a world of 3: ranks go from 0 to 2");
    refused(LoaderOptions { rank: u64::MAX, world: 2, ..base() }, "rank 18446744073709551615");
    refused(LoaderOptions { batch: Some(usize::MAX), ..base() }, "a batch of 18446744073709551615");
    refused(LoaderOptions { prefetch: usize::MAX, ..base() }, "a prefetch of 18446744073709551615");
    // The greatest that are possible leave nothing, and say so.
    refused(LoaderOptions { batch: Some(65_536), world: 1 << 24, rank: (1 << 24) - 1, ..base() }, "too few");
    let uneven = Pipeline::parse(&with_batch("tail = \"uneven\"")).unwrap();
    let last = LoaderOptions { batch: Some(65_536), world: 1 << 24, rank: (1 << 24) - 1, epochs: 0, ..base() };
    assert_eq!(Loader::open(&set, &uneven, last).unwrap().count(), 0);
    for select in [Select { skip: u64::MAX, ..Default::default() }, Select { repeat: u64::MAX, ..Default::default() }] {
        assert!(Loader::open(&set, &uneven, LoaderOptions { select, ..base() }).is_err());
    }
    let all = Select { take: Some(u64::MAX), ..Default::default() };
    let loader = Loader::open(&set, &uneven, LoaderOptions { select: all, seed: u64::MAX, epochs: u64::MAX, ..base() });
    assert_eq!(loader.unwrap().take(7).map(|batch| batch.unwrap().len()).sum::<usize>(), 53);
    let classes = format!("{SPEC}\n[[train]]\nop = \"mixup\"\nnum_classes = 1000000\n");
    let classes = Pipeline::parse(&classes).unwrap();
    let error = Loader::open(&set, &classes, LoaderOptions { batch: Some(53), ..base() }).map(drop);
    assert!(error.is_ok(), "{error:?}");
    let twice = Select { repeat: 10, ..Default::default() };
    let error =
        Loader::open(&set, &classes, LoaderOptions { batch: Some(500), select: twice, ..base() }).err().unwrap();
    assert!(error.to_string().contains("soft labels of 1000000 classes for a batch of 500"), "{error}");
}

#[test]
fn arrays_of_every_kind_are_saved() {
    let tmp = tempfile::tempdir().unwrap();
    tokens(tmp.path(), false);
    let (spec, out) = (tmp.path().join("p.toml"), tmp.path().join("npy"));
    std::fs::write(&spec, PARSED).unwrap();
    let shards = tmp.path().join("tokens-00000-of-00001.tfrecord");
    let args =
        ["stream", text(&shards), "--pipeline", text(&spec), "--mode", "eval", "--save-npy", text(&out), "--digest"];
    let (_, summary) = tfr_json(&args);
    assert_eq!((summary["images"].as_u64(), summary["batches"].as_u64()), (Some(11), Some(3)));
    let mut names: Vec<_> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let of = |n: usize| ["label", "tokens", "tokens.row_splits"].map(|what| format!("batch-00000{n}.{what}.npy"));
    assert_eq!(names, [of(0), of(1), of(2)].concat());
    let splits = std::fs::read(out.join("batch-000002.tokens.row_splits.npy")).unwrap();
    let values: Vec<i64> =
        splits[splits.len() - 32..].as_chunks::<8>().0.iter().map(|v| i64::from_le_bytes(*v)).collect();
    assert_eq!(values, [0, 8, 17, 27]);
    let (_, other) = tfr_json(&[&args[..6], &["--digest", "--batch", "3", "--threads", "3"]].concat());
    assert_eq!(other["digest"], summary["digest"], "the digest does not depend on the batch size");
    tfr().args(["stream", text(&shards), "--mode", "eval", "--steps", "1"]).assert().code(1);
}

#[test]
fn a_column_of_nothing_is_told_of() {
    let text = "[[column]]\nname = \"x\"\nkind = \"int64\"\nlayout = \"var_len\"\ndefault = 3";
    let error = Pipeline::parse(text).unwrap_err().to_string();
    assert!(error.contains("line 1: [[column]]: the column 'x' has a default"), "{error}");
    let defaults =
        Pipeline::parse("[[column]]\nname = \"x\"\nkind = \"bytes\"\nshape = [2]\ndefault = [\"a\", \"b\"]").unwrap();
    assert_eq!(defaults.columns[0].default, Some(Values::Bytes(["a", "b"].into_iter().collect())));
}
