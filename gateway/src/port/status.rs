//! How the server is, for `GET /api/v1/status`.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Status {
    /// Falconer's own version.
    pub version: String,
    /// Which build of the server, and so of its page, this is.
    pub build: String,
    /// Which run of the server: what cursors begin with.
    pub epoch: String,
    /// When this run began.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// The server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub now: Timestamp,
    /// Where gRPC is served, as in `grpc.bind_address`; empty when it is off.
    pub grpc: String,
    /// Whether alerts may be posted.
    pub ingest: bool,
    /// Alerts taken in since the start, from every input.
    pub alerts_received: u64,
    /// Alerts kept for readers to come.
    pub alerts_retained: u64,
    /// Bytes they take.
    pub bytes_retained: u64,
    /// Bytes they may take (`falconer.outputs.retain`).
    pub retain: u64,
    /// Alerts that readers missed, summed over readers.
    pub alerts_lost: u64,
    /// When the oldest alert kept happened.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
    /// Readers connected now.
    pub subscribers: u64,
    /// Where alerts come from.
    pub inputs: Vec<Input>,
    /// What readers there are.
    pub readers: Vec<Readers>,
    /// The readers that are furthest behind, at most twenty.
    pub slowest: Vec<Reader>,
    /// The certificates in use, and until when.
    pub certificates: Vec<Certificate>,
}

/// An input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Input {
    /// `stdin`, `file`, `command` or `http`.
    pub name: String,
    /// Alerts it gave.
    pub received: u64,
    /// Records of it that were no alerts.
    pub refused: u64,
    /// When it last gave an alert.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last: Option<Timestamp>,
    /// Why it has nothing to give, where that is so; of several files, the first.
    pub error: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The files, where it is `file`.
    pub files: Vec<InputFile>,
}

/// A file that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct InputFile {
    /// Its path.
    pub path: String,
    /// Why nothing comes from it, where that is so.
    pub error: Option<String>,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
}

/// Readers of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readers {
    /// `grpc`, `sse` or `ndjson`.
    pub kind: String,
    /// How many are connected.
    pub count: u64,
    /// Alerts that were given to them since the start.
    pub delivered: u64,
    /// Alerts that the slowest has still to read.
    pub lag: u64,
}

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reader {
    /// `grpc`, `sse` or `ndjson`.
    pub kind: String,
    /// Who it is, where that is known.
    pub name: Option<String>,
    /// Alerts that it has still to read.
    pub lag: u64,
    /// Alerts that it missed.
    pub lost: u64,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Certificate {
    /// Its file.
    pub file: String,
    /// Until when it counts.
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
}
