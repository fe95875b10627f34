//! `GET /api/v1/histogram`: how many alerts of which priority when. Exact: every alert that is
//! kept and asked for is counted.

use axum::{extract::State, response::Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::numbers,
    ask::{Asked, Range, number},
    span::Span,
};
use crate::{
    problem::{Document, Refusal},
    state::Gateway,
};

/// Bars: unless told, and at most.
const DEFAULT_BUCKETS: u32 = 60;
const MAX_BUCKETS: u32 = 120;

/// Bytes of an answer, at most: some 120 for each bar.
const LENGTH: usize = 32 << 10;

/// How fine.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// How many parts the time is cut into.
    #[param(minimum = 1, maximum = 120, default = 60)]
    buckets: Option<u32>,
}

/// How many alerts when.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Histogram {
    /// When the first bucket begins.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// When the last one ends.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// How long each is.
    step_seconds: f64,
    /// One after the other.
    buckets: Vec<Bucket>,
    /// Alerts that were counted.
    matched: u64,
    /// Alerts that were looked at.
    scanned: u64,
    /// When the oldest alert kept happened.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest: Option<Timestamp>,
}

/// How many alerts in some time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Bucket {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Alerts of each priority, Emergency to Debug.
    counts: [u64; 8],
}

/// How many alerts of which priority when.
#[utoipa::path(
    get, path = "/api/v1/histogram", tag = "numbers", params(Range, Wanted),
    responses(
        (status = 200, description = "The numbers", body = Histogram),
        (status = 400, description = "A parameter is wrong", body = Document, content_type = "application/problem+json"),
        (status = 422, description = "It takes too long or becomes too large", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "There is no memory for the answer now", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn histogram(
    State(gateway): State<Gateway>,
    Asked(range, Wanted { buckets }): Asked<Range, Wanted>,
) -> Result<Response, Refusal> {
    let buckets = number("buckets", buckets.unwrap_or(DEFAULT_BUCKETS), MAX_BUCKETS)?;
    let history = gateway.port.history(range.into()).await?;
    let histogram = numbers(&gateway, history, LENGTH, move |scan| {
        let span = Span::of(scan.history(), buckets);
        let begin = |part| Bucket { time: span.begin(part), counts: [0; 8] };
        let mut buckets: Vec<_> = (0..buckets).map(begin).collect();
        let mut matched = 0;
        let scanned = scan.all(|row| {
            let bucket = buckets.get_mut(span.place(row.time()));
            if let Some(count) = bucket.and_then(|bucket| bucket.counts.get_mut(row.priority())) {
                *count += 1;
                matched += 1;
            }
        })?;
        Ok(Histogram {
            from: span.from,
            to: span.to(),
            step_seconds: span.step.as_secs_f64(),
            buckets,
            matched,
            scanned,
            oldest: scan.history().oldest(),
        })
    });
    histogram.await
}
