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
use crate::net::{Listen, TlsFiles, tls};
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
    pub(super) tls: Option<Arc<tls::Current>>,
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
        if !served_at_the_same(&new, &self.config)
            || (new.threads, &new.hostname) != (self.config.threads, &self.config.hostname)
        {
            tracing::warn!("where gRPC is served, its threads and the host name take a restart");
        }
        self.reload_tls(&new);
        self.hub.set_retain(new.hub.retain);
        self.settings.replace(new.outputs.clone());
        self.inputs.change(parts, &new.inputs);
        if let Err(error) = self.change_gateway(new.gateway, new.inputs.http, parts) {
            tracing::error!(%error, "the gateway stays as it was");
        }
        self.config = Config { grpc: self.config.grpc.clone(), ..new };
        tracing::info!("the new settings are in force");
    }

    fn reload_tls(&self, new: &Config) {
        let (Some(tls), Some(files)) = (&self.tls, tls_files(new)) else { return };
        match tls.reload(files) {
            Ok(warnings) => {
                for warning in warnings {
                    tracing::warn!(%warning, "TLS");
                }
            }
            Err(error) => {
                tracing::error!(%error, "the certificates that were in force stay in force");
            }
        }
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

fn tls_files(config: &Config) -> Option<&TlsFiles> {
    match &config.grpc {
        Some(Listen::Tcp { tls, .. }) => Some(tls),
        Some(Listen::Unix(_)) | None => None,
    }
}

/// Whether gRPC is served at the same place, with whatever certificates.
fn served_at_the_same(one: &Config, other: &Config) -> bool {
    match (&one.grpc, &other.grpc) {
        (Some(Listen::Tcp { address, .. }), Some(Listen::Tcp { address: other, .. })) => {
            address == other
        }
        (one, other) => one == other,
    }
}

/// The files whose change is a reason to read everything again.
pub(super) fn watched(config: &Config, mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    if let Some(tls) = tls_files(config) {
        files.extend([&tls.private_key, &tls.cert_chain, &tls.root_certs].map(Clone::clone));
        files.extend(tls.crls.iter().cloned());
    }
    files
}
