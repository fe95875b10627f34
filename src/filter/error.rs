//! What is wrong with a filter's text, in one sentence. Only escaped text of the filter is in it,
//! and never much.

/// How many characters of what was found are shown.
const SHOWN: usize = 40;

/// The text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: expected {expected}, found {found}{}", hint(meant.as_deref()))]
pub struct SyntaxError {
    /// Where, in characters from 1; one behind the last is the end.
    pub column: usize,
    /// What stands there: quoted and escaped text, or words such as `the end`.
    pub found: String,
    /// What should.
    pub expected: String,
    /// The field, operator or value that was perhaps meant.
    pub meant: Option<String>,
}

fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`"))
}

impl SyntaxError {
    /// A mistake at byte `at` of `text`.
    pub(super) fn new(text: &str, at: usize, found: &str, expected: impl Into<String>) -> Self {
        let before = text.get(..at).unwrap_or(text);
        Self {
            column: before.chars().count() + 1,
            found: shown(found),
            expected: expected.into(),
            meant: None,
        }
    }

    /// With the nearest of the `known` to what was `written`, where one is near enough.
    pub(super) fn near(mut self, written: &str, known: impl Iterator<Item = &'static str>) -> Self {
        self.meant = nearest(written, known).map(str::to_owned);
        self
    }
}

/// Text as it may be printed anywhere; nothing is the end.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        _ if text.is_empty() => "the end".to_owned(),
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}

/// The known name nearest to a text, in any case, when it is near enough to be what was meant: a
/// third of its letters may differ, one always may.
pub(super) fn nearest(
    written: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let written = written.to_lowercase();
    let near = |name: &'static str| {
        let allowed = (name.len() / 3).max(1);
        // Far too long a text is not worth the work of comparing.
        if name.len().abs_diff(written.chars().count()) > allowed {
            return None;
        }
        let distance = strsim::osa_distance(&written, name);
        (distance <= allowed).then_some((distance, name))
    };
    known.filter_map(near).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}
