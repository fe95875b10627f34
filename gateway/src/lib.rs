//! Falconer's HTTP side: takes the alerts Falco posts, hands alerts out as they come or by the
//! page, answers probes, shows the dashboard.
//!
//! The crate depends on nothing else of Falconer. What it needs from the server it is mounted in
//! it asks through one small [`Port`]; what it may do is its own [`Config`].
//!
//! ```text
//! serve.rs       accept loop: cap, back-off, drain
//! connection.rs  one connection: protocol, timeouts, limits
//! tls.rs         the handshake before it
//! activity.rs    when it last had something to do
//! taking.rs      whether its client takes what is answered
//! client.rs      who is at its other end
//! router.rs      the whole HTTP surface, read top to bottom
//! state.rs       what the handlers share
//! guard.rs       which requests get in: Host, Origin, token
//! access.rs      who asked for what, in the log
//! origin.rs      pages of other origins that may read
//! token.rs       the word that lets clients in
//! host.rs        the names this server answers to
//! ingest.rs      POST: an alert comes in
//! rate.rs        how often one client may post
//! body.rs        its body, read    (budget.rs: memory for the bodies being read)
//! unpack.rs      what it may cost, and where that is spent
//! ask.rs         questions as they stand in a URL
//! stream.rs      alerts as they come: server-sent events, NDJSON
//! events.rs      alerts that are kept, by the page; one alert
//! export.rs      alerts that are kept, as a file
//! histogram.rs   how many when          (span.rs: a time cut into parts)
//! facets.rs      which values how often (count.rs: values and how often they came)
//! rules.rs       which rules, where and when
//! hints.rs       what of a condition may be a slip
//! history.rs     looking at what is kept, away from the threads that serve
//! answer.rs      memory for what is answered, until it is taken
//! room.rs        memory that many share
//! status.rs      status JSON, probes, metrics  (exposition.rs: their formats)
//! openapi.rs     the API's description  (alert.rs: alerts in it)
//! json.rs        a document as an answer
//! page.rs        what `GET /` shows
//! headers.rs     what every page and error carries
//! problem.rs     errors, once, as RFC 9457 problem details
//! refusals.rs    posted alerts that were turned away: told to the host and the log
//! paced.rs       log lines a client can cause, at most one a minute
//! ```

mod access;
mod activity;
mod alert;
mod answer;
mod ask;
mod body;
mod budget;
mod client;
mod config;
mod connection;
mod count;
mod events;
mod export;
mod exposition;
mod facets;
mod guard;
mod headers;
mod hints;
mod histogram;
mod history;
mod host;
mod ingest;
mod json;
mod openapi;
mod origin;
mod paced;
mod page;
pub mod port;
mod problem;
mod rate;
mod refusals;
mod room;
mod router;
mod rules;
mod serve;
mod span;
mod state;
mod status;
mod stream;
mod taking;
mod tls;
mod token;
mod unpack;

pub use client::Client;
pub use config::{Config, Limits};
pub use exposition::Exposition;
pub use host::{HostName, InvalidHost};
pub use ingest::MAX_BODY;
pub use openapi::openapi;
pub use origin::{InvalidOrigin, Origin};
pub use port::{Port, Status};
pub use router::router;
pub use serve::serve;
pub use tls::Tls;
pub use token::{BadToken, Token};
