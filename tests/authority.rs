//! Invalid `:authority` values over TCP: Node's HTTP/2 writes IPv6 addresses without brackets, and
//! the server serves it. Streams that HTTP/2 resets by itself are counted and logged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use support::client::{Client, sources};
use support::http::Gateway;
use support::server::{Server, free_port};
use support::wire::{self, END_HEADERS, END_STREAM, HEADERS, frame};
use support::{PATIENCE, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

#[test]
fn node_is_served_at_an_ipv6_address() {
    if !support::client::is_installed("node") {
        return;
    }
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        support::client::skipped("this machine has no IPv6");
        return;
    }
    let mut address = String::new();
    let server = Server::start_anew(3, || {
        address = format!("[::1]:{}", free_port());
        Server::spawn(Transport::Tls, &[&format!("grpc.bind_address={address}")])
    });
    let mut command = Command::new("node");
    command.arg(sources().join("node/bare.js")).arg("--certs").arg(server.certs().unwrap());
    command.arg(&address);
    let said = Client::spawn("node".to_owned(), command).finish().values();
    let bare = address.replace(['[', ']'], "");
    assert_eq!(said, [json!({ "authority": bare, "status": 0 })], "{}", server.stderr());
}

/// A call that HTTP/2 resets before gRPC sees it: no `te` other than `trailers` is valid.
fn invalid(stream: u32) -> Vec<u8> {
    let block = b"\x83\x86\x84\x01\x09localhost\x00\x02te\x04gzip";
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

#[tokio::test]
async fn resets_by_http_2_are_counted_and_logged_with_a_rate_limit() {
    let gateway = Gateway::start(&[]);
    let socket = gateway.server.socket().unwrap();
    let mut peer = UnixStream::connect(&socket).await.unwrap();
    peer.write_all(&wire::opening()).await.unwrap();
    for number in 0..30 {
        peer.write_all(&invalid(2 * number + 1)).await.unwrap();
    }
    let counted = async |wanted: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = gateway.get("/metrics").await.text().await;
            if metrics.contains(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{wanted}: {metrics}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    counted("falconer_streams_reset_total{code=\"PROTOCOL_ERROR\"} 30\n").await;
    // A frame on a stream that was never opened ends the connection.
    peer.write_all(&frame(wire::DATA, 0, 99, b"x")).await.unwrap();
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest).await;
    counted("falconer_connections_broken_total{code=\"PROTOCOL_ERROR\"} 1\n").await;
    let deadline = Instant::now() + PATIENCE;
    while !gateway.server.stderr().contains("HTTP/2 ended a connection") {
        assert!(Instant::now() < deadline, "{}", gateway.server.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The lines of the calls precede it.
    let log = gateway.server.stderr();
    assert_eq!(log.matches("HTTP/2 reset a call").count(), 10, "{log}");
    assert!(log.contains("code=\"PROTOCOL_ERROR\"") && log.contains("peer=unix:uid="), "{log}");
}
