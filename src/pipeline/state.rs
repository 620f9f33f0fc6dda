//! Where a stream stands: a few numbers, from which it goes on at once.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::loader::LoaderOptions;
use super::output::Dtype;
use super::spec::{BatchSpec, Mode, Pipeline};
use super::view::Select;
use crate::dataset::{ShardSet, fingerprint};
use crate::error::{Error, Result};
use crate::example::hex;
use crate::image::Decoder;

/// The version of the meaning of these numbers.
const VERSION: u32 = 1;

/// A checkpoint of a [`Loader`](super::Loader): the next batch, and what the batches depend on.
///
/// Serialise it beside the model's own checkpoint. A loader that is opened with it gives exactly the batches that were left,
/// at once, with any number of threads; with another world at the start of an epoch (`step` 0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderState {
    version: u32,
    /// The seed of order and augmentation.
    pub seed: u64,
    /// The epoch of the next batch, from 0.
    pub epoch: u64,
    /// The number of the next batch in its epoch, from 0.
    pub step: u64,
    /// Among how many processes the samples are shared.
    pub world: u64,
    /// Samples in a batch.
    pub batch: u64,
    /// What tells the pipeline, mode and decoder: a hash.
    pub pipeline: String,
    /// What tells the shards: a hash of their fingerprints.
    pub dataset: String,
    /// Which of their samples are streamed, in words; empty for all.
    #[serde(default)]
    pub view: String,
    /// The ordinals of the records that were left out so far.
    #[serde(default)]
    pub skipped: Vec<u64>,
}

impl LoaderState {
    pub(super) fn new(seed: u64, world: u64, batch: u64, pipeline: String, view: String) -> Self {
        let (dataset, skipped) = (String::new(), Vec::new());
        LoaderState { version: VERSION, seed, epoch: 0, step: 0, world, batch, pipeline, dataset, view, skipped }
    }

    /// Fails unless `now`, what a loader is being opened for, is what the state was taken of.
    pub(super) fn check(&self, now: &LoaderState) -> Result<()> {
        let differs = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display, help: &str| {
            Err(Error::usage_hint(format!("the state is of another {what}: {then}, and this is {now}"), help))
        };
        if self.version != now.version {
            return differs("version", &self.version, &now.version, "begin anew, or use the tfrkit that saved it");
        }
        if self.dataset != now.dataset {
            return differs("set of shards", &self.dataset, &now.dataset, "give the shards that it was saved with");
        }
        if self.pipeline != now.pipeline {
            let help = "give the pipeline, mode and decoder that it was saved with";
            return differs("pipeline", &self.pipeline, &now.pipeline, help);
        }
        if self.view != now.view {
            let named = |view: &str| if view.is_empty() { "all samples".to_owned() } else { format!("'{view}'") };
            let (then, now) = (named(&self.view), named(&now.view));
            return differs("view", &then, &now, "select the samples that it was saved with");
        }
        if self.seed != now.seed {
            return differs("seed", &self.seed, &now.seed, "give the seed that it was saved with");
        }
        if self.step != 0 && self.batch != now.batch {
            return differs("batch size", &self.batch, &now.batch, "batches can change at the start of an epoch only");
        }
        if self.step != 0 && self.world != now.world {
            return differs("world", &self.world, &now.world, "the world can change at the start of an epoch only");
        }
        Ok(())
    }

    /// Reads a state from its JSON.
    ///
    /// # Errors
    /// A usage error for what is no state.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|e| Error::usage(format!("this is no state of a loader: {e}")))
    }

    /// The state as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// What the pixels and their order depend on, beside the shards: the op list, the decoder and its version, and how samples
/// are dealt out.
pub(super) fn pipeline_hash(pipeline: &Pipeline, options: &LoaderOptions) -> String {
    let mut hash = Sha256::new();
    // Where the cache is, and how large, changes no pixel.
    let kept = pipeline.cache.as_ref().map(|cache| cache.dtype);
    let list = (
        (pipeline.decode, pipeline.decode_fast),
        pipeline.ops(options.mode).unwrap_or_default(),
        pipeline.shuffle,
        BatchSpec { size: 0, ..pipeline.batch },
        &pipeline.features,
        &pipeline.columns,
        kept,
    );
    hash.update(format!("{:?} {list:?}", options.mode));
    hash.update(format!("{} {}", Decoder::decoder_name(), Decoder::decoder_version()));
    hex(&hash.finalize()[..16])
}

/// Which samples are streamed, in words; nothing for the whole of a set.
pub(super) fn view_text(select: &Select, sets: &[(ShardSet, f64)]) -> String {
    let mut parts = vec![select.to_string()];
    if sets.len() > 1 {
        parts.extend(sets.iter().map(|(set, weight)| format!("{} shards of weight {weight}", set.shards.len())));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// What the images of a disk cache depend on: the ops before it, the decoder, the versions of both, the shards.
pub(super) fn cache_hash(pipeline: &Pipeline, mode: Mode, dtype: Dtype, shards: &[impl AsRef<Path>]) -> Result<String> {
    let mut hash = Sha256::new();
    let what = (pipeline.decode, pipeline.decode_fast, pipeline.cached_ops(mode)?, &pipeline.features, dtype);
    hash.update(format!("{VERSION} {what:?} {}", env!("CARGO_PKG_VERSION")));
    hash.update(format!("{} {}", Decoder::decoder_name(), Decoder::decoder_version()));
    hash.update(dataset_hash(shards)?);
    Ok(hex(&hash.finalize()[..16]))
}

/// What tells these shards from others, whatever directory they are in.
pub(super) fn dataset_hash(shards: &[impl AsRef<Path>]) -> Result<String> {
    let mut hash = Sha256::new();
    for path in shards {
        hash.update(fingerprint(path.as_ref())?);
    }
    Ok(hex(&hash.finalize()[..16]))
}
