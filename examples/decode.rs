//! Decodes the images of shards on all threads, and nothing else, and says how fast: `decode [--seconds S] [--threads N] SHARD...`.
//!
//! It is the most that a stream of whole images can reach on the machine. Every record has been read and verified before the
//! clock starts.
//!
//! ```sh
//! cargo run --release --example decode -- shards/train-*.tfrecord
//! ```

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tfrkit::example::ExampleView;
use tfrkit::image::{DecodeOptions, Decoder, ImageBuf};
use tfrkit::record::Shard;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Takes a flag and its value out of the arguments.
fn flag(args: &mut Vec<String>, name: &str) -> Result<Option<f64>, Error> {
    let Some(i) = args.iter().position(|arg| arg == name) else { return Ok(None) };
    let value = args.get(i + 1).ok_or_else(|| format!("{name} takes a number"))?.parse()?;
    args.drain(i..i + 2);
    Ok(Some(value))
}

/// Decodes images in turn with other threads until the time is over; how many.
fn work(images: &[&[u8]], next: &AtomicUsize, end: Instant) -> Result<u64, Error> {
    let mut decoder = Decoder::new(DecodeOptions::default())?;
    let (mut pixels, mut count) = (ImageBuf::empty(), 0);
    while Instant::now() < end {
        decoder.decode_into(images[next.fetch_add(1, Ordering::Relaxed) % images.len()], &mut pixels)?;
        black_box(&pixels);
        count += 1;
    }
    Ok(count)
}

fn main() -> Result<(), Error> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let time = Duration::try_from_secs_f64(flag(&mut args, "--seconds")?.unwrap_or(3.0))?;
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = flag(&mut args, "--threads")?.map_or(cores, |n| n as usize).max(1);
    let shards = args.iter().map(Shard::open).collect::<Result<Vec<_>, _>>()?;
    let mut features = Vec::new();
    for record in shards.iter().flat_map(Shard::records) {
        features.extend(ExampleView::new(record?.payload).feature("image/encoded")?);
    }
    let images = features.iter().map(|feature| feature.single_bytes()).collect::<Result<Vec<_>, _>>()?;
    if images.is_empty() {
        return Err("no images in the shards".into());
    }
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let counts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&images, &next, start + time))).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect::<Result<Vec<u64>, _>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let decoded: u64 = counts.iter().sum();
    println!(
        "{}",
        json!({"images": decoded, "threads": threads, "seconds": seconds, "images_per_second": decoded as f64 / seconds})
    );
    Ok(())
}
