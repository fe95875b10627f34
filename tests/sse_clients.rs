//! Server-sent events as real libraries read them, across a restart of the server.
//!
//! `tests/clients/setup` installs the libraries; `support/client.rs` says what happens without
//! them. All of them read one server, each in its own process:
//!
//! 1. Each begins with its position. It passes a posted alert to its user, but not the heartbeat.
//! 2. The server stops and another starts at the same address. Every library reconnects if used as
//!    its documentation says. Its user learns that alerts are lost and gets each alert that was
//!    posted since, once.
//! 3. Every event that a library passes to its user has data, and the data is JSON.
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

/// The stream with a filter, as most readers use it.
const STREAM: &str = "/api/v1/events/stream?filter=rule%20contains%20wanted";

fn alert(rule: &str) -> String {
    format!(
        r#"{{"hostname":"n","output":"o","output_fields":{{}},"priority":"Error","rule":"{rule}","source":"syscall","tags":[],"time":"2026-01-30T10:00:00.000000000Z"}}"#
    )
}

/// A library and the events that it has passed on so far.
struct Reading {
    reader: Reader,
    client: Client,
    /// The rules of alerts, and the names of other events.
    seen: Vec<String>,
}

impl Reading {
    fn start(reader: Reader, gateway: &Gateway) -> Self {
        let url = format!("http://{}{STREAM}", gateway.address);
        Self { reader, client: reader.start(&url), seen: Vec::new() }
    }

    /// Reads until the library passes on `what`: an alert of that rule, or an event of that name.
    fn until(&mut self, what: &str) {
        loop {
            let event = self.client.next();
            let name = event["event"].as_str().unwrap();
            let data: Value = serde_json::from_str(event["data"].as_str().unwrap())
                .unwrap_or_else(|error| panic!("{:?} passed on {event}: {error}", self.reader));
            let seen = match name {
                "" => data["rule"].as_str().unwrap_or_else(|| panic!("{:?}: {event}", self.reader)),
                "lost" => {
                    let cause = data["cause"].as_str().unwrap();
                    assert!(cause.starts_with("restart: ") && data["count"].is_null(), "{event}");
                    name
                }
                "position" | "bye" => name,
                _ => panic!("{:?} passed on {event}", self.reader),
            };
            self.seen.push(seen.to_owned());
            if seen == what {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_reconnect_after_a_restart_and_pass_on_no_empty_event() {
    let installed = Reader::ALL.into_iter().filter(|reader| reader.is_installed());
    let gateway = Gateway::start(&[]);
    let mut readings: Vec<_> = installed.map(|reader| Reading::start(reader, &gateway)).collect();
    let mut each = |what: &str| readings.iter_mut().for_each(|reading| reading.until(what));
    each("position");
    gateway.post(&alert("wanted 1")).await;
    each("wanted 1");

    // This reader started last: when it has its heartbeat, the others have had theirs.
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
