//! The cases: what is done to each contender, and what is noted.
//!
//! Within a case all contenders are running, each connected to its readers, and take turns: one
//! round each, then again. What disturbs the machine for a while disturbs them all.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout};

use super::alerts::Alerts;
use super::contender::{Contender, Server, Setup};
use super::feed::{self, Feed};
use super::posts;
use super::process::{self, Process};
use super::readers::{self, Call, Readers, STREAM_WINDOW};
use super::report::{Case, Metric, Row};
use super::walk::Walker;

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

/// How many alerts a backlog has.
const BACKLOG: u64 = 100_000;

/// How many idle readers are measured.
const IDLE_READERS: usize = 1000;

/// A crowd of readers, and how many alerts it gets.
const CROWD: usize = 10_000;
const CROWD_ALERTS: u64 = 100;

/// How long any one drain may take.
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
    /// A backlog to one reader, again and again; and the memory the backlog takes.
    pub(crate) async fn drain(&self, tls: bool) -> Case {
        let mut entries = Vec::new();
        let setup = Setup { tls, backlog: Some(BACKLOG), ..Setup::default() };
        for contender in Contender::servers() {
            entries.push(Entry::new(contender, self.with_backlog(contender, setup).await));
        }
        if !tls {
            let bare = [Contender::BareEach, Contender::BareBlocks, Contender::Canned];
            for contender in bare.into_iter().filter(|contender| contender.is_wanted()) {
                let server = Server::start(contender, setup).await;
                entries.push(Entry::new(contender, server.map(|server| (server, 0))));
            }
        }
        for _ in 0..self.pace.rounds {
            for entry in &mut entries {
                entry
                    .round(async |(server, kept), row| self.drain_round(server, *kept, row).await)
                    .await;
            }
        }
        Case {
            name: format!("drain of {BACKLOG} alerts, {}", transport(tls)),
            ratio: Some((Metric::Rate, true)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }

    /// A server that has taken the backlog in, and the memory that took.
    async fn with_backlog(
        &self,
        contender: Contender,
        setup: Setup,
    ) -> Result<(Server, u64), String> {
        let mut server = Server::start(contender, setup).await?;
        let readers = Readers::subscribe(&server.target, 1).await?;
        let before = server.process.resident();
        let mut feed = Feed::new(server.process.stdin(), &self.alerts);
        // In turns, so that no channel overflows.
        while feed.sent() < BACKLOG {
            feed.send(1000.min(BACKLOG - feed.sent())).await?;
            readers.reach(feed.sent(), Instant::now() + PATIENCE).await?;
        }
        let kept = server.process.resident().saturating_sub(before);
        Ok((server, kept))
    }

    async fn drain_round(
        &self,
        server: &mut Server,
        kept: u64,
        row: &mut Row,
    ) -> Result<(), String> {
        let meter = Meter::start(&server.process);
        let end = Instant::now() + self.pace.round;
        let (mut alerts, mut bytes) = (0, 0);
        while Instant::now() < end {
            let drained = timeout(PATIENCE, drain_once(server)).await;
            let drained = drained.map_err(|_| "a drain does not end")?;
            let (messages, length) = drained.map_err(|error| error.to_string())?;
            if (messages, length) != (BACKLOG, self.alerts.frame_bytes(BACKLOG)) {
                return Err(format!("{messages} alerts in {length} bytes"));
            }
            alerts += messages;
            bytes += length;
        }
        meter.stop(&server.process, alerts, bytes, row);
        if kept > 0 {
            row.add(Metric::BytesPerAlert, kept as f64 / BACKLOG as f64);
        }
        Ok(())
    }

    /// As many alerts to as many readers as a server can bear.
    pub(crate) async fn fan_out(&self, tls: bool, count: usize) -> Case {
        // Enough to keep a server busy, not so much that memory is what is measured.
        let window = match count {
            0..100 => 8192,
            100..1000 => 2048,
            _ => 1024,
        };
        let mut entries = Vec::new();
        for contender in Contender::servers() {
            let started = async {
                let mut running = self.subscribed(contender, tls, count).await?;
                running.feed.saturate(&running.readers, window, self.pace.round / 4).await?;
                Ok(running)
            };
            entries.push(Entry::new(contender, started.await));
        }
        for _ in 0..self.pace.rounds {
            for entry in &mut entries {
                entry
                    .round(async |running, row| {
                        let Running { server, readers, feed } = running;
                        server.process.forget_peak();
                        let (alerts, bytes) = (readers.delivered(), readers.bytes());
                        let meter = Meter::start(&server.process);
                        feed.saturate(readers, window, self.pace.round).await?;
                        let expected = self.alerts.frame_bytes(feed.sent()) * readers.len() as u64;
                        if readers.bytes() != expected {
                            return Err(format!("{} of {expected} bytes", readers.bytes()));
                        }
                        let (alerts, bytes) =
                            (readers.delivered() - alerts, readers.bytes() - bytes);
                        meter.stop(&server.process, alerts, bytes, row);
                        Ok(())
                    })
                    .await;
            }
        }
        let readers = if count == 1 { "reader" } else { "readers" };
        Case {
            name: format!("fan-out to {count} {readers}, {}", transport(tls)),
            ratio: Some((Metric::PerCpu, true)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }

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

    /// How long alerts take at a rate that a server bears easily.
    pub(crate) async fn latency(&self, tls: bool, rate: u32, count: usize) -> Case {
        let length = self.pace.round * 2;
        let mut entries = Vec::new();
        for contender in Contender::servers() {
            let started = async {
                let mut server =
                    Server::start(contender, Setup { tls, ..Setup::default() }).await?;
                let readers = Readers::subscribe(&server.target, count).await?;
                let stdin = server.process.stdin();
                Ok((server, readers, Some(stdin), 0))
            };
            entries.push(Entry::new(contender, started.await));
        }
        for _ in 0..self.pace.rounds {
            for entry in &mut entries {
                entry
                    .round(async |(server, readers, stdin, sent), row| {
                        let pipe = stdin.take().ok_or("no pipe")?;
                        let feeding = feed::paced(pipe, self.alerts.clone(), rate, length);
                        // The first alerts find everything cold.
                        sleep(length / 8).await;
                        readers.measure_latency();
                        let meter = Meter::start(&server.process);
                        let fed = tokio::task::spawn_blocking(|| feeding.join()).await;
                        let fed = fed.map_err(|error| error.to_string())?;
                        let (count, pipe) = fed
                            .map_err(|_| "feeding failed")?
                            .map_err(|error| error.to_string())?;
                        *stdin = Some(pipe);
                        *sent += count;
                        readers.reach(*sent, Instant::now() + PATIENCE).await?;
                        meter.share(&server.process, row);
                        let nanoseconds = readers.latency();
                        for (metric, quantile) in
                            [(Metric::P50, 0.5), (Metric::P99, 0.99), (Metric::P999, 0.999)]
                        {
                            let value = nanoseconds.value_at_quantile(quantile);
                            row.add(metric, value as f64 / 1000.0);
                        }
                        Ok(())
                    })
                    .await;
            }
        }
        let readers = if count == 1 { "1 reader".into() } else { format!("{count} readers") };
        Case {
            name: format!("latency at {rate}/s, {readers}, {}", transport(tls)),
            ratio: Some((Metric::P99, false)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }

    /// Alerts as fast as standard input takes them, with nobody reading.
    pub(crate) async fn ingest_stdin(&self) -> Case {
        let mut entries = Vec::new();
        for contender in Contender::falconers() {
            let setup = Setup { gateway: true, ..Setup::default() };
            let started = async {
                let mut server = Server::start(contender, setup).await?;
                let feed = Feed::new(server.process.stdin(), &self.alerts);
                let mut running = (server, feed);
                Self::flood(&mut running, self.pace.round / 4).await?;
                Ok(running)
            };
            entries.push(Entry::new(contender, started.await));
        }
        for _ in 0..self.pace.rounds {
            for entry in &mut entries {
                entry
                    .round(async |running, row| {
                        let before = running.1.sent();
                        let meter = Meter::start(&running.0.process);
                        Self::flood(running, self.pace.round).await?;
                        let alerts = running.1.sent() - before;
                        let bytes = alerts * self.alerts.line_length() as u64;
                        meter.stop(&running.0.process, alerts, bytes, row);
                        Ok(())
                    })
                    .await;
            }
        }
        Case {
            name: "ingest from standard input".into(),
            ratio: Some((Metric::PerCpu, true)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }

    async fn flood(
        (server, feed): &mut (Server, Feed<'_>),
        length: Duration,
    ) -> Result<(), String> {
        feed.flood(length).await?;
        received(server, feed.sent()).await
    }

    /// A file that is there when the server starts.
    pub(crate) async fn ingest_file(&self) -> Case {
        // A second's worth or so of reading.
        let count = if self.pace.rounds == 1 { 200_000 } else { 1_000_000 };
        let mut rows: Vec<_> = Contender::falconers().into_iter().map(Row::new).collect();
        for _ in 0..self.pace.rounds {
            for row in &mut rows {
                if let Err(reason) = self.file_round(count, row).await {
                    row.failed = Some(reason);
                }
            }
        }
        Case {
            name: format!("ingest of a file of {count} alerts"),
            ratio: Some((Metric::PerCpu, true)),
            rows,
        }
    }

    async fn file_round(&self, count: u64, row: &mut Row) -> Result<(), String> {
        let dir = process::folder();
        let mut text = Vec::new();
        let mut written = 0;
        while written < count {
            let (lines, alerts) = self.alerts.lines(written, count - written);
            text.extend_from_slice(lines);
            written += alerts;
        }
        let bytes = text.len() as u64;
        std::fs::write(dir.path().join("alerts.json"), text).map_err(|error| error.to_string())?;
        let setup = Setup { gateway: true, file: true, ..Setup::default() };
        let (load, begun) = (process::own_cpu(), Instant::now());
        let server = Server::spawn(dir, row.contender, setup)?;
        received(&server, count).await?;
        // The start of the process is in it; beside a second of reading it is nothing.
        Meter { cpu: Duration::ZERO, load, begun }.stop(&server.process, count, bytes, row);
        Ok(())
    }

    /// One alert a request, as Falco posts them.
    pub(crate) async fn ingest_http(&self) -> Case {
        let mut entries = Vec::new();
        for contender in Contender::falconers().into_iter().chain([Contender::Sink]) {
            let setup = Setup { gateway: contender != Contender::Sink, ..Setup::default() };
            let started = async {
                let mut server = Server::start(contender, setup).await?;
                let target = server.target.address().to_string();
                let address = server.gateway.get_or_insert(target).clone();
                posts::flood(&address, &self.alerts, self.pace.round / 4).await?;
                Ok((server, address))
            };
            entries.push(Entry::new(contender, started.await));
        }
        for _ in 0..self.pace.rounds {
            for entry in &mut entries {
                entry
                    .round(async |(server, address), row| {
                        let meter = Meter::start(&server.process);
                        let alerts = posts::flood(address, &self.alerts, self.pace.round).await?;
                        let bytes = alerts * self.alerts.line_length() as u64;
                        meter.stop(&server.process, alerts, bytes, row);
                        Ok(())
                    })
                    .await;
            }
        }
        Case {
            name: format!("ingest by HTTP, {} connections", posts::CONNECTIONS),
            ratio: Some((Metric::PerCpu, true)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }

    /// Readers that have nothing to read: their memory, and the CPU time they cost.
    pub(crate) async fn idle(&self, tls: bool) -> Case {
        let mut rows = Vec::new();
        for contender in Contender::servers() {
            let mut row = Row::new(contender);
            if let Err(reason) = self.idle_round(tls, &mut row).await {
                row.failed = Some(reason);
            }
            rows.push(row);
        }
        Case {
            name: format!("{IDLE_READERS} idle readers, {}", transport(tls)),
            ratio: Some((Metric::KibPerReader, false)),
            rows,
        }
    }

    async fn idle_round(&self, tls: bool, row: &mut Row) -> Result<(), String> {
        let setup = Setup { tls, ..Setup::default() };
        let mut server = Server::start(row.contender, setup).await?;
        // One reader first: what a server needs once is not a reader's.
        let first = Readers::subscribe(&server.target, 1).await?;
        let mut feed = Feed::new(server.process.stdin(), &self.alerts);
        feed.send(1).await?;
        first.reach(1, Instant::now() + PATIENCE).await?;
        let before = server.process.resident();
        let readers = Readers::subscribe(&server.target, IDLE_READERS).await?;
        sleep(self.pace.round / 2).await;
        let memory = server.process.resident().saturating_sub(before);
        row.add(Metric::KibPerReader, memory as f64 / 1024.0 / IDLE_READERS as f64);
        let meter = Meter::start(&server.process);
        sleep(self.pace.round * 2).await;
        meter.share(&server.process, row);
        // They are all there.
        feed.send(1).await?;
        readers.reach(1, Instant::now() + PATIENCE).await
    }

    /// Ten thousand readers, and whether everybody gets everything.
    pub(crate) async fn crowd(&self) -> Case {
        let mut rows = Vec::new();
        for contender in Contender::servers() {
            let mut row = Row::new(contender);
            if let Err(reason) = self.crowd_round(&mut row).await {
                row.failed = Some(reason);
            }
            rows.push(row);
        }
        Case {
            name: format!("{CROWD_ALERTS} alerts to {CROWD} readers, unix"),
            ratio: Some((Metric::PerCpu, true)),
            rows,
        }
    }

    async fn crowd_round(&self, row: &mut Row) -> Result<(), String> {
        let mut server = Server::start(row.contender, Setup::default()).await?;
        let readers = Readers::subscribe(&server.target, CROWD).await?;
        let mut feed = Feed::new(server.process.stdin(), &self.alerts);
        let meter = Meter::start(&server.process);
        feed.send(CROWD_ALERTS).await?;
        let reached = readers.reach(CROWD_ALERTS, Instant::now() + PATIENCE).await;
        row.add(Metric::Readers, readers.with_all(CROWD_ALERTS) as f64);
        reached?;
        row.add(Metric::AllMillis, meter.begun.elapsed().as_secs_f64() * 1000.0);
        meter.stop(&server.process, readers.delivered(), readers.bytes(), row);
        Ok(())
    }

    /// From the start of a process to the first call it answers.
    pub(crate) async fn start(&self) -> Case {
        let mut rows: Vec<_> = Contender::servers().into_iter().map(Row::new).collect();
        for _ in 0..self.pace.rounds * 3 {
            for row in &mut rows {
                if let Err(reason) = start_round(row).await {
                    row.failed = Some(reason);
                }
            }
        }
        Case { name: "start, unix".into(), ratio: Some((Metric::StartMillis, false)), rows }
    }
}

struct Running<'a> {
    server: Server,
    readers: Readers,
    feed: Feed<'a>,
}

async fn start_round(row: &mut Row) -> Result<(), String> {
    let begun = Instant::now();
    let server = Server::spawn(process::folder(), row.contender, Setup::default())?;
    loop {
        let answer = readers::call(&server.target, Call::Get { last: 0 }, STREAM_WINDOW).await;
        if let Ok(answer) = answer
            && answer.drain().await.is_ok()
        {
            break;
        }
        if begun.elapsed() > PATIENCE {
            return Err("no answer".into());
        }
        sleep(Duration::from_micros(200)).await;
    }
    row.add(Metric::StartMillis, begun.elapsed().as_secs_f64() * 1000.0);
    row.add(Metric::PeakMib, server.process.peak() as f64 / f64::from(1 << 20));
    Ok(())
}

/// One whole backlog: how many alerts, how many bytes.
async fn drain_once(server: &Server) -> std::io::Result<(u64, u64)> {
    match server.contender {
        Contender::BareEach | Contender::BareBlocks => {
            let mut connection = server.target.open().await?;
            let (mut walker, mut bytes) = (Walker::default(), 0);
            let mut buffer = vec![0; 256 << 10];
            loop {
                match connection.read(&mut buffer).await? {
                    0 => return Ok((walker.messages(), bytes)),
                    read => {
                        walker.push(&buffer[..read], |_| {});
                        bytes += read as u64;
                    }
                }
            }
        }
        contender => {
            // What was made in advance pays no heed to windows; it gets the widest there are.
            let widest = (1 << 31) - 1;
            let window = if contender == Contender::Canned { widest } else { STREAM_WINDOW };
            let call = Call::Get { last: BACKLOG };
            let answer = readers::call(&server.target, call, window).await?;
            answer.drain().await.map_err(std::io::Error::other)
        }
    }
}

/// Waits until the server has received `count` alerts.
async fn received(server: &Server, count: u64) -> Result<(), String> {
    let gateway = server.gateway.as_deref().ok_or("no gateway")?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match posts::received(gateway).await {
            Ok(received) if received >= count => return Ok(()),
            seen if Instant::now() > deadline => return Err(format!("{seen:?} of {count}")),
            _ => sleep(Duration::from_millis(1)).await,
        }
    }
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
