//! The one room that knows them all: builds what the configuration asks for, runs it, and ends it.
//!
//! 1. Everything that can be refused is tried first: sockets, ports, certificates, the program to
//!    start. What cannot be had ends the process with the reason; it never sits there half alive.
//! 2. Inputs feed the [`Intake`], listeners answer from the [`Hub`].
//! 3. At a signal: health says NOT_SERVING, live streams end with UNAVAILABLE, inputs are ended,
//!    connections finish within [`GRACE`]. At a second signal what is left is dropped; a Falco of
//!    ours never outlives us.

mod falco;
mod feed;
mod inputs;
mod limits;
mod logging;
mod signals;
mod welcome;

use std::future::Future;
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::config::Config;
use crate::grpc;
use crate::hub::{Epoch, Hub};
use crate::ingest::{self, Intake};
use crate::net::connection::{Ending, GRACE, Handler};
use crate::net::serve::{ListenError, Listener};
use crate::net::{BindError, Peer, tcp};
use crate::service::{self, Caller, FalcoVersion, Subscribers, mounted};
use feed::Feed;
use signals::Signals;

pub use logging::log_to_stderr;

/// A start that failed, or an end that was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gRPC API cannot be served.
    #[error("grpc.bind_address: {0}")]
    Grpc(#[from] ListenError),
    /// The gateway cannot be served.
    #[error("falconer.gateway.listen: {0}")]
    Gateway(#[from] BindError),
    /// The program to start cannot be started.
    #[error("cannot start {program:?}: {error}; check the command after --")]
    Command {
        /// The program.
        program: String,
        /// Why not.
        error: io::Error,
    },
    /// A file cannot be followed.
    #[error("falconer.inputs.files: cannot follow {path:?}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
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

/// What runs beside the rest until it is told to stop; an error ends the server.
type Parts = JoinSet<Result<(), Error>>;

/// Runs the server until a signal ends it. `demo` feeds it invented alerts, that many a second.
///
/// # Errors
/// When something that was asked for cannot be had, or a second signal did not let it finish.
pub async fn run(config: Config, demo: Option<u32>) -> Result<(), Error> {
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    limits::raise_open_files();
    let stop = CancellationToken::new();
    // Dropped with this function, it ends every part that is left, a Falco of ours included.
    let mut parts = Parts::new();

    let hub = Arc::new(Hub::new(config.hub, epoch()));
    let hostname: Arc<str> = config.hostname.clone().unwrap_or_else(machine_name).into();
    let intake = Arc::new(Intake::new(hub.clone(), hostname.to_string()));
    let subscribers = Subscribers::default();
    let asked = Arc::new(OnceLock::new());

    let grpc = config.grpc.as_ref().map(Listener::bind).transpose()?;
    let gateway = config.gateway.map(|address| tcp::bind(&address.to_string())).transpose()?;
    inputs::start(&mut parts, &config.inputs, demo, &intake, &stop)?;

    let context = service::Context {
        hub: hub.clone(),
        config: config.outputs.clone(),
        grpc_output: config.grpc_output,
        hostname,
        now: ingest::now,
        falco: falco_version(&config, asked.clone(), intake.clone()),
        subscribers: subscribers.clone(),
        stop: stop.clone(),
    };
    let (router, health) = mounted::health(service::falco(&context), &stop).await;
    let router = mounted::reflection(router, &stop)?;
    if let Some(listener) = grpc {
        let serving = listener.serve(handler(router), stop.clone());
        parts.spawn(async move {
            serving.await;
            Ok(())
        });
    }
    let gateway_address = gateway.as_ref().and_then(|listener| listener.local_addr().ok());
    if let Some(listener) = gateway {
        let grpc = config.grpc.as_ref().map(ToString::to_string).unwrap_or_default();
        let feed = Feed { hub, intake, subscribers, grpc };
        parts.spawn(serve_gateway(listener, feed, config.inputs.http, stop.clone()));
    }
    parts.spawn(ask_falco(&config, asked, stop.clone()));

    greet(&config, gateway_address);
    let ended = tokio::select! {
        () = signals.end() => Ok(()),
        failed = failure(&mut parts) => Err(failed),
    };
    tracing::info!(grace_seconds = GRACE.as_secs(), "stopping");
    mounted::stop_serving(&health).await;
    stop.cancel();
    let drained = tokio::select! {
        drained = drain(&mut parts) => drained,
        () = signals.end() => Err(Error::Forced),
    };
    // What is left is dropped, and waited for.
    parts.shutdown().await;
    ended.and(drained)
}

/// The gRPC services as the listener wants them.
fn handler(router: grpc::Router) -> Handler {
    let service = grpc::serve(router).map_request(|mut request: http::Request<_>| {
        let extensions = request.extensions_mut();
        if let (Some(peer), Some(Ending(ending))) = (extensions.get::<Peer>(), extensions.get()) {
            let caller = Caller { name: peer.to_string().into(), ending: ending.clone() };
            extensions.insert(caller);
        }
        request
    });
    BoxCloneSyncService::new(service)
}

/// Falco's version: as configured, as asked, as learnt; in that order.
fn falco_version(
    config: &Config,
    asked: Arc<OnceLock<FalcoVersion>>,
    intake: Arc<Intake>,
) -> Arc<dyn Fn() -> FalcoVersion + Send + Sync> {
    let configured = config.outputs.falco_version.clone();
    Arc::new(move || match (&configured, asked.get()) {
        (Some(_), _) => FalcoVersion { falco: configured.clone(), engine: None },
        (None, Some(known)) => known.clone(),
        (None, None) => {
            FalcoVersion { falco: intake.falco_version().map(str::to_owned), engine: None }
        }
    })
}

async fn serve_gateway(
    listener: TcpListener,
    feed: Feed,
    ingest: bool,
    stop: CancellationToken,
) -> Result<(), Error> {
    let config = falconer_gateway::Config { ingest, ..falconer_gateway::Config::default() };
    falconer_gateway::serve(listener, Arc::new(feed), config, stop.cancelled_owned())
        .await
        .map_err(Error::GatewayStopped)
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
    let text = welcome::lines(config.grpc.as_ref(), gateway, config.inputs.http);
    let mut stderr = io::stderr().lock();
    // Standard error may be closed; then nobody reads this.
    let _ = writeln!(stderr, "falconer {}\n{text}", env!("CARGO_PKG_VERSION"));
    if config.inputs.stdin && io::stdin().is_terminal() {
        let _ = writeln!(stderr, "  reading alerts from this terminal");
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
