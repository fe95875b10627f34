//! Reloads under bad conditions. A file that keeps changing, invalid settings or a lack of file
//! descriptors must not delay a new certificate for long. Truncated settings must not remove a
//! guard. Each test runs the program as a user starts it.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::PATIENCE;
use support::certs::{self, Authority, leaf};
use support::http::ask;
use support::server::{binary, free_port};
use tempfile::TempDir;

const IN_FORCE: &str = "the new settings are in force";

/// A server with a settings file, gRPC over TLS, and a gateway.
struct Configured {
    process: Child,
    dir: TempDir,
    gateway: SocketAddr,
    authority: Authority,
    settings: String,
}

impl Configured {
    /// Starts the server with `settings`, in which `DIR`, `GRPC` and `GATEWAY` stand for its folder
    /// and addresses.
    fn start(settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("falconer-").tempdir().unwrap();
        let authority = certs::write(dir.path());
        fs::write(dir.path().join("token"), TOKEN).unwrap();
        fs::write(dir.path().join("noise.yaml"), "rules_files: []\n").unwrap();
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let gateway = address();
        let settings = settings
            .replace("DIR", dir.path().to_str().unwrap())
            .replace("GRPC", &address().to_string())
            .replace("GATEWAY", &gateway.to_string());
        let file = dir.path().join("falconer.yaml");
        fs::write(&file, &settings).unwrap();
        let mut command = Command::new(binary());
        command.arg("serve").arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(dir.path().join("stderr")).unwrap());
        let process = command.spawn().unwrap();
        let server = Self { process, dir, gateway, authority, settings };
        log_says(&server, "dashboard");
        server
    }

    fn write(&self, name: &str, text: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.dir.path().join(name)).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).unwrap())
    }

    fn hang_up(&self) {
        kill(self.pid(), Signal::SIGHUP).unwrap();
    }

    /// Writes `settings`, sends SIGHUP, and waits until the settings are in force.
    fn reload(&self, settings: &str) {
        let before = self.log().matches(IN_FORCE).count();
        self.write("falconer.yaml", settings);
        self.hang_up();
        until(self, IN_FORCE, || self.log().matches(IN_FORCE).count() > before);
    }

    /// Replaces the certificate and key by new ones that expire in `year`.
    fn renew(&self, year: i32) {
        let mut params = leaf("server", &["localhost".to_owned()], Some(certs::SERVER));
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        self.authority.write_leaf(self.dir.path(), "server", &params);
    }

    /// Waits until the status has the certificate that expires in `year`.
    async fn renewed(&self, year: i32, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            let answer = ask(self.gateway, Request::get("/api/v1/status"), b"").await;
            let told: Value = answer.json().await;
            let until = told["certificates"][0]["not_after"].as_str().unwrap_or_default();
            if until.starts_with(&year.to_string()) {
                return;
            }
            assert!(Instant::now() < deadline, "still {until}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn status_of(&self, path: &str, token: Option<&str>) -> StatusCode {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        ask(self.gateway, request, b"").await.status
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until(server: &Configured, what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: {}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the log has `text`.
fn log_says(server: &Configured, text: &str) {
    until(server, text, || server.log().contains(text));
}

const TOKEN: &str = "a-token-that-is-long-enough";

const SETTINGS: &str = "
config_files: [DIR/noise.yaml]
grpc:
  enabled: true
  bind_address: 'GRPC'
  private_key: DIR/server.key
  cert_chain: DIR/server.crt
  root_certs: DIR/ca.crt
falconer:
  inputs: {files: [DIR/alerts.json]}
  gateway: {enabled: true, listen: 'GATEWAY'}
";

#[tokio::test]
async fn a_file_that_keeps_changing_does_not_block_a_new_certificate() {
    let server = Configured::start(SETTINGS);
    let (noise, over) = (server.dir.path().join("noise.yaml"), Arc::new(AtomicBool::new(false)));
    let ended = over.clone();
    let writing = std::thread::spawn(move || {
        let mut text = String::from("rules_files: []\n");
        while !ended.load(Ordering::Relaxed) {
            text.push_str("#\n");
            fs::write(&noise, &text).unwrap();
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    server.renew(2093);
    // Ten seconds, and two polls before and after.
    server.renewed(2093, Duration::from_secs(25)).await;
    assert!(server.log().contains("this file keeps changing"), "{}", server.log());
    over.store(true, Ordering::Relaxed);
    writing.join().unwrap();
}

#[tokio::test]
async fn invalid_settings_do_not_block_a_new_certificate() {
    let server = Configured::start(SETTINGS);
    server.write("falconer.yaml", &server.settings.replace("gateway:", "gatewy:"));
    log_says(&server, "the old ones stay in force");
    server.renew(2094);
    server.renewed(2094, PATIENCE).await;
}

#[tokio::test]
async fn a_reload_without_descriptors_is_retried() {
    let server = Configured::start(SETTINGS);
    let limit = |soft: &str| {
        let pid = format!("--pid={}", server.process.id());
        let mut command = Command::new("prlimit");
        let done = command.args([pid, format!("--nofile={soft}:")]).status().unwrap();
        assert!(done.success());
    };
    limit("3");
    server.renew(2095);
    server.hang_up();
    log_says(&server, "Too many open files");
    log_says(&server, "too many open files or too little memory");
    assert!(!server.log().contains(IN_FORCE), "{}", server.log());
    limit("1000");
    // The server retries without another signal.
    server.renewed(2095, PATIENCE).await;
    log_says(&server, IN_FORCE);
}

#[tokio::test]
async fn truncated_settings_remove_no_guard() {
    let guarded = SETTINGS.replace(
        "gateway: {enabled: true, listen: 'GATEWAY'}",
        "gateway:\n    enabled: true\n    listen: 'GATEWAY'\n    token_file: DIR/token",
    );
    let server = Configured::start(&guarded);
    let status = "/api/v1/status";
    assert_eq!(server.status_of(status, None).await, StatusCode::UNAUTHORIZED);
    let cut = server.settings.find("    token_file").unwrap();
    server.reload(&server.settings[..cut]);
    log_says(&server, "falconer.gateway.token_file is no longer set, but restricts access");
    assert!(server.log().contains("falconer.yaml: falconer.gateway.token_file"));
    assert_eq!(server.status_of(status, None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.status_of(status, Some(TOKEN)).await, StatusCode::OK);
    // Without an input and gRPC's trusted roots.
    let lost = ["root_certs", "inputs", "token_file"];
    let left = server.settings.lines().filter(|line| !lost.iter().any(|key| line.contains(key)));
    server.reload(&left.collect::<Vec<_>>().join("\n"));
    log_says(&server, "grpc.root_certs is no longer set");
    log_says(&server, "the new settings no longer have this input input=file ");
    assert_eq!(server.status_of(status, None).await, StatusCode::UNAUTHORIZED);
    let token = server.log().matches("falconer.gateway.token_file is no longer set").count();
    assert_eq!(token, 2, "{}", server.log());
    // Another token takes effect like any other change.
    server.write("other", "another-token-that-is-long");
    server.reload(&server.settings.replace("/token", "/other"));
    assert_eq!(server.status_of(status, Some(TOKEN)).await, StatusCode::UNAUTHORIZED);
    let other = Some("another-token-that-is-long");
    assert_eq!(server.status_of(status, other).await, StatusCode::OK);
}
