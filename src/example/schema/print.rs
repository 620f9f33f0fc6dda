//! A schema in the forms of others: TFDV's protobuf text, TensorFlow's feature specs in Python, columns in Rust.

use std::fmt::Write as _;

use super::{FeatureSchema, Schema, SchemaMessage};
use crate::example::{ColumnLayout, Kind};

/// The name under which TFX keeps the feature lists of SequenceExamples.
pub(super) const TFX_LISTS: &str = "##SEQUENCE##";

// Writing into a String cannot fail: the results of write! are of no account here.
impl Schema {
    /// The schema as protobuf text of `tensorflow.metadata.v0.Schema`, which TFDV and TFX call `schema.pbtxt`.
    pub fn to_pbtxt(&self) -> String {
        let mut out = String::new();
        for (name, feature) in &self.features {
            pb_feature(&mut out, name, feature, 0, false);
        }
        if !self.feature_lists.is_empty() {
            let _ = write!(out, "feature {{\n  name: {}\n  type: STRUCT\n  struct_domain {{\n", pb_string(TFX_LISTS));
            for (name, feature) in &self.feature_lists {
                pb_feature(&mut out, name, feature, 4, true);
            }
            out.push_str("  }\n}\n");
        }
        out
    }

    /// Python source with the features as `tf.io.parse_example` (or `parse_sequence_example`) takes them, and a function
    /// `parse`: `FixedLenFeature` where every record has the shape, `VarLenFeature` for all others.
    pub fn to_python(&self) -> String {
        let features: String =
            self.features.iter().map(|(name, feature)| py_entry(name, &py_feature(feature))).collect();
        if self.message == SchemaMessage::Example {
            return format!(
                "import tensorflow as tf\n\nFEATURES = {{\n{features}}}\n\n\n\
                 def parse(serialized):\n    \"\"\"A batch of serialized Examples as a dict of tensors.\"\"\"\n    \
                 return tf.io.parse_example(serialized, FEATURES)\n"
            );
        }
        let lists: String =
            self.feature_lists.iter().map(|(name, feature)| py_entry(name, &py_list(feature))).collect();
        format!(
            "import tensorflow as tf\n\nCONTEXT = {{\n{features}}}\n\nSEQUENCE = {{\n{lists}}}\n\n\n\
             def parse(serialized):\n    \"\"\"A batch of serialized SequenceExamples: context, sequences, lengths.\"\"\"\n    \
             return tf.io.parse_sequence_example(serialized, CONTEXT, SEQUENCE)\n"
        )
    }

    /// Rust source of a function that gives [`Schema::columns`].
    pub fn to_rust(&self) -> String {
        let mut out = String::from(
            "use tfrkit::example::{ColumnLayout, ColumnSpec, Kind};\n\n\
             /// The features of a record, as `tfrkit::example::ExampleParser` takes them.\n\
             pub fn columns() -> Vec<ColumnSpec> {\n    vec![\n",
        );
        for column in self.columns() {
            let kind = match column.kind {
                Kind::Bytes => "Bytes",
                Kind::Float => "Float",
                Kind::Int64 => "Int64",
            };
            let layout = match &column.layout {
                ColumnLayout::FixedLen { shape } => format!("FixedLen {{ shape: vec!{shape:?} }}"),
                _ => "VarLen".to_owned(),
            };
            let _ = writeln!(out, "        ColumnSpec::new({:?}, Kind::{kind}, ColumnLayout::{layout}),", column.name);
        }
        out.push_str("    ]\n}\n");
        out
    }
}

fn pb_feature(out: &mut String, name: &str, feature: &FeatureSchema, indent: usize, nested: bool) {
    let kind = match feature.kind {
        Kind::Bytes => "BYTES",
        Kind::Float => "FLOAT",
        Kind::Int64 => "INT",
    };
    let mut lines = vec![format!("name: {}", pb_string(name)), format!("type: {kind}")];
    let fraction = if feature.required { "min_fraction: 1.0 " } else { "" };
    lines.push(format!("presence {{ {fraction}min_count: 1 }}"));
    let lengths = match (&feature.shape, feature.fixed_len()) {
        // A step of a list has no shape in this form: its number of values says as much.
        (Some(_), Some(len)) if nested => format!("min: {len} max: {len} "),
        _ => {
            let bound = |name: &str, n: Option<u64>| n.map_or(String::new(), |n| format!("{name}: {n} "));
            bound("min", feature.min_len.filter(|&n| n > 0)) + &bound("max", feature.max_len)
        }
    };
    match &feature.shape {
        _ if nested => lines.push(format!("value_counts {{ value_count {{ }} value_count {{ {lengths}}} }}")),
        Some(shape) => {
            let dims: String = shape.iter().map(|side| format!("dim {{ size: {side} }} ")).collect();
            lines.push(format!("shape {{ {dims}}}"));
        }
        None if !lengths.is_empty() => lines.push(format!("value_count {{ {lengths}}}")),
        None => {}
    }
    lines.extend(pb_domain(name, feature));
    let pad = " ".repeat(indent);
    let lines: String = lines.iter().map(|line| format!("{pad}  {line}\n")).collect();
    let _ = write!(out, "{pad}feature {{\n{lines}{pad}}}\n");
}

fn pb_domain(name: &str, feature: &FeatureSchema) -> Option<String> {
    if feature.image {
        return Some("image_domain { }".to_owned());
    }
    if let Some(values) = &feature.values {
        let values: String = values.iter().map(|value| format!("value: {} ", pb_string(value))).collect();
        return Some(format!("string_domain {{ name: {} {values}}}", pb_string(name)));
    }
    if feature.min.is_none() && feature.max.is_none() {
        return None;
    }
    let bounds = [("min", &feature.min), ("max", &feature.max)];
    let bounds: String = bounds.iter().filter_map(|(name, n)| Some(format!("{name}: {} ", n.as_ref()?))).collect();
    Some(format!("{} {{ {bounds}}}", if feature.kind == Kind::Int64 { "int_domain" } else { "float_domain" }))
}

/// A string of protobuf's text format.
fn pb_string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_ascii_control() => format!("\\{:03o}", c as u32),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn py_entry(name: &str, feature: &str) -> String {
    // A string of JSON is one of Python.
    format!("    {}: tf.io.{feature},\n", serde_json::Value::from(name))
}

fn py_feature(feature: &FeatureSchema) -> String {
    match &feature.shape {
        Some(shape) if feature.required => format!("FixedLenFeature({shape:?}, {})", py_type(feature.kind)),
        _ => format!("VarLenFeature({})", py_type(feature.kind)),
    }
}

fn py_list(feature: &FeatureSchema) -> String {
    let missing = if feature.required { "" } else { ", allow_missing=True" };
    match &feature.shape {
        Some(shape) => format!("FixedLenSequenceFeature({shape:?}, {}{missing})", py_type(feature.kind)),
        None => format!("VarLenFeature({})", py_type(feature.kind)),
    }
}

fn py_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bytes => "tf.string",
        Kind::Float => "tf.float32",
        Kind::Int64 => "tf.int64",
    }
}
