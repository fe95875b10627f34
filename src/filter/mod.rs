//! Falco's condition language over an alert: text to a [`Filter`], a filter and an alert to yes or
//! no. Pure: no IO, no clock, and neither a filter nor an alert makes it panic, recurse without
//! bound or take more than linear time.
//!
//! 1. [`parse`] reads the text, once from left to right, into a [`tree`].
//! 2. Each comparison is prepared while it is read ([`test`](mod@test)): numbers, times and priorities read,
//!    patterns compiled. What cannot be prepared is a mistake in the text, told with its column.
//! 3. The tree is asked about an alert through a [`View`], left to right, no further than needed;
//!    or first about its [`Labels`], which decide most alerts that are not meant.
//! 4. [`print`](mod@print) writes the tree as text that reads as the same tree.
//!
//! 5. Whoever must not be held up asks within a bound of [`Work`]; what would take more is left
//!    undecided.
//!
//! Refused, as a [`SyntaxError`]: text beyond [`MAX_TEXT`], [`MAX_DEPTH`], [`MAX_COMPARISONS`],
//! [`MAX_VALUES`], [`MAX_REGEXES`] or [`MAX_WILDCARDS`], patterns beyond [`MAX_COMPILED`], and all
//! that is not the grammar below. There are no macros, lists by name,
//! transformers (`tolower()`) or `val()`: they belong to rules.
//!
//! # Grammar
//!
//! ```text
//! filter     = and { "or" and }                 "and" binds tighter than "or"
//! and        = not { "and" not }
//! not        = "not" not | "(" filter ")" | comparison | word
//! comparison = field "exists"
//!            | field ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" ) value
//!            | field ( "contains" | "icontains" | "bcontains" | "startswith" | "endswith"
//!                    | "glob" | "regex" ) value
//!            | field ( "in" | "intersects" | "pmatch" ) "(" [ value { "," value } ] ")"
//! field      = bare or quoted
//! value      = bare or quoted
//! word       = bare or quoted                   a piece of `output`, in any case
//! ```
//!
//! Keywords and operators are written in lower or upper case. **Bare** text goes up to white space
//! or one of `( ) , = " '`; on the left of an operator also up to `<`, `>` or `!=`. `and`, `or` and
//! `not` are no bare text. **Quoted** text stands in `"…"` or `'…'`; a backslash before that quote
//! or before a backslash stands for it, and is itself before anything else, so that `'\d+'` needs
//! no more. Control characters are refused there: `regex` finds them.
//!
//! # Fields
//!
//! | field | is |
//! |---|---|
//! | `priority` | the severity: `priority >= warning` is warning and worse; names in any case |
//! | `time` | a point in time: `time >= 2026-01-30T10:00:00Z`, or `2026-01-30` for its midnight UTC; to text operators its text in UTC with nine digits |
//! | `rule`, `source`, `hostname`, `output` | the alert's own text |
//! | `tags` | the rule's tags, a list |
//! | anything else | the output field of that name: `proc.name`, `proc.aname[2]`, `n_drops` |
//!
//! A quoted field is always an output field, also one that is named like an alert's own. A bare
//! name without a dot that is nearly one of an alert's own is taken for a slip.
//!
//! # Operators
//!
//! | operator | holds when |
//! |---|---|
//! | `exists` | the field is there, and not `null` |
//! | `=`, `==` | it is the same text; the same number where the alert has a JSON number |
//! | `!=` | it is there, and `=` does not hold |
//! | `<` `<=` `>` `>=` | both sides read as numbers, and compare so |
//! | `contains`, `startswith`, `endswith` | the value is a piece, the beginning, the end of it |
//! | `icontains` | `contains`, in any case |
//! | `bcontains` | the bytes, given in hexadecimal, are a piece of it |
//! | `in`, `intersects` | `=` holds for one of the values |
//! | `glob` | `*`, `?` and `[…]` match all of it; `/` is like any other (`fnmatch`, no flags) |
//! | `pmatch` | one of the paths is a prefix of it, by whole components; wildcards within them |
//! | `regex` | all of it matches; RE2's kind, in linear time |
//!
//! A field that is missing makes every comparison false, `!=` too (libsinsp does the same), so
//! `not proc.name = cat` holds for an alert without `proc.name`. Missing are also `null`, an alert's
//! own text when it is empty, an empty list, and tags when there are none.
//!
//! A list (`tags`, a JSON array) satisfies an operator when one of its elements does, and `!=` when
//! none is the value. (Falco's own `in` wants all of them; over tags nobody means that.)
//!
//! Numbers are compared exactly: integers as integers, through a float only where one side is
//! written as one (`1.5`, `1e3`). Falco's reach 2^64-1.

mod asked;
mod caseless;
mod error;
mod glob;
mod number;
mod parse;
mod path;
mod pattern;
mod print;
mod test;
mod tree;
mod words;
mod work;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::str::FromStr;

pub use asked::{Asked, is_own, written};
pub use error::SyntaxError;
pub use pattern::MAX_COMPILED;
pub use work::Work;

use tree::{Kind, Term};
use words::Field;

use crate::event::{self, Event, Priority, Time, Value};

/// The longest text that is read, in bytes: a screenful, and what fits in gRPC metadata.
pub const MAX_TEXT: usize = 4096;

/// How many `not` and `(` may be open at once: Falco allows 100, nobody writes ten.
pub const MAX_DEPTH: usize = 64;

/// How many comparisons a filter may have.
pub const MAX_COMPARISONS: usize = 256;

/// How many values the lists of a filter may have together.
pub const MAX_VALUES: usize = 1024;

/// How many comparisons may be `regex`.
pub const MAX_REGEXES: usize = 8;

/// How many components of `pmatch` paths may have wildcards, together: each is a pattern of its own,
/// and a filter's text has room for thousands.
pub const MAX_WILDCARDS: usize = 16;

/// A condition on alerts.
///
/// Two are equal when they are written alike but for spaces, case of keywords, and quotes.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    root: Term,
    /// The output fields it names, sorted, each once.
    names: Box<[Box<str>]>,
}

impl Filter {
    /// Reads a condition.
    ///
    /// # Errors
    /// Where `text` is none: the first mistake, with its column.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let root = parse::filter(text)?;
        let mut names = Vec::new();
        root.each(&mut |comparison| {
            if let Field::Output(name) = &comparison.field {
                names.push(name.as_str().into());
            }
        });
        names.sort_unstable();
        names.dedup();
        Ok(Self { root, names: names.into() })
    }

    /// Whether the condition holds for an alert.
    #[must_use]
    pub fn matches(&self, alert: &impl View) -> bool {
        self.root.matches(alert, &Work::unbounded())
    }

    /// The same; `None` when that takes more than `work` allows.
    #[must_use]
    pub fn matches_within(&self, alert: &impl View, work: &Work) -> Option<bool> {
        let holds = self.root.matches(alert, work);
        (!work.is_exceeded()).then_some(holds)
    }

    /// What the condition comes to by an alert's labels alone; `None` when the rest has to be
    /// read. What [`Self::matches`] says of the whole alert is the same.
    #[must_use]
    pub fn decide(&self, alert: &impl Labels) -> Option<bool> {
        self.root.decide(alert, &Work::unbounded())
    }

    /// The same; [`Work::is_exceeded`] when that takes more than `work` allows.
    #[must_use]
    pub fn decide_within(&self, alert: &impl Labels, work: &Work) -> Option<bool> {
        let known = self.root.decide(alert, work);
        known.filter(|_| !work.is_exceeded())
    }

    /// Bytes it takes in memory at most, about, with what its patterns remember.
    #[must_use]
    pub fn size(&self) -> usize {
        let mut size = size_of::<Self>();
        self.root.each(&mut |comparison| size += comparison.size());
        size
    }

    /// Whether it asks for the output field of this name.
    #[must_use]
    pub fn names(&self, field: &str) -> bool {
        self.names.binary_search_by(|name| (**name).cmp(field)).is_ok()
    }

    /// Where the parts that `and` joins at the top stand in the text that was read, in bytes; the
    /// whole when none does. A part keeps its meaning alone.
    #[must_use]
    pub fn parts(&self) -> Vec<Range<usize>> {
        match &self.root.kind {
            Kind::And(terms) => terms.iter().map(|term| term.span.clone()).collect(),
            _ => vec![self.root.span.clone()],
        }
    }
}

impl FromStr for Filter {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Self::parse(text)
    }
}

/// What a filter asks of an alert that a log may know without reading it again.
pub trait Labels {
    /// How severe it is.
    fn priority(&self) -> Priority;
    /// When it happened.
    fn time(&self) -> Time;
    /// The rule's name; empty when there is none.
    fn rule(&self) -> &str;
    /// The event source's name.
    fn source(&self) -> &str;
    /// The machine, where it is known.
    fn hostname(&self) -> Option<&str>;
    /// The rule's tags.
    fn tags(&self) -> impl Iterator<Item = &str>;
}

/// All that a filter asks of an alert. A filter asks for what it names and no more, so an
/// implementation may read a part when it is asked for.
pub trait View {
    /// What a log may know of it.
    fn labels(&self) -> &impl Labels;
    /// The alert as a line of text; empty when there is none.
    fn output(&self) -> &str;
    /// The output field of this name.
    fn field(&self, name: &str) -> Option<&Value<'_>>;
}

impl Labels for Event<'_> {
    fn priority(&self) -> Priority {
        self.priority
    }

    fn time(&self) -> Time {
        self.time
    }

    fn rule(&self) -> &str {
        &self.rule
    }

    fn source(&self) -> &str {
        &self.source
    }

    fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(AsRef::as_ref)
    }
}

impl View for Event<'_> {
    fn labels(&self) -> &impl Labels {
        self
    }

    fn output(&self) -> &str {
        &self.output
    }

    fn field(&self, name: &str) -> Option<&Value<'_>> {
        event::field(&self.fields, name)
    }
}
