//! The interface between the gateway and the server behind it.
//!
//! Requests are passed on as text, because the server parses filters, times and cursors for every
//! interface. Answers are the alerts of the log, visited one by one and never copied: their labels,
//! and Falco's JSON as it arrived.

use std::{future::Future, net::IpAddr, ops::ControlFlow, pin::Pin};

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;

mod status;

pub use status::{Certificate, Input, InputFile, Reader, Readers, Status};

/// The server behind the gateway. No method may block, except [`History::scan`], and
/// [`Port::ingest`] for the time to decode its alerts.
pub trait Port: Send + Sync + 'static {
    /// Takes a posted body: alerts in any layout. The gateway calls it on a serving thread for
    /// short bodies, and on a blocking thread for long ones. It must not wait.
    ///
    /// The bytes can be a slice of the connection's read buffer, so copy what is stored.
    fn ingest(&self, body: Bytes, sender: Sender) -> Taken;

    /// Counts a POST that was refused with this status. Falco ignores the answer, so its alerts are
    /// lost.
    fn refused(&self, status: StatusCode) {
        let _ = status;
    }

    /// Returns whether the server is ready. The error has the reasons, one a line.
    fn ready(&self) -> Result<(), String>;

    /// Returns the status for the page and the API.
    fn status(&self) -> Status;

    /// Returns the statistics for the live stream.
    fn pulse(&self) -> Pulse;

    /// Returns the requested retained alerts.
    ///
    /// # Errors
    /// If a parameter is invalid, or the requested alerts are gone.
    fn history(&self, ask: Ask) -> Soon<'_, Result<Box<dyn History>, Unanswerable>>;

    /// Returns a reader of the requested retained alerts and of new ones.
    ///
    /// # Errors
    /// Like [`Self::history`].
    fn tail(&self, ask: Ask, kind: ReaderKind) -> Soon<'_, Result<Box<dyn Tail>, Unanswerable>>;

    /// Returns the alert with this cursor.
    ///
    /// # Errors
    /// If it is not a cursor, or there is no such alert.
    fn alert(&self, cursor: &str) -> Result<Box<dyn History>, Unanswerable>;

    /// Returns a check for possible mistakes in a filter. It needs alerts to examine.
    ///
    /// # Errors
    /// If the filter is invalid.
    fn hints(&self, filter: String) -> Soon<'_, Result<Box<dyn Hints>, Unanswerable>>;

    /// Returns all metrics in a text format of Prometheus.
    fn metrics(&self, format: Exposition) -> String;
}

/// Where a posted body comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// This machine.
    Local,
    /// Another machine, with its address if it is known.
    Remote(Option<IpAddr>),
}

/// How many records of a posted body were alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Taken {
    /// Records that were alerts.
    pub accepted: u64,
    /// Records that were not.
    pub refused: u64,
    /// The first record that was no alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_refused: Option<RefusedRecord>,
}

/// A record that is no alert.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct RefusedRecord {
    /// Its number in the body, from 1.
    pub record: u64,
    /// Why it is no alert, and what to do.
    pub reason: String,
}

/// A format of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text format, 0.0.4.
    Text,
    /// OpenMetrics. The metrics are the same in both of its versions.
    OpenMetrics,
}

/// The requested alerts, as text of the API. Every part is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The filter.
    pub filter: Option<String>,
    /// The earliest time, or the maximum age.
    pub since: Option<String>,
    /// The time before which alerts must be.
    pub until: Option<String>,
    /// The cursor after which alerts must be.
    pub after: Option<String>,
    /// Like `after`, from a client that reconnects by itself and would take an error for the end.
    /// If it is not a cursor of this run, a [`Tail`] begins with what is lost and the oldest
    /// retained alert. An age in `since` was relative to the first connection, and is then ignored.
    pub resume: Option<String>,
    /// The cursor before which alerts must be.
    pub before: Option<String>,
    /// The number of newest alerts to consider, whether or not they match.
    pub last: Option<String>,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswerable {
    /// A parameter is invalid.
    Invalid {
        /// The parameter.
        parameter: &'static str,
        /// What is wrong with it, and what is valid.
        detail: String,
        /// The position, if it is a filter.
        mistake: Option<Mistake>,
    },
    /// The requested alerts are no longer retained.
    Gone {
        /// Which alerts, and what to do.
        detail: String,
        /// The cursor of the oldest retained alert, if there is one.
        oldest: Option<String>,
    },
    /// There is no such alert.
    NotFound,
    /// A resource is exhausted for now.
    Busy {
        /// The resource, and what to do.
        detail: String,
    },
}

/// A mistake in a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The position, in characters from 1.
    pub column: usize,
    /// The text at that position.
    pub found: String,
    /// The text that is expected there.
    pub expected: String,
    /// A correction.
    pub meant: Option<String>,
}

/// One alert of the log.
pub trait Row {
    /// Returns its cursor.
    fn cursor(&self) -> String;
    /// Returns its time.
    fn time(&self) -> Timestamp;
    /// Returns its priority as a number, from 0 for Emergency to 7 for Debug.
    fn priority(&self) -> usize;
    /// Returns the rule's name, which is empty for text alerts.
    fn rule(&self) -> &str;
    /// Returns the name of the event source.
    fn source(&self) -> &str;
    /// Returns the hostname, which is empty if unknown.
    fn hostname(&self) -> &str;
    /// Passes each of the rule's tags to `each`.
    fn tags(&self, each: &mut dyn FnMut(&str));
    /// Passes the output fields with these names to `each`, with the index of the name and the
    /// display text. `output` is the alert's text.
    fn fields(&self, names: &[String], each: &mut dyn FnMut(usize, &str));
    /// Passes the names of its output fields to `each`.
    fn names(&self, each: &mut dyn FnMut(&str));
    /// Returns Falco's JSON, as it arrived.
    fn line(&self) -> &[u8];
    /// Returns its JSON as grpcurl prints it.
    fn protojson(&self) -> String;
}

/// The names of the priorities, by number.
pub const PRIORITIES: [&str; 8] =
    ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];

/// The requested retained alerts.
pub trait History: Send {
    /// Examines at most `most` alerts, whether or not they match, and passes those that match to
    /// `visit` until it stops. Blocks, so it must not run on a serving thread.
    ///
    /// `stop` is also called if nothing matches: before each alert that a filter must decode, and
    /// for every few of the others. The first alert is examined in any case, so that a client that
    /// continues where a scan stopped makes progress.
    fn scan(
        &mut self,
        order: Order,
        most: u64,
        stop: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Scanned;

    /// Returns the time of the oldest retained alert.
    fn oldest(&self) -> Option<Timestamp>;

    /// Returns the requested start, if there is one.
    fn since(&self) -> Option<Timestamp>;

    /// Returns the requested end. The default is now.
    fn until(&self) -> Timestamp;
}

/// A check for possible mistakes in a filter.
pub trait Hints: Send {
    /// Returns whether no further alert can change the hints.
    fn is_settled(&self) -> bool;

    /// Examines an alert.
    fn look(&mut self, row: &dyn Row);

    /// Returns the hints. `whose` describes the alerts that were examined, as in `no retained
    /// alert`.
    /// `None` if there were none.
    fn told(&self, whose: Option<&str>) -> Vec<Hint>;
}

/// A possible mistake in a filter, which is valid but matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Hint {
    /// The position, in characters from 1.
    pub column: usize,
    /// The text at that position.
    pub found: String,
    /// A replacement for that text.
    pub meant: Option<String>,
    /// The hint as a sentence.
    pub detail: String,
}

/// The order of alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In order of arrival.
    OldestFirst,
    /// In reverse order.
    NewestFirst,
}

/// The result of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The number of alerts that were examined.
    pub count: u64,
    /// The cursor of the last of them.
    pub to: Option<String>,
    /// Whether there are no further alerts.
    pub complete: bool,
}

/// The kind of client that reads a [`Tail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`.
    Ndjson,
}

/// A reader of the log that follows new alerts. Its state is a cursor. Dropping it ends it.
pub trait Tail: Send {
    /// Reads on, at most about `budget` bytes. [`Self::rows`] has the matches. Waits only to yield
    /// to other tasks.
    fn look(&mut self, budget: usize) -> Soon<'_, Progress>;

    /// Passes the matches of the last read to `visit`.
    fn rows(&self, visit: &mut dyn FnMut(&dyn Row));

    /// Waits until there can be more alerts.
    fn more(&mut self) -> Soon<'_, ()>;

    /// Returns the cursor of the last alert that was examined. Another reader can resume after it.
    fn position(&self) -> String;
}

/// A boxed future.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Alerts were examined. Some may match.
    Alerts,
    /// Alerts were lost before they were read.
    Lost(Lost),
    /// There are no further alerts yet.
    CaughtUp,
}

/// Alerts that a reader lost.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Lost {
    /// The number of alerts. `null` if it is unknown, such as after a restart.
    pub count: Option<u64>,
    /// The cursor of the first one, if they were counted.
    pub first: Option<String>,
    /// The cursor of the last one, if they were counted.
    pub last: Option<String>,
    /// The cause: `evicted …`, `restart: …`, or `unknown position: …`.
    pub cause: String,
}

/// Statistics of the live stream, since the server's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Pulse {
    /// The number of alerts received.
    pub received: u64,
    /// The number of alerts retained.
    pub retained: u64,
    /// The number of alerts that readers lost, summed over readers.
    pub lost: u64,
    /// The cursor of the newest alert.
    pub head: Option<String>,
    /// The number of alerts of each priority, Emergency to Debug.
    pub priorities: [u64; 8],
    /// The build of the server and its page.
    pub build: String,
}
