//! When a connection last had something to do.
//!
//! One clock for a connection, instead of one that is set and cleared for each request of it: alerts
//! are posted thousands of times a second.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Duration, Instant, sleep_until};

/// A connection's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Requests that are being answered.
    open: usize,
    /// When the last of them ended.
    last: Option<Instant>,
}

/// A request that is being answered, until it is dropped.
#[derive(Debug)]
pub(crate) struct Busy(Activity);

impl Activity {
    /// A request has come.
    pub(crate) fn begin(&self) -> Busy {
        self.state().open += 1;
        Busy(self.clone())
    }

    /// Ends when nothing has come by `first`, or nothing for `idle` since the last answer ended.
    pub(crate) async fn idle(&self, first: Instant, idle: Duration) {
        let mut until = first;
        loop {
            sleep_until(until).await;
            let state = self.state();
            until = match *state {
                State { open: 0, last: None } => return,
                State { open: 0, last: Some(last) } if last + idle <= Instant::now() => return,
                State { open: 0, last: Some(last) } => last + idle,
                State { .. } => Instant::now() + idle,
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    /// Goes on until the last of `response` has left for the socket; without a body it is over.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        if response.body().is_end_stream() {
            return response;
        }
        response.map(|body| Body::new(Sending { body, busy: Arc::new(self) }))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open -= 1;
        state.last = Some(Instant::now());
    }
}

/// A response's body on its way.
struct Sending {
    body: Body,
    busy: Arc<Busy>,
}

/// A piece of it: HTTP takes one as soon as it likes, and drops it when it is written.
struct Piece {
    data: Bytes,
    _busy: Arc<Busy>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let piece = |data| Bytes::from_owner(Piece { data, _busy: self.busy.clone() });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
