//! Reads the headers of syslog, on the wire and in files, with or without `<PRI>`.
//!
//! | a line | is written by |
//! |---|---|
//! | `<14>Jan 30 10:00:00 HOST falco[7]: A` | RFC 3164, section 4.1 |
//! | `<14>Jan 30 10:00:00 falco[7]: A` | `syslog(3)` of glibc into `/dev/log`: no host |
//! | `<14>2026-01-30T10:00:00.123456+01:00 HOST falco: A` | rsyslog's `RSYSLOG_ForwardFormat` |
//! | `<14>1 TIME HOST falco 7 - - A` | RFC 5424, section 6; `MSG` may begin with a BOM |
//! | `Jan 30 10:00:00 HOST falco[7]: A` | rsyslog's `RSYSLOG_TraditionalFileFormat`, `journalctl` |
//! | `2026-01-30T10:00:00.123456+00:00 HOST falco[7]: A` | rsyslog's `RSYSLOG_FileFormat` (8.2302), `journalctl -o short-iso`, `short-iso-precise` |
//! | `1769767200.123456 HOST falco[7]: A` | `journalctl -o short-unix` |
//! | `Fri 2026-01-30 10:00:00 UTC HOST falco[7]: A` | `journalctl -o short-full`, `with-unit` |
//! | `falco[7]: A`, `falco: A` | a relay that removed the header |

use jiff::ZonedDateTime;

use super::header::{Header, machine, word};
use super::{Kind, times};
use crate::event::Time;

/// The values of `%b` in the C locale, which RFC 3164 requires.
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

const WEEKDAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// Reads a line that begins with `<PRI>`, 0 to 191 (RFC 5424, section 6.2.1).
pub(super) fn with_priority<'a>(
    line: &'a [u8],
    now: &dyn Fn() -> ZonedDateTime,
) -> Option<Header<'a>> {
    let rest = line.strip_prefix(b"<")?;
    let (number, rest) = rest.split_at_checked(memchr::memchr(b'>', rest)?)?;
    let number = str::from_utf8(number).ok().filter(|number| number.len() <= 3)?;
    number.parse::<u8>().ok().filter(|number| *number <= 191)?;
    let rest = rest.get(1..)?;
    // With a priority, the name of the program can be any, or missing.
    read(rest, now)
        .or_else(|| tagged(rest, None, None))
        .or_else(|| rest.starts_with(b"{").then(|| Header::new(Kind::Syslog, rest)))
}

/// Reads a line without `<PRI>`.
pub(super) fn read<'a>(line: &'a [u8], now: &dyn Fn() -> ZonedDateTime) -> Option<Header<'a>> {
    if let Some(rest) = line.strip_prefix(b"1 ")
        && let Some(header) = rfc5424(rest)
    {
        return Some(header);
    }
    let (first, rest) = word(line)?;
    if let Some(month) = MONTHS.iter().position(|month| *month == first) {
        return bsd(month + 1, rest, now);
    }
    if WEEKDAYS.contains(&first) {
        return full(rest);
    }
    let numbers = |word: &&[u8]| word.contains(&b'.') && word.len() >= 12;
    let seconds = || str::from_utf8(first).ok().and_then(times::epoch);
    if let Some(time) =
        times::rfc3339(first).or_else(|| Some(first).filter(numbers).and_then(|_| seconds()))
    {
        let (host, rest) = word(rest)?;
        return tagged(rest, Some(time), Some(machine(host)?));
    }
    let known = first.starts_with(b"falco") || first.ends_with(b"]:");
    known.then(|| tagged(line, None, None)).flatten()
}

/// Reads what follows the month.
fn bsd<'a>(month: usize, rest: &'a [u8], now: &dyn Fn() -> ZonedDateTime) -> Option<Header<'a>> {
    // `Jan  3` has a space in place of a digit.
    let (day, rest) = word(rest.strip_prefix(b" ").unwrap_or(rest))?;
    let (clock, rest) = word(rest)?;
    let text = [day, b" ", clock].concat();
    let time = Some(times::without_year(month, str::from_utf8(&text).ok()?, &now())?);
    if let Some((host, rest)) = word(rest)
        && let Some(host) = machine(host)
    {
        if let Some(header) = tagged(rest, time, Some(host)) {
            return Some(header);
        }
        if rest.starts_with(b"{") {
            return Some(Header { time, hostname: Some(host), ..Header::new(Kind::Syslog, rest) });
        }
    }
    tagged(rest, time, None)
}

/// Reads what follows the day of the week. UTC is the only time zone whose abbreviation is known.
fn full(rest: &[u8]) -> Option<Header<'_>> {
    let (date, rest) = word(rest)?;
    let (clock, rest) = word(rest)?;
    let (zone, rest) = word(rest)?;
    let (host, rest) = word(rest)?;
    let time = times::rfc3339(&[date, b"T", clock, b"Z"].concat())?;
    tagged(rest, (zone == b"UTC").then_some(time), Some(machine(host)?))
}

/// Reads `TAG[PID]: ` and what follows.
fn tagged<'a>(line: &'a [u8], time: Option<Time>, hostname: Option<&'a str>) -> Option<Header<'a>> {
    /// The longest tag, in bytes. RFC 3164 has 32, RFC 5424 48 for the name and 128 for the
    /// process.
    const LONGEST: usize = 48 + 2 + 128;
    let end = memchr::memchr(b':', line.get(..LONGEST).unwrap_or(line))?;
    let (tag, rest) = line.split_at_checked(end)?;
    let name = match tag.strip_suffix(b"]") {
        Some(named) => named.split_at_checked(memchr::memchr(b'[', named)?)?.0,
        None => tag,
    };
    let usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/@\\".contains(byte);
    if name.is_empty() || !name.iter().all(usual) {
        return None;
    }
    Some(Header { time, hostname, ..Header::new(Kind::Syslog, rest.get(1..)?) })
}

/// Reads what follows the version: `TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD MSG`. An unknown
/// value is `-`.
fn rfc5424(rest: &[u8]) -> Option<Header<'_>> {
    let (time, rest) = word(rest)?;
    let (host, rest) = word(rest)?;
    let (_app, rest) = word(rest)?;
    let (_process, rest) = word(rest)?;
    let (_id, rest) = word(rest)?;
    let time = if time == b"-" { None } else { Some(times::rfc3339(time)?) };
    let hostname = if host == b"-" { None } else { Some(machine(host)?) };
    let rest = structured_data(rest)?.strip_prefix(b" ")?;
    let rest = rest.strip_prefix("\u{feff}".as_bytes()).unwrap_or(rest);
    Some(Header { time, hostname, ..Header::new(Kind::Syslog, rest) })
}

/// Skips `-`, or elements `[ID NAME="VALUE"]…` (section 6.3). In a value, a backslash escapes `"`,
/// `\` and `]`, and only `"` ends the value.
fn structured_data(mut rest: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = rest.strip_prefix(b"-") {
        return Some(rest);
    }
    if rest.first() != Some(&b'[') {
        return None;
    }
    while let Some(element) = rest.strip_prefix(b"[") {
        let (mut quoted, mut escaped) = (false, false);
        let end = element.iter().position(|byte| {
            if std::mem::take(&mut escaped) {
                return false;
            }
            match byte {
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b']' => return !quoted,
                _ => {}
            }
            false
        })?;
        rest = element.get(end + 1..)?;
    }
    Some(rest)
}
