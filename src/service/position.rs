//! Parses the metadata that says where a call starts to read. All keys are optional.
//!
//! | key | value |
//! |---|---|
//! | `falconer-group` | a name; the default is `default` |
//! | `falconer-after` | a cursor: start after that alert |
//! | `falconer-since` | a time (RFC 3339) or an age (`90s`, `10m`, `24h`, `7d`) |
//! | `falconer-last` | a number: start with that many of the newest alerts |
//! | `falconer-filter` | a condition ([`crate::filter`]): only alerts that match |
//!
//! A call may have one of `after`, `since` and `last`. A call with one of them, or with a filter,
//! moves no group's position, unless it also names a group. A filter alone starts with the oldest
//! retained alert. A value that does not parse, or an unknown key with the prefix, is
//! INVALID_ARGUMENT, because the client would otherwise get other alerts than it asked for.

use http::HeaderMap;

use crate::event::Time;
use crate::grpc::{Code, Status};
use crate::hub::{DEFAULT_GROUP, GroupError, Hub};
use crate::query::{self, Filters, PositionError, Prepared, Unprepared};

/// Where a call starts, and which group's position it moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// At the position of a group, which moves.
    Group(String),
    /// At a sequence number. Moves the position of `group`, if the call names one.
    At { sequence: u64, group: Option<String> },
}

/// The prefix of all keys.
const PREFIX: &str = "falconer-";
const GROUP: &str = "falconer-group";
const AFTER: &str = "falconer-after";
const SINCE: &str = "falconer-since";
const LAST: &str = "falconer-last";
pub(super) const FILTER: &str = "falconer-filter";

impl Position {
    pub(super) fn of(metadata: &HeaderMap, hub: &Hub, now: Time) -> Result<Self, Status> {
        if let Some(key) = metadata.keys().find(|key| is_unknown(key.as_str())) {
            return Err(invalid(format!(
                "unknown key {key}; the keys are {GROUP}, {AFTER}, {SINCE}, {LAST} and {FILTER}"
            )));
        }
        let group = text(metadata, GROUP)?;
        let starts = [
            text(metadata, AFTER)?.map(|value| named(AFTER, query::after(value, hub))),
            text(metadata, SINCE)?
                .map(|value| named(SINCE, query::time(value, now)).map(|time| hub.since(time))),
            text(metadata, LAST)?.map(|value| named(LAST, query::last(value, hub))),
        ];
        let mut starts = starts.into_iter().flatten();
        let position = match (starts.next(), starts.next()) {
            // A reader also reads the alerts that do not match. It must not claim these from a
            // group that shares its alerts, so it gets a cursor of its own.
            (None, _) if metadata.contains_key(FILTER) => {
                let sequence = match group {
                    Some(name) => hub.group(name).map_err(|error| group_status(&error))?,
                    None => hub.oldest(),
                };
                Self::At { sequence, group: group.map(str::to_owned) }
            }
            (None, _) => Self::Group(group.unwrap_or(DEFAULT_GROUP).to_owned()),
            (Some(sequence), None) => {
                Self::At { sequence: sequence?, group: group.map(str::to_owned) }
            }
            (Some(_), Some(_)) => {
                return Err(invalid(format!(
                    "more than one of {AFTER}, {SINCE} and {LAST} is set; use only one"
                )));
            }
        };
        if let Self::Group(name) | Self::At { group: Some(name), .. } = &position {
            hub.group(name).map_err(|error| group_status(&error))?;
        }
        Ok(position)
    }
}

/// Returns the text of the call's filter. `None` is all alerts.
pub(super) fn filter(metadata: &HeaderMap) -> Result<Option<&str>, Status> {
    text(metadata, FILTER)
}

/// Compiles the filter that is the value of `key`.
///
/// # Errors
/// INVALID_ARGUMENT if `text` is no filter, RESOURCE_EXHAUSTED if all filters together are too
/// large, INTERNAL if compiling fails.
pub(super) async fn prepared(key: &str, filters: &Filters, text: &str) -> Result<Prepared, Status> {
    filters.prepare(text).await.map_err(|error| {
        let code = match error {
            Unprepared::Syntax(_) => Code::InvalidArgument,
            Unprepared::Full { .. } => Code::ResourceExhausted,
            Unprepared::Failed => Code::Internal,
        };
        Status::new(code, format!("{key}: {error}"))
    })
}

/// Rejects all keys, for a method that has its options in the request.
pub(super) fn none(metadata: &HeaderMap) -> Result<(), Status> {
    match metadata.keys().find(|key| key.as_str().starts_with(PREFIX)) {
        None => Ok(()),
        Some(key) => Err(invalid(format!(
            "{key} is for falco.outputs.service; use the fields of this method's request: filter, \
             after, since, last, until, follow, limit, fields"
        ))),
    }
}

/// Whether a key has Falconer's prefix and does not exist.
fn is_unknown(key: &str) -> bool {
    key.starts_with(PREFIX) && ![GROUP, AFTER, SINCE, LAST, FILTER].contains(&key)
}

pub(super) fn group_status(error: &GroupError) -> Status {
    let code = match error {
        GroupError::Name => Code::InvalidArgument,
        GroupError::TooMany => Code::ResourceExhausted,
    };
    Status::new(code, format!("{GROUP}: {error}"))
}

pub(super) fn invalid(message: String) -> Status {
    Status::new(Code::InvalidArgument, message)
}

fn text<'a>(metadata: &'a HeaderMap, key: &str) -> Result<Option<&'a str>, Status> {
    let mut values = metadata.get_all(key).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(|value| Some(value.trim()))
            .map_err(|_| invalid(format!("{key}: must be visible ASCII"))),
        (Some(_), Some(_)) => Err(invalid(format!("{key}: set more than once"))),
    }
}

/// Turns an error of a key's value into a status that names the key.
pub(super) fn named<T>(key: &str, read: Result<T, PositionError>) -> Result<T, Status> {
    read.map_err(|error| {
        let code = match error {
            PositionError::EarlierRun { .. } | PositionError::NotYet(_) => Code::OutOfRange,
            _ => Code::InvalidArgument,
        };
        Status::new(code, format!("{key}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::event::{self, Origin};
    use crate::hub::{Batch, Config, Epoch};

    /// Ten alerts, one a minute from 10:00 on.
    fn hub() -> Hub {
        let hub = Hub::new(Config::default(), Epoch::new(0xabc));
        let mut batch = Batch::default();
        for minute in 0..10 {
            let line = format!(
                r#"{{"rule":"r","priority":"Error","time":"2026-01-30T10:{minute:02}:00Z"}}"#
            );
            event::read(
                line.as_bytes(),
                || unreachable!(),
                |r| batch.push(&r.event, &r.line, &Origin::utc("")),
            )
            .unwrap();
        }
        hub.append(&mut batch);
        hub
    }

    fn position(pairs: &[(&'static str, &str)]) -> Result<Position, Code> {
        let mut metadata = HeaderMap::new();
        for (key, value) in pairs {
            metadata.append(*key, value.parse().unwrap());
        }
        let now = Time::from("2026-01-30T10:09:30Z".parse::<Timestamp>().unwrap());
        Position::of(&metadata, &hub(), now).map_err(|status| status.code())
    }

    fn at(sequence: u64) -> Result<Position, Code> {
        Ok(Position::At { sequence, group: None })
    }

    #[test]
    fn every_key() {
        assert_eq!(position(&[]), Ok(Position::Group("default".into())));
        assert_eq!(position(&[(GROUP, "siem")]), Ok(Position::Group("siem".into())));
        assert_eq!(position(&[(AFTER, "abc.4")]), at(5));
        assert_eq!(position(&[(SINCE, "2026-01-30T10:03:30Z")]), at(5));
        assert_eq!(position(&[(SINCE, "2026-01-30T11:03:30+01:00")]), at(5));
        assert_eq!(position(&[(SINCE, "90s")]), at(9));
        assert_eq!(position(&[(SINCE, "2h")]), at(1));
        assert_eq!(position(&[(SINCE, "2d")]), at(1));
        assert_eq!(position(&[(LAST, "3")]), at(8));
        assert_eq!(position(&[(LAST, "0")]), at(11));
        assert_eq!(position(&[(LAST, "100")]), at(1));
        assert_eq!(
            position(&[(LAST, "3"), (GROUP, "siem")]),
            Ok(Position::At { sequence: 8, group: Some("siem".into()) })
        );
    }

    #[test]
    fn invalid_values_are_rejected() {
        for pairs in [
            [(AFTER, "4")],
            [(AFTER, "abc")],
            [(SINCE, "yesterday")],
            [(SINCE, "10")],
            [(SINCE, "-10m")],
            [(SINCE, "99999999999999999999d")],
            [(LAST, "-1")],
            [(LAST, "many")],
            [(GROUP, "a b")],
            [(GROUP, "")],
            [("falconer-grop", "siem")],
        ] {
            assert_eq!(position(&pairs), Err(Code::InvalidArgument), "{pairs:?}");
        }
        assert_eq!(position(&[(LAST, "1"), (SINCE, "1m")]), Err(Code::InvalidArgument));
        assert_eq!(position(&[(LAST, "1"), (LAST, "2")]), Err(Code::InvalidArgument));
        assert_eq!(position(&[(AFTER, "def.4")]), Err(Code::OutOfRange));
        assert_eq!(position(&[(AFTER, "abc.11")]), Err(Code::OutOfRange));
    }

    #[test]
    fn a_call_with_a_filter_has_its_own_cursor() {
        let at = |sequence, group: Option<&str>| {
            Ok(Position::At { sequence, group: group.map(str::to_owned) })
        };
        assert_eq!(position(&[(FILTER, "rule = x")]), at(1, None));
        assert_eq!(position(&[(FILTER, "rule = x"), (GROUP, "siem")]), at(1, Some("siem")));
        assert_eq!(position(&[(FILTER, "rule = x"), (LAST, "2")]), at(9, None));
    }

    #[tokio::test]
    async fn a_filter_is_compiled_or_rejected_with_a_column() {
        let mut metadata = HeaderMap::new();
        metadata.insert(FILTER, "priority >= warning".parse().unwrap());
        let (text, filters) = (filter(&metadata).unwrap().unwrap(), Filters::default());
        let read = prepared(FILTER, &filters, text).await.unwrap();
        assert_eq!(read.to_string(), "priority >= warning");
        let wrong = prepared(FILTER, &filters, "proc.name = cat and (").await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument);
        assert!(wrong.message().starts_with("falconer-filter: column 22"), "{}", wrong.message());
    }
}
