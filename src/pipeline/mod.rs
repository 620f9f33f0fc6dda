//! From shards to batches: the pipeline's spec, the order of samples, the executor of op lists, the loader.

mod batch;
mod counters;
mod digest;
mod executor;
mod features;
mod feed;
mod loader;
mod op;
mod order;
mod samples;
mod spec;
mod toml;

pub use batch::Batch;
pub use counters::{Counters, Stage};
pub use digest::BatchDigest;
pub use executor::{Draw, Executor, SampleKey};
pub use features::FeatureNames;
pub use feed::Tail;
pub use loader::{Loader, LoaderOptions};
pub use op::Op;
pub use spec::{BatchSpec, Mode, PRESETS, Pipeline, Shuffle};
