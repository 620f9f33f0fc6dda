//! How fast the crate `tfrecord` goes through shards, every CRC verified: `tfrecord-crate scan|parse SHARD...`.
//!
//! `scan` takes records as bytes, `parse` as examples, and image and label out of them. The files are dealt to as many
//! threads as there are cores. The best of three passes counts, behind one that warms up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tfrecord::{BytesIter, Error, Example, ExampleIter, FeatureKind};

/// Records of a file, and a sum over what was taken out of them, so that none of it can be left out.
type Count = (u64, u64);

fn scan(path: &str) -> Result<Count, Error> {
    BytesIter::open(path, Default::default())?
        .try_fold((0, 0), |(records, sum), record| Ok((records + 1, sum + record?.len() as u64)))
}

fn parse(path: &str) -> Result<Count, Error> {
    ExampleIter::open(path, Default::default())?
        .try_fold((0, 0), |(records, sum), example| Ok((records + 1, sum + image_and_label(example?))))
}

fn image_and_label(example: Example) -> u64 {
    let mut sum = 0;
    for (name, feature) in example.into_vec() {
        match (&name[..], feature.into_kinds()) {
            ("image/encoded", Some(FeatureKind::Bytes(image))) => {
                sum += image.iter().map(Vec::len).sum::<usize>() as u64
            }
            ("image/class/label", Some(FeatureKind::I64(label))) => sum += label.iter().sum::<i64>() as u64,
            _ => {}
        }
    }
    sum
}

fn pass(paths: &[String], read: fn(&str) -> Result<Count, Error>) -> Result<Count, Error> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Count, Error> {
        let mut total = (0, 0);
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (records, sum) = read(path)?;
            total = (total.0 + records, total.1 + sum);
        }
        Ok(total)
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_fold((0, 0), |total, worker| {
            let (records, sum) = worker.join().expect("no worker panics")?;
            Ok((total.0 + records, total.1 + sum))
        })
    })
}

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (read, paths): (fn(&str) -> _, _) = match args.split_first() {
        Some((what, paths)) if what == "scan" && !paths.is_empty() => (scan, paths),
        Some((what, paths)) if what == "parse" && !paths.is_empty() => (parse, paths),
        _ => {
            eprintln!("usage: tfrecord-crate scan|parse SHARD...");
            std::process::exit(2);
        }
    };
    let bytes: u64 = paths.iter().map(|path| std::fs::metadata(path).map_or(0, |m| m.len())).sum();
    let (mut records, mut sum) = pass(paths, read)?;
    let mut seconds = f64::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        (records, sum) = pass(paths, read)?;
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    let (per_second, gb) = (records as f64 / seconds, bytes as f64 / seconds / 1e9);
    println!(
        "{{\"records\":{records},\"sum\":{sum},\"seconds\":{seconds},\"records_per_second\":{per_second},\"gb_per_second\":{gb}}}"
    );
    Ok(())
}
