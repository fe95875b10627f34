//! A wall clock that jumps a day forward, then two days back. Deadlines follow the monotonic clock,
//! and readers still get their alerts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use support::client;
use support::http::Gateway;
use support::raw::{Client, head};
use support::witness::Witness;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The number of calls with the same deadline, on [`CONNECTIONS`] connections.
const CALLS: usize = 1_000;
const CONNECTIONS: usize = 10;

/// The deadline of these calls.
const DEADLINE: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_of_the_clock_changes_no_deadline() {
    if !client::is_installed("faketime") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let offset = dir.path().join("offset");
    // Replaces the file at once, so that a reader never sees half a line.
    let set = |to: &str| {
        let new = dir.path().join("new");
        fs::write(&new, format!("{to}\n")).unwrap();
        fs::rename(&new, &offset).unwrap();
    };
    set("+0");
    let library = client::home().join("libfaketime.so");
    let gateway = Gateway::start_with(
        &[],
        &[
            ("LD_PRELOAD", &library),
            ("FAKETIME_TIMESTAMP_FILE", &offset),
            ("FAKETIME_NO_CACHE", Path::new("1")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
            ("DONT_FAKE_MONOTONIC", Path::new("1")),
        ],
    );
    let mut witness = Witness::beside(&gateway).await;
    let path = gateway.server.socket().unwrap();
    let began = now(&gateway).await;
    let mut calls = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = Client::connect(&path).await;
        for _ in 0..CALLS / CONNECTIONS {
            let client = client.clone();
            calls.spawn(async move {
                let begun = Instant::now();
                let timeout = format!("{}S", DEADLINE.as_secs());
                let sub = head("/falco.outputs.service/sub").header("grpc-timeout", timeout);
                // The filter matches no alert, so that the calls use almost no CPU.
                let call = client.begin(sub.header("falconer-filter", "rule = none")).await;
                let outcome = call.outcome().await;
                (outcome.code(), begun.elapsed())
            });
        }
    }
    sleep(Duration::from_secs(1)).await;
    set("+1d");
    sleep(Duration::from_secs(1)).await;
    let hours = (now(&gateway).await - began) / 3_600;
    assert_eq!(hours, 24, "the clock has jumped");
    set("-1d");
    sleep(Duration::from_secs(1)).await;
    let hours = (now(&gateway).await - began) / 3_600;
    assert_eq!(hours, -23, "and back");
    while let Some(ended) = calls.join_next().await {
        let (code, time) = ended.unwrap();
        assert_eq!(code, Some(4), "DEADLINE_EXCEEDED");
        assert!(time > DEADLINE && time < DEADLINE + Duration::from_secs(2), "{time:?}");
    }
    witness.satisfied().await;
    let log = gateway.server.log_at_the_end();
    assert!(!log.contains("panicked"), "{log}");
}

/// The server's clock, in seconds.
async fn now(gateway: &Gateway) -> i64 {
    let status = gateway.json("/api/v1/status").await;
    status.get("now").unwrap().as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}
