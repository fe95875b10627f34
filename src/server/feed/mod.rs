//! Implements the gateway's port over the hub and the intake.
//!
//! | file | does |
//! |---|---|
//! | `ask` | parses the filter, times and cursors of a request |
//! | `inputs` | reports the inputs and their state |
//! | `kept` | scans the retained alerts, in either direction |
//! | `tail` | follows the log for a live stream |
//! | `row` | hands out one alert |
//! | `hints` | hints about possible mistakes in a filter |
//! | `metrics` | all metrics, for Prometheus |
//! | `exposition` | the two text formats of metrics |

mod ask;
mod exposition;
mod hints;
mod inputs;
mod kept;
mod metrics;
mod row;
mod tail;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use falconer_gateway::port::{
    self, Ask, Certificate, History, Pulse, Reader, ReaderKind, Readers, RefusedRecord, Sender,
    Soon, Tail, Taken, Unanswerable,
};
use falconer_gateway::{Exposition, Port, Status};
use http::StatusCode;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::event::Time;
use crate::hub::Hub;
use crate::ingest::{Input, Intake, Outcome, Rejected};
use crate::net::meter::Cuts;
use crate::net::tls;
use crate::query::{self, Filters};
use crate::service::Subscribers;
use crate::service::subscribers::{Kind, Snapshot};

use super::calls::Calls;

/// The parts of the server that the gateway uses.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) hub: Arc<Hub>,
    pub(crate) filters: Filters,
    pub(crate) intake: Arc<Intake>,
    pub(crate) subscribers: Subscribers,
    pub(crate) calls: Arc<Calls>,
    /// The gRPC address, as in `grpc.bind_address`.
    pub(crate) grpc: String,
    pub(crate) tls: Option<Arc<tls::Current>>,
    /// Counts gRPC connections that were closed for what their peers sent.
    pub(crate) cuts: Arc<Cuts>,
    /// The gateway's TLS configuration, which a reload can change.
    pub(crate) gateway_tls: Mutex<Option<Arc<tls::Current>>>,
    pub(crate) started: Timestamp,
    /// Cancelled when the server begins to stop.
    pub(crate) stop: CancellationToken,
}

/// The most readers that the status lists one by one.
const SLOWEST: usize = 20;

/// The build of the server. A dashboard of another build reloads itself.
pub(super) const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("FALCONER_BUILD"));

impl Port for Feed {
    fn ingest(&self, body: Bytes, sender: Sender) -> Taken {
        let hostname = match sender {
            Sender::Local => None,
            Sender::Remote(address) => {
                Some(address.map(|address| address.to_string()).unwrap_or_default())
            }
        };
        let Outcome { accepted, rejected, first_rejected } =
            self.intake.body(Input::Http, hostname, &body);
        let first_refused =
            first_rejected.map(|Rejected { record, reason }| RefusedRecord { record, reason });
        Taken { accepted, refused: rejected, first_refused }
    }

    fn refused(&self, _: StatusCode) {
        self.intake.refused(Input::Http);
    }

    fn ready(&self) -> Result<(), String> {
        // A listener that cannot be bound ends the process, so only the inputs matter.
        if self.stop.is_cancelled() { Err("stopping".into()) } else { inputs::ready(&self.intake) }
    }

    fn status(&self) -> Status {
        let stats = self.hub.stats();
        let slowest = self.subscribers.snapshot(self.hub.head());
        let readers = Kind::ALL.map(|kind| {
            let of_kind = || slowest.iter().filter(|reader| reader.kind == kind);
            Readers {
                kind: kind.name().into(),
                count: of_kind().count() as u64,
                delivered: self.subscribers.deliveries(kind),
                lag: of_kind().map(|reader| reader.lag).max().unwrap_or_default(),
            }
        });
        let reader = |reader: &Snapshot| Reader {
            kind: reader.kind.name().into(),
            name: reader.name.as_deref().map(str::to_owned),
            lag: reader.lag,
            lost: reader.lost,
        };
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            build: BUILD.into(),
            epoch: self.hub.epoch().to_string(),
            started: self.started,
            now: Timestamp::now(),
            grpc: self.grpc.clone(),
            ingest: false,
            alerts_received: stats.received,
            alerts_retained: stats.retained,
            bytes_retained: stats.retained_bytes as u64,
            retain: stats.retain as u64,
            alerts_lost: stats.lost,
            oldest: stats.oldest.map(timestamp),
            subscribers: readers.iter().map(|readers| readers.count).sum(),
            inputs: inputs::told(&self.intake),
            readers: readers.into(),
            slowest: slowest.iter().take(SLOWEST).map(reader).collect(),
            certificates: self.certificates(),
        }
    }

    fn pulse(&self) -> Pulse {
        let stats = self.hub.stats();
        Pulse {
            received: stats.received,
            retained: stats.retained,
            lost: stats.lost,
            head: (stats.received > 0).then(|| self.hub.cursor(stats.received).to_string()),
            priorities: stats.priorities,
            build: BUILD.into(),
        }
    }

    fn history(&self, ask: Ask) -> Soon<'_, Result<Box<dyn History>, Unanswerable>> {
        Box::pin(async move {
            let asked = ask::read(&ask, &self.hub, &self.filters).await?;
            Ok(Box::new(kept::Kept::new(self.hub.clone(), asked)) as Box<dyn History>)
        })
    }

    fn tail(&self, ask: Ask, kind: ReaderKind) -> Soon<'_, Result<Box<dyn Tail>, Unanswerable>> {
        Box::pin(async move {
            let kind = match kind {
                ReaderKind::Sse => Kind::Sse,
                ReaderKind::Ndjson => Kind::Ndjson,
            };
            let asked = ask::following(&ask, &self.hub, &self.filters).await?;
            let subscribed = self.subscribers.enter(kind, None, asked.start);
            let following = tail::Following::new(self.hub.clone(), asked, subscribed);
            Ok(Box::new(following) as Box<dyn Tail>)
        })
    }

    fn alert(&self, cursor: &str) -> Result<Box<dyn History>, Unanswerable> {
        let asked = ask::one(cursor, &self.hub)?;
        Ok(Box::new(kept::Kept::new(self.hub.clone(), asked)))
    }

    fn hints(&self, filter: String) -> Soon<'_, Result<Box<dyn port::Hints>, Unanswerable>> {
        Box::pin(async move {
            let prepared = ask::filter(&filter, &self.filters).await?;
            let hints = query::Hints::about(&prepared, &filter);
            Ok(Box::new(hints::Looked(hints)) as Box<dyn port::Hints>)
        })
    }

    fn metrics(&self, format: Exposition) -> String {
        metrics::exposed(self, format)
    }
}

impl Feed {
    /// Sets the gateway's TLS configuration, whose certificates the status reports.
    pub(super) fn set_gateway_tls(&self, tls: Option<Arc<tls::Current>>) {
        *self.gateway_tls.lock().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    fn certificates(&self) -> Vec<Certificate> {
        let of_gateway = self.gateway_tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut expiries: Vec<_> =
            self.tls.iter().chain(&of_gateway).flat_map(|tls| tls.expiries()).collect();
        // gRPC and the gateway can have the same file.
        expiries.sort_unstable();
        expiries.dedup();
        let told = |(path, not_after): (std::path::PathBuf, Timestamp)| Certificate {
            file: path.to_string_lossy().into_owned(),
            not_after,
        };
        expiries.into_iter().map(told).collect()
    }
}

/// Converts an alert's time to the gateway's type, whose range includes the years 1 to 9999.
fn timestamp(time: Time) -> Timestamp {
    let nanos = i32::try_from(time.nanos()).unwrap_or_default();
    Timestamp::new(time.seconds(), nanos).unwrap_or(Timestamp::UNIX_EPOCH)
}
