//! Repairs what a producer left out or renamed, where the meaning is certain.
//!
//! 1. An alert without a usable `time` happened at the instant of `evt.time` or `evt.time.iso8601`
//!    among its output fields, which Falco writes in nanoseconds. Without these it gets the time
//!    that the caller knows, which is that of its arrival as a rule.
//! 2. `outputFields` is `output_fields`, as protobuf's JSON names it. So Falconer's own protojson,
//!    and what grpcurl prints, can be posted back.
//!
//! 3. An alert that does not say its hostname gets that of its machine, or of the sender of the post
//!    ([`with_hostname`]).
//!
//! The JSON line gets the repair too, because scripts and the page read it. A time that is not the
//! record's own is marked there: `"time_source":"arrival"`.

use std::borrow::Cow;

use jiff::{Timestamp, ZonedDateTime};

use super::json::Value;
use super::{Fields, Time, field};

/// Adds the name of the machine to the JSON line of an alert that does not say it.
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

/// The name that protobuf's JSON has for `output_fields`, in quotes.
const RENAMED: &str = "\"outputFields\"";

/// The fields with the event's time.
const TIME_FIELDS: [&str; 2] = ["evt.time", "evt.time.iso8601"];

/// What was repaired.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Repair {
    /// The position of the value of `outputFields`, if the record has that key.
    pub(super) renamed: Option<usize>,
    /// The time, if the record has none that can be used.
    pub(super) time: Option<Found>,
}

/// A time that was found elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) time: Time,
    /// It is not in the record, but the caller's.
    arrival: bool,
}

impl Found {
    /// Finds the time of an alert by its fields, or takes the caller's.
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

impl Repair {
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
        if let Some(Found { time, arrival }) = self.time
            && line.ends_with('}')
        {
            line.pop();
            let source = if arrival { ",\"time_source\":\"arrival\"" } else { "" };
            // An alert has other keys before it. Of a key that occurs twice the last one counts.
            line += &format!(",\"time\":\"{time}\"{source}}}");
        }
        line.into()
    }
}
