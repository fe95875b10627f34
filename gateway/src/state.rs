//! What the handlers share.

use std::{ops::Deref, sync::Arc};

use crate::{
    budget::Budget,
    config::{Config, Limits},
    host::Hosts,
    port::Port,
    refusals::Refusals,
};

/// A cheap handle to it.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) port: Arc<dyn Port>,
    pub(crate) ingest: bool,
    pub(crate) hosts: Hosts,
    pub(crate) limits: Limits,
    pub(crate) budget: Budget,
    pub(crate) refusals: Refusals,
}

impl Gateway {
    pub(crate) fn new(port: Arc<dyn Port>, config: Config) -> Self {
        let Config { ingest, allowed_hosts, limits } = config;
        Self(Arc::new(Shared {
            port,
            ingest,
            hosts: Hosts::new(allowed_hosts),
            limits,
            budget: Budget::default(),
            refusals: Refusals::default(),
        }))
    }
}

impl Deref for Gateway {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
