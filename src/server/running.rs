//! Settings read again, and put in force as far as that is possible while the server runs.
//!
//! | changes at once | for the calls to come | takes a restart |
//! |---|---|---|
//! | inputs, gateway, `retain`, certificates | `delivery`, `lost_events`, `grpc_output`, Falco's version | where gRPC is served, threads, Falco's webserver |
//!
//! What cannot be read or had is told, and what was in force stays.

use std::path::PathBuf;
use std::sync::Arc;

use falconer_gateway::Port;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::feed::Feed;
use super::gateway::{Credentials, Gateway};
use super::inputs::Inputs;
use super::{Error, Parts, Reread, systemd};
use crate::config::{self, Config, Errors, Loaded};
use crate::hub::Hub;
use crate::net::tls::{self, TlsError};
use crate::net::{Listen, TlsFiles};
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

    /// Reads the settings again and puts them in force. Nothing is half done when this is dropped.
    pub(super) async fn reload(&mut self, parts: &mut Parts) {
        systemd::reloading();
        let (reread, changes, tls) = (self.reread.clone(), self.changes.clone(), self.tls.clone());
        let now = self.gateway.as_ref().map(|gateway| gateway.credentials().clone());
        let reading = move || {
            // Looked at before they are read, so that a change in between is seen.
            let seen = changes.again();
            let loaded = reread()?;
            let tls = tls_files(&loaded.config).zip(tls).map(|(files, tls)| tls.reload(files));
            let read = |wanted| Credentials::read(wanted, &now.unwrap_or_default());
            let credentials = loaded.config.gateway.as_ref().map(read).transpose();
            let changes = seen.instead(watched(&loaded.config, loaded.files.clone()));
            Ok::<_, Errors>((loaded, tls, credentials, changes))
        };
        match spawn_blocking(reading).await {
            Ok(Ok((loaded, tls, credentials, changes))) => {
                self.changes = changes;
                tell_tls(tls);
                self.apply(loaded, credentials, parts);
            }
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

    fn apply(
        &mut self,
        loaded: Loaded,
        credentials: Result<Option<Credentials>, Error>,
        parts: &mut Parts,
    ) {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let (new, old) = (loaded.config, &self.config);
        if !served_at_the_same(&new, old)
            || (new.threads, &new.falco_webserver) != (old.threads, &old.falco_webserver)
        {
            tracing::warn!(
                "where gRPC is served, its threads and Falco's webserver take a restart"
            );
        }
        self.hub.set_retain(new.hub.retain);
        self.settings.replace(new.outputs.clone());
        self.inputs.change(parts, &new.inputs);
        let changed = credentials.and_then(|credentials| {
            let wanted = new.gateway.clone().zip(credentials);
            self.change_gateway(wanted, new.inputs.http, parts)
        });
        if let Err(error) = changed {
            tracing::error!(%error, "the gateway stays as it was");
        }
        let Config { grpc, threads, falco_webserver, .. } = self.config.clone();
        self.config = Config { grpc, threads, falco_webserver, ..new };
        tracing::info!("the new settings are in force");
    }

    fn change_gateway(
        &mut self,
        wanted: Option<(config::Gateway, Credentials)>,
        ingest: bool,
        parts: &mut Parts,
    ) -> Result<(), Error> {
        let port: Arc<dyn Port> = self.port.clone();
        Gateway::change(&mut self.gateway, wanted, ingest, &self.stop, parts, &port)?;
        let credentials = self.gateway.as_ref().map(Gateway::credentials);
        self.port.set_gateway_tls(credentials.and_then(Credentials::tls));
        Ok(())
    }

    /// Waits until every input has ended.
    pub(super) async fn inputs_ended(&self) {
        self.inputs.ended().await;
    }
}

fn tell_tls(reloaded: Option<Result<Vec<String>, TlsError>>) {
    match reloaded {
        Some(Ok(warnings)) => super::warn_of_tls(&warnings),
        Some(Err(error)) => {
            tracing::error!(%error, "the certificates that were in force stay in force");
        }
        None => {}
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
        files.extend(tls.paths().cloned());
    }
    if let Some(gateway) = &config.gateway {
        files.extend(gateway.token_file.clone());
        files.extend(gateway.tls.iter().flat_map(TlsFiles::paths).cloned());
    }
    files
}
