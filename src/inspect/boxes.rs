//! Boxes of the objects on an image, in the two forms that records have them: lists of sides (`image/object/bbox/xmin`, ...),
//! and TFDS's single list (`objects/bbox`: ymin, xmin, ymax, xmax of each box).

use super::report::classes;
use crate::dataset::BOX_FEATURES;
use crate::error::Result;
use crate::example::{ExampleView, FeatureView};
use crate::image::upright_box;

/// The features that boxes lie in, and those of their classes: numbers and texts.
pub(super) const KEYS: [&str; 8] = [
    BOX_FEATURES[0],
    BOX_FEATURES[1],
    BOX_FEATURES[2],
    BOX_FEATURES[3],
    "image/object/class/label",
    "image/object/class/text",
    "objects/bbox",
    "objects/label",
];

/// A box on an image, in parts of its sides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BoxMark {
    pub(super) x: (f32, f32),
    pub(super) y: (f32, f32),
    /// Its class's name, or the number, or nothing.
    pub(super) class: String,
}

impl BoxMark {
    /// The box after its image has been turned upright.
    pub(super) fn turned(self, exif: Option<u8>) -> Self {
        let [xmin, ymin, xmax, ymax] = upright_box([self.x.0, self.y.0, self.x.1, self.y.1], exif);
        BoxMark { x: (xmin, xmax), y: (ymin, ymax), ..self }
    }
}

/// The boxes of a record, as they lie on its image as it is stored; none where their lists do not fit each other.
pub(super) fn boxes(payload: &[u8]) -> Result<Vec<BoxMark>> {
    let found = ExampleView::new(payload).find(KEYS)?;
    let [xmin, ymin, xmax, ymax, label, text, together, number] = &found;
    let list = |feature: &Option<FeatureView<'_>>| -> Result<Vec<f32>> {
        feature.as_ref().map_or(Ok(Vec::new()), |f| f.floats()?.collect())
    };
    let sides = match together {
        Some(_) if xmin.is_none() => {
            let all = list(together)?;
            let (each, rest) = all.as_chunks::<4>();
            // A list that ends within a box is none of boxes.
            let each = if rest.is_empty() { each } else { &[] };
            each.iter().map(|&[ymin, xmin, ymax, xmax]| [xmin, ymin, xmax, ymax]).collect()
        }
        _ => {
            let [xmin, ymin, xmax, ymax] = [list(xmin)?, list(ymin)?, list(xmax)?, list(ymax)?];
            match [&ymin, &xmax, &ymax].iter().all(|side| side.len() == xmin.len()) {
                true => (0..xmin.len()).map(|i| [xmin[i], ymin[i], xmax[i], ymax[i]]).collect(),
                false => Vec::new(),
            }
        }
    };
    let classes = classes(label.as_ref().or(number.as_ref()), text.as_ref());
    let class = |i: usize| {
        let key = classes.get(i).filter(|_| classes.len() == sides.len());
        key.map_or(String::new(), |key| match (key.text.as_str(), key.number) {
            ("", Some(number)) => number.to_string(),
            (text, _) => text.to_owned(),
        })
    };
    let inside = |v: f32| if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 };
    let mark = |(i, side): (usize, &[f32; 4])| {
        let [xmin, ymin, xmax, ymax] = side.map(inside);
        BoxMark { x: (xmin, xmax), y: (ymin, ymax), class: class(i) }
    };
    Ok(sides.iter().enumerate().map(mark).collect())
}

/// How many boxes the features of [`KEYS`] hold, by the first list alone.
pub(super) fn count(xmin: Option<&FeatureView<'_>>, together: Option<&FeatureView<'_>>) -> u64 {
    let values = |feature: Option<&FeatureView<'_>>| feature.and_then(|f| Some(f.floats().ok()?.count() as u64));
    values(xmin).or_else(|| values(together).map(|n| n / 4)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    #[test]
    fn boxes_turn_with_their_image() {
        let payload = ExampleBuilder::new()
            .floats("image/object/bbox/xmin", [0.125, -3.0])
            .floats("image/object/bbox/xmax", [0.25, f32::NAN])
            .floats("image/object/bbox/ymin", [0.5, 0.0])
            .floats("image/object/bbox/ymax", [1.0, 9.0])
            .int64s("image/object/class/label", [4, 5])
            .encode();
        let found = boxes(&payload).unwrap();
        let first = BoxMark { x: (0.125, 0.25), y: (0.5, 1.0), class: "4".to_owned() };
        assert_eq!(found[0], first);
        assert_eq!((found[1].x, found[1].y), ((0.0, 0.0), (0.0, 1.0)));
        // A quarter turn to the right: what was at the bottom is at the left.
        let turned = first.clone().turned(Some(6));
        assert_eq!((turned.x, turned.y), ((0.0, 0.5), (0.125, 0.25)));
        assert_eq!(first.clone().turned(Some(1)), first);
        let uneven = ExampleBuilder::new().floats("image/object/bbox/xmin", [0.1]).encode();
        assert_eq!(boxes(&uneven).unwrap(), []);
    }

    #[test]
    fn boxes_of_tfds_lie_in_one_list() {
        let of = |values: &[f32]| {
            let example = ExampleBuilder::new().floats("objects/bbox", values.iter().copied());
            boxes(&example.int64s("objects/label", [7]).encode()).unwrap()
        };
        assert_eq!(of(&[0.5, 0.125, 1.0, 0.25]), [BoxMark { x: (0.125, 0.25), y: (0.5, 1.0), class: "7".to_owned() }]);
        assert_eq!((of(&[0.0; 8]).len(), of(&[0.0; 7]).len(), of(&[]).len()), (2, 0, 0));
    }
}
