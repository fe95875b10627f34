//! The commands that talk to the gateway of a running server: `events`, `wait`, `ingest`.
//!
//! 1. Filters and times are parsed here first, so that a mistake is reported with its column before
//!    a request is sent.
//! 2. Alerts are lines, from the server ([`http`]) or from a file ([`mod@file`]). Output ([`show`])
//!    is plain text, whatever an attacker put into an alert.
//! 3. Only the current line is in memory, and with `--last` the newest lines.
//!
//! Data goes to standard output. Hints about a filter ([`hints`]) go to standard error. Everything
//! else is an error and goes to the caller. Errors with a server say what to do ([`trouble`]).

mod events;
mod file;
mod follow;
mod hints;
mod http;
mod ingest;
mod lines;
mod show;
mod target;
mod trouble;
mod wait;
mod wanted;

pub use events::events;
pub use http::Server;
pub use ingest::ingest;
pub use show::Output;
pub use target::{Target, TargetError};
pub use wait::{Wait, wait};
pub use wanted::Events;

use std::io::{self, Write as _};

use crate::event::MAX_RECORD;
use crate::filter::SyntaxError;
use crate::ingest::Outcome;
use crate::query::PositionError;

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server cannot be reached, or its answer cannot be read.
    #[error("{url}: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The server rejected the request.
    #[error("{url}: {reason}")]
    Refused {
        /// The server.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The cause, in the server's words.
        reason: String,
    },
    /// The stream of alerts ended.
    #[error("the server ended the stream; it may be restarting")]
    Ended,
    /// The answer ended early.
    #[error("the server's answer ended early ({0}); the server may have stopped or be restarting")]
    Cut(std::io::Error),
    /// Options that cannot be used together.
    #[error("{0}")]
    Options(&'static str),
    /// No record of a file or of standard input is an alert.
    #[error("{0}")]
    NoAlerts(String),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        error: std::io::Error,
    },
    /// Standard input or output failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The filter is invalid.
    #[error("--filter: {0}")]
    Filter(#[from] SyntaxError),
    /// A time is invalid.
    #[error(transparent)]
    Time(#[from] PositionError),
    /// The timeout of `wait` passed.
    #[error("{seen} of {wanted} alerts within {within:?}")]
    Timeout {
        /// The number of alerts that arrived.
        seen: u64,
        /// The number of alerts waited for.
        wanted: u64,
        /// The timeout.
        within: std::time::Duration,
    },
}

impl ClientError {
    /// Whether trying again can help: the server is down or overloaded.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 502..=504),
            _ => false,
        }
    }
}

/// Reports records of `source` that are no alerts on standard error.
///
/// # Errors
/// If it has records, and none is an alert.
fn reported(outcome: &Outcome, source: &str) -> Result<(), ClientError> {
    let Some(report) = outcome.report() else { return Ok(()) };
    let report = format!("{source}: {}", show::visible(&report));
    if outcome.accepted == 0 {
        return Err(ClientError::NoAlerts(report));
    }
    // Standard error can be closed; that is no failure.
    drop(writeln!(io::stderr(), "falconer: {report}"));
    Ok(())
}

/// Longest line, in bytes. Longer ones are no alerts.
const LONGEST: usize = MAX_RECORD + 64;
