//! What the handlers share.

use std::{ops::Deref, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    answer::Answers,
    budget::Budget,
    config::{Config, Limits},
    history::Scans,
    host::Hosts,
    port::Port,
    rate::Rate,
    refusals::Refusals,
    token::Token,
    unpack::Unpacking,
};

/// A cheap handle to it.
#[derive(Clone)]
pub(crate) struct Gateway {
    shared: Arc<Shared>,
    /// Whether it serves clients of this machine. Told by the handle: it costs each posted alert
    /// nothing.
    pub(crate) loopback: bool,
}

pub(crate) struct Shared {
    pub(crate) port: Arc<dyn Port>,
    pub(crate) ingest: bool,
    pub(crate) hosts: Hosts,
    pub(crate) limits: Limits,
    /// What one client may post, where that is limited.
    pub(crate) rate: Option<Rate>,
    /// Memory of bodies, and of answers.
    pub(crate) budget: Budget,
    pub(crate) answers: Answers,
    pub(crate) unpacking: Unpacking,
    pub(crate) refusals: Refusals,
    pub(crate) scans: Scans,
    /// What clients have to know, where that is asked for.
    pub(crate) token: Option<Token>,
    /// Cancelled when the gateway ends: live streams do then.
    pub(crate) stopping: CancellationToken,
}

impl Gateway {
    pub(crate) fn new(port: Arc<dyn Port>, config: Config, stopping: CancellationToken) -> Self {
        let Config { ingest, allowed_hosts, posts_per_second, token, limits, .. } = config;
        let shared = Shared {
            port,
            ingest,
            hosts: Hosts::new(allowed_hosts),
            limits,
            rate: posts_per_second.map(Rate::new),
            budget: Budget::default(),
            answers: Answers::default(),
            unpacking: Unpacking::default(),
            refusals: Refusals::default(),
            scans: Scans::default(),
            token,
            stopping,
        };
        Self { shared: Arc::new(shared), loopback: false }
    }

    /// The same, for clients of this machine.
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
