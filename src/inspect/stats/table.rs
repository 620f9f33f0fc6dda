//! What is gathered of a set: its records and their features.

use std::collections::BTreeMap;

use super::feature::Gathered;
use super::numbers::Numbers;
use crate::error::Result;
use crate::example::SequenceEntry;
use crate::inspect::message::{MessageType, TELLING, Votes, walk_sequence};

/// How many feature names are followed; a set with more of them has names made of data.
const MAX_NAMES: usize = 1000;

/// Gathers records.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) records: u64,
    pub(super) unreadable: u64,
    /// Records that have no feature lists, as Examples have none.
    pub(super) without_lists: u64,
    pub(super) payload_bytes: Numbers,
    pub(super) features: BTreeMap<String, Gathered>,
    pub(super) lists: BTreeMap<String, Gathered>,
    pub(super) votes: Votes,
}

impl Table {
    /// Takes in a record of a set of such messages; `None`: its first records tell what they are.
    pub(super) fn add(&mut self, payload: &[u8], message: Option<MessageType>) {
        self.records += 1;
        self.payload_bytes.add(payload.len() as f64);
        let message = message.or_else(|| match self.records {
            n if n <= TELLING as u64 => self.votes.add(payload),
            _ => self.votes.winner(),
        });
        let read = match message {
            Some(MessageType::Raw) => Ok(()),
            // Feature lists are looked at whatever the first records are: shards may mix both messages.
            _ => self.add_message(payload),
        };
        self.unreadable += u64::from(read.is_err());
    }

    fn add_message(&mut self, payload: &[u8]) -> Result<()> {
        let (mut features, mut lists) = (BTreeMap::new(), BTreeMap::new());
        // Into maps first: of a name that comes twice the last counts, and of a damaged record nothing.
        walk_sequence(payload, |name, entry| match entry {
            SequenceEntry::Feature(feature) => drop(features.insert(name, feature)),
            SequenceEntry::List(list) => drop(lists.insert(name, list)),
        })?;
        self.without_lists += u64::from(lists.is_empty());
        for (name, feature) in features {
            if let (Some(feature), Some(gathered)) = (feature, entry(&mut self.features, name)) {
                gathered.add(&feature)?;
            }
        }
        for (name, list) in lists {
            if let Some(gathered) = entry(&mut self.lists, name) {
                gathered.add_list(&list)?;
            }
        }
        Ok(())
    }

    /// Takes in what another table has gathered.
    pub(super) fn merge(&mut self, other: Table) {
        self.records += other.records;
        self.unreadable += other.unreadable;
        self.without_lists += other.without_lists;
        self.payload_bytes.merge(other.payload_bytes);
        self.votes.merge(other.votes);
        for (mine, theirs) in [(&mut self.features, other.features), (&mut self.lists, other.lists)] {
            for (name, theirs) in theirs {
                if let Some(gathered) = entry(mine, &name) {
                    gathered.merge(theirs);
                }
            }
        }
    }
}

fn entry<'t>(table: &'t mut BTreeMap<String, Gathered>, name: &str) -> Option<&'t mut Gathered> {
    if !table.contains_key(name) {
        if table.len() >= MAX_NAMES {
            return None;
        }
        table.insert(name.to_owned(), Gathered::default());
    }
    table.get_mut(name)
}
