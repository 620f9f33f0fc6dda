//! The operations of a spec: names and parameters, ranges, what they do to an image's size.

use super::toml::Section;
use crate::error::{Error, Result};
use crate::image::Shape;
use crate::image::ops::{Normalizer, central_crop_rect};

/// Longest side that a spec may ask for.
const MAX_SIDE: usize = 65_535;

/// One operation of a pipeline, with TensorFlow's names and meanings. `size` is height, width.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// `tf.image.resize`, bilinear without antialiasing: gives f32 in 0..255.
    Resize {
        /// Height and width.
        size: (usize, usize),
    },
    /// `tf.image.central_crop`.
    CentralCrop {
        /// The share of each side that is kept, in (0, 1].
        central_fraction: f64,
    },
    /// `tf.image.flip_left_right`.
    FlipLeftRight,
    /// `tf.image.flip_up_down`.
    FlipUpDown,
    /// `tf.image.adjust_brightness`.
    AdjustBrightness {
        /// A fraction of the value range: 0.2 is 51 of 255 levels.
        delta: f32,
    },
    /// `tf.image.adjust_contrast`.
    AdjustContrast {
        /// Multiplies each value's distance from its channel's mean.
        contrast_factor: f32,
    },
    /// `tf.image.stateless_random_flip_left_right`.
    RandomFlipLeftRight,
    /// `tf.image.stateless_random_flip_up_down`.
    RandomFlipUpDown,
    /// `tf.image.stateless_random_brightness`.
    RandomBrightness {
        /// The largest change, a fraction of the value range.
        max_delta: f32,
    },
    /// `tf.image.stateless_random_contrast`.
    RandomContrast {
        /// The smallest factor.
        lower: f32,
        /// The largest factor, itself excluded.
        upper: f32,
    },
    /// `tf.image.stateless_random_crop`.
    RandomCrop {
        /// Height and width.
        size: (usize, usize),
    },
    /// `(x - mean) / std`, in levels of 0..255, one value for each channel. Ends the range: only flips and crops may
    /// follow.
    Normalize {
        /// Mean by channel.
        mean: Vec<f32>,
        /// Standard deviation by channel.
        std: Vec<f32>,
    },
}

/// Every op's name.
pub(super) const NAMES: [&str; 12] = [
    "resize",
    "central_crop",
    "flip_left_right",
    "flip_up_down",
    "adjust_brightness",
    "adjust_contrast",
    "random_flip_left_right",
    "random_flip_up_down",
    "random_brightness",
    "random_contrast",
    "random_crop",
    "normalize",
];

impl Op {
    /// The name in a spec.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Resize { .. } => "resize",
            Op::CentralCrop { .. } => "central_crop",
            Op::FlipLeftRight => "flip_left_right",
            Op::FlipUpDown => "flip_up_down",
            Op::AdjustBrightness { .. } => "adjust_brightness",
            Op::AdjustContrast { .. } => "adjust_contrast",
            Op::RandomFlipLeftRight => "random_flip_left_right",
            Op::RandomFlipUpDown => "random_flip_up_down",
            Op::RandomBrightness { .. } => "random_brightness",
            Op::RandomContrast { .. } => "random_contrast",
            Op::RandomCrop { .. } => "random_crop",
            Op::Normalize { .. } => "normalize",
        }
    }

    /// Whether the op draws random numbers.
    pub fn is_random(&self) -> bool {
        self.name().starts_with("random_")
    }

    /// Whether values after the op may be outside 0..255, or before it must not be.
    fn needs_levels(&self) -> bool {
        matches!(
            self,
            Op::Resize { .. }
                | Op::AdjustBrightness { .. }
                | Op::RandomBrightness { .. }
                | Op::AdjustContrast { .. }
                | Op::RandomContrast { .. }
                | Op::Normalize { .. }
        )
    }

    /// Reads an op from its table, for images of `channels` channels.
    pub(super) fn parse(section: &mut Section<'_>, channels: usize) -> Result<Self> {
        let name: String = section.require("op")?;
        section.rename(&name);
        let size = |section: &Section<'_>| {
            let sides = 1..=MAX_SIDE;
            section.require_in("size", "[height, width], each from 1 to 65535", move |(h, w)| {
                sides.contains(h) && sides.contains(w)
            })
        };
        let op = match name.as_str() {
            "resize" => {
                let size = size(section)?;
                section.word("method", &[("bilinear", ())])?;
                if section.get("antialias")?.unwrap_or(false) {
                    return Err(section.wrong("antialias", "must be false"));
                }
                Op::Resize { size }
            }
            "central_crop" => Op::CentralCrop {
                central_fraction: section
                    .require_in("central_fraction", "above 0 and at most 1", |f| *f > 0.0 && *f <= 1.0)?,
            },
            "flip_left_right" => Op::FlipLeftRight,
            "flip_up_down" => Op::FlipUpDown,
            "adjust_brightness" => {
                Op::AdjustBrightness { delta: section.require_in("delta", "from -1 to 1", |d: &f32| d.abs() <= 1.0)? }
            }
            "adjust_contrast" => Op::AdjustContrast {
                contrast_factor: section
                    .require_in("contrast_factor", "from 0 to 100", |f| (0.0..=100.0).contains(f))?,
            },
            "random_flip_left_right" => Op::RandomFlipLeftRight,
            "random_flip_up_down" => Op::RandomFlipUpDown,
            "random_brightness" => Op::RandomBrightness {
                max_delta: section.require_in("max_delta", "from 0 to 1", |d| (0.0..=1.0).contains(d))?,
            },
            "random_contrast" => {
                let lower = section.require_in("lower", "from 0 to 100", |f| (0.0..=100.0).contains(f))?;
                let range = format!("above lower ({lower}) and at most 100");
                let upper = section.require_in("upper", &range, |f| *f > lower && *f <= 100.0)?;
                Op::RandomContrast { lower, upper }
            }
            "random_crop" => Op::RandomCrop { size: size(section)? },
            "normalize" => {
                let count = format!("{channels} numbers, one for each channel");
                let mean: Vec<f32> = section.require_in("mean", &count, |v: &Vec<f32>| v.len() == channels)?;
                let std = section.require_in("std", &format!("{count}, none of them 0"), |v: &Vec<f32>| {
                    v.len() == channels && v.iter().all(|s| *s != 0.0)
                })?;
                Normalizer::new(&mean, &std).map_err(|e| section.wrong("std", &e.to_string()))?;
                Op::Normalize { mean, std }
            }
            unknown => return Err(section.unknown("op", unknown, &NAMES)),
        };
        section.finish()?;
        Ok(op)
    }

    /// The size after the op, given the size before it where that is the same for all images.
    fn size_after(&self, before: Option<(usize, usize)>) -> Result<Option<(usize, usize)>> {
        match self {
            Op::Resize { size } => Ok(Some(*size)),
            Op::RandomCrop { size } => match before {
                Some((h, w)) if size.0 > h || size.1 > w => {
                    let detail =
                        format!("random_crop: size [{}, {}] is larger than the image, [{h}, {w}]", size.0, size.1);
                    Err(Error::usage_hint(detail, "resize to more than the crop first"))
                }
                _ => Ok(Some(*size)),
            },
            Op::CentralCrop { central_fraction } => before
                .map(|(h, w)| {
                    Ok(central_crop_rect(Shape::new(h, w, 1), *central_fraction).map(|r| (r.height, r.width))?)
                })
                .transpose(),
            _ => Ok(before),
        }
    }
}

/// Checks an op list as a whole; the size of what it gives, where that does not depend on the image.
pub(super) fn check_list(ops: &[Op]) -> Result<Option<(usize, usize)>> {
    let mut size = None;
    let mut normalized = false;
    for op in ops {
        if normalized && op.needs_levels() {
            return Err(Error::usage_hint(
                format!("{} after normalize: it works on levels of 0..255, which normalize ends", op.name()),
                "move normalize to the end of the list",
            ));
        }
        normalized |= matches!(op, Op::Normalize { .. });
        size = op.size_after(size)?;
    }
    Ok(size)
}
