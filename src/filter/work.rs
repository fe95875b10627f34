//! Bounds the work of evaluating a filter on one alert. Pure: it counts steps and reads no clock.
//!
//! 1. A comparison costs the length of the text times the worst cost of a byte
//!    ([`Test::steps`](super::test::Test::steps)). That is one step for most operators, and grows
//!    with the size of the pattern for `regex`, `glob` and `pmatch`. A step takes 1.5 ns or less.
//! 2. A comparison that would exceed the bound is not started, and everything after it is skipped.
//!    Then the result has no meaning, and [`Work::is_exceeded`] is true.

use std::cell::Cell;

/// The cost of a text besides its bytes, in bytes.
const BEGIN: usize = 16;

/// Counts steps up to a bound.
#[derive(Debug)]
pub struct Work {
    left: Cell<u64>,
    bound: u64,
    exceeded: Cell<bool>,
}

impl Work {
    /// Allows `bound` steps.
    #[must_use]
    pub fn within(bound: u64) -> Self {
        Self { left: bound.into(), bound, exceeded: false.into() }
    }

    /// Allows any number of steps.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::within(u64::MAX)
    }

    /// Returns whether the evaluation needed more steps than allowed.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.exceeded.get()
    }

    /// Returns how many steps were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.bound - self.left.get()
    }

    /// Takes the steps for a text of `length` bytes at `steps` per byte. Returns `false` if they
    /// exceed the bound.
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
