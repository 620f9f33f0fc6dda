//! A contact sheet of a set: originals, and beside each what a pipeline makes of it.

mod follow;
mod sheet;
mod sweep;

use serde_json::Value;

use super::boxes::{BoxMark, boxes};
use super::extract::Parts;
use crate::dataset::ShardSet;
use crate::error::{Error, Location, Result};
use crate::image::{ImageBuf, Orientation, Shape, probe_magic};
use crate::job::Job;
use crate::pipeline::{
    BatchKey, Draw, Executor, FeatureNames, ImageFeature, Layout, MixBatch, Mixer, Mode, Pipeline, SampleKey, Samples,
};
pub(super) use sheet::Fitter;
use sheet::{Cell, Sheet};

/// What a preview shows.
#[derive(Debug, Clone)]
pub struct PreviewOptions {
    /// How many samples, spread over the set. Default: 6.
    pub samples: usize,
    /// How many versions of each, or steps of a sweep. Default: 5.
    pub versions: usize,
    /// Which op list runs. Evaluation gives one version. Default: training.
    pub mode: Mode,
    /// The seed of the augmentation; the versions are those of epochs 0, 1, ... in training. Default: 0.
    pub seed: u64,
    /// In place of the op list, one op over its range, by name: with the parameters that the pipeline gives it, or else
    /// usual ones. Default: none.
    pub sweep: Option<String>,
    /// The side of a cell in pixels, from 64 to 1024. Default: 192.
    pub cell: usize,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        PreviewOptions { samples: 6, versions: 5, mode: Mode::Train, seed: 0, sweep: None, cell: 192 }
    }
}

/// Sheets beyond these sides are refused.
const MOST_SAMPLES: usize = 200;
const MOST_VERSIONS: usize = 50;

/// Draws a sheet (RGB): a row for each sample, first the original with its label, where it has one, and its boxes; then
/// versions with the values drawn for each, and with the boxes where the op list moves them in a way that is followed: by
/// flips, crops, resizes, quarter turns; a title says so where it is not. Pixels and draws are those of training, but for mixup and cutmix: samples are paired within the sheet, not within
/// the batches of training. What ends the range (normalize) is left out, so that levels are shown.
///
/// Images are in the feature that the pipeline names, or else, where none has its usual name, in the only one that holds
/// images.
///
/// Held at a time are the encoded images, the cells, and one image in full size, or with mixup or cutmix those of one column.
///
/// # Errors
/// Usage errors of options and pipeline; errors of the shards, with shard and record.
///
/// ```no_run
/// use tfrkit::dataset::resolve;
/// use tfrkit::image::encode_png;
/// use tfrkit::inspect::{PreviewOptions, preview};
/// use tfrkit::pipeline::Pipeline;
///
/// let set = resolve(&["shards"])?.one(Some("train"))?;
/// let sheet = preview(&set, &Pipeline::preset("basic")?, &PreviewOptions::default(), &tfrkit::Job::default())?;
/// std::fs::write("sheet.png", encode_png(&sheet)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn preview(set: &ShardSet, pipeline: &Pipeline, options: &PreviewOptions, job: &Job<'_>) -> Result<ImageBuf<u8>> {
    check(options)?;
    // What is wrong with them is told before any record is read.
    columns(pipeline, options, None)?;
    let samples = Samples::open(&set.shards, job.io, job.reading(), job.thread_count())?;
    let ordinals = spread(samples.len(), options.samples);
    if ordinals.is_empty() {
        return Err(Error::usage(format!("the set '{}' has no samples", set.name)));
    }
    let mut records = Vec::new();
    samples.read(&ordinals, |ordinal, at, payload| {
        job.check()?;
        records.push((ordinal, at.clone(), payload.to_vec()));
        Ok(())
    })?;
    let mut shown = show(records, &pipeline.features)?;
    let mut fitter = Fitter::new(options.cell);
    let (mut rows, shapes) = originals(&mut shown, pipeline, &mut fitter, job)?;
    let columns = columns(pipeline, options, sweep::Sides::of(&shapes))?;
    sheet::check_size(ordinals.len(), columns.len() + 1, options.cell)?;
    let any_boxes = shown.iter().any(|sample| !sample.boxes.is_empty());
    let mut obstacle = None;
    let mixer = match options.sweep {
        Some(_) => None,
        None => Mixer::new(pipeline, options.mode)?,
    };
    for column in &columns {
        // One at a time, since each keeps buffers of full-size images.
        let mut executor = Executor::new(&column.pipeline, options.mode)?;
        let mut mixed = mixer.as_ref().map(|mixer| Mixed::new(mixer, shown.len()));
        let ops = column.pipeline.ops(options.mode)?;
        let lost = follow::obstacle(ops);
        obstacle = obstacle.or(lost);
        for ((sample, row), shape) in shown.iter().zip(&mut rows).zip(&shapes) {
            job.check()?;
            let key = SampleKey { seed: options.seed, ordinal: sample.ordinal, epoch: column.epoch };
            let mut draws = Vec::new();
            let image = executor.run(&sample.encoded, key, Some(&mut draws)).map_err(|e| e.at(&sample.at))?.into_f32();
            let caption = column.note.clone().into_iter().chain(draws.iter().filter_map(caption)).collect();
            let boxes = if lost.is_none() { follow::follow(ops, &draws, *shape, &sample.boxes) } else { Vec::new() };
            let image = match &mut mixed {
                Some(mixed) => mixed.push(&image).map(|()| ImageBuf::empty())?,
                None => fitter.fit(&image)?,
            };
            row.push(Cell { image, caption, boxes });
        }
        if let Some(mixed) = mixed {
            let key = BatchKey { seed: options.seed, batch: u64::from(column.epoch), epoch: 0 };
            mixed.finish(key, rows.iter_mut().filter_map(|row| row.last_mut()), &mut fitter)?;
        }
    }
    let original = match obstacle.filter(|_| any_boxes) {
        Some(op) => format!("original, boxes (not after {op})"),
        None => "original".to_owned(),
    };
    let titles = std::iter::once(original).chain(columns.into_iter().map(|c| c.title)).collect();
    Sheet { titles, rows, cell: options.cell }.draw()
}

/// A sample that is shown.
struct Shown {
    ordinal: u64,
    at: Location,
    encoded: Vec<u8>,
    label: String,
    /// On the image as it is decoded.
    boxes: Vec<BoxMark>,
}

/// What is shown of records.
fn show(records: Vec<(u64, Location, Vec<u8>)>, features: &FeatureNames) -> Result<Vec<Shown>> {
    let mut names = features.clone();
    if names.image == FeatureNames::default().image {
        let found = ImageFeature::of(records.iter().map(|(_, _, payload)| payload.as_slice()));
        names.image = vec![found.name()?.to_string()];
    }
    let show = |(ordinal, at, payload): (u64, Location, Vec<u8>)| {
        let parts = Parts::read(&payload, &names).map_err(|e| e.at(&at))?;
        let image = parts.image().and_then(|image| {
            image.ok_or_else(|| Error::schema(&names.image.join("' or '"), "is missing, and is to hold the image"))
        });
        let encoded = image.map_err(|e| e.at(&at))?.to_vec();
        let label = match (parts.text(), parts.label()) {
            (Some(text), Some(label)) => format!("{text} ({label})"),
            (Some(text), None) => text.to_owned(),
            (None, Some(label)) => format!("label {label}"),
            (None, None) => "no label".to_owned(),
        };
        // Boxes that cannot be read are for validation to tell of.
        let boxes = boxes(&payload).unwrap_or_default();
        Ok(Shown { ordinal, at, encoded, label, boxes })
    };
    records.into_iter().map(show).collect()
}

/// The rows of the sheet with their first cells, and the shapes of the images; boxes are turned as the images are.
fn originals(
    shown: &mut [Shown],
    pipeline: &Pipeline,
    fitter: &mut Fitter,
    job: &Job<'_>,
) -> Result<(Vec<Vec<Cell>>, Vec<Shape>)> {
    let mut decoder = Executor::new(&Pipeline { train: Some(Vec::new()), ..pipeline.clone() }, Mode::Train)?;
    let (mut rows, mut shapes) = (Vec::new(), Vec::new());
    for sample in shown {
        job.check()?;
        let image = decoder.run(&sample.encoded, SampleKey::default(), None).map_err(|e| e.at(&sample.at))?;
        let shape = image.shape();
        if pipeline.decode.orientation == Orientation::Apply {
            let exif = probe_magic(&sample.encoded)?.1.and_then(|probe| probe.exif_orientation);
            sample.boxes = std::mem::take(&mut sample.boxes).into_iter().map(|mark| mark.turned(exif)).collect();
        }
        let size = format!("{} x {} (height x width), sample {}", shape.height, shape.width, sample.ordinal);
        let mut caption = vec![sample.label.clone(), size];
        match sample.boxes.len() {
            0 => {}
            1 => caption.push("1 box".to_owned()),
            n if n <= sheet::MOST_BOXES => caption.push(format!("{n} boxes")),
            n => caption.push(format!("{n} boxes, {} of them drawn", sheet::MOST_BOXES)),
        }
        rows.push(vec![Cell { image: fitter.fit(&image.into_f32())?, caption, boxes: sample.boxes.clone() }]);
        shapes.push(shape);
    }
    Ok((rows, shapes))
}

/// The images of a column, which are mixed as one batch.
struct Mixed<'m> {
    mixer: &'m Mixer,
    /// How many there will be.
    count: usize,
    images: Vec<f32>,
    /// Of one image.
    shape: Shape,
}

impl<'m> Mixed<'m> {
    fn new(mixer: &'m Mixer, count: usize) -> Self {
        Mixed { mixer, count, images: Vec::new(), shape: Shape::default() }
    }

    fn push(&mut self, image: &ImageBuf<f32>) -> Result<()> {
        if self.images.is_empty() {
            self.shape = image.shape();
            self.images.reserve_exact(image.pixels().len().saturating_mul(self.count));
        }
        if image.shape() != self.shape {
            return Err(Error::usage("the op list gives images of different sizes, which cannot be mixed"));
        }
        self.images.extend_from_slice(image.pixels());
        Ok(())
    }

    /// Mixes the images and puts them into their cells.
    fn finish<'c>(
        mut self,
        key: BatchKey,
        cells: impl Iterator<Item = &'c mut Cell>,
        fitter: &mut Fitter,
    ) -> Result<()> {
        let len = self.shape.height * self.shape.row_len();
        let valid = vec![true; self.count];
        let (shape, layout) = (self.shape, Layout::Nhwc);
        let mut batch = MixBatch { images: &mut self.images, shape, layout, soft_labels: &mut [], valid: &valid };
        let mut draws = Vec::new();
        self.mixer.mix(&mut batch, key, &mut Some(&mut draws))?;
        for (i, (cell, pixels)) in cells.zip(self.images.chunks_exact(len.max(1))).enumerate() {
            cell.image = fitter.fit(&ImageBuf::from_pixels(self.shape, pixels.to_vec())?)?;
            let applied = draws.iter().filter(|draw| draw.values["applied"] == true);
            cell.caption.extend(applied.map(|draw| {
                let (share, other) = (&draw.values["share"][i], &draw.values["other"][i]);
                let percent = 100.0 * (1.0 - share.as_f64().unwrap_or(1.0));
                format!("{} {percent:.0} % of row {}", draw.op, other.as_u64().unwrap_or(0) + 1)
            }));
        }
        Ok(())
    }
}

/// What one column of versions shows.
struct Column {
    title: String,
    /// What is said under each image.
    note: Option<String>,
    pipeline: Pipeline,
    epoch: u32,
}

fn check(options: &PreviewOptions) -> Result<()> {
    let ranges = [
        ("samples", options.samples, 1, MOST_SAMPLES),
        ("versions", options.versions, 1, MOST_VERSIONS),
        ("pixels a cell", options.cell, 64, 1024),
    ];
    match ranges.iter().find(|(_, found, least, most)| !(least..=most).contains(&found)) {
        Some((what, found, least, most)) => {
            Err(Error::usage(format!("a preview with {found} {what}: from {least} to {most} is possible")))
        }
        None => Ok(()),
    }
}

/// The columns beside the originals; an op that needs sizes is shown with some that suit the `sides` of these.
fn columns(pipeline: &Pipeline, options: &PreviewOptions, sides: Option<sweep::Sides>) -> Result<Vec<Column>> {
    if let Some(name) = &options.sweep {
        let steps = sweep::steps(name, pipeline, options.versions, sides.unwrap_or_default())?;
        let column = |(epoch, step): (u32, sweep::Step)| {
            let (train, eval) = (Some(vec![step.op.clone()]), Some(vec![step.op]));
            Column { title: step.title, note: step.note, pipeline: Pipeline { train, eval, ..pipeline.clone() }, epoch }
        };
        return Ok((0..).zip(steps).map(column).collect());
    }
    // What ends the range is left out: the sheet shows levels.
    let shown = pipeline.in_levels();
    let versions = if options.mode == Mode::Eval { 1 } else { options.versions as u32 };
    let title = |epoch| if options.mode == Mode::Eval { "evaluation".to_owned() } else { format!("epoch {epoch}") };
    Ok((0..versions).map(|epoch| Column { title: title(epoch), note: None, pipeline: shown.clone(), epoch }).collect())
}

/// `count` of `len` ordinals, spread evenly.
fn spread(len: u64, count: usize) -> Vec<u64> {
    let count = len.min(count as u64);
    (0..count).map(|i| i * len / count).collect()
}

/// What a draw came to, in a few words; nothing for what was not done.
fn caption(draw: &Draw) -> Option<String> {
    if draw.values.get("applied") == Some(&Value::Bool(false)) {
        return None;
    }
    let name = draw.op.trim_start_matches("random_");
    let hidden = ["applied", "gate", "second", "transform"];
    let shown = draw.values.iter().filter(|(key, _)| !hidden.contains(&key.as_str()));
    let alone = shown.clone().count() == 1;
    let mut words = vec![name.to_owned()];
    for (key, value) in shown {
        match value {
            Value::Number(turns) if key == "turns" => {
                words.push(format!("{:.1} degrees", turns.as_f64().unwrap_or(0.0) * 360.0));
            }
            Value::Bool(true) => {}
            Value::Bool(false) => return None,
            value => {
                let names: &[&str] = match key.as_str() {
                    "offset" => &["y", "x"],
                    "size" => &["height", "width"],
                    "rect" => &["y", "x", "height", "width"],
                    _ => &[],
                };
                // One value tells what it is by the op's name.
                words.extend((!alone && names.is_empty()).then(|| key.clone()));
                match value {
                    Value::Array(items) if items.len() == names.len() => {
                        words.extend(
                            names.iter().zip(items).flat_map(|(name, value)| [(*name).to_owned(), item(value)]),
                        );
                    }
                    Value::Array(items) => words.extend(items.iter().map(item)),
                    value => words.push(item(value)),
                }
            }
        }
    }
    Some(words.join(" "))
}

fn item(value: &Value) -> String {
    match (value.get("op").and_then(Value::as_str), value.get("value")) {
        (Some(op), Some(value)) => format!("{op} {}", number(value)),
        _ => value.as_str().map_or_else(|| number(value), str::to_owned),
    }
}

/// A number with three digits behind the point.
fn number(value: &Value) -> String {
    match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(number)) => format!("{number:.3}"),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn captions_say_which_value_is_which() {
        let said = |op, values: Value| {
            caption(&Draw { op, seed: [0, 0], values: values.as_object().cloned().unwrap_or_default() })
        };
        let cases = [
            (
                "random_resized_crop",
                json!({"offset": [235, 17], "size": [233, 254]}),
                "resized_crop y 235 x 17 height 233 width 254",
            ),
            ("random_crop", json!({"offset": [13, 4]}), "crop y 13 x 4"),
            ("random_crop", json!({"applied": true, "gate": [1, 2], "offset": [3, 4]}), "crop y 3 x 4"),
            ("cutout", json!({"rect": [1, 2, 8, 9]}), "cutout y 1 x 2 height 8 width 9"),
            ("random_brightness", json!({"delta": 0.12345}), "brightness 0.123"),
            (
                "random_zoom",
                json!({"height": 0.5, "width": -0.25, "transform": [1.0]}),
                "zoom height 0.500 width -0.250",
            ),
            ("random_rotation", json!({"turns": 0.25, "transform": [1.0]}), "rotation 90.0 degrees"),
            ("random_flip_left_right", json!({"flip": true}), "flip_left_right"),
            (
                "rand_augment",
                json!({"ops": ["equalize", {"op": "rotation", "value": 0.5}]}),
                "rand_augment equalize rotation 0.500",
            ),
        ];
        for (op, values, expected) in cases {
            assert_eq!(said(op, values).as_deref(), Some(expected));
        }
        assert_eq!(said("random_flip_left_right", json!({"flip": false})), None);
        assert_eq!(said("cutout", json!({"applied": false, "gate": [1, 2]})), None);
    }
}
