//! Validation as an adversary sees it: every bit flipped, every cut made, and side files that lie.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use tfrkit::Job;
use tfrkit::dataset::{ShardWriter, resolve, shard_file_name, write_idx};
use tfrkit::example::ExampleBuilder;
use tfrkit::inspect::{
    Finding, FindingKind, MAX_LISTED, Report, Severity, ValidateOptions, index, validate, validate_stream,
};
use tfrkit::record::{Compression, Io, Writer, frame};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is done to a shard, the three ways of reading it find the same, and none of them panics.
    #[test]
    fn any_damage_is_found_alike_however_it_is_read(
        edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0usize..3), 1..6),
        gzip in any::<bool>(),
    ) {
        let compression = if gzip { Compression::Gzip } else { Compression::None };
        let (mut data, _) = shard_of(&payloads(), compression);
        for (at, byte, what) in edits {
            let at = at.index(data.len().max(1)).min(data.len());
            match what {
                0 if at < data.len() => data[at] = byte,
                1 => data.insert(at, byte),
                _ => data.truncate(at),
            }
        }
        let dir = tempfile::tempdir().unwrap();
        findings(&dir.path().join("a.tfrecord"), &data);
    }
}

/// Ten Examples, small enough to flip every bit of them.
fn payloads() -> Vec<Vec<u8>> {
    (0..10).map(|i| ExampleBuilder::new().int64("n", i).text("t", "x".repeat(i as usize)).encode()).collect()
}

/// The shard, and where each record begins; the last entry is the shard's length.
fn shard_of(payloads: &[Vec<u8>], compression: Compression) -> (Vec<u8>, Vec<usize>) {
    let mut writer = Writer::with_compression(Vec::new(), compression);
    let mut offsets: Vec<usize> = payloads.iter().map(|p| writer.write(p).unwrap() as usize).collect();
    offsets.push(writer.offset() as usize);
    (writer.finish().unwrap(), offsets)
}

fn check(path: &Path, io: Io, threads: usize) -> Report {
    let sets = resolve(&[path.to_str().unwrap()]).unwrap();
    let inspect = Job { io, threads, ..Default::default() };
    validate(&sets, &ValidateOptions::default(), &inspect).unwrap()
}

fn check_stream(data: &[u8]) -> Report {
    let input = Box::new(std::io::Cursor::new(data.to_vec()));
    validate_stream(input, &ValidateOptions::default(), &Job::default()).unwrap()
}

/// The same data mapped, read and streamed: the findings must be the same, names of files aside.
fn findings(path: &Path, data: &[u8]) -> Vec<Finding> {
    fs::write(path, data).unwrap();
    let [mapped, read, streamed] = [check(path, Io::Mmap, 1), check(path, Io::Read, 1), check_stream(data)].map(|r| {
        assert_eq!(r.findings_total, r.findings.len() as u64);
        (r.records, r.findings.into_iter().map(|f| Finding { path: None, ..f }).collect::<Vec<_>>())
    });
    assert_eq!(mapped, read);
    assert_eq!(mapped, streamed);
    mapped.1
}

#[test]
fn every_flipped_bit_is_one_finding_at_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let (whole, offsets) = shard_of(&payloads(), Compression::None);
    assert_eq!(findings(&path, &whole), []);
    for bit in 0..whole.len() * 8 {
        let at = bit / 8;
        let mut data = whole.clone();
        data[at] ^= 1 << (bit % 8);
        let record = offsets.iter().rposition(|&o| o <= at).unwrap();
        let kind = if at - offsets[record] < frame::HEADER_LEN { FindingKind::LengthCrc } else { FindingKind::DataCrc };
        let found = findings(&path, &data);
        assert_eq!(found.len(), 1, "bit {bit}: {found:?}");
        assert_eq!((found[0].kind, found[0].severity), (kind, Severity::Error), "bit {bit}");
        assert_eq!(found[0].record, Some(record as u64), "bit {bit}");
        assert_eq!(found[0].offset, Some(offsets[record] as u64), "bit {bit}");
    }
}

#[test]
fn every_cut_is_one_truncated_record_and_a_cut_between_records_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let (whole, offsets) = shard_of(&payloads(), Compression::None);
    for cut in 0..whole.len() {
        let found = findings(&path, &whole[..cut]);
        if offsets.contains(&cut) {
            assert_eq!(found, [], "cut at {cut}");
            continue;
        }
        let record = offsets.iter().rposition(|&o| o <= cut).unwrap();
        assert_eq!(found.len(), 1, "cut at {cut}: {found:?}");
        assert_eq!(found[0].kind, FindingKind::Truncated, "cut at {cut}");
        assert_eq!((found[0].record, found[0].offset), (Some(record as u64), Some(offsets[record] as u64)));
    }
}

#[test]
fn a_length_of_2_to_the_63_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut data, offsets) = shard_of(&payloads()[..3], Compression::None);
    data.extend_from_slice(&frame::encode_header(1 << 63));
    data.extend_from_slice(b"whatever");
    let found = findings(&dir.path().join("a.tfrecord"), &data);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].offset), (FindingKind::Oversized, Some(offsets[3] as u64)));
    assert!(found[0].detail.contains("nothing behind this place was checked"), "{}", found[0]);
}

#[test]
fn damage_in_compressed_shards_is_found() {
    let dir = tempfile::tempdir().unwrap();
    for compression in [Compression::Gzip, Compression::Zlib] {
        let path = dir.path().join(format!("a.tfrecord{}", compression.extension()));
        let (whole, _) = shard_of(&payloads(), compression);
        assert_eq!(findings(&path, &whole), []);
        let found = findings(&path, &whole[..whole.len() - 5]);
        assert_eq!(found.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Truncated], "{compression}");
        let mut data = whole.clone();
        // Of the checksum or length at the stream's end.
        let at = data.len() - 1;
        data[at] ^= 1;
        let found = findings(&path, &data);
        assert_eq!(found.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Compression], "{compression}");
    }
}

/// A set of two shards with manifest and indexes, as `convert` writes them.
fn converted(dir: &Path) -> Vec<PathBuf> {
    let mut listed = Vec::new();
    let shards: Vec<PathBuf> = (0..2).map(|i| dir.join(shard_file_name("train", i, 2, Compression::None))).collect();
    for path in &shards {
        let mut shard = ShardWriter::create(path, Compression::None).unwrap();
        payloads().iter().for_each(|p| shard.write(p).unwrap());
        let summary = shard.finish().unwrap();
        write_idx(path, &summary.spans).unwrap();
        listed.push(json!({
            "path": path.file_name().unwrap().to_str().unwrap(),
            "records": summary.records,
            "bytes": summary.bytes,
            "fingerprint": summary.fingerprint,
        }));
    }
    let set = json!({"plan": "", "seed": 0, "records": 20, "shards": listed});
    let manifest = json!({"version": 1, "sets": {"train": set}, "classes": ["cat", "dog"]});
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    shards
}

fn kinds(report: &Report) -> Vec<FindingKind> {
    report.findings.iter().map(|f| f.kind).collect()
}

#[test]
fn side_files_are_held_against_whole_shards() {
    let dir = tempfile::tempdir().unwrap();
    let shards = converted(dir.path());
    assert_eq!(kinds(&check(dir.path(), Io::Auto, 2)), []);
    let whole = fs::read(&shards[0]).unwrap();
    let (_, offsets) = shard_of(&payloads(), Compression::None);
    // Cut between records: the frames are whole, the counts are not.
    fs::write(&shards[0], &whole[..offsets[9]]).unwrap();
    let report = check(dir.path(), Io::Auto, 2);
    assert_eq!(kinds(&report), [FindingKind::Count, FindingKind::Index]);
    assert!(report.findings[0].detail.contains("manifest.json says 10 records"), "{}", report.findings[0]);
    // A cut inside a record and a flipped bit say enough by themselves.
    fs::write(&shards[0], &whole[..offsets[9] + 3]).unwrap();
    assert_eq!(kinds(&check(dir.path(), Io::Auto, 2)), [FindingKind::Truncated]);
    let mut flipped = whole.clone();
    flipped[20] ^= 1;
    fs::write(&shards[0], &flipped).unwrap();
    assert_eq!(kinds(&check(dir.path(), Io::Auto, 2)), [FindingKind::DataCrc]);
    // The same lengths, other contents.
    let mut others = payloads();
    others[3] = ExampleBuilder::new().int64("n", 7).text("t", "yyy").encode();
    fs::write(&shards[0], shard_of(&others, Compression::None).0).unwrap();
    let report = check(dir.path(), Io::Auto, 2);
    assert_eq!(kinds(&report), [FindingKind::Count]);
    assert!(!report.has_errors() && report.findings[0].detail.contains("fingerprint"), "{}", report.findings[0]);
    // The same number of records and bytes, other boundaries.
    let mut swapped = payloads();
    swapped.swap(2, 5);
    fs::write(&shards[0], shard_of(&swapped, Compression::None).0).unwrap();
    let report = check(dir.path(), Io::Read, 2);
    assert_eq!(kinds(&report), [FindingKind::Count, FindingKind::Index]);
    assert_eq!(report.findings[1].record, Some(2));
}

#[test]
fn a_missing_shard_and_a_wrong_tfds_length_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let shards = converted(dir.path());
    let info = r#"{"name":"d","splits":[{"name":"train","shardLengths":["10","11"]}]}"#;
    fs::write(dir.path().join("dataset_info.json"), info).unwrap();
    let report = check(dir.path(), Io::Auto, 1);
    assert_eq!(kinds(&report), [FindingKind::Count]);
    assert_eq!(report.findings[0].path.as_deref(), Some(shards[1].as_path()));
    fs::remove_file(&shards[1]).unwrap();
    let report = check(dir.path(), Io::Auto, 1);
    assert_eq!(kinds(&report), [FindingKind::MissingShard]);
    assert!(report.has_errors());
    fs::write(dir.path().join("manifest.json"), "{").unwrap();
    assert_eq!(kinds(&check(dir.path(), Io::Auto, 1)), [FindingKind::MissingShard, FindingKind::Count]);
}

#[test]
fn an_index_made_anew_fits_again() {
    let dir = tempfile::tempdir().unwrap();
    let shards = converted(dir.path());
    let idx = dir.path().join("idx/train-00001-of-00002.idx");
    fs::write(&idx, "0 1\n").unwrap();
    assert_eq!(kinds(&check(dir.path(), Io::Auto, 2)), [FindingKind::Index]);
    let sets = resolve(&[dir.path().to_str().unwrap()]).unwrap().complete().unwrap();
    let indexed = index(&sets, &Job::default()).unwrap();
    assert_eq!((indexed.len(), &indexed[1].path, &indexed[1].idx, indexed[1].records), (2, &shards[1], &idx, 10));
    assert_eq!(kinds(&check(dir.path(), Io::Auto, 2)), []);
}

#[test]
fn foreign_payloads_are_a_warning_a_set_and_a_stray_one_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let raw: Vec<Vec<u8>> = (0..40u8).map(|i| vec![0xff - i; 30]).collect();
    for name in ["part-1.tfrecord", "part-2.tfrecord"] {
        fs::write(dir.path().join(name), shard_of(&raw, Compression::None).0).unwrap();
    }
    let report = check(dir.path(), Io::Auto, 2);
    assert_eq!(kinds(&report), [FindingKind::Proto]);
    assert!(!report.has_errors());
    let mut mixed = payloads();
    mixed.insert(4, b"a stray".to_vec());
    let found = findings(&dir.path().join("part-1.tfrecord"), &shard_of(&mixed, Compression::None).0);
    assert_eq!(found.iter().map(|f| (f.kind, f.record)).collect::<Vec<_>>(), [(FindingKind::Proto, Some(4))]);
    assert_eq!(found[0].severity, Severity::Error);
}

#[test]
fn a_feature_of_two_kinds_is_found_across_shards() {
    let dir = tempfile::tempdir().unwrap();
    for (i, last) in [ExampleBuilder::new().int64("n", 1), ExampleBuilder::new().float("n", 1.0)].iter().enumerate() {
        let mut all = payloads();
        all.push(last.encode());
        fs::write(dir.path().join(format!("p-{i}.tfrecord")), shard_of(&all, Compression::None).0).unwrap();
    }
    for threads in [1, 4] {
        let report = check(dir.path(), Io::Auto, threads);
        assert_eq!(kinds(&report), [FindingKind::KindMixed]);
        let finding = &report.findings[0];
        assert_eq!((finding.record, finding.path.clone()), (Some(10), Some(dir.path().join("p-1.tfrecord"))));
        assert!(finding.detail.contains("int64 in 21 records"), "{finding}");
    }
}

#[test]
fn findings_beyond_a_thousand_are_counted_and_the_first_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    for s in 0..3 {
        let (mut data, offsets) = shard_of(&vec![vec![0x0a, 0]; 9000], Compression::None);
        (0..offsets.len() - 1).filter(|i| i % 10 == s).for_each(|i| data[offsets[i] + 12] ^= 1);
        fs::write(dir.path().join(format!("p-{s}.tfrecord")), data).unwrap();
    }
    let all: Vec<Report> = [1, 2, 5].iter().map(|&threads| check(dir.path(), Io::Auto, threads)).collect();
    assert_eq!((all[0].findings_total, all[0].findings.len(), all[0].records), (2700, MAX_LISTED, 27_000));
    assert_eq!(all[0].findings[900].path, Some(dir.path().join("p-1.tfrecord")));
    assert_eq!(all[0].findings[900].record, Some(1));
    assert!(all.iter().all(|r| r.findings == all[0].findings));
}

#[test]
fn findings_that_say_the_same_are_a_line_and_json_has_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let mut writer = Writer::new(fs::File::create(&path).unwrap());
    for i in 0..2003i64 {
        let example = if i < 3 { ExampleBuilder::new().int64("label", i) } else { ExampleBuilder::new().int64("n", i) };
        writer.write(&example.encode()).unwrap();
    }
    writer.finish().unwrap();
    let schema = dir.path().join("schema.json");
    let text =
        r#"{"version": 1, "message": "Example", "features": {"label": {"kind": "int64", "required": true, "max": 0}}}"#;
    fs::write(&schema, text).unwrap();
    let args = ["validate", path.to_str().unwrap(), "--schema", schema.to_str().unwrap()];
    let output = common::tfr().args(args).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines.len(), 5, "{said}");
    let place = |record: u64| format!("first in {}, record {record}, offset ", path.display());
    assert!(lines[0].starts_with(&format!("error schema: in 2 records, not all alike, {}", place(1))), "{said}");
    assert!(lines[1].starts_with(&format!("error schema: in 2000 records, {}", place(3))), "{said}");
    assert!(lines[1].ends_with(": feature 'label' is missing"), "{said}");
    assert!(lines[2].starts_with("warning schema: ") && lines[3].contains("--json"), "{said}");
    let (_, json) = common::tfr_json(&args);
    assert_eq!((&json["findings_total"], json["findings"].as_array().unwrap().len()), (&json!(2003), MAX_LISTED));
    let group = &json["groups"][1];
    assert_eq!((&group["findings"], &group["records"], &group["alike"]), (&json!(2000), &json!(2000), &json!(true)));
    assert_eq!((&group["first"]["record"], &group["first"]["kind"]), (&json!(3), &json!("schema")));
}
