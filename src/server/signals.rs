//! The signals that end the server, and the one that must not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals, from when this was made on.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
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

    /// Waits for SIGTERM or SIGINT. SIGHUP, by which Falco reads its settings again, is answered
    /// in the log: a server of alerts does not end because a terminal was closed.
    pub(super) async fn end(&mut self) {
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP: settings are read at the start only; restart for new ones");
                    continue;
                }
            };
            tracing::info!(signal = name, "signal received");
            return;
        }
    }
}
