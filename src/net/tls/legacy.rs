//! Client certificates of X.509 version 1, which rustls does not read.
//!
//! Falco's own instructions made them with every OpenSSL before 3.2, and Falco accepted them. A
//! certificate is accepted only if all of these conditions hold:
//!
//! 1. It is DER of version 1 to the last byte. Nothing follows the public key: no unique
//!    identifiers, no extensions.
//! 2. The signed part names the same signature algorithm as the outer part.
//! 3. Its issuer's name is, byte for byte, the name of a trusted authority without name
//!    constraints. Intermediates are not allowed, because version 1 cannot say who may sign others.
//! 4. It is valid now.
//! 5. The key of that root signed it, with an algorithm that rustls accepts: no SHA-1, no RSA below
//!    2048 bits.
//! 6. If revocation lists are configured, one of them is complete and signed by the root's key, and
//!    the newest of those does not have its serial number. Only the newest counts, as in rustls for
//!    version 3.
//!
//! Version 1 does not say what a certificate is for, so this cannot be checked. Any certificate
//! that the root signed, the server's own too, is accepted from a client. Therefore
//! `falconer.tls.legacy_v1_certs` can turn this off, and the first such certificate logs a warning.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved,
    RootCertStore, SignatureScheme,
};
use webpki::RawPublicKeyEntity;

use super::standard::Standard;
use super::x509::{Certificate, RevocationList, Signed, Version};

/// The error of a version 1 certificate if they are rejected.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is an X.509 version 1 certificate, as `openssl x509 -req` made before OpenSSL 3.2; \
     make it again with `-extfile` and a subjectAltName"
)]
pub(super) struct Refused;

/// Verifies version 3 with rustls, and version 1 with the conditions above.
#[derive(Debug)]
pub(super) struct Verifier {
    standard: Standard,
    /// `None` rejects version 1.
    rule: Option<Rule>,
    /// Whether a client without a certificate is rejected.
    mandatory: bool,
    warned: AtomicBool,
}

impl Verifier {
    pub(super) fn new(standard: Standard, rule: Option<Rule>, mandatory: bool) -> Self {
        Self { standard, rule, mandatory, warned: AtomicBool::new(false) }
    }

    fn warn(&self, certificate: &CertificateDer<'_>) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let client = super::identity::of(certificate).unwrap_or_default();
            tracing::warn!(
                client,
                "a client presented an X.509 version 1 certificate, which does not say what it is \
                 for; make new ones for clients with `falconer certs init DIR`, then set \
                 falconer.tls.legacy_v1_certs to false"
            );
        }
    }

    /// Returns the rule and the key of a version 1 certificate, if the rule is on.
    fn legacy_key<'a>(
        &self,
        certificate: &'a CertificateDer<'_>,
    ) -> Option<(&Rule, SubjectPublicKeyInfoDer<'a>)> {
        let rule = self.rule.as_ref()?;
        let certificate = version_1(certificate)?;
        Some((rule, certificate.key.into()))
    }
}

fn version_1<'a>(certificate: &'a CertificateDer<'_>) -> Option<Certificate<'a>> {
    Certificate::read(certificate).ok().filter(|found| found.version == Version::V1)
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.standard.all.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Some(certificate) = version_1(end_entity) else {
            return self.standard.verify(end_entity, intermediates, now);
        };
        let Some(rule) = &self.rule else {
            return Err(CertificateError::Other(OtherError(Arc::new(Refused))).into());
        };
        rule.check(&certificate, now)?;
        self.warn(end_entity);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.legacy_key(certificate) {
            Some((rule, key)) => rule.verify_tls12(message, &key, dss),
            None => self.standard.all.verify_tls12_signature(message, certificate, dss),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.legacy_key(certificate) {
            Some((rule, key)) => {
                verify_tls13_signature_with_raw_key(message, &key, dss, &rule.algorithms)
            }
            None => self.standard.all.verify_tls13_signature(message, certificate, dss),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.standard.all.supported_verify_schemes()
    }
}

/// The rule for version 1 certificates: the roots and revoked serial numbers.
#[derive(Debug)]
pub(crate) struct Rule {
    issuers: Vec<Issuer>,
    /// Whether a certificate is rejected if no list covers it.
    checks_revocation: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A root whose version 1 certificates are accepted.
#[derive(Debug)]
struct Issuer {
    /// The contents of its name.
    name: Vec<u8>,
    key: SubjectPublicKeyInfoDer<'static>,
    /// The serial numbers that it revoked; `None` if it has no usable list.
    revoked: Option<HashSet<Vec<u8>>>,
}

impl Rule {
    /// Builds the rule for these roots and revocation lists. The newest list must come first.
    pub(crate) fn new(
        roots: &RootCertStore,
        lists: &[CertificateRevocationListDer<'_>],
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Self {
        let read: Vec<_> =
            lists.iter().filter_map(|list| RevocationList::read(list).ok()).collect();
        let issuers = roots
            .roots
            .iter()
            // A version 1 certificate cannot be checked against name constraints.
            .filter(|root| root.name_constraints.is_none())
            .map(|root| {
                let name = root.subject.to_vec();
                let key = webpki::spki_for_anchor(root);
                let revoked = revoked(&name, &key, &read, &algorithms);
                Issuer { name, key, revoked }
            })
            .collect();
        Self { issuers, checks_revocation: !lists.is_empty(), algorithms }
    }

    /// Checks a client's certificate at the time `now`.
    ///
    /// # Errors
    /// The first condition that does not hold.
    pub(crate) fn check(&self, certificate: &Certificate<'_>, now: UnixTime) -> Result<(), Error> {
        let Certificate { version, has_more, inner_algorithm, signed, .. } = certificate;
        if *version != Version::V1 || *has_more || *inner_algorithm != signed.algorithm {
            return Err(CertificateError::BadEncoding.into());
        }
        let mut refusal = CertificateError::UnknownIssuer.into();
        for issuer in self.issuers.iter().filter(|issuer| issuer.name == certificate.issuer) {
            // The validity comes before the signature, because it costs nothing.
            match check_validity(certificate, now)
                .and_then(|()| verify(signed, &issuer.key, &self.algorithms))
                .and_then(|()| self.check_revocation(issuer, certificate.serial))
            {
                Ok(()) => return Ok(()),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn check_revocation(&self, issuer: &Issuer, serial: &[u8]) -> Result<(), Error> {
        match &issuer.revoked {
            Some(serials) if serials.contains(serial) => Err(CertificateError::Revoked.into()),
            None if self.checks_revocation => Err(CertificateError::UnknownRevocationStatus.into()),
            _ => Ok(()),
        }
    }

    /// TLS 1.2 does not name the whole algorithm, so every matching algorithm is tried in turn.
    fn verify_tls12(
        &self,
        message: &[u8],
        key: &SubjectPublicKeyInfoDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let meant = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == dss.scheme);
        let Some((_, algorithms)) = meant else {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        };
        let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
        let verified = algorithms
            .iter()
            .any(|algorithm| key.verify_signature(*algorithm, message, dss.signature()).is_ok());
        if verified {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }
}

/// Returns the serial numbers in the first list that the issuer signed and that is complete.
fn revoked(
    name: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    lists: &[RevocationList<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
) -> Option<HashSet<Vec<u8>>> {
    lists
        .iter()
        .filter(|list| list.issuer == name && !list.is_partial)
        .find(|list| verify(&list.signed, key, algorithms).is_ok())
        .map(|list| list.serials.iter().map(|serial| serial.to_vec()).collect())
}

fn check_validity(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let (not_before, not_after) =
        (unix_time(certificate.not_before), unix_time(certificate.not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    Ok(())
}

/// Converts a time to the type of rustls. Earlier times become 1970.
pub(super) fn unix_time(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(time.as_second().try_into().unwrap_or(0)))
}

/// Verifies that the key made the signature, with one of the algorithms.
pub(super) fn verify(
    signed: &Signed<'_>,
    key: &SubjectPublicKeyInfoDer<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
    let mut named = algorithms
        .all
        .iter()
        .filter(|algorithm| algorithm.signature_alg_id().as_ref() == signed.algorithm)
        .peekable();
    if named.peek().is_none() {
        return Err(CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: signed.algorithm.to_vec(),
            supported_algorithms: Vec::new(),
        }
        .into());
    }
    // A signature algorithm may have an entry for each kind of key. At most one fits this key.
    if named
        .any(|algorithm| key.verify_signature(*algorithm, signed.bytes, signed.signature).is_ok())
    {
        Ok(())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::fuzzing::Legacy;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn only_the_signed_certificate_is_accepted() {
        let legacy = Legacy::default();
        assert!(legacy.check(b"", b""), "the unchanged certificate");
        // Flip each bit, one after the other.
        for at in 0..300_u16 {
            for bit in 0..8 {
                let [high, low] = at.to_be_bytes();
                // An index beyond the end wraps around to the first bytes.
                assert!(!legacy.check(b"", &[high, low, 1 << bit]), "byte {at}, bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_rejected(
            bytes in vec(any::<u8>(), 0..400),
            edits in vec(any::<u8>(), 1..30),
        ) {
            Legacy::default().check(&bytes, &edits);
        }
    }
}
