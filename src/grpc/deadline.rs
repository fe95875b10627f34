//! Applies `grpc-timeout` to the whole call: the reply's head and every message of its body.
//!
//! If the timeout expires before the reply has begun, the reply is Trailers-Only. After that, the
//! body ends with the same status after the last whole message.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};
use tower::Service;

use super::body::Body;
use super::{Code, Status, timeout};

/// Ends calls at their deadline.
#[derive(Debug, Clone)]
pub struct Deadline<S>(pub(super) S);

impl<S, B> Service<Request<B>> for Deadline<S>
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
        let timeout = match timeout::of(request.headers()) {
            Ok(None) => return Box::pin(self.0.call(request)),
            Ok(Some(timeout)) if timeout.is_zero() => {
                return Box::pin(std::future::ready(Ok(exceeded().into_response())));
            }
            Ok(Some(timeout)) => timeout,
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_response()))),
        };
        let reply = self.0.call(request);
        Box::pin(async move {
            // A deadline that the clock cannot represent is no deadline.
            let Some(deadline) = Instant::now().checked_add(timeout) else { return reply.await };
            match tokio::time::timeout_at(deadline, reply).await {
                Ok(response) => Ok(response?.map(|inner| {
                    let sleep = Box::pin(tokio::time::sleep_until(deadline));
                    TimedBody { inner: Some((inner, sleep)) }.boxed_unsync()
                })),
                Err(_) => Ok(exceeded().into_response()),
            }
        })
    }
}

fn exceeded() -> Status {
    Status::new(Code::DeadlineExceeded, "the call's grpc-timeout has expired")
}

struct TimedBody {
    /// `None` once the deadline has ended the call.
    inner: Option<(Body, Pin<Box<Sleep>>)>,
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((inner, sleep)) = &mut self.inner else { return Poll::Ready(None) };
        if !inner.is_end_stream() && sleep.as_mut().poll(context).is_ready() {
            self.inner = None;
            return Poll::Ready(Some(Ok(Frame::trailers(exceeded().trailers()))));
        }
        Pin::new(inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|(inner, _)| inner.is_end_stream())
    }
}
