//! The files that settings come from: their names, and the positions of nodes in them.
//!
//! 1. Every text gets a number, in the order of reading. Its nodes carry this number and their own
//!    ([`At`]).
//! 2. At the end the findings are sorted by file and line, and each node is located in its text.
//!    The result is a [`Finding`]. A position that cannot be found is left out, never guessed.

use std::path::Path;

use super::{
    finding::{Errors, Finding, MAX_LISTED, Place, Report, Told},
    place::{At, Spot, escaped, quoted},
    tree::{Node, Value},
    yaml::{self, Document, MAX_TEXT, Unreadable},
};

/// Every file that was named or read.
#[derive(Debug)]
pub(super) struct Sources {
    /// Whether the first file is the main file. Without one, the defaults apply.
    has_main: bool,
    files: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    /// The name as the operator gave it, escaped.
    name: String,
    /// The parsed text; `None` if the file could not be read.
    document: Option<Document>,
}

/// A text that was parsed into a map of settings.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Always a map; empty if the text had none.
    pub(super) root: Node,
    /// The number of nodes, aliases followed.
    pub(super) nodes: usize,
}

impl Sources {
    /// Parses the main file, if there is one. Returns no settings if it is not YAML, and reports
    /// that.
    pub(super) fn main(
        text: Option<&str>,
        path: Option<&Path>,
        report: &mut Report,
    ) -> (Self, Option<Node>) {
        let has_main = path.is_some() || text.is_some();
        let mut sources = Self { has_main, files: Vec::new() };
        let path = path.unwrap_or(Path::new("settings"));
        if let Some(text) = text {
            let parsed = sources.parse(path, text, report);
            return (sources, parsed.map(|parsed| parsed.root));
        }
        if has_main {
            sources.add(path);
        }
        (sources, Some(Node::new(Value::Map(Vec::new()), At::Whole)))
    }

    /// Adds a file of which only the name is known, and returns its number.
    pub(super) fn add(&mut self, path: &Path) -> usize {
        self.files.push(Source { name: file_name(path), document: None });
        self.files.len() - 1
    }

    /// Parses a text. Returns `None` if it is not YAML, and reports that.
    pub(super) fn parse(&mut self, path: &Path, text: &str, report: &mut Report) -> Option<Parsed> {
        let file = self.add(path);
        match yaml::parse(text, |node| At::In(file, Spot::Node(node))) {
            Ok((document, mut root)) => {
                let nodes = document.nodes();
                check_root(&document, &mut root, file, report);
                if let Some(source) = self.files.get_mut(file) {
                    source.document = Some(document);
                }
                Some(Parsed { root, nodes })
            }
            Err(Unreadable { position, reason }) => {
                let spot = position.map_or(Spot::Whole, Spot::Position);
                let reason = escaped(&reason);
                report.error(At::In(file, spot), format!("not readable as YAML: {reason}"));
                None
            }
        }
    }

    /// Turns a report into errors or, if it has none, into warnings and notes.
    pub(super) fn told(&self, report: Report, overrides: &[String]) -> Result<Told, Errors> {
        if !report.errors.is_empty() {
            return Err(self.failed(report, overrides));
        }
        Ok(Told {
            warnings: self.findings(report.warnings, overrides),
            notes: self.findings(report.notes, overrides),
        })
    }

    /// Turns the errors of a report into [`Errors`].
    pub(super) fn failed(&self, report: Report, overrides: &[String]) -> Errors {
        let unlisted = report.errors.len().saturating_sub(MAX_LISTED);
        Errors::new(self.findings(report.errors, overrides), unlisted, report.scarcity)
    }

    /// Returns findings in the order of files and lines, then of options; at most [`MAX_LISTED`].
    fn findings(&self, mut raw: Vec<(At, String)>, overrides: &[String]) -> Vec<Finding> {
        raw.sort_by_key(|(at, _)| *at);
        let place = |(at, text)| Finding { place: self.place(at, overrides), text };
        raw.into_iter().take(MAX_LISTED).map(place).collect()
    }

    fn place(&self, at: At, overrides: &[String]) -> Place {
        match at {
            At::Whole if self.has_main => self.file(0, Spot::Whole),
            At::Whole => Place::Defaults,
            At::In(file, spot) => self.file(file, spot),
            At::Option(index) => {
                let option = overrides.get(index).map_or("", String::as_str);
                let key = option.split_once('=').map_or(option, |(key, _)| key);
                Place::Option(quoted(key))
            }
            At::Command => Place::Command,
        }
    }

    fn file(&self, file: usize, spot: Spot) -> Place {
        let Some(Source { name, document }) = self.files.get(file) else { return Place::Defaults };
        let position = match spot {
            Spot::Whole => None,
            Spot::Node(node) => document.as_ref().and_then(|document| document.locate(node)),
            Spot::Position(position) => Some(position),
        };
        Place::File { name: name.clone(), position }
    }
}

/// Checks that the root is a map. An empty file counts as an empty map.
fn check_root(document: &Document, root: &mut Node, file: usize, report: &mut Report) {
    if document.more {
        let text = "there is more than one YAML document; only the first is read";
        report.warn(At::In(file, Spot::Whole), text);
    }
    match &root.value {
        Value::Map(_) => return,
        Value::Null => {}
        Value::Text(_) | Value::List(_) => {
            let found = root.found();
            report.error(root.at, format!("the file {found}; expected a map of settings"));
        }
    }
    root.value = Value::Map(Vec::new());
}

/// Decodes a file as UTF-8.
///
/// # Errors
/// When the file is too large or not UTF-8: the spot and the message.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, (Spot, String)> {
    if bytes.len() > MAX_TEXT {
        return Err((Spot::Whole, format!("the file is larger than {MAX_TEXT} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        let spot = Spot::Position(yaml::position_after(&before));
        (spot, "the file is not UTF-8 text".to_owned())
    })
}

/// Returns the name of a file for a message.
pub(super) fn file_name(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}
