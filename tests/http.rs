//! The gateway of a whole server: alerts as they come, by the page, counted and exported, with a
//! client that speaks HTTP as scripts do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use falconer::proto::falco::outputs::Response;
use http::Request;
use prost::Message as _;
use serde_json::{Value, json};
use support::client::Library;
use support::examples;
use support::http::Gateway;
use support::raw::{Client, head};
use support::wait::eventually_async;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const STREAM: &str = "/api/v1/events/stream";

/// Alert number `n`: in the severities' turn, a minute apart, every tenth by `bash`.
fn numbered(n: usize) -> String {
    let names =
        ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];
    let line = json!({
        "hostname": format!("node-{}", n % 3),
        "output": format!("alert {n}"),
        "output_fields": { "number": n, "proc.name": if n.is_multiple_of(10) { "bash" } else { "cat" } },
        "priority": names[n % 8],
        "rule": format!("rule {}", n % 5),
        "source": "syscall",
        "tags": ["t"],
        "time": format!("2026-01-30T{:02}:{:02}:00.000000000Z", (10 + n / 60) % 24, n % 60),
    });
    format!("{line}\n")
}

fn numbers(range: std::ops::Range<usize>) -> String {
    range.map(numbered).collect()
}

fn number(event: &Value) -> usize {
    usize::try_from(event["output_fields"]["number"].as_u64().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_grpc_carry_the_same_alerts_in_the_same_order() {
    let mut gateway = Gateway::start(&[]);
    let mut events = gateway.get(&format!("{STREAM}?last=0")).await.events();
    let mut batches = gateway.get(&format!("{STREAM}?last=0&batch=1")).await.events();
    let lines = Request::get(format!("{STREAM}?last=0")).header("accept", "application/x-ndjson");
    let lines = gateway.ask(lines, b"").await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines = tokio::spawn(lines.text());
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let (_requests, mut replies) =
        client.begin(head("/falco.outputs.service/sub")).await.replies().await;

    let count = 20_000;
    let sent: Vec<String> = (0..count).map(numbered).collect();
    for chunk in sent.chunks(500) {
        gateway.server.feed(chunk.concat());
    }
    // A client that is cut off now and then resumes where it was: nothing twice, nothing missing.
    let mut received = Vec::new();
    let mut at = None;
    let mut cuts = 0;
    while received.len() < count {
        let event = events.next().await.expect("it goes on");
        at = event.id.or(at);
        if event.name.is_empty() {
            received.extend(event.data);
        }
        if received.len() / 3_000 > cuts {
            cuts += 1;
            drop(events);
            let again = Request::get(format!("{STREAM}?last=0"))
                .header("last-event-id", at.clone().unwrap());
            events = gateway.ask(again, b"").await.events();
        }
    }
    assert!(cuts >= 5);
    for (received, sent) in received.iter().zip(&sent) {
        assert_eq!(received, sent.trim_end(), "byte for byte");
    }
    let mut batched = Vec::new();
    while batched.len() < count {
        let batch = batches.named("batch").await;
        batched.extend(batch.data.iter().map(|item| serde_json::from_str::<Value>(item).unwrap()));
        assert_eq!(batched.last().unwrap()["cursor"], batch.id.unwrap());
    }
    for (n, (item, event)) in batched.iter().zip(&received).enumerate() {
        assert_eq!(item["event"], serde_json::from_str::<Value>(event).unwrap(), "{n}");
        let message = Response::decode(replies.next().await.unwrap()).unwrap();
        assert_eq!(message.output, format!("alert {n}"));
    }
    // It never ends by itself; at the end of the server it does, with everything in it.
    gateway.server.terminate();
    let text = lines.await.unwrap();
    assert!(text.lines().eq(sent.iter().map(|line| line.trim_end())), "all lines, in order");
    let bye = batches.named("bye").await;
    assert!(bye.data[0].starts_with(r#"{"reason":"the server is stopping"#), "{bye:?}");
    assert_eq!(batches.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_is_told_what_it_missed_and_holds_up_nobody() {
    let mut gateway = Gateway::start(&["falconer.outputs.retain=1MiB"]);
    let mut stalled = gateway.get(&format!("{STREAM}?last=0")).await.events();
    stalled.next().await.unwrap();
    let mut reading = gateway.get(&format!("{STREAM}?last=0&batch=1")).await.events();
    let count = 60_000;
    let sent: Vec<String> = (0..count).map(numbered).collect();
    let mut seen = 0;
    let mut slowest = Duration::ZERO;
    for chunk in sent.chunks(1_000) {
        let begun = Instant::now();
        gateway.server.feed(chunk.concat());
        let until = seen + chunk.len();
        while seen < until {
            seen += reading.named("batch").await.data.len();
        }
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    // What the sockets hold comes first, then what is missing, then the rest: nothing is silent.
    let (mut next, mut lost) = (0, 0);
    while next < count {
        let event = stalled.next().await.unwrap();
        let Some(data) = event.data.first() else { continue };
        let data: Value = serde_json::from_str(data).unwrap();
        if event.name == "lost" {
            let missed = usize::try_from(data["count"].as_u64().unwrap()).unwrap();
            assert!(data["last"].as_str().unwrap().ends_with(&format!(".{}", next + missed)));
            lost += missed;
            next += missed;
        } else {
            assert_eq!(number(&data), next);
            next += 1;
        }
    }
    assert!(lost > 10_000, "{lost}");
    assert_eq!(gateway.json("/api/v1/status").await["alerts_lost"], lost);
}

#[tokio::test]
async fn pages_cover_everything_once_in_both_directions() {
    let gateway = Gateway::start(&[]);
    gateway.post(&numbers(0..250)).await;
    for (order, key, expected) in [
        ("desc", "before", (0..250).rev().collect::<Vec<_>>()),
        ("asc", "after", (0..250).collect()),
    ] {
        let mut found = Vec::new();
        let mut from = String::new();
        loop {
            let page = gateway.json(&format!("/api/v1/events?order={order}&limit=60{from}")).await;
            found.extend(page["items"].as_array().unwrap().iter().map(|i| number(&i["event"])));
            match page["next"].as_str() {
                Some(next) => from = format!("&{key}={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected, "{order}");
    }
    let page = gateway.json("/api/v1/events?last=50&filter=proc.name%20=%20bash").await;
    let found: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|item| number(&item["event"])).collect();
    assert_eq!(found, [240, 230, 220, 210, 200]);
    assert_eq!(page["complete"], true);
    let cursor = page["items"][1]["cursor"].as_str().unwrap();
    let one = gateway.json(&format!("/api/v1/events/{cursor}")).await;
    assert_eq!(one, page["items"][1]);
    let range = "since=2026-01-30T11:00:00Z&until=2026-01-30T11:03:00Z&order=asc";
    let page = gateway.json(&format!("/api/v1/events?{range}")).await;
    let found: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|item| number(&item["event"])).collect();
    assert_eq!(found, [60, 61, 62]);
}

#[tokio::test]
async fn numbers_are_those_of_the_alerts_asked_for() {
    let gateway = Gateway::start(&[]);
    gateway.post(&numbers(0..240)).await;
    let range = "since=2026-01-30T10:00:00Z&until=2026-01-30T14:00:00Z";
    let histogram = gateway.json(&format!("/api/v1/histogram?buckets=4&{range}")).await;
    assert_eq!((&histogram["matched"], &histogram["scanned"]), (&json!(240), &json!(240)));
    let sums: Vec<u64> = histogram["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| {
            bucket["counts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum()
        })
        .collect();
    assert_eq!(sums, [60, 60, 60, 60]);
    let filter = "filter=priority%20%3C%3D%20debug%20and%20rule%20%3D%20%22rule%201%22";
    let facets = gateway
        .json(&format!("/api/v1/facets?fields=rule,hostname,proc.name,none&top=2&{filter}"))
        .await;
    assert_eq!(facets["scanned"], 240);
    let values = |at: usize| {
        let values = facets["facets"][at]["values"].as_array().unwrap().iter();
        values.map(|v| (v["value"].as_str().unwrap().to_owned(), v["count"].as_u64().unwrap()))
    };
    let priority_debug: Vec<usize> = (0..240).filter(|n| n % 8 == 7 && n % 5 == 1).collect();
    assert_eq!(values(0).collect::<Vec<_>>(), [("rule 1".into(), priority_debug.len() as u64)]);
    assert_eq!(values(1).count(), 2);
    assert_eq!(facets["facets"][3]["missing"], facets["matched"]);
    let rules = gateway.json("/api/v1/rules?filter=proc.name%20=%20bash").await;
    assert_eq!(rules["matched"], 24);
    let names: Vec<_> =
        rules["rules"].as_array().unwrap().iter().map(|r| r["rule"].as_str().unwrap()).collect();
    assert!(names.iter().all(|name| *name == "rule 0"), "{names:?}");
    let status = gateway.json("/api/v1/status").await;
    assert_eq!(
        (&status["alerts_received"], &status["inputs"][1]["name"]),
        (&json!(240), &json!("http"))
    );
    let metrics = gateway.get("/metrics").await.text().await;
    for line in [
        "falconer_alerts_received_total{input=\"http\",status=\"accepted\"} 240",
        "falconer_retained_alerts 240",
        "falconer_subscribers{kind=\"sse\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn exports_are_whole_and_no_formula() {
    let mut gateway = Gateway::start(&[]);
    gateway.server.feed(examples::lines().concat());
    gateway.post(&numbered(7).replace("alert 7", "=cmd|' /C calc'!A0, \\\"quoted\\\"")).await;
    eventually_async("all are there", async || {
        (gateway.json("/api/v1/status").await["alerts_received"] == 23).then_some(())
    })
    .await;
    let ndjson = gateway.get("/api/v1/export").await;
    assert!(ndjson.header("content-disposition").unwrap().starts_with("attachment"));
    let text = ndjson.text().await;
    let sent: Vec<_> = examples::lines().iter().map(|line| line.trim().to_owned()).collect();
    let got: Vec<_> = text.lines().collect();
    assert_eq!(got.len(), 23);
    for line in &sent {
        // Old alerts do not say a hostname. They get this machine's.
        let whole = |got: &&str| match line.contains("\"hostname\"") {
            true => got == line,
            false => got.starts_with(&format!("{},\"hostname\":\"", &line[..line.len() - 1])),
        };
        assert_eq!(got.iter().filter(|got| whole(got)).count(), 1, "byte for byte: {line}");
    }
    let csv = gateway.get("/api/v1/export?format=csv&columns=number&filter=number%20exists").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let csv = csv.text().await;
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("cursor,time,priority,source,rule,hostname,tags,output,number"));
    let record = lines.next().unwrap();
    assert!(record.ends_with(",\"'=cmd|' /C calc'!A0, \"\"quoted\"\"\",7"), "{record}");
    assert_eq!(lines.next(), None);
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_with_the_remedy() {
    let gateway = Gateway::start(&[]);
    gateway.post(&numbers(0..3)).await;
    for (path, status, parameter, detail) in [
        ("/api/v1/events?filter=proc.name%20contian%20x", 400, "filter", "did you mean `contains`"),
        ("/api/v1/events?limit=0", 400, "limit", "between 1 and 1000"),
        ("/api/v1/events?limit=1001", 400, "limit", "between 1 and 1000"),
        ("/api/v1/events?since=yesterday", 400, "since", "an age such as"),
        ("/api/v1/events?after=7", 400, "after", "not a cursor"),
        ("/api/v1/events?fliter=x", 400, "fliter", "filter, since, until"),
        ("/api/v1/histogram?buckets=121", 400, "buckets", "between 1 and 120"),
        ("/api/v1/facets?fields=,", 400, "fields", "separated by commas"),
        ("/api/v1/events/1.1", 404, "", "No alert has this cursor"),
        ("/api/v1/events/x", 400, "cursor", "not a cursor"),
        ("/api/v1/events/stream?after=1.1", 410, "", "earlier run"),
        ("/api/v1/events/stream?filter=(", 400, "filter", "column 2"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let found = answer.status.as_u16();
        let problem = answer.json().await;
        assert_eq!(found, status, "{path}: {problem}");
        assert_eq!(problem["parameter"].as_str().unwrap_or_default(), parameter, "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
    }
    let filter = gateway.get("/api/v1/events?filter=rule%20%3D%20x%20or%20(").await.json().await;
    assert_eq!(filter["column"], 14);
    let gone = gateway.get(&format!("{STREAM}?after=1.1")).await.json().await;
    let oldest = gone["oldest"].as_str().unwrap();
    assert!(gateway.get(&format!("/api/v1/events/{oldest}")).await.status.is_success());
}

#[tokio::test]
async fn bodies_may_be_compressed_and_hold_many_alerts() {
    use std::io::Write as _;
    let gateway = Gateway::start(&[]);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let post = || Request::post("/api/v1/events").header("content-encoding", "gzip");
    let answer = gateway.ask(post(), &gzip(numbers(0..1_000).as_bytes())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().await, serde_json::json!({ "accepted": 1_000, "refused": 0 }));
    assert_eq!(gateway.json("/api/v1/status").await["alerts_received"], 1_000);
    // Small on the way, too much once it is unpacked.
    let bomb = gateway.ask(post(), &gzip(&vec![b' '; 9 << 20])).await;
    assert_eq!(bomb.status, 413);
    assert_eq!(gateway.ask(post(), b"no gzip").await.status, 400);
}

#[tokio::test]
async fn a_token_opens_what_other_machines_reach() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let setting = format!("falconer.gateway.token_file={}", file.display());
    let gateway = Gateway::start(&[&setting]);
    assert_eq!(gateway.get("/api/v1/status").await.status, 401);
    assert_eq!(gateway.get("/livez").await.status, 200);
    let asked = Request::get("/api/v1/status").header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(gateway.ask(asked, b"").await.status, 200);
}

#[tokio::test]
async fn nothing_that_the_description_allows_is_answered_otherwise_than_it_says() {
    let library = Library::Schemathesis;
    if !library.is_installed() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let setting = format!("falconer.gateway.token_file={}", file.display());
    // What is posted may have members of other types than Falco's, and is kept as it came. So it is
    // not posted to the server that is asked for alerts.
    for method in ["--exclude-method=POST", "--include-method=POST"] {
        let mut gateway = Gateway::start(&[&setting]);
        gateway.server.feed(examples::lines().concat());
        let description = format!("http://{}/api/openapi.json", gateway.address);
        let authorization = format!("Authorization: Bearer {TOKEN}");
        let arguments = [
            "run",
            description.as_str(),
            method,
            // It never ends.
            "--exclude-path=/api/v1/events/stream",
            // No schema can say that a text is a filter, a time or a cursor, or a line an alert.
            "--exclude-checks=positive_data_acceptance,negative_data_rejection",
            "--header",
            &authorization,
            "--max-examples=50",
            "--request-timeout=20",
            "--generation-deterministic",
            "--no-color",
        ];
        let text = library.text(&gateway.server, &arguments);
        assert!(text.contains("No issues found"), "{text}");
    }
}

#[tokio::test]
async fn the_description_is_the_one_that_was_agreed_on() {
    let gateway = Gateway::start(&[]);
    let description = gateway.json("/api/openapi.json").await;
    let text = format!("{}\n", serde_json::to_string_pretty(&description).unwrap());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let agreed = std::fs::read_to_string(file).unwrap();
    assert!(agreed == text, "it changed; UPDATE_SNAPSHOTS=1 cargo test --test http writes it anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_told_with_how_far_behind_they_are() {
    let mut gateway = Gateway::start(&["falconer.outputs.retain=1GiB"]);
    // One that reads nothing, and one that does.
    let stalled = gateway.get(&format!("{STREAM}?last=0")).await;
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let (_requests, mut replies) =
        client.begin(head("/falco.outputs.service/sub")).await.replies().await;
    let count = 40_000;
    for start in (0..count).step_by(1_000) {
        gateway.server.feed(numbers(start..start + 1_000));
        for _ in 0..1_000 {
            replies.next().await.expect("it goes on");
        }
    }
    // What is between the server and the one that stalls fills up at its own pace.
    eventually_async("both are told as they are", async || {
        let status = gateway.json("/api/v1/status").await;
        let of = |kind: &str| {
            let readers = status["readers"].as_array().unwrap();
            readers.iter().find(|readers| readers["kind"] == kind).unwrap().clone()
        };
        let (sse, grpc) = (of("sse"), of("grpc"));
        let (lag, delivered) = (sse["lag"].as_u64().unwrap(), sse["delivered"].as_u64().unwrap());
        assert_eq!(grpc["count"], 1);
        assert_eq!(status["slowest"][0]["kind"], "sse");
        let peer = status["slowest"][1]["name"].as_str().unwrap();
        assert!(peer.starts_with("unix:uid="), "{peer}");
        let metrics = gateway.get("/metrics").await.text().await;
        let lines = [
            format!("falconer_subscriber_lag_alerts{{kind=\"sse\"}} {lag}\n"),
            format!("falconer_deliveries_total{{kind=\"grpc\"}} {count}\n"),
            "falconer_subscribers{kind=\"sse\"} 1\n".to_owned(),
        ];
        let told = grpc["lag"] == 0
            && grpc["delivered"] == count
            && lag > 0
            && lag + delivered == count as u64
            && status["slowest"][0]["lag"] == lag
            && lines.iter().all(|line| metrics.contains(line));
        told.then_some(())
    })
    .await;
    drop(stalled);
}

#[tokio::test]
async fn calls_are_counted_by_method_outcome_and_caller() {
    let gateway = Gateway::start(&[]);
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    for (path, times) in [("/falco.outputs.service/get", 2), ("/falco.none/x", 1), ("/evil/y", 1)] {
        for _ in 0..times {
            client.call(head(path), [support::raw::framed(b"")]).await;
        }
    }
    let (requests, replies) =
        client.begin(head("/falco.outputs.service/sub")).await.replies().await;
    drop((requests, replies));
    let peer = format!("peer=\"uid={}\"", nix::unistd::getuid());
    let expected = [
        format!("{{method=\"falco.outputs.service/get\",code=\"0\",{peer}}} 2"),
        format!("{{method=\"falco.none/x\",code=\"12\",{peer}}} 1"),
        format!("{{method=\"other\",code=\"12\",{peer}}} 1"),
        format!("{{method=\"falco.outputs.service/sub\",code=\"1\",{peer}}} 1"),
    ];
    eventually_async("all calls are counted", async || {
        let metrics = gateway.get("/metrics").await.text().await;
        let counted = |line| metrics.contains(&format!("falconer_rpcs_total{line}"));
        expected.iter().all(counted).then_some(())
    })
    .await;
}
