//! Where a call starts to read, from its metadata. All keys are optional.
//!
//! | key | value |
//! |---|---|
//! | `falconer-group` | a name; without it the group is `default` |
//! | `falconer-after` | a cursor: start behind that alert |
//! | `falconer-since` | a time (RFC 3339) or an age (`90s`, `10m`, `24h`, `7d`) |
//! | `falconer-last` | a number: start that many alerts before the newest |
//! | `falconer-filter` | a condition ([`crate::filter`]): only alerts for which it holds |
//!
//! At most one of `after`, `since` and `last`. A call with one of them, or with a filter, is a reader
//! of its own: it moves no mark, unless it names a group as well. A filter alone starts with the
//! oldest alert kept. A value that does not parse, or a key of ours that does not exist, is
//! INVALID_ARGUMENT: a reader that gets other alerts than it asked for is worse off than one that
//! is told.

use http::HeaderMap;

use crate::event::Time;
use crate::grpc::{Code, Status};
use crate::hub::{DEFAULT_GROUP, GroupError, Hub};
use crate::query::{self, Filters, PositionError, Prepared, Unprepared};

/// Where a call starts, and whose mark it moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// At the mark of a group, moving it.
    Group(String),
    /// At a sequence number; moving a group's mark only where one was named.
    At { sequence: u64, group: Option<String> },
}

/// What all keys of ours begin with.
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
                "{key} is not known; there are {GROUP}, {AFTER}, {SINCE}, {LAST} and {FILTER}"
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
            // What does not pass is read all the same: that must not take it from others of a group
            // that shares its alerts.
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
                    "only one of {AFTER}, {SINCE} and {LAST} can be given"
                )));
            }
        };
        if let Self::Group(name) | Self::At { group: Some(name), .. } = &position {
            hub.group(name).map_err(|error| group_status(&error))?;
        }
        Ok(position)
    }
}

/// Which alerts a call wants, as text; `None` is all.
pub(super) fn filter(metadata: &HeaderMap) -> Result<Option<&str>, Status> {
    text(metadata, FILTER)
}

/// The filter that a key's value says, or what is wrong with it.
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

/// Refuses what a method would not honour that is asked in its request.
pub(super) fn none(metadata: &HeaderMap) -> Result<(), Status> {
    match metadata.keys().find(|key| key.as_str().starts_with(PREFIX)) {
        None => Ok(()),
        Some(key) => Err(invalid(format!(
            "{key} is for falco.outputs.service; this method is asked in its request: filter, \
             after, since, last, until, follow, limit, fields"
        ))),
    }
}

/// A key that is meant for us and says nothing to us.
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
            .map_err(|_| invalid(format!("{key}: not visible ASCII"))),
        (Some(_), Some(_)) => Err(invalid(format!("{key}: given more than once"))),
    }
}

/// What a key's value was read as, or what is wrong with it.
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
    fn what_does_not_parse_is_refused() {
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
    fn a_filter_makes_a_reader_of_its_own() {
        let at = |sequence, group: Option<&str>| {
            Ok(Position::At { sequence, group: group.map(str::to_owned) })
        };
        assert_eq!(position(&[(FILTER, "rule = x")]), at(1, None));
        assert_eq!(position(&[(FILTER, "rule = x"), (GROUP, "siem")]), at(1, Some("siem")));
        assert_eq!(position(&[(FILTER, "rule = x"), (LAST, "2")]), at(9, None));
    }

    #[tokio::test]
    async fn a_filter_is_read_or_refused_with_its_column() {
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
