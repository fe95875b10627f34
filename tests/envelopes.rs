//! Alerts in what wraps their lines: every case of `tests/data/envelopes.txt` through the room that
//! opens them, and through standard input, a file, HTTP and the command line.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use falconer::envelope::Envelopes;
use falconer::event::Record;
use http::Request;
use jiff::ZonedDateTime;
use serde_json::Value;
use support::envelopes::{Case, Inside, cases};
use support::http::Gateway;
use support::raw::{Client, as_value, framed, head};
use support::server::{Server, binary};
use support::wait::eventually;
use support::{PATIENCE, Transport};

fn now() -> ZonedDateTime {
    "2026-01-30T12:00:00[UTC]".parse().unwrap()
}

/// What comes out of a line: the case it is of, and what the table says of it.
fn inside(envelopes: &mut Envelopes, line: &[u8]) -> Option<(String, Inside)> {
    let read = envelopes.read(line, &now, |Record { event, .. }, beside| {
        let kind = format!("{:?}", beside.kind);
        let host = event.hostname.as_deref().map(str::to_owned);
        let host = host.or_else(|| beside.hostname.clone());
        let name = named(&event.rule, &event.output);
        (name, Inside { kind, host, time: beside.time.map(|time| time.to_string()) })
    });
    read.unwrap_or(None)
}

/// The case that an alert is of: its rule; a text alert says it in its text.
fn named(rule: &str, output: &str) -> String {
    let text = || output.split("Warning ").nth(1)?.split(" (").next();
    if rule.is_empty() { text().unwrap().to_owned() } else { rule.to_owned() }
}

/// The alerts of all cases, each with its case and its host.
fn expected(cases: &[Case], own: &str) -> Vec<(String, String)> {
    let host = |alert: &Inside| alert.host.clone().unwrap_or_else(|| own.to_owned());
    let alerts = |case: &Case| {
        case.alerts.iter().map(|alert| (case.name.clone(), host(alert))).collect::<Vec<_>>()
    };
    cases.iter().flat_map(alerts).collect()
}

fn lines(cases: &[Case]) -> Vec<u8> {
    cases.iter().flat_map(|case| &case.lines).flat_map(|line| [&line[..], b"\n"].concat()).collect()
}

/// Asks `get` until all alerts of the table have come.
fn get(server: &Server, count: usize) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::connect(&server.socket().unwrap()).await;
        let deadline = Instant::now() + PATIENCE;
        let mut alerts = Vec::new();
        while alerts.len() < count && Instant::now() < deadline {
            let outcome = client.call(head("/falco.outputs.service/get"), [framed(b"")]).await;
            assert_eq!(outcome.code(), Some(0), "{}", outcome.message());
            alerts.extend(outcome.messages.iter().map(as_value).map(|alert| shown(&alert)));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        alerts
    })
}

fn shown(alert: &Value) -> (String, String) {
    let text = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
    (named(&text("rule"), &text("output")), text("hostname"))
}

fn own() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

#[test]
fn every_case_gives_its_alerts_and_nothing_else() {
    let cases = cases();
    assert!(cases.iter().map(|case| case.lines.len()).sum::<usize>() >= 60);
    let mut all = Envelopes::default();
    for case in &cases {
        let mut alone = Envelopes::default();
        // One after the other, as a source has them, nothing of one is left for the next.
        for envelopes in [&mut alone, &mut all] {
            let seen: Vec<_> =
                case.lines.iter().filter_map(|line| inside(envelopes, line)).collect();
            let expected: Vec<_> =
                case.alerts.iter().map(|alert| (case.name.clone(), alert.clone())).collect();
            assert_eq!(seen, expected, "{}", case.name);
            assert_eq!(envelopes.held(), 0, "{}", case.name);
        }
    }
}

#[test]
fn standard_input_is_opened() {
    let mut server = Server::start(Transport::Unix);
    let (cases, own) = (cases(), own());
    let expected = expected(&cases, &own);
    // The end of a part need not be the end of a read.
    let all = String::from_utf8(lines(&cases)).unwrap();
    let mut rest = all.as_str();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(10_007));
        server.feed(chunk);
        rest = after;
    }
    assert_eq!(get(&server, expected.len()), expected);
    server.wait_for_log("a CRI log line without an alert in it");
}

#[test]
fn a_file_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("falco.log");
    let (cases, own) = (cases(), own());
    let (bytes, expected) = (lines(&cases), expected(&cases, &own));
    let (first, second) = bytes.split_at(bytes.len() / 2);
    fs::write(&path, first).unwrap();
    let setting = format!("falconer.inputs.files[]={}", path.display());
    let server = Server::start_with(Transport::Unix, &[&setting]);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(second).unwrap();
    assert_eq!(get(&server, expected.len()), expected);
}

#[tokio::test]
async fn a_post_is_opened() {
    let gateway = Gateway::start(&[]);
    let (cases, own) = (cases(), own());
    // A post is a source of its own: what it leaves unfinished is not the next one's beginning.
    let alert = support::examples::line("in two posts");
    let (first, second) = alert.trim().split_at(20);
    let post = async |body: &str| {
        gateway.ask(Request::post("/api/v1/events"), body.as_bytes()).await.status
    };
    assert_eq!(post(&format!("2026-01-30T10:00:01Z stdout P {first}")).await, 400);
    assert_eq!(post(&format!("2026-01-30T10:00:01Z stdout F {second}")).await, 400);
    for case in &cases {
        let lines = case.lines.iter().map(|line| str::from_utf8(line).unwrap());
        let status = post(&lines.collect::<Vec<_>>().join("\n")).await;
        assert_eq!(status, if case.alerts.is_empty() { 400 } else { 200 }, "{}", case.name);
    }
    let server = gateway.server;
    let expected = expected(&cases, &own);
    let count = expected.len();
    let seen = tokio::task::spawn_blocking(move || get(&server, count)).await.unwrap();
    assert_eq!(seen, expected);
}

#[test]
fn the_command_line_opens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("falco.log");
    let cases = cases();
    fs::write(&path, lines(&cases)).unwrap();
    let shown = |output: &str| -> Vec<_> {
        output
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line)
                    .map(|alert| shown(&alert))
                    .unwrap_or_else(|_| (named("", line), String::new()))
            })
            .collect()
    };
    let expected = expected(&cases, "");
    let events = |file: &str| {
        let mut command = Command::new(binary());
        command.args(["events", file, "-o", "json"]);
        command
    };
    let output = events(path.to_str().unwrap()).output().unwrap();
    assert_eq!(shown(str::from_utf8(&output.stdout).unwrap()), expected);

    let mut piped = events("-").stdin(fs::File::open(&path).unwrap()).output().unwrap();
    assert_eq!(shown(str::from_utf8(&piped.stdout).unwrap()), expected);

    // A filter sees the host that the envelope names.
    piped =
        events(path.to_str().unwrap()).args(["--filter", "hostname = node-k"]).output().unwrap();
    let hosts: Vec<_> = expected.iter().filter(|(_, host)| host == "node-k").cloned().collect();
    assert!(hosts.len() > 3);
    assert_eq!(shown(str::from_utf8(&piped.stdout).unwrap()), hosts);

    let out = directory.path().join("out");
    let mut following = events(path.to_str().unwrap())
        .args(["-f", "--since", "2000-01-01T00:00:00Z"])
        .stdout(Stdio::from(fs::File::create(&out).unwrap()))
        .spawn()
        .unwrap();
    eventually("the file is followed", || {
        let output = fs::read_to_string(&out).unwrap();
        (output.lines().count() == expected.len() && output.ends_with('\n')).then_some(())
    });
    following.kill().unwrap();
    following.wait().unwrap();
    assert_eq!(self::lines_of(&out, shown), expected);
}

fn lines_of<T>(path: &std::path::Path, shown: impl Fn(&str) -> T) -> T {
    shown(&fs::read_to_string(path).unwrap())
}
