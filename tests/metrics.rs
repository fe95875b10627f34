//! `/metrics` as Prometheus reads it: it can parse each format that it negotiates, whatever the
//! labels contain, and every metric has its documented name.
//!
//! 1. A Prometheus scrapes the server and is queried for each metric.
//! 2. `promtool check metrics` reports nothing, not even advice about names.
//! 3. The parser of Prometheus 3 reads both formats and finds the same samples in them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use http::Request;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use serde_json::Value;
use support::client::{home, is_installed};
use support::http::{Answer, ask};
use support::raw::{Client, framed, head};
use support::server::{Server, free_port};
use support::wait::{Log, eventually_async};
use support::{Transport, certs, examples, tls};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The documented name of every metric.
const DOCUMENTED: [&str; 14] = [
    "falconer_alerts_received_total",
    "falconer_alerts_without_time_total",
    "falconer_alerts_lost_total",
    "falconer_retained_bytes",
    "falconer_retained_alerts",
    "falconer_subscribers",
    "falconer_subscriber_lag_alerts",
    "falconer_deliveries_total",
    "falconer_rpcs_total",
    "falconer_input_last_alert_timestamp_seconds",
    "falconer_certificate_not_after_timestamp_seconds",
    "falconer_build_info",
    "falconer_input_up",
    "falconer_log_lines_lost_total",
];

/// The metrics that have no series before their first event.
const LATER: [&str; 3] = [
    "falconer_connections_cut_total",
    "falconer_streams_reset_total",
    "falconer_connections_broken_total",
];

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Characters that must not break labels: in a file's path, a client's name, a method.
const FILE: &str = "se\"rv\\er.crt";
const NAME: &str = "O'Brien \"\\\u{1b}\n";
const METHOD: &str = "/falco.none/x\"y{z}";

/// A server that has every metric.
struct Measured {
    _server: Server,
    _dir: TempDir,
    address: SocketAddr,
}

impl Measured {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = certs::write(dir.path());
        let name = certs::leaf(NAME, &[], Some(certs::CLIENT));
        authority.write_leaf(dir.path(), "client", &name);
        fs::rename(dir.path().join("server.crt"), dir.path().join(FILE)).unwrap();
        let named = [("private_key", "server.key"), ("cert_chain", FILE), ("root_certs", "ca.crt")]
            .map(|(key, file)| format!("grpc.{key}={}", dir.path().join(file).display()));
        let mut address = None;
        let mut server = Server::start_anew(3, || {
            let free = *address.insert(SocketAddr::from(([127, 0, 0, 1], free_port())));
            let listen = format!("falconer.gateway.listen={free}");
            let [key, chain, roots] = named.each_ref().map(String::as_str);
            let settings = ["falconer.gateway.enabled=true", &listen, key, chain, roots];
            Server::spawn(Transport::Tls, &settings)
        });
        let config = tls::client(dir.path(), Some(dir.path()), &[&TLS13], &["h2"]);
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let client = Client::over(stream).await.unwrap();
        client.call(head(METHOD), [framed(b"")]).await;
        server.feed(examples::line("measured"));
        let address = address.expect("a server was started");
        let measured = Self { _server: server, _dir: dir, address };
        eventually_async("everything is counted", async || {
            let text = measured.metrics("").await.text().await;
            let counted = |name: &str| text.contains(&format!("\n{name}{{"));
            let all = ["falconer_rpcs_total", "falconer_input_last_alert_timestamp_seconds"];
            all.into_iter().all(counted).then_some(())
        })
        .await;
        measured
    }

    async fn metrics(&self, accept: &str) -> Answer {
        ask(self.address, Request::get("/metrics").header("accept", accept), b"").await
    }
}

/// Runs `command` with `text` at its standard input.
fn fed(command: &mut Command, text: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// A Prometheus that scrapes `target` every second.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    log: Log,
    _dir: TempDir,
}

impl Prometheus {
    async fn scraping(target: SocketAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs: [{{job_name: falconer, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = Log::within(dir.path());
        let process = Command::new(home().join("bin/prometheus"))
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={address}"))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.create())
            .spawn()
            .unwrap();
        let mut prometheus = Self { process, address, log, _dir: dir };
        eventually_async("Prometheus is ready", async || {
            let ended = prometheus.process.try_wait().unwrap();
            assert_eq!(ended, None, "{}", prometheus.log.text());
            TcpStream::connect(prometheus.address).await.ok()?;
            let ready = ask(prometheus.address, Request::get("/-/ready"), b"").await;
            ready.status.is_success().then_some(())
        })
        .await;
        prometheus
    }

    async fn api(&self, path: &str) -> Value {
        ask(self.address, Request::get(format!("/api/v1/{path}")), b"").await.json().await["data"]
            .take()
    }

    /// The current series of this name.
    async fn series(&self, name: &str) -> Vec<Value> {
        let found = self.api(&format!("query?query={name}")).await;
        found["result"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn every_metric_is_documented() {
    let page = include_str!("../docs/operations.md");
    let table = page.split("\n## Metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = table.lines().filter(|line| line.starts_with("| `")).flat_map(|line| {
        let first = line.split(" | ").next().unwrap();
        first.split('`').skip(1).step_by(2).map(|name| name.split('{').next().unwrap())
    });
    let names: std::collections::BTreeSet<_> = names.collect();
    assert_eq!(names, DOCUMENTED.into_iter().chain(LATER).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_scrapes_every_metric_by_its_documented_name() {
    if !is_installed("prometheus") {
        return;
    }
    let measured = Measured::start().await;
    let prometheus = Prometheus::scraping(measured.address).await;
    eventually_async("the target is up", async || {
        let up = prometheus.series("up").await;
        let targets = prometheus.api("targets").await;
        let target = &targets["activeTargets"][0];
        let why = target["lastError"].as_str().unwrap_or_default().to_owned();
        assert!(!why.contains("invalid") && !why.contains("expected"), "{target}");
        (up.first()?["value"][1] == "1").then_some(())
    })
    .await;
    for name in DOCUMENTED {
        eventually_async(name, async || prometheus.series(name).await.pop()).await;
    }
    // Every label arrives unchanged.
    let calls = prometheus.series("falconer_rpcs_total").await;
    let methods: Vec<_> = calls.iter().map(|call| &call["metric"]["method"]).collect();
    assert!(methods.contains(&&Value::from(METHOD.trim_start_matches('/'))), "{methods:?}");
    let files = prometheus.series("falconer_certificate_not_after_timestamp_seconds").await;
    let file = files[0]["metric"]["file"].as_str().unwrap();
    assert!(file.ends_with(FILE), "{file}");
    let peer = calls[0]["metric"]["peer"].as_str().unwrap();
    assert_eq!(peer, NAME.escape_debug().to_string(), "as in the log");
    // Prometheus negotiated OpenMetrics, in which the name of a counter's family has no suffix.
    let metadata = prometheus.api("targets/metadata?metric=falconer_alerts_received").await;
    assert_eq!(metadata[0]["type"], "counter", "{metadata}");
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_reports_no_problem() {
    if !is_installed("promtool") {
        return;
    }
    let measured = Measured::start().await;
    for accept in ["", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"] {
        let answer = measured.metrics(accept).await;
        assert_eq!(answer.header("content-type"), Some(TEXT));
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "Accept"));
        let text = answer.text().await;
        let promtool = home().join("bin/promtool");
        let said = fed(Command::new(promtool).args(["check", "metrics"]), &text);
        assert!(said.status.success(), "{said:?}\n{text}");
        assert_eq!((&said.stdout[..], &said.stderr[..]), (&b""[..], &b""[..]), "{said:?}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_formats_have_the_same_samples() {
    if !is_installed("metrics") {
        return;
    }
    let measured = Measured::start().await;
    let mut seen = Vec::new();
    for (accept, content_type) in [
        ("text/plain;version=0.0.4", TEXT),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", OPEN_METRICS),
    ] {
        let answer = measured.metrics(accept).await;
        assert_eq!(answer.header("content-type"), Some(content_type));
        let text = answer.text().await;
        assert_eq!(text.ends_with("# EOF\n"), content_type == OPEN_METRICS);
        let read = fed(Command::new(home().join("bin/metrics")).arg(content_type), &text);
        let said = String::from_utf8(read.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success(), "{content_type}: {stderr}\n{text}");
        let (types, mut samples): (Vec<_>, Vec<_>) =
            said.lines().map(str::to_owned).partition(|line| line.starts_with("type "));
        let build = match content_type {
            TEXT => "type falconer_build_info gauge",
            _ => "type falconer_build info",
        };
        assert!(types.iter().any(|line| line == build), "{types:?}");
        samples.sort();
        seen.push(samples);
    }
    assert_eq!(seen[0], seen[1]);
    for name in DOCUMENTED {
        let of_it = |sample: &&String| sample.contains(&format!("__name__=\"{name}\""));
        assert!(seen[0].iter().any(|sample| of_it(&sample)), "{name} in {:?}", seen[0]);
    }
}
