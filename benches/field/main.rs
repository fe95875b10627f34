//! Compares Falconer with other servers and with the bare machine: `make bench`.
//!
//! One program has several roles. Without a role it is the benchmark: it starts every contender as
//! a process on one core, generates the load on another, and writes tables to standard output and
//! `bench/results.json` in cargo's target directory. With a role ([`role`]) it is one of the
//! servers that Falconer is compared with.
//!
//! - `QUICK=1` runs one short round of each case, to check that everything works.
//! - Arguments are parts of case names. Only matching cases run.
//! - `CONTENDERS=falconer,tonic-batched` runs only these contenders.
//! - `FALCONER_BIN` names the binary to measure, `FALCONER_BEFORE` another one to compare with.
//!
//! `benches/README.md` describes the cases.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark panics if it cannot continue; its counts fit a float"
)]

mod alerts;
mod bare;
mod cases;
#[path = "../../tests/support/certs.rs"]
mod certs;
mod contender;
mod feed;
mod http_readers;
mod posts;
mod process;
mod readers;
mod report;
mod sink;
mod socket;
mod targets;
mod tonic_server;
mod walk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use http_readers::Shape;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use alerts::Alerts;
use cases::CRI;
use cases::{Lab, Pace};
use contender::Contender;
use report::Case;

/// The timeout of the whole benchmark.
const AT_MOST: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some((name, rest)) = arguments.split_first()
        && role(name, rest)
    {
        return ExitCode::SUCCESS;
    }
    process::pin(process::LOAD_CORE);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let mut terminated = signal(SignalKind::terminate()).unwrap();
        let mut interrupted = signal(SignalKind::interrupt()).unwrap();
        // On every way out, dropping the benchmark drops each `Process`, which kills its server.
        tokio::select! {
            () = benchmark(&arguments) => ExitCode::SUCCESS,
            _ = terminated.recv() => ExitCode::FAILURE,
            _ = interrupted.recv() => ExitCode::FAILURE,
            () = tokio::time::sleep(AT_MOST) => {
                eprintln!("not finished within {} s", AT_MOST.as_secs());
                ExitCode::FAILURE
            }
        }
    })
}

/// Runs a role until the process is killed. Returns `false` if there is no such role.
fn role(name: &str, arguments: &[String]) -> bool {
    // tokio's default number of threads, one per core. The process is pinned to one core.
    let runtime = || Builder::new_multi_thread().enable_all().build().unwrap();
    match name {
        "exec" => panic!("{}", process::exec(arguments)),
        "tonic-broadcast" => runtime().block_on(tonic_server::run(false, arguments)),
        "tonic-batched" => runtime().block_on(tonic_server::run(true, arguments)),
        "axum-sink" => runtime().block_on(sink::run(arguments)),
        "bare-each" => bare::run(bare::Way::Each, arguments),
        "bare-64KiB" => bare::run(bare::Way::Blocks, arguments),
        "canned-h2" => bare::run(bare::Way::Canned, arguments),
        _ => return false,
    }
    true
}

/// The cases, in the order in which they run.
const CASES: [&str; 29] = [
    "start",
    "drain unix",
    "drain filtered",
    "drain mtls",
    "fan-out 1 unix",
    "fan-out 10 unix",
    "fan-out 100 unix",
    "fan-out 1000 unix",
    "fan-out 10 mtls",
    "fan-out 100 mtls",
    "live 1 sse",
    "live 10 sse",
    "live 100 sse",
    "live 100 batches",
    "live 1 ndjson",
    "live 10 ndjson",
    "live 100 ndjson",
    "latency 1000 unix",
    "latency 1000 stalled",
    "latency 1000 hostile",
    "latency 20000 unix",
    "latency 20000 mtls",
    "latency lone unix",
    "ingest stdin",
    "ingest file",
    "ingest file cri",
    "ingest http",
    "idle",
    "crowd",
];

async fn benchmark(wanted: &[String]) {
    let quick = std::env::var_os("QUICK").is_some_and(|value| !value.is_empty());
    let pace = if quick { Pace::QUICK } else { Pace::NORMAL };
    let lab = Lab { alerts: Arc::new(Alerts::new()), pace };
    let cores = std::fs::read_to_string("/proc/cpuinfo")
        .map_or(0, |text| text.lines().filter(|line| line.starts_with("processor")).count());
    println!(
        "{cores} cores; rounds of {} ms, medians of {}; alerts of {} bytes of JSON, {} as a frame; \
         windows of {} KiB a stream, {} KiB a connection\n",
        pace.round.as_millis(),
        pace.rounds,
        lab.alerts.line_length(),
        lab.alerts.frame_length(),
        readers::STREAM_WINDOW >> 10,
        readers::CONNECTION_WINDOW >> 10,
    );
    let begun = std::time::Instant::now();
    let mut cases = Vec::new();
    for name in CASES {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        for case in play(&lab, name).await {
            println!("{}", case.table());
            cases.push(case);
        }
    }
    let targets = targets::judge(&cases);
    println!("{}", report::targets_table(&targets));
    let results = json!({
        "cores": cores,
        "quick": quick,
        "round_ms": u64::try_from(pace.round.as_millis()).unwrap(),
        "line_bytes": lab.alerts.line_length(),
        "frame_bytes": lab.alerts.frame_length(),
        "stream_window": readers::STREAM_WINDOW,
        "connection_window": readers::CONNECTION_WINDOW,
        "cases": cases.iter().map(Case::json).collect::<Vec<_>>(),
        "targets": targets.iter().map(report::Target::json).collect::<Vec<_>>(),
    });
    let path = results_path();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("{results:#}\n")).unwrap();
    println!("{} s; all rounds are in {}", begun.elapsed().as_secs(), path.display());
}

async fn play(lab: &Lab, name: &str) -> Vec<Case> {
    vec![match name {
        "start" => lab.start().await,
        "drain unix" => lab.drain(false).await,
        "drain filtered" => lab.filtered().await,
        "drain mtls" => lab.drain(true).await,
        "fan-out 1 unix" => lab.fan_out(false, 1).await,
        "fan-out 10 unix" => lab.fan_out(false, 10).await,
        "fan-out 100 unix" => lab.fan_out(false, 100).await,
        "fan-out 1000 unix" => lab.fan_out(false, 1000).await,
        "fan-out 10 mtls" => lab.fan_out(true, 10).await,
        "fan-out 100 mtls" => lab.fan_out(true, 100).await,
        "live 1 sse" => lab.live_http(Shape::Events, 1).await,
        "live 10 sse" => lab.live_http(Shape::Events, 10).await,
        "live 100 sse" => lab.live_http(Shape::Events, 100).await,
        "live 100 batches" => lab.live_http(Shape::Batches, 100).await,
        "live 1 ndjson" => lab.live_http(Shape::Lines, 1).await,
        "live 10 ndjson" => lab.live_http(Shape::Lines, 10).await,
        "live 100 ndjson" => lab.live_http(Shape::Lines, 100).await,
        "latency 1000 unix" => lab.latency(&Contender::servers(), false, 1000, 10).await,
        "latency 1000 stalled" => {
            let contenders = [Contender::Falconer, Contender::Stalled];
            lab.latency(&contenders, false, 1000, 10).await
        }
        "latency 1000 hostile" => {
            let contenders = [Contender::Falconer, Contender::Hostile];
            lab.latency(&contenders, false, 1000, 10).await
        }
        "latency 20000 unix" => lab.latency(&Contender::servers(), false, 20_000, 10).await,
        "latency 20000 mtls" => lab.latency(&Contender::servers(), true, 20_000, 10).await,
        "latency lone unix" => lab.latency(&Contender::servers(), false, 50, 1).await,
        "ingest stdin" => lab.ingest_stdin().await,
        "ingest file" => lab.ingest_file(None).await,
        "ingest file cri" => lab.ingest_file(Some(CRI)).await,
        "ingest http" => lab.ingest_http().await,
        "idle" => return vec![lab.idle(false).await, lab.idle(true).await],
        "crowd" => lab.crowd().await,
        _ => return Vec::new(),
    }]
}

/// Returns `bench/results.json` in cargo's target directory. This program is in its `release/deps`.
fn results_path() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("bench/results.json")
}
