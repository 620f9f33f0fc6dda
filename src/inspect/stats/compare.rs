//! How two sets differ, feature by feature: drift, or skew between training and serving.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::feature::Gathered;
use super::numbers::Numbers;
use super::top::Top;
use super::{FeatureStats, Stats};
use crate::error::{Error, Result};
use crate::example::Kind;
use crate::near::meant_or_listed;

/// How far two sets may differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// The largest L-infinity distance, 0 to 1. Default: 0.1.
    pub l_infinity: f64,
    /// The largest Jensen-Shannon divergence, 0 to 1. Default: 0.1.
    pub jensen_shannon: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { l_infinity: 0.1, jensen_shannon: 0.1 }
    }
}

/// Which features are left out of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ignored {
    /// What tells records apart, and says nothing of what is in them: `image/filename`, `image/key/sha256`,
    /// `image/source_id`, and features of ten and more short texts of which none comes twice in either set (the default).
    #[default]
    Identifying,
    /// Those of these names, that of a feature list being `feature_lists/NAME`; none, where none is named.
    Named(Vec<String>),
}

/// The features that tell records of images apart.
const IDENTIFYING: [&str; 3] = ["image/filename", "image/key/sha256", "image/source_id"];

/// How two sets differ. Serialised, it is the JSON of `tfr stats --compare --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The records of either set.
    pub records: [u64; 2],
    /// Features that differ by more than the thresholds allow.
    pub over: u64,
    /// Each feature of either set by name, that of feature lists being `feature_lists/NAME`.
    pub features: BTreeMap<String, Difference>,
    /// The features that were left out.
    pub ignored: Vec<String>,
}

/// How a feature differs between two sets; the first of a pair is that of the first set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Whether a threshold is crossed, or the kind differs, or one of two sets with records lacks the feature.
    pub over: bool,
    /// The kinds; `None` where the set lacks the feature.
    #[serde(serialize_with = "kinds")]
    pub kind: [Option<Kind>; 2],
    /// The fractions of the records that lack it. Their distance is held against the threshold of L-infinity.
    pub missing: [f64; 2],
    /// The fractions of the numbers that are NaN or infinite. Their distance is held against the threshold of L-infinity.
    pub not_finite: [f64; 2],
    /// The largest distance between the shares that a value has in either set; of integers and short texts. Where a set
    /// has thousands of different values, right within 0.001.
    pub l_infinity: Option<f64>,
    /// The value with this distance.
    pub l_infinity_value: Option<Value>,
    /// The Jensen-Shannon divergence to base 2 between the numbers, or the lengths of the byte strings, of either set: over
    /// the stretches between the tenths of both together.
    pub jensen_shannon: Option<f64>,
}

fn kinds<S: Serializer>(kinds: &[Option<Kind>; 2], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(kinds.iter().map(|kind| kind.map(Kind::name)))
}

impl Stats {
    /// How `other` differs from these. Features that one set lacks are there too, but for those that are left out.
    ///
    /// # Errors
    /// A usage error for a feature to leave out that neither set has.
    ///
    /// A small set differs from the next by chance: of n values, a Jensen-Shannon divergence of some 3 / n is nothing.
    ///
    /// ```
    /// use tfrkit::dataset::{ShardWriter, resolve};
    /// use tfrkit::example::ExampleBuilder;
    /// use tfrkit::inspect::{Ignored, Thresholds, stats};
    ///
    /// let dir = tempfile::tempdir()?;
    /// let of = |name: &str, words: [&str; 4]| {
    ///     let path = dir.path().join(name);
    ///     let mut writer = ShardWriter::create(&path, Default::default())?;
    ///     words.iter().try_for_each(|word| writer.write(&ExampleBuilder::new().text("word", *word).encode()).map(drop))?;
    ///     writer.finish()?;
    ///     stats(&resolve(&[path.to_str().unwrap()])?.one(None)?, &Default::default(), &Default::default())
    /// };
    /// let (train, serving) = (of("a.tfrecord", ["x", "y", "y", "y"])?, of("b.tfrecord", ["x", "x", "x", "y"])?);
    /// let comparison = train.compare(&serving, &Thresholds::default(), &Ignored::default())?;
    /// assert_eq!((comparison.over, comparison.features["word"].l_infinity), (1, Some(0.5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare(&self, other: &Stats, thresholds: &Thresholds, ignored: &Ignored) -> Result<Comparison> {
        let some = self.records > 0 && other.records > 0;
        let (mut features, mut left_out) = (BTreeMap::new(), BTreeSet::new());
        let tables =
            [("", &self.features, &other.features), ("feature_lists/", &self.feature_lists, &other.feature_lists)];
        for (prefix, mine, theirs) in tables {
            for name in mine.keys().chain(theirs.keys()) {
                let (sides, name) = ([mine.get(name), theirs.get(name)], format!("{prefix}{name}"));
                if ignored.has(&name, sides) {
                    left_out.insert(name);
                } else {
                    features.entry(name).or_insert_with(|| difference(sides, thresholds, some));
                }
            }
        }
        if let Ignored::Named(names) = ignored
            && let Some(unknown) = names.iter().find(|name| !left_out.contains(*name))
        {
            let hint = meant_or_listed(unknown, "features", features.keys().chain(&left_out).map(String::as_str));
            return Err(Error::usage_hint(format!("neither set has a feature '{unknown}' to leave out"), hint));
        }
        let over = features.values().filter(|d| d.over).count() as u64;
        let ignored = left_out.into_iter().collect();
        Ok(Comparison { records: [self.records, other.records], over, features, ignored })
    }
}

impl Ignored {
    fn has(&self, name: &str, sides: [Option<&FeatureStats>; 2]) -> bool {
        match self {
            Ignored::Named(names) => names.iter().any(|n| n == name),
            Ignored::Identifying => {
                let is_unique = |side: Option<&FeatureStats>| {
                    side.is_some_and(|s| s.kind == Kind::Bytes && s.other_kinds.is_empty() && s.gathered.is_unique())
                };
                IDENTIFYING.contains(&name) || sides.into_iter().all(is_unique)
            }
        }
    }
}

fn difference(sides: [Option<&FeatureStats>; 2], thresholds: &Thresholds, some: bool) -> Difference {
    let kind = sides.map(|side| side.map(|s| s.kind));
    let missing = sides.map(|side| side.map_or(1.0, |s| s.missing));
    let not_finite = sides.map(|side| side.map_or(0.0, |s| not_finite(&s.gathered.numbers)));
    let mut difference = Difference {
        over: false,
        kind,
        missing,
        not_finite,
        l_infinity: None,
        l_infinity_value: None,
        jensen_shannon: None,
    };
    let apart = |[a, b]: [f64; 2]| (a - b).abs() > thresholds.l_infinity;
    let mut over = apart(missing) || apart(not_finite) || kind[0] != kind[1];
    if let [Some(a), Some(b)] = sides
        && a.kind == b.kind
    {
        let (a, b) = (&a.gathered, &b.gathered);
        let distance = match kind[0] {
            Some(Kind::Int64) => distance(&a.top_ints, &b.top_ints, counts(a, b), |v| Value::from(*v)),
            Some(Kind::Bytes) => {
                distance(&a.top_texts, &b.top_texts, counts(a, b), |v| String::from_utf8_lossy(v).into())
            }
            _ => None,
        };
        let divergence = divergence(told(a), told(b));
        over |= distance.as_ref().is_some_and(|(d, _)| *d > thresholds.l_infinity);
        over |= divergence.is_some_and(|d| d > thresholds.jensen_shannon);
        (difference.l_infinity, difference.l_infinity_value) = distance.unzip();
        difference.jensen_shannon = divergence;
    }
    Difference { over: over && some, ..difference }
}

fn not_finite(numbers: &Numbers) -> f64 {
    (numbers.all() - numbers.count()) as f64 / numbers.all().max(1) as f64
}

/// The numbers of a feature, or else the lengths of its byte strings.
fn told(gathered: &Gathered) -> &Numbers {
    if gathered.numbers.all() > 0 { &gathered.numbers } else { &gathered.byte_lengths }
}

fn counts(a: &Gathered, b: &Gathered) -> [u64; 2] {
    [told(a).count(), told(b).count()]
}

/// The largest distance between the shares of a value, and the value. `None` where no value is followed.
fn distance<K: std::hash::Hash + Ord + Clone>(
    a: &Top<K>,
    b: &Top<K>,
    counts: [u64; 2],
    value: impl Fn(&K) -> Value,
) -> Option<(f64, Value)> {
    let share = |count: u64, all: u64| count as f64 / all.max(1) as f64;
    let distances = a.values().chain(b.values()).map(|v| {
        let shares = [share(a.count(v), counts[0]), share(b.count(v), counts[1])];
        ((shares[0] - shares[1]).abs(), v)
    });
    // Of equal distances the smallest value, whatever the order of the tables.
    let largest = distances.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    largest.map(|(distance, v)| (distance, value(v)))
}

fn divergence(a: &Numbers, b: &Numbers) -> Option<f64> {
    if a.count() == 0 || b.count() == 0 {
        return None;
    }
    let mut both = a.sketch.clone();
    both.merge(b.sketch.clone());
    let mut edges = both.quantiles(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
    edges.dedup();
    let shares = a.sketch.shares(&edges).into_iter().zip(b.sketch.shares(&edges));
    let part = |p: f64, mean: f64| if p > 0.0 { p * (p / mean).log2() } else { 0.0 };
    let sum: f64 = shares.map(|(p, q)| part(p, (p + q) / 2.0) + part(q, (p + q) / 2.0)).sum();
    // Rounding can leave a little less than nothing.
    Some((sum / 2.0).max(0.0))
}
