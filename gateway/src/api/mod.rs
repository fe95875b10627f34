//! The handlers, one file for each path, and what they share.
//!
//! ```text
//! routes.rs      the paths and their handlers
//! ingest.rs      posted alerts
//! body.rs        reads a body           (unpack.rs: decompression and limits)
//! stream.rs      the live stream: server-sent events, NDJSON
//! events.rs      pages of retained alerts, and one alert
//! export.rs      retained alerts as a file
//! histogram.rs   alerts by time         (span.rs: divides a time range)
//! facets.rs      frequent values        (count.rs: counts values)
//! rules.rs       alerts by rule
//! hints.rs       possible mistakes in a filter
//! status.rs      status, probes, metrics (exposition.rs: formats of metrics)
//! openapi.rs     the OpenAPI description (alert.rs: the schema of an alert)
//! ask.rs         query parameters
//! answer.rs      answers from a scan    (json.rs: JSON documents)
//! ```

mod alert;
pub(crate) mod answer;
mod ask;
mod body;
mod count;
mod events;
mod export;
mod exposition;
mod facets;
mod hints;
mod histogram;
pub(crate) mod ingest;
mod json;
pub(crate) mod openapi;
pub(crate) mod routes;
mod rules;
mod span;
pub(crate) mod status;
mod stream;
mod unpack;
