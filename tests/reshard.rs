//! `tfr reshard`: records into other shards, none lost, none twice, none changed.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{shard_bytes, text, tfr, tfr_json};
use proptest::prelude::*;
use tfrkit::dataset::{Existing, ShardCount, ShardWriter, parse_split, resolve, shard_file_name};
use tfrkit::example::{ExampleBuilder, ExampleView, Filter};
use tfrkit::inspect::{ReshardOptions, ReshardReport, Sample, Stratify, reshard};
use tfrkit::record::{Compression, Io, RecordSource};
use tfrkit::{Job, Result};

const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zlib];

/// Writes a set of so many shards.
fn set(dir: &Path, name: &str, shards: usize, payloads: &[Vec<u8>], compression: Compression) {
    fs::create_dir_all(dir).unwrap();
    for index in 0..shards {
        let path = dir.join(shard_file_name(name, index, shards, compression));
        let mut writer = ShardWriter::create(path, compression).unwrap();
        let share = payloads.len().div_ceil(shards);
        payloads.iter().skip(index * share).take(share).for_each(|p| writer.write(p).unwrap());
        writer.finish().unwrap();
    }
}

/// Reshards all that a directory holds.
fn run(from: &Path, out: &Path, options: &ReshardOptions, job: Job<'_>) -> Result<ReshardReport> {
    reshard(&resolve(&[text(from)])?.complete()?, out, options, &job)
}

fn shards(n: usize) -> ReshardOptions {
    ReshardOptions { shards: ShardCount::Each(n), ..Default::default() }
}

/// The payloads of a set in order.
fn payloads(dir: &Path, name: &str) -> Vec<Vec<u8>> {
    let set = resolve(&[text(dir)]).unwrap().one(Some(name)).unwrap();
    let mut found = Vec::new();
    for shard in set.shards {
        let mut source = RecordSource::open(shard, Io::Auto, Default::default()).unwrap();
        while let Some(record) = source.next_record().unwrap() {
            found.push(record.payload.to_vec());
        }
    }
    found
}

fn int(payload: &[u8], name: &str) -> i64 {
    ExampleView::new(payload).feature(name).unwrap().unwrap().single_int64().unwrap()
}

fn ids(dir: &Path, name: &str) -> Vec<i64> {
    payloads(dir, name).iter().map(|p| int(p, "id")).collect()
}

/// Records with an id, a class, and a key that as many as `same` have in common.
fn examples(n: i64, classes: i64, same: i64) -> Vec<Vec<u8>> {
    let record = |id: i64| {
        let builder = ExampleBuilder::new().int64("id", id).int64("label", id % classes);
        builder.text("image/filename", format!("{}.jpg", id / same)).bytes("blob", &[7; 50]).encode()
    };
    (0..n).map(record).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn there_and_back_no_record_is_lost_or_changed(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..60),
        (from, to) in (1usize..5, 1usize..9),
        (input, output) in (0usize..3, 0usize..3),
        shuffle: bool,
        seed: u64,
        io in 0usize..2,
    ) {
        let tmp = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|n| tmp.path().join(n));
        set(&a, "train", from, &records, COMPRESSIONS[input]);
        let there = ReshardOptions { shuffle, seed, compression: COMPRESSIONS[output], ..shards(to) };
        let job = Job { threads: 2, io: [Io::Mmap, Io::Read][io], ..Default::default() };
        let report = run(&a, &b, &there, job).unwrap();
        prop_assert_eq!((report.records, report.shards.len()), (records.len() as u64, to));
        let mut found = payloads(&b, "train");
        if shuffle {
            found.sort();
        } else {
            prop_assert_eq!(&found, &records);
        }
        let mut expected = records.clone();
        expected.sort_by(|a, b| if shuffle { a.cmp(b) } else { std::cmp::Ordering::Equal });
        prop_assert_eq!(found, expected);
        if !shuffle {
            // The same number of shards, cut as reshard cuts: the very bytes.
            run(&b, &c, &ReshardOptions { compression: COMPRESSIONS[input], ..shards(1) }, job).unwrap();
            prop_assert_eq!(payloads(&c, "train"), records);
        }
    }
}

#[test]
fn the_shuffle_is_over_the_whole_set_and_the_seeds_own() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    set(&from, "train", 4, &examples(400, 4, 1), Compression::None);
    let order = |out: &str, seed| {
        let out = tmp.path().join(out);
        run(&from, &out, &ReshardOptions { shuffle: true, seed, ..shards(4) }, Job::default()).unwrap();
        ids(&out, "train")
    };
    let (first, again, other) = (order("1", 3), order("2", 3), order("3", 4));
    assert_eq!(first, again);
    assert_ne!(first, other);
    // Every new shard holds records of every old one.
    for shard in first.chunks(100) {
        assert_eq!(shard.iter().map(|id| id / 100).collect::<BTreeSet<_>>().len(), 4);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    set(&from, "a", 3, &examples(500, 4, 2), Compression::Gzip);
    let cases = [
        ReshardOptions { shuffle: true, seed: 9, compression: Compression::Zlib, ..shards(7) },
        ReshardOptions { drop: vec!["blob".into()], shards: ShardCount::OfBytes(4000), ..Default::default() },
        ReshardOptions { split: parse_split("a=0.6,b=0.4").unwrap(), stratify: Stratify::Label, ..shards(2) },
    ];
    for (case, options) in cases.iter().enumerate() {
        let bytes = [1, 2, 5].map(|threads| {
            let out = tmp.path().join(format!("{case}-{threads}"));
            run(&from, &out, options, Job { threads, ..Default::default() }).unwrap();
            let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
            (shard_bytes(&out), manifest)
        });
        assert!(bytes[0].0.len() > 1 && bytes.iter().all(|b| *b == bytes[0]), "case {case}");
    }
}

#[test]
fn a_stopped_run_goes_on_and_ends_with_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, whole, stopped] = ["from", "whole", "stopped"].map(|n| tmp.path().join(n));
    set(&from, "train", 2, &examples(300, 3, 1), Compression::None);
    let options = ReshardOptions { shuffle: true, ..shards(6) };
    run(&from, &whole, &options, Job::default()).unwrap();

    let flag = AtomicBool::new(false);
    let is_there = |i| stopped.join(shard_file_name("train", i, 6, Compression::None)).exists();
    let stop = |_, _| flag.store(is_there(2), Ordering::Relaxed);
    let job = Job { threads: 1, on_progress: Some(&stop), stop: Some(&flag), ..Default::default() };
    assert_eq!(run(&from, &stopped, &options, job).unwrap_err().kind_name(), "interrupted");
    let kept = shard_bytes(&stopped);
    assert!((3..6).contains(&kept.len()), "{}", kept.len());
    assert!(!stopped.join("manifest.json").exists());

    let refused = |options: &ReshardOptions, part: &str| {
        let error = run(&from, &stopped, options, Job::default()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(&options, "left the set 'train' unfinished");
    let resumed = ReshardOptions { existing: Existing::Resume, ..options };
    for other in [
        ReshardOptions { seed: 1, ..resumed.clone() },
        ReshardOptions { drop: vec!["blob".into()], ..resumed.clone() },
        ReshardOptions { take: Some(299), ..resumed.clone() },
    ] {
        refused(&other, "other sources or options");
    }
    let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let first = stopped.join(&kept[0].0);
    let before = time(&first);
    run(&from, &stopped, &resumed, Job::default()).unwrap();
    assert_eq!(shard_bytes(&stopped), shard_bytes(&whole));
    assert_eq!(time(&first), before, "a whole shard is kept");
    assert_eq!(tfr_json(&["validate", text(&stopped)]).0, 0);
    // Another input under the same name is another plan.
    set(&from, "train", 2, &examples(301, 3, 1), Compression::None);
    refused(&resumed, "other sources or options");
}

#[test]
fn records_are_selected_in_the_order_that_is_told() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    set(&from, "train", 3, &examples(100, 4, 1), Compression::None);
    let mut number = 0;
    let mut selected = |args: &[&str]| {
        number += 1;
        let out = tmp.path().join(number.to_string());
        let (code, json) = tfr_json(&[&["reshard", text(&from), "-o", text(&out), "--shards", "2"], args].concat());
        assert_eq!(code, 0, "{json}");
        let ids = ids(&out, "train");
        assert_eq!(json["sets"]["train"], ids.len());
        assert_eq!(json["dropped"], 100 - ids.len());
        ids
    };
    let odd: Vec<i64> = (0..100).filter(|id| id % 4 == 1).collect();
    assert_eq!(selected(&["--where", "label == 1"]), odd);
    assert_eq!(selected(&["--take", "5", "--skip", "3", "--where", "label == 1"]), odd[3..8]);
    assert_eq!(selected(&["--skip", "97"]), [97, 98, 99]);
    let ten = selected(&["--sample", "10", "--seed", "3"]);
    assert!(ten.len() == 10 && ten.is_sorted());
    assert_ne!(selected(&["--sample", "10", "--seed", "4"]), ten);
    let share = selected(&["--sample", "0.5"]);
    assert!((30..70).contains(&share.len()) && share.is_sorted());
    let of_some = selected(&["--sample", "0.5", "--take", "50"]);
    assert_eq!(of_some, share.into_iter().filter(|id| *id < 50).collect::<Vec<_>>());
    assert!(selected(&["--take", "0"]).is_empty());
    let mut shuffled = selected(&["--where", "label == 1", "--shuffle"]);
    assert_ne!(shuffled, odd);
    shuffled.sort();
    assert_eq!(shuffled, odd);
}

#[test]
fn features_are_dropped_kept_and_renamed() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    set(&from, "train", 2, &examples(20, 4, 1), Compression::Zlib);
    let mut number = 0;
    let mut names = |args: &[&str]| {
        number += 1;
        let out = tmp.path().join(number.to_string());
        let (code, json) = tfr_json(&[&["reshard", text(&from), "-o", text(&out)], args].concat());
        assert_eq!(code, 0, "{json}");
        let found = payloads(&out, "train").iter().zip(0..).all(|(payload, id)| {
            let view = ExampleView::new(payload);
            let found = view.feature("id").unwrap().or(view.feature("number").unwrap());
            found.is_none_or(|found| found.single_int64().unwrap() == id)
        });
        assert!(found, "{args:?}");
        let (_, info) = tfr_json(&["info", text(&out)]);
        let names: Vec<String> = info["features"].as_object().unwrap().keys().cloned().collect();
        (names.join(" "), json["warnings"].to_string())
    };
    assert_eq!(names(&[]).0, "blob id image/filename label");
    assert_eq!(names(&["--drop", "blob", "--drop", "image/filename"]).0, "id label");
    assert_eq!(names(&["--keep", "id", "--keep", "label", "--rename", "id=number"]).0, "label number");
    // Selected by the old names; a name that no record has is told.
    let (_, warnings) = names(&["--rename", "id=number", "--drop", "lable", "--where", "has(id)"]);
    assert!(warnings.contains("no record has the feature 'lable'"), "{warnings}");
    assert_eq!(payloads(&tmp.path().join("1"), "train"), payloads(&from, "train"), "else byte for byte");
}

/// The set of each id.
fn sets_of(out: &Path, names: &[&str]) -> BTreeMap<i64, String> {
    names.iter().flat_map(|name| ids(out, name).into_iter().map(|id| (id, (*name).to_owned()))).collect()
}

#[test]
fn a_split_keeps_equal_keys_together_and_records_in_their_sets() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, more] = ["from", "more"].map(|n| tmp.path().join(n));
    let names = ["train", "val", "test"];
    let options = ReshardOptions { split: parse_split("train=0.6,val=0.2,test=0.2").unwrap(), ..shards(2) };
    set(&from, "x", 2, &examples(600, 4, 3), Compression::None);
    // New records before and behind the old ones.
    let mut payloads = examples(900, 4, 3);
    payloads.rotate_left(700);
    set(&more, "x", 5, &payloads, Compression::Gzip);
    let split = |from: &Path, out: &str, options: &ReshardOptions| {
        let out = tmp.path().join(out);
        let report = run(from, &out, options, Job::default()).unwrap();
        assert_eq!((report.records, report.dropped), (report.sets.values().sum(), 0));
        sets_of(&out, &names)
    };
    let (few, many) = (split(&from, "1", &options), split(&more, "2", &options));
    assert_eq!((few.len(), many.len()), (600, 900));
    assert!(few.iter().all(|(id, set)| many[id] == *set), "records moved as others were added");
    assert!(few.iter().all(|(id, set)| few[&(id / 3 * 3)] == *set), "equal keys in two sets");
    for (name, share) in names.iter().zip([0.6, 0.2, 0.2]) {
        let n = many.values().filter(|set| set == name).count() as f64;
        assert!((n - 900.0 * share).abs() < 75.0, "{name}: {n}");
    }
    let seed = ReshardOptions { seed: 1, ..options.clone() };
    assert_ne!(split(&from, "3", &seed), few);
    // By another key, records of one class are in one set.
    let by_label = split(&from, "4", &ReshardOptions { key: Some("label".into()), ..options });
    assert!(by_label.iter().all(|(id, set)| by_label[&(id % 4)] == *set));
}

#[test]
fn a_stratified_split_keeps_every_class_within_one_record_of_its_shares() {
    let tmp = tempfile::tempdir().unwrap();
    let shares = parse_split("train=0.8,val=0.1,test=0.1").unwrap();
    let sizes = [1usize, 2, 7, 10, 48, 95];
    let record = |(i, class): (usize, usize)| {
        ExampleBuilder::new().int64("id", i as i64).text("kind", class.to_string()).encode()
    };
    let classes = sizes.iter().enumerate().flat_map(|(class, &n)| std::iter::repeat_n(class, n));
    let from = tmp.path().join("from");
    set(&from, "x", 3, &classes.enumerate().map(record).collect::<Vec<_>>(), Compression::None);
    let out = tmp.path().join("out");
    let options = ReshardOptions { split: shares.clone(), stratify: Stratify::By("kind".into()), ..shards(1) };
    let report = run(&from, &out, &options, Job::default()).unwrap();
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_eq!(report.records, sizes.iter().sum::<usize>() as u64);
    for (name, share) in &shares {
        let found = payloads(&out, name);
        for (class, &n) in sizes.iter().enumerate() {
            let filter = Filter::parse(&format!("kind == '{class}'")).unwrap();
            let there = found.iter().filter(|p| filter.matches(p).unwrap()).count() as f64;
            assert!((there - n as f64 * share).abs() <= 1.0, "{there} of class {class} in {name}");
        }
    }
    // Equal keys stay together, and what that costs is said.
    let from = tmp.path().join("same");
    set(&from, "x", 1, &examples(90, 1, 30), Compression::None);
    let out = tmp.path().join("out-same");
    let options = ReshardOptions { stratify: Stratify::Label, ..options };
    let report = run(&from, &out, &options, Job::default()).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("equal key")), "{:?}", report.warnings);
    let found = sets_of(&out, &["train", "val", "test"]);
    assert!(found.iter().all(|(id, set)| found[&(id / 30 * 30)] == *set));
}

#[test]
fn sizes_decide_the_number_of_shards_and_rewritten_records_count_as_written() {
    let tmp = tempfile::tempdir().unwrap();
    let from = tmp.path().join("from");
    set(&from, "train", 1, &examples(200, 4, 1), Compression::None);
    let count = |out: &str, drop: &[&str]| {
        let drop = drop.iter().map(|d| (*d).to_owned()).collect();
        let options = ReshardOptions { drop, shards: ShardCount::OfBytes(5000), ..Default::default() };
        let report = run(&from, &tmp.path().join(out), &options, Job::default()).unwrap();
        let bytes = || report.shards.iter().map(|s| s.bytes);
        let (least, most) = (bytes().min().unwrap(), bytes().max().unwrap());
        assert!(most < 5200 && most - least < 300, "shards from {least} to {most} bytes");
        report.shards.len()
    };
    assert!(count("1", &[]) > count("2", &["blob"]));
}

#[test]
fn a_sample_of_more_than_there_is_takes_all_and_says_so() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, out] = ["from", "out"].map(|n| tmp.path().join(n));
    set(&from, "train", 1, &examples(5, 1, 1), Compression::None);
    let options = ReshardOptions { sample: Some(Sample::Count(9)), ..shards(8) };
    let report = run(&from, &out, &options, Job::default()).unwrap();
    assert_eq!(report.records, 5);
    assert!(report.warnings[0].contains("all are taken"), "{:?}", report.warnings);
    assert!(report.warnings[1].contains("some are empty"), "{:?}", report.warnings);
}

#[test]
fn options_that_cannot_be_are_refused_of_a_program_too() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, out] = ["from", "out"].map(|n| tmp.path().join(n));
    set(&from, "train", 1, &examples(5, 1, 1), Compression::None);
    for options in [
        shards(0),
        ReshardOptions { sample: Some(Sample::Share(f64::NAN)), ..shards(1) },
        ReshardOptions { split: vec![("a".into(), 0.5)], ..shards(1) },
        ReshardOptions { split: vec![("a".into(), 0.5), ("a".into(), 0.5)], ..shards(1) },
        ReshardOptions { key: Some("label".into()), ..shards(1) },
    ] {
        assert_eq!(run(&from, &out, &options, Job::default()).unwrap_err().kind_name(), "usage", "{options:?}");
    }
    assert!(!out.exists());
}

#[test]
fn nothing_is_left_of_inflated_inputs() {
    let tmp = tempfile::tempdir().unwrap();
    let [from, out] = ["from", "out"].map(|n| tmp.path().join(n));
    set(&from, "train", 2, &examples(50, 1, 1), Compression::Gzip);
    let shards: Vec<PathBuf> = common::names(&from).iter().map(|name| from.join(name)).collect();
    tfr().args(["reshard", text(&from), "-o", text(&out), "--quiet"]).assert().success();
    assert_eq!(common::names(&out), ["idx", "manifest.json", "train-00000-of-00001.tfrecord"]);
    // Nor where the second of them is cut.
    let cut = fs::read(&shards[1]).unwrap();
    fs::write(&shards[1], &cut[..cut.len() - 20]).unwrap();
    let out = tmp.path().join("cut");
    let (code, json) = tfr_json(&["reshard", text(&from), "-o", text(&out)]);
    assert_eq!((code, json["error"]["path"].as_str()), (1, shards[1].to_str()), "{json}");
    assert!(json["error"]["help"].as_str().unwrap().contains("tfr repair"));
    assert!(!out.exists());
}
