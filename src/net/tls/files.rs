//! Reads PEM files, and explains files with other contents.
//!
//! 1. A file is read once, up to [`LARGEST`].
//! 2. If the expected item is missing, the error names what the file has instead. Files are
//!    exchanged, encrypted, or in DER more often than they are damaged.
//! 3. An error quotes nothing of a file's contents.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::TlsFiles;

/// The most that is read of one file, in bytes. The largest known revocation lists have some tens
/// of megabytes.
const LARGEST: u64 = 64 << 20;

/// The error of a file that cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
#[error("{key} {path}: {reason}", path = Shown(path))]
pub struct TlsError {
    /// The configuration key that names the file.
    key: &'static str,
    path: PathBuf,
    reason: String,
    scarcity: bool,
}

impl TlsError {
    /// Whether the error may pass by itself: [`crate::net::is_scarcity`].
    #[must_use]
    pub fn is_scarcity(&self) -> bool {
        self.scarcity
    }

    pub(super) fn of_chain(files: &TlsFiles, reason: String) -> Self {
        Self {
            key: files.serves.cert_chain(),
            path: files.cert_chain.clone(),
            reason,
            scarcity: false,
        }
    }
}

/// A path with escaped control characters, for one line of text.
pub(super) struct Shown<'a>(pub(super) &'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string_lossy().chars() {
            if c.is_control() {
                write!(formatter, "{}", c.escape_default())?;
            } else {
                write!(formatter, "{c}")?;
            }
        }
        Ok(())
    }
}

/// The contents of a file, and the configuration key that names it.
#[derive(Debug)]
pub(super) struct Source<'p> {
    key: &'static str,
    pub(super) path: &'p Path,
    mode: u32,
    bytes: Vec<u8>,
}

impl<'p> Source<'p> {
    pub(super) fn read(key: &'static str, path: &'p Path) -> Result<Self, TlsError> {
        let read = || -> io::Result<_> {
            let file = File::open(path)?;
            let mode = file.metadata()?.permissions().mode();
            let mut bytes = Vec::new();
            file.take(LARGEST).read_to_end(&mut bytes)?;
            Ok((mode, bytes))
        };
        match read() {
            Ok((mode, bytes)) => Ok(Self { key, path, mode, bytes }),
            Err(error) => Err(TlsError {
                key,
                path: path.into(),
                reason: format!("cannot be read: {error}; check the path and its permissions"),
                scarcity: crate::net::is_scarcity(&error),
            }),
        }
    }

    /// Returns the certificates, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Vec<_> = self.items()?;
        if !certificates.is_empty() {
            return Ok(certificates);
        }
        Err(self.wrong(match self.holds() {
            Some(Kind::Key) => {
                "it holds a private key and no certificate; private_key and cert_chain may be \
                 exchanged"
                    .to_owned()
            }
            Some(Kind::Request) => {
                "it holds a request for a certificate; name the certificate that was made from it"
                    .to_owned()
            }
            Some(Kind::Der) => {
                let path = Shown(self.path);
                format!(
                    "it is DER and not PEM; convert it with: openssl x509 -inform der -in {path} \
                     -out {path}.pem"
                )
            }
            _ => "there is no certificate in it (BEGIN CERTIFICATE)".to_owned(),
        }))
    }

    /// Returns the first private key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| {
            if self.contains("ENCRYPTED") {
                let path = Shown(self.path);
                return self.wrong(format!(
                    "the key is encrypted, and Falconer cannot ask for the password; write a plain \
                     key with: openssl pkey -in {path} -out {path}.plain"
                ));
            }
            self.wrong(match (error, self.holds()) {
                (PemError::NoItemsFound, Some(Kind::Certificate)) => {
                    "it holds a certificate and no private key; private_key and cert_chain may be \
                     exchanged"
                        .to_owned()
                }
                (PemError::NoItemsFound, Some(Kind::Der)) => {
                    let path = Shown(self.path);
                    format!(
                        "it is DER and not PEM; convert it with: openssl pkey -inform der -in \
                         {path} -out {path}.pem"
                    )
                }
                (PemError::NoItemsFound, _) => {
                    "there is no private key in it (BEGIN PRIVATE KEY)".to_owned()
                }
                (error, _) => broken(&error),
            })
        })
    }

    /// Returns the revocation lists, at least one.
    pub(super) fn revocation_lists(
        &self,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let lists: Vec<_> = self.items()?;
        if !lists.is_empty() {
            return Ok(lists);
        }
        Err(self.wrong(match self.holds() {
            Some(Kind::Der) => {
                let path = Shown(self.path);
                format!(
                    "it is DER and not PEM; convert it with: openssl crl -inform der -in {path} \
                     -out {path}.pem"
                )
            }
            _ => "there is no revocation list in it (BEGIN X509 CRL)".to_owned(),
        }))
    }

    fn items<T: PemObject>(&self) -> Result<Vec<T>, TlsError> {
        T::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.wrong(broken(&error)))
    }

    /// Returns the permission bits of the file, if others than its owner have any permission.
    pub(super) fn open_to_others(&self) -> Option<u32> {
        (self.mode & 0o077 != 0).then_some(self.mode & 0o777)
    }

    pub(super) fn wrong(&self, reason: impl Into<String>) -> TlsError {
        TlsError { key: self.key, path: self.path.into(), reason: reason.into(), scarcity: false }
    }

    /// Formats a warning in the form of a [`TlsError`].
    pub(super) fn warning(&self, reason: impl fmt::Display) -> String {
        format!("{} {}: {reason}", self.key, Shown(self.path))
    }

    fn holds(&self) -> Option<Kind> {
        if self.bytes.first() == Some(&0x30) {
            return Some(Kind::Der);
        }
        [
            ("PRIVATE KEY-----", Kind::Key),
            ("BEGIN CERTIFICATE REQUEST", Kind::Request),
            ("BEGIN NEW CERTIFICATE REQUEST", Kind::Request),
            ("BEGIN CERTIFICATE", Kind::Certificate),
        ]
        .into_iter()
        .find(|(label, _)| self.contains(label))
        .map(|(_, kind)| kind)
    }

    fn contains(&self, text: &str) -> bool {
        memchr::memmem::find(&self.bytes, text.as_bytes()).is_some()
    }
}

/// The contents of a file instead of the expected ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Certificate,
    Request,
    Der,
}

fn broken(error: &PemError) -> String {
    let what = match error {
        PemError::MissingSectionEnd { .. } => "a section has no end",
        PemError::IllegalSectionStart { .. } => "a section has an invalid first line",
        PemError::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be parsed",
    };
    format!("is not a valid PEM file: {what}; copy it again, whole lines from BEGIN to END")
}
