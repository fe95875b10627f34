//! Reads the log for one `Watch`. Its state is a cursor and has a fixed size.
//!
//! 1. It sends the alerts from the cursor on that match, many in one chunk. Each is its cursor and
//!    the bytes that were encoded at ingest.
//! 2. It reports lost alerts.
//! 3. After the newest alert the call ends. With `follow` it waits for new alerts, for `until`, or
//!    until a `position` is due.
//! 4. When the server shuts down, or the connection is too old, a call that follows gets the alerts
//!    up to then and ends with UNAVAILABLE.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::Stream;
use prost::Message;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fields::{Fields, masked};
use super::subscribers::{Kind, Subscribed};
use super::{Caller, Context, LOST_CAUSE};
use crate::event::{Time, TimeSource};
use crate::grpc::{Code, Status, frame};
use crate::hub::{Alert, Gap, Next, Slice};
use crate::proto::falconer::v1::{self, Lost, Position, WatchResponse, watch_response};
use crate::query::{Arrivals, Selection};

/// The size of the log that is read before the task yields to others, in bytes.
const CHUNK: usize = 64 << 10;

/// The time without another message after which a `position` is sent.
const POSITION_EVERY: Duration = Duration::from_secs(15);

/// The interval at which the clock is compared with `until`.
const CLOCK_EVERY: Duration = Duration::from_millis(250);

/// The options of a call.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) next: u64,
    pub(super) selection: Selection,
    pub(super) follow: bool,
    pub(super) limit: Option<u64>,
    /// The fields to return. `None` is all.
    pub(super) fields: Option<Fields>,
}

/// Reads the log for one call.
pub(super) struct Watch {
    context: Context,
    watching: Watching,
    /// The sequence number before which the call ends. `None` while it follows.
    end: Option<u64>,
    arrivals: Arrivals,
    position_due: Instant,
    ending: CancellationToken,
    subscribed: Option<Subscribed>,
}

/// `falconer.v1.WatchResponse` with an alert that is encoded already. In protobuf's encoding an
/// embedded message and bytes are the same.
#[derive(Clone, PartialEq, Message)]
struct Encoded {
    #[prost(message, optional, tag = "1")]
    alert: Option<EncodedAlert>,
}

#[derive(Clone, PartialEq, Message)]
struct EncodedAlert {
    #[prost(string, tag = "1")]
    cursor: String,
    #[prost(bytes = "bytes", tag = "2")]
    alert: Bytes,
    #[prost(enumeration = "v1::TimeSource", tag = "3")]
    time_source: i32,
}

impl Watch {
    pub(super) fn new(context: Context, watching: Watching, caller: Option<Caller>) -> Self {
        let (name, ending) = match caller {
            Some(Caller { name, ending }) => (Some(name), ending),
            None => (None, context.stop.clone()),
        };
        let enter = || context.subscribers.enter(Kind::Grpc, name, watching.next);
        let subscribed = watching.follow.then(enter);
        let arrivals = Arrivals::new(&context.hub, &watching.selection);
        if let (Some(filter), Some(subscribed)) = (arrivals.filter(), &subscribed) {
            subscribed.filtered_by(filter.clone());
        }
        Self {
            end: (!watching.follow).then(|| context.hub.head()),
            arrivals,
            position_due: Instant::now() + POSITION_EVERY,
            ending,
            subscribed,
            context,
            watching,
        }
    }

    /// Returns the frames of the call's reply.
    pub(super) fn into_frames(self) -> impl Stream<Item = Result<Bytes, Status>> + Send + 'static {
        futures_util::stream::unfold(Some(self), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(Some(frames)) => Some((Ok(frames), Some(watch))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            self.arrivals.about_to_look();
            if self.watching.limit == Some(0) {
                return Ok(None);
            }
            if self.end.is_none() && self.ending.is_cancelled() {
                self.end = Some(self.context.hub.head());
            }
            match self.look() {
                Next::Alerts(slice) => {
                    let frames = self.take(&slice).await;
                    if !frames.is_empty() {
                        return Ok(Some(self.sent(frames)));
                    }
                    // The next match may be far away.
                    tokio::task::yield_now().await;
                }
                Next::Lost(gap) => {
                    self.moved_to(gap.end);
                    if let Some(subscribed) = &self.subscribed {
                        subscribed.lost(gap.count());
                    }
                    let lost = self.lost(gap);
                    return Ok(Some(self.sent(lost)));
                }
                Next::CaughtUp if self.end.is_none() => {
                    if self.is_over() {
                        return Ok(None);
                    }
                    if let Some(position) = self.wait().await {
                        return Ok(Some(self.sent(position)));
                    }
                }
                Next::CaughtUp if self.watching.follow => {
                    let why = "the server is shutting down, or the connection has reached its \
                               maximum age; call again with `after`";
                    return Err(Status::new(Code::Unavailable, why));
                }
                Next::CaughtUp => return Ok(None),
            }
        }
    }

    fn look(&self) -> Next {
        let Watching { next, .. } = self.watching;
        let end = self.end.unwrap_or(u64::MAX);
        if next >= end {
            return Next::CaughtUp;
        }
        match self.context.hub.next(next, CHUNK) {
            Next::Alerts(slice) => slice.until(end).map_or(Next::CaughtUp, Next::Alerts),
            other => other,
        }
    }

    /// Returns the frames of the alerts of `slice` that match, up to the call's limit.
    async fn take(&mut self, slice: &Slice) -> Bytes {
        let sifted = self.watching.selection.sift(slice).await;
        let most = self.watching.limit.unwrap_or(u64::MAX);
        let (mut frames, mut count, mut next) = (BytesMut::new(), 0, slice.end());
        for alert in sifted.alerts(slice) {
            self.put(&alert, &mut frames);
            count += 1;
            if count == most {
                next = alert.sequence + 1;
                break;
            }
        }
        self.watching.limit = self.watching.limit.map(|left| left - count);
        self.context.subscribers.delivered(Kind::Grpc, count);
        self.moved_to(next);
        frames.freeze()
    }

    fn moved_to(&mut self, next: u64) {
        self.watching.next = next;
        if let Some(subscribed) = &self.subscribed {
            subscribed.moved_to(next);
        }
    }

    fn put(&self, alert: &Alert<'_>, frames: &mut BytesMut) {
        let message = alert.frame.get(frame::PREFIX..).unwrap_or_default();
        let response = Encoded {
            alert: Some(EncodedAlert {
                cursor: self.context.hub.cursor(alert.sequence).to_string(),
                alert: masked(Bytes::copy_from_slice(message), self.watching.fields),
                time_source: match alert.time_source {
                    TimeSource::Event => v1::TimeSource::Event,
                    TimeSource::Envelope => v1::TimeSource::Envelope,
                    TimeSource::Arrival => v1::TimeSource::Arrival,
                }
                .into(),
            }),
        };
        frames.put(frame::encode(&response));
    }

    fn lost(&self, gap: Gap) -> Bytes {
        let cursor = |sequence| self.context.hub.cursor(sequence).to_string();
        told(watch_response::Response::Lost(Lost {
            count: gap.count(),
            first: cursor(gap.first),
            last: cursor(gap.end - 1),
            cause: LOST_CAUSE.into(),
        }))
    }

    fn sent(&mut self, frames: Bytes) -> Bytes {
        self.position_due = Instant::now() + POSITION_EVERY;
        frames
    }

    /// Whether `until` has passed, so that no new alert can match.
    fn is_over(&self) -> bool {
        let now: Time = (self.context.now)();
        self.watching.selection.until.is_some_and(|until| now >= until)
    }

    /// Waits for new alerts. Returns a `position` if one is due.
    async fn wait(&mut self) -> Option<Bytes> {
        let now = Instant::now();
        let clock = match self.watching.selection.until {
            Some(_) => now + CLOCK_EVERY,
            None => self.position_due,
        };
        let waits = |waits| self.subscribed.as_ref().map(|subscribed| subscribed.waits(waits));
        waits(true);
        tokio::select! {
            () = self.arrivals.wait(self.watching.next) => {}
            () = self.ending.cancelled() => {}
            () = sleep_until(clock.min(self.position_due)) => {}
        }
        waits(false);
        // Nothing in between matches.
        self.moved_to(self.arrivals.next(self.watching.next));
        if Instant::now() < self.position_due {
            return None;
        }
        let cursor = self.context.hub.cursor(self.watching.next.saturating_sub(1));
        Some(told(watch_response::Response::Position(Position { cursor: cursor.to_string() })))
    }
}

fn told(response: watch_response::Response) -> Bytes {
    frame::encode(&WatchResponse { response: Some(response) })
}
