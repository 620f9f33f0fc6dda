//! Conditions on the features of an Example.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::sequence::{FeatureListView, SequenceEntry, each_entry};
use super::view::{FeatureView, Kind};
use crate::canonical::float;
use crate::error::{Error, Result};
use crate::near::meant_or_listed;

mod parse;
mod sought;

pub(crate) use sought::Sought;

/// Most features that one condition names, those that `label` and `text` may stand for among them.
const MAX_FEATURES: usize = 32;

/// What short names stand for, in records that have no feature of the very name.
const SHORT: [(&str, &str); 2] = [("label", "image/class/label"), ("text", "image/class/text")];

/// Features that hold the numbers of classes, and those that hold their names beside them.
const CLASSES: [(&str, Option<&str>); 3] = [
    ("label", None),
    ("image/class/label", Some("image/class/text")),
    ("image/object/class/label", Some("image/object/class/text")),
];

/// Bumped when a text means something else than before.
const REVISION: u32 = 2;

/// A condition on the features of an Example or a SequenceExample: `label == 3 && image/height >= 224`.
///
/// | form | true where |
/// |---|---|
/// | `NAME == 3`, `!=`, `<`, `<=`, `>`, `>=` | any value of the feature compares so; false without the feature |
/// | `NAME ^= 'cat/'`, `$=`, `*=` | any text of the feature begins with this, ends with it, holds it |
/// | `NAME in [3, 5]` | any value of the feature is one of these |
/// | `has(NAME)` | the record has the feature, be it without a value |
/// | `len(NAME) > 1` | the feature has so many values, the feature list so many steps; a missing one has 0 |
/// | `! a`, `a && b`, `a \|\| b`, `( a )` | as usual; `!` binds closest, then `&&` |
///
/// Names consist of letters, digits, `_`, `/`, `.` and `:`; others stand in backquotes, a backquote in them doubled. `label`
/// is image/class/label, and `text` is image/class/text, where the record has no feature of the very name. Values are
/// integers, decimals, and text in single or double quotes, in which `\` goes before a quote or another `\`. Text is
/// compared byte by byte; a float feature is compared with the 32-bit float nearest to the value. Conditions are evaluated
/// from left to right, as far as is needed.
///
/// Of a SequenceExample, a name is that of a feature of the context, or else of a feature list, whose values are those of
/// all its steps.
///
/// `label`, `image/class/label` and `image/object/class/label` compare with text too: with the names of the classes
/// ([`with_classes`](Self::with_classes); jobs over shards take those beside the shards), or else with the record's
/// `image/class/text` or `image/object/class/text`.
///
/// [`Display`](fmt::Display) gives the canonical text: blanks, quotes and parentheses in one form. Read again, it is the same
/// condition.
///
/// ```
/// use tfrkit::example::{ExampleBuilder, Filter};
///
/// let filter = Filter::parse("label in [3,5] && !(text == \"cat\")")?;
/// let payload = ExampleBuilder::new().int64("image/class/label", 3).text("image/class/text", "dog").encode();
/// assert!(filter.matches(&payload)?);
/// assert_eq!(filter.to_string(), "label in [3, 5] && !(text == 'cat')");
/// let error = Filter::parse("label = 3").unwrap_err();
/// assert_eq!(error.to_string(), "column 7 of the filter: found '=', expected ==, !=, <, <=, >, >=, ^=, $=, *= or in");
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    condition: Condition,
    /// The features that are looked for.
    names: Vec<String>,
    classes: Option<Arc<ClassNames>>,
}

/// What numbers of classes are called.
#[derive(Debug, PartialEq)]
struct ClassNames {
    /// The number of the first.
    first: i64,
    names: Vec<String>,
    /// What the filter asks for, and is none of these.
    unknown: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    /// Any value of the feature compares so with any of the literals, which are all numbers or all text.
    Any(Feature, Test, Vec<Literal>),
    Has(Feature),
    Len(Feature, Test, i64),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

/// A feature by its place in the filter's names, the one that it stands for, and the one that holds the name of its class.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Feature {
    name: usize,
    long: Option<usize>,
    class: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Of text alone, as are the two that follow.
    Begins,
    Ends,
    Holds,
    /// Equal, in a list.
    In,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Int(i64),
    Float(f64),
    Text(String),
}

/// The features of a record that a filter names.
type Found<'a> = [Option<SequenceEntry<'a>>; MAX_FEATURES];

impl Filter {
    /// Reads a condition.
    ///
    /// # Errors
    /// A usage error with the column (in characters, from 1), what stands there and what may; also for a condition that is
    /// nested deeper than 64, or names more than 32 features.
    pub fn parse(text: &str) -> Result<Self> {
        parse::parse(text)
    }

    /// The same filter, for records whose labels are numbers of these classes, `first` being the number of the first.
    ///
    /// ```
    /// use tfrkit::example::{ExampleBuilder, Filter};
    ///
    /// let filter = Filter::parse("label == 'hat'")?.with_classes(1, vec!["dress".into(), "hat".into()]);
    /// assert!(filter.matches(&ExampleBuilder::new().int64("label", 2).encode())?);
    /// # Ok::<(), tfrkit::Error>(())
    /// ```
    pub fn with_classes(self, first: i64, names: Vec<String>) -> Self {
        let mut unknown = None;
        self.condition.each(&mut |condition| {
            if let Condition::Any(feature, Test::Equal | Test::In, literals) = condition
                && self.is_class(feature)
            {
                let mut texts = literals.iter().filter_map(Literal::text);
                unknown = unknown.take().or_else(|| texts.find(|text| !names.iter().any(|n| n == text)));
            }
        });
        let unknown = unknown.map(str::to_owned);
        Filter { classes: Some(Arc::new(ClassNames { first, names, unknown })), ..self }
    }

    /// Whether the names of classes change what the filter means.
    pub(crate) fn asks_for_classes(&self) -> bool {
        let mut asks = false;
        self.condition.each(&mut |condition| {
            if let Condition::Any(feature, _, literals) = condition {
                asks |= self.is_class(feature) && literals.iter().any(|l| l.text().is_some());
            }
        });
        asks
    }

    fn is_class(&self, feature: &Feature) -> bool {
        [Some(feature.name), feature.long].into_iter().flatten().any(|at| is_class(&self.names[at]))
    }

    /// The filter as a text that is another one where its meaning is: for what is kept of its results.
    pub(crate) fn key(&self) -> String {
        let classes = self.classes.as_ref().filter(|_| self.asks_for_classes());
        let classes = classes.map_or(String::new(), |c| format!("\n{} {}", c.first, c.names.join("\n")));
        format!("{REVISION} {self}{classes}")
    }

    /// Whether the serialised Example or SequenceExample fulfils the condition. Passes over it once, and copies nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) with the feature's name where text is compared with numbers; a usage
    /// error for a class that is none of those given; what is no such message.
    pub fn matches(&self, payload: &[u8]) -> Result<bool> {
        self.matches_seeing(payload, |_, _| {})
    }

    /// As [`matches`](Self::matches); `see` is told of every feature of the record, and its place among the filter's names.
    fn matches_seeing(&self, payload: &[u8], mut see: impl FnMut(&str, Option<usize>)) -> Result<bool> {
        let mut found: Found<'_> = [const { None }; MAX_FEATURES];
        each_entry(payload, |key, entry| {
            let at = self.names.iter().position(|name| name == key);
            if entry != SequenceEntry::Feature(None) {
                see(key, at);
            }
            let Some(slot) = at.map(|at| &mut found[at]) else { return };
            match (&entry, &slot) {
                // A feature of the context comes before a list of its name, wherever they stand.
                (SequenceEntry::List(_), Some(SequenceEntry::Feature(Some(_)))) => {}
                _ => *slot = Some(entry),
            }
        })?;
        self.condition.holds(&Record { found: &found, classes: self.classes.as_deref() })
    }
}

fn is_class(name: &str) -> bool {
    CLASSES.iter().any(|(class, _)| *class == name)
}

/// What a condition is held against.
struct Record<'f, 'a> {
    found: &'f Found<'a>,
    classes: Option<&'f ClassNames>,
}

impl ClassNames {
    fn of(&self, number: i64) -> Option<&str> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.names.get(at).map(String::as_str)
    }
}

impl Condition {
    /// Gives every condition within this one, and itself, to `f`.
    fn each<'c>(&'c self, f: &mut impl FnMut(&'c Condition)) {
        f(self);
        match self {
            Condition::Not(inner) => inner.each(f),
            Condition::And(inner) | Condition::Or(inner) => inner.iter().for_each(|condition| condition.each(f)),
            Condition::Any(..) | Condition::Has(_) | Condition::Len(..) => {}
        }
    }

    fn holds(&self, record: &Record<'_, '_>) -> Result<bool> {
        match self {
            Condition::Any(feature, test, literals) => match feature.of(record) {
                None => Ok(false),
                Some(Values::Feature(found)) => record.any_passes(feature, found, *test, literals),
                Some(Values::List(list)) => {
                    for step in list.steps() {
                        if let Some(step) = step?
                            && record.any_passes(feature, &step, *test, literals)?
                        {
                            return Ok(true);
                        }
                    }
                    Ok(false)
                }
            },
            Condition::Has(feature) => Ok(feature.of(record).is_some()),
            Condition::Len(feature, test, len) => {
                let found = match feature.of(record) {
                    None => 0,
                    Some(Values::Feature(found)) => count(found)?,
                    Some(Values::List(list)) => list.count()? as i64,
                };
                Ok(test.accepts(Some(found.cmp(len))))
            }
            Condition::Not(condition) => condition.holds(record).map(|holds| !holds),
            Condition::And(conditions) => all_are(conditions, true, record),
            Condition::Or(conditions) => all_are(conditions, false, record).map(|none| !none),
        }
    }
}

/// Whether each condition gives `wanted`; what follows one that does not is left alone.
fn all_are(conditions: &[Condition], wanted: bool, record: &Record<'_, '_>) -> Result<bool> {
    for condition in conditions {
        if condition.holds(record)? != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a feature's name stands for in a record.
enum Values<'f, 'a> {
    Feature(&'f FeatureView<'a>),
    List(&'f FeatureListView<'a>),
}

impl Feature {
    fn of<'f, 'a>(&self, record: &Record<'f, 'a>) -> Option<Values<'f, 'a>> {
        record.at(self.name).or_else(|| record.at(self.long?))
    }
}

impl<'f, 'a> Record<'f, 'a> {
    fn at(&self, name: usize) -> Option<Values<'f, 'a>> {
        match self.found[name].as_ref()? {
            SequenceEntry::Feature(feature) => feature.as_ref().map(Values::Feature),
            SequenceEntry::List(list) => Some(Values::List(list)),
        }
    }

    /// Whether any value passes the test with any of the literals.
    fn any_passes(&self, asked: &Feature, feature: &FeatureView<'_>, test: Test, literals: &[Literal]) -> Result<bool> {
        let is_text = matches!(literals.first(), Some(Literal::Text(_)));
        if is_text && feature.kind() == Kind::Int64 && is_class(feature.key()) {
            return self.any_class_passes(asked, feature, test, literals);
        }
        if is_text != (feature.kind() == Kind::Bytes) {
            let (has, with) = if is_text { (feature.kind().name(), "text") } else { ("bytes", "a number") };
            let detail = format!("has {has} values, and the filter compares it with {with}");
            return Err(Error::schema(feature.key(), detail));
        }
        let passes = |order: &dyn Fn(&Literal) -> Option<Ordering>| literals.iter().any(|l| test.accepts(order(l)));
        match feature.kind() {
            Kind::Bytes => is_any(feature.bytes()?, |value| literals.iter().any(|l| l.text_passes(test, value))),
            Kind::Float => is_any(feature.floats()?, |value| passes(&|l| l.of_float(value))),
            Kind::Int64 => is_any(feature.int64s()?, |value| passes(&|l| l.of_int(value))),
        }
    }

    /// The same of numbers of classes, by the classes' names.
    fn any_class_passes(
        &self,
        asked: &Feature,
        labels: &FeatureView<'_>,
        test: Test,
        literals: &[Literal],
    ) -> Result<bool> {
        if let Some(classes) = self.classes {
            if let Some(unknown) = classes.unknown.as_deref()
                && literals.iter().any(|l| l.text() == Some(unknown))
            {
                let hint = meant_or_listed(unknown, "classes", classes.names.iter().map(String::as_str));
                return Err(Error::usage_hint(format!("there is no class '{unknown}'"), hint));
            }
            return is_any(labels.int64s()?, |label| match classes.of(label) {
                Some(name) => literals.iter().any(|l| l.text_passes(test, name.as_bytes())),
                None => test == Test::NotEqual,
            });
        }
        match asked.class.and_then(|class| self.at(class)) {
            Some(Values::Feature(names)) if names.kind() == Kind::Bytes => {
                is_any(names.bytes()?, |value| literals.iter().any(|l| l.text_passes(test, value)))
            }
            _ => Err(Error::schema(
                labels.key(),
                "has int64 values, the filter compares it with text, and no file beside the shards names the classes \
                 (manifest.json, labels.txt)",
            )),
        }
    }
}

fn is_any<T>(mut values: impl Iterator<Item = Result<T>>, passes: impl Fn(T) -> bool) -> Result<bool> {
    values.find_map(|value| value.map(|v| passes(v).then_some(true)).transpose()).unwrap_or(Ok(false))
}

fn count(feature: &FeatureView<'_>) -> Result<i64> {
    fn of<T>(mut values: impl Iterator<Item = Result<T>>) -> Result<i64> {
        values.try_fold(0, |n, value| value.map(|_| n + 1))
    }
    match feature.kind() {
        Kind::Bytes => of(feature.bytes()?),
        Kind::Float => of(feature.floats()?),
        Kind::Int64 => of(feature.int64s()?),
    }
}

impl Literal {
    fn text(&self) -> Option<&str> {
        if let Literal::Text(text) = self { Some(text) } else { None }
    }

    fn text_passes(&self, test: Test, value: &[u8]) -> bool {
        let Some(text) = self.text().map(str::as_bytes) else { return false };
        match test {
            Test::Begins => value.starts_with(text),
            Test::Ends => value.ends_with(text),
            Test::Holds => text.is_empty() || value.windows(text.len()).any(|part| part == text),
            _ => test.accepts(Some(value.cmp(text))),
        }
    }

    fn of_float(&self, value: f32) -> Option<Ordering> {
        match self {
            Literal::Int(n) => value.partial_cmp(&(*n as f32)),
            Literal::Float(x) => value.partial_cmp(&(*x as f32)),
            Literal::Text(_) => None,
        }
    }

    fn of_int(&self, value: i64) -> Option<Ordering> {
        match self {
            Literal::Int(n) => Some(value.cmp(n)),
            // Not by way of f64, which does not hold all integers.
            Literal::Float(x) if *x >= i64::MAX as f64 => Some(Ordering::Less),
            Literal::Float(x) if *x < i64::MIN as f64 => Some(Ordering::Greater),
            Literal::Float(x) => {
                let fraction = if *x > x.floor() { Ordering::Less } else { Ordering::Equal };
                Some(value.cmp(&(x.floor() as i64)).then(fraction))
            }
            Literal::Text(_) => None,
        }
    }
}

impl Test {
    /// Whether values in this order pass; those without an order (NaN) are unequal.
    fn accepts(self, order: Option<Ordering>) -> bool {
        match self {
            Test::Equal | Test::In => order == Some(Ordering::Equal),
            Test::NotEqual => order != Some(Ordering::Equal),
            Test::Less => order.is_some_and(Ordering::is_lt),
            Test::LessEqual => order.is_some_and(Ordering::is_le),
            Test::Greater => order.is_some_and(Ordering::is_gt),
            Test::GreaterEqual => order.is_some_and(Ordering::is_ge),
            // No order tells: see `text_passes`.
            Test::Begins | Test::Ends | Test::Holds => false,
        }
    }

    fn is_of_text(self) -> bool {
        matches!(self, Test::Begins | Test::Ends | Test::Holds)
    }

    fn symbol(self) -> &'static str {
        match self {
            Test::Equal => "==",
            Test::NotEqual => "!=",
            Test::Less => "<",
            Test::LessEqual => "<=",
            Test::Greater => ">",
            Test::GreaterEqual => ">=",
            Test::Begins => "^=",
            Test::Ends => "$=",
            Test::Holds => "*=",
            Test::In => "in",
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.write(f, &self.names)
    }
}

impl Condition {
    fn write(&self, f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
        let name = |feature: &Feature| Name(&names[feature.name]);
        match self {
            Condition::Any(feature, Test::In, literals) => {
                let list: Vec<String> = literals.iter().map(Literal::to_string).collect();
                write!(f, "{} in [{}]", name(feature), list.join(", "))
            }
            Condition::Any(feature, test, literals) => {
                write!(f, "{} {}", name(feature), test.symbol())?;
                literals.iter().try_for_each(|literal| write!(f, " {literal}"))
            }
            Condition::Has(feature) => write!(f, "has({})", name(feature)),
            Condition::Len(feature, test, len) => write!(f, "len({}) {} {len}", name(feature), test.symbol()),
            Condition::Not(condition) => {
                f.write_str("!")?;
                let closed = matches!(**condition, Condition::Has(_) | Condition::Not(_));
                condition.write_within(f, names, closed)
            }
            Condition::And(conditions) => join(f, names, conditions, " && "),
            Condition::Or(conditions) => join(f, names, conditions, " || "),
        }
    }

    fn write_within(&self, f: &mut fmt::Formatter<'_>, names: &[String], closed: bool) -> fmt::Result {
        if closed {
            return self.write(f, names);
        }
        f.write_str("(")?;
        self.write(f, names)?;
        f.write_str(")")
    }
}

fn join(f: &mut fmt::Formatter<'_>, names: &[String], conditions: &[Condition], between: &str) -> fmt::Result {
    for (i, condition) in conditions.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        condition.write_within(f, names, !matches!(condition, Condition::And(_) | Condition::Or(_)))?;
    }
    Ok(())
}

/// A name as a filter writes it.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match parse::is_bare(self.0) {
            true => f.write_str(self.0),
            false => write!(f, "`{}`", self.0.replace('`', "``")),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Int(n) => write!(f, "{n}"),
            Literal::Float(x) => f.write_str(&float(*x)),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }
}

#[cfg(test)]
mod tests;
