//! What the room has to say: errors, warnings and notes, each with the place it is about.
//!
//! 1. While settings are read, a [`Report`] collects findings by the node they are about ([`At`]);
//!    nothing stops at the first.
//! 2. At the end [`super::source::Sources`] gives each its place, and what leaves is a [`Finding`] with file,
//!    line and column.
//!
//! Text of a file or an option is not trusted: it is quoted, escaped and cut ([`super::place::quoted`]).

use std::{fmt, io};

use crate::net;

use super::place::{At, Position};

/// Findings of one kind that are listed; what a broken file says beyond them helps nobody, and
/// each costs one more pass over a text to find its place.
pub(super) const MAX_LISTED: usize = 50;

/// Something to tell the operator; written as `PLACE: what was found; what was expected; what to
/// do`, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {text}")]
pub struct Finding {
    /// What it is about.
    pub place: Place,
    /// The message; names the key, and quotes foreign text escaped.
    pub text: String,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file, by the name it was given, escaped; with the position where there is one.
    File {
        /// The name of the file.
        name: String,
        /// Where in it.
        position: Option<Position>,
    },
    /// An `-o KEY=VALUE`: its key as it was written, quoted and escaped.
    Option(String),
    /// The command after `--`.
    Command,
    /// No file was given: what holds without one.
    Defaults,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, position: None } => f.write_str(name),
            Self::File { name, position: Some(Position { line, column }) } => {
                write!(f, "{name}:{line}:{column}")
            }
            Self::Option(key) => write!(f, "option -o {key}"),
            Self::Command => f.write_str("command after --"),
            Self::Defaults => f.write_str("built-in settings"),
        }
    }
}

/// Why there is no configuration: everything that is wrong, one finding a line. Never empty.
///
/// A program that ends because of it exits with 78, the code for wrong configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    findings: Vec<Finding>,
    unlisted: usize,
    scarcity: bool,
}

impl Errors {
    /// `findings` and so many more.
    pub(super) fn new(findings: Vec<Finding>, unlisted: usize, scarcity: bool) -> Self {
        Self { findings, unlisted, scarcity }
    }

    pub(super) fn one(place: Place, text: String) -> Self {
        Self { findings: vec![Finding { place, text }], unlisted: 0, scarcity: false }
    }

    /// The same for a file that could not be read.
    pub(super) fn unreadable(place: Place, text: String, error: &io::Error) -> Self {
        Self { scarcity: net::is_scarcity(error), ..Self::one(place, text) }
    }

    /// Whether a file could not be read for a reason that may pass by itself:
    /// [`net::is_scarcity`].
    #[must_use]
    pub fn is_scarcity(&self) -> bool {
        self.scarcity
    }

    /// The findings, file by file from the top, then those of options; at most 50.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, finding) in self.findings.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Errors {}

/// Collects findings while settings are read.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) errors: Vec<(At, String)>,
    pub(super) warnings: Vec<(At, String)>,
    pub(super) notes: Vec<(At, String)>,
    pub(super) scarcity: bool,
}

impl Report {
    /// A file cannot be read.
    pub(super) fn unreadable(&mut self, at: At, text: impl Into<String>, error: &io::Error) {
        self.scarcity |= net::is_scarcity(error);
        self.error(at, text);
    }

    /// The settings cannot be used.
    pub(super) fn error(&mut self, at: At, text: impl Into<String>) {
        self.errors.push((at, text.into()));
    }

    /// The settings are used, though probably not as they were meant.
    pub(super) fn warn(&mut self, at: At, text: impl Into<String>) {
        self.warnings.push((at, text.into()));
    }

    /// Worth a line at start-up.
    pub(super) fn note(&mut self, at: At, text: impl Into<String>) {
        self.notes.push((at, text.into()));
    }
}

/// What is told besides the configuration.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) warnings: Vec<Finding>,
    pub(super) notes: Vec<Finding>,
}
