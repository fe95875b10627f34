//! Clients of the HTTP API that disconnect early, or do not read their answers: what they cost the
//! server and other clients, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use falconer_gateway::port::PRIORITIES;
use http::{Request, StatusCode};
use serde_json::json;
use support::PATIENCE;
use support::http::{Gateway, Kept};
use support::wire::{self, END_HEADERS, END_STREAM, frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// A request that scans every alert and matches none.
const NOTHING: &str = "/api/v1/facets?filter=proc.name=nobody-is-called-so";

/// A GET on a new HTTP/2 stream that adds nothing to the HPACK table.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    let block = [b"\x82\x86\x04", &[length][..], path.as_bytes(), b"\x01\x09localhost"].concat();
    frame(wire::HEADERS, END_HEADERS | END_STREAM, stream, &block)
}

/// The CPU time of the process, in ticks of 10 ms.
fn ticks(gateway: &Gateway) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.server.id())).unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ').skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

/// Waits until the process is almost idle. Fails after `within`.
async fn rests(gateway: &Gateway, within: Duration) {
    let begun = Instant::now();
    loop {
        let before = ticks(gateway);
        sleep(Duration::from_millis(500)).await;
        let spent = ticks(gateway) - before;
        if spent <= 5 {
            return;
        }
        assert!(begun.elapsed() < within, "{spent} ticks in half a second without a client");
    }
}

/// Posts `count` alerts, each with a text of `length` bytes. Returns the number of retained alerts.
async fn fill(gateway: &Gateway, count: usize, length: usize) -> u64 {
    let mut kept = Kept::open(gateway.address).await;
    let text = "x".repeat(length);
    let alert = |number: usize| {
        let alert = json!({
            "output": text,
            "output_fields": { "number": number, "proc.name": "cat" },
            "priority": PRIORITIES[number % 8],
            "rule": "r",
            "time": "2026-01-30T18:00:00.000000000Z",
        });
        format!("{alert}\n")
    };
    let together = ((4 << 20) / (length + 200)).clamp(1, 5_000);
    for first in (0..count).step_by(together) {
        let body: String = (first..count.min(first + together)).map(alert).collect();
        kept.post(&body).await;
    }
    let status = gateway.json("/api/v1/status").await;
    assert_eq!(status["alerts_received"], count);
    status["alerts_retained"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_end_when_their_clients_disconnect() {
    let gateway = Gateway::start(&[]);
    let kept = fill(&gateway, 60_000, 600).await;
    rests(&gateway, PATIENCE).await;
    let path = NOTHING;
    // HTTP/2: requests that are reset after their scan has started, all on one open connection.
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(&wire::opening()).await.unwrap();
    for stream in (1..40).step_by(2) {
        client.write_all(&get(stream, path)).await.unwrap();
        sleep(Duration::from_millis(30)).await;
        client.write_all(&wire::reset(stream)).await.unwrap();
    }
    rests(&gateway, Duration::from_secs(4)).await;
    // HTTP/1: clients that disconnect after their scan has started.
    for _ in 0..20 {
        let mut client = TcpStream::connect(gateway.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(30)).await;
    }
    rests(&gateway, Duration::from_secs(4)).await;
    // Both slots are free again.
    for _ in 0..3 {
        let facets = gateway.json(path).await;
        assert_eq!((&facets["scanned"], &facets["matched"]), (&json!(kept), &json!(0)));
    }
    drop(client);
}

/// Counts the answers in the frames `read` by their HEADERS.
fn answered(mut read: &[u8]) -> usize {
    let mut count = 0;
    while let [a, b, c, kind, after @ ..] = read {
        count += usize::from(*kind == wire::HEADERS);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        read = after.get(5 + length..).unwrap_or_default();
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_pages_stay_within_their_budget_and_others_get_theirs() {
    // The budget for answers is 64 MiB. Two more pages are being built, and memory is freed late.
    const GROWTH: u64 = 110 << 20;
    let gateway = Gateway::start(&["falconer.outputs.retain=16777216"]);
    let kept = fill(&gateway, 18, 800 << 10).await;
    let page = "/api/v1/events?limit=1000";
    gateway.json(page).await;
    let memory = gateway.server.resident();
    let no_window = [&4_u16.to_be_bytes()[..], &[0; 4]].concat();
    let mut deaf = TcpStream::connect(gateway.address).await.unwrap();
    let opening =
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(wire::SETTINGS, 0, 0, &no_window)[..]];
    deaf.write_all(&opening.concat()).await.unwrap();
    for stream in (1..129).step_by(2) {
        deaf.write_all(&get(stream, page)).await.unwrap();
    }
    // Each gets a page that waits for its flow-control window, or an error without memory.
    let mut read = Vec::new();
    let begun = Instant::now();
    while answered(&read) < 64 {
        let _ = timeout(Duration::from_millis(100), deaf.read_buf(&mut read)).await;
        let grown = gateway.server.resident().saturating_sub(memory);
        assert!(grown < GROWTH, "{grown} bytes for {} answers", answered(&read));
        assert!(begun.elapsed() < Duration::from_secs(90), "{} answers", answered(&read));
    }
    // Another reader gets its page, then the pages that follow.
    let begun = Instant::now();
    let mut before = String::new();
    let mut seen = 0;
    loop {
        let answer = gateway.ask(Request::get(format!("{page}{before}")), b"").await;
        assert_eq!(answer.status, StatusCode::OK);
        let text = answer.text().await;
        assert!(text.len() < 4 << 20, "{} bytes", text.len());
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        seen += json["items"].as_array().unwrap().len();
        match json["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen as u64, kept);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_body_is_accepted_and_counted_and_a_too_long_one_rejected() {
    let gateway = Gateway::start(&[]);
    let alert = json!({"output": "o", "priority": "Notice", "rule": "r",
        "time": "2026-01-30T18:00:00.000000000Z"});
    let lines = format!("{alert}\nno alert\n\n").repeat(10_000);
    gateway.post(&lines).await;
    let refused = gateway
        .ask(
            Request::post("/api/v1/events"),
            format!("{alert}\n{}", "\n".repeat(70_000)).as_bytes(),
        )
        .await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let problem = refused.json().await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("70002 lines") && detail.contains("Nothing of it was taken"),
        "{detail}"
    );
    let metrics = gateway.get("/metrics").await.text().await;
    for (status, count) in [("accepted", 10_000), ("not_an_alert", 10_000), ("refused", 1)] {
        let name = format!("falconer_alerts_received_total{{input=\"http\",status=\"{status}\"}}");
        let line = metrics.lines().find(|line| line.starts_with(&name));
        assert_eq!(line, Some(format!("{name} {count}").as_str()));
    }
}
