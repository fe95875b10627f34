//! Cursors: positions in the log, the same in every interface.

use std::fmt;
use std::str::FromStr;

/// One run of the log. Sequence numbers are unique within a run. The epoch changes with every
/// start, so the server recognises a cursor of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    /// Creates an epoch from a number that no earlier run had, such as the start time.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:x}", self.0)
    }
}

/// Names one alert: `<epoch>.<sequence>`, opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The run of the log.
    pub epoch: Epoch,
    /// The alert's sequence number, from 1.
    pub sequence: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.epoch, self.sequence)
    }
}

/// The text is not `<epoch>.<sequence>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor; one looks like 64a5f0c2b1e80.1042")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    /// Parses exactly the text that [`fmt::Display`] writes: no signs, spaces or leading zeros.
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (epoch, sequence) = text.split_once('.').ok_or(NotACursor)?;
        let cursor = Self {
            epoch: Epoch(u64::from_str_radix(epoch, 16).map_err(|_| NotACursor)?),
            sequence: sequence.parse().map_err(|_| NotACursor)?,
        };
        (cursor.to_string() == text).then_some(cursor).ok_or(NotACursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_printed_cursors_parse() {
        let cursor = Cursor { epoch: Epoch::new(0x64a5_f0c2_b1e8_0abc), sequence: u64::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in [
            "", ".", "1", "1.", ".1", "+1.1", "1.+1", "01.1", "1.01", "A.1", "g.1", "1.1 ", "1.1.1",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }
}
