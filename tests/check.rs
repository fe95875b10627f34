//! `falconer check`: its findings about settings, and that it disturbs no running server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use support::server::{Server, binary};
use support::{Transport, certs};

/// Runs `falconer check` with `settings` and returns its exit code and lines.
fn check(settings: &[String]) -> (Option<i32>, Vec<String>) {
    let mut command = Command::new(binary());
    command.arg("check");
    for setting in settings {
        command.args(["-o", setting]);
    }
    let output = command.output().unwrap();
    assert!(output.stderr.is_empty(), "findings go to standard output");
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (output.status.code(), lines)
}

fn at(path: &Path) -> String {
    format!("grpc.bind_address=unix://{}", path.display())
}

#[test]
fn each_finding_of_a_start_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/falco.sock");
    let file = directory.path().join("alerts.json");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let stdin = "falconer.inputs.stdin=true".to_owned();
    let (code, lines) = check(&[at(&path), "falconer.gateway.enabled=false".into(), stdin]);
    assert_eq!(code, Some(0), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:?}");
    assert!(!path.parent().unwrap().exists(), "nothing is created");

    let text = directory.path().join("text");
    fs::write(&text, "").unwrap();
    for (setting, level, expected) in [
        (
            format!("falconer.inputs.files[]={}", file.display()),
            "note ",
            "alerts.json does not exist yet",
        ),
        (
            format!("falconer.inputs.files[]={}", directory.path().display()),
            "error ",
            "not a regular file; name",
        ),
        ("falconer.inputs.command[]=no-such-falco".into(), "error ", "write its full path"),
        ("falconer.inputs.command[]=sh".into(), "ok ", "/sh can be started"),
        (
            format!("falconer.gateway.listen={}", taken.local_addr().unwrap()),
            "warning ",
            "is already in use; stop",
        ),
        ("falconer.socket.group=no-such-group".into(), "error ", "there is no group"),
        (format!("falconer.socket.links[]={}", text.display()), "error ", "something else"),
        (at(&text), "error ", "not a socket; move it away"),
        ("grpc.threadiness=-1".into(), "warning ", "grpc.threadiness is \"-1\""),
        ("falconer.inptus=1".into(), "error ", "did you mean \"inputs\""),
    ] {
        let gateway = format!("falconer.gateway.enabled={}", setting.contains("listen"));
        let (code, lines) = check(&[at(&path), gateway, setting.clone()]);
        let told = |line: &&String| line.starts_with(level) && line.contains(expected);
        assert_eq!(lines.iter().filter(told).count(), 1, "{setting}: {lines:?}");
        assert_eq!(code, Some(i32::from(level == "error ")), "{setting}: {lines:?}");
    }
}

#[test]
fn a_running_server_is_identified_and_not_disturbed() {
    let server = Server::start_with(Transport::Unix, &["falconer.falco.version=0.43.1"]);
    let socket = server.socket().unwrap();
    for _ in 0..2 {
        let (code, lines) = check(&[at(&socket), "falconer.gateway.enabled=false".into()]);
        assert_eq!(code, Some(0), "{lines:?}");
        let expected = format!(
            "already served by process {}, which reports Falco version \"0.43.1\"",
            server.id()
        );
        assert!(lines.iter().any(|line| line.contains(&expected)), "{lines:?}");
    }
    assert!(server.stop().success());
}

#[test]
fn certificates_are_judged_as_clients_would() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let authority = certs::write(directory.path());
    let port = support::server::free_port();
    let told = || {
        check(&[
            format!("grpc.bind_address=127.0.0.1:{port}"),
            format!("grpc.private_key={}", path("server.key")),
            format!("grpc.cert_chain={}", path("server.crt")),
            format!("grpc.root_certs={}", path("ca.crt")),
            "falconer.gateway.enabled=false".into(),
            "falconer.inputs.stdin=true".into(),
        ])
    };
    let (code, lines) = told();
    assert_eq!(code, Some(0));
    assert!(lines.iter().all(|line| line.starts_with("ok ")), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("accept the server's")).count(), 3);

    let server = |names: &[String], purpose| {
        let params = certs::leaf("localhost", names, Some(purpose));
        authority.write_leaf(directory.path(), "server", &params);
    };
    for (names, purpose, refusing) in [
        (vec![], certs::SERVER, &["Rust", "Go"][..]),
        (vec!["localhost".to_owned()], certs::CLIENT, &["Rust", "Go", "Python"]),
    ] {
        server(&names, purpose);
        let (code, lines) = told();
        assert_eq!(code, Some(0), "the server can still start: {lines:?}");
        for clients in ["Rust", "Go", "Python"] {
            let line = lines.iter().find(|line| line.contains(&format!("clients in {clients}")));
            let refuses = line.unwrap().starts_with("warning ");
            assert_eq!(refuses, refusing.contains(&clients), "{lines:?}");
        }
    }
    fs::write(path("server.key"), "").unwrap();
    let (code, lines) = told();
    assert_eq!(code, Some(1));
    assert!(lines.iter().any(|line| line.starts_with("error ") && line.contains("server.key")));
}
