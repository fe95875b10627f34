//! The server's own chain and key.
//!
//! 1. The key must be one aws-lc-rs can sign with, the chain's first certificate must be its own:
//!    the public key is compared, in any version of X.509. rustls would read version 3 only.
//! 2. Falco served whatever OpenSSL took. What clients will refuse, or others can read, is a
//!    warning.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};

use super::TlsFiles;
use super::files::{Shown, Source, TlsError};
use super::legacy::Refused;
use super::x509::{Certificate, SERVER_AUTH, Version};

/// How certificates are made that every client takes.
pub(super) const REMEDY: &str = "make new ones with `falconer certs init DIR`, or sign it again \
     with `openssl x509 -req … -extfile FILE` where FILE says subjectAltName=DNS:HOST";

/// Reads the chain and the key.
pub(super) fn load(
    files: &TlsFiles,
    provider: &CryptoProvider,
    now: Timestamp,
    warnings: &mut Vec<String>,
) -> Result<CertifiedKey, TlsError> {
    let key = private_key(files, provider, warnings)?;
    let source = Source::read(files.serves.cert_chain(), &files.cert_chain)?;
    let chain = source.certificates()?;
    if let Some(reason) = mismatch(&chain, key.as_ref(), files) {
        return Err(source.wrong(reason));
    }
    if let Some(first) = chain.iter().find_map(|first| Certificate::read(first).ok()) {
        if first.version != Version::V3 && !files.legacy_v1_certs {
            return Err(source.wrong(Refused.to_string()));
        }
        let found = shortcomings(&first, now).into_iter();
        warnings.extend(found.map(|found| source.warning(found)));
    }
    Ok(CertifiedKey::new(chain, key))
}

fn private_key(
    files: &TlsFiles,
    provider: &CryptoProvider,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn SigningKey>, TlsError> {
    let source = Source::read(files.serves.private_key(), &files.private_key)?;
    if let Some(mode) = source.open_to_others() {
        warnings.push(source.warning(format_args!(
            "others than its owner may read the server's private key (mode {mode:04o}); write \
             `chmod 600 {}`, or defaultMode: 0400 for a secret in Kubernetes",
            Shown(source.path)
        )));
    }
    provider.key_provider.load_private_key(source.private_key()?).map_err(|_| {
        source.wrong(
            "the key is none that TLS can use; expected RSA of 2048 to 8192 bits, ECDSA on \
             P-256, P-384 or P-521, or Ed25519",
        )
    })
}

/// Why the chain is not the key's, if it is not.
fn mismatch(
    chain: &[CertificateDer<'_>],
    key: &dyn SigningKey,
    files: &TlsFiles,
) -> Option<String> {
    let mut read = chain.iter().map(|certificate| Certificate::read(certificate));
    let Some(Ok(first)) = read.next() else {
        return Some(
            "the first certificate in it is not X.509; make it again, or copy it again".into(),
        );
    };
    let public = key.public_key()?;
    if first.key == public.as_ref() {
        return None;
    }
    let path = Shown(&files.private_key);
    Some(if read.flatten().any(|other| other.key == public.as_ref()) {
        format!(
            "the certificate of the key in {path} is in it, but not first; put the server's own \
             before those that signed it"
        )
    } else if first.is_authority() {
        format!(
            "it is an authority's certificate and not the certificate of the key in {path}; name \
             the server's own"
        )
    } else {
        format!(
            "it is not the certificate of the key in {path}; name the two that were made together"
        )
    })
}

/// What keeps clients away from the server, now or soon.
fn shortcomings(own: &Certificate<'_>, now: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    if own.version != Version::V3 {
        found.push(format!(
            "it is an X.509 version 1 certificate without a subjectAltName, as `openssl x509 \
             -req` made them before OpenSSL 3.2; Go and Rust clients refuse it; {REMEDY}"
        ));
    } else if !own.has_alternative_names() {
        found.push(format!("it has no subjectAltName, so Go and Rust clients refuse it; {REMEDY}"));
    }
    if !own.is_for(SERVER_AUTH) {
        found.push(format!(
            "its extendedKeyUsage does not name serverAuth, so clients refuse it; {REMEDY}"
        ));
    }
    if now > own.not_after {
        found.push(format!("it expired on {}, so clients refuse it; {REMEDY}", own.not_after));
    } else if now < own.not_before {
        found.push(format!(
            "it is not valid before {}, so clients refuse it; check this machine's clock, or make \
             it again",
            own.not_before
        ));
    }
    found
}
