//! Classes that rows and annotations call by number, by name, or by both.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::{malformed, shortened};
use crate::error::{Error, Result};

/// More class numbers are taken for something else, such as ids.
const MOST_CLASSES: i64 = 1_000_000;

/// A longer name is something else, such as a text.
const LONGEST_NAME: usize = 4096;

/// Label and text.
type Called = (Option<Box<str>>, Option<Box<str>>);

/// The names that occur. Each is kept once, under a key that [`number`](Self::number) replaces by the class.
#[derive(Debug, Default)]
pub(super) struct ClassNames {
    names: Vec<Named>,
    keys: HashMap<Called, u32>,
}

#[derive(Debug)]
struct Named {
    label: Option<Box<str>>,
    text: Option<Box<str>>,
    /// Where it occurs first.
    place: String,
}

/// The classes in the order of their numbers, and the class of each key.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Numbered {
    pub(super) classes: Vec<String>,
    numbers: Vec<u32>,
}

impl Numbered {
    /// The class of a key that [`ClassNames::key`] gave.
    pub(super) fn class(&self, key: u32) -> u32 {
        self.numbers.get(key as usize).copied().unwrap_or_default()
    }
}

impl ClassNames {
    /// The key of a class that is called so, by label or text or both.
    pub(super) fn key(&mut self, label: Option<Box<str>>, text: Option<Box<str>>, place: impl Fn() -> String) -> u32 {
        let next = self.names.len() as u32;
        *self.keys.entry((label, text)).or_insert_with_key(|(label, text)| {
            self.names.push(Named { label: label.clone(), text: text.clone(), place: place() });
            next
        })
    }

    /// Numbers the classes, once all that occur are known: by their labels where those are numbers (less the offset),
    /// else by their names in the order of `given`, else by their names sorted by bytes. `path` is the file or the
    /// directory that the names are of.
    pub(super) fn number(&self, path: &Path, given: Option<Vec<String>>, offset: i64) -> Result<Numbered> {
        let too_long =
            |named: &Named| named.text.iter().chain(&named.label).find(|name| name.len() > LONGEST_NAME).cloned();
        if let Some((named, long)) = self.names.iter().find_map(|named| Some((named, too_long(named)?))) {
            let detail = format!("{}: the class name '{}' is {} bytes long", named.place, shortened(&long), long.len());
            return Err(malformed(path, detail, format!("a class name has at most {LONGEST_NAME} bytes")));
        }
        if let Some(named) =
            self.names.iter().find(|n| n.text.iter().chain(&n.label).any(|t| t.contains(char::is_control)))
        {
            let name = named.text.as_deref().or(named.label.as_deref()).unwrap_or_default();
            let detail = format!("{}: the class name {name:?} holds a control character", named.place);
            return Err(malformed(path, detail, "class names stand one a line in labels.txt: give it another name"));
        }
        let number = |named: &Named| match named.label.as_deref() {
            None => Some(None),
            Some(label) => label.trim().parse().ok().map(Some),
        };
        // One word among numbers is a slip, not a reason to take all numbers for names.
        let is_named = |named: &&Named| number(named).is_none();
        let is_numbered = |named: &&Named| matches!(number(named), Some(Some(_)));
        if let (None, Some(word), Some(numbered)) =
            (&given, self.names.iter().find(is_named), self.names.iter().find(is_numbered))
        {
            let [word_label, number_label] = [word, numbered].map(|n| n.label.as_deref().unwrap_or_default());
            let detail = format!(
                "{}: the label '{word_label}' is a name, but {} has the number {number_label}",
                word.place, numbered.place
            );
            let hint = "labels are class numbers or class names, in all rows and boxes; where names look like numbers, \
                        `--labels FILE` lists them all";
            return Err(malformed(path, detail, hint));
        }
        let numbers: Option<Vec<Option<i64>>> = self.names.iter().map(number).collect();
        match numbers {
            Some(numbers) if numbers.iter().any(Option::is_some) => self.by_number(path, &numbers, given, offset),
            _ => self.by_name(path, given),
        }
    }

    fn by_name(&self, path: &Path, given: Option<Vec<String>>) -> Result<Numbered> {
        let mut names = Vec::new();
        for named in &self.names {
            match (named.label.as_deref(), named.text.as_deref()) {
                (Some(label), Some(text)) if label != text => {
                    let detail = format!("{}: the class is called '{label}' and '{text}'", named.place);
                    return Err(malformed(path, detail, "a label that is no number is a name: leave one of them out"));
                }
                (label, text) => names.push(label.or(text).unwrap_or_default()),
            }
        }
        let classes = given.unwrap_or_else(|| {
            let sorted: BTreeSet<&str> = names.iter().copied().collect();
            sorted.into_iter().map(str::to_owned).collect()
        });
        let numbers: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
        let of = |(name, named): (&str, &Named)| {
            numbers.get(name).copied().ok_or_else(|| not_given(path, &named.place, name))
        };
        let numbers = names.into_iter().zip(&self.names).map(of).collect::<Result<_>>()?;
        Ok(Numbered { classes, numbers })
    }

    fn by_number(
        &self,
        path: &Path,
        labels: &[Option<i64>],
        given: Option<Vec<String>>,
        offset: i64,
    ) -> Result<Numbered> {
        // Number to name and name to number, each with the place that says so.
        let mut names: BTreeMap<i64, Option<(&str, &str)>> = BTreeMap::new();
        let mut numbers: HashMap<&str, (i64, &str)> = HashMap::new();
        for (named, number) in self.names.iter().zip(labels) {
            let Some(number) = *number else { continue };
            let place = named.place.as_str();
            if number < offset || number.saturating_sub(offset) >= MOST_CLASSES {
                let last = offset.saturating_add(MOST_CLASSES - 1);
                let detail = format!("{place}: the label {number} is not one of {offset} to {last}");
                return Err(malformed(path, detail, "the first class has the number that `--label-offset` gives"));
            }
            let known = names.entry(number).or_default();
            let Some(text) = named.text.as_deref() else { continue };
            let one_to_one = "give each class one number and one name";
            match *known {
                Some((name, before)) if name != text => {
                    let detail = format!("{place}: the class {number} is called '{text}', but '{name}' at {before}");
                    return Err(malformed(path, detail, one_to_one));
                }
                _ => *known = Some((text, place)),
            }
            if let Some((other, before)) = numbers.insert(text, (number, place)).filter(|(other, _)| *other != number) {
                let detail = format!("{place}: the class '{text}' has the number {number}, but {other} at {before}");
                return Err(malformed(path, detail, one_to_one));
            }
        }
        let classes = match given {
            Some(classes) => {
                check_given(path, &classes, &names, offset, |number| self.place_of(labels, number))?;
                classes
            }
            None => name_numbers(path, &names, &numbers, offset)?,
        };
        let by_name: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
        let of = |(named, number): (&Named, &Option<i64>)| match (number, named.text.as_deref()) {
            (Some(number), _) => Ok((number - offset) as u32),
            (None, Some(text)) => by_name.get(text).copied().ok_or_else(|| {
                let detail =
                    format!("{}: the class '{text}' has no number, and no other place gives it one", named.place);
                malformed(path, detail, "give the label too")
            }),
            (None, None) => Ok(0),
        };
        let numbers = self.names.iter().zip(labels).map(of).collect::<Result<_>>()?;
        Ok(Numbered { classes, numbers })
    }

    fn place_of(&self, labels: &[Option<i64>], number: i64) -> &str {
        let at = labels.iter().position(|l| *l == Some(number));
        at.and_then(|at| self.names.get(at)).map_or("", |named| &named.place)
    }
}

/// Holds numbers and their names against the names of a labels file.
fn check_given<'a>(
    path: &Path,
    classes: &[String],
    names: &BTreeMap<i64, Option<(&str, &str)>>,
    offset: i64,
    place_of: impl Fn(i64) -> &'a str,
) -> Result<()> {
    for (&number, named) in names {
        let Some(class) = classes.get((number - offset) as usize) else {
            let place = place_of(number);
            return Err(Error::usage_hint(
                format!("{}, {place}: the labels file has no class {number}", path.display()),
                format!("it names {} classes, the first with the number {offset}", classes.len()),
            ));
        };
        if let Some((name, place)) = named
            && name != class
        {
            return Err(Error::usage_hint(
                format!("{}, {place}: the class {number} is '{name}', in the labels file '{class}'", path.display()),
                "give the labels file in the order of the numbers",
            ));
        }
    }
    Ok(())
}

/// The classes up to the largest number; one that nothing names is called by its number.
fn name_numbers(
    path: &Path,
    names: &BTreeMap<i64, Option<(&str, &str)>>,
    numbers: &HashMap<&str, (i64, &str)>,
    offset: i64,
) -> Result<Vec<String>> {
    let last = names.keys().next_back().copied().unwrap_or(offset);
    let name = |number: i64| match names.get(&number) {
        Some(Some((name, _))) => Ok((*name).to_owned()),
        _ => match numbers.get(number.to_string().as_str()) {
            None => Ok(number.to_string()),
            Some((other, place)) => Err(malformed(
                path,
                format!("{place}: the class {other} is called '{number}', and the class {number} has no name"),
                "name all classes, or none",
            )),
        },
    };
    (offset..=last).map(name).collect()
}

fn not_given(path: &Path, place: &str, name: &str) -> Error {
    Error::usage_hint(
        format!("{}, {place}: the class '{}' is not in the labels file", path.display(), shortened(name)),
        "add the name to the file, or take the images of that class out",
    )
}

/// Warnings about names that TFDS does not give back as they are.
pub(super) fn odd_names(classes: &[String]) -> impl Iterator<Item = String> {
    let odd = classes.iter().filter(|name| name.trim() != name.as_str());
    odd.map(|name| format!("class '{name}' begins or ends with a space; TFDS will strip it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(pairs: &[(&str, &str)], given: Option<&[&str]>, offset: i64) -> Result<(Vec<String>, Vec<u32>)> {
        let mut names = ClassNames::default();
        let some = |s: &str| (!s.is_empty()).then(|| s.into());
        let keys: Vec<u32> = (pairs.iter().zip(2..))
            .map(|((label, text), line)| names.key(some(label), some(text), || format!("line {line}")))
            .collect();
        let given = given.map(|names| names.iter().map(|n| n.to_string()).collect());
        let numbered = names.number(Path::new("list.csv"), given, offset)?;
        let classes = keys.into_iter().map(|key| numbered.class(key)).collect();
        Ok((numbered.classes, classes))
    }

    fn refused(pairs: &[(&str, &str)], given: Option<&[&str]>, offset: i64) -> String {
        number(pairs, given, offset).unwrap_err().to_string()
    }

    #[test]
    fn names_are_sorted_or_as_given() {
        let (classes, numbers) = number(&[("dog", ""), ("", "cat"), ("dog", "")], None, 5).unwrap();
        assert_eq!((classes, numbers), (vec!["cat".into(), "dog".into()], vec![1, 0, 1]));
        let (classes, numbers) = number(&[("dog", ""), ("3", "")], Some(&["dog", "x", "3"]), 0).unwrap();
        assert_eq!((classes.len(), numbers), (3, vec![0, 2]));
        assert!(refused(&[("dog", "")], Some(&["cat"]), 0).contains("list.csv, line 2: the class 'dog' is not in"));
        assert!(refused(&[("dog", "cat")], None, 0).contains("'dog' and 'cat'"));
    }

    #[test]
    fn numbers_keep_their_meaning_and_gaps_are_called_by_number() {
        let (classes, numbers) = number(&[("3", "c"), ("1", ""), ("1", "a"), ("", "c")], None, 1).unwrap();
        assert_eq!((classes, numbers), (vec!["a".into(), "2".into(), "c".into()], vec![2, 0, 0, 2]));
        assert_eq!(number(&[("1", "b")], Some(&["a", "b"]), 0).unwrap().1, [1]);
    }

    #[test]
    fn contradictions_name_both_places() {
        let twice = refused(&[("1", "a"), ("1", "b")], None, 0);
        assert!(twice.contains("line 3") && twice.contains("line 2"), "{twice}");
        let twice = refused(&[("1", "a"), ("2", "a")], None, 0);
        assert!(twice.contains("line 3") && twice.contains("line 2"), "{twice}");
        assert!(refused(&[("0", "")], None, 1).contains("the label 0 is not one of 1 to"));
        assert!(refused(&[("9999999", "")], None, 0).contains("not one of"));
        assert!(refused(&[("1", ""), ("", "a")], None, 0).contains("has no number"));
        assert!(refused(&[("1", "2"), ("2", "")], None, 0).contains("has no name"));
        assert!(refused(&[("2", "")], Some(&["a", "b"]), 0).contains("no class 2"));
        assert!(refused(&[("1", "a")], Some(&["a", "b"]), 0).contains("in the labels file 'b'"));
        assert!(refused(&[("", "a\nb")], None, 0).contains("control character"));
    }
}
