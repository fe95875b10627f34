//! The commands that are clients of a running server, as a user types them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;

use support::PATIENCE;
use support::certs;
use support::client;
use support::examples;
use support::http::Gateway;
use support::server::binary;
use support::wait::eventually;

/// `falconer` with these arguments and the address of `gateway`.
fn falconer(words: &[&str], gateway: &Gateway) -> Command {
    let mut command = Command::new(binary());
    command.args(words).arg(format!("--server=http://{}", gateway.address));
    command
}

fn told(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn filled() -> Gateway {
    let mut gateway = Gateway::start(&[]);
    gateway.server.feed((0..50).map(|n| examples::line(&format!("rule {n}"))).collect::<String>());
    eventually("the alerts arrive", || {
        (told(falconer(&["events"], &gateway)).1.lines().count() == 50).then_some(())
    });
    gateway
}

#[test]
fn retained_alerts_are_printed_filtered_and_counted() {
    let gateway = filled();
    let events = |words: &[&str]| told(falconer(&[&["events"], words].concat(), &gateway));
    let (code, text, _) = events(&["--last", "2"]);
    assert_eq!((code, text.lines().count()), (0, 2));
    assert!(text.contains("rule 48") && text.contains("rule 49"), "{text}");
    let (_, text, _) = events(&["--filter", "rule = 'rule 7'", "-o", "json"]);
    assert_eq!(text, examples::line("rule 7"), "byte for byte");
    let (_, table, _) = events(&["-o", "table", "--last=1"]);
    assert!(table.starts_with("TIME ") && table.contains("rule 49"), "{table}");
    assert_eq!(events(&["--since", "2100-01-01T00:00:00Z"]).1, "");
    // Wrong options are usage errors, before any request.
    let (code, _, error) = events(&["--filter", "priorty = error"]);
    assert_eq!(code, 2);
    assert!(error.contains("column 1") && error.contains("did you mean `priority`"), "{error}");
    assert_eq!(events(&["--since", "yesterday"]).0, 2);
}

#[test]
fn a_file_is_read_like_a_server() {
    let ask = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.args(words);
        told(command)
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/falco-example-lines.jsonl");
    let file = file.to_str().unwrap();
    let words = ["events", "-o", "json", "--filter", "priority >= critical", file];
    let (code, found, _) = ask(&words);
    assert_eq!(code, 0);
    let all = fs::read_to_string(file).unwrap();
    let expected = |line: &&str| {
        ["Critical", "Alert", "Emergency"].iter().any(|name| line.contains(&format!("\"{name}\"")))
    };
    assert_eq!(found.lines().collect::<Vec<_>>(), all.lines().filter(expected).collect::<Vec<_>>());
    let (code, _, error) = ask(&["events", "/none"]);
    assert_eq!(code, 1);
    assert!(error.contains("/none: No such file"), "{error}");
}

/// A command in the background and its lines on standard output.
struct Running(Child, Receiver<String>);

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(1024);
        thread::spawn(move || {
            let mut line = String::new();
            while stdout.read_line(&mut line).is_ok_and(|length| length > 0) {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self(child, lines)
    }

    fn line(&mut self) -> String {
        self.1.recv_timeout(PATIENCE).expect("another line on standard output")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn new_alerts_are_followed_and_awaited() {
    let mut gateway = filled();
    let mut follower = Running::start(falconer(&["events", "-f", "--last=1"], &gateway));
    assert!(follower.line().contains("rule 49"));
    let words = ["wait", "--filter", "rule = awaited", "--count=2", "--timeout=20s"];
    let mut waiting = Running::start(falconer(&words, &gateway));
    // `wait` counts only alerts that arrive after it has subscribed.
    let status = format!("http://{}/api/v1/status", gateway.address);
    eventually("both are there", || {
        let output = Command::new("curl").args(["-sS", "--noproxy", "*", &status]).output();
        let status: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        (status.get("subscribers").unwrap() == 2).then_some(())
    });
    gateway.server.feed(examples::line("other") + &examples::line("awaited").repeat(2));
    assert!(follower.line().contains("other"));
    assert!(waiting.line().contains("awaited"));
    assert!(waiting.0.wait().unwrap().success());
    let words = ["wait", "--filter", "rule = never", "--timeout=1s"];
    let (code, _, error) = told(falconer(&words, &gateway));
    assert_eq!(code, 1);
    assert!(error.contains("0 of 1 alerts within 1s"), "{error}");
    // `events -f` fails when its server shuts down.
    gateway.server.terminate();
    assert_eq!(follower.0.wait().unwrap().code(), Some(1));
}

#[test]
fn piped_alerts_reach_a_server_that_answers_later() {
    let gateway = Gateway::start(&[]);
    gateway.server.pause();
    let mut ingest = Running::start(falconer(&["ingest"], &gateway));
    let mut stdin = ingest.0.stdin.take().unwrap();
    for number in 0..100 {
        stdin.write_all(examples::line(&format!("piped {number}")).as_bytes()).unwrap();
    }
    // The last line has no newline.
    stdin.write_all(examples::line("the end").trim_end().as_bytes()).unwrap();
    drop(stdin);
    gateway.server.resume();
    assert!(ingest.0.wait().unwrap().success());
    let (_, found, _) = told(falconer(&["events", "-o", "json"], &gateway));
    let names: Vec<String> = (0..100).map(|n| format!("piped {n}")).collect();
    let expected: String =
        names.iter().map(String::as_str).chain(["the end"]).map(examples::line).collect();
    assert_eq!(found, expected);
}

#[test]
fn requests_use_tls_with_a_token_or_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    certs::write(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("token"), "a-token-that-is-long-enough\n").unwrap();
    let settings = [
        format!("falconer.gateway.tls.private_key={}", at("server.key")),
        format!("falconer.gateway.tls.cert_chain={}", at("server.crt")),
        format!("falconer.gateway.tls.root_certs={}", at("ca.crt")),
        format!("falconer.gateway.token_file={}", at("token")),
    ];
    let gateway = Gateway::start(&settings.each_ref().map(String::as_str));
    let ask = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("events").arg(format!("--server=https://{}", gateway.address)).args(words);
        told(command)
    };
    let ca = format!("--ca={}", at("ca.crt"));
    let (code, _, error) = ask(&[&ca]);
    assert_eq!(code, 1);
    assert!(error.contains("token_file"), "{error}");
    assert_eq!(ask(&[&ca, &format!("--token-file={}", at("token"))]).0, 0);
    let (cert, key) =
        (format!("--cert={}", at("client.crt")), format!("--key={}", at("client.key")));
    assert_eq!(ask(&[&ca, &cert, &key]).0, 0);
    assert_eq!(ask(&[]).0, 2, "nothing to verify the server by");
    assert_eq!(ask(&[&format!("--ca={}", at("token"))]).0, 2);
}

#[test]
fn a_file_is_followed_like_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("alerts.json"), dir.path().join("alerts.json.1"));
    let append = |text: &str| {
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    };
    let follow = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["events", "-f"]).args(words).arg(&path);
        Running::start(command)
    };
    // The file need not exist yet.
    let mut early = follow(&["--last=100"]);
    append(&(0..40).map(|n| examples::line(&format!("rule {n}."))).collect::<String>());
    assert!(early.line().contains("rule 0."));
    append("this is no alert\n");
    // `--last` counts alerts before the filter.
    let mut last = follow(&["--last=2", "-o", "json"]);
    assert_eq!(last.line(), examples::line("rule 38."), "byte for byte");
    assert_eq!(last.line(), examples::line("rule 39."));
    let mut filtered = follow(&["--last=20", "--filter", "rule in ('rule 7.', 'rule 25.', new)"]);
    assert!(filtered.line().contains("rule 25."));
    let mut since = follow(&["--since=2026-01-01T00:00:00Z"]);
    (0..40).for_each(|n| assert!(since.line().contains(&format!("rule {n}."))));
    let mut future = follow(&["--since=2100-01-01T00:00:00Z"]);
    // New alerts, one of them in two pieces and one in the next file.
    let (one, two) = (examples::line("new"), examples::line("rotated"));
    append(one.get(..50).unwrap());
    append(one.get(50..).unwrap());
    fs::rename(&path, &moved).unwrap();
    append(&two);
    for follower in [&mut last, &mut since] {
        assert!(follower.line().contains("new"));
        assert!(follower.line().contains("rotated"));
    }
    assert!(filtered.line().contains("new"));
    future.0.kill().unwrap();
    assert_eq!(future.1.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
}

/// The manual page has every command and every option.
#[test]
fn the_manual_page_is_complete() {
    let ran = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.args(words);
        told(command).1
    };
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("falconer.1");
    fs::write(&page, ran(&["man"])).unwrap();
    assert!(!ran(&["man"]).contains("(1)"), "no other page is named");
    if !client::is_installed("mandoc") {
        return;
    }
    let mandoc = |words: &[&str]| {
        let output = Command::new("mandoc").args(words).arg(&page).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let faults = mandoc(&["-Tlint", "-Wwarning"]);
    // The page has no date, and two paragraph macros before each list of values.
    let known = ["missing date", "skipping paragraph macro"];
    let found = faults.lines().find(|line| !known.iter().any(|part| line.contains(part)));
    assert_eq!(found, None, "{faults}");
    let text = mandoc(&["-Tascii", "-Owidth=500"]);
    let text: String = strip_overstrikes(&text);
    let commands =
        ["serve", "check", "certs init", "events", "wait", "ingest", "completions", "man", "demo"];
    for command in commands {
        let section = format!("\nFALCONER {}\n", command.to_uppercase());
        let (_, section) = text.split_once(&section).unwrap_or_else(|| panic!("{command}: {text}"));
        let section = section.split("\nFALCONER ").next().unwrap();
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = ran(&words);
        let flags =
            help.lines().filter_map(|line| line.split_whitespace().find(|w| w.starts_with("--")));
        for flag in flags {
            assert!(section.contains(flag), "{command} {flag}: {section}");
        }
    }
    assert!(text.contains("78 wrong configuration"), "{text}");
}

/// Removes the backspaces that make text bold or underlined.
fn strip_overstrikes(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{8}' {
            out.pop();
            out.extend(chars.next());
        } else {
            out.push(c);
        }
    }
    out
}

#[test]
fn completions_and_the_manual_page_work() {
    let ran = |words: &[&str]| {
        told({
            let mut command = Command::new(binary());
            command.args(words);
            command
        })
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, text, _) = ran(&["completions", shell]);
        assert!(code == 0 && text.contains("events") && text.contains("falconer"), "{shell}");
    }
    let (code, page, _) = ran(&["man"]);
    assert!(code == 0 && page.contains(".TH FALCONER 1") && page.contains("ingest"), "{page}");
}
