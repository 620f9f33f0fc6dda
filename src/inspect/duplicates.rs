//! Records that hold the same: twice in a set, or in two sets at once.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::finding::{Finding, FindingKind};
use super::kinds::Place;
use crate::error::Result;
use crate::example::{ExampleView, hex};

/// The feature that holds the SHA-256 of the image's file in hexadecimal digits.
const STORED: &str = "image/key/sha256";

/// Half of a SHA-256: of a billion records, two others have the same half once in 10^20 runs.
type Hash = [u8; 16];

/// Records of a group that are listed.
const GROUP_LISTED: usize = 4;

/// Records that hold the same.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Whether they are of several sets.
    pub(super) leaks: bool,
    pub(super) records: u64,
    /// The first few.
    pub(super) places: Vec<Place>,
}

/// Groups of records that hold the same.
#[derive(Debug, Default)]
pub(super) struct Groups {
    pub(super) total: u64,
    /// Those of several sets.
    pub(super) leaking: u64,
    pub(super) listed: Vec<Group>,
}

/// What each record holds, as a hash. 40 bytes a record.
#[derive(Debug, Default)]
pub(super) struct Contents(Vec<(Hash, Place)>);

impl Contents {
    /// A record was seen, whose image is under `image_key`. It is known by the hash stored in it, or else by that of its
    /// image, or else by that of the payload. With `deep` the image is always hashed, and a stored hash that is another
    /// one is given to `found`.
    pub(super) fn see(
        &mut self,
        payload: &[u8],
        image_key: Option<&str>,
        deep: bool,
        place: Place,
        found: impl FnOnce(Finding),
    ) -> Result<()> {
        let features = image_key.map(|key| ExampleView::new(payload).find([key, STORED])).transpose()?;
        let single = |i: usize| features.as_ref().and_then(|f| f[i].as_ref()?.single_bytes().ok());
        let (image, stored) = (single(0), single(1).map(<[u8]>::to_ascii_lowercase));
        let known = stored.as_deref().filter(|_| !deep || image.is_none()).and_then(from_hex);
        let hash = known.unwrap_or_else(|| Sha256::digest(image.unwrap_or(payload)).into());
        if let (true, Some(_), Some(stored)) = (deep, image, stored)
            && from_hex(&stored) != Some(hash)
        {
            let detail = format!("{STORED} is not the SHA-256 of the image, which begins with {}", hex(&hash[..8]));
            found(Finding::error(FindingKind::Image, detail));
        }
        let mut half = Hash::default();
        half.copy_from_slice(&hash[..16]);
        self.0.push((half, place));
        Ok(())
    }

    pub(super) fn merge(&mut self, mut other: Contents) {
        self.0.append(&mut other.0);
    }

    /// Brings records that hold the same together.
    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// Once sorted, `most` groups of records that hold the same: those that reach over several sets first, then by the
    /// place of their first record.
    pub(super) fn groups(&self, set_of: &[usize], most: usize) -> Groups {
        let equal = self.0.chunk_by(|a, b| a.0 == b.0).filter(|equal| equal.len() > 1);
        let set = |&(_, (shard, ..)): &(Hash, Place)| set_of[shard];
        let leaks = |equal: &[(Hash, Place)]| equal.iter().any(|held| set(held) != set(&equal[0]));
        let mut all: Vec<(bool, &[(Hash, Place)])> = equal.map(|equal| (leaks(equal), equal)).collect();
        all.sort_unstable_by_key(|(leaks, equal)| (!leaks, equal[0].1));
        let total = all.len() as u64;
        let leaking = all.iter().filter(|(leaks, _)| *leaks).count() as u64;
        let group = |&(leaks, equal): &(bool, &[(Hash, Place)])| Group {
            leaks,
            records: equal.len() as u64,
            places: equal.iter().take(GROUP_LISTED).map(|(_, place)| *place).collect(),
        };
        Groups { total, leaking, listed: all.iter().take(most).map(group).collect() }
    }

    /// Once sorted, a finding for each record that holds what one before it does, and the shard it belongs to. `set_of`
    /// numbers the set of each shard.
    pub(super) fn findings(&self, shards: &[PathBuf], set_of: &[usize]) -> Vec<(usize, Finding)> {
        let mut found = Vec::new();
        for equal in self.0.chunk_by(|a, b| a.0 == b.0) {
            for (i, &(_, (shard, record, offset))) in equal.iter().enumerate().skip(1) {
                let in_set = equal[..i].iter().find(|(_, (other, ..))| set_of[*other] == set_of[shard]);
                let (_, (other, number, _)) = in_set.unwrap_or(&equal[0]);
                let detail = format!("the record holds what record {number} of {} holds", name(&shards[*other]));
                let finding = match in_set {
                    Some(_) => Finding::warning(FindingKind::Duplicate, detail),
                    None => Finding::error(FindingKind::Leakage, detail + ", which is of another set"),
                };
                found.push((shard, finding.at_path(&shards[shard]).at_record(record, offset)));
            }
        }
        found.sort_by_key(|(shard, finding)| (*shard, finding.record));
        found
    }
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let text = std::str::from_utf8(text).ok().filter(|t| t.len() == 64 && t.is_ascii())?;
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::ExampleBuilder;

    fn seen(records: &[(usize, Vec<u8>)], deep: bool) -> Vec<String> {
        let mut contents = Contents::default();
        let mut said = Vec::new();
        for (i, (shard, payload)) in records.iter().enumerate() {
            let mut own = Contents::default();
            let say = |f: Finding| said.push(f.to_string());
            own.see(payload, Some("image/encoded"), deep, (*shard, i as u64, 0), say).unwrap();
            contents.merge(own);
        }
        let shards = ["train-0", "train-1", "test-0"].map(PathBuf::from);
        contents.sort();
        said.extend(contents.findings(&shards, &[0, 0, 1]).into_iter().map(|(_, f)| f.to_string()));
        said
    }

    fn record(image: &[u8], stored: Option<&[u8]>, n: i64) -> Vec<u8> {
        let example = ExampleBuilder::new().bytes("image/encoded", image).int64("n", n);
        match stored {
            Some(of) => example.text(STORED, hex(&Sha256::digest(of))).encode(),
            None => example.encode(),
        }
    }

    #[test]
    fn equal_images_are_duplicates_in_a_set_and_leakage_across_sets() {
        for stored in [None, Some(&b"cat"[..])] {
            let dog = record(b"dog", Some(b"dog"), 9);
            let all = [
                (1, record(b"cat", stored, 1)),
                (0, dog),
                (2, record(b"cat", stored, 2)),
                (0, record(b"cat", stored, 3)),
            ];
            assert_eq!(
                seen(&all, false),
                [
                    "warning duplicate: train-1, record 0, offset 0: the record holds what record 3 of train-0 holds",
                    "error leakage: test-0, record 2, offset 0: the record holds what record 3 of train-0 holds, which \
                     is of another set",
                ]
            );
        }
    }

    #[test]
    fn groups_across_sets_come_first() {
        let mut contents = Contents::default();
        let held = [(0, "a"), (0, "b"), (1, "a"), (1, "c"), (2, "b"), (0, "a")];
        for ((shard, what), record) in held.into_iter().zip(0..) {
            let payload = record_of(what);
            contents.see(&payload, None, false, (shard, record, 0), |_| {}).unwrap();
        }
        contents.sort();
        let groups = contents.groups(&[0, 0, 1], 5);
        assert_eq!((groups.total, groups.leaking), (2, 1));
        let listed: Vec<_> = groups.listed.iter().map(|g| (g.leaks, g.records, g.places[0], g.places.len())).collect();
        assert_eq!(listed, [(true, 2, (0, 1, 0), 2), (false, 3, (0, 0, 0), 3)]);
        assert_eq!(contents.groups(&[0, 0, 1], 1).listed.len(), 1);
    }

    fn record_of(what: &str) -> Vec<u8> {
        ExampleBuilder::new().text("t", what).encode()
    }

    #[test]
    fn a_stored_hash_is_believed_unless_it_is_recomputed() {
        let all = [(0, record(b"cat", Some(b"cat"), 1)), (0, record(b"dog", Some(b"cat"), 2))];
        assert_eq!(seen(&all, false).len(), 1);
        let deep = seen(&all, true);
        assert_eq!(deep.len(), 1);
        assert!(deep[0].starts_with("error image: image/key/sha256 is not the SHA-256"), "{deep:?}");
        // Of no image, the whole record counts.
        let plain = |n| ExampleBuilder::new().int64("n", n).encode();
        assert_eq!(seen(&[(0, plain(1)), (0, plain(2)), (0, plain(1))], false).len(), 1);
    }
}
