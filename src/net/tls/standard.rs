//! Client certificates of version 3: rustls's verification, kept to what may sign others.
//!
//! 1. To rustls every root is an authority, whatever it says of itself, so only those are its roots
//!    that OpenSSL would take for one.
//! 2. A certificate that signed itself and is no authority's is trusted for itself alone, byte for
//!    byte, as OpenSSL has it; what its key signed is refused.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::VerifierBuilderError;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, Error, RootCertStore};

/// rustls's verifiers for the two kinds of trust.
#[derive(Debug)]
pub(super) struct Standard {
    /// With everything that is trusted: for what is said and signed in a handshake, and for the
    /// certificates in `alone`.
    pub(super) all: Arc<dyn ClientCertVerifier>,
    /// `None` where no authority is trusted.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    alone: Vec<CertificateDer<'static>>,
}

impl Standard {
    /// Makes verifiers of roots: authorities, and the certificates that stand for themselves alone.
    ///
    /// # Errors
    /// When a certificate or a verifier is refused by rustls.
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

    /// Whether a client may show this chain at this time.
    ///
    /// # Errors
    /// With what rustls says of it.
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
