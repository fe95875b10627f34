//! Parses positions in the log: cursors, times, ages and numbers of alerts.

use std::time::Duration;

use crate::event::Time;
use crate::hub::{Cursor, Hub, NotACursor};

/// A text is not a position in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// It is neither a time nor an age.
    #[error(
        "{0:?} is neither a time such as 2026-01-30T18:00:00Z nor an age such as 90s, 10m, 24h or 7d"
    )]
    Time(String),
    /// It is not a number.
    #[error("{0:?} is not a number of alerts")]
    Number(String),
    /// It is not a cursor.
    #[error("{0:?} is {1}")]
    Cursor(String, NotACursor),
    /// The cursor is of another run.
    #[error(
        "{cursor} belongs to an earlier run of the server, whose alerts are gone; leave the key \
         out to start with the oldest retained alert, {oldest}"
    )]
    EarlierRun {
        /// The cursor in the request.
        cursor: Cursor,
        /// The oldest retained alert, or the next alert if there is none.
        oldest: Cursor,
    },
    /// The cursor is ahead of the log.
    #[error("there is no alert {0} yet")]
    NotYet(Cursor),
}

/// Returns the sequence number after the alert with this cursor.
///
/// # Errors
/// If `text` is not a cursor of this run, or is ahead of the log.
pub fn after(text: &str, hub: &Hub) -> Result<u64, PositionError> {
    let cursor = cursor(text, hub)?;
    if cursor.sequence >= hub.head() {
        return Err(PositionError::NotYet(cursor));
    }
    Ok(cursor.sequence + 1)
}

/// Returns the sequence number of the alert with this cursor, which may be ahead of the log.
///
/// # Errors
/// If `text` is not a cursor of this run.
pub fn before(text: &str, hub: &Hub) -> Result<u64, PositionError> {
    cursor(text, hub).map(|cursor| cursor.sequence)
}

fn cursor(text: &str, hub: &Hub) -> Result<Cursor, PositionError> {
    let cursor: Cursor =
        text.parse().map_err(|error| PositionError::Cursor(text.to_owned(), error))?;
    if cursor.epoch != hub.epoch() {
        return Err(PositionError::EarlierRun { cursor, oldest: hub.cursor(hub.oldest()) });
    }
    Ok(cursor)
}

/// Returns the sequence number of the first of the newest alerts, as many as `text` says.
///
/// # Errors
/// If `text` is not a number.
pub fn last(text: &str, hub: &Hub) -> Result<u64, PositionError> {
    let count: u64 = text.parse().map_err(|_| PositionError::Number(text.to_owned()))?;
    Ok(hub.head().saturating_sub(count).max(hub.oldest()))
}

/// Parses a time, as [`Time::read`] does, or an age before `now`.
///
/// # Errors
/// If `text` is neither.
pub fn time(text: &str, now: Time) -> Result<Time, PositionError> {
    let time = age(text).map(|age| now.before(age)).or_else(|| Time::read(text));
    time.ok_or_else(|| PositionError::Time(text.to_owned()))
}

/// Parses an age: `90s`, `10m`, `24h`, `7d`.
fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}
