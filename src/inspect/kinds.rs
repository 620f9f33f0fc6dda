//! Which kinds each feature of a set has, and which messages the set: one key, one kind; one set, one message.

use std::collections::HashMap;
use std::path::PathBuf;

use super::finding::{Finding, FindingKind};
use super::message::MessageType;
use crate::example::{Kind, Schema};

/// How many feature names are followed; a set that has more has names made of data, and no schema to hold it against.
const MAX_KEYS: usize = 10_000;

/// Where a record is: shard, record number, offset.
pub(super) type Place = (usize, u64, u64);

/// Counts the kinds of each feature, and remembers where each came first.
#[derive(Debug, Default)]
pub(super) struct KindTable {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    /// Records without feature lists, and with.
    messages: [Option<Seen>; 2],
    /// The entry expected next: records of a set mostly have the same features in the same order.
    next: usize,
}

#[derive(Debug)]
struct Entry {
    name: String,
    kinds: [Option<Seen>; 3],
    /// Where it was seen last, and with which kind.
    last: Option<(Place, usize)>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    count: u64,
    first: Place,
}

const KINDS: [Kind; 3] = [Kind::Bytes, Kind::Float, Kind::Int64];

impl KindTable {
    /// A feature was seen. Of a name that a record has twice, the last one counts.
    pub(super) fn see(&mut self, name: &str, kind: Kind, place: Place) {
        let Some(at) = self.entry(name) else { return };
        let entry = &mut self.entries[at];
        if let Some((_, before)) = entry.last.filter(|(last, _)| *last == place) {
            entry.kinds[before] = match entry.kinds[before] {
                Some(seen) if seen.count > 1 => Some(Seen { count: seen.count - 1, ..seen }),
                _ => None,
            };
        }
        entry.last = Some((place, kind as usize));
        count(&mut entry.kinds[kind as usize], Seen { count: 1, first: place });
    }

    /// A record was seen that is not empty, with feature lists or without. One of SequenceExamples that has none is, byte
    /// for byte, an Example.
    pub(super) fn see_message(&mut self, message: MessageType, place: Place) {
        count(
            &mut self.messages[usize::from(message == MessageType::SequenceExample)],
            Seen { count: 1, first: place },
        );
    }

    fn entry(&mut self, name: &str) -> Option<usize> {
        let expected = if self.next < self.entries.len() { self.next } else { 0 };
        let at = match self.entries.get(expected) {
            Some(entry) if entry.name == name => expected,
            _ => match self.by_name.get(name) {
                Some(&at) => at,
                None if self.entries.len() < MAX_KEYS => {
                    self.entries.push(Entry { name: name.to_owned(), kinds: [None; 3], last: None });
                    self.by_name.insert(name.to_owned(), self.entries.len() - 1);
                    self.entries.len() - 1
                }
                None => return None,
            },
        };
        self.next = at + 1;
        Some(at)
    }

    /// Takes in what another table has counted.
    pub(super) fn merge(&mut self, other: KindTable) {
        for entry in other.entries {
            let Some(at) = self.entry(&entry.name) else { continue };
            for (kind, seen) in entry.kinds.into_iter().enumerate() {
                if let Some(seen) = seen {
                    count(&mut self.entries[at].kinds[kind], seen);
                }
            }
        }
        for (mine, theirs) in self.messages.iter_mut().zip(other.messages) {
            theirs.into_iter().for_each(|seen| count(mine, seen));
        }
    }

    /// A warning for each feature that the schema does not name, at the first record that has it.
    pub(super) fn unexpected(&self, schema: &Schema, shards: &[PathBuf]) -> Vec<(usize, Finding)> {
        let known = |name: &str| {
            let list = name.strip_prefix("feature_lists/").is_some_and(|list| schema.feature_lists.contains_key(list));
            list || schema.features.contains_key(name)
        };
        let mut entries: Vec<&Entry> = self.entries.iter().filter(|entry| !known(&entry.name)).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let warning = |entry: &Entry| {
            let seen = entry.kinds.iter().flatten();
            let (shard, record, offset) = seen.clone().map(|s| s.first).min()?;
            let count = records(seen.map(|s| s.count).sum());
            let detail = format!("feature '{}', found in {count} of the set, is not in the schema", entry.name);
            let finding = Finding::warning(FindingKind::Schema, detail).at_record(record, offset);
            Some((shard, shards.get(shard).map_or(finding.clone(), |p| finding.at_path(p))))
        };
        entries.into_iter().filter_map(warning).collect()
    }

    /// A finding for the rarer of two messages, and one for each kind that a feature has beside its most frequent one; and
    /// the shard it belongs to.
    pub(super) fn findings(mut self, shards: &[PathBuf]) -> Vec<(usize, Finding)> {
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut found: Vec<_> = self.mixed_messages(shards).into_iter().collect();
        for entry in &self.entries {
            let seen = || KINDS.into_iter().zip(entry.kinds).filter_map(|(kind, seen)| Some((kind, seen?)));
            // Of equally frequent kinds, the one that came first is taken for the intended one.
            let Some((usual, most)) = seen().max_by_key(|(_, s)| (s.count, std::cmp::Reverse(s.first))) else {
                continue;
            };
            for (kind, Seen { count, first: (shard, record, offset) }) in seen().filter(|(kind, _)| *kind != usual) {
                let detail = format!(
                    "feature '{}' is {} in {} of the set, first in this one, and {} in {}",
                    entry.name,
                    kind.name(),
                    records(count),
                    usual.name(),
                    records(most.count),
                );
                let finding = Finding::error(FindingKind::KindMixed, detail).at_record(record, offset);
                found.push((shard, shards.get(shard).map_or(finding.clone(), |p| finding.at_path(p))));
            }
        }
        found
    }

    fn mixed_messages(&self, shards: &[PathBuf]) -> Option<(usize, Finding)> {
        let [Some(examples), Some(sequences)] = self.messages else { return None };
        let names = ["Example (without feature lists)", "SequenceExample (with feature lists)"];
        let rank = |seen: Seen| (std::cmp::Reverse(seen.count), seen.first);
        let (rare, most, [usual, other]) = match rank(examples) < rank(sequences) {
            true => (sequences, examples, names),
            false => (examples, sequences, [names[1], names[0]]),
        };
        let detail = format!(
            "the message is {other} in {} of the set, first in this one, and {usual} in {}",
            records(rare.count),
            records(most.count),
        );
        let (shard, record, offset) = rare.first;
        let finding = Finding::error(FindingKind::KindMixed, detail).at_record(record, offset);
        Some((shard, shards.get(shard).map_or(finding.clone(), |p| finding.at_path(p))))
    }
}

fn count(known: &mut Option<Seen>, seen: Seen) {
    match known {
        Some(known) => {
            known.count += seen.count;
            known.first = known.first.min(seen.first);
        }
        unknown => *unknown = Some(seen),
    }
}

fn records(count: u64) -> String {
    format!("{count} record{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarer_kind_is_the_finding_wherever_it_came_from() {
        let mut all = KindTable::default();
        for (shard, kind) in [(1, Kind::Int64), (0, Kind::Bytes), (2, Kind::Int64)] {
            let mut table = KindTable::default();
            for record in 0..2 {
                table.see("a", Kind::Float, (shard, record, 0));
                table.see("b", if record == 0 { kind } else { Kind::Int64 }, (shard, record, 7));
            }
            all.merge(table);
        }
        let shards = ["x", "y", "z"].map(PathBuf::from);
        let found = all.findings(&shards);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 0);
        assert_eq!(
            found[0].1.to_string(),
            "error kind_mixed: x, record 0, offset 7: feature 'b' is bytes in 1 record of the set, first in this one, \
             and int64 in 5 records"
        );
    }

    #[test]
    fn of_a_name_twice_in_a_record_the_last_counts() {
        let mut table = KindTable::default();
        for record in 0..3 {
            table.see("a", Kind::Float, (0, record, 0));
            table.see("a", Kind::Int64, (0, record, 0));
            table.see("a", Kind::Int64, (0, record, 0));
        }
        assert_eq!(table.entries[0].kinds[2].unwrap().count, 3);
        assert!(table.findings(&[]).is_empty());
    }

    #[test]
    fn features_in_any_order_and_without_end_are_counted_within_bounds() {
        let mut table = KindTable::default();
        for i in 0..MAX_KEYS as u64 * 2 {
            table.see(&format!("k{i}"), Kind::Int64, (0, i, 0));
            table.see("k0", Kind::Int64, (1, i, 0));
        }
        assert_eq!(table.entries.len(), MAX_KEYS);
        assert_eq!(table.entries[0].kinds[2].unwrap().count, MAX_KEYS as u64 * 2 + 1);
    }
}
