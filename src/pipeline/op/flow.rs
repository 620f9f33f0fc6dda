//! What is known of the images between the ops of a list, before any image is seen.

use super::{Op, OpSpec};
use crate::image::ops::{Rect, central_crop_rect};
use crate::image::{Shape, fit_within};

/// Why an op does not fit where it stands.
#[derive(Debug)]
pub(in crate::pipeline) struct Misfit {
    pub(in crate::pipeline) what: String,
    pub(in crate::pipeline) hint: &'static str,
}

/// The least standard deviation: with a smaller one, a level would be more than 100 units.
const LEAST_STD: f32 = 0.01;
/// Most pixels that an op may be asked to make: 2^26 is 8192 x 8192.
const MOST_PIXELS: usize = 1 << 26;

type Result<T> = std::result::Result<T, Misfit>;

fn misfit<T>(what: impl Into<String>, hint: &'static str) -> Result<T> {
    Err(Misfit { what: what.into(), hint })
}

fn among(what: &str) -> String {
    format!("one of its ops {what}, and not every sample goes through it")
}

const AMONG_HINT: &str = "put that op into the list itself";

/// Size, channels, type and range of the images at one place of a list.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::pipeline) struct Flow {
    /// Height and width, where they are the same for all images.
    pub(in crate::pipeline) size: Option<(usize, usize)>,
    pub(in crate::pipeline) channels: usize,
    is_f32: bool,
    /// The op that has ended the range of levels.
    pub(in crate::pipeline) ended_by: Option<&'static str>,
    /// The op across the batch that has begun the end of the list.
    batch_op: Option<&'static str>,
    /// The number of classes of the soft labels, where an op makes them.
    pub(in crate::pipeline) classes: Option<usize>,
}

impl Flow {
    /// Decoded images.
    pub(in crate::pipeline) fn new(channels: usize) -> Self {
        Flow { size: None, channels, is_f32: false, ended_by: None, batch_op: None, classes: None }
    }

    /// The op whose result is no level of 0..=255 that could be rounded.
    pub(in crate::pipeline) fn not_levels(&self) -> Option<&'static str> {
        self.ended_by.or(self.batch_op)
    }

    /// Follows the flow through a list.
    pub(in crate::pipeline) fn through(mut self, ops: &[OpSpec]) -> Result<Self> {
        for spec in ops {
            let named = |e: Misfit| Misfit { what: format!("{} {}", spec.op.name(), e.what), ..e };
            self.pass(spec).map_err(named)?;
        }
        Ok(self)
    }

    /// Follows the flow through one op.
    pub(in crate::pipeline) fn pass(&mut self, spec: &OpSpec) -> Result<()> {
        if let (Some(first), false) = (self.batch_op, spec.op.is_batch()) {
            return misfit(format!("comes after {first}, which works on whole batches"), "move it before");
        }
        let before = self.clone();
        self.apply(&spec.op)?;
        if spec.p != 1.0 && !spec.op.is_batch() {
            let some = |what: &str| format!("{what}, and is applied to some samples only (p below 1)");
            *self = before.join(self, some, "leave p out")?;
        }
        Ok(())
    }

    /// What two ways through a list have in common.
    fn join(&self, other: &Flow, tell: impl Fn(&str) -> String, hint: &'static str) -> Result<Flow> {
        if self.channels != other.channels {
            return misfit(tell("changes the number of channels"), hint);
        }
        if self.ended_by != other.ended_by {
            return misfit(tell("ends the range of 0..255"), hint);
        }
        Ok(Flow {
            size: if self.size == other.size { self.size } else { None },
            is_f32: self.is_f32 || other.is_f32,
            ..other.clone()
        })
    }

    fn apply(&mut self, op: &Op) -> Result<()> {
        if let (Some(end), false) = (self.ended_by, op.moves_only()) {
            return misfit(
                format!("comes after {end}, which ends the range of 0..255 that it works on"),
                "move it before; only ops that move pixels may follow",
            );
        }
        self.check_channels(op)?;
        self.check_parameters(op)?;
        self.follow_size(op)?;
        match op {
            Op::RgbToGrayscale => self.channels = 1,
            Op::GrayscaleToRgb => self.channels = 3,
            op if op.ends_range() => {
                self.ended_by = Some(op.name());
            }
            Op::Mixup { num_classes, .. } | Op::Cutmix { num_classes, .. } => {
                if self.classes.is_some_and(|classes| classes != *num_classes) {
                    return misfit("num_classes differs from that of the op before", "give both the same number");
                }
                self.classes = Some(*num_classes);
                self.batch_op = Some(op.name());
            }
            Op::OneOf { ops, .. } => {
                let mut ways = ops.iter().map(|op| self.clone().within(op));
                let Some(first) = ways.next() else { return misfit("has no ops", "give it at least one") };
                *self = ways.try_fold(first?, |all, way| all.join(&way?, among, AMONG_HINT))?;
            }
            Op::SomeOf { ops, .. } => {
                for op in ops {
                    let after = self.clone().within(op)?;
                    *self = self.join(&after, among, AMONG_HINT)?;
                }
            }
            _ => {}
        }
        self.is_f32 |= op.gives_f32();
        Ok(())
    }

    /// Follows an op inside another.
    fn within(mut self, spec: &OpSpec) -> Result<Flow> {
        let name = spec.op.name();
        if spec.op.is_batch() {
            return misfit(format!("holds {name}, which works on whole batches"), "put it at the end of the list");
        }
        self.pass(spec).map_err(|e| Misfit { what: format!("{name} {}", e.what), hint: e.hint })?;
        Ok(self)
    }

    fn check_channels(&self, op: &Op) -> Result<()> {
        let wanted = match op {
            Op::AdjustSaturation { .. }
            | Op::AdjustHue { .. }
            | Op::RandomSaturation { .. }
            | Op::RandomHue { .. }
            | Op::RgbToGrayscale => 3,
            Op::GrayscaleToRgb => 1,
            _ => return Ok(()),
        };
        if self.channels == wanted {
            return Ok(());
        }
        let hint = "see `channels` in [decode], rgb_to_grayscale and grayscale_to_rgb";
        misfit(format!("needs images of {wanted} channels; here they have {}", self.channels), hint)
    }

    /// What depends on more than one parameter, or on what comes before.
    fn check_parameters(&self, op: &Op) -> Result<()> {
        match op {
            Op::RandomContrast { lower, upper } | Op::RandomSaturation { lower, upper } if upper <= lower => {
                misfit(format!("upper must be above lower ({lower}), not {upper}"), "swap them, or widen the range")
            }
            Op::RandomJpegQuality { min_jpeg_quality: min, max_jpeg_quality: max } if max <= min => misfit(
                format!("max_jpeg_quality must be above min_jpeg_quality ({min}), not {max}"),
                "swap them, or widen the range",
            ),
            Op::Normalize { mean, std } => {
                let channels = self.channels;
                if mean.len() != channels || std.len() != channels {
                    let hint = "channels are set in [decode] and changed by rgb_to_grayscale and grayscale_to_rgb";
                    return misfit(format!("mean and std must be {channels} numbers each, one for each channel"), hint);
                }
                if std.iter().any(|s| *s < LEAST_STD) {
                    let hint = "it is the standard deviation of each channel, in levels of 0..255";
                    return misfit(format!("std must be {LEAST_STD} or more for every channel"), hint);
                }
                Ok(())
            }
            Op::Resize { preserve_aspect_ratio: true, crop_to_aspect_ratio: true, .. } => misfit(
                "has both preserve_aspect_ratio and crop_to_aspect_ratio",
                "the first makes the image fit into size, the second cuts off what does not fit: choose one",
            ),
            Op::ConvertImageDtype { .. } if self.is_f32 => misfit(
                "works on u8 images; here they are f32, which TensorFlow would leave as they are",
                "use normalize with mean 0 and std 255",
            ),
            Op::OneOf { ops, weights: Some(weights) } if weights.len() != ops.len() => {
                misfit(format!("weights are {} numbers, for {} ops", weights.len(), ops.len()), "give each op a weight")
            }
            Op::SomeOf { ops, num_ops } if *num_ops > ops.len() => {
                misfit(format!("num_ops is {num_ops}, and there are {} ops", ops.len()), "ask for fewer")
            }
            _ => Ok(()),
        }
    }

    fn follow_size(&mut self, op: &Op) -> Result<()> {
        let before = self.size;
        self.size = match op {
            Op::Resize { size, preserve_aspect_ratio: true, .. } => before.map(|from| fit_within(from, *size)),
            Op::Resize { size, .. }
            | Op::ResizeWithPad { size, .. }
            | Op::ResizeWithCropOrPad { size }
            | Op::CropAndResize { size, .. }
            | Op::RandomResizedCrop { size, .. } => Some(*size),
            Op::RandomCrop { size } => {
                if let Some((h, w)) = before
                    && (size.0 > h || size.1 > w)
                {
                    return misfit(
                        format!("size [{}, {}] is larger than the image, [{h}, {w}]", size.0, size.1),
                        "resize to more than the crop first",
                    );
                }
                Some(*size)
            }
            Op::CropToBoundingBox { offset, size } => {
                if let Some((h, w)) = before {
                    let rect = Rect { y: offset.0, x: offset.1, height: size.0, width: size.1 };
                    if !rect.is_inside(Shape::new(h, w, 1)) {
                        return misfit(format!("reaches beyond the image, [{h}, {w}]"), "resize first, or crop less");
                    }
                }
                Some(*size)
            }
            Op::PadToBoundingBox { offset, size } => {
                if let Some((h, w)) = before
                    && (offset.0 + h > size.0 || offset.1 + w > size.1)
                {
                    return misfit(format!("the image, [{h}, {w}], does not fit"), "pad to a larger size");
                }
                Some(*size)
            }
            Op::CentralCrop { central_fraction } => before.and_then(|(h, w)| {
                central_crop_rect(Shape::new(h, w, 1), *central_fraction).ok().map(|r| (r.height, r.width))
            }),
            Op::Transpose => before.map(|(h, w)| (w, h)),
            Op::Rot90 { k } if k % 2 == 1 => before.map(|(h, w)| (w, h)),
            _ => before,
        };
        match self.size {
            Some((h, w)) if h.saturating_mul(w) > MOST_PIXELS => {
                misfit(format!("makes images of [{h}, {w}], more than {MOST_PIXELS} pixels"), "ask for a smaller size")
            }
            _ => Ok(()),
        }
    }
}

impl Op {
    /// Whether an op, or one within, normalises by numbers that look like units of 0..1.
    pub(in crate::pipeline) fn is_in_units(&self) -> bool {
        match self {
            Op::Normalize { mean, std } => mean.iter().all(|m| *m <= 1.0) && std.iter().all(|s| *s < 1.0),
            Op::OneOf { ops, .. } | Op::SomeOf { ops, .. } => ops.iter().any(|spec| spec.op.is_in_units()),
            _ => false,
        }
    }

    /// Whether the op only moves values, so that it may follow the end of the range.
    fn moves_only(&self) -> bool {
        match self {
            Op::CentralCrop { .. }
            | Op::CropToBoundingBox { .. }
            | Op::FlipLeftRight
            | Op::FlipUpDown
            | Op::Rot90 { .. }
            | Op::Transpose
            | Op::RandomFlipLeftRight
            | Op::RandomFlipUpDown
            | Op::RandomCrop { .. }
            | Op::Mixup { .. }
            | Op::Cutmix { .. } => true,
            Op::OneOf { ops, .. } | Op::SomeOf { ops, .. } => ops.iter().all(|spec| spec.op.moves_only()),
            _ => false,
        }
    }
}
