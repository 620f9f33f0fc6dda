//! Sets as they come: without labels, with images under a name of their own, with images of one size that need no resize.

mod common;
#[path = "common/streams.rs"]
mod streams;

use std::fs;
use std::path::Path;

use common::{jpeg, pictures, text, tfr, tfr_json};
use streams::{batches, options};
use tfrkit::dataset::ShardSet;
use tfrkit::example::{ExampleBuilder, Filter};
use tfrkit::pipeline::{Loader, LoaderOptions, Mode, OnError, Pipeline, Select};
use tfrkit::record::{Compression, Writer};

/// Shards of these records.
fn shards(dir: &Path, name: &str, compression: Compression, records: &[Vec<u8>]) -> ShardSet {
    let path = dir.join(name);
    let mut writer = Writer::with_compression(fs::File::create(&path).unwrap(), compression);
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap();
    ShardSet { name: "a".into(), shards: vec![path] }
}

fn image(key: &str, seed: usize) -> ExampleBuilder<'static> {
    ExampleBuilder::new().bytes_list(key.to_owned(), [jpeg(seed, 20, 30)])
}

const RESIZED: &str = "[batch]\nsize = 4\n[[eval]]\nop = \"resize\"\nsize = [8, 8]";
const AS_DECODED: &str = "eval = []\ntrain = []\n[batch]\nsize = 4\ntail = \"uneven\"";

fn failure(set: &ShardSet, spec: &str, options: LoaderOptions) -> tfrkit::Error {
    match Loader::open(set, &Pipeline::parse(spec).unwrap(), options) {
        Ok(mut loader) => loader.find_map(Result::err).expect("an error"),
        Err(error) => error,
    }
}

#[test]
fn a_set_without_labels_streams_without_them() {
    let tmp = tempfile::tempdir().unwrap();
    for (name, compression) in [("a.tfrecord", Compression::None), ("a.tfrecord.gz", Compression::Gzip)] {
        let plain: Vec<Vec<u8>> = (0..6).map(|i| image("image/encoded", i).encode()).collect();
        let set = shards(tmp.path(), name, compression, &plain);
        let found = batches(&set, RESIZED, options(Mode::Eval, 2));
        assert_eq!(found.iter().flat_map(|batch| batch.labels().to_vec()).collect::<Vec<_>>(), [-1; 6]);
        // The same as where the spec says so.
        let said = format!("[features]\nlabel = \"\"\n{RESIZED}");
        assert_eq!(streams::contents(&found), streams::contents(&batches(&set, &said, options(Mode::Eval, 2))));
        // Asked for by name, it is missed.
        let asked = format!("[features]\nlabel = \"label\"\n{RESIZED}");
        let error = failure(&set, &asked, options(Mode::Eval, 2));
        assert_eq!((error.kind_name(), error.location().record), ("schema", Some(0)), "{error}");
    }
}

/// Some with a label and some without is no set without labels.
#[test]
fn labels_are_in_all_records_or_in_none() {
    let tmp = tempfile::tempdir().unwrap();
    let labelled = |i: usize| image("image/encoded", i).int64("label", 7).encode();
    let bare = |i: usize| image("image/encoded", i).encode();
    let late = [bare(0), bare(1), bare(2), labelled(3)];
    let error = failure(&shards(tmp.path(), "late", Compression::None, &late), RESIZED, options(Mode::Eval, 2));
    assert_eq!((error.kind_name(), error.location().record), ("schema", Some(3)));
    assert!(error.to_string().contains("'label' is there, and the first record has no label"), "{error}");
    let gone = [labelled(0), labelled(1), bare(2)];
    let error = failure(&shards(tmp.path(), "gone", Compression::None, &gone), RESIZED, options(Mode::Eval, 2));
    assert_eq!((error.kind_name(), error.location().record), ("schema", Some(2)), "{error}");
    let mixup = "[batch]\nsize = 2\n[[train]]\nop = 'resize'\nsize = [8, 8]\n[[train]]\nop = 'mixup'\nnum_classes = 9";
    let set = shards(tmp.path(), "bare", Compression::None, &[bare(0), bare(1)]);
    let error = failure(&set, mixup, options(Mode::Train, 1));
    assert_eq!(error.to_string(), "mixup mixes labels, and the set has none");
}

#[test]
fn the_only_feature_with_images_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    let records: Vec<Vec<u8>> =
        (0..4).map(|i| image("photo", i).int64("label", i as i64).bytes("raw", &[0; 30]).encode()).collect();
    let found = batches(&shards(tmp.path(), "p", Compression::None, &records), RESIZED, options(Mode::Eval, 2));
    let usual: Vec<Vec<u8>> = (0..4).map(|i| image("image/encoded", i).int64("label", i as i64).encode()).collect();
    let expected = batches(&shards(tmp.path(), "u", Compression::None, &usual), RESIZED, options(Mode::Eval, 2));
    assert_eq!(streams::contents(&found), streams::contents(&expected));
    let two = [image("left", 0).bytes_list("right", [jpeg(1, 9, 9)]).encode()];
    let error = failure(&shards(tmp.path(), "two", Compression::None, &two), RESIZED, options(Mode::Eval, 2));
    assert!(error.to_string().contains("left, right all hold images"), "{error}");
}

#[test]
fn images_of_one_size_need_no_resize() {
    let tmp = tempfile::tempdir().unwrap();
    let of = |sizes: &[(usize, usize)]| -> Vec<Vec<u8>> {
        let one = |(i, (height, width)): (usize, &(usize, usize))| {
            ExampleBuilder::new().bytes_list("image/encoded", [jpeg(i, *height, *width)]).int64("label", 1).encode()
        };
        sizes.iter().enumerate().map(one).collect()
    };
    for (name, compression) in [("a.tfrecord", Compression::None), ("a.tfrecord.gz", Compression::Gzip)] {
        let set = shards(tmp.path(), name, compression, &of(&[(24, 32); 6]));
        for (mode, channels) in
            [(Mode::Eval, ""), (Mode::Train, "[decode]\nchannels = 1\n[shuffle]\nmode = 'buffer'\nsize = 4\n")]
        {
            let spec = AS_DECODED.replace("[batch]", &format!("{channels}[batch]"));
            let found = batches(&set, &spec, options(mode, 2));
            assert_eq!(found[0].shape(), [4, 24, 32, if channels.is_empty() { 3 } else { 1 }]);
            assert_eq!(found.iter().map(|batch| batch.len()).sum::<usize>(), 6);
        }
    }
    // One of another size is named with both sizes, also where bad records may be left out: it is not bad.
    let mut sizes = [(24, 32); 6];
    sizes[4] = (32, 24);
    let set = shards(tmp.path(), "b.tfrecord", Compression::None, &of(&sizes));
    for on_error in [OnError::Fail, OnError::Skip(10)] {
        let error = failure(&set, AS_DECODED, LoaderOptions { on_error, ..options(Mode::Eval, 2) });
        let told = error.to_string();
        assert!(told.contains("[32, 24] (height, width)") && told.contains("[24, 32]"), "{told}");
        assert_eq!((error.location().record, error.location().path.as_deref()), (Some(4), Some(&*set.shards[0])));
        assert!(error.hint().unwrap().contains("resize"));
    }
    // A first record that is damaged tells no size; the next does.
    let mut records = of(&[(24, 32); 6]);
    records[0].truncate(200);
    let set = shards(tmp.path(), "c.tfrecord", Compression::None, &records);
    let skipping = LoaderOptions { on_error: OnError::Skip(1), ..options(Mode::Eval, 2) };
    let found = batches(&set, AS_DECODED, skipping);
    assert_eq!((found[0].shape(), found[0].valid()), ([4, 24, 32, 3], &[false, true, true, true][..]));
}

/// A record that cannot be read is not passed over by a filter in silence, nor does it end a run that leaves bad records out.
#[test]
fn a_filter_leaves_bad_records_out_where_that_is_asked_for() {
    let tmp = tempfile::tempdir().unwrap();
    let records: Vec<Vec<u8>> =
        (0..12).map(|i| image("image/encoded", i).int64("label", i as i64 % 2).encode()).collect();
    let set = shards(tmp.path(), "a.tfrecord", Compression::None, &records);
    let mut bytes = fs::read(&set.shards[0]).unwrap();
    let inside_third = records[..2].iter().map(|record| 16 + record.len()).sum::<usize>() + 12 + 20;
    bytes[inside_third] ^= 1;
    fs::write(&set.shards[0], bytes).unwrap();
    let views = tmp.path().join("views");
    for select in [
        Select { filter: Some(Filter::parse("label == 0").unwrap()), ..Default::default() },
        Select { balance: true, ..Default::default() },
    ] {
        let with = |on_error| LoaderOptions {
            select: select.clone(),
            on_error,
            views: Some(views.clone()),
            ..options(Mode::Eval, 2)
        };
        let error = failure(&set, RESIZED, with(OnError::Fail));
        assert_eq!((error.kind_name(), error.location().record), ("data_crc", Some(2)), "{error}");
        assert_eq!(failure(&set, RESIZED, with(OnError::Skip(0))).kind_name(), "data_crc");
        // Each run tells of it: it is in nothing that is kept.
        for _ in 0..2 {
            let mut loader = Loader::open(&set, &Pipeline::parse(RESIZED).unwrap(), with(OnError::Skip(1))).unwrap();
            let samples: usize =
                loader.by_ref().map(|batch| batch.unwrap().valid().iter().filter(|v| **v).count()).sum();
            assert_eq!(samples, if select.balance { 11 } else { 5 });
            assert_eq!(loader.skipped().iter().map(|skipped| skipped.record).collect::<Vec<_>>(), [2]);
            assert_eq!(loader.state().unwrap().skipped, [2]);
        }
    }
}

/// What the commands make and take needs no word about labels or sizes.
#[test]
fn the_command_streams_what_convert_makes() {
    let tmp = tempfile::tempdir().unwrap();
    let (src, out, spec) = (tmp.path().join("src"), tmp.path().join("out"), tmp.path().join("p.toml"));
    pictures(&src, &[9]);
    tfr().args(["convert", text(&src.join("class-0")), text(&out), "--layout", "flat"]).assert().success();
    fs::write(&spec, RESIZED).unwrap();
    let args = ["stream", text(&out), "--pipeline", text(&spec), "--mode", "eval", "--where", "image/height >= 41"];
    let (code, json) = tfr_json(&args);
    assert_eq!((code, json["images"].as_u64()), (0, Some(7)), "{json}");
    assert!(common::names(&out).iter().all(|name| !name.starts_with('.')), "{:?}", common::names(&out));
    let output = tfr().args(args).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.matches("has no labels").count(), 1, "{told}");
}
