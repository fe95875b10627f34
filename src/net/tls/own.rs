//! The server's own chain and key.
//!
//! 1. aws-lc-rs must be able to sign with the key, and the first certificate of the chain must have
//!    its public key. The keys are compared here, because rustls parses only version 3.
//! 2. Falco served everything that OpenSSL accepted. A certificate that clients will reject, or a
//!    key that others can read, is a warning.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};

use super::TlsFiles;
use super::files::{Shown, Source, TlsError};
use super::legacy::Refused;
use super::x509::{Certificate, SERVER_AUTH, Version};

/// The remedy for a certificate that some clients reject.
pub(super) const REMEDY: &str = "make new ones with `falconer certs init DIR`, or sign it again \
     with `openssl x509 -req … -extfile FILE`, where FILE has subjectAltName=DNS:HOST";

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
            "others than its owner can read the server's private key (mode {mode:04o}); run \
             `chmod 600 {}`, or set defaultMode: 0400 for a secret in Kubernetes",
            Shown(source.path)
        )));
    }
    provider.key_provider.load_private_key(source.private_key()?).map_err(|_| {
        source.wrong(
            "TLS cannot use this kind of key; expected RSA of 2048 to 8192 bits, ECDSA on P-256, \
             P-384 or P-521, or Ed25519",
        )
    })
}

/// Returns why the chain does not match the key, if it does not.
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
            "the certificate of the key in {path} is in it, but not first; put the server's \
             certificate before those that signed it"
        )
    } else if first.is_authority() {
        format!(
            "it is an authority's certificate and not the certificate of the key in {path}; name \
             the server's certificate"
        )
    } else {
        format!(
            "it is not the certificate of the key in {path}; name a certificate and its own key"
        )
    })
}

/// Returns the reasons why clients reject the server's certificate.
fn shortcomings(own: &Certificate<'_>, now: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    if own.version != Version::V3 {
        found.push(format!(
            "it is an X.509 version 1 certificate without a subjectAltName, as `openssl x509 \
             -req` made before OpenSSL 3.2; Go and Rust clients reject it; {REMEDY}"
        ));
    } else if !own.has_alternative_names() {
        found.push(format!("it has no subjectAltName, so Go and Rust clients reject it; {REMEDY}"));
    }
    if !own.is_for(SERVER_AUTH) {
        found.push(format!(
            "its extendedKeyUsage does not name serverAuth, so clients reject it; {REMEDY}"
        ));
    }
    if now > own.not_after {
        found.push(format!("it expired on {}, so clients reject it; {REMEDY}", own.not_after));
    } else if now < own.not_before {
        found.push(format!(
            "it is not valid before {}, so clients reject it; check this machine's clock, or make \
             it again",
            own.not_before
        ));
    }
    found
}
