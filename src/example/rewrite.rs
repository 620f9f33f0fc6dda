//! Serialised Examples with features left out or renamed, all others as they are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::builder::{delimited_len, put_delimiter};
use super::view::{FeatureView, map_entry, message};
use super::wire::Fields;
use crate::error::{Error, Result};

/// Which features of a record stay, and how they are called then.
#[derive(Debug, Default)]
pub(crate) struct Rewrite {
    rules: BTreeMap<String, Rule>,
    /// Whether features without a rule stay.
    others: Others,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Others {
    #[default]
    Stay,
    Go,
}

/// What becomes of the feature of one name.
#[derive(Debug)]
struct Rule {
    /// Its name from now on; `None` where it goes.
    to: Option<String>,
    /// Whether a record had it.
    seen: AtomicBool,
}

/// Serialised features by name.
type Features<'a> = BTreeMap<&'a str, Cow<'a, [u8]>>;

impl Rewrite {
    /// Drops the features `drop`, or all but `keep` where that names any, and renames those left; `None` where there is
    /// nothing to do.
    ///
    /// # Errors
    /// Usage errors: rules that contradict each other.
    pub(crate) fn new(drop: &[String], keep: &[String], rename: &[(String, String)]) -> Result<Option<Self>> {
        if drop.is_empty() && keep.is_empty() && rename.is_empty() {
            return Ok(None);
        }
        if !drop.is_empty() && !keep.is_empty() {
            return Err(Error::usage_hint(
                "features to drop and features to keep are both named",
                "name those to drop, and the others stay; or those to keep, and the others go",
            ));
        }
        let mut rewrite =
            Rewrite { others: if keep.is_empty() { Others::Stay } else { Others::Go }, ..Default::default() };
        for name in drop {
            rewrite.set(name, None);
        }
        for name in keep {
            rewrite.set(name, Some(name));
        }
        for (at, (old, new)) in rename.iter().enumerate() {
            let earlier = &rename[..at];
            if earlier.iter().any(|(o, _)| o == old) {
                return Err(Error::usage(format!("the feature '{old}' is renamed twice")));
            }
            if earlier.iter().any(|(_, n)| n == new) {
                return Err(Error::usage(format!("two features are renamed to '{new}'")));
            }
            if new.is_empty() {
                return Err(Error::usage(format!("the feature '{old}' is renamed to nothing")));
            }
            if !rewrite.stays(old) {
                let hint = "features are dropped by their old names; name the old one to keep";
                return Err(Error::usage_hint(format!("the feature '{old}' is dropped and renamed"), hint));
            }
            rewrite.set(old, Some(new));
        }
        Ok(Some(rewrite))
    }

    fn set(&mut self, name: &str, to: Option<&String>) {
        self.rules.insert(name.to_owned(), Rule { to: to.cloned(), seen: AtomicBool::new(false) });
    }

    fn stays(&self, name: &str) -> bool {
        self.rules.get(name).map_or(self.others == Others::Stay, |rule| rule.to.is_some())
    }

    /// The rules as text: equal text, equal outcome.
    pub(crate) fn text(&self) -> String {
        let rules: Vec<_> = self.rules.iter().map(|(name, rule)| (name, &rule.to)).collect();
        format!("{rules:?} {:?}", self.others)
    }

    /// The names that no record had so far.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|(_, rule)| !rule.seen.load(Ordering::Relaxed)).map(|(name, _)| name.as_str())
    }

    /// Writes the Example `payload` anew into `out`, its features sorted by name and their values as they are. `false`,
    /// and nothing written, where every feature stays under its name.
    ///
    /// # Errors
    /// What is no Example; a feature renamed to one that the record has.
    pub(crate) fn apply(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let (features, others) = read(payload)?;
        let mut kept = Features::new();
        let mut changed = false;
        for (name, feature) in features {
            let to = match self.rules.get(name) {
                Some(rule) => {
                    rule.seen.store(true, Ordering::Relaxed);
                    rule.to.as_deref()
                }
                None => (self.others == Others::Stay).then_some(name),
            };
            changed |= to != Some(name);
            if let Some(to) = to
                && kept.insert(to, feature).is_some()
            {
                return Err(Error::schema(to, "is there already, and another is to get its name"));
            }
        }
        if changed {
            out.clear();
            write(&kept, out);
            out.extend_from_slice(&others);
        }
        Ok(changed)
    }
}

/// The features of an Example, serialised, and what else the message holds. Of a name that comes twice, the last counts.
fn read(payload: &[u8]) -> Result<(Features<'_>, Vec<u8>)> {
    let (mut features, mut others) = (Features::new(), Vec::new());
    let mut example = Fields(payload);
    loop {
        let before = example.0;
        let Some((number, value)) = example.next()? else { return Ok((features, others)) };
        let Some(map) = message(1, number, value)? else {
            others.extend_from_slice(&before[..before.len() - example.0.len()]);
            continue;
        };
        let mut map = Fields(map);
        while let Some((number, value)) = map.next()? {
            let Some(entry) = message(1, number, value)? else { continue };
            let (name, feature) = map_entry(entry)?;
            FeatureView::parse(name, feature.clone())?;
            features.insert(name, feature);
        }
    }
}

fn write(features: &Features<'_>, out: &mut Vec<u8>) {
    let entry_len = |name: &str, feature: &[u8]| delimited_len(name.len()) + delimited_len(feature.len());
    let len = features.iter().map(|(name, feature)| delimited_len(entry_len(name, feature))).sum();
    put_delimiter(out, 1, len);
    for (name, feature) in features {
        put_delimiter(out, 1, entry_len(name, feature));
        put_delimiter(out, 1, name.len());
        out.extend_from_slice(name.as_bytes());
        put_delimiter(out, 2, feature.len());
        out.extend_from_slice(feature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ExampleBuilder, ExampleView};

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn renames(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    fn rewritten(rewrite: &Rewrite, payload: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![9; 3];
        rewrite.apply(payload, &mut out).unwrap().then_some(out)
    }

    fn abc() -> Vec<u8> {
        ExampleBuilder::new().int64s("a", [1, -2]).floats("b", [0.5]).bytes("c", &[7; 300]).encode()
    }

    #[test]
    fn what_stays_has_the_bytes_that_the_builder_gives() {
        let drop = Rewrite::new(&strings(&["b"]), &[], &renames(&[("a", "z")])).unwrap().unwrap();
        let expected = ExampleBuilder::new().int64s("z", [1, -2]).bytes("c", &[7; 300]).encode();
        assert_eq!(rewritten(&drop, &abc()), Some(expected));
        let keep = Rewrite::new(&[], &strings(&["b", "d"]), &[]).unwrap().unwrap();
        assert_eq!(rewritten(&keep, &abc()), Some(ExampleBuilder::new().floats("b", [0.5]).encode()));
        assert_eq!(keep.unseen().collect::<Vec<_>>(), ["d"]);
        let swap = Rewrite::new(&[], &[], &renames(&[("a", "b"), ("b", "a")])).unwrap().unwrap();
        let out = rewritten(&swap, &abc()).unwrap();
        assert_eq!(ExampleView::new(&out).feature("b").unwrap().unwrap().int64s().unwrap().count(), 2);
    }

    #[test]
    fn a_record_without_the_features_named_stays_as_it_is() {
        let drop = Rewrite::new(&strings(&["x"]), &[], &[]).unwrap().unwrap();
        assert_eq!(rewritten(&drop, &abc()), None);
        assert!(Rewrite::new(&[], &[], &[]).unwrap().is_none());
    }

    #[test]
    fn other_fields_of_the_message_stay() {
        // Field 2, as the feature lists of a SequenceExample.
        let payload = [&abc()[..], &[0x12, 2, 0x0a, 0]].concat();
        let drop = Rewrite::new(&strings(&["a", "b", "c"]), &[], &[]).unwrap().unwrap();
        assert_eq!(rewritten(&drop, &payload).unwrap(), [0x0a, 0, 0x12, 2, 0x0a, 0]);
    }

    #[test]
    fn contradictions_and_collisions_are_errors() {
        let (a, b) = (strings(&["a"]), strings(&["b"]));
        assert!(Rewrite::new(&a, &b, &[]).is_err());
        assert!(Rewrite::new(&a, &[], &renames(&[("a", "x")])).is_err());
        assert!(Rewrite::new(&[], &a, &renames(&[("b", "x")])).is_err());
        for bad in [&[("a", "x"), ("a", "y")][..], &[("a", "x"), ("b", "x")], &[("a", "")]] {
            assert_eq!(Rewrite::new(&[], &[], &renames(bad)).unwrap_err().kind_name(), "usage");
        }
        let onto = Rewrite::new(&[], &[], &renames(&[("a", "c")])).unwrap().unwrap();
        let error = onto.apply(&abc(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("'c' is there already"), "{error}");
        assert_eq!(onto.apply(b"no protobuf", &mut Vec::new()).unwrap_err().kind_name(), "proto");
    }
}
