//! Where something stands, and how foreign text may be shown.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Where a node came from, in the order in which findings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// The file as a whole, or the built-in settings when there is none.
    Whole,
    /// The file's node of this number ([`super::yaml::Document::locate`]); they are numbered from the top.
    Node(usize),
    /// The option of this index.
    Option(usize),
    /// The command after `--`.
    Command,
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
