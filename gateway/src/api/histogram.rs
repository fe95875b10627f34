//! `GET /api/v1/histogram`: the number of alerts by time and priority. It is exact: every retained
//! alert that matches is counted.

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

/// The default and the maximum number of buckets.
const DEFAULT_BUCKETS: u32 = 60;
const MAX_BUCKETS: u32 = 120;

/// The maximum size of an answer, in bytes: about 120 for each bucket.
const LENGTH: usize = 32 << 10;

/// The parameters of a histogram.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The number of buckets.
    #[param(minimum = 1, maximum = 120, default = 60)]
    buckets: Option<u32>,
}

/// The number of alerts by time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Histogram {
    /// The start of the first bucket.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The end of the last bucket.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// The length of each bucket, in milliseconds.
    step_seconds: f64,
    /// The buckets, in order of time.
    buckets: Vec<Bucket>,
    /// The number of alerts that were counted.
    matched: u64,
    /// The number of alerts that were scanned.
    scanned: u64,
    /// The time of the oldest retained alert.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest: Option<Timestamp>,
}

/// The number of alerts in a bucket.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Bucket {
    /// The start of the bucket.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The number of alerts of each priority, Emergency to Debug.
    counts: [u64; 8],
}

/// Returns the number of alerts by time and priority.
#[utoipa::path(
    get, path = "/api/v1/histogram", tag = "numbers", params(Range, Wanted),
    responses(
        (status = 200, description = "The numbers", body = Histogram),
        (status = 400, description = "A parameter is invalid", body = Document, content_type = "application/problem+json"),
        (status = 422, description = "The scan timed out, or the answer would exceed 8 MiB", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "No memory is free for the answer; try again", body = Document, content_type = "application/problem+json"),
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
