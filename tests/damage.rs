//! Damaged shards: every flipped bit and every cut is found, at the right record, without panic and without waste.

use proptest::prelude::*;
use tfrkit::record::{Compression, CrcCheck, OnCorrupt, ReadOptions, Reader, Record, Shard, Writer, frame};
use tfrkit::{Error, ErrorKind};

fn shard(payloads: &[Vec<u8>], compression: Compression) -> (Vec<u8>, Vec<u64>) {
    let mut writer = Writer::with_compression(Vec::new(), compression);
    let offsets = payloads.iter().map(|p| writer.write(p).unwrap()).collect();
    (writer.finish().unwrap(), offsets)
}

fn ten() -> (Vec<u8>, Vec<u64>) {
    let payloads: Vec<Vec<u8>> = (0..10u8).map(|i| vec![i.wrapping_mul(37); usize::from(i) + 1]).collect();
    shard(&payloads, Compression::None)
}

fn first_error<T>(results: impl Iterator<Item = Result<T, Error>>) -> Option<Error> {
    results.filter_map(Result::err).next()
}

/// Both readers, since they share the codec but not the walk.
fn errors(data: &[u8]) -> [Option<Error>; 2] {
    let shard = Shard::from_bytes(data.to_vec());
    let mapped = first_error(shard.records());
    let streamed = match Reader::new(data) {
        Ok(reader) => first_error(reader.into_records()),
        Err(e) => Some(e),
    };
    [mapped, streamed]
}

#[test]
fn every_flipped_bit_is_reported_at_its_record() {
    let (whole, offsets) = ten();
    for bit in 0..whole.len() * 8 {
        let mut data = whole.clone();
        data[bit / 8] ^= 1 << (bit % 8);
        let record = offsets.partition_point(|o| *o <= (bit / 8) as u64) - 1;
        let kind = if (bit / 8) as u64 - offsets[record] < 12 { "length_crc" } else { "data_crc" };
        for error in errors(&data) {
            let error = error.unwrap_or_else(|| panic!("bit {bit} was not noticed"));
            assert_eq!(error.kind_name(), kind, "bit {bit}");
            assert_eq!(error.location().record, Some(record as u64), "bit {bit}");
            assert_eq!(error.location().offset, Some(offsets[record]), "bit {bit}");
        }
    }
}

#[test]
fn every_cut_is_reported_at_its_record() {
    let (whole, offsets) = ten();
    for cut in 0..whole.len() {
        let boundary = offsets.contains(&(cut as u64));
        let record = offsets.partition_point(|o| *o <= cut as u64) - 1;
        for error in errors(&whole[..cut]) {
            if boundary {
                assert!(error.is_none(), "cut at {cut}, between records");
                continue;
            }
            let error = error.unwrap_or_else(|| panic!("the cut at {cut} was not noticed"));
            assert_eq!(error.kind_name(), "truncated", "cut at {cut}");
            assert_eq!(error.location().record, Some(record as u64), "cut at {cut}");
            assert_eq!(error.location().offset, Some(offsets[record]), "cut at {cut}");
        }
    }
}

#[test]
fn a_length_of_2_to_the_63_is_refused_at_once() {
    let mut data = ten().0;
    data.extend_from_slice(&frame::encode_header(1 << 63));
    data.extend_from_slice(&[0; 64]);
    for error in errors(&data) {
        let error = error.unwrap();
        assert_eq!((error.kind_name(), error.location().record), ("oversized", Some(10)));
        assert!(error.to_string().contains("9223372036854775808"), "{error}");
    }
    // Also where the limit allows it: there are not as many bytes, and none are allocated.
    let options = ReadOptions { max_record_len: u64::MAX, ..Default::default() };
    let mut record = Record::default();
    let mut reader = Reader::with_options(&data[..], options).unwrap();
    let error = loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => panic!("no error"),
            Err(e) => break e,
        }
    };
    assert_eq!(error.kind_name(), "truncated");
    assert!(record.payload.capacity() < 32 << 20);
}

#[test]
fn zeros_behind_a_shard_are_damage_not_the_end() {
    let (mut data, _) = ten();
    data.extend_from_slice(&[0; 512]);
    for error in errors(&data) {
        assert_eq!(error.unwrap().location().record, Some(10));
    }
}

#[test]
fn an_error_keeps_its_parts() {
    let (mut data, offsets) = ten();
    data[offsets[3] as usize + 12] ^= 0x80;
    let error = first_error(Shard::from_bytes(data).with_path("x.tfrecord").records()).unwrap();
    let ErrorKind::Frame(frame::FrameError::DataCrc { stored, computed }) = error.kind() else { panic!("{error:?}") };
    assert_ne!(stored, computed);
    assert_eq!(
        error.to_string(),
        format!(
            "x.tfrecord, record 3, offset {}: the payload's CRC does not match: stored {stored:08x}, computed {computed:08x}",
            offsets[3]
        )
    );
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::None), Just(Compression::Gzip), Just(Compression::Zlib)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        compression in compression(),
    ) {
        let (data, offsets) = shard(&payloads, compression);
        prop_assert_eq!(Compression::detect(&data), if payloads.is_empty() && compression == Compression::None {
            Compression::None
        } else {
            compression
        });
        let read: Vec<Record> = Reader::new(&data[..]).unwrap().into_records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.iter().map(|r| r.payload.clone()).collect::<Vec<_>>(), payloads);
        prop_assert_eq!(read.iter().map(|r| r.offset).collect::<Vec<_>>(), offsets);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_pass_as_more_than_they_are(
        data in prop::collection::vec(any::<u8>(), 0..400),
        crc in prop_oneof![Just(CrcCheck::Full), Just(CrcCheck::Lengths)],
    ) {
        let options = ReadOptions { crc, on_corrupt: OnCorrupt::Continue, ..Default::default() };
        let shard = Shard::from_bytes(data.clone()).with_options(options);
        let bytes: u64 = shard.records().filter_map(Result::ok).map(|r| r.frame_len()).sum();
        prop_assert!(bytes <= data.len() as u64);
        let _ = Reader::with_options(&data[..], options).map(|r| r.into_records().count());
    }

    #[test]
    fn several_flips_never_give_a_wrong_record(
        flips in prop::collection::vec((0usize..195, 0u8..8), 1..6),
    ) {
        let (whole, _) = ten();
        let good: Vec<Vec<u8>> = Shard::from_bytes(whole.clone()).records().map(|r| r.unwrap().payload.to_vec()).collect();
        let mut data = whole;
        for (byte, bit) in flips {
            let at = byte % data.len();
            data[at] ^= 1 << bit;
        }
        let options = ReadOptions { on_corrupt: OnCorrupt::Continue, ..Default::default() };
        for record in Shard::from_bytes(data).with_options(options).records().flatten() {
            prop_assert_eq!(record.payload, &good[record.index as usize][..]);
        }
    }
}
