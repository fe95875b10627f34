//! Readers that are connected, counted by how they read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a reader reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// gRPC's `sub`.
    Grpc,
    /// Server-sent events.
    Sse,
    /// NDJSON.
    Ndjson,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Grpc, Self::Sse, Self::Ndjson];

    /// The word for it in metrics and status.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Sse => "sse",
            Self::Ndjson => "ndjson",
        }
    }
}

/// Counts open subscriptions.
#[derive(Debug, Clone, Default)]
pub struct Subscribers(Arc<[AtomicUsize; Kind::ALL.len()]>);

impl Subscribers {
    /// How many of a kind are open.
    #[must_use]
    pub fn of(&self, kind: Kind) -> usize {
        self.counter(kind).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Counts one more for as long as the result lives.
    #[must_use]
    pub fn enter(&self, kind: Kind) -> Subscribed {
        if let Some(counter) = self.counter(kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Subscribed(self.clone(), kind)
    }

    fn counter(&self, kind: Kind) -> Option<&AtomicUsize> {
        self.0.get(kind as usize)
    }
}

/// An open subscription; dropping it ends it.
#[derive(Debug)]
pub struct Subscribed(Subscribers, Kind);

impl Drop for Subscribed {
    fn drop(&mut self) {
        if let Some(counter) = self.0.counter(self.1) {
            counter.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
