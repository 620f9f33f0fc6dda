//! The operations of a spec, and what is checked of a list of them.

#[macro_use]
mod declare;
mod flow;
mod list;
mod rule;

pub use declare::{OpDoc, ParamDoc};
pub(super) use flow::Flow;
pub use list::Op;
use rule::{Rule, Within};

use super::toml::Section;
use crate::canonical::{float, quoted};
use crate::error::Result;

/// From where to where a value is drawn: uniform in `[lower, upper)`, or just the value where both are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest value.
    pub lower: f32,
    /// The end of the range.
    pub upper: f32,
}

impl Range {
    const ZERO: Range = Range { lower: 0.0, upper: 0.0 };

    /// Whether there is nothing to draw.
    pub fn is_fixed(self) -> bool {
        self.lower == self.upper
    }
}

/// What an erased rectangle is filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErasingValue {
    /// A level of 0..255.
    Level(f32),
    /// Noise.
    Noise,
}

/// An op in a list, and how often it is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct OpSpec {
    /// The op.
    pub op: Op,
    /// The probability with which it is applied to a sample, in [0, 1]. Default: 1.
    pub p: f32,
}

impl From<Op> for OpSpec {
    fn from(op: Op) -> Self {
        OpSpec { op, p: 1.0 }
    }
}

impl OpSpec {
    /// Reads an op from its table.
    pub(super) fn parse(section: &mut Section<'_>) -> Result<Self> {
        section.expect(&["p"]);
        let name: Option<String> = section.get("op")?;
        let name = name.ok_or_else(|| section.missing("op", "the name of an op, such as \"resize\""))?;
        section.rename(&name);
        let Some(op) = Op::read(&name, section)? else {
            return Err(section.unknown("op", &name, Op::NAMES));
        };
        let p = Within(0.0, 1.0).read(section, "p")?.unwrap_or(1.0);
        section.finish()?;
        Ok(OpSpec { op, p })
    }

    /// What a spec says of it: keys and values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'static str, String)> {
        let p = (self.p != 1.0).then(|| ("p", float(self.p)));
        [("op", quoted(self.op.name()))].into_iter().chain(self.op.entries()).chain(p)
    }

    /// Whether random numbers are drawn.
    pub fn is_random(&self) -> bool {
        self.p != 1.0 || self.op.is_random()
    }
}

/// Ops that give other results than in their first release, with a number that is raised by hand each time: states and caches
/// that depend on them are void then.
const REVISIONS: &[(&str, u32)] = &[];

impl Op {
    /// The revisions of the op and of those within, where they are not the first.
    pub(super) fn revisions(&self) -> Vec<(&'static str, u32)> {
        let mut found: Vec<_> = REVISIONS.iter().copied().filter(|(name, _)| *name == self.name()).collect();
        if let Op::OneOf { ops, .. } | Op::SomeOf { ops, .. } = self {
            found.extend(ops.iter().flat_map(|spec| spec.op.revisions()));
        }
        found
    }

    /// Whether the op draws random numbers.
    pub fn is_random(&self) -> bool {
        match self {
            Op::Sharpness { factor: range } | Op::GaussianBlur { sigma: range, .. } => !range.is_fixed(),
            Op::Cutout { .. }
            | Op::GaussianNoise { .. }
            | Op::SaltAndPepper { .. }
            | Op::RandAugment { .. }
            | Op::OneOf { .. }
            | Op::SomeOf { .. } => true,
            op => op.is_batch() || op.name().starts_with("random_"),
        }
    }

    /// Whether the op makes f32 of u8, for some samples at least. Then it does so for all of them, whatever is drawn: the
    /// type of a list's images does not depend on the sample.
    pub fn gives_f32(&self) -> bool {
        use crate::image::Method::Nearest;
        use crate::image::ops::Interpolation::Bilinear;
        match self {
            Op::Resize { method, .. } | Op::ResizeWithPad { method, .. } | Op::RandomResizedCrop { method, .. } => {
                *method != Nearest
            }
            Op::AffineTransform { interpolation, .. }
            | Op::RandomRotation { interpolation, .. }
            | Op::RandomZoom { interpolation, .. }
            | Op::RandomTranslation { interpolation, .. }
            | Op::RandomShear { interpolation, .. }
            | Op::RandomAffine { interpolation, .. } => *interpolation == Bilinear,
            Op::CropAndResize { .. } | Op::RandAugment { .. } => true,
            Op::OneOf { ops, .. } | Op::SomeOf { ops, .. } => ops.iter().any(|spec| spec.op.gives_f32()),
            op => op.ends_range(),
        }
    }

    /// Whether values are in levels of 0..255 before the op, and no more after it.
    pub fn ends_range(&self) -> bool {
        matches!(self, Op::PerImageStandardization | Op::ConvertImageDtype { .. } | Op::Normalize { .. })
    }

    /// Whether the op works across a batch.
    pub fn is_batch(&self) -> bool {
        matches!(self, Op::Mixup { .. } | Op::Cutmix { .. })
    }
}
