//! `tfr stream`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value, json};
use tfrkit::pipeline::{BatchDigest, Counters, Loader, LoaderOptions, LoaderState, OnError, Skipped, Stage, Waited};
use tfrkit::{Error, ErrorKind, Result};

use super::args::{FeatureArgs, GlobalArgs, ModeArg, PipelineArgs, SelectArgs, SetArgs, parse_share};
use super::convert::OnErrorArg;
use super::live::{self, Live};
use super::out::write_whole;
use super::output::{Output, count, human_bytes, shown};
use super::save::Saver;
use super::{Done, GOOD, interrupt};

/// Ctrl-C is looked for this often.
const POLL: Duration = Duration::from_millis(50);
/// Of so many epochs at most the times are listed, so that a stream without end stays small.
const LISTED_EPOCHS: usize = 1000;

/// Stream decoded, augmented batches out of shards, and say how fast
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    set: SetArgs,
    /// Mix several sets by weight: train=3,extra=1. Where folders hold sets of one name, each with its folder, or the folder
    /// alone: `tfr stream a b --mix a=3,b=1`, a/train=3,b/train=1
    #[arg(long, value_name = "NAME=WEIGHT,...", value_delimiter = ',', value_parser = parse_share, conflicts_with_all = ["set", "balance"])]
    mix: Vec<(String, f64)>,
    #[command(flatten)]
    select: SelectArgs,
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    features: FeatureArgs,
    /// Which op list runs
    #[arg(long, value_enum, default_value = "train")]
    mode: ModeArg,
    /// Samples in a batch [default: the pipeline's, or 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// How often the set is gone through; 0 is without end
    #[arg(long, value_name = "N", default_value_t = 1)]
    epochs: u64,
    /// Stop after N batches
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// The seed of order and augmentation
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Which share of the samples this process takes, from 0
    #[arg(long, value_name = "R", requires = "world", default_value_t = 0)]
    rank: u64,
    /// Among how many processes the samples are shared
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    world: u64,
    /// Print the SHA-256 of all samples in order. One thread hashes every pixel, at 1 to 2 GB/s, which slows the stream:
    /// leave it out to measure the rate
    #[arg(long)]
    digest: bool,
    /// Play a consumer that works MS milliseconds on each batch, and tell how long it stands idle
    #[arg(long, value_name = "MS", default_value_t = 0)]
    step_ms: u64,
    /// Write all that each batch holds as arrays into DIR, numbered from the first of the first epoch: images, labels,
    /// columns by name, and records as bytes with row_splits
    #[arg(long, value_name = "DIR")]
    save_npy: Option<PathBuf>,
    /// Go on where another run saved its state
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Save where the stream stands at the end, with --steps or Ctrl-C too
    #[arg(long, value_name = "FILE")]
    save_state: Option<PathBuf>,
    /// What to do about a record that is damaged or cannot be decoded: stop, or leave it out and list it
    #[arg(long, value_enum, default_value = "fail")]
    on_error: OnErrorArg,
    /// Stop when more than N records were left out
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_errors: u64,
}

/// What an epoch came to.
#[derive(Serialize)]
struct EpochTime {
    epoch: u64,
    images: u64,
    seconds: f64,
}

/// What the stream came to.
#[derive(Default)]
struct Summary {
    images: u64,
    batches: u64,
    seconds: f64,
    /// The first one's time begins with the workers.
    epochs: Vec<EpochTime>,
    step_ms: u64,
    digest: Option<String>,
    /// Of `seconds`, what the hashing took.
    digest_seconds: f64,
    counters: Counters,
    /// Records left out of the batches that were given.
    skipped: Vec<Skipped>,
    interrupted: bool,
}

pub(super) fn run(args: &Args, global: &GlobalArgs, output: &Output) -> Done {
    let at_once = interrupt::exit_at_once();
    let sets = match &args.mix[..] {
        [] => vec![(args.set.resolve(output)?, 1.0)],
        shares => args.set.resolve_mix(output, shares)?,
    };
    let mut pipeline = args.pipeline.read()?;
    args.features.name_in(&mut pipeline);
    let (job, defaults) = (global.job(), LoaderOptions::default());
    let options = LoaderOptions {
        mode: args.mode.into(),
        batch: args.batch.map(|n| n as usize),
        epochs: args.epochs,
        seed: args.seed,
        rank: args.rank,
        world: args.world,
        threads: job.threads,
        io: job.io,
        select: args.select.select()?,
        on_error: match args.on_error {
            OnErrorArg::Fail => OnError::Fail,
            OnErrorArg::Skip => OnError::Skip(args.max_errors),
        },
        resume: args.state.as_deref().map(read_state).transpose()?,
        max_record_len: job.max_record_len.unwrap_or(defaults.max_record_len),
        ..defaults
    };
    let saver = args.save_npy.as_deref().map(|dir| Saver::new(dir, &pipeline)).transpose()?;
    let begin = options.resume.as_ref().map_or((0, 0), |state| (state.epoch, state.step));
    let mut loader = Loader::open_mix(&sets, &pipeline, options)?;
    let live = Live::new(output, batches_left(&loader, args, begin));
    // From here on there are files that are to be whole.
    let stop = interrupt::flag();
    at_once.store(false, Ordering::Relaxed);
    let summary = consume(&mut loader, args, saver.as_ref(), live, &stop)?;
    if let Some(path) = &args.save_state {
        let text = loader.state()?.to_json();
        write_whole(path, |file| writeln!(file, "{text}"))?;
    }
    if summary.interrupted {
        return Err(Error::new(ErrorKind::Interrupted));
    }
    if !summary.skipped.is_empty() {
        let left_out = count(summary.skipped.len() as u64, "record");
        output.warning(format_args!("{left_out} left out (--on-error skip)"));
    }
    print(&summary, output)?;
    Ok(GOOD)
}

fn read_state(path: &Path) -> Result<LoaderState> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::from(e).at_path(path))?;
    LoaderState::from_json(&text).map_err(|e| e.at_path(path))
}

fn consume(
    loader: &mut Loader,
    args: &Args,
    saver: Option<&Saver>,
    mut live: Live,
    stop: &AtomicBool,
) -> Result<Summary> {
    let start = Instant::now();
    let mut digest = args.digest.then(BatchDigest::default);
    let mut summary = Summary::default();
    let mut last = start;
    while args.steps.is_none_or(|most| summary.batches < most) {
        // Before a batch is taken: the state would be behind it.
        if stop.load(Ordering::Relaxed) {
            summary.interrupted = true;
            break;
        }
        live.show(loader, summary.batches, summary.images);
        let batch = match loader.next_timeout(POLL)? {
            Waited::Batch(batch) => batch,
            Waited::TimedOut => continue,
            Waited::End => break,
        };
        let images = batch.valid().iter().filter(|valid| **valid).count() as u64;
        summary.images += images;
        if let Some(digest) = &mut digest {
            let start = Instant::now();
            digest.update(&batch);
            summary.digest_seconds += start.elapsed().as_secs_f64();
        }
        if let Some(saver) = saver {
            let before = batch.epoch().saturating_mul(loader.steps_per_epoch());
            saver.save(before.saturating_add(batch.step()), &batch)?;
        }
        summary.batches += 1;
        work(Duration::from_millis(args.step_ms), stop);
        let now = Instant::now();
        summary.count(batch.epoch(), images, now.duration_since(last).as_secs_f64());
        last = now;
    }
    drop(live);
    Ok(Summary {
        seconds: start.elapsed().as_secs_f64(),
        step_ms: args.step_ms,
        digest: digest.map(BatchDigest::finish),
        counters: loader.counters(),
        skipped: loader.skipped(),
        ..summary
    })
}

/// How many batches are left of an epoch and step on, if there is an end.
fn batches_left(loader: &Loader, args: &Args, (epoch, step): (u64, u64)) -> Option<u64> {
    let epochs = (args.epochs > 0).then(|| args.epochs.saturating_sub(epoch));
    let left = epochs.map(|epochs| epochs.saturating_mul(loader.steps_per_epoch()).saturating_sub(step));
    args.steps.map_or(left, |most| Some(left.map_or(most, |left| left.min(most))))
}

/// Plays a consumer that works on a batch.
fn work(time: Duration, stop: &AtomicBool) {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed())
        && !left.is_zero()
        && !stop.load(Ordering::Relaxed)
    {
        std::thread::sleep(left.min(POLL));
    }
}

impl Summary {
    /// Adds a batch to its epoch.
    fn count(&mut self, epoch: u64, images: u64, seconds: f64) {
        if self.epochs.last().is_none_or(|last| last.epoch != epoch) && self.epochs.len() < LISTED_EPOCHS {
            self.epochs.push(EpochTime { epoch, images: 0, seconds: 0.0 });
        }
        if let Some(last) = self.epochs.last_mut().filter(|last| last.epoch == epoch) {
            last.images += images;
            last.seconds += seconds;
        }
    }

    fn rate(&self) -> f64 {
        self.images as f64 / self.seconds.max(1e-9)
    }

    /// The share of the workers' time that they worked.
    fn workers_busy(&self) -> f64 {
        self.counters.busy() / (self.counters.workers as f64 * self.seconds).max(1e-9)
    }

    /// The share of its time that the consumer waited.
    fn consumer_wait(&self) -> f64 {
        self.counters.consumer_wait / self.seconds.max(1e-9)
    }

    /// The share of the time that the played consumer stood idle.
    fn idle(&self) -> Option<f64> {
        (self.step_ms > 0).then(|| self.consumer_wait())
    }

    fn to_json(&self) -> Value {
        let skipped = |s: &Skipped| json!({"path": shown(&s.path), "record": s.record, "reason": s.error.message()});
        let skipped: Vec<Value> = self.skipped.iter().map(skipped).collect();
        let stages: Map<String, Value> =
            Stage::ALL.iter().map(|s| (s.name().to_owned(), json!(self.counters.of(*s)))).collect();
        json!({
            "images": self.images,
            "batches": self.batches,
            "seconds": self.seconds,
            "images_per_second": self.rate(),
            "bytes": self.counters.bytes,
            "cache_hits": self.counters.cache_hits,
            "cache_misses": self.counters.cache_misses,
            "digest": self.digest,
            "digest_seconds": self.digest.as_ref().map(|_| self.digest_seconds),
            "workers": self.counters.workers,
            "workers_busy": self.workers_busy(),
            "consumer_wait": self.consumer_wait(),
            "idle": self.idle(),
            "limit": live::limit(&self.counters, self.seconds),
            "epochs": self.epochs,
            "stages": stages,
            "skipped": skipped,
        })
    }
}

fn print(summary: &Summary, output: &Output) -> Result<()> {
    output.result(&summary.to_json(), |out| {
        let counters = &summary.counters;
        writeln!(
            out,
            "{} in {}, {:.2} s: {:.0} images/s, {}/s",
            count(summary.images, "image"),
            count(summary.batches, "batch"),
            summary.seconds,
            summary.rate(),
            human_bytes((counters.bytes as f64 / summary.seconds.max(1e-9)) as u64),
        )?;
        writeln!(out, "{}", live::workers(counters))?;
        writeln!(out, "{}", live::consumer(counters, summary.seconds))?;
        let (hits, misses) = (counters.cache_hits, counters.cache_misses);
        if hits + misses > 0 {
            writeln!(out, "cache: {} of {} out of it", hits, count(hits + misses, "sample"))?;
        }
        if let Some(idle) = summary.idle() {
            let step = summary.step_ms;
            writeln!(out, "a device of {step} ms a step would have stood idle {:.1} % of the time", 100.0 * idle)?;
        }
        if let Some(digest) = &summary.digest {
            let share = 100.0 * summary.digest_seconds / summary.seconds.max(1e-9);
            writeln!(out, "digest: {digest}")?;
            writeln!(out, "its hashing took {share:.0} % of the time; without --digest the stream is faster")?;
        }
        Ok(())
    })
}
