//! Ops across a batch: mixup and cutmix, and the soft labels they make.

use serde_json::json;

use super::executor::Draw;
use super::op::Op;
use super::output::Layout;
use super::spec::{Mode, Pipeline};
use super::step::part_id;
use crate::error::{Error, Result};
use crate::image::ops::Rect;
use crate::image::random::{self, SeedPair};
use crate::image::{ImageError, Shape};

/// What a batch's random numbers depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchKey {
    /// The seed of the run.
    pub seed: u64,
    /// The batch's number in its epoch, over all ranks: step x world + rank.
    pub batch: u64,
    /// The epoch, from 0.
    pub epoch: u32,
}

/// The ops of a pipeline that work across a batch.
///
/// Each sample is paired with another of its batch, by one permutation a batch and op. A sample that only pads the batch
/// takes no part. In place of TensorFlow seed pairs of a sample, the pairs are of the batch's number.
pub struct Mixer {
    steps: Vec<MixStep>,
    classes: usize,
}

struct MixStep {
    op: Op,
    p: f32,
    alpha: f32,
    name: &'static str,
    id: u32,
    gate: u32,
    pairs: u32,
    places: u32,
}

/// A batch to be mixed.
pub struct MixBatch<'b> {
    /// All pixels.
    pub images: &'b mut [f32],
    /// Of one image.
    pub shape: Shape,
    /// The order of the axes.
    pub layout: Layout,
    /// Labels as shares of classes, a row of [`Mixer::classes`] values for each sample; may be empty.
    pub soft_labels: &'b mut [f32],
    /// Which samples count.
    pub valid: &'b [bool],
}

impl Mixer {
    /// The mixer of a pipeline's op list, if it has such ops.
    ///
    /// # Errors
    /// Usage errors of a list that was not read from a spec.
    pub fn new(pipeline: &Pipeline, mode: Mode) -> Result<Option<Self>> {
        let Some(classes) = pipeline.soft_classes(mode)? else { return Ok(None) };
        let mut steps: Vec<MixStep> = Vec::new();
        for spec in pipeline.ops(mode)? {
            let (Op::Mixup { alpha, .. } | Op::Cutmix { alpha, .. }) = &spec.op else { continue };
            let name = spec.op.name();
            let k = steps.iter().filter(|step| step.name == name).count();
            steps.push(MixStep {
                op: spec.op.clone(),
                p: spec.p,
                alpha: *alpha,
                name,
                id: random::op_id(name, k),
                gate: part_id(name, k, "p"),
                pairs: part_id(name, k, "permutation"),
                places: part_id(name, k, "box"),
            });
        }
        Ok(Some(Mixer { steps, classes }))
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Fails for a label that is none of the classes.
    pub(super) fn check(&self, label: i64) -> Result<()> {
        match usize::try_from(label) {
            Ok(label) if label < self.classes => Ok(()),
            _ => Err(Error::usage_hint(
                format!("the label is {label}, and the pipeline's num_classes is {}", self.classes),
                "labels go from 0 to num_classes - 1",
            )),
        }
    }

    /// A label as shares of the classes: all of it on one.
    ///
    /// # Errors
    /// A label that is no class.
    pub fn one_hot(&self, label: i64, shares: &mut [f32]) -> Result<()> {
        self.check(label)?;
        for (class, share) in (0..).zip(shares) {
            *share = f32::from(class == label);
        }
        Ok(())
    }

    /// Mixes a batch.
    ///
    /// # Errors
    /// [`ErrorKind::Image`](crate::ErrorKind::Image) where the lengths of the batch's parts do not fit each other.
    pub fn mix(&self, batch: &mut MixBatch<'_>, key: BatchKey, draws: &mut Option<&mut Vec<Draw>>) -> Result<()> {
        let samples = batch.valid.len();
        let image = batch.shape.height * batch.shape.row_len();
        let labels_fit = batch.soft_labels.is_empty() || batch.soft_labels.len() == samples * self.classes;
        if batch.images.len() != samples * image || !labels_fit {
            let detail = format!("{} values and {} shares", batch.images.len(), batch.soft_labels.len());
            return Err(ImageError::parameter("mix", format!("{detail} for {samples} samples")).into());
        }
        for step in &self.steps {
            step.run(batch, self.classes, key, draws)?;
        }
        Ok(())
    }
}

impl MixStep {
    fn run(
        &self,
        batch: &mut MixBatch<'_>,
        classes: usize,
        key: BatchKey,
        draws: &mut Option<&mut Vec<Draw>>,
    ) -> Result<()> {
        let pair = |id| random::op_seed(key.seed, key.batch, key.epoch, id);
        let valid: Vec<usize> = (0..batch.valid.len()).filter(|i| batch.valid[*i]).collect();
        let applied = self.p == 1.0 || random::gate(pair(self.gate), self.p);
        let shares = random::beta(pair(self.id), self.alpha, valid.len())?;
        let others = random::permutation(pair(self.pairs), valid.len());
        let shape = batch.shape;
        let mixes: Vec<Mix> = match self.op {
            Op::Mixup { .. } => shares.iter().map(|share| Mix { share: *share, rect: None }).collect(),
            _ => boxes(pair(self.places), shape, &shares),
        };
        if let Some(draws) = draws {
            let mut values = serde_json::Map::new();
            values.insert("applied".to_owned(), json!(applied));
            values.insert("share".to_owned(), json!(mixes.iter().map(|m| m.share).collect::<Vec<_>>()));
            values.insert("other".to_owned(), json!(others));
            if matches!(self.op, Op::Cutmix { .. }) {
                let rects = mixes.iter().filter_map(|m| m.rect).map(|r| [r.y, r.x, r.height, r.width]);
                values.insert("rect".to_owned(), json!(rects.collect::<Vec<_>>()));
            }
            draws.push(Draw { op: self.name, seed: pair(self.id).0, values });
        }
        if !applied {
            return Ok(());
        }
        let image = shape.height * shape.row_len();
        along_cycles(batch.images, image, &valid, &others, |at, row, other| match mixes[at].rect {
            None => blend(row, other, mixes[at].share),
            Some(rect) => paste(row, other, shape, batch.layout, rect),
        });
        if !batch.soft_labels.is_empty() {
            along_cycles(batch.soft_labels, classes, &valid, &others, |at, row, other| {
                blend(row, other, mixes[at].share);
            });
        }
        Ok(())
    }
}

/// How one sample is mixed: its own share, and for cutmix the rectangle of the other.
#[derive(Debug, Clone, Copy)]
struct Mix {
    share: f32,
    rect: Option<Rect>,
}

/// A rectangle for each sample, of the aspect of the image and 1 - share of its area, anywhere inside; the share that
/// whole pixels leave.
fn boxes(seed: SeedPair, shape: Shape, shares: &[f32]) -> Vec<Mix> {
    let mut places = vec![0.0; 2 * shares.len()];
    random::uniforms(seed, &mut places, 0.0, 1.0);
    let mixes = shares.iter().zip(places.chunks_exact(2)).map(|(share, place)| {
        let side = (1.0 - share).max(0.0).sqrt();
        let (height, width) = ((shape.height as f32 * side) as usize, (shape.width as f32 * side) as usize);
        let offset = |u: f32, room: usize| ((u * (room + 1) as f32) as usize).min(room);
        let rect = Rect {
            y: offset(place[0], shape.height - height),
            x: offset(place[1], shape.width - width),
            height,
            width,
        };
        let area = (height * width) as f32 / (shape.height * shape.width).max(1) as f32;
        Mix { share: 1.0 - area, rect: Some(rect) }
    });
    mixes.collect()
}

/// Calls `mix(at, row, other)` for each valid sample, `other` being the row as it was before any mixing of the sample it
/// is paired with. Follows the permutation's cycles, so that one row at a time is kept aside.
fn along_cycles(
    rows: &mut [f32],
    len: usize,
    valid: &[usize],
    others: &[usize],
    mut mix: impl FnMut(usize, &mut [f32], &[f32]),
) {
    let mut done = vec![false; valid.len()];
    let mut first = vec![0.0; len];
    for start in 0..valid.len() {
        if done[start] {
            continue;
        }
        first.copy_from_slice(&rows[valid[start] * len..][..len]);
        let mut at = start;
        loop {
            done[at] = true;
            let next = others[at];
            let from = valid[at] * len;
            if next == start {
                mix(at, &mut rows[from..][..len], &first);
                break;
            }
            let to = valid[next] * len;
            let (low, high) = rows.split_at_mut(from.max(to));
            match from < to {
                true => mix(at, &mut low[from..][..len], &high[..len]),
                false => mix(at, &mut high[..len], &low[to..][..len]),
            }
            at = next;
        }
    }
}

fn blend(row: &mut [f32], other: &[f32], share: f32) {
    let rest = 1.0 - share;
    for (v, o) in row.iter_mut().zip(other) {
        *v = *v * share + o * rest;
    }
}

fn paste(row: &mut [f32], other: &[f32], shape: Shape, layout: Layout, rect: Rect) {
    let (planes, shape) = match layout {
        Layout::Nhwc => (1, shape),
        Layout::Nchw => (shape.channels, Shape { channels: 1, ..shape }),
    };
    let len = shape.row_len();
    let (from, width) = (rect.x * shape.channels, rect.width * shape.channels);
    for y in (0..planes).flat_map(|plane| (rect.y..rect.y + rect.height).map(move |y| plane * shape.height + y)) {
        let span = y * len + from..y * len + from + width;
        row[span.clone()].copy_from_slice(&other[span]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixer(op: &str, p: f32) -> Mixer {
        let text = format!(
            "[[train]]\nop = \"resize\"\nsize = [4, 6]\n[[train]]\nop = \"{op}\"\nalpha = 1.0\nnum_classes = 5\np = {p:?}"
        );
        Mixer::new(&Pipeline::parse(&text).unwrap(), Mode::Train).unwrap().unwrap()
    }

    /// A batch whose image i holds the value i throughout, labelled i.
    fn mixed(mixer: &Mixer, batch: u64, valid: &[bool]) -> (Vec<f32>, Vec<f32>) {
        let shape = Shape::new(4, 6, 1);
        let mut images: Vec<f32> = (0..valid.len()).flat_map(|i| [i as f32; 24]).collect();
        let mut soft = vec![0.0; valid.len() * 5];
        for (i, shares) in soft.chunks_mut(5).enumerate() {
            mixer.one_hot(i as i64, shares).unwrap();
        }
        let layout = Layout::Nhwc;
        let mut batch_of = MixBatch { images: &mut images, shape, layout, soft_labels: &mut soft, valid };
        mixer.mix(&mut batch_of, BatchKey { seed: 3, batch, epoch: 0 }, &mut None).unwrap();
        (images, soft)
    }

    /// The mean of an image of constant parts is the mean of its labels: pixels and labels tell the same story.
    #[test]
    fn labels_have_the_shares_of_the_pixels() {
        for op in ["mixup", "cutmix"] {
            let mut changed = 0;
            for batch in 0..20 {
                let (images, soft) = mixed(&mixer(op, 1.0), batch, &[true; 5]);
                for (i, (image, shares)) in images.chunks(24).zip(soft.chunks(5)).enumerate() {
                    let mean = image.iter().sum::<f32>() / 24.0;
                    let expected: f32 = shares.iter().enumerate().map(|(class, share)| class as f32 * share).sum();
                    assert!((mean - expected).abs() < 1e-4, "{op}: {image:?} {shares:?}");
                    assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                    changed += usize::from(shares[i] < 1.0);
                }
            }
            assert!(changed > 40, "{op}: {changed}");
        }
    }

    #[test]
    fn padding_takes_no_part() {
        let valid = [true, false, true, true, false];
        for op in ["mixup", "cutmix"] {
            for batch in 0..20 {
                let (images, soft) = mixed(&mixer(op, 1.0), batch, &valid);
                for i in [1, 4] {
                    assert_eq!(images[i * 24..][..24], [i as f32; 24]);
                }
                assert!(soft.chunks(5).enumerate().all(|(i, s)| !valid[i] || (s[1] == 0.0 && s[4] == 0.0)));
            }
        }
    }

    #[test]
    fn the_key_decides() {
        let mixer = mixer("mixup", 1.0);
        assert_eq!(mixed(&mixer, 7, &[true; 5]), mixed(&mixer, 7, &[true; 5]));
        assert_ne!(mixed(&mixer, 7, &[true; 5]), mixed(&mixer, 8, &[true; 5]));
        let (images, _) = mixed(&self::mixer("mixup", 0.0), 7, &[true; 5]);
        assert_eq!(images, (0..5).flat_map(|i| [i as f32; 24]).collect::<Vec<_>>());
    }

    #[test]
    fn a_label_that_is_no_class() {
        let mut shares = [0.0; 5];
        let error = mixer("mixup", 1.0).one_hot(5, &mut shares).unwrap_err();
        assert!(error.to_string().contains("num_classes is 5"), "{error}");
        assert!(mixer("mixup", 1.0).one_hot(-1, &mut shares).is_err());
    }
}
