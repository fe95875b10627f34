//! Falconer's HTTP server. It accepts the alerts that Falco posts, serves alerts as live streams
//! and in pages, answers probes, and shows the dashboard.
//!
//! The crate depends on nothing else of Falconer. It calls the server through one small trait,
//! [`Port`], and has its own [`Config`].
//!
//! A request passes through it in five steps:
//!
//! ```text
//! listen/     accepts the connection: TLS, HTTP/1 or HTTP/2, timeouts, shutdown
//! guard/      checks Host, Origin, token and rate; logs refused posts and accesses
//! router.rs   maps each path to its handler, with the layers around all of them
//! api/        parses the request and answers it: alerts in, alerts out, numbers, probes
//! port/       what the gateway needs from the server behind it
//!
//! limits/     limits that all requests share: memory, and turns at expensive work
//! state.rs    the state of the handlers   config.rs   the settings
//! page.rs     the dashboard's files       headers.rs  the security headers
//! problem.rs  errors as RFC 9457 problem details
//! ```

mod api;
mod config;
mod guard;
mod headers;
mod limits;
mod listen;
mod page;
pub mod port;
mod problem;
mod router;
mod state;

pub use api::openapi::openapi;
pub use config::{Config, Limits, Tls};
pub use guard::client::Client;
pub use guard::host::{HostName, InvalidHost};
pub use guard::origin::{InvalidOrigin, Origin};
pub use guard::token::{BadToken, Token};
pub use limits::budget::MAX_BODY;
pub use listen::serve;
pub use port::{Exposition, Port, Status};
pub use router::router;
