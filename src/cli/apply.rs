//! `tfr apply`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tfrkit::image::ops::Level;
use tfrkit::image::{Image, ImageBuf, Shape, encode_jpeg, encode_png};
use tfrkit::pipeline::{BatchKey, Draw, Executor, Layout, MixBatch, Mixer, Mode, Pipeline, SampleKey};
use tfrkit::{Error, ErrorKind, Result};

use super::args::{ModeArg, PipelineArgs};
use super::npy::{self, Array};
use super::out::{ForceArg, OutFile, kind_of};
use super::output::{Output, count, shown};
use super::{Done, GOOD, interrupt};

/// Of JPEGs that are written, on libjpeg's scale.
pub(super) const JPEG_QUALITY: u8 = 95;

/// Run a pipeline on image files: the very code that a stream runs
#[derive(clap::Args)]
#[command(after_help = "\
The name that -o gives says what is written:
  .npy         one array, images x height x width x channels, of uint8 or float32; all images must have one size
  .npz         the same as `images`; images of several sizes are `image_0`, `image_1`, ...
  .png, .jpg   pictures; of several images, x.png becomes x-0.png, x-1.png, ... Levels between whole ones are rounded,
               what takes values out of 0 to 255 (normalize) is left out. JPEGs have quality 95.

Examples:
  tfr apply photo.jpg --preset imagenet --mode eval -o photo.npy
  tfr apply *.jpg --pipeline pipeline.toml --mode train --seed 7 -o seen.png")]
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
    /// The file to write: an array, or pictures
    #[arg(short, long, value_name = "OUT.npy|.npz|.png|.jpg", required_unless_present = "show_draws")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArg,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Npy,
    Npz,
    Picture(Picture),
}

/// A picture's file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Picture {
    Png,
    Jpeg,
}

impl Picture {
    /// By the endings of names.
    pub(super) const KINDS: [(&str, Picture); 3] =
        [("png", Picture::Png), ("jpg", Picture::Jpeg), ("jpeg", Picture::Jpeg)];

    pub(super) fn encode(self, image: &ImageBuf<u8>) -> Result<Vec<u8>> {
        Ok(match self {
            Picture::Png => encode_png(image)?,
            Picture::Jpeg => encode_jpeg(image, JPEG_QUALITY)?,
        })
    }
}

/// Where the results go.
struct Target {
    kind: Kind,
    files: Vec<OutFile>,
}

impl Target {
    /// Fails where the results could not be written once they are there.
    fn new(path: &Path, args: &Args, pipeline: &Pipeline, mode: Mode) -> Result<Self> {
        let [png, jpg, jpeg] = Picture::KINDS.map(|(name, picture)| (name, Kind::Picture(picture)));
        let kind = kind_of(path, &[("npy", Kind::Npy), ("npz", Kind::Npz), png, jpg, jpeg])?;
        let mut paths = vec![path.to_owned()];
        if let Kind::Picture(_) = kind {
            // What cannot be left out: an op that is picked among others.
            if let Some(op) = pipeline.in_levels().range_ended_by(mode)? {
                return Err(Error::new(ErrorKind::Usage {
                    detail: format!("the result of {op} is not a level of 0 to 255, which a picture holds"),
                    hint: Some(format!("write an .npy or .npz, or leave {op} out of the op list")),
                }));
            }
            if args.images.len() > 1 {
                paths = numbered(path, args.images.len());
            }
        }
        let files =
            paths.iter().map(|path| OutFile::new(path, args.force.force, &args.images)).collect::<Result<_>>()?;
        Ok(Target { kind, files })
    }

    fn is_picture(&self) -> bool {
        matches!(self.kind, Kind::Picture(_))
    }

    fn write(&self, results: &[Image]) -> Result<()> {
        match (self.kind, &self.files[..]) {
            (Kind::Picture(picture), files) => {
                // All of them before the first is written.
                let encode = |image: &Image| picture.encode(&levels(image)?);
                let pictures = results.iter().map(encode).collect::<Result<Vec<_>>>()?;
                files.iter().zip(pictures).try_for_each(|(file, bytes)| file.write(|out| out.write_all(&bytes)))
            }
            (_, [file, ..]) if results.iter().all(|image| matches!(image, Image::U8(_))) => {
                self.write_arrays(file, results, |image| match image {
                    Image::U8(image) => image.pixels(),
                    Image::F32(_) => &[],
                })
            }
            (_, [file, ..]) => self.write_arrays(file, results, |image| match image {
                Image::F32(image) => image.pixels(),
                Image::U8(_) => &[],
            }),
            (_, []) => Ok(()),
        }
    }

    fn write_arrays<T: npy::Element>(
        &self,
        file: &OutFile,
        results: &[Image],
        pixels: impl Fn(&Image) -> &[T],
    ) -> Result<()> {
        let sides = |image: &Image| [image.shape().height, image.shape().width, image.shape().channels];
        let Some(shape) = one_shape(results) else {
            let one = |image| Array { shape: sides(image).to_vec(), parts: vec![pixels(image)] };
            let named = results.iter().enumerate().map(|(i, image)| (format!("image_{i}"), one(image)));
            return npy::write_archive(file, &named.collect::<Vec<_>>());
        };
        let all = Array { shape: stacked(results.len(), shape), parts: results.iter().map(pixels).collect() };
        match self.kind {
            Kind::Npz => npy::write_archive(file, &[("images".to_owned(), all)]),
            _ => file.write(|out| {
                let mut out = BufWriter::new(out);
                all.put(&mut out)?;
                out.flush()
            }),
        }
    }
}

/// `x.png` for several images: `x-00.png`, `x-01.png`, ...
fn numbered(path: &Path, count: usize) -> Vec<PathBuf> {
    let digits = (count - 1).to_string().len();
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(path.file_stem()), part(path.extension()));
    (0..count).map(|i| path.with_file_name(format!("{stem}-{i:0digits$}.{ending}"))).collect()
}

/// The levels of a picture.
fn levels(image: &Image) -> Result<ImageBuf<u8>> {
    Ok(match image {
        Image::U8(image) => image.clone(),
        Image::F32(image) => {
            ImageBuf::from_pixels(image.shape(), image.pixels().iter().map(|level| u8::round(*level)).collect())?
        }
    })
}

/// The shape that all images have.
fn one_shape(images: &[Image]) -> Option<Shape> {
    let first = images.first()?.shape();
    images.iter().all(|image| image.shape() == first).then_some(first)
}

fn stacked(count: usize, shape: Shape) -> Vec<usize> {
    vec![count, shape.height, shape.width, shape.channels]
}

pub(super) fn run(args: &Args, output: &Output) -> Done {
    interrupt::exit_at_once();
    let (mut pipeline, mode) = (args.pipeline.read()?, args.mode.into());
    let target = args.output.as_deref().map(|path| Target::new(path, args, &pipeline, mode)).transpose()?;
    if target.as_ref().is_some_and(Target::is_picture) {
        if let Some(op) = pipeline.range_ended_by(mode)? {
            output.note(format_args!("{op} is left out: a picture holds levels of 0 to 255"));
        }
        pipeline = pipeline.in_levels();
    }
    let mut executor = Executor::new(&pipeline, mode)?;
    let mixer = Mixer::new(&pipeline, mode)?;
    let one_size = mixer.is_some() || target.as_ref().is_some_and(|target| target.kind == Kind::Npy);
    let (mut draws, mut shapes, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for (ordinal, path) in args.images.iter().enumerate() {
        let bytes = std::fs::read(path).map_err(|e| Error::from(e).at_path(path))?;
        let key = SampleKey { seed: args.seed, ordinal: ordinal as u64, epoch: 0 };
        let mut drawn = Vec::new();
        let image = executor.run(&bytes, key, args.show_draws.then_some(&mut drawn)).map_err(|e| e.at_path(path))?;
        draws.extend(
            drawn.into_iter().map(|d| json!({"image": shown(path), "op": d.op, "seed": d.seed, "values": d.values})),
        );
        shapes.push(image.shape());
        if one_size && image.shape() != shapes[0] {
            return Err(differ(&args.images, &shapes));
        }
        // Without a use for the pixels, each image is let go at once.
        if target.is_some() || mixer.is_some() {
            results.push(image);
        }
    }
    if results.iter().any(|image| matches!(image, Image::F32(_))) {
        results = results.into_iter().map(|image| Image::F32(image.into_f32())).collect();
    }
    if let (Some(mixer), Some(shape)) = (&mixer, shapes.first()) {
        let mut drawn = Vec::new();
        results = mix(mixer, results, *shape, args.seed, &mut drawn)?;
        draws.extend(drawn.into_iter().map(|d| json!({"op": d.op, "seed": d.seed, "values": d.values})));
    }
    if let Some(target) = &target {
        target.write(&results)?;
    }
    let files: Vec<String> = target.iter().flat_map(|target| &target.files).map(|file| shown(file.path())).collect();
    // Images of several sizes make no one array.
    let shape = shapes.first().filter(|first| shapes.iter().all(|shape| shape == *first));
    let stacked = shape.map(|shape| stacked(shapes.len(), *shape));
    let mut result = json!({
        "images": args.images.len(),
        "shape": stacked,
        "output": args.output.as_deref().map(shown),
        "files": files,
    });
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
        let images = count(shapes.len() as u64, "image");
        let shape = stacked.map_or("of several sizes".to_owned(), |shape| format!("of shape {shape:?}"));
        match &files[..] {
            [] => Ok(()),
            [only] => writeln!(text, "{images} {shape} written to {only}"),
            [first, last] => writeln!(text, "{images} {shape} written to {first} and {last}"),
            [first, .., last] => writeln!(text, "{images} {shape} written to {first} up to {last}"),
        }
    })?;
    Ok(GOOD)
}

/// The last image has another size than the first.
fn differ(paths: &[PathBuf], shapes: &[Shape]) -> Error {
    let told = |i: usize| {
        let (path, shape) = (paths.get(i).map_or_else(String::new, |path| shown(path)), shapes[i]);
        format!("{path} gives {}x{}x{}", shape.height, shape.width, shape.channels)
    };
    let detail = format!("{} and {}: they make no single array", told(0), told(shapes.len() - 1));
    let hint = "begin the op list with resize, write an .npz, or apply it to one image at a time".to_owned();
    Error::new(ErrorKind::Usage { detail, hint: Some(hint) })
}

/// Mixes images of one shape as the first batch of epoch 0.
fn mix(mixer: &Mixer, images: Vec<Image>, shape: Shape, seed: u64, draws: &mut Vec<Draw>) -> Result<Vec<Image>> {
    let valid = vec![true; images.len()];
    let len = shape.height * shape.row_len();
    let mut pixels = Vec::new();
    let no_memory = |_| std::io::Error::new(std::io::ErrorKind::OutOfMemory, "the images do not fit into memory");
    pixels.try_reserve_exact(images.len().saturating_mul(len)).map_err(no_memory)?;
    images.into_iter().for_each(|image| pixels.extend_from_slice(image.into_f32().pixels()));
    let mut batch = MixBatch { images: &mut pixels, shape, layout: Layout::Nhwc, soft_labels: &mut [], valid: &valid };
    mixer.mix(&mut batch, BatchKey { seed, batch: 0, epoch: 0 }, &mut Some(draws))?;
    let parts = pixels.chunks_exact(len.max(1));
    parts.map(|part| Ok(ImageBuf::from_pixels(shape, part.to_vec())?.into())).collect()
}
