//! TFRecord toolkit: image folders to shards, shards inspected and validated, and decoded, augmented batches streamed
//! out of them by sequential reads of mapped files.
//!
//! Each module uses only those below it:
//!
//! - [`convert`], [`inspect`]: whole jobs.
//! - [`pipeline`]: the pipeline's spec, the order of samples, the executor of op lists, the [`Loader`](pipeline::Loader).
//! - [`image`]: decoding, resizing, operations with TensorFlow's numbers, its random draws.
//! - [`dataset`]: sets of shards: names and patterns, index, manifest, writers.
//! - [`example`]: `tf.train.Example`: generated messages, a view that copies nothing, a builder.
//! - [`record`]: frames with masked CRCs, read and written, plain or compressed.
//!
//! Every error is an [`Error`], with a kind and, where it is about data, the file, the record and the byte offset.
//!
//! ```
//! use tfrkit::example::{ExampleBuilder, ExampleView};
//! use tfrkit::record::{Shard, Writer};
//!
//! let mut writer = Writer::new(Vec::new());
//! writer.write(&ExampleBuilder::new().int64("label", 3).encode())?;
//! let shard = Shard::from_bytes(writer.finish()?);
//!
//! for record in shard.records() {
//!     let record = record?;
//!     let label = ExampleView::new(record.payload).feature("label")?.unwrap();
//!     assert_eq!(label.single_int64()?, 3);
//! }
//! # Ok::<(), tfrkit::Error>(())
//! ```
#![deny(missing_docs)]
#![warn(rust_2018_idioms, unreachable_pub)]

mod canonical;
pub mod convert;
pub mod dataset;
mod error;
pub mod example;
pub mod image;
pub mod inspect;
mod job;
mod near;
pub mod pipeline;
pub mod record;
mod side_file;
mod size;
mod sys;

pub use error::{Error, ErrorClass, ErrorKind, Location, Result};
pub use job::Job;

/// The README's example, so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
