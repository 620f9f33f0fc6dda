//! `tfr demo`: the main job end to end, on pictures that it renders itself.

mod scenes;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;
use tfrkit::convert::{ConvertOptions, ShardCount, convert};
use tfrkit::dataset::{Existing, resolve};
use tfrkit::image::{ImageBuf, Shape, encode_jpeg, encode_png};
use tfrkit::inspect::{PreviewOptions, ValidateOptions, preview, validate};
use tfrkit::pipeline::{Loader, LoaderOptions, PRESETS, Pipeline};
use tfrkit::{Error, ErrorKind, Job, Result};

use self::scenes::Class;
use super::args::refuse_file;
use super::out::write_whole;
use super::output::{Output, count, human_bytes, shown};
use super::{Done, GOOD, interrupt};

/// Pictures of each class.
const PER_CLASS: u64 = 8;
/// Heights and widths that they have in turn.
const SIZES: [(usize, usize); 4] = [(240, 320), (320, 240), (280, 280), (240, 320)];
const JPEG_QUALITY: u8 = 90;
const BATCH: usize = 8;
const EPOCHS: u64 = 2;
const SEED: u64 = 7;
const SHEET_ROWS: usize = 10;
const SHEET_CELL: usize = 160;

/// Render a small image set, convert it, validate it, stream it, and draw a contact sheet
#[derive(clap::Args)]
pub(super) struct Args {
    /// The directory for what the demo makes
    #[arg(default_value = "tfr-demo")]
    dir: PathBuf,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let start = Instant::now();
    let dir = &args.dir;
    refuse_file(dir, "what the demo makes")?;
    let (images, shards) = (dir.join("images"), dir.join("shards"));

    let bytes = render_all(&images)?;
    let pictures = PER_CLASS * Class::ALL.len() as u64;
    output.note(format_args!(
        "1. rendered {} in {} classes, {} of JPEG, into {}",
        count(pictures, "picture"),
        Class::ALL.len(),
        human_bytes(bytes),
        shown(&images),
    ));

    let report = convert(
        &ConvertOptions {
            shards: "train=2,val=1".parse().unwrap_or(ShardCount::Each(1)),
            split: vec![("train".to_owned(), 0.75), ("val".to_owned(), 0.25)],
            seed: SEED,
            existing: Existing::Replace,
            ..ConvertOptions::new(&images, &shards)
        },
        &job,
    )?;
    let sets: Vec<String> = report.sets.iter().map(|(set, n)| format!("{set} {n}")).collect();
    output.note(format_args!(
        "2. converted them to {} in {} ({}), {:.0} ms",
        count(report.records, "record"),
        count(report.shards.len() as u64, "shard"),
        sets.join(", "),
        report.seconds * 1e3,
    ));

    let resolved = resolve(&[shards.to_string_lossy()])?;
    let checked = validate(&resolved, &ValidateOptions { decode: true, ..Default::default() }, &job)?;
    output.note(format_args!(
        "3. validated every checksum, message and image: {}",
        count(checked.findings_total, "finding"),
    ));

    let stream = stream(&shards)?;
    output.note(format_args!(
        "4. streamed {EPOCHS} augmented epochs of the set 'train': {} images at {:.0} images/s",
        stream.images, stream.rate
    ));

    let sheet = dir.join("contact-sheet.png");
    draw_sheet(&shards, &sheet, &job)?;
    let pipeline = dir.join("pipeline.toml");
    write(&pipeline, PRESETS[0].1.as_bytes())?;
    output.note(format_args!("5. drew originals beside augmented samples\n"));

    let result = json!({
        "dir": shown(dir),
        "records": report.records,
        "findings": checked.findings_total,
        "images": stream.images,
        "images_per_second": stream.rate,
        "contact_sheet": shown(&sheet),
        "seconds": start.elapsed().as_secs_f64(),
    });
    output.result(&result, |out| {
        writeln!(out, "Look at:   {}", sheet.display())?;
        writeln!(out, "Shards:    {}", shards.display())?;
        writeln!(out, "Pipeline:  {}", pipeline.display())?;
        writeln!(out, "Next:      tfr info {0}    tfr cat {0} -n 1    tfr stream {0} --set train", shards.display())?;
        writeln!(out, "Done in {:.1} s.", start.elapsed().as_secs_f64())
    })?;
    Ok(if checked.has_errors() { super::BAD_DATA } else { GOOD })
}

/// Draws originals beside augmented samples.
fn draw_sheet(shards: &Path, out: &Path, job: &Job<'_>) -> Result<()> {
    let set = resolve(&[shards.to_string_lossy()])?.one(Some("train"))?;
    let options = PreviewOptions { samples: SHEET_ROWS, seed: SEED, cell: SHEET_CELL, ..Default::default() };
    let sheet = preview(&set, &Pipeline::preset("basic")?, &options, job)?;
    let png = encode_png(&sheet)?;
    write_whole(out, |file| file.write_all(&png))
}

/// Renders all pictures, several at a time; the bytes written.
fn render_all(images: &Path) -> Result<u64> {
    for class in Class::ALL {
        let dir = images.join(class.name());
        std::fs::create_dir_all(&dir).map_err(|e| Error::from(e).at_path(&dir))?;
    }
    let jobs: Vec<(Class, u64)> = Class::ALL.iter().flat_map(|class| (0..PER_CLASS).map(|i| (*class, i))).collect();
    let next = AtomicUsize::new(0);
    let work = || -> Result<u64> {
        let mut bytes = 0;
        while let Some((class, index)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            bytes += render(images, *class, *index)?;
        }
        Ok(bytes)
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(panicked()))).sum()
    })
}

fn panicked() -> Error {
    Error::new(ErrorKind::Panic { detail: "while rendering".to_owned() })
}

fn render(images: &Path, class: Class, index: u64) -> Result<u64> {
    let (height, width) = SIZES[index as usize % SIZES.len()];
    let scene = scenes::render(class, index, height, width);
    let pixels = ImageBuf::from_pixels(Shape::new(scene.height, scene.width, scene.channels), scene.pixels)?;
    let jpeg = encode_jpeg(&pixels, JPEG_QUALITY)?;
    write(&images.join(class.name()).join(format!("{index:02}.jpg")), &jpeg)?;
    Ok(jpeg.len() as u64)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::from(e).at_path(path))
}

struct Streamed {
    images: u64,
    rate: f64,
}

fn stream(shards: &Path) -> Result<Streamed> {
    let set = resolve(&[shards.to_string_lossy()])?.one(Some("train"))?;
    let options = LoaderOptions { batch: Some(BATCH), epochs: EPOCHS, seed: SEED, ..Default::default() };
    let start = Instant::now();
    let mut images = 0;
    for batch in Loader::open(&set, &Pipeline::preset("basic")?, options)? {
        images += batch?.len() as u64;
    }
    Ok(Streamed { images, rate: images as f64 / start.elapsed().as_secs_f64() })
}
