//! The log everything flows through: alerts are appended once and read by anybody.
//!
//! - Appending never waits for a reader; a reader is a cursor and costs the hub nothing.
//! - What is kept is bounded by [`Config::retain`]; a reader that comes too late for something
//!   is told exactly which alerts those were ([`Next::Lost`]).
//! - A reader group is one "read up to here" mark ([`groups`]), for calls that do not say where
//!   they want to start.
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

/// How much the log keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Upper bound of what is kept for readers to come, in bytes: frames, JSON lines and index.
    pub retain: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { retain: DEFAULT_RETAIN }
    }
}

/// 64 MiB: about 30,000 alerts of a kilobyte, kept twice (frame and JSON line).
pub const DEFAULT_RETAIN: u64 = 64 << 20;

/// The log, shared by everybody who appends or reads.
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

/// What the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Alerts appended since the start.
    pub received: u64,
    /// Alerts kept.
    pub retained: u64,
    /// Bytes kept.
    pub retained_bytes: usize,
    /// Bytes that may be kept.
    pub retain: usize,
    /// When the oldest alert kept happened.
    pub oldest: Option<Time>,
    /// Alerts of each priority since the start.
    pub priorities: PriorityCounts,
    /// Alerts that readers missed because they were evicted first, summed over readers.
    pub lost: u64,
}

impl Hub {
    /// An empty log; `epoch` is a number no earlier run had.
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

    /// Which run of the log this is.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The cursor of the alert with this sequence number.
    #[must_use]
    pub fn cursor(&self, sequence: u64) -> Cursor {
        Cursor { epoch: self.epoch, sequence }
    }

    /// Appends what is in a batch, which is empty then, and wakes whoever waits for more. Returns the
    /// sequence numbers it got.
    pub fn append(&self, batch: &mut Batch) -> Range<u64> {
        batch.close();
        let mut state = self.state();
        let first = state.log.head();
        let evicted = state.log.append(batch);
        let head = state.log.head();
        drop(state);
        drop(evicted);
        // Two appends may come here in either order; the head only ever grows.
        self.head.send_if_modified(|known| {
            let grown = head > *known;
            *known = head.max(*known);
            grown
        });
        first..head
    }

    /// Keeps more or less from now on ([`Config::retain`]).
    pub fn set_retain(&self, retain: u64) {
        let evicted = self.state().log.set_retain(retain);
        drop(evicted);
    }

    /// What there is from sequence number `from` on: at most `budget` bytes of frames, but one
    /// alert at least.
    #[must_use]
    pub fn next(&self, from: u64, budget: usize) -> Next {
        let next = self.state().log.next(from, budget);
        self.count_lost(&next);
        next
    }

    /// Alerts kept from sequence number `start` on and before `end`: the first ones, for reading
    /// on at [`Slice::end`]. Looking back counts as no loss: it is [`Self::next`] that does.
    #[must_use]
    pub fn first_of(&self, start: u64, end: u64) -> Option<Slice> {
        self.state().log.first_of(start, end)
    }

    /// The last ones, for reading backwards from [`Slice::first`].
    #[must_use]
    pub fn last_of(&self, start: u64, end: u64) -> Option<Slice> {
        self.state().log.last_of(start, end)
    }

    /// Watches the sequence number the next alert will get.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// The sequence number the next alert will get.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.state().log.head()
    }

    /// The sequence number of the oldest alert kept; the head when there is none.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.state().log.oldest()
    }

    /// The sequence number of the first alert kept that happened at or after `time`. Alerts are
    /// kept in order of arrival, so later ones may have happened earlier.
    #[must_use]
    pub fn since(&self, time: Time) -> u64 {
        self.state().log.since(time)
    }

    /// Where `group` has read to. A group that is named for the first time begins with the oldest
    /// alert kept.
    ///
    /// # Errors
    /// When the name cannot be a group's, or there are too many groups.
    pub fn group(&self, group: &str) -> Result<u64, GroupError> {
        let mut state = self.state();
        let oldest = state.log.oldest();
        state.groups.mark(group, oldest).map(|mark| *mark)
    }

    /// Notes that a reader of `group` has been sent everything before `end`. A mark never moves
    /// back.
    pub fn advance(&self, group: &str, end: u64) {
        self.state().groups.advance(group, end);
    }

    /// Takes the next alerts before sequence number `end` for one reader of `group`, so that no
    /// other reader of it gets them.
    ///
    /// # Errors
    /// As [`Self::group`].
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

    /// What the log holds now.
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
        // Nothing under this lock calls out; a poisoned one has still a whole log in it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
