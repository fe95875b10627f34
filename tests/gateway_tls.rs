//! The gateway with TLS: which clients it accepts, over which HTTP version, and what a reload
//! changes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use support::certs::{self, Authority, leaf};
use support::http::Gateway;
use support::wait::eventually_async;
use support::{PATIENCE, tls};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const TOKEN: &str = "a-token-that-is-long-enough";
const STATUS: &str = "/api/v1/status";
const STREAM: &str = "/api/v1/events/stream?last=0";
const ALERT: &str = r#"{"output":"o","priority":"Error","rule":"r","source":"syscall","time":"2026-01-30T10:00:00.000000000Z"}"#;

/// A gateway with its certificates in a folder. `roots` sets `root_certs`, `token` a token file.
struct Site {
    dir: TempDir,
    gateway: Gateway,
}

impl Site {
    fn start(roots: bool, token: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certs::write(dir.path());
        fs::write(dir.path().join("token"), TOKEN).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let mut settings = vec![
            format!("falconer.gateway.tls.private_key={}", path("server.key")),
            format!("falconer.gateway.tls.cert_chain={}", path("server.crt")),
        ];
        if roots {
            settings.push(format!("falconer.gateway.tls.root_certs={}", path("ca.crt")));
        }
        if token {
            settings.push(format!("falconer.gateway.token_file={}", path("token")));
        }
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        let gateway = Gateway::start(&settings);
        Self { dir, gateway }
    }

    fn client(&self, shown: Option<&Path>, alpn: &[&str]) -> ClientConfig {
        tls::client(self.dir.path(), shown, &[&TLS12, &TLS13], alpn)
    }

    async fn connect(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.gateway.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Sends one request and returns its answer, or an error if there is none.
    async fn ask(&self, config: ClientConfig, asked: &Asked<'_>) -> Outcome {
        let stream = self.connect(config).await?;
        let two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let target = if two { "https://localhost" } else { "" };
        let mut request = Request::builder().method(asked.method);
        request = request.uri(format!("{target}{}", asked.path));
        if !two {
            request = request.header("host", "localhost");
        }
        if let Some(token) = asked.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(asked.body.as_bytes())))?;
        let io = TokioIo::new(stream);
        let response = if two {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            timeout(PATIENCE, sender.send_request(request)).await??
        } else {
            let (mut sender, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            timeout(PATIENCE, sender.send_request(request)).await??
        };
        Ok(response)
    }

    /// The HTTP status of `/api/v1/status`; `None` without an answer.
    async fn status(&self, config: ClientConfig, token: Option<&str>) -> Option<StatusCode> {
        let asked = Asked { token, ..Asked::get(STATUS) };
        self.ask(config, &asked).await.ok().map(|response| response.status())
    }
}

type Outcome = Result<Response<Incoming>, Box<dyn std::error::Error>>;

/// A request.
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    token: Option<&'a str>,
    body: &'a str,
}

impl<'a> Asked<'a> {
    fn get(path: &'a str) -> Self {
        Self { method: "GET", path, token: None, body: "" }
    }
}

/// The certificate of a client of another authority.
fn stranger() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    certs::write(dir.path());
    dir
}

#[tokio::test]
async fn without_roots_clients_need_no_certificate() {
    let site = Site::start(false, false);
    for versions in [[&TLS12], [&TLS13]] as [[&'static SupportedProtocolVersion; 1]; 2] {
        for alpn in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
            let config = tls::client(site.dir.path(), None, &versions, alpn);
            assert_eq!(site.status(config, None).await, Some(StatusCode::OK), "{alpn:?}");
        }
    }
    // A client without TLS gets no answer.
    let stream = TcpStream::connect(site.gateway.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(STATUS).header("host", "localhost").body(String::new()).unwrap();
    assert!(timeout(PATIENCE, sender.send_request(request)).await.unwrap().is_err());
    site.gateway.server.wait_for_log("does not speak TLS");
    site.gateway.server.wait_for_log(&format!("https://{}/", site.gateway.address));
}

#[tokio::test]
async fn with_roots_alone_clients_need_a_certificate() {
    let (site, stranger) = (Site::start(true, false), stranger());
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let own = site.client(Some(site.dir.path()), alpn);
        assert_eq!(site.status(own, None).await, Some(StatusCode::OK));
        assert_eq!(site.status(site.client(None, alpn), None).await, None);
        assert_eq!(site.status(site.client(Some(stranger.path()), alpn), None).await, None);
    }
    site.gateway.server.wait_for_log("the client presented no certificate");
    site.gateway.server.wait_for_log("is not signed by the key of the authority");
}

#[tokio::test]
async fn with_roots_and_a_token_clients_need_one_of_them() {
    let (site, stranger) = (Site::start(true, true), stranger());
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let own = || site.client(Some(site.dir.path()), alpn);
        let none = || site.client(None, alpn);
        assert_eq!(site.status(own(), None).await, Some(StatusCode::OK));
        assert_eq!(site.status(none(), Some(TOKEN)).await, Some(StatusCode::OK));
        assert_eq!(site.status(none(), None).await, Some(StatusCode::UNAUTHORIZED));
        let wrong = Some("another-token-that-is-long");
        assert_eq!(site.status(none(), wrong).await, Some(StatusCode::UNAUTHORIZED));
        let foreign = site.client(Some(stranger.path()), alpn);
        assert_eq!(site.status(foreign, Some(TOKEN)).await, None);
        // Probes need neither a certificate nor a token.
        let probe = site.ask(none(), &Asked::get("/livez")).await.unwrap();
        assert_eq!(probe.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_under_an_open_stream() {
    let site = Site::start(false, false);
    let both = &["h2", "http/1.1"][..];
    let stream = site.ask(site.client(None, both), &Asked::get(STREAM)).await.unwrap();
    let mut stream = stream.into_body();

    let before = site.client(None, both);
    let authority = Authority::named("another authority");
    let server = leaf("server", &["localhost".to_owned()], Some(certs::SERVER));
    authority.write_leaf(site.dir.path(), "server", &server);
    fs::write(site.dir.path().join("ca.crt"), &authority.pem).unwrap();
    eventually_async("the gateway uses the new certificate", async || {
        site.status(site.client(None, both), None).await
    })
    .await;
    assert_eq!(site.status(before, None).await, None, "the old authority did not sign the new one");

    // A broken certificate changes nothing.
    fs::write(site.dir.path().join("server.crt"), "no certificate").unwrap();
    site.gateway.server.wait_for_log("falconer.gateway.tls.cert_chain");
    let asked = Asked { method: "POST", path: "/api/v1/events", token: None, body: ALERT };
    let posted = site.ask(site.client(None, both), &asked).await.unwrap();
    assert_eq!(posted.status(), StatusCode::OK);

    // The stream from before the reloads gets the alert.
    let mut seen = String::new();
    while !seen.contains("2026-01-30T10:00:00") {
        let frame = timeout(PATIENCE, stream.frame()).await.unwrap().unwrap().unwrap();
        seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    let status = site.ask(site.client(None, both), &Asked::get(STATUS)).await.unwrap();
    let status = status.into_body().collect().await.unwrap().to_bytes();
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    assert!(status["certificates"][0]["file"].as_str().unwrap().ends_with("server.crt"));
}
