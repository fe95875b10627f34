//! Ends the calls of a connection at shutdown, slowly enough for every client.
//!
//! The last alerts, trailers, RST_STREAM, GOAWAY and PING fit into one write, but some clients
//! cannot handle them at once. grpclib, and everything built on it, drops unread data when a reset
//! arrives, and everything at a GOAWAY. Python's h2 takes a PING after a GOAWAY for an error and
//! drops everything that it read.
//!
//! 1. A call that has to end ([`super::connection::Ending`]) pauses between its last data and its
//!    trailers: for [`PAUSE`], and then until the client has answered [`ANSWERS`] PINGs. A busy
//!    client answers a PING only after it has read what came before. The wait for a client that
//!    does not answer ends after [`UNDERSTOOD`].
//! 2. RST_STREAM tells a client that has not half-closed to send no more. It leaves together with
//!    the trailers ([`super::cork`]), because without it grpclib takes trailers for an error while
//!    its own side is open.
//! 3. [`Parting`] knows when all calls have ended. GOAWAY and PING follow after another pause.

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

/// The pause between frames that not every client can handle in one read.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// How many PINGs the client answers after the pause, one after the other. Between two answers it
/// has time to hand to its user what it has read.
const ANSWERS: usize = 3;

/// The timeout for all of these answers.
const UNDERSTOOD: Duration = Duration::from_millis(900);

/// The time that a connection needs to write what is buffered.
const MOMENT: Duration = Duration::from_millis(10);

/// The open calls of a connection, and the way they end.
#[derive(Debug, Clone)]
pub(super) struct Parting {
    open: TaskTracker,
    /// Cancelled when the calls have to end.
    ending: CancellationToken,
    echo: Arc<Echo>,
}

impl Parting {
    pub(super) fn new(ending: CancellationToken, echo: Arc<Echo>) -> Self {
        let open = TaskTracker::new();
        // A closed tracker reports the end of its last call. New calls may still begin.
        open.close();
        Self { open, ending, echo }
    }

    /// Waits until no call is open, `limit` at most, and then until the peer has most likely read
    /// the trailers.
    pub(super) async fn calls_over(&self, limit: Duration) {
        // A call that has just ended may not be written yet.
        if self.open.is_empty() {
            return sleep(MOMENT).await;
        }
        let _ = timeout(limit, self.open.wait()).await;
        understood(self.echo.clone()).await;
    }

    /// Registers a new call.
    pub(super) fn begin(&self) -> Answering {
        let (open, ending) = (self.open.token(), self.ending.clone());
        Answering { open, ending, echo: self.echo.clone() }
    }
}

/// Waits until the peer has most likely processed what was written.
async fn understood(echo: Arc<Echo>) {
    sleep(PAUSE).await;
    let answers = async {
        for _ in 0..ANSWERS {
            echo.heard().await;
        }
    };
    let _ = timeout(UNDERSTOOD, answers).await;
}

/// A call that has no reply yet.
#[derive(Debug)]
pub(super) struct Answering {
    open: TaskTrackerToken,
    ending: CancellationToken,
    echo: Arc<Echo>,
}

impl Answering {
    /// Wraps the body of the call's reply.
    pub(super) fn with(self, body: ReplyBody) -> Reply {
        let Self { open, ending, echo } = self;
        Reply { body, sent: false, ending, echo, pausing: None, _open: open }
    }
}

/// The body of a reply, which pauses before its trailers at shutdown.
pub(super) struct Reply {
    body: ReplyBody,
    /// Whether any data was sent.
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
