//! A few filters that cost as much as the limits allow, and many cheap ones: other clients must not
//! be disturbed, and the server must free the memory of the filters.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::time::{Duration, Instant};

use falconer::filter::Filter;
use http::Request;
use serde_json::json;
use support::PATIENCE;
use support::http::Gateway;
use support::raw::{Call, Client, Replies, head};
use support::witness::Witness;
use tokio::time::{sleep, timeout};

const SUB: &str = "/falco.outputs.service/sub";

/// The longest time that a probe may take meanwhile, in a debug build on a busy machine.
/// `benches/README.md` has the measured value.
const PROBE: Duration = Duration::from_secs(2);

/// A valid filter that is nearly as slow as possible: text of `a` and `b` makes the engine look at
/// the whole pattern for every byte. Each number gives another filter, so that they share no work.
fn worst(number: usize) -> String {
    format!(r"output regex '.*[ab](?:[abx]{{0,12}}.?){{0,12}}[^c]{{0,9}}{number}'")
}

/// An alert with a long text in which no cache of the regex engine helps.
fn noisy(number: usize) -> String {
    let letter = |at: usize| if (at * at + at / 7 + number).is_multiple_of(3) { 'a' } else { 'b' };
    let output: String = (0..1000).map(letter).collect();
    let line = json!({
        "output": output, "output_fields": {}, "priority": "Notice", "rule": "noise",
        "source": "syscall", "time": "2026-01-30T10:00:00.000000001Z",
    });
    format!("{line}\n")
}

async fn subscribe(client: &Client, filter: &str) -> Call {
    client.begin(head(SUB).header("falconer-filter", filter).header("falconer-last", "0")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slowest_filters_delay_no_other_client() {
    let mut gateway = Gateway::start(&[]);
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let mut readers = Vec::new();
    for number in 0..25 {
        readers.push(subscribe(&client, &worst(number)).await.replies().await);
    }
    let mut streams = Vec::new();
    for number in 25..50 {
        let query = serde_urlencoded::to_string([("filter", worst(number))]).unwrap();
        let answer = gateway.get(&format!("/api/v1/events/stream?{query}")).await;
        assert_eq!(answer.status, 200, "{}", worst(number));
        streams.push(answer);
    }
    // Some minutes of work for those 50 filters.
    gateway.server.feed((0..200).map(noisy).collect::<String>());

    let mut witness = Witness::beside(&gateway).await;
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    while begun.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        assert_eq!(gateway.get("/livez").await.status, 200);
        slowest = slowest.max(asked.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    witness.satisfied().await;
    assert!(slowest < PROBE, "{slowest:?}");
    // The server still evaluates filters, and still handles a signal.
    gateway.server.terminate();
    assert!(gateway.server.wait(PATIENCE).is_some());
}

/// Feeds 300 alerts one by one, then the one that `replies` waits for, and returns the CPU time of
/// the server.
async fn cost(gateway: &mut Gateway, replies: &mut Replies) -> Duration {
    let before = gateway.server.cpu();
    for number in 0..300 {
        gateway.server.feed(support::examples::line(&number.to_string()));
        sleep(Duration::from_millis(4)).await;
    }
    gateway.server.feed(support::examples::line("last"));
    replies.next().await.expect("the alert that it waits for");
    gateway.server.cpu() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_without_matches_cost_little_per_alert() {
    let mut gateway = Gateway::start(&[]);
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let (_requests, mut replies) = subscribe(&client, "rule = last").await.replies().await;
    // A debug build compresses the dashboard's files at the first request.
    gateway.get("/").await;
    let alone = cost(&mut gateway, &mut replies).await;
    let mut readers = Vec::new();
    for connection in 0..10 {
        let client = Client::connect(&gateway.server.socket().unwrap()).await;
        for _ in 0..200 {
            let filter = format!("proc.name = nothing-{connection}");
            readers.push((client.clone(), subscribe(&client, &filter).await.replies().await));
        }
    }
    let beside = cost(&mut gateway, &mut replies).await;
    // The server evaluates ten filters instead of one. Waking 2,000 readers took twenty times as
    // much CPU.
    assert!(beside < 4 * alone + Duration::from_millis(200), "{beside:?}, alone {alone:?}");
    // They have no lag.
    let metrics = gateway.get("/metrics").await.text().await;
    let lag = metrics
        .lines()
        .find(|line| line.starts_with("falconer_subscriber_lag_alerts{kind=\"grpc\"}"));
    assert_eq!(lag.unwrap().rsplit(' ').next(), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_of_many_words_use_little_memory_and_free_it() {
    let gateway = Gateway::start(&[]);
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let words = |call: usize| {
        let words = (0..250).map(|word| format!("w{call}x{word}"));
        words.collect::<Vec<_>>().join(" or ")
    };
    assert!(Filter::parse(&words(0)).is_ok());
    let before = gateway.server.resident();
    let mut readers = Vec::new();
    for call in 0..200 {
        readers.push(subscribe(&client, &words(call)).await.replies().await);
    }
    let taken = gateway.server.resident().saturating_sub(before);
    assert!(taken < 64 << 20, "{} MiB for 200 filters", taken >> 20);
    drop(readers);
    drop(client);
    // The limit on filters in use also limits the memory that remains afterwards.
    for round in 0..5 {
        let client = Client::connect(&gateway.server.socket().unwrap()).await;
        for call in 0..40 {
            subscribe(&client, &words(1000 * round + call)).await.replies().await;
        }
    }
    let kept = gateway.server.resident().saturating_sub(before);
    assert!(kept < 64 << 20, "{} MiB kept", kept >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_have_a_memory_budget_and_its_error_has_the_numbers() {
    let gateway = Gateway::start(&[]);
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let large = |number: usize| format!(r"output regex '\w\s\w\s\w{number}'");
    let before = gateway.server.resident();
    let mut kept = Vec::new();
    let refused = loop {
        let more = Client::connect(&gateway.server.socket().unwrap()).await;
        let (requests, replies) = subscribe(&more, &large(kept.len())).await.replies().await;
        if replies.headers.contains_key("grpc-status") {
            break replies.outcome().await;
        }
        kept.push((more, requests, replies));
        assert!(kept.len() < 1000, "no limit after 1,000 filters");
    };
    assert_eq!(refused.code(), Some(8), "{}", refused.message());
    assert!(refused.message().contains("bytes"), "{}", refused.message());
    let grown = gateway.server.resident().saturating_sub(before);
    assert!(grown < 128 << 20, "{} MiB", grown >> 20);
    // HTTP reports the same limit. A small filter still fits.
    let query = serde_urlencoded::to_string([("filter", large(1001))]).unwrap();
    let answer = gateway.ask(Request::get(format!("/api/v1/events?{query}")), b"").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().await.contains("all filters in use"));
    let small = subscribe(&client, "proc.name = cat").await.replies().await;
    assert!(!small.1.headers.contains_key("grpc-status"));
    drop((kept, small));
    let again = async {
        while gateway.get(&format!("/api/v1/events?{query}")).await.status != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("the budget is free again");
}
