//! Settings read again, and put in force as far as that is possible while the server runs.
//!
//! | changes at once | for the calls to come | takes a restart |
//! |---|---|---|
//! | inputs, gateway, `retain`, certificates | `delivery`, `lost_events`, `grpc_output`, Falco's version | where gRPC is served, threads, host name |
//!
//! What cannot be read or had is told, and what was in force stays.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use falconer_gateway::Port;
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::feed::Feed;
use super::gateway::Gateway;
use super::inputs::Inputs;
use super::{Parts, Reread, systemd};
use crate::config::{Config, Loaded};
use crate::hub::Hub;
use crate::net::Listen;
use crate::service::Settings;

/// What runs, and may be changed.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) reread: Arc<Reread>,
    pub(super) changes: Changes,
    pub(super) hub: Arc<Hub>,
    pub(super) settings: Settings,
    pub(super) inputs: Inputs,
    pub(super) gateway: Option<Gateway>,
    pub(super) port: Arc<Feed>,
    pub(super) stop: CancellationToken,
}

impl Running {
    /// Waits until a file that was read has changed.
    pub(super) async fn changed(&mut self) {
        self.changes.next().await;
        tracing::info!("a file of the settings has changed");
    }

    /// Reads the settings again and puts them in force.
    pub(super) async fn reload(&mut self, parts: &mut Parts) {
        systemd::reloading();
        let reread = self.reread.clone();
        match tokio::task::spawn_blocking(move || reread()).await {
            Ok(Ok(loaded)) => self.apply(loaded, parts),
            Ok(Err(errors)) => {
                for error in errors.to_string().lines() {
                    tracing::error!("{error}");
                }
                tracing::error!("the new settings are wrong; the old ones stay in force");
            }
            Err(error) => tracing::error!(%error, "the settings could not be read again"),
        }
        systemd::ready();
    }

    fn apply(&mut self, loaded: Loaded, parts: &mut Parts) {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let Loaded { config: new, files, .. } = loaded;
        self.changes = Changes::of(watched(&new, files));
        if new.grpc != self.config.grpc
            || (new.threads, &new.hostname) != (self.config.threads, &self.config.hostname)
        {
            tracing::warn!("where gRPC is served, its threads and the host name take a restart");
        }
        self.hub.set_retain(new.hub.retain);
        self.settings.replace(new.outputs.clone());
        self.inputs.change(parts, &new.inputs);
        if let Err(error) = self.change_gateway(new.gateway, new.inputs.http, parts) {
            tracing::error!(%error, "the gateway stays as it was");
        }
        self.config = Config { grpc: self.config.grpc.clone(), ..new };
        tracing::info!("the new settings are in force");
    }

    fn change_gateway(
        &mut self,
        wanted: Option<SocketAddr>,
        ingest: bool,
        parts: &mut Parts,
    ) -> Result<(), super::Error> {
        let port: Arc<dyn Port> = self.port.clone();
        Gateway::change(&mut self.gateway, wanted, ingest, &self.stop, parts, &port)
    }

    /// Waits until every input has ended.
    pub(super) async fn inputs_ended(&self) {
        self.inputs.ended().await;
    }
}

/// The files whose change is a reason to read everything again.
pub(super) fn watched(config: &Config, mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    if let Some(Listen::Tcp { tls, .. }) = &config.grpc {
        files.extend([&tls.private_key, &tls.cert_chain, &tls.root_certs].map(Clone::clone));
    }
    files
}
