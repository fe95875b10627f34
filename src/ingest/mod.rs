//! Alerts come in: one file per source, one way into the hub.
//!
//! | source | file |
//! |---|---|
//! | standard input | [`stream`] |
//! | a Falco we start | [`command`]; how it is made to end with us is in [`child`] |
//! | files | [`files`]; following them across rotation is [`follow`]'s work |
//! | invented alerts | [`demo`] |
//! | HTTP, through the gateway | [`Intake::body`] |
//!
//! [`source`] has the list of those that are configured, and reads them; which of them give nothing
//! is in [`presence`].
//!
//! Every source hands on as many records as are there at once; [`Intake`] decodes them and
//! appends them together.

pub mod child;
pub mod command;
pub mod demo;
pub mod files;
pub(crate) mod follow;
mod intake;
mod lines;
pub mod presence;
pub mod source;
pub mod stream;

use std::path::PathBuf;

pub use intake::{ACCEPTED, Counts, Delivery, Input, Intake, now};
pub use lines::{Line, Lines};

/// Where alerts come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Read JSON lines from standard input.
    pub stdin: bool,
    /// Take what Falco's `http_output` posts to the gateway.
    pub http: bool,
    /// Files that Falco's `file_output` writes, followed across rotation.
    pub files: Vec<PathBuf>,
    /// A Falco to start, program first; empty starts none.
    pub command: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { stdin: false, http: true, files: Vec::new(), command: Vec::new() }
    }
}
