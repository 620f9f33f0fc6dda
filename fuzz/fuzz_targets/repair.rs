//! Repair: what it writes is whole, what it kept and what it lost cover every byte, what it kept is what was there, and a
//! second repair finds nothing.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tfrkit::Job;
use tfrkit::inspect::{RepairOptions, RepairReport, repair_stream};
use tfrkit::record::{Compression, Reader, Record};
use tfrkit_fuzz::{Noise, scratch, shard};

fuzz_target!(|data: &[u8]| {
    let bytes = shard::build(data);
    let mut noise = Noise::of(data);
    let compression = match noise.below(4) {
        0 => Some([Compression::None, Compression::Gzip, Compression::Zlib][noise.below(3)]),
        _ => None,
    };
    let dir = scratch();
    let (repaired, records) = run(&bytes, &dir.join("a"), compression);
    assert_eq!(repaired.records, records.len() as u64);
    let spans: u64 = repaired.lost.iter().map(|lost| lost.bytes).sum();
    assert_eq!(spans, repaired.lost_bytes);
    assert_eq!(repaired.shards.iter().map(|shard| shard.lost).sum::<u64>(), repaired.lost.len() as u64);
    if repaired.shards[0].compression == Compression::None {
        covers(&bytes, &repaired, &records);
    } else {
        let gaps: Vec<_> = repaired.lost.iter().filter(|lost| lost.kind == "compression").collect();
        assert!(gaps.iter().all(|gap| gap.offset + gap.bytes <= bytes.len() as u64), "{gaps:?}");
        assert!(gaps.windows(2).all(|two| two[0].offset + two[0].bytes <= two[1].offset), "{gaps:?}");
    }
    // What could be read of the shard before is kept, if nothing was lost all of it.
    let before: Vec<Record> = Reader::new(&bytes[..]).expect("a reader").into_records().map_while(Result::ok).collect();
    if !repaired.has_lost() {
        assert_eq!(payloads(&before), payloads(&records));
        if compression.is_none() {
            assert!(fs::read(dir.join("a")).expect("the output") == bytes, "not the same bytes");
        }
    }
    let written = fs::read(dir.join("a")).expect("the output");
    let (again, same) = run(&written, &dir.join("b"), None);
    assert!(!again.has_lost(), "{:?}", again.lost);
    assert_eq!(payloads(&same), payloads(&records));
});

fn payloads(records: &[Record]) -> Vec<&[u8]> {
    records.iter().map(|record| &record.payload[..]).collect()
}

/// Repairs, and reads what was written, which is whole.
fn run(bytes: &[u8], out: &Path, compression: Option<Compression>) -> (RepairReport, Vec<Record>) {
    let job = Job { threads: 1, ..Job::default() };
    let report = repair_stream(bytes, out, &RepairOptions { compression }, &job).expect("what can be read is repaired");
    let written = fs::read(out).expect("the output");
    assert_eq!(written.len() as u64, report.shards[0].bytes);
    let records = Reader::new(&written[..]).expect("a reader").into_records();
    let records = records.collect::<Result<_, _>>().expect("what repair writes is whole");
    (report, records)
}

/// Kept records, which have both their CRCs, and lost spans follow each other without a gap.
fn covers(bytes: &[u8], report: &RepairReport, records: &[Record]) {
    let mut at = 0;
    let mut lost = report.lost.iter().peekable();
    let mut records = records.iter();
    while at < bytes.len() {
        if let Some(span) = lost.next_if(|span| span.offset == at as u64) {
            assert!(span.bytes > 0);
            at += span.bytes as usize;
            continue;
        }
        let record = records.next().unwrap_or_else(|| panic!("nothing covers byte {at}"));
        let frame = &bytes[at..at + 16 + record.payload.len()];
        assert!(frame[12..frame.len() - 4] == record.payload, "another payload at {at}");
        at += frame.len();
    }
    assert!(at == bytes.len() && records.next().is_none() && lost.next().is_none());
}
