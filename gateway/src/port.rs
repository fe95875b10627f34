//! What the gateway asks of the server it is mounted in.
//!
//! Everything here is called from request handlers: nothing may block, nothing may wait.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// The server behind the gateway.
pub trait Port: Send + Sync + 'static {
    /// Takes a body Falco posted: one JSON object or NDJSON, not looked at so far. Must return at
    /// once; what cannot be read or held is counted here, Falco has no use for an error.
    ///
    /// The bytes may be a slice of the connection's read buffer: copy what is to stay for long.
    fn ingest(&self, body: Bytes);

    /// A POST was turned away with this status before anything was taken. Falco does not look at
    /// the answer, so whatever was in it is lost; count it.
    fn refused(&self, status: StatusCode) {
        let _ = status;
    }

    /// Whether the server can take and hand out alerts; if not, one line that says why.
    fn ready(&self) -> Result<(), String>;

    /// Small live numbers for the page and the status JSON.
    fn status(&self) -> Status;
}

/// What the status JSON shows, field for field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Falconer's own version.
    pub version: String,
    /// Alerts taken in since the start, from every input.
    pub alerts_received: u64,
    /// Alerts kept for readers to come.
    pub alerts_retained: u64,
    /// Readers connected now.
    pub subscribers: u64,
    /// Where gRPC is served, as in `grpc.bind_address`; empty when it is off.
    pub grpc: String,
}
