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
        Self::of_falco(text).or_else(|| {
            let strict = text.parse::<Timestamp>().ok();
            strict.or_else(|| rfc_3339(text)?.parse().ok()).and_then(Self::new)
        })
    }

    /// Parses exactly Falco's form, `2016-08-04T16:17:57.881781397Z`, in a fifth of the time: every
    /// alert has one. Leap seconds are left to [`Self::parse`].
    fn of_falco(text: &str) -> Option<Self> {
        let text: &[u8; 30] = text.as_bytes().try_into().ok()?;
        let [
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T',
            h0,
            h1,
            b':',
            i0,
            i1,
            b':',
            s0,
            s1,
            b'.',
            fraction @ ..,
            b'Z',
        ] = text
        else {
            return None;
        };
        let number = |digits: &[&u8]| {
            digits.iter().try_fold(0_u32, |number, digit| {
                digit.is_ascii_digit().then(|| number * 10 + u32::from(**digit - b'0'))
            })
        };
        let (year, month) = (number(&[y0, y1, y2, y3])?, number(&[m0, m1])?);
        let (day, hour) = (number(&[d0, d1])?, number(&[h0, h1])?);
        let (minute, second) = (number(&[i0, i1])?, number(&[s0, s1])?);
        let nanos = fraction.iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(*digit - b'0'))
        })?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if year == 0 || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Days since 1970-01-01. The year begins in March, so that a leap day is its last day.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let of_years = 365 * year + year / 4 - year / 100 + year / 400;
        let days = i64::from(of_years + (153 * month + 2) / 5 + day) - 719_469;
        let of_day = i64::from(hour * 3_600 + minute * 60 + second);
        Some(Self { seconds: days * 86_400 + of_day, nanos })
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

    proptest::proptest! {
        #[test]
        fn falcos_form_is_read_as_jiff_reads_it(
            seconds in FIRST_SECOND..253_402_207_199, nanos in 0_i32..1_000_000_000,
            at in 0_usize..30, byte in b' '..b'z',
        ) {
            let timestamp = Timestamp::new(seconds, nanos).unwrap();
            let mut text = format!("{timestamp:.9}");
            proptest::prop_assert_eq!(Time::of_falco(&text), Time::new(timestamp));
            // One wrong byte. What is read is what jiff reads.
            text.replace_range(at..=at, &char::from(byte).to_string());
            if let Some(read) = Time::of_falco(&text) {
                proptest::prop_assert_eq!(Some(read), Time::new(text.parse().unwrap()));
            }
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
