//! Counts values, with a limit on the number of distinct ones.
//!
//! An output field can have as many values as there are alerts. Beyond [`DISTINCT`], new values are
//! counted together. So a request takes at most some tens of megabytes, and only a few run at once
//! (`limits/scans.rs`).

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The maximum number of distinct values.
const DISTINCT: usize = 10_000;

/// The number of bytes that are stored of a value. They identify it, and suit a filter with
/// `startswith`.
pub(crate) const LENGTH: usize = 512;

/// A value and its number of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Counted {
    /// The value, cut after 512 bytes.
    value: String,
    /// Whether the value was cut. Filter for it with `startswith`.
    cut: bool,
    /// The number of alerts with it.
    count: u64,
    /// The time of the latest of them.
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
}

/// The most frequent values, and the totals.
#[derive(Debug)]
pub(crate) struct Top {
    /// The values, most frequent first.
    pub(crate) values: Vec<Counted>,
    /// The number of occurrences of all other values.
    pub(crate) other: u64,
    /// The number of distinct values.
    pub(crate) distinct: u64,
    /// Whether there are more than [`DISTINCT`].
    pub(crate) capped: bool,
}

/// The count of each value.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    values: HashMap<String, Seen>,
    beyond: u64,
}

#[derive(Debug)]
struct Seen {
    count: u64,
    last: Timestamp,
    cut: bool,
}

impl Counter {
    pub(crate) fn add(&mut self, value: &str, time: Timestamp) {
        let length = value.floor_char_boundary(LENGTH);
        let cut = length < value.len();
        let value = value.get(..length).unwrap_or_default();
        if let Some(seen) = self.values.get_mut(value) {
            seen.count += 1;
            seen.last = time.max(seen.last);
            seen.cut |= cut;
        } else if self.values.len() < DISTINCT {
            self.values.insert(value.to_owned(), Seen { count: 1, last: time, cut });
        } else {
            self.beyond += 1;
        }
    }

    /// Returns the most frequent values.
    pub(crate) fn top(self, most: usize) -> Top {
        let counted = |(value, Seen { count, last, cut })| Counted { value, cut, count, last };
        let mut values: Vec<_> = self.values.into_iter().map(counted).collect();
        // Equally frequent values are sorted by name, so that the same request gets the same
        // answer.
        values.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        let other = values.iter().skip(most).map(|value| value.count).sum::<u64>() + self.beyond;
        let distinct = values.len() as u64;
        values.truncate(most);
        Top { values, other, distinct, capped: self.beyond > 0 }
    }
}
