//! A zoo of damaged shards: `validate` finds what was done to each, `repair` saves exactly the records whose bytes are
//! whole.
//!
//! What is whole is told by another method than the repair's, without a checksum or a length: a record is whole where
//! the bytes stand that it had in the undamaged shard.

mod common;

use std::fs;
use std::io::Read;
use std::path::Path;

use common::{text, tfr, tfr_json};
use proptest::prelude::*;
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::example::ExampleBuilder;
use tfrkit::inspect::{
    FindingKind, RepairOptions, RepairReport, Report, ValidateOptions, repair, repair_stream, validate,
};
use tfrkit::record::{Compression, Io, Reader, Writer};

fn shard(payloads: &[Vec<u8>], compression: Compression) -> Vec<u8> {
    let mut writer = Writer::with_compression(Vec::new(), compression);
    for payload in payloads {
        writer.write(payload).unwrap();
    }
    writer.finish().unwrap()
}

fn example(i: i64) -> Vec<u8> {
    ExampleBuilder::new().int64("n", i).text("t", "x".repeat(i as usize % 5)).encode()
}

/// Six small Examples; the third one holds a shard in its last feature where `nested` says so.
fn payloads(nested: bool) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..6).map(example).collect();
    if nested {
        let inner = shard(&[example(100), example(101)], Compression::None);
        all[2] = ExampleBuilder::new().bytes("inner", &inner).encode();
    }
    all
}

/// The bytes of each record.
fn frames(payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    payloads.iter().map(|p| shard(std::slice::from_ref(p), Compression::None)).collect()
}

/// Where records stand whole, and which.
fn whole<'a>(data: &[u8], frames: &'a [Vec<u8>]) -> Vec<(usize, &'a [u8])> {
    let at = |at: usize| frames.iter().find(|f| data[at..].starts_with(f)).map(|f| (at, &f[..]));
    (0..data.len()).filter_map(at).collect()
}

/// Where the first header stands whose record is longer than the data: what follows it may be its payload's.
fn cut(data: &[u8], frames: &[Vec<u8>]) -> usize {
    let is_cut = |&at: &usize| frames.iter().any(|f| data[at..].starts_with(&f[..12]) && data.len() - at < f.len());
    (0..data.len()).find(is_cut).unwrap_or(data.len())
}

/// A folder in memory where there is one: files are brought to disk before they get their names.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn mend(dir: &Path, data: &[u8]) -> (RepairReport, Vec<u8>) {
    let (input, output) = (dir.join("a.tfrecord"), dir.join("mended.tfrecord"));
    fs::write(&input, data).unwrap();
    let _ = fs::remove_file(&output);
    let sets = resolve(&[text(&input)]).unwrap();
    let job = Job { threads: 1, ..Default::default() };
    let report = repair(&sets, &output, &RepairOptions::default(), &job).unwrap();
    assert_eq!(fs::read(&input).unwrap(), data, "the input is never touched");
    (report, fs::read(&output).unwrap())
}

fn check(path: &Path) -> Report {
    let options = ValidateOptions::default();
    validate(&resolve(&[text(path)]).unwrap(), &options, &Job { threads: 1, ..Default::default() }).unwrap()
}

/// Repairs an uncompressed shard and holds what comes out against what is whole.
fn exhibit(dir: &Path, data: &[u8], payloads: &[Vec<u8>], what: &str) {
    let (report, output) = mend(dir, data);
    let frames = frames(payloads);
    let cut = cut(data, &frames);
    let whole = whole(data, &frames).into_iter().filter(|&(at, _)| at < cut);
    assert_eq!(output, whole.flat_map(|(_, frame)| frame).copied().collect::<Vec<u8>>(), "{what}");
    accounts(dir, data, &report, &output, what);
}

/// Kept and lost cover every byte; validation finds damage where something is lost, and none in what was saved.
fn accounts(dir: &Path, data: &[u8], report: &RepairReport, output: &[u8], what: &str) {
    assert_eq!(output.len() as u64 + report.lost_bytes, data.len() as u64, "{what}");
    let mut at = 0;
    for lost in &report.lost {
        assert!(lost.bytes > 0 && lost.offset >= at, "{what}: {:?}", report.lost);
        at = lost.offset + lost.bytes;
    }
    let found = check(&dir.join("a.tfrecord"));
    assert_eq!(found.has_errors(), report.has_lost(), "{what}: {:?}", found.findings);
    let mended = check(&dir.join("mended.tfrecord"));
    assert_eq!((mended.records, mended.findings), (report.records, vec![]), "{what}");
}

#[test]
fn a_flipped_bit_costs_its_record() {
    let dir = folder();
    for payloads in [payloads(false), payloads(true)] {
        let good = shard(&payloads, Compression::None);
        exhibit(dir.path(), &good, &payloads, "whole");
        for bit in 0..good.len() * 8 {
            let mut data = good.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            exhibit(dir.path(), &data, &payloads, &format!("bit {bit}"));
        }
    }
}

#[test]
fn a_cut_costs_the_last_record() {
    let dir = folder();
    for payloads in [payloads(false), payloads(true)] {
        let good = shard(&payloads, Compression::None);
        for cut in 0..good.len() {
            exhibit(dir.path(), &good[..cut], &payloads, &format!("cut at {cut}"));
        }
    }
}

/// What is done to a span of a shard.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Delete,
    Zero,
    Double,
    Insert,
}

const DAMAGES: [Damage; 4] = [Damage::Delete, Damage::Zero, Damage::Double, Damage::Insert];

fn damage(data: &[u8], damage: Damage, from: usize, to: usize) -> Vec<u8> {
    match damage {
        Damage::Delete => [&data[..from], &data[to..]].concat(),
        Damage::Zero => [&data[..from], &vec![0; to - from], &data[to..]].concat(),
        Damage::Double => [&data[..to], &data[from..]].concat(),
        Damage::Insert => [&data[..from], &vec![0xa5; to - from], &data[from..]].concat(),
    }
}

#[test]
fn spans_deleted_zeroed_doubled_inserted_cost_the_records_they_touch() {
    let dir = folder();
    let payloads = payloads(false);
    let good = shard(&payloads, Compression::None);
    for kind in DAMAGES {
        for len in [1, 2, 3, 5, 11, 12, 16, 29, 60] {
            for from in (0..=good.len() - len).step_by(if len < 6 { 1 } else { 3 }) {
                let data = damage(&good, kind, from, from + len);
                exhibit(dir.path(), &data, &payloads, &format!("{kind:?} {from}..{}", from + len));
            }
        }
    }
}

#[test]
fn two_shards_spliced_keep_the_records_of_both() {
    let dir = folder();
    let all: Vec<Vec<u8>> = (0..12).map(example).collect();
    let good = shard(&all, Compression::None);
    let half = shard(&all[..6], Compression::None).len();
    // The first half cut anywhere, the second one beginning anywhere.
    for from in (0..half).step_by(3) {
        for to in (half..good.len()).step_by(5) {
            let data = [&good[..from], &good[to..]].concat();
            exhibit(dir.path(), &data, &all, &format!("spliced {from} {to}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn several_damages_at_once_never_make_a_record_and_cost_no_distant_one(
        done in prop::collection::vec((0usize..4, any::<prop::sample::Index>(), 1usize..50), 1..5),
    ) {
        let dir = folder();
        let all: Vec<Vec<u8>> = (0..12).map(example).collect();
        let frames = frames(&all);
        let mut data = shard(&all, Compression::None);
        for (kind, from, len) in done {
            let from = from.index(data.len());
            let to = (from + len).min(data.len());
            data = damage(&data, DAMAGES[kind], from, to);
            if data.is_empty() {
                break;
            }
        }
        let (report, output) = mend(dir.path(), &data);
        let whole = whole(&data, &frames);
        let mut left = whole.iter();
        let mut at = 0;
        while at < output.len() {
            let frame = left.find(|(_, frame)| output[at..].starts_with(frame));
            prop_assert!(frame.is_some(), "something else came out");
            at += frame.unwrap().1.len();
        }
        // What lies within the declared length of a damaged record may be part of it.
        let cut = cut(&data, &frames);
        let within = |place: usize| (0..place).any(|at| {
            let damaged = |f: &&Vec<u8>| data[at..].starts_with(&f[..12]) && !data[at..].starts_with(f);
            frames.iter().find(damaged).is_some_and(|f| at + f.len() > place)
        });
        // Four bytes behind a run of records are how a payload ends that holds them.
        let is_end = |end: usize| end == data.len() || whole.iter().any(|&(at, _)| at == end);
        let nested = whole.iter().filter(|(at, frame)| is_end(at + frame.len() + 4)).map(|&(at, _)| at).max();
        let sure = whole.iter().filter(|&&(at, _)| at < cut && !within(at) && nested.is_none_or(|n| at > n));
        let mut rest = &output[..];
        for (at, frame) in sure {
            let found = (0..rest.len()).find(|&i| rest[i..].starts_with(frame));
            prop_assert!(found.is_some(), "the record at {} was lost", at);
            rest = &rest[found.unwrap() + frame.len()..];
        }
        accounts(dir.path(), &data, &report, &output, "several");
    }
}

/// The payloads of a shard without damage.
fn read(data: &[u8]) -> Vec<Vec<u8>> {
    Reader::new(data).unwrap().into_records().map(|r| r.unwrap().payload).collect()
}

/// Whether `part` is `all` with something left out.
fn is_part(part: &[Vec<u8>], all: &[Vec<u8>]) -> bool {
    let mut all = all.iter();
    part.iter().all(|p| all.any(|a| a == p))
}

/// How many records lie in what a decoder that takes byte by byte inflates before it stops.
fn inflated_whole(data: &[u8], compression: Compression, payloads: &[Vec<u8>]) -> usize {
    let mut decoder: Box<dyn Read> = match compression {
        Compression::Gzip => Box::new(flate2::read::GzDecoder::new(data)),
        _ => Box::new(flate2::read::ZlibDecoder::new(data)),
    };
    let (mut inflated, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = decoder.read(&mut byte) {
        inflated.push(byte[0]);
    }
    let good = shard(payloads, Compression::None);
    let same = inflated.iter().zip(&good).take_while(|(a, b)| a == b).count();
    (0..=payloads.len()).rev().find(|&n| shard(&payloads[..n], Compression::None).len() <= same).unwrap()
}

/// Payloads that do not shrink to nothing when they are deflated.
fn rough(n: u64) -> Vec<Vec<u8>> {
    let mix = |x: u64| (x ^ x >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let noise = |i: u64| (1..40u64).map(move |j| mix(mix(mix(i * 41 + j))).to_be_bytes()[0]);
    (0..n).map(|i| ExampleBuilder::new().bytes("b", &noise(i).collect::<Vec<_>>()).encode()).collect()
}

#[test]
fn of_damaged_compressed_shards_what_precedes_the_damage_is_saved() {
    let dir = folder();
    let all = rough(4);
    for compression in [Compression::Gzip, Compression::Zlib] {
        let good = shard(&all, compression);
        let hold = |data: &[u8], what: &str| {
            let (report, output) = mend(dir.path(), data);
            let found = check(&dir.path().join("a.tfrecord"));
            assert_eq!(found.has_errors(), report.has_lost(), "{what}: {:?} {:?}", found.findings, report.lost);
            let kept = if report.records == 0 { Vec::new() } else { read(&output) };
            // A flipped length can make deflate repeat a small record before it in place of another.
            assert!(kept.iter().all(|k| all.contains(k)), "{what}: {kept:?}");
            assert!(kept.len() >= inflated_whole(data, compression, &all), "{what}: {} records", kept.len());
            assert_eq!(report.has_lost(), output != data, "{what}");
            kept.len()
        };
        hold(&good, "whole");
        for bit in 0..good.len() * 8 {
            let mut data = good.clone();
            data[bit / 8] ^= 1 << (bit % 8);
            let kept = hold(&data, &format!("{compression} bit {bit}"));
            let trailer = if compression == Compression::Gzip { 8 } else { 4 };
            if bit / 8 >= good.len() - trailer || bit / 8 < 2 {
                assert_eq!(kept, 4, "{compression} bit {bit}: header and trailer hold no record");
            }
        }
        for cut in 1..good.len() {
            hold(&good[..cut], &format!("{compression} cut at {cut}"));
        }
    }
}

#[test]
fn gzip_members_behind_a_damaged_one_are_saved() {
    let dir = folder();
    let all = rough(6);
    let members: Vec<Vec<u8>> = all.chunks(2).map(|two| shard(two, Compression::Gzip)).collect();
    let good = members.concat();
    let (report, output) = mend(dir.path(), &good);
    assert_eq!((report.records, report.has_lost(), output), (6, false, good.clone()));
    let others = |member: usize| {
        let mut others = all.clone();
        others.drain(2 * member..2 * member + 2);
        others
    };
    let begins: Vec<usize> = (0..4).map(|m| members[..m].concat().len()).collect();
    for bit in 0..good.len() * 8 {
        let mut data = good.clone();
        data[bit / 8] ^= 1 << (bit % 8);
        let member = begins.iter().rposition(|&b| b <= bit / 8).unwrap();
        let (report, output) = mend(dir.path(), &data);
        let kept = read(&output);
        assert!(is_part(&kept, &all) && is_part(&others(member), &kept), "bit {bit}: {:?}", report.lost);
        assert_eq!(report.has_lost(), check(&dir.path().join("a.tfrecord")).has_errors(), "bit {bit}");
    }
    // Bytes between members, and a member that is cut.
    let data = [&good[..begins[1]], b"something else", &good[begins[1]..]].concat();
    let (report, output) = mend(dir.path(), &data);
    assert_eq!((report.lost.len(), report.lost_bytes, read(&output)), (1, 14, all.clone()));
    let data = [&good[..begins[2] - 20], &good[begins[2]..]].concat();
    let (_, output) = mend(dir.path(), &data);
    assert!(is_part(&others(1), &read(&output)));
}

#[test]
fn whole_records_missing_or_doubled_are_found_by_what_counts_them() {
    let dir = folder();
    let path = dir.path().join("a.tfrecord");
    let frames = frames(&payloads(false));
    fs::write(&path, frames.concat()).unwrap();
    tfrkit::inspect::index(&resolve(&[text(&path)]).unwrap().sets, &Job::default()).unwrap();
    assert_eq!(check(&path).findings, []);
    for record in 0..frames.len() {
        for times in [0, 2] {
            let mut changed = frames.clone();
            changed[record] = frames[record].repeat(times);
            fs::write(&path, changed.concat()).unwrap();
            let report = check(&path);
            assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Index]);
            let options = ValidateOptions { duplicates: true, ..Default::default() };
            let report = validate(&resolve(&[text(&path)]).unwrap(), &options, &Job::default()).unwrap();
            let doubled = report.findings.iter().filter(|f| f.kind == FindingKind::Duplicate).map(|f| f.record);
            assert_eq!(doubled.collect::<Vec<_>>(), if times == 2 { vec![Some(record as u64 + 1)] } else { vec![] });
            // Nothing is damaged, so there is nothing to repair.
            assert!(!mend(dir.path(), &changed.concat()).0.has_lost());
        }
    }
}

#[test]
fn the_command_names_what_is_lost_and_refuses_to_overwrite() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let (a, b, out) = (at("a-00000-of-00002.tfrecord"), at("a-00001-of-00002.tfrecord"), at("out"));
    let good = shard(&payloads(false), Compression::None);
    let mut bad = good.clone();
    bad[14] ^= 1;
    fs::write(&a, &good).unwrap();
    fs::write(&b, &bad).unwrap();
    let (code, json) = tfr_json(&["repair", text(&a), "-o", text(&at("copy"))]);
    assert_eq!((code, &json["records"], &json["lost"]), (0, &6.into(), &serde_json::json!([])));
    assert_eq!(fs::read(at("copy")).unwrap(), good);
    let (code, json) = tfr_json(&["repair", text(dir.path()), "-o", text(&out)]);
    assert_eq!((code, &json["records"]), (1, &11.into()));
    let lost = &json["lost"][0];
    assert_eq!(
        (&lost["offset"], &lost["kind"], lost["path"].as_str()),
        (&0.into(), &"data_crc".into(), Some(text(&b)))
    );
    assert!(lost["reason"].as_str().unwrap().contains("CRC"), "{lost}");
    assert_eq!(common::names(&out), ["a-00000-of-00002.tfrecord", "a-00001-of-00002.tfrecord"]);
    // Over the input, over another file, into a folder where the names are taken; and no output named.
    for to in [&a, &b, &out] {
        let (code, json) = tfr_json(&["repair", text(&a), "-o", text(to)]);
        assert_eq!((code, &json["error"]["kind"]), (2, &"usage".into()), "{json}");
        assert!(json["error"]["message"].as_str().unwrap().contains("overwrites nothing"), "{json}");
    }
    assert_eq!(tfr_json(&["repair", text(&a)]).0, 2);
    assert_eq!(tfr_json(&["repair", text(&a), "-o", text(&at("no/such/file"))]).0, 3);
    assert_eq!((fs::read(&a).unwrap(), fs::read(&b).unwrap()), (good.clone(), bad.clone()));
    // Read and not mapped, out of a pipe, and into another compression: the same records.
    for (extra, name) in [(&["--io", "read"][..], "read"), (&["--compression", "gzip"], "gz"), (&[], "pipe")] {
        let (from, to) = (if name == "pipe" { "-" } else { text(&b) }, at(name));
        let run = tfr().args(["repair", from, "-o", text(&to)]).args(extra).write_stdin(bad.clone()).output().unwrap();
        assert_eq!(run.status.code(), Some(1), "{name}");
        assert_eq!(read(&fs::read(&to).unwrap()), payloads(false)[1..], "{name}");
    }
    let input =
        repair_stream(&bad[..], dir.path(), &RepairOptions::default(), &Job { io: Io::Read, ..Default::default() });
    assert_eq!(input.unwrap_err().kind_name(), "usage");
    let left: Vec<String> = common::names(dir.path()).into_iter().filter(|n| n.starts_with('.')).collect();
    assert_eq!(left, [""; 0]);
}
