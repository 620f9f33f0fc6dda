//! The cache changes the speed, and nothing that comes of the stream.

mod common;
#[path = "common/streams.rs"]
mod streams;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::{names, text, tfr_json};
use streams::{SPEC, batches, contents, options, set};
use tfrkit::dataset::ShardSet;
use tfrkit::example::{ExampleView, Values};
use tfrkit::image::{Image, ImageBuf};
use tfrkit::pipeline::{
    Batch, BatchDigest, Counters, Executor, Loader, LoaderOptions, LoaderState, Mode, Pipeline, SampleKey,
};
use tfrkit::record::{Io, Shard};

/// Bytes of an image of [`SPEC`] where it is cached.
const IMAGE: usize = 20 * 24 * 3;

fn memory(spec: &str, rest: &str) -> String {
    format!("[cache]\nmode = \"memory\"\n{rest}\n{spec}")
}

fn disk(spec: &str, dir: &Path, rest: &str) -> String {
    format!("[cache]\nmode = \"disk\"\ndir = '{}'\n{rest}\n{spec}", dir.display())
}

fn three(threads: usize) -> LoaderOptions {
    LoaderOptions { epochs: 3, seed: 4, ..options(Mode::Train, threads) }
}

/// The digest of all batches, and the counters at the end.
fn run(set: &ShardSet, spec: &str, options: LoaderOptions) -> (String, Counters) {
    let mut loader = Loader::open(set, &Pipeline::parse(spec).unwrap(), options).unwrap();
    let mut digest = BatchDigest::default();
    loader.by_ref().for_each(|batch| digest.update(&batch.unwrap()));
    (digest.finish(), loader.counters())
}

fn shards(dir: &Path) -> Vec<PathBuf> {
    let of_spec = fs::read_dir(dir).unwrap().flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap());
    let mut shards: Vec<PathBuf> = of_spec.map(|entry| entry.unwrap().path()).collect();
    shards.retain(|path| path.extension().is_some_and(|extension| extension == "tfrecord"));
    shards.sort();
    shards
}

#[test]
fn batches_do_not_depend_on_what_is_in_the_cache() {
    let tmp = tempfile::tempdir().unwrap();
    for (compression, budgets) in [("none", &[IMAGE + 200, 25 * IMAGE, 1 << 20][..]), ("gzip", &[25 * IMAGE])] {
        let set = set(tmp.path(), compression);
        let (expected, counters) = run(&set, &memory(SPEC, "max_bytes = 0"), three(2));
        assert_eq!((counters.cache_hits, counters.cache_misses), (0, 3 * 48));
        for &budget in budgets {
            for threads in [1, 2, 4] {
                let rest = format!("max_bytes = {budget}");
                let (digest, counters) = run(&set, &memory(SPEC, &rest), three(threads));
                assert_eq!(digest, expected, "{compression} {budget} {threads}");
                assert_eq!(counters.cache_hits + counters.cache_misses, 3 * 48);
                assert!(counters.cache_hits > 0);
                // Two epochs of what there is room for.
                assert!(counters.cache_hits as usize <= 2 * budget / IMAGE);
                let dir = tmp.path().join(format!("{compression}-{budget}-{threads}"));
                for _ in 0..2 {
                    let (digest, counters) = run(&set, &disk(SPEC, &dir, &rest), three(threads));
                    assert_eq!(digest, expected, "disk {compression} {budget} {threads}");
                    assert!(counters.cache_hits > 0);
                }
                let used: u64 = shards(&dir).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
                assert!(used as usize <= budget, "{used} of {budget}");
            }
        }
    }
}

/// What a spec says of an image without a cache and its loader: the ops before, rounded, and the ops after.
#[test]
fn the_image_is_rounded_where_the_random_ops_begin() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let encoded: Vec<Vec<u8>> = set
        .shards
        .iter()
        .flat_map(|path| {
            let shard = Shard::open(path).unwrap();
            let image = |payload| {
                ExampleView::new(payload).feature("image/encoded").unwrap().unwrap().single_bytes().unwrap().to_vec()
            };
            shard.records().map(|record| image(record.unwrap().payload)).collect::<Vec<_>>()
        })
        .collect();
    let (head, rest) = SPEC.split_once("    [[train]]\n    op = \"resize\"\n    size = [20, 24]\n").unwrap();
    let resize = Pipeline::parse("[[train]]\nop = \"resize\"\nsize = [20, 24]").unwrap();
    let (mut resize, rest) =
        (Executor::new(&resize, Mode::Train).unwrap(), Pipeline::parse(&format!("{head}{rest}")).unwrap());
    let mut rest = Executor::new(&rest, Mode::Train).unwrap();
    let spec = memory(SPEC, "");
    let pipeline = Pipeline::parse(&spec).unwrap();
    let mut fused = Executor::new(&pipeline, Mode::Train).unwrap();
    let mut reference = Executor::reference(&pipeline, Mode::Train).unwrap();
    let (mut rounded_any, mut seen) = (false, 0);
    for batch in batches(&set, &spec, three(2)) {
        for (i, &ordinal) in batch.ordinals().iter().enumerate() {
            let key = SampleKey { seed: 4, ordinal, epoch: batch.epoch() as u32 };
            let encoded = &encoded[ordinal as usize];
            assert_eq!(fused.run(encoded, key, None).unwrap().into_f32().pixels(), batch.image(i));
            let resized = resize.run(encoded, key, None).unwrap().into_f32();
            let levels: Vec<f32> = resized.pixels().iter().map(|v| v.round_ties_even()).collect();
            rounded_any |= levels != resized.pixels();
            let levels = Image::F32(ImageBuf::from_pixels(resized.shape(), levels).unwrap());
            let by_hand = rest.run_image(levels, key, None).unwrap().into_f32();
            let by_reference = reference.run(encoded, key, None).unwrap().into_f32();
            for other in [by_hand, by_reference] {
                let pairs = other.pixels().iter().zip(batch.image(i));
                assert!(pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) <= 2e-5, "{ordinal}");
            }
            seen += 1;
        }
    }
    assert!(rounded_any);
    assert_eq!(seen, 3 * 48);
}

/// Where the image is u8 already, it is as without a cache.
#[test]
fn levels_stay_as_they_are() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let crop = "[[train]]\nop = \"random_resized_crop\"\nsize = [16, 16]\n[[train]]\nop = \"random_flip_left_right\"";
    let levels = "[[train]]\nop = \"resize\"\nsize = [20, 24]\nmethod = \"nearest\"\n\
                  [[train]]\nop = \"random_flip_up_down\"\n\
                  [[train]]\nop = \"random_contrast\"\nlower = 0.5\nupper = 1.5";
    for spec in [crop, levels] {
        let (expected, _) = run(&set, spec, three(2));
        let dir = tmp.path().join("cache");
        for cached in [memory(spec, ""), disk(spec, &dir, ""), disk(spec, &dir, "dtype = \"f32\"")] {
            let (digest, counters) = run(&set, &cached, three(2));
            assert_eq!(digest, expected, "{cached}");
            assert!(counters.cache_hits > 0);
        }
    }
}

#[test]
fn as_f32_nothing_is_rounded() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, dir) = (set(tmp.path(), "none"), tmp.path().join("cache"));
    let plain = batches(&set, SPEC, three(2));
    let missed = batches(&set, &memory(SPEC, "dtype = \"f32\"\nmax_bytes = 0"), three(2));
    for cached in [memory(SPEC, "dtype = \"f32\""), disk(SPEC, &dir, "dtype = \"f32\"")] {
        assert!(contents(&batches(&set, &cached, three(2))) == contents(&missed));
    }
    let most = |others: &[Batch]| {
        let pairs = plain.iter().zip(others).flat_map(|(a, b)| a.images().iter().zip(b.images()));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(most(&missed) <= 2e-5, "{}", most(&missed));
    // Which could be seen.
    let rounded = batches(&set, &memory(SPEC, ""), three(2));
    assert!(most(&rounded) > 1e-3, "{}", most(&rounded));
}

#[test]
fn later_epochs_read_no_record() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let eval = |epochs| LoaderOptions { epochs, ..options(Mode::Eval, 1) };
    for spec in [memory(SPEC, ""), disk(SPEC, &tmp.path().join("cache"), "")] {
        let (_, once) = run(&set, &spec.replace("/cache", "/other"), eval(1));
        let (_, counters) = run(&set, &spec, eval(3));
        assert_eq!((counters.cache_hits, counters.cache_misses), (2 * 53, 53));
        assert_eq!(counters.bytes, once.bytes);
    }
    let (code, value) =
        tfr_json(&["stream", text(set.shards[0].parent().unwrap()), "--preset", "basic", "--batch", "4"]);
    assert_eq!((code, &value["cache_hits"], &value["cache_misses"]), (0, &0.into(), &0.into()));
}

/// With columns, the record is read for them, and only the image comes out of the cache.
#[test]
fn columns_come_along() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let spec = format!("{}\n[[column]]\nname = \"image/filename\"\nkind = \"bytes\"", memory(SPEC, ""));
    let all = batches(&set, &spec, three(2));
    let without = batches(&set, &spec.replace("mode = \"memory\"", "mode = \"memory\"\nmax_bytes = 0"), three(2));
    assert_eq!(contents(&all), contents(&without));
    let columns = |all: &[Batch]| all.iter().map(|b| format!("{:?}", b.columns())).collect::<Vec<_>>();
    assert_eq!(columns(&all), columns(&without));
    let Values::Bytes(names) = &all[17].columns()[0].values else { panic!() };
    assert!(names.iter().all(|name| name.ends_with(b".jpg")));
}

#[test]
fn a_disk_cache_is_for_its_ops_and_its_shards() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, dir) = (set(tmp.path(), "none"), tmp.path().join("cache"));
    let spec = disk(SPEC, &dir, "");
    let one = || LoaderOptions { epochs: 1, ..options(Mode::Eval, 2) };
    let hits = |set: &ShardSet, spec: &str, options| {
        let counters = run(set, spec, options).1;
        (counters.cache_hits, counters.cache_misses)
    };
    assert_eq!(hits(&set, &spec, one()), (0, 53));
    assert_eq!(hits(&set, &spec, one()), (53, 0));
    assert_eq!(hits(&set, &spec, LoaderOptions { io: Io::Read, ..one() }), (53, 0));
    // The ops behind it do not matter, nor the mode.
    let train = SPEC.replace("[20, 24]", "[16, 16]").replace("max_delta = 0.2", "max_delta = 0.3");
    assert_eq!(hits(&set, &disk(&train, &dir, ""), options(Mode::Train, 2)), (48, 0));
    let others = [
        disk(&SPEC.replace("size = [16, 16]\n", "size = [16, 17]\n"), &dir, ""),
        disk(&format!("[decode]\nchannels = 1\n{}", SPEC.replace("127.5, 127.5, 127.5", "127.5")), &dir, ""),
        disk(&format!("[decode]\ndct = \"islow\"\n{SPEC}"), &dir, ""),
        disk(SPEC, &dir, "dtype = \"f32\""),
    ];
    for other in others {
        assert_eq!(hits(&set, &other, one()), (0, 53), "{other}");
    }
    let fewer = ShardSet { shards: set.shards[1..].to_vec(), ..set.clone() };
    assert_eq!(hits(&fewer, &spec, one()).0, 0);
}

/// An error behind the cache has the place of its record, whether or not that was read.
#[test]
fn errors_are_the_same() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, dir) = (set(tmp.path(), "none"), tmp.path().join("cache"));
    let spec = disk(SPEC, &dir, "");
    run(&set, &spec, LoaderOptions { epochs: 1, ..three(2) });
    let mixed = spec.replace("    [[eval]]", "    [[train]]\n    op = \"mixup\"\n    num_classes = 2\n    [[eval]]");
    let error = |spec: &str| {
        let loader = Loader::open(&set, &Pipeline::parse(spec).unwrap(), three(1)).unwrap();
        loader.filter_map(|batch| batch.err()).next().unwrap()
    };
    let (missed, hit) =
        (error(&mixed.replace("[cache]", "[cache]\nmax_bytes = 0").replace("/cache'", "/other'")), error(&mixed));
    assert_eq!(hit.to_string(), missed.to_string());
    assert!(hit.location().offset.is_some_and(|offset| offset > 0), "{hit}");
}

#[test]
fn loaders_fill_it_at_once() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, dir) = (set(tmp.path(), "none"), tmp.path().join("cache"));
    let spec = disk(SPEC, &dir, "");
    let pipeline = Pipeline::parse(&spec).unwrap();
    let (expected, _) = run(&set, &memory(SPEC, "max_bytes = 0"), three(1));
    let mut loaders = [1, 2].map(|threads| Loader::open(&set, &pipeline, three(threads)).unwrap());
    let mut digests = [BatchDigest::default(), BatchDigest::default()];
    for _ in 0..18 {
        for (loader, digest) in loaders.iter_mut().zip(&mut digests) {
            digest.update(&loader.next().unwrap().unwrap());
        }
    }
    drop(loaders);
    assert_eq!(digests.map(BatchDigest::finish), [expected.clone(), expected.clone()]);
    assert!(shards(&dir).len() >= 2);
    let (digest, counters) = run(&set, &spec, three(2));
    assert_eq!((digest, counters.cache_misses), (expected, 0));
    let files = names(&fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path());
    assert!(files.iter().all(|name| !name.starts_with('.')), "{files:?}");
}

#[test]
fn what_a_loader_has_kept_is_there_when_it_ends_early() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, dir) = (set(tmp.path(), "none"), tmp.path().join("cache"));
    let spec = disk(SPEC, &dir, "");
    let mut loader = Loader::open(&set, &Pipeline::parse(&spec).unwrap(), three(1)).unwrap();
    let stopper = loader.stopper();
    loader.next().unwrap().unwrap();
    drop(loader);
    drop(stopper);
    let (_, counters) = run(&set, &spec, LoaderOptions { epochs: 1, ..three(1) });
    assert!(counters.cache_hits >= 8 && counters.cache_misses > 0, "{counters:?}");
}

#[test]
fn damage_is_a_miss() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, dir) = (set(tmp.path(), "none"), tmp.path().join("cache"));
    let spec = disk(SPEC, &dir, "");
    let one = || LoaderOptions { epochs: 1, ..three(1) };
    let expected = run(&set, &spec, one()).0;
    let [shard] = &shards(&dir)[..] else { panic!() };
    let whole = fs::read(shard).unwrap();
    let list = shard.with_extension("ordinals");
    let lines = fs::read_to_string(&list).unwrap();
    let misses = |io| {
        let (digest, counters) = run(&set, &spec, LoaderOptions { io, ..one() });
        assert_eq!(digest, expected);
        let misses = counters.cache_misses;
        // The shard that mends it is not wanted here.
        shards(&dir).iter().filter(|path| *path != shard).for_each(|path| fs::remove_file(path).unwrap());
        misses
    };
    for io in [Io::Mmap, Io::Read] {
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 1;
        fs::write(shard, &bytes).unwrap();
        assert_eq!(misses(io), 1);
        fs::write(shard, &whole[..whole.len() / 2]).unwrap();
        assert!((20..=48).contains(&misses(io)));
        fs::write(shard, &whole).unwrap();
        // The records of two samples exchanged.
        let mut swapped: Vec<&str> = lines.lines().collect();
        let ordinals: Vec<&str> = swapped.iter().map(|line| line.split_once(' ').unwrap().0).collect();
        let (a, b) =
            (swapped[0].replacen(ordinals[0], ordinals[1], 1), swapped[1].replacen(ordinals[1], ordinals[0], 1));
        (swapped[0], swapped[1]) = (&a, &b);
        fs::write(&list, swapped.join("\n")).unwrap();
        assert_eq!(misses(io), 2);
        for bad in [
            "",
            "x",
            "1",
            "1 x\n",
            "99999999 0\n",
            "0 99999999\n",
            "-1 0\n",
            "18446744073709551615 18446744073709551615\n",
        ] {
            fs::write(&list, bad).unwrap();
            assert_eq!(misses(io), 48, "{bad}");
        }
        fs::remove_file(&list).unwrap();
        assert_eq!(misses(io), 48);
        fs::write(&list, &lines).unwrap();
        assert_eq!(misses(io), 0);
    }
}

#[test]
fn a_stream_goes_on_with_a_cache() {
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let cached = disk(SPEC, &tmp.path().join("cache"), "");
    let expected = contents(&batches(&set, &memory(SPEC, "max_bytes = 0"), three(2)));
    for taken in [3, 6, 9] {
        let mut loader = Loader::open(&set, &Pipeline::parse(&cached).unwrap(), three(2)).unwrap();
        loader.by_ref().take(taken).for_each(|batch| drop(batch.unwrap()));
        let state = LoaderState::from_json(&loader.state().unwrap().to_json()).unwrap();
        drop(loader);
        let resume = || LoaderOptions { resume: Some(state.clone()), ..three(2) };
        for spec in [&cached, &memory(SPEC, "max_bytes = \"10KiB\"")] {
            assert!(contents(&batches(&set, spec, resume())) == expected[taken..]);
        }
        // Without rounding these would be other pixels.
        let error = Loader::open(&set, &Pipeline::parse(SPEC).unwrap(), resume()).err().unwrap();
        assert!(error.to_string().contains("another pipeline"), "{error}");
    }
}

#[test]
fn what_a_crash_has_left_is_removed_a_day_later() {
    let tmp = tempfile::tempdir().unwrap();
    let (set, dir) = (set(tmp.path(), "none"), tmp.path().join("cache"));
    let spec = disk(SPEC, &dir, "");
    run(&set, &spec, options(Mode::Train, 1));
    let inside = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let (old, new) = (inside.join(".a.tfrecord.x.tmp"), inside.join(".b.tfrecord.y.tmp"));
    for path in [&old, &new] {
        fs::write(path, "half a record").unwrap();
    }
    File::options()
        .write(true)
        .open(&old)
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(90_000))
        .unwrap();
    run(&set, &spec, options(Mode::Train, 1));
    assert_eq!((old.exists(), new.exists()), (false, true));
}

#[test]
fn specs_and_their_errors() {
    let error = |cache: &str| Pipeline::parse(&format!("[cache]\n{cache}")).unwrap_err();
    let cases = [
        ("", "'mode' is missing: \"memory\" or \"disk\""),
        ("mode = \"ram\"", "must be \"memory\" or \"disk\""),
        ("mode = \"disk\"", "'dir' is missing"),
        ("mode = \"disk\"\ndir = \"\"", "dir"),
        ("mode = \"memory\"\ndir = \"x\"", "dir is for mode = \"disk\""),
        (
            "mode = \"memory\"\nmax_bytes = \"much\"",
            "max_bytes must be a size, such as \"2GiB\", or a number of bytes, not \"much\"",
        ),
        ("mode = \"memory\"\nmax_bytes = -1", "max_bytes must be"),
        ("mode = \"memory\"\nmax_byte = 1", "did you mean 'max_bytes'?"),
        ("mode = \"memory\"\ndtype = \"f16\"", "must be \"f32\" or \"u8\""),
    ];
    for (cache, part) in cases {
        assert!(error(cache).to_string().contains(part), "{cache}: {}", error(cache));
    }
    let bytes = |text: &str| Pipeline::parse(text).unwrap().cache.unwrap().max_bytes;
    assert_eq!(bytes("[cache]\nmode = \"memory\"\nmax_bytes = \"2GiB\""), 2 << 30);
    assert_eq!(bytes("[cache]\nmode = \"memory\""), 4 << 30);
    assert_eq!(bytes("[cache]\nmode = \"disk\"\ndir = \"x\""), 64 << 30);
    let tmp = tempfile::tempdir().unwrap();
    let set = set(tmp.path(), "none");
    let open = |spec: &str| Loader::open(&set, &Pipeline::parse(spec).unwrap(), options(Mode::Train, 1)).err().unwrap();
    let records = memory(&SPEC.replace("[batch]", "[batch]\noutput = \"records\""), "");
    assert!(open(&records).to_string().contains("hold none"));
    let file = tmp.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&disk(SPEC, &file, ""));
    assert_eq!(error.kind_name(), "io");
    assert!(error.to_string().contains(text(&file)));
}
