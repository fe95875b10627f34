//! Lists the names in a filter with their positions, for hints about typos. A filter with a field
//! that no alert has is valid, but matches nothing.

use super::Filter;
use super::parse::{KEYWORDS, Side, own_or_slip};
use super::tree::{Kind, Term};
use super::words::{Field, Operator, Own};

/// A name in a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'f> {
    /// The output field of this name.
    Field(&'f str),
    /// A bare word without an operator, which is searched for in `output`.
    Word(&'f str),
}

impl Filter {
    /// Returns the output fields and the bare words, in order, each with its position in `text`, in
    /// bytes. `text` must be the text from which the filter was parsed.
    #[must_use]
    pub fn asked(&self, text: &str) -> Vec<(usize, Asked<'_>)> {
        let mut found = Vec::new();
        collect(&self.root, text, &mut found);
        found
    }
}

/// Returns whether `field` is one of an alert's own fields.
#[must_use]
pub fn is_own(field: &str) -> bool {
    Own::names().any(|own| own == field)
}

/// Returns the name of an output field as it must be written in a filter, in quotes only if it
/// needs them. Returns `None` for a name that no filter can have.
#[must_use]
pub fn written(field: &str) -> Option<String> {
    if field.is_empty() || field.chars().any(char::is_control) {
        return None;
    }
    let keyword = KEYWORDS.iter().any(|word| field.eq_ignore_ascii_case(word));
    if !keyword && own_or_slip(field).is_none() && Side::Left.bare(field) == field {
        return Some(field.to_owned());
    }
    Some(Side::Left.quoted(field))
}

/// Recurses as deep as the filter, at most [`super::MAX_DEPTH`].
fn collect<'f>(term: &'f Term, text: &str, found: &mut Vec<(usize, Asked<'f>)>) {
    let comparison = match &term.kind {
        Kind::And(terms) | Kind::Or(terms) => {
            return terms.iter().for_each(|term| collect(term, text, found));
        }
        Kind::Not(term) => return collect(term, text, found),
        Kind::Compare(comparison) => comparison,
    };
    // The span includes the parentheses around a comparison.
    let rest = text.get(term.span.start..).unwrap_or_default();
    let begins = rest.trim_start_matches(|c: char| c == '(' || c.is_whitespace());
    let at = term.span.start + rest.len() - begins.len();
    match (&comparison.field, comparison.values.as_slice()) {
        (Field::Output(name), _) => found.push((at, Asked::Field(name))),
        (Field::Own(Own::Output), [word])
            if comparison.operator == Operator::Icontains && Side::Left.bare(begins) == word =>
        {
            found.push((at, Asked::Word(word)));
        }
        (Field::Own(_), _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_words_are_listed_with_their_positions() {
        let text = "not ( ((proc.nmae = bash)) and rule:Terminal or (shell)) and rule = x \
                    and output icontains cat and \"a b\" and \"rule\" exists and fd.name in (a, b)";
        let filter = Filter::parse(text).unwrap();
        let found = filter.asked(text);
        let (field, word) = (Asked::Field, Asked::Word);
        let names = [
            field("proc.nmae"),
            word("rule:Terminal"),
            word("shell"),
            field("rule"),
            field("fd.name"),
        ];
        assert_eq!(found.iter().map(|(_, asked)| *asked).collect::<Vec<_>>(), names);
        for (at, asked) in found {
            let (Asked::Field(name) | Asked::Word(name)) = asked;
            let there = text.get(at..).unwrap();
            assert!(there.trim_start_matches('"').starts_with(name), "{name} at {there}");
        }
    }

    #[test]
    fn a_written_field_parses_to_the_same_field() {
        for name in ["proc.name", "proc.aname[2]", "rule", "prority", "a b", "not", "x\"y\\", "ü"]
        {
            let text = format!("{} exists", written(name).unwrap());
            let filter = Filter::parse(&text).unwrap();
            assert_eq!(filter.asked(&text)[0].1, Asked::Field(name), "{text}");
        }
        assert_eq!((written(""), written("a\nb")), (None, None));
    }
}
