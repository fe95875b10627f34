//! A server for the conformance suites of gRPC, on Falconer's own stack. `make conformance` builds
//! it and runs the suites. It is not part of the product.
//!
//! ```text
//! conformance connect        reads a ServerCompatRequest from standard input (connectconformance)
//! conformance serve DIR      serves unix: DIR/plain.sock, and TCP: the ports in DIR/ports
//! ```
//!
//! | file | is |
//! |---|---|
//! | `connect` | `connectrpc.conformance.v1.ConformanceService` |
//! | `interop` | `grpc.testing.TestService` |
//! | `metadata` | headers and trailers of those services; Falconer's methods set none |
//! | `listen` | the product's own sockets, and a plain TCP port in front of the unix socket |
//!
//! `/plain` answers requests that are not gRPC, for h2spec.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a tool for tests ends where it cannot go on"
)]

mod connect;
mod interop;
mod listen;
mod metadata;

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;

use bytes::Bytes;
use falconer::grpc::{self, Router};
use falconer::net::body::{ReplyBody, RequestBody};
use falconer::net::connection::Handler;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    falconer::server::log_to_stderr(std::env::var("FALCONER_LOG").ok(), None);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["connect"] => connect::serve_as_asked().await,
        ["serve", folder] => listen::serve(Path::new(folder)).await,
        _ => panic!("usage: conformance connect | conformance serve DIR"),
    }
}

/// The longest request message if the suite does not set a limit: gRPC's default.
const MAX_REQUEST: usize = 4 << 20;

/// Serves every service, and a page for h2spec.
fn handler(max_request: usize) -> Handler {
    let router = Router::default().max_request(max_request);
    let calls: grpc::Mounted =
        BoxCloneSyncService::new(grpc::serve(interop::mount(connect::mount(router))));
    BoxCloneSyncService::new(service_fn(move |request: Request<RequestBody>| {
        match request.uri().path() {
            "/plain" => plain(request).boxed(),
            _ => metadata::with(request, calls.clone()).boxed(),
        }
    }))
}

/// Reads the request and answers with a short text.
fn plain(
    request: Request<RequestBody>,
) -> impl Future<Output = Result<Response<ReplyBody>, Infallible>> + Send {
    request.into_body().collect().map(|_| {
        let body = Full::new(Bytes::from_static(b"read\n"));
        Ok(Response::new(body.map_err(|never: Infallible| match never {}).boxed_unsync()))
    })
}
