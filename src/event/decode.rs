//! One record in, one alert out.
//!
//! 1. White space around the record is dropped; invalid UTF-8 becomes U+FFFD (Falco 0.44 does the
//!    same; protobuf clients refuse anything else).
//! 2. A record that begins with `{` is Falco's JSON, in any of its layouts: keys in any order,
//!    any spacing, unknown keys ignored. Anything else may be a text alert ([`super::text`]).
//!    A line with JSON further in is not guessed at: Falco's own tests did not either.
//! 3. What old layouts leave out is filled in as Falco meant it: no `source` is `syscall`, or
//!    `internal` where the rule's name says so, or `k8s_audit` where the time field is the
//!    embedded audit source's `jevt.time` (Falco 0.31 and older).
//!
//! `rule`, a known `priority` and a readable `time` make an alert; all else may be missing.

use std::borrow::Cow;

use jiff::ZonedDateTime;

use super::json::Value;
use super::scan::{Malformed, Scanner};
use super::{Event, Fields, INTERNAL, Priority, Time, text};

/// The longest record that is read, in bytes. Falco's alerts stay under a few kilobytes; what is
/// longer is somebody's mistake or attack. Its message stays below the 4 MiB that clients take:
/// repair makes three bytes of one, and a field of nine bytes (`"":1e20,`) at most thirty.
pub const MAX_RECORD: usize = 1 << 20;

/// The rules of alerts that Falco raises about itself begin with this (all versions).
const INTERNAL_RULE: &str = "Falco internal:";

/// A record that is an alert.
#[derive(Debug)]
pub struct Record<'a> {
    /// The alert.
    pub event: Event<'a>,
    /// Where the alert's own JSON is not the record itself (a text alert), that JSON.
    pub line: Cow<'a, str>,
}

/// Why a record is not an alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Nothing but white space.
    #[error("empty")]
    Empty,
    /// Longer than [`MAX_RECORD`].
    #[error("longer than {MAX_RECORD} bytes")]
    TooLarge,
    /// Neither JSON nor a text alert: Falco's statistics, log lines, other programs' output.
    #[error("neither JSON nor a text alert")]
    NotAnAlert,
    /// JSON, but no object: a text that holds one, as some clients send it, or a list.
    #[error("{what}")]
    NotAnObject {
        /// What it is.
        what: &'static str,
    },
    /// Begins like JSON and is not.
    #[error("not valid JSON at column {column}")]
    Malformed {
        /// Where reading stopped, in bytes from 1.
        column: usize,
    },
    /// JSON, but no alert.
    #[error("JSON without a usable `{key}`")]
    Incomplete {
        /// The first key that is missing or has no usable value.
        key: &'static str,
    },
}

impl Reject {
    /// The kind, as it is counted.
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

/// The text of a record, with invalid UTF-8 repaired: what [`read`] borrows from.
fn repaired(record: &[u8]) -> Cow<'_, str> {
    let record = record.trim_ascii();
    // Nearly every record is UTF-8, and checking that is much faster than repairing.
    std::str::from_utf8(record).map_or_else(|_| String::from_utf8_lossy(record), Cow::Borrowed)
}

/// Reads one record and hands the alert to `then`.
///
/// The alert borrows from the record, and from a repaired copy where the record is not UTF-8;
/// hence the closure. `now` is asked only for text alerts, which carry no date.
///
/// # Errors
/// [`Reject`] when the record is no alert.
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
        Some(b'{') => Ok(then(Record { event: decode(&line)?, line: one_line(&line) })),
        Some(_) => match text::decode(&line, now) {
            Some(event) => {
                let line = text::as_json(&event).into();
                Ok(then(Record { event, line }))
            }
            None => Err(no_object(&line)),
        },
    }
}

/// Why what does not begin as an object is no alert. Log lines begin with brackets, too.
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

pub(super) fn decode(line: &str) -> Result<Event<'_>, Reject> {
    let mut found = Found::default();
    let mut scanner = Scanner::new(line);
    scanner
        .members(|key, scanner| found.take(&key, scanner))
        .and_then(|()| scanner.end())
        .map_err(|Malformed { at }| Reject::Malformed { column: at + 1 })?;
    found.into_event()
}

/// Of an alert's JSON line its text, and those output fields whose names are `wanted`. The rest is
/// stepped over and not looked at: for lines that were read as a whole before.
///
/// # Errors
/// When the line is no JSON object.
pub fn part<'a>(line: &'a str, wanted: impl Fn(&str) -> bool) -> Result<Part<'a>, Reject> {
    let mut scanner = Scanner::new(line);
    let (mut output, mut message, mut fields) = (None, None, Fields::new());
    let members = scanner.members(|key, scanner| {
        match &*key {
            "output" => output = scanner.value()?.into_text(),
            "message" => message = scanner.value()?.into_text(),
            "output_fields" => {
                // Of a key that comes twice the last counts.
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

/// Some of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// The alert as a line of text.
    pub output: Cow<'a, str>,
    /// Output fields that were wanted, in the record's order.
    pub fields: Fields<'a>,
}

/// A record's known keys; of a key that comes twice the last counts, as in most JSON readers.
#[derive(Default)]
struct Found<'a> {
    hostname: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    output: Option<Cow<'a, str>>,
    output_fields: Fields<'a>,
    /// What there is for `output_fields` is neither an object nor null.
    no_fields: bool,
    priority: Option<Cow<'a, str>>,
    rule: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    tags: Vec<Cow<'a, str>>,
    time: Option<Cow<'a, str>>,
}

impl<'a> Found<'a> {
    fn take(&mut self, key: &str, scanner: &mut Scanner<'a>) -> Result<(), Malformed> {
        let text = match key {
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
        /// Rules name a dozen fields or two; growing to that in steps costs more than the room.
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

    /// What is not a list of strings has no tags, and that is no reason to lose the alert.
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

    fn into_event(mut self) -> Result<Event<'a>, Reject> {
        let missing = |key| Reject::Incomplete { key };
        let rule = self.rule.ok_or(missing("rule"))?;
        let priority =
            self.priority.and_then(|name| Priority::parse(&name)).ok_or(missing("priority"))?;
        let time = self.time.and_then(|time| Time::parse(&time)).ok_or(missing("time"))?;
        if self.no_fields {
            return Err(missing("output_fields"));
        }
        let source = self
            .source
            .filter(|source| !source.is_empty())
            .unwrap_or_else(|| implied_source(&rule, &self.output_fields).into());
        // Sorted, each once, as Falco's `std::set` had them.
        self.tags.sort_unstable();
        self.tags.dedup();
        Ok(Event {
            time,
            priority,
            source,
            hostname: self.hostname.filter(|name| !name.is_empty()),
            output: self.output.or(self.message).unwrap_or_default(),
            tags: self.tags,
            fields: self.output_fields,
            rule,
        })
    }
}

/// The source where the record does not say: Falco wrote it since 0.30 for rules, 0.35 for its
/// own alerts.
fn implied_source(rule: &str, fields: &Fields<'_>) -> &'static str {
    if rule.starts_with(INTERNAL_RULE) {
        INTERNAL
    } else if fields.iter().any(|(name, _)| name == "jevt.time" || name == "jevt.time.iso8601") {
        "k8s_audit"
    } else {
        "syscall"
    }
}

/// The record as one line: raw line breaks can only stand between JSON's tokens, where a space
/// means the same.
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
        fn any_bytes_are_read_or_refused(record in prop::collection::vec(any::<u8>(), 0..200)) {
            crate::fuzzing::falco_line(&record);
        }

        #[test]
        fn any_json_like_text_is_read_or_refused(
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
