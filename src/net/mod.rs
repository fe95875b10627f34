//! Sockets, TLS, HTTP/2 connections.

use std::path::PathBuf;

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

/// A unix socket to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// Absolute path; its directory is created.
    pub path: PathBuf,
    /// Permission bits; connecting needs write permission.
    pub mode: u32,
    /// Group to own the socket, by name; `None` leaves the process's.
    pub group: Option<String>,
}

/// PEM files of the server's side of mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's private key, not encrypted.
    pub private_key: PathBuf,
    /// The server's certificate, then its intermediates.
    pub cert_chain: PathBuf,
    /// The certificates that client certificates are verified against.
    pub root_certs: PathBuf,
}
