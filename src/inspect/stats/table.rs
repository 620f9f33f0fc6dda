//! What is gathered of a set: its records and their features.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use super::feature::Gathered;
use super::numbers::Numbers;
use crate::error::Result;
use crate::example::{ExampleView, SequenceExample};
use crate::inspect::message::{MessageType, TELLING, Votes};

/// How many feature names are followed; a set with more of them has names made of data.
const MAX_NAMES: usize = 1000;

/// Gathers records.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) records: u64,
    pub(super) unreadable: u64,
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
            Some(MessageType::SequenceExample) => self.add_sequence(payload),
            Some(MessageType::Example) | None => self.add_features(payload),
        };
        self.unreadable += u64::from(read.is_err());
    }

    fn add_features(&mut self, payload: &[u8]) -> Result<()> {
        let mut features = BTreeMap::new();
        // Into a map first: of a name that comes twice the last counts.
        ExampleView::new(payload).for_each(|name, feature| drop(features.insert(name, feature)))?;
        for (name, feature) in features {
            if let (Some(feature), Some(gathered)) = (feature, entry(&mut self.features, name)) {
                gathered.add(&feature)?;
            }
        }
        Ok(())
    }

    fn add_sequence(&mut self, payload: &[u8]) -> Result<()> {
        let message = SequenceExample::decode(Bytes::copy_from_slice(payload))
            .map_err(|e| crate::error::Error::proto(e.to_string()))?;
        // The context has the field number of an Example's features.
        self.add_features(payload)?;
        for (name, list) in message.feature_lists.unwrap_or_default().feature_list {
            if let Some(gathered) = entry(&mut self.lists, &name) {
                gathered.add_list(&list);
            }
        }
        Ok(())
    }

    /// Takes in what another table has gathered.
    pub(super) fn merge(&mut self, other: Table) {
        self.records += other.records;
        self.unreadable += other.unreadable;
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
