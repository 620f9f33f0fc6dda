//! What a parameter of an op may be: read, checked, and told in the documentation, all from one rule.

use crate::canonical::{float, list, optional};
use crate::error::Result;
use crate::image::ops::{FillMode, Interpolation};
use crate::image::{CropMethod, Method};
use crate::pipeline::op::{ErasingValue, OpSpec, Range};
use crate::pipeline::toml::{FromToml, Section, ToToml};

/// How one parameter is read.
pub(super) trait Rule {
    /// The parameter's type.
    type Value;

    /// What is allowed, as errors say it after "must be" and the documentation as it is.
    fn allowed(&self) -> String;

    /// The value of a key; `None` where it is missing.
    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Self::Value>>;

    /// The value as a canonical spec writes it.
    fn show(&self, value: &Self::Value) -> String;

    /// The value of a key that must be there.
    fn require(&self, section: &Section<'_>, key: &'static str) -> Result<Self::Value> {
        self.read(section, key)?.ok_or_else(|| section.missing(key, &self.allowed()))
    }
}

/// Checks a value that has been read.
fn checked<T>(
    section: &Section<'_>,
    key: &'static str,
    value: Option<T>,
    allowed: &str,
    holds: impl Fn(&T) -> bool,
) -> Result<Option<T>> {
    match value {
        Some(value) if !holds(&value) => Err(section.wrong(key, &format!("must be {allowed}"))),
        value => Ok(value),
    }
}

/// A number from the first to the last, both included.
pub(super) struct Within<T>(pub(super) T, pub(super) T);

impl<T: FromToml + ToToml + PartialOrd + std::fmt::Display> Rule for Within<T> {
    type Value = T;

    fn allowed(&self) -> String {
        format!("from {} to {}", self.0, self.1)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<T>> {
        let value = section.get_as(key, &self.allowed())?;
        checked(section, key, value, &self.allowed(), |v| *v >= self.0 && *v <= self.1)
    }

    fn show(&self, value: &T) -> String {
        value.to_toml()
    }
}

/// A number above the first, at most the last.
pub(super) struct Above<T>(pub(super) T, pub(super) T);

impl<T: FromToml + ToToml + PartialOrd + std::fmt::Display> Rule for Above<T> {
    type Value = T;

    fn allowed(&self) -> String {
        format!("above {} and at most {}", self.0, self.1)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<T>> {
        let value = section.get_as(key, &self.allowed())?;
        checked(section, key, value, &self.allowed(), |v| *v > self.0 && *v <= self.1)
    }

    fn show(&self, value: &T) -> String {
        value.to_toml()
    }
}

/// An odd number up to this one.
pub(super) struct Odd(pub(super) usize);

impl Rule for Odd {
    type Value = usize;

    fn allowed(&self) -> String {
        format!("an odd number from 1 to {}", self.0)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<usize>> {
        let value = section.get_as(key, &self.allowed())?;
        checked(section, key, value, &self.allowed(), |v| v % 2 == 1 && *v <= self.0)
    }

    fn show(&self, value: &usize) -> String {
        value.to_string()
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Rule for Flag {
    type Value = bool;

    fn allowed(&self) -> String {
        bool::EXPECTED.to_owned()
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<bool>> {
        section.get(key)
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// Height and width, or y and x: each from the first number to the second.
pub(super) struct Pair(pub(super) &'static str, pub(super) usize, pub(super) usize);

/// Height and width of an image.
pub(super) const SIZE: Pair = Pair("[height, width]", 1, 65_535);
/// The place of a rectangle.
pub(super) const OFFSET: Pair = Pair("[y, x]", 0, 65_535);

impl Rule for Pair {
    type Value = (usize, usize);

    fn allowed(&self) -> String {
        format!("{}, each from {} to {}", self.0, self.1, self.2)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<(usize, usize)>> {
        let value = section.get_as(key, &self.allowed())?;
        let sides = self.1..=self.2;
        checked(section, key, value, &self.allowed(), |(a, b)| sides.contains(a) && sides.contains(b))
    }

    fn show(&self, value: &(usize, usize)) -> String {
        format!("[{}, {}]", value.0, value.1)
    }
}

/// A range to draw from, `[lower, upper]`; a number f alone is `[-f, f]`. Both ends lie within plus or minus this.
pub(super) struct Around(pub(super) f32);

impl Rule for Around {
    type Value = Range;

    fn allowed(&self) -> String {
        format!("a number from 0 to {0}, or [lower, upper] within -{0} and {0}", self.0)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Range>> {
        let value = section.get_as(key, &self.allowed())?.map(|v| match v {
            NumberOrPair::Number(f) => Range { lower: -f, upper: f },
            NumberOrPair::Pair(lower, upper) => Range { lower, upper },
        });
        let inside = |r: &Range| r.lower >= -self.0 && r.lower <= r.upper && r.upper <= self.0;
        checked(section, key, value, &self.allowed(), inside)
    }

    fn show(&self, value: &Range) -> String {
        if value.lower == -value.upper { float(value.upper) } else { shown(*value) }
    }
}

/// A number, or a range `[lower, upper]` to draw it from, within these bounds.
pub(super) struct Varying(pub(super) f32, pub(super) f32);

impl Rule for Varying {
    type Value = Range;

    fn allowed(&self) -> String {
        format!("a number from {0} to {1}, or [lower, upper] within them", self.0, self.1)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Range>> {
        let value = section.get_as(key, &self.allowed())?.map(|v| match v {
            NumberOrPair::Number(f) => Range { lower: f, upper: f },
            NumberOrPair::Pair(lower, upper) => Range { lower, upper },
        });
        let inside = |r: &Range| r.lower >= self.0 && r.lower <= r.upper && r.upper <= self.1;
        checked(section, key, value, &self.allowed(), inside)
    }

    fn show(&self, value: &Range) -> String {
        if value.lower == value.upper { float(value.upper) } else { shown(*value) }
    }
}

/// A range `[lower, upper]`; the lower end is above 0 where the bounds begin there.
pub(super) struct Span(pub(super) f32, pub(super) f32);

impl Rule for Span {
    type Value = Range;

    fn allowed(&self) -> String {
        let from = if self.0 == 0.0 { "above 0".to_owned() } else { format!("from {}", self.0) };
        format!("[lower, upper], lower at most upper, {from} and at most {}", self.1)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Range>> {
        let value = section.get_as(key, &self.allowed())?;
        let value = value.map(|(lower, upper): (f32, f32)| Range { lower, upper });
        let starts = |v: f32| if self.0 == 0.0 { v > 0.0 } else { v >= self.0 };
        checked(section, key, value, &self.allowed(), |r| starts(r.lower) && r.lower <= r.upper && r.upper <= self.1)
    }

    fn show(&self, value: &Range) -> String {
        shown(*value)
    }
}

fn shown(range: Range) -> String {
    list([range.lower, range.upper], float)
}

/// A number or two, as TOML has them.
enum NumberOrPair {
    Number(f32),
    Pair(f32, f32),
}

impl FromToml for NumberOrPair {
    const EXPECTED: &'static str = "a number or [lower, upper]";

    fn from_toml(value: &::toml::de::DeValue<'_>) -> Option<Self> {
        match f32::from_toml(value) {
            Some(number) => Some(NumberOrPair::Number(number)),
            None => <(f32, f32)>::from_toml(value).map(|(lower, upper)| NumberOrPair::Pair(lower, upper)),
        }
    }
}

/// The largest of [`Numbers`]: beyond it, coordinates are no longer good to a pixel.
const MOST_NUMBER: f32 = 1_000_000.0;

/// A fixed number of numbers.
pub(super) struct Numbers<const N: usize>(pub(super) &'static str);

impl<const N: usize> Rule for Numbers<N> {
    type Value = [f32; N];

    fn allowed(&self) -> String {
        format!("{}, each from -{MOST_NUMBER} to {MOST_NUMBER}", self.0)
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<[f32; N]>> {
        let list: Option<Vec<f32>> = section.get_as(key, &self.allowed())?;
        let Some(list) = list else { return Ok(None) };
        let wrong = |_| section.wrong(key, &format!("must be {}", self.allowed()));
        let numbers: [f32; N] = list.try_into().map_err(wrong)?;
        checked(section, key, Some(numbers), &self.allowed(), |n| n.iter().all(|v| v.abs() <= MOST_NUMBER))
    }

    fn show(&self, value: &[f32; N]) -> String {
        list(*value, float)
    }
}

/// A number for each channel.
pub(super) struct Channelwise;

impl Rule for Channelwise {
    type Value = Vec<f32>;

    fn allowed(&self) -> String {
        "a list of numbers, one for each channel".to_owned()
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Vec<f32>>> {
        section.get_as(key, &self.allowed())
    }

    fn show(&self, value: &Vec<f32>) -> String {
        list(value, |v| float(*v))
    }
}

/// Weights, none negative, one at least above 0.
pub(super) struct Weights;

impl Rule for Weights {
    type Value = Vec<f32>;

    fn allowed(&self) -> String {
        "a list of numbers of 0 or more, one for each op, not all 0".to_owned()
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Vec<f32>>> {
        let value = section.get_as(key, &self.allowed())?;
        let good = |list: &Vec<f32>| list.iter().all(|w| *w >= 0.0) && list.iter().any(|w| *w > 0.0);
        checked(section, key, value, &self.allowed(), good)
    }

    fn show(&self, value: &Vec<f32>) -> String {
        list(value, |v| float(*v))
    }
}

/// Ops within an op.
pub(super) struct Ops;

impl Rule for Ops {
    type Value = Vec<OpSpec>;

    fn allowed(&self) -> String {
        "a list of ops, such as [{ op = \"invert\" }, { op = \"solarize\" }]".to_owned()
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Vec<OpSpec>>> {
        let Some(sections) = section.inline_sections(key, &self.allowed())? else { return Ok(None) };
        if sections.is_empty() {
            return Err(section.wrong(key, "must hold at least one op"));
        }
        sections.into_iter().map(|mut section| OpSpec::parse(&mut section)).collect::<Result<_>>().map(Some)
    }

    fn show(&self, value: &Vec<OpSpec>) -> String {
        list(value, |spec| {
            let entries: Vec<String> = spec.entries().map(|(key, value)| format!("{key} = {value}")).collect();
            format!("{{ {} }}", entries.join(", "))
        })
    }
}

/// One of a few words.
pub(super) struct Words<T: 'static>(pub(super) &'static [(&'static str, T)]);

pub(super) const METHODS: Words<Method> = Words(&[
    ("bilinear", Method::Bilinear),
    ("nearest", Method::Nearest),
    ("bicubic", Method::Bicubic),
    ("area", Method::Area),
    ("lanczos3", Method::Lanczos3),
    ("lanczos5", Method::Lanczos5),
    ("mitchellcubic", Method::MitchellCubic),
    ("gaussian", Method::Gaussian),
]);
pub(super) const CROP_METHODS: Words<CropMethod> =
    Words(&[("bilinear", CropMethod::Bilinear), ("nearest", CropMethod::Nearest)]);
pub(super) const FILL_MODES: Words<FillMode> = Words(&[
    ("reflect", FillMode::Reflect),
    ("constant", FillMode::Constant),
    ("wrap", FillMode::Wrap),
    ("nearest", FillMode::Nearest),
]);
pub(super) const INTERPOLATIONS: Words<Interpolation> =
    Words(&[("bilinear", Interpolation::Bilinear), ("nearest", Interpolation::Nearest)]);
/// The one type that `convert_image_dtype` gives in a spec.
pub(super) const FLOAT32: Words<()> = Words(&[("float32", ())]);

impl<T: Copy + PartialEq> Rule for Words<T> {
    type Value = T;

    fn allowed(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        words.join(" or ")
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<T>> {
        section.word(key, self.0)
    }

    fn show(&self, value: &T) -> String {
        let word = self.0.iter().find(|(_, v)| v == value);
        word.map(|(word, _)| format!("\"{word}\"")).unwrap_or_default()
    }
}

/// A level, or `"noise"`.
pub(super) struct LevelOrNoise;

impl Rule for LevelOrNoise {
    type Value = ErasingValue;

    fn allowed(&self) -> String {
        "a level from 0 to 255, or \"noise\"".to_owned()
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<ErasingValue>> {
        let value = section.get_as(key, &self.allowed())?;
        checked(section, key, value, &self.allowed(), |v| match v {
            ErasingValue::Level(level) => (0.0..=255.0).contains(level),
            ErasingValue::Noise => true,
        })
    }

    fn show(&self, value: &ErasingValue) -> String {
        match value {
            ErasingValue::Level(level) => float(*level),
            ErasingValue::Noise => "\"noise\"".to_owned(),
        }
    }
}

impl FromToml for ErasingValue {
    const EXPECTED: &'static str = "a number or \"noise\"";

    fn from_toml(value: &::toml::de::DeValue<'_>) -> Option<Self> {
        match String::from_toml(value) {
            Some(word) => (word == "noise").then_some(ErasingValue::Noise),
            None => f32::from_toml(value).map(ErasingValue::Level),
        }
    }
}

/// A parameter that may be left out.
pub(super) struct Maybe<R>(pub(super) R);

impl<R: Rule> Rule for Maybe<R> {
    type Value = Option<R::Value>;

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn read(&self, section: &Section<'_>, key: &'static str) -> Result<Option<Option<R::Value>>> {
        Ok(self.0.read(section, key)?.map(Some))
    }

    fn show(&self, value: &Self::Value) -> String {
        optional(value.as_ref(), |value| self.0.show(value))
    }
}
