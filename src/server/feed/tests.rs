//! A live stream delivers the same retained alerts as a scan, with any filter and any division of
//! the log into blocks, and needs no new alert to do so.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tower::ServiceExt as _;

use super::*;
use crate::event::Origin;
use crate::fuzzing;
use crate::hub::Batch;

/// Far longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(30);

const FILTERS: [&str; 6] = [
    "rule = rare",
    "size > 90000",
    "not rule = common",
    "padding endswith xy",
    "never = there",
    "rule exists",
];

/// Makes a log of alerts with these sizes, appended in batches of these lengths. One alert of 31
/// has another rule, so a filter can find no match for a long way.
fn log(sizes: &[usize], batches: &[usize]) -> Arc<Feed> {
    let feed = fuzzing::quiet_feed();
    let mut sizes = sizes.iter().enumerate();
    let mut lengths = batches.iter().cycle();
    loop {
        let mut batch = Batch::default();
        for (number, size) in sizes.by_ref().take(*lengths.next().unwrap()) {
            let rule = if number % 31 == 30 { "rare" } else { "common" };
            let padding = "x".repeat(*size);
            let line = format!(
                r#"{{"rule":"{rule}","priority":"Error","time":"2026-01-30T10:00:00Z","output_fields":{{"size":{size},"padding":"{padding}y"}}}}"#
            );
            crate::event::read(
                line.as_bytes(),
                || unreachable!(),
                |record| {
                    batch.push(&record.event, &record.line, &Origin::utc("host"));
                },
            )
            .unwrap();
        }
        if batch.is_empty() {
            return feed;
        }
        feed.hub.append(&mut batch);
    }
}

/// Returns the first `count` lines of an answer.
async fn lines(feed: &Arc<Feed>, path: &str, filter: &str, count: usize) -> Vec<String> {
    let query = serde_urlencoded::to_string([("filter", filter)]).unwrap();
    let request = Request::get(format!("http://127.0.0.1{path}&{query}"))
        .header("host", "127.0.0.1")
        .header("accept", "application/x-ndjson")
        .body(Body::empty())
        .unwrap();
    let router = falconer_gateway::router(feed.clone(), falconer_gateway::Config::default());
    let mut body = router.oneshot(request).await.unwrap().into_body();
    let mut text = Vec::new();
    let read = async {
        while text.iter().filter(|byte| **byte == b'\n').count() < count {
            let Some(frame) = body.frame().await else { break };
            text.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("retained alerts need no new alert");
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_far_behind_other_alerts_is_delivered() {
    let feed = log(&[64_000; 31], &[31]);
    let streamed = lines(&feed, "/api/v1/events/stream?last=31", "rule = rare", 1).await;
    assert_eq!(streamed.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_stream_delivers_the_same_as_a_scan(
        sizes in prop::collection::vec(prop_oneof![0..200_usize, 50_000..100_000_usize], 1..80),
        batches in prop::collection::vec(1..40_usize, 1..5),
        filter in prop::sample::select(&FILTERS[..]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let feed = log(&sizes, &batches);
            let scanned = lines(&feed, "/api/v1/export?format=ndjson", filter, usize::MAX).await;
            let count = scanned.len();
            let path = format!("/api/v1/events/stream?last={}", sizes.len());
            let streamed = lines(&feed, &path, filter, count).await;
            prop_assert!(streamed == scanned, "{} of {}", streamed.len(), scanned.len());
            Ok(())
        })?;
    }
}
