//! Batches, as the consumer gets them.

use std::sync::Arc;

use super::buffer::{AlignedVec, Element};
use super::filling::{Extra, Pool, SampleMeta};
use super::output::{Format, Pixels};
use crate::example::Column;

/// Samples of a set, decoded and augmented: images, labels, columns of further features, and where each sample comes from.
///
/// What it holds is said by the pipeline's `[batch]` and `[[column]]`. Dropped, it gives its memory back to the loader.
#[derive(Debug)]
pub struct Batch {
    pub(super) images: Images,
    pub(super) format: Format,
    pub(super) meta: Meta,
    pub(super) soft_labels: Vec<f32>,
    pub(super) columns: Vec<Column>,
    /// What each sample's record was, where records are wanted.
    pub(super) records: Vec<Extra>,
    pub(super) epoch: u64,
    pub(super) step: u64,
    pub(super) pool: Arc<Pool>,
}

/// The pixels of all samples.
#[derive(Debug)]
pub(super) enum Images {
    None,
    F32(AlignedVec<f32>),
    U8(AlignedVec<u8>),
}

/// What is told of each sample.
#[derive(Debug, Default)]
pub(super) struct Meta {
    labels: Vec<i64>,
    ordinals: Vec<u64>,
    valid: Vec<bool>,
}

impl Meta {
    pub(super) fn new(samples: &[SampleMeta]) -> Self {
        Meta {
            labels: samples.iter().map(|m| m.label).collect(),
            ordinals: samples.iter().map(|m| m.ordinal).collect(),
            valid: samples.iter().map(|m| m.valid).collect(),
        }
    }
}

impl Batch {
    /// The number of samples.
    pub fn len(&self) -> usize {
        self.meta.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.meta.labels.is_empty()
    }

    /// Samples, height, width, channels; with layout NCHW: samples, channels, height, width. All but the first are 0 where
    /// the batch holds no images.
    pub fn shape(&self) -> [usize; 4] {
        self.format.axes(self.len())
    }

    /// All pixels, in the order of [`shape`](Self::shape); none where the batch holds no images.
    pub fn pixels(&self) -> Pixels<'_> {
        match &self.images {
            Images::None => Pixels::F32(&[]),
            Images::F32(values) => Pixels::F32(values),
            Images::U8(values) => Pixels::U8(values),
        }
    }

    /// All pixels as f32: the pipeline's `dtype` unless it says otherwise. For either type see [`pixels`](Self::pixels).
    ///
    /// # Panics
    /// When the pipeline's dtype is u8.
    pub fn images(&self) -> &[f32] {
        self.pixels_of()
    }

    /// All pixels as u8.
    ///
    /// # Panics
    /// When the pipeline's dtype is f32.
    pub fn images_u8(&self) -> &[u8] {
        self.pixels_of()
    }

    /// The pixels of one sample as f32.
    ///
    /// # Panics
    /// When there is no sample `i`, or the pipeline's dtype is u8.
    pub fn image(&self, i: usize) -> &[f32] {
        let len = self.format.len();
        &self.images()[i * len..(i + 1) * len]
    }

    fn pixels_of<T: Element>(&self) -> &[T] {
        T::of(self.pixels()).unwrap_or_else(|| panic!("the pixels are of the pipeline's other dtype"))
    }

    /// The labels; -1 where the pipeline has none, or no images.
    pub fn labels(&self) -> &[i64] {
        &self.meta.labels
    }

    /// The labels as shares of classes, a row of num_classes values for each sample, where the pipeline mixes samples
    /// (mixup, cutmix); [`labels`](Self::labels) are those of each sample's own image still.
    pub fn soft_labels(&self) -> Option<&[f32]> {
        (!self.soft_labels.is_empty()).then_some(&self.soft_labels)
    }

    /// The pipeline's columns, in its order, a row for each sample. Where a sample is not [`valid`](Self::valid), it has the
    /// row of the sample in its place, or the columns' defaults.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The values of a column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The record of sample `i`, as it is stored; `None` where the batch holds no records, and behind the last.
    pub fn record(&self, i: usize) -> Option<&[u8]> {
        self.records.get(i).map(|extra| &extra.record[..])
    }

    /// The samples' numbers in the set: shards by name, then records.
    pub fn ordinals(&self) -> &[u64] {
        &self.meta.ordinals
    }

    /// Whether each sample counts; `false` for one that only pads the batch, and for one in the place of a record that was
    /// skipped.
    pub fn valid(&self) -> &[bool] {
        &self.meta.valid
    }

    /// The epoch, from 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The batch's number in its epoch, from 0.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Takes the pixels out, without a copy; their memory does not go back to the loader.
    ///
    /// # Errors
    /// The batch itself, as it was, when the pipeline's dtype is not `T`.
    pub fn into_images<T: Element>(mut self) -> Result<AlignedVec<T>, Box<Self>> {
        if T::of(self.pixels()).is_none() {
            return Err(Box::new(self));
        }
        let memory = match std::mem::replace(&mut self.images, Images::None) {
            Images::None => Default::default(),
            Images::F32(values) => values.into_memory(),
            Images::U8(values) => values.into_memory(),
        };
        Ok(AlignedVec::new(memory, self.len() * self.format.len()))
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.images, Images::None) {
            Images::None => {}
            Images::F32(values) => self.pool.give_back(values.into_memory()),
            Images::U8(values) => self.pool.give_back(values.into_memory()),
        }
        self.pool.give_back_extras(std::mem::take(&mut self.records));
    }
}
