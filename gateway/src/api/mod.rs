//! What is answered: a file a question, and what they share.
//!
//! ```text
//! routes.rs      which path is answered by whom
//! ingest.rs      POST: an alert comes in
//! body.rs        its body, read    (unpack.rs: what it may cost, and where that is spent)
//! stream.rs      alerts as they come: server-sent events, NDJSON
//! events.rs      alerts that are kept, by the page; one alert
//! export.rs      alerts that are kept, as a file
//! histogram.rs   how many when          (span.rs: a time cut into parts)
//! facets.rs      which values how often (count.rs: values and how often they came)
//! rules.rs       which rules, where and when
//! hints.rs       what of a condition may be a slip
//! status.rs      status JSON, probes, metrics  (exposition.rs: their formats)
//! openapi.rs     the API's description  (alert.rs: alerts in it)
//! ask.rs         questions as they stand in a URL
//! answer.rs      answers made by a scan (json.rs: a document as an answer)
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
