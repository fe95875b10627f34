//! What went wrong between a server and us, in words that say what to do.
//!
//! 1. The cause is looked for in the whole chain of an error: rustls's own error stands inside the one
//!    of the connection, the connection's inside hyper's.
//! 2. In TLS 1.3 a server's verdict on our certificate comes after the handshake, with the first
//!    read; some servers only close the connection then, so a connection that ends at once is told
//!    with that possibility.
//! 3. What the peer chose, such as the names in its certificate, is shown as text ([`visible`]).

use std::error::Error;
use std::io::{self, ErrorKind};

use http::{HeaderMap, StatusCode, header};
use rustls::{AlertDescription, CertificateError};

use super::show::visible;
use super::target::{PATIENCE, Target};

/// Nobody is there, or nobody of ours.
const RUNNING: &str = "is `falconer serve` running there, with its gateway on?";

/// Why there is no connection to `host`.
pub(super) fn connecting(error: &io::Error, host: &str, target: &Target) -> String {
    if let Some(error) = cause::<rustls::Error>(error) {
        return tls(error, host, target);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => format!("nobody listens there; {RUNNING}"),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            format!("the connection was closed before it was there; {RUNNING}")
        }
        _ => format!("{error}; {RUNNING}"),
    }
}

/// Why there is no answer within the time there was.
pub(super) fn silent() -> String {
    format!("no answer within {} s; {RUNNING}", PATIENCE.as_secs())
}

/// Why a request came to nothing. `ended` is what the connection itself ended with.
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
            "the answer is not HTTP/1.1; is it the gateway's port, and not that of gRPC?".to_owned()
        } else {
            "the answer is not HTTP; where the server speaks TLS, write https:// and give --ca FILE; \
             gRPC has another port"
                .to_owned()
        };
    }
    if secure && target.identity.is_none() {
        return "the server closed the connection; where it asks for a client certificate, give \
                --cert FILE and --key FILE"
            .to_owned();
    }
    if secure {
        return "the server closed the connection before it answered; is it the gateway's port, and \
                not that of gRPC?"
            .to_owned();
    }
    "the server closed the connection before it answered; where it speaks TLS, write https:// and \
     give --ca FILE"
        .to_owned()
}

/// What a refusal means to who asked; `detail` is what the server says of it, where it is one of ours.
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
            format!("it asks for a token; give it with --token-file FILE ({detail})")
        }
        (StatusCode::UNAUTHORIZED, Some(file)) => {
            format!("it asks for another token than that of --token-file {file:?} ({detail})")
        }
        _ => detail.into_owned(),
    }
}

/// An answer that none of our servers gives.
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
    let meant = "give --server the gateway's own address (falconer.gateway.listen)";
    format!("{what}, which no falconer gateway does; {meant}")
}

fn tls(error: &rustls::Error, host: &str, target: &Target) -> String {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(error) => certificate(error, host, target),
        E::InvalidMessage(_) => {
            "the answer is not TLS; where the server speaks plain HTTP, write http:// instead"
                .into()
        }
        E::AlertReceived(alert) => alert_received(*alert, target),
        E::PeerIncompatible(_) => {
            format!("there is no TLS in common, {error}; this side has TLS 1.2 and 1.3")
        }
        _ => format!("TLS: {error}"),
    }
}

fn certificate(error: &CertificateError, host: &str, target: &Target) -> String {
    use CertificateError as E;
    let ca = target.ca.as_deref().unwrap_or("".as_ref());
    match error {
        E::UnknownIssuer => format!(
            "nobody in --ca {ca:?} signed the server's certificate; give the certificate of who did"
        ),
        E::BadSignature => format!(
            "the server's certificate is not signed by the key of --ca {ca:?}, though by its name; \
             was the authority made again since?"
        ),
        E::NotValidForName => format!("the server's certificate is not for {host}"),
        E::NotValidForNameContext { presented, .. } if presented.is_empty() => format!(
            "the server's certificate names nobody (subjectAltName), so not {host} either; make one \
             that does, as `falconer certs init` does"
        ),
        E::NotValidForNameContext { presented, .. } => {
            let names: Vec<_> = presented.iter().map(|name| name_in(name)).collect();
            format!(
                "the server's certificate is for {}, and not for {host}; ask it by a name that it \
                 has, or make one with this name (`falconer certs init --host`)",
                visible(&names.join(", "))
            )
        }
        E::Expired | E::ExpiredContext { .. } => {
            format!("the server's certificate is not valid any more ({error}); it needs a new one")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => format!(
            "the server's certificate is not valid yet ({error}); check the clocks of both machines"
        ),
        _ => format!("the server's certificate cannot be accepted: {error}"),
    }
}

/// `DnsName("localhost")` and `IpAddress(127.0.0.1)`, as rustls tells them, without the kind.
fn name_in(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

fn alert_received(alert: AlertDescription, target: &Target) -> String {
    use AlertDescription as A;
    let Some((certificate, _)) = &target.identity else {
        return match alert {
            A::CertificateRequired | A::HandshakeFailure | A::BadCertificate => {
                "the server asks for a client certificate; give --cert FILE and --key FILE".into()
            }
            _ => format!("the server ended the handshake: {alert:?}"),
        };
    };
    match alert {
        A::UnknownCA => format!(
            "the server does not know who signed --cert {certificate:?}; show one that an authority \
             in its root_certs signed"
        ),
        A::CertificateRequired
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::AccessDenied
        | A::DecryptError => {
            format!("the server refuses --cert {certificate:?}: {alert:?}; its log says why")
        }
        _ => format!("the server ended the handshake: {alert:?}"),
    }
}

/// The first error of that kind in the chain, those that stand inside an [`io::Error`] too.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // Its `source` is what stands behind the error inside, and not that one.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
