//! Prepares a comparison once for all alerts, and evaluates it on one value of an alert. Pure.
//!
//! 1. A comparison with `priority` becomes a set of priorities, one with `time` has parsed times.
//! 2. Any other value is text. `=` compares numbers only if the alert has a JSON number, because
//!    two container ids must not be equal when both parse as `1e3`. `<`, `<=`, `>` and `>=` also
//!    parse text, because old alerts have numbers in quotes.
//! 3. `!=` is prepared like `=`. The caller inverts the result.

use std::cmp::Ordering;

use memchr::memmem::Finder;
use serde_json::value::RawValue;

use super::Work;
use super::caseless::Caseless;
use super::glob;
use super::number::Number;
use super::path::Prefix;
use super::pattern::{Pattern, Room};
use super::words::{Field, Operator, Own};
use crate::event::{Priority, Time};

/// One value of an alert.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'i> {
    text: &'i str,
    /// Without quotes in JSON: a number or a boolean.
    plain: bool,
}

impl<'i> Item<'i> {
    pub(super) fn new(text: &'i str, plain: bool) -> Self {
        Self { text, plain }
    }

    pub(super) fn as_str(&self) -> &'i str {
        self.text
    }

    pub(super) fn text(text: &'i str) -> Self {
        Self::new(text, false)
    }

    pub(super) fn plain(text: &'i str) -> Self {
        Self::new(text, true)
    }
}

/// Returns the elements of a JSON array that are not null: their text, and whether it had no
/// quotes. Returns `None` for an object.
pub(super) fn elements(json: &str) -> Option<Vec<(String, bool)>> {
    let list: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let element = |raw: &RawValue| {
        let raw = raw.get();
        // Text that is not Unicode (half a surrogate pair) stays as written.
        match serde_json::from_str(raw) {
            Ok(text) => (text, false),
            Err(_) => (raw.to_owned(), !raw.starts_with(['"', '[', '{'])),
        }
    };
    Some(list.into_iter().filter(|raw| raw.get() != "null").map(element).collect())
}

/// A prepared comparison. It accepts or rejects a value of an alert.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// Accepts any value.
    Exists,
    /// Accepts a value that equals one of these.
    OneOf(Vec<Literal>),
    /// Accepts a number that compares like this with the given number, if that is one.
    Ordered(Operator, Option<Number>),
    Contains(Box<Finder<'static>>),
    ContainsCaseless(Box<Caseless>),
    StartsWith(Vec<u8>),
    EndsWith(String),
    Matches(Box<Pattern>),
    Begins(Vec<Prefix>),
    /// Accepts the priorities of this set, which has one bit for each.
    Priorities(u8),
    /// Accepts a time that compares like this with one of these.
    Times(Operator, Vec<Time>),
}

/// A value of `=` and `in`.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    text: String,
    number: Option<Number>,
}

/// Why a comparison is not valid.
#[derive(Debug)]
pub(super) enum Unfit {
    /// The field does not support the operator.
    Operator { expected: &'static str },
    /// The value at index `number` is not valid; `known` lists the valid ones, if they are few.
    Value { number: usize, expected: String, known: Vec<&'static str> },
}

type Result<T> = std::result::Result<T, Unfit>;

impl Test {
    pub(super) fn new(
        field: &Field,
        transformed: bool,
        operator: Operator,
        values: &[String],
        room: &mut Room,
    ) -> Result<Self> {
        match field {
            _ if operator == Operator::Exists => Ok(Self::Exists),
            // The result of a function is text, whatever its field is.
            _ if transformed => text(operator, values, room),
            Field::Own(Own::Priority) => priorities(operator, values),
            Field::Own(Own::Time) if compares(operator) => times(operator, values),
            _ => text(operator, values, room),
        }
    }

    pub(super) fn takes_priority(&self, priority: Priority) -> bool {
        match self {
            Self::Exists => true,
            Self::Priorities(set) => set & (1 << priority as u8) != 0,
            _ => false,
        }
    }

    pub(super) fn takes_time(&self, time: Time, work: &Work) -> bool {
        match self {
            Self::Exists => true,
            Self::Times(operator, times) => {
                times.iter().any(|asked| accepts(*operator, time.cmp(asked)))
            }
            _ => self.takes(&Item::text(&time.to_string()), work),
        }
    }

    /// Returns whether the test accepts a value. Returns `false` if that takes more than `work`
    /// allows.
    pub(super) fn takes(&self, item: &Item<'_>, work: &Work) -> bool {
        let text = item.text;
        if !work.take(text.len(), self.steps()) {
            return false;
        }
        match self {
            Self::Exists => true,
            Self::OneOf(literals) => {
                let number = item.plain.then(|| Number::read(text)).flatten();
                literals.iter().any(|literal| literal.is(text, number))
            }
            Self::Ordered(operator, asked) => match (Number::read(text), asked) {
                (Some(number), Some(asked)) => accepts(*operator, number.compare(*asked)),
                _ => false,
            },
            Self::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Self::ContainsCaseless(piece) => piece.is_in(text),
            Self::StartsWith(beginning) => text.as_bytes().starts_with(beginning),
            Self::EndsWith(end) => text.ends_with(end.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
            Self::Begins(prefixes) => prefixes.iter().any(|prefix| prefix.begins(text)),
            // Only priority and time have these tests.
            Self::Priorities(_) | Self::Times(..) => false,
        }
    }

    /// Returns how many steps a byte of text costs at worst.
    pub(super) fn steps(&self) -> u64 {
        match self {
            Self::OneOf(literals) => 1 + literals.len() as u64,
            Self::Times(_, times) => 1 + times.len() as u64,
            Self::Matches(pattern) => pattern.steps(),
            Self::Begins(prefixes) => prefixes.iter().map(Prefix::steps).sum::<u64>() + 1,
            _ => 1,
        }
    }

    /// Returns about how many bytes of memory it takes at most.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::OneOf(literals) => {
                literals.iter().map(|literal| size_of::<Literal>() + literal.text.len()).sum()
            }
            Self::Contains(finder) => size_of::<Finder<'_>>() + finder.needle().len(),
            Self::ContainsCaseless(piece) => piece.size(),
            Self::StartsWith(bytes) => bytes.len(),
            Self::EndsWith(text) => text.len(),
            Self::Matches(pattern) => size_of::<Pattern>() + pattern.size(),
            Self::Begins(prefixes) => prefixes.iter().map(Prefix::size).sum(),
            Self::Times(_, times) => size_of_val(times.as_slice()),
            Self::Exists | Self::Ordered(..) | Self::Priorities(_) => 0,
        }
    }
}

impl Literal {
    fn is(&self, text: &str, number: Option<Number>) -> bool {
        self.text == text
            || number.zip(self.number).is_some_and(|(a, b)| a.compare(b) == Ordering::Equal)
    }
}

/// Returns whether an operator compares priorities and times as such, not as text.
fn compares(operator: Operator) -> bool {
    use Operator as O;
    let ordered = matches!(operator, O::Less | O::LessOrEqual | O::Greater | O::GreaterOrEqual);
    ordered || matches!(operator, O::Equal | O::NotEqual | O::In | O::Intersects)
}

/// Returns whether an operator is true for values that compare like this.
fn accepts(operator: Operator, ordering: Ordering) -> bool {
    match operator {
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        Operator::GreaterOrEqual => ordering.is_ge(),
        _ => ordering.is_eq(),
    }
}

fn priorities(operator: Operator, values: &[String]) -> Result<Test> {
    if !compares(operator) {
        let expected = "an operator for priorities: = != < <= > >= in intersects exists";
        return Err(Unfit::Operator { expected });
    }
    let mut set = 0;
    for (number, value) in values.iter().enumerate() {
        let Some(asked) = Priority::parse(value) else {
            let known = PRIORITIES.to_vec();
            let expected = format!("a priority ({})", known.join(", "));
            return Err(Unfit::Value { number, expected, known });
        };
        for priority in Priority::ALL {
            // `asked` comes first because a more severe priority is greater, but has a smaller
            // number.
            if accepts(operator, asked.cmp(&priority)) {
                set |= 1 << priority as u8;
            }
        }
    }
    Ok(Test::Priorities(set))
}

/// The names of the priorities in lower case, as people type them.
const PRIORITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];

fn times(operator: Operator, values: &[String]) -> Result<Test> {
    let time = |(number, value): (usize, &String)| {
        let expected = "a time such as 2026-01-30T10:00:00Z or 2026-01-30".to_owned();
        Time::read(value).ok_or(Unfit::Value { number, expected, known: Vec::new() })
    };
    Ok(Test::Times(operator, values.iter().enumerate().map(time).collect::<Result<_>>()?))
}

fn text(operator: Operator, values: &[String], room: &mut Room) -> Result<Test> {
    let value = values.first().map_or("", String::as_str);
    let unfit = |expected: &str| Unfit::Value {
        number: 0,
        expected: expected.to_owned(),
        known: Vec::new(),
    };
    Ok(match operator {
        Operator::Exists => Test::Exists,
        Operator::Equal | Operator::NotEqual | Operator::In | Operator::Intersects => {
            let literal =
                |text: &String| Literal { text: text.clone(), number: Number::read(text) };
            Test::OneOf(values.iter().map(literal).collect())
        }
        Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
            Test::Ordered(operator, Number::read(value))
        }
        Operator::Contains => Test::Contains(Box::new(Finder::new(value).into_owned())),
        Operator::Icontains => Test::ContainsCaseless(Box::new(Caseless::new(value))),
        Operator::Bcontains => {
            let bytes =
                bytes(value).ok_or_else(|| unfit("bytes in hexadecimal, two digits each"))?;
            Test::Contains(Box::new(Finder::new(&bytes).into_owned()))
        }
        Operator::StartsWith => Test::StartsWith(value.as_bytes().to_vec()),
        Operator::Bstartswith => Test::StartsWith(
            bytes(value).ok_or_else(|| unfit("bytes in hexadecimal, two digits each"))?,
        ),
        Operator::EndsWith => Test::EndsWith(value.to_owned()),
        Operator::Glob | Operator::Iglob => {
            let fold = if operator == Operator::Iglob { "(?i)" } else { "" };
            let regex = format!("{fold}{}", glob::as_regex(value));
            Test::Matches(Box::new(Pattern::new(&regex, room).map_err(|why| unfit(&why))?))
        }
        Operator::Regex => Test::Matches(Box::new(whole(value, room).map_err(|why| unfit(&why))?)),
        Operator::Pmatch => {
            let mut prefix = |(number, path): (usize, &String)| {
                Prefix::new(path, |pattern| Pattern::new(pattern, room))
                    .map_err(|expected| Unfit::Value { number, expected, known: Vec::new() })
            };
            Test::Begins(values.iter().enumerate().map(&mut prefix).collect::<Result<_>>()?)
        }
    })
}

/// Parses one byte or more, each with two hexadecimal digits.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// Compiles a pattern that must match the whole text, as in libsinsp.
fn whole(pattern: &str, room: &mut Room) -> std::result::Result<Pattern, String> {
    // Check it alone first: an unopened `)` must not close the group that is put around it.
    Pattern::check(pattern)?;
    Pattern::new(&format!(r"\A(?:{pattern})\z"), room)
}
