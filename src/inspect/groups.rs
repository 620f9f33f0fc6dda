//! Findings of one sort told together: "missing in 2000 records, first in ...".

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::finding::{Finding, FindingCounts, FindingKind, Key, Severity};

/// How many sorts of one kind of finding are told apart. Where there are more, the kind is one group.
const MAX_SORTS: usize = 50;

/// Findings that say the same, but for numbers and values, of different records or files.
///
/// Its text form is a line: that of the finding where it is the only one, else
/// `error schema: in 2000 records, first in train.tfrecord, record 3, offset 99: feature 'label' is missing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FindingGroup {
    /// How many there are.
    pub findings: u64,
    /// In how many records; 0 where they are about files or about what is not there, and where sorts were too many.
    pub records: u64,
    /// Whether all of them say what the first says, word for word.
    pub alike: bool,
    /// The first of them: by set, shard and record.
    pub first: Finding,
}

impl fmt::Display for FindingGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FindingGroup { findings, records, alike, first } = self;
        if *findings == 1 {
            return first.fmt(f);
        }
        write!(f, "{} {}: ", first.severity.name(), first.kind)?;
        match records {
            0 => write!(f, "{findings} times")?,
            1 => write!(f, "{findings} times in 1 record")?,
            _ if records == findings => write!(f, "in {records} records")?,
            _ => write!(f, "in {records} records, {findings} times")?,
        }
        if !alike {
            f.write_str(", not all alike")?;
        }
        let place = first.place();
        match place.is_empty() {
            true => write!(f, ": {}", first.detail),
            false => write!(f, ", first in {place}: {}", first.detail),
        }
    }
}

/// Gathers findings by sort; the result does not depend on the order in which stretches come.
#[derive(Debug, Default)]
pub(super) struct GroupTable(BTreeMap<(Severity, FindingKind), Sorts>);

/// The findings of one kind.
#[derive(Debug, Default)]
struct Sorts {
    groups: BTreeMap<String, Group>,
    /// There were more sorts than are told apart: one group, of no name, has all.
    merged: bool,
}

#[derive(Debug)]
struct Group {
    /// The stretch of its first finding.
    key: Key,
    /// The last record counted.
    last: Option<u64>,
    told: FindingGroup,
}

impl GroupTable {
    /// Takes in a finding of the stretch at hand, behind those taken in before.
    pub(super) fn see(&mut self, finding: &Finding) {
        let sorts = self.0.entry((finding.severity, finding.kind)).or_default();
        let sort = if sorts.merged { String::new() } else { sort_of(&finding.detail) };
        match sorts.groups.get_mut(&sort) {
            Some(group) => {
                group.told.findings += 1;
                let another = !sorts.merged && finding.record.is_some() && finding.record != group.last;
                group.told.records += u64::from(another);
                group.told.alike &= finding.detail == group.told.first.detail;
                group.last = finding.record;
            }
            None => {
                let records = finding.record.is_some().into();
                let told = FindingGroup { findings: 1, records, alike: true, first: finding.clone() };
                sorts.groups.insert(sort, Group { key: Key::default(), last: finding.record, told });
                sorts.bound();
            }
        }
    }

    /// Takes in what was gathered over the stretch at `key`.
    pub(super) fn merge(&mut self, other: GroupTable, key: Key) {
        for (kind, theirs) in other.0 {
            let mine = self.0.entry(kind).or_default();
            mine.merged |= theirs.merged;
            for (sort, mut group) in theirs.groups {
                group.key = key;
                let sort = if mine.merged { String::new() } else { sort };
                mine.add(sort, group);
            }
            mine.bound();
        }
    }

    /// How many findings there are of each kind.
    pub(super) fn counts(&self) -> FindingCounts {
        let count = |sorts: &Sorts| sorts.groups.values().map(|group| group.told.findings).sum();
        self.0.iter().map(|(kind, sorts)| (*kind, count(sorts))).collect()
    }

    /// The groups: by severity, kind, and the place of the first finding.
    pub(super) fn into_groups(self) -> Vec<FindingGroup> {
        let in_order = |sorts: Sorts| {
            let mut groups: Vec<Group> = sorts.groups.into_values().collect();
            groups.sort_by_key(|group| (group.key, group.told.first.record));
            groups.into_iter().map(|group| group.told)
        };
        self.0.into_values().flat_map(in_order).collect()
    }
}

impl Sorts {
    fn add(&mut self, sort: String, group: Group) {
        let Some(mine) = self.groups.get_mut(&sort) else {
            self.groups.insert(sort, group);
            return;
        };
        let alike = mine.told.alike && group.told.alike && mine.told.first.detail == group.told.first.detail;
        let (findings, records) = (mine.told.findings + group.told.findings, mine.told.records + group.told.records);
        if (group.key, group.told.first.record) < (mine.key, mine.told.first.record) {
            *mine = group;
        }
        mine.told = FindingGroup { findings, records, alike, first: mine.told.first.clone() };
    }

    /// Makes one group of all where they are too many, or were too many elsewhere.
    fn bound(&mut self) {
        self.merged |= self.groups.len() > MAX_SORTS;
        if self.merged {
            let groups = std::mem::take(&mut self.groups);
            groups.into_values().for_each(|group| self.add(String::new(), group));
            // A record may have been counted under several sorts.
            self.groups.values_mut().for_each(|group| group.told.records = 0);
        }
    }
}

/// What a detail says without its numbers and values: every word with a digit, and every quoted one but the first (which
/// is a feature's name), gives way to `#`.
fn sort_of(detail: &str) -> String {
    let mut sort = String::new();
    for (i, part) in detail.split('\'').enumerate() {
        match i {
            1 => sort.extend(["'", part, "'"]),
            _ if i % 2 == 1 => sort.push('#'),
            _ => put_words(part, &mut sort),
        }
    }
    sort
}

fn put_words(text: &str, sort: &mut String) {
    let in_word = |c: char| c.is_alphanumeric() || "._-+/".contains(c);
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !in_word(c)).unwrap_or(rest.len()));
        sort.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
        let (between, next) = after.split_at(after.find(in_word).unwrap_or(after.len()));
        sort.push_str(between);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(record: u64, detail: &str) -> Finding {
        Finding::error(FindingKind::Schema, detail).at_path("a").at_record(record, record * 10)
    }

    fn table(findings: &[(u64, &str)]) -> GroupTable {
        let mut table = GroupTable::default();
        findings.iter().for_each(|(record, detail)| table.see(&finding(*record, detail)));
        table
    }

    #[test]
    fn numbers_and_values_do_not_make_a_sort() {
        let same = [
            ("feature 'a1' is 3, not 4.5", "feature 'a1' is -17, not 0", true),
            ("feature 'a' is missing", "feature 'b' is missing", false),
            ("feature 'a' holds 'cat'", "feature 'a' holds 'dog'", true),
            ("stored c39b6a25, computed 9ef3b23e", "stored 00000001, computed 9ef3b23f", true),
            (
                "the record holds what record 3 of t-00000 holds",
                "the record holds what record 9 of t-00001 holds",
                true,
            ),
            ("an apostrophe's 1", "an apostrophe's 2", false),
        ];
        for (a, b, expected) in same {
            assert_eq!(sort_of(a) == sort_of(b), expected, "{a}; {b}: {}", sort_of(a));
        }
    }

    #[test]
    fn a_group_says_how_many_and_where_the_first_is_whatever_came_first() {
        let parts = || {
            let one = table(&[(7, "feature 'a' is missing"), (8, "feature 'a' is missing"), (8, "size 3")]);
            let two = table(&[(2, "feature 'a' is missing"), (3, "size 4"), (3, "size 5")]);
            [((0, 2), one), ((0, 1), two)]
        };
        for swapped in [false, true] {
            let mut parts = parts();
            if swapped {
                parts.reverse();
            }
            let mut all = GroupTable::default();
            parts.into_iter().for_each(|(key, part)| all.merge(part, key));
            assert_eq!(all.counts()[&(Severity::Error, FindingKind::Schema)], 6);
            let told: Vec<String> = all.into_groups().iter().map(ToString::to_string).collect();
            assert_eq!(
                told,
                [
                    "error schema: in 3 records, first in a, record 2, offset 20: feature 'a' is missing",
                    "error schema: in 2 records, 3 times, not all alike, first in a, record 3, offset 30: size 4",
                ]
            );
        }
        let alone = table(&[(7, "x")]).into_groups();
        assert_eq!(alone[0].to_string(), "error schema: a, record 7, offset 70: x");
    }

    #[test]
    fn sorts_without_end_are_one_group_in_any_order() {
        let sorts = |range: std::ops::Range<usize>| {
            let mut table = GroupTable::default();
            range.for_each(|i| table.see(&finding(i as u64, &format!("feature 'f{i}' is missing"))));
            table
        };
        let mut told = Vec::new();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut all = GroupTable::default();
            for i in order {
                all.merge(sorts(i * 30..(i + 1) * 30), (0, i as u64));
            }
            told.push(all.into_groups());
        }
        assert!(told.iter().all(|groups| *groups == told[0]));
        let [group] = &told[0][..] else { panic!("{told:?}") };
        assert_eq!((group.findings, group.records, group.alike, group.first.record), (90, 0, false, Some(0)));
    }
}
