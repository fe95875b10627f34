//! The tree of a filter: terms joined by `and`, `or` and `not`, with prepared comparisons as
//! leaves. A term has its position in the text, which does not count for equality.

use std::ops::Range;

use super::test::{Item, Test, elements};
use super::words::{Field, Modifier, Operator, Own, Transformer};
use super::{Labels, View, Work};
use crate::event::Value;

/// How many steps it costs to parse a byte of a list, where each element becomes a string.
const ELEMENT_STEPS: u64 = 8;

/// A part of a filter, and its range in the text, in bytes, parentheses included.
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
    /// Returns whether an alert matches. Recurses as deep as the filter, at most
    /// [`super::MAX_DEPTH`].
    pub(super) fn matches(&self, alert: &impl View, work: &Work) -> bool {
        match &self.kind {
            Kind::And(terms) => terms.iter().all(|term| term.matches(alert, work)),
            Kind::Or(terms) => terms.iter().any(|term| term.matches(alert, work)),
            Kind::Not(term) => !term.matches(alert, work),
            Kind::Compare(comparison) => comparison.holds(alert, work),
        }
    }

    /// Calls `each` with every comparison.
    pub(super) fn each(&self, each: &mut impl FnMut(&Comparison)) {
        match &self.kind {
            Kind::And(terms) | Kind::Or(terms) => terms.iter().for_each(|term| term.each(each)),
            Kind::Not(term) => term.each(each),
            Kind::Compare(comparison) => each(comparison),
        }
    }

    /// Returns whether an alert matches, or `None` if its labels do not decide that.
    pub(super) fn decide(&self, alert: &impl Labels, work: &Work) -> Option<bool> {
        match &self.kind {
            Kind::And(terms) => all(terms.iter().map(|term| term.decide(alert, work))),
            // "Any is true" is "not all are false".
            Kind::Or(terms) => {
                all(terms.iter().map(|term| Some(!term.decide(alert, work)?))).map(|none| !none)
            }
            Kind::Not(term) => term.decide(alert, work).map(|holds| !holds),
            Kind::Compare(comparison) => match &comparison.field {
                Field::Own(own) => comparison.label(*own, alert, work),
                Field::Output(_) => None,
            },
        }
    }
}

/// Returns whether all terms are true, or `None` if that is unknown. One false term decides.
fn all(mut terms: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    let one_fails = terms.any(|term| {
        known = known.and(term);
        term == Some(false)
    });
    if one_fails { Some(false) } else { known }
}

/// A field, an operator and its values. The prepared tests do not count for equality.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    pub(super) field: Field,
    /// The functions around the field, the outermost first.
    pub(super) transformers: Vec<Transformer>,
    pub(super) operator: Operator,
    pub(super) modifier: Option<Modifier>,
    pub(super) values: Vec<String>,
    /// One for each value if there is a modifier, otherwise one.
    pub(super) tests: Vec<Test>,
}

impl PartialEq for Comparison {
    fn eq(&self, other: &Self) -> bool {
        (&self.field, &self.transformers, self.operator, self.modifier, &self.values)
            == (&other.field, &other.transformers, other.operator, other.modifier, &other.values)
    }
}

impl Comparison {
    /// Returns about how many bytes of memory it takes at most.
    pub(super) fn size(&self) -> usize {
        let values = self.values.iter().map(|value| size_of::<String>() + value.len());
        let tests = self.tests.iter().map(|test| size_of::<Test>() + test.size());
        size_of::<Term>() + size_of::<Self>() + values.sum::<usize>() + tests.sum::<usize>()
    }

    fn holds(&self, alert: &impl View, work: &Work) -> bool {
        match &self.field {
            Field::Own(own) => self
                .label(*own, alert.labels(), work)
                .unwrap_or_else(|| self.each(|one| one.text(alert.output(), work))),
            Field::Output(name) => {
                alert.field(name).is_some_and(|value| self.each(|one| one.value(value, work)))
            }
        }
    }

    /// Evaluates a label. Returns `None` for `output`, which is none.
    fn label(&self, own: Own, alert: &impl Labels, work: &Work) -> Option<bool> {
        (own != Own::Output).then(|| self.each(|one| one.label(own, alert, work)))
    }

    /// Combines the results of the tests.
    fn each(&self, holds: impl Fn(One<'_>) -> bool) -> bool {
        let results = self.tests.iter().map(|test| holds(One { test, comparison: self }));
        match self.modifier {
            Some(modifier) => modifier.combine(results),
            None => Modifier::Any.combine(results),
        }
    }
}

/// A comparison with one of its tests.
#[derive(Clone, Copy)]
struct One<'c> {
    test: &'c Test,
    comparison: &'c Comparison,
}

impl One<'_> {
    fn label(self, own: Own, alert: &impl Labels, work: &Work) -> bool {
        let plain = self.comparison.transformers.is_empty();
        match own {
            Own::Priority if plain => self.found(self.test.takes_priority(alert.priority())),
            Own::Priority => self.text(alert.priority().name(), work),
            Own::Time if plain => self.found(self.test.takes_time(alert.time(), work)),
            Own::Time => self.text(&alert.time().to_string(), work),
            Own::Rule => self.text(alert.rule(), work),
            Own::Source => self.text(alert.source(), work),
            Own::Hostname => self.text(alert.hostname().unwrap_or_default(), work),
            Own::Tags => self.any(alert.tags().map(Item::text), work),
            // It is no label.
            Own::Output => false,
        }
    }

    /// Evaluates an alert's own text, which counts as missing if it is empty.
    fn text(self, text: &str, work: &Work) -> bool {
        !text.is_empty() && self.item(&Item::text(text), work)
    }

    fn value(self, value: &Value<'_>, work: &Work) -> bool {
        match value {
            Value::Null => false,
            Value::Text(text) => self.item(&Item::text(text), work),
            Value::Plain(text) => self.item(&Item::plain(text), work),
            Value::Nested(json) if !work.take(json.len(), ELEMENT_STEPS) => false,
            Value::Nested(json) => match elements(json) {
                Some(list) => {
                    self.any(list.iter().map(|(text, plain)| Item::new(text, *plain)), work)
                }
                None => self.item(&Item::text(json), work),
            },
        }
    }

    fn item(self, item: &Item<'_>, work: &Work) -> bool {
        self.takes(item, work).is_some_and(|found| self.found(found))
    }

    /// Evaluates a list, where one element is enough.
    fn any<'i>(self, list: impl Iterator<Item = Item<'i>>, work: &Work) -> bool {
        let mut there = false;
        let found = list.filter_map(|item| self.takes(&item, work)).any(|found| {
            there = true;
            found
        });
        there && self.found(found)
    }

    /// Transforms a value and tests it. Returns `None` if there is no value after that.
    fn takes(self, item: &Item<'_>, work: &Work) -> Option<bool> {
        let Some((first, rest)) = self.comparison.transformers.split_last() else {
            return Some(self.test.takes(item, work));
        };
        let functions = self.comparison.transformers.len() as u64;
        if !work.take(item.as_str().len(), functions) {
            return None;
        }
        let text = first.apply(item.as_str())?;
        let text = rest.iter().rev().try_fold(text, |text, next| next.apply(&text))?;
        let is_number = self.comparison.transformers.first() == Some(&Transformer::Len);
        Some(self.test.takes(&Item::new(&text, is_number), work))
    }

    /// Returns the result for a field that exists. `found` says whether the test accepted it.
    fn found(self, found: bool) -> bool {
        found != (self.comparison.operator == Operator::NotEqual)
    }
}
