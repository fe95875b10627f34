//! Which clients will accept the server's certificate, told without any of them being there.
//!
//! A client is taken to trust `grpc.root_certs`, as Falco's own instructions have it, and to call
//! the server by a name that the certificate has. What differs are the rules; the remedy is the same
//! for all and stands with the warnings of [`super::load`].
//!
//! | clients | rule |
//! |---|---|
//! | Rust (tonic) | rustls': asked itself |
//! | Go (grpc-go, client-go, grpcurl) | a subjectAltName; the common name does not count |
//! | C-core (Python, Ruby, PHP, C++) and Node | a subjectAltName, or else the common name |

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::TlsFiles;
use super::files::{Source, TlsError};
use super::x509::{Certificate, SERVER_AUTH, Version};

/// What a family of clients will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The family, for people.
    pub clients: &'static str,
    /// Why it refuses the certificate; `None` when it accepts.
    pub refused: Option<String>,
}

/// What each family of clients will make of the server's certificate.
///
/// # Errors
/// When a file cannot be read, or is not what it should be.
pub fn audience(files: &TlsFiles, now: Timestamp) -> Result<Vec<Verdict>, TlsError> {
    let chain = Source::read("grpc.cert_chain", &files.cert_chain)?.certificates()?;
    let roots = Source::read("grpc.root_certs", &files.root_certs)?.certificates()?;
    let Some((first, others)) = chain.split_first() else { return Ok(Vec::new()) };
    let Ok(own) = Certificate::read(first) else { return Ok(Vec::new()) };
    let (go, lenient) = (go(&own, now), in_any_case(&own, now));
    Ok(vec![
        Verdict { clients: "Rust", refused: rust(&own, first, others, roots, now) },
        Verdict { clients: "Go", refused: go },
        Verdict { clients: "Python, Ruby, C++ and Node", refused: lenient },
    ])
}

fn rust(
    own: &Certificate<'_>,
    first: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    roots: Vec<CertificateDer<'static>>,
    now: Timestamp,
) -> Option<String> {
    if own.version != Version::V3 {
        return Some("it is X.509 version 1".into());
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider).build();
    let name = own.alternative_name().or_else(|| own.common_name())?;
    let (Ok(verifier), Ok(name)) = (verifier, ServerName::try_from(name)) else {
        return Some("it has no name that a client could ask for".into());
    };
    let since = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    let now = UnixTime::since_unix_epoch(since);
    verifier.verify_server_cert(first, others, &name, &[], now).err().map(|why| why.to_string())
}

fn go(own: &Certificate<'_>, now: Timestamp) -> Option<String> {
    if own.has_alternative_names() {
        return in_any_case(own, now);
    }
    Some("it has no subjectAltName, and the common name does not count".into())
}

/// What every client asks.
fn in_any_case(own: &Certificate<'_>, now: Timestamp) -> Option<String> {
    if own.alternative_name().or_else(|| own.common_name()).is_none() {
        return Some("it has no name at all".into());
    }
    if !own.is_for(SERVER_AUTH) {
        return Some("its extendedKeyUsage does not name serverAuth".into());
    }
    let valid = own.not_before <= now && now <= own.not_after;
    (!valid).then(|| format!("it is valid from {} to {} only", own.not_before, own.not_after))
}
