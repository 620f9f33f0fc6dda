//! Shards that TensorFlow wrote are read right: by stream, by map, by view and by message.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use prost::Message;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tfrkit::example::proto::{self, feature};
use tfrkit::example::{Example, ExampleView, FeatureView, Kind, SequenceExample};
use tfrkit::record::{Io, ReadOptions, Reader, Record, RecordSource, masked_crc};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tfrecord")
}

fn expected() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(dir().join("expected.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(json["files"].clone()).unwrap()
}

/// The records that a file should hold; some files share those of another.
fn records_of(files: &BTreeMap<String, Value>, name: &str) -> Vec<Value> {
    match &files[name]["records"] {
        Value::String(other) => records_of(files, other),
        list => list.as_array().unwrap().clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes_json(bytes: &[u8], expected: &Value) -> Value {
    match expected.get("sha256") {
        Some(_) => serde_json::json!({"len": bytes.len(), "sha256": hex(&Sha256::digest(bytes))}),
        None => serde_json::json!({"hex": hex(bytes)}),
    }
}

fn view_json(feature: &FeatureView<'_>, expected: &Value) -> Value {
    match feature.kind() {
        Kind::Bytes => {
            let none = Vec::new();
            let wanted = expected["values"].as_array().unwrap_or(&none);
            let values: Vec<&[u8]> = feature.bytes().unwrap().collect::<Result<_, _>>().unwrap();
            let values: Vec<Value> =
                values.iter().enumerate().map(|(i, v)| bytes_json(v, wanted.get(i).unwrap_or(&Value::Null))).collect();
            serde_json::json!({"kind": "bytes", "values": values})
        }
        Kind::Float => {
            let bits: Vec<u32> = feature.floats().unwrap().map(|v| v.unwrap().to_bits()).collect();
            serde_json::json!({"kind": "float", "bits": bits})
        }
        Kind::Int64 => {
            let values: Vec<i64> = feature.int64s().unwrap().map(|v| v.unwrap()).collect();
            serde_json::json!({"kind": "int64", "values": values})
        }
    }
}

fn message_json(feature: &proto::Feature, expected: &Value) -> Value {
    match &feature.kind {
        None => serde_json::json!({"kind": null}),
        Some(feature::Kind::BytesList(list)) => {
            let none = Vec::new();
            let wanted = expected["values"].as_array().unwrap_or(&none);
            let values: Vec<Value> = (list.value.iter().enumerate())
                .map(|(i, v)| bytes_json(v, wanted.get(i).unwrap_or(&Value::Null)))
                .collect();
            serde_json::json!({"kind": "bytes", "values": values})
        }
        Some(feature::Kind::FloatList(list)) => {
            serde_json::json!({"kind": "float", "bits": list.value.iter().map(|v| v.to_bits()).collect::<Vec<_>>()})
        }
        Some(feature::Kind::Int64List(list)) => serde_json::json!({"kind": "int64", "values": list.value}),
    }
}

fn stream(name: &str) -> Vec<Record> {
    let path = dir().join(name);
    let reader = Reader::new(File::open(&path).unwrap()).unwrap();
    reader.into_records().collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_record_is_where_tensorflow_put_it() {
    let files = expected();
    assert!(files.len() >= 19);
    for (name, file) in &files {
        let wanted = records_of(&files, name);
        let streamed = stream(name);
        assert_eq!(streamed.len(), wanted.len(), "{name}");
        for (record, wanted) in streamed.iter().zip(&wanted) {
            assert_eq!(record.offset, wanted["offset"].as_u64().unwrap(), "{name}");
            assert_eq!(record.payload.len() as u64, wanted["len"].as_u64().unwrap(), "{name}");
            assert_eq!(format!("{:08x}", masked_crc(&record.payload)), wanted["crc"].as_str().unwrap(), "{name}");
        }
        for io in [Io::Mmap, Io::Read] {
            let mut source = RecordSource::open(dir().join(name), io, ReadOptions::default()).unwrap();
            assert_eq!(source.compression().name(), file["compression"].as_str().unwrap(), "{name}");
            let mut walked = Vec::new();
            while let Some(r) = source.next_record().unwrap() {
                walked.push(Record { index: r.index, offset: r.offset, payload: r.payload.to_vec() });
            }
            assert_eq!(walked, streamed, "{name}");
        }
    }
}

#[test]
fn view_and_message_read_what_protobuf_reads() {
    let files = expected();
    for (name, file) in files.iter().filter(|(_, f)| f["message"] == "example") {
        for (record, wanted) in stream(name).iter().zip(records_of(&files, name)) {
            let wanted: BTreeMap<String, Value> = serde_json::from_value(wanted["features"].clone()).unwrap();
            let at = format!("{name}, record {}", record.index);
            // The view: entry by entry, the last of a name wins.
            let mut viewed: BTreeMap<String, Value> = BTreeMap::new();
            ExampleView::new(&record.payload)
                .for_each(|key, feature| {
                    let expected = wanted.get(key).unwrap_or(&Value::Null);
                    let json = feature.map_or(serde_json::json!({"kind": null}), |f| view_json(&f, expected));
                    viewed.insert(key.to_owned(), json);
                })
                .unwrap();
            let message = Example::decode(&record.payload[..]).unwrap();
            let decoded: BTreeMap<String, Value> = (message.features.unwrap_or_default().feature.iter())
                .map(|(key, f)| (key.clone(), message_json(f, wanted.get(key).unwrap_or(&Value::Null))))
                .collect();
            assert_eq!(decoded, viewed, "{at}");
            // An unknown field inside a map entry: implementations differ, and none may fail.
            if name != "disputed.tfrecord" {
                assert_eq!(viewed, wanted, "{at}");
            }
            // Finding one by its name gives the same.
            for (key, value) in &viewed {
                let found = ExampleView::new(&record.payload).feature(key).unwrap();
                let found = found.map_or(serde_json::json!({"kind": null}), |f| {
                    view_json(&f, wanted.get(key).unwrap_or(&Value::Null))
                });
                assert_eq!(found, *value, "{at}, {key}");
            }
        }
        assert!(file["compression"].is_string());
    }
}

#[test]
fn sequence_examples_are_decoded() {
    let files = expected();
    let wanted = records_of(&files, "sequence.tfrecord");
    for (record, wanted) in stream("sequence.tfrecord").iter().zip(wanted) {
        let message = SequenceExample::decode(&record.payload[..]).unwrap();
        for (key, feature) in message.context.unwrap_or_default().feature {
            assert_eq!(message_json(&feature, &wanted["context"][&key]), wanted["context"][&key]);
        }
        let lists = message.feature_lists.unwrap_or_default().feature_list;
        assert_eq!(lists.len(), wanted["feature_lists"].as_object().map_or(0, |o| o.len()));
        for (key, list) in lists {
            let steps = wanted["feature_lists"][&key].as_array().unwrap();
            assert_eq!(list.feature.len(), steps.len());
            for (feature, wanted) in list.feature.iter().zip(steps) {
                assert_eq!(message_json(feature, wanted), *wanted);
            }
        }
    }
}

#[test]
fn what_we_write_is_what_tensorflow_wrote() {
    for name in ["plain.tfrecord", "looks_gzip.tfrecord", "raw.tfrecord"] {
        let mut writer = tfrkit::record::Writer::new(Vec::new());
        for record in stream(name) {
            writer.write(&record.payload).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), std::fs::read(dir().join(name)).unwrap(), "{name}");
    }
}
