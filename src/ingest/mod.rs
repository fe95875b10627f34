//! Alerts come in.

use std::path::PathBuf;

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
