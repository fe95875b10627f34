//! Falconer's HTTP side: takes the alerts Falco posts, hands alerts out as they come or by the
//! page, answers probes, shows the dashboard.
//!
//! The crate depends on nothing else of Falconer. What it needs from the server it is mounted in
//! it asks through one small [`Port`]; what it may do is its own [`Config`].
//!
//! A request walks through it in five steps:
//!
//! ```text
//! listen/     a connection is taken: TLS, HTTP/1 or HTTP/2, time-outs, the end
//! guard/      who gets in: Host, Origin, token, rate; who was refused, and the log of it
//! router.rs   which path is answered by whom, and what is around all of them
//! api/        the question is read and answered: alerts in, alerts out, numbers, probes
//! port/       what it asks of the server behind it
//!
//! limits/     what all requests share: memory, and turns at heavy work
//! state.rs    what the handlers share     config.rs   what the gateway may be told
//! page.rs     what `GET /` shows          headers.rs  what every page and error carries
//! problem.rs  errors, once, as RFC 9457 problem details
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
