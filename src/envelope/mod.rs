//! Extracts an alert from a line that wraps it, with the time, host and stream that the line adds.
//!
//! Container runtimes, journals, syslog and log shippers wrap a line of Falco's in one of theirs.
//! [`Envelopes::open`] takes a line that [`crate::event::read`] rejected. It removes one layer
//! after the other, at most [`DEEPEST`], and returns the alert inside.
//!
//! | file | reads |
//! |---|---|
//! | `text` | lines that begin with a header: CRI, `kubectl logs`, `docker compose logs`, fluentd |
//! | `syslog` | the headers of RFC 3164, RFC 5424, rsyslog's files and `journalctl`'s text |
//! | `object` | JSON records: docker's `json-file`, `journalctl -o json`, shippers, CloudEvents |
//! | `join` | the parts of a line that a runtime cut |
//! | `times` | the formats of time in all of these |
//!
//! Nothing is guessed. A layer is removed only if its header or key is known, and its content
//! counts only if it is an alert by itself. There is no IO, no clock and no logging. A line is read
//! a few times. Between lines, at most [`event::MAX_RECORD`] is held for each of standard output
//! and standard error.

mod header;
mod join;
mod object;
mod syslog;
mod text;
mod times;

use jiff::{Timestamp, ZonedDateTime};

use crate::event::{self, Record, Reject, Time, TimeSource};
use header::Header;
use join::{Joined, Joins, Share};
use object::Object;

/// The limit of layers. Docker around CRI around syslog is deeper than any known setup.
pub const DEEPEST: usize = 3;

/// The values that a line adds to its alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The kind of the outermost layer. `None` if the alert is not wrapped.
    pub kind: Option<Kind>,
    /// The time of the innermost layer that has one.
    pub time: Option<Time>,
    /// The host, from the innermost layer that names one.
    pub hostname: Option<String>,
    /// The stream that Falco wrote to. An alert on standard error is an alert, too.
    pub stream: Option<Stream>,
}

/// A stream that Falco writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: alerts.
    Stdout,
    /// Standard error: usually Falco's own log.
    Stderr,
}

/// The format that wraps a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file of `/var/log/pods`, as containerd and CRI-O write it.
    Cri,
    /// A file of docker's log driver `json-file`.
    Docker,
    /// The prefix that `kubectl logs` or `docker logs` prints before a line.
    Prefix,
    /// `journalctl -o json`.
    Journal,
    /// Syslog, on the wire or in a file.
    Syslog,
    /// A CloudEvent in structured mode.
    CloudEvent,
    /// A record of fluent-bit, fluentd, filebeat, vector, rsyslog and others.
    Shipper,
}

impl Kind {
    /// Returns a hint for a line of this kind that has no alert.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Cri => {
                "a CRI log line without an alert in it; Falco's own log lines are expected"
            }
            Self::Docker => {
                "a line of docker's json-file without an alert in it; Falco's own log lines are \
                 expected"
            }
            Self::Prefix => "a line of kubectl logs or docker logs without an alert in it",
            Self::Journal => "a record of journalctl -o json whose MESSAGE is no alert",
            Self::Syslog => "a syslog line without an alert in it; other programs' are expected",
            Self::CloudEvent => "a CloudEvent whose data is no alert",
            Self::Shipper => "a log shipper's record without an alert in it; send only Falco's",
        }
    }
}

/// The result of opening a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The line had an alert, which was passed on.
    Alert,
    /// The line is a part of a longer one, and is held until the others arrive.
    Part,
    /// The parts together exceed [`event::MAX_RECORD`].
    TooLarge,
    /// The line is no known envelope, or has no alert in it.
    Unknown,
}

/// Opens the lines of one source, in order.
#[derive(Debug, Default)]
pub struct Envelopes {
    joins: Joins,
}

/// The clock, and the function that gets the alert.
struct Then<'t> {
    now: &'t dyn Fn() -> ZonedDateTime,
    take: &'t mut dyn FnMut(Record<'_>, &Beside),
}

impl Envelopes {
    /// Looks for an alert inside a line, and passes it to `take` with the values that the line
    /// adds. Calls `now` for a time without a date or a year.
    pub fn open(
        &mut self,
        line: &[u8],
        now: &dyn Fn() -> ZonedDateTime,
        take: &mut dyn FnMut(Record<'_>, &Beside),
    ) -> Opened {
        self.peel(line, 0, &Beside::default(), &mut Then { now, take })
    }

    /// Reads a line that is an alert or wraps one.
    ///
    /// # Errors
    /// If the line neither is nor wraps an alert: the reason why it is none. [`Reject::TooLarge`]
    /// if its parts together are too large.
    pub fn read<T>(
        &mut self,
        line: &[u8],
        now: &dyn Fn() -> ZonedDateTime,
        mut take: impl FnMut(Record<'_>, &Beside) -> T,
    ) -> Result<Option<T>, Reject> {
        let whole = |record: Record<'_>| {
            // A shipper can merge the alert's keys with its own, such as `@timestamp`.
            let late = record.time_source == TimeSource::Arrival;
            let time = late.then(|| object::time(line)).flatten();
            take(record.timed_by_envelope(time), &Beside::default())
        };
        let reject = match event::read(line, now, whole) {
            Ok(taken) => return Ok(Some(taken)),
            Err(reject @ (Reject::Empty | Reject::TooLarge)) => return Err(reject),
            Err(reject) => reject,
        };
        let mut taken = None;
        match self.open(line, now, &mut |record, beside| taken = Some(take(record, beside))) {
            Opened::Alert | Opened::Part => Ok(taken),
            Opened::TooLarge => Err(Reject::TooLarge),
            Opened::Unknown => Err(reject),
        }
    }

    /// Returns the number of lines dropped for missing parts since the last call.
    pub fn given_up(&mut self) -> u64 {
        self.joins.given_up()
    }

    /// Returns the size of the held parts, in bytes.
    #[must_use]
    pub fn held(&self) -> usize {
        self.joins.held()
    }

    /// Drops the held parts at the end of the source.
    pub fn end(&mut self) {
        self.joins.end();
    }

    /// Removes the outermost layer.
    fn peel(&mut self, line: &[u8], depth: usize, outer: &Beside, then: &mut Then<'_>) -> Opened {
        if depth == DEEPEST {
            return Opened::Unknown;
        }
        let start = line.trim_ascii_start();
        if start.first() != Some(&b'{') {
            let Some(header) = header_of(start, then.now) else { return Opened::Unknown };
            let beside = header.beside(outer);
            return self.share(header.share, header.rest, depth, &beside, then);
        }
        let text = String::from_utf8_lossy(start.trim_ascii_end());
        let Some(object) = Object::read(&text) else { return Opened::Unknown };
        let beside = object.beside(outer);
        let share = object.share;
        for inside in object.insides() {
            match self.share(share, &inside, depth, &beside, then) {
                Opened::Unknown => {}
                found => return found,
            }
        }
        Opened::Unknown
    }

    /// Adds a part to its line, and looks into the line once it is whole.
    fn share(
        &mut self,
        share: Option<Share>,
        inside: &[u8],
        depth: usize,
        beside: &Beside,
        then: &mut Then<'_>,
    ) -> Opened {
        let Some(share) = share else { return self.look(inside, depth, beside, then) };
        // A missing line end marks a part of docker's. But a tool may have cut off the line end.
        if share.doubtful
            && !self.joins.awaits(share)
            && self.look(inside, DEEPEST, beside, then) == Opened::Alert
        {
            return Opened::Alert;
        }
        let joined = match self.joins.add(share, inside, beside) {
            Joined::Held => return Opened::Part,
            Joined::Alone => return self.look(inside, depth, beside, then),
            Joined::Whole(text, first) => match self.look(&text, depth, &first, then) {
                Opened::Unknown => Opened::Unknown,
                found => return found,
            },
            Joined::TooLarge => Opened::TooLarge,
        };
        // The line is no alert, but its last part alone is. So the earlier parts belong to another
        // line.
        if self.look(inside, depth, beside, then) == Opened::Alert {
            self.joins.give_up();
            return Opened::Alert;
        }
        joined
    }

    /// Passes the content on if it is an alert, otherwise removes its next layer.
    fn look(
        &mut self,
        inside: &[u8],
        depth: usize,
        beside: &Beside,
        then: &mut Then<'_>,
    ) -> Opened {
        let at = || near(beside.time, (then.now)());
        let take = |record: Record<'_>| {
            (then.take)(record.timed_by_envelope(beside.time), beside);
        };
        match event::read(inside, at, take) {
            Ok(()) => Opened::Alert,
            Err(Reject::Empty | Reject::TooLarge) => Opened::Unknown,
            Err(_) if depth >= DEEPEST => Opened::Unknown,
            Err(_) => self.peel(inside, depth + 1, beside, then),
        }
    }
}

/// Returns the header of one line. Several lines, such as a whole body, have none.
fn header_of<'a>(start: &'a [u8], now: &dyn Fn() -> ZonedDateTime) -> Option<Header<'a>> {
    let line = start.strip_suffix(b"\n").unwrap_or(start);
    memchr::memchr(b'\n', line).is_none().then(|| text::read(line, now)).flatten()
}

/// Returns the envelope's time, or `now`. A text alert has no date and gets the date of this time.
fn near(time: Option<Time>, now: ZonedDateTime) -> ZonedDateTime {
    let time = time.and_then(|time| {
        let nanos = i32::try_from(time.nanos()).ok()?;
        Timestamp::new(time.seconds(), nanos).ok()
    });
    time.map_or_else(|| now.clone(), |time| time.to_zoned_datetime(now.time_zone().clone()))
}

/// Returns a hint at what a line without an alert is likely to be.
#[must_use]
pub fn likely(line: &[u8]) -> Option<&'static str> {
    let start = line.trim_ascii_start();
    if start.first() != Some(&b'{') {
        let epoch = || Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC);
        return header_of(start, &epoch).map(|header| header.kind.hint());
    }
    let text = String::from_utf8_lossy(start.trim_ascii_end());
    Object::read(&text)?.hint()
}

#[cfg(test)]
mod tests;
