//! A run ends early, goes on, meets bad records, is stopped: no sample is lost or comes twice.

mod common;
#[path = "common/streams.rs"]
mod streams;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{text, tfr, tfr_json};
use serde_json::json;
use streams::{SPEC, batches, contents, options, set};
use tfrkit::dataset::ShardSet;
use tfrkit::example::ExampleBuilder;
use tfrkit::pipeline::{Batch, Loader, LoaderOptions, LoaderState, Mode, OnError, Pipeline, Waited};
use tfrkit::record::{Compression, Writer};

/// The batches that are left, whatever the order, the compression and the threads.
#[test]
fn a_stream_goes_on_at_any_step() {
    let tmp = tempfile::tempdir().unwrap();
    let shuffles = ["mode = \"none\"", "mode = \"buffer\"\n    size = 16", "mode = \"global\"\n    run = 3"];
    let mut random = 7u64;
    let sets = [("none", set(tmp.path(), "none")), ("gzip", set(tmp.path(), "gzip"))];
    let cases = [(0, shuffles[0]), (0, shuffles[1]), (0, shuffles[2]), (1, shuffles[0]), (1, shuffles[1])];
    for (set, shuffle) in cases {
        let (compression, set) = &sets[set];
        let spec = SPEC.replace("mode = \"buffer\"\n    size = 16", shuffle);
        assert!(spec.contains(shuffle));
        let pipeline = Pipeline::parse(&spec).unwrap();
        let three_epochs = |threads| LoaderOptions { epochs: 3, seed: 4, ..options(Mode::Train, threads) };
        let expected = contents(&batches(set, &spec, three_epochs(2)));
        assert_eq!(expected.len(), 18);
        for _ in 0..10 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let taken = (random >> 33) as usize % 19;
            let mut loader = Loader::open(set, &pipeline, three_epochs(1 + taken % 3)).unwrap();
            for _ in 0..taken {
                loader.next().unwrap().unwrap();
            }
            let state = LoaderState::from_json(&loader.state().unwrap().to_json()).unwrap();
            assert_eq!((state.epoch, state.step), (taken as u64 / 6, taken as u64 % 6));
            drop(loader);
            let resumed = LoaderOptions { resume: Some(state), ..three_epochs(1 + random as usize % 4) };
            let rest = contents(&batches(set, &spec, resumed));
            assert!(rest == expected[taken..], "{compression} {shuffle} from {taken}");
        }
    }
}

#[test]
fn the_state_of_another_stream_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let plain = set(tmp.path(), "none");
    let pipeline = Pipeline::parse(SPEC).unwrap();
    let mut loader = Loader::open(&plain, &pipeline, options(Mode::Train, 1)).unwrap();
    loader.next().unwrap().unwrap();
    let state = loader.state().unwrap();
    let refused = |set: &ShardSet, spec: &str, options: LoaderOptions, part: &str| {
        let options = LoaderOptions { resume: Some(state.clone()), ..options };
        let error =
            Loader::open(set, &Pipeline::parse(spec).unwrap(), options).err().unwrap_or_else(|| panic!("{part}"));
        assert_eq!(error.kind_name(), "usage");
        assert!(error.to_string().contains(part) && error.hint().is_some(), "{error}");
    };
    let train = || options(Mode::Train, 1);
    refused(&plain, SPEC, LoaderOptions { seed: 1, ..train() }, "another seed: 0, and this is 1");
    refused(&plain, SPEC, options(Mode::Eval, 1), "another pipeline");
    refused(&plain, &SPEC.replace("max_delta = 0.2", "max_delta = 0.3"), train(), "another pipeline");
    refused(&plain, &SPEC.replace("size = 16\n    [batch]", "size = 17\n    [batch]"), train(), "another pipeline");
    refused(&plain, SPEC, LoaderOptions { batch: Some(4), ..train() }, "another batch size: 8, and this is 4");
    refused(&plain, SPEC, LoaderOptions { world: 2, ..train() }, "another world: 1, and this is 2");
    let fewer = ShardSet { shards: plain.shards[1..].to_vec(), ..plain.clone() };
    refused(&fewer, SPEC, train(), "another set of shards");
    assert!(LoaderState::from_json("{}").unwrap_err().to_string().contains("not a state"));
}

/// A state that a hand has changed leads to no panic, and to no batch that is not there.
#[test]
fn a_state_beyond_the_end_gives_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    for compression in ["none", "gzip"] {
        let set = set(tmp.path(), compression);
        for tail in ["drop", "pad", "uneven"] {
            let spec = SPEC.replace("size = 8", &format!("size = 8\n    tail = \"{tail}\""));
            let pipeline = Pipeline::parse(&spec).unwrap();
            let state = Loader::open(&set, &pipeline, options(Mode::Train, 1)).unwrap().state().unwrap();
            for (epoch, step) in [(1, 0), (u64::MAX, 0), (0, 7), (0, 1 << 40), (0, u64::MAX), (u64::MAX, u64::MAX)] {
                let mut state = state.clone();
                (state.epoch, state.step) = (epoch, step);
                let resumed = LoaderOptions { resume: Some(state), ..options(Mode::Train, 2) };
                if let Ok(mut loader) = Loader::open(&set, &pipeline, resumed) {
                    assert!(loader.next().is_none(), "{compression} {tail} {epoch} {step}");
                }
            }
        }
    }
}

#[test]
fn the_command_goes_on_where_it_stopped() {
    let tmp = tempfile::tempdir().unwrap();
    set(tmp.path(), "none");
    let (shards, spec, state) = (tmp.path().join("none"), tmp.path().join("p.toml"), tmp.path().join("state.json"));
    fs::write(&spec, SPEC).unwrap();
    let stream = |dir: &str, extra: &[&str]| {
        let dir = tmp.path().join(dir);
        let args = ["stream", text(&shards), "--pipeline", text(&spec), "--epochs", "2", "--save-npy", text(&dir)];
        let (code, json) = tfr_json(&[&args[..], extra].concat());
        assert_eq!(code, 0, "{json}");
        json["batches"].as_u64().unwrap()
    };
    assert_eq!(stream("whole", &[]), 12);
    assert_eq!(stream("parts", &["--steps", "5", "--save-state", text(&state), "--threads", "1"]), 5);
    assert_eq!(stream("parts", &["--steps", "4", "--state", text(&state), "--save-state", text(&state)]), 4);
    assert_eq!(stream("parts", &["--state", text(&state), "--save-state", text(&state), "--threads", "3"]), 3);
    let arrays = |dir: &str| -> Vec<(String, Vec<u8>)> {
        let dir = tmp.path().join(dir);
        common::names(&dir).into_iter().map(|name| (name.clone(), fs::read(dir.join(name)).unwrap())).collect()
    };
    assert!(arrays("whole") == arrays("parts"), "the parts are the whole");
    assert_eq!(stream("parts", &["--state", text(&state)]), 0, "there is nothing left");
    // A state of something else is refused, and what is no state too.
    let args = ["stream", text(&shards), "--pipeline", text(&spec), "--state", text(&state), "--seed", "9"];
    let (code, json) = tfr_json(&args);
    assert!(code == 2 && json["error"]["message"].as_str().unwrap().contains("another seed"), "{json}");
    fs::write(&state, "no state").unwrap();
    let (code, json) = tfr_json(&args);
    assert_eq!((code, json["error"]["path"].as_str()), (2, Some(text(&state))), "{json}");
}

/// 40 records: the image of one is cut, a byte of another is flipped.
fn two_bad_of_forty(dir: &Path) -> ShardSet {
    let path = dir.join("bad-00000-of-00001.tfrecord");
    let mut writer = Writer::with_compression(fs::File::create(&path).unwrap(), Compression::None);
    let mut flipped = 0;
    for i in 0..40 {
        let mut image = common::jpeg(i, 30, 30);
        if i == 6 {
            image.truncate(image.len() / 2);
        }
        let payload =
            ExampleBuilder::new().bytes("image/encoded", &image).int64("image/class/label", i as i64).encode();
        let offset = writer.write(&payload).unwrap();
        if i == 23 {
            flipped = offset as usize + 12 + payload.len() / 2;
        }
    }
    writer.finish().unwrap();
    let mut data = fs::read(&path).unwrap();
    data[flipped] ^= 0x10;
    fs::write(&path, data).unwrap();
    ShardSet { name: "bad".into(), shards: vec![path] }
}

#[test]
fn bad_records_can_be_left_out() {
    let tmp = tempfile::tempdir().unwrap();
    let set = two_bad_of_forty(tmp.path());
    let pipeline = Pipeline::parse(SPEC).unwrap();
    for threads in [1, 3] {
        let skip = |budget| LoaderOptions { on_error: OnError::Skip(budget), ..options(Mode::Eval, threads) };
        let mut loader = Loader::open(&set, &pipeline, skip(2)).unwrap();
        let batches: Vec<Batch> = loader.by_ref().collect::<Result<_, _>>().unwrap();
        let valid: Vec<bool> = batches.iter().flat_map(|b| b.valid().to_vec()).collect();
        assert_eq!(valid, (0..40).map(|i| i != 6 && i != 23).collect::<Vec<_>>());
        for (bad, good) in [(6, 5), (23, 22)] {
            let batch = &batches[bad / 8];
            assert_eq!(batch.ordinals()[bad % 8], bad as u64, "the record's own number stays");
            assert_eq!(batch.image(bad % 8), batch.image(good % 8), "the nearest good sample");
            assert_eq!(batch.labels()[bad % 8], good as i64);
        }
        let mut skipped = loader.skipped();
        skipped.sort_by_key(|skipped| skipped.record);
        let told: Vec<_> = skipped.iter().map(|s| (&s.path, s.record, s.ordinal, s.error.kind_name())).collect();
        assert_eq!(told, [(&set.shards[0], 6, 6, "image"), (&set.shards[0], 23, 23, "data_crc")]);
        let error = Loader::open(&set, &pipeline, skip(1)).unwrap().find_map(Result::err).unwrap();
        assert_eq!(error.class(), tfrkit::ErrorClass::Data);
    }
}

/// A record counts once, however often it is met; and a batch that has nothing good tells of its record.
#[test]
fn what_is_left_out_is_counted_once_and_named() {
    let tmp = tempfile::tempdir().unwrap();
    let set = two_bad_of_forty(tmp.path());
    let pipeline = Pipeline::parse(SPEC).unwrap();
    let skip = |batch, epochs| LoaderOptions {
        on_error: OnError::Skip(2),
        batch: Some(batch),
        epochs,
        ..options(Mode::Eval, 2)
    };
    let mut loader = Loader::open(&set, &pipeline, skip(8, 3)).unwrap();
    assert_eq!(loader.by_ref().map(|batch| batch.unwrap().len()).sum::<usize>(), 120);
    assert_eq!(loader.skipped().len(), 2);
    let error = Loader::open(&set, &pipeline, skip(1, 1)).unwrap().find_map(Result::err).unwrap();
    assert_eq!((error.class(), error.location().record), (tfrkit::ErrorClass::Data, Some(6)), "{error}");
}

/// What the workers meet ahead of the consumer counts when it is given, and a run that goes on has no new budget.
#[test]
fn the_budget_is_that_of_the_whole_run() {
    let tmp = tempfile::tempdir().unwrap();
    let set = two_bad_of_forty(tmp.path());
    let pipeline = Pipeline::parse(SPEC).unwrap();
    let skip = |budget, resume| LoaderOptions {
        on_error: OnError::Skip(budget),
        epochs: 2,
        prefetch: 10,
        resume,
        ..options(Mode::Eval, 2)
    };
    let mut loader = Loader::open(&set, &pipeline, skip(1, None)).unwrap();
    // Two batches with the first bad record; all workers are far behind the second by now.
    assert_eq!(loader.next().unwrap().unwrap().len(), 8);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!((loader.next().unwrap().unwrap().len(), loader.skipped().len()), (8, 1));
    let state = LoaderState::from_json(&loader.state().unwrap().to_json()).unwrap();
    assert_eq!(state.skipped, [6]);
    assert!(loader.next().unwrap().is_err_and(|error| error.location().record == Some(23)));
    let mut resumed = Loader::open(&set, &pipeline, skip(1, Some(state.clone()))).unwrap();
    assert!(resumed.next().unwrap().is_err_and(|error| error.location().record == Some(23)));
    // The first record counts once, also in the epoch that comes after; it is listed by each run that leaves it out.
    let mut resumed = Loader::open(&set, &pipeline, skip(2, Some(state))).unwrap();
    assert_eq!(resumed.by_ref().map(|batch| batch.unwrap().len()).sum::<usize>(), 64);
    assert_eq!(resumed.skipped().iter().map(|skipped| skipped.record).collect::<Vec<_>>(), [6, 23]);
}

/// What lies behind a damaged frame of a compressed shard cannot be had: nothing is left out in silence.
#[test]
fn a_damaged_frame_of_a_compressed_shard_is_an_error_still() {
    let tmp = tempfile::tempdir().unwrap();
    let plain = two_bad_of_forty(tmp.path());
    let path = tmp.path().join("bad.tfrecord.gz");
    let mut gzip = flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::fast());
    gzip.write_all(&fs::read(&plain.shards[0]).unwrap()).unwrap();
    gzip.finish().unwrap();
    let set = ShardSet { name: "bad".into(), shards: vec![path] };
    let options = LoaderOptions { on_error: OnError::Skip(100), ..options(Mode::Eval, 2) };
    let mut loader = Loader::open(&set, &Pipeline::parse(SPEC).unwrap(), options).unwrap();
    let error = loader.find_map(Result::err).unwrap();
    assert_eq!((error.kind_name(), error.location().record), ("data_crc", Some(23)), "{error}");
}

#[test]
fn the_command_lists_what_it_left_out() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, spec) = (two_bad_of_forty(tmp.path()), tmp.path().join("p.toml"));
    fs::write(&spec, SPEC).unwrap();
    let shard = text(&set.shards[0]);
    let args = ["stream", shard, "--pipeline", text(&spec), "--mode", "eval", "--on-error", "skip"];
    // A second epoch meets the same records again.
    let (code, json) = tfr_json(&[&args[..], &["--epochs", "2"]].concat());
    assert_eq!((code, &json["images"]), (0, &json!(76)), "what was left out was to be");
    let skipped: Vec<_> = json["skipped"].as_array().unwrap().iter().map(|s| (&s["path"], &s["record"])).collect();
    assert_eq!(skipped, [(&json!(shard), &json!(6)), (&json!(shard), &json!(23))]);
    assert!(json["skipped"][1]["reason"].as_str().unwrap().contains("CRC"), "{json}");
    let output = tfr().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 records left out"));
    // The first batch is good but for one record, however far the workers are.
    let (code, json) = tfr_json(&[&args[..], &["--steps", "2"]].concat());
    assert_eq!((code, json["skipped"].as_array().unwrap().len()), (0, 1));
    let (code, json) = tfr_json(&[&args[..], &["--max-errors", "1"]].concat());
    assert!(code == 1 && json["error"]["record"].is_u64(), "{json}");
    let (code, json) = tfr_json(&args[..6]);
    assert_eq!((code, &json["error"]["record"]), (1, &json!(6)));
}

/// Much work for each sample.
const SLOW: &str = r#"
    [batch]
    size = 4
    [[train]]
    op = "resize"
    size = [300, 300]
    [[train]]
    op = "gaussian_blur"
    kernel_size = 63
    sigma = 10.0
"#;

#[test]
fn waiting_can_be_cut_short() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let pipeline = Pipeline::parse(SLOW).unwrap();
    let mut loader = Loader::open(&set, &pipeline, options(Mode::Train, 1)).unwrap();
    let mut timed_out = 0;
    let first = loop {
        match loader.next_timeout(Duration::from_millis(1)).unwrap() {
            Waited::Batch(batch) => break batch,
            Waited::TimedOut => timed_out += 1,
            Waited::End => panic!("there are batches"),
        }
    };
    assert!(timed_out > 0);
    assert_eq!((first.epoch(), first.step(), first.ordinals()), (0, 0, &[0, 1, 2, 3][..]));
    // Somebody else ends it while the consumer waits.
    let stopper = loader.stopper();
    let waiting = std::thread::spawn(move || loader.by_ref().count());
    std::thread::sleep(Duration::from_millis(5));
    stopper.stop();
    let left = waiting.join().unwrap();
    assert!(left < 12, "{left}");
}

/// A run that is interrupted leaves whole files, and can go on.
#[test]
#[cfg(unix)]
fn an_interrupted_stream_leaves_whole_files_and_its_state() {
    let tmp = tempfile::tempdir().unwrap();
    set(tmp.path(), "none");
    let (shards, spec, state) = (tmp.path().join("none"), tmp.path().join("p.toml"), tmp.path().join("state.json"));
    fs::write(&spec, SPEC).unwrap();
    let npy = tmp.path().join("npy");
    let args = ["stream", text(&shards), "--pipeline", text(&spec), "--epochs", "0", "--step-ms", "3"];
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_tfr"))
        .args(args)
        .args(["--save-npy", text(&npy), "--save-state", text(&state)])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !npy.join("batch-000003.labels.npy").exists() {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = std::process::Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(run.wait().unwrap().code(), Some(130));
    let names = common::names(&npy);
    assert!(names.iter().all(|name| name.starts_with("batch-")), "{names:?}");
    let state = LoaderState::from_json(&fs::read_to_string(&state).unwrap()).unwrap();
    assert_eq!(names.len() as u64, 2 * (state.epoch * 6 + state.step), "the state is behind the last batch saved");
}
