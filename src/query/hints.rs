//! Hints about likely typos in a filter. A filter with a typo can be valid and match nothing, and
//! an empty result then looks like good news. Pure.
//!
//! 1. [`Hints::of`] notes the output fields in the filter, and its bare words of the form
//!    `NAME:VALUE`. Other tools take such a word for a field and its value, Falco's language
//!    searches for it in `output`.
//! 2. [`Hints::look`] takes the names of the fields that alerts have, until every noted field was
//!    seen ([`Hints::is_settled`]). For most filters the first alert is enough.
//! 3. [`Hints::told`] returns a hint for each field that was not seen, with the nearest name that
//!    was, and for each such word.
//!
//! It remembers at most [`MAX_NAMES`] names and returns at most [`MAX_HINTS`] hints.

use std::collections::HashSet;

use crate::filter::{self, Asked, Filter, SyntaxError};

/// The maximum number of remembered field names. Falco has some hundreds.
const MAX_NAMES: usize = 2_000;
/// The maximum length of a remembered name, in bytes.
const MAX_NAME: usize = 100;
/// The maximum number of hints.
const MAX_HINTS: usize = 8;

/// A likely typo in a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The position, in characters from 1.
    pub column: usize,
    /// The text at this position.
    pub found: String,
    /// A suggested replacement.
    pub meant: Option<String>,
    /// The hint as text.
    pub detail: String,
}

/// Finds the likely typos in a filter.
#[derive(Debug)]
pub struct Hints {
    noted: Vec<Noted>,
    /// How many of `noted` were not seen yet.
    unseen: usize,
    /// Field names that alerts have.
    names: HashSet<String>,
}

#[derive(Debug)]
struct Noted {
    column: usize,
    /// The name of a field, or the part of a word before the colon.
    name: String,
    /// The part of a word after the colon.
    value: Option<String>,
    seen: bool,
}

impl Hints {
    /// Parses `text` and notes the names in it.
    ///
    /// # Errors
    /// If `text` is not a valid filter.
    pub fn of(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self::about(&Filter::parse(text)?, text))
    }

    /// Notes the names in a filter that was parsed from `text`.
    #[must_use]
    pub fn about(filter: &Filter, text: &str) -> Self {
        let column = |at| text.get(..at).unwrap_or(text).chars().count() + 1;
        let noted: Vec<Noted> = filter
            .asked(text)
            .into_iter()
            .filter_map(|(at, asked)| {
                let (name, value) = match asked {
                    Asked::Field(name) => (name, None),
                    Asked::Word(word) => word.split_once(':').map(|(n, v)| (n, Some(v)))?,
                };
                // An alert's own fields always exist.
                let seen = value.is_some() && filter::is_own(&name.to_lowercase());
                let value = value.map(str::to_owned);
                Some(Noted { column: column(at), name: name.to_owned(), value, seen })
            })
            .collect();
        let unseen = noted.iter().filter(|noted| !noted.seen).count();
        Self { noted, unseen, names: HashSet::new() }
    }

    /// Returns whether further alerts cannot change the hints.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.unseen == 0
    }

    /// Notes that an alert has an output field of this name.
    pub fn look(&mut self, name: &str) {
        if self.names.contains(name) {
            return;
        }
        for noted in self.noted.iter_mut().filter(|noted| !noted.seen && noted.name == name) {
            noted.seen = true;
            self.unseen -= 1;
        }
        if self.names.len() < MAX_NAMES && name.len() <= MAX_NAME {
            self.names.insert(name.to_owned());
        }
    }

    /// Returns the hints. `whose` begins the text and says which alerts were looked at, as in
    /// `no retained alert`. If it is `None`, no alert was, and fields get no hint.
    #[must_use]
    pub fn told(&self, whose: Option<&str>) -> Vec<Hint> {
        let told = |noted: &Noted| match &noted.value {
            // A word gets a hint only if it begins with the name of a field.
            Some(value) => noted.seen.then(|| word(noted, value)),
            None => whose.filter(|_| !noted.seen).map(|whose| self.field(noted, whose)),
        };
        self.noted.iter().filter_map(told).take(MAX_HINTS).collect()
    }

    fn field(&self, Noted { column, name, .. }: &Noted, whose: &str) -> Hint {
        let near = self.nearest(name);
        let mut detail = format!("{whose} has the field {name}");
        if let Some(near) = near {
            detail += "; nearest: ";
            detail += near;
        } else if !name.contains('.') {
            // Falco's texts have `user=root` and the like, and people copy that.
            detail += &format!("; to search the output for text, quote all of it: \"{name}=…\"");
        }
        let found = filter::written(name).unwrap_or_else(|| name.clone());
        Hint { column: *column, found, meant: near.and_then(filter::written), detail }
    }

    /// Returns the nearest field name, if it is close enough: a third of its letters may differ,
    /// and at least one.
    fn nearest(&self, written: &str) -> Option<&str> {
        let lower = written.to_lowercase();
        let near = |name: &'_ str| {
            let allowed = (name.len() / 3).max(1);
            // The distance is at least the difference in length. This skips the work for long
            // texts.
            if name.len().abs_diff(lower.len()) > allowed || filter::written(name).is_none() {
                return None;
            }
            let distance = strsim::osa_distance(&lower, &name.to_lowercase());
            (distance <= allowed).then_some(distance)
        };
        let names = self.names.iter().filter_map(|name| Some((near(name)?, name.as_str())));
        // Among equally near names the first one wins, so that the result is deterministic.
        names.min().map(|(_, name)| name)
    }
}

fn word(Noted { column, name, .. }: &Noted, value: &str) -> Hint {
    let lower = name.to_lowercase();
    let own = filter::is_own(&lower).then_some(lower);
    let found = format!("{name}:{value}");
    let meant = own.or_else(|| filter::written(name)).map(|field| match value {
        "" | "*" => format!("{field} exists"),
        value => format!("{field} = {value}"),
    });
    // Suggest only a valid filter.
    let meant = meant.filter(|meant| Filter::parse(meant).is_ok());
    let mut detail = format!("{found} matches text in the output");
    if let Some(meant) = &meant {
        detail += "; for the field write ";
        detail += meant;
    }
    Hint { column: *column, found, meant, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(filter: &str, names: &[&str]) -> Vec<Hint> {
        let mut hints = Hints::of(filter).unwrap();
        names.iter().for_each(|name| hints.look(name));
        hints.told((!names.is_empty()).then_some("no retained alert"))
    }

    const NAMES: [&str; 5] = ["proc.name", "proc.pname", "fd.name", "k8s.ns.name", "a\nb"];

    #[test]
    fn a_field_that_no_alert_has_gets_a_hint_with_the_nearest_name() {
        let [hint] = told("rule = x and ü and proc.nmae = bash", &NAMES).try_into().unwrap();
        assert_eq!((hint.column, &*hint.found), (20, "proc.nmae"));
        assert_eq!(hint.meant.as_deref(), Some("proc.name"));
        assert_eq!(hint.detail, "no retained alert has the field proc.nmae; nearest: proc.name");
        let [hint] = told("not (evt.arg.flags exists)", &NAMES).try_into().unwrap();
        assert_eq!((hint.column, hint.meant), (6, None));
        assert_eq!(hint.detail, "no retained alert has the field evt.arg.flags");
        let [hint] = told("user=root", &NAMES).try_into().unwrap();
        let quoted = "; to search the output for text, quote all of it: \"user=…\"";
        assert_eq!(hint.detail, format!("no retained alert has the field user{quoted}"));
        // Field names are case-sensitive.
        assert_eq!(told("Proc.Name = x", &NAMES)[0].meant.as_deref(), Some("proc.name"));
    }

    #[test]
    fn fields_that_alerts_have_get_no_hint() {
        assert_eq!(told("proc.name = a or not fd.name exists and rule = b", &NAMES), []);
        assert_eq!(told("proc.nmae = a", &[]), [], "without an alert nothing is known");
        assert_eq!(told("shell and 10.0.0.1:443 and \"rule:x\"", &NAMES), []);
    }

    #[test]
    fn a_word_that_looks_like_a_field_gets_a_hint() {
        let [hint] = told("rule:Terminal", &[]).try_into().unwrap();
        assert_eq!((hint.column, hint.meant.as_deref()), (1, Some("rule = Terminal")));
        let expected = "rule:Terminal matches text in the output; for the field write \
                        rule = Terminal";
        assert_eq!(hint.detail, expected);
        let meant = |filter| told(filter, &NAMES).pop().unwrap().meant;
        assert_eq!(meant("not Priority:warning").as_deref(), Some("priority = warning"));
        assert_eq!(meant("proc.name:bash").as_deref(), Some("proc.name = bash"));
        assert_eq!(meant("hostname:*").as_deref(), Some("hostname exists"));
        assert_eq!(meant("priority:nothing"), None, "`priority = nothing` is no filter");
    }

    #[test]
    fn hints_are_settled_when_every_field_was_seen() {
        let mut hints = Hints::of("proc.name = a and fd.name = b and source:x").unwrap();
        hints.look("fd.name");
        assert!(!hints.is_settled());
        hints.look("proc.name");
        assert!(hints.is_settled());
        assert!(Hints::of("rule = x").unwrap().is_settled());
    }

    #[test]
    fn names_and_hints_are_bounded() {
        let many: Vec<String> = (0..200).map(|n| format!("none.{n} exists")).collect();
        let mut hints = Hints::of(&many.join(" or ")).unwrap();
        (0..10_000).for_each(|n| hints.look(&format!("some.{n}")));
        hints.look(&"x".repeat(MAX_NAME + 1));
        assert_eq!(hints.names.len(), MAX_NAMES);
        assert_eq!(hints.told(Some("no retained alert")).len(), MAX_HINTS);
    }
}
