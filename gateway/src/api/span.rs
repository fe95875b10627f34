//! A time cut into equal parts: what a histogram's bars and a rule's line stand on.

use jiff::{SignedDuration, Timestamp};

use crate::port::History;

/// Equal parts of some time.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) step: SignedDuration,
    pub(crate) parts: usize,
}

impl Span {
    /// The time that is asked for: from the oldest alert kept where none is named, to now.
    pub(crate) fn of(history: &dyn History, parts: usize) -> Self {
        let to = history.until();
        let from = history.since().or(history.oldest()).unwrap_or(to).min(to);
        let parts = parts.max(1);
        // Whole milliseconds, and the last part ends at `to` or behind it.
        let part = i128::try_from(parts).unwrap_or(1) * 1_000_000;
        let nanoseconds = to.duration_since(from).as_nanos().max(1);
        let step = i64::try_from((nanoseconds + part - 1) / part).unwrap_or(i64::MAX);
        Self { from, step: SignedDuration::from_millis(step), parts }
    }

    /// Which part a time falls into; one beyond the last for a time that is in none.
    pub(crate) fn place(&self, time: Timestamp) -> usize {
        let since = time.duration_since(self.from).as_nanos();
        usize::try_from(since.div_euclid(self.step.as_nanos().max(1))).unwrap_or(self.parts)
    }

    /// When a part begins.
    pub(crate) fn begin(&self, part: usize) -> Timestamp {
        let parts = i32::try_from(part).unwrap_or(i32::MAX);
        let offset = self.step.checked_mul(parts).unwrap_or(SignedDuration::MAX);
        self.from.checked_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// When the last part ends.
    pub(crate) fn to(&self) -> Timestamp {
        self.begin(self.parts)
    }
}
