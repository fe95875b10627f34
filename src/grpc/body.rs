//! The bodies of requests and replies.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};

use super::Status;

/// A reply's body: frames, then trailers. It cannot fail. An error is a status in the trailers.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request's body, from any kind of connection.
pub type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Returns a body that is known to be empty, so that the reply is one HEADERS frame.
pub(super) fn empty() -> Body {
    Empty::new().boxed_unsync()
}

/// Returns a body of the frames of `stream`, then a status as trailers: the stream's error, or OK
/// when it ends.
pub(super) fn frames<S>(stream: S) -> Body
where
    S: Stream<Item = Result<Bytes, Status>> + Send + 'static,
{
    Frames { stream: Some(Box::pin(stream)) }.boxed_unsync()
}

struct Frames<S> {
    /// Dropped with the trailers, to free what the call held.
    stream: Option<Pin<Box<S>>>,
}

impl<S: Stream<Item = Result<Bytes, Status>>> http_body::Body for Frames<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let status = match std::task::ready!(stream.as_mut().poll_next(context)) {
            Some(Ok(frames)) => return Poll::Ready(Some(Ok(Frame::data(frames)))),
            Some(Err(status)) => status,
            None => Status::OK,
        };
        self.stream = None;
        Poll::Ready(Some(Ok(Frame::trailers(status.trailers()))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none()
    }
}
