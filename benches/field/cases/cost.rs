//! Cases for the cost of ingest, of readers, and of a start.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::contender::{Contender, Server, Setup};
use super::super::feed::Feed;
use super::super::posts;
use super::super::process;
use super::super::readers::{self, Call, Readers, STREAM_WINDOW};
use super::super::report::{Case, Metric, Row};
use super::{Entry, Lab, Meter, PATIENCE, transport};

/// The header of a line as containerd writes it, in Kubernetes' CRI log format.
pub(crate) const CRI: &str = "2026-01-30T10:00:01.123456789Z stdout F ";

/// The number of idle readers.
const IDLE_READERS: usize = 1000;

/// The number of readers in a crowd, and of the alerts for it.
const CROWD: usize = 10_000;
const CROWD_ALERTS: u64 = 100;

impl Lab {
    /// Ingest at full rate from standard input, without readers.
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

    /// Ingest of a file that exists when the server starts. Every line begins with `header`.
    pub(crate) async fn ingest_file(&self, header: Option<&str>) -> Case {
        // About a second of reading.
        let count = if self.pace.rounds == 1 { 200_000 } else { 1_000_000 };
        let mut contenders = Contender::falconers();
        if header.is_some() {
            // Earlier builds read no such lines.
            contenders.truncate(1);
        }
        let mut rows: Vec<_> = contenders.into_iter().map(Row::new).collect();
        for _ in 0..self.pace.rounds {
            for row in &mut rows {
                if let Err(reason) = self.file_round(count, header, row).await {
                    row.failed = Some(reason);
                }
            }
        }
        Case {
            name: match header {
                None => format!("ingest of a file of {count} alerts"),
                Some(_) => format!("ingest of a file of {count} alerts in CRI lines"),
            },
            ratio: Some((Metric::PerCpu, true)),
            rows,
        }
    }

    async fn file_round(
        &self,
        count: u64,
        header: Option<&str>,
        row: &mut Row,
    ) -> Result<(), String> {
        let dir = process::folder();
        let mut text = Vec::new();
        let mut written = 0;
        while written < count {
            let (lines, alerts) = self.alerts.lines(written, count - written);
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                text.extend_from_slice(header.unwrap_or_default().as_bytes());
                text.extend_from_slice(line);
            }
            written += alerts;
        }
        let bytes = text.len() as u64;
        std::fs::write(dir.path().join("alerts.json"), text).map_err(|error| error.to_string())?;
        let setup = Setup { gateway: true, file: true, ..Setup::default() };
        let (load, begun) = (process::own_cpu(), Instant::now());
        let server = Server::spawn(dir, row.contender, setup)?;
        received(&server, count).await?;
        // This includes the start of the process, which is negligible beside a second of reading.
        Meter { cpu: Duration::ZERO, load, begun }.stop(&server.process, count, bytes, row);
        Ok(())
    }

    /// Ingest by HTTP with one alert per request, as Falco posts them.
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

    /// The memory and the CPU time of idle readers.
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
        // One reader first, so that the server's one-time costs are not counted.
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
        // Check that all of them are still subscribed.
        feed.send(1).await?;
        readers.reach(1, Instant::now() + PATIENCE).await
    }

    /// Ten thousand readers: how many get every alert, and how fast.
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

    /// The time from the start of a process to its first answer.
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
