//! Which of the features that a filter names were met: one that no record has is a mistake of whoever wrote the filter.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Condition, Feature, Filter};
use crate::error::{Error, Result};
use crate::example::{SequenceEntry, each_entry};
use crate::near::meant_or_listed;

/// Of so many records at most the features are remembered, to be named.
const REMEMBERED: u64 = 1000;

/// What was met of a filter's features, by all threads that hold it against records.
#[derive(Debug)]
pub(crate) struct Sought {
    names: Vec<String>,
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
        Sought::with(filter.names.clone(), wanted)
    }

    /// Of features of these names.
    pub(crate) fn of_names(names: &[String]) -> Self {
        let wanted = (0..names.len()).map(|name| Feature { name, long: None, class: None }).collect();
        Sought::with(names.to_vec(), wanted)
    }

    fn with(names: Vec<String>, wanted: Vec<Feature>) -> Self {
        Sought {
            settled: AtomicBool::new(wanted.is_empty()),
            wanted,
            met: names.iter().map(|_| AtomicBool::new(false)).collect(),
            names,
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
        let is_remembered = self.begin();
        let matches = filter.matches_seeing(payload, |name, at| self.see(name, at, is_remembered));
        self.end();
        matches
    }

    /// Takes note of a record's features; one that is no message of features has none.
    pub(crate) fn note(&self, payload: &[u8]) {
        if self.is_settled() {
            return;
        }
        let is_remembered = self.begin();
        let _ = each_entry(payload, |key, entry| {
            if entry != SequenceEntry::Feature(None) {
                self.see(key, self.names.iter().position(|name| name == key), is_remembered);
            }
        });
        self.end();
    }

    /// A record comes; whether its features are remembered.
    fn begin(&self) -> bool {
        self.records.fetch_add(1, Ordering::Relaxed) < REMEMBERED
    }

    fn see(&self, name: &str, at: Option<usize>, is_remembered: bool) {
        match at.and_then(|at| self.met.get(at)) {
            Some(met) => met.store(true, Ordering::Relaxed),
            None if is_remembered => {
                self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
            }
            None => {}
        }
    }

    fn end(&self) {
        if self.wanted.iter().all(|feature| self.is_met(feature)) {
            self.settle();
        }
    }

    fn is_met(&self, feature: &Feature) -> bool {
        let met = |at: usize| self.met.get(at).is_some_and(|met| met.load(Ordering::Relaxed));
        met(feature.name) || feature.long.is_some_and(met)
    }

    /// To be asked when all records have gone by; `records` is how they are called.
    ///
    /// # Errors
    /// A usage error for a feature that none of them had.
    pub(crate) fn check(&self, records: &str) -> Result<()> {
        if self.is_settled() || self.records.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let Some(missing) = self.wanted.iter().find(|feature| !self.is_met(feature)) else { return Ok(()) };
        let mut known = self.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let met = self.names.iter().zip(&self.met).filter(|(_, met)| met.load(Ordering::Relaxed));
        known.extend(met.map(|(name, _)| name.clone()));
        let name = &self.names[missing.name];
        let hint = meant_or_listed(name, "features", known.iter().map(String::as_str));
        Err(Error::usage_hint(format!("no {records} has a feature '{name}'"), hint))
    }
}
