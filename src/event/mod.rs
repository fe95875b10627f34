//! Decodes Falco's alerts and encodes them as gRPC messages.
//!
//! [`read`] turns one record (a line of stdout, a line of a file, an HTTP body) into an [`Event`]
//! that borrows from the record. [`encode()`] appends its `falco.outputs.response` as one gRPC
//! frame. Both are pure: they do no IO and read no clock. No record makes them panic or use more
//! memory than a small multiple of its length.
//!
//! [`read`] rejects records over [`MAX_RECORD`], text that is neither Falco's JSON nor a text
//! alert, and JSON that is not an alert. The [`Reject`] gives the reason.

mod clock;
mod decode;
mod encode;
mod json;
mod members;
mod repair;
mod scan;
mod text;
mod time;

use std::borrow::Cow;

pub use decode::{MAX_RECORD, Part, Record, Reject, TimeSource, is_text_alert, part, read};
pub use encode::{Origin, encode};
pub use json::Value;
pub use members::{members, octets};
pub use repair::with_hostname;
pub use time::Time;

/// The rule name of Falconer's own alerts about lost alerts.
pub const LOST_RULE: &str = "Falconer internal: events lost";

/// The source of alerts that Falco, or Falconer, raises about itself.
pub const INTERNAL: &str = "internal";

/// One alert. It borrows from its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The time of the event.
    pub time: Time,
    /// The severity that the rule gives.
    pub priority: Priority,
    /// The rule's name. Text alerts do not carry it, except Falco's own; then it is empty.
    pub rule: Cow<'a, str>,
    /// The event source's name. Where old layouts leave it out, the one that Falco implied.
    pub source: Cow<'a, str>,
    /// The host, if the record names one.
    pub hostname: Option<Cow<'a, str>>,
    /// The alert as a line of text.
    pub output: Cow<'a, str>,
    /// Sorted, without duplicates.
    pub tags: Vec<Cow<'a, str>>,
    /// Output fields in the record's order.
    pub fields: Fields<'a>,
}

/// Output fields: names and values.
pub type Fields<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Returns the value of a field. If a name occurs twice, the last one counts, as in most JSON
/// readers.
#[must_use]
pub fn field<'f, 'a>(fields: &'f Fields<'a>, name: &str) -> Option<&'f Value<'a>> {
    fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
}

impl Event<'_> {
    /// Returns whether Falco (or Falconer) raised this alert about itself. The fields of such an
    /// alert are JSON text, those of a rule are display text (`outputs_grpc.cpp`, Falco 0.35 to
    /// 0.43).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.source == INTERNAL
    }
}

/// The severity of an alert, numbered as in syslog and in `falco.schema.priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are syslog's and Falco's own")]
pub enum Priority {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Informational,
    Debug,
}

impl Priority {
    /// Every priority, most severe first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// Parses a priority's name in any case. `Info`, as very old versions and other producers
    /// write it, is Informational.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("info") {
            return Some(Self::Informational);
        }
        Self::ALL.into_iter().find(|priority| name.eq_ignore_ascii_case(priority.name()))
    }

    /// The name as Falco writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Emergency => "Emergency",
            Self::Alert => "Alert",
            Self::Critical => "Critical",
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
            Self::Informational => "Informational",
            Self::Debug => "Debug",
        }
    }
}

/// Returns the alert that tells a reader about lost alerts. It is an internal event, as Falco
/// would raise one.
///
/// `first` and `last` are the cursors of the first and the last lost alert, `count` is their
/// number, `cause` the reason.
#[must_use]
pub fn lost<'a>(time: Time, count: u64, first: &str, last: &str, cause: &'a str) -> Event<'a> {
    Event {
        time,
        priority: Priority::Critical,
        rule: LOST_RULE.into(),
        source: INTERNAL.into(),
        hostname: None,
        output: format!("{LOST_RULE}. {count} alerts were not delivered to this reader: {cause}.")
            .into(),
        tags: Vec::new(),
        fields: vec![
            ("lost.cause".into(), Value::Text(cause.into())),
            ("lost.count".into(), Value::Plain(count.to_string().into())),
            ("lost.first".into(), Value::Text(first.to_owned().into())),
            ("lost.last".into(), Value::Text(last.to_owned().into())),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_parse_in_any_case_and_print_as_in_falco() {
        for (number, priority) in Priority::ALL.into_iter().enumerate() {
            assert_eq!(priority as usize, number);
            for name in [
                priority.name().to_owned(),
                priority.name().to_uppercase(),
                priority.name().to_lowercase(),
            ] {
                assert_eq!(Priority::parse(&name), Some(priority), "{name}");
            }
        }
        assert_eq!(Priority::parse("Info"), Some(Priority::Informational));
        assert_eq!(Priority::parse("severe"), None);
        assert_eq!(Priority::parse(""), None);
    }
}
