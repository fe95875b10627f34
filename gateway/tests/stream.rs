//! The live stream's blocks, by a clock that is paused: what it begins with, and what it says when
//! nothing comes. What libraries make of them is tested with a whole server.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::sync::{Arc, atomic::Ordering};

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
};
use falconer_gateway::{Config, router};
use futures_util::StreamExt;
use support::Recorder;
use tower::ServiceExt;

const STREAM: &str = "/api/v1/events/stream";

async fn read(port: &Arc<Recorder>, accept: &str, path: &str) -> BodyDataStream {
    let request = Request::get(path).header("host", "localhost").header("accept", accept);
    let router = router(port.clone(), Config::default());
    let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body().into_data_stream()
}

async fn next(stream: &mut BodyDataStream) -> String {
    String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_block_has_data_and_a_heartbeat_is_none() {
    let port = Arc::new(Recorder::default());
    let mut stream = read(&port, "text/event-stream", STREAM).await;
    let position = |n: u64| {
        let cursor = format!("64a5f0c2b1e80.{n}");
        format!("event: position\nid: {cursor}\ndata: {{\"cursor\":\"{cursor}\"}}\n\n")
    };
    assert_eq!(next(&mut stream).await, format!("retry: 2000\n{}", position(0)), "one block");
    let begun = tokio::time::Instant::now();
    assert_eq!(next(&mut stream).await, ":\n", "no empty line ends it");
    assert_eq!(begun.elapsed().as_secs(), 15);
    port.looked_at.store(7, Ordering::Relaxed);
    assert_eq!(next(&mut stream).await, position(7), "nothing passed, but it was looked at");
    assert_eq!(next(&mut stream).await, ":\n");
    assert_eq!(begun.elapsed().as_secs(), 45);
}

#[tokio::test(start_paused = true)]
async fn numbers_carry_the_position_of_a_stream_in_batches() {
    let port = Arc::new(Recorder::default());
    let mut stream = read(&port, "text/event-stream", &format!("{STREAM}?batch=1")).await;
    for n in 0..40 {
        port.looked_at.store(n, Ordering::Relaxed);
        let stats = next(&mut stream).await.replace("retry: 2000\n", "");
        assert!(stats.starts_with(&format!("event: stats\nid: 64a5f0c2b1e80.{n}\ndata: {{")));
    }
}

#[tokio::test(start_paused = true)]
async fn lines_are_empty_where_nothing_comes() {
    let port = Arc::new(Recorder::default());
    let mut stream = read(&port, "application/x-ndjson", STREAM).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(next(&mut stream).await, "\n");
    assert_eq!(begun.elapsed().as_secs(), 15);
}
