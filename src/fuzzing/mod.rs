//! The oracles of the fuzz targets in `fuzz/`. Ordinary tests run them on the seeds.
//!
//! They are always compiled, so that they cannot rot, and are not part of the interface. Each
//! oracle is a function of a fuzzer's bytes that panics if a rule is broken. Oracles that need a
//! clock are `async`, and need a runtime whose clock is paused.
//!
//! | file | contains or checks |
//! |---|---|
//! | `script` | a fuzzer's bytes, read as decisions |
//! | `pipe`, `served`, `frames` | a connection in memory, the server on it, HTTP/2's frames |
//! | `h2_raw` | any bytes after HTTP/2's preface |
//! | `h2_structured` | a client that keeps to HTTP/2's rules |
//! | `call` | its calls, and a model of how they end |
//! | `heads` | request heads, timeouts, status messages |
//! | `reflected` | reflection |
//! | `pem` | TLS files |
//! | `http` | the gateway: access, and how alerts are written |
//! | `framing` | gRPC's framing |
//! | `metering` | the meter of the frames that a peer sends |
//! | `repair` | the repair of `:authority` |
//! | `legacy` | client certificates of version 1 |
//! | `records` | records, however their lines are laid out |
//! | `envelopes` | alerts in what wraps their lines |
//! | `texts` | alerts, filters, configuration |

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "for the fuzz targets only: an oracle reports by panicking"
)]

mod call;
mod envelopes;
mod frames;
mod framing;
mod h2_raw;
mod h2_structured;
mod heads;
mod http;
mod legacy;
mod metering;
mod pem;
mod pipe;
mod records;
mod reflected;
mod repair;
mod script;
mod served;
mod texts;

pub use envelopes::envelope;
#[cfg(test)]
pub(crate) use framing::{Decoded, decode_in_chunks};
pub use framing::{frame_decode, grpc_frame_decode};
pub use h2_raw::h2_server_raw;
pub use h2_structured::{Hpack, h2_structured};
pub use heads::{grpc_message, grpc_timeout, request_head};
#[cfg(test)]
pub(crate) use http::quiet_feed;
pub use http::{gateway_request, sse_encode};
pub use legacy::Legacy;
pub use records::records;

pub use metering::{frame_meter, metered};
pub use pem::pem_load;
pub use reflected::reflection_stream;
pub use repair::authority_repair;
#[cfg(test)]
pub(crate) use repair::in_chunks;
#[cfg(test)]
pub(crate) use texts::FILTERED;
pub use texts::{config_text, falco_line, filter_text};
