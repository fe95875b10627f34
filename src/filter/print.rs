//! Prints a filter as text that parses to the same filter. Keywords are in lower case, quotes and
//! parentheses only where they are needed. The text has no control characters, because the parser
//! rejects them.

use std::fmt::{Display, Formatter, Result};

use super::Filter;
use super::parse::{KEYWORDS, Side, own_or_slip};
use super::tree::{Comparison, Kind, Term};
use super::words::{Field, Operator, Own, Takes};

impl Display for Filter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        self.root.fmt(formatter)
    }
}

impl Display for Term {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match &self.kind {
            Kind::And(terms) => {
                join(formatter, terms, " and ", |kind| matches!(kind, Kind::And(_) | Kind::Or(_)))
            }
            Kind::Or(terms) => join(formatter, terms, " or ", |kind| matches!(kind, Kind::Or(_))),
            Kind::Not(term) => {
                formatter.write_str("not ")?;
                grouped(formatter, term, matches!(term.kind, Kind::And(_) | Kind::Or(_)))
            }
            Kind::Compare(comparison) => comparison.fmt(formatter),
        }
    }
}

fn join(
    formatter: &mut Formatter<'_>,
    terms: &[Term],
    word: &str,
    group: impl Fn(&Kind) -> bool,
) -> Result {
    for (number, term) in terms.iter().enumerate() {
        formatter.write_str(if number == 0 { "" } else { word })?;
        grouped(formatter, term, group(&term.kind))?;
    }
    Ok(())
}

fn grouped(formatter: &mut Formatter<'_>, term: &Term, group: bool) -> Result {
    if group { write!(formatter, "({term})") } else { term.fmt(formatter) }
}

impl Display for Comparison {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match &self.field {
            // A word without an operator has this meaning.
            Field::Own(Own::Output)
                if self.operator == Operator::Icontains
                    && self.modifier.is_none()
                    && self.transformers.is_empty() =>
            {
                return self
                    .values
                    .iter()
                    .try_for_each(|word| text(formatter, word, Side::Left, true));
            }
            Field::Own(own) => self.transformed(formatter, |f| f.write_str(own.name()))?,
            // Quote a name that the parser would take for an alert's own field, or for a typo.
            Field::Output(name) => {
                let may_be_bare = own_or_slip(name).is_none();
                self.transformed(formatter, |f| text(f, name, Side::Left, may_be_bare))?;
            }
        }
        write!(formatter, " {}", self.operator.name())?;
        if let Some(modifier) = self.modifier {
            write!(formatter, " {}", modifier.name())?;
        }
        let takes = if self.modifier.is_some() { Takes::List } else { self.operator.takes() };
        let side = if self.operator == Operator::Regex { Side::Regex } else { Side::Right };
        match takes {
            Takes::Nothing => Ok(()),
            Takes::Value => self.values.iter().try_for_each(|value| {
                formatter.write_str(" ")?;
                text(formatter, value, side, true)
            }),
            Takes::List => {
                formatter.write_str(" (")?;
                for (number, value) in self.values.iter().enumerate() {
                    formatter.write_str(if number == 0 { "" } else { ", " })?;
                    text(formatter, value, side, true)?;
                }
                formatter.write_str(")")
            }
        }
    }
}

impl Comparison {
    /// Writes the field in its functions.
    fn transformed(
        &self,
        formatter: &mut Formatter<'_>,
        field: impl Fn(&mut Formatter<'_>) -> Result,
    ) -> Result {
        self.transformers
            .iter()
            .try_for_each(|transformer| write!(formatter, "{}(", transformer.name()))?;
        field(formatter)?;
        self.transformers.iter().try_for_each(|_| formatter.write_str(")"))
    }
}

/// Writes text bare if it may be bare and parses to itself, otherwise quoted.
fn text(formatter: &mut Formatter<'_>, text: &str, side: Side, may_be_bare: bool) -> Result {
    let keyword = KEYWORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if may_be_bare && !text.is_empty() && !keyword && side.bare(text) == text {
        return formatter.write_str(text);
    }
    formatter.write_str(&side.quoted(text))
}
