//! What `info`, `cat` and `validate` with decoding say about sets of shards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use prost::Message;
use serde_json::{Value, json};
use tfrkit::Job;
use tfrkit::dataset::{ShardSet, resolve};
use tfrkit::example::{Example, ExampleBuilder, SequenceExample, proto};
use tfrkit::image::{ImageBuf, Shape, encode_jpeg, encode_png};
use tfrkit::inspect::{
    CatOptions, FindingKind, MessageType, ValidateOptions, cat, cat_stream, info, info_stream, validate,
    validate_stream,
};
use tfrkit::record::{Compression, Io, Writer};

fn shard(payloads: &[Vec<u8>], compression: Compression) -> Vec<u8> {
    let mut writer = Writer::with_compression(Vec::new(), compression);
    for payload in payloads {
        writer.write(payload).unwrap();
    }
    writer.finish().unwrap()
}

fn jpeg() -> Vec<u8> {
    encode_jpeg(&ImageBuf::from_pixels(Shape::new(4, 6, 3), vec![99; 72]).unwrap(), 90).unwrap()
}

fn examples(count: usize) -> Vec<Vec<u8>> {
    let image = jpeg();
    let example = |i: usize| {
        let e = ExampleBuilder::new().bytes("image/encoded", &image).int64("image/class/label", i as i64 % 3);
        let e = e.int64s("boxes", (0..i as i64 % 4).collect::<Vec<_>>());
        if i.is_multiple_of(2) { e.text("note", "even") } else { e }.encode()
    };
    (0..count).map(example).collect()
}

fn sequence() -> Vec<u8> {
    let context = Example::decode(&ExampleBuilder::new().text("id", "a").encode()[..]).unwrap().features;
    let step = |n: i64| Example::decode(&ExampleBuilder::new().int64("s", n).encode()[..]).unwrap();
    let feature = (0..3).map(|n| step(n).features.unwrap().feature.remove("s").unwrap()).collect();
    let lists = [("steps".to_owned(), proto::FeatureList { feature })].into();
    SequenceExample { context, feature_lists: Some(proto::FeatureLists { feature_list: lists }) }.encode_to_vec()
}

fn sets(dir: &Path) -> Vec<ShardSet> {
    resolve(&[dir.to_str().unwrap()]).unwrap().complete().unwrap()
}

#[test]
fn info_has_the_fields_that_the_contract_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train-00000-of-00001.tfrecord");
    fs::write(&path, shard(&examples(1500), Compression::None)).unwrap();
    fs::write(dir.path().join("val.tfrecord.gz"), shard(&examples(10), Compression::Gzip)).unwrap();
    let found = info(&sets(dir.path()), false, &Job::default()).unwrap();
    let value = serde_json::to_value(&found).unwrap();
    assert_eq!(
        (&value["records"], &value["sampled"], &value["sampled_records"]),
        (&json!(1510), &json!(true), &json!(1010))
    );
    assert_eq!(value["message"], "Example");
    let bytes = fs::metadata(&path).unwrap().len();
    assert_eq!(
        value["shards"][0],
        json!({"path": path.to_str(), "set": "train", "records": 1500, "bytes": bytes, "compression": "none"})
    );
    assert_eq!(value["shards"][1]["compression"], "gzip");
    assert_eq!(value["sets"]["val"]["records"], 10);
    let length = jpeg().len();
    assert_eq!(
        value["features"]["image/encoded"],
        json!({
            "kind": "bytes", "presence": 1.0, "min_len": 1, "max_len": 1,
            "min_bytes": length, "max_bytes": length, "content": "JPEG 4x6"
        })
    );
    let note = &value["features"]["note"];
    assert_eq!((&note["presence"], &note["content"], &note["max_bytes"]), (&json!(0.5), &json!("text"), &json!(4)));
    let boxes = &value["features"]["boxes"];
    assert_eq!((&boxes["kind"], &boxes["min_len"], &boxes["max_len"]), (&json!("int64"), &json!(0), &json!(3)));
    assert_eq!(boxes["min_bytes"], Value::Null);
    // The same whatever the threads and the way of reading; and not sampled when full.
    for (threads, io) in [(1, Io::Read), (5, Io::Mmap)] {
        let options = Job { threads, io, ..Default::default() };
        assert_eq!(info(&sets(dir.path()), false, &options).unwrap(), found);
    }
    assert!(!info(&sets(dir.path()), true, &Job::default()).unwrap().sampled);
}

#[test]
fn info_tells_messages_apart_and_names_the_damaged_shard() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("raw.tfrecord"), shard(&[b"hello world".to_vec()], Compression::None)).unwrap();
    fs::write(dir.path().join("seq.tfrecord"), shard(&vec![sequence(); 2], Compression::None)).unwrap();
    let value = serde_json::to_value(info(&sets(dir.path()), false, &Job::default()).unwrap()).unwrap();
    assert_eq!(value["message"], Value::Null);
    assert_eq!(
        (&value["sets"]["raw"]["message"], &value["sets"]["seq"]["message"]),
        (&json!("raw"), &json!("SequenceExample"))
    );
    let steps = &value["feature_lists"]["steps"];
    assert_eq!((&steps["kind"], &steps["max_len"]), (&json!("int64"), &json!(3)));
    let path = dir.path().join("seq.tfrecord");
    let data = fs::read(&path).unwrap();
    fs::write(&path, &data[..data.len() - 3]).unwrap();
    let error = info(&sets(dir.path()), false, &Job::default()).unwrap_err();
    assert_eq!((error.kind_name(), error.location().record), ("truncated", Some(1)));
    assert_eq!(error.location().path.as_deref(), Some(path.as_path()));
}

#[test]
fn streams_are_shards_without_a_name() {
    let data = shard(&examples(20), Compression::Zlib);
    let options = Job::default();
    let found = info_stream(Box::new(Cursor::new(data.clone())), false, &options).unwrap();
    assert_eq!((found.records, found.bytes, found.shards[0].set.as_str()), (20, data.len() as u64, "-"));
    let mut seen = Vec::new();
    let window = CatOptions { skip: 18, limit: Some(5), ..Default::default() };
    cat_stream(Box::new(Cursor::new(data)), window, &options, &mut |r| {
        seen.push((r.record, r.path.to_owned()));
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, [(18, "-".into()), (19, "-".into())]);
}

#[test]
fn feature_lists_have_one_kind_as_features_do() {
    let step = |kind| proto::Feature { kind: Some(kind) };
    let int = || step(proto::feature::Kind::Int64List(proto::Int64List { value: vec![1] }));
    let float = || step(proto::feature::Kind::FloatList(proto::FloatList { value: vec![1.0] }));
    let of = |feature| {
        let lists = [("s".to_owned(), proto::FeatureList { feature })].into();
        SequenceExample { context: None, feature_lists: Some(proto::FeatureLists { feature_list: lists }) }
            .encode_to_vec()
    };
    let records = [of(vec![int()]), of(vec![int(), float()]), of(vec![int(), int()]), of(vec![float()]), of(vec![])];
    let input = Box::new(Cursor::new(shard(&records, Compression::None)));
    let report = validate_stream(input, &ValidateOptions::default(), &Job::default()).unwrap();
    let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.record)).collect();
    assert_eq!(found, [(FindingKind::KindMixed, Some(1)), (FindingKind::KindMixed, Some(3))]);
}

#[test]
fn examples_among_sequence_examples_are_a_finding_and_so_the_other_way() {
    let check = |records: &[Vec<u8>]| {
        let input = Box::new(Cursor::new(shard(records, Compression::None)));
        validate_stream(input, &ValidateOptions::default(), &Job::default()).unwrap()
    };
    let example = ExampleBuilder::new().text("id", "b").encode();
    let of = |pattern: &str| -> Vec<Vec<u8>> {
        pattern.chars().map(|c| if c == 's' { sequence() } else { example.clone() }).collect()
    };
    assert_eq!((check(&of("eee")).findings_total, check(&of("sss")).findings_total), (0, 0));
    let (lists, none) = ("SequenceExample (with feature lists)", "Example (without feature lists)");
    // Also where all the records that tell what the set holds are of one kind.
    let late = format!("{}s", "e".repeat(40));
    for (pattern, record, rare, usual, counts) in [
        ("ese", 1, lists, none, ["1 record", "2 records"]),
        ("sses", 2, none, lists, ["1 record", "3 records"]),
        ("sese", 1, none, lists, ["2 records", "2 records"]),
        (&late, 40, lists, none, ["1 record", "40 records"]),
    ] {
        let report = check(&of(pattern));
        let [found] = &report.findings[..] else { panic!("{pattern}: {:?}", report.findings) };
        assert_eq!((found.kind, found.record), (FindingKind::KindMixed, Some(record)), "{pattern}");
        let [few, most] = counts;
        assert_eq!(
            found.detail,
            format!("the message is {rare} in {few} of the set, first in this one, and {usual} in {most}")
        );
        assert!(report.has_errors());
    }
}

#[test]
fn cat_gives_every_form_of_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let payloads = [examples(3), vec![b"\xffraw".to_vec(), sequence()]].concat();
    fs::write(&path, shard(&payloads, Compression::None)).unwrap();
    let (mut lines, mut only, mut images) = (Vec::new(), Vec::new(), BTreeMap::new());
    let shown = cat(&sets(dir.path()), CatOptions::default(), &Job::default(), &mut |r| {
        lines.push(serde_json::to_value(r.shown()).unwrap());
        if r.record < 3 {
            images.insert(r.record, r.values("image/encoded")?);
            assert!(r.values("missing")?.is_empty());
            assert_eq!(r.values("boxes").unwrap_err().kind_name(), "schema");
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(shown, 5);
    let options = CatOptions { features: vec!["image/class/label".into(), "steps".into()], ..Default::default() };
    cat(&sets(dir.path()), options, &Job::default(), &mut |r| {
        only.push(serde_json::to_value(r.shown()).unwrap());
        Ok(())
    })
    .unwrap();
    assert_eq!((&lines[1]["record"], &lines[1]["bytes"]), (&json!(1), &json!(payloads[1].len())));
    assert_eq!(lines[1]["offset"], 16 + payloads[0].len());
    assert_eq!(lines[0]["features"]["image/encoded"]["bytes"][0]["type"], "JPEG 4x6");
    assert_eq!(lines[2]["features"]["note"]["bytes"][0], "even");
    assert_eq!(only[2]["features"], json!({"image/class/label": {"int64": [2]}}));
    assert_eq!((&only[4]["features"], &only[4]["feature_lists"]), (&json!({}), &lines[4]["feature_lists"]));
    assert_eq!((&lines[3]["raw"]["bytes"], &lines[3]["features"]), (&json!(4), &Value::Null));
    assert_eq!(lines[4]["features"], json!({"id": {"bytes": ["a"]}}));
    assert_eq!(lines[4]["feature_lists"]["steps"][2], json!({"int64": [2]}));
    assert_eq!(images[&2], [jpeg()]);
}

#[test]
fn decoding_finds_what_the_frames_cannot_show() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let mut payloads = examples(20);
    let cut = jpeg();
    payloads[7] = ExampleBuilder::new().bytes("image/encoded", &cut[..cut.len() - 2]).encode();
    let png = encode_png(&ImageBuf::from_pixels(Shape::new(2, 2, 3), vec![0; 12]).unwrap()).unwrap();
    payloads[9] = ExampleBuilder::new().bytes("image/encoded", &png).int64("image/width", 3).encode();
    fs::write(&path, shard(&payloads, Compression::None)).unwrap();
    let sets = resolve(&[path.to_str().unwrap()]).unwrap();
    let run = |decode, threads| {
        let options = Job { threads, ..Default::default() };
        validate(&sets, &ValidateOptions { decode, ..Default::default() }, &options).unwrap()
    };
    assert_eq!(run(false, 1).findings_total, 0);
    let report = run(true, 2);
    let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.record)).collect();
    assert_eq!(found, [(FindingKind::Image, Some(7)), (FindingKind::Shape, Some(9))]);
    assert_eq!(run(true, 1).findings, report.findings);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["shards"], &json["records"], &json["findings_total"]), (&json!(1), &json!(20), &json!(2)));
    assert_eq!(json["findings"][0]["severity"], "error");
    // Nothing to decode is said, not passed over.
    let none = shard(&[ExampleBuilder::new().int64("n", 1).encode()], Compression::None);
    let options = ValidateOptions { decode: true, ..Default::default() };
    fs::write(&path, &none).unwrap();
    let report = validate(&sets, &options, &Job::default()).unwrap();
    assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [FindingKind::Image]);
    assert!(!report.has_errors());
    let report = validate_stream(Box::new(Cursor::new(none)), &options, &Job::default()).unwrap();
    assert_eq!(report.findings_total, 1);
}

#[test]
fn labels_are_held_against_the_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    fs::write(&path, shard(&examples(6), Compression::None)).unwrap();
    let entry = json!({
        "path": "a.tfrecord", "records": 6, "bytes": fs::metadata(&path).unwrap().len(),
        "fingerprint": tfrkit::dataset::fingerprint(&path).unwrap()
    });
    let set = json!({"plan": "", "seed": 0, "records": 6, "shards": [entry]});
    let manifest = json!({"version": 1, "sets": {"a": set}, "classes": ["x", "y"]});
    fs::write(dir.path().join("manifest.json"), manifest.to_string()).unwrap();
    let sets = resolve(&[path.to_str().unwrap()]).unwrap();
    let options = ValidateOptions { decode: true, ..Default::default() };
    let report = validate(&sets, &options, &Job::default()).unwrap();
    let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.record)).collect();
    assert_eq!(found, [(FindingKind::Label, Some(2)), (FindingKind::Label, Some(5))]);
}

#[test]
fn progress_reaches_its_end_and_an_interruption_stops_every_job() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.tfrecord"), shard(&examples(100), Compression::None)).unwrap();
    fs::write(dir.path().join("b.tfrecord.gz"), shard(&examples(100), Compression::Gzip)).unwrap();
    let resolved = resolve(&[dir.path().to_str().unwrap()]).unwrap();
    let last = Mutex::new((0, 0));
    let see = |done: u64, total: u64| {
        let mut last = last.lock().unwrap();
        *last = (done.max(last.0), total);
    };
    let options = Job { on_progress: Some(&see), ..Default::default() };
    let end = || {
        let (done, total) = std::mem::take(&mut *last.lock().unwrap());
        assert!(total > 0 && done == total, "{done} of {total}");
    };
    validate(&resolved, &ValidateOptions::default(), &options).unwrap();
    end();
    info(&resolved.sets, false, &options).unwrap();
    end();
    cat(&resolved.sets, CatOptions::default(), &options, &mut |_| Ok(())).unwrap();
    end();
    let stop = AtomicBool::new(true);
    let options = Job { stop: Some(&stop), ..Default::default() };
    let errors = [
        validate(&resolved, &ValidateOptions::default(), &options).unwrap_err(),
        info(&resolved.sets, false, &options).unwrap_err(),
        cat(&resolved.sets, CatOptions::default(), &options, &mut |_| Ok(())).unwrap_err(),
    ];
    assert!(errors.iter().all(|e| e.kind_name() == "interrupted"));
}

#[test]
fn shards_that_tensorflow_wrote_are_whole_and_told_apart() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord");
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(".tfrecord") {
            continue;
        }
        let sets = resolve(&[path.to_str().unwrap()]).unwrap();
        let report = validate(&sets, &ValidateOptions::default(), &Job::default()).unwrap();
        let found = info(&sets.sets, true, &Job::default()).unwrap();
        assert_eq!(report.records, found.records, "{name}");
        let kinds: Vec<&str> = report.findings.iter().map(|f| f.kind.name()).collect();
        let (message, expected): (_, &[&str]) = match &name[..] {
            "raw.tfrecord" => (Some(MessageType::Raw), &["proto"]),
            "sequence.tfrecord" => (Some(MessageType::SequenceExample), &[]),
            "sequence_columns.tfrecord" => (Some(MessageType::SequenceExample), &["kind_mixed"; 3]),
            empty if empty.starts_with("empty") => (None, &[]),
            // Their point is to give one name several kinds.
            "duplicate_keys.tfrecord" | "merged.tfrecord" | "columns.tfrecord" => {
                (Some(MessageType::Example), &["kind_mixed", "kind_mixed"])
            }
            _ => (Some(MessageType::Example), &[]),
        };
        assert_eq!((found.message, &kinds[..]), (message, expected), "{name}");
    }
}

/// A shard of 3,000 records of 20 to 40 bytes, record n being the label n.
fn labels(path: &Path) -> u64 {
    let records: Vec<_> = (0..3000).map(|i| ExampleBuilder::new().int64("label", i).encode()).collect();
    fs::write(path, shard(&records, Compression::None)).unwrap();
    fs::metadata(path).unwrap().len()
}

fn first_labels(dir: &Path, skip: u64, io: Io) -> Vec<i64> {
    let mut seen = Vec::new();
    cat(
        &sets(dir),
        CatOptions { skip, limit: Some(2), ..Default::default() },
        &Job { io, ..Default::default() },
        &mut |r| {
            let json = serde_json::to_value(r.shown()).unwrap();
            assert_eq!(json["record"], json["features"]["label"]["int64"][0]);
            seen.push(json["record"].as_i64().unwrap());
            Ok(())
        },
    )
    .unwrap();
    seen
}

#[test]
fn what_is_skipped_is_not_read_where_an_index_or_the_manifest_knows_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let paths = [0, 1].map(|i| dir.path().join(format!("a-{i:05}-of-00002.tfrecord")));
    for path in &paths {
        labels(path);
    }
    let check = |what: &str| {
        for io in [Io::Mmap, Io::Read] {
            for (skip, expected) in
                [(0, vec![0, 1]), (2500, vec![2500, 2501]), (2999, vec![2999, 0]), (3000, vec![0, 1])]
            {
                assert_eq!(first_labels(dir.path(), skip, io), expected, "{what}, skip {skip}, {io:?}");
            }
            assert_eq!(first_labels(dir.path(), 5999, io), [2999], "{what}");
            assert!(first_labels(dir.path(), 6000, io).is_empty(), "{what}");
        }
    };
    check("nothing beside the shards");
    // A damaged payload among what is skipped is not seen through a map, nor is a damaged header with an index.
    let damage = |at: usize| {
        let mut data = fs::read(&paths[0]).unwrap();
        data[at] ^= 1;
        fs::write(&paths[0], data).unwrap();
    };
    damage(13);
    assert_eq!(first_labels(dir.path(), 2500, Io::Mmap), [2500, 2501]);
    tfrkit::inspect::index(&sets(dir.path()), &Job::default()).unwrap();
    damage(13);
    check("an index");
    damage(3);
    for io in [Io::Mmap, Io::Read] {
        assert_eq!(first_labels(dir.path(), 2500, io), [2500, 2501]);
    }
    // An index that takes two records for one, and ends where the shard does, is none either.
    damage(3);
    let idx = tfrkit::dataset::idx_path(&paths[0]);
    let text = fs::read_to_string(&idx).unwrap();
    let spans: Vec<(u64, u64)> = text
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap()))
        .collect();
    let line = |&(offset, size): &(u64, u64)| format!("{offset} {size}\n");
    let lie = |spans: &[(u64, u64)]| fs::write(&idx, spans.iter().map(line).collect::<String>()).unwrap();
    let both = (spans[7].0, spans[7].1 + spans[8].1);
    lie(&[&spans[..7], &[both], &spans[9..]].concat());
    check("an index that takes two records for one");
    let (half, rest) = ((spans[9].0, 12), (spans[9].0 + 12, spans[9].1 - 12));
    lie(&[&spans[..7], &[both, half, rest], &spans[10..]].concat());
    check("an index that has as many records as the shard");
    lie(&spans);
    damage(3);
    // An index that does not fit is none: the damaged header is in the way.
    fs::write(&idx, text.lines().skip(1).collect::<Vec<_>>().join("\n")).unwrap();
    let options = CatOptions { skip: 2500, limit: Some(1), ..Default::default() };
    let error = cat(&sets(dir.path()), options, &Job::default(), &mut |_| Ok(())).unwrap_err();
    assert_eq!((error.kind_name(), error.location().record), ("length_crc", Some(0)));
}

#[test]
fn counts_come_from_the_index_or_from_a_manifest_whose_fingerprint_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let bytes = labels(&path);
    let counted = |full| info(&sets(dir.path()), full, &Job::default()).map(|i| (i.records, i.payload_bytes));
    let exact = counted(false).unwrap();
    assert_eq!((exact.0, counted(true).unwrap()), (3000, exact));
    tfrkit::inspect::index(&sets(dir.path()), &Job::default()).unwrap();
    assert_eq!(counted(false).unwrap(), exact);
    // The headers are not read again: damage in the middle is validate's to find. With --full they are.
    let whole = fs::read(&path).unwrap();
    let spans = tfrkit::dataset::build_index(&path, Io::Auto).unwrap();
    let mut damaged = whole.clone();
    damaged[spans[2000].offset as usize] ^= 1;
    fs::write(&path, &damaged).unwrap();
    assert_eq!(counted(false).unwrap(), exact);
    assert_eq!(counted(true).unwrap_err().kind_name(), "length_crc");
    fs::remove_dir_all(dir.path().join("idx")).unwrap();
    assert_eq!(counted(false).unwrap_err().kind_name(), "length_crc");
    // A manifest counts as long as it is this very file, and a cut one never is.
    let mut entry = json!({"path": "a.tfrecord", "records": 3000, "bytes": bytes,
        "fingerprint": tfrkit::dataset::fingerprint(&path).unwrap()});
    let put = |entry: &Value| {
        let sets = json!({"a": {"plan": "", "seed": 0, "records": 3000, "shards": [entry]}});
        fs::write(dir.path().join("manifest.json"), json!({"version": 1, "sets": sets}).to_string()).unwrap();
    };
    put(&entry);
    assert_eq!(counted(false).unwrap().0, 3000);
    entry["fingerprint"] = json!("0");
    put(&entry);
    assert_eq!(counted(false).unwrap_err().kind_name(), "length_crc");
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    assert_eq!(counted(false).unwrap_err().kind_name(), "truncated");
}
