//! What is dealt out to the workers: which positions make which batch, and the samples at those positions.

use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender};

use super::order::{EpochOrder, Place};
use super::samples::Samples;
use super::spec::Shuffle;
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
    pub(super) shuffle: Shuffle,
    pub(super) batch: u64,
    pub(super) rank: u64,
    pub(super) world: u64,
    pub(super) tail: Tail,
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

    /// The order of an epoch.
    fn order(&self, samples: &Samples, epoch: u64) -> EpochOrder {
        EpochOrder::new(samples.counts(), self.shuffle, self.seed, epoch)
    }
}

/// A sample to be made.
pub(super) struct Item {
    pub(super) place: Place,
    /// Its record, where it has been read already.
    pub(super) record: Option<Result<Record>>,
}

/// Gives the samples at the positions of this rank, in order.
pub(super) struct Feed {
    order: EpochOrder,
    epoch: u64,
    /// The positions of the window that is dealt out.
    span: Range<u64>,
    window: Vec<Item>,
    /// For sets with compressed shards: windows that a thread of its own reads.
    reader: Option<Receiver<Vec<Item>>>,
    /// What has ended the reader.
    failure: Option<Error>,
}

impl Feed {
    pub(super) fn new(samples: &Samples, plan: &Plan, reader: Option<Receiver<Vec<Item>>>) -> Self {
        Feed { order: plan.order(samples, 0), epoch: 0, span: 0..0, window: Vec::new(), reader, failure: None }
    }

    /// Lets go of the reader, whose next send then fails.
    pub(super) fn close(&mut self) {
        self.reader = None;
    }

    /// The sample at a position of an epoch. Positions are asked for in order.
    pub(super) fn take(&mut self, samples: &Samples, plan: &Plan, epoch: u64, position: u64) -> Item {
        if epoch != self.epoch {
            // The reader has sent all windows of the epoch before, those behind this rank's last sample too.
            while self.reader.is_some() && self.span.end < self.order.len() && self.receive() {}
            self.epoch = epoch;
            self.order = plan.order(samples, epoch);
            self.span = 0..0;
        }
        while position >= self.span.end {
            if samples.is_random() {
                self.span = self.order.span(position);
                let members = self.order.members(&self.span).into_iter();
                self.window = members.map(|m| Item { place: self.order.place(m), record: None }).collect();
            } else if !self.receive() {
                // Without an error to tell of, only a panic ends the reader.
                let panic =
                    || Error::new(ErrorKind::Panic { detail: "in the thread that reads the shards".to_owned() });
                let failure = self.failure.clone().unwrap_or_else(panic);
                return Item { place: self.order.place(position), record: Some(Err(failure)) };
            }
        }
        let item = &mut self.window[(position - self.span.start) as usize];
        Item { place: item.place, record: item.record.take() }
    }

    /// Gets the next window from the reader; `false` when it has ended.
    fn receive(&mut self) -> bool {
        let Some(window) = self.reader.as_ref().and_then(|r| r.recv().ok()) else { return false };
        if let Some(Item { record: Some(Err(e)), .. }) = window.first() {
            self.failure = Some(e.clone());
        }
        self.window = window;
        self.span = self.span.end..self.span.end + self.window.len() as u64;
        true
    }
}

/// Reads the windows of all epochs, one shard after the other, and sends them: what the reader thread does for sets with
/// compressed shards. Ends with the last epoch, after an error, or when nobody receives any more.
pub(super) fn read_windows(samples: &Samples, plan: &Plan, sender: &SyncSender<Vec<Item>>) {
    for epoch in 0..plan.epochs {
        let order = plan.order(samples, epoch);
        let mut window: Vec<Item> = Vec::new();
        let mut span = order.span(0);
        let mut going = true;
        samples.walk(&order, |place, record| {
            let failed = record.is_err();
            window.push(Item { place, record: Some(record) });
            if failed || window.len() as u64 == span.end - span.start {
                let dealt = deal(std::mem::take(&mut window), order.members(&span), span.start);
                going = sender.send(dealt).is_ok() && !failed;
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
    if let Some(Item { place, record: Some(Err(e)) }) = read.last() {
        // Also where the error stands behind the last place of an epoch.
        let places = members.len().max(1);
        return (0..places).map(|_| Item { place: *place, record: Some(Err(e.clone())) }).collect();
    }
    let taken = members.iter().map(|member| {
        let item = &mut read[(member - start) as usize];
        Item { place: item.place, record: item.record.take() }
    });
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tail: Tail, rank: u64, world: u64) -> Plan {
        Plan { seed: 0, shuffle: Shuffle::None, batch: 4, rank, world, tail, samples: 21, epochs: 1 }
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
        let bad = || Item { place: Place { shard: 0, record: 1 }, record: Some(Err(Error::usage("bad"))) };
        let dealt = deal(vec![Item { place, record: Some(Ok(Record::default())) }, bad()], vec![6, 4, 5], 4);
        assert_eq!(dealt.len(), 3);
        assert!(dealt.iter().all(|item| matches!(&item.record, Some(Err(_))) && item.place.record == 1));
    }
}
