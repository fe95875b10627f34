//! A quiet `sub` through a real nginx that waits only so long for something from the server: both a
//! client that is silent and one that polls, as Falco's own clients do, are kept. The server's PING
//! counts, and it is sent however much the client says.

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

/// How long nginx waits for the server, in seconds; 60 where nobody says otherwise.
const PATIENT: u64 = 2;

/// How long the server may be silent; 30 s where nobody says otherwise.
const QUIET: Duration = Duration::from_millis(500);

/// How long all is quiet.
const LONG: Duration = Duration::from_secs(3 * PATIENT + 1);

const SUB: &str = "/test.Quiet/Sub";

/// One call that replies when it is told to, and reads what it is sent.
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

/// Servers of the same on a unix socket and behind mutual TLS, and nginx in front of both.
struct Site {
    dir: tempfile::TempDir,
    speak: CancellationToken,
    stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
    nginx: Child,
}

impl Site {
    async fn start() -> Self {
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
        let mut nginx = nginx(dir.path(), &address);
        let deadline = Instant::now() + PATIENCE;
        for front in [at("unix.sock"), at("tls.sock")] {
            while tokio::net::UnixStream::connect(&front).await.is_err() {
                let log = fs::read_to_string(at("error.log")).unwrap_or_default();
                assert_eq!(nginx.try_wait().unwrap(), None, "nginx has ended: {log}");
                assert!(Instant::now() < deadline, "nginx does not listen: {log}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Self { dir, speak, stop, servers: servers.into(), nginx }
    }

    fn front(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

/// nginx alone in one process, as whoever runs the test.
fn nginx(dir: &Path, address: &str) -> Child {
    let settings = format!(
        "daemon off;
        master_process off;
        pid {dir}/nginx.pid;
        error_log {dir}/error.log;
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
    Command::new(home().join("bin/nginx"))
        .arg("-p")
        .arg(dir)
        .arg("-c")
        .arg(file)
        .arg("-e")
        .arg(dir.join("error.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// An open call.
struct Reading {
    name: String,
    _client: Client,
    requests: SendStream<Bytes>,
    replies: Replies,
}

#[tokio::test]
async fn nginx_keeps_quiet_calls_whether_their_clients_poll_or_not() {
    if !is_installed("nginx") {
        return;
    }
    let site = Site::start().await;
    let mut reading = Vec::new();
    for front in ["unix.sock", "tls.sock"] {
        for polls in [true, false] {
            let client = Client::connect(&site.front(front)).await;
            let (requests, replies) = client.begin(head(SUB)).await.replies().await;
            let name = format!("{front}, polls: {polls}");
            reading.push((polls, Reading { name, _client: client, requests, replies }));
        }
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
    let mut site = site;
    for server in site.servers.drain(..) {
        tokio::time::timeout(GRACE + Duration::from_secs(1), server).await.unwrap().unwrap();
    }
}
