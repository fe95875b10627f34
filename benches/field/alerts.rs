//! The alerts for every contender: the same demo alerts, repeated.
//!
//! There are [`CORPUS`] different lines with the layout of Falco's stable rules, about a kilobyte
//! each, all with the same time. Alert number `n` is line `n % CORPUS`, so the number of alerts
//! gives the exact number of bytes of their gRPC frames. For latencies the time in the line is
//! replaced by the time of sending.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use falconer::filter::Filter;
use falconer::{event, ingest};

/// The number of different alerts.
pub(crate) const CORPUS: usize = 1024;

/// The time of all alerts, as Falco writes it.
const TIME: &str = "2026-01-30T10:00:00.123456789Z";

/// The lines and their gRPC frames.
pub(crate) struct Alerts {
    lines: Vec<u8>,
    /// The end of each line, its line feed included.
    line_ends: Vec<usize>,
    /// The offset of the time in each line.
    time_at: Vec<usize>,
    frames: Vec<u8>,
    frame_ends: Vec<usize>,
}

impl Alerts {
    pub(crate) fn new() -> Self {
        let origin = event::Origin::utc("");
        // The time must be the same in every process, because its value changes a frame's length.
        let time = TIME.parse::<jiff::Timestamp>().unwrap().into();
        let (mut lines, mut line_ends, mut time_at) = (Vec::new(), Vec::new(), Vec::new());
        let (mut frames, mut frame_ends) = (Vec::new(), Vec::new());
        for number in 0..CORPUS {
            let line = ingest::demo::alert(number as u64, time);
            time_at.push(line.rfind(r#""time":""#).unwrap() + r#""time":""#.len());
            let encode =
                |record: event::Record<'_>| event::encode(&record.event, &origin, &mut frames);
            event::read(line.as_bytes(), || unreachable!("no text alerts"), encode).unwrap();
            frame_ends.push(frames.len());
            lines.extend_from_slice(line.as_bytes());
            lines.push(b'\n');
            line_ends.push(lines.len());
        }
        Self { lines, line_ends, time_at, frames, frame_ends }
    }

    /// Returns the lines of at most `most` alerts from alert number `from` on, and their number.
    pub(crate) fn lines(&self, from: u64, most: u64) -> (&[u8], u64) {
        let first = position(from);
        let count = usize::try_from(most).unwrap().min(CORPUS - first);
        let text = &self.lines[start(&self.line_ends, first)..self.line_ends[first + count - 1]];
        (text, count as u64)
    }

    /// Appends alert number `number` to `out` as a line with this time.
    pub(crate) fn stamped(&self, number: u64, now: Duration, out: &mut Vec<u8>) {
        let at = position(number);
        let line = out.len();
        out.extend_from_slice(&self.lines[start(&self.line_ends, at)..self.line_ends[at]]);
        let time = jiff::Timestamp::from_nanosecond(i128::try_from(now.as_nanos()).unwrap());
        let text = format!("{:.9}", time.unwrap());
        assert_eq!(text.len(), TIME.len());
        let at = line + self.time_at[at];
        out[at..at + TIME.len()].copy_from_slice(text.as_bytes());
    }

    /// Returns the body for a post of one alert: a line without its end.
    pub(crate) fn body(&self, number: u64) -> &[u8] {
        self.lines(number, 1).0.trim_ascii_end()
    }

    /// Returns the gRPC frames of the whole corpus.
    pub(crate) fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// Returns the end of each frame of the corpus.
    pub(crate) fn frame_ends(&self) -> &[usize] {
        &self.frame_ends
    }

    /// Returns the bytes of the frames of the first `count` alerts.
    pub(crate) fn frame_bytes(&self, count: u64) -> u64 {
        let rounds = count / CORPUS as u64;
        rounds * self.frames.len() as u64 + start(&self.frame_ends, position(count)) as u64
    }

    /// Returns how many of the first `count` alerts match `filter`.
    pub(crate) fn passing(&self, filter: &Filter, count: u64) -> u64 {
        let passes = |number: u64| {
            let passes = |record: event::Record<'_>| filter.matches(&record.event);
            event::read(self.body(number), || unreachable!("no text alerts"), passes).unwrap()
        };
        let of = |count: u64| (0..count).filter(|number| passes(*number)).count() as u64;
        count / CORPUS as u64 * of(CORPUS as u64) + of(count % CORPUS as u64)
    }

    /// Returns the mean length of a line.
    pub(crate) fn line_length(&self) -> usize {
        self.lines.len() / CORPUS
    }

    /// Returns the mean length of a frame.
    pub(crate) fn frame_length(&self) -> usize {
        self.frames.len() / CORPUS
    }
}

/// Returns the time since 1970 by the clock that stamps the alerts.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn position(number: u64) -> usize {
    usize::try_from(number % CORPUS as u64).unwrap()
}

fn start(ends: &[usize], position: usize) -> usize {
    position.checked_sub(1).map_or(0, |before| ends[before])
}
