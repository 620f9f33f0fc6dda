//! A program wants a part of a set, or several sets, in any order: exactly these samples, each as often as was asked for.

mod common;
#[path = "common/streams.rs"]
mod streams;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{text, tfr, tfr_json};
use streams::{SPEC, batches, contents, options, set};
use tfrkit::dataset::{ShardSet, resolve};
use tfrkit::example::{ExampleBuilder, ExampleView, Filter};
use tfrkit::pipeline::{Batch, Loader, LoaderOptions, LoaderState, Mode, Pipeline, Select};
use tfrkit::record::{RecordSource, Writer};

const SHUFFLES: [&str; 3] = ["mode = \"none\"", "mode = \"buffer\"\n    size = 16", "mode = \"global\"\n    run = 3"];

fn spec(shuffle: &str, tail: &str) -> String {
    let spec = SPEC.replace("mode = \"buffer\"\n    size = 16", shuffle);
    assert!(spec.contains(shuffle));
    spec.replace("size = 8", &format!("size = 8\n    tail = \"{tail}\""))
}

fn selecting(select: Select) -> LoaderOptions {
    LoaderOptions { select, seed: 3, ..options(Mode::Train, 2) }
}

fn filtered(text: &str) -> Select {
    Select { filter: Some(Filter::parse(text).unwrap()), ..Default::default() }
}

fn ordinals(batches: &[Batch]) -> Vec<u64> {
    let valid = batches.iter().flat_map(|b| b.ordinals().iter().zip(b.valid()));
    valid.filter(|(_, valid)| **valid).map(|(ordinal, _)| *ordinal).collect()
}

fn sorted(mut values: Vec<u64>) -> Vec<u64> {
    values.sort_unstable();
    values
}

/// Label and file name of every sample, read by other means.
fn facts(set: &ShardSet) -> Vec<(i64, String)> {
    let mut facts = Vec::new();
    for shard in &set.shards {
        let mut source = RecordSource::open(shard, Default::default(), Default::default()).unwrap();
        while let Some(record) = source.next_record().unwrap() {
            let view = ExampleView::new(record.payload);
            let [label, name] = view.find(["image/class/label", "image/filename"]).unwrap();
            let name = String::from_utf8(name.unwrap().single_bytes().unwrap().to_vec()).unwrap();
            facts.push((label.unwrap().single_int64().unwrap(), name));
        }
    }
    facts
}

#[test]
fn a_filter_takes_what_it_says_in_every_order() {
    let tmp = tempfile::tempdir().unwrap();
    for compression in ["none", "gzip"] {
        let set = set(tmp.path(), compression);
        let facts = facts(&set);
        let middle = &facts.iter().find(|(label, _)| *label == 1).unwrap().1;
        let filter = format!("label != 1 || image/filename > '{middle}'");
        let expected = (0..).zip(&facts).filter(|(_, f)| f.0 != 1 || f.1 > *middle).map(|(i, _)| i);
        let expected: Vec<u64> = expected.collect();
        assert!(expected.len() > 20 && expected.len() < 53);
        for shuffle in SHUFFLES.iter().take(if compression == "none" { 3 } else { 2 }) {
            for world in [1, 2, 3, 8] {
                let mut found = Vec::new();
                for rank in 0..world {
                    let ranked = LoaderOptions { rank, world, ..selecting(filtered(&filter)) };
                    found.extend(ordinals(&batches(&set, &spec(shuffle, "uneven"), ranked)));
                }
                assert_eq!(sorted(found), expected, "{compression} {shuffle} {world}");
            }
        }
        let eval = LoaderOptions { select: filtered(&filter), ..options(Mode::Eval, 2) };
        assert_eq!(ordinals(&batches(&set, SPEC, eval)), expected);
    }
}

#[test]
fn a_part_of_a_filtered_set() {
    let tmp = tempfile::tempdir().unwrap();
    for compression in ["none", "zlib"] {
        let set = set(tmp.path(), compression);
        let twos: Vec<u64> = (0..).zip(facts(&set)).filter(|(_, f)| f.0 == 2).map(|(i, _)| i).collect();
        for (skip, take) in [(0, Some(5)), (3, Some(7)), (10, None), (0, Some(1000))] {
            let select = Select { skip, take, ..filtered("label == 2") };
            let end = take.map_or(twos.len(), |n| twos.len().min(skip as usize + n as usize));
            let found = ordinals(&batches(&set, &spec(SHUFFLES[1], "uneven"), selecting(select)));
            assert_eq!(sorted(found), twos[skip as usize..end]);
        }
        let all = Select { skip: 50, ..Default::default() };
        assert_eq!(sorted(ordinals(&batches(&set, &spec(SHUFFLES[0], "uneven"), selecting(all)))), [50, 51, 52]);
    }
}

#[test]
fn repeated_samples_are_augmented_anew() {
    let tmp = tempfile::tempdir().unwrap();
    for (compression, shuffle) in [("none", SHUFFLES[2]), ("gzip", SHUFFLES[1])] {
        let set = set(tmp.path(), compression);
        let thrice = || selecting(Select { repeat: 3, ..Default::default() });
        let all = batches(&set, &spec(shuffle, "uneven"), thrice());
        let found = sorted(ordinals(&all));
        assert_eq!(found, (0..53).flat_map(|i| [i; 3]).collect::<Vec<u64>>());
        let mut images: BTreeMap<u64, Vec<Vec<u32>>> = BTreeMap::new();
        for batch in &all {
            for i in 0..batch.len() {
                let image = batch.image(i).iter().map(|v| v.to_bits()).collect();
                images.entry(batch.ordinals()[i]).or_default().push(image);
            }
        }
        let differ = images.values().filter(|v| v[0] != v[1] && v[1] != v[2] && v[0] != v[2]).count();
        assert_eq!(differ, 53);
        for threads in [1, 4] {
            let again = batches(&set, &spec(shuffle, "uneven"), LoaderOptions { threads, ..thrice() });
            assert!(contents(&again) == contents(&all), "{threads} threads");
        }
    }
}

/// A shard of labelled records that are no images: `counts[c]` of class c.
fn labelled(dir: &Path, name: &str, counts: &[usize]) -> ShardSet {
    let path = dir.join(format!("{name}-00000-of-00001.tfrecord"));
    let mut writer = Writer::new(fs::File::create(&path).unwrap());
    for (label, count) in (0i64..).zip(counts) {
        for i in 0..*count {
            let name = format!("{name} {label} {i}");
            writer.write(&ExampleBuilder::new().int64("label", label).text("name", name).encode()).unwrap();
        }
    }
    writer.finish().unwrap();
    resolve(&[text(&path)]).unwrap().one(None).unwrap()
}

const LABELS: &str = r#"
    [shuffle]
    mode = "buffer"
    size = 10
    [batch]
    size = 256
    tail = "uneven"
    output = "columns"
    [[column]]
    name = "label"
    kind = "int64"
"#;

fn labels(batches: &[Batch]) -> Vec<i64> {
    batches.iter().flat_map(|b| b.column("label").unwrap().values.int64s().unwrap().to_vec()).collect()
}

#[test]
fn classes_are_balanced() {
    let tmp = tempfile::tempdir().unwrap();
    let set = labelled(tmp.path(), "a", &[2000, 60, 12]);
    let balanced = |threads| LoaderOptions {
        select: Select { balance: true, ..Default::default() },
        epochs: 2,
        seed: 5,
        ..options(Mode::Train, threads)
    };
    let all = batches(&set, LABELS, balanced(2));
    let found = labels(&all);
    assert_eq!(found.len(), 2 * 2072);
    for block in found.chunks_exact(1026) {
        let counts = [0, 1, 2].map(|class| block.iter().filter(|l| **l == class).count());
        assert_eq!(counts, [342; 3]);
    }
    // The small classes are gone through whole, again and again.
    let twos: Vec<u64> = ordinals(&all).into_iter().filter(|ordinal| *ordinal >= 2060).collect();
    for pass in twos.chunks_exact(12) {
        assert_eq!(sorted(pass.to_vec()), (2060..2072).collect::<Vec<u64>>());
    }
    assert!(contents(&batches(&set, LABELS, balanced(1))) == contents(&all));
    let part = LoaderOptions {
        select: Select { balance: true, take: Some(40), skip: 1990, ..Default::default() },
        ..options(Mode::Train, 1)
    };
    let found = labels(&batches(&set, LABELS, part));
    assert_eq!((found.len(), found.iter().filter(|l| **l == 0).count().abs_diff(20) < 8), (40, true));
}

#[test]
fn sets_are_mixed_by_weight() {
    let tmp = tempfile::tempdir().unwrap();
    let (a, b) = (labelled(tmp.path(), "a", &[3000]), labelled(tmp.path(), "b", &[0, 100]));
    let pipeline = Pipeline::parse(LABELS).unwrap();
    let open = |world, rank, resume| {
        let options = LoaderOptions { epochs: 2, seed: 1, rank, world, resume, ..options(Mode::Train, 2) };
        Loader::open_mix(&[(a.clone(), 3.0), (b.clone(), 1.0)], &pipeline, options).unwrap()
    };
    let all: Vec<Batch> = open(1, 0, None).collect::<Result<_, _>>().unwrap();
    let found = labels(&all);
    assert_eq!(found.len(), 6200);
    for block in found.chunks_exact(1024) {
        assert_eq!(block.iter().filter(|l| **l == 1).count(), 256);
    }
    let of_b: Vec<u64> = ordinals(&all).into_iter().filter(|ordinal| *ordinal >= 3000).collect();
    let passes: Vec<&[u64]> = of_b.chunks_exact(100).collect();
    assert!(passes.len() > 10 && passes[0] != passes[1]);
    assert!(passes.iter().all(|pass| sorted(pass.to_vec()).iter().copied().eq(3000..3100)));

    // Ranks share the positions, and a state goes on in the middle.
    let shares = (0..3).map(|rank| open(3, rank, None).collect::<Result<Vec<_>, _>>().unwrap());
    let shared: Vec<u64> = shares.flat_map(|batches| ordinals(&batches)).collect();
    assert_eq!(sorted(shared), sorted(ordinals(&all)));
    let mut loader = open(1, 0, None);
    for _ in 0..17 {
        loader.next().unwrap().unwrap();
    }
    let state = loader.state().unwrap();
    let rest: Vec<Batch> = open(1, 0, Some(state.clone())).collect::<Result<_, _>>().unwrap();
    assert!(contents(&rest) == contents(&all[17..]));
    let other = LoaderOptions { epochs: 2, seed: 1, resume: Some(state), ..options(Mode::Train, 2) };
    let error = Loader::open_mix(&[(a.clone(), 2.0), (b.clone(), 1.0)], &pipeline, other).err().unwrap();
    assert!(error.to_string().contains("another view"), "{error}");
}

#[test]
fn a_view_goes_on_at_any_step() {
    let tmp = tempfile::tempdir().unwrap();
    let plain = set(tmp.path(), "none");
    let zipped = set(tmp.path(), "gzip");
    let views = [
        (&plain, SHUFFLES[2], filtered("label != 0")),
        (&zipped, SHUFFLES[1], Select { skip: 4, take: Some(30), ..filtered("label != 0") }),
        (&plain, SHUFFLES[1], Select { repeat: 2, ..Default::default() }),
        (&zipped, SHUFFLES[1], Select { repeat: 2, ..Default::default() }),
        (&plain, SHUFFLES[2], Select { balance: true, ..Default::default() }),
    ];
    for (set, shuffle, select) in views {
        let spec = spec(shuffle, "drop");
        let two = |threads| LoaderOptions { epochs: 2, threads, ..selecting(select.clone()) };
        let expected = contents(&batches(set, &spec, two(2)));
        for taken in [0, 1, expected.len() / 2, expected.len() / 2 + 1, expected.len() - 1] {
            let mut loader = Loader::open(set, &Pipeline::parse(&spec).unwrap(), two(3)).unwrap();
            for _ in 0..taken {
                loader.next().unwrap().unwrap();
            }
            let state = LoaderState::from_json(&loader.state().unwrap().to_json()).unwrap();
            drop(loader);
            let resumed = LoaderOptions { resume: Some(state.clone()), ..two(1) };
            assert!(contents(&batches(set, &spec, resumed)) == expected[taken..], "{shuffle} {select:?} from {taken}");
            let all = LoaderOptions { resume: Some(state), epochs: 2, ..selecting(Select::default()) };
            assert!(Loader::open(set, &Pipeline::parse(&spec).unwrap(), all).is_err());
        }
    }
}

#[test]
fn what_a_filter_found_is_kept_in_a_folder_of_its_own() {
    let tmp = tempfile::tempdir().unwrap();
    let set = labelled(tmp.path(), "a", &[30, 30]);
    let views = tmp.path().join("cache/views");
    let kept = || -> Vec<std::path::PathBuf> {
        fs::read_dir(&views).into_iter().flatten().map(|e| e.unwrap().path()).collect()
    };
    let select = |expr| LoaderOptions { views: Some(views.clone()), ..selecting(filtered(expr)) };
    let ones = || labels(&batches(&set, LABELS, select("label == 1"))).len();
    let beside = common::names(tmp.path());
    assert_eq!((ones(), kept().len()), (30, 1));
    assert_eq!(common::names(tmp.path()), [&beside[..], &["cache".to_owned()]].concat());
    // It is used: what stands in it counts.
    let mut writer = Writer::new(fs::File::create(&kept()[0]).unwrap());
    writer.write(&ExampleBuilder::new().int64s("record", [31, 40]).int64s("label", []).encode()).unwrap();
    writer.finish().unwrap();
    assert_eq!(ones(), 2);
    // And not where it makes no sense, or is damaged.
    for records in [vec![40, 31], vec![31, 99_999]] {
        let mut writer = Writer::new(fs::File::create(&kept()[0]).unwrap());
        writer.write(&ExampleBuilder::new().int64s("record", records).int64s("label", []).encode()).unwrap();
        writer.finish().unwrap();
        assert_eq!(ones(), 30);
    }
    fs::write(&kept()[0], b"no shard at all").unwrap();
    assert_eq!(ones(), 30);
    // Nor where the shard was written anew, as what was changed may lie between its ends.
    let shard = &set.shards[0];
    let bytes = fs::read(shard).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(shard, &bytes).unwrap();
    assert_eq!((ones(), kept().len()), (30, 2));
    labelled(tmp.path(), "a", &[30, 31]);
    assert_eq!((ones(), kept().len()), (31, 3));
    assert_eq!(labels(&batches(&set, LABELS, select("label == 0"))).len(), 30);
    // A folder that cannot be is no error.
    fs::write(tmp.path().join("file"), "").unwrap();
    let options = LoaderOptions { views: Some(tmp.path().join("file/views")), ..selecting(filtered("label == 0")) };
    assert_eq!(labels(&batches(&set, LABELS, options)).len(), 30);
}

#[test]
fn views_that_cannot_be_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let (plain, zipped) = (set(tmp.path(), "none"), set(tmp.path(), "gzip"));
    let refused = |set: &ShardSet, select: Select| {
        let error = Loader::open(set, &Pipeline::parse(SPEC).unwrap(), selecting(select)).err().unwrap();
        assert_eq!(error.kind_name(), "usage");
        error.to_string()
    };
    let balanced = Select { balance: true, ..Default::default() };
    assert!(refused(&zipped, balanced.clone()).contains("cannot be balanced"));
    assert!(refused(&plain, filtered("label == 77")).contains("no sample"));
    assert!(refused(&plain, Select { repeat: 0, ..Default::default() }).contains("0 times"));
    assert!(refused(&plain, Select { take: Some(3), ..Default::default() }).contains("too few"));
    let pipeline = Pipeline::parse(SPEC).unwrap();
    for (weights, select) in
        [([1.0, 0.0], Select::default()), ([1.0, f64::NAN], Select::default()), ([1.0, 1.0], balanced)]
    {
        let sets = [(plain.clone(), weights[0]), (plain.clone(), weights[1])];
        assert!(Loader::open_mix(&sets, &pipeline, selecting(select)).is_err(), "{weights:?}");
    }
    let error = Loader::open(&plain, &pipeline, selecting(filtered("label == 'cat'"))).err().unwrap();
    assert!(error.location().path.is_some() && error.location().record == Some(0), "{error}");
}

/// Two folders that both hold `train` are told apart by their names.
#[test]
fn sets_of_one_name_are_mixed_by_their_folders() {
    let tmp = tempfile::tempdir().unwrap();
    let [left, right] = ["left", "right"].map(|name| tmp.path().join(name));
    for (dir, counts) in [(&left, [300, 0]), (&right, [0, 100])] {
        fs::create_dir(dir).unwrap();
        labelled(dir, "train", &counts);
    }
    let (spec, npy) = (tmp.path().join("p.toml"), tmp.path().join("npy"));
    fs::write(&spec, LABELS).unwrap();
    let args = ["stream", text(&left), text(&right), "--pipeline", text(&spec)];
    for mix in ["left=3,right=1", "left/train=3,right/train=1", &format!("{}/=3,{}/train=1", text(&left), text(&right))]
    {
        let (code, json) = tfr_json(&[&args[..], &["--mix", mix, "--save-npy", text(&npy)]].concat());
        assert_eq!((code, &json["images"]), (0, &serde_json::json!(400)), "{mix}: {json}");
        let ones = |path: &Path| fs::read(path).unwrap()[128..].as_chunks::<8>().0.iter().filter(|v| v[0] == 1).count();
        let labels = common::names(&npy).into_iter().filter(|name| name.contains("label"));
        let ones: usize = labels.map(|name| ones(&npy.join(name))).sum();
        assert!((90..=110).contains(&ones), "{mix}: {ones}");
    }
    let (code, json) = tfr_json(&[&args[..], &["--mix", "train=1,left=1"]].concat());
    let hint = json["error"]["hint"].to_string() + &json["error"]["message"].to_string();
    assert!(code == 2 && hint.contains("'train' may be one of 2 sets"), "{json}");
    let (_, json) = tfr_json(&[&args[..], &["--set", "right/train"]].concat());
    assert_eq!(json["images"], 100, "{json}");
}

#[test]
fn the_command_takes_views() {
    let tmp = tempfile::tempdir().unwrap();
    labelled(tmp.path(), "a", &[300, 20]);
    labelled(tmp.path(), "b", &[0, 50]);
    let spec = tmp.path().join("p.toml");
    fs::write(&spec, LABELS).unwrap();
    let images = |args: &[&str]| {
        let all = [&["stream", text(tmp.path()), "--pipeline", text(&spec)], args].concat();
        let (_, summary) = tfr_json(&all);
        summary["images"].as_u64().unwrap()
    };
    assert_eq!(images(&["--set", "a", "--where", "label == 1"]), 20);
    assert_eq!(images(&["--set", "a", "--where", "label == 0", "--skip", "280", "--repeat", "2"]), 40);
    assert_eq!(images(&["--set", "a", "--take", "7", "--balance"]), 7);
    assert_eq!(images(&["--mix", "a=2,b=1"]), 370);
    for (args, told) in [
        (["--mix", "a=2,c=1"], "there is no set named 'c'"),
        (["--mix", "a"], "expected NAME=WEIGHT"),
        (["--mix", "a=0"], "'0' is no number above 0"),
        (["--where", "label = 1"], "column 7"),
        (["--repeat", "0"], "0 is not in 1.."),
    ] {
        let all = [&["stream", text(tmp.path()), "--pipeline", text(&spec)], &args[..]].concat();
        let all = if args[0] == "--mix" { all } else { [&all[..], &["--set", "a"]].concat() };
        let out = tfr().args(&all).output().unwrap();
        let stderr = String::from_utf8(out.stderr).unwrap();
        assert!(out.status.code() == Some(2) && stderr.contains(told), "{args:?}: {stderr}");
    }
}
