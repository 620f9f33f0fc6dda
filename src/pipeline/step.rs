//! An op of a list made ready to run: its random key, and what can be computed before the first image.

use serde_json::{Value, json};

use super::executor::{Draw, SampleKey};
use super::op::{ErasingValue, Op, OpSpec, Range};
use super::rand_augment;
use super::work::Work;
use crate::error::Result;
use crate::image::ops::{self, Affine, Fill, Normalizer, Rect};
use crate::image::random::{self, DistortedBox, SeedPair};
use crate::image::{Shape, fit_within};

/// Turns of the circle to radians.
const TURN: f32 = std::f32::consts::TAU;

/// An op with its random keys.
pub(super) struct Step {
    op: Op,
    p: f32,
    /// The op's part of the random key, and that of its `p`.
    id: u32,
    gate: u32,
    /// For ops that draw twice: the second pair's part of the key.
    second: u32,
    normalizer: Option<Normalizer>,
    /// The ops within.
    children: Vec<Step>,
}

/// What of an op is left when its crops and flips are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// The image is to be f32.
    Type,
    Op,
}

/// Makes a list ready; ops across a batch are left out.
pub(super) fn compile(ops: &[OpSpec]) -> Result<Vec<Step>> {
    let mut names = Vec::new();
    let steps = ops.iter().filter(|spec| !spec.op.is_batch()).map(|spec| Step::new(spec, &mut names));
    steps.collect()
}

impl Step {
    /// `names` are the ops before this one, those within others included.
    fn new(spec: &OpSpec, names: &mut Vec<&'static str>) -> Result<Self> {
        let name = spec.op.name();
        let k = names.iter().filter(|earlier| **earlier == name).count();
        names.push(name);
        let normalizer = match &spec.op {
            Op::Normalize { mean, std } => Some(Normalizer::new(mean, std)?),
            _ => None,
        };
        let children = match &spec.op {
            Op::OneOf { ops, .. } | Op::SomeOf { ops, .. } => ops.iter().map(|op| Step::new(op, names)).collect(),
            _ => Ok(Vec::new()),
        };
        Ok(Step {
            op: spec.op.clone(),
            p: spec.p,
            id: random::op_id(name, k),
            gate: part_id(name, k, "p"),
            second: part_id(name, k, "second"),
            normalizer,
            children: children?,
        })
    }

    fn seed(&self, key: SampleKey) -> SeedPair {
        pair(key, self.id)
    }

    /// Whether the op's time counts as resizing.
    pub(super) fn resizes(&self) -> bool {
        matches!(
            self.op,
            Op::Resize { .. } | Op::ResizeWithPad { .. } | Op::CropAndResize { .. } | Op::RandomResizedCrop { .. }
        )
    }

    /// Whether the op begins with a crop or a flip, which [`cut`](Self::cut) does.
    pub(super) fn cuts(&self) -> bool {
        matches!(
            self.op,
            Op::CentralCrop { .. }
                | Op::CropToBoundingBox { .. }
                | Op::RandomCrop { .. }
                | Op::FlipLeftRight
                | Op::FlipUpDown
                | Op::RandomFlipLeftRight
                | Op::RandomFlipUpDown
                | Op::RandomResizedCrop { .. }
                | Op::Resize { crop_to_aspect_ratio: true, .. }
        )
    }

    /// The size that [`finish`](Self::finish) resizes to, whatever that of the image.
    pub(super) fn target(&self) -> Option<(usize, usize)> {
        match &self.op {
            Op::Resize { size, preserve_aspect_ratio: false, .. } | Op::RandomResizedCrop { size, .. } => Some(*size),
            _ => None,
        }
    }

    /// Runs the op, or not, as its `p` has it.
    pub(super) fn run(&self, work: &mut Work, key: SampleKey, draws: &mut Option<&mut Vec<Draw>>) -> Result<()> {
        let left = self.cut(work, key, draws)?;
        self.finish(left, work, key, draws)
    }

    /// Crops and flips as the op has it before all else, for which no pixels are needed yet; says what is left to do.
    pub(super) fn cut(&self, work: &mut Work, key: SampleKey, draws: &mut Option<&mut Vec<Draw>>) -> Result<Left> {
        let draws_any = self.draws_any();
        let mut log = Log { draws, is_open: draws_any };
        if draws_any {
            log.begin(self.op.name(), self.seed(key));
        }
        if self.p != 1.0 {
            let gate = pair(key, self.gate);
            let applied = random::gate(gate, self.p);
            log.value("applied", || json!(applied));
            log.value("gate", || json!(gate.0));
            if !applied {
                return Ok(if self.op.gives_f32() { Left::Type } else { Left::Nothing });
            }
        }
        let Shape { height, width, .. } = work.shape();
        let seed = || self.seed(key);
        let mut left = Left::Nothing;
        let rect = match &self.op {
            Op::FlipLeftRight => return work.flip_left_right().map(|()| left).map_err(Into::into),
            Op::FlipUpDown => return work.flip_up_down().map(|()| left).map_err(Into::into),
            Op::RandomFlipLeftRight | Op::RandomFlipUpDown => {
                let flip = random::random_flip(seed());
                log.value("flip", || json!(flip));
                match (flip, &self.op) {
                    (true, Op::RandomFlipLeftRight) => work.flip_left_right()?,
                    (true, _) => work.flip_up_down()?,
                    _ => {}
                }
                return Ok(left);
            }
            Op::CentralCrop { central_fraction } => ops::central_crop_rect(work.shape(), *central_fraction)?,
            Op::CropToBoundingBox { offset, size } => Rect::at(*offset, *size),
            Op::RandomCrop { size } => Rect::at(random::random_crop(seed(), (height, width), *size)?, *size),
            Op::RandomResizedCrop { area_range, aspect_ratio_range, min_object_covered, max_attempts, .. } => {
                left = Left::Op;
                let how = DistortedBox {
                    min_object_covered: *min_object_covered,
                    aspect_ratio_range: [aspect_ratio_range.lower, aspect_ratio_range.upper],
                    area_range: [area_range.lower, area_range.upper],
                    max_attempts: u32::try_from(*max_attempts).unwrap_or(u32::MAX),
                };
                let whole = [[0.0, 0.0, 1.0, 1.0]];
                random::sample_distorted_bounding_box(seed(), (height, width), &whole, &how)?
            }
            Op::Resize { size, crop_to_aspect_ratio: true, .. } => {
                left = Left::Op;
                aspect_rect(work.shape(), *size)
            }
            _ => return Ok(Left::Op),
        };
        log.value("offset", || json!([rect.y, rect.x]));
        if let Op::RandomResizedCrop { .. } = self.op {
            log.value("size", || json!([rect.height, rect.width]));
        }
        work.crop(rect)?;
        Ok(left)
    }

    /// Does what [`cut`](Self::cut) has left.
    pub(super) fn finish(
        &self,
        left: Left,
        work: &mut Work,
        key: SampleKey,
        draws: &mut Option<&mut Vec<Draw>>,
    ) -> Result<()> {
        if left == Left::Op {
            self.apply(work, key, &mut Log { draws, is_open: self.draws_any() })?;
        }
        if left == Left::Nothing { Ok(()) } else { self.settle_type(work) }
    }

    fn draws_any(&self) -> bool {
        self.p != 1.0 || self.op.is_random()
    }

    /// Makes the image f32 where the op makes it so for other samples.
    fn settle_type(&self, work: &mut Work) -> Result<()> {
        if self.op.gives_f32() {
            work.cast()?;
        }
        Ok(())
    }

    fn apply(&self, work: &mut Work, key: SampleKey, log: &mut Log<'_, '_>) -> Result<()> {
        let seed = || self.seed(key);
        match &self.op {
            Op::Resize { size, method, antialias, preserve_aspect_ratio, crop_to_aspect_ratio } => {
                let shape = work.shape();
                let size = if *preserve_aspect_ratio && !*crop_to_aspect_ratio {
                    fit_within((shape.height, shape.width), *size)
                } else {
                    *size
                };
                work.resize(size, *method, *antialias)?;
            }
            Op::RandomResizedCrop { size, method, antialias, .. } => work.resize(*size, *method, *antialias)?,
            Op::ResizeWithPad { size, method, antialias } => work.resize_with_pad(*size, *method, *antialias)?,
            Op::ResizeWithCropOrPad { size } => work.crop_or_pad(*size)?,
            Op::CropAndResize { r#box, size, method, extrapolation_value } => {
                work.crop_and_resize(*r#box, *size, *method, *extrapolation_value)?;
            }
            Op::PadToBoundingBox { offset, size } => work.pad(*offset, *size)?,
            Op::Rot90 { k } => work.rot90(*k)?,
            Op::Transpose => work.transpose()?,
            Op::AffineTransform { transform, fill_mode, interpolation, fill_value } => {
                work.warp(&Affine(*transform), *interpolation, Fill { mode: *fill_mode, value: *fill_value })?;
            }
            Op::AdjustBrightness { delta } => work.brightness(*delta)?,
            Op::AdjustContrast { contrast_factor } => work.contrast(*contrast_factor)?,
            Op::AdjustSaturation { saturation_factor } => work.saturation(*saturation_factor)?,
            Op::AdjustHue { delta } => work.hue(*delta)?,
            Op::AdjustGamma { gamma, gain } => work.gamma(*gamma, *gain)?,
            Op::AdjustJpegQuality { jpeg_quality } => work.jpeg_quality(quality(*jpeg_quality))?,
            Op::RgbToGrayscale => work.rgb_to_grayscale()?,
            Op::GrayscaleToRgb => work.grayscale_to_rgb()?,
            Op::Posterize { bits } => work.posterize(*bits as u32)?,
            Op::Solarize { threshold, addition } => work.solarize(*threshold, *addition)?,
            Op::Equalize => work.equalize()?,
            Op::Autocontrast => work.autocontrast()?,
            Op::Invert => work.invert()?,
            Op::Sharpness { factor } => {
                let [factor] = draw(log, seed, ["factor"], [*factor]);
                work.sharpness(factor)?;
            }
            Op::GaussianBlur { kernel_size, sigma } => {
                let [sigma] = draw(log, seed, ["sigma"], [*sigma]);
                work.gaussian_blur(*kernel_size, sigma)?;
            }
            Op::RandomBrightness { max_delta } => {
                let delta = random::random_brightness(seed(), *max_delta)?;
                log.value("delta", || json!(delta));
                work.brightness(delta)?;
            }
            Op::RandomContrast { lower, upper } => {
                let factor = random::random_contrast(seed(), *lower, *upper)?;
                log.value("contrast_factor", || json!(factor));
                work.contrast(factor)?;
            }
            Op::RandomSaturation { lower, upper } => {
                let factor = random::random_saturation(seed(), *lower, *upper)?;
                log.value("saturation_factor", || json!(factor));
                work.saturation(factor)?;
            }
            Op::RandomHue { max_delta } => {
                let delta = random::random_hue(seed(), *max_delta)?;
                log.value("delta", || json!(delta));
                work.hue(delta)?;
            }
            Op::RandomJpegQuality { min_jpeg_quality, max_jpeg_quality } => {
                let drawn = random::random_jpeg_quality(seed(), *min_jpeg_quality as i64, *max_jpeg_quality as i64)?;
                log.value("jpeg_quality", || json!(drawn));
                work.jpeg_quality(drawn)?;
            }
            Op::RandomRotation { .. }
            | Op::RandomZoom { .. }
            | Op::RandomTranslation { .. }
            | Op::RandomShear { .. }
            | Op::RandomAffine { .. } => self.warp(work, seed(), log)?,
            Op::RandomErasing { scale, value } => {
                let Shape { height, width, .. } = work.shape();
                let rect = ops::erasing_rect(seed(), (height, width), [scale.lower, scale.upper])?;
                log.value("rect", || rect_json(rect));
                match value {
                    ErasingValue::Level(level) => work.erase(rect, *level)?,
                    ErasingValue::Noise => {
                        let second = pair(key, self.second);
                        log.value("second", || json!(second.0));
                        work.erase_noise(rect, second)?;
                    }
                }
            }
            Op::Cutout { size, value } => {
                let Shape { height, width, .. } = work.shape();
                let rect = ops::cutout_rect(seed(), (height, width), *size);
                log.value("rect", || rect_json(rect));
                work.erase(rect, *value)?;
            }
            Op::GaussianNoise { stddev } => {
                // The pixels take the draws of the op's own pair.
                let second = pair(key, self.second);
                if !stddev.is_fixed() {
                    log.value("second", || json!(second.0));
                }
                let [stddev] = draw(log, || second, ["stddev"], [*stddev]);
                work.gaussian_noise(seed(), stddev)?;
            }
            Op::SaltAndPepper { amount } => work.salt_and_pepper(seed(), *amount)?,
            Op::RandAugment { num_ops, magnitude, fill_value } => {
                let picks = || rand_augment::picks(seed(), *num_ops, *magnitude);
                log.value("ops", || picks().map(|pick| pick.json()).collect());
                for pick in picks() {
                    pick.run(work, *fill_value)?;
                }
            }
            Op::OneOf { weights, .. } => {
                let chosen = choose(random::uniform(seed(), 0.0, 1.0), self.children.len(), weights.as_deref());
                if let Some(child) = self.children.get(chosen) {
                    log.value("chosen", || json!(child.op.name()));
                    child.run(work, key, log.draws)?;
                }
            }
            Op::SomeOf { num_ops, .. } => {
                let is_chosen = |i: usize| random::is_among_first(seed(), self.children.len(), *num_ops, i);
                let chosen = || self.children.iter().enumerate().filter(|(i, _)| is_chosen(*i)).map(|(_, child)| child);
                log.value("chosen", || chosen().map(|child| child.op.name()).collect());
                for child in chosen() {
                    child.run(work, key, log.draws)?;
                }
            }
            Op::PerImageStandardization => work.standardize()?,
            Op::ConvertImageDtype { .. } => work.convert_to_unit()?,
            Op::Normalize { .. } => {
                if let Some(normalizer) = &self.normalizer {
                    work.normalize(normalizer)?;
                }
            }
            // All done by `cut`, or run by the mixer, when the batch is full.
            Op::CentralCrop { .. }
            | Op::CropToBoundingBox { .. }
            | Op::RandomCrop { .. }
            | Op::FlipLeftRight
            | Op::FlipUpDown
            | Op::RandomFlipLeftRight
            | Op::RandomFlipUpDown
            | Op::Mixup { .. }
            | Op::Cutmix { .. } => {}
        }
        Ok(())
    }

    /// The warps: their values drawn, their matrix made.
    fn warp(&self, work: &mut Work, seed: SeedPair, log: &mut Log<'_, '_>) -> Result<()> {
        let Shape { height, width, .. } = work.shape();
        let size = (height, width);
        let seed = || seed;
        let shifted = |down: f32, right: f32| Affine::translation(down * height as f32, right * width as f32);
        let (transform, fill_mode, interpolation, fill_value) = match &self.op {
            Op::RandomRotation { factor, fill_mode, interpolation, fill_value } => {
                let [turns] = draw(log, seed, ["turns"], [*factor]);
                (Affine::rotation(turns * TURN, size), fill_mode, interpolation, fill_value)
            }
            Op::RandomZoom { factor, width_factor, fill_mode, interpolation, fill_value } => {
                let [y, mut x] = draw(log, seed, ["height", "width"], [*factor, width_factor.unwrap_or(*factor)]);
                if width_factor.is_none() {
                    x = y;
                    log.value("width", || json!(x));
                }
                (Affine::zoom(1.0 + y, 1.0 + x, size), fill_mode, interpolation, fill_value)
            }
            Op::RandomTranslation { factor, width_factor, fill_mode, interpolation, fill_value } => {
                let [y, x] = draw(log, seed, ["height", "width"], [*factor, width_factor.unwrap_or(*factor)]);
                (shifted(y, x), fill_mode, interpolation, fill_value)
            }
            Op::RandomShear { factor, y_factor, fill_mode, interpolation, fill_value } => {
                let [x, y] = draw(log, seed, ["x", "y"], [*factor, *y_factor]);
                (Affine::shear(y, x, size), fill_mode, interpolation, fill_value)
            }
            Op::RandomAffine { rotation, zoom, translation, shear, fill_mode, interpolation, fill_value } => {
                let names = ["turns", "zoom", "height", "width", "shear"];
                let ranges = [*rotation, *zoom, *translation, *translation, *shear];
                let [turns, zoom, y, x, shear] = draw(log, seed, names, ranges);
                let transform = Affine::rotation(turns * TURN, size)
                    .then(&Affine::zoom(1.0 + zoom, 1.0 + zoom, size))
                    .then(&shifted(y, x))
                    .then(&Affine::shear(0.0, shear, size));
                (transform, fill_mode, interpolation, fill_value)
            }
            _ => return Ok(()),
        };
        log.value("transform", || json!(transform.0));
        work.warp(&transform, *interpolation, Fill { mode: *fill_mode, value: *fill_value })?;
        Ok(())
    }
}

/// The middle of an image with the aspect of `size`, rounded as Keras' `Resizing(crop_to_aspect_ratio=True)` does it.
fn aspect_rect(shape: Shape, (height, width): (usize, usize)) -> Rect {
    let side = |other: usize, target: usize, other_target: usize, own: usize| {
        (((other * target) as f32 / other_target as f32) as usize).min(own).max(1)
    };
    let crop_height = side(shape.width, height, width, shape.height);
    let crop_width = side(shape.height, width, height, shape.width);
    let offset = ((shape.height - crop_height) / 2, (shape.width - crop_width) / 2);
    Rect::at(offset, (crop_height, crop_width))
}

fn quality(value: usize) -> u8 {
    u8::try_from(value).unwrap_or(100)
}

fn rect_json(rect: Rect) -> Value {
    json!([rect.y, rect.x, rect.height, rect.width])
}

/// Draws a value from each range, in the order of `tf.random.stateless_uniform([N], seed)`; a range of one value is that
/// value.
fn draw<const N: usize>(
    log: &mut Log<'_, '_>,
    seed: impl Fn() -> SeedPair,
    names: [&str; N],
    ranges: [Range; N],
) -> [f32; N] {
    let mut values = ranges.map(|range| range.lower);
    if ranges.iter().all(|range| range.is_fixed()) {
        return values;
    }
    random::uniforms(seed(), &mut values, 0.0, 1.0);
    for (value, range) in values.iter_mut().zip(ranges) {
        *value = if range.is_fixed() { range.lower } else { *value * (range.upper - range.lower) + range.lower };
    }
    for (name, value) in names.iter().zip(values) {
        log.value(name, || json!(value));
    }
    values
}

/// The `i` whose weight `u`, of [0, 1), falls into when the weights are laid end to end.
fn choose(u: f32, count: usize, weights: Option<&[f32]>) -> usize {
    let Some(weights) = weights else { return ((u * count as f32) as usize).min(count.saturating_sub(1)) };
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let mut left = f64::from(u) * total;
    for (i, weight) in weights.iter().enumerate() {
        if left < f64::from(*weight) {
            return i;
        }
        left -= f64::from(*weight);
    }
    weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
}

pub(super) fn part_id(name: &str, k: usize, part: &str) -> u32 {
    crc32c::crc32c(format!("{name}#{k}/{part}").as_bytes())
}

fn pair(key: SampleKey, id: u32) -> SeedPair {
    random::op_seed(key.seed, key.ordinal, key.epoch, id)
}

/// Where draws are noted, if anybody wants them; nothing is allocated otherwise.
struct Log<'l, 'd> {
    draws: &'l mut Option<&'d mut Vec<Draw>>,
    /// Whether the op that runs has an entry.
    is_open: bool,
}

impl Log<'_, '_> {
    fn begin(&mut self, op: &'static str, seed: SeedPair) {
        if let Some(draws) = self.draws {
            draws.push(Draw { op, seed: seed.0, values: Default::default() });
        }
    }

    /// Notes a value of the op that runs.
    fn value(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if self.is_open
            && let Some(draw) = self.draws.as_mut().and_then(|draws| draws.last_mut())
        {
            draw.values.insert(name.to_owned(), value());
        }
    }
}
