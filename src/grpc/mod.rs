//! gRPC over HTTP/2, written by hand on `http` types: everything between an HTTP/2 stream and a
//! function on messages. It does not know alerts, and no method by name.
//!
//! The layers from the outside in, and why they are in this order ([`serve`] wires them):
//!
//! 1. [`catch_panic`] catches panics of all layers and handlers.
//! 2. [`accept`] rejects requests that are not gRPC, before anything reads them.
//! 3. [`deadline`] applies `grpc-timeout` to all that follows, the reply's body included.
//! 4. [`router`] finds the [`method`] of a path, or a mounted service.
//! 5. [`method`] has the four call shapes. [`request`] reads messages, [`frame`] decodes them from
//!    chunks, [`compression`] decompresses them. [`body`] ends with a [`status`].
//!
//! The service is infallible. Every error is a status, so hyper never resets a stream because of
//! one.

pub mod accept;
mod body;
pub mod catch_panic;
mod compression;
pub mod deadline;
pub mod frame;
pub mod method;

mod request;
mod router;
mod status;
pub mod timeout;

use std::convert::Infallible;

use http::{Request as HttpRequest, Response};
use tower::layer::layer_fn;
use tower::{Service, ServiceBuilder};

pub use body::{Body, BoxError, RequestBody};
pub use compression::{Encoding, InflateError};
pub use method::Method;
pub use request::{MAX_REQUEST, Request, Requests};
pub use router::{Mounted, Router};
pub use status::{Code, Status, percent_encode};

/// Returns the service of a gRPC server: `router` behind all layers.
pub fn serve(
    router: Router,
) -> impl Service<
    HttpRequest<RequestBody>,
    Response = Response<Body>,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    ServiceBuilder::new()
        .layer(layer_fn(catch_panic::CatchPanic))
        .layer(layer_fn(accept::Accept))
        .layer(layer_fn(deadline::Deadline))
        .service(router)
}
