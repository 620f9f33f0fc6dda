//! Examples as JSON, for people.

use std::fmt::Write as _;

use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::view::{ExampleView, FeatureView, Kind};
use crate::error::{Error, Result};

/// Byte strings up to this length are shown as text where they are UTF-8.
const MAX_TEXT: usize = 256;

/// The features of a serialised Example as a JSON object: `{"NAME": {"KIND": [values]}}`, names sorted, `null` for a
/// feature without a kind.
///
/// A byte string that is short UTF-8 text is a JSON string; any other is
/// `{"bytes": length, "sha256": hex, "type": describe(bytes)}`. A float that JSON cannot hold is a string.
pub fn example_to_json(payload: &[u8], describe: impl Fn(&[u8]) -> Option<String>) -> Result<Map<String, Value>> {
    let mut features = Vec::new();
    ExampleView::new(payload).for_each(|key, feature| features.push((key, feature)))?;
    let to_json = |feature: FeatureView<'_>| {
        serde_json::to_value(FeatureJson(&feature, &describe)).map_err(|e| Error::proto(e.to_string()))
    };
    let features = features.into_iter();
    features.map(|(key, feature)| Ok((key.to_owned(), feature.map_or(Ok(Value::Null), to_json)?))).collect()
}

/// A feature as JSON, `{"KIND": [values]}`, with what tells the type of bytes.
pub(crate) struct FeatureJson<'f, 'a, D>(pub(crate) &'f FeatureView<'a>, pub(crate) &'f D);

impl<D: Fn(&[u8]) -> Option<String>> Serialize for FeatureJson<'_, '_, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0.kind().name(), &ValuesJson(self.0, self.1))?;
        map.end()
    }
}

/// The values of a feature as a JSON list.
pub(crate) struct ValuesJson<'f, 'a, D>(pub(crate) &'f FeatureView<'a>, pub(crate) &'f D);

impl<D: Fn(&[u8]) -> Option<String>> Serialize for ValuesJson<'_, '_, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn each<S: SerializeSeq, T>(
            list: &mut S,
            values: Result<impl Iterator<Item = Result<T>>>,
            add: impl Fn(&mut S, T) -> Result<(), S::Error>,
        ) -> Result<(), S::Error> {
            let custom = |e: Error| S::Error::custom(e.message());
            values.map_err(custom)?.try_for_each(|value| add(list, value.map_err(custom)?))
        }
        let mut list = serializer.serialize_seq(None)?;
        match self.0.kind() {
            Kind::Bytes => each(&mut list, self.0.bytes(), |list, v| list.serialize_element(&BytesJson(v, self.1)))?,
            Kind::Float => each(&mut list, self.0.floats(), |list, v| list.serialize_element(&FloatJson(v)))?,
            Kind::Int64 => each(&mut list, self.0.int64s(), |list, v| list.serialize_element(&v))?,
        }
        list.end()
    }
}

/// A float as JSON.
struct FloatJson(f32);

impl Serialize for FloatJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Through the shortest decimal, so that 0.1 is shown as 0.1 and not as the f64 nearest to the f32.
        let text = self.0.to_string();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => serializer.serialize_f64(value),
            _ => serializer.serialize_str(&text),
        }
    }
}

/// A byte string as JSON.
struct BytesJson<'f, D>(&'f [u8], &'f D);

impl<D: Fn(&[u8]) -> Option<String>> Serialize for BytesJson<'_, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match short_text(self.0) {
            Some(text) => serializer.serialize_str(text),
            None => DigestJson(self.0, self.1).serialize(serializer),
        }
    }
}

/// Bytes that are not shown, as JSON: `{"bytes": length, "sha256": hex, "type": describe(bytes)}`.
pub(crate) struct DigestJson<'f, D>(pub(crate) &'f [u8], pub(crate) &'f D);

impl<D: Fn(&[u8]) -> Option<String>> Serialize for DigestJson<'_, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("bytes", &self.0.len())?;
        map.serialize_entry("sha256", &hex(&Sha256::digest(self.0)))?;
        if let Some(description) = (self.1)(self.0) {
            map.serialize_entry("type", &description)?;
        }
        map.end()
    }
}

/// The text that a byte string is, where it is short and there is nothing in it but text.
pub(crate) fn short_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_TEXT)?;
    (!text.contains(|c: char| c.is_control() && !c.is_whitespace())).then_some(text)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing into a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::example::ExampleBuilder;

    #[test]
    fn every_kind_has_a_form() {
        let payload = ExampleBuilder::new()
            .floats("f", [0.1, f32::NAN])
            .int64("i", i64::MIN)
            .text("t", "naïve")
            .bytes("raw", &[0xff, 0])
            .encode();
        let json = Value::Object(example_to_json(&payload, |b| Some(format!("{} B", b.len()))).unwrap());
        assert_eq!(
            json,
            json!({
                "f": {"float": [0.1, "NaN"]},
                "i": {"int64": [i64::MIN]},
                "raw": {"bytes": [{
                    "bytes": 2,
                    "sha256": "ea5dbf9596d187e9500f23e9a680109475341cf4e81f7e043f7d97152c10772f",
                    "type": "2 B"
                }]},
                "t": {"bytes": ["naïve"]},
            })
        );
    }
}
