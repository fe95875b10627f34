//! Writes alerts for people and scripts. Characters that a terminal acts on, or that change the
//! direction of text, are written as escapes.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

use jiff::{Timestamp, tz::TimeZone};

use crate::event::{self, Record};

/// The output format of alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Output {
    /// Time, priority, host, rule and output.
    #[default]
    Text,
    /// Falco's JSON, byte for byte unless standard output is a terminal.
    Json,
    /// The same as text, in columns.
    Table,
}

/// Writes alerts in one format.
pub(super) struct Show<W> {
    out: W,
    output: Output,
    terminal: bool,
}

impl Show<io::Stdout> {
    pub(super) fn on_stdout(output: Output) -> Self {
        let out = io::stdout();
        Self { terminal: out.is_terminal(), out, output }
    }
}

impl<W: Write> Show<W> {
    /// Writes the heading of a table.
    pub(super) fn heading(&mut self) -> io::Result<()> {
        if self.output == Output::Table {
            let [time, priority, host, rule] = ["TIME", "PRIORITY", "HOSTNAME", "RULE"];
            writeln!(self.out, "{time:<24}  {priority:<13}  {host:<20}  {rule:<36}  OUTPUT")?;
        }
        Ok(())
    }

    /// Writes the line of an alert. A line that is no alert, such as a `lost` message, is written
    /// as it is.
    pub(super) fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.output == Output::Json {
            return self.json(line);
        }
        let now = || Timestamp::now().to_zoned_datetime(TimeZone::UTC);
        let text = |Record { event, .. }: Record<'_>| {
            let time = event.time.to_string();
            let time =
                time.get(..23).map_or(time.clone(), |milliseconds| format!("{milliseconds}Z"));
            let host = visible(event.hostname.as_deref().unwrap_or("-"));
            let (rule, output) = (visible(&event.rule), visible(&event.output));
            let priority = event.priority.name();
            match self.output {
                Output::Table => format!(
                    "{time:<24}  {priority:<13}  {:<20}  {:<36}  {output}",
                    cut(&host, 20),
                    cut(&rule, 36)
                ),
                _ => format!("{time}  {priority}  {host}  {rule}  {output}"),
            }
        };
        match event::read(line, now, text) {
            Ok(text) => writeln!(self.out, "{text}"),
            Err(_) => writeln!(self.out, "{}", visible(&String::from_utf8_lossy(line))),
        }
    }

    fn json(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.terminal {
            self.out.write_all(line)?;
            return self.out.write_all(b"\n");
        }
        let mut safe = String::new();
        for c in String::from_utf8_lossy(line).chars() {
            if is_hidden(c) {
                // In JSON such a character can only be inside a string.
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|u| safe += &format!("\\u{u:04x}"));
            } else {
                safe.push(c);
            }
        }
        writeln!(self.out, "{safe}")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Escapes the hidden characters of a text.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return text.into();
    }
    let shown = text.chars().map(|c| match c {
        c if is_hidden(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    });
    shown.collect::<String>().into()
}

/// Whether this is a control character, has no width, or changes the direction of text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{061c}' | '\u{fff9}'..='\u{fffb}')
}

fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(output: Output, terminal: bool, line: &str) -> String {
        let mut show = Show { out: Vec::new(), output, terminal };
        show.line(line.as_bytes()).unwrap();
        String::from_utf8(show.out).unwrap()
    }

    const HOSTILE: &str = "{\"hostname\":\"n\u{202e}1\",\"output\":\"a\\u001b[31m\\r\\nb\u{9b}c\",\"priority\":\"Error\",\"rule\":\"r\",\"time\":\"2026-01-30T10:00:00.123456789Z\"}";

    #[test]
    fn no_alert_can_control_a_terminal() {
        let text = shown(Output::Text, true, HOSTILE);
        let expected =
            "2026-01-30T10:00:00.123Z  Error  n\\u{202e}1  r  a\\u{1b}[31m\\u{d}\\u{a}b\\u{9b}c\n";
        assert_eq!(text, expected);
        let json = shown(Output::Json, true, HOSTILE);
        assert!(json.contains("n\\u202e1") && json.contains("b\\u009bc"), "{json}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&json), read(HOSTILE));
        assert_eq!(shown(Output::Json, false, HOSTILE), format!("{HOSTILE}\n"));
        let table = shown(Output::Table, true, HOSTILE);
        assert_eq!(table.lines().count(), 1, "{table}");
        assert!(shown(Output::Text, true, "{\"lost\":{\"count\":3}}").contains("\"count\":3"));
    }
}
