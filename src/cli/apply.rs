//! `tfr apply`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tfrkit::image::{Image, Shape};
use tfrkit::pipeline::{Executor, SampleKey};
use tfrkit::{Error, ErrorKind, Result};

use super::args::{ModeArg, PipelineArgs};
use super::output::{Output, count, shown};
use super::{Done, GOOD, interrupt, npy};

/// Run a pipeline on image files: the very code that a stream runs
#[derive(clap::Args)]
pub(super) struct Args {
    /// Image files, JPEG or PNG; they are the samples 0, 1, ... of epoch 0
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Which op list runs
    #[arg(long, value_enum, default_value = "eval")]
    mode: ModeArg,
    /// The seed of the augmentation
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print what each random op drew: its TensorFlow seed pair and its values
    #[arg(long)]
    show_draws: bool,
    /// The array to write: NHWC
    #[arg(short, long, value_name = "OUT.npy", required_unless_present = "show_draws")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, output: &Output) -> Done {
    interrupt::exit_at_once();
    let mut executor = Executor::new(&args.pipeline.read()?, args.mode.into())?;
    let (mut images, mut draws) = (Vec::new(), Vec::new());
    for (ordinal, path) in args.images.iter().enumerate() {
        let bytes = std::fs::read(path).map_err(|e| Error::from(e).at_path(path))?;
        let key = SampleKey { seed: args.seed, ordinal: ordinal as u64, epoch: 0 };
        let mut drawn = Vec::new();
        images.push(executor.run(&bytes, key, Some(&mut drawn)).map_err(|e| e.at_path(path))?);
        draws.extend(
            drawn.into_iter().map(|d| json!({"image": shown(path), "op": d.op, "seed": d.seed, "values": d.values})),
        );
    }
    let shape = images[0].shape();
    if let Some(out) = &args.output {
        write(out, &args.images, images, shape)?;
    }
    let stacked = [args.images.len(), shape.height, shape.width, shape.channels];
    let mut result =
        json!({"images": args.images.len(), "shape": stacked, "output": args.output.as_deref().map(shown)});
    if args.show_draws {
        result["draws"] = Value::Array(draws.clone());
    }
    output.result(&result, |text| {
        for draw in &draws {
            if args.show_draws {
                writeln!(text, "{} {} seed {} values {}", draw["image"], draw["op"], draw["seed"], draw["values"])?;
            }
        }
        if let Some(out) = &args.output {
            writeln!(text, "{} of shape {stacked:?} written to {}", count(stacked[0] as u64, "image"), out.display())?;
        }
        Ok(())
    })?;
    Ok(GOOD)
}

fn write(out: &Path, paths: &[PathBuf], images: Vec<Image>, shape: Shape) -> Result<()> {
    if let Some(i) = images.iter().position(|image| image.shape() != shape) {
        let found = images[i].shape();
        let detail = format!(
            "{} gives {}x{}x{} and {} gives {}x{}x{}: they make no single array",
            shown(&paths[0]),
            shape.height,
            shape.width,
            shape.channels,
            shown(&paths[i]),
            found.height,
            found.width,
            found.channels
        );
        let hint = Some("begin the op list with resize, or apply it to one image at a time".to_owned());
        return Err(Error::new(ErrorKind::Usage { detail, hint }));
    }
    let stacked = [images.len(), shape.height, shape.width, shape.channels];
    if images.iter().all(|image| matches!(image, Image::U8(_))) {
        let parts = images.iter().filter_map(|image| match image {
            Image::U8(pixels) => Some(pixels.pixels()),
            _ => None,
        });
        return npy::write(out, &stacked, parts);
    }
    let floats: Vec<_> = images.into_iter().map(Image::into_f32).collect();
    npy::write(out, &stacked, floats.iter().map(|image| image.pixels()))
}
