//! What the records of a set must look like: features, their kinds, shapes and domains.

mod check;
mod pbtxt;
mod print;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::columns::{ColumnLayout, ColumnSpec, MAX_LEN};
use super::view::Kind;
use crate::error::{Error, Result};
use crate::side_file;

/// The version of the JSON form.
const VERSION: u32 = 1;

/// What the records of a set must look like.
///
/// Its JSON form, which [`Schema::parse`] reads and `tfr schema` writes:
///
/// ```
/// use tfrkit::example::{ExampleBuilder, Schema};
///
/// let schema = Schema::parse(
///     r#"{
///         "version": 1,
///         "message": "Example",
///         "features": {
///             "label": {"kind": "int64", "required": true, "shape": [], "min": 0, "max": 9},
///             "split": {"kind": "bytes", "required": false, "shape": [], "values": ["train", "val"]},
///             "tokens": {"kind": "int64", "required": true, "min_len": 1}
///         }
///     }"#,
/// )?;
/// let mut wrong = Vec::new();
/// let record = ExampleBuilder::new().int64("label", 10).encode();
/// schema.check(&record, &mut |feature, detail| wrong.push(format!("{feature} {detail}")))?;
/// assert_eq!(wrong, ["label has the value 10; 0 to 9 are allowed", "tokens is missing"]);
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Schema {
    /// The version of this form: 1.
    pub version: u32,
    /// The message of the records.
    pub message: SchemaMessage,
    /// The features by name; of a SequenceExample, those of the context.
    pub features: BTreeMap<String, FeatureSchema>,
    /// The feature lists of a SequenceExample by name. Shape, lengths and domain are those of a step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_lists: BTreeMap<String, FeatureSchema>,
}

/// The message that a schema speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SchemaMessage {
    /// `tf.train.Example`.
    Example,
    /// `tf.train.SequenceExample`.
    SequenceExample,
}

/// What a feature must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FeatureSchema {
    /// The kind of its list.
    #[serde(with = "kind_name")]
    pub kind: Kind,
    /// Whether every record must have it.
    pub required: bool,
    /// Of each record that has it: `[]` is one value, `[4]` four. `None`: lengths differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<usize>>,
    /// Without a shape: the smallest number of values. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_len: Option<u64>,
    /// Without a shape: the largest number of values. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_len: Option<u64>,
    /// Of numbers: the smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// Of numbers: the largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// Of byte strings: the texts that there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeSet<String>>,
    /// Of byte strings: whether they are encoded images.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub image: bool,
}

/// Kinds by name.
mod kind_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Kind;

    pub(super) fn serialize<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(deserializer)?;
        let kind = [Kind::Bytes, Kind::Float, Kind::Int64].into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| D::Error::custom(format!("'{name}' is no kind: bytes, float or int64")))
    }
}

impl FeatureSchema {
    /// A feature that may be missing, may have any number of values, and any values.
    pub fn new(kind: Kind) -> Self {
        let (shape, min_len, max_len, min, max, values) = (None, None, None, None, None, None);
        FeatureSchema { kind, required: false, shape, min_len, max_len, min, max, values, image: false }
    }

    /// The number of values of its shape.
    fn fixed_len(&self) -> Option<usize> {
        self.shape.as_ref().map(|shape| shape.iter().fold(1, |all: usize, side| all.saturating_mul(*side)))
    }

    fn contradiction(&self) -> Option<&'static str> {
        let number = |n: &Option<Number>| n.as_ref().and_then(Number::as_f64);
        let bounds = self.min.is_some() || self.max.is_some();
        Some(match self {
            _ if self.fixed_len().is_some_and(|len| len > MAX_LEN) => "has a shape of more than 2^26 values",
            _ if self.shape.is_some() && (self.min_len.is_some() || self.max_len.is_some()) => {
                "has a shape and bounds of its length: one of them is enough"
            }
            _ if self.min_len.unwrap_or(0) > self.max_len.unwrap_or(u64::MAX) => "has a min_len above its max_len",
            _ if self.kind == Kind::Bytes && bounds => "is of byte strings, which have no min and max",
            _ if self.kind != Kind::Bytes && (self.values.is_some() || self.image) => {
                "is of numbers, which have min and max, not values or images"
            }
            _ if self.kind == Kind::Int64 && [&self.min, &self.max].into_iter().flatten().any(|n| !n.is_i64()) => {
                "is of integers, and its min or max is none"
            }
            _ if number(&self.min).zip(number(&self.max)).is_some_and(|(min, max)| min > max) => {
                "has a min above its max"
            }
            _ => return None,
        })
    }
}

impl Schema {
    /// A schema without features.
    pub fn new(message: SchemaMessage) -> Self {
        Schema { version: VERSION, message, features: BTreeMap::new(), feature_lists: BTreeMap::new() }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// A usage error for what is no such JSON, has a field or a version that is not known, or contradicts itself.
    pub fn parse(text: &str) -> Result<Self> {
        let schema: Schema = serde_json::from_str(text).map_err(|e| {
            Error::usage_hint(format!("no valid schema: {e}"), "`tfr schema` writes one in the form that is read")
        })?;
        if schema.version != VERSION {
            let detail = format!("the schema has version {}, this program reads version {VERSION}", schema.version);
            return Err(Error::usage(detail));
        }
        if schema.message == SchemaMessage::Example && !schema.feature_lists.is_empty() {
            return Err(Error::usage("the schema has feature_lists, and an Example has none"));
        }
        schema.checked()
    }

    /// Reads a file of the JSON form, or of TFDV's `schema.pbtxt`: what begins with `{` is JSON.
    ///
    /// # Errors
    /// As [`Schema::parse`] and [`Schema::parse_pbtxt`]; and of reading.
    pub fn read(path: &Path) -> Result<Self> {
        let text = side_file::read_named(path)?;
        let schema = if text.trim_start().starts_with('{') { Self::parse(&text) } else { Self::parse_pbtxt(&text) };
        schema.map_err(|e| e.at_path(path))
    }

    /// The schema, or how a feature contradicts itself.
    fn checked(self) -> Result<Self> {
        for (name, feature) in self.features.iter().chain(&self.feature_lists) {
            if let Some(what) = feature.contradiction() {
                return Err(Error::usage(format!("the schema's feature '{name}' {what}")));
            }
        }
        Ok(self)
    }

    /// The JSON form, on several lines.
    pub fn to_json(&self) -> String {
        // Maps have names for keys and numbers are finite: nothing here can fail.
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }

    /// The features as columns for [`ExampleParser`](super::ExampleParser), by name: `FixedLen` where every record has
    /// the shape, `VarLen` for all others. Feature lists are no columns.
    pub fn columns(&self) -> Vec<ColumnSpec> {
        let column = |(name, feature): (&String, &FeatureSchema)| {
            let layout = match &feature.shape {
                Some(shape) if feature.required => ColumnLayout::FixedLen { shape: shape.clone() },
                _ => ColumnLayout::VarLen,
            };
            ColumnSpec::new(name.clone(), feature.kind, layout)
        };
        self.features.iter().map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(feature: &str) -> Result<Schema> {
        Schema::parse(&format!(r#"{{"version": 1, "message": "Example", "features": {{"f": {feature}}}}}"#))
    }

    #[test]
    fn the_json_form_is_read_and_written() {
        let feature = r#"{"kind": "int64", "required": true, "shape": [2, 3], "min": -9223372036854775808, "max": 4}"#;
        let schema = with(feature).unwrap();
        assert_eq!(schema.features["f"].fixed_len(), Some(6));
        assert_eq!(Schema::parse(&schema.to_json()).unwrap(), schema);
        assert_eq!(schema.columns()[0].layout, ColumnLayout::FixedLen { shape: vec![2, 3] });
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (feature, said) in [
            (r#"{"kind": "string", "required": true}"#, "'string' is no kind"),
            (r#"{"kind": "bytes", "required": true, "shap": []}"#, "unknown field `shap`"),
            (r#"{"kind": "bytes"}"#, "missing field `required`"),
            (r#"{"kind": "bytes", "required": true, "min": 0}"#, "no min and max"),
            (r#"{"kind": "float", "required": true, "values": ["a"]}"#, "is of numbers"),
            (r#"{"kind": "float", "required": true, "min": 1, "max": 0.5}"#, "min above its max"),
            (r#"{"kind": "int64", "required": true, "max": 0.5}"#, "is of integers"),
            (r#"{"kind": "int64", "required": true, "shape": [], "min_len": 1}"#, "one of them is enough"),
            (r#"{"kind": "int64", "required": true, "min_len": 3, "max_len": 2}"#, "min_len above"),
            (r#"{"kind": "int64", "required": true, "shape": [4294967296, 4294967296]}"#, "2^26"),
        ] {
            let error = with(feature).unwrap_err();
            assert!(error.to_string().contains(said) && error.kind_name() == "usage", "{feature}: {error}");
        }
        assert!(Schema::parse(r#"{"version": 2, "message": "Example", "features": {}}"#).is_err());
        let lists = r#"{"version": 1, "message": "Example", "features": {},
            "feature_lists": {"l": {"kind": "bytes", "required": true}}}"#;
        assert!(Schema::parse(lists).unwrap_err().to_string().contains("an Example has none"));
    }
}
