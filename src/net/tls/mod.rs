//! TLS from PEM files. For gRPC it is mutual: the client's certificate is always required and
//! verified. The gateway may ask for none, or take a token in its place ([`super::Serves`]).
//!
//! - TLS 1.2 and 1.3 with aws-lc-rs; ALPN offers `h2`, the gateway's `http/1.1` too, and a client
//!   that offers none is taken.
//! - No session resumption: a resumed session skips the verification of the client's certificate
//!   in both versions.
//! - Certificates that Falco took are taken: its own instructions made X.509 version 1.
//! - What is wrong with a file is said with its path and what to do; what only will go wrong is a
//!   warning.
//!
//! | file | is |
//! |---|---|
//! | `files` | PEM files, and what they hold when it is not what it should be |
//! | `own` | the server's chain and key |
//! | `clients` | the roots and revocation lists, made into a verifier |
//! | `standard` | the verification of version 3 |
//! | `legacy` | the rule for client certificates of version 1 |
//! | `x509` | what is read of a certificate of any version |
//! | [`audience()`] | which clients will accept the server's certificate |
//! | [`Current`] | the configuration in force, replaceable |
//! | [`refusal()`] | why a handshake failed, in words |
//! | [`identity()`] | who a client's certificate says it is |

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

/// A server configuration, and what is to be said about the files it was made of.
#[derive(Debug)]
pub struct Loaded {
    /// What a handshake needs.
    pub config: Arc<ServerConfig>,
    /// What will keep clients away now or later, a sentence each, with the file and the remedy.
    pub warnings: Vec<String>,
    /// Until when the server's own certificates count, and their file.
    pub expiries: Vec<(PathBuf, Timestamp)>,
}

/// Reads the files and makes a server configuration of them; `now` decides what has expired.
///
/// # Errors
/// When a file cannot be read, or is not what it should be, or they do not go together.
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

/// Until when the server's own certificates count.
fn expiries(files: &TlsFiles, own: &rustls::sign::CertifiedKey) -> Vec<(PathBuf, Timestamp)> {
    let read = own.cert.iter().filter_map(|der| x509::Certificate::read(der).ok());
    // The first of them to expire is the one that ends it.
    let first = read.map(|certificate| certificate.not_after).min();
    first.map(|not_after| (files.cert_chain.clone(), not_after)).into_iter().collect()
}

/// A resolver, since rustls would have to read the certificate otherwise.
fn resolver(own: rustls::sign::CertifiedKey) -> Arc<dyn ResolvesServerCert> {
    Arc::new(SingleCertAndKey::from(own))
}
