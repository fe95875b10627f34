//! Alerts in what carries logs: a line in, the alert and what the line says beside it out.
//!
//! Container runtimes, journals, syslog and log shippers wrap a line of Falco's in one of theirs.
//! [`Envelopes::open`] takes what [`crate::event::read`] rejected, takes one layer off after the
//! other, at most [`DEEPEST`], and hands on the alert inside.
//!
//! | file | opens |
//! |---|---|
//! | `text` | lines that begin with a header: CRI, `kubectl logs`, `docker compose logs`, fluentd |
//! | `syslog` | syslog's headers: those of RFC 3164, RFC 5424, rsyslog's files and `journalctl`'s text |
//! | `object` | JSON records: docker's `json-file`, `journalctl -o json`, shippers, CloudEvents |
//! | `join` | what a runtime cut into parts, put together again |
//! | `times` | points in time as these write them |
//!
//! Nothing is guessed: a layer comes off only where its header or its key is known, and what is
//! inside counts only if it is an alert by itself. There is no IO, no clock and no logging here; a
//! line costs a few readings of it, and what is held between lines is bounded by
//! [`event::MAX_RECORD`] for each of standard output and standard error.

mod header;
mod join;
mod object;
mod syslog;
mod text;
mod times;

use jiff::{Timestamp, ZonedDateTime};

use crate::event::{self, Record, Reject, Time};
use header::Header;
use join::{Joined, Joins, Share};
use object::Object;

/// How many layers are opened: docker around CRI around syslog is more than anybody has.
pub const DEEPEST: usize = 3;

/// What a line said beside its alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The outermost layer; `None` where the alert stands by itself.
    pub kind: Option<Kind>,
    /// When the innermost layer that says so had it.
    pub time: Option<Time>,
    /// The machine, by the innermost layer that names one.
    pub hostname: Option<String>,
    /// Where it was written to. An alert on standard error is an alert all the same.
    pub stream: Option<Stream>,
}

/// What Falco wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output: alerts.
    Stdout,
    /// Standard error: Falco's own log, as a rule.
    Stderr,
}

/// What a line is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file of `/var/log/pods`, as containerd and CRI-O write it.
    Cri,
    /// A file of docker's log driver `json-file`.
    Docker,
    /// What `kubectl logs` or `docker logs` prints before a line.
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
    /// What to look for where such a line holds no alert.
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

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// An alert was in it, and has been handed on.
    Alert,
    /// It is a part of a longer line, and held until the rest comes.
    Part,
    /// Its parts are longer together than [`event::MAX_RECORD`].
    TooLarge,
    /// It is no envelope that is known, or no alert is in it.
    Unknown,
}

/// Opens the lines of one source, in their order.
#[derive(Debug, Default)]
pub struct Envelopes {
    joins: Joins,
}

/// The time now, and what takes the alert.
struct Then<'t> {
    now: &'t dyn Fn() -> ZonedDateTime,
    take: &'t mut dyn FnMut(Record<'_>, &Beside),
}

impl Envelopes {
    /// Looks for an alert in a line that is none itself, and hands it to `take` with what the line
    /// says beside it. `now` is asked where a time has no date, or no year.
    pub fn open(
        &mut self,
        line: &[u8],
        now: &dyn Fn() -> ZonedDateTime,
        take: &mut dyn FnMut(Record<'_>, &Beside),
    ) -> Opened {
        self.peel(line, 0, &Beside::default(), &mut Then { now, take })
    }

    /// Reads a line that is an alert, or has one in it.
    ///
    /// # Errors
    /// Why the line itself is no alert, where none is in it either; too large, where its parts
    /// together are.
    pub fn read<T>(
        &mut self,
        line: &[u8],
        now: &dyn Fn() -> ZonedDateTime,
        mut take: impl FnMut(Record<'_>, &Beside) -> T,
    ) -> Result<Option<T>, Reject> {
        let reject = match event::read(line, now, |record| take(record, &Beside::default())) {
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

    /// How many lines have been given up since this was asked last, because their parts came to
    /// nothing.
    pub fn given_up(&mut self) -> u64 {
        self.joins.given_up()
    }

    /// How many bytes of lines are held whose ends are still to come.
    #[must_use]
    pub fn held(&self) -> usize {
        self.joins.held()
    }

    /// Gives up what is held: nothing follows.
    pub fn end(&mut self) {
        self.joins.end();
    }

    /// Takes the outermost layer off.
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

    /// Puts a part where it belongs, and looks into what is whole.
    fn share(
        &mut self,
        share: Option<Share>,
        inside: &[u8],
        depth: usize,
        beside: &Beside,
        then: &mut Then<'_>,
    ) -> Opened {
        let Some(share) = share else { return self.look(inside, depth, beside, then) };
        // docker's sign of a part, no line end, is also what those who cut it off leave.
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
        // What came before was no beginning of this one: a neighbour's mistake.
        if self.look(inside, depth, beside, then) == Opened::Alert {
            self.joins.give_up();
            return Opened::Alert;
        }
        joined
    }

    /// Takes what is inside if it is an alert, else its next layer.
    fn look(
        &mut self,
        inside: &[u8],
        depth: usize,
        beside: &Beside,
        then: &mut Then<'_>,
    ) -> Opened {
        let at = || near(beside.time, (then.now)());
        match event::read(inside, at, |record| (then.take)(record, beside)) {
            Ok(()) => Opened::Alert,
            Err(Reject::Empty | Reject::TooLarge) => Opened::Unknown,
            Err(_) if depth >= DEEPEST => Opened::Unknown,
            Err(_) => self.peel(inside, depth + 1, beside, then),
        }
    }
}

/// The header of one line; several lines, such as a whole body, have none.
fn header_of<'a>(start: &'a [u8], now: &dyn Fn() -> ZonedDateTime) -> Option<Header<'a>> {
    let line = start.strip_suffix(b"\n").unwrap_or(start);
    memchr::memchr(b'\n', line).is_none().then(|| text::read(line, now)).flatten()
}

/// The envelope's time where it has one: a text alert of last year has last year's date.
fn near(time: Option<Time>, now: ZonedDateTime) -> ZonedDateTime {
    let time = time.and_then(|time| {
        let nanos = i32::try_from(time.nanos()).ok()?;
        Timestamp::new(time.seconds(), nanos).ok()
    });
    time.map_or_else(|| now.clone(), |time| time.to_zoned_datetime(now.time_zone().clone()))
}

/// What a line that holds no alert is likely to be, as a hint for people.
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

/// What a JSON record says beside an alert whose keys were merged into it. Nothing asks yet: this is
/// for alerts without a usable time of their own.
#[must_use]
pub fn beside(record: &[u8]) -> Option<Beside> {
    let text = String::from_utf8_lossy(record.trim_ascii());
    Object::read(&text).map(|object| object.beside(&Beside::default()))
}

#[cfg(test)]
mod tests;
