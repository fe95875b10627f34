//! `GET /api/v1/events/stream`: alerts as they come, as server-sent events or as NDJSON.
//!
//! 1. A reader is a place in the log: alerts are written out as fast as its connection takes them,
//!    [`CHUNK`] at a time, and nothing waits for it. What it was too slow for it is told (`lost`).
//! 2. Server-sent events carry the cursor of the last alert looked at, so that a client resumes
//!    exactly behind it; numbers and heartbeats do too, for when nothing passed its filter.
//! 3. With `batch=1` the alerts of [`BATCH_EVERY`] come together, and numbers every second: a page
//!    that is shown need not wake up for each.
//! 4. At shutdown what is there is sent, then `bye`, then the stream ends.

use std::{convert::Infallible, time::Duration};

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

use crate::{
    ask::{Asked, Nothing},
    events::{Format, Item},
    port::{Ask, Lost, Progress, Pulse, ReaderKind, Row, Tail},
    problem::{Document, Refusal},
    state::Gateway,
};

/// Bytes looked at before they are handed to the connection: what a stalled reader holds.
const CHUNK: usize = 64 << 10;
/// How often a batch comes, at most. A page draws 20 times a second at best.
const BATCH_EVERY: Duration = Duration::from_millis(50);
const STATS_EVERY: Duration = Duration::from_secs(1);
/// Proxies give up a silent connection after 60 s.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// After how long an `EventSource` comes back.
const RETRY: &str = "retry: 2000\n\n";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Which alerts, and how they come.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Falco's condition language: `priority >= warning and proc.name in (bash, sh)`.
    #[param(max_length = 4096)]
    filter: Option<String>,
    /// Begin behind the alert with this cursor. `Last-Event-ID` does the same.
    after: Option<String>,
    /// Begin with alerts of this time (RFC 3339), or of this age (`90s`, `10m`, `24h`, `7d`).
    since: Option<String>,
    /// Begin so many alerts before the newest.
    last: Option<String>,
    /// `1`: alerts together, each with its cursor, and numbers every second.
    #[param(minimum = 0, maximum = 1)]
    batch: Option<u8>,
    /// `1`: each line of NDJSON has its cursor.
    #[param(minimum = 0, maximum = 1)]
    envelope: Option<u8>,
    /// How an alert is written.
    #[param(inline)]
    format: Option<Format>,
}

/// Numbers every second.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    #[serde(flatten)]
    pulse: Pulse,
    /// When they were so.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
}

/// Alerts as they come: server-sent events, or NDJSON with `Accept: application/x-ndjson`.
///
/// Unnamed events are alerts, `id` their cursors. Named events: `lost` (alerts that this reader
/// missed), `bye` (the server stops), and with `batch=1` also `batch` (items, one a line) and
/// `stats`.
#[utoipa::path(
    get, path = "/api/v1/events/stream", tag = "alerts",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "As `after`, sent by browsers that come back")),
    responses(
        (status = 200, description = "Alerts, without end", content((String = "text/event-stream"), (String = "application/x-ndjson"))),
        (status = 400, description = "A parameter is wrong", body = Document, content_type = "application/problem+json"),
        (status = 410, description = "The cursor is of an earlier run of the server", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stream(
    State(gateway): State<Gateway>,
    Asked(wanted, Nothing {}): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Wanted { filter, after, since, last, batch, envelope, format } = wanted;
    let resumed = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let after = resumed.filter(|id| !id.is_empty()).map(str::to_owned).or(after);
    // The header wins over where the URL began: the client is further already.
    let (since, last) = if resumed.is_some() { (None, None) } else { (since, last) };
    let filter = filter.filter(|text| !text.trim().is_empty());
    let ask = Ask { filter, after, since, last, ..Ask::default() };
    let format = format.unwrap_or_default();
    let flag = |given: Option<u8>| given.is_some_and(|given| given > 0);
    let ndjson = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/x-ndjson"));
    let (kind, shape) = match ndjson {
        true => (ReaderKind::Ndjson, Shape::Lines { envelope: flag(envelope) }),
        false if flag(batch) => (ReaderKind::Sse, Shape::Batches),
        false => (ReaderKind::Sse, Shape::Events),
    };
    let tail = gateway.port.tail(ask, kind).await?;
    Ok(answer(shape, Live::new(gateway, tail, shape, format)))
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
    // nginx would collect it otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// How alerts come.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A server-sent event for each.
    Events,
    /// Several in one server-sent event.
    Batches,
    /// A line for each.
    Lines { envelope: bool },
}

impl Shape {
    /// Appends an alert.
    fn write(self, row: &dyn Row, format: Format, out: &mut Vec<u8>) {
        match self {
            Self::Events => {
                out.extend_from_slice(b"id: ");
                out.extend_from_slice(row.cursor().as_bytes());
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

/// What a look at the log gave.
enum Read {
    /// Something to send.
    Chunk(Bytes),
    /// Alerts, none of which passed: there may be more.
    Nothing,
    /// Everything has been read.
    CaughtUp,
}

/// One reader.
struct Live {
    gateway: Gateway,
    tail: Box<dyn Tail>,
    shape: Shape,
    format: Format,
    begun: bool,
    ended: bool,
    /// Whether alerts were looked at that the client has no cursor of.
    ahead: bool,
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
            ahead: true,
            batch_due: now,
            stats_due: now,
            heartbeat_due: now + HEARTBEAT_EVERY,
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if !self.begun {
            self.begun = true;
            if let Shape::Events | Shape::Batches = self.shape {
                // The place too: a client that is cut off before the first alert resumes here.
                return Some(format!("{RETRY}id: {}\n\n", self.tail.position()).into());
            }
        }
        loop {
            if let Some(due) = self.stats().or_else(|| self.heartbeat()) {
                return Some(due);
            }
            match self.read().await {
                Read::Chunk(chunk) => {
                    self.heartbeat_due = Instant::now() + HEARTBEAT_EVERY;
                    return Some(chunk);
                }
                Read::Nothing => {}
                Read::CaughtUp if self.gateway.stopping.is_cancelled() => {
                    self.ended = true;
                    return Some(self.bye());
                }
                Read::CaughtUp => self.wait().await,
            }
        }
    }

    /// Looks at what comes next, and gives what passes in the reader's shape.
    async fn read(&mut self) -> Read {
        match self.tail.look(CHUNK).await {
            Progress::Alerts => self.ahead = true,
            Progress::Lost(lost) => return Read::Chunk(self.lost(&lost)),
            Progress::CaughtUp => return Read::CaughtUp,
        }
        let (shape, format, mut out) = (self.shape, self.format, Vec::new());
        self.tail.rows(&mut |row| shape.write(row, format, &mut out));
        if out.is_empty() {
            return Read::Nothing;
        }
        if let Shape::Batches = self.shape {
            out.extend_from_slice(
                format!("event: batch\nid: {}\n\n", self.tail.position()).as_bytes(),
            );
            self.ahead = false;
            self.batch_due = Instant::now() + BATCH_EVERY;
        }
        Read::Chunk(out.into())
    }

    fn lost(&mut self, lost: &Lost) -> Bytes {
        let json = serde_json::to_string(lost).unwrap_or_default();
        match self.shape {
            Shape::Lines { .. } => format!("{{\"lost\":{json}}}\n").into(),
            Shape::Events | Shape::Batches => {
                format!("event: lost\nid: {}\ndata: {json}\n\n", self.tail.position()).into()
            }
        }
    }

    fn bye(&self) -> Bytes {
        match self.shape {
            Shape::Lines { .. } => Bytes::new(),
            Shape::Events | Shape::Batches => {
                "event: bye\ndata: {\"reason\":\"the server is stopping\"}\n\n".into()
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
        self.ahead = false;
        Some(format!("event: stats\nid: {}\ndata: {json}\n\n", self.tail.position()).into())
    }

    /// Waits for more, or for the time of something.
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
        // What came alone is sent at once, what comes soon after it, together.
        if let Shape::Batches = self.shape {
            tokio::select! {
                () = sleep_until(self.batch_due) => {}
                () = stopping.cancelled() => {}
            }
        }
    }

    /// What is sent when there was nothing else to send for a while.
    fn heartbeat(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        if now < self.heartbeat_due {
            return None;
        }
        self.heartbeat_due = now + HEARTBEAT_EVERY;
        Some(match self.shape {
            Shape::Lines { .. } => "\n".into(),
            Shape::Events | Shape::Batches if std::mem::take(&mut self.ahead) => {
                format!(": heartbeat\nid: {}\n\n", self.tail.position()).into()
            }
            Shape::Events | Shape::Batches => ": heartbeat\n\n".into(),
        })
    }
}
