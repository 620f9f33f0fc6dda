//! One number for a stream of batches.

use sha2::{Digest, Sha256};

use super::batch::Batch;
use super::output::{Layout, Pixels};
use crate::example::{Column, Values, hex};

/// The SHA-256 over the valid samples in order: ordinal as u64, label as i64 (or soft labels as f32), pixels in HWC as f32 or
/// u8, whatever the layout; then the record, and its row of each column, each behind its length as u64 (and, of `ragged_steps`, where its steps begin
/// and end). All little-endian.
#[derive(Debug, Clone, Default)]
pub struct BatchDigest(Sha256);

impl BatchDigest {
    /// Takes a batch in.
    pub fn update(&mut self, batch: &Batch) {
        let mut bytes = Vec::new();
        for i in 0..batch.len() {
            if !batch.valid()[i] {
                continue;
            }
            bytes.clear();
            bytes.extend_from_slice(&batch.ordinals()[i].to_le_bytes());
            match batch.soft_labels() {
                None => bytes.extend_from_slice(&batch.labels()[i].to_le_bytes()),
                Some(soft) => {
                    let classes = soft.len() / batch.len();
                    bytes.extend(soft[i * classes..][..classes].iter().flat_map(|v| v.to_le_bytes()));
                }
            }
            put_pixels(batch, i, &mut bytes);
            if let Some(record) = batch.record(i) {
                bytes.extend_from_slice(&(record.len() as u64).to_le_bytes());
                bytes.extend_from_slice(record);
            }
            batch.columns().iter().for_each(|column| put_row(column, i, &mut bytes));
            self.0.update(&bytes);
        }
    }

    /// The digest in hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// The values of row `i`.
fn put_row(column: &Column, i: usize, bytes: &mut Vec<u8>) {
    let row = column.row(i);
    bytes.extend_from_slice(&(row.len() as u64).to_le_bytes());
    if let (Some(steps), false) = (column.row_splits.get(i..i + 2), column.step_splits.is_empty()) {
        let ends = &column.step_splits[steps[0]..=steps[1]];
        bytes.extend(ends.iter().flat_map(|end| ((end - ends[0]) as u64).to_le_bytes()));
    }
    match &column.values {
        Values::Int64(values) => bytes.extend(values[row].iter().flat_map(|v| v.to_le_bytes())),
        Values::Float(values) => bytes.extend(values[row].iter().flat_map(|v| v.to_le_bytes())),
        Values::Bytes(values) => row.filter_map(|at| values.get(at)).for_each(|value| {
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(value);
        }),
    }
}

/// The pixels of sample `i`, in HWC.
fn put_pixels(batch: &Batch, i: usize, bytes: &mut Vec<u8>) {
    let format = batch.format;
    let (len, channels) = (format.len(), format.shape.channels);
    let order = (0..len).map(|at| match format.layout {
        Layout::Nhwc => at,
        Layout::Nchw => at % channels * (len / channels) + at / channels,
    });
    match batch.pixels() {
        Pixels::F32(_) if len == 0 => {}
        Pixels::F32(values) => bytes.extend(order.flat_map(|at| values[i * len + at].to_le_bytes())),
        Pixels::U8(values) => bytes.extend(order.map(|at| values[i * len + at])),
    }
}
