//! Decoding an Example out of a mapped shard copies no image bytes.

use std::fs::File;

use prost::Message;
use tfrkit::example::proto::feature::Kind;
use tfrkit::example::{Example, ExampleBuilder, ExampleView};
use tfrkit::record::{Shard, Writer};

#[test]
fn image_bytes_stay_in_the_map() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let mut writer = Writer::new(File::create(&path).unwrap());
    for i in 0..3u8 {
        let image = vec![i; 100_000];
        writer.write(&ExampleBuilder::new().bytes("image/encoded", &image).int64("label", 1).encode()).unwrap();
    }
    writer.finish().unwrap();

    let shard = Shard::open(&path).unwrap();
    let map = shard.as_bytes().as_ptr_range();
    for (i, record) in shard.records().enumerate() {
        let record = record.unwrap();
        // By the view.
        let feature = ExampleView::new(record.payload).feature("image/encoded").unwrap().unwrap();
        let image = feature.single_bytes().unwrap();
        assert!(map.contains(&image.as_ptr()) && map.contains(&image[image.len() - 1..].as_ptr()));
        // By the message.
        let example = Example::decode(shard.payload_bytes(record)).unwrap();
        let Some(Kind::BytesList(list)) = &example.features.as_ref().unwrap().feature["image/encoded"].kind else {
            panic!("no bytes list");
        };
        assert_eq!(list.value[0].as_ptr(), image.as_ptr());
        assert_eq!(list.value[0], vec![i as u8; 100_000]);
    }
}

#[test]
fn a_message_outlives_its_shard() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    let mut writer = Writer::new(File::create(&path).unwrap());
    writer.write(&ExampleBuilder::new().bytes("x", b"still here").encode()).unwrap();
    writer.finish().unwrap();
    let example = {
        let shard = Shard::open(&path).unwrap();
        let record = shard.records().next().unwrap().unwrap();
        Example::decode(shard.payload_bytes(record)).unwrap()
    };
    std::fs::remove_file(&path).unwrap();
    let Some(Kind::BytesList(list)) = &example.features.unwrap().feature["x"].kind else { panic!() };
    assert_eq!(&list.value[0][..], b"still here");
}

#[test]
fn an_empty_file_is_a_shard_of_no_records() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord");
    File::create(&path).unwrap();
    assert_eq!(Shard::open(&path).unwrap().records().count(), 0);
}
