//! The server to connect to, and the credentials for it.

use std::path::PathBuf;
use std::time::Duration;

/// The timeout of a connection, and of the head of an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The address of a server, and the credentials for it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `http://HOST:PORT` or `https://…`.
    pub url: String,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// A file with the trusted roots for the server's certificate.
    pub ca: Option<PathBuf>,
    /// The files with the client certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// Whether the connection uses TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }
}

/// A [`Target`] that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL is not that of a gateway.
    #[error("--server {0:?}: expected http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// HTTPS without trusted roots.
    #[error("--server is https; pass --ca FILE, the authority that signed its certificate")]
    NoAuthority,
    /// An option that only HTTPS uses.
    #[error("{0} is for https, but --server is http; write https://, or remove the option")]
    OnlyTls(&'static str),
    /// A file cannot be used.
    #[error("{path:?}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
}
