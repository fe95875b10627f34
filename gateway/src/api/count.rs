//! Values and how often they came, with a bound on how many are told apart.
//!
//! Output fields may have as many values as there are alerts. Beyond [`DISTINCT`] a new value is
//! counted with the others, so that no question takes more than some tens of megabytes, and few are asked at
//! once (`limits/scans.rs`).

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// Values told apart.
const DISTINCT: usize = 10_000;

/// Bytes of a value that are kept: enough to know it by, and to ask for it with `startswith`.
pub(crate) const LENGTH: usize = 512;

/// A value and how often it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Counted {
    /// The value; at most its first 512 bytes.
    value: String,
    /// Whether the value is longer: ask for it with `startswith`.
    cut: bool,
    /// How many alerts have it.
    count: u64,
    /// When the latest of them happened.
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
}

/// The most frequent values, and how many there are in all.
#[derive(Debug)]
pub(crate) struct Top {
    /// Most frequent first.
    pub(crate) values: Vec<Counted>,
    /// How often other values came.
    pub(crate) other: u64,
    /// How many values were told apart.
    pub(crate) distinct: u64,
    /// Whether there were more than [`DISTINCT`].
    pub(crate) capped: bool,
}

/// How often each value came.
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

    /// The most frequent ones.
    pub(crate) fn top(self, most: usize) -> Top {
        let counted = |(value, Seen { count, last, cut })| Counted { value, cut, count, last };
        let mut values: Vec<_> = self.values.into_iter().map(counted).collect();
        // By name where they are equally frequent: the same question has the same answer.
        values.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        let other = values.iter().skip(most).map(|value| value.count).sum::<u64>() + self.beyond;
        let distinct = values.len() as u64;
        values.truncate(most);
        Top { values, other, distinct, capped: self.beyond > 0 }
    }
}
