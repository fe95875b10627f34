//! Why a handshake failed, and what to do about it, in one sentence.
//!
//! 1. The cause is rustls's own error inside the one of the connection; an error without one, such
//!    as a peer that left, is not explained.
//! 2. In TLS 1.3 a client's verdict on us comes after the handshake, with the first read; it is
//!    the same kind of error.
//! 3. A sentence has dates and fixed words in it, nothing that the peer chose.

use std::io;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::legacy::Refused;

/// The cause and the remedy of a failed handshake; `None` where TLS was not the cause.
#[must_use]
pub fn refusal(error: &io::Error) -> Option<String> {
    let sentence = match error.get_ref()?.downcast_ref::<Error>()? {
        Error::NoCertificatesPresented => "the client showed no certificate; give it one that an \
             authority in root_certs signed, and its key"
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
        ) => "the client does not speak TLS; on a port it must, with a certificate of its own; \
             without TLS there is the unix socket"
            .to_owned(),
        Error::NoApplicationProtocol => {
            "the client speaks neither HTTP/2 nor says nothing about it (ALPN without h2); gRPC \
             clients do, HTTP belongs to the gateway"
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
            "no authority in root_certs signed the client's certificate; sign it by one of \
             them, or add its authority there"
        }
        E::BadSignature => {
            "the client's certificate is not signed by the key of the authority it names, or the \
             client's key is not its own; if the authority was made again since, sign the client's \
             certificate anew"
        }
        E::ExpiredContext { not_after, .. } => {
            let date = date(*not_after);
            return format!("the client's certificate expired on {date}; make it a new one");
        }
        E::Expired => "the client's certificate has expired; make it a new one",
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
            "the client's certificate is revoked by a list in falconer.tls.crls; make it a new one"
        }
        E::UnknownRevocationStatus => {
            "no list in falconer.tls.crls covers the client's certificate; add the list of every \
             authority in its chain"
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the client's certificate is signed in a way that is not safe any more, such as with \
             SHA-1; sign it again with -sha256"
        }
        E::BadEncoding => "the client's certificate is not well formed; make it a new one",
        E::Other(other) => return other_certificate(other.0.as_ref()),
        _ => "the client's certificate cannot be accepted; make it a new one",
    }
    .to_owned()
}

fn other_certificate(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return format!("the client's certificate is refused: {refused}");
    }
    match error.downcast_ref::<webpki::Error>() {
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the client showed an authority's certificate as its own; have the authority sign one \
             for the client"
        }
        Some(webpki::Error::UnsupportedCertVersion) => {
            "a certificate in the client's chain is not X.509 version 3, or not well formed; sign \
             the client's certificate by a root directly, or make those between them again with \
             -extfile"
        }
        Some(webpki::Error::EndEntityUsedAsCa | webpki::Error::PathLenConstraintViolated) => {
            "a certificate in the client's chain may not sign others; make it again with \
             basicConstraints=CA:TRUE"
        }
        _ => "the client's certificate cannot be accepted; make it a new one",
    }
    .to_owned()
}

/// What the client says it ended the connection for.
fn alert_received(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::UnknownCA => {
            "the client does not trust this server's certificate; give it the authority's \
             certificate that signed cert_chain"
        }
        AlertDescription::DecryptError => {
            "the client knows an authority of the same name with another key than the one that \
             signed this server's certificate; give it today's certificate of the authority"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => {
            "the client does not accept this server's certificate; it must be signed by an \
             authority the client knows, and Go clients need a subjectAltName with the host they \
             connect to: make one with `falconer certs init DIR`"
        }
        AlertDescription::CertificateExpired => {
            "the client says that this server's certificate has expired or is not valid yet; make \
             it again, or check the clocks of both machines"
        }
        AlertDescription::CertificateRevoked => {
            "the client says that this server's certificate is revoked; make it again"
        }
        AlertDescription::ProtocolVersion => {
            "the client does not speak the same version of TLS; it needs TLS 1.2 or 1.3"
        }
        AlertDescription::NoApplicationProtocol | AlertDescription::HandshakeFailure => {
            "the client found no common way to speak TLS; it needs TLS 1.2 or 1.3 and HTTP/2"
        }
        _ => return None,
    })
}

fn no_common_ground(incompatible: &PeerIncompatible) -> &'static str {
    match incompatible {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        // It came with TLS 1.2, and is looked for before the version is.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
            "the client's TLS is too old; it needs TLS 1.2 or 1.3"
        }
        _ => {
            "the client and this server have no cipher, curve or signature in common; it needs \
             TLS 1.2 with ECDHE and AEAD ciphers, or TLS 1.3"
        }
    }
}

/// A time in the words of RFC 3339; the end of all times where it is later than can be counted.
fn date(time: UnixTime) -> Timestamp {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
