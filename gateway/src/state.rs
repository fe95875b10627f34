//! The state that the handlers share.

use std::{ops::Deref, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, Limits},
    guard::Guard,
    limits::{
        answers::Answers,
        budget::{Budget, UNPACKED_AT_A_TIME},
        scans::Scans,
        turns::Turns,
    },
    port::Port,
};

/// A cheap handle to it.
#[derive(Clone)]
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    /// Whether its clients are on this machine. It is a field of the handle, so that posts do not
    /// pay for it.
    pub(crate) loopback: bool,
}

pub(crate) struct Shared {
    pub(crate) port: Arc<dyn Port>,
    pub(crate) ingest: bool,
    pub(crate) guard: Arc<Guard>,
    pub(crate) limits: Limits,
    /// The memory for bodies, and for answers.
    pub(crate) budget: Budget,
    pub(crate) answers: Answers,
    pub(crate) unpacking: Turns,
    pub(crate) scans: Scans,
    /// Cancelled when the gateway shuts down. Live streams then end.
    pub(crate) stopping: CancellationToken,
}

impl Gateway {
    pub(crate) fn new(port: Arc<dyn Port>, config: Config, stopping: CancellationToken) -> Self {
        let Config { ingest, allowed_hosts, posts_per_second, token, limits, .. } = config;
        let guard = Guard::new(allowed_hosts, posts_per_second, token, port.clone());
        let shared = Shared {
            port,
            ingest,
            guard: Arc::new(guard),
            limits,
            budget: Budget::default(),
            answers: Answers::default(),
            unpacking: Turns::new(UNPACKED_AT_A_TIME),
            scans: Scans::new(limits.scan),
            stopping,
        };
        Self { shared: Arc::new(shared), loopback: false }
    }

    /// Returns the same state for clients on this machine.
    pub(crate) fn on_loopback(self) -> Self {
        Self { loopback: true, ..self }
    }
}

impl Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}
