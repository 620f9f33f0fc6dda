//! Image folders to shards.

mod options;
mod plan;
mod prepare;
mod run;
mod source;

pub use crate::dataset::{ShardCount, parse_split};
pub use crate::size::parse_size;
pub use options::{ConvertOptions, Layout, OnError, Reencode, Verify};
pub use run::{ConvertReport, ShardReport, Skipped, convert};
