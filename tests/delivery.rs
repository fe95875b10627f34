//! Which subscriber gets which alerts and announcements of lost alerts: `get` and `sub` as Falco's
//! clients use them, with and without metadata, over a real socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use falconer::event::{self, Origin};
use falconer::hub::{Config as HubConfig, Epoch, Hub};
use falconer::ingest::{Input, Intake, Line, now};
use falconer::proto::falco::outputs::Response;
use falconer::service::{
    self, Config, Context, Delivery, FalcoVersion, LostEvents, Settings, Subscribers,
    subscribers::Kind,
};
use h2::SendStream;
use prost::Message as _;
use support::raw::{Client, Outcome, Replies, Served, framed, head};
use support::wait::eventually_async;
use tokio_util::sync::CancellationToken;

const GET: &str = "/falco.outputs.service/get";
const SUB: &str = "/falco.outputs.service/sub";

/// The time without an alert after which a subscription counts as quiet.
const QUIET: Duration = Duration::from_millis(100);

struct Falconer {
    served: Served,
    context: Context,
    intake: Intake,
}

impl Falconer {
    fn start(retain: u64, config: Config) -> Self {
        let hub = Arc::new(Hub::new(HubConfig { retain }, Epoch::new(0xabc)));
        let intake = Intake::new(hub.clone(), Origin::utc("this-host"));
        let stop = CancellationToken::new();
        let context = Context {
            filters: falconer::query::Filters::default(),
            hub,
            settings: Settings::new(config),
            origin: Origin::utc("this-host").into(),
            now,
            falco: Arc::new(FalcoVersion::default),
            down: Arc::new(Vec::new),
            subscribers: Subscribers::default(),
            stop: stop.clone(),
        };
        let served = Served::start_until(service::falco(&context), stop);
        Self { served, context, intake }
    }

    fn simple() -> Self {
        Self::start(64 << 20, Config::default())
    }

    /// Appends alerts with these rules in one batch.
    fn alert(&self, rules: impl IntoIterator<Item = u64>) {
        let mut delivery = self.intake.begin(Input::Http);
        for rule in rules {
            let line = support::examples::line(&rule.to_string());
            delivery.line(Line::Whole(line.as_bytes()));
        }
        delivery.finish();
    }

    async fn client(&self) -> Client {
        Client::connect(&self.served.path).await
    }

    async fn get(&self, metadata: &[(&str, &str)]) -> Vec<u64> {
        let outcome = self.call(GET, metadata).await;
        assert_eq!(outcome.code(), Some(0), "{}", outcome.message());
        outcome.messages.iter().map(rule).collect()
    }

    async fn call(&self, path: &str, metadata: &[(&str, &str)]) -> Outcome {
        self.client().await.call(with(head(path), metadata), [framed(b"")]).await
    }

    async fn sub(&self, metadata: &[(&str, &str)]) -> Subscription {
        let client = self.client().await;
        let (requests, replies) = client.begin(with(head(SUB), metadata)).await.replies().await;
        Subscription { _client: client, requests, replies }
    }

    async fn subscribers(&self, expected: usize) {
        eventually_async("the subscribers expected", async || {
            (self.context.subscribers.of(Kind::Grpc) == expected).then_some(())
        })
        .await;
    }
}

struct Subscription {
    _client: Client,
    requests: SendStream<Bytes>,
    replies: Replies,
}

impl Subscription {
    async fn take(&mut self, count: usize) -> Vec<u64> {
        let mut rules = Vec::new();
        while rules.len() < count {
            rules.push(rule(&self.replies.next().await.expect("another alert")));
        }
        rules
    }

    async fn quiet(&mut self) {
        assert!(self.replies.quiet_for(QUIET).await, "an unexpected alert");
    }
}

fn with(head: http::request::Builder, metadata: &[(&str, &str)]) -> http::request::Builder {
    metadata.iter().fold(head, |head, (key, value)| head.header(*key, *value))
}

fn response(message: &Bytes) -> Response {
    Response::decode(message.clone()).unwrap()
}

fn rule(message: &Bytes) -> u64 {
    let response = response(message);
    response.rule.parse().unwrap_or_else(|_| panic!("not expected: {response:?}"))
}

#[tokio::test]
async fn get_returns_the_unread_alerts_and_ends() {
    let falconer = Falconer::simple();
    assert_eq!(falconer.get(&[]).await, Vec::<u64>::new());
    falconer.alert(1..=3);
    assert_eq!(falconer.get(&[]).await, [1, 2, 3]);
    assert_eq!(falconer.get(&[]).await, Vec::<u64>::new());
    falconer.alert(4..=10_000);
    assert_eq!(falconer.get(&[]).await, (4..=10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_late_subscriber_gets_the_backlog_then_new_alerts() {
    let falconer = Falconer::simple();
    falconer.alert(1..=500);
    let mut late = falconer.sub(&[]).await;
    assert_eq!(late.take(500).await, (1..=500).collect::<Vec<_>>());
    late.quiet().await;
    falconer.alert([501]);
    assert_eq!(late.take(1).await, [501]);
    drop(late);
    falconer.subscribers(0).await;
    falconer.alert([502]);
    assert_eq!(falconer.get(&[]).await, [502], "the position is where the subscription ended");
}

#[tokio::test]
async fn every_subscriber_gets_every_alert_even_if_another_is_killed() {
    let falconer = Falconer::simple();
    let mut first = falconer.sub(&[]).await;
    let mut second = falconer.sub(&[]).await;
    let mut killed = falconer.sub(&[]).await;
    for batch in 0..50 {
        falconer.alert(batch * 100 + 1..=batch * 100 + 100);
    }
    killed.take(10).await;
    drop(killed);
    for batch in 50..100 {
        falconer.alert(batch * 100 + 1..=batch * 100 + 100);
    }
    let all: Vec<u64> = (1..=10_000).collect();
    assert_eq!(first.take(10_000).await, all);
    assert_eq!(second.take(10_000).await, all);
}

#[tokio::test]
async fn requests_are_optional_and_end_no_call() {
    let falconer = Falconer::simple();
    let mut silent = falconer.sub(&[]).await;
    let mut half_closed = falconer.sub(&[]).await;
    half_closed.requests.send_data(framed(b""), true).unwrap();
    let mut polling = falconer.sub(&[]).await;
    for _ in 0..20_000 {
        polling.requests.reserve_capacity(5);
        std::future::poll_fn(|context| polling.requests.poll_capacity(context)).await;
        polling.requests.send_data(framed(b""), false).unwrap();
        tokio::task::yield_now().await;
    }
    falconer.alert(1..=3);
    for subscription in [&mut silent, &mut half_closed, &mut polling] {
        assert_eq!(subscription.take(3).await, [1, 2, 3]);
        subscription.quiet().await;
    }
}

#[tokio::test]
async fn requests_are_read_from_a_client_that_does_not_read() {
    let falconer = Falconer::simple();
    falconer.alert(1..=10_000);
    let mut stalled = falconer.sub(&[]).await;
    for _ in 0..20_000 {
        stalled.requests.reserve_capacity(5);
        std::future::poll_fn(|context| stalled.requests.poll_capacity(context)).await;
        stalled.requests.send_data(framed(b""), false).unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(stalled.take(10_000).await, (1..=10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_invalid_request_ends_the_subscription_with_its_status() {
    let falconer = Falconer::simple();
    let mut sub = falconer.sub(&[]).await;
    sub.requests.send_data(Bytes::from_static(&[7, 0, 0, 0, 0]), false).unwrap();
    assert_eq!(sub.replies.outcome().await.code(), Some(13));
    falconer.subscribers(0).await;
}

#[tokio::test]
async fn a_cancelled_subscription_is_gone_at_once() {
    let falconer = Falconer::simple();
    let subs = [falconer.sub(&[]).await, falconer.sub(&[]).await, falconer.sub(&[]).await];
    falconer.subscribers(3).await;
    let [mut reset, closed, kept] = subs;
    reset.requests.send_reset(h2::Reason::CANCEL);
    falconer.subscribers(2).await;
    drop(closed);
    falconer.subscribers(1).await;
    drop(kept);
    falconer.subscribers(0).await;
}

#[tokio::test]
async fn a_live_subscription_ends_with_unavailable_at_shutdown() {
    let falconer = Falconer::simple();
    let waiting = falconer.sub(&[]).await;
    falconer.alert(1..=5_000);
    // This subscriber has not read the alerts that the server sent to it.
    let stalled = falconer.sub(&[("falconer-last", "5000")]).await;
    falconer.served.stop.cancel();
    let outcome = waiting.replies.outcome().await;
    assert_eq!(
        (outcome.code(), outcome.message()),
        (Some(14), "the server is shutting down; reconnect")
    );
    assert_eq!(stalled.replies.outcome().await.code(), Some(14));
    falconer.served.stopped().await;
}

#[tokio::test]
async fn a_slow_reader_learns_which_alerts_it_lost() {
    let falconer = Falconer::start(1 << 20, Config::default());
    let mut slow = falconer.sub(&[]).await;
    falconer.alert([1]);
    assert_eq!(slow.take(1).await, [1]);
    // More than the retention, the socket and HTTP/2's windows hold.
    for number in 2..=20_000 {
        falconer.alert([number]);
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let (mut next, mut lost) = (2, 0);
    while next <= 20_000 {
        let message = slow.replies.next().await.unwrap();
        let response = response(&message);
        if response.rule == event::LOST_RULE {
            let field = |name: &str| response.output_fields[name].clone();
            let count: u64 = field("lost.count").parse().unwrap();
            assert_eq!(field("lost.first"), format!("abc.{next}"));
            assert_eq!(field("lost.last"), format!("abc.{}", next + count - 1));
            assert!(field("lost.cause").contains("falconer.outputs.retain"));
            assert_eq!(
                (response.source.as_str(), response.hostname.as_str()),
                ("internal", "this-host")
            );
            assert_eq!(response.priority, 2);
            (next, lost) = (next + count, lost + count);
        } else {
            assert_eq!(response.rule, next.to_string());
            next += 1;
        }
    }
    assert!(lost > 0, "the slow reader lost no alert");
    assert_eq!(falconer.context.hub.stats().lost, lost);
}

#[tokio::test]
async fn alerts_lost_before_the_first_reader_are_announced_or_only_counted() {
    for lost_events in [LostEvents::Announce, LostEvents::Count] {
        let config = Config { lost_events, ..Config::default() };
        let falconer = Falconer::start(100_000, config);
        for number in 1..=1_000 {
            falconer.alert([number]);
        }
        let outcome = falconer.call(GET, &[]).await;
        let mut messages = outcome.messages.iter();
        let oldest = falconer.context.hub.oldest();
        if lost_events == LostEvents::Announce {
            let notice = response(messages.next().unwrap());
            assert_eq!(notice.output_fields["lost.count"], (oldest - 1).to_string());
            assert_eq!(notice.output_fields["lost.last"], format!("abc.{}", oldest - 1));
        }
        assert_eq!(messages.map(rule).collect::<Vec<_>>(), (oldest..=1_000).collect::<Vec<_>>());
        assert_eq!(falconer.context.hub.stats().lost, oldest - 1);
    }
}

#[tokio::test]
async fn groups_are_independent_and_explicit_cursors_move_no_position() {
    let falconer = Falconer::simple();
    falconer.alert(1..=10);
    assert_eq!(falconer.get(&[("falconer-group", "siem")]).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(falconer.get(&[("falconer-last", "2")]).await, [9, 10]);
    assert_eq!(falconer.get(&[("falconer-after", "abc.8")]).await, [9, 10]);
    assert_eq!(falconer.get(&[("falconer-since", "2026-01-01T00:00:00Z")]).await.len(), 10);
    assert_eq!(falconer.get(&[]).await, (1..=10).collect::<Vec<_>>(), "the default position moved");
    falconer.alert([11]);
    assert_eq!(falconer.get(&[("falconer-group", "siem")]).await, [11]);
    let named = [("falconer-group", "new"), ("falconer-last", "1")];
    assert_eq!(falconer.get(&named).await, [11]);
    assert_eq!(falconer.get(&[("falconer-group", "new")]).await, Vec::<u64>::new());
    let outcome = falconer.call(SUB, &[("falconer-last", "x")]).await;
    assert_eq!(outcome.code(), Some(3));
    assert!(outcome.message().contains("falconer-last"), "{}", outcome.message());
}

#[tokio::test]
async fn a_filter_passes_its_matches_and_moves_no_position() {
    let falconer = Falconer::simple();
    falconer.alert(1..=100_000);
    let filter = ("falconer-filter", "rule glob *7 and hostname = node-a");
    let passing = |range: std::ops::RangeInclusive<u64>| {
        range.filter(|number| number % 10 == 7).collect::<Vec<_>>()
    };
    let mut live = falconer.sub(&[filter, ("falconer-last", "1000")]).await;
    assert_eq!(live.take(100).await, passing(99_001..=100_000));
    // A subscription whose filter matches no alert stays silent.
    let mut none = falconer.sub(&[("falconer-filter", "rule = none")]).await;
    none.quiet().await;
    falconer.alert(100_001..=100_020);
    assert_eq!(live.take(2).await, passing(100_001..=100_020));
    live.quiet().await;
    assert_eq!(falconer.get(&[filter]).await, passing(1..=100_020));
    assert_eq!(falconer.get(&[]).await.len(), 100_020, "the default position moved");

    // With a group its position follows, also past alerts that the filter rejects.
    let group = ("falconer-group", "siem");
    assert_eq!(falconer.get(&[filter, group]).await, passing(1..=100_020));
    assert_eq!(falconer.get(&[group]).await, Vec::<u64>::new());

    let outcome = falconer.call(SUB, &[("falconer-filter", "prority = x")]).await;
    assert_eq!(outcome.code(), Some(3));
    assert!(outcome.message().contains("column 1"), "{}", outcome.message());
    assert!(outcome.message().contains("priority"), "{}", outcome.message());
}

#[tokio::test]
async fn shared_delivery_hands_each_alert_to_exactly_one_stream() {
    let config = Config { delivery: Delivery::Shared, ..Config::default() };
    let falconer = Falconer::start(64 << 20, config);
    let mut first = falconer.sub(&[]).await;
    let mut second = falconer.sub(&[]).await;
    let mut other_group = falconer.sub(&[("falconer-group", "siem")]).await;
    for number in 1..=1_000 {
        falconer.alert([number]);
        tokio::task::yield_now().await;
    }
    let mut all = Vec::new();
    while all.len() < 1_000 {
        tokio::select! {
            message = first.replies.next() => all.push(rule(&message.unwrap())),
            message = second.replies.next() => all.push(rule(&message.unwrap())),
        }
    }
    all.sort_unstable();
    assert_eq!(all, (1..=1_000).collect::<Vec<_>>());
    assert_eq!(other_group.take(1_000).await, (1..=1_000).collect::<Vec<_>>());
    assert_eq!(falconer.get(&[]).await, Vec::<u64>::new());
    first.quiet().await;
    second.quiet().await;
}

#[tokio::test]
async fn without_the_grpc_output_get_and_sub_have_no_alerts() {
    let falconer = Falconer::start(64 << 20, Config { grpc_output: false, ..Config::default() });
    falconer.alert(1..=3);
    assert_eq!(falconer.get(&[]).await, Vec::<u64>::new());
    let mut sub = falconer.sub(&[]).await;
    sub.quiet().await;
    falconer.served.stop.cancel();
    assert_eq!(sub.replies.outcome().await.code(), Some(14));
}

#[tokio::test]
async fn the_old_method_names_its_successor() {
    let falconer = Falconer::simple();
    let outcome = falconer.call("/falco.output.service/subscribe", &[]).await;
    assert_eq!(outcome.code(), Some(12));
    assert!(outcome.message().contains("falco.outputs.service/sub"), "{}", outcome.message());
}

#[tokio::test]
async fn a_hundred_subscriptions_on_one_connection() {
    let falconer = Falconer::simple();
    let client = falconer.client().await;
    let mut subs = Vec::new();
    for _ in 0..100 {
        subs.push(client.begin(head(SUB)).await.replies().await);
    }
    falconer.subscribers(100).await;
    falconer.alert(1..=20);
    for (_, replies) in &mut subs {
        for number in 1..=20 {
            assert_eq!(rule(&replies.next().await.unwrap()), number);
        }
    }
}
