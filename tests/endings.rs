//! The shutdown of a server as Python clients see it. grpclib and betterproto2 lose the data that
//! they read together with a reset. Python's h2 loses the data that it reads together with a PING
//! behind a GOAWAY. Every client must get every alert and the status of its call.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::process::Command;
use std::time::Instant;

use falconer::net::connection::GRACE;
use serde_json::{Value, json};
use support::client::{Client, home, is_installed, sources};
use support::server::Server;
use support::{Transport, examples};

/// Connections of each library, all in one process: the busier it is, the more it reads at once.
const CONNECTIONS: usize = 7;

/// gRPC's number for UNAVAILABLE.
const UNAVAILABLE: u8 = 14;

fn start(library: &str, venv: &str, server: &Server, filter: Option<&str>) -> Client {
    let mut command = Command::new(home().join("venv").join(venv).join("bin/python"));
    command.arg(sources().join("python/endings.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(certs) = server.certs() {
        command.arg("--certs").arg(certs);
    }
    command.arg(server.endpoint()).arg(library).arg(CONNECTIONS.to_string()).args(filter);
    let mut client = Client::spawn(library.to_owned(), command);
    if filter.is_none() {
        assert_eq!(client.next(), json!({ "open": true }));
    }
    client
}

fn at_the_end(transport: Transport, libraries: &[(&str, &str)]) {
    if !libraries.iter().all(|(_, venv)| is_installed(venv)) {
        return;
    }
    let mut server = Server::start(transport);
    server.feed(examples::line("first"));
    let clients: Vec<_> =
        libraries.iter().map(|(library, venv)| start(library, venv, &server, None)).collect();
    let mut rules: Vec<_> = (1..=8).map(|number| format!("last {number}")).collect();
    server.feed(rules.iter().map(|rule| examples::line(rule)).collect::<String>());
    rules.insert(0, "first".to_owned());
    let begun = Instant::now();
    assert!(server.stop().success());
    assert!(begun.elapsed() < GRACE, "{:?}", begun.elapsed());
    let expected = json!({ "rules": rules, "status": UNAVAILABLE });
    for ((library, _), client) in libraries.iter().zip(clients) {
        let ended: Vec<Value> = client.finish().values();
        assert_eq!(ended, vec![expected.clone(); CONNECTIONS], "{library}");
    }
}

#[test]
fn at_shutdown_python_clients_get_every_alert_and_the_status_over_unix() {
    at_the_end(Transport::Unix, &[("grpclib", "grpclib"), ("betterproto2", "grpclib")]);
}

#[test]
fn at_shutdown_python_clients_get_every_alert_and_the_status_over_tls() {
    let libraries = [("grpclib", "grpclib"), ("betterproto2", "grpclib"), ("purerpc", "purerpc")];
    at_the_end(Transport::Tls, &libraries);
}

#[test]
fn python_clients_get_the_status_of_an_error() {
    if !is_installed("grpclib") {
        return;
    }
    let server = Server::start(Transport::Unix);
    for library in ["grpclib", "betterproto2"] {
        let ended = start(library, "grpclib", &server, Some("((")).finish().values();
        let (_open, told): (Vec<_>, Vec<_>) =
            ended.into_iter().partition(|value| value.get("open").is_some());
        assert_eq!(told, vec![json!({ "rules": [], "status": 3 }); CONNECTIONS], "{library}");
    }
}
