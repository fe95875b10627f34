//! The targets of the project, judged by the cases of one run.

use super::contender::Contender::{self, BareBlocks, Batched, Broadcast, Falconer, Sink};
use super::report::{Case, Metric, Target, Wanted};
use Wanted::{AtLeast, AtMost};

/// Judges every target. A target whose case did not run has no value.
pub(crate) fn judge(cases: &[Case]) -> Vec<Target> {
    let value = |name: &str, contender, metric| {
        cases.iter().find(|case| case.name.starts_with(name))?.value(contender, metric)
    };
    let over = |name: &str, metric, other: Contender| {
        Some(value(name, Falconer, metric)? / value(name, other, metric)?)
    };
    let ours = |name: &str, metric| value(name, Falconer, metric);
    let target = |text, got, wanted| Target { text, got, wanted };

    let drain = "drain of 100000 alerts, unix";
    let drain_tls = "drain of 100000 alerts, mutual TLS";
    let hundred = "fan-out to 100 readers, unix";
    let busy = "latency at 20000/s, 10 readers, unix";
    let http = "ingest by HTTP";
    // Compares with the better of the two tonic servers.
    let best = |name, metric| {
        let both = (over(name, metric, Broadcast)?, over(name, metric, Batched)?);
        Some(both.0.max(both.1))
    };
    vec![
        target(
            "drain, unix: times tonic-broadcast",
            over(drain, Metric::Rate, Broadcast),
            AtLeast(3.0),
        ),
        target(
            "drain, mutual TLS: times tonic-broadcast",
            over(drain_tls, Metric::Rate, Broadcast),
            AtLeast(2.0),
        ),
        target(
            "drain, unix: share of the bare socket's bytes/s",
            over(drain, Metric::MibPerSecond, BareBlocks),
            AtLeast(0.5),
        ),
        target(
            "fan-out to 100 per CPU second: times tonic-broadcast",
            over(hundred, Metric::PerCpu, Broadcast),
            AtLeast(6.0),
        ),
        target(
            "fan-out to 100 per CPU second: times tonic-batched",
            over(hundred, Metric::PerCpu, Batched),
            AtLeast(2.0),
        ),
        target(
            "p99 at 20,000/s, 10 readers: times the better tonic's",
            best(busy, Metric::P99),
            AtMost(1.0),
        ),
        target(
            "CPU at 20,000/s, 10 readers: times the better tonic's",
            best(busy, Metric::CpuShare),
            AtMost(1.0),
        ),
        target(
            "a lone alert to an idle reader, p99, µs",
            ours("latency at 50/s, 1 reader", Metric::P99),
            AtMost(1000.0),
        ),
        target(
            "ingest from standard input, alerts per CPU second",
            ours("ingest from standard", Metric::PerCpu),
            AtLeast(700_000.0),
        ),
        target(
            "ingest by HTTP: CPU times axum-sink's",
            over(http, Metric::CpuMicros, Sink),
            AtMost(1.5),
        ),
        target(
            "memory of an idle reader, unix, KiB",
            ours("1000 idle readers, unix", Metric::KibPerReader),
            AtMost(20.0),
        ),
        target(
            "readers of 10,000 that got every alert",
            ours("100 alerts to 10000", Metric::Readers),
            AtLeast(10_000.0),
        ),
    ]
}
