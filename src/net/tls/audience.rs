//! Which clients will accept the server's certificate, told without any of them being there.
//!
//! A client is taken to trust `root_certs`, as Falco's own instructions have it, and to call
//! the server by a name that the certificate has: any of its hosts and addresses, with a label in
//! place of a wildcard. What differs are the rules; the remedy is the same for all and stands with
//! the warnings of [`super::load`].
//!
//! | clients | name | chain to `root_certs` |
//! |---|---|---|
//! | Rust (tonic) | a subjectAltName; version 3 only | rustls's: asked itself |
//! | Go (grpc-go, client-go, grpcurl) | a subjectAltName; the common name does not count | below |
//! | C-core (Python, Ruby, PHP, C++) and Node | a subjectAltName, or else the common name | below |
//!
//! Below means, for version 1 too: authorities that are valid now signed it, from one that is
//! trusted on; or it signed itself and is trusted itself. An algorithm that rustls does not take,
//! such as SHA-1, is not taken for a signature of the others either: newer ones of them refuse it.

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

/// What a family of clients will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The family, for people.
    pub clients: &'static str,
    /// Why it refuses the certificate; `None` when it accepts.
    pub refused: Option<String>,
}

/// What each family of clients will make of the server's certificate; nothing is known of it where
/// no `root_certs` are named.
///
/// # Errors
/// When a file cannot be read, or is not what it should be.
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
    "no authority in root_certs, valid now, signed it; one of its name may have another key";
const NO_HOST: &str =
    "it has no subjectAltName of a host or an address, and the common name does not count";

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

/// What every client asks of the certificate itself.
fn in_any_case(own: &Certificate<'_>, now: Timestamp) -> Option<String> {
    if own.has_alternative_names() {
        if own.hosts().is_empty() {
            return Some(NO_HOST.into());
        }
    } else if own.common_name().is_none() {
        return Some("it has no name at all".into());
    }
    if !own.is_for(SERVER_AUTH) {
        return Some("its extendedKeyUsage does not name serverAuth".into());
    }
    let why = || format!("it is valid from {} to {} only", own.not_before, own.not_after);
    (!is_valid(own, now)).then(why)
}

/// What is wrong with who signed it.
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
    // In whatever order they stand; each round finds one more, or none and it is over.
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
