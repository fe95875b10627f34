//! Every input: `get` returns the example lines in order, with all fields. Falconer follows files
//! across rotation, restarts a Falco that exits, and goes on after records that are not alerts.
//! Each test runs the program as a user starts it.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::http::Gateway;
use support::raw::{Client, as_value, framed, head};
use support::server::Server;
use support::wait::eventually;
use support::{PATIENCE, Transport, examples};

/// Calls `get` until it has returned `count` alerts, or too long none.
fn get(server: &Server, count: usize) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::connect(&server.socket().unwrap()).await;
        let deadline = Instant::now() + PATIENCE;
        let mut alerts = Vec::new();
        while alerts.len() < count && Instant::now() < deadline {
            let outcome = client.call(head("/falco.outputs.service/get"), [framed(b"")]).await;
            assert_eq!(outcome.code(), Some(0), "{}", outcome.message());
            alerts.extend(outcome.messages.iter().map(as_value));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        alerts
    })
}

fn rules(alerts: &[Value]) -> Vec<&str> {
    alerts.iter().map(|alert| alert["rule"].as_str().unwrap()).collect()
}

fn assert_examples(alerts: &[Value]) {
    let expected = examples::alerts();
    assert_eq!(alerts.len(), expected.len());
    for (number, (alert, expected)) in alerts.iter().zip(&expected).enumerate() {
        assert_eq!(alert, expected, "E{:02}", number + 1);
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn standard_input() {
    let mut server = Server::start(Transport::Unix);
    for line in examples::lines() {
        server.feed(line);
    }
    assert_examples(&get(&server, 22));
}

#[test]
fn standard_input_that_is_a_file() {
    let lines = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/falco-example-lines.jsonl");
    let server = Server::start_reading(fs::File::open(lines).unwrap());
    assert_examples(&get(&server, 22));
    assert!(server.stop().success());
}

#[test]
fn standard_input_with_the_other_output_of_falco() {
    let mut server = Server::start(Transport::Unix);
    let between = [
        "\u{1b}[31mred\u{7}\n",
        "Events detected: 8\nRule counts by severity:\n   WARNING: 8\n",
        "Mon Mar 31 00:26:04 2025: Falco version: 0.39.2 (x86_64)\n",
        "{\"output_fields\":{\"falco.num_evts\":1},\"sample\":1}\n",
        "{\"rule\":\"broken\n",
        "\n\r\n   \n",
    ];
    server.feed(format!("{{\"rule\":\"{}\"}}\n", "x".repeat(1 << 20)));
    for (line, noise) in examples::lines().into_iter().zip(between.iter().cycle()) {
        // A line in two pieces is one line.
        let (start, end) = line.split_at(line.floor_char_boundary(line.len() / 2));
        server.feed(*noise);
        server.feed(start);
        server.feed(end);
    }
    assert_examples(&get(&server, 22));
    server.feed("10:20:05.408091526: Warning Sensitive file opened (user=root)\n");
    let text = &get(&server, 1)[0];
    assert_eq!(text["output"], "10:20:05.408091526: Warning Sensitive file opened (user=root)");
    assert_eq!(text["priority"], 4);
    server.wait_for_log("longer than 1048576 bytes");
    let log = server.log_at_the_end();
    assert!(log.contains(r"\u{1b}[31mred\u{7}") && !log.contains('\u{7}'), "{log}");
    assert_eq!(
        log.matches("neither JSON nor a text alert").count(),
        3,
        "the first few only: {log}"
    );
}

#[test]
fn an_existing_file_is_read_from_its_beginning_and_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.json");
    let lines = examples::lines();
    append(&path, &lines[..10].concat());
    let server = follow(&[&path]);
    let mut alerts = get(&server, 10);
    for line in &lines[10..] {
        append(&path, line);
    }
    alerts.extend(get(&server, 12));
    assert_examples(&alerts);
}

#[test]
fn a_file_is_followed_across_rename_reopening_and_truncation() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.json");
    let rotated = directory.path().join("events.json.1");
    let server = follow(&[&path]);

    append(&path, &examples::line("before"));
    assert_eq!(rules(&get(&server, 1)), ["before"]);
    // logrotate renames the file. Falco writes to the renamed file until SIGUSR1 makes it open a
    // new one.
    fs::rename(&path, &rotated).unwrap();
    append(&rotated, &examples::line("into the old one"));
    assert_eq!(rules(&get(&server, 1)), ["into the old one"]);
    append(&rotated, &examples::line("the last of the old one"));
    append(&path, &examples::line("the first of the new one"));
    assert_eq!(rules(&get(&server, 2)), ["the last of the old one", "the first of the new one"]);
    // copytruncate
    fs::copy(&path, &rotated).unwrap();
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    server.wait_for_log("alert file was truncated");
    append(&path, &examples::line("after truncation"));
    assert_eq!(rules(&get(&server, 1)), ["after truncation"]);
}

fn follow(paths: &[&Path]) -> Server {
    let settings: Vec<_> =
        paths.iter().map(|path| format!("falconer.inputs.files[]={}", path.display())).collect();
    Server::start_with(Transport::Unix, &settings.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Writes an executable to `directory` that stands in for Falco.
fn falco(directory: &Path, script: &str) -> String {
    let path = directory.join("falco");
    fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn run(command: &[&str]) -> Server {
    let settings: Vec<_> =
        command.iter().map(|word| format!("falconer.inputs.command[]={word}")).collect();
    Server::start_with(Transport::Unix, &settings.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_falco_that_falconer_runs_is_read_identified_and_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let lines = directory.path().join("lines");
    fs::write(&lines, examples::lines().concat()).unwrap();
    let ended = directory.path().join("ended");
    let script = format!(
        "if [ \"$1\" = --version ]; then echo 'Falco version: 0.43.1 (x86_64)'; exit; fi\n\
         echo 'a log line of Falco' >&2\n\
         cat {}\n\
         trap 'touch {}; exit' TERM\n\
         while true; do sleep 0.05; done\n",
        lines.display(),
        ended.display(),
    );
    let server = run(&[&falco(directory.path(), &script), "-U"]);
    assert_examples(&get(&server, 22));
    // The log has Falco's standard error.
    server.wait_for_log("a log line of Falco");
    assert_eq!(version(&server), "0.43.1");
    assert!(server.stop().success());
    assert!(ended.exists(), "Falco got SIGTERM");
}

/// Falco can be updated while Falconer runs.
#[test]
fn the_version_is_that_of_the_running_falco() {
    let directory = tempfile::tempdir().unwrap();
    let (version_file, end) = (directory.path().join("version"), directory.path().join("end"));
    fs::write(&version_file, "0.43.1").unwrap();
    let script = format!(
        "if [ \"$1\" = --version ]; then echo \"Falco version: $(cat {})\"; exit; fi\n\
         while [ ! -e {end} ]; do sleep 0.05; done\nrm {end}\n",
        version_file.display(),
        end = end.display(),
    );
    let server = run(&[&falco(directory.path(), &script)]);
    let becomes = |expected: &str| {
        eventually(expected, || (version(&server) == expected).then_some(()));
    };
    becomes("0.43.1");
    fs::write(&version_file, "0.43.2").unwrap();
    fs::write(&end, "").unwrap();
    becomes("0.43.2");

    let gateway = Gateway::start(&[]);
    let address = gateway.address;
    let mut poster = Poster(TcpStream::connect(address).unwrap());
    for (hour, expected) in [(10, "0.43.1"), (11, "0.44.0")] {
        let snapshot = format!(
            "{{\"rule\":\"Falco internal: metrics snapshot\",\"priority\":\"Informational\",\
             \"source\":\"internal\",\"time\":\"2026-01-30T{hour}:00:00Z\",\
             \"output_fields\":{{\"falco.version\":\"{expected}\"}}}}"
        );
        poster.post("/", "application/json", &snapshot);
        eventually(expected, || (version(&gateway.server) == expected).then_some(()));
    }
}

fn version(server: &Server) -> String {
    use falconer::proto::falco::version::Response;
    use prost::Message as _;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::connect(&server.socket().unwrap()).await;
        let outcome = client.call(head("/falco.version.service/version"), [framed(b"")]).await;
        Response::decode(outcome.messages.into_iter().next().unwrap()).unwrap().version
    })
}

#[test]
fn a_falco_that_ignores_sigterm_does_not_outlive_falconer() {
    let directory = tempfile::tempdir().unwrap();
    let pid = directory.path().join("pid");
    let script =
        format!("trap '' TERM\necho $$ > {}\nwhile true; do sleep 0.05; done\n", pid.display());
    let server = run(&[&falco(directory.path(), &script)]);
    let falco = eventually("Falco starts", || {
        let number = fs::read_to_string(&pid).ok()?.strip_suffix('\n')?.parse().ok()?;
        Some(nix::unistd::Pid::from_raw(number))
    });
    server.hang_up();
    assert_eq!(version(&server), "unknown", "SIGHUP does not end it");
    server.terminate();
    server.wait_for_log("stopping");
    // An earlier signal would count as a repetition of the first.
    std::thread::sleep(Duration::from_millis(600));
    let stopping = Instant::now();
    assert_eq!(server.stop().code(), Some(1), "the second signal does not wait");
    assert!(stopping.elapsed() < Duration::from_secs(3));
    eventually("Falco has ended", || nix::sys::signal::kill(falco, None).err());
}

#[test]
fn a_falco_that_exits_is_restarted() {
    let directory = tempfile::tempdir().unwrap();
    let line = directory.path().join("line");
    fs::write(&line, examples::line("once more")).unwrap();
    let server = run(&[&falco(directory.path(), &format!("cat {}\nexit 3\n", line.display()))]);
    assert_eq!(rules(&get(&server, 3)), ["once more"; 3]);
    server.wait_for_log("restarting Falco");
    server.wait_for_log("exit status: 3");
}

/// Posts as Falco's `http_output` does, on one connection, and returns the raw answers.
struct Poster(TcpStream);

impl Poster {
    fn post(&mut self, path: &str, content_type: &str, body: &str) -> String {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: falcosecurity/falco\r\n\
             Accept: */*\r\nContent-Type: {content_type}\r\nTE: gzip\r\nConnection: TE\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        self.0.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let answer = String::from_utf8(answer).unwrap();
        let length = answer.to_lowercase();
        let length = length.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        self.0.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
        answer
    }
}

#[test]
fn posts_of_falcos_http_output() {
    let Gateway { server, address } = Gateway::start(&[]);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut poster = Poster(stream);
    for (number, line) in examples::lines().into_iter().enumerate() {
        let path = if number % 2 == 0 { "/" } else { "/api/v1/events" };
        let content_type = if number % 3 == 0 { "text/plain" } else { "application/json" };
        let answer = poster.post(path, content_type, line.trim_end());
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let empty = answer.to_lowercase().contains("content-length: 0\r\n");
        assert_eq!(empty, path == "/", "{answer}");
    }
    assert_examples(&get(&server, 22));
    // All in one post, one a line. A body without an alert is an error, which Falco ignores.
    poster.post("/", "application/x-ndjson", &examples::lines().concat());
    let texts = "10:00:00.000000001: Notice one\n10:00:00.000000002: Notice two";
    poster.post("/", "text/plain", &format!("{texts}\n{}", examples::line("three")));
    let answer = poster.post("/", "text/plain", "no alert");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let alerts = get(&server, 25);
    assert_examples(&alerts[..22]);
    assert_eq!(alerts[22]["output"], "10:00:00.000000001: Notice one");
    assert_eq!(alerts[23]["output"], "10:00:00.000000002: Notice two");
    assert_eq!(alerts[24]["rule"], "three");
}
