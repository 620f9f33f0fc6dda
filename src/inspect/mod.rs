//! Whole jobs that look at shards: [`info()`], [`cat()`], [`index()`].
//!
//! Each runs as its [`Job`](crate::Job) says, its progress counted in bytes of shard files, and gives the same result
//! whatever the number of threads. Results are typed; those that the command prints as JSON serialise to that JSON.

mod cat;
mod describe;
mod features;
mod index;
mod info;
mod message;
mod work;

pub use cat::{CatOptions, CatRecord, cat, cat_stream};
pub use describe::describe;
pub use features::FeatureInfo;
pub use index::{IndexedShard, index};
pub use info::{Info, SetInfo, ShardInfo, info, info_stream};
pub use message::MessageType;
