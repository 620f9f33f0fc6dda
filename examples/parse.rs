//! Parses image and label out of every record, on two threads, and says how fast: `parse SHARD...`.
//!
//! ```sh
//! cargo run --release --example parse -- shards/train-*.tfrecord
//! ```

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tfrkit::Result;
use tfrkit::example::ExampleView;
use tfrkit::record::Shard;

const ROUNDS: usize = 20;

/// Records, and a sum over what was parsed, so that none of it can be left out.
fn parse(path: &Path) -> Result<(u64, u64)> {
    let (mut records, mut sum) = (0, 0u64);
    for record in Shard::open(path)?.records() {
        let [image, label] = ExampleView::new(record?.payload).find(["image/encoded", "image/class/label"])?;
        if let (Some(image), Some(label)) = (image, label) {
            sum = sum.wrapping_add(image.single_bytes()?.len() as u64).wrapping_add(label.single_int64()? as u64);
        }
        records += 1;
    }
    Ok((records, sum))
}

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let parts: Vec<Result<(u64, u64)>> = std::thread::scope(|scope| {
        let work = || {
            let (mut records, mut sum) = (0, 0u64);
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= paths.len() * ROUNDS {
                    return Ok((records, sum));
                }
                let (r, s) = parse(Path::new(&paths[i % paths.len()]))?;
                (records, sum) = (records + r, sum.wrapping_add(s));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    let (mut records, mut sum) = (0, 0u64);
    for part in parts {
        let (r, s) = part?;
        (records, sum) = (records + r, sum.wrapping_add(s));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{{\"records\":{records},\"sum\":{sum},\"seconds\":{seconds},\"records_per_second\":{}}}",
        records as f64 / seconds
    );
    Ok(())
}
