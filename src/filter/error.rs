//! The error for an invalid filter, in one sentence. It quotes only a little of the filter's text,
//! escaped.

/// How many characters of the found text are shown.
const SHOWN: usize = 40;

/// The text is not a valid filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: expected {expected}, found {found}{}", hint(meant.as_deref()))]
pub struct SyntaxError {
    /// The position, in characters from 1. The end is one after the last character.
    pub column: usize,
    /// The text at this position, quoted and escaped, or words such as `the end`.
    pub found: String,
    /// The text that is valid there.
    pub expected: String,
    /// A known field, operator or value that is close to the found text.
    pub meant: Option<String>,
}

fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`"))
}

impl SyntaxError {
    /// Creates an error at byte `at` of `text`.
    pub(super) fn new(text: &str, at: usize, found: &str, expected: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        Self {
            column: before.chars().count() + 1,
            found: shown(found),
            expected: expected.into(),
            meant: None,
        }
    }

    /// Adds the nearest of the `known` names to `written`, if one is close enough.
    pub(super) fn near(mut self, written: &str, known: impl Iterator<Item = &'static str>) -> Self {
        self.meant = nearest(written, known).map(str::to_owned);
        self
    }
}

/// Shortens and escapes text, so that it can be printed anywhere. Empty text is the end.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        _ if text.is_empty() => "the end".to_owned(),
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}

/// Returns the known name that is nearest to a text, in any case, if it is close enough: a third of
/// its letters may differ, and at least one.
pub(super) fn nearest(
    written: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let written = written.to_lowercase();
    let near = |name: &'static str| {
        let allowed = (name.len() / 3).max(1);
        // The distance is at least the difference in length. This skips the work for long texts.
        if name.len().abs_diff(written.chars().count()) > allowed {
            return None;
        }
        let distance = strsim::osa_distance(&written, name);
        (distance <= allowed).then_some((distance, name))
    };
    known.filter_map(near).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}
