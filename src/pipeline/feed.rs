//! What is dealt out to the workers: which positions make which batch, and the samples at those positions.

use std::collections::VecDeque;

use super::course::{Course, Cursor};
use super::samples::Samples;
use super::view::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;

/// What happens to the samples at an epoch's end that fill no batch on every rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// They are left out: all batches are full, all ranks have equally many.
    Drop,
    /// Missing samples are zeros with label -1 and `valid` false: all batches are full, all ranks have equally many.
    Pad,
    /// The last batches are smaller or missing: every sample comes exactly once.
    Uneven,
}

/// Which positions make which batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) batch: u64,
    pub(super) rank: u64,
    pub(super) world: u64,
    pub(super) tail: Tail,
    /// Positions of an epoch.
    pub(super) samples: u64,
    pub(super) epochs: u64,
}

impl Plan {
    /// Batches in an epoch on this rank.
    pub(super) fn steps(&self) -> u64 {
        let whole = self.batch * self.world;
        match self.tail {
            Tail::Drop => self.samples / whole,
            Tail::Pad => self.samples.div_ceil(whole),
            Tail::Uneven => self.samples.saturating_sub(self.rank * self.batch).div_ceil(whole),
        }
    }

    /// The epoch and step that follow.
    pub(super) fn after(&self, epoch: u64, step: u64) -> (u64, u64) {
        if step + 1 < self.steps() { (epoch, step + 1) } else { (epoch + 1, 0) }
    }

    /// The position of a batch's first slot.
    pub(super) fn first_position(&self, step: u64) -> u64 {
        (step * self.world + self.rank) * self.batch
    }

    /// The number of slots of a batch.
    pub(super) fn slots(&self, step: u64) -> usize {
        let left = self.samples.saturating_sub(self.first_position(step));
        match self.tail {
            Tail::Uneven => self.batch.min(left) as usize,
            Tail::Drop | Tail::Pad => self.batch as usize,
        }
    }
}

/// A sample to be made.
pub(super) struct Item {
    pub(super) place: Place,
    /// What stands for it in its random numbers, where that is not its ordinal.
    pub(super) key: Option<u64>,
    /// Its record, where it has been read already.
    pub(super) record: Option<Result<Record>>,
}

/// Gives the samples at the positions of this rank.
pub(super) struct Feed {
    cursor: Cursor,
    /// For sets with compressed shards: what the thread that reads them has put here.
    windows: Option<Windows>,
}

/// Windows that have been read and not yet been dealt out.
struct Windows {
    queue: VecDeque<Window>,
    /// What has ended the reader early, or `None` while it runs or where it has come to the end.
    failure: Option<Error>,
    closed: bool,
}

/// The samples of consecutive positions of an epoch.
pub(super) struct Window {
    epoch: u64,
    start: u64,
    items: Vec<Item>,
}

/// Windows that wait beside the one that is dealt out.
const WAITING: usize = 1;

impl Feed {
    pub(super) fn new(samples: &Samples) -> Self {
        let windows = (!samples.is_random()).then(|| Windows { queue: VecDeque::new(), failure: None, closed: false });
        Feed { cursor: Cursor::default(), windows }
    }

    /// The sample at a position of an epoch; `None` where it has not been read yet. Positions are asked for in order.
    pub(super) fn take(&mut self, course: &Course, epoch: u64, position: u64) -> Option<Item> {
        let cursor = &mut self.cursor;
        let mut find = |record| {
            let sample = cursor.at(course, epoch, position);
            Item { place: sample.place, key: sample.key, record }
        };
        let Some(windows) = &mut self.windows else { return Some(find(None)) };
        // What lies before is of no use to this rank any more.
        while windows.queue.front().is_some_and(|w| (w.epoch, w.end()) <= (epoch, position)) {
            windows.queue.pop_front();
        }
        if let Some(window) = windows.queue.front_mut() {
            let item = &mut window.items[(position - window.start) as usize];
            return Some(Item { record: item.record.take(), ..*item });
        }
        if !windows.closed {
            return None;
        }
        // Without an error to tell of, only a panic ends the reader before the last window.
        let panic = || Error::new(ErrorKind::Panic { detail: "in the thread that reads the shards".to_owned() });
        let failure = windows.failure.clone().unwrap_or_else(panic);
        Some(find(Some(Err(failure))))
    }

    /// Whether the reader may put another window here.
    pub(super) fn has_room(&self) -> bool {
        self.windows.as_ref().is_some_and(|w| w.queue.len() <= WAITING)
    }

    pub(super) fn put(&mut self, window: Window) {
        if let Some(windows) = &mut self.windows {
            if let Some(Item { record: Some(Err(e)), .. }) = window.items.first() {
                windows.failure = Some(e.clone());
            }
            windows.queue.push_back(window);
        }
    }

    /// No window will come any more.
    pub(super) fn close(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.closed = true;
        }
    }
}

impl Window {
    fn end(&self) -> u64 {
        self.start + self.items.len() as u64
    }
}

/// Reads the windows from a step on, one shard after the other, and gives them to `put`: what the reader thread does for
/// sets with compressed shards. Ends with the last epoch, after an error, or when `put` says so.
pub(super) fn read_windows(
    samples: &Samples,
    course: &Course,
    plan: &Plan,
    (first_epoch, first_step): (u64, u64),
    mut put: impl FnMut(Window) -> bool,
) {
    for epoch in first_epoch..plan.epochs {
        let order = course.order(0, epoch);
        let mut window: Vec<Item> = Vec::new();
        let first = if epoch == first_epoch { plan.first_position(first_step) } else { 0 };
        let mut span = order.span(first.min(order.len().saturating_sub(1)));
        let mut going = true;
        samples.walk(course.view(), &order, span.start, |place, record| {
            let failed = record.is_err();
            window.push(Item { place, key: None, record: Some(record) });
            if failed || window.len() as u64 == span.end - span.start {
                let members = span.clone().map(|position| order.stored(position)).collect();
                let mut items = deal(std::mem::take(&mut window), members, span.start);
                (span.start..).zip(&mut items).for_each(|(position, item)| item.key = course.key(position));
                going = put(Window { epoch, start: span.start, items }) && !failed;
                span = order.span(span.end);
            }
            going
        });
        if !going {
            return;
        }
    }
}

/// Puts the samples of a window, read in the order of the shards, into the order of delivery. Where an error has ended the
/// window early, it takes every place, so that it is met whichever of them this rank wants.
fn deal(mut read: Vec<Item>, members: Vec<u64>, start: u64) -> Vec<Item> {
    if let Some(Item { place, key, record: Some(Err(e)) }) = read.last() {
        // Also where the error stands behind the last place of an epoch.
        let places = members.len().max(1);
        return (0..places).map(|_| Item { place: *place, key: *key, record: Some(Err(e.clone())) }).collect();
    }
    let taken = members.iter().map(|member| {
        let item = &mut read[(member - start) as usize];
        Item { record: item.record.take(), ..*item }
    });
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tail: Tail, rank: u64, world: u64) -> Plan {
        Plan { seed: 0, batch: 4, rank, world, tail, samples: 21, epochs: 1 }
    }

    #[test]
    fn steps_and_slots_by_tail() {
        // 21 samples in batches of 4 over 2 ranks: positions 0..8, 8..16, 16..24.
        let of = |tail, rank| {
            let plan = plan(tail, rank, 2);
            (0..plan.steps()).map(|s| (plan.first_position(s), plan.slots(s))).collect::<Vec<_>>()
        };
        assert_eq!(of(Tail::Drop, 0), [(0, 4), (8, 4)]);
        assert_eq!(of(Tail::Drop, 1), [(4, 4), (12, 4)]);
        assert_eq!(of(Tail::Pad, 1), [(4, 4), (12, 4), (20, 4)]);
        assert_eq!(of(Tail::Uneven, 0), [(0, 4), (8, 4), (16, 4)]);
        assert_eq!(of(Tail::Uneven, 1), [(4, 4), (12, 4), (20, 1)]);
        assert_eq!(plan(Tail::Uneven, 6, 7).steps(), 0);
    }

    #[test]
    fn a_window_that_failed_gives_its_error_at_every_place() {
        let place = Place { shard: 0, record: 0 };
        let bad = || Item { place: Place { shard: 0, record: 1 }, key: None, record: Some(Err(Error::usage("bad"))) };
        let good = Item { place, key: None, record: Some(Ok(Record::default())) };
        let dealt = deal(vec![good, bad()], vec![6, 4, 5], 4);
        assert_eq!(dealt.len(), 3);
        assert!(dealt.iter().all(|item| matches!(&item.record, Some(Err(_))) && item.place.record == 1));
    }
}
