//! Verifies client certificates of version 3 with rustls, as strictly as OpenSSL.
//!
//! 1. rustls treats every root as an authority, even if its certificate denies it. So rustls gets
//!    only the roots that OpenSSL would accept as an authority.
//! 2. A self-signed certificate that is not an authority is trusted only for itself, byte for byte,
//!    as in OpenSSL. Certificates that its key signed are rejected.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, Error, RootCertStore};

/// The rustls verifiers for the two kinds of trusted certificates.
#[derive(Debug)]
pub(super) struct Standard {
    /// Trusts all certificates. It serves the other parts of a handshake, and the certificates in
    /// `alone`.
    pub(super) all: Arc<dyn ClientCertVerifier>,
    /// `None` if no authority is trusted.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    alone: Vec<CertificateDer<'static>>,
}

impl Standard {
    /// Builds the verifiers for authorities, and for certificates that are trusted only for
    /// themselves.
    ///
    /// # Errors
    /// If rustls rejects a root or the verifier.
    pub(super) fn new(
        authorities: RootCertStore,
        alone: Vec<CertificateDer<'static>>,
        verifier: impl Fn(RootCertStore) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError>,
    ) -> Result<Self, VerifierBuilderError> {
        if alone.is_empty() {
            let all = verifier(authorities)?;
            return Ok(Self { authorities: Some(all.clone()), all, alone });
        }
        let mut everything = authorities.clone();
        everything.add_parsable_certificates(alone.iter().cloned());
        let all = verifier(everything)?;
        let authorities = if authorities.is_empty() { None } else { Some(verifier(authorities)?) };
        Ok(Self { all, authorities, alone })
    }

    /// Verifies a client's chain at the time `now`.
    ///
    /// # Errors
    /// The error of rustls.
    pub(super) fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.alone.contains(end_entity) {
            return self.all.verify_client_cert(end_entity, &[], now);
        }
        match &self.authorities {
            Some(verifier) => verifier.verify_client_cert(end_entity, intermediates, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}
