//! Whether the client takes the answers that are on their way to it.
//!
//! An HTTP/2 client may read its socket, answer PINGs, and grant an answer no window: nothing that
//! watches the connection sees it. So each stream is watched by itself.
//!
//! 1. Every stream is a task of its own, started here ([`Streams`]), and its answer's body is passed
//!    on in short pieces. Each of them, once it is written, says so.
//! 2. The client is at fault while pieces are waiting to be written, or more is there and nobody
//!    asks for it; not while the answer itself has nothing to send.
//! 3. An answer of which no piece is taken for [`Limits::stall`], or whose memory others need more, is
//!    dropped, which resets its stream and no other. So that it can be, its end is sent only after
//!    all else is written: what h2 has whole it keeps until there is a window.
//!
//! [`Limits::stall`]: crate::config::Limits::stall

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use hyper::rt::Executor;
use tokio::{
    sync::Notify,
    task_local,
    time::{Instant, sleep_until},
};

use crate::limits::room::Place;

task_local! {
    /// The answer of the stream whose task this is.
    static TAKING: Taking;
}

/// Starts the tasks of HTTP/2 streams, and ends those whose answers are not taken.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) stall: Duration,
}

impl<S> Executor<S> for Streams
where
    S: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: S) {
        let (taking, stall) = (Taking::default(), self.stall);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = TAKING.scope(taking.clone(), stream) => {}
                () = taking.refused(stall) => {
                    tracing::debug!("an answer was cut off: its client took nothing of it");
                }
            }
        });
    }
}

/// How far the client has taken an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taking(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    begun: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Pieces that are not written yet.
    pieces: usize,
    /// The answer has nothing to send for now.
    quiet: bool,
    /// When the client last took something.
    last: Option<Instant>,
    /// Woken when everything is written.
    end: Option<Waker>,
    place: Option<Arc<Place>>,
}

impl Taking {
    /// The one of the stream whose task this is called in; nothing in HTTP/1.
    pub(crate) fn of_this_stream() -> Option<Self> {
        TAKING.try_with(Clone::clone).ok()
    }

    /// The answer is there, with its memory.
    pub(crate) fn begin(&self, place: Option<Arc<Place>>) {
        let mut state = self.state();
        state.last = Some(Instant::now());
        state.place = place;
        drop(state);
        self.0.begun.notify_one();
    }

    /// It has nothing to send for now, or has it again.
    pub(crate) fn quiet(&self, quiet: bool) {
        let mut state = self.state();
        state.quiet = quiet;
        if state.pieces == 0 {
            state.last = Some(Instant::now());
        }
    }

    /// A piece is on its way.
    pub(crate) fn piece(&self) {
        self.state().pieces += 1;
    }

    /// It is written.
    pub(crate) fn written(&self) {
        let mut state = self.state();
        state.pieces = state.pieces.saturating_sub(1);
        state.last = Some(Instant::now());
        let end = if state.pieces == 0 { state.end.take() } else { None };
        drop(state);
        if let Some(end) = end {
            end.wake();
        }
    }

    /// Waits until all of it is written.
    pub(crate) fn poll_written(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.pieces == 0 {
            return Poll::Ready(());
        }
        state.end = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether all of it is written.
    pub(crate) fn is_written(&self) -> bool {
        self.state().pieces == 0
    }

    /// Ends when the client has taken nothing for `stall`, or others need the memory more.
    async fn refused(&self, stall: Duration) {
        self.0.begun.notified().await;
        let lost = self.state().place.as_ref().map(|place| place.lost());
        let lost = async {
            match lost {
                Some(lost) => lost.await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.stalled(stall) => {}
            () = lost => {}
        }
    }

    async fn stalled(&self, stall: Duration) {
        loop {
            let until = {
                let state = self.state();
                let now = Instant::now();
                match state.last {
                    Some(_) if state.quiet && state.pieces == 0 => now + stall,
                    Some(last) if last + stall <= now => return,
                    Some(last) => last + stall,
                    None => now + stall,
                }
            };
            sleep_until(until).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
