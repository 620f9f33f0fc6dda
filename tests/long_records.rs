//! A small compressed shard that inflates to long records: what only looks at shards holds none of them.
//!
//! A test by itself: memory is counted for the whole process.

#[path = "common/allocations.rs"]
mod counter;

use std::fs;

use counter::peak;
use tfrkit::Job;
use tfrkit::dataset::resolve;
use tfrkit::inspect::{FindingKind, Severity, ValidateOptions, info, validate};
use tfrkit::record::{Compression, Writer};

/// More than `info` and `validate` hold.
const LONG: usize = (64 << 20) + 1;

#[test]
fn info_and_validate_hold_no_long_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfrecord.gz");
    let mut writer = Writer::with_compression(Vec::new(), Compression::Gzip);
    writer.write(&vec![0; LONG]).unwrap();
    let shard = writer.finish().unwrap();
    assert!(shard.len() < 1 << 20);
    fs::write(&path, &shard).unwrap();
    let sets = resolve(&[path.to_str().unwrap()]).unwrap();
    let job = Job { threads: 1, ..Job::default() };

    let (most, _, told) = peak(|| info(&sets.sets, true, &job).unwrap());
    assert_eq!((told.records, most < LONG / 4), (1, true), "{most} bytes");
    let (most, _, report) = peak(|| validate(&sets, &ValidateOptions::default(), &job).unwrap());
    let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.severity, f.record)).collect();
    assert_eq!(found, [(FindingKind::Oversized, Severity::Warning, Some(0))]);
    assert!(most < LONG / 4, "{most} bytes");
}
