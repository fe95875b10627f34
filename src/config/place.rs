//! Where something stands, and how foreign text may be shown.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Where a node came from, in the order in which findings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// The settings as a whole: the main file, or the built-in settings when there is none.
    Whole,
    /// A spot of the file of this number ([`super::source::Sources`]); files are numbered in the
    /// order in which they were read.
    In(usize, Spot),
    /// The option of this index.
    Option(usize),
    /// The command after `--`.
    Command,
}

/// A spot of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Spot {
    /// The file as a whole.
    Whole,
    /// The node of this number ([`super::yaml::Document::locate`]); they are numbered from the
    /// top.
    Node(usize),
    /// A place of a text that did not become nodes.
    Position(Position),
}

/// Characters of foreign text that a message quotes.
const MAX_QUOTED: usize = 80;

/// Characters of foreign text that stand in a message without quotes: names of files, and what
/// the YAML library says.
const MAX_ESCAPED: usize = 300;

/// Text of a file or an option as it may stand in a message: in double quotes, escaped, cut.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Foreign text as it may stand in a message without quotes: escaped, cut.
pub(super) fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '\'' | '"' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().take(MAX_ESCAPED).map(escape).collect()
}
