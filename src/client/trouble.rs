//! Turns errors of a connection or a request into messages that say what to do.
//!
//! 1. The whole chain of an error is searched for the cause: the connection's error wraps that of
//!    rustls, and hyper's wraps that of the connection.
//! 2. In TLS 1.3 the server checks the client certificate after the handshake, so its verdict comes
//!    with the first read. Some servers only close the connection, so the message for that mentions
//!    the certificate.
//! 3. Text that the peer chose, such as the names in its certificate, is escaped ([`visible`]).

use std::error::Error;
use std::io::{self, ErrorKind};

use http::{HeaderMap, StatusCode, header};
use rustls::{AlertDescription, CertificateError};

use super::show::visible;
use super::target::{PATIENCE, Target};

/// The advice if there is no server, or another one.
const RUNNING: &str = "is `falconer serve` running there, with its gateway enabled?";

/// Describes a failed connection to `host`.
pub(super) fn connecting(error: &io::Error, host: &str, target: &Target) -> String {
    if let Some(error) = cause::<rustls::Error>(error) {
        return tls(error, host, target);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => format!("connection refused; {RUNNING}"),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            format!("the server closed the connection during the handshake; {RUNNING}")
        }
        _ => format!("{error}; {RUNNING}"),
    }
}

/// Describes an answer that did not arrive within [`PATIENCE`].
pub(super) fn silent() -> String {
    format!("no answer within {} s; {RUNNING}", PATIENCE.as_secs())
}

/// Describes a failed request. `ended` is the error that the connection ended with.
pub(super) fn asking(
    error: &hyper::Error,
    ended: Option<&hyper::Error>,
    host: &str,
    target: &Target,
) -> String {
    let errors = || [Some(error), ended].into_iter().flatten();
    if let Some(error) = errors().find_map(|error| cause::<rustls::Error>(error)) {
        return tls(error, host, target);
    }
    let secure = target.is_secure();
    if errors().any(hyper::Error::is_parse) {
        return if secure {
            "the answer is not HTTP/1.1; check that this is the gateway's port, not the gRPC port"
                .to_owned()
        } else {
            "the answer is not HTTP; if the server uses TLS, write https:// and pass --ca FILE; \
             gRPC has another port"
                .to_owned()
        };
    }
    if secure && target.identity.is_none() {
        return "the server closed the connection; if it requires a client certificate, pass \
                --cert FILE and --key FILE"
            .to_owned();
    }
    if secure {
        return "the server closed the connection without an answer; check that this is the \
                gateway's port, not the gRPC port"
            .to_owned();
    }
    "the server closed the connection without an answer; if it uses TLS, write https:// and pass \
     --ca FILE"
        .to_owned()
}

/// Describes a rejected request. `detail` is the server's explanation; only a Falconer server has
/// one.
pub(super) fn refused(
    status: StatusCode,
    headers: &HeaderMap,
    detail: Option<&str>,
    target: &Target,
) -> String {
    let Some(detail) = detail else {
        return foreign(status, headers);
    };
    let detail = visible(detail);
    match (status, &target.token_file) {
        (StatusCode::UNAUTHORIZED, None) => {
            format!("the server requires a token; pass it with --token-file FILE ({detail})")
        }
        (StatusCode::UNAUTHORIZED, Some(file)) => {
            format!(
                "the server requires another token than that in --token-file {file:?} ({detail})"
            )
        }
        _ => detail.into_owned(),
    }
}

/// Describes an answer that no Falconer server gives.
pub(super) fn foreign(status: StatusCode, headers: &HeaderMap) -> String {
    let told = |name| {
        let value = headers.get(name)?;
        Some(visible(&String::from_utf8_lossy(value.as_bytes())).into_owned())
    };
    let mut what = format!("it answered {status}");
    if let Some(location) = told(header::LOCATION) {
        what += &format!(", see {location}");
    } else if status.is_success() {
        let kind = told(header::CONTENT_TYPE).unwrap_or_else(|| "nothing".to_owned());
        what += &format!(" with {kind}");
    }
    if let Some(server) = told(header::SERVER) {
        what += &format!(" (Server: {server})");
    }
    let meant = "set --server to the gateway's address (falconer.gateway.listen)";
    format!("{what}, so it is no falconer gateway; {meant}")
}

fn tls(error: &rustls::Error, host: &str, target: &Target) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(error) => certificate(error, host, target),
        E::InvalidMessage(_) => {
            "the answer is not TLS; if the server uses plain HTTP, write http:// instead".into()
        }
        E::AlertReceived(alert) => alert_received(*alert, target),
        E::PeerIncompatible(_) => {
            format!("the server supports no TLS that falconer does (1.2 and 1.3): {error}")
        }
        _ => format!("TLS: {error}"),
    }
}

fn certificate(error: &CertificateError, host: &str, target: &Target) -> String {
    use CertificateError as E;
    let ca = target.ca.as_deref().unwrap_or("".as_ref());
    match error {
        E::UnknownIssuer => format!(
            "no authority in --ca {ca:?} signed the server's certificate; pass the certificate of \
             the one that did"
        ),
        E::BadSignature => format!(
            "the server's certificate names the authority in --ca {ca:?}, but another key signed \
             it; if the authority was made again, make the server's certificate again too"
        ),
        E::NotValidForName => format!("the server's certificate is not for {host}"),
        E::NotValidForNameContext { presented, .. } if presented.is_empty() => format!(
            "the server's certificate has no names (subjectAltName), so it is not for {host}; make \
             one with names, such as with `falconer certs init`"
        ),
        E::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().map(|name| name_in(name)).collect();
            format!(
                "the server's certificate is for {}, not for {host}; use one of its names in \
                 --server, or make a certificate with this name (`falconer certs init --host`)",
                visible(&names.join(", "))
            )
        }
        E::Expired | E::ExpiredContext { .. } => {
            format!("the server's certificate has expired ({error}); the server needs a new one")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => format!(
            "the server's certificate is not valid yet ({error}); check the clocks of both machines"
        ),
        _ => format!("the server's certificate is not acceptable: {error}"),
    }
}

/// Strips the kind from a name as rustls prints it: `DnsName("localhost")`, `IpAddress(127.0.0.1)`.
fn name_in(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

fn alert_received(alert: AlertDescription, target: &Target) -> String {
    use AlertDescription as A;
    let Some((certificate, _)) = &target.identity else {
        return match alert {
            A::CertificateRequired | A::HandshakeFailure | A::BadCertificate => {
                "the server requires a client certificate; pass --cert FILE and --key FILE".into()
            }
            _ => format!("the server ended the handshake: {alert:?}"),
        };
    };
    match alert {
        A::UnknownCA => format!(
            "no authority that the server trusts signed --cert {certificate:?}; use a certificate \
             that an authority in its root_certs signed"
        ),
        A::CertificateRequired
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::AccessDenied
        | A::DecryptError => {
            format!("the server rejects --cert {certificate:?}: {alert:?}; its log says why")
        }
        _ => format!("the server ended the handshake: {alert:?}"),
    }
}

/// Returns the first error of this type in the chain, including those inside an [`io::Error`].
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `source` of an `io::Error` skips the error that it wraps.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
