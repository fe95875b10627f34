//! Commands that ask a running server, over the gateway: `events`, `wait`, `ingest`.
//!
//! What goes wrong with a server is told with what to do ([`trouble`]).
//!
//! 1. A filter and a time are read here first: a slip is told with its column before anybody is
//!    asked.
//! 2. Alerts come as lines, from the server ([`http`]) or from a file of Falco's JSON; what is shown
//!    of them ([`show`]) is text and no more, whatever an attacker put in them.
//! 3. Nothing is held but the line at hand, and where the last so many are wanted, those.
//!
//! Standard output is data; what of a filter may be a slip ([`hints`]) goes to standard error;
//! everything else is an error, and goes to the caller.

mod events;
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

use crate::event::MAX_RECORD;
use crate::filter::SyntaxError;
use crate::query::PositionError;

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server cannot be reached, or its answer not be read.
    #[error("{url}: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server says no.
    #[error("{url}: {reason}")]
    Refused {
        /// The server.
        url: String,
        /// The status of HTTP it does so with.
        status: u16,
        /// In its own words.
        reason: String,
    },
    /// The stream of alerts ended.
    #[error("the server ended the stream; it may be restarting")]
    Ended,
    /// The answer broke off.
    #[error("the server's answer broke off ({0}); it may have ended, or be restarting")]
    Cut(std::io::Error),
    /// Options that do not go together.
    #[error("{0}")]
    Options(&'static str),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Standard input or output failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is no condition.
    #[error("--filter: {0}")]
    Filter(#[from] SyntaxError),
    /// It is no time.
    #[error(transparent)]
    Time(#[from] PositionError),
    /// What was waited for did not happen.
    #[error("{seen} of {wanted} alerts within {within:?}")]
    Timeout {
        /// How many came.
        seen: u64,
        /// How many were wanted.
        wanted: u64,
        /// How long was waited.
        within: std::time::Duration,
    },
}

impl ClientError {
    /// Whether the same may be asked again with hope: the server is away, or has no room now.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 502..=504),
            _ => false,
        }
    }
}

/// A line that is longer than any alert's is none.
const LONGEST: usize = MAX_RECORD + 64;
