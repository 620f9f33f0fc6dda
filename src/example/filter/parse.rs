//! From text to a condition: one function a rule of the grammar.

use super::{CLASSES, Condition, Feature, Filter, Literal, MAX_FEATURES, SHORT, Test};
use crate::error::{Error, Result};

/// Deeper nesting than this is an attack on the stack, not a condition.
const MAX_DEPTH: usize = 64;

/// A symbol that begins like another stands before it.
const TESTS: [Test; 9] = [
    Test::Equal,
    Test::NotEqual,
    Test::LessEqual,
    Test::GreaterEqual,
    Test::Less,
    Test::Greater,
    Test::Begins,
    Test::Ends,
    Test::Holds,
];

pub(super) fn parse(text: &str) -> Result<Filter> {
    let mut parser = Parser { text, at: 0, depth: 0, names: Vec::new() };
    let condition = parser.either()?;
    match parser.rest().is_empty() {
        true => Ok(Filter { condition, names: parser.names, classes: None }),
        false => Err(parser.expected("&&, || or the end")),
    }
}

/// Whether a name needs no backquotes.
pub(super) fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_name_char) && !matches!(name, "has" | "len")
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | ':')
}

struct Parser<'a> {
    text: &'a str,
    /// The byte of the text where reading goes on.
    at: usize,
    depth: usize,
    names: Vec<String>,
}

impl<'a> Parser<'a> {
    /// What is left, blanks passed over.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    /// Takes `token` if it comes next.
    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn require(&mut self, token: &str) -> Result<()> {
        if self.take(token) { Ok(()) } else { Err(self.expected(token)) }
    }

    /// The longest piece of such characters that comes next; may be empty.
    fn take_while(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let piece = &rest[..rest.find(|c| !of(c)).unwrap_or(rest.len())];
        self.at += piece.len();
        piece
    }

    fn error(&self, at: usize, what: impl std::fmt::Display) -> Error {
        let column = self.text[..at].chars().count() + 1;
        Error::usage(format!("column {column} of the filter: {what}"))
    }

    fn expected(&mut self, what: &str) -> Error {
        let rest = self.rest();
        let word = rest.find(|c| !is_name_char(c)).unwrap_or(rest.len());
        let found = match rest.chars().next() {
            None => "the end".to_owned(),
            Some(c) if word == 0 => format!("'{c}'"),
            // A hostile text is not repeated at length.
            Some(_) => format!("'{}'", rest[..word].chars().take(40).collect::<String>()),
        };
        self.error(self.at, format!("found {found}, expected {what}"))
    }

    fn either(&mut self) -> Result<Condition> {
        let mut conditions = vec![self.all()?];
        while self.take("||") {
            conditions.push(self.all()?);
        }
        Ok(joined(conditions, Condition::Or, |c| match c {
            Condition::Or(inner) => Ok(inner),
            c => Err(c),
        }))
    }

    fn all(&mut self) -> Result<Condition> {
        let mut conditions = vec![self.one()?];
        while self.take("&&") {
            conditions.push(self.one()?);
        }
        Ok(joined(conditions, Condition::And, |c| match c {
            Condition::And(inner) => Ok(inner),
            c => Err(c),
        }))
    }

    fn one(&mut self) -> Result<Condition> {
        self.rest();
        if self.depth == MAX_DEPTH {
            return Err(self.error(self.at, format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let condition = if self.take("!") {
            Condition::Not(Box::new(self.one()?))
        } else if self.take("(") {
            let condition = self.either()?;
            self.require(")")?;
            condition
        } else {
            self.simple()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn simple(&mut self) -> Result<Condition> {
        let start = self.at;
        let word = self.take_while(is_name_char);
        if matches!(word, "has" | "len") && self.take("(") {
            let feature = self.feature("a feature's name")?;
            self.require(")")?;
            if word == "has" {
                return Ok(Condition::Has(feature));
            }
            let orders = "==, !=, <, <=, > or >=";
            let at = self.at;
            let test = self.test(orders)?;
            if test.is_of_text() {
                self.at = at;
                return Err(self.expected(orders));
            }
            self.rest();
            let at = self.at;
            return match self.literal("a number of values")? {
                Literal::Int(len) => Ok(Condition::Len(feature, test, len)),
                _ => Err(self.error(at, "a length is compared with an integer")),
            };
        }
        self.at = start;
        let feature = self.feature("a feature's name, has(, len(, ! or (")?;
        let at = self.at;
        if self.take_while(is_name_char) == "in" {
            return Ok(Condition::Any(feature, Test::In, self.list()?));
        }
        self.at = at;
        let test = self.test("==, !=, <, <=, >, >=, ^=, $=, *= or in")?;
        self.rest();
        let at = self.at;
        let literal = self.literal(if test.is_of_text() { "text in quotes" } else { LITERAL })?;
        if test.is_of_text() && literal.text().is_none() {
            return Err(self.error(at, format!("{} compares text, which stands in quotes", test.symbol())));
        }
        Ok(Condition::Any(feature, test, vec![literal]))
    }

    fn test(&mut self, expected: &str) -> Result<Test> {
        TESTS.into_iter().find(|test| self.take(test.symbol())).ok_or_else(|| self.expected(expected))
    }

    fn list(&mut self) -> Result<Vec<Literal>> {
        self.require("[")?;
        let mut literals: Vec<Literal> = Vec::new();
        loop {
            self.rest();
            let at = self.at;
            let literal = self.literal(LITERAL)?;
            let is_text = |literal: &Literal| matches!(literal, Literal::Text(_));
            if literals.first().is_some_and(|first| is_text(first) != is_text(&literal)) {
                return Err(self.error(at, "text and numbers in one list"));
            }
            literals.push(literal);
            if self.take("]") {
                return Ok(literals);
            }
            if !self.take(",") {
                return Err(self.expected(", or ]"));
            }
        }
    }

    fn feature(&mut self, expected: &str) -> Result<Feature> {
        self.rest();
        let start = self.at;
        let name = match self.take("`") {
            true => self.quoted('`', start)?,
            false => self.take_while(is_name_char).to_owned(),
        };
        if name.is_empty() && self.at == start {
            return Err(self.expected(expected));
        }
        let long = SHORT.iter().find(|(short, _)| *short == name).map(|(_, long)| *long);
        let class = CLASSES.iter().find(|(class, _)| *class == long.unwrap_or(&name)).and_then(|(_, class)| *class);
        let feature = Feature {
            name: self.number(&name),
            long: long.map(|long| self.number(long)),
            class: class.map(|class| self.number(class)),
        };
        match self.names.len() > MAX_FEATURES {
            true => Err(self.error(start, format!("more than {MAX_FEATURES} features"))),
            false => Ok(feature),
        }
    }

    /// The number of a name among those of the filter.
    fn number(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    fn literal(&mut self, expected: &str) -> Result<Literal> {
        self.rest();
        let start = self.at;
        if let Some(quote) = ['\'', '"'].into_iter().find(|quote| self.take(quote.encode_utf8(&mut [0; 4]))) {
            return self.quoted(quote, start).map(Literal::Text);
        }
        // A sign stands in front, or behind the e of a power of ten.
        let rest = self.rest();
        let belongs = |(i, c): (usize, char)| match c {
            '+' | '-' => i == 0 || rest[..i].ends_with(['e', 'E']),
            c => c.is_ascii_alphanumeric() || c == '.',
        };
        let end = rest.char_indices().find(|at| !belongs(*at)).map_or(rest.len(), |(i, _)| i);
        let number = &rest[..end];
        if !number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
            return Err(self.expected(expected));
        }
        let is_decimal = number.contains(['.', 'e', 'E']);
        let literal = match is_decimal {
            true => number.parse().ok().filter(|x: &f64| x.is_finite()).map(Literal::Float),
            false => number.parse().ok().map(Literal::Int),
        };
        self.at += end;
        let what = if is_decimal { "decimal that a float holds" } else { "64-bit integer" };
        literal
            .ok_or_else(|| self.error(start, format!("'{}' is no {what}", number.chars().take(40).collect::<String>())))
    }

    /// The text up to the closing quote; the opening one, at `start`, has been taken.
    fn quoted(&mut self, quote: char, start: usize) -> Result<String> {
        let mut text = String::new();
        let mut chars = self.text[self.at..].char_indices().peekable();
        while let Some((i, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            match c {
                '`' if quote == '`' && next == Some('`') => text.extend(chars.next().map(|(_, c)| c)),
                '\\' if quote != '`' => match next {
                    Some('\\' | '\'' | '"') => text.extend(chars.next().map(|(_, c)| c)),
                    _ => return Err(self.error(self.at + i, r"a \ that stands before no quote and no other \")),
                },
                c if c == quote => {
                    self.at += i + c.len_utf8();
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(self.error(start, format!("a {quote} that is not closed")))
    }
}

const LITERAL: &str = "a number or text in quotes";

/// One condition of several, those of the same kind among them taken apart.
fn joined(
    conditions: Vec<Condition>,
    join: impl Fn(Vec<Condition>) -> Condition,
    part: impl Fn(Condition) -> std::result::Result<Vec<Condition>, Condition>,
) -> Condition {
    let parts = conditions.into_iter().flat_map(|condition| part(condition).unwrap_or_else(|whole| vec![whole]));
    let mut parts: Vec<Condition> = parts.collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}
