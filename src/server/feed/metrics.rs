//! Everything countable, in either of Prometheus' text formats, made anew for each scrape from the
//! counts that are kept anyway.
//!
//! A metric is registered without its suffix: `_total` of a counter and `_info` of an info are added.
//! Its labels are made by [`labels`], which escapes their values.

use falconer_gateway::Exposition;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::exposition::{self, Escaped};
use super::{BUILD, Feed};
use crate::service::subscribers::Kind;

type Labels = Vec<(&'static str, Escaped)>;

/// Labels and their values, whatever is in those.
fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.map(|(name, value)| (name, value.into())).into()
}

/// All of it, in the format asked for.
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
    registry.register("alerts_received", "Records by input and what became of them", received);

    let lost = Family::<Labels, Counter>::default();
    lost.get_or_create(&labels([("cause", "evicted")])).inc_by(stats.lost);
    registry.register("alerts_lost", "Alerts that readers missed, summed over readers", lost);

    let gauge = |number: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        gauge
    };
    let bytes = gauge(stats.retained_bytes as u64);
    registry.register("retained_bytes", "Bytes of the alerts kept", bytes);
    registry.register("retained_alerts", "Alerts kept", gauge(stats.retained));

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
    registry.register("subscribers", "Readers connected", subscribers);
    let help = "Alerts that the slowest reader of a kind has still to read";
    registry.register("subscriber_lag_alerts", help, lag);
    registry.register("deliveries", "Alerts given to readers, by kind", deliveries);

    let ended = Family::<Labels, Counter>::default();
    for ((method, code, peer), count) in feed.calls.counts() {
        let labels = labels([("method", &method), ("code", &code), ("peer", &peer)]);
        ended.get_or_create(&labels).inc_by(count);
    }
    let help = "gRPC calls that ended, by method, status code and who called";
    registry.register("rpcs", help, ended);

    let cut = Family::<Labels, Counter>::default();
    for (limit, count) in feed.cuts.counts() {
        cut.get_or_create(&labels([("limit", limit.name())])).inc_by(count);
    }
    let help = "gRPC connections ended because their peers sent too many frames that are no call";
    registry.register("connections_cut", help, cut);

    let errors = feed.cuts.errors();
    let reset = Family::<Labels, Counter>::default();
    for (code, count) in errors.calls() {
        reset.get_or_create(&labels([("code", code)])).inc_by(count);
    }
    let help = "gRPC calls that HTTP/2 reset by itself for what their peers sent";
    registry.register("streams_reset", help, reset);
    let broken = Family::<Labels, Counter>::default();
    for (code, count) in errors.connections() {
        broken.get_or_create(&labels([("code", code)])).inc_by(count);
    }
    let help = "gRPC connections that HTTP/2 ended by itself for what their peers sent";
    registry.register("connections_broken", help, broken);

    let lines = Counter::<u64>::default();
    lines.inc_by(crate::server::logging::lost_lines());
    registry.register("log_lines_lost", "Lines that standard error did not take", lines);

    let latest = Family::<Labels, Gauge>::default();
    for (input, time) in feed.intake.latest() {
        latest.get_or_create(&labels([("input", input.name())])).set(time.as_second());
    }
    let help = "When an input last gave an alert";
    registry.register("input_last_alert_timestamp_seconds", help, latest);

    let up = Family::<Labels, Gauge>::default();
    for (asked, down) in feed.intake.presence().states() {
        let mut of = labels([("input", asked.input.name())]);
        let path = asked.path.map(|path| path.display().to_string());
        of.extend(path.map(|path| ("path", path.as_str().into())));
        up.get_or_create(&of).set(i64::from(down.is_none()));
    }
    registry.register("input_up", "Whether an input that was asked for can give alerts", up);

    let expiry = Family::<Labels, Gauge>::default();
    for certificate in feed.certificates() {
        let labels = labels([("file", &certificate.file)]);
        expiry.get_or_create(&labels).set(certificate.not_after.as_second());
    }
    let help = "Until when a certificate counts";
    registry.register("certificate_not_after_timestamp_seconds", help, expiry);

    registry.register("build", "Which build this is", Info::new(labels([("version", BUILD)])));
    registry
}
