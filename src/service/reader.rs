//! Reads the log for one `get` or `sub`. Its state is a cursor and has a fixed size.
//!
//! 1. It sends the frames from the cursor on as they are in the log, many at once.
//! 2. It announces lost alerts: how many, which, and why.
//! 3. After the newest alert a `get` ends. A `sub` waits for new alerts, or for an invalid request
//!    of the client.
//! 4. When the server shuts down, or the connection is too old, a `sub` gets the alerts up to then
//!    and ends with UNAVAILABLE. Clients would take OK for the end of their work.
//!
//! A group's position moves when the connection asks for more, after HTTP/2 has taken the alerts
//! before. A client that cancels may not have seen these. The API has no acknowledgements.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::position::{Position, group_status};
use super::subscribers::{Kind, Subscribed};
use super::{Caller, Config, Context, Delivery, LostEvents};
use crate::event;
use crate::grpc::{Code, Status};
use crate::hub::{Gap, Next, Slice};
use crate::query::{Arrivals, Selection};

/// The size of a chunk of frames, in bytes. hyper holds a chunk until flow control lets it pass, so
/// stalled readers cost this much memory for each open call.
const CHUNK: usize = 64 << 10;

/// A smaller chunk, in bytes, is filled up with the alerts that follow. Copying some kilobytes
/// costs less than another HTTP/2 frame and another write.
const SMALL: usize = 16 << 10;

/// The time in which a call that must end may still send alerts. It is shorter than the time in
/// which the connection must end, so that the client gets the status too.
const LAST_TIME: Duration = Duration::from_secs(2);

/// The cause of lost alerts, for `lost.cause`.
pub const LOST_CAUSE: &str =
    "evicted by falconer.outputs.retain before they were read; read faster or retain more";

/// The task that reads and discards the requests of a `sub`.
pub(super) type Drain = AbortOnDropHandle<Result<(), Status>>;

/// The options of a call.
pub(super) struct Wanted {
    pub(super) position: Position,
    pub(super) selection: Selection,
}

/// Reads the log for one call.
pub(super) struct Reader {
    context: Context,
    /// The configuration from when the call began.
    config: Config,
    place: Place,
    selection: Selection,
    end: End,
    arrivals: Arrivals,
    /// What follows the last chunk: read from the log, and not sent yet.
    found: Option<Next>,
    /// The group's name, and its position once HTTP/2 has taken the last chunk.
    unconfirmed: Option<(String, u64)>,
    peer: Option<Arc<str>>,
    /// Cancelled when the call must end.
    ending: CancellationToken,
}

enum Place {
    /// A cursor of its own. The position of `group` follows it.
    Own { next: u64, group: Option<String> },
    /// The cursor of the group, whose readers share the alerts.
    Shared { group: String },
}

enum End {
    /// `get`: before the alert with this sequence number.
    At(u64),
    /// `sub`: not by itself.
    Never { requests: Option<Drain>, last: Option<Last>, subscribed: Subscribed },
}

/// Where a `sub` ends once it must: it still sends the alerts before `sequence`, for at most
/// [`LAST_TIME`].
struct Last {
    sequence: u64,
    until: Instant,
}

impl Reader {
    /// Creates the reader of a `get`, which ends at the alert that is the newest now.
    pub(super) fn get(
        context: Context,
        wanted: Wanted,
        caller: Option<Caller>,
    ) -> Result<Self, Status> {
        let end = End::At(context.hub.head());
        Self::new(context, wanted, end, caller)
    }

    /// Creates the reader of a `sub`. `requests` drains the client's requests.
    pub(super) fn sub(
        context: Context,
        wanted: Wanted,
        requests: Drain,
        caller: Option<Caller>,
    ) -> Result<Self, Status> {
        // `new` sets where it begins.
        let name = caller.as_ref().map(|caller| caller.name.clone());
        let subscribed = context.subscribers.enter(Kind::Grpc, name, context.hub.head());
        let end = End::Never { requests: Some(requests), last: None, subscribed };
        Self::new(context, wanted, end, caller)
    }

    fn new(
        context: Context,
        Wanted { position, selection }: Wanted,
        end: End,
        caller: Option<Caller>,
    ) -> Result<Self, Status> {
        let hub = &context.hub;
        let config = context.settings.current();
        let place = match (position, config.delivery) {
            (Position::At { sequence, group }, _) => Place::Own { next: sequence, group },
            (Position::Group(group), Delivery::Shared) => Place::Shared { group },
            (Position::Group(group), Delivery::FanOut) => {
                let next = hub.group(&group).map_err(|error| group_status(&error))?;
                Place::Own { next, group: Some(group) }
            }
        };
        if let (Place::Own { next, .. }, End::Never { subscribed, .. }) = (&place, &end) {
            subscribed.moved_to(*next);
        }
        let arrivals = Arrivals::new(hub, &selection);
        // A group's position also moves past alerts that do not match. Without `grpc_output` the
        // reader gets no alerts and does not move.
        let arrivals = match &place {
            Place::Own { group: None, .. } if config.grpc_output => arrivals,
            _ => arrivals.of_all(),
        };
        if let (Some(filter), End::Never { subscribed, .. }) = (arrivals.filter(), &end) {
            subscribed.filtered_by(filter.clone());
        }
        let (peer, ending) = match caller {
            Some(Caller { name, ending }) => (Some(name), ending),
            None => (None, context.stop.clone()),
        };
        Ok(Self {
            context,
            config,
            place,
            selection,
            end,
            arrivals,
            found: None,
            unconfirmed: None,
            peer,
            ending,
        })
    }

    /// Returns the frames of the call's reply.
    pub(super) fn into_frames(self) -> impl Stream<Item = Result<Bytes, Status>> + Send + 'static {
        futures_util::stream::unfold(Some(self), |reader| async {
            let mut reader = reader?;
            match reader.next().await {
                Ok(Some(frames)) => Some((Ok(frames), Some(reader))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            self.confirm();
            if !self.selection.is_all() {
                // The next match may be far away.
                tokio::task::yield_now().await;
            }
            self.arrivals.about_to_look();
            self.check().await?;
            match self.look()? {
                Next::Alerts(slice) => {
                    let frames = match self.selection.is_all() {
                        true => self.take(&slice)?,
                        false => self.sift(&slice).await,
                    };
                    if !frames.is_empty() {
                        return Ok(Some(frames));
                    }
                }
                Next::Lost(gap) => {
                    if let Some(untold) = self.context.subscribers.missed().due() {
                        tracing::warn!(
                            peer = self.peer.as_deref(),
                            count = gap.count(),
                            untold,
                            "a reader lost alerts"
                        );
                    }
                    if let End::Never { subscribed, .. } = &self.end {
                        subscribed.lost(gap.count());
                    }
                    self.moved_to(gap.end);
                    if self.config.lost_events == LostEvents::Announce {
                        return Ok(Some(self.announcement(gap)));
                    }
                }
                Next::CaughtUp => match &self.end {
                    End::At(_) => return Ok(None),
                    End::Never { last: Some(_), .. } => return Err(self.ended()),
                    End::Never { .. } => self.wait().await?,
                },
            }
        }
    }

    /// Returns the frames of `slice`, with those that follow if the slice is small.
    fn take(&mut self, slice: &Slice) -> Result<Bytes, Status> {
        let first = self.sent(slice);
        let mut gathered = BytesMut::new();
        // Claimed alerts of a shared group go to no other reader, so claim only what is sent now.
        let may_look_on = matches!(self.place, Place::Own { .. });
        while may_look_on && first.len().max(gathered.len()) < SMALL {
            match self.look()? {
                Next::Alerts(more) if more.frames().len() < SMALL => {
                    if gathered.is_empty() {
                        gathered.extend_from_slice(&first);
                    }
                    gathered.extend_from_slice(&self.sent(&more));
                }
                Next::CaughtUp => break,
                found => {
                    self.found = Some(found);
                    break;
                }
            }
        }
        Ok(if gathered.is_empty() { first } else { gathered.freeze() })
    }

    fn sent(&mut self, slice: &Slice) -> Bytes {
        self.read(slice, slice.end() - slice.first());
        slice.frames()
    }

    /// Returns the frames of the alerts of `slice` that match.
    async fn sift(&mut self, slice: &Slice) -> Bytes {
        let sifted = self.selection.sift(slice).await;
        let (mut passed, mut count) = (BytesMut::new(), 0);
        for alert in sifted.alerts(slice) {
            passed.extend_from_slice(alert.frame);
            count += 1;
        }
        self.read(slice, count);
        passed.freeze()
    }

    /// Records that `slice` was read, and the number of its alerts that are sent.
    fn read(&mut self, slice: &Slice, sent: u64) {
        tracing::debug!(
            peer = self.peer.as_deref(),
            first = slice.first(),
            last = slice.end() - 1,
            sent,
            "alerts read"
        );
        self.moved_to(slice.end());
        self.context.subscribers.delivered(Kind::Grpc, sent);
    }

    /// Reads the log at the cursor, up to the call's end.
    fn look(&mut self) -> Result<Next, Status> {
        if let Some(found) = self.found.take() {
            return Ok(found);
        }
        let hub = &self.context.hub;
        let end = match &self.end {
            _ if !self.config.grpc_output => return Ok(Next::CaughtUp),
            End::At(end) => *end,
            End::Never { last, .. } => last.as_ref().map_or(u64::MAX, |last| last.sequence),
        };
        match &self.place {
            Place::Own { next, .. } if *next >= end => Ok(Next::CaughtUp),
            Place::Own { next, .. } => Ok(match hub.next(*next, CHUNK) {
                Next::Alerts(slice) => slice.until(end).map_or(Next::CaughtUp, Next::Alerts),
                other => other,
            }),
            Place::Shared { group } => {
                hub.claim(group, end, CHUNK).map_err(|error| group_status(&error))
            }
        }
    }

    fn moved_to(&mut self, end: u64) {
        if let End::Never { subscribed, .. } = &self.end {
            subscribed.moved_to(end);
        }
        if let Place::Own { next, group } = &mut self.place {
            *next = end;
            self.unconfirmed = group.clone().map(|group| (group, end));
        }
    }

    fn confirm(&mut self) {
        if let Some((group, end)) = self.unconfirmed.take() {
            self.context.hub.advance(&group, end);
        }
    }

    /// Returns an error if the call must end now. Sets `last` if it must end soon.
    async fn check(&mut self) -> Result<(), Status> {
        let End::Never { requests, last, .. } = &mut self.end else { return Ok(()) };
        if self.ending.is_cancelled() {
            let head = || self.context.hub.head();
            let until = || Instant::now() + LAST_TIME;
            let last = last.get_or_insert_with(|| Last { sequence: head(), until: until() });
            if Instant::now() > last.until {
                return Err(self.ended());
            }
        }
        if requests.as_ref().is_some_and(|requests| requests.is_finished()) {
            finished(requests).await?;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), Status> {
        let End::Never { requests, subscribed, .. } = &mut self.end else { return Ok(()) };
        let next = match &self.place {
            Place::Own { next, .. } => *next,
            Place::Shared { .. } => 0,
        };
        subscribed.waits(true);
        let waited = tokio::select! {
            () = self.arrivals.wait(next) => Ok(()),
            () = self.ending.cancelled() => Ok(()),
            ended = finished(requests), if requests.is_some() => ended,
        };
        subscribed.waits(false);
        if let Place::Own { group: None, .. } = self.place {
            self.moved_to(self.arrivals.next(next));
        }
        waited
    }

    fn ended(&self) -> Status {
        let why = if self.context.stop.is_cancelled() {
            "the server is shutting down; reconnect"
        } else {
            "the connection has reached its maximum age; reconnect"
        };
        Status::new(Code::Unavailable, why)
    }

    fn announcement(&self, gap: Gap) -> Bytes {
        let hub = &self.context.hub;
        let (first, last) = (hub.cursor(gap.first), hub.cursor(gap.end - 1));
        let event = event::lost(
            (self.context.now)(),
            gap.count(),
            &first.to_string(),
            &last.to_string(),
            LOST_CAUSE,
        );
        let mut frame = Vec::new();
        event::encode(&event, &self.context.origin, &mut frame);
        frame.into()
    }
}

/// Waits for the end of the client's requests. A half-close does not end the call; an invalid
/// request does.
async fn finished(requests: &mut Option<Drain>) -> Result<(), Status> {
    let Some(drain) = requests else { return Ok(()) };
    let ended = drain.await;
    *requests = None;
    ended.unwrap_or_else(|_| Err(Status::new(Code::Internal, "cannot read the requests")))
}
