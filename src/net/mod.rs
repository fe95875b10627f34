//! Sockets, TLS and HTTP/2 connections: everything below a request.
//!
//! | file | is |
//! |---|---|
//! | [`unix`] | the unix socket: its directory, a stale or live socket file, mode and group |
//! | [`links`] | symbolic links to the unix socket |
//! | [`tcp`] | the TCP listener |
//! | [`inherited`] | sockets from systemd's socket activation |
//! | [`tls`] | TLS from PEM files, mutual for gRPC |
//! | [`authority`] | the repair of `:authority` below HTTP/2 |
//! | [`preface`] | the timeout for HTTP/2's connection preface |
//! | [`frames`] | an incremental parser of HTTP/2 frames |
//! | [`meter`] | limits on the frames that cost a peer nothing |
//! | [`sent`] | counts and logs the errors that HTTP/2 sends by itself |
//! | [`echo`] | PINGs that show whether a peer has read what was written |
//! | [`parting`] | ends calls slowly enough for every client |
//! | [`cork`] | gathers HTTP/2's writes into one |
//! | [`body`] | the bodies of requests and replies |
//! | [`connection`] | one connection, from its opening to its end |
//! | [`refusals`] | rate-limited log lines about refused connections |
//! | [`serve`] | accepts connections, and ends them at shutdown |

pub mod authority;
pub mod body;
pub mod connection;
mod cork;
mod echo;
mod frames;
mod inherited;
mod links;
pub mod meter;
mod parting;
pub(crate) mod preface;
pub(crate) mod refusals;
pub mod sent;
pub mod serve;
pub mod tcp;
pub mod tls;
pub mod unix;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub use inherited::Inherited;

/// Where the gRPC API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket, plaintext. Its mode and group decide who may connect.
    Unix(UnixSocket),
    /// TCP with mutual TLS. A client certificate is always required.
    Tcp {
        /// `host:port`. A host name is resolved when binding.
        address: String,
        /// The PEM files.
        tls: TlsFiles,
    },
}

impl fmt::Display for Listen {
    /// Writes the address in the form of `grpc.bind_address`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(socket) => write!(formatter, "unix://{}", socket.path.display()),
            Self::Tcp { address, .. } => formatter.write_str(address),
        }
    }
}

/// A unix socket to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// The absolute path. A missing directory is created.
    pub path: PathBuf,
    /// Permission bits. A client needs write permission to connect.
    pub mode: u32,
    /// The name of the group that owns the socket; `None` means the group of the process.
    pub group: Option<String>,
    /// Absolute paths of symbolic links to the socket.
    pub links: Vec<PathBuf>,
}

/// The PEM files of a TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// What the listener serves.
    pub serves: Serves,
    /// The server's private key, not encrypted.
    pub private_key: PathBuf,
    /// The server's certificate, then its intermediates.
    pub cert_chain: PathBuf,
    /// The trusted roots of client certificates; `None` asks clients for no certificate.
    pub root_certs: Option<PathBuf>,
    /// Revocation lists for client certificates.
    pub crls: Vec<PathBuf>,
    /// Whether X.509 version 1 certificates are accepted, as Falco accepted them.
    pub legacy_v1_certs: bool,
}

impl TlsFiles {
    /// Returns these files for gRPC, without revocation lists, accepting version 1 as Falco did.
    pub fn new(
        private_key: impl Into<PathBuf>,
        cert_chain: impl Into<PathBuf>,
        root_certs: impl Into<PathBuf>,
    ) -> Self {
        Self {
            serves: Serves::Grpc,
            private_key: private_key.into(),
            cert_chain: cert_chain.into(),
            root_certs: Some(root_certs.into()),
            crls: Vec::new(),
            legacy_v1_certs: true,
        }
    }

    /// Iterates over the paths of all files.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.private_key, &self.cert_chain].into_iter().chain(&self.root_certs).chain(&self.crls)
    }
}

/// What a TLS listener serves. This decides what a handshake offers and requires, and which
/// configuration keys messages name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// gRPC: HTTP/2 only, and a client certificate is required.
    Grpc,
    /// The gateway: HTTP/2 and HTTP/1.1.
    Gateway {
        /// Whether a client may present no certificate, because it may have the token.
        token: bool,
    },
}

impl Serves {
    fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Grpc => &[b"h2"],
            Self::Gateway { .. } => &[b"h2", b"http/1.1"],
        }
    }

    fn needs_certificate(self) -> bool {
        !matches!(self, Self::Gateway { token: true })
    }

    fn private_key(self) -> &'static str {
        match self {
            Self::Grpc => "grpc.private_key",
            Self::Gateway { .. } => "falconer.gateway.tls.private_key",
        }
    }

    /// The configuration key of [`TlsFiles::cert_chain`].
    #[must_use]
    pub fn cert_chain(self) -> &'static str {
        match self {
            Self::Grpc => "grpc.cert_chain",
            Self::Gateway { .. } => "falconer.gateway.tls.cert_chain",
        }
    }

    fn root_certs(self) -> &'static str {
        match self {
            Self::Grpc => "grpc.root_certs",
            Self::Gateway { .. } => "falconer.gateway.tls.root_certs",
        }
    }
}

/// The peer of a connection, for logs. Requests carry it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine.
    Unix {
        /// Its user id.
        uid: Option<u32>,
        /// Its process id, if the system reports it.
        pid: Option<i32>,
    },
    /// A client on the network.
    Tcp {
        /// The address it connects from.
        address: SocketAddr,
        /// The name in its verified certificate; `None` before the handshake, or without a name.
        identity: Option<Arc<str>>,
    },
}

impl Peer {
    /// A name for the peer that is the same on all of its connections, for counting.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            Self::Unix { uid: Some(uid), .. } => format!("uid={uid}"),
            Self::Unix { uid: None, .. } => "unix".to_owned(),
            Self::Tcp { identity: Some(identity), .. } => identity.to_string(),
            Self::Tcp { address, identity: None } => address.ip().to_string(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { uid: Some(uid), pid: Some(pid) } => {
                write!(formatter, "unix:uid={uid},pid={pid}")
            }
            Self::Unix { uid: Some(uid), pid: None } => write!(formatter, "unix:uid={uid}"),
            Self::Unix { .. } => formatter.write_str("unix"),
            Self::Tcp { address, identity: Some(identity) } => {
                write!(formatter, "{address} ({identity})")
            }
            Self::Tcp { address, identity: None } => address.fmt(formatter),
        }
    }
}

/// Whether an error means too many open files or too little memory, which may pass.
#[must_use]
pub fn is_scarcity(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
}

/// The error of a listener that cannot be bound: the address, the reason and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}; {remedy}")]
pub struct BindError {
    pub(crate) address: String,
    pub(crate) reason: String,
    pub(crate) remedy: &'static str,
    /// Whether the error may pass by itself: [`is_scarcity`].
    pub(crate) scarcity: bool,
}
