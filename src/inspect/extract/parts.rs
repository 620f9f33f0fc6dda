//! What a record says of its image: the bytes, the class, the name.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::example::{ExampleView, FeatureView, Kind};
use crate::pipeline::FeatureNames;

pub(super) const TEXT: &str = "image/class/text";
pub(super) const FILENAME: &str = "image/filename";

/// The features of a record, and those among them that matter here.
pub(in crate::inspect) struct Parts<'a> {
    pub(super) features: BTreeMap<&'a str, FeatureView<'a>>,
    image: Option<&'a str>,
    label: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(in crate::inspect) fn read(payload: &'a [u8], names: &FeatureNames) -> Result<Self> {
        let mut features = BTreeMap::new();
        ExampleView::new(payload).for_each(|key, feature| {
            // The last of a name counts, also where it has no kind.
            match feature {
                Some(feature) => features.insert(key, feature),
                None => features.remove(key),
            };
        })?;
        // One name is one that was asked for: another kind is an error then.
        let wanted = |names: &[String], kinds: &[Kind]| {
            let of = |name: &String| features.get_key_value(name.as_str());
            let fits = |(_, feature): &(&&str, &FeatureView<'_>)| names.len() == 1 || kinds.contains(&feature.kind());
            names.iter().filter_map(of).find(fits).map(|(key, _)| *key)
        };
        let image = wanted(&names.image, &[Kind::Bytes]);
        let label = wanted(&names.label, &[Kind::Int64, Kind::Bytes]);
        Ok(Parts { features, image, label })
    }

    /// The encoded image; `None` where the record has none.
    pub(in crate::inspect) fn image(&self) -> Result<Option<&[u8]>> {
        let Some((key, feature)) = self.image.and_then(|key| self.features.get_key_value(key)) else { return Ok(None) };
        let mut values = feature.bytes()?;
        let first = values.next().transpose()?;
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Error::schema(key, "has several values, where one image is expected")),
        }
    }

    /// The number of the class.
    pub(in crate::inspect) fn label(&self) -> Option<i64> {
        self.features.get(self.label?)?.single_int64().ok()
    }

    /// The name of the class: its own feature, or a label that is a text.
    pub(in crate::inspect) fn text(&self) -> Option<&str> {
        self.single_text(TEXT).or_else(|| self.single_text(self.label?))
    }

    pub(super) fn filename(&self) -> Option<&str> {
        self.single_text(FILENAME)
    }

    fn single_text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.features.get(key)?.single_bytes().ok()?).ok()
    }

    /// Whether the feature is one that tells the class, or should.
    pub(super) fn is_class(&self, key: &str) -> bool {
        self.label == Some(key) || key == TEXT
    }

    /// Whether the feature is told by the columns for image and class.
    pub(super) fn is_told(&self, key: &str) -> bool {
        let is_label = self.label == Some(key);
        self.image == Some(key)
            || is_label && (self.label().is_some() || self.single_text(TEXT).is_none() && self.text().is_some())
            || key == TEXT && self.single_text(TEXT).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    #[test]
    fn image_and_class_are_found_by_their_usual_names() {
        let names = FeatureNames::default();
        let payload = ExampleBuilder::new().bytes("image", b"x").int64("label", 7).encode();
        let parts = Parts::read(&payload, &names).unwrap();
        assert_eq!((parts.image().unwrap(), parts.label(), parts.text()), (Some(&b"x"[..]), Some(7), None));
        assert!(parts.is_told("image") && parts.is_told("label") && !parts.is_told("other"));
        let payload = ExampleBuilder::new().floats("image", [0.0]).text("label", "cat").encode();
        let parts = Parts::read(&payload, &names).unwrap();
        assert_eq!((parts.image().unwrap(), parts.label(), parts.text()), (None, None, Some("cat")));
        assert!(!parts.is_told("image") && parts.is_told("label"));
    }

    #[test]
    fn a_name_that_was_asked_for_must_fit() {
        let names = FeatureNames { image: vec!["pixels".into()], ..Default::default() };
        let payload = ExampleBuilder::new().floats("pixels", [0.0]).encode();
        let error = Parts::read(&payload, &names).unwrap().image().unwrap_err();
        assert_eq!(error.to_string(), "feature 'pixels' is a list of float, not of bytes");
        let payload = ExampleBuilder::new().bytes_list("pixels", [b"a", b"b"]).encode();
        assert!(Parts::read(&payload, &names).unwrap().image().is_err());
    }
}
