//! Mutual TLS from PEM files: the client's certificate is always required and verified.
//!
//! - TLS 1.2 and 1.3 with aws-lc-rs; ALPN offers `h2`, and a client that offers none is taken.
//! - No session resumption: a resumed session skips the verification of the client's certificate
//!   in both versions.
//! - What is wrong with a file is said with its path and what to do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore, ServerConfig};

use super::TlsFiles;

/// Files that no TLS server can be made of.
#[derive(Debug, thiserror::Error)]
#[error("{key} {path}: {reason}")]
pub struct TlsError {
    /// The configuration's key that names the file.
    key: &'static str,
    path: PathBuf,
    reason: String,
}

/// Reads the files and makes a server configuration of them.
///
/// # Errors
/// When a file cannot be read, or is not what it should be, or they do not go together.
pub fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = certificates("grpc.cert_chain", &files.cert_chain)?;
    let key = private_key(&files.private_key)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("grpc.root_certs", &files.root_certs)? {
        roots.add(certificate).map_err(|error| wrong_root(&files.root_certs, &error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error: VerifierBuilderError| TlsError {
            key: "grpc.root_certs",
            path: files.root_certs.clone(),
            reason: error.to_string(),
        })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| {
            builder.with_client_cert_verifier(verifier).with_single_cert(chain, key)
        })
        .map_err(|error| wrong_pair(files, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |reason: String| TlsError { key, path: path.into(), reason };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(pem_reason(&error)))?;
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in it (BEGIN CERTIFICATE)".into()));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let wrong = |reason: String| TlsError { key: "grpc.private_key", path: path.into(), reason };
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        let encrypted = std::fs::read_to_string(path).is_ok_and(|text| text.contains("ENCRYPTED"));
        match error {
            PemError::Io(_) => wrong(pem_reason(&error)),
            _ if encrypted => wrong(format!(
                "the key is encrypted; write a plain one with: openssl rsa -in {0} -out {0}",
                path.display()
            )),
            PemError::NoItemsFound => wrong("there is no private key in it".into()),
            _ => wrong(pem_reason(&error)),
        }
    })
}

fn pem_reason(error: &PemError) -> String {
    match error {
        PemError::Io(error) => format!("cannot be read: {error}"),
        error => format!("is not a PEM file: {error}"),
    }
}

fn wrong_root(path: &Path, error: &rustls::Error) -> TlsError {
    TlsError {
        key: "grpc.root_certs",
        path: path.into(),
        reason: format!("a certificate in it cannot be a root: {error}"),
    }
}

fn wrong_pair(files: &TlsFiles, error: &rustls::Error) -> TlsError {
    let reason = match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("it is not the certificate of the key in {}", files.private_key.display())
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("UnsupportedCertVersion") =>
        {
            "it is an X.509 version 1 certificate, as `openssl x509 -req` made them before OpenSSL \
             3.2; make it again with `-extfile` and a subjectAltName"
                .into()
        }
        error => error.to_string(),
    };
    TlsError { key: "grpc.cert_chain", path: files.cert_chain.clone(), reason }
}
