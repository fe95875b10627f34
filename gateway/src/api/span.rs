//! Divides a time range into equal parts, for histograms and sparklines.

use jiff::{SignedDuration, Timestamp};

use crate::port::History;

/// The equal parts of a time range.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) step: SignedDuration,
    pub(crate) parts: usize,
}

impl Span {
    /// Divides the requested range. The default is from the oldest retained alert to now.
    pub(crate) fn of(history: &dyn History, parts: usize) -> Self {
        let to = history.until();
        let from = history.since().or(history.oldest()).unwrap_or(to).min(to);
        let parts = parts.max(1);
        // Parts have whole milliseconds. The last part ends at `to` or later.
        let part = i128::try_from(parts).unwrap_or(1) * 1_000_000;
        let nanoseconds = to.duration_since(from).as_nanos().max(1);
        let step = i64::try_from((nanoseconds + part - 1) / part).unwrap_or(i64::MAX);
        Self { from, step: SignedDuration::from_millis(step), parts }
    }

    /// Returns the index of the part with this time. A time outside gets an index after the last.
    pub(crate) fn place(&self, time: Timestamp) -> usize {
        let since = time.duration_since(self.from).as_nanos();
        usize::try_from(since.div_euclid(self.step.as_nanos().max(1))).unwrap_or(self.parts)
    }

    /// Returns the start of a part.
    pub(crate) fn begin(&self, part: usize) -> Timestamp {
        let parts = i32::try_from(part).unwrap_or(i32::MAX);
        let offset = self.step.checked_mul(parts).unwrap_or(SignedDuration::MAX);
        self.from.checked_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// Returns the end of the last part.
    pub(crate) fn to(&self) -> Timestamp {
        self.begin(self.parts)
    }
}
