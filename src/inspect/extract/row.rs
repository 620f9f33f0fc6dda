//! A record as a line of the list: what `convert` needs to make the same record again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Number, Value, json};
use sha2::{Digest, Sha256};

use super::parts::{FILENAME, Parts};
use super::plan::Planned;
use crate::dataset::BOX_FEATURES;
use crate::error::Result;
use crate::example::{FeatureView, Kind, hex, to_base64};
use crate::image::{Format, Limits, Probe, probe_header};

/// Columns of the list that are no features.
pub(super) const COLUMNS: [&str; 5] = ["path", "split", "label", "text", "boxes"];

/// Features that `convert` reads off the image ...
const MEASURED: [&str; 6] =
    ["image/channels", "image/colorspace", "image/format", "image/height", "image/key/sha256", "image/width"];
/// ... and others that it makes of the columns.
const MADE: [&str; 3] = ["image/class/label", "image/class/text", "image/encoded"];

const BOX_LABEL: &str = "image/object/class/label";
const BOX_TEXT: &str = "image/object/class/text";

/// So many feature names are followed; a set with more of them has names made of data.
const MAX_NAMES: usize = 10_000;

/// A line, less what is missing.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    boxes: Option<Vec<Value>>,
    #[serde(flatten)]
    features: BTreeMap<&'a str, Value>,
}

/// Why a feature is not in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    /// `convert` computes another value.
    Differs,
    /// The list has a column of that name, which means something else; or `convert` computes that feature.
    Taken,
    /// It does not say one class.
    Class,
    /// The lists of boxes do not fit together.
    Boxes,
}

/// What is counted over records.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Features that are not in the list: in how many records, and an example.
    pub(super) left_out: BTreeMap<(LeftOut, String), (u64, String)>,
    /// The kinds of the features in the list.
    pub(super) kinds: BTreeMap<String, BTreeSet<Kind>>,
    /// Images of no known type.
    pub(super) unknown: u64,
    /// Images of types that `convert` does not store as they are.
    pub(super) foreign: u64,
    /// Images that `convert` will refuse.
    pub(super) damaged: u64,
}

impl Tally {
    pub(super) fn merge(&mut self, other: Tally) {
        for (key, (count, example)) in other.left_out {
            self.left_out.entry(key).or_insert((0, example)).0 += count;
        }
        for (name, kinds) in other.kinds {
            if self.kinds.len() < MAX_NAMES || self.kinds.contains_key(&name) {
                self.kinds.entry(name).or_default().extend(kinds);
            }
        }
        self.unknown += other.unknown;
        self.foreign += other.foreign;
        self.damaged += other.damaged;
    }

    fn leave_out(&mut self, why: LeftOut, name: &str, example: String) {
        self.left_out.entry((why, name.to_owned())).or_insert((0, example)).0 += 1;
    }
}

/// The line of a record, without its end.
pub(super) fn line(planned: &Planned, parts: &Parts<'_>, split: bool, tally: &mut Tally) -> Result<String> {
    let image = parts.image()?;
    let probe = image.and_then(|image| probe(image, planned.format, tally));
    let boxes = boxes(parts)?;
    let mut features = BTreeMap::new();
    for (&name, feature) in &parts.features {
        let fate = if is_box(name) {
            if boxes.is_some() { Fate::Told } else { Fate::LeftOut(LeftOut::Boxes, String::new()) }
        } else if name == FILENAME && feature.single_bytes().ok() == planned.path.as_deref().map(str::as_bytes) {
            Fate::Told
        } else {
            fate(name, feature, parts, image, probe.as_ref())
        };
        match fate {
            Fate::Told => {}
            Fate::LeftOut(why, example) => tally.leave_out(why, name, example),
            Fate::Kept => {
                tally.kinds.entry(name.to_owned()).or_default().insert(feature.kind());
                features.insert(name, value(feature)?);
            }
        }
    }
    let (path, text) = (planned.path.as_deref(), planned.text.as_deref());
    let line = Line { path, split: split.then_some(&planned.set), label: planned.label, text, boxes, features };
    Ok(serde_json::to_string(&line).map_err(std::io::Error::from)?)
}

/// What becomes of a feature.
enum Fate {
    /// Other columns say it, or `convert` finds it out again.
    Told,
    Kept,
    /// With an example.
    LeftOut(LeftOut, String),
}

fn fate(name: &str, feature: &FeatureView<'_>, parts: &Parts<'_>, image: Option<&[u8]>, probe: Option<&Probe>) -> Fate {
    if parts.is_told(name) {
        return Fate::Told;
    }
    if parts.is_class(name) {
        return Fate::LeftOut(LeftOut::Class, String::new());
    }
    if let (Some(image), true) = (image, MEASURED.contains(&name)) {
        // Without a header there is nothing to hold it against; such images are counted.
        return match probe.and_then(|probe| Measured::of(name, image, probe)) {
            Some(measured) if !measured.is(feature) => {
                Fate::LeftOut(LeftOut::Differs, format!("{}, to be {}", shown(feature), measured.shown()))
            }
            _ => Fate::Told,
        };
    }
    match MEASURED.contains(&name) || MADE.contains(&name) || COLUMNS.contains(&name) {
        true => Fate::LeftOut(LeftOut::Taken, String::new()),
        false => Fate::Kept,
    }
}

fn is_box(name: &str) -> bool {
    BOX_FEATURES.contains(&name) || name == BOX_LABEL || name == BOX_TEXT
}

/// The header of an image that `convert` takes.
fn probe(image: &[u8], format: Option<Format>, tally: &mut Tally) -> Option<Probe> {
    match format {
        Some(Format::Jpeg | Format::Png) => {
            let probe = probe_header(image, &Limits::default()).ok();
            tally.damaged += u64::from(probe.is_none());
            probe
        }
        Some(_) => {
            tally.foreign += 1;
            None
        }
        None => {
            tally.unknown += 1;
            None
        }
    }
}

/// A value that `convert` reads off the image.
enum Measured {
    Int(i64),
    Text(String),
}

impl Measured {
    fn of(name: &str, image: &[u8], probe: &Probe) -> Option<Self> {
        let int = |value| i64::try_from(value).ok().map(Measured::Int);
        match name {
            "image/channels" => int(probe.channels),
            "image/colorspace" => Some(Measured::Text(probe.colorspace.name().to_owned())),
            "image/format" => Some(Measured::Text(probe.format.to_string())),
            "image/height" => int(probe.height),
            "image/key/sha256" => Some(Measured::Text(hex(&Sha256::digest(image)))),
            "image/width" => int(probe.width),
            _ => None,
        }
    }

    fn is(&self, feature: &FeatureView<'_>) -> bool {
        match self {
            Measured::Int(value) => feature.single_int64().ok() == Some(*value),
            Measured::Text(value) => feature.single_bytes().ok() == Some(value.as_bytes()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Measured::Int(value) => value.to_string(),
            Measured::Text(value) => value.clone(),
        }
    }
}

/// The only value of a feature, for people.
fn shown(feature: &FeatureView<'_>) -> String {
    let text = feature.single_bytes().map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned());
    text.or_else(|_| feature.single_int64().map(|value| value.to_string()))
        .unwrap_or_else(|_| format!("a list of {}", feature.kind().name()))
}

/// The values of a feature: plain where that says all, else with their kind.
fn value(feature: &FeatureView<'_>) -> Result<Value> {
    let (values, is_plain): (Vec<Value>, bool) = match feature.kind() {
        Kind::Int64 => (feature.int64s()?.map(|v| v.map(Value::from)).collect::<Result<_>>()?, true),
        Kind::Float => {
            let values: Vec<Value> = feature.floats()?.map(|v| v.map(float)).collect::<Result<_>>()?;
            let is_plain = values.iter().all(Value::is_number);
            (values, is_plain)
        }
        Kind::Bytes => {
            let values: Vec<Value> = feature.bytes()?.map(|v| v.map(bytes)).collect::<Result<_>>()?;
            let is_plain = values.iter().all(Value::is_string);
            (values, is_plain)
        }
    };
    Ok(match (&values[..], is_plain) {
        ([_], true) => values.into_iter().next().unwrap_or_default(),
        ([_, _, ..], true) => Value::Array(values),
        _ => json!({ feature.kind().name(): values }),
    })
}

/// A number that is read back as the same float, by way of 64 bits or not; what is no number as a string.
fn float(value: f32) -> Value {
    let shortest = value.to_string().parse::<f64>().unwrap_or_default();
    let exact = if shortest as f32 == value { shortest } else { f64::from(value) };
    match Number::from_f64(if value.is_finite() { exact } else { f64::NAN }) {
        Some(number) => Value::Number(number),
        None => json!(value.to_string()),
    }
}

fn bytes(value: &[u8]) -> Value {
    match std::str::from_utf8(value) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": to_base64(value) }),
    }
}

/// The boxes of a record; `None` where it has none, or lists that do not fit together.
fn boxes(parts: &Parts<'_>) -> Result<Option<Vec<Value>>> {
    let feature = |name, kind| parts.features.get(name).map(|f: &FeatureView<'_>| (f, f.kind() == kind));
    let mut columns: Vec<(&str, Vec<Value>)> = Vec::new();
    for (name, key) in BOX_FEATURES.into_iter().zip(["xmin", "ymin", "xmax", "ymax"]) {
        let Some((feature, true)) = feature(name, Kind::Float) else { return Ok(None) };
        columns.push((key, feature.floats()?.map(|v| v.map(float)).collect::<Result<_>>()?));
    }
    match feature(BOX_LABEL, Kind::Int64) {
        Some((feature, true)) => {
            columns.push(("label", feature.int64s()?.map(|v| v.map(Value::from)).collect::<Result<_>>()?));
        }
        Some(_) => return Ok(None),
        None => {}
    }
    match feature(BOX_TEXT, Kind::Bytes) {
        Some((feature, true)) => columns.push(("text", feature.bytes()?.map(|v| v.map(bytes)).collect::<Result<_>>()?)),
        Some(_) => return Ok(None),
        None => {}
    }
    let count = columns.first().map_or(0, |(_, values)| values.len());
    let is_plain = |(key, values): &(&str, Vec<Value>)| match *key {
        "text" => values.iter().all(Value::is_string),
        _ => values.iter().all(Value::is_number),
    };
    if columns.iter().any(|column| column.1.len() != count || !is_plain(column)) {
        return Ok(None);
    }
    let mut boxes = vec![Map::new(); count];
    for (key, values) in columns {
        boxes.iter_mut().zip(values).for_each(|(one, value)| drop(one.insert(key.to_owned(), value)));
    }
    Ok(Some(boxes.into_iter().map(Value::Object).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ExampleBuilder, ExampleView};

    #[test]
    fn values_are_plain_where_that_says_all() {
        let payload = ExampleBuilder::new()
            .int64("one", -3)
            .int64s("many", [1, 2])
            .int64s("none", [])
            .floats("floats", [0.1, 1.0, -0.0, f32::MAX])
            .floats("odd", [f32::NAN, f32::NEG_INFINITY, 0.5])
            .text("text", "naïve")
            .bytes_list("bytes", [&b"a"[..], b"\xff\0"])
            .encode();
        let of = |name| value(&ExampleView::new(&payload).feature(name).unwrap().unwrap()).unwrap().to_string();
        assert_eq!(of("one"), "-3");
        assert_eq!(of("many"), "[1,2]");
        assert_eq!(of("none"), r#"{"int64":[]}"#);
        assert_eq!(of("floats"), "[0.1,1.0,-0.0,3.4028235e+38]");
        assert_eq!(of("odd"), r#"{"float":["NaN","-inf",0.5]}"#);
        assert_eq!(of("text"), r#""naïve""#);
        assert_eq!(of("bytes"), r#"{"bytes":["a",{"base64":"/wA="}]}"#);
    }

    #[test]
    fn floats_come_back_bit_for_bit_through_64_bits() {
        for bits in (0..0x7f80_0000u32).step_by(99_991).chain([1, 0x7f7f_ffff]) {
            let value = f32::from_bits(bits);
            let back: f64 = float(value).to_string().parse().unwrap();
            assert_eq!((back as f32).to_bits(), bits, "{value}");
        }
    }
}
