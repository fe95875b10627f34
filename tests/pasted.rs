//! Lines that people paste: those that a start prints, and those for Falco, systemd and each
//! version of grpcurl. The real programs run them. `tests/documented.rs` runs the commands of
//! README and `docs/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::certs;
use support::client;
use support::examples;
use support::http::Gateway;
use support::server::{Server, binary};
use support::{PATIENCE, Transport};

const CONFIGURATION: &str = include_str!("../docs/configuration.md");
const OPERATIONS: &str = include_str!("../docs/operations.md");
const READING: &str = include_str!("../docs/reading.md");
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Returns the line of the greeting with this label.
fn greeted(server: &Server, label: &str) -> String {
    let log = server.stderr();
    let line = log.lines().find_map(|line| line.strip_prefix(&format!("  {label:<11}")));
    line.unwrap_or_else(|| panic!("no {label} in {log}")).to_owned()
}

/// The systemd units in `docs/operations.md`.
fn units() -> Vec<&'static str> {
    let opened = OPERATIONS.split("\n```ini\n").skip(1);
    opened.map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// Splits a line into words, as a POSIX shell does.
fn words(line: &str) -> Vec<String> {
    let script = format!("printf '%s\\n' {line}");
    let Output { status, stdout, stderr } =
        Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The `-o KEY=VALUE` of Falco's command line.
fn options(words: &[String]) -> BTreeMap<&str, &str> {
    let pairs = words.windows(2).filter(|pair| pair.first().unwrap() == "-o");
    pairs.map(|pair| pair.last().unwrap().split_once('=').unwrap()).collect()
}

/// `PATH` with the folder of the tested program first.
fn path() -> String {
    let ours = binary().parent().unwrap().display().to_string();
    format!("{ours}:{}", std::env::var("PATH").unwrap())
}

/// Runs a command with a shell and `input` at its standard input. It must succeed.
fn shell(line: &str, input: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("PATH", path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{line}: {status}\n{stdout}{stderr}");
    stdout
}

/// Waits until `falconer events` prints an alert of this rule.
fn arrives(rule: &str, log: impl Fn() -> String, events: &[String]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let output = Command::new(binary()).arg("events").args(events).output().unwrap();
        if String::from_utf8(output.stdout).unwrap().contains(rule) {
            return;
        }
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(Instant::now() < deadline, "{rule} does not arrive: {stderr}\n{}", log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Posts an alert as Falco's `http_output` does with these options. Both use libcurl.
fn post_as_falco(options: &BTreeMap<&str, &str>, rule: &str) {
    assert_eq!(options.get("json_output"), Some(&"true"));
    assert_eq!(options.get("http_output.enabled"), Some(&"true"));
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail-with-body", "-H", "Content-Type: application/json", "--data-binary"]);
    curl.arg(examples::line(rule).trim_end());
    if let Some(ca) = options.get("http_output.ca_cert") {
        curl.args(["--cacert", ca]);
    }
    if options.get("http_output.mtls") == Some(&"true") {
        curl.args(["--cert", options.get("http_output.client_cert").unwrap()]);
        curl.args(["--key", options.get("http_output.client_key").unwrap()]);
    }
    let output = curl.arg(options.get("http_output.url").unwrap()).output().unwrap();
    assert!(output.status.success(), "{options:?}: {output:?}");
}

#[test]
fn the_line_for_falco_works_with_every_guard_of_the_gateway() {
    if !client::is_installed("curl") {
        return;
    }
    for (secure, roots, token) in [
        (false, false, false),
        (false, false, true),
        (true, false, true),
        (true, true, false),
        (true, true, true),
    ] {
        let dir = tempfile::Builder::new().prefix("it's a ").tempdir().unwrap();
        certs::write(dir.path());
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("token"), format!("{TOKEN}\n")).unwrap();
        let settings: Vec<String> = [
            (secure, "tls.private_key", "server.key"),
            (secure, "tls.cert_chain", "server.crt"),
            (roots, "tls.root_certs", "ca.crt"),
            (token, "token_file", "token"),
        ]
        .into_iter()
        .filter(|(wanted, ..)| *wanted)
        .map(|(_, key, file)| format!("falconer.gateway.{key}={}", at(file)))
        .collect();
        let gateway = Gateway::start(&settings.iter().map(String::as_str).collect::<Vec<_>>());
        let line = greeted(&gateway.server, "Falco");
        assert!(!line.contains(TOKEN), "{line}");
        let found = words(&line);
        post_as_falco(&options(&found), "pasted");
        let scheme = if secure { "https" } else { "http" };
        let mut events = vec![format!("--server={scheme}://{}", gateway.address)];
        if secure {
            events.push(format!("--ca={}", at("ca.crt")));
        }
        if token {
            events.push(format!("--token-file={}", at("token")));
        } else if roots {
            events.push(format!("--cert={}", at("client.crt")));
            events.push(format!("--key={}", at("client.key")));
        }
        arrives("pasted", || gateway.server.stderr(), &events);
    }
}

/// Versions of grpcurl differ in how they read the address of a unix socket.
#[test]
fn the_lines_for_grpcurl_work_with_its_versions() {
    let mut server = Server::start(Transport::Unix);
    server.feed(examples::line("pasted"));
    let read = greeted(&server, "read").replacen(" falco.outputs.service/get", "", 1);
    let socket = server.socket().unwrap().display().to_string();
    // The table on the page must say which version accepts which form.
    for row in
        ["| 1.8.9, 1.9.1 | yes | no |", "| 1.9.2, 1.9.3 | no | yes |", "| 1.9.4 | yes | yes |"]
    {
        assert!(READING.contains(row), "{row}");
    }
    let other = read.replace(&format!("-unix {socket}"), &format!("unix://{socket}"));
    assert_ne!(read, other);
    for (part, works) in [
        ("grpcurl-v1.9.1", [true, false]),
        ("grpcurl-v1.9.3", [false, true]),
        ("grpcurl", [true, true]),
    ] {
        if !client::is_installed(part) {
            continue;
        }
        let program = client::home().join("bin").join(part).display().to_string();
        for (line, works) in [&read, &other].into_iter().zip(works) {
            let line = line.replacen("grpcurl ", &format!("{program} -connect-timeout 10 "), 1);
            let call = format!("{line} falco.version.service/version");
            let output = Command::new("sh").args(["-c", &call]).output().unwrap();
            assert_eq!(output.status.success(), works, "{call}: {output:?}");
        }
    }
    if client::is_installed("grpcurl") {
        let line = greeted(&server, "read");
        let program = client::home().join("bin/grpcurl").display().to_string();
        let found = shell(&line.replacen("grpcurl", &program, 1), "");
        assert!(found.contains("pasted"), "{found}");
    }
}

#[test]
fn the_line_for_grpcurl_over_tls_works() {
    if !client::is_installed("grpcurl") {
        return;
    }
    let mut server = Server::start(Transport::Tls);
    server.feed(examples::line("pasted"));
    let program = client::home().join("bin/grpcurl").display().to_string();
    let line = greeted(&server, "read").replacen("grpcurl", &program, 1);
    assert!(shell(&line, "").contains("pasted"), "{line}");
}

/// Falco passes the value of `program_output.program` unchanged to `sh -c`.
#[test]
fn falco_can_run_the_documented_program() {
    let gateway = Gateway::start(&[]);
    let address = format!("--server http://{}", gateway.address);
    let joined = CONFIGURATION.replace("\\\n", " ");
    let line =
        joined.lines().find(|line| line.contains("program_output.program=falconer")).unwrap();
    let found = words(line);
    let program = *options(&found).get("program_output.program").unwrap();
    assert_eq!(program, "falconer ingest");
    let other =
        CONFIGURATION.split("`program_output.program=").nth(1).unwrap().split('`').next().unwrap();
    let elsewhere = other.replace("--server http://127.0.0.1:9000", &address);
    assert_ne!(other, elsewhere);
    for (program, rule) in [(format!("{program} {address}"), "pasted"), (elsewhere, "elsewhere")] {
        shell(&program, &examples::line(rule));
        let events = [format!("--server=http://{}", gateway.address)];
        arrives(rule, || gateway.server.stderr(), &events);
    }
}

/// systemd accepts the unit, in which the test sets the path of the program.
#[test]
fn systemd_accepts_the_documented_units() {
    let unit = units().into_iter().find(|block| block.contains("ExecStart=")).unwrap();
    for line in ["Type=notify\n", "WantedBy=multi-user.target", "User=falconer", "ExecReload="] {
        assert!(unit.contains(line), "{line}");
    }
    if !client::is_installed("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("falconer.service");
    let here = unit.replace("/usr/bin/falconer", binary().to_str().unwrap());
    assert_ne!(unit, here);
    fs::write(&file, here + "\n").unwrap();
    let (said, _) = analyze(&["verify", "--man=no"], &file);
    assert_eq!(said, "", "systemd-analyze verify");
    let (_, table) = analyze(&["security", "--offline=yes", "--no-pager"], &file);
    let overall = table.lines().find(|line| line.contains("Overall exposure level")).unwrap();
    let exposure = overall.split_whitespace().find_map(|word| word.parse::<f32>().ok()).unwrap();
    assert!(exposure < 2.5, "{overall}");
    // Versions of systemd before 253 must accept the socket unit, too.
    let socket = units().into_iter().find(|block| block.contains("ListenStream=")).unwrap();
    let file = dir.path().join("falconer.socket");
    fs::write(&file, format!("{socket}\n")).unwrap();
    assert_eq!(analyze(&["verify", "--man=no"], &file).0, "");
}

/// Runs `systemd-analyze` and returns its standard error and standard output.
fn analyze(words: &[&str], file: &Path) -> (String, String) {
    let output = Command::new("systemd-analyze").args(words).arg(file).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{words:?}: {said}");
    (said, String::from_utf8(output.stdout).unwrap())
}
