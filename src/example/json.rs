//! Examples as JSON, for people.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::view::{ExampleView, FeatureView, Kind};
use crate::error::Result;

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
    features
        .into_iter()
        .map(|(key, feature)| {
            let value = feature.map_or(Ok(Value::Null), |f| feature_to_json(&f, &describe))?;
            Ok((key.to_owned(), value))
        })
        .collect()
}

fn feature_to_json(feature: &FeatureView<'_>, describe: impl Fn(&[u8]) -> Option<String>) -> Result<Value> {
    let values: Vec<Value> = match feature.kind() {
        Kind::Bytes => feature.bytes()?.map(|v| Ok(bytes_to_json(v?, &describe))).collect::<Result<_>>()?,
        Kind::Float => feature.floats()?.map(|v| Ok(float_to_json(v?))).collect::<Result<_>>()?,
        Kind::Int64 => feature.int64s()?.map(|v| Ok(json!(v?))).collect::<Result<_>>()?,
    };
    Ok(json!({ feature.kind().name(): values }))
}

fn float_to_json(value: f32) -> Value {
    // Through the shortest decimal, so that 0.1 is shown as 0.1 and not as the f64 nearest to the f32.
    value
        .to_string()
        .parse::<f64>()
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or_else(|| json!(value.to_string()), Value::Number)
}

fn bytes_to_json(bytes: &[u8], describe: impl Fn(&[u8]) -> Option<String>) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= MAX_TEXT && !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
            json!(text)
        }
        _ => {
            let mut object = json!({ "bytes": bytes.len(), "sha256": hex(&Sha256::digest(bytes)) });
            if let Some(description) = describe(bytes) {
                object["type"] = json!(description);
            }
            object
        }
    }
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
