//! `falconer.v1.EventService` of a running server: alerts with their cursors, and the status.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use falconer::proto::falconer::v1::watch_request::Start;
use falconer::proto::falconer::v1::watch_response::Response;
use falconer::proto::falconer::v1::{
    Alert, Lost, StatusRequest, StatusResponse, WatchRequest, WatchResponse,
};
use prost::Message as _;
use prost_types::FieldMask;
use support::raw::{Client, Outcome, Replies, framed, head};
use support::server::Server;
use support::wait::eventually_async;
use support::{Transport, examples};

const WATCH: &str = "/falconer.v1.EventService/Watch";
const STATUS: &str = "/falconer.v1.EventService/Status";

struct Watched {
    server: Server,
    client: Client,
}

impl Watched {
    async fn start(settings: &[&str]) -> Self {
        let server = Server::start_with(Transport::Unix, settings);
        let client = Client::connect(&server.socket().unwrap()).await;
        Self { server, client }
    }

    /// Feeds alerts with these rules and waits until the server has them.
    async fn feed(&mut self, rules: std::ops::Range<u64>) {
        let before = self.status().await.received;
        let count = rules.end - rules.start;
        self.server.feed(rules.map(|n| examples::line(&format!("rule {n}"))).collect::<String>());
        eventually_async("the alerts have arrived", async || {
            (self.status().await.received == before + count).then_some(())
        })
        .await;
    }

    async fn status(&self) -> StatusResponse {
        let request = framed(&StatusRequest {}.encode_to_vec());
        let outcome = self.client.call(head(STATUS), [request]).await;
        assert_eq!(outcome.code(), Some(0), "{}", outcome.message());
        StatusResponse::decode(outcome.messages[0].clone()).unwrap()
    }

    async fn watch(&self, request: &WatchRequest) -> Outcome {
        self.client.call(head(WATCH), [framed(&request.encode_to_vec())]).await
    }

    async fn follow(&self, request: &WatchRequest) -> Replies {
        let mut call = self.client.begin(head(WATCH)).await;
        call.requests.send_data(framed(&request.encode_to_vec()), true).unwrap();
        call.replies().await.1
    }
}

fn response(message: &bytes::Bytes) -> Response {
    WatchResponse::decode(message.clone()).unwrap().response.unwrap()
}

fn alert(message: &bytes::Bytes) -> Alert {
    match response(message) {
        Response::Alert(alert) => alert,
        other => panic!("not an alert: {other:?}"),
    }
}

fn rules(outcome: &Outcome) -> Vec<String> {
    outcome.messages.iter().map(|message| alert(message).alert.unwrap().rule).collect()
}

#[tokio::test]
async fn alerts_have_cursors_to_resume_from() {
    let mut watched = Watched::start(&[]).await;
    watched.feed(0..10).await;
    let all = watched.watch(&WatchRequest::default()).await;
    assert_eq!(all.code(), Some(0));
    assert_eq!(rules(&all), (0..10).map(|n| format!("rule {n}")).collect::<Vec<_>>());
    // The alert equals that of Falco's API in every byte.
    let old = watched.client.call(head("/falco.outputs.service/get"), [framed(b"")]).await;
    for (new, old) in all.messages.iter().zip(&old.messages) {
        assert_eq!(alert(new).alert.unwrap().encode_to_vec().len(), old.len());
        let old = falconer::proto::falco::outputs::Response::decode(old.clone()).unwrap();
        assert_eq!(alert(new).alert.unwrap(), old);
    }
    let after = Some(Start::After(alert(&all.messages[6]).cursor));
    let rest = watched.watch(&WatchRequest { start: after, ..WatchRequest::default() }).await;
    assert_eq!(rules(&rest), ["rule 7", "rule 8", "rule 9"]);
    let last = WatchRequest { start: Some(Start::Last(2)), ..WatchRequest::default() };
    assert_eq!(rules(&watched.watch(&last).await), ["rule 8", "rule 9"]);
    let filter = WatchRequest {
        filter: "rule in (\"rule 2\", \"rule 5\", \"rule 7\")".into(),
        limit: 2,
        fields: Some(FieldMask { paths: vec!["rule".into(), "tags".into()] }),
        ..WatchRequest::default()
    };
    let filtered = watched.watch(&filter).await;
    assert_eq!(rules(&filtered), ["rule 2", "rule 5"]);
    let masked = alert(&filtered.messages[0]).alert.unwrap();
    assert_eq!((masked.tags.len(), masked.output.as_str(), masked.time), (1, "", None));
    let until = WatchRequest { until: "2026-01-30T10:00:00Z".into(), ..WatchRequest::default() };
    assert!(watched.watch(&until).await.messages.is_empty());
    let status = eventually_async("no call is left", async || {
        Some(watched.status().await).filter(|status| status.subscribers == 0)
    })
    .await;
    assert_eq!((status.received, status.retained), (10, 10));
    assert_eq!(status.newest, alert(&all.messages[9]).cursor);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_following_call_ends_with_a_status_at_shutdown() {
    let mut watched = Watched::start(&[]).await;
    let request =
        WatchRequest { start: Some(Start::Last(0)), follow: true, ..WatchRequest::default() };
    let mut replies = watched.follow(&request).await;
    eventually_async("the call has started", async || {
        (watched.status().await.subscribers == 1).then_some(())
    })
    .await;
    watched.feed(0..3).await;
    for n in 0..3 {
        let message = replies.next().await.unwrap();
        assert_eq!(alert(&message).alert.unwrap().rule, format!("rule {n}"));
    }
    watched.server.terminate();
    let outcome = replies.outcome().await;
    assert_eq!((outcome.messages.len(), outcome.code()), (0, Some(14)), "{}", outcome.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_announced_exactly() {
    let mut watched = Watched::start(&["falconer.outputs.retain=1MiB"]).await;
    watched.feed(0..1).await;
    let first = watched.watch(&WatchRequest::default()).await;
    watched.feed(1..5_000).await;
    let after = Some(Start::After(alert(&first.messages[0]).cursor));
    let rest = watched.watch(&WatchRequest { start: after, ..WatchRequest::default() }).await;
    let Response::Lost(Lost { count, first, last, cause }) = response(&rest.messages[0]) else {
        panic!("the first message must announce the loss");
    };
    assert_eq!(count as usize + rest.messages.len() - 1, 4_999);
    assert!(first.ends_with(".2") && last.ends_with(&format!(".{}", count + 1)), "{first} {last}");
    assert!(cause.contains("retain"));
    assert_eq!(watched.status().await.lost, count);
}

#[tokio::test]
async fn invalid_requests_name_the_wrong_field() {
    let watched = Watched::start(&[]).await;
    let start = |start| WatchRequest { start: Some(start), ..WatchRequest::default() };
    let fields = |path: &str| WatchRequest {
        fields: Some(FieldMask { paths: vec![path.into()] }),
        ..WatchRequest::default()
    };
    for (request, code, message) in [
        (WatchRequest { filter: "(".into(), ..WatchRequest::default() }, 3, "filter: column 2"),
        (WatchRequest { until: "soon".into(), ..WatchRequest::default() }, 3, "until: \"soon\""),
        (start(Start::Since("x".into())), 3, "since: \"x\""),
        (start(Start::After("x".into())), 3, "after: \"x\""),
        (start(Start::After("1.1".into())), 11, "after: 1.1 belongs to an earlier run"),
        (fields("rules"), 3, "fields: unknown field \"rules\""),
    ] {
        let outcome = watched.watch(&request).await;
        assert_eq!(outcome.code(), Some(code), "{request:?}");
        assert!(outcome.message().starts_with(message), "{}", outcome.message());
    }
    // Metadata that other methods read would be ignored here.
    for key in ["falconer-filter", "falconer-last", "falconer-group"] {
        let request = framed(&WatchRequest::default().encode_to_vec());
        let outcome = watched.client.call(head(WATCH).header(key, "1"), [request]).await;
        assert_eq!(outcome.code(), Some(3), "{key}");
        assert!(outcome.message().starts_with(key), "{}", outcome.message());
    }
}
