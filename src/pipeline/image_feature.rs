//! Which feature of a set holds its encoded images.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::example::{ExampleView, Kind};
use crate::image::sniff;

/// Where the records of a set keep their encoded images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImageFeature {
    /// In this feature: one of a usual name, or the only one that holds images.
    Found(Arc<str>),
    /// None has a usual name, and these hold images: which one is meant, only people know.
    Several(Vec<String>),
    /// None of the records looked at holds an image.
    Nowhere,
}

impl ImageFeature {
    /// Told by some Examples of a set: `image/encoded`, whatever is in it; or else `image`, where it holds an image (it
    /// may as well be raw pixels); or else the only feature that holds images. What cannot be read tells nothing.
    pub(crate) fn of<'p>(payloads: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let (mut named, mut holding) = (false, BTreeSet::new());
        for payload in payloads {
            // What was seen before the damage tells as much as anything.
            let _ = ExampleView::new(payload).for_each(|name, feature| {
                let Some(feature) = feature.filter(|feature| feature.kind() == Kind::Bytes) else { return };
                named |= name == "image/encoded";
                let first = feature.bytes().ok().and_then(|mut values| values.next()?.ok());
                if first.is_some_and(is_image) && holding.len() < 100 {
                    holding.insert(name.to_owned());
                }
            });
        }
        match holding.len() {
            _ if named => ImageFeature::Found("image/encoded".into()),
            _ if holding.contains("image") => ImageFeature::Found("image".into()),
            0 => ImageFeature::Nowhere,
            1 => ImageFeature::Found(holding.pop_first().unwrap_or_default().into()),
            _ => ImageFeature::Several(holding.into_iter().collect()),
        }
    }

    /// The feature's name, or why there is none. Its hint names no flag: each caller has its own.
    pub(crate) fn name(self) -> Result<Arc<str>> {
        match self {
            ImageFeature::Found(name) => Ok(name),
            ImageFeature::Several(names) => Err(Error::usage_hint(
                format!("the features {} all hold images, and none is called image/encoded or image", names.join(", ")),
                "say which one is meant",
            )),
            ImageFeature::Nowhere => Err(Error::usage_hint(
                "no feature of the records looked at holds an encoded image",
                "`tfr info` lists the features; say which one holds the images",
            )),
        }
    }
}

/// Whether bytes begin like an image. A text may do so too.
fn is_image(bytes: &[u8]) -> bool {
    sniff(bytes).is_some() && std::str::from_utf8(bytes).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0";

    fn of(features: &[(&str, &[u8])]) -> ImageFeature {
        let one = |(name, bytes): &(&str, &[u8])| ExampleBuilder::new().bytes(*name, bytes).encode();
        let payloads: Vec<Vec<u8>> = features.iter().map(one).collect();
        ImageFeature::of(payloads.iter().map(Vec::as_slice))
    }

    #[test]
    fn names_come_before_contents_and_of_contents_only_one_tells() {
        let found = |name: &str| ImageFeature::Found(name.into());
        assert_eq!(of(&[("photo", JPEG), ("image/encoded", b"raw")]), found("image/encoded"));
        assert_eq!(of(&[("photo", JPEG), ("image", JPEG)]), found("image"));
        assert_eq!(of(&[("photo", JPEG), ("image", &[0; 784])]), found("photo"));
        assert_eq!(of(&[("note", b"BM is a text that begins like a bitmap"), ("photo", JPEG)]), found("photo"));
        assert_eq!(of(&[("image", &[0; 784])]), ImageFeature::Nowhere);
        assert_eq!(ImageFeature::of([&b"\xff\xff"[..]]), ImageFeature::Nowhere);
        let several = of(&[("right", JPEG), ("left", JPEG)]);
        assert_eq!(several, ImageFeature::Several(vec!["left".to_owned(), "right".to_owned()]));
        assert!(several.name().unwrap_err().to_string().contains("left, right"));
    }
}
