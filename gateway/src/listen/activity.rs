//! When a connection last had something to do.
//!
//! One clock for a connection, instead of one that is set and cleared for each request of it: alerts
//! are posted thousands of times a second.

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

/// Bytes that are handed to HTTP/2 at a time, so that it shows when they are taken: a frame.
const PIECE: usize = 16 << 10;

/// A connection's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// An HTTP/1 answer has memory that others may need more.
    placed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Requests that are being answered.
    open: usize,
    /// When the last of them ended.
    last: Option<Instant>,
    /// Ends when the memory of the answer is lost, where it is HTTP/1: there is one at a time.
    lost: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
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
                State { open: 0, last: None, .. } => return,
                State { open: 0, last: Some(last), .. } if last + idle <= Instant::now() => return,
                State { open: 0, last: Some(last), .. } => last + idle,
                State { .. } => Instant::now() + idle,
            };
        }
    }

    /// Ends when others need the memory of an HTTP/1 answer more.
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
    /// Goes on until the last of `response` has left for the socket; without a body it is over.
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

/// Who wants to know how an answer gets on.
struct Way {
    _busy: Busy,
    place: Option<Arc<Place>>,
    taking: Option<Taking>,
}

/// A response's body on its way.
struct Sending {
    body: Body,
    /// What is left of what the body gave.
    rest: Bytes,
    way: Arc<Way>,
}

/// A piece of it: HTTP takes one as soon as it likes, and drops it when it is written.
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
    /// The next piece of what is left, as long as it may be.
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
