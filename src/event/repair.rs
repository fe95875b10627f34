//! Repairs keys that a producer left out or renamed, if the meaning is certain.
//!
//! 1. An alert without a valid `time` gets the time of its output field `evt.time` or
//!    `evt.time.iso8601`, which Falco writes in nanoseconds. Without these it gets the caller's
//!    time, which is usually the time of arrival.
//! 2. `outputFields` is renamed to `output_fields`. It is the name in protobuf's JSON, so that
//!    users can post the output of grpcurl.
//! 3. An alert without a hostname gets that of its machine, or of the sender of the post
//!    ([`with_hostname`]).
//!
//! The JSON line gets the repair too, because scripts and the page read it. A time that is not the
//! record's own is marked there: `"time_source":"arrival"` or `"time_source":"envelope"`.

use std::borrow::Cow;

use jiff::{Timestamp, ZonedDateTime};

use super::json::Value;
use super::{Fields, Time, TimeSource, field};

/// Adds a hostname to the JSON line of an alert that has none.
#[must_use]
pub fn with_hostname<'a>(line: Cow<'a, str>, hostname: &str) -> Cow<'a, str> {
    match line.trim_ascii_end().strip_suffix('}') {
        Some(object) if !hostname.is_empty() => {
            // An empty name may stand before it. Of a key that occurs twice the last one counts.
            let hostname = serde_json::Value::from(hostname);
            format!("{object},\"hostname\":{hostname}}}").into()
        }
        _ => line,
    }
}

/// The name of `output_fields` in protobuf's JSON, in quotes.
const RENAMED: &str = "\"outputFields\"";

/// The fields with the event's time.
const TIME_FIELDS: [&str; 2] = ["evt.time", "evt.time.iso8601"];

/// The repairs of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Repair {
    /// The position of the value of `outputFields`, if the record has that key.
    pub(super) renamed: Option<usize>,
    /// The time, if the record has no valid one.
    pub(super) time: Option<Found>,
}

/// A time that is not from `time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) time: Time,
    /// Whether it is the caller's time, not from an output field.
    arrival: bool,
}

impl Found {
    /// Returns the time of an alert's fields, or the caller's.
    pub(super) fn time(fields: &Fields<'_>, now: impl FnOnce() -> ZonedDateTime) -> Self {
        let of_field = TIME_FIELDS.into_iter().find_map(|name| match field(fields, name)? {
            Value::Plain(nanoseconds) => {
                Timestamp::from_nanosecond(nanoseconds.parse().ok()?).ok().map(Time::from)
            }
            _ => None,
        });
        match of_field {
            Some(time) => Self { time, arrival: false },
            None => Self { time: now().timestamp().into(), arrival: true },
        }
    }
}

/// Returns the end of a JSON line with a time that is not the record's own.
pub(super) fn time_members(time: Time, source: TimeSource) -> String {
    let mark = match source {
        TimeSource::Event => String::new(),
        source => format!(",\"time_source\":\"{}\"", source.name()),
    };
    format!(",\"time\":\"{time}\"{mark}}}")
}

impl Repair {
    /// Returns where the alert's time is from. An output field is part of the alert.
    pub(super) fn time_source(&self) -> TimeSource {
        match self.time {
            Some(Found { arrival: true, .. }) => TimeSource::Arrival,
            _ => TimeSource::Event,
        }
    }

    /// Repairs the JSON line of the alert, a whole object.
    pub(super) fn apply<'a>(&self, line: Cow<'a, str>) -> Cow<'a, str> {
        if *self == Self::default() {
            return line;
        }
        let mut line = line.into_owned();
        if let Some(at) = self.renamed
            && let Some(key) = line.get(..at).and_then(|before| before.rfind(RENAMED))
        {
            line.replace_range(key..key + RENAMED.len(), "\"output_fields\"");
        }
        if let Some(Found { time, .. }) = self.time
            && line.ends_with('}')
        {
            line.pop();
            // An alert has other keys, so a comma is right. Of a repeated key the last one counts.
            line += &time_members(time, self.time_source());
        }
        line.into()
    }
}
