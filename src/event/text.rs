//! Decodes text alerts, which Falco writes with `json_output: false`.
//!
//! ```text
//! 10:20:05.408091526: Warning Sensitive file opened (user=root file=/etc/shadow)
//! 2016-08-04T16:17:57.881781397+0000: Warning An open was seen (command=cat /dev/null)
//! ```
//!
//! A text alert begins with a time of nine fraction digits, `: `, a priority's name and a space.
//! Falco's log lines and statistics share the stream and do not begin like this. Text carries no
//! fields and no rule name, so both stay empty. Only Falco's own alerts name their rule, at the
//! start of the message.

use std::borrow::Cow;

use jiff::ZonedDateTime;
use serde::Serialize;

use super::{Event, INTERNAL, Priority, Time};

pub(super) fn decode(line: &str, now: impl FnOnce() -> ZonedDateTime) -> Option<Event<'_>> {
    let clock = clock(line)?;
    let rest = line.get(clock.len() + 2..)?;
    if !has_nanoseconds(clock) {
        return None;
    }
    let (priority, message) = rest.split_once(' ')?;
    let priority = Priority::parse(priority)?;
    let time =
        if clock.contains('T') { Time::parse(clock)? } else { Time::parse_clock(clock, &now())? };
    let rule = internal_rule(message);
    Some(Event {
        time,
        priority,
        source: Cow::Borrowed(if rule.is_some() { INTERNAL } else { "syscall" }),
        rule: rule.unwrap_or_default().into(),
        hostname: None,
        output: line.into(),
        tags: Vec::new(),
        fields: Vec::new(),
    })
}

/// Returns a text alert as the JSON line that Falco would write (the layout of 0.39 and later).
pub(super) fn as_json(event: &Event<'_>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        output: &'a str,
        priority: &'a str,
        rule: &'a str,
        source: &'a str,
        time: String,
    }
    let line = Line {
        output: &event.output,
        priority: event.priority.name(),
        rule: &event.rule,
        source: &event.source,
        time: event.time.to_string(),
    };
    // A struct of strings always serialises.
    serde_json::to_string(&line).unwrap_or_default()
}

/// Returns the text before the first `: `, if it is short enough for a clock. A line that wraps an
/// alert can have that alert's clock further on.
fn clock(line: &str) -> Option<&str> {
    /// The length of `2016-08-04T16:17:57.881781397+0000`.
    const LONGEST: usize = 34;
    let head = line.as_bytes().get(..line.len().min(LONGEST + 2))?;
    let end = head.windows(2).position(|window| window == b": ")?;
    line.get(..end)
}

/// Falco's alerts have exactly nine fraction digits, its log lines none.
fn has_nanoseconds(clock: &str) -> bool {
    let digits = clock.split_once('.').map_or("", |(_, fraction)| fraction);
    digits.bytes().take_while(u8::is_ascii_digit).count() == 9
}

/// `Falco internal: syscall event drop. 1 system calls …` → `Falco internal: syscall event drop`.
fn internal_rule(message: &str) -> Option<&str> {
    let name = message.strip_prefix("Falco internal: ")?;
    let end = name.find(['.', ':']).unwrap_or(name.len());
    message.get(..message.len() - name.len() + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_at(line: &str) -> Option<Event<'_>> {
        decode(line, || "2026-01-30T15:00:00[UTC]".parse().unwrap())
    }

    #[test]
    fn text_alerts_are_read() {
        for (line, time, priority, rule) in [
            (
                "10:20:05.408091526: Warning Sensitive file opened (user=root)",
                "2026-01-30T10:20:05.408091526Z",
                Priority::Warning,
                "",
            ),
            (
                "2016-08-04T16:17:57.881781397+0000: Notice An open was seen: x (command=cat)",
                "2016-08-04T16:17:57.881781397Z",
                Priority::Notice,
                "",
            ),
            (
                "15:28:24.000207862: Critical Falco internal: syscall event drop. 1 system calls \
                 dropped in last second.(n_drops=1 n_evts=1181)",
                "2026-01-30T15:28:24.000207862Z",
                Priority::Critical,
                "Falco internal: syscall event drop",
            ),
        ] {
            let event = decode_at(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(event.time.to_string(), time);
            assert_eq!((event.priority, &*event.rule, &*event.output), (priority, rule, line));
            assert_eq!(event.is_internal(), !rule.is_empty());
        }
    }

    #[test]
    fn other_falco_output_is_no_alert() {
        for line in [
            "Mon Mar 31 00:26:04 2025: Falco version: 0.39.2 (x86_64)",
            "2023-04-13T05:53:32+0000: Starting gRPC server at unix:///run/falco/falco.sock",
            "Events detected: 8",
            "Rule counts by severity:",
            "   WARNING: 8",
            "10:20:05.408091526: Warningx y",
            "10:20:05.408091526: Warning",
            "10:20:05.40809152: Warning y",
            "25:20:05.408091526: Warning y",
            "",
        ] {
            assert_eq!(decode_at(line), None, "{line}");
        }
    }

    #[test]
    fn the_json_line_of_a_text_alert_decodes_to_the_same_alert() {
        let line = "10:20:05.408091526: Error \"quoted\" \\ and é";
        let event = decode_at(line).unwrap();
        let json = as_json(&event);
        let again = super::super::decode::decode(&json, || unreachable!()).unwrap();
        assert_eq!(again, (event, Default::default()));
    }
}
