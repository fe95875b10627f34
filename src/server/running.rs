//! Reloads: reads the settings again and puts them in force, as far as a running server can.
//!
//! | changes at once | changes for new calls | changes at a restart |
//! |---|---|---|
//! | inputs, gateway, `retain`, certificates | `delivery`, `lost_events`, `grpc_output`, Falco's version | the gRPC address, threads, Falco's webserver |
//!
//! A part that cannot be read or replaced stays as it was, and the log says why. If the settings
//! are wrong, certificates and the token are reloaded nevertheless. Guards stay in force
//! ([`guards`]). A reload that fails for lack of descriptors or memory is repeated, after a pause
//! that doubles from [`FIRST_PAUSE`] to [`LONGEST_PAUSE`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use falconer_gateway::Port;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::feed::Feed;
use super::gateway::{Credentials, Gateway};
use super::inputs::Inputs;
use super::{Error, Parts, Reread, guards, systemd};
use crate::config::{self, Config, Errors, Loaded};
use crate::hub::Hub;
use crate::net::tls::{self, TlsError};
use crate::net::{Listen, TlsFiles};
use crate::service::Settings;

/// The first pause before a failed reload is repeated.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The parts of the server that a reload changes.
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
    /// When a failed reload is repeated, and the pause before it.
    pub(super) again: Option<(Instant, Duration)>,
}

/// What a reload has read.
struct Read {
    /// The settings, and the warnings about guards that stay in force.
    loaded: Result<(Loaded, Vec<String>), Errors>,
    tls: Option<Result<Vec<String>, TlsError>>,
    credentials: Result<Option<Credentials>, Error>,
    changes: Changes,
}

impl Read {
    /// Whether a part of it failed for lack of descriptors or memory.
    fn is_scarcity(&self) -> bool {
        self.loaded.as_ref().is_err_and(Errors::is_scarcity)
            || matches!(&self.tls, Some(Err(error)) if error.is_scarcity())
            || self.credentials.as_ref().is_err_and(Error::is_scarcity)
    }
}

impl Running {
    /// Waits until a watched file has changed, or a failed reload is due again.
    pub(super) async fn changed(&mut self) {
        let Some((at, _)) = self.again else {
            self.changes.next().await;
            return tracing::info!("a settings file has changed");
        };
        tokio::select! {
            () = self.changes.next() => tracing::info!("a settings file has changed"),
            () = sleep_until(at) => tracing::info!("repeating the reload"),
        }
    }

    /// Reads the settings again and puts them in force. Dropping this leaves nothing half done.
    pub(super) async fn reload(&mut self, parts: &mut Parts) {
        systemd::reloading();
        let (reread, changes, tls) = (self.reread.clone(), self.changes.clone(), self.tls.clone());
        let (in_force, now) =
            (self.config.clone(), self.gateway.as_ref().map(Gateway::credentials));
        let now = now.cloned().unwrap_or_default();
        let reading = move || {
            // Before the files are read, so that a change in between is noticed.
            let seen = changes.again();
            let loaded = reread().map(|mut loaded| {
                let kept = guards::keep(&mut loaded, &in_force);
                (loaded, kept)
            });
            let config = loaded.as_ref().map_or(&in_force, |(loaded, _)| &loaded.config);
            // The gRPC address stays. Its TLS files stay too if the new settings name no others.
            let files = tls_files(config).or(tls_files(&in_force));
            let tls = files.zip(tls).map(|(files, tls)| tls.reload(files));
            let read = |wanted| Credentials::read(wanted, &now);
            let credentials = config.gateway.as_ref().map(read).transpose();
            let changes = match &loaded {
                Ok((loaded, _)) => seen.instead(watched(&loaded.config, loaded.files.clone())),
                Err(_) => seen,
            };
            Read { loaded, tls, credentials, changes }
        };
        match spawn_blocking(reading).await {
            Ok(read) => {
                let mut scarcity = read.is_scarcity();
                let taken = matches!(read.tls, Some(Ok(_)));
                self.changes = read.changes;
                tell_tls(read.tls);
                match read.loaded {
                    Ok((loaded, kept)) => {
                        for kept in kept {
                            tracing::warn!("{kept}");
                        }
                        scarcity |= self.apply(loaded, read.credentials, taken, parts);
                    }
                    Err(errors) => {
                        for error in errors.to_string().lines() {
                            tracing::error!("{error}");
                        }
                        let wanted = self.config.gateway.clone();
                        let posts = self.config.inputs.http;
                        scarcity |= self.change_gateway(wanted, read.credentials, posts, parts);
                        tracing::error!("the new settings are wrong; the old ones stay in force");
                    }
                }
                self.try_again(scarcity);
            }
            Err(error) => tracing::error!(%error, "cannot reload the settings"),
        }
        systemd::ready();
    }

    fn try_again(&mut self, scarcity: bool) {
        let pause = self.again.map_or(FIRST_PAUSE, |(_, pause)| (2 * pause).min(LONGEST_PAUSE));
        self.again = scarcity.then(|| (Instant::now() + pause, pause));
        if scarcity {
            tracing::warn!(
                seconds = pause.as_secs(),
                "too many open files or too little memory; the reload will be repeated"
            );
        }
    }

    /// Puts new settings in force. `tls_taken` says whether gRPC's new TLS files are in force.
    /// Returns whether something failed for lack of descriptors or memory.
    fn apply(
        &mut self,
        loaded: Loaded,
        credentials: Result<Option<Credentials>, Error>,
        tls_taken: bool,
        parts: &mut Parts,
    ) -> bool {
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let (new, old) = (loaded.config, &self.config);
        if !served_at_the_same(&new, old)
            || (new.threads, &new.falco_webserver, &new.falco_time_zone)
                != (old.threads, &old.falco_webserver, &old.falco_time_zone)
        {
            tracing::warn!(
                "the gRPC address, threads, Falco's webserver and time zone change only at a restart"
            );
        }
        self.hub.set_retain(new.hub.retain);
        self.settings.replace(new.outputs.clone());
        self.inputs.change(parts, &new.inputs);
        let scarcity =
            self.change_gateway(new.gateway.clone(), credentials, new.inputs.http, parts);
        let Config { mut grpc, threads, falco_webserver, falco_time_zone, .. } =
            self.config.clone();
        // The next reload compares with the files in force.
        if let (Some(Listen::Tcp { tls, .. }), Some(Listen::Tcp { tls: new, .. })) =
            (&mut grpc, &new.grpc)
            && tls_taken
        {
            tls.clone_from(new);
        }
        self.config = Config { grpc, threads, falco_webserver, falco_time_zone, ..new };
        tracing::info!("the new settings are in force");
        scarcity
    }

    /// Changes the gateway. Returns whether that failed for lack of descriptors or memory.
    fn change_gateway(
        &mut self,
        wanted: Option<config::Gateway>,
        credentials: Result<Option<Credentials>, Error>,
        ingest: bool,
        parts: &mut Parts,
    ) -> bool {
        let port: Arc<dyn Port> = self.port.clone();
        let changed = credentials.and_then(|credentials| {
            let wanted = wanted.zip(credentials);
            Gateway::change(&mut self.gateway, wanted, ingest, &self.stop, parts, &port)
        });
        let credentials = self.gateway.as_ref().map(Gateway::credentials);
        self.port.set_gateway_tls(credentials.and_then(Credentials::tls));
        changed.is_err_and(|error| {
            tracing::error!(%error, "cannot change the gateway; the old one stays in force");
            error.is_scarcity()
        })
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
            tracing::error!(
                %error,
                "cannot load the new certificates; the old certificates stay in force"
            );
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

/// Whether gRPC is served at the same address, with any certificates.
fn served_at_the_same(one: &Config, other: &Config) -> bool {
    match (&one.grpc, &other.grpc) {
        (Some(Listen::Tcp { address, .. }), Some(Listen::Tcp { address: other, .. })) => {
            address == other
        }
        (one, other) => one == other,
    }
}

/// Returns the files whose change starts a reload.
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
