//! Conditions on the features of an Example.

use std::cmp::Ordering;
use std::fmt;

use super::view::{ExampleView, FeatureView, Kind};
use crate::error::{Error, Result};

mod parse;

/// Most features that one condition names, those that `label` and `text` may stand for among them.
const MAX_FEATURES: usize = 32;

/// What short names stand for, in records that have no feature of the very name.
const SHORT: [(&str, &str); 2] = [("label", "image/class/label"), ("text", "image/class/text")];

/// A condition on the features of an Example: `label == 3 && image/height >= 224`.
///
/// | form | true where |
/// |---|---|
/// | `NAME == 3`, `!=`, `<`, `<=`, `>`, `>=` | any value of the feature compares so; false without the feature |
/// | `NAME in [3, 5]` | any value of the feature is one of these |
/// | `has(NAME)` | the record has the feature, be it without a value |
/// | `len(NAME) > 1` | the feature has so many values; a missing one has 0 |
/// | `! a`, `a && b`, `a \|\| b`, `( a )` | as usual; `!` binds closest, then `&&` |
///
/// Names consist of letters, digits, `_`, `/`, `.` and `:`; others stand in backquotes, a backquote in them doubled. `label`
/// is image/class/label, and `text` is image/class/text, where the record has no feature of the very name. Values are
/// integers, decimals, and text in single or double quotes, in which `\` goes before a quote or another `\`. Text is
/// compared byte by byte; a float feature is compared with the 32-bit float nearest to the value. Conditions are evaluated
/// from left to right, as far as is needed.
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
/// assert_eq!(error.to_string(), "column 7 of the filter: found '=', expected ==, !=, <, <=, >, >= or in");
/// # Ok::<(), tfrkit::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    condition: Condition,
    /// The features that are looked for.
    names: Vec<String>,
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

/// A feature by its place in the filter's names, and the one that it stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Feature {
    name: usize,
    long: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
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
type Found<'a> = [Option<FeatureView<'a>>; MAX_FEATURES];

impl Filter {
    /// Reads a condition.
    ///
    /// # Errors
    /// A usage error with the column (in characters, from 1), what stands there and what may; also for a condition that is
    /// nested deeper than 64, or names more than 32 features.
    pub fn parse(text: &str) -> Result<Self> {
        parse::parse(text)
    }

    /// Whether the serialised Example fulfils the condition. Passes over it once, and copies nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`](crate::ErrorKind::Schema) with the feature's name where text is compared with numbers; what is
    /// no Example.
    pub fn matches(&self, payload: &[u8]) -> Result<bool> {
        let mut found: Found<'_> = [const { None }; MAX_FEATURES];
        ExampleView::new(payload).for_each(|key, feature| {
            if let Some(at) = self.names.iter().position(|name| name == key) {
                found[at] = feature;
            }
        })?;
        self.condition.holds(&found)
    }
}

impl Condition {
    fn holds(&self, found: &Found<'_>) -> Result<bool> {
        match self {
            Condition::Any(feature, test, literals) => {
                feature.of(found).map_or(Ok(false), |feature| any_passes(feature, *test, literals))
            }
            Condition::Has(feature) => Ok(feature.of(found).is_some()),
            Condition::Len(feature, test, len) => {
                let found = feature.of(found).map_or(Ok(0), count)?;
                Ok(test.accepts(Some(found.cmp(len))))
            }
            Condition::Not(condition) => condition.holds(found).map(|holds| !holds),
            Condition::And(conditions) => all_are(conditions, true, found),
            Condition::Or(conditions) => all_are(conditions, false, found).map(|none| !none),
        }
    }
}

/// Whether each condition gives `wanted`; what follows one that does not is left alone.
fn all_are(conditions: &[Condition], wanted: bool, found: &Found<'_>) -> Result<bool> {
    for condition in conditions {
        if condition.holds(found)? != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Feature {
    fn of<'f, 'a>(&self, found: &'f Found<'a>) -> Option<&'f FeatureView<'a>> {
        found[self.name].as_ref().or_else(|| found[self.long?].as_ref())
    }
}

/// Whether any value passes the test with any of the literals.
fn any_passes(feature: &FeatureView<'_>, test: Test, literals: &[Literal]) -> Result<bool> {
    let is_text = matches!(literals.first(), Some(Literal::Text(_)));
    if is_text != (feature.kind() == Kind::Bytes) {
        let (has, with) = if is_text { (feature.kind().name(), "text") } else { ("bytes", "a number") };
        return Err(Error::schema(feature.key(), format!("has {has} values, and the filter compares it with {with}")));
    }
    let passes = |order: &dyn Fn(&Literal) -> Option<Ordering>| literals.iter().any(|l| test.accepts(order(l)));
    match feature.kind() {
        Kind::Bytes => is_any(feature.bytes()?, |value| passes(&|l| l.of_bytes(value))),
        Kind::Float => is_any(feature.floats()?, |value| passes(&|l| l.of_float(value))),
        Kind::Int64 => is_any(feature.int64s()?, |value| passes(&|l| l.of_int(value))),
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
    fn of_bytes(&self, value: &[u8]) -> Option<Ordering> {
        let Literal::Text(text) = self else { return None };
        Some(value.cmp(text.as_bytes()))
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
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Test::Equal => "==",
            Test::NotEqual => "!=",
            Test::Less => "<",
            Test::LessEqual => "<=",
            Test::Greater => ">",
            Test::GreaterEqual => ">=",
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
            Literal::Float(x) => write!(f, "{x:?}"),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }
}

#[cfg(test)]
mod tests;
