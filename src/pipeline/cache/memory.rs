//! The cache in memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{Cached, byte_len, dtype_of, to_bytes};
use crate::image::Shape;
use crate::pipeline::output::Pixels;

/// Slots that are allocated together.
const CHUNK: u64 = 4096;
/// Bytes that an entry takes beside its pixels, about.
const OVERHEAD: u64 = 128;

/// One value for each number below a limit: set once, read without a lock, allocated where something is set.
pub(super) struct Table<T>(Vec<OnceLock<Box<[OnceLock<T>]>>>);

impl<T> Table<T> {
    pub(super) fn new(len: u64) -> Self {
        Table((0..len.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect())
    }

    pub(super) fn get(&self, at: u64) -> Option<&T> {
        self.0.get((at / CHUNK) as usize)?.get()?.get((at % CHUNK) as usize)?.get()
    }

    /// Sets a value that is not set yet; whether it was so.
    pub(super) fn set(&self, at: u64, value: T) -> bool {
        let Some(chunk) = self.0.get((at / CHUNK) as usize) else { return false };
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        chunk[(at % CHUNK) as usize].set(value).is_ok()
    }
}

pub(super) struct Memory {
    entries: Table<Box<Cached>>,
    bytes: AtomicU64,
    max_bytes: u64,
}

impl Memory {
    pub(super) fn new(samples: u64, max_bytes: u64) -> Self {
        Memory { entries: Table::new(samples), bytes: AtomicU64::new(0), max_bytes }
    }

    pub(super) fn get(&self, ordinal: u64) -> Option<Cached> {
        self.entries.get(ordinal).map(|cached| Cached::clone(cached))
    }

    pub(super) fn put(&self, ordinal: u64, label: i64, shape: Shape, pixels: Pixels<'_>) {
        let bytes = byte_len(&pixels) + OVERHEAD;
        if self.entries.get(ordinal).is_some() || !reserve(&self.bytes, bytes, self.max_bytes) {
            return;
        }
        let dtype = dtype_of(&pixels);
        let cached = Cached::new(label, shape, dtype, Bytes::from(to_bytes(pixels)));
        if !cached.is_some_and(|cached| self.entries.set(ordinal, Box::new(cached))) {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// Takes bytes of a budget; whether there were so many left.
pub(super) fn reserve(taken: &AtomicU64, bytes: u64, most: u64) -> bool {
    let with = |taken: u64| taken.checked_add(bytes).filter(|with| *with <= most);
    taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_the_first_value_and_knows_its_end() {
        let table = Table::new(CHUNK + 1);
        assert!(table.set(CHUNK, 'a') && !table.set(CHUNK, 'b') && !table.set(2 * CHUNK, 'c'));
        assert_eq!((table.get(CHUNK), table.get(0), table.get(u64::MAX)), (Some(&'a'), None, None));
    }

    #[test]
    fn the_budget_holds_and_what_is_there_takes_nothing_again() {
        let one = 12 + OVERHEAD;
        let memory = Memory::new(10, 2 * one + 5);
        let (shape, levels) = (Shape::new(2, 2, 3), [7; 12]);
        for ordinal in [3, 3, 4, 5] {
            memory.put(ordinal, -1, shape, Pixels::U8(&levels));
        }
        assert_eq!([3, 4, 5].map(|ordinal| memory.get(ordinal).is_some()), [true, true, false]);
        assert_eq!(memory.bytes.load(Ordering::Relaxed), 2 * one);
        assert_eq!(memory.get(3).unwrap().pixels, levels[..]);
    }

    #[test]
    fn floats_come_back() {
        let memory = Memory::new(1, 1000);
        memory.put(0, 9, Shape::new(1, 2, 1), Pixels::F32(&[1.5, -0.25]));
        let cached = memory.get(0).unwrap();
        assert_eq!((cached.label, cached.dtype, cached.pixels.len()), (9, crate::pipeline::Dtype::F32, 8));
        assert_eq!(cached.pixels[..4], 1.5f32.to_le_bytes());
    }
}
