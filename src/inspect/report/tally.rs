//! What is counted of each record, beside what validation finds.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::bins::{Draw, Grid, LogBins};
use crate::error::Result;
use crate::example::{ExampleView, FeatureView};
use crate::image::{Colorspace, probe_magic};
use crate::inspect::boxes;
use crate::inspect::features::FeatureTable;
use crate::inspect::finding::Key;
use crate::inspect::kinds::Place;
use crate::inspect::message::{MessageType, Profile};
use crate::inspect::stats::LABEL_NAMES;

/// Features are taken from so many records of each shard, as `info` does.
pub(super) const SAMPLED: u64 = 1000;
/// Classes that are followed; a set with more of them has labels that are no classes.
pub(super) const MOST_CLASSES: usize = 10_000;
/// Characters of a class's name.
const MOST_CHARS: usize = 120;
/// Images of a set that are decoded for their brightness.
pub(super) const DECODED: usize = 1000;
/// Records of a set without images whose values are looked at.
pub(super) const VALUED: usize = 4000;

/// A class as records name it: by number, by text or by both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::inspect) struct ClassKey {
    pub(in crate::inspect) number: Option<i64>,
    pub(in crate::inspect) text: String,
}

/// How often each class comes, and some records of it.
#[derive(Debug, Clone, Default)]
pub(super) struct ClassTable {
    pub(super) entries: BTreeMap<ClassKey, (u64, Draw)>,
    /// Whether there are more than can be followed; then there are no entries.
    pub(super) overflows: bool,
}

impl ClassTable {
    fn add(&mut self, key: ClassKey, place: Place, samples: usize) {
        if !self.overflows {
            let (count, draw) = self.entries.entry(key).or_default();
            *count += 1;
            draw.add(place, samples);
            self.check();
        }
    }

    pub(super) fn merge(&mut self, other: ClassTable, samples: usize) {
        self.overflows |= other.overflows;
        for (key, (more, drawn)) in other.entries {
            let (count, draw) = self.entries.entry(key).or_default();
            *count += more;
            draw.merge(drawn, samples);
        }
        self.check();
    }

    /// Parts overflow only where the whole does, so that the order of parts does not matter.
    fn check(&mut self) {
        self.overflows |= self.entries.len() > MOST_CLASSES;
        if self.overflows {
            self.entries.clear();
        }
    }
}

/// What images are like, by their headers.
#[derive(Debug, Default)]
pub(super) struct ImageFacts {
    /// Images whose header can be read, by format.
    pub(super) formats: BTreeMap<&'static str, u64>,
    /// Images by number of channels and colours.
    pub(super) colors: BTreeMap<&'static str, u64>,
    /// Width and height.
    pub(super) sizes: Grid,
    /// Width over height.
    pub(super) aspects: LogBins,
    /// Images wider than high, square ones, and higher than wide.
    pub(super) shapes: [u64; 3],
    pub(super) bytes: Lengths,
}

/// Lengths in bytes.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    pub(super) bins: LogBins,
    pub(super) count: u64,
    total: u64,
}

impl Lengths {
    fn add(&mut self, bytes: &[u8]) {
        self.count += 1;
        self.total += bytes.len() as u64;
        // A length of 0 has no ratio to others: it stands with those of one byte.
        self.bins.add(bytes.len().max(1) as f64);
    }

    pub(super) fn merge(&mut self, other: Lengths) {
        self.bins.merge(other.bins);
        self.count += other.count;
        self.total += other.total;
    }

    pub(super) fn mean(&self) -> u64 {
        self.total / self.count.max(1)
    }
}

impl ImageFacts {
    pub(super) fn count(&self) -> u64 {
        self.formats.values().sum()
    }

    pub(super) fn merge(&mut self, other: ImageFacts) {
        other.formats.into_iter().for_each(|(name, n)| *self.formats.entry(name).or_default() += n);
        other.colors.into_iter().for_each(|(name, n)| *self.colors.entry(name).or_default() += n);
        self.sizes.merge(other.sizes);
        self.aspects.merge(other.aspects);
        self.shapes.iter_mut().zip(other.shapes).for_each(|(a, b)| *a += b);
        self.bytes.merge(other.bytes);
    }
}

/// What is counted of the records of a set, or of a stretch of them.
#[derive(Debug, Default)]
pub(in crate::inspect) struct Tally {
    /// Records of each class that are drawn.
    samples: usize,
    /// The features of the first records of each shard, and how many these are.
    pub(super) features: BTreeMap<Key, (FeatureTable, u64)>,
    pub(super) classes: ClassTable,
    /// Records without a class.
    pub(super) unclassed: u64,
    /// Classes of boxes.
    pub(super) objects: ClassTable,
    pub(super) boxes: u64,
    /// Records that have boxes.
    pub(super) boxed: u64,
    pub(super) images: ImageFacts,
    /// The payloads of a set that has no images.
    pub(super) payloads: Lengths,
    /// Records of such a set whose values are looked at.
    pub(super) rows: Draw,
    /// Images to be decoded.
    pub(super) drawn: Draw,
}

impl Tally {
    pub(in crate::inspect) fn new(samples: usize) -> Self {
        Tally { samples, ..Default::default() }
    }

    /// Takes in a record whose CRCs hold. `stretch` is the part of its shard that it was read with.
    pub(in crate::inspect) fn see(
        &mut self,
        payload: &[u8],
        place: Place,
        stretch: Key,
        profile: &Profile,
    ) -> Result<()> {
        if place.1 < SAMPLED && profile.message != MessageType::Raw {
            let (table, records) = self.features.entry(stretch).or_default();
            *records += 1;
            table.add(payload);
        }
        let image_key = profile.image_key.as_deref().filter(|_| profile.message == MessageType::Example);
        if image_key.is_none() {
            self.payloads.add(payload);
        }
        if profile.message == MessageType::Raw {
            return Ok(());
        }
        if image_key.is_none() {
            self.rows.add(place, VALUED);
        }
        let usual = profile.label_key.is_none();
        let label_key = profile.label_key.as_deref().unwrap_or(LABEL_NAMES[0]);
        let view = ExampleView::new(payload);
        let [image, label, plain_label, text] =
            view.find([image_key.unwrap_or_default(), label_key, LABEL_NAMES[1], "image/class/text"])?;
        if let Some(image) = image.as_ref().filter(|_| image_key.is_some()) {
            self.add_images(image, place);
        }
        let classes = classes(label.or(plain_label.filter(|_| usual)).as_ref(), text.filter(|_| usual).as_ref());
        self.unclassed += u64::from(classes.is_empty());
        classes.into_iter().for_each(|key| self.classes.add(key, place, self.samples));
        let [xmin, _, _, _, object_label, object_text, together, number] = view.find(boxes::KEYS)?;
        for key in self::classes(object_label.or(number).as_ref(), object_text.as_ref()) {
            self.objects.add(key, place, 0);
        }
        let count = boxes::count(xmin.as_ref(), together.as_ref());
        self.boxes += count;
        self.boxed += u64::from(count > 0);
        Ok(())
    }

    fn add_images(&mut self, feature: &FeatureView<'_>, place: Place) {
        let Ok(images) = feature.bytes() else { return };
        for (i, bytes) in images.filter_map(Result::ok).enumerate() {
            // What is no image has no place among the sizes of images: it is among the findings.
            let Ok((format, Some(probe))) = probe_magic(bytes) else { continue };
            self.images.bytes.add(bytes);
            *self.images.formats.entry(format.name()).or_default() += 1;
            *self.images.colors.entry(color(probe.colorspace)).or_default() += 1;
            if probe.width == 0 || probe.height == 0 {
                continue;
            }
            self.images.sizes.add(probe.width, probe.height);
            self.images.aspects.add(probe.width as f64 / probe.height as f64);
            self.images.shapes[match probe.height.cmp(&probe.width) {
                Ordering::Less => 0,
                Ordering::Equal => 1,
                Ordering::Greater => 2,
            }] += 1;
            // Of several images in a record, the first is shown.
            if i == 0 {
                self.drawn.add(place, DECODED);
            }
        }
    }

    pub(in crate::inspect) fn merge(&mut self, other: Tally) {
        for (key, (table, records)) in other.features {
            let (mine, count) = self.features.entry(key).or_default();
            mine.merge(table);
            *count += records;
        }
        self.classes.merge(other.classes, other.samples);
        self.objects.merge(other.objects, 0);
        self.unclassed += other.unclassed;
        self.boxes += other.boxes;
        self.boxed += other.boxed;
        self.images.merge(other.images);
        self.payloads.merge(other.payloads);
        self.rows.merge(other.rows, VALUED);
        self.drawn.merge(other.drawn, DECODED);
    }
}

fn color(colorspace: Colorspace) -> &'static str {
    match colorspace {
        Colorspace::Grayscale | Colorspace::GrayAlpha => "gray",
        Colorspace::Cmyk => "CMYK",
        _ => "colour",
    }
}

/// The classes that a pair of features names: texts go with numbers where there are as many.
pub(in crate::inspect) fn classes(label: Option<&FeatureView<'_>>, text: Option<&FeatureView<'_>>) -> Vec<ClassKey> {
    let numbers: Vec<i64> =
        label.and_then(|f| f.int64s().ok()).map_or(Vec::new(), |values| values.filter_map(Result::ok).collect());
    // A label may itself be a text.
    let text = text.or(label.filter(|_| numbers.is_empty()));
    // Bytes that are no text, such as the image of a mask, name no class.
    let texts: Vec<String> = text
        .and_then(|f| f.bytes().ok())
        .map_or(Vec::new(), |values| values.filter_map(|b| std::str::from_utf8(b.ok()?).ok()).map(shorten).collect());
    match numbers.len() == texts.len() || numbers.is_empty() {
        true => {
            let numbers = numbers.into_iter().map(Some).chain(std::iter::repeat(None));
            texts.into_iter().zip(numbers).map(|(text, number)| ClassKey { number, text }).collect()
        }
        false => numbers.into_iter().map(|n| ClassKey { number: Some(n), text: String::new() }).collect(),
    }
}

/// The text, or as much of it as a page has room for.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    fn tally(payloads: &[Vec<u8>]) -> Tally {
        let profile = Profile::of_payloads(&payloads.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut tally = Tally::new(4);
        for (payload, i) in payloads.iter().zip(0..) {
            tally.see(payload, (0, i, 0), (0, 1), &profile).unwrap();
        }
        tally
    }

    fn counts(table: &ClassTable) -> Vec<(Option<i64>, &str, u64)> {
        table.entries.iter().map(|(key, (n, _))| (key.number, key.text.as_str(), *n)).collect()
    }

    #[test]
    fn classes_are_told_by_number_text_or_both() {
        let of = |f: fn(ExampleBuilder<'_>) -> ExampleBuilder<'_>| f(ExampleBuilder::new()).encode();
        let found = tally(&[
            of(|e| e.int64("image/class/label", 3).text("image/class/text", "cat")),
            of(|e| e.int64("image/class/label", 3).text("image/class/text", "cat")),
            of(|e| e.int64("label", 7)),
            of(|e| e.text("label", "seven")),
            of(|e| e.int64s("label", [1, 2])),
            of(|e| e.int64("other", 1)),
        ]);
        assert_eq!(
            counts(&found.classes),
            [(None, "seven", 1), (Some(1), "", 1), (Some(2), "", 1), (Some(3), "cat", 2), (Some(7), "", 1)]
        );
        assert_eq!((found.unclassed, found.payloads.count), (1, 6));
    }

    #[test]
    fn boxes_are_counted_with_their_classes() {
        let payload = ExampleBuilder::new()
            .floats("image/object/bbox/xmin", [0.1, 0.2])
            .bytes_list("image/object/class/text", [b"dog", b"cat"])
            .encode();
        let found = tally(&[payload, ExampleBuilder::new().int64("n", 1).encode()]);
        assert_eq!((found.boxes, found.boxed), (2, 1));
        assert_eq!(counts(&found.objects), [(None, "cat", 1), (None, "dog", 1)]);
    }

    #[test]
    fn labels_that_are_no_classes_are_not_held() {
        let part = |from: i64, n: i64| {
            let mut table = ClassTable::default();
            for i in from..from + n {
                table.add(ClassKey { number: Some(i), text: String::new() }, (0, i as u64, 0), 1);
            }
            table
        };
        let half = MOST_CLASSES as i64 / 2;
        let mut table = part(0, half);
        table.merge(part(half, half), 1);
        assert!(!table.overflows && table.entries.len() == MOST_CLASSES);
        table.merge(part(2 * half, 1), 1);
        assert!(table.overflows && table.entries.is_empty());
        table.merge(part(0, 5), 1);
        assert!(table.entries.is_empty());
    }
}
