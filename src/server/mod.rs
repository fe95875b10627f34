//! The one room that knows them all: builds what the configuration asks for, runs it, changes what
//! can be changed while it runs, and ends it.
//!
//! 1. Everything that can be refused is tried first: sockets, ports, certificates, the program to
//!    start. What cannot be had ends the process with the reason; it never sits there half alive.
//! 2. Inputs feed the [`Intake`], listeners answer from the [`Hub`].
//! 3. At SIGHUP, or when a file that was read has changed, the settings are read again
//!    ([`running`]). What is wrong with them is told, and what was in force stays; so does what
//!    guards and is gone ([`guards`]).
//! 4. While an input is down health says NOT_SERVING ([`health`]).
//! 5. At SIGTERM or SIGINT: health says NOT_SERVING, inputs are ended and what they had is taken;
//!    live streams are sent what is there and end with UNAVAILABLE; connections finish within
//!    [`GRACE`]. At a second signal what is left is dropped; a Falco of ours never outlives us.

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
use std::sync::{Arc, Mutex, OnceLock};
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

/// How long inputs may take to end before live streams do. Falco itself may take longer, and what
/// it says after that is not delivered any more.
const INPUT_GRACE: Duration = Duration::from_millis(500);

/// A start that failed, or an end that was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gRPC API cannot be served.
    #[error("grpc.bind_address: {0}")]
    Grpc(#[from] ListenError),
    /// The gateway cannot be served.
    #[error("falconer.gateway.listen: {0}")]
    Gateway(#[from] BindError),
    /// The gateway's token cannot be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The gateway's TLS files are wrong.
    #[error(transparent)]
    GatewayTls(#[from] TlsError),
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(io::Error),
    /// A second signal came before everything had ended.
    #[error("a second signal ended it before everything had finished")]
    Forced,
    /// The gateway stopped by itself.
    #[error("the gateway stopped: {0}")]
    GatewayStopped(io::Error),
    /// The descriptors that reflection serves do not decode; a build gone wrong.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A part of the server panicked.
    #[error("a part of the server failed: {0}")]
    Failed(#[from] tokio::task::JoinError),
}

impl Error {
    /// Whether it may pass by itself: [`crate::net::is_scarcity`].
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

/// What runs beside the rest until it is told to stop; an error ends the server.
type Parts = JoinSet<Result<(), Error>>;

/// Reads the settings as they are now.
pub type Reread = Box<dyn Fn() -> Result<Loaded, Errors> + Send + Sync>;

/// What a server is started with.
pub struct Start {
    /// The settings.
    pub loaded: Loaded,
    /// How they are read again.
    pub reread: Reread,
    /// Sockets that were bound before.
    pub inherited: Inherited,
    /// Invented alerts a second, if any.
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
/// When something that was asked for cannot be had, or a second signal did not let it finish.
pub async fn run(start: Start) -> Result<(), Error> {
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    limits::raise_open_files();
    let mut server = Server::start(start).await?;
    let ended = server.live(&mut signals).await;
    ended.and(server.end(&mut signals).await)
}

/// A server that runs. Dropping it ends every part, a Falco of ours included.
struct Server {
    parts: Parts,
    running: Running,
    health: HealthReporter,
    /// Inputs end before everything else does.
    stop_inputs: CancellationToken,
    stop: CancellationToken,
}

impl Server {
    async fn start(start: Start) -> Result<Self, Error> {
        let Start { loaded, reread, mut inherited, demo } = start;
        let config = loaded.config;
        // Looked at before certificates are read, so that a change in between is seen.
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
        let (subscribers, asked) = (Subscribers::default(), Arc::new(OnceLock::new()));

        let bind = |listen| Listener::bind(listen, &mut inherited);
        let listener = config.grpc.as_ref().map(bind).transpose()?;
        let unused = inherited.close();
        if unused > 0 {
            tracing::warn!(unused, "sockets that systemd handed over are not used, and closed");
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
            falco: falco_version(settings.clone(), asked.clone(), intake.clone()),
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
        parts.spawn(ask_falco(&config, asked, stop.clone()));
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

    /// Serves until it is asked to end, or a part fails.
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
            // A file system that hangs must not keep it from ending.
            tokio::select! {
                () = running.reload(parts) => {}
                () = signals.end() => return Ok(()),
            }
        }
    }

    /// Ends it: what is left at a second signal is dropped.
    async fn end(mut self, signals: &mut Signals) -> Result<(), Error> {
        tracing::info!(grace_seconds = GRACE.as_secs(), "stopping");
        systemd::stopping();
        let drained = tokio::select! {
            drained = self.finish() => drained,
            () = signals.end() => Err(Error::Forced),
        };
        // What is left is dropped, and waited for.
        self.parts.shutdown().await;
        drained
    }

    async fn finish(&mut self) -> Result<(), Error> {
        mounted::stop_serving(&self.health).await;
        self.stop_inputs.cancel();
        // What takes longer goes on beside the rest.
        let _ = tokio::time::timeout(INPUT_GRACE, self.running.inputs_ended()).await;
        self.stop.cancel();
        drain(&mut self.parts).await
    }
}

/// A part that cannot fail.
async fn well(part: impl Future<Output = ()>) -> Result<(), Error> {
    part.await;
    Ok(())
}

/// A part that goes on until `stop`.
async fn until(stop: CancellationToken, part: impl Future<Output = ()>) {
    let _ = stop.run_until_cancelled(part).await;
}

/// The gRPC services as the listener wants them: told who calls, and counted.
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

/// Falco's version: as configured, as asked, as learnt; in that order.
fn falco_version(
    settings: Settings,
    asked: Arc<OnceLock<FalcoVersion>>,
    intake: Arc<Intake>,
) -> Arc<dyn Fn() -> FalcoVersion + Send + Sync> {
    Arc::new(move || match (settings.current().falco_version, asked.get()) {
        (Some(configured), _) => FalcoVersion { falco: Some(configured), engine: None },
        (None, Some(known)) => known.clone(),
        (None, None) => {
            FalcoVersion { falco: intake.falco_version().map(str::to_owned), engine: None }
        }
    })
}

/// Tells what is to be said about TLS files that can be used.
fn warn_of_tls(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(%warning, "TLS");
    }
}

/// Asks Falco for its version, once, beside everything else.
fn ask_falco(
    config: &Config,
    asked: Arc<OnceLock<FalcoVersion>>,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), Error>> + Send + 'static {
    let (command, webserver) = (config.inputs.command.clone(), config.falco_webserver.clone());
    async move {
        tokio::select! {
            known = falco::ask(&command, webserver.as_deref()) => {
                if let Some(known) = known {
                    let _ = asked.set(known);
                }
            }
            () = stop.cancelled() => {}
        }
        Ok(())
    }
}

/// Waits until a part fails; parts that end well are no reason to end.
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

/// Waits for every part to end; the first failure is told.
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

/// Microseconds since 1970: no earlier run had that number.
fn epoch() -> Epoch {
    Epoch::new(Timestamp::now().as_microsecond().unsigned_abs())
}

fn machine_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where the demonstration puts its socket: in the user's runtime directory, or below the current
/// one; both without root.
#[must_use]
pub fn demo_socket(runtime_directory: Option<String>) -> PathBuf {
    match runtime_directory.filter(|directory| directory.starts_with('/')) {
        Some(directory) => PathBuf::from(directory).join("falconer/falco.sock"),
        None => std::env::current_dir().unwrap_or_else(|_| "/tmp".into()).join("run/falco.sock"),
    }
}
