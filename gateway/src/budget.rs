//! Memory for the bodies that are being read: fixed, whatever the number of connections.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes for all of them: eight of the largest, or thousands of Falco's, which have a few KiB.
const BUDGET: usize = 64 << 20;

/// What [`BUDGET`] is counted in, so that the count fits where a semaphore has 32 bits.
const BUDGET_UNIT: usize = 1 << 10;

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Budget(Semaphore);

impl Default for Budget {
    fn default() -> Self {
        Self(Semaphore::new(BUDGET / BUDGET_UNIT))
    }
}

impl Budget {
    /// Waits for room for this many bytes, which is given back when the result is dropped.
    pub(crate) async fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let units = u32::try_from(bytes.div_ceil(BUDGET_UNIT)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        self.0.acquire_many(units).await.ok()
    }
}
