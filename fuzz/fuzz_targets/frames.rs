//! Frames by every reader: from a slice, from a stream, from a stream of single bytes and interruptions. They must agree on
//! records, offsets and errors, plain and compressed.
#![no_main]

use std::io::{Cursor, Read};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use libfuzzer_sys::fuzz_target;
use tfrkit::record::{
    Compression, CrcCheck, OnCorrupt, ReadOptions, Reader, Record, RecordSource, Shard, Writer, masked_crc,
};
use tfrkit_fuzz::{Noise, Trickle, memory, shard};

type Outcome = Result<Record, String>;

/// What the frames of one script may take: readers hold a record, 8 MiB of step at the most, and their own buffers.
const MOST: usize = 24 << 20;

fuzz_target!(|data: &[u8]| {
    let bytes = shard::build(data);
    let mut noise = Noise::of(data);
    let options = ReadOptions {
        crc: if noise.one_in(4) { CrcCheck::Lengths } else { CrcCheck::Full },
        on_corrupt: if noise.one_in(2) { OnCorrupt::Continue } else { OnCorrupt::Stop },
        max_record_len: if noise.one_in(4) { 1000 } else { ReadOptions::default().max_record_len },
    };
    let ((compression, streamed), held) = memory::peak(|| stream(&bytes[..], options));
    let kept: usize = streamed.iter().flatten().map(|record| record.payload.len() + 100).sum();
    assert!(held < MOST + 2 * kept, "reading held {held} bytes");
    let step = if bytes.len() < 5000 { 1 + noise.below(3) } else { 1 + noise.below(2000) };
    let trickle = Trickle { data: &bytes, step, interrupted: false };
    assert_eq!((compression, streamed.clone()), stream(trickle, options));
    assert_eq!(compression, Compression::detect(&bytes[..bytes.len().min(64 << 10)]));
    let mut source = RecordSource::from_stream(Box::new(Cursor::new(bytes.clone())), None, options).expect("a source");
    assert_eq!(streamed, walk(&mut source));
    match compression {
        Compression::None => assert_eq!(streamed, slice(bytes.clone(), options)),
        _ => against_flate2(&bytes, compression, options, &streamed),
    }
    round_trip(&streamed, &mut noise);
});

fn owned(record: tfrkit::record::RecordRef<'_>) -> Record {
    Record { index: record.index, offset: record.offset, payload: record.payload.to_vec() }
}

fn told(error: tfrkit::Error) -> String {
    assert!(!error.message().is_empty());
    format!("{} {:?} {error}", error.kind_name(), error.location())
}

fn walk(source: &mut RecordSource) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    loop {
        match source.next_record() {
            Ok(Some(record)) => outcomes.push(Ok(owned(record))),
            Ok(None) => return outcomes,
            Err(error) => outcomes.push(Err(told(error))),
        }
    }
}

fn slice(bytes: Vec<u8>, options: ReadOptions) -> Vec<Outcome> {
    let shard = Shard::from_bytes(bytes).with_options(options);
    let outcomes: Vec<Outcome> = shard.records().map(|record| record.map(owned).map_err(told)).collect();
    for record in outcomes.iter().flatten() {
        assert_eq!(shard.record_at(record.index, record.offset).map(owned).map_err(told).as_ref(), Ok(record));
    }
    outcomes
}

fn stream(input: impl Read, options: ReadOptions) -> (Compression, Vec<Outcome>) {
    let mut reader = Reader::with_options(input, options).expect("nothing fails but the data");
    let mut outcomes = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(record)) => outcomes.push(Ok(owned(record))),
            Ok(None) => return (reader.compression(), outcomes),
            Err(error) => outcomes.push(Err(told(error))),
        }
    }
}

/// What another reader of the stream inflates has the same records, up to where either finds damage.
fn against_flate2(bytes: &[u8], compression: Compression, options: ReadOptions, streamed: &[Outcome]) {
    let mut inflated = Vec::new();
    let whole = match compression {
        Compression::Gzip => MultiGzDecoder::new(bytes).read_to_end(&mut inflated),
        _ => ZlibDecoder::new(bytes).read_to_end(&mut inflated),
    };
    let ours: Vec<&Record> = streamed.iter().flatten().collect();
    let plain = slice(inflated, options);
    let theirs: Vec<&Record> = plain.iter().flatten().collect();
    assert!(theirs.starts_with(&ours) || ours.starts_with(&theirs), "other records");
    if streamed.iter().all(Result::is_ok) && whole.is_ok() {
        assert_eq!(streamed, plain);
    }
}

/// What was read is written, in any compression, and read again.
fn round_trip(streamed: &[Outcome], noise: &mut Noise) {
    let compression = [Compression::None, Compression::Gzip, Compression::Zlib][noise.below(3)];
    let mut writer = Writer::with_compression(Vec::new(), compression);
    let payloads: Vec<&[u8]> = streamed.iter().flatten().map(|record| &record.payload[..]).collect();
    for payload in &payloads {
        writer.write(payload).expect("room in memory");
    }
    let bytes = writer.finish().expect("room in memory");
    if compression == Compression::None && !payloads.is_empty() {
        assert_eq!(bytes[bytes.len() - 4..], masked_crc(payloads[payloads.len() - 1]).to_le_bytes());
    }
    let (_, again) = stream(&bytes[..], ReadOptions::default());
    let again: Vec<&[u8]> = again.iter().map(|record| &record.as_ref().expect("a whole record").payload[..]).collect();
    assert_eq!(again, payloads);
}
