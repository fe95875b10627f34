//! Limits log lines that clients can cause: the first is logged at once, then at most one a minute
//! with the number since. Otherwise anybody who reaches the port could fill the log.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Paced(Mutex<Unlogged>);

#[derive(Debug, Default)]
struct Unlogged {
    count: u64,
    last: Option<Instant>,
}

impl Paced {
    /// Counts one occurrence. Returns the number since the last line if the next line is due.
    pub(crate) fn due(&self) -> Option<u64> {
        let mut unlogged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unlogged.count = unlogged.count.saturating_add(1);
        if unlogged.last.is_some_and(|last| last.elapsed() < EVERY) {
            return None;
        }
        unlogged.last = Some(Instant::now());
        Some(std::mem::take(&mut unlogged.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_logged_and_then_at_most_one_a_minute() {
        let paced = Paced::default();
        assert_eq!(paced.due(), Some(1));
        assert_eq!(paced.due(), None);
        assert_eq!(paced.due(), None);
        paced.0.lock().unwrap().last = Instant::now().checked_sub(EVERY);
        assert_eq!(paced.due(), Some(3));
    }
}
