//! Positions of settings, and the quoting of untrusted text.

/// A position in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The origin of a node. Its order is the order in which findings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// The settings as a whole: the main file, or the defaults if there is none.
    Whole,
    /// A spot in the file of this number ([`super::source::Sources`]). Files are numbered in the
    /// order of reading.
    In(usize, Spot),
    /// The option with this index.
    Option(usize),
    /// The command after `--`.
    Command,
}

/// A spot in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    /// The file as a whole.
    Whole,
    /// The node with this number ([`super::yaml::Document::locate`]), counted from the top.
    Node(usize),
    /// A position in a text that could not be parsed into nodes.
    Position(Position),
}

/// The most characters of untrusted text in quotes.
const MAX_QUOTED: usize = 80;

/// The most characters of untrusted text without quotes: file names and messages of the YAML
/// library.
const MAX_ESCAPED: usize = 300;

/// Untrusted text for a message: in double quotes, escaped, truncated to 80 characters.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Untrusted text for a message without quotes: escaped, truncated to 300 characters.
pub(super) fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '\'' | '"' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().take(MAX_ESCAPED).map(escape).collect()
}
