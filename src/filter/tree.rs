//! What a filter's text becomes: terms joined by `and`, `or` and `not`, and the comparisons at
//! their ends, each with what it was prepared to. Terms know where they stand in the text; that
//! does not count when two are compared.

use std::ops::Range;

use super::test::{Item, Test, elements};
use super::{Labels, View};
use crate::event::Value;

/// A part of a filter, and where it stands in the text, in bytes, parentheses included.
#[derive(Debug, Clone)]
pub(super) struct Term {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Two terms or more.
    And(Vec<Term>),
    /// Two terms or more.
    Or(Vec<Term>),
    Not(Box<Term>),
    Compare(Box<Comparison>),
}

impl Term {
    /// As deep as the filter, which is bounded by [`super::MAX_DEPTH`].
    pub(super) fn matches(&self, alert: &impl View) -> bool {
        match &self.kind {
            Kind::And(terms) => terms.iter().all(|term| term.matches(alert)),
            Kind::Or(terms) => terms.iter().any(|term| term.matches(alert)),
            Kind::Not(term) => !term.matches(alert),
            Kind::Compare(comparison) => comparison.holds(alert),
        }
    }

    /// Adds the names of the output fields it asks for.
    pub(super) fn name_fields(&self, names: &mut Vec<Box<str>>) {
        match &self.kind {
            Kind::And(terms) | Kind::Or(terms) => {
                terms.iter().for_each(|term| term.name_fields(names));
            }
            Kind::Not(term) => term.name_fields(names),
            Kind::Compare(comparison) => {
                if let Field::Output(name) = &comparison.field {
                    names.push(name.as_str().into());
                }
            }
        }
    }

    /// What it comes to as far as labels tell; nothing when that is not far enough.
    pub(super) fn decide(&self, alert: &impl Labels) -> Option<bool> {
        match &self.kind {
            Kind::And(terms) => all(terms.iter().map(|term| term.decide(alert))),
            // One of them holds unless all of them do not.
            Kind::Or(terms) => {
                all(terms.iter().map(|term| Some(!term.decide(alert)?))).map(|none| !none)
            }
            Kind::Not(term) => term.decide(alert).map(|holds| !holds),
            Kind::Compare(comparison) => match &comparison.field {
                Field::Own(own) => comparison.label(*own, alert),
                Field::Output(_) => None,
            },
        }
    }
}

/// Whether all hold, where that is known: one that does not is enough to know.
fn all(mut terms: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    let one_fails = terms.any(|term| {
        known = known.and(term);
        term == Some(false)
    });
    if one_fails { Some(false) } else { known }
}

/// A field, an operator and its values; equal when these are, whatever they were prepared to.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub(super) field: Field,
    pub(super) operator: Operator,
    pub(super) values: Vec<String>,
    pub(super) test: Test,
}

impl PartialEq for Comparison {
    fn eq(&self, other: &Self) -> bool {
        (&self.field, self.operator, &self.values) == (&other.field, other.operator, &other.values)
    }
}

impl Comparison {
    fn holds(&self, alert: &impl View) -> bool {
        match &self.field {
            Field::Own(own) => {
                self.label(*own, alert.labels()).unwrap_or_else(|| self.text(alert.output()))
            }
            Field::Output(name) => alert.field(name).is_some_and(|value| self.value(value)),
        }
    }

    /// What it comes to for a label; nothing for `output`, which is none.
    fn label(&self, own: Own, alert: &impl Labels) -> Option<bool> {
        Some(match own {
            Own::Priority => self.found(self.test.takes_priority(alert.priority())),
            Own::Time => self.found(self.test.takes_time(alert.time())),
            Own::Rule => self.text(alert.rule()),
            Own::Source => self.text(alert.source()),
            Own::Hostname => self.text(alert.hostname().unwrap_or_default()),
            Own::Tags => self.any(alert.tags().map(Item::text)),
            Own::Output => return None,
        })
    }

    /// An alert's own text: empty is missing.
    fn text(&self, text: &str) -> bool {
        !text.is_empty() && self.found(self.test.takes(&Item::text(text)))
    }

    fn value(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Null => false,
            Value::Text(text) => self.found(self.test.takes(&Item::text(text))),
            Value::Plain(text) => self.found(self.test.takes(&Item::plain(text))),
            Value::Nested(json) => match elements(json) {
                Some(list) => self.any(list.iter().map(|(text, plain)| Item::new(text, *plain))),
                None => self.found(self.test.takes(&Item::text(json))),
            },
        }
    }

    /// A list: one element is enough.
    fn any<'i>(&self, mut list: impl Iterator<Item = Item<'i>>) -> bool {
        let mut there = false;
        let found = list.any(|item| {
            there = true;
            self.test.takes(&item)
        });
        there && self.found(found)
    }

    /// The outcome for a field that is there, by whether its value was `found` among those asked
    /// for.
    fn found(&self, found: bool) -> bool {
        found != (self.operator == Operator::NotEqual)
    }
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    /// The alert's own.
    Own(Own),
    /// The output field of this name.
    Output(String),
}

/// A table of words: an enum, and how each is written.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($variant,)* }

        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)*];

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub(super) fn names() -> impl Iterator<Item = &'static str> {
                Self::ALL.iter().map(|word| word.name())
            }
        }
    };
}

words! {
    /// An alert's own fields.
    Own {
        Priority "priority",
        Time "time",
        Rule "rule",
        Source "source",
        Hostname "hostname",
        Output "output",
        Tags "tags",
    }
}

words! {
    /// How it is compared.
    Operator {
        Equal "=",
        NotEqual "!=",
        Less "<",
        LessOrEqual "<=",
        Greater ">",
        GreaterOrEqual ">=",
        Contains "contains",
        Icontains "icontains",
        Bcontains "bcontains",
        StartsWith "startswith",
        EndsWith "endswith",
        Glob "glob",
        Regex "regex",
        In "in",
        Intersects "intersects",
        Pmatch "pmatch",
        Exists "exists",
    }
}

impl Operator {
    /// What stands behind it.
    pub(super) fn takes(self) -> Takes {
        match self {
            Self::Exists => Takes::Nothing,
            Self::In | Self::Intersects | Self::Pmatch => Takes::List,
            _ => Takes::Value,
        }
    }
}

/// What stands behind an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    /// In parentheses, with commas.
    List,
}
