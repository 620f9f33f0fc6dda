//! Whole jobs that look at shards: [`info()`], [`validate()`], [`repair()`], [`cat()`], [`extract()`], [`stats()`],
//! [`index()`], [`preview()`], [`report()`], [`reshard()`].
//!
//! Each runs as its [`Job`](crate::Job) says, its progress counted in bytes of shard files, and gives the same result
//! whatever the number of threads. Results are typed; those that the command prints as JSON serialise to that JSON.

mod boxes;
mod cat;
mod check;
mod describe;
mod duplicates;
mod extract;
mod features;
mod feed;
mod finding;
mod groups;
mod images;
mod index;
mod info;
mod kinds;
mod known;
mod message;
mod metadata;
mod preview;
mod repair;
mod report;
mod reshard;
mod schema;
mod shown;
mod stats;
mod survey;
mod validate;
mod work;

pub use cat::{CatOptions, CatRecord, cat, cat_stream};
pub use describe::describe;
pub use extract::{ExtractOptions, ExtractReport, Extracted, ListFormat, extract};
pub use features::FeatureInfo;
pub use finding::{Finding, FindingKind, MAX_LISTED, Severity};
pub use groups::FindingGroup;
pub use index::{IndexedShard, index};
pub use info::{Info, SetInfo, ShardInfo, info, info_stream};
pub use message::MessageType;
pub use preview::{PreviewOptions, preview};
pub use repair::{LostSpan, RepairOptions, RepairReport, RepairedShard, repair, repair_stream};
pub use report::{ReportOptions, ReportSummary, report};
pub use reshard::{ReshardOptions, ReshardReport, Sample, Sets, Stratify, reshard};
pub use shown::ShownRecord;
pub use stats::{
    Comparison, Difference, FeatureStats, Ignored, ImageStats, LabelCount, NumberStats, QUANTILES, Stats, StatsOptions,
    Thresholds, TopValue, stats, stats_stream,
};
pub use validate::{Report, ValidateOptions, validate, validate_stream};
