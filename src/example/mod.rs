//! `tf.train.Example` and `tf.train.SequenceExample`: the generated types, views that copy nothing, builders that give
//! equal bytes for equal input, columns of features, JSON, schemas.

mod base64;
mod builder;
mod columns;
mod filter;
mod json;
mod rewrite;
mod schema;
mod sequence;
mod values;
mod view;
mod wire;

/// The messages as prost generates them from `proto/`. Bytes fields are `bytes::Bytes`: decoded from `Bytes`, they
/// share its memory. Maps are sorted by key.
pub mod proto {
    #![allow(missing_docs)]
    include!(concat!(env!("OUT_DIR"), "/tensorflow.rs"));
}

pub(crate) use base64::{from_base64, to_base64};
pub use builder::ExampleBuilder;
pub(crate) use columns::Row;
pub use columns::{Column, ColumnLayout, ColumnSpec, ExampleParser};
pub use filter::Filter;
pub(crate) use filter::Sought;
pub use json::example_to_json;
pub(crate) use json::{DigestJson, FeatureJson, ValuesJson, hex, short_text};
pub use proto::{Example, SequenceExample};
pub(crate) use rewrite::Rewrite;
pub use schema::{FeatureSchema, Schema, SchemaMessage};
pub use sequence::{FeatureListView, SequenceEntry, SequenceExampleBuilder, SequenceExampleView};
pub(crate) use sequence::{each_entry, entry_fields};
pub use values::{ByteStrings, Values};
pub use view::{ExampleView, FeatureView, Kind};
