//! What is gathered of one feature.

use std::collections::BTreeMap;

use super::numbers::Numbers;
use super::top::Top;
use super::{FeatureStats, ImageStats, TopValue};
use crate::error::Result;
use crate::example::{FeatureListView, FeatureView, Kind};
use crate::image;

/// Texts up to this length in bytes are counted one by one.
const MAX_TEXT: usize = 128;

/// Fewer values that all differ may do so by chance.
const MIN_UNIQUE: u64 = 10;

const KINDS: [Kind; 3] = [Kind::Bytes, Kind::Float, Kind::Int64];

/// Gathers the values of a feature, or of a feature list.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    kinds: [u64; 3],
    /// Values of a record, or of a step.
    lengths: Numbers,
    /// Steps of a record; of feature lists only.
    steps: Numbers,
    pub(super) numbers: Numbers,
    ints: Option<(i64, i64)>,
    pub(super) byte_lengths: Numbers,
    pub(super) top_ints: Top<i64>,
    pub(super) top_texts: Top<Box<[u8]>>,
    /// Byte strings that are no short texts.
    uncounted: u64,
    images: Images,
}

#[derive(Debug, Clone, Default)]
struct Images {
    formats: BTreeMap<String, u64>,
    width: Numbers,
    height: Numbers,
    aspect: Numbers,
}

impl Gathered {
    /// Takes in the feature of a record.
    pub(super) fn add(&mut self, feature: &FeatureView<'_>) -> Result<()> {
        self.add_values(feature)?;
        self.kinds[feature.kind() as usize] += 1;
        Ok(())
    }

    /// Takes in the feature list of a record.
    pub(super) fn add_list(&mut self, list: &FeatureListView<'_>) -> Result<()> {
        let (mut steps, mut first) = (0u64, None);
        for step in list.steps() {
            steps += 1;
            if let Some(step) = step? {
                first.get_or_insert(step.kind());
                self.add_values(&step)?;
            }
        }
        self.steps.add(steps as f64);
        // Of a list without steps no kind is known; it takes that of the other records.
        if let Some(kind) = first {
            self.kinds[kind as usize] += 1;
        }
        Ok(())
    }

    fn add_values(&mut self, feature: &FeatureView<'_>) -> Result<()> {
        let mut len = 0u64;
        match feature.kind() {
            Kind::Bytes => feature.bytes()?.try_for_each(|v| v.map(|v| (self.add_bytes(v), len += 1)).map(drop))?,
            Kind::Float => feature.floats()?.try_for_each(|v| v.map(|v| (self.add_float(v), len += 1)).map(drop))?,
            Kind::Int64 => feature.int64s()?.try_for_each(|v| v.map(|v| (self.add_int(v), len += 1)).map(drop))?,
        }
        self.lengths.add(len as f64);
        Ok(())
    }

    /// Whether these are texts of which no value comes twice, so many that this is no chance: names, keys, ids.
    pub(super) fn is_unique(&self) -> bool {
        let values = self.byte_lengths.count();
        let once = match self.top_texts.distinct() {
            Some(distinct) => distinct == values,
            // More than are followed: of values that come once, no count rises.
            None => self.top_texts.most(1).first().is_none_or(|(_, count)| *count <= 1),
        };
        values >= MIN_UNIQUE && self.uncounted == 0 && once
    }

    fn add_int(&mut self, value: i64) {
        self.ints = Some(self.ints.map_or((value, value), |(min, max)| (min.min(value), max.max(value))));
        self.numbers.add(value as f64);
        self.top_ints.add(&value);
    }

    fn add_float(&mut self, value: f32) {
        self.numbers.add(f64::from(value));
    }

    fn add_bytes(&mut self, value: &[u8]) {
        self.byte_lengths.add(value.len() as f64);
        if value.len() <= MAX_TEXT && std::str::from_utf8(value).is_ok() {
            self.top_texts.add(value);
            return;
        }
        self.uncounted += 1;
        // A long text may begin like an image.
        if image::sniff(value).is_some() && std::str::from_utf8(value).is_err() {
            self.images.add(value);
        }
    }

    /// Takes in what was gathered elsewhere.
    pub(super) fn merge(&mut self, other: Gathered) {
        self.kinds.iter_mut().zip(other.kinds).for_each(|(a, b)| *a += b);
        self.lengths.merge(other.lengths);
        self.steps.merge(other.steps);
        self.numbers.merge(other.numbers);
        self.ints = match (self.ints, other.ints) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        self.byte_lengths.merge(other.byte_lengths);
        self.top_ints.merge(other.top_ints);
        self.top_texts.merge(other.top_texts);
        self.uncounted += other.uncounted;
        self.images.merge(other.images);
    }

    /// What is told of it, over `records` records; `None` where no record gave it a kind.
    pub(super) fn into_stats(self, records: u64, top: usize) -> Option<FeatureStats> {
        let most = KINDS.into_iter().zip(self.kinds).max_by_key(|&(kind, count)| (count, std::cmp::Reverse(kind)));
        let (kind, _) = most.filter(|(_, count)| *count > 0)?;
        let others = KINDS.into_iter().zip(self.kinds).filter(|(other, count)| *other != kind && *count > 0);
        let steps = self.steps.stats();
        let present = steps.as_ref().map_or(self.kinds.iter().sum(), |s| s.count);
        let (distinct, top_error) = match kind {
            Kind::Int64 => (self.top_ints.distinct(), self.top_ints.error()),
            Kind::Bytes => (self.top_texts.distinct().filter(|_| self.uncounted == 0), self.top_texts.error()),
            Kind::Float => (None, 0),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let top = match kind {
            Kind::Int64 => self.top_ints.most(top).into_iter().map(|(v, n)| TopValue::new(v.into(), n)).collect(),
            Kind::Bytes => {
                self.top_texts.most(top).into_iter().map(|(v, n)| TopValue::new(text(&v).into(), n)).collect()
            }
            Kind::Float => Vec::new(),
        };
        Some(FeatureStats {
            kind,
            other_kinds: others.map(|(kind, _)| kind).collect(),
            records: present,
            missing: 1.0 - present as f64 / records.max(1) as f64,
            steps,
            lengths: self.lengths.stats(),
            numbers: self.numbers.stats(),
            int_range: self.ints,
            nan: self.numbers.nan,
            infinite: self.numbers.infinite,
            negative_infinite: self.numbers.negative_infinite,
            byte_lengths: self.byte_lengths.stats(),
            distinct,
            top,
            top_error,
            images: self.images.stats(),
            gathered: self,
        })
    }
}

impl Images {
    fn add(&mut self, bytes: &[u8]) {
        let Ok((format, probe)) = image::probe_magic(bytes) else { return };
        *self.formats.entry(format.to_string()).or_default() += 1;
        if let Some(probe) = probe {
            self.width.add(probe.width as f64);
            self.height.add(probe.height as f64);
            self.aspect.add(probe.width as f64 / probe.height as f64);
        }
    }

    fn merge(&mut self, other: Images) {
        other.formats.into_iter().for_each(|(format, n)| *self.formats.entry(format).or_default() += n);
        self.width.merge(other.width);
        self.height.merge(other.height);
        self.aspect.merge(other.aspect);
    }

    fn stats(&self) -> Option<ImageStats> {
        let (width, height, aspect) = (self.width.stats(), self.height.stats(), self.aspect.stats());
        let formats = self.formats.clone();
        (!formats.is_empty()).then_some(ImageStats { formats, width, height, aspect })
    }
}
