//! Falconer honours every option, key and variable that it accepts, and rejects the others with an
//! error that names them. The table has the combinations that were or might be ignored silently.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::PATIENCE;
use support::examples;
use support::server::{binary, free_port};

/// The files that the lines name: one with two alerts, and an empty configuration.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lines = examples::line("first") + &examples::line("second");
        fs::write(dir.path().join("alerts.json"), lines).unwrap();
        fs::write(dir.path().join("none.yaml"), "{}\n").unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The command of a line, in which `@` stands for this folder.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(binary());
        let root = format!("{}/", self.0.path().display());
        command.args(
            line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('@', &root)),
        );
        command.current_dir(self.0.path()).env_remove("FALCONER_LOG");
        command
    }
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Lines that must be rejected, each with the exit code and parts of the message.
const REFUSED: &[(&str, i32, &[&str])] = &[
    // Options for a server with a file.
    ("events @alerts.json --server http://10.0.0.1:2804", 2, &["cannot be used with", "--server"]),
    ("events @alerts.json --token-file @none.yaml", 2, &["cannot be used with", "--token-file"]),
    ("events @alerts.json --ca @none.yaml", 2, &["cannot be used with", "--ca"]),
    ("events @alerts.json --cert @none.yaml --key @none.yaml", 2, &["cannot be used with"]),
    ("events -f @alerts.json --until 1h", 2, &["cannot be used with", "--until"]),
    ("events -f - --last 3", 2, &["--last with -f and standard input"]),
    ("events @alerts.json --since 1h --until 2h", 2, &["--since is not before --until"]),
    (
        "events --since 2026-01-02T00:00:00Z --until 2026-01-02T00:00:00Z",
        2,
        &["--since is not before"],
    ),
    ("events @alerts.json --since yesterday", 2, &["yesterday", "10m"]),
    ("events @alerts.json --last -1", 2, &["-1"]),
    ("events @alerts.json -o yaml", 2, &["text, json, table"]),
    ("events @", 1, &["directory"]),
    ("events -f @", 1, &["is a directory, not the file that file_output writes"]),
    // Options that only HTTPS uses.
    ("events --ca @none.yaml", 2, &["--ca is for https"]),
    ("events --cert @none.yaml --key @none.yaml", 2, &["--cert is for https"]),
    ("wait --filter x --server http://[::1]:1 --ca @none.yaml", 2, &["--ca is for https"]),
    ("ingest --ca @none.yaml", 2, &["--ca is for https"]),
    ("events --cert @none.yaml", 2, &["--key"]),
    ("events --server https://localhost", 2, &["--ca FILE"]),
    ("events --server localhost:2804", 2, &["expected http://HOST:PORT"]),
    ("events --server http://localhost:2804/falconer", 2, &["expected http://HOST:PORT"]),
    ("events --server http://falco:word@localhost:2804", 2, &["expected http://HOST:PORT"]),
    ("events --token-file @nowhere", 2, &["nowhere", "No such file"]),
    // No alert to wait for, or no time.
    ("wait --filter x --count 0", 2, &["--count", "0"]),
    ("wait --filter x --timeout 0s", 2, &["--timeout", "such as 60s"]),
    ("wait --filter x --timeout=-5s", 2, &["--timeout", "such as 60s"]),
    ("wait --filter x --timeout 60", 2, &["--timeout", "60"]),
    // `demo` has its own settings and options.
    ("demo -c @none.yaml", 2, &["unexpected argument '-c'"]),
    ("demo --rate 0", 2, &["--rate", "0"]),
    ("certs init @certs --host https://node", 2, &["expected a DNS name or an IP address"]),
    ("certs init @certs --host node:2804", 2, &["expected a DNS name or an IP address"]),
    ("certs init @certs --host 10.0.0.256", 2, &["expected a DNS name or an IP address"]),
    ("certs init @certs --host -", 2, &["expected a DNS name"]),
    ("completions csh", 2, &["bash"]),
    ("check -c @nowhere.yaml", 1, &["nowhere.yaml"]),
    ("serve -c @nowhere.yaml", 78, &["nowhere.yaml"]),
    ("serve -o falconer.inputs.htpt=true", 78, &["htpt", "did you mean"]),
    ("serve -o falconer.admin.listen=127.0.0.1:1", 78, &["admin"]),
    ("serve @alerts.json", 2, &["unexpected argument"]),
    ("man serve", 2, &["unexpected argument"]),
];

#[test]
fn options_that_would_be_ignored_are_rejected() {
    let place = Place::new();
    for (line, code, parts) in REFUSED {
        let mut command = place.command(line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let (found, stdout, stderr) = told(ended(child, line));
        let said = stderr.clone() + &stdout;
        assert_eq!(found, Some(*code), "{line}\n{said}");
        for part in *parts {
            assert!(said.contains(part), "{line}: {part:?} is not in\n{said}");
        }
    }
    assert!(!Path::new(&place.path("certs")).exists());
}

/// Waits until the command exits by itself, and returns its output.
fn ended(mut child: Child, line: &str) -> Output {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("{line} does not exit: {:?}", told(child.wait_with_output().unwrap()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// Valid settings without an effect, and whether a start must warn of them.
#[test]
fn settings_without_an_effect_are_reported() {
    let place = Place::new();
    let unix = "grpc.bind_address=unix://@f.sock";
    let port = "grpc.bind_address=127.0.0.1:0";
    for (at, setting, told_of) in [
        (unix, "falconer.tls.crls[]=/lists.pem", true),
        (port, "falconer.tls.crls[]=/lists.pem", false),
        (port, "falconer.socket.mode=0600", true),
        (port, "falconer.socket.group=falco", true),
        (port, "falconer.socket.links[]=/run/f.sock", true),
        (port, "falconer.socket.group=", false),
        (unix, "falconer.socket.mode=0600", false),
        (unix, "falconer.inputs.http=false", true),
        ("grpc_output.enabled=false", unix, true),
    ] {
        let line = format!("check -o {at} -o {setting} -o falconer.gateway.listen=127.0.0.1:0");
        let (_, said, _) = told(place.command(&line).output().unwrap());
        let parts = ["is not used", "no input", "returns nothing"];
        let mut warnings = said.lines().filter(|line| line.starts_with("warning "));
        let warned = warnings.any(|line| parts.iter().any(|part| line.contains(part)));
        assert_eq!(warned, told_of, "{line}\n{said}");
    }
}

#[test]
fn standard_input_is_read_with_every_option() {
    let place = Place::new();
    let alerts = fs::read_to_string(place.path("alerts.json")).unwrap();
    for (line, expected, part) in [
        ("events -", 2, "first"),
        ("events -f -", 2, "second"),
        ("events -o json - --last 1", 1, "\"second\""),
        ("events -o table -", 3, "PRIORITY"),
        ("events - --filter rule=first", 1, "first"),
        ("events - --until 2026-01-01T00:00:00Z", 0, ""),
        ("events - --since 2026-01-01T00:00:00Z", 2, ""),
        ("events --last 0 -", 0, ""),
    ] {
        let mut command = place.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(alerts.as_bytes()).unwrap();
        drop(stdin);
        let (code, stdout, stderr) = told(child.wait_with_output().unwrap());
        assert_eq!((code, stdout.lines().count()), (Some(0), expected), "{line}\n{stdout}{stderr}");
        assert!(stdout.contains(part), "{line}: {stdout}");
    }
}

/// The log of a client command with `FALCONER_LOG` set to `level` and no server.
fn logged(level: &str) -> String {
    let place = Place::new();
    let url = format!("http://127.0.0.1:{}", free_port());
    let mut command = place.command(&format!("events --server {url}"));
    command.env("FALCONER_LOG", level).env("NO_COLOR", "");
    told(command.output().unwrap()).2
}

#[test]
fn an_invalid_log_level_is_reported() {
    for wrong in ["nonsense", "debgu", "falconer=loud", "info,hypre"] {
        let log = logged(wrong);
        assert!(
            log.contains("FALCONER_LOG") && log.contains("expected error, warn, info"),
            "{log}"
        );
    }
    for good in ["", "debug", "info,falconer_gateway::access=debug", "off"] {
        assert!(!logged(good).contains("FALCONER_LOG"), "{good}");
    }
}
