//! A server's gateway, asked over HTTP/1.1 or HTTPS.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::ClientError;

/// How long a connection, and the head of an answer, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most that is read of a refusal, in bytes.
const MAX_REFUSAL: usize = 16 << 10;

/// Where a server is, and how to be let in.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `http://HOST:PORT` or `https://…`.
    pub url: String,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// Certificates that the server's is verified against.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A server cannot be asked like that.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The URL is none of a gateway.
    #[error("--server {0:?}: expected http://HOST:PORT or https://HOST:PORT")]
    Url(String),
    /// HTTPS without certificates to verify by.
    #[error("--server is https; expected --ca FILE, the certificate of who signed the server's")]
    NoAuthority,
    /// A file cannot be used.
    #[error("{path:?}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A server that can be asked.
#[derive(Debug, Clone)]
pub struct Server {
    pub(super) url: String,
    host: String,
    port: u16,
    authority: HeaderValue,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<HeaderValue>,
}

impl Server {
    /// Reads what `target` names; connects to nobody yet.
    ///
    /// # Errors
    /// When something of it cannot be used.
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
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            url: target.url.trim_end_matches('/').to_owned(),
            host,
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().parse().map_err(|_| wrong())?,
            tls: if secure { Some(Arc::new(tls(target)?)) } else { None },
            authorization: target.token_file.as_deref().map(authorization).transpose()?,
        })
    }

    /// A connection, for requests one after the other.
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
        let sender = match timeout(PATIENCE, connecting).await {
            Ok(Ok(sender)) => sender,
            Ok(Err(error)) => return Err(self.unreachable(error)),
            Err(_) => return Err(self.unreachable("it does not answer")),
        };
        Ok(Connection { server: self.clone(), sender })
    }

    fn unreachable(&self, reason: impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable { url: self.url.clone(), reason: reason.to_string() }
    }
}

async fn handshake<T>(io: T) -> std::io::Result<SendRequest<Full<Bytes>>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(io)).await.map_err(std::io::Error::other)?;
    // It ends with the sender, or with the server; whoever reads an answer is told.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Connection {
    server: Server,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// The body of the answer to a GET with these parameters, those that are there.
    pub(super) async fn get(
        &mut self,
        path: &str,
        parameters: &[(&str, Option<String>)],
        accept: &'static str,
    ) -> Result<Incoming, ClientError> {
        let given = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let query = serde_urlencoded::to_string(given.collect::<Vec<_>>()).unwrap_or_default();
        let request = Request::get(format!("{path}?{query}")).header("accept", accept);
        self.ask(request, Bytes::new()).await
    }

    /// Posts a body of alerts.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<(), ClientError> {
        let request = Request::builder().method(Method::POST).uri("/api/v1/events");
        let answer = self.ask(request, body).await?;
        // The next request can only go out behind it.
        answer.collect().await.map(drop).map_err(|error| self.server.unreachable(error))
    }

    async fn ask(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Incoming, ClientError> {
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
        let answer = match timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.server.unreachable(error)),
            Err(_) => return Err(self.server.unreachable("it does not answer")),
        };
        if answer.status() == StatusCode::OK {
            return Ok(answer.into_body());
        }
        Err(self.refused(answer.status(), answer.into_body()).await)
    }

    async fn refused(&self, status: StatusCode, body: Incoming) -> ClientError {
        /// The part of a problem document that is for people.
        #[derive(serde::Deserialize)]
        struct Problem {
            detail: String,
        }
        let body = Limited::new(body, MAX_REFUSAL).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let reason = match serde_json::from_slice(&body) {
            Ok(Problem { detail }) => super::show::visible(&detail).into_owned(),
            Err(_) => status.to_string(),
        };
        ClientError::Refused { url: self.server.url.clone(), reason }
    }
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
        none if none.is_empty() => Err(wrong(path, "there is no certificate in it")),
        certificates => Ok(certificates),
    }
}

fn authorization(path: &Path) -> Result<HeaderValue, TargetError> {
    let token = std::fs::read_to_string(path).map_err(|error| wrong(path, error))?;
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim()))
        .map_err(|_| wrong(path, "it holds no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn wrong(path: &Path, reason: impl std::fmt::Display) -> TargetError {
    TargetError::File { path: path.into(), reason: reason.to_string() }
}
