//! The one room that knows them all: builds what the configuration asks for, runs it, and ends it.
//!
//! 1. Everything that can be refused is tried first: sockets, ports, certificates, the program to
//!    start. What cannot be had ends the process with the reason; it never sits there half alive.
//! 2. Inputs feed the [`Intake`], listeners answer from the [`Hub`].
//! 3. At a signal: health says NOT_SERVING, live subscriptions end with UNAVAILABLE, inputs are
//!    ended, connections finish within [`GRACE`]. A second signal ends the process at once.

mod falco;
mod feed;
mod logging;
mod welcome;

use std::future::Future;
use std::io::{self, IsTerminal, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::config::Config;
use crate::grpc;
use crate::hub::{Epoch, Hub};
use crate::ingest::{self, Input, Intake};
use crate::net::serve::{GRACE, Handler, ListenError, Listener};
use crate::net::{BindError, Peer, tcp};
use crate::service::{self, Caller, FalcoVersion, Subscribers, mounted};
use feed::Feed;

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

/// Runs the server until a signal ends it. `demo` feeds it invented alerts, that many a second.
///
/// # Errors
/// When something that was asked for cannot be had.
pub async fn run(config: Config, demo: Option<u32>) -> Result<(), Error> {
    let stop = CancellationToken::new();
    let mut parts = JoinSet::new();

    let hub = Arc::new(Hub::new(config.hub, epoch()));
    let hostname: Arc<str> = config.hostname.clone().unwrap_or_else(machine_name).into();
    let intake = Arc::new(Intake::new(hub.clone(), hostname.to_string()));
    let subscribers = Subscribers::default();
    let asked = Arc::new(OnceLock::new());

    let grpc = config.grpc.as_ref().map(Listener::bind).transpose()?;
    let gateway = config.gateway.map(|address| tcp::bind(&address.to_string())).transpose()?;

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
    let (router, health) = mounted::health(service::falco(&context)).await;
    let router = mounted::reflection(router)?;

    if let Some(listener) = grpc {
        let (handler, stop) = (handler(router), stop.clone());
        parts.spawn(async move {
            listener.serve(handler, stop).await;
            Ok(())
        });
    }
    let mut gateway_address = None;
    if let Some(listener) = gateway {
        gateway_address = listener.local_addr().ok();
        let feed = Feed {
            hub,
            intake: intake.clone(),
            subscribers,
            grpc: config.grpc.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        parts.spawn(serve_gateway(listener, feed, config.inputs.http, stop.clone()));
    }
    start_inputs(&mut parts, &config.inputs, &intake, &stop);
    if let Some(rate) = demo {
        let (intake, stop) = (intake.clone(), stop.clone());
        parts.spawn(async move {
            ingest::demo::run(&intake, rate, stop).await;
            Ok(())
        });
    }
    {
        let (inputs, webserver) = (config.inputs.command.clone(), config.falco_webserver.clone());
        let stop = stop.clone();
        parts.spawn(async move {
            tokio::select! {
                known = falco::ask(&inputs, webserver.as_deref()) => {
                    if let Some(known) = known {
                        let _ = asked.set(known);
                    }
                }
                () = stop.cancelled() => {}
            }
            Ok(())
        });
    }

    greet(&config, gateway_address);
    let signalled = signalled().map_err(Error::Signals)?;
    let ended = until_over(&mut parts, signalled).await;
    mounted::stop_serving(&health).await;
    stop.cancel();
    let drained = drain(&mut parts).await;
    ended.and(drained)
}

/// The gRPC services as the listener wants them.
fn handler(router: grpc::Router) -> Handler {
    let service = grpc::serve(router).map_request(|mut request: http::Request<_>| {
        if let Some(peer) = request.extensions().get::<Peer>() {
            let caller = Caller(peer.to_string().into());
            request.extensions_mut().insert(caller);
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

fn start_inputs(
    parts: &mut JoinSet<Result<(), Error>>,
    inputs: &ingest::Config,
    intake: &Arc<Intake>,
    stop: &CancellationToken,
) {
    if inputs.stdin {
        let (intake, stop) = (intake.clone(), stop.clone());
        parts.spawn(async move {
            tokio::select! {
                read = ingest::stream::read(&intake, Input::Stdin, tokio::io::stdin()) => match read {
                    Ok(()) => tracing::info!("standard input has ended; serving what is kept"),
                    Err(error) => tracing::error!(%error, "cannot read standard input"),
                },
                () = stop.cancelled() => {}
            }
            Ok(())
        });
    }
    for path in inputs.files.clone() {
        let (intake, stop) = (intake.clone(), stop.clone());
        parts.spawn(async move {
            tokio::select! {
                read = ingest::files::read(&intake, &path) => {
                    read.map_err(|error| Error::File { path, error })
                }
                () = stop.cancelled() => Ok(()),
            }
        });
    }
    if !inputs.command.is_empty() {
        let (intake, stop, command) = (intake.clone(), stop.clone(), inputs.command.clone());
        parts.spawn(async move {
            ingest::command::keep_running(&intake, &command, stop).await.map_err(|error| {
                Error::Command { program: command.first().cloned().unwrap_or_default(), error }
            })
        });
    }
}

/// Waits for a signal, or for a part to fail.
async fn until_over(
    parts: &mut JoinSet<Result<(), Error>>,
    signalled: impl Future<Output = ()>,
) -> Result<(), Error> {
    tokio::pin!(signalled);
    loop {
        tokio::select! {
            () = &mut signalled => return Ok(()),
            Some(ended) = parts.join_next() => ended??,
        }
    }
}

/// Waits for every part to end; the first failure is told.
async fn drain(parts: &mut JoinSet<Result<(), Error>>) -> Result<(), Error> {
    let mut outcome = Ok(());
    while let Some(ended) = parts.join_next().await {
        outcome = outcome.and(ended.map_err(Error::from).flatten());
    }
    outcome
}

/// Ends with the first SIGTERM or SIGINT; the second ends the process at once.
fn signalled() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        let name = next().await;
        tracing::info!(signal = name, grace_seconds = GRACE.as_secs(), "stopping");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
    })
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
