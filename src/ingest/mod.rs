//! Takes in alerts: one file per source, and one way into the log.
//!
//! | source | file |
//! |---|---|
//! | standard input | [`stream`] |
//! | a Falco that we start | [`command`]; [`child`] makes it end with us |
//! | files | [`files`]; [`pattern`] finds them, [`follow`] follows them across rotation |
//! | demo alerts | [`demo`] |
//! | HTTP, through the gateway | [`Intake::body`] |
//!
//! [`source`] lists and reads the configured sources. [`presence`] tracks which of them are down.
//!
//! Every source passes on as many records as it has at once. [`Intake`] decodes them and appends
//! them together.

pub mod child;
pub mod command;
pub mod demo;
pub mod files;
pub(crate) mod follow;
mod intake;
mod lines;
mod outcome;
pub mod pattern;
pub mod presence;
pub mod records;
pub mod source;
pub mod stream;

use std::path::PathBuf;

pub use intake::{ACCEPTED, Counts, Delivery, Input, Intake, now};
pub use lines::{Line, Lines};
pub use outcome::{Outcome, Rejected};

/// The settings of the inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether to read JSON lines from standard input.
    pub stdin: bool,
    /// Whether the gateway accepts alerts that Falco's `http_output` posts.
    pub http: bool,
    /// Files that Falco's `file_output` writes, followed across rotation, and patterns of such
    /// files ([`pattern::is_pattern`]).
    pub files: Vec<PathBuf>,
    /// The command of a Falco to start, program first; empty for none.
    pub command: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { stdin: false, http: true, files: Vec::new(), command: Vec::new() }
    }
}
