//! Which of the features that a filter names were met: one that no record has is a mistake of whoever wrote the filter.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Condition, Feature, Filter};
use crate::error::{Error, Result};
use crate::near::meant_or_listed;

/// Of so many records at most the features are remembered, to be named.
const REMEMBERED: u64 = 1000;

/// What was met of a filter's features, by all threads that hold it against records.
#[derive(Debug)]
pub(crate) struct Sought {
    /// Features asked for, each by the names it may have. What is asked for by `has` alone may be missing.
    wanted: Vec<Feature>,
    met: Vec<AtomicBool>,
    /// Whether all are met, and nothing is left to be noted.
    settled: AtomicBool,
    records: AtomicU64,
    others: Mutex<BTreeSet<String>>,
}

impl Sought {
    pub(crate) fn new(filter: &Filter) -> Self {
        let mut wanted: Vec<Feature> = Vec::new();
        filter.condition.each(&mut |condition| {
            if let Condition::Any(feature, ..) | Condition::Len(feature, ..) = condition {
                wanted.push(*feature);
            }
        });
        Sought {
            settled: AtomicBool::new(wanted.is_empty()),
            wanted,
            met: filter.names.iter().map(|_| AtomicBool::new(false)).collect(),
            records: AtomicU64::new(0),
            others: Mutex::default(),
        }
    }

    /// Whether every feature was met.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// It is known from elsewhere that records have the features.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// As [`Filter::matches`], of a filter with the features of the one that this is made for.
    pub(crate) fn matches(&self, filter: &Filter, payload: &[u8]) -> Result<bool> {
        if self.is_settled() {
            return filter.matches(payload);
        }
        let is_remembered = self.records.fetch_add(1, Ordering::Relaxed) < REMEMBERED;
        let matches = filter.matches_seeing(payload, |name, at| match at.and_then(|at| self.met.get(at)) {
            Some(met) => met.store(true, Ordering::Relaxed),
            None if is_remembered => {
                self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
            }
            None => {}
        });
        if self.wanted.iter().all(|feature| self.is_met(feature)) {
            self.settle();
        }
        matches
    }

    fn is_met(&self, feature: &Feature) -> bool {
        let met = |at: usize| self.met.get(at).is_some_and(|met| met.load(Ordering::Relaxed));
        met(feature.name) || feature.long.is_some_and(met)
    }

    /// To be asked when all records have gone by.
    ///
    /// # Errors
    /// A usage error for a feature that none of them had.
    pub(crate) fn check(&self, filter: &Filter) -> Result<()> {
        if self.is_settled() || self.records.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let Some(missing) = self.wanted.iter().find(|feature| !self.is_met(feature)) else { return Ok(()) };
        let mut known = self.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let met = filter.names.iter().zip(&self.met).filter(|(_, met)| met.load(Ordering::Relaxed));
        known.extend(met.map(|(name, _)| name.clone()));
        Err(no_such_feature(&filter.names[missing.name], &known))
    }
}

/// The error for a feature that no record has, where the records have these.
pub(crate) fn no_such_feature(name: &str, known: &BTreeSet<String>) -> Error {
    let hint = meant_or_listed(name, "features", known.iter().map(String::as_str));
    Error::usage_hint(format!("no record has a feature '{name}'"), hint)
}
