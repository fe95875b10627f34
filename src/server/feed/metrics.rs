//! All metrics, in either text format of Prometheus. Each scrape builds them from counts that other
//! parts of the server keep anyway.
//!
//! Metrics are registered without their suffix: the library adds `_total` to a counter and `_info`
//! to an info. [`labels`] escapes the values of labels.

use falconer_gateway::Exposition;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::exposition::{self, Escaped};
use super::{BUILD, Feed};
use crate::event::TimeSource;
use crate::service::subscribers::Kind;

type Labels = Vec<(&'static str, Escaped)>;

/// Makes labels, and escapes their values.
fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.map(|(name, value)| (name, value.into())).into()
}

/// Writes all metrics in a format.
pub(super) fn exposed(feed: &Feed, format: Exposition) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut text, &registry(feed));
    match format {
        Exposition::OpenMetrics => text,
        Exposition::Text => exposition::text(&text),
    }
}

fn registry(feed: &Feed) -> Registry {
    let mut registry = Registry::with_prefix("falconer");
    let stats = feed.hub.stats();

    let received = Family::<Labels, Counter>::default();
    for ((input, status), count) in feed.intake.counts() {
        let labels = labels([("input", input.name()), ("status", status)]);
        received.get_or_create(&labels).inc_by(count);
    }
    registry.register("alerts_received", "Records received, by input and status", received);

    let times = Family::<Labels, Counter>::default();
    let known = feed.intake.times();
    for source in [TimeSource::Envelope, TimeSource::Arrival] {
        let count = known.get(&source).copied().unwrap_or_default();
        times.get_or_create(&labels([("time_source", source.name())])).inc_by(count);
    }
    let help = "Alerts without a time of their own, by where their time is from";
    registry.register("alerts_without_time", help, times);

    let lost = Family::<Labels, Counter>::default();
    lost.get_or_create(&labels([("cause", "evicted")])).inc_by(stats.lost);
    registry.register("alerts_lost", "Alerts that readers lost, summed over readers", lost);

    let gauge = |number: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        gauge
    };
    let bytes = gauge(stats.retained_bytes as u64);
    registry.register("retained_bytes", "Size of the retained alerts", bytes);
    registry.register("retained_alerts", "Alerts retained", gauge(stats.retained));

    let (subscribers, lag) =
        (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    let deliveries = Family::<Labels, Counter>::default();
    let readers = feed.subscribers.snapshot(feed.hub.head());
    for kind in Kind::ALL {
        let labels = labels([("kind", kind.name())]);
        let of_kind = || readers.iter().filter(|reader| reader.kind == kind);
        let count = i64::try_from(of_kind().count()).unwrap_or(i64::MAX);
        subscribers.get_or_create(&labels).set(count);
        let most = of_kind().map(|reader| reader.lag).max().unwrap_or_default();
        lag.get_or_create(&labels).set(i64::try_from(most).unwrap_or(i64::MAX));
        deliveries.get_or_create(&labels).inc_by(feed.subscribers.deliveries(kind));
    }
    registry.register("subscribers", "Connected readers, by kind", subscribers);
    let help = "Lag of the slowest reader, in alerts, by kind";
    registry.register("subscriber_lag_alerts", help, lag);
    registry.register("deliveries", "Alerts delivered to readers, by kind", deliveries);

    let ended = Family::<Labels, Counter>::default();
    for ((method, code, peer), count) in feed.calls.counts() {
        let labels = labels([("method", &method), ("code", &code), ("peer", &peer)]);
        ended.get_or_create(&labels).inc_by(count);
    }
    let help = "Ended gRPC calls, by method, status code and caller";
    registry.register("rpcs", help, ended);

    let cut = Family::<Labels, Counter>::default();
    for (limit, count) in feed.cuts.counts() {
        cut.get_or_create(&labels([("limit", limit.name())])).inc_by(count);
    }
    let help = "gRPC connections closed because the peer exceeded a limit of frames, by limit";
    registry.register("connections_cut", help, cut);

    let errors = feed.cuts.errors();
    let reset = Family::<Labels, Counter>::default();
    for (code, count) in errors.calls() {
        reset.get_or_create(&labels([("code", code)])).inc_by(count);
    }
    let help = "gRPC streams that HTTP/2 reset for what the peer sent, by error code";
    registry.register("streams_reset", help, reset);
    let broken = Family::<Labels, Counter>::default();
    for (code, count) in errors.connections() {
        broken.get_or_create(&labels([("code", code)])).inc_by(count);
    }
    let help = "gRPC connections that HTTP/2 closed for what the peer sent, by error code";
    registry.register("connections_broken", help, broken);

    let lines = Counter::<u64>::default();
    lines.inc_by(crate::server::logging::lost_lines());
    registry.register("log_lines_lost", "Log lines that were lost", lines);

    let latest = Family::<Labels, Gauge>::default();
    for (input, time) in feed.intake.latest() {
        latest.get_or_create(&labels([("input", input.name())])).set(time.as_second());
    }
    let help = "Time of the last alert, by input";
    registry.register("input_last_alert_timestamp_seconds", help, latest);

    let up = Family::<Labels, Gauge>::default();
    for (asked, down) in feed.intake.presence().states() {
        let mut of = labels([("input", asked.input.name())]);
        let path = asked.path.map(|path| path.display().to_string());
        of.extend(path.map(|path| ("path", path.as_str().into())));
        up.get_or_create(&of).set(i64::from(down.is_none()));
    }
    registry.register("input_up", "Whether a configured input is up (1) or down (0)", up);

    let expiry = Family::<Labels, Gauge>::default();
    for certificate in feed.certificates() {
        let labels = labels([("file", &certificate.file)]);
        expiry.get_or_create(&labels).set(certificate.not_after.as_second());
    }
    let help = "Expiry of a certificate, by file";
    registry.register("certificate_not_after_timestamp_seconds", help, expiry);

    registry.register("build", "Build of the server", Info::new(labels([("version", BUILD)])));
    registry
}
