//! gRPC over HTTP/2 by hand, on `http` types: everything between an HTTP/2 stream and a
//! function from messages to messages. It knows no event and no method by name.
//!
//! From the outside in, and why each layer stands where it does ([`serve`] wires them):
//!
//! 1. [`catch_panic`]: catches what any layer or handler lets out.
//! 2. [`accept`]: what is no gRPC request is answered in HTTP's terms, before anything reads it.
//! 3. [`deadline`]: `grpc-timeout` runs over all that follows, including the reply's body.
//! 4. [`router`]: from the path to a [`method`], or to a service that somebody else wrote.
//! 5. [`method`]: the four call shapes; [`request`] reads messages, [`frame`] cuts them out of
//!    chunks, [`compression`] inflates them; [`body`] ends with a [`status`].
//!
//! The service is infallible: every failure leaves as a status, so that hyper never has to reset
//! a stream for us.

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

/// A gRPC server's service: `router` behind every layer.
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
