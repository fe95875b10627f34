//! Output fields that hold the event's time, as Falco showed them over gRPC.
//!
//! Falco's JSON has these fields as nanoseconds, its gRPC had them as text in Falco's time zone
//! (`sinsp_filter_check_gen_event`, Falco 0.43.1).
//!
//! 1. The offset of that zone is read from the prefix of the alert's text, which Falco formats in
//!    the same zone. Without a prefix it is that of [`Origin::zone`].
//! 2. The prefix also puts its own field into the JSON: `evt.time`, or `evt.time.iso8601` with
//!    `time_format_iso_8601`. Falco did not show that one over gRPC. The rule named the field as well
//!    if its text occurs again after the prefix; else it is left out.
//! 3. Nanoseconds are padded to nine digits where libsinsp does that.
//!
//! [`Origin::zone`]: super::Origin::zone

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};
use memchr::memmem;

use super::json::Value;
use super::{Event, Time};

/// What the text of an alert begins with, without `time_format_iso_8601` and with it.
const PREFIX_FIELDS: [&str; 2] = [CLOCK, ISO_8601];
const CLOCK: &str = "evt.time";
const ISO_8601: &str = "evt.time.iso8601";

/// `HH:MM:SS.nnnnnnnnn`
const CLOCK_LENGTH: usize = 18;
/// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+HHMM`
const ISO_8601_LENGTH: usize = 34;

/// `PF_10_PADDED_DEC` in libsinsp.
const PADDED: [&str; 5] =
    ["evt.rawtime.ns", "evt.reltime", "evt.reltime.ns", "evt.latency.ns", "evt.deltatime.ns"];

/// How a field of an alert is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    /// As any other field.
    AsUsual,
    /// As this text.
    Text(Cow<'a, str>),
    /// Not at all: only the prefix named it.
    LeftOut,
}

/// How the field `name` of a rule's alert is shown.
pub(super) fn shown<'a>(
    name: &str,
    value: &Value<'a>,
    event: &Event<'_>,
    zone: &TimeZone,
) -> Shown<'a> {
    if !name.starts_with("evt.") {
        return Shown::AsUsual;
    }
    let Value::Plain(number) = value else {
        // Text, as `name: format` of append_output writes it, or nothing.
        return Shown::AsUsual;
    };
    if PADDED.contains(&name) {
        return match number.parse::<u64>() {
            Ok(nanoseconds) => Shown::Text(format!("{nanoseconds:09}").into()),
            Err(_) => Shown::AsUsual,
        };
    }
    let Some(form) = form(name) else { return Shown::AsUsual };
    let prefix = Prefix::of(event);
    if let Some(Prefix { field, time, rest }) = &prefix
        && *field == name
    {
        // Every alert of a rule comes by here.
        let mut again = memmem::find_iter(rest.as_bytes(), time.as_bytes());
        return match again.any(|at| !follows_date(rest, at)) {
            true => Shown::Text((*time).to_owned().into()),
            false => Shown::LeftOut,
        };
    }
    // Without a prefix in the text, it is `evt.time` unless the settings say otherwise.
    let alone = || super::field(&event.fields, CLOCK).is_none();
    if prefix.is_none() && (name == CLOCK || name == ISO_8601 && alone()) {
        return Shown::LeftOut;
    }
    let Some(time) = number.parse().ok().and_then(|nanos| Timestamp::from_nanosecond(nanos).ok())
    else {
        return Shown::AsUsual;
    };
    let offset = prefix.as_ref().and_then(|prefix| prefix.offset(event.time));
    let offset = offset.unwrap_or_else(|| zone.to_offset(time));
    Shown::Text(written(form, &time.to_zoned_datetime(TimeZone::fixed(offset))).into())
}

/// Whether what begins at `at` is the end of a date with a time, as `evt.datetime` has it.
fn follows_date(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(..at), Some([.., b'-', _, b'0'..=b'9', b' ' | b'T']))
}

/// `strftime`'s form of a field that is a point in time.
fn form(name: &str) -> Option<&'static str> {
    Some(match name {
        CLOCK => "%H:%M:%S.%9N",
        ISO_8601 => "%Y-%m-%dT%H:%M:%S.%9N%z",
        "evt.time.s" => "%H:%M:%S",
        "evt.datetime" => "%Y-%m-%d %H:%M:%S.%9N",
        "evt.datetime.s" => "%Y-%m-%d %H:%M:%S",
        _ => return None,
    })
}

fn written(form: &str, time: &ZonedDateTime) -> String {
    let mut text = String::new();
    // A form of ours, and a string: neither fails.
    let _ = write!(text, "{}", time.strftime(form));
    text
}

/// The time that an alert's text begins with.
struct Prefix<'a> {
    /// The field that it puts into the JSON.
    field: &'static str,
    time: &'a str,
    /// What follows it.
    rest: &'a str,
}

impl<'a> Prefix<'a> {
    fn of(event: &'a Event<'_>) -> Option<Self> {
        let lengths = [CLOCK_LENGTH, ISO_8601_LENGTH].into_iter();
        PREFIX_FIELDS.into_iter().zip(lengths).find_map(|(field, length)| {
            let (time, rest) = event.output.split_at_checked(length)?;
            let is_time = time.as_bytes().get(length - 1).is_some_and(u8::is_ascii_digit)
                && time.as_bytes().first().is_some_and(u8::is_ascii_digit);
            (is_time && rest.starts_with(": ")).then_some(Self { field, time, rest })
        })
    }

    /// How far from UTC the clock is that wrote it, if it wrote `time`.
    fn offset(&self, time: Time) -> Option<Offset> {
        const DAY: i64 = 24 * 60 * 60;
        /// The farthest east, in seconds: Kiribati.
        const EAST: i64 = 14 * 60 * 60;
        if self.field == ISO_8601 {
            let (hours, minutes) = self.time.get(CLOCK_LENGTH + 11..)?.split_at_checked(3)?;
            let seconds: i32 = hours.parse::<i32>().ok()? * 3600;
            let minutes = minutes.parse::<i32>().ok()? * 60;
            let minutes = if hours.starts_with('-') { -minutes } else { minutes };
            return Offset::from_seconds(seconds + minutes).ok();
        }
        let clock: jiff::civil::Time = self.time.parse().ok()?;
        if u32::try_from(clock.subsec_nanosecond()).ok()? != time.nanos() {
            return None;
        }
        let of_day = i64::from(clock.hour()) * 3600
            + i64::from(clock.minute()) * 60
            + i64::from(clock.second());
        let ahead = (of_day - time.seconds()).rem_euclid(DAY);
        let ahead = if ahead > EAST { ahead - DAY } else { ahead };
        // Offsets are whole quarters of an hour.
        (ahead % 900 == 0)
            .then(|| i32::try_from(ahead).ok().and_then(|a| Offset::from_seconds(a).ok()))?
    }
}
