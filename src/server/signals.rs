//! The signals that stop the server, and SIGHUP, which reloads it.
//!
//! One request to stop can arrive as several signals: GNU `timeout` signals its child and then its
//! whole group, and a terminal signals the group while a supervisor signals the process. Signals
//! within [`ONE_WISH`] of the first therefore count as the first. Only a later one is a second
//! signal, which forces the end.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{self, SignalKind, signal};
use tokio::time::Instant;

/// How long after the first signal to stop another one counts as the same. Longer than a program
/// takes to send both, shorter than a person takes to send another.
const ONE_WISH: Duration = Duration::from_millis(500);

/// Receives signals from its creation on.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    /// The time of the first signal to stop.
    asked_to_end: Option<Instant>,
    /// Whether a SIGHUP arrived while only a signal to stop was awaited.
    reload_again: bool,
}

/// The request behind a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP, as in Falco: reload.
    Reload,
}

impl Signals {
    /// Installs the handlers. Needs a tokio runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            asked_to_end: None,
            reload_again: false,
        })
    }

    /// Waits for the next request.
    pub(super) async fn next(&mut self) -> Asked {
        match std::mem::take(&mut self.reload_again) {
            true => Asked::Reload,
            false => self.received().await,
        }
    }

    async fn received(&mut self) -> Asked {
        loop {
            let (signal, asked) = tokio::select! {
                _ = self.terminate.recv() => ("SIGTERM", Asked::End),
                _ = self.interrupt.recv() => ("SIGINT", Asked::End),
                _ = self.hangup.recv() => ("SIGHUP", Asked::Reload),
            };
            if asked == Asked::End {
                if self.asked_to_end.is_some_and(|first| first.elapsed() < ONE_WISH) {
                    tracing::debug!(signal, "signal repeated at once; it counts as the first");
                    continue;
                }
                self.asked_to_end.get_or_insert_with(Instant::now);
            }
            tracing::info!(signal, "signal received");
            return asked;
        }
    }

    /// Waits for SIGTERM or SIGINT. [`Self::next`] returns a SIGHUP that arrives meanwhile.
    pub(super) async fn end(&mut self) {
        while self.received().await != Asked::End {
            self.reload_again = true;
        }
    }
}
