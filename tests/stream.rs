//! A program wants ready batches: the right ones, in order, whatever the threads.

mod common;
#[path = "common/streams.rs"]
mod streams;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{fixture, shard_bytes, text, tfr, tfr_json};
use serde_json::json;
use streams::{SPEC, batches, content, contents, options, set};
use tfrkit::dataset::ShardSet;
use tfrkit::example::ExampleBuilder;
use tfrkit::pipeline::{Batch, Executor, Loader, LoaderOptions, Mode, Pipeline, SampleKey, Waited};
use tfrkit::record::{Compression, Io, Writer};

#[test]
fn batches_do_not_depend_on_threads_compression_or_reading() {
    let tmp = tempfile::tempdir().unwrap();
    let plain = set(tmp.path(), "none");
    for mode in [Mode::Train, Mode::Eval] {
        let two_epochs = LoaderOptions { epochs: 2, ..options(mode, 1) };
        let expected = contents(&batches(&plain, SPEC, two_epochs.clone()));
        assert_eq!(expected.len(), if mode == Mode::Train { 2 * 6 } else { 2 * 7 });
        for threads in [2, 3, 8] {
            let options = LoaderOptions { threads, ..two_epochs.clone() };
            assert_eq!(contents(&batches(&plain, SPEC, options)), expected, "{threads} threads");
        }
        let read = LoaderOptions { io: Io::Read, ..two_epochs.clone() };
        assert_eq!(contents(&batches(&plain, SPEC, read)), expected);
        for compression in ["gzip", "zlib"] {
            let compressed = set(tmp.path(), compression);
            let options = LoaderOptions { threads: 2, ..two_epochs.clone() };
            assert_eq!(contents(&batches(&compressed, SPEC, options)), expected, "{compression}");
            fs::remove_dir_all(tmp.path().join(compression)).unwrap();
        }
    }
}

#[test]
fn every_sample_comes_once_an_epoch_and_epochs_differ() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let spec = SPEC.replace("size = 8", "size = 8\n    tail = \"uneven\"");
    let two_epochs = LoaderOptions { epochs: 2, ..options(Mode::Train, 2) };
    let all = batches(&set, &spec, two_epochs);
    let ordinals = |epoch: u64| -> Vec<u64> {
        all.iter().filter(|b| b.epoch() == epoch).flat_map(|b| b.ordinals().to_vec()).collect()
    };
    for epoch in [0, 1] {
        let mut sorted = ordinals(epoch);
        sorted.sort();
        assert_eq!(sorted, (0..53).collect::<Vec<u64>>());
    }
    assert_ne!(ordinals(0), ordinals(1));
    // Eval is in the order of the set.
    let eval = batches(&set, SPEC, options(Mode::Eval, 2));
    assert_eq!(eval.iter().flat_map(|b| b.ordinals().to_vec()).collect::<Vec<_>>(), (0..53).collect::<Vec<u64>>());
}

#[test]
fn a_sample_is_what_the_executor_makes_of_its_record() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let mut records = Vec::new();
    for shard in &set.shards {
        for record in tfrkit::record::Shard::open(shard).unwrap().records() {
            let payload = record.unwrap().payload.to_vec();
            records.push(payload);
        }
    }
    let opts = LoaderOptions { seed: 11, ..options(Mode::Train, 2) };
    let mut executor = Executor::new(&Pipeline::parse(SPEC).unwrap(), Mode::Train).unwrap();
    for batch in batches(&set, SPEC, opts) {
        for i in 0..batch.len() {
            let ordinal = batch.ordinals()[i];
            let view = tfrkit::example::ExampleView::new(&records[ordinal as usize]);
            let encoded = view.feature("image/encoded").unwrap().unwrap();
            let key = SampleKey { seed: 11, ordinal, epoch: 0 };
            let image = executor.run(encoded.single_bytes().unwrap(), key, None).unwrap().into_f32();
            assert_eq!(image.pixels(), batch.image(i));
            let label = view.feature("image/class/label").unwrap().unwrap().single_int64().unwrap();
            assert_eq!(label, batch.labels()[i]);
        }
    }
}

#[test]
fn ranks_share_the_samples() {
    let tmp = tempfile::tempdir().unwrap();
    for compression in ["none", "gzip"] {
        let set = set(tmp.path(), compression);
        for (tail, world, batches_of_rank_0) in
            [("uneven", 3, 3), ("drop", 3, 2), ("pad", 3, 3), ("uneven", 8, 1), ("uneven", 1, 7), ("uneven", 2, 4)]
        {
            let spec = SPEC.replace("size = 8", &format!("size = 8\n    tail = \"{tail}\""));
            let mut found: Vec<u64> = Vec::new();
            for rank in 0..world {
                let opts = LoaderOptions { rank, world, epochs: 2, ..options(Mode::Train, 2) };
                let mine = batches(&set, &spec, opts);
                if rank == 0 {
                    assert_eq!(mine.len(), 2 * batches_of_rank_0, "{tail} {world}");
                }
                for batch in mine.iter().filter(|b| b.epoch() == 1) {
                    let valid = batch.valid().iter().zip(batch.ordinals()).filter(|(valid, _)| **valid);
                    found.extend(valid.map(|(_, ordinal)| *ordinal));
                }
            }
            found.sort();
            let unique = found.len();
            found.dedup();
            assert_eq!(found.len(), unique, "{tail} {world}: a sample came twice");
            assert_eq!(unique, if tail == "drop" { 48 } else { 53 }, "{tail} {world}");
        }
    }
}

#[test]
fn padding_is_marked() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let spec = SPEC.replace("size = 8", "size = 50\n    tail = \"pad\"");
    let all = batches(&set, &spec, options(Mode::Train, 2));
    assert_eq!(all.iter().map(Batch::len).collect::<Vec<_>>(), [50, 50]);
    let last = &all[1];
    assert_eq!(last.valid().iter().filter(|v| **v).count(), 3);
    assert_eq!(last.labels()[3..], [-1; 47]);
    assert!(last.image(49).iter().all(|v| *v == 0.0));
}

#[test]
fn a_loader_dropped_early_stops_at_once() {
    let tmp = tempfile::tempdir().unwrap();
    for compression in ["none", "gzip"] {
        let set = set(tmp.path(), compression);
        let pipeline = Pipeline::parse(SPEC).unwrap();
        for taken in [0, 1, 3] {
            let opts = LoaderOptions { epochs: 0, ..options(Mode::Train, 3) };
            let mut loader = Loader::open(&set, &pipeline, opts).unwrap();
            for _ in 0..taken {
                loader.next().unwrap().unwrap();
            }
            let start = Instant::now();
            drop(loader);
            assert!(start.elapsed() < Duration::from_secs(5));
        }
    }
}

#[test]
fn a_slow_consumer_gets_the_same_batches() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let expected = contents(&batches(&set, SPEC, options(Mode::Train, 2)));
    let loader = Loader::open(&set, &Pipeline::parse(SPEC).unwrap(), options(Mode::Train, 2)).unwrap();
    let mut slow = Vec::new();
    for batch in loader {
        std::thread::sleep(Duration::from_millis(20));
        slow.push(content(&batch.unwrap()));
    }
    assert_eq!(slow, expected);
}

/// A shard of good pictures with one bad payload in it.
fn shard_with(dir: &Path, at: usize, bad: Vec<u8>, compression: Compression) -> (ShardSet, u64) {
    let path = dir.join(format!("bad.tfrecord{}", compression.extension()));
    let mut writer = Writer::with_compression(fs::File::create(&path).unwrap(), compression);
    let mut offset = 0;
    for i in 0..20 {
        let image = common::jpeg(i, 30, 30);
        let good = ExampleBuilder::new().bytes("image/encoded", &image).int64("image/class/label", 0).encode();
        let written = writer.write(if i == at { &bad } else { &good }).unwrap();
        if i == at {
            offset = written;
        }
    }
    writer.finish().unwrap();
    (ShardSet { name: "bad".into(), shards: vec![path] }, offset)
}

#[test]
fn a_bad_sample_comes_in_its_place_with_its_name() {
    let tmp = tempfile::tempdir().unwrap();
    let whole = fs::read(fixture("color420.jpg")).unwrap();
    let cut =
        |len: usize| ExampleBuilder::new().bytes("image/encoded", &whole[..len]).int64("image/class/label", 0).encode();
    let n = whole.len();
    let cases = [
        (cut(n / 2), "image", "truncated"),
        (cut(n - 100), "image", "truncated"),
        (cut(n - 2), "image", "truncated"),
        (b"no message".to_vec(), "proto", ""),
        (ExampleBuilder::new().int64("image/class/label", 0).encode(), "schema", "image/encoded"),
        (ExampleBuilder::new().bytes("image/encoded", &whole).encode(), "schema", "image/class/label"),
        (
            ExampleBuilder::new().int64("image/encoded", 1).int64("image/class/label", 0).encode(),
            "schema",
            "not of bytes",
        ),
    ];
    for (payload, kind, part) in cases {
        for compression in [Compression::None, Compression::Gzip] {
            for threads in [1, 4] {
                let (set, offset) = shard_with(tmp.path(), 13, payload.clone(), compression);
                let spec = SPEC.replace("size = 8", "size = 4");
                let loader =
                    Loader::open(&set, &Pipeline::parse(&spec).unwrap(), options(Mode::Eval, threads)).unwrap();
                let results: Vec<_> = loader.collect();
                assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, true, false]);
                let error = results.last().unwrap().as_ref().unwrap_err();
                assert_eq!(error.kind_name(), kind, "{error}");
                assert!(error.to_string().contains(part), "{error}");
                assert_eq!(error.location().record, Some(13));
                assert_eq!(error.location().offset, Some(offset));
                assert_eq!(error.location().path.as_ref(), Some(&set.shards[0]));
            }
        }
    }
}

#[test]
fn a_damaged_frame_reaches_the_consumer_on_every_path() {
    let tmp = tempfile::tempdir().unwrap();
    let plain = set(tmp.path(), "none");
    let shard: &PathBuf = &plain.shards[2];
    let mut data = fs::read(shard).unwrap();
    let second = 16 + u64::from_le_bytes(data[..8].try_into().unwrap()) as usize;
    data[second + 40] ^= 1;
    fs::write(shard, data).unwrap();
    for io in [Io::Mmap, Io::Read] {
        let opts = LoaderOptions { io, ..options(Mode::Eval, 2) };
        let error = Loader::open(&plain, &Pipeline::parse(SPEC).unwrap(), opts).unwrap().find_map(Result::err).unwrap();
        assert_eq!(error.kind_name(), "data_crc");
        assert_eq!(error.location().record, Some(1));
        assert_eq!(error.location().offset, Some(second as u64));
    }
    // A shard that is cut after it was indexed.
    let len = fs::metadata(shard).unwrap().len();
    fs::File::options().write(true).open(shard).unwrap().set_len(len - 10).unwrap();
    let found = Loader::open(&plain, &Pipeline::parse(SPEC).unwrap(), options(Mode::Eval, 2))
        .map_or_else(Some, |mut loader| loader.find_map(Result::err));
    assert!(found.is_some());
}

#[test]
fn an_index_that_passes_over_a_record_is_noticed() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let idx = tfrkit::dataset::idx_path(&set.shards[0]);
    let text = fs::read_to_string(&idx).unwrap();
    let sizes: Vec<u64> = text.lines().map(|l| l.split_once(' ').unwrap().1.parse().unwrap()).collect();
    let rest: String = text.lines().skip(2).map(|l| format!("{l}\n")).collect();
    fs::write(&idx, format!("0 {}\n{rest}", sizes[0] + sizes[1])).unwrap();
    let mut loader = Loader::open(&set, &Pipeline::parse(SPEC).unwrap(), options(Mode::Eval, 2)).unwrap();
    let error = loader.find_map(Result::err).unwrap();
    assert_eq!((error.kind_name(), error.location().record), ("index", Some(0)));
}

#[test]
fn wrong_requests_are_refused_before_anything_runs() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let open = |spec: &str, options: LoaderOptions| {
        Loader::open(&set, &Pipeline::parse(spec).unwrap(), options).err().unwrap().to_string()
    };
    let outside = LoaderOptions { rank: 1, ..options(Mode::Train, 1) };
    assert!(open(SPEC, outside).contains("rank 1"));
    let large = LoaderOptions { batch: Some(54), ..options(Mode::Train, 1) };
    assert!(open(SPEC, large).contains("too few"));
}

#[test]
fn the_command_prints_the_same_digest_for_any_threads() {
    let tmp = tempfile::tempdir().unwrap();
    set(tmp.path(), "none");
    let out = tmp.path().join("none");
    let spec = tmp.path().join("p.toml");
    fs::write(&spec, SPEC).unwrap();
    let digest = |extra: &[&str]| {
        let args = ["stream", text(&out), "--pipeline", text(&spec), "--epochs", "2", "--digest"];
        let (code, json) = tfr_json(&[&args, extra].concat());
        assert_eq!((code, &json["images"], &json["skipped"]), (0, &json!(96), &json!([])));
        json["digest"].as_str().unwrap().to_owned()
    };
    let one = digest(&["--threads", "1"]);
    assert_eq!(one.len(), 64);
    assert_eq!(digest(&["--threads", "2"]), one);
    assert_eq!(digest(&["--threads", "4", "--io", "read"]), one);
    assert_ne!(digest(&["--seed", "1"]), one);
    let (_, eval) = tfr_json(&["stream", text(&out), "--pipeline", text(&spec), "--mode", "eval", "--steps", "2"]);
    assert_eq!((&eval["images"], &eval["batches"]), (&json!(16), &json!(2)));
    assert!(shard_bytes(&out).len() == 5);
}

#[test]
fn saved_batches_and_applied_images_are_arrays() {
    let tmp = tempfile::tempdir().unwrap();
    set(tmp.path(), "none");
    let (out, npy) = (tmp.path().join("none"), tmp.path().join("npy"));
    let spec = tmp.path().join("p.toml");
    fs::write(&spec, SPEC).unwrap();
    let args = ["stream", text(&out), "--pipeline", text(&spec), "--steps", "2", "--save-npy", text(&npy)];
    tfr().args(args).assert().success();
    assert_eq!(
        common::names(&npy),
        ["batch-000000.images.npy", "batch-000000.labels.npy", "batch-000001.images.npy", "batch-000001.labels.npy"]
    );
    assert_eq!(fs::metadata(npy.join("batch-000000.images.npy")).unwrap().len(), 128 + 8 * 16 * 16 * 3 * 4);
    let array = tmp.path().join("a.npy");
    let image = fixture("color420.jpg");
    let args = ["apply", text(&image), text(&image), "--pipeline", text(&spec), "--mode", "train", "-o", text(&array)];
    let (code, json) = tfr_json(&[&args[..], &["--show-draws"]].concat());
    assert_eq!((code, &json["shape"]), (0, &json!([2, 16, 16, 3])));
    let draws = json["draws"].as_array().unwrap();
    assert_eq!(draws.len(), 8);
    assert_eq!(draws[0]["op"], "random_flip_left_right");
    assert_ne!(draws[0]["seed"], draws[4]["seed"]);
    assert!(draws[1]["values"]["delta"].is_number());
}

/// A shard that is cut short or taken away while it is streamed gives its error or its samples, and never a wait without end.
#[test]
fn a_shard_that_changes_in_mid_run_is_no_hang() {
    for (compression, removed) in [("none", false), ("none", true), ("gzip", false), ("gzip", true)] {
        let tmp = tempfile::tempdir().unwrap();
        let set = set(tmp.path(), compression);
        let spec = SPEC.replace("size = 8", "size = 1");
        let shuffled = LoaderOptions { io: Io::Read, prefetch: 1, epochs: 4, ..options(Mode::Train, 2) };
        let mut loader = Loader::open(&set, &Pipeline::parse(&spec).unwrap(), shuffled).unwrap();
        loader.next().unwrap().unwrap();
        for shard in &set.shards {
            match removed {
                true => fs::remove_file(shard).unwrap(),
                false => {
                    let file = fs::OpenOptions::new().write(true).open(shard).unwrap();
                    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
                }
            }
        }
        let mut given = 1;
        let error = loop {
            match loader.next_timeout(Duration::from_secs(60)) {
                Ok(Waited::Batch(_)) => given += 1,
                Ok(Waited::End) => break None,
                Ok(Waited::TimedOut) => panic!("{compression} {removed}: a hang"),
                Err(error) => break Some(error),
            }
        };
        let what = format!("{compression} removed {removed}: {given} batches, {error:?}");
        match error {
            // What is open stays readable.
            None => assert!(compression == "none" && removed && given == 4 * 53, "{what}"),
            Some(error) => {
                assert!(set.shards.contains(error.location().path.as_ref().unwrap()), "{what}");
                assert!((error.kind_name() == "truncated") != removed, "{what}");
                assert!(given < 4 * 53 && loader.next().is_none());
            }
        }
    }
}

#[test]
fn the_command_tells_how_long_a_device_would_have_stood_idle() {
    let tmp = tempfile::tempdir().unwrap();
    set(tmp.path(), "none");
    let out = tmp.path().join("none");
    let spec = tmp.path().join("p.toml");
    fs::write(&spec, SPEC).unwrap();
    let args = ["stream", text(&out), "--pipeline", text(&spec), "--epochs", "2"];
    let (_, json) = tfr_json(&[&args[..], &["--step-ms", "5"]].concat());
    let idle = json["idle"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&idle) && json["idle"] == json["consumer_wait"], "{json}");
    assert!(json["seconds"].as_f64().unwrap() > 12.0 * 0.005);
    let epochs: Vec<[&serde_json::Value; 2]> =
        json["epochs"].as_array().unwrap().iter().map(|e| [&e["epoch"], &e["images"]]).collect();
    assert_eq!(epochs, [[&json!(0), &json!(48)], [&json!(1), &json!(48)]]);
    let seconds: f64 = json["epochs"].as_array().unwrap().iter().map(|e| e["seconds"].as_f64().unwrap()).sum();
    assert!(seconds <= json["seconds"].as_f64().unwrap());
    let (_, json) = tfr_json(&args);
    assert_eq!(json["idle"], json!(null), "nothing was played");
    // Nobody watches a pipe.
    let plain = tfr().args(args).args(["--step-ms", "5"]).assert().success().stderr("");
    let said = String::from_utf8(plain.get_output().stdout.clone()).unwrap();
    assert!(said.contains("a device of 5 ms a step would have stood idle "), "{said}");
}
