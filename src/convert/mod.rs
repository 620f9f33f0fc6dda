//! Image folders to shards.

mod dedupe;
mod options;
mod plan;
mod prepare;
mod report;
mod run;
mod source;

pub use crate::dataset::{ShardCount, parse_split};
pub use crate::size::parse_size;
pub use options::{ConvertOptions, Exif, Layout, MinSize, OnError, Reencode, Verify};
pub use report::{ConvertReport, Duplicate, Skipped};
pub use run::convert;
