//! How much work the comparisons of a filter may take for one alert. Pure: steps are counted, no
//! clock is read.
//!
//! 1. A comparison costs the length of the text it looks at times what a byte of it costs at worst
//!    ([`Test::steps`](super::test::Test::steps)): one step for most, as many as a pattern has parts
//!    for `regex` and `glob`. A step takes 1.5 ns or less.
//! 2. What would exceed the bound is not begun, and everything after it is skipped: then the
//!    outcome means nothing, and [`Work::is_exceeded`] says so.

use std::cell::Cell;

/// A text's own cost besides its bytes.
const BEGIN: usize = 16;

/// Steps taken, and their bound.
#[derive(Debug)]
pub struct Work {
    left: Cell<u64>,
    bound: u64,
    exceeded: Cell<bool>,
}

impl Work {
    /// No more than so many steps.
    #[must_use]
    pub fn within(bound: u64) -> Self {
        Self { left: bound.into(), bound, exceeded: false.into() }
    }

    /// As much as it takes.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::within(u64::MAX)
    }

    /// Whether there was more to do than was allowed.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }

    /// How many steps were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.bound - self.left.get()
    }

    /// Whether a text of this length may be looked at, at so many steps a byte.
    pub(super) fn take(&self, length: usize, steps: u64) -> bool {
        let cost = ((length + BEGIN) as u64).saturating_mul(steps);
        match self.left.get().checked_sub(cost) {
            Some(left) if !self.exceeded.get() => {
                self.left.set(left);
                true
            }
            _ => {
                self.exceeded.set(true);
                false
            }
        }
    }
}
