//! Memory for the bodies that are being read: fixed, whatever the number of connections.
//!
//! Bodies of the usual length have a part of it for themselves: large ones that come slowly never
//! make Falco wait.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes for all small bodies together: each connection there may be can have one of 16 KiB.
const SMALL_BUDGET: usize = 16 << 20;

/// A body of at most this many bytes is small: Falco's have a few KiB.
const SMALL: usize = 64 << 10;

/// Bytes for all others together: six of the largest.
const LARGE_BUDGET: usize = 48 << 20;

/// What they are counted in, so that the count fits where a semaphore has 32 bits.
const UNIT: usize = 1 << 10;

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Budget {
    small: Semaphore,
    large: Semaphore,
}

impl Default for Budget {
    fn default() -> Self {
        let of = |bytes: usize| Semaphore::new(bytes / UNIT);
        Self { small: of(SMALL_BUDGET), large: of(LARGE_BUDGET) }
    }
}

impl Budget {
    /// Waits for room for this many bytes, which is given back when the result is dropped.
    pub(crate) async fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let budget = if bytes <= SMALL { &self.small } else { &self.large };
        // The semaphores are never closed.
        budget.acquire_many(units).await.ok()
    }
}
