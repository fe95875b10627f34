//! A quiet `sub` through a real nginx and a real HAProxy with short timeouts for the server. The
//! call of a silent client must stay open, and so must that of a client that polls, as Falco's own
//! clients do.
//!
//! nginx counts the server's PING, which the server also sends to a client that polls. HAProxy
//! counts only the data of a stream, so that its timeouts must be long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use falconer::grpc::method::bidirectional;
use falconer::grpc::{self, Request, Requests, Router};
use falconer::net::connection::{GRACE, Handler};
use falconer::net::serve::Listener;
use falconer::net::{Inherited, Listen, TlsFiles, UnixSocket};
use h2::SendStream;
use support::client::{home, is_installed};
use support::raw::{Client, Replies, framed, head};
use support::server::free_port;
use support::{PATIENCE, certs};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// The proxies' timeout for the server, in seconds. nginx's default is 60.
const PATIENT: u64 = 2;

/// The server's keepalive interval. The default is 30 s.
const QUIET: Duration = Duration::from_millis(500);

/// The time without an alert.
const LONG: Duration = Duration::from_secs(3 * PATIENT + 1);

/// The name of the proxy's error log.
const ERRORS: &str = "error.log";

const SUB: &str = "/test.Quiet/Sub";

/// One method that replies when `speak` is cancelled, and reads its requests meanwhile.
fn quiet(speak: CancellationToken) -> Router {
    Router::default().method(
        SUB,
        bidirectional(move |mut request: Request<Requests<String>>| {
            let speak = speak.clone();
            async move {
                let reading =
                    async move { while let Ok(Some(_)) = request.message.next().await {} };
                let reading = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(reading));
                Ok(futures_util::stream::once(async move {
                    speak.cancelled().await;
                    drop(reading);
                    Ok(grpc::frame::encode(&"an alert".to_owned()))
                }))
            }
        }),
    )
}

/// A server on a unix socket, one with mutual TLS, and a proxy in front of both.
struct Site {
    dir: tempfile::TempDir,
    speak: CancellationToken,
    stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
    proxy: Child,
}

impl Site {
    /// Starts the servers and the proxy. `proxy` gets the folder and the address of the TLS server.
    async fn behind(proxy: fn(&Path, &str) -> Child, fronts: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("falconer-").tempdir().unwrap();
        certs::write(dir.path());
        let at = |name: &str| dir.path().join(name);
        let address = format!("127.0.0.1:{}", free_port());
        let path = at("falco.sock");
        let unix = UnixSocket { path, mode: 0o600, group: None, links: Vec::new() };
        let tls = TlsFiles::new(at("server.key"), at("server.crt"), at("ca.crt"));
        let (speak, stop) = (CancellationToken::new(), CancellationToken::new());
        let listens = [Listen::Unix(unix), Listen::Tcp { address: address.clone(), tls }];
        let servers = listens.map(|listen| {
            let listener = Listener::bind(&listen, &mut Inherited::none()).unwrap();
            let handler: Handler = BoxCloneSyncService::new(
                grpc::serve(quiet(speak.clone())).map_request(|request| request),
            );
            tokio::spawn(listener.quiet_for(QUIET).serve(handler, stop.clone()))
        });
        let mut proxy = proxy(dir.path(), &address);
        let deadline = Instant::now() + PATIENCE;
        for front in fronts {
            while tokio::net::UnixStream::connect(at(front)).await.is_err() {
                let log = fs::read_to_string(at(ERRORS)).unwrap_or_default();
                assert_eq!(proxy.try_wait().unwrap(), None, "the proxy has exited: {log}");
                assert!(Instant::now() < deadline, "the proxy does not listen: {log}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Self { dir, speak, stop, servers: servers.into(), proxy }
    }

    fn front(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// Starts nginx as one process of the current user.
fn nginx(dir: &Path, address: &str) -> Child {
    let settings = format!(
        "daemon off;
        master_process off;
        pid {dir}/nginx.pid;
        error_log {dir}/{ERRORS};
        events {{ }}
        http {{
            access_log off;
            client_body_temp_path {dir}/body;
            proxy_temp_path {dir}/proxy;
            fastcgi_temp_path {dir}/fastcgi;
            uwsgi_temp_path {dir}/uwsgi;
            scgi_temp_path {dir}/scgi;
            grpc_read_timeout {PATIENT}s;
            server {{
                listen unix:{dir}/unix.sock http2;
                location / {{ grpc_pass grpc://unix:{dir}/falco.sock; }}
            }}
            server {{
                listen unix:{dir}/tls.sock http2;
                location / {{
                    grpc_pass grpcs://{address};
                    grpc_ssl_certificate {dir}/client.crt;
                    grpc_ssl_certificate_key {dir}/client.key;
                }}
            }}
        }}",
        dir = dir.display(),
    );
    let file = dir.join("nginx.conf");
    fs::write(&file, settings).unwrap();
    let mut nginx = Command::new(home().join("bin/nginx"));
    nginx.arg("-p").arg(dir).arg("-c").arg(file).arg("-e").arg(dir.join(ERRORS));
    quietly(nginx, Stdio::null())
}

/// Starts HAProxy as the current user, with nginx's timeouts except for the two frontends of silent
/// calls.
fn haproxy(dir: &Path, address: &str) -> Child {
    let certificate = ["client.crt", "client.key"].map(|name| fs::read(dir.join(name)).unwrap());
    fs::write(dir.join("client.pem"), certificate.concat()).unwrap();
    let settings = format!(
        "defaults
            mode http
            timeout connect 5s
            timeout client {PATIENT}s
            timeout server {PATIENT}s
        frontend brief
            bind unix@{dir}/brief.sock proto h2
            default_backend brief
        backend brief
            server falconer unix@{dir}/falco.sock proto h2
        frontend unix
            bind unix@{dir}/unix.sock proto h2
            timeout client 1h
            default_backend unix
        backend unix
            timeout server 1h
            server falconer unix@{dir}/falco.sock proto h2
        frontend tls
            bind unix@{dir}/tls.sock proto h2
            timeout client 1h
            default_backend tls
        backend tls
            timeout server 1h
            server falconer {address} ssl alpn h2 proto h2 ca-file {dir}/ca.crt crt {dir}/client.pem\n",
        dir = dir.display(),
    );
    let file = dir.join("haproxy.cfg");
    fs::write(&file, settings).unwrap();
    let mut haproxy = Command::new(home().join("bin/haproxy"));
    haproxy.arg("-db").arg("-f").arg(file);
    quietly(haproxy, fs::File::create(dir.join(ERRORS)).unwrap().into())
}

fn quietly(mut command: Command, errors: Stdio) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap()
}

/// An open call.
struct Reading {
    name: String,
    _client: Client,
    requests: SendStream<Bytes>,
    replies: Replies,
}

#[tokio::test]
async fn nginx_keeps_quiet_calls_with_and_without_polling() {
    if !is_installed("nginx") {
        return;
    }
    let site = Site::behind(nginx, &["unix.sock", "tls.sock"]).await;
    let calls =
        [("unix.sock", true), ("unix.sock", false), ("tls.sock", true), ("tls.sock", false)];
    quiet_calls_are_kept(site, &calls).await;
}

#[tokio::test]
async fn haproxy_keeps_polling_calls_and_silent_ones_with_long_timeouts() {
    if !is_installed("haproxy") {
        return;
    }
    let site = Site::behind(haproxy, &["brief.sock", "unix.sock", "tls.sock"]).await;
    let calls = [
        ("brief.sock", true),
        ("unix.sock", true),
        ("unix.sock", false),
        ("tls.sock", true),
        ("tls.sock", false),
    ];
    quiet_calls_are_kept(site, &calls).await;
}

/// Checks that `calls` stay open. Each names its frontend and whether its client polls.
async fn quiet_calls_are_kept(mut site: Site, calls: &[(&str, bool)]) {
    let mut reading = Vec::new();
    for &(front, polls) in calls {
        let client = Client::connect(&site.front(front)).await;
        let (requests, replies) = client.begin(head(SUB)).await.replies().await;
        let name = format!("{front}, polls: {polls}");
        reading.push((polls, Reading { name, _client: client, requests, replies }));
    }
    let begun = Instant::now();
    while begun.elapsed() < LONG {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for (_, reading) in reading.iter_mut().filter(|(polls, _)| *polls) {
            let sent = reading.requests.send_data(framed(b""), false);
            let after = begun.elapsed();
            sent.unwrap_or_else(|error| panic!("{}: after {after:?}: {error}", reading.name));
        }
    }
    site.speak.cancel();
    for (_, mut reading) in reading {
        let alert = reading.replies.next().await;
        assert!(alert.is_some(), "{}", reading.name);
        assert_eq!(reading.replies.outcome().await.code(), Some(0), "{}", reading.name);
    }
    site.stop.cancel();
    for server in site.servers.drain(..) {
        tokio::time::timeout(GRACE + Duration::from_secs(1), server).await.unwrap().unwrap();
    }
}
