//! Where a stream stands: a few numbers, from which it goes on at once.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::feed::Plan;
use super::output::Dtype;
use super::spec::{BatchSpec, CacheSpec, CacheStore, Mode, Pipeline, Shuffle};
use super::view::Select;
use crate::dataset::{ShardSet, fingerprint};
use crate::error::{Error, Result};
use crate::example::hex;
use crate::image::{DecodeOptions, Decoder, Limits, Truncated};

/// The version of the meaning of these numbers.
const VERSION: u32 = 2;
/// Raised by hand where other samples come of the same spec, or in another order, but by the decoder or an op: these have
/// revisions of their own.
const PIPELINE_REVISION: u32 = 2;
/// Raised by hand where what a disk cache keeps changes, or how.
const CACHE_REVISION: u32 = 2;

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
    /// The process whose state it is. One of any rank tells where all stand; what was skipped is its own.
    #[serde(default)]
    pub rank: u64,
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
    /// The state at the beginning.
    pub(super) fn new(plan: &Plan, pipeline: String, view: String) -> Self {
        let Plan { seed, rank, world, batch, .. } = *plan;
        let (dataset, skipped) = (String::new(), Vec::new());
        LoaderState { version: VERSION, seed, epoch: 0, step: 0, rank, world, batch, pipeline, dataset, view, skipped }
    }

    /// Fails unless `now`, what a loader is being opened for, is what the state was taken of.
    pub(super) fn check(&self, now: &LoaderState) -> Result<()> {
        let differs = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display, help: &str| {
            Err(Error::usage_hint(format!("the state is of another {what}: {then}, and this is {now}"), help))
        };
        if self.version != now.version {
            return Err(other_format(self.version.into()));
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
    /// A usage error for what is no state, and for a state of another format: that of another release of tfrkit, whose numbers
    /// cannot be told to mean the same.
    pub fn from_json(text: &str) -> Result<Self> {
        let no_state = |e| Error::usage(format!("this is not a state of a loader: {e}"));
        let value: serde_json::Value = serde_json::from_str(text).map_err(no_state)?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(VERSION) => Err(other_format(version)),
            _ => serde_json::from_value(value).map_err(no_state),
        }
    }

    /// The state as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn other_format(version: u64) -> Error {
    let whose = if version < u64::from(VERSION) { "an earlier" } else { "a later" };
    Error::usage_hint(
        format!("the state is of format {version}, that of {whose} release; this one has format {VERSION}"),
        "begin again, at the start of an epoch, or go on with the release that saved it",
    )
}

/// What the samples and their order depend on, beside the shards: what the spec says of a mode, and the revisions of what
/// carries it out. Of this text a state keeps the hash, so that it never changes where the samples do not.
fn pipeline_text(pipeline: &Pipeline, mode: Mode) -> String {
    let mut told = pipeline.clone();
    // What changes no sample: how large batches are is kept by itself; limits only refuse.
    told.batch.size = BatchSpec::default().size;
    told.batch.tail = told.batch.tail.filter(|tail| *tail != mode.tail());
    told.decode.limits = Limits::default();
    told.cache = told.cache.map(|cache| in_memory(cache.dtype));
    let mode = match mode {
        Mode::Train => {
            told.eval = None;
            "train"
        }
        Mode::Eval => {
            (told.train, told.shuffle) = (None, Shuffle::None);
            "eval"
        }
    };
    format!("tfrkit pipeline {PIPELINE_REVISION}\nmode = {mode}\n{}{}", revisions(&told), told.to_toml())
}

/// Where a cache is, and how large, changes no sample.
fn in_memory(dtype: Dtype) -> CacheSpec {
    CacheSpec { store: CacheStore::Memory, dtype, max_bytes: CacheStore::Memory.default_bytes() }
}

/// The revisions of the decoder and of the ops, where these are not the first.
fn revisions(pipeline: &Pipeline) -> String {
    let mut text = format!("decoder = {}\n", Decoder::decoder_revision());
    // What is made of the missing part of an image is the library's own.
    if pipeline.decode.truncated == Truncated::Accept {
        text.push_str(&format!("filling = {}\n", Decoder::decoder_name()));
    }
    let lists = [&pipeline.train, &pipeline.eval];
    let revised: BTreeMap<&str, u32> =
        lists.into_iter().flatten().flatten().flat_map(|spec| spec.op.revisions()).collect();
    revised.iter().for_each(|(name, revision)| text.push_str(&format!("{name} = {revision}\n")));
    text
}

/// The hash of [`pipeline_text`].
pub(super) fn pipeline_hash(pipeline: &Pipeline, mode: Mode) -> String {
    hash(&pipeline_text(pipeline, mode))
}

fn hash(text: &str) -> String {
    hex(&Sha256::digest(text)[..16])
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

/// What the images of a cache depend on, beside the shards: the ops before it, and the revisions of what carries them out.
fn cache_text(pipeline: &Pipeline, mode: Mode, dtype: Dtype) -> Result<String> {
    let told = Pipeline {
        decode: DecodeOptions { limits: Limits::default(), ..pipeline.decode },
        decode_fast: pipeline.decode_fast,
        features: pipeline.features.clone(),
        cache: Some(in_memory(dtype)),
        train: Some(pipeline.cached_ops(mode)?.to_vec()),
        ..Default::default()
    };
    Ok(format!("tfrkit cache {CACHE_REVISION}\n{}{}", revisions(&told), told.to_toml()))
}

/// The hash of [`cache_text`] and the shards.
pub(super) fn cache_hash(pipeline: &Pipeline, mode: Mode, dtype: Dtype, shards: &[impl AsRef<Path>]) -> Result<String> {
    Ok(hash(&format!("{}shards = {}\n", cache_text(pipeline, mode, dtype)?, dataset_hash(shards)?)))
}

/// What tells these shards from others, whatever directory they are in.
pub(super) fn dataset_hash(shards: &[impl AsRef<Path>]) -> Result<String> {
    let mut hash = Sha256::new();
    for path in shards {
        hash.update(fingerprint(path.as_ref())?);
    }
    Ok(hex(&hash.finalize()[..16]))
}

#[cfg(test)]
mod tests {
    use super::super::spec::PRESETS;
    use super::*;

    /// What states and caches go by, of every preset and of a spec that says all there is. A change here makes the states
    /// and caches of every user void: it belongs to a revision that was raised for a reason, and to no rename.
    #[test]
    fn the_texts_that_are_hashed_stay() {
        let full = include_str!("../../tests/snapshots/full_spec.toml");
        let mut found = String::new();
        for (name, text) in PRESETS.into_iter().chain([("full_spec.toml", full)]) {
            let pipeline = Pipeline::parse(text).unwrap();
            for mode in [Mode::Train, Mode::Eval] {
                let text = pipeline_text(&pipeline, mode);
                found.push_str(&format!("# {name}: {}\n{text}\n", hash(&text)));
            }
            let text = cache_text(&pipeline, Mode::Train, Dtype::U8).unwrap();
            found.push_str(&format!("# {name}, cached: {}\n{text}\n", hash(&text)));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/pipeline_texts.txt");
        if std::env::var_os("TFRKIT_UPDATE").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            assert_eq!(found, expected, "{} line {}", path.display(), line + 1);
        }
        assert_eq!(found.len(), expected.len());
    }

    /// Defaults written out, another order of keys, another list, other limits: the same samples, the same hash.
    #[test]
    fn a_hash_is_of_what_a_spec_means() {
        let hash = |text: &str| pipeline_hash(&Pipeline::parse(text).unwrap(), Mode::Train);
        let base = hash("[[train]]\nop = 'resize'\nsize = [8, 9]\n");
        let same = "[shuffle]\nmode = 'none'\n[decode]\nchannels = 3\ndct = 'auto'\nmax_pixels = 1000\n\
            [features]\nimage = ['image/encoded', 'image']\n[batch]\nsize = 64\ntail = 'drop'\ndtype = 'f32'\n\
            [[train]]\nsize = [8, 9]\nantialias = false\nmethod = 'bilinear'\nop = 'resize'\np = 1\n\
            [[eval]]\nop = 'transpose'";
        assert_eq!(hash(same), base);
        for other in ["[8, 10]", "[8, 9]\np = 0.5", "[8, 9]\nantialias = true", "[8, 9]\n[shuffle]\nmode = 'global'"] {
            assert_ne!(hash(&format!("[[train]]\nop = 'resize'\nsize = {other}\n")), base, "{other}");
        }
        assert_ne!(hash("[[train]]\nop = 'resize'\nsize = [8, 9]\n[batch]\ntail = 'pad'"), base);
    }

    #[test]
    fn a_state_of_another_format_says_so() {
        let text = r#"{"version": 1, "seed": 0, "epoch": 0, "step": 3, "world": 1, "batch": 8, "pipeline": "", "dataset": ""}"#;
        let error = LoaderState::from_json(text).unwrap_err();
        assert_eq!(error.to_string(), "the state is of format 1, that of an earlier release; this one has format 2");
        assert!(error.hint().unwrap().contains("begin again"));
        assert!(LoaderState::from_json(&text.replace("1,", "9,")).unwrap_err().to_string().contains("a later"));
        assert!(LoaderState::from_json("[]").unwrap_err().to_string().contains("not a state"));
    }
}
