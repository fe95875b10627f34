//! Errors, warnings and notes about settings, each with its place.
//!
//! 1. While settings are read, a [`Report`] collects findings by the node they concern ([`At`]).
//!    Reading goes on after an error.
//! 2. At the end [`super::source::Sources`] looks the nodes up and returns each [`Finding`] with
//!    file, line and column.
//!
//! Text from a file or an option is untrusted. Messages quote, escape and truncate it
//! ([`super::place::quoted`]).

use std::{fmt, io};

use crate::net;

use super::place::{At, Position};

/// The most findings of one kind to list. Finding the place of each costs one more pass over its
/// text.
pub(super) const MAX_LISTED: usize = 50;

/// A message to the operator: `PLACE: what was found; what was expected; what to do`, without a
/// full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {text}")]
pub struct Finding {
    /// The setting it concerns.
    pub place: Place,
    /// The message. It names the key and quotes untrusted text.
    pub text: String,
}

/// The place of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File {
        /// The file's name as the operator gave it, escaped.
        name: String,
        /// The position in it, if known.
        position: Option<Position>,
    },
    /// An `-o KEY=VALUE`: its key as written, quoted and escaped.
    Option(String),
    /// The command after `--`.
    Command,
    /// The defaults that apply without a file.
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

/// All mistakes in the settings, one finding a line. Never empty.
///
/// The program exits with code 78 on it, the code for wrong configuration in `sysexits.h`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    findings: Vec<Finding>,
    unlisted: usize,
    scarcity: bool,
}

impl Errors {
    /// `findings`, and the number of those left out.
    pub(super) fn new(findings: Vec<Finding>, unlisted: usize, scarcity: bool) -> Self {
        Self { findings, unlisted, scarcity }
    }

    pub(super) fn one(place: Place, text: String) -> Self {
        Self { findings: vec![Finding { place, text }], unlisted: 0, scarcity: false }
    }

    /// The error of a file that cannot be read.
    pub(super) fn unreadable(place: Place, text: String, error: &io::Error) -> Self {
        Self { scarcity: net::is_scarcity(error), ..Self::one(place, text) }
    }

    /// Whether a file could not be read for lack of descriptors or memory ([`net::is_scarcity`]),
    /// so that trying again can help.
    #[must_use]
    pub fn is_scarcity(&self) -> bool {
        self.scarcity
    }

    /// The findings in the order of files and lines, then of options; at most 50.
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
    /// Reports a file that cannot be read.
    pub(super) fn unreadable(&mut self, at: At, text: impl Into<String>, error: &io::Error) {
        self.scarcity |= net::is_scarcity(error);
        self.error(at, text);
    }

    /// Reports a mistake; the settings cannot be used.
    pub(super) fn error(&mut self, at: At, text: impl Into<String>) {
        self.errors.push((at, text.into()));
    }

    /// Reports a setting that is used, though it is probably not what was meant.
    pub(super) fn warn(&mut self, at: At, text: impl Into<String>) {
        self.warnings.push((at, text.into()));
    }

    /// Reports a fact to log at start-up.
    pub(super) fn note(&mut self, at: At, text: impl Into<String>) {
        self.notes.push((at, text.into()));
    }
}

/// The findings that come with a usable configuration.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) warnings: Vec<Finding>,
    pub(super) notes: Vec<Finding>,
}
