//! Holds a record against a schema.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use serde_json::Number;

use super::{FeatureSchema, Schema, SchemaMessage};
use crate::error::{Error, Result};
use crate::example::proto::{self, SequenceExample};
use crate::example::{ExampleView, FeatureView, Kind};

/// How much of a text an anomaly shows, in characters.
const SHOWN_CHARS: usize = 40;

impl Schema {
    /// Holds a serialised record against the schema. `found` gets the name of each feature that is not as it must be, and
    /// what is wrong with it: it is missing, has another kind, another number of values, or (the first of them) a value
    /// outside the domain. Features that the schema does not name are passed over.
    ///
    /// # Errors
    /// The payload is not the schema's message.
    pub fn check(&self, payload: &[u8], found: &mut dyn FnMut(&str, String)) -> Result<()> {
        let mut features = BTreeMap::new();
        // Into a map first: of a name that comes twice the last counts.
        ExampleView::new(payload).for_each(|name, feature| drop(features.insert(name, feature)))?;
        for (name, schema) in &self.features {
            match features.get(name.as_str()).and_then(Option::as_ref) {
                Some(feature) => schema.check(feature)?.into_iter().for_each(|detail| found(name, detail)),
                None if schema.required => found(name, "is missing".to_owned()),
                None => {}
            }
        }
        if self.message == SchemaMessage::SequenceExample {
            let message = SequenceExample::decode(Bytes::copy_from_slice(payload));
            let lists =
                message.map_err(|e| Error::proto(e.to_string()))?.feature_lists.unwrap_or_default().feature_list;
            for (name, schema) in &self.feature_lists {
                let shown = format!("feature_lists/{name}");
                match lists.get(name) {
                    Some(list) => schema.check_list(list).into_iter().for_each(|detail| found(&shown, detail)),
                    None if schema.required => found(&shown, "is missing".to_owned()),
                    None => {}
                }
            }
        }
        Ok(())
    }
}

impl FeatureSchema {
    /// What is wrong with a feature.
    fn check(&self, feature: &FeatureView<'_>) -> Result<Option<String>> {
        if feature.kind() != self.kind {
            return Ok(Some(self.other_kind(feature.kind())));
        }
        let mut outside = None;
        let mut len = 0;
        match self.kind {
            Kind::Bytes => feature.bytes()?.try_for_each(|v| v.map(|v| self.see_bytes(v, &mut len, &mut outside)))?,
            Kind::Float => feature.floats()?.try_for_each(|v| v.map(|v| self.see_float(v, &mut len, &mut outside)))?,
            Kind::Int64 => feature.int64s()?.try_for_each(|v| v.map(|v| self.see_int(v, &mut len, &mut outside)))?,
        }
        Ok(self.wrong_len(len).or(outside))
    }

    /// What is wrong with a feature list: with the first step that is not as it must be.
    fn check_list(&self, list: &proto::FeatureList) -> Option<String> {
        list.feature.iter().enumerate().find_map(|(at, step)| {
            use proto::feature::Kind as List;
            let (mut len, mut outside) = (0, None);
            let kind = match step.kind.as_ref()? {
                List::BytesList(list) => {
                    list.value.iter().for_each(|v| self.see_bytes(v, &mut len, &mut outside));
                    Kind::Bytes
                }
                List::FloatList(list) => {
                    list.value.iter().for_each(|v| self.see_float(*v, &mut len, &mut outside));
                    Kind::Float
                }
                List::Int64List(list) => {
                    list.value.iter().for_each(|v| self.see_int(*v, &mut len, &mut outside));
                    Kind::Int64
                }
            };
            let wrong = if kind == self.kind { self.wrong_len(len).or(outside) } else { Some(self.other_kind(kind)) };
            wrong.map(|detail| format!("{detail}, in step {at}"))
        })
    }

    fn other_kind(&self, kind: Kind) -> String {
        format!("is of {}, not of {}", kind.name(), self.kind.name())
    }

    fn wrong_len(&self, len: u64) -> Option<String> {
        if let (Some(shape), Some(fixed)) = (&self.shape, self.fixed_len()) {
            return (len != fixed as u64).then(|| format!("has {len} values; its shape {shape:?} has {fixed}"));
        }
        let (min, max) = (self.min_len.unwrap_or(0), self.max_len);
        let allowed = || max.map_or(format!("{min} or more"), |max| format!("{min} to {max}"));
        (len < min || max.is_some_and(|max| len > max)).then(|| format!("has {len} values; {} are allowed", allowed()))
    }

    fn see_bytes(&self, value: &[u8], len: &mut u64, outside: &mut Option<String>) {
        *len += 1;
        let Some(values) = &self.values else { return };
        if outside.is_none() && !std::str::from_utf8(value).is_ok_and(|text| values.contains(text)) {
            *outside = Some(format!("has the value {}, which is none of the {} allowed", shown(value), values.len()));
        }
    }

    fn see_int(&self, value: i64, len: &mut u64, outside: &mut Option<String>) {
        *len += 1;
        let bound = |n: &Option<Number>| n.as_ref().and_then(Number::as_i64);
        let below = bound(&self.min).is_some_and(|min| value < min);
        if outside.is_none() && (below || bound(&self.max).is_some_and(|max| value > max)) {
            *outside = Some(self.out_of_range(&value));
        }
    }

    fn see_float(&self, value: f32, len: &mut u64, outside: &mut Option<String>) {
        *len += 1;
        let value = f64::from(value);
        let bound = |n: &Option<Number>| n.as_ref().and_then(Number::as_f64);
        // What is no number is in no range.
        let in_range = |n: &Option<Number>, holds: fn(&f64, &f64) -> bool| bound(n).is_none_or(|n| holds(&n, &value));
        if outside.is_none() && !(in_range(&self.min, f64::le) && in_range(&self.max, f64::ge)) {
            *outside = Some(self.out_of_range(&value));
        }
    }

    fn out_of_range(&self, value: &dyn std::fmt::Display) -> String {
        let allowed = match (&self.min, &self.max) {
            (Some(min), Some(max)) => format!("{min} to {max} are allowed"),
            (Some(min), None) => format!("{min} is the smallest allowed"),
            (_, Some(max)) => format!("{max} is the largest allowed"),
            (None, None) => String::new(),
        };
        format!("has the value {value}; {allowed}")
    }
}

fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().count() <= SHOWN_CHARS => format!("{text:?}"),
        Ok(text) => format!("{:?}...", text.chars().take(SHOWN_CHARS).collect::<String>()),
        Err(_) => format!("of {} bytes that is no text", value.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    fn wrong(feature: &str, record: &ExampleBuilder<'_>) -> Vec<String> {
        let schema = format!(r#"{{"version": 1, "message": "Example", "features": {{"f": {feature}}}}}"#);
        let mut wrong = Vec::new();
        let schema = Schema::parse(&schema).unwrap();
        schema.check(&record.encode(), &mut |name, detail| wrong.push(format!("{name} {detail}"))).unwrap();
        wrong
    }

    #[test]
    fn each_anomaly_is_told_in_its_words() {
        let e = ExampleBuilder::new;
        for (schema, record, said) in [
            (r#"{"kind": "float", "required": true}"#, e().int64("f", 1), "f is of int64, not of float"),
            (r#"{"kind": "float", "required": true}"#, e().int64("g", 1), "f is missing"),
            (
                r#"{"kind": "float", "required": false, "shape": [2, 2]}"#,
                e().floats("f", [0.0; 3]),
                "f has 3 values; its shape [2, 2] has 4",
            ),
            (
                r#"{"kind": "int64", "required": false, "min_len": 1, "max_len": 2}"#,
                e().int64s("f", []),
                "f has 0 values; 1 to 2 are allowed",
            ),
            (
                r#"{"kind": "float", "required": false, "max": 0.5}"#,
                e().floats("f", [0.5, f32::NAN]),
                "f has the value NaN; 0.5 is the largest allowed",
            ),
            (
                r#"{"kind": "int64", "required": false, "min": 0}"#,
                e().int64s("f", [0, -1, -2]),
                "f has the value -1; 0 is the smallest allowed",
            ),
            (
                r#"{"kind": "bytes", "required": false, "values": ["cat", "dog"]}"#,
                e().bytes_list("f", [&b"cat"[..], &[0xff]]),
                "f has the value of 1 bytes that is no text, which is none of the 2 allowed",
            ),
        ] {
            assert_eq!(wrong(schema, &record), [said]);
        }
    }

    #[test]
    fn what_is_as_it_must_be_is_passed() {
        let e = ExampleBuilder::new;
        for (schema, record) in [
            (r#"{"kind": "float", "required": false, "min": 0}"#, e().int64("other", 1)),
            (r#"{"kind": "float", "required": true, "min": 0, "max": 1}"#, e().floats("f", [0.0, 1.0])),
            (r#"{"kind": "int64", "required": true, "shape": [2, 2]}"#, e().int64s("f", [i64::MIN; 4])),
            (r#"{"kind": "bytes", "required": true, "values": ["", "dog"]}"#, e().bytes_list("f", [&b""[..], b"dog"])),
        ] {
            assert!(wrong(schema, &record).is_empty(), "{schema}");
        }
        assert!(Schema::new(SchemaMessage::Example).check(b"no message", &mut |_, _| {}).is_err());
    }
}
