//! Falconer's HTTP side: takes the alerts Falco posts, answers probes, shows a page.
//!
//! The crate depends on nothing else of Falconer. What it needs from the server it is mounted in
//! it asks through one small [`Port`]; what it may do is its own [`Config`].
//!
//! ```text
//! serve.rs       accept loop: cap, back-off, drain
//! connection.rs  one connection: protocol, timeouts, limits
//! router.rs      the whole HTTP surface, read top to bottom
//! state.rs       what the handlers share
//! guard.rs       which requests get in: Host and Origin
//! host.rs        the names this server answers to
//! ingest.rs      POST: an alert comes in
//! budget.rs      memory for the bodies being read
//! status.rs      status JSON and probes
//! page.rs        what `GET /` shows
//! headers.rs     what every page and error carries
//! problem.rs     errors, once, as RFC 9457 problem details
//! refusals.rs    posted alerts that were turned away: told to the host and the log
//! paced.rs       log lines a client can cause, at most one a minute
//! ```

mod budget;
mod config;
mod connection;
mod guard;
mod headers;
mod host;
mod ingest;
mod paced;
mod page;
mod port;
mod problem;
mod refusals;
mod router;
mod serve;
mod state;
mod status;

pub use config::{Config, Limits};
pub use host::{HostName, InvalidHost};
pub use ingest::MAX_BODY;
pub use port::{Port, Status};
pub use router::router;
pub use serve::serve;
