//! Checks that only the bytes that the authority signed are accepted as a version 1 certificate.

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::script::Script;
use crate::net::tls::legacy::Rule;
use crate::net::tls::x509::{Certificate, RevocationList, Version};

/// An authority and a client's version 1 certificate signed by it, made with OpenSSL 3.0 and valid
/// for a hundred years. The keys were deleted.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUFhEQdU/GVTq0o/7/83zdeR4LgxEwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjMyMzEwMTZaGA8yMTI2MTAzMDIzMTAx
NlowDzENMAsGA1UEAwwEcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLLF
ABnTdEigdYofQatNTNYX5hCjbNjIZ7Ro9JduXRyRpA2ycRxwGpeAyMhQjOFyJSQ8
yO7soyfi9ELlbElC8C6jUzBRMB0GA1UdDgQWBBTggVSO7P0VZ6l5vrKbYT8TLU0d
SzAfBgNVHSMEGDAWgBTggVSO7P0VZ6l5vrKbYT8TLU0dSzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIA3YCksaWn9Cw+Sc2HeuQUUJYIwCuRI1QdBc
rnXxYABAAiEAo3FWbVhSuOqf5nARu6Fc26HTpulOBydJSKGanQJWqto=
-----END CERTIFICATE-----";
const CLIENT: &str = "-----BEGIN CERTIFICATE-----
MIIBCTCBsAIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARyb290MCAXDTI2MTEy
MzIzMTAxNloYDzIxMjYxMDMwMjMxMDE2WjARMQ8wDQYDVQQDDAZjbGllbnQwWTAT
BgcqhkjOPQIBBggqhkjOPQMBBwNCAARbAltTSh6Z2ovgobJ28qdk9Vo7BrulFdWm
y9AA9ZSCq3oQod8jszqupg0GsG0l4pZ6v76QDy0PNnulj9/KAaQEMAoGCCqGSM49
BAMCA0gAMEUCIQCSbUfXr2S9PNbMuQAzHSi/Y9iUHO3DgWwJ7QMxSuw5LAIgMKf3
pjQ5pmV+cZksa3eToEscPjXHAznBJhmjaVDr4fM=
-----END CERTIFICATE-----";

/// A time at which both are valid: 2030, in seconds.
const VALID: u64 = 1_893_456_000;

/// The verifier of legacy certificates, and a valid certificate.
#[derive(Debug)]
pub struct Legacy {
    rule: Rule,
    client: Vec<u8>,
}

impl Default for Legacy {
    fn default() -> Self {
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let mut roots = RootCertStore::empty();
        roots.add(der(AUTHORITY)).expect("a root");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let rule = Rule::new(&roots, &[], provider.signature_verification_algorithms);
        Self { rule, client: der(CLIENT).to_vec() }
    }
}

impl Legacy {
    /// Calls [`Self::check`] with `data`, read as edits and a certificate.
    pub fn read(&self, data: &[u8]) -> bool {
        let mut script = Script(data);
        let edits = script.short();
        self.check(script.0, edits)
    }

    /// Verifies `der` as a client's certificate, and then the valid certificate with `edits`. Each
    /// three bytes of `edits` are a position and a change. Returns whether the edited one is
    /// accepted.
    ///
    /// # Panics
    /// If an accepted certificate differs from the valid one in more than its signature, of which
    /// ECDSA has two, or if rustls reads as version 3 a certificate that is version 1 here.
    pub fn check(&self, der: &[u8], edits: &[u8]) -> bool {
        self.check_one(der);
        let mut edited = self.client.clone();
        let (edits, _) = edits.as_chunks::<3>();
        for [high, low, change] in edits {
            let at = usize::from(u16::from_be_bytes([*high, *low])) % self.client.len();
            if let Some(byte) = edited.get_mut(at) {
                *byte ^= change;
            }
        }
        self.check_one(&edited)
    }

    fn check_one(&self, der: &[u8]) -> bool {
        let _ = RevocationList::read(der);
        let Ok(read) = Certificate::read(der) else { return false };
        assert_eq!(der.first(), Some(&0x30));
        let signed = read.signed;
        assert!(signed.bytes.len() + signed.algorithm.len() + signed.signature.len() < der.len());
        let _ = (read.common_name(), read.alternative_name(), read.is_authority());
        if read.version == Version::V1 {
            let der = CertificateDer::from(der);
            assert!(webpki::EndEntityCert::try_from(&der).is_err(), "version 3 for rustls");
        }
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(VALID));
        let accepted = self.rule.check(&read, now).is_ok();
        if accepted {
            let right = Certificate::read(&self.client).expect("the valid certificate");
            assert_eq!(signed.bytes, right.signed.bytes, "the authority did not sign it");
            assert_eq!(signed.algorithm, right.signed.algorithm);
        }
        accepted
    }
}
