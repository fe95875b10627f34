//! Cases for live delivery over HTTP: the same alerts as SSE and NDJSON.

use tokio::time::Instant;

use super::{Entry, Lab, Meter, PATIENCE};
use crate::contender::{Contender, Server, Setup};
use crate::feed::Feed;
use crate::http_readers::{HttpReaders, Shape};
use crate::report::{Case, Metric};

/// The number of alerts that are written at once.
const TURN: u64 = 512;

impl Lab {
    /// Alerts at full rate to `count` HTTP readers.
    pub(crate) async fn live_http(&self, shape: Shape, count: usize) -> Case {
        let window = if count < 100 { 8192 } else { 2048 };
        let mut entries = Vec::new();
        for contender in Contender::falconers() {
            let started = async {
                let setup = Setup { gateway: true, ..Setup::default() };
                let mut server = Server::start(contender, setup).await?;
                let address = server.gateway.clone().ok_or("no gateway")?;
                let readers = HttpReaders::subscribe(&address, shape, count).await;
                let readers = readers.map_err(|error| error.to_string())?;
                let feed = Feed::new(server.process.stdin(), &self.alerts);
                Ok((server, readers, feed))
            };
            entries.push(Entry::new(contender, started.await));
        }
        // The first round warms up and is not counted.
        for round in 0..=self.pace.rounds {
            for entry in &mut entries {
                entry
                    .round(async |(server, readers, feed), row| {
                        server.process.forget_peak();
                        let before = readers.delivered();
                        let meter = Meter::start(&server.process);
                        let end = Instant::now() + self.pace.round;
                        while Instant::now() < end {
                            feed.send(TURN).await?;
                            let behind = feed.sent().saturating_sub(window);
                            readers.reach(behind, end + PATIENCE).await?;
                            tokio::task::yield_now().await;
                        }
                        readers.reach(feed.sent(), end + PATIENCE).await?;
                        let (alerts, bytes) = readers.delivered();
                        if round > 0 {
                            let (alerts, bytes) = (alerts - before.0, bytes - before.1);
                            meter.stop(&server.process, alerts, bytes, row);
                        }
                        Ok(())
                    })
                    .await;
            }
        }
        let readers = if count == 1 { "reader" } else { "readers" };
        Case {
            name: format!("live to {count} {readers}, {}", shape.name()),
            ratio: Some((Metric::PerCpu, true)),
            rows: entries.into_iter().map(|entry| entry.row).collect(),
        }
    }
}
