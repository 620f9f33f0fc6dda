//! Runs an op list on one image: the reference that every faster path must equal.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::counters::{Stage, Times};
use super::op::Op;
use super::spec::{Mode, Pipeline};
use crate::error::{Error, Result};
use crate::image::ops::{self, Normalizer, Rect};
use crate::image::random::{self, SeedPair};
use crate::image::{Decoder, Image, ImageBuf, ImageError, Resizer, Shape};

/// What a sample's random numbers depend on, beside the op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleKey {
    /// The seed of the run.
    pub seed: u64,
    /// The sample's number in the set.
    pub ordinal: u64,
    /// The epoch, from 0.
    pub epoch: u32,
}

/// What a random op drew for a sample: the TensorFlow seed pair, and the values that came of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Draw {
    /// The op's name.
    pub op: &'static str,
    /// The seed pair for `tf.image.stateless_random_*`.
    pub seed: [i64; 2],
    /// The drawn values by name.
    pub values: Map<String, Value>,
}

/// Decodes images and runs an op list on them, one image at a time; its buffers are kept from image to image.
///
/// ```no_run
/// use tfrkit::pipeline::{Executor, Mode, Pipeline, SampleKey};
///
/// let mut executor = Executor::new(&Pipeline::preset("basic")?, Mode::Eval)?;
/// let pixels = executor.run(&std::fs::read("cat.jpg")?, SampleKey::default(), None)?;
/// assert_eq!(pixels.shape().height, 224);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Executor {
    decoder: Decoder,
    steps: Vec<Step>,
    work: Work,
    pub(super) times: Times,
}

/// An op with what can be computed before the first image.
struct Step {
    op: Op,
    /// The op's part of the random key.
    id: u32,
    normalizer: Option<Normalizer>,
}

/// The image between two ops.
struct Work {
    u8: ImageBuf<u8>,
    f32: ImageBuf<f32>,
    spare: ImageBuf<f32>,
    resizer: Resizer,
    is_f32: bool,
}

impl Executor {
    /// An executor of the pipeline's op list for a mode.
    pub fn new(pipeline: &Pipeline, mode: Mode) -> Result<Self> {
        let ops = pipeline.ops(mode);
        let steps = ops.iter().enumerate().map(|(i, op)| {
            let k = ops[..i].iter().filter(|earlier| earlier.name() == op.name()).count();
            let normalizer = match op {
                Op::Normalize { mean, std } => Some(Normalizer::new(mean, std)?),
                _ => None,
            };
            Ok(Step { op: op.clone(), id: random::op_id(op.name(), k), normalizer })
        });
        Ok(Executor {
            decoder: Decoder::new(pipeline.decode)?,
            steps: steps.collect::<Result<_>>()?,
            work: Work {
                u8: ImageBuf::empty(),
                f32: ImageBuf::empty(),
                spare: ImageBuf::empty(),
                resizer: Resizer::new(),
                is_f32: false,
            },
            times: Times::default(),
        })
    }

    /// Runs the list on an encoded image. Gives u8 where no op has made it f32. Draws are appended to `draws`.
    pub fn run(&mut self, encoded: &[u8], key: SampleKey, mut draws: Option<&mut Vec<Draw>>) -> Result<Image> {
        self.decode(encoded)?;
        for step in &self.steps {
            step.run(&mut self.work, key, draws.as_deref_mut())?;
        }
        let work = &mut self.work;
        Ok(match work.is_f32 {
            true => Image::F32(std::mem::replace(&mut work.f32, ImageBuf::empty())),
            false => Image::U8(std::mem::replace(&mut work.u8, ImageBuf::empty())),
        })
    }

    /// Runs the list on an encoded image and writes the result, as f32, into `slot`, which has exactly `shape`'s values.
    pub(super) fn run_into(&mut self, encoded: &[u8], key: SampleKey, shape: Shape, slot: &mut [f32]) -> Result<()> {
        self.decode(encoded)?;
        let start = Instant::now();
        let (last, before) = match self.steps.split_last() {
            Some((last, before)) => {
                (last.normalizer.as_ref(), if last.normalizer.is_some() { before } else { &self.steps[..] })
            }
            None => (None, &self.steps[..]),
        };
        // A crop in front of a final normalize is read through while the slot is written, not made.
        let mut rect = None;
        let mut resize_time = 0;
        for (i, step) in before.iter().enumerate() {
            if i + 1 == before.len() && last.is_some() {
                rect = step.crop(self.work.shape(), key)?;
                if rect.is_some() {
                    break;
                }
            }
            let at = Instant::now();
            step.run(&mut self.work, key, None)?;
            if matches!(step.op, Op::Resize { .. }) {
                resize_time += at.elapsed().as_nanos() as u64;
            }
        }
        let work = &self.work;
        let rect = rect.unwrap_or_else(|| Rect::whole(work.shape()));
        let found = Shape::new(rect.height, rect.width, work.shape().channels);
        if found != shape {
            return Err(wrong_size(found, shape));
        }
        match (last, work.is_f32) {
            (Some(normalizer), true) => normalizer.crop_into(&work.f32, rect, slot)?,
            (Some(normalizer), false) => normalizer.crop_u8_into(&work.u8, rect, slot)?,
            (None, true) => slot.copy_from_slice(work.f32.pixels()),
            (None, false) => slot.iter_mut().zip(work.u8.pixels()).for_each(|(o, v)| *o = f32::from(*v)),
        }
        self.times.add(Stage::Resize, resize_time);
        self.times.add(Stage::Ops, (start.elapsed().as_nanos() as u64).saturating_sub(resize_time));
        Ok(())
    }

    fn decode(&mut self, encoded: &[u8]) -> Result<()> {
        let start = Instant::now();
        self.work.is_f32 = false;
        self.decoder.decode_into(encoded, &mut self.work.u8)?;
        self.times.add(Stage::Decode, start.elapsed().as_nanos() as u64);
        Ok(())
    }
}

fn wrong_size(found: Shape, wanted: Shape) -> Error {
    Error::usage_hint(
        format!(
            "the ops give {}x{} pixels (height x width), and a batch has {}x{}",
            found.height, found.width, wanted.height, wanted.width
        ),
        "begin the op list with resize, so that all samples have one size",
    )
}

impl Work {
    fn shape(&self) -> Shape {
        if self.is_f32 { self.f32.shape() } else { self.u8.shape() }
    }

    fn resize(&mut self, size: (usize, usize)) -> Result<(), ImageError> {
        if self.is_f32 {
            self.resizer.resize(&self.f32, size, &mut self.spare)?;
        } else {
            self.resizer.resize(&self.u8, size, &mut self.spare)?;
        }
        std::mem::swap(&mut self.f32, &mut self.spare);
        self.is_f32 = true;
        Ok(())
    }

    fn crop(&mut self, rect: Rect) -> Result<(), ImageError> {
        match self.is_f32 {
            true => ops::crop_to_bounding_box(&mut self.f32, rect),
            false => ops::crop_to_bounding_box(&mut self.u8, rect),
        }
    }

    fn flip_left_right(&mut self) {
        match self.is_f32 {
            true => ops::flip_left_right(&mut self.f32),
            false => ops::flip_left_right(&mut self.u8),
        }
    }

    fn flip_up_down(&mut self) {
        match self.is_f32 {
            true => ops::flip_up_down(&mut self.f32),
            false => ops::flip_up_down(&mut self.u8),
        }
    }

    /// `delta` is a fraction of the range.
    fn brightness(&mut self, delta: f32) {
        match self.is_f32 {
            true => ops::adjust_brightness(&mut self.f32, delta * 255.0),
            false => ops::adjust_brightness_u8(&mut self.u8, delta),
        }
    }

    fn contrast(&mut self, factor: f32) {
        match self.is_f32 {
            true => ops::adjust_contrast(&mut self.f32, factor),
            false => ops::adjust_contrast_u8(&mut self.u8, factor),
        }
    }
}

impl Step {
    fn seed(&self, key: SampleKey) -> SeedPair {
        random::op_seed(key.seed, key.ordinal, key.epoch, self.id)
    }

    /// The rectangle that the op cuts out; `None` where it is no crop.
    fn crop(&self, shape: Shape, key: SampleKey) -> Result<Option<Rect>, ImageError> {
        Ok(match &self.op {
            Op::CentralCrop { central_fraction } => Some(ops::central_crop_rect(shape, *central_fraction)?),
            Op::RandomCrop { size: (height, width) } => {
                let (y, x) = random::random_crop(self.seed(key), (shape.height, shape.width), (*height, *width))?;
                Some(Rect { y, x, height: *height, width: *width })
            }
            _ => None,
        })
    }

    fn run(&self, work: &mut Work, key: SampleKey, draws: Option<&mut Vec<Draw>>) -> Result<()> {
        // Nothing is allocated for draws that nobody wants to see.
        let mut values = Map::new();
        let mut drew = |name: &str, value: &dyn Fn() -> Value| {
            if draws.is_some() {
                values.insert(name.to_owned(), value());
            }
        };
        match &self.op {
            Op::Resize { size } => work.resize(*size)?,
            Op::CentralCrop { .. } | Op::RandomCrop { .. } => {
                if let Some(rect) = self.crop(work.shape(), key)? {
                    drew("offset", &|| json!([rect.y, rect.x]));
                    work.crop(rect)?;
                }
            }
            Op::FlipLeftRight => work.flip_left_right(),
            Op::FlipUpDown => work.flip_up_down(),
            Op::RandomFlipLeftRight | Op::RandomFlipUpDown => {
                let flip = random::random_flip(self.seed(key));
                drew("flip", &|| json!(flip));
                match (flip, &self.op) {
                    (true, Op::RandomFlipLeftRight) => work.flip_left_right(),
                    (true, _) => work.flip_up_down(),
                    _ => {}
                }
            }
            Op::AdjustBrightness { delta } => work.brightness(*delta),
            Op::RandomBrightness { max_delta } => {
                let delta = random::random_brightness(self.seed(key), *max_delta)?;
                drew("delta", &|| json!(delta));
                work.brightness(delta);
            }
            Op::AdjustContrast { contrast_factor } => work.contrast(*contrast_factor),
            Op::RandomContrast { lower, upper } => {
                let factor = random::random_contrast(self.seed(key), *lower, *upper)?;
                drew("contrast_factor", &|| json!(factor));
                work.contrast(factor);
            }
            Op::Normalize { .. } => {
                if let Some(normalizer) = &self.normalizer {
                    if !work.is_f32 {
                        let levels = std::mem::replace(&mut work.u8, ImageBuf::empty());
                        work.f32 = Image::U8(levels).into_f32();
                        work.is_f32 = true;
                    }
                    normalizer.apply(&mut work.f32)?;
                }
            }
        }
        if let Some(draws) = draws
            && self.op.is_random()
        {
            draws.push(Draw { op: self.op.name(), seed: self.seed(key).0, values });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::encode_png;

    fn picture() -> Vec<u8> {
        let pixels = (0..40 * 30 * 3).map(|i| (i * 7 % 251) as u8).collect();
        encode_png(&ImageBuf::from_pixels(Shape::new(40, 30, 3), pixels).unwrap()).unwrap()
    }

    fn pipeline() -> Pipeline {
        let text = PIPELINE;
        Pipeline::parse(text).unwrap()
    }

    const PIPELINE: &str = r#"
        [[train]]
        op = "resize"
        size = [20, 24]
        [[train]]
        op = "random_flip_left_right"
        [[train]]
        op = "random_brightness"
        max_delta = 0.2
        [[train]]
        op = "random_contrast"
        lower = 0.8
        upper = 1.2
        [[train]]
        op = "random_crop"
        size = [16, 16]
        [[train]]
        op = "normalize"
        mean = [127.5, 127.5, 127.5]
        std = [127.5, 127.5, 127.5]
        [[eval]]
        op = "central_crop"
        central_fraction = 0.5
    "#;

    #[test]
    fn the_slot_holds_the_same_bits_as_the_image() {
        for mode in [Mode::Train, Mode::Eval] {
            let mut executor = Executor::new(&pipeline(), mode).unwrap();
            for ordinal in 0..20 {
                let key = SampleKey { seed: 1, ordinal, epoch: 0 };
                let image = executor.run(&picture(), key, None).unwrap().into_f32();
                let mut slot = vec![0.0; image.pixels().len()];
                executor.run_into(&picture(), key, image.shape(), &mut slot).unwrap();
                assert_eq!(slot, image.pixels());
            }
        }
    }

    #[test]
    fn draws_are_named_and_depend_on_the_key_alone() {
        let mut executor = Executor::new(&pipeline(), Mode::Train).unwrap();
        let mut draw = |key| {
            let mut draws = Vec::new();
            executor.run(&picture(), key, Some(&mut draws)).unwrap();
            draws
        };
        let first = draw(SampleKey { seed: 5, ordinal: 7, epoch: 1 });
        let names: Vec<_> = first.iter().map(|d| d.op).collect();
        assert_eq!(names, ["random_flip_left_right", "random_brightness", "random_contrast", "random_crop"]);
        assert!(first[1].values["delta"].as_f64().unwrap().abs() <= 0.2);
        assert_eq!(draw(SampleKey { seed: 5, ordinal: 7, epoch: 1 }), first);
        assert_ne!(draw(SampleKey { seed: 5, ordinal: 8, epoch: 1 }), first);
    }

    #[test]
    fn a_size_that_does_not_fit_the_batch_is_an_error() {
        let mut executor = Executor::new(&pipeline(), Mode::Eval).unwrap();
        let error =
            executor.run_into(&picture(), SampleKey::default(), Shape::new(9, 9, 3), &mut [0.0; 243]).unwrap_err();
        assert!(error.to_string().contains("20x16"), "{error}");
    }
}
