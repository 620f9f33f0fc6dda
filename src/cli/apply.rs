//! `tfr apply`.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tfrkit::image::{Image, Shape};
use tfrkit::pipeline::{BatchKey, Executor, Layout, MixBatch, Mixer, SampleKey};
use tfrkit::{Error, ErrorKind, Result};

use super::args::{ModeArg, PipelineArgs};
use super::output::{Output, count, refuse_input, shown};
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
    if let Some(out) = &args.output {
        refuse_input(&args.images, out)?;
    }
    let (pipeline, mode) = (args.pipeline.read()?, args.mode.into());
    let mut executor = Executor::new(&pipeline, mode)?;
    let mixer = Mixer::new(&pipeline, mode)?;
    // Without a use for the pixels, each image is let go at once.
    let mut stack = (args.output.is_some() || mixer.is_some()).then(|| Stack::new(&args.images, mixer.is_some()));
    let (mut draws, mut shapes) = (Vec::new(), Vec::new());
    for (ordinal, path) in args.images.iter().enumerate() {
        let bytes = std::fs::read(path).map_err(|e| Error::from(e).at_path(path))?;
        let key = SampleKey { seed: args.seed, ordinal: ordinal as u64, epoch: 0 };
        let mut drawn = Vec::new();
        let image = executor.run(&bytes, key, args.show_draws.then_some(&mut drawn)).map_err(|e| e.at_path(path))?;
        draws.extend(
            drawn.into_iter().map(|d| json!({"image": shown(path), "op": d.op, "seed": d.seed, "values": d.values})),
        );
        shapes.push(image.shape());
        if let Some(stack) = &mut stack {
            stack.push(image)?;
        }
    }
    if let (Some(stack), Some(mixer)) = (&mut stack, &mixer) {
        let mut drawn = Vec::new();
        stack.mix(mixer, args.seed, &mut drawn)?;
        draws.extend(drawn.into_iter().map(|d| json!({"op": d.op, "seed": d.seed, "values": d.values})));
    }
    if let (Some(stack), Some(out)) = (&stack, &args.output) {
        stack.write(out)?;
    }
    // Images of several sizes make no array; nobody has asked for one then.
    let shape = shapes.first().filter(|first| shapes.iter().all(|shape| shape == *first));
    let stacked = shape.map(|shape| [shapes.len(), shape.height, shape.width, shape.channels]);
    let mut result =
        json!({"images": args.images.len(), "shape": stacked, "output": args.output.as_deref().map(shown)});
    if args.show_draws {
        result["draws"] = Value::Array(draws.clone());
    }
    output.result(&result, |text| {
        for draw in &draws {
            if args.show_draws {
                let image = draw.get("image").map_or_else(|| "the batch".to_owned(), |image| image.to_string());
                writeln!(text, "{image} {} seed {} values {}", draw["op"], draw["seed"], draw["values"])?;
            }
        }
        if let (Some(out), Some(stacked)) = (&args.output, stacked) {
            writeln!(text, "{} of shape {stacked:?} written to {}", count(stacked[0] as u64, "image"), out.display())?;
        }
        Ok(())
    })?;
    Ok(GOOD)
}

fn no_memory(_: std::collections::TryReserveError) -> Error {
    Error::from(io::Error::new(io::ErrorKind::OutOfMemory, "the array does not fit into memory"))
}

/// Images of one size, as one array.
struct Stack<'a> {
    paths: &'a [PathBuf],
    /// Images so far.
    count: usize,
    /// Of the first image.
    shape: Shape,
    pixels: Pixels,
}

enum Pixels {
    U8(Vec<u8>),
    F32(Vec<f32>),
}

impl<'a> Stack<'a> {
    /// For the images at `paths`, in their order; as f32 where they are to be mixed.
    fn new(paths: &'a [PathBuf], is_f32: bool) -> Self {
        let pixels = if is_f32 { Pixels::F32(Vec::new()) } else { Pixels::U8(Vec::new()) };
        Stack { paths, count: 0, shape: Shape::default(), pixels }
    }

    /// Puts the next image behind the others.
    fn push(&mut self, image: Image) -> Result<()> {
        if self.count == 0 {
            self.shape = image.shape();
        }
        if image.shape() != self.shape {
            return Err(self.differs(image.shape()));
        }
        // The whole array at once: a vector that grows would hold it twice.
        let left = self.paths.len().saturating_sub(self.count).saturating_mul(self.shape.height * self.shape.row_len());
        if let (Pixels::U8(pixels), Image::F32(_)) = (&self.pixels, &image) {
            let mut levels = Vec::new();
            levels.try_reserve_exact(pixels.len().saturating_add(left)).map_err(no_memory)?;
            levels.extend(pixels.iter().map(|v| f32::from(*v)));
            self.pixels = Pixels::F32(levels);
        }
        match &mut self.pixels {
            Pixels::U8(pixels) => pixels.try_reserve_exact(left),
            Pixels::F32(pixels) => pixels.try_reserve_exact(left),
        }
        .map_err(no_memory)?;
        match (&mut self.pixels, image) {
            (Pixels::U8(pixels), Image::U8(image)) => pixels.extend_from_slice(image.pixels()),
            (Pixels::F32(pixels), Image::U8(image)) => pixels.extend(image.pixels().iter().map(|v| f32::from(*v))),
            (Pixels::F32(pixels), image) => pixels.extend_from_slice(image.into_f32().pixels()),
            // It has become f32 above.
            (Pixels::U8(_), Image::F32(_)) => {}
        }
        self.count += 1;
        Ok(())
    }

    fn differs(&self, found: Shape) -> Error {
        let told = |shape: Shape| format!("{}x{}x{}", shape.height, shape.width, shape.channels);
        let name = |i: usize| self.paths.get(i).map_or_else(String::new, |path| shown(path));
        let (first, this) = (told(self.shape), told(found));
        let detail =
            format!("{} gives {first} and {} gives {this}: they make no single array", name(0), name(self.count));
        let hint = Some("begin the op list with resize, or apply it to one image at a time".to_owned());
        Error::new(ErrorKind::Usage { detail, hint })
    }

    /// Mixes the images as the first batch of epoch 0.
    fn mix(&mut self, mixer: &Mixer, seed: u64, draws: &mut Vec<tfrkit::pipeline::Draw>) -> Result<()> {
        // Made so by `new`.
        let Pixels::F32(images) = &mut self.pixels else { return Ok(()) };
        let valid = vec![true; self.count];
        let mut batch =
            MixBatch { images, shape: self.shape, layout: Layout::Nhwc, soft_labels: &mut [], valid: &valid };
        mixer.mix(&mut batch, BatchKey { seed, batch: 0, epoch: 0 }, &mut Some(draws))
    }

    fn write(&self, out: &Path) -> Result<()> {
        let shape = [self.count, self.shape.height, self.shape.width, self.shape.channels];
        match &self.pixels {
            Pixels::U8(pixels) => npy::write(out, &shape, [&pixels[..]]),
            Pixels::F32(pixels) => npy::write(out, &shape, [&pixels[..]]),
        }
    }
}
