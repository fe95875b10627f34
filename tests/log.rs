//! The log if standard error accepts no bytes: a full disk, a closed pipe, a pipe that nobody
//! reads. The server still starts, answers at once, reloads and shuts down. It counts the lost
//! lines and reports them when it can write again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, File};
use std::io::{PipeReader, Read as _, pipe};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::http::ask;
use support::raw::{Client, framed, head};
use support::server::{binary, free_port};
use support::{PATIENCE, examples};
use tempfile::TempDir;

/// A server whose standard error accepts no bytes.
struct Mute {
    process: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl Mute {
    async fn start(stderr: Stdio) -> Self {
        let mut command = Command::new(binary());
        command.stderr(stderr);
        Self::start_as(command).await
    }

    /// Runs `command` with the server's arguments, at the most verbose log level.
    async fn start_as(mut command: Command) -> Self {
        let dir = tempfile::Builder::new().prefix("falconer-").tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let settings = format!(
            "grpc: {{enabled: true, bind_address: 'unix://{}/falco.sock'}}\n\
             falconer: {{gateway: {{listen: '{address}'}}, outputs: {{retain: 1MiB}}}}\n",
            dir.path().display()
        );
        fs::write(dir.path().join("falconer.yaml"), settings).unwrap();
        let process = command
            .arg("serve")
            .arg("-c")
            .arg(dir.path().join("falconer.yaml"))
            .env("FALCONER_LOG", "info,falconer=trace,h2=trace")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { process, address, dir };
        let deadline = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert_eq!(server.process.try_wait().unwrap(), None, "it ended");
            assert!(Instant::now() < deadline, "it does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server
    }

    async fn post(&self, body: &[u8], status: StatusCode) {
        let request = Request::post("/").header("host", "localhost");
        assert_eq!(ask(self.address, request, body).await.status, status);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
    }

    async fn metric(&self, name: &str) -> Option<u64> {
        let answer = ask(self.address, Request::get("/metrics").header("host", "localhost"), b"");
        let text = answer.await.text().await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|number| number.parse().unwrap())
    }

    /// Does everything that makes the server log a line.
    async fn works(&self) {
        // A bad line and good ones.
        self.post(b"no alert\n", StatusCode::BAD_REQUEST).await;
        self.post((examples::lines().join("\n") + "\n").as_bytes(), StatusCode::OK).await;
        // More than the server retains, so that the next reader has lost some.
        let many = examples::line("one of many").repeat(5000);
        self.post(many.as_bytes(), StatusCode::OK).await;
        let client = Client::connect(&self.dir.path().join("falco.sock")).await;
        let outcome = client.call(head("/falco.outputs.service/get"), [framed(b"")]).await;
        assert_eq!(outcome.code(), Some(0), "{}", outcome.message());
        let lost = self.metric(r#"falconer_alerts_lost_total{cause="evicted"}"#).await;
        assert!(lost.is_some_and(|lost| lost > 0), "the reader lost no alert");
        self.signal(Signal::SIGHUP);
        let begun = Instant::now();
        self.post(examples::line("one more").as_bytes(), StatusCode::OK).await;
        assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    }

    async fn works_until_lines_are_lost(&self) {
        let deadline = Instant::now() + 2 * PATIENCE;
        while self.metric("falconer_log_lines_lost_total").await == Some(0) {
            assert!(Instant::now() < deadline, "no line is lost");
            self.works().await;
        }
        self.works().await;
    }

    async fn end(mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_full_disk_stops_nothing() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let server = Mute::start(full.into()).await;
    server.works().await;
    assert_eq!(server.end().await, Some(0));
}

/// A disk that is full, and later has space again.
#[tokio::test]
async fn lines_lost_to_a_full_disk_are_reported_later() {
    if !nix::unistd::geteuid().is_root() {
        support::client::skipped("only root can make a small disk");
        return;
    }
    let disk = tempfile::Builder::new().prefix("falconer-").tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=64k none "$0" || exit
        head -c 1M /dev/zero >"$0/filler"; exec "$@" 2>"$0/stderr""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(disk.path()).arg(binary());
    command.stderr(Stdio::null());
    let server = Mute::start_as(command).await;
    server.works_until_lines_are_lost().await;
    // Only the server's mount namespace has the disk.
    let inside = disk.path().strip_prefix("/").unwrap();
    let seen = Path::new("/proc").join(server.process.id().to_string()).join("root").join(inside);
    assert_eq!(fs::read_to_string(seen.join("stderr")).unwrap(), "", "the disk was not full");
    fs::remove_file(seen.join("filler")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(seen.join("stderr")).unwrap().contains("\nfalconer ") {
        assert!(Instant::now() < deadline, "the server does not write its pending lines");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.works().await;
    assert_eq!(server.end().await, Some(0));
}

#[tokio::test]
async fn a_closed_pipe_stops_nothing() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let server = Mute::start(writer.into()).await;
    server.works().await;
    assert_eq!(server.end().await, Some(0));
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_stops_nothing_and_lost_lines_are_reported() {
    let (reader, writer) = pipe().unwrap();
    let server = Mute::start(writer.into()).await;
    server.works_until_lines_are_lost().await;
    // A reader starts.
    let reading = tokio::task::spawn_blocking(|| until(reader, "log lines were lost"));
    let (text, reader) = reading.await.unwrap();
    let told = text.lines().find_map(|line| line.split_once(" lost=")).unwrap().1;
    assert_ne!(told.parse::<u64>().unwrap(), 0);
    let rest = tokio::task::spawn_blocking(|| until(reader, "stopping"));
    assert_eq!(server.end().await, Some(0));
    rest.await.unwrap();
}

/// Reads until a line has `wanted`, and returns all text that it has read.
fn until(mut reader: PipeReader, wanted: &str) -> (String, PipeReader) {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains(wanted) || !text.ends_with('\n') {
        let length = reader.read(&mut piece).unwrap();
        assert_ne!(length, 0, "it ended without {wanted:?}");
        text.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    (text, reader)
}

/// The messages of commands, and of a start that fails.
#[test]
fn messages_that_cannot_be_written_change_no_exit_code() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (arguments, code) in [
        (&["serve", "-o", "falconer.nonsense=1"][..], 78),
        (&["events", "--filter", "((", "/nowhere"], 2),
        (&["certs", "init", "/dev/null/x"], 1),
        (&["completions", "bash"], 1),
        (&["man"], 1),
        (&["nonsense"], 2),
    ] {
        let command = Command::new(binary())
            .args(arguments)
            .env("FALCONER_LOG", "info,falconer=nonsense")
            .stdin(Stdio::null())
            .stdout(full())
            .stderr(full())
            .status();
        assert_eq!(command.unwrap().code(), Some(code), "{arguments:?}");
    }
}
