//! Where a record keeps its image and its label.

use crate::error::{Error, Result};
use crate::example::{ExampleView, FeatureView};

/// `[features]`: where image and label are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureNames {
    /// The encoded image. Default: `image/encoded`, or else `image`.
    pub image: Vec<String>,
    /// The label, one int64. Default: `image/class/label`, or else `label`. Empty: there is none, and labels are -1.
    pub label: Vec<String>,
}

impl Default for FeatureNames {
    fn default() -> Self {
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        FeatureNames { image: names(["image/encoded", "image"]), label: names(["image/class/label", "label"]) }
    }
}

impl FeatureNames {
    /// The image and the label of a serialised Example.
    pub(crate) fn find<'a>(&self, payload: &'a [u8]) -> Result<(FeatureView<'a>, i64)> {
        let (mut image, mut label) = (None, None);
        ExampleView::new(payload).for_each(|key, feature| {
            keep_best(&mut image, &self.image, key, &feature);
            keep_best(&mut label, &self.label, key, &feature);
        })?;
        let missing = |names: &[String], key: &str| {
            let hint = format!("name it in the pipeline: [features] {key} = \"...\"");
            Error::schema(&names.join("' or '"), format!("is missing; {hint}"))
        };
        let (_, image) = image.ok_or_else(|| missing(&self.image, "image"))?;
        let label = match (label, self.label.is_empty()) {
            (Some((_, label)), _) => label.single_int64()?,
            (None, true) => -1,
            (None, false) => return Err(missing(&self.label, "label")),
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
