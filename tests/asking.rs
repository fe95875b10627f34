//! Error messages of the client commands: each common error with addresses, TLS and tokens, against
//! the real server, must say what to do about it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use support::certs;
use support::examples;
use support::http::Gateway;
use support::server::{Server, binary, free_port};
use support::{PATIENCE, Transport};

const TOKEN: &str = "a-token-that-is-long-enough";

/// Runs `falconer events`, which must fail with one line, and returns that line.
fn refused(url: &str, words: &[&str]) -> String {
    let mut command = Command::new(binary());
    let command = command.arg("events").arg(format!("--server={url}")).args(words);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(
        (status.code(), stdout.as_slice()),
        (Some(1), &b""[..]),
        "{url} {words:?}: {stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with(&format!("falconer: {url}: ")), "{stderr}");
    stderr
}

/// Asserts that `told` contains all `parts`, and none of the errors that explain nothing.
#[track_caller]
fn says(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    for mute in ["connection error", "channel closed", "operation was canceled", "os error"] {
        assert!(!told.contains(mute), "{told}");
    }
}

/// Starts a gateway with TLS on the certificates in `dir` and the settings `more`.
fn secure(dir: &Path, more: &[&str]) -> Gateway {
    let at = |name: &str| dir.join(name).display().to_string();
    let settings = [
        format!("falconer.gateway.tls.private_key={}", at("server.key")),
        format!("falconer.gateway.tls.cert_chain={}", at("server.crt")),
    ];
    Gateway::start(
        &settings.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>(),
    )
}

#[test]
fn tls_errors_name_their_cause() {
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certs::write(ours.path());
    certs::write(other.path());
    let stranger = certs::Authority::named("Somebody else");
    fs::write(other.path().join("stranger.crt"), &stranger.pem).unwrap();
    let option =
        |name: &str, dir: &Path, file: &str| format!("--{name}={}", dir.join(file).display());
    let ca = option("ca", ours.path(), "ca.crt");
    let roots = format!("falconer.gateway.tls.root_certs={}", ours.path().join("ca.crt").display());

    // The server's certificate: its authority and its names.
    let gateway = secure(ours.path(), &[]);
    let url = format!("https://{}", gateway.address);
    says(
        &refused(&url, &[&option("ca", other.path(), "stranger.crt")]),
        &["signed", "--ca", "stranger"],
    );
    says(&refused(&url, &[&option("ca", other.path(), "ca.crt")]), &["signed", "--ca"]);
    let elsewhere = format!("falconer.gateway.listen=127.0.0.2:{}", free_port());
    let named = secure(ours.path(), &[&elsewhere]);
    let address = elsewhere.split_once('=').unwrap().1;
    let told = refused(&format!("https://{address}"), &[&ca]);
    says(&told, &["is for ", "localhost", "not for 127.0.0.2", "certs init --host"]);
    drop(named);

    // TLS against a plain gateway, plain text against TLS, and the port of gRPC.
    says(&refused(&format!("http://{}", gateway.address), &[]), &["https://", "--ca"]);
    let plain = Gateway::start(&[]);
    says(&refused(&format!("https://{}", plain.address), &[&ca]), &["not TLS", "http://"]);
    let grpc = Server::start(Transport::Tls);
    let dir = grpc.certs().unwrap();
    let port = format!("https://{}", grpc.address());
    let words = [("ca", "ca.crt"), ("cert", "client.crt"), ("key", "client.key")]
        .map(|(name, file)| option(name, dir, file));
    says(&refused(&port, &words.each_ref().map(String::as_str)), &["gRPC"]);
    says(&refused(&format!("http://{}", grpc.address()), &[]), &["https://"]);

    // Client certificates: none, and one of another authority.
    let asking = secure(ours.path(), &[&roots]);
    let url = format!("https://{}", asking.address);
    says(&refused(&url, &[&ca]), &["client certificate", "--cert FILE", "--key FILE"]);
    let cert = option("cert", other.path(), "client.crt");
    let key = option("key", other.path(), "client.key");
    says(&refused(&url, &[&ca, &cert, &key]), &["--cert", "client.crt"]);
}

#[test]
fn rejected_requests_name_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name).display().to_string();
        fs::write(&path, text).unwrap();
        path
    };
    let token = file("token", TOKEN);
    let gateway = Gateway::start(&[&format!("falconer.gateway.token_file={token}")]);
    let url = format!("http://{}", gateway.address);
    says(&refused(&url, &[]), &["--token-file FILE", "falconer.gateway.token_file"]);
    let wrong = file("wrong", "another-token-that-is-long");
    says(&refused(&url, &[&format!("--token-file={wrong}")]), &["another token", &wrong]);
    // A name that resolves to the gateway but is not in its list of hosts.
    let name = format!("http://127.1:{}", gateway.address.port());
    says(&refused(&name, &[]), &["falconer.gateway.allowed_hosts", "localhost"]);
}

/// Starts a server that answers every connection with `answer`, or never if `answer` is empty.
fn other_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            if !answer.is_empty() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
            open.push(stream);
        }
    });
    url
}

#[test]
fn a_missing_server_and_other_servers_are_distinguished() {
    says(
        &refused(&format!("http://127.0.0.1:{}", free_port()), &[]),
        &["connection refused", "serve"],
    );
    says(&refused(&other_server(""), &[]), &["no answer within 10 s"]);
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello";
    let not_found = "HTTP/1.1 404 Not Found\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\n\r\n";
    let moved = "HTTP/1.1 301 Moved\r\nLocation: https://example.org/\r\nContent-Length: 0\r\n\r\n";
    for (answer, part) in [(page, "text/html"), (not_found, "nginx/1.22.1"), (moved, "example.org")]
    {
        says(&refused(&other_server(answer), &[]), &["no falconer gateway", part, "--server"]);
        says(&refused(&other_server(answer), &["-f"]), &["no falconer gateway", part]);
    }
    says(&refused(&other_server("SSH-2.0-OpenSSH_9.2p1\r\n"), &[]), &["not HTTP"]);
    // Alerts posted to another server are lost, and `ingest` says so.
    let mut ingest = piped(&other_server(page));
    ingest.feed(&examples::line("lost"));
    assert!(ingest.line().contains("no falconer gateway"));
}

/// A running `falconer ingest` and its lines on standard error.
struct Ingest(std::process::Child, Receiver<String>);

fn piped(url: &str) -> Ingest {
    let mut command = Command::new(binary());
    command.args(["ingest", "--server", url]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, lines) = sync_channel(64);
    thread::spawn(move || {
        stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).ok();
    });
    Ingest(child, lines)
}

impl Ingest {
    fn feed(&mut self, text: &str) {
        self.0.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn line(&self) -> String {
        self.1.recv_timeout(PATIENCE).expect("a line on standard error")
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn failed_posts_are_reported_at_once_and_rate_limited() {
    let port = free_port();
    let mut ingest = piped(&format!("http://127.0.0.1:{port}"));
    ingest.feed(&examples::line("early"));
    let told = ingest.line();
    assert!(told.contains("cannot post the alerts; trying again"), "{told}");
    assert!(told.contains("connection refused"), "{told}");
    // It retries many times, but reports the failure only once in this time.
    assert!(ingest.1.recv_timeout(Duration::from_secs(3)).is_err());
    let listen = format!("falconer.gateway.listen=127.0.0.1:{port}");
    let gateway = Gateway::start(&[&listen]);
    let told = ingest.line();
    assert!(told.contains("the server accepts alerts again"), "{told}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut command = Command::new(binary());
        command.arg("events").arg(format!("--server=http://127.0.0.1:{port}"));
        if String::from_utf8(command.output().unwrap().stdout).unwrap().contains("early") {
            break;
        }
        assert!(Instant::now() < deadline, "the alert does not arrive");
        thread::sleep(Duration::from_millis(20));
    }
    drop(gateway);
}

/// GNU `timeout` signals its child, and directly after that the child's whole process group. The
/// server must not take the second signal for a demand to exit at once.
#[test]
fn a_signal_of_timeout_and_its_repetition_count_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = |number: usize| {
        let socket = dir.path().join(format!("{number}.sock"));
        let mut command = Command::new("timeout");
        command.args(["--preserve-status", "--signal=TERM", "3"]).arg(binary());
        command.args(["serve", "-o", "falconer.gateway.enabled=false", "-o"]);
        command.arg(format!("grpc.bind_address=unix://{}", socket.display()));
        command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in (0..6).map(run).collect::<Vec<_>>() {
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert!(!stderr.contains("a second signal"), "{stderr}");
    }
}
