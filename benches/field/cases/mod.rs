//! The cases: what is done to each contender, and what is noted.
//!
//! Within a case all contenders are running, each connected to its readers, and take turns: one
//! round each, then again. What disturbs the machine for a while disturbs them all.
//!
//! [`delivery`] is how alerts get out, [`http`] the same over HTTP, [`cost`] what it takes to get them in and to be there.

mod cost;
mod delivery;
mod http;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::alerts::Alerts;
use super::contender::{Contender, Server, Setup};
use super::feed::Feed;
use super::process::{self, Process};
use super::readers::Readers;
use super::report::{Metric, Row};

/// How much time there is.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) round: Duration,
    pub(crate) rounds: usize,
}

impl Pace {
    pub(crate) const NORMAL: Self = Self { round: Duration::from_millis(1500), rounds: 3 };
    pub(crate) const QUICK: Self = Self { round: Duration::from_millis(300), rounds: 1 };
}

/// What all cases need.
pub(crate) struct Lab {
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) pace: Pace,
}

/// How long anything may take.
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

    /// Plays a round, if it is still in the game.
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

/// A server's CPU time and the clock, from here to there.
struct Meter {
    cpu: Duration,
    load: Duration,
    begun: Instant,
}

impl Meter {
    fn start(process: &Process) -> Self {
        Self { cpu: process.cpu(), load: process::own_cpu(), begun: Instant::now() }
    }

    /// Notes what `alerts` of so many bytes took.
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

    /// Notes the share of a core, and memory.
    fn share(&self, process: &Process, row: &mut Row) {
        let wall = self.begun.elapsed().as_secs_f64();
        let percent = |time: Duration| time.as_secs_f64() / wall * 100.0;
        row.add(Metric::CpuShare, percent(process.cpu() - self.cpu));
        row.add(Metric::LoadShare, percent(process::own_cpu() - self.load));
        row.add(Metric::PeakMib, process.peak() as f64 / f64::from(1 << 20));
    }
}
