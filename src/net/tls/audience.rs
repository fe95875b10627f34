//! Predicts which clients will accept the server's certificate, without a client.
//!
//! The prediction assumes that a client trusts `root_certs`, as in Falco's own instructions, and
//! connects to a host or address in the certificate; a label replaces a wildcard. The families of
//! clients differ in their rules. The remedy is the same for all, and the warnings of
//! [`super::load`] have it.
//!
//! | clients | name | chain to `root_certs` |
//! |---|---|---|
//! | Rust (tonic) | a subjectAltName; version 3 only | verified with rustls |
//! | Go (grpc-go, client-go, grpcurl) | a subjectAltName; the common name does not count | below |
//! | C-core (Python, Ruby, PHP, C++) and Node | a subjectAltName, or else the common name | below |
//!
//! For Go, C-core and Node the chain, of version 1 too, is valid in two cases: it leads through
//! authorities that are valid now to a trusted one, or the certificate is self-signed and trusted
//! itself. Signature algorithms that rustls rejects, such as SHA-1, do not count here either,
//! because newer versions of these clients reject them too.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, Error, RootCertStore};

use super::TlsFiles;
use super::files::{Source, TlsError};
use super::legacy::{unix_time, verify};
use super::x509::{Certificate, SERVER_AUTH, Version};

/// The prediction for a family of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the family in messages.
    pub clients: &'static str,
    /// Why the family rejects the certificate; `None` if it accepts.
    pub refused: Option<String>,
}

/// Predicts for each family of clients whether it accepts the server's certificate. Returns nothing
/// if `root_certs` is not configured.
///
/// # Errors
/// If a file cannot be read or has the wrong contents.
pub fn audience(files: &TlsFiles, now: Timestamp) -> Result<Vec<Verdict>, TlsError> {
    let Some(roots) = &files.root_certs else { return Ok(Vec::new()) };
    let roots = Source::read(files.serves.root_certs(), roots)?.certificates()?;
    let chain = Source::read(files.serves.cert_chain(), &files.cert_chain)?.certificates()?;
    let Some((first, others)) = chain.split_first() else { return Ok(Vec::new()) };
    let Ok(own) = Certificate::read(first) else { return Ok(Vec::new()) };
    let unsigned = unsigned(&own, &chain, &roots, now);
    let in_any_case = in_any_case(&own, now).or(unsigned);
    Ok(vec![
        Verdict { clients: "Rust", refused: rust(&own, first, others, roots, now) },
        Verdict { clients: "Go", refused: go(&own).or_else(|| in_any_case.clone()) },
        Verdict { clients: "Python, Ruby, C++ and Node", refused: in_any_case },
    ])
}

const UNSIGNED: &str =
    "no valid authority in root_certs signed it; one of the same name may have another key";
const NO_HOST: &str =
    "it has no subjectAltName with a host or an address, and the common name does not count";

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
    let Ok(verifier) = verifier else { return Some(UNSIGNED.into()) };
    let mut refused = NO_HOST.to_owned();
    for name in own.hosts() {
        let name = name.strip_prefix("*.").map(|rest| format!("host.{rest}")).unwrap_or(name);
        let Ok(name) = ServerName::try_from(name) else { continue };
        match verifier.verify_server_cert(first, others, &name, &[], unix_time(now)) {
            Ok(_) => return None,
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => return Some(UNSIGNED.into()),
            Err(why) => refused = why.to_string(),
        }
    }
    Some(refused)
}

fn go(own: &Certificate<'_>) -> Option<String> {
    own.hosts().is_empty().then(|| NO_HOST.into())
}

/// Returns the error that every family finds in the certificate itself, if there is one.
fn in_any_case(own: &Certificate<'_>, now: Timestamp) -> Option<String> {
    if own.has_alternative_names() {
        if own.hosts().is_empty() {
            return Some(NO_HOST.into());
        }
    } else if own.common_name().is_none() {
        return Some("it has neither a subjectAltName nor a common name".into());
    }
    if !own.is_for(SERVER_AUTH) {
        return Some("its extendedKeyUsage does not name serverAuth".into());
    }
    let why = || format!("it is valid only from {} to {}", own.not_before, own.not_after);
    (!is_valid(own, now)).then(why)
}

/// Returns the error of the chain, if there is one.
fn unsigned(
    own: &Certificate<'_>,
    chain: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    now: Timestamp,
) -> Option<String> {
    if own.is_self_issued() && chain.first().is_some_and(|first| roots.contains(first)) {
        return None;
    }
    let mut trusted = authorities(roots, now);
    let mut others = authorities(chain, now);
    // The chain may be in any order. Each round finds one more trusted authority, until none is
    // left.
    while let Some(at) = others.iter().position(|other| is_signed(other, &trusted)) {
        trusted.push(others.swap_remove(at));
    }
    (!is_signed(own, &trusted)).then(|| UNSIGNED.into())
}

fn authorities<'a>(found: &'a [CertificateDer<'_>], now: Timestamp) -> Vec<Certificate<'a>> {
    let read = found.iter().filter_map(|der| Certificate::read(der).ok());
    read.filter(|found| found.is_authority() && is_valid(found, now)).collect()
}

fn is_signed(certificate: &Certificate<'_>, by: &[Certificate<'_>]) -> bool {
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    by.iter()
        .filter(|authority| authority.subject == certificate.issuer)
        .any(|authority| verify(&certificate.signed, &authority.key.into(), &algorithms).is_ok())
}

fn is_valid(certificate: &Certificate<'_>, now: Timestamp) -> bool {
    certificate.not_before <= now && now <= certificate.not_after
}
