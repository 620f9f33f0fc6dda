//! The machine behind a loader: workers that fill the slots of batches, and the batches that wait for the consumer.
//!
//! One lock guards what is dealt out; pixels are written outside of it. A batch goes through these states: begun (its slots
//! are being dealt), filling (all dealt, some not done), done (waits at the front of the queue), taken.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::cache::Cache;
use super::counters::{Counters, SharedTimes, Stage, Times};
use super::course::Course;
use super::executor::{Executor, SampleKey};
use super::features::Features;
use super::feed::{Feed, Item, Plan, read_windows};
use super::filling::{self, Completed, Extra, Filling, Pool, SampleMeta};
use super::high_water::HighWater;
use super::loader::Waited;
use super::mixer::{BatchKey, MixBatch, Mixer};
use super::output::{Format, Output, Pixels, Slot};
use super::samples::Samples;
use super::skip::{Skipped, Skips};
use crate::error::{Error, Result};
use crate::example::ExampleParser;
use crate::image::Shape;

/// What is made of the samples.
pub(super) struct Making {
    pub(super) output: Output,
    pub(super) format: Format,
    pub(super) features: Features,
    /// Of the columns, if there are any.
    pub(super) parser: Option<ExampleParser>,
    pub(super) mixer: Option<Mixer>,
    pub(super) cache: Option<Cache>,
}

/// A worker's own memory.
pub(super) struct Worker {
    /// Where images are made.
    pub(super) executor: Option<Executor>,
    pub(super) buffer: Vec<u8>,
    pub(super) water: HighWater,
    pub(super) times: Times,
}

pub(super) struct Engine {
    samples: Samples,
    course: Course,
    making: Making,
    plan: Plan,
    /// Batches that are filled or wait, at most.
    in_flight: usize,
    pool: Arc<Pool>,
    times: SharedTimes,
    state: Mutex<State>,
    skips: Skips,
    /// Signalled when workers may find something to do.
    work: Condvar,
    /// Signalled when a batch is full, or nothing more will come.
    ready: Condvar,
    /// Signalled when the reader may have room for a window.
    room: Condvar,
}

struct State {
    /// Batches that are being filled or wait, in order.
    queue: VecDeque<Arc<Filling>>,
    /// The next slot to deal out in the last batch of the queue, and its number of slots.
    next_slot: usize,
    slots: usize,
    /// The epoch and step of the next batch to begin.
    next: (u64, u64),
    /// The position of the first slot of the last batch.
    first_position: u64,
    feed: Feed,
    /// What has ended a thread outside of its samples.
    fatal: Option<Error>,
    stopped: bool,
}

/// A slot to be filled.
struct Task {
    filling: Arc<Filling>,
    slot: usize,
    epoch: u64,
    item: Option<Item>,
}

impl Making {
    fn shape(&self) -> filling::Shape {
        filling::Shape {
            format: self.format,
            extras: self.parser.is_some() || self.output == Output::Records,
            records: self.output == Output::Records,
            completes: self.parser.is_some() || self.mixer.is_some(),
        }
    }

    /// Takes what is wanted of a record beside its image.
    fn take_extra(&self, payload: &[u8], extra: &mut Extra) -> Result<()> {
        if let Some(parser) = &self.parser {
            parser.parse_row(payload, &mut extra.row)?;
        }
        if self.output == Output::Records {
            extra.record.clear();
            extra.record.extend_from_slice(payload);
        }
        Ok(())
    }
}

impl Engine {
    pub(super) fn new(
        samples: Samples,
        course: Course,
        making: Making,
        plan: Plan,
        begin: (u64, u64),
        in_flight: usize,
        skips: Skips,
    ) -> Self {
        let feed = Feed::new(&samples);
        let state = State {
            queue: VecDeque::new(),
            next_slot: 0,
            slots: 0,
            next: begin,
            first_position: 0,
            feed,
            fatal: None,
            stopped: false,
        };
        Engine {
            samples,
            course,
            making,
            plan,
            in_flight,
            pool: Arc::default(),
            times: SharedTimes::default(),
            state: Mutex::new(state),
            skips,
            work: Condvar::new(),
            ready: Condvar::new(),
            room: Condvar::new(),
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn format(&self) -> Format {
        self.making.format
    }

    pub(super) fn publish_cache(&self) {
        self.making.cache.iter().for_each(Cache::publish);
    }

    pub(super) fn counters(&self, workers: usize) -> Counters {
        let state = self.lock();
        let queue = state.queue.iter().filter(|filling| filling.is_done()).count();
        Counters { queue, in_flight: state.queue.len(), ..self.times.read(workers) }
    }

    pub(super) fn add_consumer_wait(&self, time: Duration) {
        self.times.add_consumer_wait(time);
    }

    pub(super) fn skips(&self) -> &Skips {
        &self.skips
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock leaves the state half-changed, so a poisoned lock can be used.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.work.notify_all();
        self.ready.notify_all();
        self.room.notify_all();
    }

    /// Waits for the next batch, up to a time if there is one. The batch stays, to come again, where `fits` is not satisfied
    /// with its number of values.
    pub(super) fn take_batch(
        &self,
        until: Option<Instant>,
        fits: impl FnOnce(usize) -> Result<()>,
    ) -> Result<Result<Waited>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Ok(Ok(Waited::End));
            }
            if let Some(fatal) = state.fatal.take() {
                return Err(fatal);
            }
            match state.queue.front() {
                Some(front) if front.is_done() => break,
                None if state.next.0 >= self.plan.epochs => return Ok(Ok(Waited::End)),
                _ => {}
            }
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Ok(Ok(Waited::TimedOut)),
                Some(left) => self.ready.wait_timeout(state, left).unwrap_or_else(|e| e.into_inner()).0,
                None => self.ready.wait(state).unwrap_or_else(|e| e.into_inner()),
            };
        }
        if let Err(misfit) = state.queue.front().map_or(Ok(()), |front| fits(front.values())) {
            return Ok(Err(misfit));
        }
        let Some(front) = state.queue.pop_front() else { return Ok(Ok(Waited::End)) };
        drop(state);
        self.work.notify_all();
        let batch = front.take_batch(&self.pool)?;
        self.skips.count(&batch)?;
        Ok(Ok(Waited::Batch(batch)))
    }

    /// The next slot to fill; `None` when there will be none.
    fn take_task(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if state.next_slot < state.slots {
                if let Some(task) = self.deal_slot(&mut state) {
                    return Some(task);
                }
            } else if state.next.0 >= self.plan.epochs {
                return None;
            } else if state.queue.len() < self.in_flight {
                if let Err(error) = self.begin_batch(&mut state) {
                    state.fatal = Some(error);
                    self.ready.notify_all();
                    return None;
                }
                continue;
            }
            state = self.work.wait(state).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn begin_batch(&self, state: &mut State) -> Result<()> {
        let (epoch, step) = state.next;
        let slots = self.plan.slots(step);
        let filling = Filling::new(&self.pool, self.making.shape(), slots, epoch, step)?;
        state.queue.push_back(Arc::new(filling));
        (state.slots, state.next_slot) = (slots, 0);
        state.first_position = self.plan.first_position(step);
        state.next = self.plan.after(epoch, step);
        Ok(())
    }

    /// The next slot of the last batch; `None` where its record has not been read yet.
    fn deal_slot(&self, state: &mut State) -> Option<Task> {
        let slot = state.next_slot;
        let position = state.first_position + slot as u64;
        let filling = Arc::clone(state.queue.back()?);
        let epoch = filling.epoch();
        let item = match position < self.plan.samples {
            true => {
                let item = state.feed.take(&self.course, epoch, position);
                // Also where it is not there yet: windows that are behind have been let go.
                if state.feed.has_room() {
                    self.room.notify_all();
                }
                Some(item?)
            }
            false => None,
        };
        state.next_slot += 1;
        Some(Task { filling, slot, epoch, item })
    }

    /// The life of the thread that reads compressed shards.
    pub(super) fn read(&self, begin: (u64, u64)) {
        let read = guarded(|| {
            read_windows(&self.samples, &self.course, &self.plan, begin, |window| {
                let mut state = self.lock();
                while !state.stopped && !state.feed.has_room() {
                    state = self.room.wait(state).unwrap_or_else(|e| e.into_inner());
                }
                state.feed.put(window);
                self.work.notify_all();
                !state.stopped
            });
            Ok(())
        });
        let mut state = self.lock();
        state.feed.close();
        if let Err(error) = read {
            state.fatal = Some(error);
        }
        drop(state);
        self.wake_all();
    }

    /// A worker's life.
    pub(super) fn work(&self, worker: Worker) {
        if let Err(error) = guarded(|| self.fill_slots(worker)) {
            self.lock().fatal = Some(error);
        }
        self.ready.notify_all();
    }

    fn fill_slots(&self, mut worker: Worker) -> Result<()> {
        loop {
            let start = Instant::now();
            let Some(mut task) = self.take_task() else { return Ok(()) };
            worker.times.add(Stage::Wait, start.elapsed().as_nanos() as u64);
            let place = task.item.as_ref().map(|item| item.place);
            let made = guarded(|| self.make(&mut worker, &mut task));
            if worker.water.falls(worker.buffer.len()) {
                worker.buffer = Vec::new();
            }
            let result = made.map_err(|error| match place {
                // A panic does not know where it was.
                Some(place) => error.at(&self.samples.location(place)),
                None => error,
            });
            self.times.add(worker.times.take());
            self.times.add(worker.executor.as_mut().map(|executor| executor.times.take()).unwrap_or_default());
            if task.filling.finish(task.slot, result) {
                if self.making.shape().completes {
                    // A panic leaves the batch to the consumer, as an error.
                    let complete = |pixels: Slot<'_>, samples: &[SampleMeta], extras: Vec<MutexGuard<'_, Extra>>| {
                        guarded(|| self.complete(pixels, samples, extras, &task.filling))
                    };
                    // SAFETY: `finish` has just said that the slot was the last.
                    unsafe { task.filling.complete(complete) };
                }
                // Under the lock, so that the consumer is either before its check or already waiting.
                let _state = self.lock();
                self.ready.notify_all();
            }
        }
    }

    /// What a full batch has beside its slots: mixed samples, columns.
    fn complete(
        &self,
        pixels: Slot<'_>,
        samples: &[SampleMeta],
        extras: Vec<MutexGuard<'_, Extra>>,
        filling: &Filling,
    ) -> Result<Completed> {
        let soft_labels = match (&self.making.mixer, pixels) {
            (Some(mixer), Slot::F32(images)) => self.mix(mixer, images, samples, filling)?,
            _ => Vec::new(),
        };
        let rows: Vec<_> = extras.iter().map(|extra| &extra.row).collect();
        let columns = self.making.parser.as_ref().map(|parser| parser.columns(&rows)).unwrap_or_default();
        Ok(Completed { soft_labels, columns })
    }

    /// Mixes a full batch; its soft labels.
    fn mix(&self, mixer: &Mixer, images: &mut [f32], samples: &[SampleMeta], filling: &Filling) -> Result<Vec<f32>> {
        let mut soft_labels = vec![0.0; samples.len() * mixer.classes()];
        for (sample, shares) in samples.iter().zip(soft_labels.chunks_exact_mut(mixer.classes())) {
            if sample.valid {
                mixer.one_hot(sample.label, shares)?;
            }
        }
        let valid: Vec<bool> = samples.iter().map(|sample| sample.valid).collect();
        let Format { shape, layout, .. } = self.making.format;
        let mut batch = MixBatch { images, shape, layout, soft_labels: &mut soft_labels, valid: &valid };
        let Plan { seed, world, rank, .. } = self.plan;
        let key = BatchKey { seed, batch: filling.step() * world + rank, epoch: filling.epoch() as u32 };
        mixer.mix(&mut batch, key, &mut None)?;
        Ok(soft_labels)
    }

    /// Makes one sample.
    fn make(&self, worker: &mut Worker, task: &mut Task) -> Result<SampleMeta> {
        // SAFETY: each slot is dealt out once, by `deal_slot`.
        let mut slot = unsafe { task.filling.slot(task.slot) };
        let Some(item) = task.item.take() else {
            slot.clear();
            if let Some(mut extra) = task.filling.extra(task.slot) {
                self.making.parser.iter().for_each(|parser| parser.pad_row(&mut extra.row));
                extra.record.clear();
            }
            return Ok(SampleMeta { label: -1, ordinal: u64::MAX, valid: false, skipped: false });
        };
        let Worker { executor, buffer, times, .. } = worker;
        let start = Instant::now();
        let place = item.place;
        let ordinal = self.samples.ordinal(place);
        let key = item.key.unwrap_or(ordinal);
        // An error of the reader is not one record's: what lies behind it in a compressed shard cannot be had.
        let record = item.record.transpose()?;
        let cache = self.making.cache.as_ref();
        let made = (|| {
            let cached = cache.and_then(|cache| cache.get(ordinal, task.epoch));
            if cache.is_some() {
                self.times.add_cached(cached.is_some());
            }
            let (payload, offset) = match &record {
                Some(record) => (&record.payload[..], record.offset),
                // All that is wanted is in the cache.
                None if cached.is_some() && self.making.parser.is_none() => (&[][..], self.samples.offset(place)),
                None => self.samples.get(place, buffer)?,
            };
            self.times.add_bytes(payload.len() as u64);
            let located = |e: Error| e.at_record(place.record, offset).at_path(self.samples.path(place));
            let make = || {
                if let Some(mut extra) = task.filling.extra(task.slot) {
                    self.making.take_extra(payload, &mut extra)?;
                }
                let (image, label) = match (&executor, &cached) {
                    (Some(_), None) => self.making.features.find(payload).map(|(image, label)| (Some(image), label))?,
                    (_, cached) => (None, cached.as_ref().map_or(-1, |cached| cached.label)),
                };
                times.add(Stage::Read, start.elapsed().as_nanos() as u64);
                let Some(executor) = executor else {
                    return Ok(SampleMeta { label, ordinal, valid: true, skipped: false });
                };
                if let Some(mixer) = &self.making.mixer {
                    mixer.check(label)?;
                }
                let format = self.making.format;
                let key = SampleKey { seed: self.plan.seed, ordinal: key, epoch: task.epoch as u32 };
                if let Some(cached) = cached {
                    executor.run_cached(cached, key, format, slot)?;
                } else if let Some(image) = image {
                    let keep = |shape: Shape, pixels: Pixels<'_>| {
                        if let Some(cache) = cache {
                            cache.put(ordinal, task.epoch, label, shape, pixels);
                        }
                    };
                    executor.run_into(image.single_bytes()?, key, format, slot, keep)?;
                }
                Ok(SampleMeta { label, ordinal, valid: true, skipped: false })
            };
            make().map_err(located)
        })();
        made.or_else(|error| {
            let skipped = |error| Skipped::new(self.samples.path(place).to_owned(), place.record, ordinal, error);
            self.skips.meet(error, skipped).map(|error| {
                task.filling.note_skipped(task.slot, error);
                SampleMeta { label: -1, ordinal, valid: false, skipped: true }
            })
        })
    }
}

/// Does some work; a panic in it is an error like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::panicked(&*panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_message() {
        let told = |work: fn() -> Result<()>| guarded(work).unwrap_err().to_string();
        assert!(told(|| panic!("so {}", "bad")).contains("so bad"));
        assert!(told(|| panic!("bad")).contains("bad"));
        assert!(told(|| Err(Error::usage("no panic"))).contains("no panic"));
        assert_eq!(guarded(|| Ok(3)).unwrap(), 3);
    }
}
