//! The answer to a post, which is a success if Falconer accepted an alert. And the hostname of an
//! alert that has none.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use http::Request;
use serde_json::{Value, json};
use support::examples;
use support::http::{Answer, Gateway};
use support::raw::{Client, as_value, framed, head};
use support::server::binary;

async fn post(gateway: &Gateway, path: &str, body: &str) -> Answer {
    gateway.ask(Request::post(path), body.as_bytes()).await
}

#[tokio::test]
async fn a_post_counts_its_alerts_and_fails_without_one() {
    let gateway = Gateway::start(&[]);
    let alert = examples::line("one").trim().to_owned();
    for (body, accepted, refused) in [
        (alert.clone(), 1, 0),
        (format!("[{alert},{alert}]"), 2, 0),
        (format!("{alert}\nFalco initialized\n{alert}\n\n"), 2, 1),
        (format!("{{}}\n{{\"rule\":1}}\n{alert}"), 1, 2),
    ] {
        let answer = post(&gateway, "/api/v1/events", &body).await;
        assert_eq!(answer.status, 200, "{body}");
        let counts = answer.json().await;
        assert_eq!((&counts["accepted"], &counts["refused"]), (&json!(accepted), &json!(refused)));
        assert_eq!(counts["first_refused"].is_null(), refused == 0, "{counts}");
        // The answer is empty, because Falco can print it to its standard output, among its alerts.
        let answer = post(&gateway, "/", &body).await;
        assert_eq!((answer.status.as_u16(), answer.bytes().await.len()), (200, 0), "{body}");
    }
    let half = &alert[..alert.len() / 2];
    for (body, found) in [
        ("", "The body is empty."),
        (" \n\n", "The body is empty."),
        ("Falco initialized", "The body is no alert: neither JSON nor a text alert"),
        ("{}\nno\n", "None of the 2 records in the body is an alert. The first: JSON without"),
        ("[]", "The body is empty."),
        (
            "{\"log\":\"Falco initialized\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-30T10:00:00Z\"}",
            "docker's json-file without an alert in it",
        ),
        (half, "not valid JSON at column"),
    ] {
        for path in ["/", "/api/v1/events"] {
            let answer = post(&gateway, path, body).await;
            assert_eq!(answer.status, 400, "{body}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            let detail = answer.json().await["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(found), "{body}: {detail}");
            assert!(detail.contains("Post Falco's JSON, with rule, priority and time"), "{detail}");
        }
    }
}

/// An alert without a hostname gets the sender's host, the same in every view.
#[tokio::test]
async fn an_alert_without_a_hostname_gets_that_of_its_sender() {
    let gateway = Gateway::start(&[]);
    let alert = |rule: &str| {
        let mut alert: Value = serde_json::from_str(&examples::line(rule)).unwrap();
        alert.as_object_mut().unwrap().remove("hostname");
        alert.to_string()
    };
    let own = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    let named = alert("named").replacen('{', "{\"hostname\":\"node-7\",", 1);
    let senders = [
        ("near", alert("near"), None, own.as_str()),
        ("far", alert("far"), Some(("x-forwarded-for", "192.0.2.66, 192.0.2.9")), "192.0.2.9"),
        ("unknown", alert("unknown"), Some(("via", "1.1 proxy")), ""),
        ("named", named, Some(("x-forwarded-for", "192.0.2.9")), "node-7"),
        (
            "text",
            "10:00:00.000000001: Notice text".to_owned(),
            Some(("x-real-ip", "2001:db8::7")),
            "2001:db8::7",
        ),
    ];
    for (_, body, header, _) in &senders {
        let request = Request::post("/");
        let request = match header {
            Some((name, value)) => request.header(*name, *value),
            None => request,
        };
        assert_eq!(gateway.ask(request, body.as_bytes()).await.status, 200);
    }
    let hosts: Vec<_> = senders.iter().map(|(_, _, _, host)| *host).collect();

    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let outcome = client.call(head("/falco.outputs.service/get"), [framed(b"")]).await;
    let host = |alert: &Value| alert["hostname"].as_str().unwrap_or_default().to_owned();
    let seen: Vec<_> = outcome.messages.iter().map(as_value).map(|alert| host(&alert)).collect();
    assert_eq!(seen, hosts, "gRPC");

    let lines = gateway.get("/api/v1/export").await.text().await;
    let read = |line: &str| host(&serde_json::from_str(line).unwrap());
    assert_eq!(lines.lines().map(read).collect::<Vec<_>>(), hosts, "JSON");

    let csv = gateway.get("/api/v1/export?format=csv").await.text().await;
    let columns = csv.lines().skip(1).map(|line| line.split(',').nth(5).unwrap());
    assert_eq!(columns.collect::<Vec<_>>(), hosts, "CSV");

    for expected in hosts.iter().filter(|host| !host.is_empty()) {
        let filter = format!("/api/v1/export?filter=hostname%20%3D%20%22{expected}%22");
        let lines = gateway.get(&filter).await.text().await;
        assert_eq!(lines.lines().map(read).collect::<Vec<_>>(), [*expected], "filter");
    }
    let facets = gateway.json("/api/v1/facets?fields=hostname").await.to_string();
    for expected in hosts.iter().filter(|host| !host.is_empty()) {
        assert!(facets.contains(&format!("\"{expected}\"")), "{facets}");
    }
}

/// JSON, `Watch` and the metrics report the source of a time.
#[tokio::test]
async fn a_time_that_is_not_the_alerts_own_is_marked() {
    use falconer::proto::falconer::v1::{
        TimeSource, WatchRequest, WatchResponse, watch_response::Response,
    };
    use prost::Message as _;
    let gateway = Gateway::start(&[]);
    let alert = r#"{"rule":"r","priority":"Error"}"#;
    let lines = [
        examples::line("r").trim().to_owned(),
        alert.to_owned(),
        format!("2026-01-30T10:00:00Z stdout F {alert}"),
        alert.to_owned(),
    ];
    assert_eq!(post(&gateway, "/", &lines.join("\n")).await.status, 200);

    let lines = gateway.get("/api/v1/export").await.text().await;
    let mark = |line: &str| serde_json::from_str::<Value>(line).unwrap()["time_source"].clone();
    let marks: Vec<_> = lines.lines().map(mark).collect();
    assert_eq!(marks, [Value::Null, json!("arrival"), json!("envelope"), json!("arrival")]);

    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let request = framed(&WatchRequest::default().encode_to_vec());
    let outcome = client.call(head("/falconer.v1.EventService/Watch"), [request]).await;
    let source =
        |message: &bytes::Bytes| match WatchResponse::decode(message.clone()).unwrap().response {
            Some(Response::Alert(alert)) => alert.time_source(),
            other => panic!("no alert: {other:?}"),
        };
    let sources: Vec<_> = outcome.messages.iter().map(source).collect();
    use TimeSource::{Arrival, Envelope, Event};
    assert_eq!(sources, [Event, Arrival, Envelope, Arrival]);

    let metrics = gateway.get("/metrics").await.text().await;
    for (source, count) in [("arrival", 2), ("envelope", 1)] {
        let line =
            format!("falconer_alerts_without_time_total{{time_source=\"{source}\"}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

fn ingest(gateway: &Gateway, input: &str) -> Output {
    let mut command = Command::new(binary());
    command.args(["ingest", &format!("--server=http://{}", gateway.address)]);
    fed(command, input.as_bytes())
}

fn fed(mut command: Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn ingest_reports_rejected_records_and_fails_without_an_alert() {
    let gateway = Gateway::start(&[]);
    let alert = examples::line("one");
    assert_eq!(told(&ingest(&gateway, &alert)), (Some(0), String::new()));
    assert_eq!(told(&ingest(&gateway, "")), (Some(0), String::new()));

    let (code, error) = told(&ingest(&gateway, &format!("{alert}{alert}no alert\n{{}}\n")));
    assert_eq!(code, Some(0));
    let expected = "standard input: 2 of 4 records are not alerts; the first is record 3: neither";
    assert!(error.contains(expected), "{error}");

    let (code, error) = told(&ingest(&gateway, "no alert\n"));
    assert_eq!(code, Some(1));
    assert!(error.contains("standard input: not an alert: neither JSON"), "{error}");

    // `ingest` posts a large input in several requests and numbers the records across them.
    let (code, error) = told(&ingest(&gateway, &format!("{}no alert\n", alert.repeat(5_000))));
    assert_eq!(code, Some(0));
    assert!(
        error.contains("1 of 5001 records are not alerts; the first is record 5001"),
        "{error}"
    );
}

#[test]
fn events_reports_rejected_records_of_a_file_and_fails_without_an_alert() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("falco.log");
    let events = |content: &[u8], words: &[&str]| {
        fs::write(&path, content).unwrap();
        let mut command = Command::new(binary());
        command.args(["events", "-o", "json", path.to_str().unwrap()]).args(words);
        let output = fed(command, b"");
        let (code, error) = told(&output);
        (code, String::from_utf8(output.stdout).unwrap().lines().count(), error)
    };
    let alert = examples::line("one");
    let one = alert.trim();
    assert_eq!(events(alert.as_bytes(), &[]), (Some(0), 1, String::new()));
    assert_eq!(events(b"", &[]), (Some(0), 0, String::new()));
    // A filter without a match is not an error.
    assert_eq!(events(alert.as_bytes(), &["--filter", "rule = none"]).0, Some(0));

    // The command finds JSON records in the same layouts as every input of the server.
    let pretty =
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(one).unwrap()).unwrap();
    for content in [format!("[{one},\n{one}]"), format!("{one}{one}"), format!("{pretty}\n{one}")] {
        assert_eq!(events(content.as_bytes(), &[]), (Some(0), 2, String::new()), "{content}");
    }

    let (code, count, error) = events(format!("no alert\n{alert}{alert}{{\n").as_bytes(), &[]);
    assert_eq!((code, count), (Some(0), 2));
    assert!(
        error.contains("falco.log: 2 of 4 records are not alerts; the first is record 1: "),
        "{error}"
    );

    let (code, count, error) = events(b"no alert\n", &[]);
    assert_eq!((code, count), (Some(1), 0));
    assert!(error.contains("falco.log: not an alert: neither JSON nor a text alert"), "{error}");

    // A rotated file is compressed, in one gzip member or more.
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let members = [gzip(&alert), gzip(&alert.repeat(20_000))].concat();
    assert_eq!(events(&members, &[]), (Some(0), 20_001, String::new()));
    let (code, _, error) = events(&members[..members.len() - 9], &[]);
    assert!(code == Some(1) && error.contains("falco.log"), "{code:?} {error}");
    let (code, _, error) = events(&members, &["-f"]);
    assert!(code == Some(2) && error.contains("-f with a compressed file"), "{code:?} {error}");

    // A FIFO without a writer is rejected and not waited for.
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut command = Command::new(binary());
    command.args(["events", "-f"]).arg(&fifo);
    let (code, error) = told(&fed(command, b""));
    assert!(code == Some(1) && error.contains("is a FIFO"), "{code:?} {error}");
}
