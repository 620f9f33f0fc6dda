//! Records that are left out of a stream, within a budget.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use super::batch::Batch;
use super::loader::OnError;
use crate::error::{Error, ErrorClass, Result};

/// A record that was left out of the stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Skipped {
    /// Its shard.
    pub path: PathBuf,
    /// Its number in the shard, from 0.
    pub record: u64,
    /// Its sample's number in the set.
    pub ordinal: u64,
    /// What is wrong, with shard, record and offset.
    pub error: Error,
}

impl Skipped {
    pub(super) fn new(path: PathBuf, record: u64, ordinal: u64, error: Error) -> Self {
        Skipped { path, record, ordinal, error }
    }
}

impl OnError {
    /// Gives the error of a record back that may be left out; fails with any other.
    pub(super) fn pardon(self, error: Error) -> Result<Error> {
        match self {
            OnError::Skip(_) if error.class() == ErrorClass::Data => Ok(error),
            _ => Err(error),
        }
    }
}

/// Bad records by their ordinals. One counts once, however many epochs meet it.
pub(super) struct Skips {
    on_error: OnError,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// What workers have met, in batches that nobody has asked for too.
    met: BTreeMap<u64, Skipped>,
    /// What was left out of the batches that were given; `None` for those of the run that this one goes on with.
    given: BTreeMap<u64, Option<Skipped>>,
}

impl Skips {
    /// `earlier` are the records that the run which is resumed has left out, `unread` those that could not be looked at to see
    /// whether they are to be streamed.
    ///
    /// # Errors
    /// The first of more bad records than are allowed.
    pub(super) fn new(on_error: OnError, earlier: &[u64], unread: Vec<Skipped>) -> Result<Self> {
        let given = earlier.iter().map(|ordinal| (*ordinal, None)).collect();
        let skips = Skips { on_error, known: Mutex::new(Known { met: BTreeMap::new(), given }) };
        unread.into_iter().try_for_each(|skipped| skips.add(&mut skips.known(), skipped))?;
        Ok(skips)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The records that were left out of the batches given so far.
    pub(super) fn given(&self) -> Vec<Skipped> {
        self.known().given.values().flatten().cloned().collect()
    }

    /// The ordinals of all records that were left out, of the run that this one goes on with too.
    pub(super) fn ordinals(&self) -> Vec<u64> {
        self.known().given.keys().copied().collect()
    }

    /// Leaves a bad record out, if that is wanted, and gives its error back then.
    pub(super) fn meet(&self, error: Error, skipped: impl FnOnce(Error) -> Skipped) -> Result<Error> {
        let error = self.on_error.pardon(error)?;
        let skipped = skipped(error.clone());
        self.known().met.insert(skipped.ordinal, skipped);
        Ok(error)
    }

    /// Counts what was left out of a batch that is about to be given; an error where that is more than is allowed.
    pub(super) fn count(&self, batch: &Batch) -> Result<()> {
        if self.on_error == OnError::Fail {
            return Ok(());
        }
        let mut known = self.known();
        for (ordinal, _) in batch.ordinals().iter().zip(batch.valid()).filter(|(_, valid)| !**valid) {
            let before = known.given.get(ordinal);
            let Some(skipped) = known.met.get(ordinal).filter(|_| !matches!(before, Some(Some(_)))).cloned() else {
                continue;
            };
            self.add(&mut known, skipped)?;
        }
        Ok(())
    }

    /// Lists a record that is left out; an error where it is one too many.
    fn add(&self, known: &mut Known, skipped: Skipped) -> Result<()> {
        let budget = if let OnError::Skip(budget) = self.on_error { budget } else { 0 };
        if !known.given.contains_key(&skipped.ordinal) && known.given.len() as u64 >= budget {
            log::error!("{} records were skipped, as many as are allowed; this is the next", known.given.len());
            return Err(skipped.error);
        }
        log::warn!("skipped: {}", skipped.error);
        known.given.insert(skipped.ordinal, Some(skipped));
        Ok(())
    }
}
