//! The signals that end the server, and the one that has settings read again.
//!
//! One wish to end can arrive as several signals: GNU `timeout` signals its child and then its whole
//! group, a terminal the group while a supervisor signals the process. What comes within [`ONE_WISH`]
//! of the first is therefore the first again; only a later one is the second, which forces the end.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{self, SignalKind, signal};
use tokio::time::Instant;

/// How long after the first signal to end another one means the same. Longer than any program takes
/// to send both, shorter than a person takes to ask again.
const ONE_WISH: Duration = Duration::from_millis(500);

/// Signals, from when this was made on.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    /// When the first signal to end came.
    asked_to_end: Option<Instant>,
    /// Whether a SIGHUP came while only the end was waited for.
    reload_again: bool,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT.
    End,
    /// SIGHUP, as in Falco: read the settings again.
    Reload,
}

impl Signals {
    /// Begins to listen. Needs a tokio runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            asked_to_end: None,
            reload_again: false,
        })
    }

    /// Waits for a signal that asks for something new.
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
                    tracing::debug!(signal, "signal received again at once; it counts once");
                    continue;
                }
                self.asked_to_end.get_or_insert_with(Instant::now);
            }
            tracing::info!(signal, "signal received");
            return asked;
        }
    }

    /// Waits for SIGTERM or SIGINT. A SIGHUP that comes meanwhile is what [`Self::next`] gives next.
    pub(super) async fn end(&mut self) {
        while self.received().await != Asked::End {
            self.reload_again = true;
        }
    }
}
