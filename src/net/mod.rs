//! Sockets, TLS and HTTP/2 connections: everything below a request.
//!
//! | file | is |
//! |---|---|
//! | [`unix`] | the unix socket: its directory, a stale file, a live one, mode and group |
//! | [`links`] | other paths that lead to it |
//! | [`tcp`] | the TCP listener |
//! | [`inherited`] | sockets that systemd bound for us |
//! | [`tls`] | TLS from PEM files, mutual for gRPC |
//! | [`authority`] | the repair of `:authority` below HTTP/2 |
//! | [`preface`] | a connection must begin with HTTP/2's preface, soon |
//! | [`frames`] | HTTP/2's frames, followed through pieces |
//! | [`meter`] | frames that cost a peer nothing, counted and limited |
//! | [`sent`] | what HTTP/2 resets by itself, counted and told |
//! | [`echo`] | whether a peer has read what was written to it |
//! | [`parting`] | how a call ends: slowly enough for every client |
//! | [`cork`] | what HTTP/2 writes in one go leaves in one write |
//! | [`body`] | the bodies of requests and replies |
//! | [`connection`] | one connection, from its opening to its end |
//! | [`refusals`] | refused connections in the log, not too many |
//! | [`serve`] | accepting connections, and ending them together |

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
    /// A unix socket, plaintext; who may connect is decided by its mode and group.
    Unix(UnixSocket),
    /// TCP with mutual TLS: a client certificate is always required.
    Tcp {
        /// `host:port`; a name is resolved when binding.
        address: String,
        /// The files TLS is made from.
        tls: TlsFiles,
    },
}

impl fmt::Display for Listen {
    /// As `grpc.bind_address` says it.
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
    /// Absolute path; its directory is created.
    pub path: PathBuf,
    /// Permission bits; connecting needs write permission.
    pub mode: u32,
    /// Group to own the socket, by name; `None` leaves the process's.
    pub group: Option<String>,
    /// Other absolute paths that lead to it.
    pub links: Vec<PathBuf>,
}

/// PEM files of the server's side of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// What is served behind it.
    pub serves: Serves,
    /// The server's private key, not encrypted.
    pub private_key: PathBuf,
    /// The server's certificate, then its intermediates.
    pub cert_chain: PathBuf,
    /// The certificates that client certificates are verified against; `None` asks clients for
    /// none.
    pub root_certs: Option<PathBuf>,
    /// Revocation lists that they are verified against too.
    pub crls: Vec<PathBuf>,
    /// Whether X.509 version 1 certificates are taken, as Falco took them.
    pub legacy_v1_certs: bool,
}

impl TlsFiles {
    /// These files for gRPC, no revocation lists, and version 1 as Falco took it.
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

    /// Every file there is.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.private_key, &self.cert_chain].into_iter().chain(&self.root_certs).chain(&self.crls)
    }
}

/// What is served behind TLS: it decides what a handshake offers and asks for, and how the
/// configuration's keys are called in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// gRPC: HTTP/2 alone, and no client without a certificate.
    Grpc,
    /// The gateway: HTTP/1.1 too.
    Gateway {
        /// Whether a client may come without a certificate, since it may have the token.
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

    /// The key of [`TlsFiles::cert_chain`].
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

/// Who is at the other end of a connection, for logs. Requests carry it as an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine.
    Unix {
        /// Its user.
        uid: Option<u32>,
        /// Its process, where the system tells.
        pid: Option<i32>,
    },
    /// A client on the network, whose certificate was verified.
    Tcp {
        /// Where it connects from.
        address: SocketAddr,
        /// Who its certificate says it is.
        identity: Option<Arc<str>>,
    },
}

impl Peer {
    /// Who it is, whatever connection it uses: for counting.
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

/// Whether something failed because there are too many open files or too little memory, which
/// passes.
#[must_use]
pub fn is_scarcity(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM))
}

/// A listener that cannot be had: what was tried, why not, what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}; {remedy}")]
pub struct BindError {
    pub(crate) address: String,
    pub(crate) reason: String,
    pub(crate) remedy: &'static str,
    /// Whether it may pass by itself: [`is_scarcity`].
    pub(crate) scarcity: bool,
}
