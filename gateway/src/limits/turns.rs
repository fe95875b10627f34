//! A few at a time: work that takes a core waits here for its turn.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// So many at a time; others wait, in the order they came.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

/// The right to work, given back when dropped.
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
        // It is never closed.
        let permit = self.0.clone().acquire_owned().await.map_err(|_| Problem::INTERNAL)?;
        Ok(Turn { _permit: permit })
    }
}
