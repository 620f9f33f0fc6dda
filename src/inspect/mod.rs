//! Whole jobs that look at shards: [`info()`].
//!
//! Each runs as its [`Job`](crate::Job) says, its progress counted in bytes of shard files, and gives the same result
//! whatever the number of threads. Results are typed; those that the command prints as JSON serialise to that JSON.

mod describe;
mod features;
mod info;
mod message;
mod work;

pub use describe::describe;
pub use features::FeatureInfo;
pub use info::{Info, SetInfo, ShardInfo, info, info_stream};
pub use message::MessageType;
