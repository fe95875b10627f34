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
use super::words::{Field, Modifier, Operator, Own, Takes, Transformer, UNSUPPORTED};
use super::{MAX_COMPARISONS, MAX_DEPTH, MAX_REGEXES, MAX_TEXT, MAX_VALUES, MAX_WILDCARDS, path};

type Result<T> = std::result::Result<T, SyntaxError>;

/// Words that are not bare text.
pub(super) const KEYWORDS: [&str; 3] = ["and", "or", "not"];

/// The maximum number of functions around a field.
const MAX_TRANSFORMERS: usize = 8;

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
    /// On the right of `regex`, which has escapes of its own.
    Regex,
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
        let end = |text: &str| text.char_indices().find(ends).map_or(text.len(), |(at, _)| at);
        let first = text.get(..end(text)).unwrap_or_default();
        if self != Self::Left {
            return first;
        }
        // The argument of a field may have what ends bare text elsewhere: `json.value[/a=b]`.
        let argument = first.find('[').and_then(|open| {
            let inside = text.get(open + 1..)?;
            let length = inside.find(|c: char| {
                matches!(c, '[' | ']' | '"' | '\'') || c.is_whitespace() || c.is_control()
            })?;
            (length > 0 && inside.get(length..)?.starts_with(']')).then_some(open + length + 2)
        });
        match argument {
            Some(at) => {
                let rest = text.get(at..).unwrap_or_default();
                text.get(..at + end(rest)).unwrap_or_default()
            }
            None => first,
        }
    }

    /// Returns text in quotes, which parses to `text` on this side.
    pub(super) fn quoted(self, text: &str) -> String {
        let mut quoted = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                c if c.is_control() && c.is_ascii() => {
                    quoted.push_str(&format!("\\x{:02x}", u32::from(c)));
                }
                c => quoted.push(c),
            }
        }
        quoted + "\""
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

/// The left side of a comparison.
struct Left {
    field: Field,
    transformers: Vec<Transformer>,
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
        let (transformers, name) = self.transformers(name)?;
        let operator = if transformers.is_empty() {
            self.operator()?
        } else {
            // A function is no word to search for.
            let found = self.operator()?;
            Some(found.ok_or_else(|| self.unexpected("an operator"))?)
        };
        let Some((operator, at)) = operator else {
            // A word without an operator is searched for in the output.
            let field = Field::Own(Own::Output);
            let operator = (Operator::Icontains, name.at);
            return self.prepare(Left { field, transformers }, operator, None, vec![name]);
        };
        let field = self.field(name)?;
        let side = if operator == Operator::Regex { Side::Regex } else { Side::Right };
        let modifier = match operator.takes() {
            Takes::Value => self.modifier(),
            _ => None,
        };
        let values = match operator.takes() {
            Takes::Nothing => Vec::new(),
            Takes::Value if modifier.is_none() => vec![self.value(side)?],
            _ => {
                let word = modifier.map_or(operator.name(), Modifier::name);
                self.list(word, side)?
            }
        };
        self.prepare(Left { field, transformers }, (operator, at), modifier, values)
    }

    /// Reads the functions around a field, of which `name` may be the first. Returns them with the
    /// field's name.
    fn transformers(&mut self, mut name: Word) -> Result<(Vec<Transformer>, Word)> {
        let mut transformers = Vec::new();
        while !name.quoted && self.rest().starts_with('(') {
            let unsupported = UNSUPPORTED.iter().find(|(word, _)| *word == name.text);
            if let Some((word, why)) = unsupported {
                return Err(SyntaxError::new(self.text, name.at, word, *why));
            }
            let named = |transformer: &&Transformer| transformer.name() == name.text;
            let Some(transformer) = Transformer::ALL.iter().find(named) else { break };
            if transformers.len() == MAX_TRANSFORMERS {
                let expected = format!("at most {MAX_TRANSFORMERS} functions around a field");
                return Err(self.error(name.at, "one more", expected));
            }
            transformers.push(*transformer);
            self.take("(");
            name = match self.word(Side::Left)? {
                Some(name) => name,
                None => return Err(self.unexpected("a field")),
            };
        }
        for _ in &transformers {
            if !self.take(")") {
                return Err(self.unexpected("`)`"));
            }
        }
        Ok((transformers, name))
    }

    /// Reads a modifier, which a list follows.
    fn modifier(&mut self) -> Option<Modifier> {
        self.space();
        let word = Side::Left.bare(self.rest());
        let at = Modifier::names().position(|name| word.eq_ignore_ascii_case(name))?;
        let modifier = Modifier::ALL.get(at)?;
        // Without a list it is a value like any other.
        let after = self.rest().get(word.len()..).unwrap_or_default();
        after.trim_start().starts_with('(').then(|| {
            self.at += word.len();
            *modifier
        })
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

    fn value(&mut self, side: Side) -> Result<Word> {
        match self.word(side)? {
            Some(value) if !value.quoted && self.rest().starts_with('(') => {
                let mut functions =
                    UNSUPPORTED.map(|(word, _)| word).into_iter().chain(Transformer::names());
                if functions.any(|function| function == value.text) {
                    let why = "a value: a filter does not compare two fields";
                    return Err(SyntaxError::new(self.text, value.at, &value.text, why));
                }
                Ok(value)
            }
            Some(value) => Ok(value),
            None => Err(self.unexpected("a value")),
        }
    }

    /// Reads values in parentheses, after `word`.
    fn list(&mut self, word: &str, side: Side) -> Result<Vec<Word>> {
        if !self.take("(") {
            return Err(self.unexpected(&format!("`(` and values, as in `{word} (a, b)`")));
        }
        let mut values = Vec::new();
        if self.take(")") {
            return Ok(values);
        }
        loop {
            let value = self.value(side)?;
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
        Left { field, transformers }: Left,
        (operator, at): (Operator, usize),
        modifier: Option<Modifier>,
        words: Vec<Word>,
    ) -> Result<Comparison> {
        if operator == Operator::Regex {
            self.regexes += words.len();
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
        let mut tests = Vec::new();
        let groups: Vec<_> = match modifier {
            Some(_) => values.chunks(1).collect(),
            None => vec![values.as_slice()],
        };
        let transformed = !transformers.is_empty();
        for (first, group) in groups.into_iter().enumerate() {
            match Test::new(&field, transformed, operator, group, &mut self.room) {
                Ok(test) => tests.push(test),
                Err(unfit) => {
                    return Err(self.unfit(unfit, (operator, at), first, &values, &places));
                }
            }
        }
        Ok(Comparison { field, transformers, operator, modifier, values, tests })
    }

    /// Returns the error that a comparison is not valid. `first` is the index of its first value
    /// among `values`, whose positions are `places`.
    fn unfit(
        &self,
        unfit: Unfit,
        (operator, at): (Operator, usize),
        first: usize,
        values: &[String],
        places: &[usize],
    ) -> SyntaxError {
        match unfit {
            Unfit::Operator { expected } => {
                SyntaxError::new(self.text, at, operator.name(), expected)
            }
            Unfit::Value { number, expected, known } => {
                let value = values.get(first + number).map_or("", String::as_str);
                let at = places.get(first + number).copied().unwrap_or(at);
                // `SyntaxError::new` would show an empty value as the end of the text.
                let mut error = SyntaxError::new(self.text, at, "", expected);
                error.found = SyntaxError::new("", 0, value, "").found;
                if value.is_empty() {
                    error.found = "empty quotes".to_owned();
                }
                error.near(value, known.iter().copied())
            }
        }
    }

    /// Reads bare or quoted text. Returns `None` if there is neither.
    fn word(&mut self, side: Side) -> Result<Option<Word>> {
        self.space();
        let at = self.at;
        if let Some(quote @ ('"' | '\'')) = self.rest().chars().next() {
            let text = self.quoted(quote, side)?;
            return Ok(Some(Word { at, text, quoted: true }));
        }
        let bare = side.bare(self.rest());
        if bare.is_empty() {
            return Ok(None);
        }
        if KEYWORDS.iter().any(|keyword| bare.eq_ignore_ascii_case(keyword)) {
            let expected = match side {
                Side::Left => "a field, a word, `not` or `(`",
                Side::Right | Side::Regex => "a value (quote it if it is this word)",
            };
            return Err(self.error_at(bare, expected));
        }
        self.at += bare.len();
        Ok(Some(Word { at, text: bare.to_owned(), quoted: false }))
    }

    /// Reads quoted text, from the opening quote on. Escapes are those of libsinsp; a backslash
    /// before any other character stands for itself. On the right of `regex` only the quote and the
    /// backslash can be escaped, because regular expressions have the others.
    fn quoted(&mut self, quote: char, side: Side) -> Result<String> {
        let mut text = String::new();
        let mut rest = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = rest.next() {
            if c.is_control() {
                self.at += at;
                let expected = "no control character in quotes (write `\\n`, `\\t` or `\\x1b`)";
                return Err(self.error_at(c.encode_utf8(&mut [0; 4]), expected));
            }
            if c == quote {
                self.at += at + 1;
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let next = rest.peek().map(|(_, next)| *next);
            let (escaped, length) = match next {
                Some(next) if next == quote || next == '\\' => (Some(next), 1),
                _ if side == Side::Regex => (None, 0),
                Some('n') => (Some('\n'), 1),
                Some('t') => (Some('\t'), 1),
                Some('r') => (Some('\r'), 1),
                Some('b') => (Some('\u{8}'), 1),
                Some('f') => (Some('\u{c}'), 1),
                Some('/') => (Some('/'), 1),
                Some('x') => (self.hexadecimal(at + 2), 3),
                _ => (None, 0),
            };
            match escaped {
                Some(escaped) => {
                    text.push(escaped);
                    (0..length).for_each(|_| _ = rest.next());
                }
                None => text.push('\\'),
            }
        }
        self.at = self.text.len();
        Err(self.error_at("", format!("the closing {quote}")))
    }

    /// Reads the two hexadecimal digits at `at` of the rest, which are a character of ASCII.
    fn hexadecimal(&self, at: usize) -> Option<char> {
        let digits = self.rest().get(at..at + 2)?;
        let byte = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(char::from(byte))
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
