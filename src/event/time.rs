//! Points in time in the range of protobuf, and Falco's notations for them.

use std::time::Duration;

use jiff::civil;
use jiff::{Timestamp, ZonedDateTime};

/// A point in time between the years 1 and 9999, to the nanosecond: the range of
/// `google.protobuf.Timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    seconds: i64,
    nanos: u32,
}

/// 0001-01-01T00:00:00Z, the first second of a protobuf timestamp.
const FIRST_SECOND: i64 = -62_135_596_800;

impl Time {
    /// The earliest time.
    pub const FIRST: Self = Self { seconds: FIRST_SECOND, nanos: 0 };

    /// Returns the whole seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds after [`Self::seconds`], 0 to 999,999,999.
    #[must_use]
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// Returns the time `age` earlier, in whole seconds, but not before the year 1.
    #[must_use]
    pub fn before(self, age: Duration) -> Self {
        let seconds = self.seconds.saturating_sub_unsigned(age.as_secs()).max(FIRST_SECOND);
        Self { seconds, nanos: self.nanos }
    }

    /// Parses RFC 3339. Falco's JSON has nine digits and `Z`; other producers write fewer digits
    /// and any offset.
    ///
    /// A time without an offset is UTC. Fraction digits after the ninth are dropped.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let strict = text.parse::<Timestamp>().ok();
        strict.or_else(|| rfc_3339(text)?.parse().ok()).and_then(Self::new)
    }

    /// Parses a time that a person typed or copied:
    ///
    /// - RFC 3339 with or without seconds, fraction and offset, with `T` or a blank between date
    ///   and time. Without an offset it is UTC. A blank before the offset is a `+` that a URL
    ///   decoded.
    /// - A date, which means its midnight in UTC.
    /// - A number of seconds, milliseconds, microseconds or nanoseconds since 1970, with 10, 13, 16
    ///   or 19 digits. `evt.rawtime` has 19.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        const DATE: usize = "2026-01-30".len();
        let text = text.trim();
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let zeros = match text.len() {
                10 | 13 | 16 | 19 => 19 - text.len(),
                _ => return None,
            };
            let nanoseconds = format!("{text}{}", "0".repeat(zeros)).parse().ok()?;
            return Timestamp::from_nanosecond(nanoseconds).ok().and_then(Self::new);
        }
        if text.len() == DATE {
            return Self::parse(&format!("{text}T00:00Z"));
        }
        Self::parse(text)
    }

    /// Parses `HH:MM:SS.nnnnnnnnn`, the local time at the start of Falco's text alerts. They carry
    /// no date, so this takes the date that puts the alert nearest to `now`, in `now`'s time zone.
    pub(super) fn parse_clock(text: &str, now: &ZonedDateTime) -> Option<Self> {
        let clock: civil::Time = text.parse().ok()?;
        let today = now.date();
        [today.yesterday().ok(), Some(today), today.tomorrow().ok()]
            .into_iter()
            .flatten()
            .filter_map(|date| {
                date.to_datetime(clock).to_zoned_datetime(now.time_zone().clone()).ok()
            })
            .min_by_key(|candidate| candidate.duration_until(now).abs())
            .and_then(|nearest| Self::new(nearest.timestamp()))
    }

    fn new(timestamp: Timestamp) -> Option<Self> {
        let nanos = timestamp.as_nanosecond();
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
        let nanos = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
        (seconds >= FIRST_SECOND).then_some(Self { seconds, nanos })
    }
}

impl From<Timestamp> for Time {
    /// Times before the year 1 become [`Time::FIRST`].
    fn from(timestamp: Timestamp) -> Self {
        Self::new(timestamp).unwrap_or(Self::FIRST)
    }
}

impl std::fmt::Display for Time {
    /// Writes RFC 3339 in UTC with nine digits, as Falco's JSON does.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = i32::try_from(self.nanos).unwrap_or_default();
        match Timestamp::new(self.seconds, nanos) {
            Ok(timestamp) => write!(formatter, "{timestamp:.9}"),
            Err(_) => formatter.write_str("0001-01-01T00:00:00.000000000Z"),
        }
    }
}

/// Adds what [`Time::parse`] does not require, and drops what it ignores.
fn rfc_3339(text: &str) -> Option<String> {
    const NINE: usize = ".123456789".len();
    let (date, time) = text.split_at_checked("2026-01-30".len())?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let is_clock = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.');
    let (clock, offset) = time.split_at(time.find(|c| !is_clock(c)).unwrap_or(time.len()));
    let (whole, fraction) = clock.split_at(clock.find('.').unwrap_or(clock.len()));
    let fraction = fraction.get(..NINE).unwrap_or(fraction);
    let offset = match offset.strip_prefix(' ') {
        Some(ahead) => format!("+{ahead}"),
        None if offset.is_empty() => "Z".to_owned(),
        None => offset.to_owned(),
    };
    Some(format!("{date}T{whole}{fraction}{offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_parses_to_the_nanosecond() {
        for (text, seconds, nanos) in [
            ("2016-08-04T16:17:57.881781397Z", 1_470_327_477, 881_781_397),
            ("2026-01-30T10:00:00Z", 1_769_767_200, 0),
            ("2026-01-30T10:00:00.5+02:00", 1_769_760_000, 500_000_000),
            ("2016-08-04T16:17:57.881781397+0000", 1_470_327_477, 881_781_397),
            ("1969-12-31T23:59:59.999999999Z", -1, 999_999_999),
            ("0001-01-01T00:00:00Z", FIRST_SECOND, 0),
            ("9999-12-30T21:59:59Z", 253_402_207_199, 0),
        ] {
            assert_eq!(Time::parse(text), Some(Time { seconds, nanos }), "{text}");
        }
    }

    #[test]
    fn times_that_people_have_at_hand_are_read() {
        let (seconds, nanos) = (1_769_767_200, 0);
        for (text, expected) in [
            ("2026-01-30T10:00:00", (seconds, nanos)),
            ("2026-01-30T10:00", (seconds, nanos)),
            ("2026-01-30 10:00:00", (seconds, nanos)),
            (" 2026-01-30 10:00Z ", (seconds, nanos)),
            ("2026-01-30t10:00:00z", (seconds, nanos)),
            ("2026-01-30T12:00:00 02:00", (seconds, nanos)),
            ("2026-01-30T12:00:00 0200", (seconds, nanos)),
            ("2026-01-30 12:00:00+02:00", (seconds, nanos)),
            ("2026-01-30T12:00+02", (seconds, nanos)),
            ("2026-01-30T10:00:00.123456789123Z", (seconds, 123_456_789)),
            ("2026-01-30", (seconds - 36_000, nanos)),
            ("1769767200", (seconds, nanos)),
            ("1769767200123", (seconds, 123_000_000)),
            ("1769767200123456", (seconds, 123_456_000)),
            ("1769767200123456789", (seconds, 123_456_789)),
        ] {
            let got = Time::read(text).map(|time| (time.seconds, time.nanos));
            assert_eq!(got, Some(expected), "{text}");
        }
        let none = ["", "now", "10:00", "2026-13-01", "2026-01-30T", "17697672001", "-2026-01-30"];
        let none =
            none.into_iter().chain(["2026-01-30T25:00", "2026-01-30T10:00:00 x", "\u{2460}"]);
        for text in none {
            assert_eq!(Time::read(text), None, "{text}");
        }
    }

    #[test]
    fn times_outside_protobufs_range_are_rejected() {
        for text in
            ["", "now", "2016-08-04", "16:17:57", "0000-12-31T23:59:59Z", "-001000-01-01T00:00Z"]
        {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_a_date_gets_the_nearest_date() {
        for (clock, now, expected) in [
            ("23:59:59.000000001", "2026-02-01T00:00:02[UTC]", "2026-01-31T23:59:59.000000001Z"),
            ("00:00:01.5", "2026-01-31T23:59:58[UTC]", "2026-02-01T00:00:01.500000000Z"),
            ("12:00:00.0", "2026-07-01T12:00:01[Europe/Paris]", "2026-07-01T10:00:00.000000000Z"),
        ] {
            let now: ZonedDateTime = now.parse().unwrap();
            let time = Time::parse_clock(clock, &now).unwrap();
            assert_eq!(time.to_string(), expected, "{clock}");
        }
    }
}
