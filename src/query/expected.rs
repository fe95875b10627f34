//! The latest alerts that may match a filter, for idle readers ([`super::lookout`]).

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::hub::Slice;

/// How many alerts that may match are remembered for readers that wake up late.
pub(super) const REMEMBERED: usize = 256;

/// The part of the log that was evaluated with one filter.
#[derive(Debug)]
pub(super) struct Expected {
    /// The sequence number after the last alert that may match.
    passing: watch::Sender<u64>,
    seen: Mutex<Seen>,
}

/// Of the alerts in `from..to`, only those in `may` may match.
#[derive(Debug, Default)]
struct Seen {
    from: u64,
    to: u64,
    may: VecDeque<u64>,
}

impl Default for Expected {
    fn default() -> Self {
        Self { passing: watch::Sender::new(0), seen: Mutex::default() }
    }
}

impl Expected {
    /// Watches the sequence number after the last alert that may match.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.passing.subscribe()
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.passing.receiver_count() > 0
    }

    /// Returns where a reader that has read everything before `next` continues. No alert in between
    /// matches.
    pub(super) fn next(&self, next: u64) -> u64 {
        let seen = self.seen();
        if next < seen.from || next >= seen.to {
            return next;
        }
        let at = seen.may.partition_point(|may| *may < next);
        seen.may.get(at).copied().unwrap_or(seen.to)
    }

    /// Notes which alerts of `slice` may match, and wakes readers that wait for one.
    pub(super) fn note(&self, slice: &Slice, may: &[u64]) {
        let mut seen = self.seen();
        if seen.to != slice.first() {
            *seen = Seen { from: slice.first(), ..Seen::default() };
        }
        seen.may.extend(may);
        seen.to = slice.end();
        while seen.may.len() > REMEMBERED
            && let Some(forgotten) = seen.may.pop_front()
        {
            seen.from = forgotten + 1;
        }
        drop(seen);
        if let Some(last) = may.last() {
            self.wake(last + 1);
        }
    }

    /// Wakes readers that wait for an alert before `end`.
    pub(super) fn wake(&self, end: u64) {
        self.passing.send_replace(end);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
