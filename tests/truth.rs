//! Honest answers: the API and the command line hint at a filter that can match no alert, and a
//! limited number is reported with its total.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::PATIENCE;
use support::http::Gateway;
use support::server::binary;
use tokio::time::{sleep, timeout};

fn alert(host: usize, rule: &str, command: &str) -> String {
    let line = json!({
        "hostname": format!("node-{host}"),
        "output": format!("{command} ran"),
        "output_fields": { "proc.name": "bash", "proc.cmdline": command, "fd.name": null },
        "priority": "Warning",
        "rule": rule,
        "source": "syscall",
        "tags": ["t"],
        "time": "2026-01-30T10:00:00.000000000Z",
    });
    format!("{line}\n")
}

/// Starts a server and waits until it retains all these alerts.
async fn filled(alerts: &str) -> Gateway {
    let mut gateway = Gateway::start(&[]);
    gateway.server.feed(alerts);
    let wanted = alerts.lines().count();
    let kept = async {
        while gateway.json("/api/v1/status").await["alerts_retained"] != json!(wanted) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, kept).await.expect("the server retains all alerts");
    gateway
}

async fn hints(gateway: &Gateway, filter: &str) -> Vec<Value> {
    let query = serde_urlencoded::to_string([("filter", filter)]).unwrap();
    let answer = gateway.json(&format!("/api/v1/filter?{query}")).await;
    answer["hints"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_can_match_nothing_gets_a_hint() {
    let gateway = filled(&(0..50).map(|n| alert(n, "r", "ls")).collect::<String>()).await;
    let told = hints(&gateway, "rule = r and proc.nmae = bash").await;
    assert_eq!(
        told,
        [json!({
            "column": 14, "found": "proc.nmae", "meant": "proc.name",
            "detail": "no retained alert has the field proc.nmae; nearest: proc.name",
        })]
    );
    let told = hints(&gateway, "rule:Terminal").await;
    assert_eq!(
        told,
        [json!({
            "column": 1, "found": "rule:Terminal", "meant": "rule = Terminal",
            "detail": "rule:Terminal matches text in the output; for the field write rule = Terminal",
        })]
    );
    for well in ["proc.name = zsh", "fd.name exists", "rule = none", "shell", "tags = x"] {
        assert_eq!(hints(&gateway, well).await, [json!(null); 0], "{well}");
    }
    let wrong = gateway.get("/api/v1/filter?filter=rule%20%3D").await;
    assert_eq!(wrong.status, 400);
    assert_eq!(gateway.json("/api/v1/filter").await["hints"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_alerts_an_unknown_field_gets_no_hint() {
    let gateway = Gateway::start(&[]);
    assert_eq!(hints(&gateway, "proc.nmae = bash").await, [json!(null); 0]);
    assert_eq!(hints(&gateway, "hostname:a").await.len(), 1);
}

/// Runs a client command against this server. Returns its standard output and standard error.
fn told(gateway: &Gateway, words: &[&str]) -> (String, String) {
    let server = format!("--server=http://{}", gateway.address);
    let output = Command::new(binary()).args(words).arg(server).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

const SLIP: &str = "falconer: --filter, column 1: no retained alert has the field proc.nmae; \
                    nearest: proc.name\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_prints_hints_to_standard_error() {
    let gateway = filled(&alert(1, "r", "ls")).await;
    let events = |filter: &str| told(&gateway, &["events", "-o", "json", "--filter", filter]);
    assert_eq!(events("proc.nmae = bash"), (String::new(), SLIP.into()));
    assert_eq!(events("proc.name = bash"), (alert(1, "r", "ls"), String::new()));
    let (_, error) = events("rule:r");
    assert!(error.contains("for the field write rule = r"), "{error}");
    // `wait` reports the hint at once, not at its timeout.
    let words = ["wait", "--filter", "proc.nmae = bash", "--timeout=60s"];
    let mut waiting = Command::new(binary())
        .args(words)
        .arg(format!("--server=http://{}", gateway.address))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut line).unwrap();
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert_eq!(line, SLIP);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_on_a_file_get_hints_too() {
    let mut events = Command::new(binary())
        .args(["events", "-", "--filter", "proc.nmae = bash"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    events.stdin.take().unwrap().write_all(alert(1, "r", "ls").as_bytes()).unwrap();
    let output = events.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        SLIP.replace("no retained alert", "no alert in the input")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limited_results_report_their_total() {
    let mut alerts: String = (0..500).map(|n| alert(n, "r", "ls")).collect();
    alerts += &alert(500, "s", &"x".repeat(600));
    let gateway = filled(&alerts).await;
    let answer = gateway.json("/api/v1/facets?fields=hostname,proc.cmdline&top=100").await;
    let [hosts, commands] = [&answer["facets"][0], &answer["facets"][1]];
    assert_eq!(hosts["values"].as_array().unwrap().len(), 100);
    assert_eq!((&hosts["distinct"], &hosts["capped"]), (&json!(501), &json!(false)));
    assert_eq!(commands["distinct"], json!(2));
    assert_eq!(commands["values"][0]["cut"], json!(false));
    assert_eq!(commands["values"][1]["cut"], json!(true));
    let rules = gateway.json("/api/v1/rules").await;
    assert_eq!(rules["rules"][0]["hosts"].as_array().unwrap().len(), 5);
    assert_eq!(rules["rules"][0]["distinct_hosts"], json!(500));
    assert_eq!(rules["other"], json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_beyond_the_limit_are_counted() {
    let mut alerts = String::new();
    for n in 0..10_050 {
        write!(
            alerts,
            "{{\"output\":\"o\",\"output_fields\":{{\"n\":{n}}},\"priority\":\"Debug\","
        )
        .unwrap();
        let rule = n % 2_010;
        writeln!(alerts, "\"rule\":\"rule {rule}\",\"time\":\"2026-01-30T10:00:00Z\"}}").unwrap();
    }
    let gateway = filled(&alerts).await;
    let facets = gateway.json("/api/v1/facets?fields=n&top=1000").await;
    let facet = &facets["facets"][0];
    assert_eq!((&facet["distinct"], &facet["capped"]), (&json!(10_000), &json!(true)));
    assert_eq!((&facet["other"], &facets["matched"]), (&json!(9_050), &json!(10_050)));
    let rules = gateway.json("/api/v1/rules").await;
    assert_eq!(rules["rules"].as_array().unwrap().len(), 2_000);
    assert_eq!((&rules["other"], &rules["matched"]), (&json!(50), &json!(10_050)));
}
