//! What a batch holds, and how.

use crate::image::Shape;

/// What a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Output {
    /// Decoded images and their labels (the default), and the pipeline's columns.
    #[default]
    Images,
    /// The pipeline's columns alone: for data that are no images.
    Columns,
    /// The records as they are, whatever is in them, and the pipeline's columns.
    Records,
}

/// The type of pixel values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Dtype {
    /// 32-bit floats (the default).
    #[default]
    F32,
    /// Levels of 0..=255; values between are rounded half to even.
    U8,
}

/// The order of a batch's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Layout {
    /// Samples, height, width, channels: TensorFlow's (the default).
    #[default]
    Nhwc,
    /// Samples, channels, height, width: PyTorch's.
    Nchw,
}

/// Pixel values of one sample or of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pixels<'a> {
    /// For [`Dtype::F32`].
    F32(&'a [f32]),
    /// For [`Dtype::U8`].
    U8(&'a [u8]),
}

impl Pixels<'_> {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Pixels::F32(values) => values.len(),
            Pixels::U8(values) => values.len(),
        }
    }
}

/// How a sample's pixels stand in their batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) shape: Shape,
    pub(super) dtype: Dtype,
    pub(super) layout: Layout,
}

/// The place of a sample's pixels in their batch.
pub(super) enum Slot<'a> {
    F32(&'a mut [f32]),
    U8(&'a mut [u8]),
}

impl Dtype {
    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::U8 => "u8",
        }
    }

    /// Bytes of a value.
    pub(super) fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::U8 => 1,
        }
    }
}

impl Format {
    /// Values of a sample.
    pub(super) fn len(&self) -> usize {
        self.shape.height * self.shape.row_len()
    }

    /// The axes of a batch of so many samples.
    pub(super) fn axes(&self, samples: usize) -> [usize; 4] {
        let Shape { height, width, channels } = self.shape;
        match self.layout {
            Layout::Nhwc => [samples, height, width, channels],
            Layout::Nchw => [samples, channels, height, width],
        }
    }
}

impl Slot<'_> {
    /// For a sample that is none.
    pub(super) fn clear(&mut self) {
        match self {
            Slot::F32(values) => values.fill(0.0),
            Slot::U8(values) => values.fill(0),
        }
    }
}
