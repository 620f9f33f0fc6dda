//! Records dealt to sets by a hash of their key.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::options::Stratify;
use super::scan::Place;
use crate::dataset::share_ends;
use crate::error::{Error, Result};
use crate::example::{ExampleView, FeatureView, Kind, SequenceExampleView};

/// The features by which records are told apart where none is named, the first that a record has.
const KEYS: [&str; 2] = ["image/key/sha256", "image/filename"];

/// The features that hold the class where none is named, the first that a record has.
const LABELS: [&str; 2] = ["image/class/label", "label"];

/// What a split goes by in one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    /// The hash of its key.
    pub(super) key: u64,
    /// The hash of its class; `None` where it has none, or none is asked for.
    pub(super) class: Option<u64>,
}

/// Where a split finds key and class of a record.
pub(super) struct Keys {
    seed: u64,
    key: Option<String>,
    stratify: Stratify,
}

impl Keys {
    pub(super) fn new(seed: u64, key: Option<&str>, stratify: &Stratify) -> Self {
        Keys { seed, key: key.map(str::to_owned), stratify: stratify.clone() }
    }

    pub(super) fn of(&self, payload: &[u8]) -> Result<Traits> {
        Ok(Traits { key: self.key(payload)?, class: self.class(payload)? })
    }

    fn key(&self, payload: &[u8]) -> Result<u64> {
        if let Some(name) = &self.key {
            let feature = ExampleView::new(payload).feature(name)?;
            let feature = feature.ok_or_else(|| match SequenceExampleView::new(payload).list(name) {
                Ok(Some(_)) => Error::schema(name, "is a feature list, by which records cannot be told apart"),
                _ => Error::schema(name, "is missing, and the split goes by it"),
            })?;
            return Ok(self.hash(&single(&feature)?));
        }
        // Records that are no Examples have no features, but can be split all the same.
        let found = ExampleView::new(payload).find(KEYS).unwrap_or_default();
        Ok(match found.iter().flatten().find_map(|feature| single(feature).ok()) {
            Some(value) => self.hash(&value),
            None => self.hash(&Sha256::digest(payload)),
        })
    }

    fn hash(&self, key: &[u8]) -> u64 {
        first_word(Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(key))
    }

    fn class(&self, payload: &[u8]) -> Result<Option<u64>> {
        let view = ExampleView::new(payload);
        let feature = match &self.stratify {
            Stratify::No => return Ok(None),
            Stratify::Label => view.find(LABELS)?.into_iter().flatten().next(),
            Stratify::By(name) => view.feature(name)?,
        };
        let value = feature.as_ref().map(single).transpose()?;
        Ok(value.map(|value| first_word(Sha256::new().chain_update(value))))
    }
}

/// The first 8 bytes of a hash, the first being the highest.
fn first_word(hash: Sha256) -> u64 {
    hash.finalize().iter().take(8).fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The one value of a feature as bytes: a byte string as it is, an integer as 8 bytes, little-endian.
fn single(feature: &FeatureView<'_>) -> Result<Vec<u8>> {
    match feature.kind() {
        Kind::Bytes => feature.single_bytes().map(<[u8]>::to_vec),
        Kind::Int64 => feature.single_int64().map(|n| n.to_le_bytes().to_vec()),
        Kind::Float => Err(Error::schema(feature.key(), "is a list of float, by which records cannot be told apart")),
    }
}

/// Records with their traits, dealt to the sets of `split`; each set in the order of the records.
pub(super) fn deal(
    records: Vec<(Place, Traits)>,
    split: &[(String, f64)],
    stratify: &Stratify,
    warnings: &mut Vec<String>,
) -> Result<Vec<Vec<Place>>> {
    if *stratify != Stratify::No && !records.is_empty() && records.iter().all(|(_, traits)| traits.class.is_none()) {
        let name = match stratify {
            Stratify::By(name) => name,
            _ => LABELS[0],
        };
        return Err(Error::usage_hint(
            format!("no record has the feature '{name}' to stratify by"),
            "name the feature that holds the class; `tfr info` lists the features",
        ));
    }
    let set_of = match stratify {
        Stratify::No => records.iter().map(|(_, traits)| by_hash(traits.key, split)).collect(),
        _ => by_class(&records, split, warnings),
    };
    let mut sets = vec![Vec::new(); split.len()];
    for ((place, _), set) in records.into_iter().zip(set_of) {
        sets[set].push(place);
    }
    Ok(sets)
}

/// The set whose part of the numbers from 0 to 2^64 a hash falls into.
fn by_hash(hash: u64, split: &[(String, f64)]) -> usize {
    let at = hash as f64 / 2f64.powi(64);
    let mut share = 0.0;
    let ends = split.iter().map(|(_, part)| {
        share += part;
        share
    });
    // The last one takes what rounding leaves.
    ends.take(split.len() - 1).take_while(|end| at >= *end).count()
}

/// For each record its set, each class being shared out by the rank of its records' hashes. Records of one key are dealt
/// together, as of the class of the first.
fn by_class(records: &[(Place, Traits)], split: &[(String, f64)], warnings: &mut Vec<String>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_by_key(|&i| (records[i].1.key, i));
    let mut classes: BTreeMap<Option<u64>, Vec<&[usize]>> = BTreeMap::new();
    for group in order.chunk_by(|&a, &b| records[a].1.key == records[b].1.key) {
        classes.entry(records[group[0]].1.class).or_default().push(group);
    }
    let mut set_of = vec![0; records.len()];
    let mut has_shared_keys = false;
    for groups in classes.values() {
        let ends = share_ends(split, groups.iter().map(|group| group.len()).sum());
        let mut rank = 0;
        for group in groups {
            let set = ends.iter().take_while(|end| rank >= **end).count().min(split.len() - 1);
            group.iter().for_each(|&i| set_of[i] = set);
            has_shared_keys |= group.len() > 1;
            rank += group.len();
        }
    }
    if classes.contains_key(&None) {
        let n = records.iter().filter(|(_, traits)| traits.class.is_none()).count();
        warnings.push(format!("{n} records have no class to stratify by: they are dealt as one class of their own"));
    }
    if has_shared_keys {
        let text = "records of equal key stay in one set: classes may be off their shares by more than one record";
        warnings.push(text.into());
    }
    set_of
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::parse_split;
    use crate::example::{ExampleBuilder, SequenceExampleBuilder};

    fn keys(key: Option<&str>) -> Keys {
        Keys::new(7, key, &Stratify::Label)
    }

    #[test]
    fn the_hash_is_that_of_the_documentation() {
        let payload = ExampleBuilder::new().text("id", "a").encode();
        let key = keys(Some("id")).of(&payload).unwrap().key;
        let hash = Sha256::digest([&7u64.to_le_bytes()[..], b"a"].concat());
        assert_eq!(key, u64::from_be_bytes(hash[..8].try_into().unwrap()));
        // A number that no version of this program may change.
        assert_eq!(key, 0xb88b_c082_04d4_7730);
    }

    #[test]
    fn the_first_key_there_is_counts_and_else_the_payload() {
        let with = |builder: ExampleBuilder<'_>| keys(None).of(&builder.encode()).unwrap().key;
        let name = with(ExampleBuilder::new().text("image/filename", "n"));
        assert_eq!(name, with(ExampleBuilder::new().text("image/filename", "n").int64("label", 3)));
        let both = with(ExampleBuilder::new().text("image/filename", "n").text("image/key/sha256", "s"));
        assert_eq!(both, with(ExampleBuilder::new().text("image/key/sha256", "s")));
        assert_ne!(both, name);
        assert_ne!(keys(None).key(b"no protobuf").unwrap(), keys(None).key(b"no protobuf!").unwrap());
    }

    #[test]
    fn a_class_is_any_single_value_and_a_key_must_be_there() {
        let of = |builder: ExampleBuilder<'_>| keys(None).of(&builder.encode());
        let class = of(ExampleBuilder::new().int64("label", 3)).unwrap().class;
        assert_eq!(class, of(ExampleBuilder::new().int64("image/class/label", 3)).unwrap().class);
        assert_eq!(of(ExampleBuilder::new()).unwrap().class, None);
        assert!(of(ExampleBuilder::new().int64s("label", [1, 2])).is_err());
        let payload = ExampleBuilder::new().float("f", 1.0).encode();
        for name in ["f", "g"] {
            assert_eq!(keys(Some(name)).of(&payload).unwrap_err().kind_name(), "schema");
        }
        let list = SequenceExampleBuilder::new().int64_steps("f", [[1]]).encode();
        let error = keys(Some("f")).of(&list).unwrap_err().to_string();
        assert!(error.contains("'f' is a feature list"), "{error}");
    }

    #[test]
    fn hashes_fall_into_sets_by_their_shares() {
        let split = parse_split("a=0.5,b=0.25,c=0.25").unwrap();
        for (hash, set) in [(0, 0), (1 << 62, 0), (1 << 63, 1), (3 << 62, 2), (u64::MAX, 2)] {
            assert_eq!(by_hash(hash, &split), set, "{hash:x}");
        }
        assert_eq!(by_hash(u64::MAX, &parse_split("a=1").unwrap()), 0);
    }
}
