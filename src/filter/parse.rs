//! Parses a filter's text into a tree, by recursive descent: one function for each line of the
//! grammar.
//!
//! 1. Text that is too long is rejected at once.
//! 2. [`Parser::or`], [`Parser::and`] and [`Parser::not`] follow the grammar. Each `not` and `(` is
//!    a level of recursion, and there are at most [`MAX_DEPTH`] levels.
//! 3. [`Parser::comparison`] reads a name. The next token decides whether it is a field or a word.
//! 4. A comparison is prepared at once, so that an invalid priority, time or pattern is reported
//!    with its position.
//! 5. A filter that would be too long when printed is rejected, so that every printed filter
//!    parses.
//!
//! Each part of the text is read at most a fixed number of times.

use super::error::{SyntaxError, nearest};
use super::pattern::Room;
use super::test::{Test, Unfit};
use super::tree::{Comparison, Kind, Term};
use super::words::{Field, Operator, Own, Takes};
use super::{MAX_COMPARISONS, MAX_DEPTH, MAX_REGEXES, MAX_TEXT, MAX_VALUES, MAX_WILDCARDS, path};

type Result<T> = std::result::Result<T, SyntaxError>;

/// Words that are not bare text.
pub(super) const KEYWORDS: [&str; 3] = ["and", "or", "not"];

/// What may follow a term outside parentheses.
const FOLLOWS: &str = "`and`, `or` or the end";

/// Parses a filter.
///
/// # Errors
/// The first error in the text.
pub(super) fn filter(text: &str) -> Result<Term> {
    within_bound(text, text.len(), "bytes")?;
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        comparisons: 0,
        values: 0,
        regexes: 0,
        wildcards: 0,
        room: Room::default(),
    };
    let root = parser.or()?;
    if !parser.rest().is_empty() {
        return Err(parser.unexpected(FOLLOWS));
    }
    within_bound(text, root.to_string().len(), "bytes when printed")?;
    Ok(root)
}

fn within_bound(text: &str, length: usize, unit: &str) -> Result<()> {
    if length <= MAX_TEXT {
        return Ok(());
    }
    let error = SyntaxError::new(text, text.floor_char_boundary(MAX_TEXT), "", "");
    let (expected, found) = (format!("at most {MAX_TEXT} {unit}"), length.to_string());
    Err(SyntaxError { found, expected, ..error })
}

/// The side of an operator. Bare text ends at more characters on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Side {
    /// Returns the bare text at the beginning of `text`.
    pub(super) fn bare(self, text: &str) -> &str {
        let ends = |(at, c): &(usize, char)| match c {
            '(' | ')' | ',' | '=' | '"' | '\'' => true,
            '<' | '>' => self == Self::Left,
            '!' => self == Self::Left && text.as_bytes().get(at + 1) == Some(&b'='),
            c => c.is_whitespace() || c.is_control(),
        };
        let end = text.char_indices().find(ends).map_or(text.len(), |(at, _)| at);
        text.get(..end).unwrap_or_default()
    }
}

/// Bare or quoted text, and its position.
struct Word {
    at: usize,
    text: String,
    quoted: bool,
}

/// Looks a name up among an alert's own fields. Returns the field, or as an error the field that
/// the name is close to.
pub(super) fn own_or_slip(name: &str) -> Option<std::result::Result<Own, &'static str>> {
    if let Some(own) = Own::ALL.iter().find(|own| own.name() == name) {
        return Some(Ok(*own));
    }
    if name.contains(['.', '[']) { None } else { nearest(name, Own::names()).map(Err) }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    comparisons: usize,
    values: usize,
    regexes: usize,
    wildcards: usize,
    room: Room,
}

impl<'t> Parser<'t> {
    fn or(&mut self) -> Result<Term> {
        let mut terms = vec![self.and()?];
        while self.keyword("or") {
            terms.push(self.and()?);
        }
        Ok(join(terms, Kind::Or))
    }

    fn and(&mut self) -> Result<Term> {
        let mut terms = vec![self.not()?];
        while self.keyword("and") {
            terms.push(self.not()?);
        }
        Ok(join(terms, Kind::And))
    }

    fn not(&mut self) -> Result<Term> {
        self.space();
        let start = self.at;
        let kind = if self.keyword("not") {
            Kind::Not(Box::new(self.deeper(start, Self::not)?))
        } else if self.take("(") {
            let term = self.deeper(start, Self::or)?;
            if !self.take(")") {
                return Err(self.unexpected("`and`, `or` or `)`"));
            }
            term.kind
        } else {
            Kind::Compare(Box::new(self.comparison()?))
        };
        Ok(Term { span: start..self.at, kind })
    }

    fn deeper(&mut self, at: usize, inner: fn(&mut Self) -> Result<Term>) -> Result<Term> {
        if self.depth == MAX_DEPTH {
            let expected = format!("at most {MAX_DEPTH} nested `not` and `(`");
            return Err(self.error(at, "one more", expected));
        }
        self.depth += 1;
        let term = inner(self)?;
        self.depth -= 1;
        Ok(term)
    }

    fn comparison(&mut self) -> Result<Comparison> {
        let name = match self.word(Side::Left)? {
            Some(name) => name,
            None => return Err(self.unexpected("a field, a word, `not` or `(`")),
        };
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            let expected = format!("at most {MAX_COMPARISONS} comparisons");
            return Err(self.error(name.at, "one more", expected));
        }
        let Some((operator, at)) = self.operator()? else {
            // A word without an operator is searched for in the output.
            let field = Field::Own(Own::Output);
            return self.prepare(field, (Operator::Icontains, name.at), vec![name]);
        };
        let field = self.field(name)?;
        let values = match operator.takes() {
            Takes::Nothing => Vec::new(),
            Takes::Value => vec![self.value()?],
            Takes::List => self.list(operator)?,
        };
        self.prepare(field, (operator, at), values)
    }

    fn field(&self, name: Word) -> Result<Field> {
        match own_or_slip(&name.text) {
            Some(Ok(own)) if !name.quoted => Ok(Field::Own(own)),
            Some(Err(_)) if !name.quoted => {
                let expected = "a field (quote the name of an output field)";
                let error = SyntaxError::new(self.text, name.at, &name.text, expected);
                Err(error.near(&name.text, Own::names()))
            }
            _ => Ok(Field::Output(name.text)),
        }
    }

    /// Reads the operator after a name. Returns it with its position, or `None` if the term ends
    /// here.
    fn operator(&mut self) -> Result<Option<(Operator, usize)>> {
        let before = self.at;
        self.space();
        let at = self.at;
        for (symbol, operator) in SYMBOLS {
            if self.take(symbol) {
                return Ok(Some((operator, at)));
            }
        }
        let word = Side::Left.bare(self.rest());
        let named = |operator: &&Operator| word.eq_ignore_ascii_case(operator.name());
        if let Some(operator) = Operator::ALL.iter().find(named) {
            self.at += word.len();
            return Ok(Some((*operator, at)));
        }
        let ends = ["and", "or"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
        if ends || self.rest().is_empty() || self.rest().starts_with(')') {
            self.at = before;
            return Ok(None);
        }
        let expected = if self.depth == 0 { FOLLOWS } else { "`and`, `or` or `)`" };
        let error = self.unexpected(&format!("an operator, {expected}"));
        Err(error.near(word, Operator::names().chain(["and", "or"])))
    }

    fn value(&mut self) -> Result<Word> {
        match self.word(Side::Right)? {
            Some(value) => Ok(value),
            None => Err(self.unexpected("a value")),
        }
    }

    /// Reads values in parentheses.
    fn list(&mut self, operator: Operator) -> Result<Vec<Word>> {
        if !self.take("(") {
            return Err(
                self.unexpected(&format!("`(` and values, as in `{} (a, b)`", operator.name()))
            );
        }
        let mut values = Vec::new();
        if self.take(")") {
            return Ok(values);
        }
        loop {
            let value = self.value()?;
            self.values += 1;
            if self.values > MAX_VALUES {
                let expected = format!("at most {MAX_VALUES} values in lists");
                return Err(self.error(value.at, "one more", expected));
            }
            values.push(value);
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    fn prepare(
        &mut self,
        field: Field,
        (operator, at): (Operator, usize),
        words: Vec<Word>,
    ) -> Result<Comparison> {
        if operator == Operator::Regex {
            self.regexes += 1;
            if self.regexes > MAX_REGEXES {
                let expected = format!("at most {MAX_REGEXES} `regex` comparisons");
                return Err(self.error(at, "one more", expected));
            }
        }
        if operator == Operator::Pmatch {
            self.wildcards += words.iter().map(|word| path::wildcards(&word.text)).sum::<usize>();
            if self.wildcards > MAX_WILDCARDS {
                let expected = format!("at most {MAX_WILDCARDS} path components with wildcards");
                return Err(self.error(at, &self.wildcards.to_string(), expected));
            }
        }
        let places: Vec<usize> = words.iter().map(|word| word.at).collect();
        let values: Vec<String> = words.into_iter().map(|word| word.text).collect();
        match Test::new(&field, operator, &values, &mut self.room) {
            Ok(test) => Ok(Comparison { field, operator, values, test }),
            Err(Unfit::Operator { expected }) => {
                Err(SyntaxError::new(self.text, at, operator.name(), expected))
            }
            Err(Unfit::Value { number, expected, known }) => {
                let value = values.get(number).map_or("", String::as_str);
                let at = places.get(number).copied().unwrap_or(at);
                // `SyntaxError::new` would show an empty value as the end of the text.
                let mut error = SyntaxError::new(self.text, at, "", expected);
                error.found = SyntaxError::new("", 0, value, "").found;
                if value.is_empty() {
                    error.found = "empty quotes".to_owned();
                }
                Err(error.near(value, known.iter().copied()))
            }
        }
    }

    /// Reads bare or quoted text. Returns `None` if there is neither.
    fn word(&mut self, side: Side) -> Result<Option<Word>> {
        self.space();
        let at = self.at;
        if let Some(quote @ ('"' | '\'')) = self.rest().chars().next() {
            let text = self.quoted(quote)?;
            return Ok(Some(Word { at, text, quoted: true }));
        }
        let bare = side.bare(self.rest());
        if bare.is_empty() {
            return Ok(None);
        }
        if KEYWORDS.iter().any(|keyword| bare.eq_ignore_ascii_case(keyword)) {
            let expected = match side {
                Side::Left => "a field, a word, `not` or `(`",
                Side::Right => "a value (quote it if it is this word)",
            };
            return Err(self.error_at(bare, expected));
        }
        self.at += bare.len();
        Ok(Some(Word { at, text: bare.to_owned(), quoted: false }))
    }

    /// Reads quoted text, from the opening quote on.
    fn quoted(&mut self, quote: char) -> Result<String> {
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            if c.is_control() {
                self.at += at;
                let expected = "no control character in quotes (`regex` finds them)";
                return Err(self.error_at(c.encode_utf8(&mut [0; 4]), expected));
            }
            if escaped {
                if c != quote && c != '\\' {
                    text.push('\\');
                }
                text.push(c);
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                self.at += at + 1;
                return Ok(text);
            } else {
                text.push(c);
            }
        }
        self.at = self.text.len();
        Err(self.error_at("", format!("the closing {quote}")))
    }

    /// Skips a keyword, if it is next.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.space();
        let word = Side::Left.bare(self.rest());
        let there = word.eq_ignore_ascii_case(keyword);
        self.at += if there { word.len() } else { 0 };
        there
    }

    /// Skips a symbol and the white space before it, if it is next.
    fn take(&mut self, symbol: &str) -> bool {
        self.space();
        let there = self.rest().starts_with(symbol);
        self.at += if there { symbol.len() } else { 0 };
        there
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Returns the error that the next word or character is not what is `expected`.
    fn unexpected(&mut self, expected: &str) -> SyntaxError {
        self.space();
        let rest = self.rest();
        let bare = Side::Left.bare(rest);
        let one = rest.chars().next().map_or(0, char::len_utf8);
        let found = if bare.is_empty() { rest.get(..one).unwrap_or_default() } else { bare };
        SyntaxError::new(self.text, self.at, found, expected)
    }

    fn error_at(&self, found: &str, expected: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.text, self.at, found, expected)
    }

    /// Returns the error that a limit is exceeded.
    fn error(&self, at: usize, found: &str, expected: String) -> SyntaxError {
        SyntaxError { found: found.to_owned(), ..SyntaxError::new(self.text, at, "", expected) }
    }
}

/// The operator symbols. A symbol comes before its own prefixes: `==` before `=`.
const SYMBOLS: [(&str, Operator); 7] = [
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    ("<", Operator::Less),
    (">=", Operator::GreaterOrEqual),
    (">", Operator::Greater),
];

/// Joins terms. A single term stays as it is.
fn join(mut terms: Vec<Term>, kind: fn(Vec<Term>) -> Kind) -> Term {
    let first = terms.first().map_or(0, |term| term.span.start);
    let last = terms.last().map_or(0, |term| term.span.end);
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        popped => {
            terms.extend(popped);
            Term { span: first..last, kind: kind(terms) }
        }
    }
}
