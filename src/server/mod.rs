//! Builds the server from the configuration, runs it, reloads it and shuts it down.
//!
//! 1. A start first binds and loads what can fail: sockets, ports, certificates, the program to
//!    start. If one fails, the process exits with the reason. It never runs with only a part of its
//!    services.
//! 2. Inputs append to the log through the [`Intake`]. Listeners serve readers from the [`Hub`].
//! 3. SIGHUP, or a changed file, starts a reload ([`running`]). If the new settings are wrong, the
//!    log says why and the old ones stay in force. A reload removes no guard ([`guards`]).
//! 4. While an input is down, health is NOT_SERVING ([`health`]).
//! 5. At SIGTERM or SIGINT health becomes NOT_SERVING, and the inputs are drained and stopped. Live
//!    streams get the remaining alerts and end with UNAVAILABLE. Connections finish within
//!    [`GRACE`]. A second signal drops the rest. A Falco that Falconer started never outlives it.

pub(crate) mod calls;
mod changes;
mod falco;
pub(crate) mod feed;
mod gateway;
mod guards;
mod health;
mod inputs;
mod level;
mod limits;
mod log_queue;
mod logging;
mod running;
mod signals;
mod systemd;
mod welcome;

use std::future::Future;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::TryFutureExt as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, service_fn};

use crate::config::{self, Config, Errors, Loaded, TokenError};
use crate::event::Origin;
use crate::grpc;
use crate::hub::{Epoch, Hub};
use crate::ingest::presence::Presence;
use crate::ingest::source::SourceError;
use crate::ingest::{self, Input, Intake};
use crate::net::connection::{Ending, GRACE, Handler};
use crate::net::serve::{ListenError, Listener};
use crate::net::tls::TlsError;
use crate::net::{BindError, Inherited, Peer};
use crate::query::{self, Filters};
use crate::service::{self, Caller, FalcoVersion, Settings, Subscribers, mounted};
use calls::{Call, Calls};
use changes::Changes;
use feed::Feed;
use gateway::{Credentials, Gateway};
use inputs::Inputs;
use running::Running;
use signals::{Asked, Signals};

pub use logging::{flush_log, log_to_stderr, tell};

/// How long the shutdown waits for inputs before it ends live streams. Falco can take longer. What
/// it writes after that is not delivered.
const INPUT_GRACE: Duration = Duration::from_millis(500);

/// A failed start, or a server that ended without a signal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gRPC API cannot be served.
    #[error("grpc.bind_address: {0}")]
    Grpc(#[from] ListenError),
    /// The gateway cannot be served.
    #[error("falconer.gateway.listen: {0}")]
    Gateway(#[from] BindError),
    /// The gateway's token cannot be loaded.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The gateway's TLS files cannot be used.
    #[error(transparent)]
    GatewayTls(#[from] TlsError),
    /// An input cannot be started or read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(io::Error),
    /// A second signal came during the shutdown.
    #[error("a second signal stopped the server before its shutdown was complete")]
    Forced,
    /// The gateway failed.
    #[error("the gateway stopped: {0}")]
    GatewayStopped(io::Error),
    /// The descriptors that reflection serves do not decode; the build is broken.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A part of the server panicked.
    #[error("a part of the server failed: {0}")]
    Failed(#[from] tokio::task::JoinError),
}

impl Error {
    /// Whether the cause is a lack of descriptors or memory ([`crate::net::is_scarcity`]), so that
    /// trying again can help.
    fn is_scarcity(&self) -> bool {
        match self {
            Self::Gateway(error) => error.scarcity,
            Self::Token(TokenError::Read { error, .. }) | Self::GatewayStopped(error) => {
                crate::net::is_scarcity(error)
            }
            Self::GatewayTls(error) => error.is_scarcity(),
            _ => false,
        }
    }
}

/// The tasks of the server, which run until they are stopped. An error of one ends the server.
type Parts = JoinSet<Result<(), Error>>;

/// Reads the settings again.
pub type Reread = Box<dyn Fn() -> Result<Loaded, Errors> + Send + Sync>;

/// The parameters of a start.
pub struct Start {
    /// The settings.
    pub loaded: Loaded,
    /// Reads the settings again, for a reload.
    pub reread: Reread,
    /// The sockets that systemd passed.
    pub inherited: Inherited,
    /// The number of invented alerts per second; `None` for a real server.
    pub demo: Option<u32>,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Start").field("loaded", &self.loaded).finish_non_exhaustive()
    }
}

/// Runs the server until a signal ends it.
///
/// # Errors
/// When the start fails, a part of the server fails, or a second signal cuts the shutdown short.
pub async fn run(start: Start) -> Result<(), Error> {
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    limits::raise_open_files();
    let mut server = Server::start(start).await?;
    let ended = server.live(&mut signals).await;
    ended.and(server.end(&mut signals).await)
}

/// A running server. Dropping it ends every task, and a Falco that it started.
struct Server {
    parts: Parts,
    running: Running,
    health: HealthReporter,
    /// Stops the inputs, before `stop` stops the rest.
    stop_inputs: CancellationToken,
    stop: CancellationToken,
}

impl Server {
    async fn start(start: Start) -> Result<Self, Error> {
        let Start { loaded, reread, mut inherited, demo } = start;
        let config = loaded.config;
        // Before certificates are read, so that a change in between is noticed.
        let changes = Changes::of(running::watched(&config, loaded.files));
        let (stop, stop_inputs) = (CancellationToken::new(), CancellationToken::new());
        let mut parts = Parts::new();

        let hub = Arc::new(Hub::new(config.hub, epoch()));
        let origin = Origin {
            hostname: config.hostname.clone().unwrap_or_else(machine_name),
            zone: config.falco_time_zone.clone().unwrap_or_else(TimeZone::system),
        };
        let intake = Arc::new(Intake::new(hub.clone(), origin.clone()));
        let settings = Settings::new(config.outputs.clone());
        let calls = Arc::new(Calls::default());
        let (subscribers, answer) = (Subscribers::default(), Arc::<falco::Answer>::default());
        let presence = intake.presence().clone();

        let bind = |listen| Listener::bind(listen, &mut inherited);
        let listener = config.grpc.as_ref().map(bind).transpose()?;
        let unused = inherited.close();
        if unused > 0 {
            tracing::warn!(unused, "closed sockets that systemd passed and no setting uses");
        }
        let bind = |wanted: config::Gateway| {
            let credentials = Credentials::read(&wanted, &Credentials::default())?;
            Gateway::bind(wanted, credentials, config.inputs.http, &stop)
        };
        let gateway = config.gateway.clone().map(bind).transpose()?;
        let mut inputs = Inputs::new(intake.clone(), stop_inputs.clone());
        inputs.start(&mut parts, &config.inputs)?;
        if let Some(rate) = demo {
            let (intake, stop) = (intake.clone(), stop_inputs.clone());
            intake.presence().expect(&Input::Demo.into(), None);
            parts.spawn(well(async move { ingest::demo::run(&intake, rate, stop).await }));
        }

        let filters = Filters::default();
        let context = service::Context {
            hub: hub.clone(),
            filters: filters.clone(),
            settings: settings.clone(),
            origin: origin.into(),
            now: ingest::now,
            falco: falco_version(settings.clone(), answer.clone(), intake.clone()),
            down: {
                let presence = intake.presence().clone();
                Arc::new(move || health::down(&presence))
            },
            subscribers: subscribers.clone(),
            stop: stop.clone(),
        };
        let (router, health) = mounted::health(service::falco(&context), &stop).await;
        let inputs_are = intake.presence().watch();
        parts.spawn(well(health::follow(health.clone(), inputs_are, stop_inputs.clone())));
        let router = mounted::reflection(router, &stop)?;
        let tls = listener.as_ref().and_then(Listener::tls);
        let cuts = listener.as_ref().map(Listener::cuts).unwrap_or_default();
        if let Some(listener) = listener {
            parts.spawn(well(listener.serve(handler(router, calls.clone()), stop.clone())));
        }
        let grpc = config.grpc.as_ref().map(ToString::to_string).unwrap_or_default();
        let feed = Feed {
            hub: hub.clone(),
            filters: filters.clone(),
            intake,
            subscribers,
            calls,
            grpc,
            tls: tls.clone(),
            cuts,
            gateway_tls: Mutex::default(),
            started: Timestamp::now(),
            stop: stop_inputs.clone(),
        };
        let port = Arc::new(feed);
        if let Some(gateway) = &gateway {
            port.set_gateway_tls(gateway.credentials().tls());
            gateway.serve(&mut parts, port.clone())?;
        }
        parts.spawn(ask_falco(&config, answer, presence, stop.clone()));
        parts.spawn(well(until(stop.clone(), query::watch(hub.clone(), filters))));
        parts.spawn(well(systemd::stay_alive(stop.clone())));

        greet(&config, gateway.as_ref().and_then(Gateway::address));
        systemd::ready();
        let reread = Arc::new(reread);
        let stop_running = stop.clone();
        let running = Running {
            config,
            reread,
            changes,
            hub,
            settings,
            inputs,
            gateway,
            tls,
            port,
            stop: stop_running,
            again: None,
        };
        Ok(Self { parts, running, health, stop_inputs, stop })
    }

    /// Serves until a signal ends it, or a task fails.
    async fn live(&mut self, signals: &mut Signals) -> Result<(), Error> {
        let Self { parts, running, .. } = self;
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::End => return Ok(()),
                    Asked::Reload => {}
                },
                () = running.changed() => {}
                failed = failure(parts) => return Err(failed),
            }
            // A file system that hangs must not prevent a shutdown.
            tokio::select! {
                () = running.reload(parts) => {}
                () = signals.end() => return Ok(()),
            }
        }
    }

    /// Shuts the server down. A second signal drops what is left.
    async fn end(mut self, signals: &mut Signals) -> Result<(), Error> {
        tracing::info!(grace_seconds = GRACE.as_secs(), "stopping");
        systemd::stopping();
        let drained = tokio::select! {
            drained = self.finish() => drained,
            () = signals.end() => Err(Error::Forced),
        };
        // Aborts the remaining tasks, and waits for that.
        self.parts.shutdown().await;
        drained
    }

    async fn finish(&mut self) -> Result<(), Error> {
        mounted::stop_serving(&self.health).await;
        self.stop_inputs.cancel();
        // Inputs that take longer end together with the rest.
        let _ = tokio::time::timeout(INPUT_GRACE, self.running.inputs_ended()).await;
        self.stop.cancel();
        drain(&mut self.parts).await
    }
}

/// A task that cannot fail.
async fn well(part: impl Future<Output = ()>) -> Result<(), Error> {
    part.await;
    Ok(())
}

/// A task that runs until `stop`.
async fn until(stop: CancellationToken, part: impl Future<Output = ()>) {
    let _ = stop.run_until_cancelled(part).await;
}

/// Wraps the gRPC services for the listener: adds the caller to each request, and counts calls.
pub(crate) fn handler(router: grpc::Router, calls: Arc<Calls>) -> Handler {
    let service = grpc::serve(router);
    BoxCloneSyncService::new(service_fn(move |mut request: http::Request<_>| {
        let extensions = request.extensions_mut();
        let mut identity = None;
        if let (Some(peer), Some(Ending(ending))) = (extensions.get::<Peer>(), extensions.get()) {
            identity = Some(peer.identity().into());
            let caller = Caller { name: peer.to_string().into(), ending: ending.clone() };
            extensions.insert(caller);
        }
        let call = Call::begin(&calls, request.uri().path(), identity);
        service.clone().oneshot(request).map_ok(|reply| call.follow(reply))
    }))
}

/// Returns a function for Falco's version: the configured one, or the one that Falco reported.
fn falco_version(
    settings: Settings,
    answer: Arc<falco::Answer>,
    intake: Arc<Intake>,
) -> Arc<dyn Fn() -> FalcoVersion + Send + Sync> {
    Arc::new(move || match settings.current().falco_version {
        Some(configured) => FalcoVersion { falco: Some(configured), engine: None },
        None => answer.version(intake.falco_version()),
    })
}

/// Logs the warnings about usable TLS files.
fn warn_of_tls(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(%warning, "TLS");
    }
}

/// Asks Falco for its version until `stop`.
fn ask_falco(
    config: &Config,
    answer: Arc<falco::Answer>,
    presence: Presence,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), Error>> + Send + 'static {
    let (command, webserver) = (config.inputs.command.clone(), config.falco_webserver.clone());
    async move {
        let asking = falco::keep_asking(&command, webserver.as_deref(), &presence, &answer);
        stop.run_until_cancelled(asking).await;
        Ok(())
    }
}

/// Waits until a task fails. A task that ends without an error is ignored.
async fn failure(parts: &mut Parts) -> Error {
    loop {
        match parts.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(error)) => return error.into(),
            None => std::future::pending().await,
        }
    }
}

/// Waits for every task to end, and returns the first error.
async fn drain(parts: &mut Parts) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(ended) = parts.join_next().await {
        outcome = outcome.and(ended.map_err(Error::from).flatten());
    }
    outcome
}

fn greet(config: &Config, gateway: Option<SocketAddr>) {
    let address = gateway.map(|address| address.to_string());
    let gateway = address.as_deref().zip(config.gateway.as_ref());
    let text = welcome::lines(config.grpc.as_ref(), gateway, config.inputs.http);
    tell(&format!("falconer {}\n{text}", env!("CARGO_PKG_VERSION")));
    if config.inputs.stdin && io::stdin().is_terminal() {
        tell("  reading alerts from this terminal");
    }
}

/// Returns a new epoch: the microseconds since 1970, which no earlier run had.
fn epoch() -> Epoch {
    Epoch::new(Timestamp::now().as_microsecond().unsigned_abs())
}

fn machine_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Returns the socket path of `falconer demo`: in the user's runtime directory, or below the
/// current directory. Neither needs root.
#[must_use]
pub fn demo_socket(runtime_directory: Option<String>) -> PathBuf {
    match runtime_directory.filter(|directory| directory.starts_with('/')) {
        Some(directory) => PathBuf::from(directory).join("falconer/falco.sock"),
        None => std::env::current_dir().unwrap_or_else(|_| "/tmp".into()).join("run/falco.sock"),
    }
}
