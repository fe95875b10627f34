//! Values and how often they came, with a bound on how many are told apart.
//!
//! Output fields may have as many values as there are alerts. Beyond [`DISTINCT`] a new value is
//! counted with the others, so that no question takes more than some tens of megabytes, and few are asked at
//! once (`history.rs`).

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
    /// How many alerts have it.
    count: u64,
    /// When the latest of them happened.
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
}

/// How often each value came.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    values: HashMap<String, (u64, Timestamp)>,
    beyond: u64,
}

impl Counter {
    pub(crate) fn add(&mut self, value: &str, time: Timestamp) {
        let value = value.get(..value.floor_char_boundary(LENGTH)).unwrap_or_default();
        if let Some((count, last)) = self.values.get_mut(value) {
            *count += 1;
            *last = time.max(*last);
        } else if self.values.len() < DISTINCT {
            self.values.insert(value.to_owned(), (1, time));
        } else {
            self.beyond += 1;
        }
    }

    /// The most frequent ones, most frequent first, and how often the others came.
    pub(crate) fn top(self, most: usize) -> (Vec<Counted>, u64) {
        let counted = |(value, (count, last))| Counted { value, count, last };
        let mut values: Vec<_> = self.values.into_iter().map(counted).collect();
        // By name where they are equally frequent: the same question has the same answer.
        values.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        let others = values.iter().skip(most).map(|value| value.count).sum::<u64>() + self.beyond;
        values.truncate(most);
        (values, others)
    }
}
