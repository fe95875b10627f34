//! Parses the formats of time in envelopes. An envelope with an invalid time is opened as one
//! without a time.

use jiff::{Timestamp, ZonedDateTime, civil};

use crate::event::Time;

/// Parses RFC 3339: `2026-01-30T10:00:00.123456789Z`, with up to nine digits, and any offset, with
/// or without its colon.
pub(super) fn rfc3339(text: &[u8]) -> Option<Time> {
    let text = str::from_utf8(text).ok()?;
    // Shorter and longer texts are something else. jiff would accept a space in place of the `T`.
    let usual = (19..=40).contains(&text.len()) && text.as_bytes().get(10) == Some(&b'T');
    usual.then(|| text.parse::<Timestamp>().ok().map(Time::from)).flatten()
}

/// Parses the time since 1970, a decimal number in seconds, or in milli-, micro- or nanoseconds.
/// Its length tells the unit.
pub(super) fn epoch(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let per_second: i64 = match whole.len() {
        ..=11 => 1,
        13 => 1_000,
        16 => 1_000_000,
        19 => 1_000_000_000,
        _ => return None,
    };
    let whole: i64 = whole.parse().ok()?;
    let nanos = if per_second == 1 {
        let nanos: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        nanos.parse().ok()?
    } else {
        whole % per_second * (1_000_000_000 / per_second)
    };
    Timestamp::new(whole / per_second, i32::try_from(nanos).ok()?).ok().map(Time::from)
}

/// Parses `Jan 30 10:00:00` (RFC 3164, section 4.1.2), a local time. The year is the one that puts
/// it nearest to `now`.
pub(super) fn without_year(month: usize, rest: &str, now: &ZonedDateTime) -> Option<Time> {
    let (day, clock) = rest.trim_ascii_start().split_once(' ')?;
    let clock: civil::Time = clock.parse().ok()?;
    let (month, day) = (i8::try_from(month).ok()?, day.parse().ok()?);
    (-1..=1)
        .filter_map(|years| {
            let date = civil::Date::new(now.year() + years, month, day).ok()?;
            date.to_datetime(clock).to_zoned_datetime(now.time_zone().clone()).ok()
        })
        .min_by_key(|candidate| candidate.duration_until(now).abs())
        .map(|nearest| nearest.timestamp().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(time: Option<Time>) -> String {
        time.map_or_else(|| "-".to_owned(), |time| time.to_string())
    }

    #[test]
    fn words_and_numbers() {
        for (text, expected) in [
            ("2016-10-06T00:17:09.669794202Z", "2016-10-06T00:17:09.669794202Z"),
            ("2026-01-30T11:00:00.5+01:00", "2026-01-30T10:00:00.500000000Z"),
            ("2026-01-30T10:00:00+0000", "2026-01-30T10:00:00.000000000Z"),
            ("2026-01-30T10:00:00", "-"),
            ("2026-01-30 10:00:00Z", "-"),
            ("", "-"),
        ] {
            assert_eq!(shown(rfc3339(text.as_bytes())), expected, "{text}");
        }
        for (text, expected) in [
            ("1769767200", "2026-01-30T10:00:00.000000000Z"),
            ("1769767200.123456", "2026-01-30T10:00:00.123456000Z"),
            ("1769767200123", "2026-01-30T10:00:00.123000000Z"),
            ("1769767200123456", "2026-01-30T10:00:00.123456000Z"),
            ("1769767200123456789", "2026-01-30T10:00:00.123456789Z"),
            ("99999999999999999999", "-"),
            ("17697672001234", "-"),
            ("-1", "-"),
            ("1e9", "-"),
            (".5", "-"),
            ("", "-"),
        ] {
            assert_eq!(shown(epoch(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_year_is_the_nearest() {
        let now: ZonedDateTime = "2026-01-02T00:00:00+01:00[Europe/Berlin]".parse().unwrap();
        for (month, rest, expected) in [
            (12, "31 23:59:59", "2025-12-31T22:59:59.000000000Z"),
            (1, " 3 10:00:00.5", "2026-01-03T09:00:00.500000000Z"),
            (2, "29 10:00:00", "-"),
            (2, "29", "-"),
            (13, "1 10:00:00", "-"),
        ] {
            assert_eq!(shown(without_year(month, rest, &now)), expected, "{month} {rest}");
        }
    }
}
