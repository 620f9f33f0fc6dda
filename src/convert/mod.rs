//! Image folders to shards.

mod dedupe;
mod dry_run;
mod options;
mod plan;
mod prepare;
mod report;
mod run;
mod source;

pub use crate::dataset::{ShardCount, parse_split};
pub use crate::size::parse_size;
pub use dry_run::{DryRun, DrySet, dry_run};
pub use options::{ConvertOptions, Exif, Layout, MinSize, OnError, Reencode, Verify};
pub use report::{ConvertReport, Duplicate, Flattened, PassedOver, Skipped};
pub use run::convert;
