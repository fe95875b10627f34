//! The cases: the load on each contender, and its measurements.
//!
//! Within a case all contenders run at the same time, each with its own readers, and take turns:
//! one round each, then again. So a temporary disturbance of the machine hits all of them.
//!
//! [`delivery`] measures delivery over gRPC, [`http`] over HTTP, and [`cost`] ingest, idle readers
//! and the start.

mod cost;

mod delivery;
mod http;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use cost::CRI;

use super::alerts::Alerts;
use super::contender::{Contender, Server, Setup};
use super::feed::Feed;
use super::process::{self, Process};
use super::readers::Readers;
use super::report::{Metric, Row};

/// The length and the number of rounds.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) round: Duration,
    pub(crate) rounds: usize,
}

impl Pace {
    pub(crate) const NORMAL: Self = Self { round: Duration::from_millis(1500), rounds: 3 };
    pub(crate) const QUICK: Self = Self { round: Duration::from_millis(300), rounds: 1 };
}

/// The data that all cases share.
pub(crate) struct Lab {
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) pace: Pace,
}

/// The timeout of every step.
const PATIENCE: Duration = Duration::from_secs(30);

/// A contender in a case: running, or failed.
struct Entry<T> {
    row: Row,
    running: Option<T>,
}

impl<T> Entry<T> {
    fn new(contender: Contender, started: Result<T, String>) -> Self {
        let mut entry = Self { row: Row::new(contender), running: None };
        match started {
            Ok(running) => entry.running = Some(running),
            Err(reason) => entry.row.failed = Some(reason),
        }
        entry
    }

    /// Runs a round, unless the contender has failed.
    async fn round(&mut self, play: impl AsyncFnOnce(&mut T, &mut Row) -> Result<(), String>) {
        if let Some(running) = &mut self.running
            && let Err(reason) = play(running, &mut self.row).await
        {
            self.row.failed = Some(reason);
            self.running = None;
        }
    }
}

impl Lab {
    async fn subscribed(
        &self,
        contender: Contender,
        tls: bool,
        count: usize,
    ) -> Result<Running<'_>, String> {
        let mut server = Server::start(contender, Setup { tls, ..Setup::default() }).await?;
        let readers = Readers::subscribe(&server.target, count).await?;
        let feed = Feed::new(server.process.stdin(), &self.alerts);
        Ok(Running { server, readers, feed })
    }
}

struct Running<'a> {
    server: Server,
    readers: Readers,
    feed: Feed<'a>,
}

fn transport(tls: bool) -> &'static str {
    if tls { "mutual TLS" } else { "unix" }
}

/// Measures the CPU time and the wall time of an interval.
struct Meter {
    cpu: Duration,
    load: Duration,
    begun: Instant,
}

impl Meter {
    fn start(process: &Process) -> Self {
        Self { cpu: process.cpu(), load: process::own_cpu(), begun: Instant::now() }
    }

    /// Records the rates for `alerts` with `bytes` in total.
    fn stop(&self, process: &Process, alerts: u64, bytes: u64, row: &mut Row) {
        let wall = self.begun.elapsed().as_secs_f64();
        let cpu = (process.cpu() - self.cpu).as_secs_f64();
        let alerts = alerts as f64;
        row.add(Metric::Rate, alerts / wall);
        row.add(Metric::PerCpu, alerts / cpu);
        row.add(Metric::CpuMicros, cpu / alerts * 1e6);
        row.add(Metric::MibPerSecond, bytes as f64 / wall / f64::from(1 << 20));
        self.share(process, row);
    }

    /// Records the shares of the cores, and the memory.
    fn share(&self, process: &Process, row: &mut Row) {
        let wall = self.begun.elapsed().as_secs_f64();
        let percent = |time: Duration| time.as_secs_f64() / wall * 100.0;
        row.add(Metric::CpuShare, percent(process.cpu() - self.cpu));
        row.add(Metric::LoadShare, percent(process::own_cpu() - self.load));
        row.add(Metric::PeakMib, process.peak() as f64 / f64::from(1 << 20));
    }
}
