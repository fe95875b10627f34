//! The status of the server, for `GET /api/v1/status`.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The status of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// Falconer's version.
    pub version: String,
    /// The build of the server and its page.
    pub build: String,
    /// The epoch: this run of the server. Cursors begin with it.
    pub epoch: String,
    /// The time when this run began.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// The time of the server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// The gRPC address, as in `grpc.bind_address`. It is empty if gRPC is disabled.
    pub grpc: String,
    /// Whether the server accepts posted alerts.
    pub ingest: bool,
    /// The number of alerts received since the start, from all inputs.
    pub alerts_received: u64,
    /// The number of alerts retained.
    pub alerts_retained: u64,
    /// The size of the retained alerts, in bytes.
    pub bytes_retained: u64,
    /// The maximum size of the retained alerts, in bytes (`falconer.outputs.retain`).
    pub retain: u64,
    /// The number of alerts that readers lost, summed over readers.
    pub alerts_lost: u64,
    /// The time of the oldest retained alert.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
    /// The number of connected readers.
    pub subscribers: u64,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// The readers, by kind.
    pub readers: Vec<Readers>,
    /// The readers with the greatest lag; at most twenty.
    pub slowest: Vec<Reader>,
    /// The certificates in use, with their expiry.
    pub certificates: Vec<Certificate>,
}

/// An input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Input {
    /// `stdin`, `file`, `command` or `http`.
    pub name: String,
    /// The number of alerts received.
    pub received: u64,
    /// The number of records that were no alerts.
    pub refused: u64,
    /// The time when the last alert arrived.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last: Option<Timestamp>,
    /// Why the input is down; of several files, the first. Absent if it is up.
    pub error: Option<String>,
    /// The time since which it is down.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The files of the input `file`.
    pub files: Vec<InputFile>,
}

/// A followed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InputFile {
    /// The path.
    pub path: String,
    /// Why the file is down. Absent if it is up.
    pub error: Option<String>,
    /// The time since which it is down.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}

/// The readers of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readers {
    /// `grpc`, `sse` or `ndjson`.
    pub kind: String,
    /// The number of connected readers.
    pub count: u64,
    /// The number of alerts delivered to them since the start.
    pub delivered: u64,
    /// The lag of the slowest one, in alerts.
    pub lag: u64,
}

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reader {
    /// `grpc`, `sse` or `ndjson`.
    pub kind: String,
    /// The name, if it is known.
    pub name: Option<String>,
    /// The lag, in alerts.
    pub lag: u64,
    /// The number of alerts that it lost.
    pub lost: u64,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Certificate {
    /// The file.
    pub file: String,
    /// The end of its validity.
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
}
