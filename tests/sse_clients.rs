//! Server-sent events as real libraries read them, over a restart of the server.
//!
//! `tests/clients/setup` installs the libraries; `support/client.rs` says what happens without. All
//! of them read one server, each in its own process:
//!
//! 1. Each begins with its position. An alert that is posted is handed on, the heartbeat is not.
//! 2. The server ends and another begins at the same address. Every library comes back without its
//!    user doing more than its documentation says, is told that alerts are lost, and hands on what
//!    was posted since, once.
//! 3. Nothing that a library hands on is empty, and all of it is JSON.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::Value;
use support::client::Client;
use support::http::Gateway;
use support::sse::Reader;

/// Only a part of the alerts, as most readers would have it.
const STREAM: &str = "/api/v1/events/stream?filter=rule%20contains%20wanted";

fn alert(rule: &str) -> String {
    format!(
        r#"{{"hostname":"n","output":"o","output_fields":{{}},"priority":"Error","rule":"{rule}","source":"syscall","tags":[],"time":"2026-01-30T10:00:00.000000000Z"}}"#
    )
}

/// What a library has handed on so far.
struct Reading {
    reader: Reader,
    client: Client,
    /// The rules of alerts, and the names of all else.
    seen: Vec<String>,
}

impl Reading {
    fn start(reader: Reader, gateway: &Gateway) -> Self {
        let url = format!("http://{}{STREAM}", gateway.address);
        Self { reader, client: reader.start(&url), seen: Vec::new() }
    }

    /// Reads on until it hands on `what`: an alert of that rule, or an event of that name.
    fn until(&mut self, what: &str) {
        loop {
            let event = self.client.next();
            let name = event["event"].as_str().unwrap();
            let data: Value = serde_json::from_str(event["data"].as_str().unwrap())
                .unwrap_or_else(|error| panic!("{:?} handed on {event}: {error}", self.reader));
            let seen = match name {
                "" => data["rule"].as_str().unwrap_or_else(|| panic!("{:?}: {event}", self.reader)),
                "lost" => {
                    let cause = data["cause"].as_str().unwrap();
                    assert!(cause.starts_with("restart: ") && data["count"].is_null(), "{event}");
                    name
                }
                "position" | "bye" => name,
                _ => panic!("{:?} handed on {event}", self.reader),
            };
            self.seen.push(seen.to_owned());
            if seen == what {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_come_back_after_a_restart_and_hand_on_nothing_that_is_empty() {
    let installed = Reader::ALL.into_iter().filter(|reader| reader.is_installed());
    let gateway = Gateway::start(&[]);
    let mut readings: Vec<_> = installed.map(|reader| Reading::start(reader, &gateway)).collect();
    let mut each = |what: &str| readings.iter_mut().for_each(|reading| reading.until(what));
    each("position");
    gateway.post(&alert("wanted 1")).await;
    each("wanted 1");

    // This one began last: when it has its heartbeat, the others have had theirs.
    gateway.get(STREAM).await.until("\n:\n").await;

    let gateway = gateway.restart(&[]);
    gateway.post(&alert("wanted 2")).await;
    each("wanted 2");
    gateway.post(&alert("wanted 3")).await;
    each("wanted 3");

    for Reading { reader, seen, .. } in readings {
        let expected = ["position", "wanted 1", "bye", "lost", "wanted 2", "wanted 3"];
        assert_eq!(seen, expected, "{reader:?}");
    }
}
