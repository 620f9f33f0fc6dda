//! A batch while it is made: its slots are filled by several workers at once. Its memory is used again.

use std::cell::UnsafeCell;
use std::sync::{Arc, Mutex, MutexGuard};

use super::batch::{Batch, Images, Meta};
use super::buffer::{AlignedVec, Memory};
use super::output::{Dtype, Format, Slot};
use crate::error::Error;
use crate::example::{Column, Row};
use crate::image::ImageError;

/// What a worker says of the sample that it put into a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SampleMeta {
    pub(super) label: i64,
    pub(super) ordinal: u64,
    pub(super) valid: bool,
    /// Whether a bad record has left the slot empty.
    pub(super) skipped: bool,
}

/// What a slot holds beside pixels, if it is wanted.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) row: Row,
    pub(super) record: Vec<u8>,
}

/// Memory that waits to be used again.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pixels: Mutex<Vec<Memory>>,
    extras: Mutex<Vec<Extra>>,
}

impl Pool {
    /// Room for so many bytes; what is in them is left over from earlier.
    fn take(&self, bytes: usize) -> Result<Memory, ImageError> {
        let free = self.pixels.lock().ok().and_then(|mut free| free.pop());
        free.unwrap_or_default().with_room(bytes)
    }

    pub(super) fn give_back(&self, memory: Memory) {
        if !memory.is_nothing()
            && let Ok(mut free) = self.pixels.lock()
        {
            free.push(memory);
        }
    }

    pub(super) fn give_back_extras(&self, extras: impl IntoIterator<Item = Extra>) {
        if let Ok(mut free) = self.extras.lock() {
            free.extend(extras);
        }
    }
}

/// What a batch is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Of a sample; nothing for batches without images.
    pub(super) format: Format,
    /// Whether slots have more than pixels.
    pub(super) extras: bool,
    /// Whether the batch keeps the records.
    pub(super) records: bool,
    /// Whether [`Filling::complete`] is to be called when all slots are done.
    pub(super) completes: bool,
}

pub(super) struct Filling {
    memory: UnsafeCell<Memory>,
    /// The first byte of the memory, taken once, so that no worker makes a reference to the whole.
    first: *mut u8,
    shape: Shape,
    slots: usize,
    extras: Vec<Mutex<Extra>>,
    epoch: u64,
    step: u64,
    done: Mutex<Done>,
}

/// What the workers have finished.
struct Done {
    meta: Vec<SampleMeta>,
    completed: Completed,
    /// Slots to be filled, and one more where the batch is completed then.
    left: usize,
    /// The error of the lowest slot that has one.
    error: Option<(usize, Error)>,
    /// What was wrong with the record of the lowest slot that was skipped, for a batch that has nothing else.
    skipped: Option<(usize, Error)>,
}

/// What is made of all slots together.
#[derive(Debug, Default)]
pub(super) struct Completed {
    pub(super) soft_labels: Vec<f32>,
    pub(super) columns: Vec<Column>,
}

// SAFETY: `memory` is reached by `slot`, whose callers hold different slots, and by `take_batch`, once all
// slots are done.
unsafe impl Sync for Filling {}
// SAFETY: the pointer points into the memory that goes with it.
unsafe impl Send for Filling {}

impl Filling {
    /// # Errors
    /// Where there is no memory for the pixels.
    pub(super) fn new(pool: &Pool, shape: Shape, slots: usize, epoch: u64, step: u64) -> Result<Self, Error> {
        let left = slots + usize::from(shape.completes);
        let meta = vec![SampleMeta::default(); slots];
        let done = Done { meta, completed: Completed::default(), left, error: None, skipped: None };
        let bytes = slots.saturating_mul(shape.format.len()).saturating_mul(shape.format.dtype.size());
        let mut memory = pool.take(bytes)?;
        let mut extras = Vec::new();
        if shape.extras {
            let mut free = pool.extras.lock().unwrap_or_else(|e| e.into_inner());
            extras.extend((0..slots).map(|_| Mutex::new(free.pop().unwrap_or_default())));
        }
        let first = memory.first();
        let (memory, done) = (UnsafeCell::new(memory), Mutex::new(done));
        Ok(Filling { memory, first, shape, slots, extras, epoch, step, done })
    }

    /// The pixels of a slot.
    ///
    /// # Safety
    /// Each slot is asked for once: the loader deals every slot to one worker.
    pub(super) unsafe fn slot(&self, slot: usize) -> Slot<'_> {
        // SAFETY: what the caller promises.
        unsafe { self.pixels(slot, 1) }
    }

    /// The pixels of some slots.
    ///
    /// # Safety
    /// While they are used, nobody else uses these slots.
    unsafe fn pixels(&self, slot: usize, count: usize) -> Slot<'_> {
        assert!(slot + count <= self.slots);
        let len = self.shape.format.len();
        // SAFETY: the memory has room for `slots * len` values, is aligned for them, is neither moved nor referred to while
        // it is shared, and any bits are a value; slots do not overlap.
        unsafe {
            match self.shape.format.dtype {
                Dtype::F32 => {
                    Slot::F32(std::slice::from_raw_parts_mut(self.first.cast::<f32>().add(slot * len), count * len))
                }
                Dtype::U8 => Slot::U8(std::slice::from_raw_parts_mut(self.first.add(slot * len), count * len)),
            }
        }
    }

    /// What a slot holds beside pixels; `None` where nothing is wanted.
    pub(super) fn extra(&self, slot: usize) -> Option<MutexGuard<'_, Extra>> {
        self.extras.get(slot).map(|extra| extra.lock().unwrap_or_else(|e| e.into_inner()))
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Marks a slot as done; whether it was the last. Then, if the batch is to be completed, the caller does so.
    pub(super) fn finish(&self, slot: usize, result: Result<SampleMeta, Error>) -> bool {
        let mut done = self.done();
        match result {
            Ok(meta) => done.meta[slot] = meta,
            Err(e) if done.error.as_ref().is_none_or(|(at, _)| slot < *at) => done.error = Some((slot, e)),
            Err(_) => {}
        }
        if done.left == 1 + usize::from(self.shape.completes) && done.error.is_none() {
            self.fill_skipped(&mut done);
        }
        done.left -= 1;
        done.left == usize::from(self.shape.completes)
    }

    /// Keeps what was wrong with a record that is skipped.
    pub(super) fn note_skipped(&self, slot: usize, error: Error) {
        let mut done = self.done();
        if done.skipped.as_ref().is_none_or(|(at, _)| slot < *at) {
            done.skipped = Some((slot, error));
        }
    }

    /// Puts the nearest good sample into each slot that a bad record has left empty. The last slot is done.
    fn fill_skipped(&self, done: &mut Done) {
        if !done.meta.iter().any(|m| m.skipped) {
            return;
        }
        let good: Vec<usize> = (0..self.slots).filter(|i| done.meta[*i].valid).collect();
        for slot in 0..self.slots {
            if !done.meta[slot].skipped {
                continue;
            }
            let Some(nearest) = good.iter().copied().min_by_key(|i| i.abs_diff(slot)) else {
                log::error!(
                    "batch {} of epoch {} has no good sample; the first of its records:",
                    self.step,
                    self.epoch
                );
                done.error = done.skipped.take();
                return;
            };
            done.meta[slot].label = done.meta[nearest].label;
            // SAFETY: all slots are done, and their writes are ordered before this by the lock that the caller holds; the
            // two slots differ.
            match unsafe { (self.pixels(nearest, 1), self.pixels(slot, 1)) } {
                (Slot::F32(from), Slot::F32(to)) => to.copy_from_slice(from),
                (Slot::U8(from), Slot::U8(to)) => to.copy_from_slice(from),
                _ => {}
            }
            if let (Some(from), Some(mut to)) = (self.extra(nearest), self.extra(slot)) {
                to.row.copy_from(&from.row);
                to.record.clone_from(&from.record);
            }
        }
    }

    /// Works on the whole batch when its last slot is done: `make` gets the pixels and the samples.
    ///
    /// # Safety
    /// Only for the caller to whom [`finish`](Self::finish) has said that its slot was the last, and once.
    pub(super) unsafe fn complete(
        &self,
        make: impl FnOnce(Slot<'_>, &[SampleMeta], Vec<MutexGuard<'_, Extra>>) -> Result<Completed, Error>,
    ) {
        // The lock is not held meanwhile: the consumer asks whether the batch is done.
        let (failed, meta) = {
            let done = self.done();
            (done.error.is_some(), done.meta.clone())
        };
        let completed = match failed {
            true => Ok(Completed::default()),
            false => {
                let extras = (0..self.extras.len()).filter_map(|slot| self.extra(slot)).collect();
                // SAFETY: all slots are done, and the lock has ordered their writes before this; nobody else touches the
                // pixels before `left` is 0.
                make(unsafe { self.pixels(0, self.slots) }, &meta, extras)
            }
        };
        let mut done = self.done();
        match completed {
            Ok(completed) => done.completed = completed,
            Err(error) => done.error = Some((0, error)),
        }
        done.left = 0;
    }

    /// The number of pixel values of all slots.
    pub(super) fn values(&self) -> usize {
        self.slots * self.shape.format.len()
    }

    pub(super) fn is_done(&self) -> bool {
        self.done().left == 0
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// The finished batch, or its first error. Only once, when all slots are done.
    pub(super) fn take_batch(&self, pool: &Arc<Pool>) -> Result<Batch, Error> {
        let mut done = self.done();
        assert_eq!(done.left, 0, "a batch is taken when all its slots are done");
        // SAFETY: all slots are done, and the lock has ordered their writes before this; no worker touches them again.
        let memory = std::mem::take(unsafe { &mut *self.memory.get() });
        let extras = (0..self.extras.len()).filter_map(|slot| Some(std::mem::take(&mut *self.extra(slot)?)));
        let mut records = Vec::new();
        match self.shape.records {
            true => records.extend(extras),
            false => pool.give_back_extras(extras),
        }
        let format = self.shape.format;
        let len = self.values();
        let images = match format.dtype {
            _ if format.len() == 0 => Images::None,
            Dtype::F32 => Images::F32(AlignedVec::new(memory, len)),
            Dtype::U8 => Images::U8(AlignedVec::new(memory, len)),
        };
        let Completed { soft_labels, columns } = std::mem::take(&mut done.completed);
        let (epoch, step, pool) = (self.epoch, self.step, Arc::clone(pool));
        let meta = Meta::new(&done.meta);
        // Made in any case, so that its memory goes back.
        let batch = Batch { images, format, meta, soft_labels, columns, records, epoch, step, pool };
        match done.error.take() {
            Some((_, error)) => Err(error),
            None => Ok(batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image;
    use crate::pipeline::output::Layout;

    fn meta(ordinal: u64) -> SampleMeta {
        SampleMeta { label: -(ordinal as i64), ordinal, valid: true, skipped: false }
    }

    fn filling(pool: &Pool, width: usize, slots: usize, completes: bool) -> Filling {
        let shape = image::Shape::new(1, width, 1);
        let format = Format { shape, dtype: Dtype::F32, layout: Layout::Nhwc };
        Filling::new(pool, Shape { format, extras: false, records: false, completes }, slots, 4, 5).unwrap()
    }

    fn fill(slot: Slot<'_>, value: f32) {
        let Slot::F32(values) = slot else { panic!() };
        values.fill(value);
    }

    #[test]
    fn slots_are_filled_in_any_order_and_memory_comes_back() {
        let pool = Arc::new(Pool::default());
        let filling = filling(&pool, 2, 3, false);
        for slot in [2, 0, 1] {
            // SAFETY: each slot once.
            fill(unsafe { filling.slot(slot) }, slot as f32);
            assert_eq!(filling.finish(slot, Ok(meta(slot as u64))), slot == 1);
        }
        let batch = filling.take_batch(&pool).unwrap();
        assert_eq!(batch.images(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!((batch.shape(), batch.labels()), ([3, 1, 2, 1], &[0, -1, -2][..]));
        assert_eq!((batch.epoch(), batch.step(), batch.image(1)), (4, 5, &[1.0, 1.0][..]));
        let at = batch.images().as_ptr().cast::<u8>();
        assert_eq!(at as usize % 64, 0);
        drop(batch);
        let mut again = pool.take(6 * 4).unwrap();
        assert_eq!(again.first().cast_const(), at);
    }

    #[test]
    fn a_batch_is_completed_once_when_its_slots_are_done() {
        let pool = Arc::new(Pool::default());
        let filling = filling(&pool, 1, 2, true);
        assert!(!filling.finish(0, Ok(meta(0))));
        assert!(filling.finish(1, Ok(meta(1))));
        assert!(!filling.is_done());
        // SAFETY: the last slot has just been finished.
        unsafe {
            filling.complete(|pixels, samples, _| {
                fill(pixels, 7.0);
                Ok(Completed { soft_labels: vec![0.5; samples.len()], columns: Vec::new() })
            });
        }
        let batch = filling.take_batch(&pool).unwrap();
        assert_eq!((batch.images(), batch.soft_labels()), (&[7.0, 7.0][..], Some(&[0.5, 0.5][..])));
    }

    #[test]
    fn the_error_of_the_lowest_slot_is_given() {
        let pool = Arc::new(Pool::default());
        let filling = filling(&pool, 1, 3, false);
        filling.finish(2, Err(Error::usage("two")));
        filling.finish(1, Err(Error::usage("one")));
        assert!(!filling.is_done());
        filling.finish(0, Ok(meta(0)));
        assert_eq!(filling.take_batch(&pool).unwrap_err().to_string(), "one");
        assert!(!pool.pixels.lock().unwrap().is_empty());
    }
}
