//! The course of a run: which sample is at each position of each epoch, whatever is filtered, repeated or mixed.

use super::order::{Deal, Dealt, EpochOrder};
use super::spec::Shuffle;
use super::view::{Place, View};
use crate::error::Result;

/// What a run goes through, in which order.
pub(super) struct Course {
    shuffle: Shuffle,
    seed: u64,
    /// The samples; of several sources, each's own.
    views: Vec<View>,
    /// Which source a position belongs to, where there are several.
    deal: Option<Deal>,
    /// Whether a sample may come more than once in an epoch.
    repeats: bool,
    /// Positions of an epoch.
    len: u64,
}

/// A sample at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) place: Place,
    /// What stands for the sample in its random numbers: its position, where samples are repeated.
    pub(super) key: Option<u64>,
}

impl Course {
    /// Through the samples of one view, once an epoch.
    pub(super) fn once(view: View, shuffle: Shuffle, seed: u64, repeats: bool) -> Self {
        Course { len: view.len(), shuffle, seed, views: vec![view], deal: None, repeats }
    }

    /// Through several sources by weight, each in passes of its own. An epoch is as long as all of them together.
    ///
    /// # Errors
    /// As [`Deal::new`].
    pub(super) fn dealt(views: Vec<View>, weights: &[f64], shuffle: Shuffle, seed: u64) -> Result<Self> {
        let deal = Some(Deal::new(weights, seed)?);
        Ok(Course { len: views.iter().map(View::len).sum(), shuffle, seed, views, deal, repeats: true })
    }

    /// Positions of an epoch.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The only view, where there is one source.
    pub(super) fn view(&self) -> &View {
        &self.views[0]
    }

    /// The order of a source's pass.
    pub(super) fn order(&self, source: usize, pass: u64) -> EpochOrder {
        // Sources of one length are in orders of their own.
        let seed = self.seed.wrapping_add((source as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        EpochOrder::new(self.views[source].counts(), self.shuffle, seed, pass)
    }

    /// What stands for a sample in its random numbers.
    pub(super) fn key(&self, position: u64) -> Option<u64> {
        self.repeats.then_some(position)
    }
}

/// Finds samples; what it has used last is kept.
#[derive(Default)]
pub(super) struct Cursor {
    /// Of each source the order of a pass.
    orders: Vec<Option<(u64, EpochOrder)>>,
    dealt: Option<Dealt>,
}

impl Cursor {
    pub(super) fn at(&mut self, course: &Course, epoch: u64, position: u64) -> Sample {
        let (source, pass, at) = match &course.deal {
            None => (0, epoch, position),
            Some(deal) => {
                let (source, turn) = deal.at(epoch.wrapping_mul(course.len).wrapping_add(position), &mut self.dealt);
                let len = course.views[source].len();
                (source, turn / len, turn % len)
            }
        };
        self.orders.resize(course.views.len(), None);
        let kept = &mut self.orders[source];
        if kept.as_ref().is_none_or(|(of, _)| *of != pass) {
            *kept = Some((pass, course.order(source, pass)));
        }
        let order = &kept.get_or_insert_with(|| (pass, course.order(source, pass))).1;
        Sample { place: course.views[source].place(order.at(at)), key: course.key(position) }
    }
}
