//! What an alert is, read from Falco's words and written as a gRPC message.
//!
//! [`read`] turns one record (a line of stdout, a line of a file, an HTTP body) into an [`Event`]
//! that borrows from the record; [`encode()`] appends its `falco.outputs.response` as one gRPC
//! frame. Both are pure: no IO, no clock of their own, and nothing a record contains makes them
//! panic or use more memory than a small multiple of its length.
//!
//! Refused, as a [`Reject`] that says why: records over [`MAX_RECORD`], text that is neither
//! Falco's JSON nor a text alert, JSON that is not an alert.

mod clock;
mod decode;
mod encode;
mod json;
mod scan;
mod text;
mod time;

use std::borrow::Cow;

pub use decode::{MAX_RECORD, Part, Record, Reject, part, read};
pub use encode::{Origin, encode};
pub use json::Value;
pub use time::Time;

/// The rule that Falconer's own alerts about missing alerts carry.
pub const LOST_RULE: &str = "Falconer internal: events lost";

/// The source of alerts that Falco, or Falconer, raises about itself.
pub const INTERNAL: &str = "internal";

/// One alert, borrowing from the record it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// When it happened.
    pub time: Time,
    /// How severe the rule's author judged it.
    pub priority: Priority,
    /// The rule's name; empty for text alerts, which do not carry it.
    pub rule: Cow<'a, str>,
    /// The event source's name; what Falco meant where old layouts leave it out.
    pub source: Cow<'a, str>,
    /// The machine, where the record says.
    pub hostname: Option<Cow<'a, str>>,
    /// The alert as a line of text.
    pub output: Cow<'a, str>,
    /// Sorted, each once.
    pub tags: Vec<Cow<'a, str>>,
    /// Output fields in the record's order.
    pub fields: Fields<'a>,
}

/// Names and values.
pub type Fields<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// The value of this name: of one that comes twice the last counts, as in most JSON readers.
#[must_use]
pub fn field<'f, 'a>(fields: &'f Fields<'a>, name: &str) -> Option<&'f Value<'a>> {
    fields.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
}

impl Event<'_> {
    /// An alert Falco (or Falconer) raised about itself: its fields are shown as JSON text where
    /// a rule's would be shown as display text (`outputs_grpc.cpp`, Falco 0.35 to 0.43).
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.source == INTERNAL
    }
}

/// How severe an alert is, numbered as in syslog and in `falco.schema.priority`.
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

    /// Reads a priority's name in any case; `Info` is Informational, as very old versions and
    /// other producers write it.
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

/// Writes what a reader missed as an alert in Falco's own idiom: an internal event.
///
/// `first` and `last` are the cursors of the first and last alert missed, `count` how many they
/// are, `cause` why they are gone.
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
    fn priorities_are_read_in_any_case_and_print_as_falco_does() {
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
