//! Falconer takes Falco's alerts in and serves Falco's gRPC API out.
//!
//! This file is the map. Each room is a folder, or a file, that says first what it does and what it
//! refuses; the arrows are who may import whom, and `tests/rooms.rs` holds them.
//!
//! ```text
//!            ingest ──► event ──► hub ◄── service ──► grpc
//!   stdin, child, file,  decode,   the log       outputs, version,     framing, status,
//!   what HTTP was posted encode    of blocks     health, reflection    timeout, metadata
//!                                   ▲
//!                 gateway ◄── server (knows them all) ──► net: sockets, TLS, HTTP/2
//!                                   ▲
//!                                 config ◄── falco.yaml, -o, environment
//!
//!            envelope ──► event: what wraps an alert's line, for ingest and client
//!            query ──► filter, hub, event: what may be asked of the log, for service and server
//!            seldom: lines of the log that others can cause, not too many; for net and service
//!            filter ──► event: Falco's condition language, for query
//!
//!   for the command line alone:
//!            check: what a start would find wrong      certs: certificates for mutual TLS
//!            client: questions to a server that runs
//! ```
//!
//! # The path of an alert
//!
//! 1. [`ingest`] reads records of bounded length, as many as are there. What is no alert itself is
//!    opened by [`envelope`], for the alert in it.
//! 2. [`event`] decodes each line once and encodes the gRPC frame once; the JSON line is kept as
//!    it came.
//! 3. [`hub`] numbers the alerts and appends them as an immutable block; nothing waits for a
//!    reader.
//! 4. A subscriber is a cursor: [`service`] reads shared slices of blocks from it on, [`query`] sifts
//!    them where it has a filter, and [`grpc`] writes them as flow control allows.
//! 5. A reader that fell behind what is retained is told exactly what it missed.
//!
//! # Who may import whom
//!
//! `certs`, `event`, `grpc`, `seldom` and the `gateway` crate import nothing of ours, `net` only
//! `seldom`. `envelope`, `filter` and `hub` may import `event`; `ingest` may import `envelope`,
//! `event` and `hub`; `query` may
//! import `event`, `filter` and `hub`; `service` may import these four, `grpc` and `seldom`; `config`
//! sees each room's own `Config` and nothing else; `check` may import `config` and what it names
//! (`ingest`, `net`) and `grpc`; `server` may import everything but the commands; `client` may import
//! `envelope`, `event`, `filter` and `query`, and of `ingest` what follows a file and cuts lines: a file is
//! followed in one way only.

pub mod certs;
pub mod check;
pub mod client;
pub mod config;
pub mod envelope;
pub mod event;
pub mod filter;
pub mod grpc;
pub mod hub;
pub mod ingest;
pub mod net;
pub mod query;
mod seldom;
pub mod server;
pub mod service;

/// The types of `proto/`, made by prost, and the descriptors that reflection serves.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "made by prost-build")]
pub mod proto {
    /// Falco's own packages.
    pub mod falco {
        pub mod schema {
            include!(concat!(env!("OUT_DIR"), "/falco.schema.rs"));
        }
        pub mod outputs {
            include!(concat!(env!("OUT_DIR"), "/falco.outputs.rs"));
        }
        pub mod version {
            include!(concat!(env!("OUT_DIR"), "/falco.version.rs"));
        }
    }

    /// Our own package.
    pub mod falconer {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/falconer.v1.rs"));
        }
    }

    /// The file descriptor set of everything above, comments included.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}

#[doc(hidden)]
pub mod fuzzing;
