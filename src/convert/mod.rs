//! Image folders to shards.

mod options;
mod plan;
mod prepare;
mod run;
mod source;

pub use crate::size::parse_size;
pub use options::{ConvertOptions, Layout, OnError, Reencode, ShardCount, Verify, parse_split};
pub use run::{ConvertReport, ShardReport, Skipped, convert};
