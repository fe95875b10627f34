//! TLS from PEM files. For gRPC it is mutual: a client certificate is always required and verified.
//! The gateway may request no certificate, or accept a token instead ([`super::Serves`]).
//!
//! - TLS 1.2 and 1.3 with aws-lc-rs. ALPN offers `h2`, and for the gateway `http/1.1` too. A client
//!   without ALPN is accepted.
//! - Session resumption is off, because in both versions a resumed session skips the verification
//!   of the client's certificate.
//! - Certificates that Falco accepted are accepted. Falco's own instructions made X.509 version 1.
//! - An error of a file names its path and the remedy. A problem that does not prevent a start is a
//!   warning.
//!
//! | file | is |
//! |---|---|
//! | `files` | PEM files, and errors about files with other contents |
//! | `own` | the server's chain and key |
//! | `clients` | builds a verifier from the roots and revocation lists |
//! | `standard` | the verification of version 3 |
//! | `legacy` | the verification of client certificates of version 1 |
//! | `x509` | a parser of certificates of any version, and of revocation lists |
//! | [`audience()`] | which clients will accept the server's certificate |
//! | [`Current`] | the configuration in force, which a reload replaces |
//! | [`refusal()`] | the cause and remedy of a failed handshake, as text |
//! | [`identity()`] | the name in a client's certificate |

mod audience;
mod clients;
mod current;
mod files;
mod identity;
pub(crate) mod legacy;
mod own;
mod refusal;
mod standard;
#[cfg(test)]
mod tests;
pub(crate) mod x509;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::SingleCertAndKey;

use super::TlsFiles;

pub use audience::{Verdict, audience};
pub use current::Current;
pub use files::TlsError;
pub use identity::identity;
pub use refusal::refusal;

/// A server configuration, and the warnings about its files.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration for handshakes.
    pub config: Arc<ServerConfig>,
    /// Problems because of which clients are refused now or later. Each names the file and the
    /// remedy.
    pub warnings: Vec<String>,
    /// The expiry of the server's chain, and its file.
    pub expiries: Vec<(PathBuf, Timestamp)>,
}

/// Reads the files and builds a server configuration. `now` decides what has expired.
///
/// # Errors
/// If a file cannot be read or has the wrong contents, or the files do not match.
pub fn load(files: &TlsFiles, now: Timestamp) -> Result<Loaded, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut warnings = Vec::new();
    let own = own::load(files, &provider, now, &mut warnings)?;
    let expiries = expiries(files, &own);
    let verifier = clients::load(files, &own, &provider, now, &mut warnings)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| TlsError::of_chain(files, error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(resolver(own));
    config.alpn_protocols = files.serves.protocols().iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Loaded { config: Arc::new(config), warnings, expiries })
}

/// Returns the expiry of the server's chain.
fn expiries(files: &TlsFiles, own: &rustls::sign::CertifiedKey) -> Vec<(PathBuf, Timestamp)> {
    let read = own.cert.iter().filter_map(|der| x509::Certificate::read(der).ok());
    // The chain expires with its first certificate that expires.
    let first = read.map(|certificate| certificate.not_after).min();
    first.map(|not_after| (files.cert_chain.clone(), not_after)).into_iter().collect()
}

/// Returns a resolver. Without one rustls parses the certificate, and it rejects version 1.
fn resolver(own: rustls::sign::CertifiedKey) -> Arc<dyn ResolvesServerCert> {
    Arc::new(SingleCertAndKey::from(own))
}
