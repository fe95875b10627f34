//! Real clients against the real server: each library in its own process, over a unix socket and
//! over TCP with client certificates.
//!
//! `tests/clients/setup` installs the clients; `support/client.rs` says what happens without them.
//! One test is one client on one transport, with servers of its own:
//!
//! 1. `version` answers. `get` returns every example alert once, in order, with all fields.
//! 2. A `sub` gets the backlog, then the new alerts, whether the client never sends a request,
//!    sends one and half-closes, sends ten a second, or thousands at once.
//! 3. When the server shuts down, a live `sub` ends with UNAVAILABLE.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use support::{
    PATIENCE, Transport,
    client::{Client, Library},
    examples,
    server::Server,
};

/// The status of a live subscription when the server shuts down.
const UNAVAILABLE: i32 = 14;

macro_rules! conversations {
    ($($test:ident: $library:ident over $transport:ident;)*) => {
        $(#[test]
        fn $test() {
            conversation(Library::$library, Transport::$transport);
        })*
    };
}

conversations! {
    grpcio_over_unix: GrpcioCurrent over Unix;
    grpcio_over_tls: GrpcioCurrent over Tls;
    grpcio_1_56_over_unix: Grpcio156 over Unix;
    grpcio_1_56_over_tls: Grpcio156 over Tls;
    falco_py_over_unix: FalcoPy over Unix;
    falco_py_over_tls: FalcoPy over Tls;
    grpc_js_over_unix: GrpcJs over Unix;
    grpc_js_over_tls: GrpcJs over Tls;
    client_go_over_unix: ClientGo over Unix;
    client_go_over_tls: ClientGo over Tls;
}

fn conversation(library: Library, transport: Transport) {
    if !library.is_installed() {
        return;
    }
    calls_version_and_get(library, transport);
    subscribes(library, transport);
    gets_unavailable_at_shutdown(library, transport);
}

fn calls_version_and_get(library: Library, transport: Transport) {
    let mut server = Server::start(transport);
    assert_version(&library.run(&server, &["version"]).values());
    assert_eq!(get(library, &server, 0), Vec::<Value>::new(), "nothing has happened yet");

    let (lines, alerts) = readable_examples(library);
    server.feed(lines.concat());
    assert_alerts(&get(library, &server, alerts.len()), &alerts);
    assert_eq!(get(library, &server, 0), Vec::<Value>::new(), "all alerts were read before");
}

fn subscribes(library: Library, transport: Transport) {
    let (lines, mut backlog) = readable_examples(library);
    let mut server = Server::start(transport);
    server.feed(lines.concat());
    for &(kind, requests) in kinds(library) {
        let live = [format!("first to {kind}"), format!("second to {kind}")];
        let count = (backlog.len() + live.len()).to_string();
        let mut client = library.start(&server, &[kind, &count]);
        // The headers arrive before any alert. The client's own lines arrive in any order.
        let mut expected = Vec::new();
        if library != Library::FalcoPy {
            expected.push("open");
        }
        if requests == Requests::Announced {
            expected.push("sent");
        }
        let (alerts, mut said): (Vec<_>, Vec<_>) = client
            .take(backlog.len() + expected.len())
            .into_iter()
            .partition(|value| value.get("rule").is_some());
        assert_alerts(&alerts, &backlog);
        said.sort_by_key(|value| value.get("sent").is_some());
        let said: Vec<_> =
            said.iter().flat_map(|value| value.as_object().unwrap().keys()).collect();
        assert_eq!(said, expected, "{library:?} {kind}");
        if requests == Requests::TenASecond {
            thread::sleep(Duration::from_secs(3));
        }
        server.feed(live.each_ref().map(|rule| examples::line(rule)).concat());
        let alerts = live.map(|rule| seen_by(library, examples::alert(&rule)));
        assert_eq!(client.finish().values(), alerts, "{library:?} {kind}");
        backlog.clear();
    }
}

fn gets_unavailable_at_shutdown(library: Library, transport: Transport) {
    let mut server = Server::start(transport);
    let (kind, _) = kinds(library)[0];
    let mut client = subscribe(library, &server, &[kind, "0"]);
    server.feed(examples::line("the last"));
    assert_eq!(client.next(), seen_by(library, examples::alert("the last")));
    assert!(server.stop().success());
    let outcome = client.finish();
    assert_eq!(outcome.values, [json!({ "status": UNAVAILABLE })], "{}", outcome.stderr);
    assert_eq!(outcome.status.code(), Some(3));
}

/// The requests that a subscriber sends before the live alerts arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requests {
    None,
    /// Some; the client reports when it has sent all of them.
    Announced,
    /// One every tenth of a second until the client exits.
    TenASecond,
}

/// The kinds of subscription that a client's program has.
fn kinds(library: Library) -> &'static [(&'static str, Requests)] {
    match library {
        Library::FalcoPy => &[("sub", Requests::TenASecond)],
        Library::ClientGo => &[
            ("sub-silent", Requests::None),
            ("sub-half-close", Requests::Announced),
            ("watch", Requests::TenASecond),
            ("sub-burst", Requests::Announced),
        ],
        _ => &[
            ("sub-silent", Requests::None),
            ("sub-half-close", Requests::Announced),
            ("sub-polite", Requests::Announced),
            ("sub-burst", Requests::Announced),
        ],
    }
}

/// Starts a subscriber and waits for the response headers, which the server sends before any alert.
/// Falco's Python client does not report them.
fn subscribe(library: Library, server: &Server, args: &[&str]) -> Client {
    let mut client = library.start(server, args);
    if library != Library::FalcoPy {
        assert_eq!(client.next(), json!({ "open": true }), "{library:?} {args:?}");
    }
    client
}

fn get(library: Library, server: &Server, count: usize) -> Vec<Value> {
    gather(count, || library.run(server, &["get"]).values())
}

/// Calls `get` until it has returned `count` alerts: the server may still be reading its input
/// during the first call.
fn gather(count: usize, get: impl Fn() -> Vec<Value>) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    let mut alerts = get();
    while alerts.len() < count && Instant::now() < deadline {
        alerts.extend(get());
    }
    alerts
}

/// The example lines that this client can read, and the alerts it should report for them.
fn readable_examples(library: Library) -> (Vec<&'static str>, Vec<Value>) {
    examples::lines()
        .into_iter()
        .zip(examples::alerts())
        .filter(|(_, alert)| library != Library::FalcoPy || alert["source_deprecated"] != PLUGIN)
        .map(|(line, alert)| (line, seen_by(library, alert)))
        .unzip()
}

/// The number of the source that Falco's Python client does not know.
const PLUGIN: i32 = 3;

/// An alert as this client reports it: Falco's Python client drops the source's name and the
/// fraction of the second.
fn seen_by(library: Library, mut alert: Value) -> Value {
    if library == Library::FalcoPy {
        alert.as_object_mut().unwrap().remove("source");
        let time = alert["time"].as_str().unwrap();
        alert["time"] = json!(time.split('.').next());
    }
    alert
}

/// Asserts the same alerts in the same order. Reports only the first difference.
fn assert_alerts(said: &[Value], expected: &[Value]) {
    for (number, (said, expected)) in said.iter().zip(expected).enumerate() {
        assert_eq!(said, expected, "alert {}", number + 1);
    }
    assert_eq!(said.len(), expected.len());
}

/// Asserts that the version is Falco's, or "unknown" with Falconer's build.
fn assert_version(said: &[Value]) {
    assert_eq!(said.len(), 1, "{said:?}");
    let version = said[0]["version"].as_str().unwrap();
    if version == "unknown" {
        assert!(said[0]["build"].as_str().unwrap().starts_with("falconer"), "{said:?}");
    } else {
        assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{said:?}");
    }
}

#[test]
fn falco_py_knows_no_plugin_over_unix() {
    falco_py_knows_no_plugin(Transport::Unix);
}

#[test]
fn falco_py_knows_no_plugin_over_tls() {
    falco_py_knows_no_plugin(Transport::Tls);
}

/// A limit of Falco's Python client, not of the server: its table of sources ends before PLUGIN.
fn falco_py_knows_no_plugin(transport: Transport) {
    if !Library::FalcoPy.is_installed() {
        return;
    }
    let mut server = Server::start(transport);
    server.feed(examples::lines().concat());
    let alerts = examples::alerts();
    let known = alerts.iter().position(|alert| alert["source_deprecated"] == PLUGIN).unwrap();
    let mut client = subscribe(Library::FalcoPy, &server, &["sub", "0"]);
    let seen = alerts[..known].iter().map(|alert| seen_by(Library::FalcoPy, alert.clone()));
    assert_alerts(&client.take(known), &seen.collect::<Vec<_>>());
    let outcome = client.finish();
    assert_eq!(outcome.values, [json!({ "key_error": PLUGIN })], "{}", outcome.stderr);
    assert_eq!(outcome.status.code(), Some(4));
}

#[test]
fn reflection_and_health_over_unix() {
    reflection_and_health(Transport::Unix);
}

#[test]
fn reflection_and_health_over_tls() {
    reflection_and_health(Transport::Tls);
}

/// Reflection v1alpha and health, with grpcio's own client packages.
fn reflection_and_health(transport: Transport) {
    for library in [Library::GrpcioCurrent, Library::Grpcio156] {
        if !library.is_installed() {
            continue;
        }
        let server = Server::start(transport);
        let said = library.run(&server, &["reflection"]).values();
        let services = said[0]["services"].as_array().unwrap();
        for service in SERVICES {
            assert!(services.contains(&json!(service)), "{service} in {services:?}");
        }
        let expected = json!({
            "falco.outputs.service": {
                "get": "falco.outputs.response", "sub": "falco.outputs.response",
            },
            "falco.version.service": { "version": "falco.version.response" },
        });
        assert_eq!(said[0]["methods"], expected);

        let serving = ["", "falco.outputs.service", "falco.version.service"]
            .map(|service| json!({ "service": service, "serving": true }));
        assert_eq!(library.run(&server, &["health"]).values(), serving);
    }
}

const SERVICES: [&str; 6] = [
    "falco.outputs.service",
    "falco.version.service",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "falconer.v1.EventService",
];

#[test]
fn descriptors_are_client_gos_over_unix() {
    descriptors_are_client_gos(Transport::Unix);
}

#[test]
fn descriptors_are_client_gos_over_tls() {
    descriptors_are_client_gos(Transport::Tls);
}

/// Reflection v1. `tests/clients/go/descriptors.go` says what must be equal.
fn descriptors_are_client_gos(transport: Transport) {
    if !Library::ClientGo.is_installed() {
        return;
    }
    let server = Server::start(transport);
    let said = Library::ClientGo.run(&server, &["descriptors"]).values();
    assert_eq!(said, [json!({ "equal": true })]);
}

#[test]
fn an_exporter_counts_over_unix() {
    an_exporter_counts(Transport::Unix);
}

#[test]
fn an_exporter_counts_over_tls() {
    an_exporter_counts(Transport::Tls);
}

/// A program that uses client-go as falco-exporter did. It is not falco-exporter itself.
fn an_exporter_counts(transport: Transport) {
    if !Library::ClientGo.is_installed() {
        return;
    }
    let mut server = Server::start(transport);
    let client = Library::ClientGo.start(&server, &["exporter", "25"]);
    server.feed(examples::lines().concat());
    server.feed(examples::line("counted").repeat(3));
    let said = client.finish().values();
    let count = |rule: &str, hostname: &str| {
        said.iter().find(|value| {
            value["series"]["rule"] == rule && value["series"]["hostname"] == hostname
        })
    };
    assert_eq!(
        count("counted", "node-a").unwrap(),
        &json!({ "count": 3, "series": {
            "rule": "counted", "priority": "5", "hostname": "node-a", "source": "syscall",
            "k8s_ns_name": "", "k8s_pod_name": "", "tags": ",live,",
        } })
    );
    assert_eq!(
        count("Terminal shell in container", "falco-xczjd").unwrap(),
        &json!({ "count": 1, "series": {
            "rule": "Terminal shell in container", "priority": "2", "hostname": "falco-xczjd",
            "source": "syscall", "k8s_ns_name": "default", "k8s_pod_name": "kubecon",
            "tags": ",container,mitre_execution,shell,",
        } })
    );
    assert_eq!(said.iter().filter_map(|value| value["count"].as_u64()).sum::<u64>(), 25);
}

#[test]
fn grpcurl_over_unix() {
    grpcurl(Transport::Unix);
}

#[test]
fn grpcurl_over_tls() {
    grpcurl(Transport::Tls);
}

fn grpcurl(transport: Transport) {
    let library = Library::Grpcurl;
    if !library.is_installed() {
        return;
    }
    let mut server = Server::start(transport);
    let listed = library.text(&server, &["list"]);
    for service in SERVICES {
        assert!(listed.lines().any(|line| line == service), "{service} in {listed}");
    }
    let described = library.text(&server, &["describe falco.outputs.service"]);
    let rpc =
        "rpc sub ( stream .falco.outputs.request ) returns ( stream .falco.outputs.response )";
    assert!(described.contains(rpc), "{described}");
    assert_version(&library.run(&server, &["-emit-defaults", VERSION]).values());

    server.feed(examples::lines().concat());
    let alerts = examples::alerts();
    let said = gather(alerts.len(), || library.run(&server, &[GET]).values());
    assert_alerts(&said.iter().map(from_protobuf_json).collect::<Vec<_>>(), &alerts);
    assert_eq!(library.run(&server, &[GET]).values(), Vec::<Value>::new());

    // One request and a half-close, then no request and no half-close.
    for data in ["{}", "@"] {
        let mut server = Server::start(transport);
        server.feed(examples::lines().concat());
        let mut client = library.start(&server, &["-d", data, SUB]);
        let said = client.take(alerts.len());
        assert_alerts(
            &said.iter().map(from_protobuf_json).collect::<Vec<_>>(),
            &examples::alerts(),
        );
        server.feed(examples::line("live"));
        assert_eq!(from_protobuf_json(&client.next()), examples::alert("live"));
        assert!(server.stop().success());
        // grpcurl's exit code is the status after 64.
        let outcome = client.finish();
        assert_eq!(outcome.status.code(), Some(64 + UNAVAILABLE), "{}", outcome.stderr);
    }
}

const GET: &str = "falco.outputs.service/get";
const SUB: &str = "falco.outputs.service/sub";
const VERSION: &str = "falco.version.service/version";

/// Converts an alert in protobuf's JSON to the form of the examples.
fn from_protobuf_json(said: &Value) -> Value {
    let number = |field: &str, names: &[&str]| match said.get(field) {
        None => 0,
        Some(name) => names.iter().position(|known| name == known).unwrap(),
    };
    let text = |field: &str| said.get(field).cloned().unwrap_or(json!(""));
    let time: jiff::Timestamp = said["time"].as_str().unwrap().parse().unwrap();
    json!({
        "time": format!("{}.{:09}", time.as_second(), time.subsec_nanosecond()),
        "priority": number("priority", &[
            "EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFORMATIONAL",
            "DEBUG",
        ]),
        "source_deprecated":
            number("sourceDeprecated", &["SYSCALL", "K8S_AUDIT", "INTERNAL", "PLUGIN"]),
        "rule": text("rule"),
        "output": text("output"),
        "output_fields": said.get("outputFields").cloned().unwrap_or(json!({})),
        "hostname": text("hostname"),
        "tags": said.get("tags").cloned().unwrap_or(json!([])),
        "source": text("source"),
    })
}

#[test]
fn two_subscribers_get_everything_over_unix() {
    two_subscribers(Transport::Unix, usize::MAX);
}

#[test]
fn two_subscribers_get_everything_over_tls() {
    two_subscribers(Transport::Tls, usize::MAX);
}

#[test]
fn a_killed_subscriber_costs_the_other_nothing_over_unix() {
    two_subscribers(Transport::Unix, 100);
}

#[test]
fn a_killed_subscriber_costs_the_other_nothing_over_tls() {
    two_subscribers(Transport::Tls, 100);
}

/// Sends thousands of alerts to two subscribers with different libraries. Kills the second after
/// `lifetime` alerts, in the middle of the stream.
fn two_subscribers(transport: Transport, lifetime: usize) {
    const HALF: usize = 2000;
    if !Library::GrpcioCurrent.is_installed() || !Library::GrpcJs.is_installed() {
        return;
    }
    let mut server = Server::start(transport);
    let count = (2 * HALF).to_string();
    let mut first = subscribe(Library::GrpcioCurrent, &server, &["sub-silent", &count]);
    let mut second = subscribe(Library::GrpcJs, &server, &["sub-silent", &count]);
    let names: Vec<String> = (0..2 * HALF).map(|number| format!("number {number}")).collect();
    let rules = |client: &mut Client, names: &[String]| {
        for name in names {
            assert_eq!(client.next()["rule"], *name);
        }
    };

    server.feed(names[..HALF].iter().map(|name| examples::line(name)).collect::<String>());
    rules(&mut second, &names[..HALF.min(lifetime)]);
    if lifetime < HALF {
        second.kill();
    }
    rules(&mut first, &names[..HALF]);
    server.feed(names[HALF..].iter().map(|name| examples::line(name)).collect::<String>());
    rules(&mut first, &names[HALF..]);
    assert_eq!(first.finish().values(), Vec::<Value>::new());
    if lifetime > HALF {
        rules(&mut second, &names[HALF..]);
        assert_eq!(second.finish().values(), Vec::<Value>::new());
    }
}

#[test]
fn a_paused_server_keeps_its_polling_client_over_unix() {
    a_paused_server_keeps_its_polling_client(Transport::Unix);
}

#[test]
fn a_paused_server_keeps_its_polling_client_over_tls() {
    a_paused_server_keeps_its_polling_client(Transport::Tls);
}

/// A client polls ten times a second while the server's machine is suspended. After some minutes
/// the server gets thousands of requests at once and must not take them for an attack.
fn a_paused_server_keeps_its_polling_client(transport: Transport) {
    let library = Library::GrpcJs;
    if !library.is_installed() {
        return;
    }
    let mut server = Server::start(transport);
    let mut client = library.start(&server, &["sub-burst", "1"]);
    assert_eq!(client.next(), json!({ "open": true }));
    server.pause();
    assert_eq!(client.next(), json!({ "sent": 6000 }));
    server.resume();
    server.feed(examples::line("awake"));
    assert_eq!(client.finish().values(), [examples::alert("awake")]);
}

#[test]
fn ten_thousand_wait_for_the_first_get() {
    let library = Library::GrpcioCurrent;
    if !library.is_installed() {
        return;
    }
    let mut server = Server::start(Transport::Unix);
    let names: Vec<String> = (0..10_000).map(|number| format!("number {number}")).collect();
    server.feed(names.iter().map(|name| examples::line(name)).collect::<String>());
    let alerts = get(library, &server, names.len());
    let rules: Vec<&str> = alerts.iter().filter_map(|alert| alert["rule"].as_str()).collect();
    assert_eq!(rules, names);
}
