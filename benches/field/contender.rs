//! The contenders, and how each is started.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::certs;
use super::process::{self, Process};
use super::socket::{Address, Target};

/// A server that answers Falco's calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Contender {
    /// The release binary.
    Falconer,
    /// Another build of it, `FALCONER_BEFORE`, for comparison.
    Before,
    /// The release binary with [`STALLED`] browsers that do not read their live streams.
    Stalled,
    /// The release binary with [`HOSTILE`] readers whose filters are as slow as allowed.
    Hostile,
    /// [`super::tonic_server`] with a broadcast channel of alerts.
    Broadcast,
    /// [`super::tonic_server`] with a broadcast channel of shared batches.
    Batched,
    /// [`super::bare`]: frames on a socket, one per write.
    BareEach,
    /// [`super::bare`]: frames on a socket, 64 KiB per write.
    BareBlocks,
    /// [`super::bare`]: HTTP/2 frames made in advance, to measure the load generator's maximum.
    Canned,
    /// [`super::sink`]: discards posts.
    Sink,
}

impl Contender {
    /// Returns the name in tables and results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Falconer => "falconer",
            Self::Before => "falconer-before",
            Self::Stalled => "falconer-stalled",
            Self::Hostile => "falconer-hostile",
            Self::Broadcast => "tonic-broadcast",
            Self::Batched => "tonic-batched",
            Self::BareEach => "bare-each",
            Self::BareBlocks => "bare-64KiB",
            Self::Canned => "canned-h2",
            Self::Sink => "axum-sink",
        }
    }

    /// Returns the gRPC servers, which most cases compare.
    pub(crate) fn servers() -> Vec<Self> {
        let mut all = vec![Self::Falconer, Self::Broadcast, Self::Batched];
        if before().is_some() {
            all.insert(1, Self::Before);
        }
        all.retain(|contender| contender.is_wanted());
        all
    }

    /// Returns whether the list `CONTENDERS` has it. Without the list, all contenders run.
    pub(crate) fn is_wanted(self) -> bool {
        let Ok(names) = std::env::var("CONTENDERS") else { return true };
        names.is_empty() || names.split(',').any(|name| name == self.name())
    }

    /// Returns Falconer, and its other build if there is one.
    pub(crate) fn falconers() -> Vec<Self> {
        let mut all = vec![Self::Falconer];
        all.extend(before().map(|_| Self::Before));
        all
    }
}

/// The number of stalled browsers at [`Contender::Stalled`].
pub(crate) const STALLED: usize = 10;

/// The number of slow filters at [`Contender::Hostile`].
pub(crate) const HOSTILE: usize = 50;

/// The settings of a server.
#[derive(Clone, Copy, Default)]
pub(crate) struct Setup {
    /// Whether to use mutual TLS over TCP instead of a unix socket.
    pub(crate) tls: bool,
    /// The number of alerts to retain. Without it, each server's default bound applies.
    pub(crate) backlog: Option<u64>,
    /// Whether to enable the gateway, which accepts posts and reports the number of received
    /// alerts.
    pub(crate) gateway: bool,
    /// Whether to read alerts from `alerts.json` in the server's directory instead of standard
    /// input.
    pub(crate) file: bool,
}

/// A started server.
pub(crate) struct Server {
    pub(crate) contender: Contender,
    pub(crate) process: Process,
    pub(crate) target: Target,
    /// `host:port` of its gateway, if it has one.
    pub(crate) gateway: Option<String>,
}

/// The timeout for a server to listen.
const PATIENCE: Duration = Duration::from_secs(10);

impl Server {
    /// Starts a server in a directory of its own and waits until it listens.
    pub(crate) async fn start(contender: Contender, setup: Setup) -> Result<Self, String> {
        Self::start_in(process::folder(), contender, setup).await
    }

    /// Like [`Self::start`], in a directory that may have files already.
    pub(crate) async fn start_in(
        dir: TempDir,
        contender: Contender,
        setup: Setup,
    ) -> Result<Self, String> {
        let mut server = Self::spawn(dir, contender, setup)?;
        let deadline = Instant::now() + PATIENCE;
        while server.target.open().await.is_err() {
            if let Some(end) = server.process.ended() {
                return Err(format!("{} ended at once: {end}", contender.name()));
            }
            if Instant::now() > deadline {
                return Err(format!("{} does not listen", contender.name()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(server)
    }

    /// Starts a server without waiting.
    pub(crate) fn spawn(dir: TempDir, contender: Contender, setup: Setup) -> Result<Self, String> {
        let address = match (setup.tls, contender) {
            (false, Contender::Sink) | (true, _) => Address::Tcp(free_port()),
            (false, _) => Address::Unix(dir.path().join("falco.sock")),
        };
        if setup.tls {
            certs::write(dir.path());
        }
        let gateway = setup.gateway.then(|| format!("127.0.0.1:{}", free_port()));
        let target = Target::new(address, setup.tls.then_some(dir.path()));
        let command = match contender {
            Contender::Falconer | Contender::Stalled | Contender::Hostile => {
                falconer(&binary()?, &target, setup, &dir, gateway.as_deref())
            }
            Contender::Before => {
                let binary = before().ok_or("FALCONER_BEFORE is not set")?;
                falconer(&binary, &target, setup, &dir, gateway.as_deref())
            }
            _ => role(contender, &target, setup, &dir),
        };
        let process = Process::start(&command, dir).map_err(|error| error.to_string())?;
        Ok(Self { contender, process, target, gateway })
    }
}

/// Returns the release binary that `make bench` built before. The build of this benchmark also has
/// the features of the development dependencies.
fn binary() -> Result<PathBuf, String> {
    let path = std::env::var_os("FALCONER_BIN").map(PathBuf::from).ok_or(
        "FALCONER_BIN does not name the binary to measure; `make bench` builds it and does",
    )?;
    path.canonicalize().map_err(|error| format!("FALCONER_BIN {}: {error}", path.display()))
}

fn before() -> Option<PathBuf> {
    std::env::var_os("FALCONER_BEFORE").map(PathBuf::from)
}

fn falconer(
    binary: &Path,
    target: &Target,
    setup: Setup,
    dir: &TempDir,
    gateway: Option<&str>,
) -> Command {
    let mut command = Command::new(binary);
    command.arg("serve");
    let mut set = |key: &str, value: &str| {
        command.args(["-o", &format!("{key}={value}")]);
    };
    let in_folder = |name: &str| dir.path().join(name).display().to_string();
    set("grpc.enabled", "true");
    set("grpc.bind_address", &target.address().to_string());
    if setup.tls {
        set("grpc.private_key", &in_folder("server.key"));
        set("grpc.cert_chain", &in_folder("server.crt"));
        set("grpc.root_certs", &in_folder("ca.crt"));
    }
    if setup.file {
        set("falconer.inputs.files[]", &in_folder("alerts.json"));
    } else {
        set("falconer.inputs.stdin", "true");
    }
    match gateway {
        Some(address) => set("falconer.gateway.listen", address),
        None => set("falconer.gateway.enabled", "false"),
    }
    if setup.backlog.is_some() {
        // More than any backlog here takes. The memory that it takes is measured.
        set("falconer.outputs.retain", "1GiB");
    }
    command
}

/// Returns the command of this program in another role.
fn role(contender: Contender, target: &Target, setup: Setup, dir: &TempDir) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(contender.name()).arg(target.address().to_string());
    command.arg(setup.backlog.unwrap_or(0).to_string());
    if setup.tls {
        command.arg(dir.path());
    }
    command
}

/// Returns a port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
