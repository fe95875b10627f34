//! Tracks when a connection was last active.
//!
//! There is one timer for a connection, not one for each request, because alerts are posted
//! thousands of times a second.

use std::{
    future::pending,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, sleep_until},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::taking::Taking;
use crate::limits::room::Place;

/// The number of bytes that are passed to HTTP/2 at once: one frame, so that progress is visible.
const PIECE: usize = 16 << 10;

/// The requests of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when an HTTP/1 answer has reserved memory.
    placed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The number of requests in flight.
    open: usize,
    /// The time when the last of them ended.
    last: Option<Instant>,
    /// The memory of the HTTP/1 answer. There is one at a time.
    lost: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// A request in flight, until it is dropped.
#[derive(Debug)]
pub(crate) struct Busy(Activity);

impl Activity {
    /// Notes a new request.
    pub(crate) fn begin(&self) -> Busy {
        self.state().open += 1;
        Busy(self.clone())
    }

    /// Waits until no request has arrived by `first`, or for `idle` since the last answer ended.
    pub(crate) async fn idle(&self, first: Instant, idle: Duration) {
        let mut until = first;
        loop {
            sleep_until(until).await;
            let state = self.state();
            until = match *state {
                State { open: 0, last: None, .. } => return,
                State { open: 0, last: Some(last), .. } if last + idle <= Instant::now() => return,
                State { open: 0, last: Some(last), .. } => last + idle,
                State { .. } => Instant::now() + idle,
            };
        }
    }

    /// Waits until the memory of an HTTP/1 answer is lost.
    pub(crate) async fn lost(&self) {
        let mut lost = None;
        loop {
            let now_lost = async {
                match &mut lost {
                    Some(lost) => Pin::new(lost).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = now_lost => return,
                () = self.0.placed.notified() => lost = self.state().lost.take(),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    /// Keeps the request in flight until the body of `response` has been written.
    pub(crate) fn until_sent(self, mut response: Response) -> Response {
        if response.body().is_end_stream() {
            return response;
        }
        let place = response.extensions_mut().remove::<Arc<Place>>();
        if let Some(place) = &place {
            place.moved();
        }
        let taking = Taking::of_this_stream();
        match (&taking, &place) {
            (Some(taking), _) => taking.begin(place.clone()),
            (None, Some(place)) => {
                self.0.state().lost = Some(Box::pin(place.lost()));
                self.0.0.placed.notify_one();
            }
            (None, None) => {}
        }
        let way = Arc::new(Way { _busy: self, place, taking });
        response.map(|body| Body::new(Sending { body, rest: Bytes::new(), way }))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.open -= 1;
        state.last = Some(Instant::now());
    }
}

/// The trackers of an answer's progress.
struct Way {
    _busy: Busy,
    place: Option<Arc<Place>>,
    taking: Option<Taking>,
}

/// The body of a response in flight.
struct Sending {
    body: Body,
    /// The rest of the last chunk.
    rest: Bytes,
    way: Arc<Way>,
}

/// A piece of a chunk. The HTTP library drops it when it is written.
struct Piece {
    data: Bytes,
    way: Arc<Way>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(place) = &self.way.place {
            place.moved();
        }
        if let Some(taking) = &self.way.taking {
            taking.written();
        }
    }
}

impl Sending {
    /// Cuts the next piece off the rest.
    fn piece(&mut self) -> Bytes {
        let data = match &self.way.taking {
            Some(taking) => {
                taking.piece();
                self.rest.split_to(self.rest.len().min(PIECE))
            }
            None => std::mem::take(&mut self.rest),
        };
        Bytes::from_owner(Piece { data, way: self.way.clone() })
    }
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let way = self.way.clone();
        let Some(taking) = &way.taking else {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            return Poll::Ready(frame.map(|frame| {
                frame.map(|frame| {
                    frame.map_data(|data| {
                        self.rest = data;
                        self.piece()
                    })
                })
            }));
        };
        if self.rest.is_empty() {
            let frame = Pin::new(&mut self.body).poll_frame(context);
            taking.quiet(frame.is_pending());
            match ready!(frame).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return taking.poll_written(context).map(|()| None),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.piece()))))
    }

    fn is_end_stream(&self) -> bool {
        let written = self.way.taking.as_ref().is_none_or(Taking::is_written);
        self.rest.is_empty() && self.body.is_end_stream() && written
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
