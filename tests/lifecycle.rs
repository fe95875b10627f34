//! The life of a server: reloads, systemd, and shutdown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use falconer::net::connection::GRACE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::examples;
use support::raw::{Client, framed, head};
use support::server::{Server, binary};
use support::wait::{Log, eventually};
use support::{PATIENCE, Transport};
use tempfile::TempDir;

const SUB: &str = "/falco.outputs.service/sub";
const GET: &str = "/falco.outputs.service/get";

/// A server whose settings file a test can replace.
struct Configured {
    process: Child,
    stdin: Option<ChildStdin>,
    log: Log,
    dir: TempDir,
}

impl Configured {
    /// Starts the server with `settings`, in which `DIR` stands for its folder.
    fn start(settings: &str) -> Self {
        Self::start_as(settings, |_, _| {})
    }

    fn start_as(settings: &str, change: impl FnOnce(&mut Command, &TempDir)) -> Self {
        let dir = tempfile::Builder::new().prefix("falconer-").tempdir().unwrap();
        write_settings(&dir, settings);
        let mut command = Command::new(binary());
        command.arg("serve").arg("-c").arg(dir.path().join("falconer.yaml"));
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let log = Log::within(dir.path());
        command.stderr(log.create());
        change(&mut command, &dir);
        let mut process = command.spawn().unwrap();
        let stdin = process.stdin.take();
        log.wait_for("grpcurl");
        Self { process, stdin, log, dir }
    }

    fn settings(&self, settings: &str) {
        write_settings(&self.dir, settings);
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
    }

    /// Sends SIGHUP and waits until the log has one more line with `expected`.
    fn reload(&self, expected: &str) {
        let before = self.log.count(expected);
        self.signal(Signal::SIGHUP);
        self.log.wait_for_more(expected, before);
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        eventually(what, || done().then_some(()));
    }

    fn feed(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The number of alerts that `get` returns.
    async fn get(&self) -> usize {
        let client = Client::connect(&self.at("falco.sock")).await;
        let outcome = client.call(head(GET), [framed(b"")]).await;
        assert_eq!(outcome.code(), Some(0), "{}", outcome.message());
        outcome.messages.len()
    }

    fn end(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.process.wait().unwrap().code()
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_settings(dir: &TempDir, settings: &str) {
    let text = settings.replace("DIR", dir.path().to_str().unwrap());
    let next = dir.path().join("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, dir.path().join("falconer.yaml")).unwrap();
}

const SETTINGS: &str = "
grpc: {enabled: true, bind_address: 'unix://DIR/falco.sock'}
falconer: {inputs: {stdin: true, http: false}, gateway: {enabled: false}}
";

const IN_FORCE: &str = "the new settings are in force";

fn lines() -> String {
    examples::lines().join("\n") + "\n"
}

#[tokio::test]
async fn settings_reload_and_invalid_ones_change_nothing() {
    let mut server = Configured::start(SETTINGS);
    let count = examples::lines().len();
    server.feed(&lines());
    let mut received = 0;
    while received < count {
        received += server.get().await;
    }
    let client = Client::connect(&server.at("falco.sock")).await;
    let (_requests, mut open) = client.begin(head(SUB)).await.replies().await;

    // A file to follow, beside the standard input that stays.
    fs::write(server.at("alerts.json"), lines()).unwrap();
    let more = SETTINGS.replace("stdin: true", "stdin: true, files: ['DIR/alerts.json']");
    server.settings(&more);
    server.reload(IN_FORCE);
    for _ in 0..count {
        open.next().await.expect("the alerts of the file");
    }
    server.feed(&lines());
    for _ in 0..count {
        open.next().await.expect("the alerts of standard input");
    }
    // A reload of the same settings restarts no input.
    server.reload(IN_FORCE);
    assert!(open.quiet_for(Duration::from_millis(300)).await);

    // Invalid settings.
    server.settings(&more.replace("http:", "htpp:"));
    server.reload("the old ones stay in force");
    server.log.wait_for("unknown key \"htpp\"");
    server.feed(&lines());
    for _ in 0..count {
        open.next().await.expect("as before");
    }
    // An empty file is not valid.
    fs::write(server.at("falconer.yaml"), "").unwrap();
    server.reload("the old ones stay in force");
    server.feed(&lines());
    for _ in 0..count {
        open.next().await.expect("as before");
    }
    // The log names settings that need a restart.
    server.settings(&SETTINGS.replace("falco.sock", "other.sock"));
    server.reload(IN_FORCE);
    server.log.wait_for("change only at a restart");
    assert!(server.at("falco.sock").exists() && !server.at("other.sock").exists());
    assert_eq!(server.end(), Some(0));
}

#[tokio::test]
async fn a_changed_file_is_reloaded_and_the_gateway_moves() {
    let gateway = "enabled: true, listen: '127.0.0.1:PORT'";
    let on = |port: u16| {
        let gateway = gateway.replace("PORT", &port.to_string());
        SETTINGS.replace("enabled: false", &gateway).replace("http: false", "http: true")
    };
    let mut server = Configured::start(SETTINGS);
    let (first, second) = (support::server::free_port(), support::server::free_port());
    // The HTTP status of a posted alert; `None` if nothing listens.
    let posted = |port: u16| {
        let line = examples::lines().remove(0);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{line}",
            line.len()
        );
        let mut answer = String::new();
        let sent = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        sent.ok().and_then(|_| answer.get(9..12).map(str::to_owned))
    };
    let ok = Some("200".to_owned());
    server.settings(&on(first));
    server.log.wait_for(IN_FORCE);
    server.until("the gateway starts", || posted(first) == ok);
    server.settings(&on(second));
    server.until("the gateway moves to the second port", || posted(second) == ok);
    server.until("the first port is closed", || posted(first).is_none());
    // Only the answer changes. The port stays open meanwhile.
    server.settings(&on(second).replace("http: true", "http: false"));
    server.until("posts are refused", || {
        let status = posted(second).expect("the port is always open");
        status == "403" || status == "404" || status == "405"
    });
    server.settings(SETTINGS);
    server.until("the gateway stops", || TcpStream::connect(("127.0.0.1", second)).is_err());
    assert!(server.get().await >= 2);
    assert_eq!(server.end(), Some(0));
}

#[test]
fn the_server_is_ready_while_its_inputs_are_up() {
    let ready = |port: u16| {
        let mut answer = String::new();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let port = support::server::free_port();
    let settings = SETTINGS
        .replace("enabled: false", &format!("enabled: true, listen: '127.0.0.1:{port}'"))
        .replace("http: false", "http: false, command: [sh, -c, 'cat; sleep 1']");
    let mut server = Configured::start(&settings);
    // The program exits after a second, and Falconer restarts it a second later.
    for (status, why) in [("200", "ok"), ("503", "Falco has exited"), ("200", "ok")] {
        server.until(status, || {
            let answer = ready(port);
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(why)
        });
    }
    drop(server.stdin.take());
    server.until("its input has ended", || ready(port).contains("standard input has ended"));
    assert_eq!(server.end(), Some(0));
}

/// Each start reads the file from its beginning, so that a killed server loses no alert.
#[tokio::test]
async fn no_alert_of_a_file_is_lost_if_the_server_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, socket) = (dir.path().join("alerts.json"), dir.path().join("falco.sock"));
    let mut written = 0;
    for round in 0..5 {
        let mut child = Command::new(binary())
            .args(["serve", "-o", "falconer.gateway.enabled=false", "-o"])
            .arg(format!("grpc.bind_address=unix://{}", socket.display()))
            .arg("-o")
            .arg(format!("falconer.inputs.files[]={}", file.display()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut writer = fs::OpenOptions::new().create(true).append(true).open(&file).unwrap();
        let text = lines();
        for _ in 0..20 {
            // Split in the middle of a line, so that the server may be killed after half of one.
            writer.write_all(&text.as_bytes()[..text.len() / 3]).unwrap();
            std::thread::sleep(Duration::from_millis(2));
            writer.write_all(&text.as_bytes()[text.len() / 3..]).unwrap();
            written += examples::lines().len();
        }
        let deadline = Instant::now() + PATIENCE;
        eventually("it serves", || std::os::unix::net::UnixStream::connect(&socket).ok());
        let client = Client::connect(&socket).await;
        let mut received = 0;
        while received < written {
            assert!(Instant::now() < deadline, "round {round}: {received} of {written}");
            let outcome = client.call(head(GET), [framed(b"")]).await;
            received += outcome.messages.len();
        }
        assert_eq!(received, written);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_missing_input_is_retried_and_programs_do_not_overlap() {
    let with = |command: &str| {
        SETTINGS.replace("http: false", &format!("http: false, command: [{command}]"))
    };
    let mut server = Configured::start(SETTINGS);
    server.settings(&with("DIR/falco"));
    server.reload("an input of the new settings failed");
    // The program keeps a file while it runs, and exits a second after SIGTERM.
    let program = "#!/bin/sh\n\
         [ -e \"$1/runs\" ] && touch \"$1/two\"\n\
         touch \"$1/runs\" \"$1/begun-$#\"\n\
         trap 'sleep 1; rm \"$1/runs\"; exit' TERM\n\
         while :; do sleep 0.1; done\n";
    fs::write(server.at("falco"), program).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(server.at("falco"), executable).unwrap();
    server.settings(&with("DIR/falco, DIR"));
    server.reload(IN_FORCE);
    server.until("the first runs", || server.at("begun-1").exists());
    server.settings(SETTINGS);
    server.reload(IN_FORCE);
    server.settings(&with("DIR/falco, DIR, again"));
    server.reload(IN_FORCE);
    server.until("the second runs", || server.at("begun-2").exists());
    assert!(server.at("runs").exists() && !server.at("two").exists());
    assert_eq!(server.end(), Some(0));
}

#[test]
fn a_blocked_reload_does_not_prevent_shutdown() {
    let settings = format!("config_files: [DIR/more]\n{SETTINGS}");
    let mut server = Configured::start(&settings);
    // Reading a pipe without a writer would block for ever.
    fs::remove_file(server.at("falconer.yaml")).unwrap();
    nix::unistd::mkfifo(&server.at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink(server.at("pipe"), server.at("falconer.yaml")).unwrap();
    server.reload("is not a regular file");
    assert_eq!(server.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_gets_a_status_at_shutdown() {
    let mut server = Server::start(Transport::Unix);
    let path = server.socket().unwrap();
    let mut streams = Vec::new();
    for _ in 0..10 {
        let client = Client::connect(&path).await;
        for _ in 0..20 {
            streams.push((client.clone(), client.begin(head(SUB)).await.replies().await));
        }
    }
    // Far more than the flow-control windows of the streams that do not read, so that they stall.
    let count = 2_000;
    server.feed(lines().repeat(count / examples::lines().len() + 1));
    let mut stalled = streams.split_off(150);
    let mut reading = tokio::task::JoinSet::new();
    for (client, (requests, mut replies)) in streams {
        reading.spawn(async move {
            for _ in 0..count {
                replies.next().await.expect("another alert");
            }
            (client, requests, replies)
        });
    }
    // After this only the stalled streams need the grace period, however busy the machine is.
    let mut live = Vec::new();
    while let Some(stream) = reading.join_next().await {
        live.push(stream.unwrap());
    }
    let begun = Instant::now();
    server.terminate();
    // Stalled streams that read again in time get their status, too. The others see their
    // connection end, which every client reports as UNAVAILABLE.
    let asleep = stalled.split_off(20);
    let mut awake = tokio::task::JoinSet::new();
    for (client, (requests, replies)) in stalled {
        awake.spawn(async move {
            let outcome = replies.outcome().await;
            drop((client, requests));
            outcome.code()
        });
    }
    for (client, requests, replies) in live {
        let outcome = replies.outcome().await;
        drop((client, requests));
        assert_eq!(outcome.code(), Some(14), "UNAVAILABLE: {}", outcome.message());
    }
    while let Some(code) = awake.join_next().await {
        assert_eq!(code.unwrap(), Some(14));
    }
    let status = server.wait(PATIENCE).unwrap();
    let elapsed = begun.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(elapsed < GRACE + Duration::from_secs(5), "{elapsed:?}");
    drop(asleep);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_written_before_shutdown_are_delivered() {
    for _ in 0..5 {
        let mut server = Server::start(Transport::Unix);
        let client = Client::connect(&server.socket().unwrap()).await;
        let (_requests, replies) = client.begin(head(SUB)).await.replies().await;
        let count = 50 * examples::lines().len();
        server.pause();
        server.feed(lines().repeat(50));
        server.terminate();
        server.resume();
        let outcome = replies.outcome().await;
        assert_eq!((outcome.messages.len(), outcome.code()), (count, Some(14)));
        assert!(server.wait(PATIENCE).unwrap().success());
    }
}

#[tokio::test]
async fn a_server_starts_after_each_of_a_hundred_kills() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("falco.sock");
    for round in 0..100 {
        let mut child = Command::new(binary())
            .args(["serve", "-o", "falconer.gateway.enabled=false", "-o"])
            .arg(format!("grpc.bind_address=unix://{}", socket.display()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("it serves", || {
            assert_eq!(child.try_wait().unwrap(), None, "{round}");
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        if round % 10 == 0 {
            let client = Client::connect(&socket).await;
            let outcome = client.call(head(GET), [framed(b"")]).await;
            assert_eq!(outcome.code(), Some(0));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn systemd_is_notified_and_may_pass_the_socket() {
    let notified = tempfile::tempdir().unwrap();
    let path = notified.path().join("notify.sock");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = |expected: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length = systemd.recv(&mut buffer).unwrap_or_else(|_| panic!("no {expected}"));
            if String::from_utf8_lossy(&buffer[..length]).contains(expected) {
                break;
            }
        }
    };
    let mut server = Configured::start_as(SETTINGS, |command, dir| {
        let listener = UnixListener::bind(dir.path().join("handed.sock")).unwrap();
        let program = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 0</dev/null";
        let mut through = Command::new("sh");
        through.arg("-c").arg(program).arg(command.get_program()).args(command.get_args());
        through.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
        through.stdin(OwnedFd::from(listener)).stdout(Stdio::null());
        through.stderr(Log::within(dir.path()).create());
        *command = through;
    });
    told("READY=1");
    told("WATCHDOG=1");
    assert!(!server.at("falco.sock").exists());
    let client = Client::connect(&server.at("handed.sock")).await;
    assert_eq!(client.call(head(GET), [framed(b"")]).await.code(), Some(0));
    server.signal(Signal::SIGHUP);
    told("RELOADING=1\nMONOTONIC_USEC=");
    told("READY=1");
    drop(client);
    assert_eq!(server.end(), Some(0));
    told("STOPPING=1");
    assert!(server.at("handed.sock").exists(), "Falconer must not remove a socket of systemd");
}
