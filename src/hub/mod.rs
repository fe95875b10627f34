//! The log. Inputs append alerts once, and any number of readers read them.
//!
//! - Appending never waits for a reader. A reader is a cursor and costs the hub nothing.
//! - The log retains at most [`Config::retain`] bytes. A reader that falls behind learns exactly
//!   which alerts it lost ([`Next::Lost`]).
//! - A reader group ([`groups`]) is one "read up to here" mark, for calls that name no position.
//!
//! The hub reads no clock and spawns nothing.

mod block;
mod cursor;
mod groups;
mod labels;
mod log;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use block::{Alert, Batch, PriorityCounts, Slice};
pub use cursor::{Cursor, Epoch, NotACursor};
pub use groups::{DEFAULT as DEFAULT_GROUP, GroupError, MAX_GROUP_NAME, MAX_GROUPS};
pub use labels::Labels;
pub use log::{Gap, Next};

use crate::event::Time;
use groups::Groups;
use log::Log;

/// The settings of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The maximum size of the log, in bytes: frames, JSON lines and index.
    pub retain: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { retain: DEFAULT_RETAIN }
    }
}

/// 64 MiB: about 30,000 alerts of a kilobyte, each stored twice (frame and JSON line).
pub const DEFAULT_RETAIN: u64 = 64 << 20;

/// The log, shared by all inputs and readers.
#[derive(Debug)]
pub struct Hub {
    epoch: Epoch,
    state: Mutex<State>,
    head: watch::Sender<u64>,
    lost: AtomicU64,
}

#[derive(Debug)]
struct State {
    log: Log,
    groups: Groups,
}

/// Numbers about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Alerts appended since the start.
    pub received: u64,
    /// Alerts retained.
    pub retained: u64,
    /// Bytes retained.
    pub retained_bytes: usize,
    /// The limit of `retained_bytes`.
    pub retain: usize,
    /// The time of the oldest retained alert.
    pub oldest: Option<Time>,
    /// Alerts of each priority since the start.
    pub priorities: PriorityCounts,
    /// Alerts that were evicted before a reader read them, summed over readers.
    pub lost: u64,
}

impl Hub {
    /// Creates an empty log. No earlier run may have had the same `epoch`.
    #[must_use]
    pub fn new(config: Config, epoch: Epoch) -> Self {
        let log = Log::new(config.retain);
        Self {
            epoch,
            head: watch::Sender::new(log.head()),
            state: Mutex::new(State { log, groups: Groups::default() }),
            lost: AtomicU64::new(0),
        }
    }

    /// Returns the epoch of this run.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the cursor of the alert with this sequence number.
    #[must_use]
    pub fn cursor(&self, sequence: u64) -> Cursor {
        Cursor { epoch: self.epoch, sequence }
    }

    /// Appends the alerts of a batch, which empties it, and wakes waiting readers. Returns the new
    /// sequence numbers.
    pub fn append(&self, batch: &mut Batch) -> Range<u64> {
        batch.close();
        let mut state = self.state();
        let first = state.log.head();
        let evicted = state.log.append(batch);
        let head = state.log.head();
        drop(state);
        drop(evicted);
        // Two appends may get here in either order. The head must only grow.
        self.head.send_if_modified(|known| {
            let grown = head > *known;
            *known = head.max(*known);
            grown
        });
        first..head
    }

    /// Changes [`Config::retain`].
    pub fn set_retain(&self, retain: u64) {
        let evicted = self.state().log.set_retain(retain);
        drop(evicted);
    }

    /// Reads from sequence number `from` on: at most `budget` bytes of frames, but at least one
    /// alert.
    #[must_use]
    pub fn next(&self, from: u64, budget: usize) -> Next {
        let next = self.state().log.next(from, budget);
        self.count_lost(&next);
        next
    }

    /// Returns the first retained alerts from sequence number `start` on and before `end`. To read
    /// on, continue at [`Slice::end`]. Unlike [`Self::next`], this counts no loss.
    #[must_use]
    pub fn first_of(&self, start: u64, end: u64) -> Option<Slice> {
        self.state().log.first_of(start, end)
    }

    /// Returns the last retained alerts from sequence number `start` on and before `end`. To read
    /// backwards, continue before [`Slice::first`].
    #[must_use]
    pub fn last_of(&self, start: u64, end: u64) -> Option<Slice> {
        self.state().log.last_of(start, end)
    }

    /// Watches the sequence number of the next alert.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Returns the sequence number of the next alert.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.state().log.head()
    }

    /// Returns the sequence number of the oldest retained alert, or [`Self::head`] if there is
    /// none.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.state().log.oldest()
    }

    /// Returns the sequence number of the first retained alert with this time or a later one, or
    /// [`Self::head`] if there is none. The log is in order of arrival, so alerts after it may have
    /// earlier times.
    #[must_use]
    pub fn since(&self, time: Time) -> u64 {
        self.state().log.since(time)
    }

    /// Returns the mark of `group`. A new group begins with the oldest retained alert.
    ///
    /// # Errors
    /// If the name is not valid, or there are too many groups.
    pub fn group(&self, group: &str) -> Result<u64, GroupError> {
        let mut state = self.state();
        let oldest = state.log.oldest();
        state.groups.mark(group, oldest).map(|mark| *mark)
    }

    /// Moves the mark of `group` to `end`, because a reader was sent everything before. A mark
    /// never moves back.
    pub fn advance(&self, group: &str, end: u64) {
        self.state().groups.advance(group, end);
    }

    /// Takes the next alerts of `group` before sequence number `end`, so that only one reader of
    /// the group gets them.
    ///
    /// # Errors
    /// Like [`Self::group`].
    pub fn claim(&self, group: &str, end: u64, budget: usize) -> Result<Next, GroupError> {
        let mut state = self.state();
        let State { log, groups } = &mut *state;
        let mark = groups.mark(group, log.oldest())?;
        let next = match log.next(*mark, budget) {
            Next::Alerts(slice) => slice.until(end).map_or(Next::CaughtUp, Next::Alerts),
            other => other,
        };
        match &next {
            Next::Alerts(slice) => *mark = slice.end(),
            Next::Lost(gap) => *mark = gap.end,
            Next::CaughtUp => {}
        }
        drop(state);
        self.count_lost(&next);
        Ok(next)
    }

    /// Returns the current numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.state();
        Stats {
            received: state.log.head() - 1,
            retained: state.log.head() - state.log.oldest(),
            retained_bytes: state.log.bytes(),
            retain: state.log.retain(),
            oldest: state.log.oldest_time(),
            priorities: state.log.counts(),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    fn count_lost(&self, next: &Next) {
        if let Next::Lost(gap) = next {
            self.lost.fetch_add(gap.count(), Ordering::Relaxed);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock leaves the log half-changed, so a poisoned lock is usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
