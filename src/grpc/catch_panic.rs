//! Ends only the call with INTERNAL if its handler panics.
//!
//! No handler should panic. If one does, the other calls of the connection continue.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tower::Service;

use super::body::Body;
use super::{Code, Status};

/// Turns a panic of a handler or a body into INTERNAL.
#[derive(Debug, Clone)]
pub struct CatchPanic<S>(pub(super) S);

impl<S, B> Service<Request<B>> for CatchPanic<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reply = AssertUnwindSafe(self.0.call(request)).catch_unwind();
        Box::pin(async move {
            Ok(match reply.await {
                Ok(response) => {
                    response?.map(|body| GuardedBody { inner: Some(body) }.boxed_unsync())
                }
                Err(panic) => status(&*panic).into_response(),
            })
        })
    }
}

/// Logs the panic's message. The client gets no details.
fn status(panic: &(dyn Any + Send)) -> Status {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a call panicked");
    Status::new(Code::Internal, "internal error; see the server's log")
}

struct GuardedBody {
    /// `None` after a panic.
    inner: Option<Body>,
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(context)));
        polled.unwrap_or_else(|panic| {
            self.inner = None;
            Poll::Ready(Some(Ok(Frame::trailers(status(&*panic).trailers()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }
}
