//! Runs an op list on one image.

use std::ops::Range;
use std::time::Instant;

use serde_json::{Map, Value};

use super::cache::Cached;
use super::counters::{Stage, Times};
use super::high_water::HighWater;
use super::output::{Dtype, Format, Pixels, Slot};
use super::spec::{Mode, Pipeline};
use super::step::{Left, Step, compile};
use super::work::Work;
use crate::error::{Error, Result};
use crate::image::ops::Rect;
use crate::image::{Decoder, Image, Scale, Shape};

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
    /// The drawn values by name. With `p` below 1: `applied`, and `gate`, the seed pair of the
    /// `tf.random.stateless_uniform` that was compared with p.
    pub values: Map<String, Value>,
}

/// Decodes images and runs an op list on them, one image at a time; its buffers are kept from image to image.
///
/// Crops, flips, brightness and contrast of f32 images and normalize are put off and done together, where the image is
/// needed next; [`reference`](Self::reference) does each by itself. Of a JPEG that the list begins to crop, the rest is not
/// decoded.
///
/// Ops across a batch are not run here: see [`Mixer`](super::Mixer).
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
    /// Steps before the cache, and as what images are kept there; none without a cache.
    cached: usize,
    kept: Option<Dtype>,
    /// Whether images are f32 there.
    is_float: bool,
    /// Whether to decode at a smaller scale what is then resized to no more.
    fast: bool,
    /// What to do where images differ in size.
    resize: String,
    work: Work,
    /// Of the images, and the bytes of the one in hand once it is decoded.
    water: HighWater,
    decoded: usize,
    pub(super) times: Times,
}

impl Executor {
    /// An executor of the pipeline's op list for a mode.
    ///
    /// # Errors
    /// Usage errors of a list that was not read from a spec: ops that do not fit each other.
    pub fn new(pipeline: &Pipeline, mode: Mode) -> Result<Self> {
        Self::with(pipeline, mode, Work::default(), pipeline.decode_fast)
    }

    /// The reference: every op by itself, one after the other, on the whole image at its own size, even with
    /// [`decode_fast`](Pipeline::decode_fast). Slower, and what any other executor equals to within 1e-5
    /// of the range.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn reference(pipeline: &Pipeline, mode: Mode) -> Result<Self> {
        Self::with(pipeline, mode, Work::eager(), false)
    }

    fn with(pipeline: &Pipeline, mode: Mode, work: Work, fast: bool) -> Result<Self> {
        pipeline.output_shape(mode)?;
        let kept = pipeline.cache.as_ref().map(|cache| cache.dtype);
        let cached = if kept.is_some() { pipeline.cached_ops(mode)? } else { &[] };
        Ok(Executor {
            decoder: Decoder::new(pipeline.decode)?,
            steps: compile(pipeline.ops(mode)?)?,
            cached: cached.len(),
            kept,
            is_float: cached.iter().any(|spec| spec.op.gives_f32()),
            fast,
            resize: match pipeline.origin.path() {
                Some(path) => {
                    format!("begin the op list in {} with resize, so that all images have one size", path.display())
                }
                None => "begin the op list with resize, so that all images have one size".to_owned(),
            },
            work,
            water: HighWater::default(),
            decoded: 0,
            times: Times::default(),
        })
    }

    /// Runs the list on an encoded image. Gives u8 where no op has made it f32. Draws are appended to `draws`.
    pub fn run(&mut self, encoded: &[u8], key: SampleKey, draws: Option<&mut Vec<Draw>>) -> Result<Image> {
        self.run_all(Some(encoded), key, draws)
    }

    /// As [`run`](Self::run), on an image that is decoded already, or was made in some other way.
    pub fn run_image(&mut self, image: Image, key: SampleKey, draws: Option<&mut Vec<Draw>>) -> Result<Image> {
        self.work.set(image);
        self.run_all(None, key, draws)
    }

    fn run_all(&mut self, encoded: Option<&[u8]>, key: SampleKey, mut draws: Option<&mut Vec<Draw>>) -> Result<Image> {
        self.run_cached_steps(encoded, key, &mut draws, |_, _| {})?;
        let image = self.work.take()?;
        self.let_go()?;
        Ok(image)
    }

    /// Gives memory back that an image much larger than the last ones has needed.
    fn let_go(&mut self) -> Result<()> {
        if self.water.falls(std::mem::take(&mut self.decoded)) {
            self.work.let_go();
            self.decoder = Decoder::new(*self.decoder.options())?;
        }
        Ok(())
    }

    /// Runs the list on an encoded image and writes the result into `slot`, which has exactly the format's values; gives the
    /// image for the cache to `keep` on the way, where the pipeline has one.
    pub(super) fn run_into(
        &mut self,
        encoded: &[u8],
        key: SampleKey,
        format: Format,
        slot: Slot<'_>,
        keep: impl FnOnce(Shape, Pixels<'_>),
    ) -> Result<()> {
        self.run_cached_steps(Some(encoded), key, &mut None, keep)?;
        self.write(format, slot)?;
        self.let_go()
    }

    /// As [`run_into`](Self::run_into), on an image of the cache.
    pub(super) fn run_cached(&mut self, cached: Cached, key: SampleKey, format: Format, slot: Slot<'_>) -> Result<()> {
        self.work.set_cached(cached, self.is_float)?;
        self.run_steps(self.cached..self.steps.len(), None, key, &mut None)?;
        self.write(format, slot)
    }

    /// Runs all steps; between them the cache may keep the image.
    fn run_cached_steps(
        &mut self,
        encoded: Option<&[u8]>,
        key: SampleKey,
        draws: &mut Option<&mut Vec<Draw>>,
        keep: impl FnOnce(Shape, Pixels<'_>),
    ) -> Result<()> {
        let Some(dtype) = self.kept else { return self.run_steps(0..self.steps.len(), encoded, key, draws) };
        self.run_steps(0..self.cached, encoded, key, draws)?;
        let start = Instant::now();
        self.work.keep(dtype, keep)?;
        self.times.add(Stage::Ops, start.elapsed().as_nanos() as u64);
        self.run_steps(self.cached..self.steps.len(), None, key, draws)
    }

    /// Runs some steps on the image that is there, or on an encoded one. This is decoded where its pixels are first needed,
    /// so that the crops before that need not be.
    fn run_steps(
        &mut self,
        steps: Range<usize>,
        encoded: Option<&[u8]>,
        key: SampleKey,
        draws: &mut Option<&mut Vec<Draw>>,
    ) -> Result<()> {
        let start = Instant::now();
        let (mut resize_time, mut decode_time) = (0, 0);
        let mut waiting = match encoded {
            Some(encoded) if self.expect(&steps, encoded)? => Some(encoded),
            Some(encoded) => {
                self.decoder.decode_into(encoded, self.work.decoded())?;
                let shape = self.work.shape();
                self.decoded = shape.height * shape.row_len();
                decode_time = start.elapsed().as_nanos() as u64;
                None
            }
            None => None,
        };
        for step in &self.steps[steps] {
            let left = step.cut(&mut self.work, key, draws)?;
            if left == Left::Nothing {
                continue;
            }
            if let Some(encoded) = waiting.take() {
                let target = if left == Left::Op && self.fast { step.target() } else { None };
                decode_time = decode_expected(&mut self.decoder, &mut self.work, encoded, target)?;
            }
            let at = Instant::now();
            step.finish(left, &mut self.work, key, draws)?;
            if step.resizes() {
                resize_time += at.elapsed().as_nanos() as u64;
            }
        }
        if let Some(encoded) = waiting {
            decode_time = decode_expected(&mut self.decoder, &mut self.work, encoded, None)?;
        }
        self.times.add(Stage::Decode, decode_time);
        self.times.add(Stage::Resize, resize_time);
        self.times.add(Stage::Ops, (start.elapsed().as_nanos() as u64).saturating_sub(resize_time + decode_time));
        Ok(())
    }

    /// Readies for crops before decoding, where there may be any. Whether they are to come first.
    fn expect(&mut self, steps: &Range<usize>, encoded: &[u8]) -> Result<bool> {
        let first = self.steps[steps.clone()].first();
        if !first.is_some_and(|first| self.fast || first.cuts()) {
            return Ok(false);
        }
        let channels = self.decoder.options().channels.count();
        Ok(match self.decoder.jpeg_size(encoded)? {
            Some((height, width)) => {
                // All of it passes through the decoder, however little is wanted.
                self.decoded = height.saturating_mul(width).saturating_mul(channels);
                self.work.expect(Shape::new(height, width, channels))
            }
            None => false,
        })
    }

    fn write(&mut self, format: Format, slot: Slot<'_>) -> Result<()> {
        let start = Instant::now();
        let found = self.work.shape();
        if found != format.shape {
            return Err(wrong_size(found, format.shape, &self.resize));
        }
        let stage = if self.work.is_stretched() { Stage::Resize } else { Stage::Ops };
        self.work.write(slot, format.layout)?;
        // A resize on the way into the batch, and what is done on that way, counts as the resize.
        self.times.add(stage, start.elapsed().as_nanos() as u64);
        Ok(())
    }
}

/// Decodes what is seen of the image that `work` expects, at a scale with still the pixels of `target`, if there is one.
/// Returns the nanoseconds it took.
fn decode_expected(
    decoder: &mut Decoder,
    work: &mut Work,
    encoded: &[u8],
    target: Option<(usize, usize)>,
) -> Result<u64> {
    let start = Instant::now();
    if let Some((shape, rect)) = work.expected() {
        let scale = target.map_or(Scale::Full, |target| Scale::for_target((rect.height, rect.width), target));
        let is_all = scale == Scale::Full && rect == Rect::whole(shape);
        let rect = (!is_all).then(|| scale.rect_of(rect, (shape.height, shape.width)));
        work.decode_expected(|image| decoder.decode_scaled(encoded, scale, rect, image))?;
    }
    Ok(start.elapsed().as_nanos() as u64)
}

fn wrong_size(found: Shape, wanted: Shape, hint: &str) -> Error {
    Error::usage_hint(
        format!(
            "the ops give an image of [{}, {}] (height, width), and the batch holds images of [{}, {}]",
            found.height, found.width, wanted.height, wanted.width
        ),
        hint,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{ImageBuf, encode_png};
    use crate::pipeline::output::{Dtype, Layout};

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
                let mut format = Format { shape: image.shape(), dtype: Dtype::F32, layout: Layout::Nhwc };
                executor.run_into(&picture(), key, format, Slot::F32(&mut slot), |_, _| {}).unwrap();
                assert_eq!(slot, image.pixels());
                let mut levels = vec![0; slot.len()];
                executor.run_into(&picture(), key, format, Slot::U8(&mut levels), |_, _| {}).unwrap();
                let rounded: Vec<u8> = slot.iter().map(|v| v.round_ties_even().clamp(0.0, 255.0) as u8).collect();
                assert_eq!(levels, rounded);
                format.layout = Layout::Nchw;
                let plane = image.shape().height * image.shape().width;
                let planes = |at: usize| at % plane * 3 + at / plane;
                executor.run_into(&picture(), key, format, Slot::F32(&mut slot), |_, _| {}).unwrap();
                assert!(slot.iter().enumerate().all(|(at, v)| *v == image.pixels()[planes(at)]));
                executor.run_into(&picture(), key, format, Slot::U8(&mut levels), |_, _| {}).unwrap();
                assert!(levels.iter().enumerate().all(|(at, v)| *v == rounded[planes(at)]));
            }
        }
    }

    /// One huge image among small ones does not keep its memory.
    #[test]
    fn an_outlier_keeps_no_memory() {
        let pixels = vec![7; 1500 * 1500 * 3];
        let huge = encode_png(&ImageBuf::from_pixels(Shape::new(1500, 1500, 3), pixels).unwrap()).unwrap();
        let mut executor = Executor::new(&pipeline(), Mode::Train).unwrap();
        executor.run(&huge, SampleKey::default(), None).unwrap();
        let kept = executor.work.kept_bytes();
        assert!(kept > 6_000_000, "{kept}");
        for _ in 0..128 {
            executor.run(&picture(), SampleKey::default(), None).unwrap();
        }
        let kept = executor.work.kept_bytes();
        assert!(kept < 1_000_000, "{kept}");
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
        let format = Format { shape: Shape::new(9, 9, 3), dtype: Dtype::F32, layout: Layout::Nhwc };
        let slot = Slot::F32(&mut [0.0; 243]);
        let error = executor.run_into(&picture(), SampleKey::default(), format, slot, |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("[20, 16] (height, width)"), "{error}");
    }
}
