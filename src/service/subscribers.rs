//! The connected readers: protocol, lag and lost alerts of each.
//!
//! A reader stores its position atomically. It takes the lock only to connect and to leave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::query::Prepared;

use crate::seldom::Seldom;

/// The protocol of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// gRPC: `sub`, and `Watch` with `follow`.
    Grpc,
    /// Server-sent events.
    Sse,
    /// NDJSON.
    Ndjson,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Grpc, Self::Sse, Self::Ndjson];

    /// Returns the name for metrics and status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Sse => "sse",
            Self::Ndjson => "ndjson",
        }
    }
}

/// The readers of a server.
#[derive(Debug, Clone, Default)]
pub struct Subscribers(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    live: Mutex<Live>,
    delivered: [AtomicU64; Kind::ALL.len()],
    /// Limits the log lines about lost alerts, because a slow reader can cause any number of them.
    missed: Seldom,
}

#[derive(Debug, Default)]
struct Live {
    readers: BTreeMap<u64, Arc<Reading>>,
    /// The number of readers since the start. Each reader's number is its key.
    entered: u64,
}

#[derive(Debug)]
struct Reading {
    kind: Kind,
    name: Option<Arc<str>>,
    /// The sequence number of the alert it reads next.
    next: AtomicU64,
    lost: AtomicU64,
    /// Whether it has read everything and waits.
    waits: AtomicBool,
    /// The filter that it waits with. Alerts that do not match do not wake it.
    filter: OnceLock<Prepared>,
}

impl Reading {
    /// Returns the sequence number of the alert it would read next if it were woken now.
    fn next(&self) -> u64 {
        let next = self.next.load(Ordering::Relaxed);
        match self.filter.get() {
            Some(filter) if self.waits.load(Ordering::Relaxed) => filter.next(next),
            _ => next,
        }
    }
}

/// The state of a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The protocol.
    pub kind: Kind,
    /// The peer's name, if it is known.
    pub name: Option<Arc<str>>,
    /// The number of alerts that it has not read.
    pub lag: u64,
    /// The number of alerts that it has lost.
    pub lost: u64,
}

impl Subscribers {
    /// Returns the rate limit of log lines about lost alerts.
    pub(super) fn missed(&self) -> &Seldom {
        &self.0.missed
    }

    /// Returns the number of connected readers of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> usize {
        self.live().readers.values().filter(|reading| reading.kind == kind).count()
    }

    /// Returns the number of alerts delivered to readers of a kind, `get` included.
    #[must_use]
    pub fn deliveries(&self, kind: Kind) -> u64 {
        self.0.delivered.get(kind as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Returns every reader, the one with the largest lag first. `head` is the sequence number of
    /// the next alert.
    #[must_use]
    pub fn snapshot(&self, head: u64) -> Vec<Snapshot> {
        let told = |reading: &Arc<Reading>| Snapshot {
            kind: reading.kind,
            name: reading.name.clone(),
            lag: head.saturating_sub(reading.next()),
            lost: reading.lost.load(Ordering::Relaxed),
        };
        let mut readers: Vec<_> = self.live().readers.values().map(told).collect();
        readers.sort_by_key(|reader| std::cmp::Reverse((reader.lag, reader.lost)));
        readers
    }

    /// Adds a reader, whose next alert has sequence number `next`. Dropping the result removes it.
    #[must_use]
    pub fn enter(&self, kind: Kind, name: Option<Arc<str>>, next: u64) -> Subscribed {
        let reading = Arc::new(Reading {
            kind,
            name,
            next: next.into(),
            lost: AtomicU64::new(0),
            waits: AtomicBool::new(false),
            filter: OnceLock::new(),
        });
        let mut live = self.live();
        live.entered += 1;
        let number = live.entered;
        live.readers.insert(number, reading.clone());
        drop(live);
        Subscribed { all: self.clone(), number, reading }
    }

    /// Counts alerts delivered to a reader of a kind.
    pub fn delivered(&self, kind: Kind, alerts: u64) {
        if let Some(count) = self.0.delivered.get(kind as usize) {
            count.fetch_add(alerts, Ordering::Relaxed);
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connected reader. Dropping it removes the reader.
#[derive(Debug)]
pub struct Subscribed {
    all: Subscribers,
    number: u64,
    reading: Arc<Reading>,
}

impl Subscribed {
    /// Records that everything before `next` has been read.
    pub fn moved_to(&self, next: u64) {
        self.reading.next.store(next, Ordering::Relaxed);
    }

    /// Records that the reader is woken only for alerts that may match this filter.
    pub fn filtered_by(&self, filter: Prepared) {
        // A reader's filter does not change.
        let _ = self.reading.filter.set(filter);
    }

    /// Records whether the reader has read everything and waits for new alerts.
    pub fn waits(&self, waits: bool) {
        self.reading.waits.store(waits, Ordering::Relaxed);
    }

    /// Counts alerts delivered to the reader.
    pub fn delivered(&self, alerts: u64) {
        self.all.delivered(self.reading.kind, alerts);
    }

    /// Counts alerts that the reader has lost.
    pub fn lost(&self, alerts: u64) {
        self.reading.lost.fetch_add(alerts, Ordering::Relaxed);
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.all.live().readers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_the_connected_readers_slowest_first() {
        let all = Subscribers::default();
        let fast = all.enter(Kind::Grpc, Some("fast".into()), 1);
        let slow = all.enter(Kind::Sse, None, 1);
        fast.moved_to(10);
        fast.delivered(9);
        slow.moved_to(4);
        slow.lost(2);
        all.delivered(Kind::Grpc, 5);
        let told = |reader: &Snapshot| (reader.kind, reader.lag, reader.lost);
        let readers = all.snapshot(11);
        assert_eq!(
            readers.iter().map(told).collect::<Vec<_>>(),
            [(Kind::Sse, 7, 2), (Kind::Grpc, 1, 0)]
        );
        assert_eq!([all.deliveries(Kind::Grpc), all.deliveries(Kind::Sse)], [14, 0]);
        drop(slow);
        assert_eq!([all.of(Kind::Grpc), all.of(Kind::Sse)], [1, 0]);
        assert_eq!(all.snapshot(11).len(), 1);
    }
}
