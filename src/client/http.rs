//! Sends requests to a gateway over HTTP/1.1, with or without TLS.
//!
//! [`super::trouble`] words the errors. An answer that no gateway gives is an error. Otherwise
//! another server at the address would look like a gateway without alerts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::target::{PATIENCE, Target, TargetError};
use super::{ClientError, trouble};
use crate::ingest::{Outcome, Rejected};

/// How long to wait, after a failed request, for the error that the connection ended with.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The most to read of an error answer, in bytes.
const MAX_REFUSAL: usize = 16 << 10;

/// A server to send requests to.
#[derive(Debug, Clone)]
pub struct Server {
    pub(super) url: String,
    target: Target,
    host: String,
    port: u16,
    authority: HeaderValue,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<HeaderValue>,
}

impl Server {
    /// Reads the files that `target` names. Does not connect yet.
    ///
    /// # Errors
    /// When the URL, an option or a file cannot be used.
    pub fn new(target: &Target) -> Result<Self, TargetError> {
        let wrong = || TargetError::Url(target.url.clone());
        let uri: Uri = target.url.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if !["", "/"].contains(&uri.path()) || authority.as_str().contains('@') {
            return Err(wrong());
        }
        match target {
            _ if secure => {}
            Target { ca: Some(_), .. } => return Err(TargetError::OnlyTls("--ca")),
            Target { identity: Some(_), .. } => return Err(TargetError::OnlyTls("--cert")),
            _ => {}
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            url: target.url.trim_end_matches('/').to_owned(),
            target: target.clone(),
            host,
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().parse().map_err(|_| wrong())?,
            tls: if secure { Some(Arc::new(tls(target)?)) } else { None },
            authorization: target.token_file.as_deref().map(authorization).transpose()?,
        })
    }

    /// Connects. The connection serves one request after the other.
    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            match &self.tls {
                None => handshake(stream).await,
                Some(tls) => {
                    let name =
                        ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
                    handshake(TlsConnector::from(tls.clone()).connect(name, stream).await?).await
                }
            }
        };
        let (sender, driver) = match timeout(PATIENCE, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => {
                return Err(self.unreachable(trouble::connecting(
                    &error,
                    &self.host,
                    &self.target,
                )));
            }
            Err(_) => return Err(self.unreachable(trouble::silent())),
        };
        Ok(Connection { server: self.clone(), sender, driver })
    }

    fn unreachable(&self, reason: impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable { url: self.url.clone(), reason: reason.to_string() }
    }
}

/// The sender of requests, and the task of the connection, which returns how the connection ended.
type Connected = (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>);

async fn handshake<T>(io: T) -> std::io::Result<Connected>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(io)).await.map_err(std::io::Error::other)?;
    Ok((sender, tokio::spawn(connection)))
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    server: Server,
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Connection {
    /// Sends a GET with the parameters that have a value, and returns the body of the answer. Its
    /// content type must be `accept`.
    pub(super) async fn get(
        &mut self,
        path: &str,
        parameters: &[(&str, Option<String>)],
        accept: &'static str,
    ) -> Result<Incoming, ClientError> {
        let given = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let query = serde_urlencoded::to_string(given.collect::<Vec<_>>()).unwrap_or_default();
        let request = Request::get(format!("{path}?{query}")).header("accept", accept);
        let answer = self.ask(request, Bytes::new()).await?;
        let kind = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind.is_none_or(|kind| !kind.starts_with(accept.as_bytes())) {
            let reason = trouble::foreign(answer.status(), answer.headers());
            return Err(self.refusal(answer.status(), reason));
        }
        Ok(answer.into_body())
    }

    /// Posts a body of alerts, and returns how many of its records were alerts.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<Outcome, ClientError> {
        let request = Request::builder().method(Method::POST).uri("/api/v1/events");
        let answer = self.send(request, body).await?;
        if answer.status() != StatusCode::OK {
            let (head, body) = explained(answer).await;
            return match serde_json::from_slice::<Taken>(&body) {
                // The body has no alert.
                Ok(taken) if taken.refused > 0 => Ok(taken.into()),
                _ => Err(self.refused(&head, &body)),
            };
        }
        // A gateway's answer has no page. Another web server's page means that the alerts are lost.
        let kind = answer.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if kind.is_some_and(|kind| kind.starts_with(b"text/html")) {
            let reason = trouble::foreign(answer.status(), answer.headers());
            return Err(self.refusal(answer.status(), reason));
        }
        // The body must be read before the next request. Older servers send none.
        let read = Limited::new(answer.into_body(), MAX_REFUSAL).collect().await;
        let body = read.map_err(|error| self.server.unreachable(error))?.to_bytes();
        Ok(serde_json::from_slice::<Taken>(&body).unwrap_or_default().into())
    }

    async fn ask(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let answer = self.send(request, body).await?;
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        let (head, body) = explained(answer).await;
        Err(self.refused(&head, &body))
    }

    async fn send(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = request
            .header("host", self.server.authority.clone())
            .header("user-agent", concat!("falconer/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| self.server.unreachable(error))?;
        if let Some(authorization) = &self.server.authorization {
            request.headers_mut().insert("authorization", authorization.clone());
        }
        let asking = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        match timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.broken(&error).await),
            Err(_) => Err(self.server.unreachable(trouble::silent())),
        }
    }

    /// Turns a failed request into an error. The error of the connection says more than that of the
    /// request.
    async fn broken(&mut self, error: &hyper::Error) -> ClientError {
        let ended = timeout(LAST_WORDS, &mut self.driver).await;
        let ended = ended.ok().and_then(Result::ok).and_then(Result::err);
        let Server { host, target, .. } = &self.server;
        self.server.unreachable(trouble::asking(error, ended.as_ref(), host, target))
    }

    fn refused(&self, head: &Parts, body: &[u8]) -> ClientError {
        /// The part of a problem document for people.
        #[derive(serde::Deserialize)]
        struct Problem {
            detail: String,
        }
        let problem = serde_json::from_slice::<Problem>(body).ok().map(|problem| problem.detail);
        let Server { target, .. } = &self.server;
        let reason = trouble::refused(head.status, &head.headers, problem.as_deref(), target);
        self.refusal(head.status, reason)
    }

    fn refusal(&self, status: StatusCode, reason: String) -> ClientError {
        ClientError::Refused { url: self.server.url.clone(), status: status.as_u16(), reason }
    }
}

/// The server's counts of a posted body.
#[derive(Default, serde::Deserialize)]
struct Taken {
    #[serde(default)]
    accepted: u64,
    #[serde(default)]
    refused: u64,
    first_refused: Option<RefusedRecord>,
}

#[derive(serde::Deserialize)]
struct RefusedRecord {
    record: u64,
    reason: String,
}

impl From<Taken> for Outcome {
    fn from(Taken { accepted, refused, first_refused }: Taken) -> Self {
        let first_rejected =
            first_refused.map(|RefusedRecord { record, reason }| Rejected { record, reason });
        Self { accepted, rejected: refused, first_rejected }
    }
}

/// Reads the body of an error, as far as it is short.
async fn explained(answer: Response<Incoming>) -> (Parts, Bytes) {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_REFUSAL).collect().await;
    (head, body.map(http_body_util::Collected::to_bytes).unwrap_or_default())
}

fn tls(target: &Target) -> Result<ClientConfig, TargetError> {
    let ca = target.ca.as_deref().ok_or(TargetError::NoAuthority)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| wrong(ca, error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| wrong(ca, error))?
        .with_root_certificates(roots);
    Ok(match &target.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| wrong(key, error))?
        }
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TargetError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read.map_err(|error| wrong(path, error))? {
        none if none.is_empty() => Err(wrong(path, "the file has no certificate")),
        certificates => Ok(certificates),
    }
}

fn authorization(path: &Path) -> Result<HeaderValue, TargetError> {
    let token = std::fs::read_to_string(path).map_err(|error| wrong(path, error))?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
        .map_err(|_| wrong(path, "the file has no valid token"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn wrong(path: &Path, reason: impl std::fmt::Display) -> TargetError {
    TargetError::File { path: path.into(), reason: reason.to_string() }
}
