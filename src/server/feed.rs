//! The gateway's port, over the hub and the intake.

use std::sync::Arc;

use bytes::Bytes;
use falconer_gateway::{Port, Status};
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::ingest::{Input, Intake};
use crate::service::Subscribers;

/// What the gateway sees of the server.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) hub: Arc<Hub>,
    pub(super) intake: Arc<Intake>,
    pub(super) subscribers: Subscribers,
    /// Where gRPC is served, as in `grpc.bind_address`.
    pub(super) grpc: String,
    /// Cancelled when the server begins to stop.
    pub(super) stop: CancellationToken,
}

impl Port for Feed {
    fn ingest(&self, body: Bytes) {
        self.intake.body(Input::Http, &body);
    }

    fn refused(&self, _: StatusCode) {
        self.intake.refused(Input::Http);
    }

    fn ready(&self) -> Result<(), String> {
        // Whoever cannot listen ends the process, so what listens is there.
        let why = if self.stop.is_cancelled() { Some("stopping") } else { self.intake.down() };
        why.map_or(Ok(()), |why| Err(why.into()))
    }

    fn status(&self) -> Status {
        let stats = self.hub.stats();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            alerts_received: stats.received,
            alerts_retained: stats.retained,
            subscribers: self.subscribers.count() as u64,
            grpc: self.grpc.clone(),
        }
    }
}
