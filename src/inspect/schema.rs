//! The schema that a set follows, inferred from its statistics.

use serde_json::Number;

use super::message::MessageType;
use super::stats::{FeatureStats, LABEL_NAMES, Stats};
use crate::error::{Error, Result};
use crate::example::{FeatureSchema, Kind, Schema, SchemaMessage};

/// A feature of up to so many different values ...
const MAX_CATEGORIES: u64 = 100;
/// ... each of which comes so often on average has a domain.
const MIN_REPEATS: u64 = 10;

impl Stats {
    /// The schema that the records follow.
    ///
    /// A feature is required where every record has it, and has the shape `[n]` (or `[]` for one value) where every record
    /// that has it has n values. Up to 100 different texts, or integers that lie close together, are a domain where each
    /// comes ten times on average; the label's is that of the classes, where files beside the shards name them. What the data do not show is for
    /// their owner to add: ranges of floats, the longest list.
    ///
    /// # Errors
    /// The records are neither Examples nor SequenceExamples, or there are none; a feature has different kinds in
    /// different records.
    ///
    /// ```
    /// use tfrkit::dataset::{ShardWriter, resolve};
    /// use tfrkit::example::ExampleBuilder;
    /// use tfrkit::inspect::stats;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let path = dir.path().join("a.tfrecord");
    /// let mut writer = ShardWriter::create(&path, Default::default())?;
    /// writer.write(&ExampleBuilder::new().floats("embedding", [0.5; 128]).encode())?;
    /// writer.finish()?;
    ///
    /// let set = resolve(&[path.to_str().unwrap()])?.one(None)?;
    /// let schema = stats(&set, &Default::default(), &Default::default())?.schema()?;
    /// assert_eq!(schema.features["embedding"].shape, Some(vec![128]));
    /// assert!(schema.features["embedding"].required);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn schema(&self) -> Result<Schema> {
        let message = match self.message {
            Some(MessageType::Example) => SchemaMessage::Example,
            Some(MessageType::SequenceExample) => SchemaMessage::SequenceExample,
            Some(MessageType::Raw) => {
                return Err(Error::proto("the records are bytes of somebody's own, without features"));
            }
            None => {
                let hint = "name shards that hold records; `tfr info` counts them";
                return Err(Error::usage_hint("there are no records to infer a schema from", hint));
            }
        };
        let mut schema = Schema::new(message);
        for (name, stats) in &self.features {
            schema.features.insert(name.clone(), self.infer(name, stats)?);
        }
        for (name, stats) in &self.feature_lists {
            let schema_of_list = self.infer(&format!("feature_lists/{name}"), stats)?;
            schema.feature_lists.insert(name.clone(), schema_of_list);
        }
        let label = LABEL_NAMES.into_iter().find(|name| self.features.contains_key(*name));
        let classes = || self.labels.iter().filter(|label| label.name.is_some()).map(|label| label.label);
        if let Some(label) = label.and_then(|name| schema.features.get_mut(name))
            && let (Some(min), Some(max)) = (classes().min(), classes().max())
        {
            (label.min, label.max) = (Some(min.into()), Some(max.into()));
        }
        Ok(schema)
    }

    fn infer(&self, name: &str, stats: &FeatureStats) -> Result<FeatureSchema> {
        if !stats.other_kinds.is_empty() {
            let others: Vec<&str> = stats.other_kinds.iter().map(|kind| kind.name()).collect();
            let detail = format!(
                "is {} in some records and {} in others, and a schema gives it one kind; `tfr validate` says where",
                stats.kind.name(),
                others.join(" or "),
            );
            return Err(Error::schema(name, detail));
        }
        let mut schema = FeatureSchema::new(stats.kind);
        schema.required = stats.records == self.records - self.unreadable;
        match stats.lengths.as_ref().map(|l| (l.min as u64, l.max as usize)) {
            Some((_, 1)) if stats.lengths.as_ref().is_some_and(|l| l.min == 1.0) => schema.shape = Some(vec![]),
            Some((min, max)) if min == max as u64 && max > 0 => schema.shape = Some(vec![max]),
            Some((min, _)) => schema.min_len = (min > 0).then_some(1),
            None => {}
        }
        let values = stats.numbers.as_ref().or(stats.byte_lengths.as_ref()).map_or(0, |n| n.count);
        let categories = stats.distinct.filter(|n| *n <= MAX_CATEGORIES && values >= n.saturating_mul(MIN_REPEATS));
        if categories.is_some() {
            match stats.kind {
                Kind::Bytes => schema.values = Some(stats.texts()),
                Kind::Int64 => {
                    // Numbers of classes lie close together; others, such as widths, have no range to hold others to.
                    let dense = |(min, max): &(i64, i64)| max.abs_diff(*min) < stats.distinct.unwrap_or(0) * 2;
                    let bounds = stats.int_range.filter(dense);
                    (schema.min, schema.max) = bounds.map(|(min, max)| (Number::from(min), Number::from(max))).unzip();
                }
                Kind::Float => {}
            }
        }
        // All byte strings, not some that happen to look like it.
        let images: u64 = stats.images.as_ref().map_or(0, |images| images.formats.values().sum());
        schema.image = images > 0 && images == stats.byte_lengths.as_ref().map_or(0, |l| l.count);
        Ok(schema)
    }
}
