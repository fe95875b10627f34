//! Splits lines into records, if a line is not one record.
//!
//! Falco writes one JSON object per line. Log shippers put several into an array (vector's and
//! fluent-bit's `json`, logstash), write them without a separator (fluent-bit's `json_stream`,
//! `curl -d @file`, which drops line ends), or print one over several lines.
//!
//! 1. A line that is one record is passed on at once. Its bytes are read once.
//! 2. Any other line that begins with `{`, `[`, `]` or `,` is scanned value by value ([`Walk`]).
//!    Each object at the top level, or in an array there, is a record. `[`, `]`, `,` and white
//!    space between them are skipped.
//! 3. An object that does not end in its line is held, and the next lines are scanned until one
//!    ends it. It is rejected as one record if it is invalid JSON or exceeds [`MAX_RECORD`]. The
//!    same happens if the next line is a record by itself, because then the object was torn.
//! 4. The line that made the object invalid is then read like any other line. If it is no record,
//!    it is rejected with the object. So one error costs one record, and at most the rest of its
//!    line.
//!
//! The work is linear: a byte is read at most twice as part of a line, and scanned at most twice,
//! once as part of a rejected object.

use crate::event::{MAX_RECORD, Reject};

/// Receives records and rejected texts.
pub trait Sink {
    /// Reads a record.
    ///
    /// # Errors
    /// If it is no alert.
    fn read(&mut self, record: &[u8]) -> Result<(), Reject>;

    /// Reports a text that is no alert.
    fn reject(&mut self, reject: &Reject, record: &[u8]);
}

/// Finds records in the lines of one source.
#[derive(Debug, Default)]
pub struct Records {
    /// The beginning of an object that has not ended yet.
    held: Vec<u8>,
    walk: Walk,
}

impl Records {
    /// Reads a line, without its line end.
    pub fn line(&mut self, line: &[u8], sink: &mut impl Sink) {
        if !self.held.is_empty() {
            return self.next(line, sink);
        }
        match sink.read(line) {
            Ok(()) => {}
            Err(reject) if begins_json(line) => self.several(line, Some(reject), sink),
            Err(reject) => sink.reject(&reject, line),
        }
    }

    /// Rejects an unfinished object, at the end of the source or before another file.
    pub fn end(&mut self, sink: &mut impl Sink) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.walk = Walk::default();
            sink.reject(&Reject::Malformed { column: held.len() + 1 }, &held);
        }
    }

    /// Reads a line after an unfinished object.
    fn next(&mut self, line: &[u8], sink: &mut impl Sink) {
        if line.trim_ascii_start().starts_with(b"{") && sink.read(line).is_ok() {
            return self.end(sink);
        }
        match self.walk.over(line) {
            Walked::End(at) => {
                let (rest, after) = line.split_at_checked(at).unwrap_or((line, b""));
                let mut record = std::mem::take(&mut self.held);
                record.extend_from_slice(rest);
                self.walk = Walk::default();
                take(&record, sink);
                self.several(after, None, sink);
            }
            Walked::More if self.held.len() + line.len() < MAX_RECORD => {
                self.held.extend_from_slice(line);
                self.held.push(b'\n');
            }
            Walked::More => {
                *self = Self::default();
                sink.reject(&Reject::TooLarge, b"");
            }
            Walked::Wrong if begins_json(line) => {
                self.end(sink);
                self.line(line, sink);
            }
            Walked::Wrong => {
                if sink.read(line).is_err() {
                    self.held.extend_from_slice(line);
                }
                self.end(sink);
            }
        }
    }

    /// Reads the records of a line. `whole` is the reason why the line is not one record. It is
    /// reported if the line has none.
    fn several(&mut self, line: &[u8], whole: Option<Reject>, sink: &mut impl Sink) {
        let (mut rest, mut found) = (line, false);
        loop {
            rest = rest.trim_ascii_start();
            match rest.first() {
                None => return,
                Some(b'[' | b']' | b',') => rest = rest.get(1..).unwrap_or_default(),
                Some(b'{') => match self.walk.over(rest) {
                    Walked::End(at) => {
                        let (record, after) = rest.split_at_checked(at).unwrap_or((rest, b""));
                        self.walk = Walk::default();
                        // The only record is the line itself, which was read before.
                        match &whole {
                            Some(reject) if !found && record.len() == line.trim_ascii().len() => {
                                sink.reject(reject, record);
                            }
                            _ => take(record, sink),
                        }
                        (rest, found) = (after, true);
                    }
                    Walked::More => {
                        self.held = [rest, b"\n"].concat();
                        return;
                    }
                    Walked::Wrong => {
                        self.walk = Walk::default();
                        let wrong = Reject::Malformed { column: 1 };
                        return sink
                            .reject(whole.as_ref().filter(|_| !found).unwrap_or(&wrong), rest);
                    }
                },
                // A log line may begin with a bracket.
                Some(_) => {
                    let other = Reject::NotAnAlert;
                    return sink.reject(whole.as_ref().filter(|_| !found).unwrap_or(&other), rest);
                }
            }
        }
    }
}

/// Whether a text can be JSON records, or separators between them.
pub(super) fn begins_json(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), Some(b'{' | b'[' | b']' | b','))
}

fn take(record: &[u8], sink: &mut impl Sink) {
    if let Err(reject) = sink.read(record) {
        sink.reject(&reject, record);
    }
}

/// A scan of the structure of one JSON object. It does not check scalars, because decoding the
/// record does.
#[derive(Debug, Default)]
struct Walk {
    /// The open brackets. `true` is an object, `false` an array.
    open: Vec<bool>,
    at: At,
}

/// What can come next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Value,
    /// A value, or the end of an empty array.
    FirstValue,
    /// A key, or the end of an empty object.
    FirstKey,
    Key,
    Colon,
    /// `,` or the end of an object or array.
    After,
    /// In a string, which is a key or a value. `escaped` is after a backslash.
    Text {
        key: bool,
        escaped: bool,
    },
    /// In a number or word.
    Scalar,
}

/// The result of a scan.
#[derive(Debug, PartialEq, Eq)]
enum Walked {
    /// The object ends before this position.
    End(usize),
    /// The object continues after these bytes.
    More,
    /// The object is invalid JSON.
    Wrong,
}

impl Walk {
    fn over(&mut self, bytes: &[u8]) -> Walked {
        for (at, &byte) in bytes.iter().enumerate() {
            match self.step(byte) {
                Some(Walked::End(_)) => return Walked::End(at + 1),
                Some(walked) => return walked,
                None => {}
            }
        }
        // A line end is white space, which is invalid only in a string.
        match self.at {
            At::Text { .. } => Walked::Wrong,
            At::Scalar => {
                self.at = At::After;
                Walked::More
            }
            _ => Walked::More,
        }
    }

    fn step(&mut self, byte: u8) -> Option<Walked> {
        self.at = match (self.at, byte) {
            (At::Text { key, escaped: true }, _) => At::Text { key, escaped: false },
            (At::Text { key, .. }, b'\\') => At::Text { key, escaped: true },
            (At::Text { key: true, .. }, b'"') => At::Colon,
            (At::Text { key: false, .. }, b'"') => At::After,
            (At::Text { .. }, 0..0x20) => return Some(Walked::Wrong),
            (text @ At::Text { .. }, _) => text,
            (At::Scalar, b'0'..=b'9' | b'a'..=b'z' | b'.' | b'+' | b'-' | b'E') => At::Scalar,
            (At::Scalar, _) => {
                self.at = At::After;
                return self.step(byte);
            }
            (at, b' ' | b'\t' | b'\r' | b'\n') => at,
            (At::Value | At::FirstValue, b'"') => At::Text { key: false, escaped: false },
            (At::Value | At::FirstValue, b'{') => {
                self.open.push(true);
                At::FirstKey
            }
            (At::Value | At::FirstValue, b'[') => {
                self.open.push(false);
                At::FirstValue
            }
            (At::Value | At::FirstValue, b'0'..=b'9' | b'-' | b't' | b'f' | b'n') => At::Scalar,
            (At::FirstKey | At::Key, b'"') => At::Text { key: true, escaped: false },
            (At::Colon, b':') => At::Value,
            (At::After, b',') => match self.open.last() {
                Some(true) => At::Key,
                _ => At::Value,
            },
            (At::After | At::FirstKey, b'}') if self.open.last() == Some(&true) => {
                return self.close();
            }
            (At::After | At::FirstValue, b']') if self.open.last() == Some(&false) => {
                return self.close();
            }
            _ => return Some(Walked::Wrong),
        };
        None
    }

    fn close(&mut self) -> Option<Walked> {
        self.open.pop();
        self.at = At::After;
        self.open.is_empty().then_some(Walked::End(0))
    }
}

#[cfg(test)]
mod tests;
