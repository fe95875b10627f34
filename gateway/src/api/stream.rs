//! `GET /api/v1/events/stream`: the live stream, as server-sent events or NDJSON.
//!
//! 1. A reader is a cursor in the log. Alerts are written as fast as its connection accepts them,
//!    [`CHUNK`] at a time, and nothing waits for it. If it falls behind, `lost` reports the evicted
//!    alerts.
//! 2. Server-sent events carry the cursor of the last alert that was scanned, so that a client
//!    resumes exactly after it. If there is no event to carry it, at the start or with a filter
//!    that matches little, `position` does.
//! 3. Every block has data. Many libraries pass a block without data to the application as an empty
//!    event, or forget its id. A heartbeat is a comment, not a block, so no empty line ends it. The
//!    `retry` time is a line of the first block.
//! 4. A client that reconnects by itself (`Last-Event-ID`) is never rejected for its cursor,
//!    because an `EventSource` does not reconnect after any status but 200. `lost` reports what it
//!    missed.
//! 5. With `batch=1` the alerts of [`BATCH_EVERY`] come together, and statistics every second, so
//!    that a page does not wake up for each alert.
//! 6. At shutdown the pending alerts are sent, then `bye`, and the stream ends.

use std::{borrow::Cow, convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use utoipa::{IntoParams, ToSchema};

use super::{
    ask::{Asked, Nothing},
    events::{Format, Item},
};
use crate::{
    port::{Ask, Lost, Progress, Pulse, ReaderKind, Row, Tail},
    problem::{Document, Refusal},
    state::Gateway,
};

/// The size of the log that is read at once, in bytes. A stalled reader holds as much.
const CHUNK: usize = 64 << 10;
/// The minimum time between two batches. A page draws at most 20 times a second.
const BATCH_EVERY: Duration = Duration::from_millis(50);
const STATS_EVERY: Duration = Duration::from_secs(1);
/// The time between two heartbeats. Proxies close a silent connection after 60 s.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// The time after which an `EventSource` reconnects: the first line of the first block.
const RETRY: &str = "retry: 2000\n";
/// The line of a comment.
const COMMENT: &str = ":\n";
/// The reason in `bye`.
const BYE: &str = "the server is stopping, or its gateway has new settings; reconnect";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The parameters of the stream.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Falco's condition language: `priority >= warning and proc.name in (bash, sh)`.
    #[param(max_length = 4096)]
    filter: Option<String>,
    /// Starts after the alert with this cursor.
    after: Option<String>,
    /// Starts with alerts of this time (RFC 3339) or age (`90s`, `10m`, `24h`, `7d`). Older ones
    /// are left out. Of several start positions the latest counts.
    since: Option<String>,
    /// Starts this number of alerts before the newest.
    last: Option<String>,
    /// The same as the header `Last-Event-ID`, for libraries that cannot send it. The header takes
    /// precedence.
    #[serde(rename = "lastEventId")]
    last_event_id: Option<String>,
    /// `1`: server-sent events with several alerts, each with its cursor, and statistics every
    /// second.
    #[param(minimum = 0, maximum = 1)]
    batch: Option<u8>,
    /// `1`: each line of NDJSON has the alert's cursor.
    #[param(minimum = 0, maximum = 1)]
    envelope: Option<u8>,
    /// The format of an alert.
    #[param(inline)]
    format: Option<Format>,
}

/// The statistics of every second.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    #[serde(flatten)]
    pulse: Pulse,
    /// The time of the statistics.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
}

/// Streams alerts as they arrive: server-sent events, or NDJSON with `Accept:
/// application/x-ndjson`.
///
/// Unnamed events are alerts, and `id` is the cursor. Named events are `lost` (alerts that this
/// reader lost), `position` (a cursor to resume after, at the start and if nothing matched for a
/// while), `bye` (the server shuts down), and with `batch=1` also `batch` (items, one a line) and
/// `stats`. Each has data in JSON. In NDJSON every line is an alert, except `{"lost":{…}}` and
/// empty lines, which are heartbeats.
///
/// A client that reconnects with `Last-Event-ID` resumes after that alert, and `after` and `last`
/// are ignored. If the server was restarted meanwhile, or the value is not a cursor, the stream
/// begins with a `lost` without a count, followed by everything retained.
#[utoipa::path(
    get, path = "/api/v1/events/stream", tag = "alerts",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "Resumes after the alert with this cursor. Clients send it when they reconnect, and it is never rejected")),
    responses(
        (status = 200, description = "Alerts, without end", content((String = "text/event-stream"), (String = "application/x-ndjson"))),
        (status = 400, description = "A parameter is invalid", body = Document, content_type = "application/problem+json"),
        (status = 410, description = "The cursor in `after` is of an earlier run of the server", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stream(
    State(gateway): State<Gateway>,
    Asked(wanted, Nothing {}): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let shape = wanted.shape(&headers)?;
    let format = wanted.format.unwrap_or_default();
    let kind = match shape {
        Shape::Lines { .. } => ReaderKind::Ndjson,
        Shape::Events | Shape::Batches => ReaderKind::Sse,
    };
    let tail = gateway.port.tail(wanted.ask(&headers), kind).await?;
    Ok(answer(shape, Live::new(gateway, tail, shape, format)))
}

impl Wanted {
    /// Returns the requested alerts and the start. A client that reconnects is ahead of the URL's
    /// start.
    fn ask(self, headers: &HeaderMap) -> Ask {
        let Self { filter, after, since, last, last_event_id, .. } = self;
        let filter = filter.filter(|text| !text.trim().is_empty());
        let header = headers.get(LAST_EVENT_ID).map(|id| String::from_utf8_lossy(id.as_bytes()));
        let resume = header
            .map(Cow::into_owned)
            .filter(|id| !id.is_empty())
            .or(last_event_id.filter(|id| !id.is_empty()));
        let (after, last) = if resume.is_some() { (None, None) } else { (after, last) };
        Ask { filter, after, since, last, resume, ..Ask::default() }
    }

    /// Returns the shape of the stream. Options without effect are errors.
    fn shape(&self, headers: &HeaderMap) -> Result<Shape, Refusal> {
        let flag = |name: &str, given: Option<u8>| match given {
            None | Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => {
                let detail = format!("{name}: {other} is neither 0 nor 1");
                Err(Refusal::parameter(name, detail))
            }
        };
        let (batch, envelope) = (flag("batch", self.batch)?, flag("envelope", self.envelope)?);
        let ndjson = headers
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("application/x-ndjson"));
        let otherwise = |name: &str, why: &str| {
            Err(Refusal::parameter(name, format!("{name}: {why}; remove it")))
        };
        match (ndjson, batch, envelope) {
            (true, true, _) => otherwise("batch", "NDJSON has each alert in a line of its own"),
            (true, false, envelope) => Ok(Shape::Lines { envelope }),
            (false, _, true) => otherwise(
                "envelope",
                "a server-sent event has its cursor as id, a batch in its items",
            ),
            (false, true, false) => Ok(Shape::Batches),
            (false, false, false) => Ok(Shape::Events),
        }
    }
}

fn answer(shape: Shape, live: Live) -> Response {
    let chunks = stream::unfold(live, |mut live| async {
        live.next().await.map(|chunk| (Ok::<_, Infallible>(chunk), live))
    });
    let content_type = match shape {
        Shape::Lines { .. } => "application/x-ndjson",
        Shape::Events | Shape::Batches => "text/event-stream",
    };
    let mut response = Body::from_stream(chunks).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Otherwise nginx would buffer the stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The shape of the stream.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One server-sent event for each alert.
    Events,
    /// Several alerts in one server-sent event.
    Batches,
    /// One line for each alert.
    Lines { envelope: bool },
}

impl Shape {
    /// Appends an alert. Sets `told` to the cursor of its server-sent event.
    fn write(self, row: &dyn Row, format: Format, told: &mut String, out: &mut Vec<u8>) {
        match self {
            Self::Events => {
                *told = row.cursor();
                out.extend_from_slice(b"id: ");
                out.extend_from_slice(told.as_bytes());
                out.extend_from_slice(b"\ndata: ");
                format.write(row, out);
                out.extend_from_slice(b"\n\n");
            }
            Self::Batches => {
                out.extend_from_slice(b"data: ");
                Item::write(row, format, out);
                out.push(b'\n');
            }
            Self::Lines { envelope } => {
                match envelope {
                    true => Item::write(row, format, out),
                    false => format.write(row, out),
                }
                out.push(b'\n');
            }
        }
    }
}

/// The result of a read of the log.
enum Read {
    /// Bytes to send.
    Chunk(Bytes),
    /// Alerts that did not match. There can be more.
    Nothing,
    /// The end of the log.
    CaughtUp,
}

/// One reader of the stream.
struct Live {
    gateway: Gateway,
    tail: Box<dyn Tail>,
    shape: Shape,
    format: Format,
    begun: bool,
    ended: bool,
    /// The last cursor that was sent.
    told: String,
    batch_due: Instant,
    stats_due: Instant,
    heartbeat_due: Instant,
}

impl Live {
    fn new(gateway: Gateway, tail: Box<dyn Tail>, shape: Shape, format: Format) -> Self {
        let now = Instant::now();
        Self {
            gateway,
            tail,
            shape,
            format,
            begun: false,
            ended: false,
            told: String::new(),
            batch_due: now,
            stats_due: now,
            // A client that is disconnected before the first alert needs a cursor to resume.
            heartbeat_due: match shape {
                Shape::Events | Shape::Batches => now,
                Shape::Lines { .. } => now + HEARTBEAT_EVERY,
            },
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        let chunk = self.chunk().await?;
        if std::mem::replace(&mut self.begun, true) || matches!(self.shape, Shape::Lines { .. }) {
            return Some(chunk);
        }
        Some([RETRY.as_bytes(), &chunk].concat().into())
    }

    async fn chunk(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        loop {
            if let Some(stats) = self.stats() {
                return Some(stats);
            }
            match self.read().await {
                Read::Chunk(chunk) => {
                    self.heartbeat_due = Instant::now() + HEARTBEAT_EVERY;
                    return Some(chunk);
                }
                Read::CaughtUp if self.gateway.stopping.is_cancelled() => {
                    self.ended = true;
                    return Some(self.bye());
                }
                nothing => {
                    if let Some(heartbeat) = self.heartbeat() {
                        return Some(heartbeat);
                    }
                    if let Read::CaughtUp = nothing {
                        self.wait().await;
                    }
                }
            }
        }
    }

    /// Reads on, and returns the matching alerts in the reader's shape.
    async fn read(&mut self) -> Read {
        match self.tail.look(CHUNK).await {
            Progress::Alerts => {}
            Progress::Lost(lost) => return Read::Chunk(self.lost(&lost)),
            Progress::CaughtUp => return Read::CaughtUp,
        }
        let (shape, format, mut out) = (self.shape, self.format, Vec::new());
        let told = &mut self.told;
        self.tail.rows(&mut |row| shape.write(row, format, told, &mut out));
        if out.is_empty() {
            return Read::Nothing;
        }
        if let Shape::Batches = self.shape {
            out.extend_from_slice(format!("event: batch\nid: {}\n\n", self.place()).as_bytes());
            self.batch_due = Instant::now() + BATCH_EVERY;
        }
        Read::Chunk(out.into())
    }

    fn lost(&mut self, lost: &Lost) -> Bytes {
        let json = serde_json::to_string(lost).unwrap_or_default();
        match self.shape {
            Shape::Lines { .. } => format!("{{\"lost\":{json}}}\n").into(),
            Shape::Events | Shape::Batches => {
                format!("event: lost\nid: {}\ndata: {json}\n\n", self.place()).into()
            }
        }
    }

    fn bye(&mut self) -> Bytes {
        match self.shape {
            Shape::Lines { .. } => Bytes::new(),
            Shape::Events | Shape::Batches => {
                let place = self.place();
                format!("event: bye\nid: {place}\ndata: {{\"reason\":\"{BYE}\"}}\n\n").into()
            }
        }
    }

    fn stats(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        if !matches!(self.shape, Shape::Batches) || now < self.stats_due {
            return None;
        }
        self.stats_due = now + STATS_EVERY;
        self.heartbeat_due = now + HEARTBEAT_EVERY;
        let stats = Stats { pulse: self.gateway.port.pulse(), time: Timestamp::now() };
        let json = serde_json::to_string(&stats).unwrap_or_default();
        Some(format!("event: stats\nid: {}\ndata: {json}\n\n", self.place()).into())
    }

    /// Waits for more alerts, or until something is due.
    async fn wait(&mut self) {
        let due = match self.shape {
            Shape::Batches => self.stats_due.min(self.heartbeat_due),
            Shape::Events | Shape::Lines { .. } => self.heartbeat_due,
        };
        let stopping = self.gateway.stopping.clone();
        tokio::select! {
            () = self.tail.more() => {}
            () = stopping.cancelled() => return,
            () = sleep_until(due) => return,
        }
        // A single alert is sent at once, and those that follow soon are sent together.
        if let Shape::Batches = self.shape {
            tokio::select! {
                () = sleep_until(self.batch_due) => {}
                () = stopping.cancelled() => {}
            }
        }
    }

    /// Returns the cursor to resume after, and notes that it is sent.
    fn place(&mut self) -> &str {
        self.told = self.tail.position();
        &self.told
    }

    /// Returns the heartbeat: it is due if nothing was sent for a while.
    fn heartbeat(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        if now < self.heartbeat_due {
            return None;
        }
        self.heartbeat_due = now + HEARTBEAT_EVERY;
        Some(match self.shape {
            Shape::Lines { .. } => "\n".into(),
            Shape::Events | Shape::Batches if self.told == self.tail.position() => COMMENT.into(),
            Shape::Events | Shape::Batches => {
                let place = self.place();
                format!("event: position\nid: {place}\ndata: {{\"cursor\":\"{place}\"}}\n\n").into()
            }
        })
    }
}
