//! The cause and remedy of a failed handshake, in one sentence.
//!
//! 1. The cause is the error of rustls inside the error of the connection. An error without one,
//!    such as a disconnected peer, is not explained.
//! 2. In TLS 1.3 a client rejects the server's certificate after the handshake. The error then
//!    comes from the first read, and has the same form.
//! 3. A sentence has only dates and fixed words, and nothing that the peer chose.

use std::io;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::legacy::Refused;

/// Returns the cause and remedy of a failed handshake; `None` if TLS was not the cause.
#[must_use]
pub fn refusal(error: &io::Error) -> Option<String> {
    let sentence = match error.get_ref()?.downcast_ref::<Error>()? {
        Error::NoCertificatesPresented => "the client presented no certificate; give it one that \
             an authority in root_certs signed, and its key"
            .to_owned(),
        Error::InvalidCertificate(error) => certificate(error),
        Error::InvalidCertRevocationList(_) => {
            "a revocation list in falconer.tls.crls is not signed by the authority it names; \
             fetch it again"
                .to_owned()
        }
        Error::AlertReceived(alert) => alert_received(*alert)?.to_owned(),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "the client does not speak TLS; connect with TLS, or use the unix socket for gRPC \
             without TLS"
            .to_owned(),
        Error::NoApplicationProtocol => {
            "the client does not offer HTTP/2 (ALPN without h2); connect with a gRPC client, or \
             use the HTTP gateway"
                .to_owned()
        }
        Error::PeerIncompatible(incompatible) => no_common_ground(incompatible).to_owned(),
        _ => return None,
    };
    Some(sentence)
}

fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => {
            "no authority in root_certs signed the client's certificate; let one of them sign it, \
             or add its authority to root_certs"
        }
        E::BadSignature => {
            "the client's certificate is not signed by the key of the authority it names, or the \
             client's key does not match it; if the authority has a new key, sign the client's \
             certificate anew"
        }
        E::ExpiredContext { not_after, .. } => {
            let date = date(*not_after);
            return format!("the client's certificate expired on {date}; make a new one");
        }
        E::Expired => "the client's certificate has expired; make a new one",
        E::NotValidYetContext { not_before, .. } => {
            let date = date(*not_before);
            return format!(
                "the client's certificate is not valid before {date}; check the clocks of both \
                 machines"
            );
        }
        E::NotValidYet => {
            "the client's certificate is not valid yet; check the clocks of both machines"
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the client's certificate is not made for clients; make one whose extendedKeyUsage \
             names clientAuth"
        }
        E::Revoked => {
            "the client's certificate is revoked by a list in falconer.tls.crls; make a new one"
        }
        E::UnknownRevocationStatus => {
            "no list in falconer.tls.crls covers the client's certificate; add the list of every \
             authority in its chain"
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the client's certificate has an insecure or unsupported signature algorithm, such as \
             SHA-1; sign it again with -sha256"
        }
        E::BadEncoding => "the client's certificate is not well formed; make a new one",
        E::Other(other) => return other_certificate(other.0.as_ref()),
        _ => "the client's certificate cannot be accepted; make a new one",
    }
    .to_owned()
}

fn other_certificate(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return format!("the client's certificate is rejected: {refused}");
    }
    match error.downcast_ref::<webpki::Error>() {
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the client presented an authority's certificate as its own; let the authority sign \
             one for the client"
        }
        Some(webpki::Error::UnsupportedCertVersion) => {
            "a certificate in the client's chain is not X.509 version 3, or not well formed; let a \
             root sign the client's certificate directly, or make the intermediates again with \
             -extfile"
        }
        Some(webpki::Error::EndEntityUsedAsCa | webpki::Error::PathLenConstraintViolated) => {
            "a certificate in the client's chain may not sign others; make it again with \
             basicConstraints=CA:TRUE"
        }
        _ => "the client's certificate cannot be accepted; make a new one",
    }
    .to_owned()
}

/// Explains the alert with which a client ended the connection.
fn alert_received(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::UnknownCA => {
            "the client does not trust this server's certificate; give it the certificate of the \
             authority that signed cert_chain"
        }
        AlertDescription::DecryptError => {
            "the client trusts an authority of the same name with another key than the one that \
             signed this server's certificate; give it the current certificate of the authority"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => {
            "the client does not accept this server's certificate; an authority that the client \
             trusts must sign it, and Go clients need a subjectAltName with the host they connect \
             to: make one with `falconer certs init DIR`"
        }
        AlertDescription::CertificateExpired => {
            "the client reports that this server's certificate has expired or is not valid yet; \
             make it again, or check the clocks of both machines"
        }
        AlertDescription::CertificateRevoked => {
            "the client reports that this server's certificate is revoked; make a new one"
        }
        AlertDescription::ProtocolVersion => {
            "the client does not support this server's versions of TLS; it needs TLS 1.2 or 1.3"
        }
        AlertDescription::NoApplicationProtocol | AlertDescription::HandshakeFailure => {
            "the client and this server have no TLS parameters in common; the client needs TLS \
             1.2 or 1.3, and HTTP/2"
        }
        _ => return None,
    })
}

fn no_common_ground(incompatible: &PeerIncompatible) -> &'static str {
    match incompatible {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        // This extension came with TLS 1.2, and rustls checks it before the version.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
            "the client's TLS is too old; it needs TLS 1.2 or 1.3"
        }
        _ => {
            "the client and this server have no cipher, curve or signature in common; the client \
             needs TLS 1.2 with ECDHE and AEAD ciphers, or TLS 1.3"
        }
    }
}

/// Converts a time, which prints in the form of RFC 3339. A later time than [`Timestamp::MAX`]
/// becomes that.
fn date(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
