//! Bodies that come slowly, cost much, or never end: what they may take from others.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use falconer_gateway::{Config, MAX_BODY};
use flate2::{Compression, write::GzEncoder};
use support::{Client, PATIENCE, Server};
use tokio::time::{sleep, timeout};

const ALERT: &str = r#"{"priority":"Notice","rule":"A shell","output":"x"}"#;

/// What an alert may wait beside others that are slow, on a machine that is busy: without room of
/// its own it would wait for the 30 s that a body has.
const SOON: Duration = Duration::from_secs(5);

/// Begins a post of `announced` bytes and sends `sent` of them.
async fn begin(server: &Server, announced: usize, sent: usize) -> Client {
    let mut client = server.connect().await;
    let head = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length:", server.address);
    client.send(format!("{head} {announced}\r\n\r\n").as_bytes()).await;
    client.try_send(&vec![b' '; sent]).await;
    client
}

/// Posts in pieces that come one after the other; how long the answer took.
async fn in_pieces(server: &Server, body: &[u8]) -> Duration {
    let started = Instant::now();
    let mut client = begin(server, body.len() + 1, 1).await;
    for piece in body.chunks(64 << 10) {
        sleep(Duration::from_millis(20)).await;
        client.send(piece).await;
    }
    assert_eq!(client.answer(false).await.status, 200);
    started.elapsed()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Posts what is compressed.
async fn post(server: &Server, body: &[u8]) -> support::Answer {
    let mut client = server.connect().await;
    let head = format!("Host: {}\r\nContent-Encoding: gzip", server.address);
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n");
    client.send(head.as_bytes()).await;
    client.try_send(body).await;
    client.answer(false).await
}

#[tokio::test]
async fn bodies_that_are_announced_and_do_not_come_hold_up_nobody() {
    let server = Server::start(Config::default()).await;
    let mut announced = Vec::new();
    for _ in 0..300 {
        announced.push(begin(&server, 64 << 10, 1).await);
    }
    for _ in 0..8 {
        announced.push(begin(&server, MAX_BODY, 1).await);
    }
    sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    assert_eq!(server.post("/", "", ALERT).await.status, 200);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    for length in [500, 100 << 10, 1 << 20] {
        let took = in_pieces(&server, &vec![b' '; length]).await;
        assert!(took < SOON, "{length}: {took:?}");
    }
}

#[tokio::test]
async fn where_memory_is_short_the_slowest_body_loses_its_place_and_is_told() {
    let server = Server::start(Config::default()).await;
    let mut slow = Vec::new();
    // More than there is for them all.
    for _ in 0..8 {
        slow.push(begin(&server, MAX_BODY, MAX_BODY - 1).await);
    }
    // A second is everybody's.
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.post("/", "", ALERT).await.status, 200);
    let took = in_pieces(&server, &[b' '; 500]).await;
    assert!(took < SOON, "{took:?}");
    let took = in_pieces(&server, &vec![b' '; 1 << 20]).await;
    assert!(took < SOON, "{took:?}");
    let mut lost = 0;
    for client in &mut slow {
        if let Ok(answer) = timeout(Duration::from_millis(500), client.answer(false)).await {
            let detail = answer.problem(503, "Service Unavailable");
            assert!(detail.contains("arrived slowly") && detail.contains("Post again"), "{detail}");
            assert!(answer.header("retry-after").is_some());
            lost += 1;
        }
    }
    assert!(lost > 0, "somebody made room");
    assert_eq!(server.port.refused(), vec![503; lost], "they are counted");
}

#[tokio::test]
async fn what_costs_more_than_an_alert_is_taken_elsewhere() {
    let server = Server::start(Config::default()).await;
    *server.port.takes.lock().unwrap() = Duration::from_secs(4);
    // All of the server is on the thread of this test.
    let large = format!("{ALERT}{}", " ".repeat(100 << 10));
    let packed = packed(ALERT.as_bytes());
    let posts = async { tokio::join!(server.post("/", "", &large), post(&server, &packed)) };
    let probes = async {
        sleep(Duration::from_millis(100)).await;
        let mut longest = Duration::ZERO;
        for _ in 0..10 {
            let started = Instant::now();
            assert_eq!(server.get("GET /livez").await.status, 200);
            longest = longest.max(started.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
        longest
    };
    let ((large, packed), longest) = tokio::join!(posts, probes);
    assert_eq!((large.status, packed.status), (200, 200));
    assert!(longest < Duration::from_secs(2), "a probe waited {longest:?}");
}

#[tokio::test]
async fn a_body_that_would_cost_too_much_is_refused_as_a_whole_and_told_why() {
    let server = Server::start(Config::default()).await;
    let lines = b"\n".repeat(4_000_000);
    let beyond = format!("{ALERT}\n").repeat(70_000);
    let zeros = vec![0; MAX_BODY + 1];
    let parts = packed(b"").repeat(300);
    for (body, said) in [
        (packed(&lines), "4000001 lines"),
        (packed(beyond.as_bytes()), "70001 lines"),
        (parts, "256 gzip members"),
        (packed(&zeros), "larger than 8 MiB"),
    ] {
        let started = Instant::now();
        let detail = post(&server, &body).await.problem(413, "Payload Too Large");
        assert!(detail.contains(said), "{detail}");
        assert!(detail.contains("Nothing of it was taken"), "{detail}");
        assert!(started.elapsed() < PATIENCE);
    }
    // The same without gzip.
    let detail = server.post("/", "", &"\n".repeat(100_000)).await;
    assert!(detail.problem(413, "Payload Too Large").contains("100001 lines"));
    assert!(server.port.bodies().is_empty());
    assert_eq!(server.port.refused(), [413; 5]);
    // What is within the bounds is taken.
    let most = format!("{ALERT}\n").repeat(60_000);
    assert_eq!(post(&server, &packed(most.as_bytes())).await.status, 200);
    assert_eq!(server.port.bodies(), [most]);
}
