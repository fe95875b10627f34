//! The layouts of alerts that log shippers and people send: several in an array, without a
//! separator, over several lines, among other text. Each arrives through standard input, a file and
//! a post.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests panic to fail"
)]

mod support;

use std::fs::OpenOptions;
use std::io::Write as _;

use serde_json::Value;
use support::examples;
use support::http::Gateway;
use support::wait::eventually_async;

/// The alerts of a layout, each on one line and pretty-printed.
struct Alerts {
    lines: Vec<String>,
    pretty: Vec<String>,
}

impl Alerts {
    fn new(prefix: &str) -> Self {
        let lines: Vec<_> = (0..3)
            .map(|number| examples::line(&format!("{prefix}{number}")).trim_end().to_owned())
            .collect();
        let pretty = |line: &String| {
            serde_json::to_string_pretty(&serde_json::from_str::<Value>(line).unwrap()).unwrap()
        };
        Self { pretty: lines.iter().map(pretty).collect(), lines }
    }
}

/// A layout of three alerts: its name, the function that writes it, and how many must arrive.
type Layout = (&'static str, fn(&Alerts) -> String, usize);

const LAYOUTS: [Layout; 12] = [
    ("Falco: an alert a line", |a| a.lines.join("\n") + "\n", 3),
    ("vector `json`, fluent-bit `json`: an array", |a| format!("[{}]", a.lines.join(",")), 3),
    (
        "logstash `json_batch`: an array over lines",
        |a| format!("[\n{}\n]\n", a.lines.join(",\n")),
        3,
    ),
    ("fluent-bit `json_stream`: nothing between", |a| a.lines.concat(), 3),
    ("curl -d @file: line ends are dropped", |a| a.lines.join(" "), 3),
    ("jq: pretty-printed", |a| a.pretty.join("\n") + "\n", 3),
    ("jq -s: a pretty-printed array", |a| format!("[\n{}\n]\n", a.pretty.join(",\n")), 3),
    (
        "a line, then pretty-printed",
        |a| format!("{}\n{}\n{}", a.lines[0], a.pretty[1], a.lines[2]),
        3,
    ),
    (
        "a torn alert before whole ones",
        |a| format!("{}\n{}\n{}\n", &a.lines[0][..40], a.lines[1], a.lines[2]),
        2,
    ),
    (
        "a torn pretty-printed alert",
        |a| format!("{}\n{}\n{}\n", &a.pretty[0][..60], a.lines[1], a.pretty[2]),
        2,
    ),
    (
        "Falco's log lines between",
        |a| {
            format!(
                "[info] x\n{}\nMon Jan 1 00:00:00 2026: x\n{}{}",
                a.lines[0], a.lines[1], a.lines[2]
            )
        },
        3,
    ),
    ("another object among them", |a| format!("[{},{{\"a\":1}},{}]", a.lines[0], a.lines[2]), 2),
];

#[tokio::test]
async fn every_layout_arrives_through_every_input() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.json");
    std::fs::write(&path, "").unwrap();
    let files = format!("falconer.inputs.files[]={}", path.display());
    let mut gateway = Gateway::start(&[&files, "falconer.inputs.stdin=true"]);
    for (number, (layout, write, expected)) in LAYOUTS.into_iter().enumerate() {
        for input in ["stdin", "file", "http"] {
            let prefix = format!("{input} {number} ");
            // The newline ends an unfinished record before the next layout.
            let text = write(&Alerts::new(&prefix)) + "\n";
            match input {
                "stdin" => gateway.server.feed(text),
                "file" => {
                    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                    file.write_all(text.as_bytes()).unwrap();
                }
                _ => gateway.post(&text).await,
            }
            let url =
                format!("/api/v1/events?filter=rule+startswith+%22{prefix}%22").replace(' ', "+");
            let found = eventually_async(&format!("{layout} through {input}"), async || {
                let items = gateway.json(&url).await["items"].as_array().unwrap().clone();
                (items.len() >= expected).then_some(items)
            })
            .await;
            assert_eq!(found.len(), expected, "{layout} through {input}");
        }
    }
}

/// Falco posts a text alert as one body, and a command line may have line breaks.
#[tokio::test]
async fn a_posted_text_alert_keeps_its_line_breaks() {
    let gateway = Gateway::start(&[]);
    let alert = "10:00:00.000000001: Warning Shell (cmdline=sh -c echo a\necho b\n)";
    gateway.post(alert).await;
    gateway.post(&format!("{alert}\n10:00:00.000000002: Error Next\nis it\n")).await;
    let output = |item: &Value| item["event"]["output"].as_str().unwrap().to_owned();
    let found = eventually_async("three alerts", async || {
        let items = gateway.json("/api/v1/events?order=asc").await["items"].as_array()?.clone();
        (items.len() == 3).then(|| items.iter().map(output).collect::<Vec<_>>())
    })
    .await;
    assert_eq!(found, [alert, alert, "10:00:00.000000002: Error Next\nis it"]);
}
