//! The load generator's writing side: writes alerts to a server's standard input.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::prctl;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

use super::alerts::{self, Alerts};
use super::readers::Readers;

/// The number of alerts per write, about the capacity of a pipe.
const CHUNK: u64 = 64;

/// The timeout for readers to read the rest, and for the server to read its input.
const PATIENCE: Duration = Duration::from_secs(30);

/// Feeds one server.
pub(crate) struct Feed<'a> {
    stdin: tokio::process::ChildStdin,
    alerts: &'a Alerts,
    sent: u64,
}

impl<'a> Feed<'a> {
    pub(crate) fn new(stdin: ChildStdin, alerts: &'a Alerts) -> Self {
        let stdin = tokio::process::ChildStdin::from_std(stdin).unwrap();
        Self { stdin, alerts, sent: 0 }
    }

    /// Returns the number of written alerts.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Writes `count` alerts as fast as the server reads them.
    pub(crate) async fn send(&mut self, mut count: u64) -> Result<(), String> {
        while count > 0 {
            let (lines, alerts) = self.alerts.lines(self.sent, count.min(CHUNK));
            let written = timeout_at(Instant::now() + PATIENCE, self.stdin.write_all(lines)).await;
            written
                .map_err(|_| "the server does not read its input".to_owned())?
                .map_err(|error| error.to_string())?;
            self.sent += alerts;
            count -= alerts;
        }
        Ok(())
    }

    /// Writes alerts for `length` as fast as the server reads them.
    pub(crate) async fn flood(&mut self, length: Duration) -> Result<(), String> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.send(CHUNK).await?;
        }
        Ok(())
    }

    /// Keeps `readers` busy for `length`, and waits until they have read everything. The slowest
    /// one never lags by more than `window` alerts, so that none is lost.
    pub(crate) async fn saturate(
        &mut self,
        readers: &Readers,
        window: u64,
        length: Duration,
    ) -> Result<(), String> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.send(CHUNK).await?;
            let behind = self.sent.saturating_sub(window);
            readers.reach(behind, end + PATIENCE).await?;
            // Readers share this thread.
            tokio::task::yield_now().await;
        }
        readers.reach(self.sent, end + PATIENCE).await
    }
}

/// Writes `rate` alerts a second for `length` on a thread of its own. An alert carries the time
/// when it is written. If the server was slow to read the one before, it carries the time when it
/// was due, so that waiting for the server counts as latency, but waiting for a timer does not.
/// Returns the number of alerts and the pipe.
pub(crate) fn paced(
    mut stdin: ChildStdin,
    alerts: Arc<Alerts>,
    rate: u32,
    length: Duration,
) -> JoinHandle<std::io::Result<(u64, ChildStdin)>> {
    thread::spawn(move || {
        // Make timers as precise as possible. By default they are a little late.
        let _ = prctl::set_timerslack(1);
        let start = alerts::now();
        let due =
            |number: u64| start + Duration::from_nanos(number * 1_000_000_000 / u64::from(rate));
        let (mut sent, mut lines) = (0, Vec::new());
        let mut slept = false;
        while due(sent) < start + length {
            let now = alerts::now();
            if now < due(sent) {
                thread::sleep(due(sent) - now);
                slept = true;
                continue;
            }
            lines.clear();
            while due(sent) <= now {
                alerts.stamped(sent, if slept { now } else { due(sent) }, &mut lines);
                sent += 1;
            }
            stdin.write_all(&lines)?;
            slept = false;
        }
        Ok((sent, stdin))
    })
}
