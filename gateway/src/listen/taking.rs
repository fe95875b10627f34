//! Checks that the client reads its answers.
//!
//! An HTTP/2 client can read its socket and answer PINGs, but grant an answer no window. Checks of
//! the connection do not notice that, so each stream is checked.
//!
//! 1. Every stream is a task, started here ([`Streams`]). The body of its answer is passed on in
//!    short pieces, and each piece reports when it is written.
//! 2. The client stalls while pieces wait to be written, or while the HTTP library does not request
//!    more. It does not stall while the answer has nothing to send.
//! 3. If no piece is written for [`Limits::stall`], or the answer's memory is lost, the answer is
//!    dropped, which resets its stream only. To make that possible, the end of the body is sent
//!    after all pieces are written, because h2 keeps a complete body until there is a window.
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
    /// The progress of the stream's answer, in the stream's task.
    static TAKING: Taking;
}

/// Starts the tasks of HTTP/2 streams, and ends those whose answers are not read.
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
                    tracing::debug!("answer cut off: the client did not read it");
                }
            }
        });
    }
}

/// The progress of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taking(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    begun: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The number of pieces that are not written yet.
    pieces: usize,
    /// Whether the answer has nothing to send for now.
    quiet: bool,
    /// The time of the last progress.
    last: Option<Instant>,
    /// Woken when all pieces are written.
    end: Option<Waker>,
    place: Option<Arc<Place>>,
}

impl Taking {
    /// Returns the progress of the current task's stream. `None` in HTTP/1.
    pub(crate) fn of_this_stream() -> Option<Self> {
        TAKING.try_with(Clone::clone).ok()
    }

    /// Notes the answer and its memory.
    pub(crate) fn begin(&self, place: Option<Arc<Place>>) {
        let mut state = self.state();
        state.last = Some(Instant::now());
        state.place = place;
        drop(state);
        self.0.begun.notify_one();
    }

    /// Notes whether the answer has nothing to send.
    pub(crate) fn quiet(&self, quiet: bool) {
        let mut state = self.state();
        state.quiet = quiet;
        if state.pieces == 0 {
            state.last = Some(Instant::now());
        }
    }

    /// Notes a piece that is passed on.
    pub(crate) fn piece(&self) {
        self.state().pieces += 1;
    }

    /// Notes a written piece.
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

    /// Waits until all pieces are written.
    pub(crate) fn poll_written(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.pieces == 0 {
            return Poll::Ready(());
        }
        state.end = Some(context.waker().clone());
        Poll::Pending
    }

    /// Returns whether all pieces are written.
    pub(crate) fn is_written(&self) -> bool {
        self.state().pieces == 0
    }

    /// Waits until the client has stalled for `stall`, or the memory is lost.
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
