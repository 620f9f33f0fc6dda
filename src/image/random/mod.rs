//! Random numbers without state: Philox4x32-10, and TensorFlow's stateless draws made from it.
//!
//! Every draw is a function of a [`SeedPair`], which is a function of the run's seed, the sample's
//! ordinal, the epoch and the operation. Passing the pair to `tf.image.stateless_random_*` in
//! TensorFlow 2.21 repeats the draw.

mod boxes;
mod draws;
mod fill;
mod own;
mod philox;

pub use boxes::{DistortedBox, sample_distorted_bounding_box};
pub use draws::{
    gate, random_brightness, random_contrast, random_crop, random_flip, random_hue, random_jpeg_quality,
    random_saturation, uniform, uniform_int,
};
pub(super) use fill::{RUN, normal_run, uniform_run};
pub use fill::{normals, uniforms};
pub use own::{beta, is_among_first, permutation};
pub(crate) use own::{named_key, shuffle};
pub use philox::{SeedPair, Stream, op_id, op_seed, philox_u64, philox4x32, unit};
