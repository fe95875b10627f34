//! Cases for delivery: the drain of a backlog, fan-out to many readers, latency.

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout};

use super::super::contender::{Contender, HOSTILE, STALLED, Server, Setup};
use super::super::feed::{self, Feed};
use super::super::http_readers;
use super::super::readers::{self, Call, Readers, STREAM_WINDOW};
use super::super::report::{Case, Metric, Row};
use super::super::walk::Walker;
use super::{Entry, Lab, Meter, PATIENCE, Running, transport};

/// The number of alerts in a backlog.
const BACKLOG: u64 = 100_000;

/// A filter that one alert in six matches. The tonic servers have no filters.
const FILTER: &str = "rule = 'Terminal shell in container' and proc.name exists";

impl Lab {
    /// Repeated drains of a backlog by one reader, and the memory of the backlog.
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

    /// Repeated drains of a backlog through a filter. The rate counts evaluated alerts.
    pub(crate) async fn filtered(&self) -> Case {
        let mut entries = Vec::new();
        let setup = Setup { backlog: Some(BACKLOG), ..Setup::default() };
        for contender in Contender::falconers() {
            entries.push(Entry::new(contender, self.with_backlog(contender, setup).await));
        }
        let passing = self.alerts.passing(&FILTER.parse().unwrap(), BACKLOG);
        for _ in 0..self.pace.rounds {
            for entry in &mut entries {
                entry
                    .round(async |(server, _), row| self.filtered_round(server, passing, row).await)
                    .await;
            }
        }
        Case {
            name: format!("{BACKLOG} alerts through a filter that passes {passing}, unix"),
            ratio: Some((Metric::Rate, true)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }

    async fn filtered_round(
        &self,
        server: &mut Server,
        passing: u64,
        row: &mut Row,
    ) -> Result<(), String> {
        let meter = Meter::start(&server.process);
        let end = Instant::now() + self.pace.round;
        let (mut alerts, mut bytes) = (0, 0);
        while Instant::now() < end {
            let call = Call::Filtered { last: BACKLOG, filter: FILTER };
            let drained = async {
                let answer = readers::call(&server.target, call, STREAM_WINDOW).await?;
                answer.drain().await.map_err(std::io::Error::other)
            };
            let drained = timeout(PATIENCE, drained).await.map_err(|_| "a drain does not end")?;
            let (messages, length) = drained.map_err(|error| error.to_string())?;
            if messages != passing {
                return Err(format!("{messages} of {passing} alerts"));
            }
            alerts += BACKLOG;
            bytes += length;
        }
        meter.stop(&server.process, alerts, bytes, row);
        Ok(())
    }

    /// Starts a server and feeds it the backlog. Returns it with the memory that the backlog takes.
    async fn with_backlog(
        &self,
        contender: Contender,
        setup: Setup,
    ) -> Result<(Server, u64), String> {
        let mut server = Server::start(contender, setup).await?;
        let readers = Readers::subscribe(&server.target, 1).await?;
        let before = server.process.resident();
        let mut feed = Feed::new(server.process.stdin(), &self.alerts);
        // Wait for the reader after each part, so that no channel overflows.
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

    /// Alerts at full rate to `count` readers.
    pub(crate) async fn fan_out(&self, tls: bool, count: usize) -> Case {
        // Large enough to keep a server busy, small enough that memory does not limit it.
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

    /// The latency of alerts at a rate that a server handles easily.
    pub(crate) async fn latency(
        &self,
        contenders: &[Contender],
        tls: bool,
        rate: u32,
        count: usize,
    ) -> Case {
        // Many short rounds, because one disturbance of the machine changes a tail most.
        let (length, rounds) = (self.pace.round, 3 * self.pace.rounds);
        let mut entries = Vec::new();
        for &contender in contenders {
            let started = async {
                let gateway = matches!(contender, Contender::Stalled | Contender::Hostile);
                let setup = Setup { tls, gateway, ..Setup::default() };
                let mut server = Server::start(contender, setup).await?;
                let readers = Readers::subscribe(&server.target, count).await?;
                let stalled = match &server.gateway {
                    Some(address) if contender == Contender::Hostile => {
                        http_readers::hostile(address, HOSTILE).await?
                    }
                    Some(address) => http_readers::stalled(address, STALLED).await?,
                    None => Vec::new(),
                };
                let stdin = server.process.stdin();
                Ok((server, readers, Some(stdin), 0, stalled))
            };
            entries.push(Entry::new(contender, started.await));
        }
        for _ in 0..rounds {
            for entry in &mut entries {
                entry
                    .round(async |(server, readers, stdin, sent, _), row| {
                        let pipe = stdin.take().ok_or("no pipe")?;
                        let feeding = feed::paced(pipe, self.alerts.clone(), rate, length);
                        // Skip the first alerts, which meet cold caches.
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
        let with = if contenders.contains(&Contender::Stalled) {
            format!("{STALLED} stalled browsers, ")
        } else if contenders.contains(&Contender::Hostile) {
            format!("{HOSTILE} slow filters, ")
        } else {
            String::new()
        };
        Case {
            name: format!("latency at {rate}/s, {readers}, {with}{}", transport(tls)),
            ratio: Some((Metric::P99, false)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }
}

/// Drains the backlog once. Returns the number of alerts and of bytes.
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
            // `canned-h2` ignores flow control, so it gets the largest window.
            let widest = (1 << 31) - 1;
            let window = if contender == Contender::Canned { widest } else { STREAM_WINDOW };
            let call = Call::Get { last: BACKLOG };
            let answer = readers::call(&server.target, call, window).await?;
            answer.drain().await.map_err(std::io::Error::other)
        }
    }
}
