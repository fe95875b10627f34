//! Falco's condition language: parses text into a [`Filter`] and evaluates it on alerts. The module
//! does no IO and reads no clock. No filter and no alert makes it panic, recurse without bound or
//! take more than linear time.
//!
//! 1. [`parse`] reads the text once, from left to right, into a [`tree`].
//! 2. Each comparison is prepared while it is parsed ([`test`](mod@test)): numbers, times and
//!    priorities are parsed, patterns compiled. If that fails, the error has the column.
//! 3. The tree is evaluated on a [`View`] of an alert, from left to right, and stops when the
//!    result is known. [`Filter::decide`] uses only the [`Labels`], which rule out most alerts.
//! 4. [`print`](mod@print) writes the tree as text that parses to the same tree.
//! 5. An evaluation can have a bound of [`Work`]. If it exceeds the bound, the result is undecided.
//!
//! Rejected, with a [`SyntaxError`]: text beyond [`MAX_TEXT`], [`MAX_DEPTH`], [`MAX_COMPARISONS`],
//! [`MAX_VALUES`], [`MAX_REGEXES`] or [`MAX_WILDCARDS`], patterns beyond [`MAX_COMPILED`], and text
//! outside the grammar below. Macros and named lists are not supported, because they belong to
//! rules. `val()`, `join()`, `concat()` and `getopt()` are rejected with the reason.
//!
//! # Grammar
//!
//! ```text
//! filter     = and { "or" and }                 "and" binds tighter than "or"
//! and        = not { "and" not }
//! not        = "not" not | "(" filter ")" | comparison | word
//! comparison = left "exists"
//!            | left operator value
//!            | left operator ( "anyof" | "allof" | "oneof" ) list
//!            | left ( "in" | "intersects" | "pmatch" ) list
//! operator   = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "icontains"
//!            | "bcontains" | "startswith" | "bstartswith" | "endswith" | "glob" | "iglob"
//!            | "regex"
//! list       = "(" [ value { "," value } ] ")"
//! left       = field | ( "tolower" | "toupper" | "b64" | "basename" | "len" ) "(" left ")"
//! field      = bare or quoted
//! value      = bare or quoted
//! word       = bare or quoted                   a substring of `output`, in any case
//! ```
//!
//! Keywords and operators may be in lower or upper case. **Bare** text ends at white space or at
//! one of `( ) , = " '`; on the left of an operator also at `<`, `>` or `!=`. The argument in a
//! field's brackets may have all of these but quotes and blanks: `json.value[/a=b]`. `and`, `or`
//! and
//! `not` are not bare text. **Quoted** text is in `"…"` or `'…'`. A backslash escapes that quote
//! and another backslash, and `\n`, `\t`, `\r`, `\b`, `\f`, `\/` and `\x1b` are what they are in C.
//! Before any other character it stands for itself. After `regex` only the quote and the backslash
//! can be escaped, so `'\d+'` needs no more. Quoted text must not have control characters
//! themselves.
//!
//! # Fields
//!
//! | field | meaning |
//! |---|---|
//! | `priority` | the severity, in any case: `priority >= warning` is warning and worse |
//! | `time` | a point in time: `time >= 2026-01-30T10:00:00Z`, or `2026-01-30` for its midnight UTC; text operators see it in UTC with nine digits |
//! | `rule`, `source`, `hostname`, `output` | the alert's own text |
//! | `tags` | the rule's tags, a list |
//! | anything else | the output field of that name: `proc.name`, `proc.aname[2]`, `n_drops` |
//!
//! A quoted field is always an output field, even if it has the name of an alert's own field. A
//! bare name without a dot is rejected as a typo if it is close to one of an alert's own.
//!
//! # Operators
//!
//! | operator | true if |
//! |---|---|
//! | `exists` | the field exists and is not `null` |
//! | `=`, `==` | the texts are equal; if the alert has a JSON number, the numbers are |
//! | `!=` | the field exists and `=` is false |
//! | `<` `<=` `>` `>=` | both sides are numbers that compare like this |
//! | `contains`, `startswith`, `endswith` | the value is a substring, the prefix, the suffix |
//! | `icontains` | the value is a substring in any case |
//! | `bcontains`, `bstartswith` | the bytes, given in hexadecimal, are a substring, the prefix |
//! | `in`, `intersects` | `=` is true for one of the values |
//! | `glob` | `*`, `?` and `[…]` match the whole field, `/` included (`fnmatch`, no flags); `iglob` in any case |
//! | `pmatch` | one of the paths is a prefix by whole components, which may have wildcards |
//! | `regex` | the pattern, in RE2's syntax, matches the whole field |
//!
//! With `anyof`, `allof` or `oneof` there is one comparison for each value, and at least one, all
//! or exactly one of them must be true. An empty list never matches. `tolower`, `toupper`, `b64`
//! (which decodes), `basename` and `len` (bytes) change the field's value before the comparison.
//!
//! Every comparison with a missing field is false, `!=` too, as in libsinsp. So
//! `not proc.name = cat` is true for an alert without `proc.name`. A field is also missing if it is
//! `null`, an empty list, no tags, or empty text of the alert's own.
//!
//! A list (`tags`, a JSON array) satisfies an operator if one of its elements does. It satisfies
//! `!=` if no element equals the value. Falco's own `in` requires all elements to match, which is
//! no use for tags.
//!
//! Numbers are compared exactly: integers as integers, and as floats only if one side is written as
//! a float (`1.5`, `1e3`). Falco's numbers reach 2^64-1.

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

/// The maximum length of a filter's text, in bytes. It fits into gRPC metadata.
pub const MAX_TEXT: usize = 4096;

/// The maximum nesting of `not` and `(`. Falco allows 100; real filters have fewer than ten.
pub const MAX_DEPTH: usize = 64;

/// The maximum number of comparisons in a filter.
pub const MAX_COMPARISONS: usize = 256;

/// The maximum number of values in all lists of a filter.
pub const MAX_VALUES: usize = 1024;

/// The maximum number of `regex` comparisons in a filter.
pub const MAX_REGEXES: usize = 8;

/// The maximum number of path components with wildcards in all `pmatch` lists of a filter. Each is
/// a pattern of its own, and a filter's text could hold thousands.
pub const MAX_WILDCARDS: usize = 16;

/// A condition on alerts.
///
/// Two filters are equal if their texts differ only in spaces, case of keywords and quotes.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    root: Term,
    /// The output fields in it, sorted, without duplicates.
    names: Box<[Box<str>]>,
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// If `text` is not valid: the first error, with its column.
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

    /// Returns whether an alert matches.
    #[must_use]
    pub fn matches(&self, alert: &impl View) -> bool {
        self.root.matches(alert, &Work::unbounded())
    }

    /// Like [`Self::matches`], but returns `None` if that takes more than `work` allows.
    #[must_use]
    pub fn matches_within(&self, alert: &impl View, work: &Work) -> Option<bool> {
        let holds = self.root.matches(alert, work);
        (!work.is_exceeded()).then_some(holds)
    }

    /// Returns whether an alert matches, from its labels alone, or `None` if they do not decide.
    /// A result is always the same as that of [`Self::matches`].
    #[must_use]
    pub fn decide(&self, alert: &impl Labels) -> Option<bool> {
        self.root.decide(alert, &Work::unbounded())
    }

    /// Like [`Self::decide`], but returns `None` if that takes more than `work` allows. Then
    /// [`Work::is_exceeded`] is true.
    #[must_use]
    pub fn decide_within(&self, alert: &impl Labels, work: &Work) -> Option<bool> {
        let known = self.root.decide(alert, work);
        known.filter(|_| !work.is_exceeded())
    }

    /// Returns about how many bytes of memory it takes at most, the caches of its patterns
    /// included.
    #[must_use]
    pub fn size(&self) -> usize {
        let mut size = size_of::<Self>();
        self.root.each(&mut |comparison| size += comparison.size());
        size
    }

    /// Returns whether the filter names this output field.
    #[must_use]
    pub fn names(&self, field: &str) -> bool {
        self.names.binary_search_by(|name| (**name).cmp(field)).is_ok()
    }

    /// Returns the parts that `and` joins at the top level, as byte ranges of the parsed text. If
    /// there is no such `and`, the whole is one part. Each part is a valid filter with the same
    /// meaning.
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

/// The parts of an alert that the log keeps decoded.
pub trait Labels {
    /// Returns the severity.
    fn priority(&self) -> Priority;
    /// Returns the time of the event.
    fn time(&self) -> Time;
    /// Returns the rule's name, empty if there is none.
    fn rule(&self) -> &str;
    /// Returns the event source's name.
    fn source(&self) -> &str;
    /// Returns the host, if it is known.
    fn hostname(&self) -> Option<&str>;
    /// Returns the rule's tags.
    fn tags(&self) -> impl Iterator<Item = &str>;
}

/// An alert as a filter sees it. A filter calls only for the parts that it names, so an
/// implementation may decode a part when it is called for.
pub trait View {
    /// Returns the parts that the log keeps decoded.
    fn labels(&self) -> &impl Labels;
    /// Returns the alert as a line of text, empty if there is none.
    fn output(&self) -> &str;
    /// Returns the output field of this name.
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
