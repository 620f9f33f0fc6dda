//! Checks of the images in records: do they decode, and are they what the record says they are.

use std::ops::Range;

use super::finding::{Finding, FindingKind};
use crate::dataset::BOX_FEATURES;
use crate::error::Result;
use crate::example::{ExampleView, FeatureView};
use crate::image::{Colorspace, DecodeOptions, Decoder, ImageBuf, ImageError, Limits, Probe, probe_header};

/// How far into images the checks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// From the first to the last marker: no pixel is decoded.
    Headers,
    /// To the last pixel.
    Pixels,
}

/// Checks images one after another; one for each worker, since it keeps a decoder and its pixels.
pub(super) struct ImageChecker {
    depth: Depth,
    decoder: Decoder,
    pixels: ImageBuf<u8>,
}

impl ImageChecker {
    pub(super) fn new(depth: Depth, limits: Limits) -> Result<Self> {
        let options = DecodeOptions { limits, ..DecodeOptions::default() };
        Ok(ImageChecker { depth, decoder: Decoder::new(options)?, pixels: ImageBuf::empty() })
    }

    /// Gives up what it keeps between images.
    pub(super) fn forget(&mut self) {
        if let Ok(anew) = Self::new(self.depth, self.decoder.options().limits) {
            *self = anew;
        }
    }

    /// Gives what is wrong with the images under the first key of an Example, and with its label under the second, to
    /// `found`. `labels` are the numbers that the set's classes have.
    pub(super) fn check(
        &mut self,
        payload: &[u8],
        [key, label_key]: [&str; 2],
        labels: Option<&Range<i64>>,
        mut found: impl FnMut(Finding),
    ) -> Result<()> {
        let keys = [key, "image/height", "image/width", "image/channels", "image/format", label_key];
        let [image, height, width, channels, format, label] = ExampleView::new(payload).find(keys)?;
        if let Some(labels) = labels {
            check_label(label.as_ref(), label_key, labels, &mut found);
        }
        check_boxes(payload, &mut found)?;
        let Some(image) = image else {
            found(Finding::error(FindingKind::Image, format!("the record has no feature '{key}'")));
            return Ok(());
        };
        let images: Vec<&[u8]> = match image.bytes() {
            Ok(bytes) => bytes.collect::<Result<_>>()?,
            // Another kind than in other records: that is a finding of its own.
            Err(_) => return Ok(()),
        };
        for bytes in &images {
            let Some(facts) = self.facts(bytes, &mut found) else { continue };
            // What the record declares is declared of a single image.
            if images.len() == 1 {
                let declared = [("height", &height), ("width", &width), ("channels", &channels)];
                check_shape(&facts, declared, &mut found);
                check_format(&facts, format.as_ref(), &mut found);
            }
        }
        if images.is_empty() {
            found(Finding::error(FindingKind::Image, format!("the feature '{key}' is an empty list")));
        }
        Ok(())
    }

    /// What the header says, where the image is whole.
    fn facts(&mut self, bytes: &[u8], found: &mut impl FnMut(Finding)) -> Option<Probe> {
        let decoded = match self.depth {
            Depth::Headers => Ok(()),
            Depth::Pixels => self.decoder.decode_into(bytes, &mut self.pixels),
        };
        // The whole walk: a PNG's transparency, and so its channels, stands behind its header.
        let facts = match decoded.and_then(|()| probe_header(bytes, &self.decoder.options().limits)) {
            Ok(facts) => facts,
            // Not damage: an image that this program does not decode.
            Err(e @ ImageError::Unsupported { .. }) => {
                found(Finding::warning(FindingKind::Image, format!("{e}; the image was not checked")));
                return None;
            }
            Err(e) => {
                found(Finding::error(FindingKind::Image, e.to_string()));
                return None;
            }
        };
        if facts.colorspace == Colorspace::Cmyk {
            found(Finding::warning(
                FindingKind::Cmyk,
                "the image has four inks (CMYK); readers differ in the colours that they make of them",
            ));
        }
        if let Some(orientation @ 2..) = facts.exif_orientation {
            found(Finding::warning(
                FindingKind::Exif,
                format!("the image has EXIF orientation {orientation}, which TensorFlow ignores: it is read unturned"),
            ));
        }
        Some(facts)
    }
}

fn check_shape(facts: &Probe, declared: [(&str, &Option<FeatureView<'_>>); 3], found: &mut impl FnMut(Finding)) {
    let real = [facts.height, facts.width, facts.channels];
    let differences: Vec<String> = declared
        .iter()
        .zip(real)
        .filter_map(|((name, feature), real)| {
            let declared = feature.as_ref()?.single_int64().ok()?;
            (i64::try_from(real) != Ok(declared)).then(|| format!("image/{name} is {declared}, the image has {real}"))
        })
        .collect();
    if !differences.is_empty() {
        found(Finding::error(FindingKind::Shape, differences.join("; ")));
    }
}

fn check_format(facts: &Probe, declared: Option<&FeatureView<'_>>, found: &mut impl FnMut(Finding)) {
    let Some(declared) = declared.and_then(|f| f.single_bytes().ok()) else { return };
    let declared = String::from_utf8_lossy(declared).to_ascii_lowercase();
    let known = if declared == "jpg" { "jpeg" } else { &declared };
    // An empty string is how records leave it open.
    if !known.is_empty() && known != facts.format.name() {
        let detail = format!("image/format is '{declared}', the image is a {}", facts.format);
        found(Finding::warning(FindingKind::Format, detail));
    }
}

/// How far a box may reach over the image's edge, in parts of the image: what rounding makes of a true box.
const EDGE: f32 = 1e-4;

/// Boxes are four lists of equal length, normalised to 0..1, each with its minimum before its maximum.
fn check_boxes(payload: &[u8], found: &mut impl FnMut(Finding)) -> Result<()> {
    let [xmin, ymin, xmax, ymax] = BOX_FEATURES;
    let features = ExampleView::new(payload).find([xmin, xmax, ymin, ymax])?;
    let mut sides: [Vec<f32>; 4] = Default::default();
    for (values, feature) in sides.iter_mut().zip(features.iter().flatten()) {
        // Another kind than in other records: that is a finding of its own.
        let Ok(floats) = feature.floats() else { return Ok(()) };
        *values = floats.collect::<Result<_>>()?;
    }
    let [xmin, xmax, ymin, ymax] = &sides;
    if sides.iter().any(|s| s.len() != xmin.len()) {
        let lengths = [xmin.len(), xmax.len(), ymin.len(), ymax.len()];
        let detail = format!("the box lists xmin, xmax, ymin, ymax have {lengths:?} values");
        found(Finding::error(FindingKind::Bbox, detail));
        return Ok(());
    }
    let lies_well = |min: f32, max: f32| min >= -EDGE && min <= max && max <= 1.0 + EDGE;
    let bad = |&i: &usize| !(lies_well(xmin[i], xmax[i]) && lies_well(ymin[i], ymax[i]));
    let all: Vec<usize> = (0..xmin.len()).filter(bad).collect();
    if let [first, rest @ ..] = &all[..] {
        let (x, y) = ((xmin[*first], xmax[*first]), (ymin[*first], ymax[*first]));
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        let detail = format!(
            "box {first} spans x {} to {}, y {} to {}: not inside 0 to 1, or inside out{more}",
            x.0, x.1, y.0, y.1
        );
        found(Finding::error(FindingKind::Bbox, detail));
    }
    Ok(())
}

fn check_label(label: Option<&FeatureView<'_>>, key: &str, labels: &Range<i64>, found: &mut impl FnMut(Finding)) {
    let Some(values) = label.and_then(|f| f.int64s().ok()) else { return };
    for value in values.filter_map(Result::ok).filter(|v| !labels.contains(v)) {
        let (first, last) = (labels.start, labels.end - 1);
        let detail = format!("{key} is {value}, the classes of manifest.json are {first} to {last}");
        found(Finding::error(FindingKind::Label, detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;
    use crate::image::{Shape, encode_jpeg, encode_png};

    const KEYS: [&str; 2] = ["image/encoded", "image/class/label"];

    fn findings(payload: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        let mut checker = ImageChecker::new(Depth::Pixels, Limits::default()).unwrap();
        checker.check(payload, KEYS, Some(&(1..3)), |f| all.push(f.to_string())).unwrap();
        all
    }

    fn pixels() -> ImageBuf<u8> {
        ImageBuf::from_pixels(Shape::new(4, 6, 3), vec![99; 72]).unwrap()
    }

    #[test]
    fn a_true_record_has_no_findings() {
        let jpeg = encode_jpeg(&pixels(), 90).unwrap();
        let example = ExampleBuilder::new()
            .bytes("image/encoded", &jpeg)
            .text("image/format", "JPEG")
            .int64("image/height", 4)
            .int64("image/width", 6)
            .int64("image/channels", 3)
            .int64("image/class/label", 2);
        assert_eq!(findings(&example.encode()), [""; 0]);
        let renamed = example.text("image/format", "jpg");
        assert_eq!(findings(&renamed.encode()), [""; 0]);
    }

    #[test]
    fn what_the_record_says_falsely_is_found() {
        let png = encode_png(&pixels()).unwrap();
        let example = ExampleBuilder::new()
            .bytes("image/encoded", &png)
            .text("image/format", "JPEG")
            .int64("image/height", 6)
            .int64("image/width", 4)
            .int64("image/class/label", 3);
        assert_eq!(
            findings(&example.encode()),
            [
                "error label: image/class/label is 3, the classes of manifest.json are 1 to 2",
                "error shape: image/height is 6, the image has 4; image/width is 4, the image has 6",
                "warning format: image/format is 'jpeg', the image is a PNG",
            ]
        );
    }

    #[test]
    fn the_walk_over_headers_finds_cuts_and_false_sizes() {
        let jpeg = encode_jpeg(&pixels(), 90).unwrap();
        let of = |bytes: &[u8]| {
            let payload = ExampleBuilder::new().bytes("image/encoded", bytes).int64("image/height", 5).encode();
            let mut all = Vec::new();
            let mut checker = ImageChecker::new(Depth::Headers, Limits::default()).unwrap();
            checker.check(&payload, KEYS, None, |f| all.push(f.to_string())).unwrap();
            all
        };
        assert_eq!(of(&jpeg), ["error shape: image/height is 5, the image has 4"]);
        assert!(of(&jpeg[..jpeg.len() - 2])[0].starts_with("error image: JPEG is truncated"));
    }

    #[test]
    fn boxes_must_lie_in_the_image_the_right_way_round() {
        let jpeg = encode_jpeg(&pixels(), 90).unwrap();
        let of = |x: [&[f32]; 2], y: [&[f32]; 2]| {
            let mut example = ExampleBuilder::new().bytes("image/encoded", &jpeg);
            for (name, values) in ["xmin", "xmax", "ymin", "ymax"].iter().zip([x, y].concat()) {
                example = example.floats(format!("image/object/bbox/{name}"), values.iter().copied());
            }
            findings(&example.encode())
        };
        assert_eq!(of([&[0.0, 0.5], &[1.0, 1.00001]], [&[0.1, 0.2], &[0.1, 0.3]]), [""; 0]);
        assert_eq!(of([&[], &[]], [&[], &[]]), [""; 0]);
        assert_eq!(
            of([&[0.0, 0.5, f32::NAN], &[1.0, 0.4, 1.0]], [&[0.0; 3], &[1.0; 3]]),
            ["error bbox: box 1 spans x 0.5 to 0.4, y 0 to 1: not inside 0 to 1, or inside out, and 1 more"]
        );
        assert_eq!(
            of([&[0.0], &[1.0]], [&[0.0], &[]]),
            ["error bbox: the box lists xmin, xmax, ymin, ymax have [1, 1, 1, 0] values"]
        );
    }

    #[test]
    fn an_orientation_that_readers_ignore_is_a_warning() {
        let jpeg = encode_jpeg(&pixels(), 90).unwrap();
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let segment = [&[0xff, 0xe1, 0, exif.len() as u8 + 2], &exif[..]].concat();
        let turned = [&jpeg[..2], &segment, &jpeg[2..]].concat();
        let found = findings(&ExampleBuilder::new().bytes("image/encoded", &turned).encode());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("warning exif: the image has EXIF orientation 6"), "{found:?}");
    }

    #[test]
    fn damaged_missing_and_foreign_images_are_found() {
        let jpeg = encode_jpeg(&pixels(), 90).unwrap();
        let of = |b: &[u8]| findings(&ExampleBuilder::new().bytes("image/encoded", b).encode());
        assert!(of(&jpeg[..jpeg.len() - 2])[0].starts_with("error image: JPEG is truncated"));
        assert!(of(b"junk")[0].starts_with("error image: not a JPEG"));
        assert!(of(b"GIF89a\x01\0\x01\0")[0].starts_with("warning image: GIF"));
        assert!(findings(&ExampleBuilder::new().encode())[0].contains("no feature"));
        let empty = ExampleBuilder::new().bytes_list::<&[u8]>("image/encoded", []).encode();
        assert!(findings(&empty)[0].contains("empty list"));
    }
}
