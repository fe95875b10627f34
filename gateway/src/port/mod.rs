//! What the gateway asks of the server it is mounted in.
//!
//! Questions go over as the texts they came as: the words of the API mean the same everywhere, so
//! the server reads them. What comes back are alerts as the log has them, looked at one by one and
//! never copied: their labels, and Falco's JSON as it came.

use std::{future::Future, net::IpAddr, ops::ControlFlow, pin::Pin};

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;

mod status;

pub use status::{Certificate, Input, InputFile, Reader, Readers, Status};

/// The server behind the gateway. Nothing here may block or wait, but for [`History::scan`] and, as
/// long as it takes to read them, [`Port::ingest`] of many alerts.
pub trait Port: Send + Sync + 'static {
    /// Takes a posted body: alerts in any layout, not looked at so far. Short ones come on threads
    /// that serve others, long ones on threads of their own; it waits for nothing.
    ///
    /// The bytes may be a slice of the connection's read buffer: copy what is to stay for long.
    fn ingest(&self, body: Bytes, sender: Sender) -> Taken;

    /// A POST was turned away with this status before anything was taken. Falco does not look at
    /// the answer, so whatever was in it is lost; count it.
    fn refused(&self, status: StatusCode) {
        let _ = status;
    }

    /// Whether the server can take and hand out alerts; if not, lines that say why.
    fn ready(&self) -> Result<(), String>;

    /// Small live numbers for the page and the status JSON.
    fn status(&self) -> Status;

    /// Numbers that change with every alert, for the live stream.
    fn pulse(&self) -> Pulse;

    /// The alerts kept that are asked for.
    ///
    /// # Errors
    /// When the question cannot be understood, or is about what is gone.
    fn history(&self, ask: Ask) -> Soon<'_, Result<Box<dyn History>, Unanswerable>>;

    /// The alerts asked for, and those to come.
    ///
    /// # Errors
    /// As [`Self::history`].
    fn tail(&self, ask: Ask, kind: ReaderKind) -> Soon<'_, Result<Box<dyn Tail>, Unanswerable>>;

    /// The alert with this cursor.
    ///
    /// # Errors
    /// When it is no cursor, or its alert is not there.
    fn alert(&self, cursor: &str) -> Result<Box<dyn History>, Unanswerable>;

    /// What of a condition may be a slip; alerts are still to be looked at.
    ///
    /// # Errors
    /// When it is no condition.
    fn hints(&self, filter: String) -> Soon<'_, Result<Box<dyn Hints>, Unanswerable>>;

    /// Everything countable, in one of Prometheus' text formats.
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
    /// Prometheus' own text format, 0.0.4.
    Text,
    /// OpenMetrics, the same in both versions for what is exposed here.
    OpenMetrics,
}

/// Which alerts are asked for; every part is optional. In the words of the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Only those for which this condition holds.
    pub filter: Option<String>,
    /// Only those of this time and later.
    pub since: Option<String>,
    /// Only earlier ones than this time.
    pub until: Option<String>,
    /// Only those behind the alert with this cursor.
    pub after: Option<String>,
    /// As `after`, from a client that comes back by itself and would take an error for the end: what
    /// is not a cursor of the log as it is now is no error of a [`Tail`], which begins with what is
    /// lost, then the oldest kept. An age in `since` was meant when the client first came, and says
    /// nothing then.
    pub resume: Option<String>,
    /// Only those before the alert with this cursor.
    pub before: Option<String>,
    /// Only so many of the newest, whether or not they pass the filter.
    pub last: Option<String>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswerable {
    /// A part of it cannot be understood.
    Invalid {
        /// Which one.
        parameter: &'static str,
        /// What is wrong with it, and what is right.
        detail: String,
        /// Where, if it is a filter.
        mistake: Option<Mistake>,
    },
    /// It is about alerts that are no longer kept.
    Gone {
        /// Which, and what to do.
        detail: String,
        /// The oldest alert kept, if there is one.
        oldest: Option<String>,
    },
    /// There is no such alert.
    NotFound,
    /// There is no room for it now.
    Busy {
        /// What for, and what to do.
        detail: String,
    },
}

/// A mistake in a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in characters from 1.
    pub column: usize,
    /// What stands there.
    pub found: String,
    /// What should.
    pub expected: String,
    /// What was perhaps meant.
    pub meant: Option<String>,
}

/// One alert of the log.
pub trait Row {
    /// Its cursor.
    fn cursor(&self) -> String;
    /// When it happened.
    fn time(&self) -> Timestamp;
    /// How severe it is, as a number: 0 is Emergency, 7 Debug.
    fn priority(&self) -> usize;
    /// The rule's name; empty for text alerts.
    fn rule(&self) -> &str;
    /// The event source's name.
    fn source(&self) -> &str;
    /// The machine; empty where it is not known.
    fn hostname(&self) -> &str;
    /// Hands over the rule's tags.
    fn tags(&self, each: &mut dyn FnMut(&str));
    /// Hands over the output fields of these names that are there, with their place among the
    /// names and their display text; `output` is the alert's text.
    fn fields(&self, names: &[String], each: &mut dyn FnMut(usize, &str));
    /// Hands over the names of its output fields.
    fn names(&self, each: &mut dyn FnMut(&str));
    /// Falco's JSON, as it came.
    fn line(&self) -> &[u8];
    /// As grpcurl prints it.
    fn protojson(&self) -> String;
}

/// The names of the priorities, by their number.
pub const PRIORITIES: [&str; 8] =
    ["Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"];

/// Alerts that are kept and asked for.
pub trait History: Send {
    /// Looks at them, at most `most` of them whether or not they pass, and hands over those that
    /// pass until told to stop. Takes as long as that takes: not for a thread that serves others.
    ///
    /// `stop` is asked too, whether or not anything passes: before each alert that a filter has to
    /// look at, and every few of the others. The first is looked at in any case, so that whoever
    /// goes on where a scan stopped comes to an end.
    fn scan(
        &mut self,
        order: Order,
        most: u64,
        stop: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Scanned;

    /// When the oldest alert kept happened.
    fn oldest(&self) -> Option<Timestamp>;

    /// From when on it is asked for, where a time is named.
    fn since(&self) -> Option<Timestamp>;

    /// Up to when it is asked for; now, where no time is named.
    fn until(&self) -> Timestamp;
}

/// What of a condition may be a slip, as far as alerts were looked at.
pub trait Hints: Send {
    /// Whether no further alert can change what is told.
    fn is_settled(&self) -> bool;

    /// Looks at an alert.
    fn look(&mut self, row: &dyn Row);

    /// What may be a slip. `whose` says which alerts were looked at, as in `no alert kept`; nothing
    /// where there were none.
    fn told(&self, whose: Option<&str>) -> Vec<Hint>;
}

/// Something in a condition that may be a slip: it is right, and finds nothing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Hint {
    /// Where, in characters from 1.
    pub column: usize,
    /// What stands there.
    pub found: String,
    /// What was perhaps meant, to be put in its place.
    pub meant: Option<String>,
    /// All of that in words.
    pub detail: String,
}

/// Which alerts come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// In the order they came.
    OldestFirst,
    /// The other way round.
    NewestFirst,
}

/// How far a scan came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// How many alerts were looked at.
    pub count: u64,
    /// The cursor of the last one.
    pub to: Option<String>,
    /// Whether there are no more.
    pub complete: bool,
}

/// What reads a [`Tail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`.
    Ndjson,
}

/// A reader of the log that goes on: a place in it, and nothing else. Dropping it ends it.
pub trait Tail: Send {
    /// Looks at what is there, at most about `budget` bytes of it; what passes of it is handed over by
    /// [`Self::rows`]. Waits only for others to get their turn.
    fn look(&mut self, budget: usize) -> Soon<'_, Progress>;

    /// Hands over what passed at the last look.
    fn rows(&self, visit: &mut dyn FnMut(&dyn Row));

    /// Waits until there may be more.
    fn more(&mut self) -> Soon<'_, ()>;

    /// The cursor of the last alert looked at, from which another reader could go on.
    fn position(&self) -> String;
}

/// What comes in a while.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Alerts, some of which perhaps passed.
    Alerts,
    /// Alerts that are gone before it read them.
    Lost(Lost),
    /// Nothing new.
    CaughtUp,
}

/// Alerts that a reader missed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Lost {
    /// How many; `null` where nobody knows, as after a restart of the server.
    pub count: Option<u64>,
    /// The cursor of the first one, where they are counted.
    pub first: Option<String>,
    /// The cursor of the last one, where they are counted.
    pub last: Option<String>,
    /// Why they are gone: `evicted …`, `restart: …`, or `unknown position: …`.
    pub cause: String,
}

/// Numbers that change with every alert, all of them since the server's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Pulse {
    /// Alerts taken in.
    pub received: u64,
    /// Alerts kept.
    pub retained: u64,
    /// Alerts that readers missed, summed over readers.
    pub lost: u64,
    /// The cursor of the newest alert.
    pub head: Option<String>,
    /// Alerts taken in of each priority, Emergency to Debug.
    pub priorities: [u64; 8],
    /// Which build of the server, and so of its page, this is.
    pub build: String,
}
