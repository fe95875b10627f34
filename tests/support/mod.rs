//! What the integration tests share: the server as a process, the way a user starts it (`server`),
//! certificates every client accepts, and those nobody may (`certs`, `site`), the real clients as
//! processes (`client`), libraries that read server-sent events (`sse`), HTTP and TLS as a script
//! speaks them (`http`, `tls`), HTTP/2 as nobody should (`wire`), a subscriber beside that
//! (`witness`), the example lines with the alerts they must become (`examples`), those in
//! envelopes (`envelopes`), and waiting for what
//! is asserted (`wait`).
//!
//! Everything waits with a deadline and is ended by its process id; nothing is left behind.
#![allow(dead_code, reason = "each integration test uses its part")]

pub(crate) mod certs;
pub(crate) mod client;
pub(crate) mod envelopes;
pub(crate) mod examples;
pub(crate) mod http;
pub(crate) mod raw;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod sse;
pub(crate) mod tls;
pub(crate) mod wait;
pub(crate) mod wire;
pub(crate) mod witness;

use std::time::Duration;

/// How long anything may take that happens at once on an idle machine: on a busy one, whose other
/// work goes first, it takes a hundred times as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Plaintext on a unix socket.
    Unix,
    /// TCP with mandatory client certificates.
    Tls,
}
