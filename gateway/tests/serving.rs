//! Connections: slow, idle, too many, and at shutdown.

mod support;

use std::{
    fs::File,
    process::Command,
    time::{Duration, Instant},
};

use falconer_gateway::{Config, Limits};
use support::{
    Client, PATIENCE, Server, curl,
    wire::{DATA, GOAWAY, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, frame, frames, get},
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

fn limits(change: impl FnOnce(&mut Limits)) -> Config {
    let mut config = Config::default();
    change(&mut config.limits);
    config
}

#[tokio::test]
async fn a_client_that_sends_no_whole_request_is_closed() {
    let server =
        Server::start(limits(|limits| limits.first_request = Duration::from_millis(300))).await;
    // Silent; stuck in the HTTP/2 preface; in the head; in HTTP/2 without a request.
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    for sent in ["", "PRI * HT", "POST / HTTP/1.1\r\nHost: loc", preface] {
        let started = Instant::now();
        let mut client = server.connect().await;
        client.send(sent.as_bytes()).await;
        client.rest().await;
        assert!(started.elapsed() > Duration::from_millis(250), "{sent:?}");
    }
}

#[tokio::test]
async fn a_head_that_trickles_in_is_closed_all_the_same() {
    let server =
        Server::start(limits(|limits| limits.first_request = Duration::from_millis(300))).await;
    let mut client = server.connect().await;
    for byte in b"POST / HTTP/1.1\r\nHost: localhost\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy" {
        client.try_send(&[*byte]).await;
        sleep(Duration::from_millis(10)).await;
    }
    let answer = client.rest().await;
    assert!(answer.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_place() {
    let server = Server::start(limits(|limits| {
        limits.connections = 1;
        limits.stall = Duration::from_millis(300);
    }))
    .await;
    let started = Instant::now();
    let mut deaf = server.connect().await;
    // Answers of some tens of kilobytes: more than the sockets between hold.
    let request = b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    deaf.try_send(&request).await;
    assert_eq!(server.get("GET /livez").await.status, 200);
    assert!(started.elapsed() > Duration::from_millis(250), "it had the place that long");
    drop(deaf);
}

#[tokio::test]
async fn an_idle_connection_outlives_the_first_deadline_but_not_the_idle_one() {
    let server = Server::start(limits(|limits| {
        limits.first_request = Duration::from_millis(500);
        limits.idle = Duration::from_secs(3);
    }))
    .await;
    let request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut client = server.connect().await;
    client.send(request).await;
    assert_eq!(client.answer(false).await.status, 200);
    sleep(Duration::from_millis(800)).await;
    let started = Instant::now();
    client.send(request).await;
    assert_eq!(client.answer(false).await.status, 200);
    client.send(b"GET /li").await;
    client.rest().await;
    assert!(started.elapsed() > Duration::from_millis(2_900));
}

#[tokio::test]
async fn a_connection_is_not_idle_while_a_request_is_being_answered() {
    let server = Server::start(limits(|limits| {
        limits.first_request = Duration::from_millis(500);
        limits.idle = Duration::from_millis(500);
        limits.stall = Duration::from_millis(500);
    }))
    .await;
    let mut posting = server.connect().await;
    posting.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n").await;
    let mut reading = server.connect().await;
    reading.send(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(reading.answer(true).await.status, 200);
    sleep(Duration::from_millis(1_200)).await;
    posting.send(b"{}").await;
    assert_eq!(posting.answer(false).await.status, 200);
    let rest = timeout(Duration::from_millis(1_200), reading.rest()).await;
    assert!(rest.is_err(), "the stream ended: {rest:?}");
    // And afterwards it is.
    posting.rest().await;
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_sent_to_its_end() {
    let server = Server::start(limits(|limits| {
        limits.first_request = Duration::from_millis(500);
        limits.idle = Duration::from_millis(500);
    }))
    .await;
    let whole = curl(&[&server.url("/api/openapi.json")]).await;
    let mut client = server.connect().await;
    // A thousand bytes may come of it; the rest, after a while and no request.
    let window = frame(SETTINGS, 0, 0, b"\0\x04\0\0\x03\xe8");
    client.send(&[PREFACE, &window, &get("/api/openapi.json")].concat()).await;
    sleep(Duration::from_millis(1_500)).await;
    let more = 1_000_000_u32.to_be_bytes();
    let updates = [frame(WINDOW_UPDATE, 0, 0, &more), frame(WINDOW_UPDATE, 0, 1, &more)];
    client.send(&updates.concat()).await;
    let all = client.rest().await;
    let answer: usize =
        frames(&all).filter(|(kind, _)| *kind == DATA).map(|(_, length)| length).sum();
    assert_eq!(answer, whole.len());
}

#[tokio::test]
async fn an_idle_http_2_connection_is_told_and_closed() {
    let server = Server::start(limits(|limits| {
        limits.first_request = Duration::from_millis(500);
        limits.idle = Duration::from_millis(700);
    }))
    .await;
    let started = Instant::now();
    let mut client = server.connect().await;
    client.send(&[PREFACE, &frame(SETTINGS, 0, 0, b""), &get("/livez")].concat()).await;
    let all = client.rest().await;
    assert!(started.elapsed() > Duration::from_millis(650), "not before its time");
    for expected in [HEADERS, GOAWAY] {
        assert!(frames(&all).any(|(kind, _)| kind == expected), "no frame of type {expected}");
    }
}

#[tokio::test]
async fn above_the_cap_a_client_waits_for_a_place() {
    let server = Server::start(limits(|limits| limits.connections = 2)).await;
    let first = server.connect().await;
    let _second = server.connect().await;
    let mut third = server.connect().await;
    third.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), third.answer(false)).await;
    assert!(waiting.is_err(), "served above the cap");
    drop(first);
    assert_eq!(third.answer(false).await.status, 200);
}

#[tokio::test]
async fn both_protocols_are_spoken_on_one_port() {
    let server = Server::start(Config::default()).await;
    let url = server.url("/livez");
    for (flag, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let seen = curl(&[flag, "-w", " %{http_version} %{http_code}", &url]).await;
        assert_eq!(seen, format!("ok {version} 200"));
    }
}

#[tokio::test]
async fn shutdown_finishes_the_request_in_flight_and_refuses_new_clients() {
    let mut server = Server::start(Config::default()).await;
    let address = server.address;
    let mut idle = server.connect().await;
    idle.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    idle.answer(false).await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    begin_to_post(&mut busy).await;
    busy.send(b"{\"").await;

    server.stop();
    assert_eq!(idle.rest().await, b"");
    assert_eq!(silent.rest().await, b"");
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("still accepting");
    busy.send(b"\"}").await;
    let answer = busy.answer(false).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("connection"), Some("close"));
    let port = server.port.clone();
    server.ended().await;
    assert_eq!(port.bodies(), [r#"{""}"#]);
}

#[tokio::test]
async fn shutdown_does_not_wait_longer_than_the_grace() {
    let mut server =
        Server::start(limits(|limits| limits.grace = Duration::from_millis(300))).await;
    let mut stuck = server.connect().await;
    begin_to_post(&mut stuck).await;
    let started = Instant::now();
    server.stop();
    server.ended().await;
    let took = started.elapsed();
    assert!(took > Duration::from_millis(250) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(stuck.rest().await, b"");
}

#[tokio::test]
async fn shutdown_with_nothing_to_do_is_immediate() {
    let mut server = Server::start(Config::default()).await;
    assert_eq!(server.get("GET /livez").await.status, 200);
    let started = Instant::now();
    server.stop();
    server.ended().await;
    assert!(started.elapsed() < Duration::from_secs(3));
}

/// Posts the head of a request for four bytes, and waits until they are asked for.
async fn begin_to_post(client: &mut Client) {
    let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n";
    client.send(&[head, &b"Content-Length: 4\r\n\r\n"[..]].concat()).await;
    assert_eq!(client.answer(true).await.status, 100);
}

/// Runs [`starved`] in a process of its own, which has few file descriptors to give.
#[test]
fn the_accept_loop_survives_running_out_of_file_descriptors() {
    let this = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact starved --ignored --nocapture"])
        .arg(this)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "run by the_accept_loop_survives_running_out_of_file_descriptors"]
async fn starved() {
    let server = Server::start(Config::default()).await;
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
        assert!(taken.len() < 64, "descriptors are not limited here");
    }
    // One for the client, none for the server's end of the connection.
    taken.pop();
    let mut client = server.connect().await;
    client.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), client.answer(false)).await;
    assert!(waiting.is_err(), "accepted without a descriptor");
    drop(taken);
    assert_eq!(client.answer(false).await.status, 200);
}
