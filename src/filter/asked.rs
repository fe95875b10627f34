//! What a filter asks for by name, and where that stands in its text: for telling what may be a
//! slip. A filter that asks for a field no alert has is right, and finds nothing.

use super::Filter;
use super::parse::{KEYWORDS, Side, own_or_slip};
use super::tree::{Kind, Term};
use super::words::{Field, Operator, Own};

/// Something a filter asks for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'f> {
    /// The output field of this name.
    Field(&'f str),
    /// A word alone and without quotes: a piece of `output`.
    Word(&'f str),
}

impl Filter {
    /// The output fields and the bare words it asks for, in their order, each with where it stands
    /// in `text`, in bytes. `text` is what the filter was read from.
    #[must_use]
    pub fn asked(&self, text: &str) -> Vec<(usize, Asked<'_>)> {
        let mut found = Vec::new();
        collect(&self.root, text, &mut found);
        found
    }
}

/// Whether it is one of an alert's own fields.
#[must_use]
pub fn is_own(field: &str) -> bool {
    Own::names().any(|own| own == field)
}

/// The name of an output field as a filter has it: bare where that reads as it, else in quotes.
/// Nothing for a name that no filter can have.
#[must_use]
pub fn written(field: &str) -> Option<String> {
    if field.is_empty() || field.chars().any(char::is_control) {
        return None;
    }
    let keyword = KEYWORDS.iter().any(|word| field.eq_ignore_ascii_case(word));
    if !keyword && own_or_slip(field).is_none() && Side::Left.bare(field) == field {
        return Some(field.to_owned());
    }
    Some(format!("\"{}\"", field.replace('\\', r"\\").replace('"', r#"\""#)))
}

/// As deep as the filter, which is bounded by [`super::MAX_DEPTH`].
fn collect<'f>(term: &'f Term, text: &str, found: &mut Vec<(usize, Asked<'f>)>) {
    let comparison = match &term.kind {
        Kind::And(terms) | Kind::Or(terms) => {
            return terms.iter().for_each(|term| collect(term, text, found));
        }
        Kind::Not(term) => return collect(term, text, found),
        Kind::Compare(comparison) => comparison,
    };
    // A comparison in parentheses begins behind them.
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
    fn fields_and_words_are_told_with_their_places() {
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
    fn a_field_is_written_as_it_is_read() {
        for name in ["proc.name", "proc.aname[2]", "rule", "prority", "a b", "not", "x\"y\\", "ü"]
        {
            let text = format!("{} exists", written(name).unwrap());
            let filter = Filter::parse(&text).unwrap();
            assert_eq!(filter.asked(&text)[0].1, Asked::Field(name), "{text}");
        }
        assert_eq!((written(""), written("a\nb")), (None, None));
    }
}
