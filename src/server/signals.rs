//! The signals that end the server, and the one that has settings read again.

use std::io;

use tokio::signal::unix::{self, SignalKind, signal};

/// Signals, from when this was made on.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
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
        })
    }

    /// Waits for a signal.
    pub(super) async fn next(&mut self) -> Asked {
        let (signal, asked) = tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", Asked::End),
            _ = self.interrupt.recv() => ("SIGINT", Asked::End),
            _ = self.hangup.recv() => ("SIGHUP", Asked::Reload),
        };
        tracing::info!(signal, "signal received");
        asked
    }

    /// Waits for SIGTERM or SIGINT.
    pub(super) async fn end(&mut self) {
        while self.next().await != Asked::End {}
    }
}
