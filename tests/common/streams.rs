//! What tests of streams need: a set, a pipeline, and what is in batches.
#![allow(dead_code)]

use std::path::Path;

use tfrkit::dataset::{ShardSet, resolve};
use tfrkit::pipeline::{Batch, Loader, LoaderOptions, Mode, Pipeline};

use crate::common::{pictures, text, tfr};

pub const SPEC: &str = r#"
    [shuffle]
    mode = "buffer"
    size = 16
    [batch]
    size = 8
    [[train]]
    op = "resize"
    size = [20, 24]
    [[train]]
    op = "random_flip_left_right"
    [[train]]
    op = "random_brightness"
    max_delta = 0.2
    [[train]]
    op = "random_contrast"
    lower = 0.8
    upper = 1.2
    [[train]]
    op = "random_crop"
    size = [16, 16]
    [[train]]
    op = "normalize"
    mean = [127.5, 127.5, 127.5]
    std = [127.5, 127.5, 127.5]
    [[eval]]
    op = "resize"
    size = [16, 16]
"#;

/// A set of 53 samples in 5 shards.
pub fn set(dir: &Path, compression: &str) -> ShardSet {
    let (src, out) = (dir.join("src"), dir.join(compression));
    if !src.exists() {
        pictures(&src, &[20, 20, 13]);
    }
    let args = ["convert", text(&src), text(&out), "--shards", "5", "--compression", compression];
    tfr().args(args).assert().success();
    resolve(&[text(&out)]).unwrap().one(None).unwrap()
}

pub fn options(mode: Mode, threads: usize) -> LoaderOptions {
    LoaderOptions { mode, threads, views: None, ..Default::default() }
}

pub fn batches(set: &ShardSet, spec: &str, options: LoaderOptions) -> Vec<Batch> {
    let loader = Loader::open(set, &Pipeline::parse(spec).unwrap(), options).unwrap();
    loader.collect::<Result<_, _>>().unwrap()
}

pub type Content = (Vec<u64>, Vec<i64>, Vec<bool>, Vec<u32>);

/// All that a batch says, comparable.
pub fn content(batch: &Batch) -> Content {
    let pixels = batch.images().iter().map(|v| v.to_bits()).collect();
    (batch.ordinals().to_vec(), batch.labels().to_vec(), batch.valid().to_vec(), pixels)
}

pub fn contents(batches: &[Batch]) -> Vec<Content> {
    batches.iter().map(content).collect()
}
