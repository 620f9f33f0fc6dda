//! `tfr preview`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use tfrkit::Job;
use tfrkit::inspect::{PreviewOptions, preview};

use super::apply::Picture;
use super::args::{FeatureArgs, ModeArg, PipelineArgs, SetArgs};
use super::out::{ForceArg, OutFile, kind_of};
use super::output::{Output, shown};
use super::{Done, GOOD, interrupt};

/// Draw originals beside what a pipeline makes of them, with what was drawn for each
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    features: FeatureArgs,
    /// Which op list runs
    #[arg(long, value_enum, default_value = "train")]
    mode: ModeArg,
    /// One op over its range, in place of the op list
    #[arg(long, value_name = "NAME")]
    op: Option<String>,
    /// How many samples, spread over the set
    #[arg(short = 'n', long, value_name = "N", default_value_t = 6)]
    samples: usize,
    /// How many versions of each sample
    #[arg(long, value_name = "N", default_value_t = 5)]
    versions: usize,
    /// The side of an image on the sheet, in pixels
    #[arg(long, value_name = "PX", default_value_t = 192)]
    cell: usize,
    /// The seed of the augmentation; the versions are those of epochs 0, 1, ...
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The sheet to write, a PNG or a JPEG as its name says
    #[arg(short, long, value_name = "SHEET.png|.jpg")]
    output: PathBuf,
    #[command(flatten)]
    force: ForceArg,
}

pub(super) fn run(args: &Args, job: Job<'_>, output: &Output) -> Done {
    interrupt::exit_at_once();
    let start = Instant::now();
    let set = args.set.resolve(output)?;
    let file = OutFile::new(&args.output, args.force.force, &set.shards)?;
    let kind = kind_of(&args.output, &Picture::KINDS)?;
    let options = PreviewOptions {
        samples: args.samples,
        versions: args.versions,
        mode: args.mode.into(),
        seed: args.seed,
        sweep: args.op.clone(),
        cell: args.cell,
    };
    let mut pipeline = args.pipeline.read()?;
    args.features.name_in(&mut pipeline);
    let sheet = preview(&set, &pipeline, &options, &job)?;
    let bytes = kind.encode(&sheet)?;
    file.write(|file| file.write_all(&bytes))?;
    let shape = [sheet.shape().height, sheet.shape().width];
    let result = json!({"output": shown(&args.output), "shape": shape, "seconds": start.elapsed().as_secs_f64()});
    output.result(&result, |text| {
        writeln!(text, "{} x {} pixels (height x width) written to {}", shape[0], shape[1], args.output.display())
    })?;
    Ok(GOOD)
}
