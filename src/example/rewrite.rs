//! Serialised Examples and SequenceExamples with features left out or renamed, all others as they are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::builder::{delimited_len, put_delimiter};
use super::proto;
use super::sequence::each_list;
use super::view::{FeatureView, map_entry, message};
use super::wire::{Fields, Value};
use crate::canonical::{list, optional, quoted};
use crate::error::{Error, Result};

/// Which features of a record stay, and how they are called then. A name is that of a feature and of a feature list alike.
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

/// Serialised features, or feature lists, by name.
type Entries<'a> = BTreeMap<&'a str, Cow<'a, [u8]>>;

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

    /// The rules as text: equal text, equal outcome. The number is that of what rules mean.
    pub(crate) fn text(&self) -> String {
        let rule =
            |(name, rule): (&String, &Rule)| format!("{} = {}", quoted(name), optional(rule.to.as_deref(), quoted));
        let others = match self.others {
            Others::Stay => "stay",
            Others::Go => "go",
        };
        format!("2 {}, others {others}", list(&self.rules, rule))
    }

    /// The names that no record had so far.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|(_, rule)| !rule.seen.load(Ordering::Relaxed)).map(|(name, _)| name.as_str())
    }

    /// Writes the message `payload` again into `out`, its features and feature lists sorted by name and their values as
    /// they are. `false`, and nothing written, where everything stays under its name.
    ///
    /// What is neither features nor feature lists stays too, unless features were named to be kept.
    ///
    /// # Errors
    /// What is no message of the two; a feature renamed to one that the record has.
    pub(crate) fn apply(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let Parts { features, lists, mut others } = Parts::read(payload)?;
        let mut changed = self.others == Others::Go && !others.is_empty();
        if changed {
            others.clear();
        }
        let features = self.rename(features, &mut changed)?;
        let lists = lists.map(|lists| self.rename(lists, &mut changed)).transpose()?;
        if changed {
            out.clear();
            write(1, &features, out);
            if let Some(lists) = lists {
                write(2, &lists, out);
            }
            out.extend_from_slice(&others);
        }
        Ok(changed)
    }

    fn rename<'a>(&'a self, entries: Entries<'a>, changed: &mut bool) -> Result<Entries<'a>> {
        let mut kept = Entries::new();
        for (name, value) in entries {
            let to = match self.rules.get(name) {
                Some(rule) => {
                    rule.seen.store(true, Ordering::Relaxed);
                    rule.to.as_deref()
                }
                None => (self.others == Others::Stay).then_some(name),
            };
            *changed |= to != Some(name);
            if let Some(to) = to
                && kept.insert(to, value).is_some()
            {
                return Err(Error::schema(to, "is there already, and another is to get its name"));
            }
        }
        Ok(kept)
    }
}

/// What a message holds. Of a name that comes twice, the last counts.
#[derive(Default)]
struct Parts<'a> {
    features: Entries<'a>,
    /// `None` where the message has no field for them, as an Example.
    lists: Option<Entries<'a>>,
    /// Other fields, as they are.
    others: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn read(payload: &'a [u8]) -> Result<Self> {
        let mut parts = Parts::default();
        let mut fields = Fields(payload);
        loop {
            let before = fields.0;
            let Some((number, value)) = fields.next()? else { return Ok(parts) };
            if let Some(features) = message(1, number, value)? {
                parts.read_features(features)?;
            } else if let (2, Value::Bytes(lists)) = (number, value) {
                parts.read_lists(lists)?;
            } else {
                parts.others.extend_from_slice(&before[..before.len() - fields.0.len()]);
            }
        }
    }

    fn read_features(&mut self, features: &'a [u8]) -> Result<()> {
        let mut features = Fields(features);
        while let Some((number, value)) = features.next()? {
            let Some(entry) = message(1, number, value)? else { continue };
            let (name, feature) = map_entry::<proto::Feature>(entry)?;
            FeatureView::parse(name, feature.clone())?;
            self.features.insert(name, feature);
        }
        Ok(())
    }

    fn read_lists(&mut self, lists: &'a [u8]) -> Result<()> {
        let known = self.lists.get_or_insert_default();
        let mut read = Ok(());
        each_list(lists, |list| {
            // A list that cannot be read is not copied on in silence.
            if let Err(e) = list.steps().try_for_each(|step| step.map(drop)) {
                read = Err(e);
            }
            known.insert(list.key(), list.list);
        })?;
        read
    }
}

/// Writes a map of messages as the field `number`.
fn write(number: u8, entries: &Entries<'_>, out: &mut Vec<u8>) {
    let entry_len = |name: &str, value: &[u8]| delimited_len(name.len()) + delimited_len(value.len());
    let len = entries.iter().map(|(name, value)| delimited_len(entry_len(name, value))).sum();
    put_delimiter(out, number, len);
    for (name, value) in entries {
        put_delimiter(out, 1, entry_len(name, value));
        put_delimiter(out, 1, name.len());
        out.extend_from_slice(name.as_bytes());
        put_delimiter(out, 2, value.len());
        out.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{ExampleBuilder, ExampleView, SequenceExampleBuilder};

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

    /// Resumed runs go by it.
    #[test]
    fn the_rules_are_a_text_that_stays() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let rename = [("a".to_owned(), "b".to_owned())];
        let text =
            |drop: &[&str], keep: &[&str]| Rewrite::new(&names(drop), &names(keep), &rename).unwrap().unwrap().text();
        assert_eq!(text(&["x\"y"], &[]), r#"2 ["a" = "b", "x\"y" = none], others stay"#);
        assert_eq!(text(&[], &["a", "k"]), r#"2 ["a" = "b", "k" = "k"], others go"#);
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

    fn sequence(context: ExampleBuilder<'_>, lists: &[(&str, i64)]) -> Vec<u8> {
        let sequence = SequenceExampleBuilder::new().context(context);
        lists.iter().fold(sequence, |sequence, &(name, n)| sequence.int64_steps(name, [[n], [n]])).encode()
    }

    #[test]
    fn feature_lists_go_and_stay_as_features_do() {
        let payload = sequence(ExampleBuilder::new().int64("id", 1).int64("b", 2), &[("audio", 3), ("b", 4)]);
        let id = || ExampleBuilder::new().int64("id", 1);
        let rewrite = |drop: &[&str], keep: &[&str], rename: &[(&str, &str)]| {
            let rewrite = Rewrite::new(&strings(drop), &strings(keep), &renames(rename)).unwrap().unwrap();
            rewritten(&rewrite, &payload)
        };
        assert_eq!(rewrite(&[], &["id"], &[]).unwrap(), sequence(id(), &[]));
        assert_eq!(rewrite(&["b"], &[], &[]).unwrap(), sequence(id(), &[("audio", 3)]));
        assert_eq!(rewrite(&[], &["audio"], &[]).unwrap(), sequence(ExampleBuilder::new(), &[("audio", 3)]));
        let z = sequence(id().int64("z", 2), &[("audio", 3), ("z", 4)]);
        assert_eq!(rewrite(&[], &[], &[("b", "z")]).unwrap(), z);
        assert_eq!(rewrite(&["none"], &[], &[]), None);
        let onto = Rewrite::new(&[], &[], &renames(&[("audio", "b")])).unwrap().unwrap();
        assert_eq!(onto.apply(&payload, &mut Vec::new()).unwrap_err().kind_name(), "schema");
        // What stands in the place of feature lists and is none is not passed on unseen.
        for bad in [&[0x12, 1, 0xff][..], &[0x12, 6, 0x0a, 4, 0x12, 2, 0x08, 0x80]] {
            assert!(onto.apply(&[&abc()[..], bad].concat(), &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn other_fields_of_the_message_stay_unless_features_are_kept() {
        let other = [0x1a, 2, b'n', b'o'];
        let payload = [&abc()[..], &other].concat();
        let drop = Rewrite::new(&strings(&["a", "b", "c"]), &[], &[]).unwrap().unwrap();
        assert_eq!(rewritten(&drop, &payload).unwrap(), [&[0x0a, 0][..], &other].concat());
        let keep = Rewrite::new(&[], &strings(&["a", "b", "c"]), &[]).unwrap().unwrap();
        assert_eq!(rewritten(&keep, &payload).unwrap(), abc());
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
