//! Where a record keeps its image and its label.

use super::image_feature::ImageFeature;
use crate::error::{Error, Result};
use crate::example::{ExampleView, FeatureView};

/// `[features]`: where image and label are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureNames {
    /// The encoded image. Default: `image/encoded`, or else `image`; or else, in a loader, the only feature that holds an image
    /// in the first record.
    pub image: Vec<String>,
    /// The label, one int64. Default: `image/class/label`, or else `label`. Empty: there is none, and labels are -1; by
    /// default they are -1 too, in a loader, where the first record has no label, and none of the others may have one then.
    pub label: Vec<String>,
}

impl Default for FeatureNames {
    fn default() -> Self {
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        FeatureNames { image: names(["image/encoded", "image"]), label: names(["image/class/label", "label"]) }
    }
}

/// Where the records of a set have image and label.
#[derive(Debug, Clone)]
pub(super) struct Features {
    names: FeatureNames,
    labels: Labels,
}

/// Whether records have labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Labels {
    /// All of them.
    Wanted,
    /// Nobody asks for them.
    Ignored,
    /// None: the first record has none, and nobody has said that there are any.
    Absent,
}

impl Features {
    /// Where the names say.
    pub(super) fn named(names: &FeatureNames) -> Self {
        let labels = if names.label.is_empty() { Labels::Ignored } else { Labels::Wanted };
        Features { names: names.clone(), labels }
    }

    /// As the first record of the set has them, where the names are the usual ones: another feature if that alone holds
    /// images, and no labels if it has none.
    ///
    /// # Errors
    /// Several features that hold images; what is no Example.
    pub(super) fn of(names: &FeatureNames, payload: &[u8]) -> Result<Self> {
        let (mut features, usual) = (Features::named(names), FeatureNames::default());
        let (mut has_image, mut has_label) = (false, false);
        ExampleView::new(payload).for_each(|key, feature| {
            has_image |= feature.is_some() && names.image.iter().any(|name| name == key);
            has_label |= feature.is_some() && names.label.iter().any(|name| name == key);
        })?;
        if names.image == usual.image {
            match ImageFeature::of([payload]) {
                ImageFeature::Found(name) if !usual.image.iter().any(|usual| **usual == *name) => {
                    features.names.image = vec![name.to_string()];
                }
                ImageFeature::Several(several) if !has_image => {
                    return Err(Error::usage_hint(
                        format!("the features {} all hold images", several.join(", ")),
                        "name one in the pipeline: [features] image = \"...\"",
                    ));
                }
                _ => {}
            }
        }
        if names.label == usual.label && !has_label {
            features.labels = Labels::Absent;
        }
        Ok(features)
    }

    /// Whether the set has no labels, though nobody has said so.
    pub(super) fn is_unlabelled(&self) -> bool {
        self.labels == Labels::Absent
    }

    /// The image and the label of a serialised Example; a label of -1 where there is none to be.
    pub(super) fn find<'a>(&self, payload: &'a [u8]) -> Result<(FeatureView<'a>, i64)> {
        let FeatureNames { image: images, label: labels } = &self.names;
        let (mut image, mut label) = (None, None);
        ExampleView::new(payload).for_each(|key, feature| {
            keep_best(&mut image, images, key, &feature);
            keep_best(&mut label, labels, key, &feature);
        })?;
        let missing = |names: &[String], key: &str| {
            let hint = format!("name it in the pipeline: [features] {key} = \"...\"");
            Error::schema(&names.join("' or '"), format!("is missing; {hint}"))
        };
        let (_, image) = image.ok_or_else(|| missing(images, "image"))?;
        let label = match (label, self.labels) {
            (Some((_, label)), Labels::Wanted) => label.single_int64()?,
            (None, Labels::Wanted) => return Err(missing(labels, "label")),
            (Some((at, _)), Labels::Absent) => {
                let hint = "all have one or none has; [features] label = \"\" leaves them out";
                return Err(Error::schema(&labels[at], format!("is there, and the first record has no label: {hint}")));
            }
            (_, Labels::Ignored | Labels::Absent) => -1,
        };
        Ok((image, label))
    }
}

impl FeatureNames {
    /// The label alone.
    pub(super) fn label(&self, payload: &[u8]) -> Result<i64> {
        let mut label = None;
        ExampleView::new(payload).for_each(|key, feature| keep_best(&mut label, &self.label, key, &feature))?;
        let (_, label) = label.ok_or_else(|| Error::schema(&self.label.join("' or '"), "is missing"))?;
        label.single_int64()
    }
}

/// Keeps a feature whose key comes earlier in `names` than that of the one kept, or is the same key again.
fn keep_best<'a>(
    kept: &mut Option<(usize, FeatureView<'a>)>,
    names: &[String],
    key: &str,
    feature: &Option<FeatureView<'a>>,
) {
    let Some(rank) = names.iter().position(|name| name == key) else { return };
    match (feature, &kept) {
        (Some(feature), None) => *kept = Some((rank, feature.clone())),
        (Some(feature), Some((at, _))) if rank <= *at => *kept = Some((rank, feature.clone())),
        // The same key again, without a kind: the last one wins.
        (None, Some((at, _))) if rank == *at => *kept = None,
        _ => {}
    }
}
