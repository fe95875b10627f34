//! Answers that take long, or that nobody takes.

mod support;

use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use falconer_gateway::{Config, Limits};
use support::{
    PATIENCE, Server,
    slow::Slow,
    wire::{
        DATA, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame, frames, get, get_on, no_window, reset,
        window_update,
    },
};
use tokio::time::sleep;

const NUMBERS: [&str; 3] = ["/api/v1/facets", "/api/v1/histogram", "/api/v1/rules"];

fn limits(change: impl FnOnce(&mut Limits)) -> Config {
    let mut config = Config::default();
    change(&mut config.limits);
    config
}

async fn none_goes_on(slow: &Slow) {
    let started = Instant::now();
    while slow.going_on.load(SeqCst) > 0 {
        assert!(started.elapsed() < PATIENCE, "a scan that nobody waits for goes on");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn begun(slow: &Slow, count: usize) {
    let started = Instant::now();
    while slow.begun.load(SeqCst) < count {
        assert!(started.elapsed() < PATIENCE, "no scan begins");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_scan_ends_in_time_and_says_so() {
    let server = Server::start(limits(|limits| limits.scan = Duration::from_millis(200))).await;
    *server.port.kept.lock().unwrap() = Some(Slow::default());
    for path in NUMBERS {
        let answer = server.get(&format!("GET {path}")).await;
        let detail = answer.problem(422, "Unprocessable Entity");
        assert!(detail.contains("since, until"), "{detail}");
    }
    let page = server.get("GET /api/v1/events").await;
    assert_eq!(
        (page.status, page.body.as_str()),
        (
            200,
            r#"{"items":[],"next":"64a5f0c2b1e80.7","scanned_to":"64a5f0c2b1e80.7","complete":false}"#
        )
    );
}

#[tokio::test]
async fn a_scan_whose_asker_has_left_ends_although_nothing_passes() {
    let server = Server::start(limits(|limits| limits.scan = PATIENCE * 2)).await;
    let slow = Slow::default();
    *server.port.kept.lock().unwrap() = Some(slow.clone());
    // HTTP/1: the connection is closed.
    let mut client = server.connect().await;
    client.send(b"GET /api/v1/facets HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    begun(&slow, 1).await;
    drop(client);
    none_goes_on(&slow).await;
    // HTTP/2: the stream is reset, the connection stays.
    let mut client = server.connect().await;
    let opening = [PREFACE, &frame(SETTINGS, 0, 0, b""), &get("/api/v1/export")].concat();
    client.send(&opening).await;
    begun(&slow, 2).await;
    client.send(&reset(1)).await;
    none_goes_on(&slow).await;
    client.send(&get_on(3, "/livez")).await;
    client.until(|read| frames(read).any(|(kind, _)| kind == DATA)).await;
}

#[tokio::test]
async fn a_scan_has_its_slot_until_it_has_ended() {
    let server = Server::start(Config::default()).await;
    let slow = Slow { stubborn: Duration::from_millis(400), ..Slow::default() };
    *server.port.kept.lock().unwrap() = Some(slow.clone());
    let mut client = server.connect().await;
    client.send(&[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()).await;
    for stream in (1..20).step_by(2) {
        client.send(&get_on(stream, "/api/v1/facets")).await;
        sleep(Duration::from_millis(20)).await;
        client.send(&reset(stream)).await;
    }
    sleep(Duration::from_millis(200)).await;
    none_goes_on(&slow).await;
    assert!(slow.at_once.load(SeqCst) <= 2, "{slow:?}");
}

#[tokio::test]
async fn an_answer_that_gets_no_window_is_cut_off_and_no_other() {
    let server = Server::start(limits(|limits| limits.stall = Duration::from_millis(1500))).await;
    let mut client = server.connect().await;
    let live = get_on(3, "/api/v1/events/stream");
    client.send(&[PREFACE, &no_window(), &get("/api/openapi.json"), &live].concat()).await;
    client.send(&window_update(3, 1 << 20)).await;
    let resets = |read: &[u8]| frames(read).filter(|(kind, _)| *kind == RST_STREAM).count();
    client.until(|read| resets(read) > 0).await;
    // One that gets its window in time goes on; so does one that has nothing to send.
    client.send(&get_on(5, "/livez")).await;
    sleep(Duration::from_millis(200)).await;
    client.send(&window_update(5, 1)).await;
    sleep(Duration::from_millis(50)).await;
    client.send(&window_update(5, 1)).await;
    client.until(|read| frames(read).any(|(kind, length)| (kind, length) == (DATA, 0))).await;
    sleep(Duration::from_secs(2)).await;
    let read = client.until(|read| frames(read).filter(|(kind, _)| *kind == HEADERS).count() > 2);
    assert_eq!(resets(read.await), 1);
    // A single byte is granted: the rest is in HTTP/2's hands, and goes with the stream too.
    client.send(&[get_on(7, "/api/openapi.json"), window_update(7, 1)].concat()).await;
    client.until(|read| resets(read) > 1).await;
}
