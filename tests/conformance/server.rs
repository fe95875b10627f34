//! A server for the suites that judge gRPC servers, on the very stack that Falconer serves with:
//! `make conformance` builds it and runs them. It is no part of the product.
//!
//! ```text
//! conformance connect           a ServerCompatRequest on standard input, as connectconformance has it
//! conformance serve DIR         unix: DIR/plain.sock, TCP: the ports that DIR/ports names
//! ```
//!
//! | file | is |
//! |---|---|
//! | `connect` | `connectrpc.conformance.v1.ConformanceService` |
//! | `interop` | `grpc.testing.TestService` |
//! | `metadata` | what those services say in headers and trailers; no method of Falconer's does |
//! | `listen` | the sockets, each the product's own, and a plain port in front of the unix one |
//!
//! Whatever is not gRPC is answered at `/plain` alone, for h2spec.

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

/// The longest request message of the suites, where they do not say: gRPC's own default.
const MAX_REQUEST: usize = 4 << 20;

/// Every service, and a page for h2spec.
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

/// Reads the request and says something.
fn plain(
    request: Request<RequestBody>,
) -> impl Future<Output = Result<Response<ReplyBody>, Infallible>> + Send {
    request.into_body().collect().map(|_| {
        let body = Full::new(Bytes::from_static(b"read\n"));
        Ok(Response::new(body.map_err(|never: Infallible| match never {}).boxed_unsync()))
    })
}
