//! Formats output fields with the event's time as Falco did over gRPC.
//!
//! Falco's JSON has these fields in nanoseconds. Its gRPC API had them as text in Falco's time zone
//! (`sinsp_filter_check_gen_event`, Falco 0.43.1).
//!
//! 1. The offset of that zone comes from the prefix of the alert's text, which Falco formats in the
//!    same zone. Without a prefix it comes from [`Origin::zone`].
//! 2. The prefix also adds its own field to the JSON: `evt.time`, or `evt.time.iso8601` with
//!    `time_format_iso_8601`. Over gRPC, Falco sent this field only if the rule also names it. That
//!    is the case if its text occurs again after the prefix. Otherwise it is left out.
//! 3. Nanoseconds are padded to nine digits in the fields in which libsinsp pads them.
//!
//! [`Origin::zone`]: super::Origin::zone

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};

use super::json::Value;
use super::{Event, Time};

/// The field of the prefix of an alert's text, without and with `time_format_iso_8601`.
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

/// The gRPC form of a field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    /// The same as of any other field.
    AsUsual,
    /// This text.
    Text(Cow<'a, str>),
    /// No field, because only the prefix names it.
    LeftOut,
}

/// Returns the gRPC form of the field `name` of an alert.
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
        // Text, which `name: format` of append_output writes, or no value.
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
        return match names_again(rest, time) {
            true => Shown::Text((*time).to_owned().into()),
            false => Shown::LeftOut,
        };
    }
    // Without a prefix in the text, the prefix's field is `evt.time`, Falco's default, or
    // `evt.time.iso8601` if there is no `evt.time`.
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

/// Whether the text has `time` again, other than as part of `evt.datetime`. This runs for every
/// alert. A text has few colons, and a search for them needs no preparation.
fn names_again(text: &str, time: &str) -> bool {
    let Some(before) = memchr::memchr(b':', time.as_bytes()) else { return false };
    memchr::memchr_iter(b':', text.as_bytes()).any(|colon| {
        let Some(at) = colon.checked_sub(before) else { return false };
        let found = text.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(time.as_bytes()));
        found && !follows_date(text, at)
    })
}

/// Whether a date is before `at`, so that the time there is part of `evt.datetime`.
fn follows_date(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(..at), Some([.., b'-', _, b'0'..=b'9', b' ' | b'T']))
}

/// Returns the `strftime` format of a field with a point in time.
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
    // Neither these formats nor writing to a String fails.
    let _ = write!(text, "{}", time.strftime(form));
    text
}

/// The time that an alert's text begins with.
struct Prefix<'a> {
    /// The field that the prefix adds to the JSON.
    field: &'static str,
    time: &'a str,
    /// The rest of the text.
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

    /// Returns the prefix's offset from UTC, if the prefix is of `time`.
    fn offset(&self, time: Time) -> Option<Offset> {
        const DAY: i64 = 24 * 60 * 60;
        /// The largest offset, in seconds: Kiribati's.
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
        // Offsets are multiples of 15 minutes.
        (ahead % 900 == 0)
            .then(|| i32::try_from(ahead).ok().and_then(|a| Offset::from_seconds(a).ok()))?
    }
}
