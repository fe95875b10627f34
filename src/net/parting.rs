//! How a connection's calls end at the end: slowly enough for every client.
//!
//! What ends calls and a connection fits into one write: the last alerts, trailers, RST_STREAM,
//! GOAWAY, PING. Some clients cannot take them at once. grpclib, and all that is built on it, gives
//! up what its user has not read yet when a reset arrives, and everything at a GOAWAY; Python's h2
//! takes a PING behind a GOAWAY for an error, and drops with it all that it read.
//!
//! 1. A call that is made to end ([`super::connection::Ending`]) pauses between what it sent last and
//!    its trailers, until the client has taken it: a moment, and then some answers to PINGs, each of
//!    which a busy client gives after it has read what was before, and done some of its own work. One
//!    that does not answer is not waited for longer than [`UNDERSTOOD`].
//! 2. RST_STREAM, with which HTTP/2 tells a client that has not closed its side to send no more,
//!    stays with the trailers ([`super::cork`]): without it grpclib takes trailers for a mistake, its
//!    side being open.
//! 3. [`Parting`] knows when all calls are over: GOAWAY and PING come another pause after that.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::body::ReplyBody;
use super::echo::Echo;

/// The pause between what not every client can take in one read.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// How many PINGs a client answers then, one after the other: between two answers it had its turn to
/// hand on what it has read.
const ANSWERS: usize = 3;

/// How long it may take over them.
const UNDERSTOOD: Duration = Duration::from_millis(900);

/// What a connection needs to write what it has.
const MOMENT: Duration = Duration::from_millis(10);

/// A connection's calls, on their way to their end.
#[derive(Debug, Clone)]
pub(super) struct Parting {
    open: TaskTracker,
    /// Cancelled when they have to end.
    ending: CancellationToken,
    echo: Arc<Echo>,
}

impl Parting {
    pub(super) fn new(ending: CancellationToken, echo: Arc<Echo>) -> Self {
        let open = TaskTracker::new();
        // So that the last one to end is noticed; others may still begin.
        open.close();
        Self { open, ending, echo }
    }

    /// Waits until no call is open, `limit` at most, and then long enough for what they ended with to
    /// be written and read.
    pub(super) async fn calls_over(&self, limit: Duration) {
        // One that has just ended may have something to be written.
        if self.open.is_empty() {
            return sleep(MOMENT).await;
        }
        let _ = timeout(limit, self.open.wait()).await;
        understood(self.echo.clone()).await;
    }

    /// A call that begins.
    pub(super) fn begin(&self) -> Answering {
        let (open, ending) = (self.open.token(), self.ending.clone());
        Answering { open, ending, echo: self.echo.clone() }
    }
}

/// Waits until the peer has, most likely, understood what was written.
async fn understood(echo: Arc<Echo>) {
    sleep(PAUSE).await;
    let answers = async {
        for _ in 0..ANSWERS {
            echo.heard().await;
        }
    };
    let _ = timeout(UNDERSTOOD, answers).await;
}

/// A call whose reply is being made.
#[derive(Debug)]
pub(super) struct Answering {
    open: TaskTrackerToken,
    ending: CancellationToken,
    echo: Arc<Echo>,
}

impl Answering {
    /// The reply that has been made.
    pub(super) fn with(self, body: ReplyBody) -> Reply {
        let Self { open, ending, echo } = self;
        Reply { body, sent: false, ending, echo, pausing: None, _open: open }
    }
}

/// A call's reply.
pub(super) struct Reply {
    body: ReplyBody,
    /// Whether there was anything but trailers.
    sent: bool,
    ending: CancellationToken,
    echo: Arc<Echo>,
    pausing: Option<Pausing>,
    _open: TaskTrackerToken,
}

struct Pausing {
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    trailers: Option<Frame<Bytes>>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.pausing.is_none() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(trailers))
                    if trailers.is_trailers() && this.sent && this.ending.is_cancelled() =>
                {
                    let over = Box::pin(understood(this.echo.clone()));
                    this.pausing = Some(Pausing { over, trailers: Some(trailers) });
                }
                frame => {
                    this.sent = true;
                    return Poll::Ready(frame);
                }
            }
        }
        let Some(pausing) = &mut this.pausing else { return Poll::Ready(None) };
        if pausing.trailers.is_none() {
            return Poll::Ready(None);
        }
        ready!(pausing.over.as_mut().poll(context));
        Poll::Ready(pausing.trailers.take().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        match &self.pausing {
            Some(pausing) => pausing.trailers.is_none(),
            None => self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
