//! Turns at work that takes a core.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// A number of turns at once. Others wait, in order of arrival.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

/// A turn, which ends on drop.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turns {
    pub(crate) fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_a_time)))
    }

    /// Waits for a turn.
    pub(crate) async fn next(&self) -> Result<Turn, Problem> {
        // The semaphore is never closed.
        let permit = self.0.clone().acquire_owned().await.map_err(|_| Problem::INTERNAL)?;
        Ok(Turn { _permit: permit })
    }
}
