//! Which server is asked, and how to be let in.

use std::path::PathBuf;
use std::time::Duration;

/// How long a connection, and the head of an answer, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Where a server is, and how to be let in.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `http://HOST:PORT` or `https://…`.
    pub url: String,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// Certificates that the server's is verified against.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// Whether it is asked over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }
}

/// A server cannot be asked like that.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL is none of a gateway.
    #[error("--server {0:?}: expected http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// HTTPS without certificates to verify by.
    #[error("--server is https; expected --ca FILE, the certificate of who signed the server's")]
    NoAuthority,
    /// An option that only HTTPS has a use for.
    #[error("{0} is for https, and --server is http; write https://, or leave it out")]
    OnlyTls(&'static str),
    /// A file cannot be used.
    #[error("{path:?}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}
