//! How a client resumes the live stream over HTTP, also across a restart of the server: with the
//! cursor that its user typed, and with the one that it sends by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use http::Request;
use serde_json::{Value, json};
use support::examples;
use support::http::{Event, Events, Gateway};

const STREAM: &str = "/api/v1/events/stream";

/// The line of an alert with a time `hours` after ten o'clock.
fn line(rule: &str, hours: usize) -> String {
    let mut alert: Value = serde_json::from_str(&examples::line(rule)).unwrap();
    alert["time"] = json!(format!("2026-01-30T{}:00:00.000000000Z", 10 + hours));
    format!("{alert}\n")
}

/// Opens the stream as a client that has read up to `id`.
async fn resumed(gateway: &Gateway, query: &str, id: &str) -> Events {
    let request = Request::get(format!("{STREAM}{query}")).header("last-event-id", id);
    gateway.ask(request, b"").await.events()
}

fn data(event: &Event) -> Value {
    serde_json::from_str(&event.data.concat()).unwrap_or_else(|error| panic!("{event:?}: {error}"))
}

/// The rules of the next `count` alerts.
async fn rules(events: &mut Events, count: usize) -> Vec<String> {
    let mut rules = Vec::new();
    while rules.len() < count {
        rules.push(data(&events.named("").await)["rule"].as_str().unwrap().to_owned());
    }
    rules
}

#[tokio::test]
async fn after_a_restart_a_client_learns_of_lost_alerts_and_gets_the_retained_ones() {
    let gateway = Gateway::start(&[]);
    let mut events = gateway.get(STREAM).await.events();
    let position = events.next().await.unwrap();
    let epoch = gateway.json("/api/v1/status").await["epoch"].as_str().unwrap().to_owned();
    assert_eq!((position.name.as_str(), position.id), ("position", Some(format!("{epoch}.0"))));
    gateway.post(&line("before", 0)).await;
    let old = events.named("").await.id.unwrap();

    let gateway = gateway.restart(&[]);
    let bye = events.named("bye").await;
    assert_eq!(bye.id.as_ref(), Some(&old), "a client can resume from it");
    assert!(data(&bye)["reason"].as_str().unwrap().contains("reconnect"), "{bye:?}");
    gateway.post(&(line("first", 0) + &line("second", 1))).await;
    let epoch = gateway.json("/api/v1/status").await["epoch"].as_str().unwrap().to_owned();

    // The start in the URL no longer applies. Its filters still do.
    for query in ["", "?last=0", "?since=1s", &format!("?after={old}"), "?filter=rule%20exists"] {
        let mut events = resumed(&gateway, query, &old).await;
        let lost = events.next().await.unwrap();
        assert_eq!(
            (lost.name.as_str(), lost.id.as_deref()),
            ("lost", Some(&*format!("{epoch}.0")))
        );
        let told = data(&lost);
        assert!(told["cause"].as_str().unwrap().starts_with("restart: "), "{told}");
        assert_eq!(told["count"], Value::Null);
        assert_eq!(rules(&mut events, 2).await, ["first", "second"], "{query}");
        let mut again = resumed(&gateway, query, &lost.id.unwrap()).await;
        assert_eq!(again.next().await.unwrap().name, "", "the loss is announced once");
    }
    for query in ["?since=2026-01-30T10:30:00Z", "?filter=rule%20=%20second"] {
        let mut events = resumed(&gateway, query, &old).await;
        assert_eq!(events.next().await.unwrap().name, "lost");
        assert_eq!(rules(&mut events, 1).await, ["second"], "{query}");
    }
    // A wrong cursor that a user typed is an error.
    assert_eq!(gateway.get(&format!("{STREAM}?after={old}")).await.status, 410);
}

#[tokio::test]
async fn an_invalid_cursor_of_a_reconnecting_client_is_a_loss_and_no_error() {
    let gateway = Gateway::start(&[]);
    gateway.post(&line("first", 0)).await;
    let epoch = gateway.json("/api/v1/status").await["epoch"].as_str().unwrap().to_owned();
    for id in ["42", "a cursor", &format!("{epoch}.7"), "9d0b7f2a-6c1e-4e2b-a7f0-1d2c3b4a5e6f"] {
        let mut events = resumed(&gateway, "?last=0", id).await;
        let lost = events.next().await.unwrap();
        assert_eq!(lost.name, "lost", "{id}");
        let told = data(&lost);
        assert!(told["cause"].as_str().unwrap().starts_with("unknown position: "), "{told}");
        assert_eq!(rules(&mut events, 1).await, ["first"], "{id}");
    }
    // Bytes that are not text are an unknown position, too. An empty header is no position.
    let odd = http::HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    let mut events =
        gateway.ask(Request::get(STREAM).header("last-event-id", odd), b"").await.events();
    assert_eq!(events.next().await.unwrap().name, "lost");
    let mut events = resumed(&gateway, "?last=1", "").await;
    assert_eq!(rules(&mut events, 1).await, ["first"]);
}

#[tokio::test]
async fn libraries_without_the_header_send_the_cursor_in_the_url() {
    let gateway = Gateway::start(&[]);
    gateway.post(&(line("first", 0) + &line("second", 0) + &line("third", 0))).await;
    let epoch = gateway.json("/api/v1/status").await["epoch"].as_str().unwrap().to_owned();
    for query in [
        format!("last=0&lastEventId={epoch}.1"),
        format!("lastEventID={epoch}.1"),
        format!("Last-Event-ID={epoch}.1"),
        format!("lastEventId={epoch}.1&r=03170493"),
        format!("lastEventId=1.1&last=0&lastEventId={epoch}.1"),
        format!("evs_last_event_id={epoch}.1&evs_preamble=2056"),
        format!("stream=messages&after={epoch}.1"),
        format!("lastEventId=&after={epoch}.1&_=1764557000"),
    ] {
        let mut events = gateway.get(&format!("{STREAM}?{query}")).await.events();
        assert_eq!(rules(&mut events, 2).await, ["second", "third"], "{query}");
    }
    let mut events = resumed(&gateway, "?lastEventId=1.1", &format!("{epoch}.2")).await;
    assert_eq!(rules(&mut events, 1).await, ["third"], "the header is newer");
    let lost = gateway.get(&format!("{STREAM}?lastEventId=1.1")).await.events().next().await;
    assert_eq!(lost.unwrap().name, "lost");
}

#[tokio::test]
async fn ndjson_begins_with_the_lost_alerts() {
    let gateway = Gateway::start(&[]);
    gateway.post(&line("first", 0)).await;
    let request = Request::get(format!("{STREAM}?last=0"))
        .header("accept", "application/x-ndjson")
        .header("last-event-id", "1.1");
    let text = gateway.ask(request, b"").await.until(r#""rule":"first""#).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines[0]["lost"]["cause"].as_str().unwrap().starts_with("restart: "), "{text}");
    assert_eq!(lines[1]["rule"], "first");
}

#[tokio::test]
async fn parameters_that_a_stream_would_ignore_are_rejected() {
    let gateway = Gateway::start(&[]);
    for (query, accept, parameter, detail) in [
        ("filtre=x", "text/event-stream", "filtre", "the parameters are filter, after"),
        ("batch=1", "application/x-ndjson", "batch", "a line of its own"),
        ("envelope=1", "text/event-stream", "envelope", "its cursor as id"),
        ("envelope=1&batch=1", "*/*", "envelope", "its cursor as id"),
        ("batch=2", "*/*", "batch", "neither 0 nor 1"),
    ] {
        let request = Request::get(format!("{STREAM}?{query}")).header("accept", accept);
        let answer = gateway.ask(request, b"").await;
        assert_eq!(answer.status, 400, "{query}");
        let problem = answer.json().await;
        assert_eq!(problem["parameter"], parameter, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
    let answer = gateway.get("/api/v1/export?columns=proc.name").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().await.contains("format=csv"));
    for path in ["/api/v1/events", "/api/v1/status", "/api/v1/rules", "/api/v1/export"] {
        assert_eq!(gateway.get(&format!("{path}?_=1764557000")).await.status, 200, "{path}");
        assert_eq!(gateway.get(&format!("{path}?stream=1")).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn new_settings_end_a_stream_and_its_client_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let [before, after] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
    std::fs::write(&file, before).unwrap();
    let mut gateway = Gateway::start(&[&format!("falconer.gateway.token_file={}", file.display())]);
    let asked =
        |token: &str| Request::get(STREAM).header("authorization", format!("Bearer {token}"));
    let mut events = gateway.ask(asked(before), b"").await.events();
    assert_eq!(events.next().await.unwrap().name, "position");
    gateway.server.feed(line("first", 0));
    assert_eq!(rules(&mut events, 1).await, ["first"]);

    std::fs::write(&file, after).unwrap();
    gateway.server.hang_up();
    let bye = events.named("bye").await;
    assert!(data(&bye)["reason"].as_str().unwrap().contains("new settings"), "{bye:?}");
    assert_eq!(events.next().await, None);
    gateway.server.feed(line("second", 0));
    let resumed = asked(after).header("last-event-id", bye.id.unwrap());
    let mut events = gateway.ask(resumed, b"").await.events();
    let next = events.next().await.unwrap();
    assert_eq!((next.name.as_str(), &data(&next)["rule"]), ("", &json!("second")), "nothing lost");
}
