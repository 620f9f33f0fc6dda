//! Images kept as they are where the random ops begin, by the ordinals of their records.

mod disk;
mod memory;

use std::path::PathBuf;

use bytes::Bytes;

use super::output::{Dtype, Pixels};
use super::pending::Base;
use super::spec::{CacheSpec, CacheStore, Mode, Pipeline};
use super::state::cache_hash;
use crate::error::Result;
use crate::image::Shape;
use crate::record::Io;
use disk::Disk;
use memory::Memory;

/// An image and its label, as a cache gives them.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub(super) label: i64,
    pub(super) shape: Shape,
    pub(super) dtype: Dtype,
    /// The values, HWC; those of f32 in little-endian order. As many as the shape says.
    pub(super) pixels: Bytes,
}

impl Cached {
    /// `None` where the pixels are not as many as the shape says.
    fn new(label: i64, shape: Shape, dtype: Dtype, pixels: Bytes) -> Option<Self> {
        let len = shape.checked_len()?.checked_mul(dtype.size())?;
        (len == pixels.len()).then_some(Cached { label, shape, dtype, pixels })
    }

    /// The image, where it is u8.
    pub(super) fn base(&self) -> Base<'_, u8> {
        Base { shape: self.shape, pixels: &self.pixels }
    }
}

/// The cache of a loader. It only ever grows, and nothing is thrown out for something else: an epoch goes through each
/// sample once, so that any part of them that stays gives as many hits as another, and one that changes gives fewer.
pub(super) struct Cache(Store);

enum Store {
    Memory(Memory),
    Disk(Disk),
}

impl Cache {
    /// The cache of a pipeline for `samples` records, if it has one.
    ///
    /// # Errors
    /// Of the directory of a disk cache, and of reading the ends of the shards, by which it knows them.
    pub(super) fn open(
        pipeline: &Pipeline,
        mode: Mode,
        shards: &[PathBuf],
        samples: u64,
        io: Io,
    ) -> Result<Option<Self>> {
        let Some(CacheSpec { store, dtype, max_bytes }) = &pipeline.cache else { return Ok(None) };
        Ok(Some(Cache(match store {
            CacheStore::Memory => Store::Memory(Memory::new(samples, *max_bytes)),
            CacheStore::Disk(dir) => {
                let is_f32 = pipeline.cached_ops(mode)?.iter().any(|spec| spec.op.gives_f32());
                let dtype = if is_f32 { *dtype } else { Dtype::U8 };
                let dir = dir.join(cache_hash(pipeline, mode, dtype, shards)?);
                Store::Disk(Disk::open(dir, dtype, samples, *max_bytes, io)?)
            }
        })))
    }

    /// What is kept of a record, in whichever epoch it is asked for.
    pub(super) fn get(&self, ordinal: u64, epoch: u64) -> Option<Cached> {
        match &self.0 {
            Store::Memory(memory) => memory.get(ordinal),
            Store::Disk(disk) => disk.get(ordinal, epoch),
        }
    }

    /// Keeps an image, if there is room.
    pub(super) fn put(&self, ordinal: u64, epoch: u64, label: i64, shape: Shape, pixels: Pixels<'_>) {
        match &self.0 {
            Store::Memory(memory) => memory.put(ordinal, label, shape, pixels),
            Store::Disk(disk) => disk.put(ordinal, epoch, label, shape, pixels),
        }
    }

    /// Makes what was kept last to be found by other loaders.
    pub(super) fn publish(&self) {
        if let Store::Disk(disk) = &self.0 {
            disk.publish();
        }
    }
}

/// The values as bytes.
fn to_bytes(pixels: Pixels<'_>) -> Vec<u8> {
    match pixels {
        Pixels::U8(levels) => levels.to_vec(),
        Pixels::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

fn dtype_of(pixels: &Pixels<'_>) -> Dtype {
    match pixels {
        Pixels::U8(_) => Dtype::U8,
        Pixels::F32(_) => Dtype::F32,
    }
}

fn byte_len(pixels: &Pixels<'_>) -> u64 {
    match pixels {
        Pixels::U8(levels) => levels.len() as u64,
        Pixels::F32(values) => 4 * values.len() as u64,
    }
}
