//! Decodes one record into one alert.
//!
//! 1. White space around the record is dropped. Invalid UTF-8 becomes U+FFFD, as in Falco 0.44,
//!    because protobuf clients reject anything else.
//! 2. A record that begins with `{` is Falco's JSON, in any of its layouts: keys in any order,
//!    any spacing, unknown keys ignored. Any other record may be a text alert ([`super::text`]).
//!    JSON in the middle of a line is not searched for. Falco's own tests do not either.
//! 3. A missing `source`, as in old layouts, becomes what Falco implied: `internal` if the rule's
//!    name says so, `k8s_audit` if the time field is `jevt.time` of the embedded audit source
//!    (Falco 0.31 and older), otherwise `syscall`.
//!
//! An alert needs `rule` and a known `priority`. Everything else may be missing: without a usable
//! `time` it gets one ([`super::repair`]).

use std::borrow::Cow;

use jiff::ZonedDateTime;

use super::json::Value;
use super::repair::{self, Repair};
use super::scan::{Malformed, Scanner};
use super::{Event, Fields, INTERNAL, Priority, Time, text};

/// The length limit of a record, in bytes. Falco's alerts have at most a few kilobytes, so a
/// longer record is a mistake or an attack. The message stays below the 4 MiB that clients accept:
/// UTF-8 repair makes three bytes of one, and a field of nine bytes (`"":1e20,`) at most thirty.
pub const MAX_RECORD: usize = 1 << 20;

/// The prefix of the rules of alerts that Falco raises about itself (all versions).
const INTERNAL_RULE: &str = "Falco internal:";

/// A decoded record.
#[derive(Debug)]
pub struct Record<'a> {
    /// The alert.
    pub event: Event<'a>,
    /// The alert's JSON on one line: the record itself, or the JSON made from a text alert.
    pub line: Cow<'a, str>,
    /// Where the time of the event is from.
    pub time_source: TimeSource,
}

/// Where the time of an alert is from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeSource {
    /// The alert itself.
    #[default]
    Event,
    /// What the alert was wrapped in.
    Envelope,
    /// The clock of this machine, when the alert arrived.
    Arrival,
}

impl TimeSource {
    /// Returns the name, as in JSON and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Envelope => "envelope",
            Self::Arrival => "arrival",
        }
    }
}

impl Record<'_> {
    /// Gives an alert without a time of its own the time of its envelope. Other alerts keep theirs.
    #[must_use]
    pub fn timed_by_envelope(mut self, time: Option<Time>) -> Self {
        let (Some(time), TimeSource::Arrival) = (time, self.time_source) else { return self };
        let arrival = repair::time_members(self.event.time, TimeSource::Arrival);
        if let Some(rest) = self.line.strip_suffix(&*arrival) {
            let line = format!("{rest}{}", repair::time_members(time, TimeSource::Envelope));
            (self.line, self.event.time) = (line.into(), time);
            self.time_source = TimeSource::Envelope;
        }
        self
    }
}

/// Why a record is not an alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Only white space.
    #[error("empty")]
    Empty,
    /// Longer than [`MAX_RECORD`].
    #[error("longer than {MAX_RECORD} bytes")]
    TooLarge,
    /// Neither JSON nor a text alert: Falco's statistics, log lines, other programs' output.
    #[error("neither JSON nor a text alert")]
    NotAnAlert,
    /// JSON, but no object: a list, or a string that holds an object, as some clients send it.
    #[error("{what}")]
    NotAnObject {
        /// The kind of JSON value.
        what: &'static str,
    },
    /// Begins like JSON, but is not valid.
    #[error("not valid JSON at column {column}")]
    Malformed {
        /// The position of the error, in bytes from 1.
        column: usize,
    },
    /// JSON, but no alert.
    #[error("JSON without a usable `{key}`")]
    Incomplete {
        /// The first key that is missing or has an unusable value.
        key: &'static str,
    },
}

impl Reject {
    /// Returns the kind, for the metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::NotAnAlert => "not_an_alert",
            Self::NotAnObject { .. } => "not_an_object",
            Self::Malformed { .. } => "malformed",
            Self::Incomplete { .. } => "incomplete",
        }
    }
}

/// Returns the text of a record, with invalid UTF-8 repaired. [`read`] borrows from it.
fn repaired(record: &[u8]) -> Cow<'_, str> {
    let record = record.trim_ascii();
    // Nearly every record is UTF-8, and a check is much faster than the repair.
    std::str::from_utf8(record).map_or_else(|_| String::from_utf8_lossy(record), Cow::Borrowed)
}

/// Decodes one record and passes the alert to `then`.
///
/// `then` is a closure because the alert borrows from the record, or from a repaired copy if the
/// record is not UTF-8. `now` is called only for text alerts, which carry no date, and for alerts
/// without a usable time.
///
/// # Errors
/// [`Reject`] if the record is not an alert.
pub fn read<T>(
    record: &[u8],
    now: impl FnOnce() -> ZonedDateTime,
    then: impl FnOnce(Record<'_>) -> T,
) -> Result<T, Reject> {
    if record.len() > MAX_RECORD {
        return Err(Reject::TooLarge);
    }
    let line = repaired(record);
    match line.as_bytes().first() {
        None => Err(Reject::Empty),
        Some(b'{') => {
            let (event, repair) = decode(&line, now)?;
            let time_source = repair.time_source();
            Ok(then(Record { event, line: repair.apply(one_line(&line)), time_source }))
        }
        Some(_) => match text::decode(&line, now) {
            Some(event) => {
                let line = text::as_json(&event).into();
                Ok(then(Record { event, line, time_source: TimeSource::Event }))
            }
            None => Err(no_object(&line)),
        },
    }
}

/// Whether a record begins as Falco's text alerts do: with a time of nine digits and a priority.
#[must_use]
pub fn is_text_alert(record: &[u8]) -> bool {
    let midnight = || jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    text::decode(&repaired(record), midnight).is_some()
}

/// Returns why a line that does not begin with `{` is no alert. A log line may begin with a
/// bracket as well, so the line is parsed.
fn no_object(line: &str) -> Reject {
    let what = match line.as_bytes().first() {
        Some(b'"') => "a JSON string",
        Some(b'[') => "a JSON array",
        _ => return Reject::NotAnAlert,
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(line) {
        Ok(_) => Reject::NotAnObject { what },
        Err(_) => Reject::NotAnAlert,
    }
}

pub(super) fn decode(
    line: &str,
    now: impl FnOnce() -> ZonedDateTime,
) -> Result<(Event<'_>, Repair), Reject> {
    let mut found = Found::default();
    let mut scanner = Scanner::new(line);
    scanner
        .members(|key, scanner| found.take(&key, scanner))
        .and_then(|()| scanner.end())
        .map_err(|Malformed { at }| Reject::Malformed { column: at + 1 })?;
    found.into_event(now)
}

/// Decodes the output text of an alert's JSON line, and those output fields whose names are
/// `wanted`. It skips the rest, so use it only for lines that [`read`] has accepted.
///
/// # Errors
/// If the line is no JSON object.
pub fn part<'a>(line: &'a str, wanted: impl Fn(&str) -> bool) -> Result<Part<'a>, Reject> {
    let mut scanner = Scanner::new(line);
    let (mut output, mut message, mut fields) = (None, None, Fields::new());
    let members = scanner.members(|key, scanner| {
        match &*key {
            "output" => output = scanner.value()?.into_text(),
            "message" => message = scanner.value()?.into_text(),
            "output_fields" => {
                // If a key occurs twice, the last one counts.
                fields.clear();
                if scanner.peek() != Some(b'{') {
                    return scanner.skip().map(drop);
                }
                return scanner.members(|name, scanner| {
                    if !wanted(&name) {
                        return scanner.skip().map(drop);
                    }
                    fields.push((name, scanner.value()?));
                    Ok(())
                });
            }
            _ => _ = scanner.skip()?,
        }
        Ok(())
    });
    members.map_err(|Malformed { at }| Reject::Malformed { column: at + 1 })?;
    Ok(Part { output: output.or(message).unwrap_or_default(), fields })
}

/// A part of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The alert as a line of text.
    pub output: Cow<'a, str>,
    /// The wanted output fields, in the record's order.
    pub fields: Fields<'a>,
}

/// The known keys of a record. If a key occurs twice, the last one counts, as in most JSON
/// readers.
#[derive(Default)]
struct Found<'a> {
    hostname: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    output: Option<Cow<'a, str>>,
    output_fields: Fields<'a>,
    /// `output_fields` is neither an object nor null.
    no_fields: bool,
    priority: Option<Cow<'a, str>>,
    rule: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    tags: Vec<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
    /// The position of the value of `outputFields`.
    renamed: Option<usize>,
}

impl<'a> Found<'a> {
    fn take(&mut self, key: &str, scanner: &mut Scanner<'a>) -> Result<(), Malformed> {
        let text = match key {
            // As protobuf's JSON names it: our own output, and grpcurl's, can be posted back.
            "outputFields" => {
                self.renamed = Some(scanner.position());
                return self.fields(scanner);
            }
            "hostname" => &mut self.hostname,
            "message" => &mut self.message,
            "output" => &mut self.output,
            "output_fields" => return self.fields(scanner),
            "priority" => &mut self.priority,
            "rule" => &mut self.rule,
            "source" => &mut self.source,
            "tags" => return self.tags(scanner),
            "time" => &mut self.time,
            _ => return scanner.skip().map(drop),
        };
        *text = scanner.value()?.into_text();
        Ok(())
    }

    fn fields(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Malformed> {
        /// Rules name one or two dozen fields. Growing step by step costs more than this memory.
        const USUAL: usize = 24;
        self.output_fields.clear();
        self.no_fields = false;
        if scanner.peek() != Some(b'{') {
            self.no_fields = scanner.value()? != Value::Null;
            return Ok(());
        }
        self.output_fields.reserve(USUAL);
        scanner.members(|name, scanner| {
            self.output_fields.push((name, scanner.value()?));
            Ok(())
        })
    }

    /// Ignores tags that are not strings, because an alert must not be lost for its tags.
    fn tags(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Malformed> {
        self.tags.clear();
        if scanner.peek() != Some(b'[') {
            return scanner.skip().map(drop);
        }
        scanner.elements(|scanner| {
            self.tags.extend(scanner.value()?.into_text());
            Ok(())
        })
    }

    fn into_event(
        mut self,
        now: impl FnOnce() -> ZonedDateTime,
    ) -> Result<(Event<'a>, Repair), Reject> {
        let missing = |key| Reject::Incomplete { key };
        let rule = self.rule.ok_or(missing("rule"))?;
        let priority =
            self.priority.and_then(|name| Priority::parse(&name)).ok_or(missing("priority"))?;
        if self.no_fields {
            return Err(missing("output_fields"));
        }
        let mut repair = Repair { renamed: self.renamed, time: None };
        let time = match self.time.and_then(|time| Time::parse(&time)) {
            Some(time) => time,
            None => repair.time.insert(repair::Found::time(&self.output_fields, now)).time,
        };
        let source = self
            .source
            .filter(|source| !source.is_empty())
            .unwrap_or_else(|| implied_source(&rule, &self.output_fields).into());
        // Sorted, without duplicates, like Falco's `std::set`.
        self.tags.sort_unstable();
        self.tags.dedup();
        let event = Event {
            time,
            priority,
            source,
            hostname: self.hostname.filter(|name| !name.is_empty()),
            output: self.output.or(self.message).unwrap_or_default(),
            tags: self.tags,
            fields: self.output_fields,
            rule,
        };
        Ok((event, repair))
    }
}

/// Returns the source of a record that does not name one. Falco writes it since 0.30 for rules,
/// and since 0.35 for its own alerts.
fn implied_source(rule: &str, fields: &Fields<'_>) -> &'static str {
    if rule.starts_with(INTERNAL_RULE) {
        INTERNAL
    } else if fields.iter().any(|(name, _)| name == "jevt.time" || name == "jevt.time.iso8601") {
        "k8s_audit"
    } else {
        "syscall"
    }
}

/// Returns the record on one line. In valid JSON a raw line break can only separate tokens, so a
/// space means the same.
fn one_line(line: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'\n', b'\r', line.as_bytes()).is_some() {
        Cow::Owned(line.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_rejected(record in prop::collection::vec(any::<u8>(), 0..200)) {
            crate::fuzzing::falco_line(&record);
        }

        #[test]
        fn any_json_like_text_is_decoded_or_rejected(
            fields in r#"[\[\]{}",:a\\u0-9.eE\-+ tn]{0,40}"#,
            text in r#"([^"\\]|\\[nrt"\\]|\\ud8[0-9a-f]{2}|\\u00[0-9a-f]{2}){0,20}"#,
        ) {
            let line = format!(
                r#"{{"rule":"{text}","priority":"Error","time":"2026-01-30T10:00:00Z","hostname":"{text}","tags":["b","{text}","a"],"output_fields":{{"x":{fields}}}}}"#
            );
            crate::fuzzing::falco_line(line.as_bytes());
        }
    }
}
