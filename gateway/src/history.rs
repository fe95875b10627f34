//! Looking at what is kept, away from the threads that serve.
//!
//! 1. A scan looks at every alert, and may have to read the JSON of each again: [`SCANS`] of them
//!    run at a time, others wait their turn. A turn lasts until the work has ended, not until
//!    nobody waits for it any more.
//! 2. A scan ends when its asker has left, and when its time is over ([`Limits::scan`]): both are
//!    asked for at every alert, whether or not it passes.
//! 3. What a page has by then is answered, and says where to go on; numbers that would be too
//!    small are not.
//!
//! [`Limits::scan`]: crate::config::Limits::scan

use std::{ops::ControlFlow, sync::Arc, time::Instant};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::spawn_blocking,
};

use crate::{
    port::{History, Order, Row, Scanned},
    problem::Problem,
    room::Place,
    state::Gateway,
};

/// Scans at a time: they may use a core, not all of them.
pub(crate) const SCANS: usize = 2;

/// The right to scan, in turn.
#[derive(Debug)]
pub(crate) struct Scans(Arc<Semaphore>);

impl Default for Scans {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SCANS)))
    }
}

impl Scans {
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        // It is never closed.
        self.0.clone().acquire_owned().await.map_err(|_| Problem::INTERNAL)
    }
}

/// What a scan is done with: it knows whether anybody still waits for the outcome, and until when.
pub(crate) struct Scan<'s> {
    history: Box<dyn History>,
    over: &'s dyn Fn() -> bool,
}

impl Scan<'_> {
    pub(crate) fn history(&self) -> &dyn History {
        &*self.history
    }

    /// Every alert there is, in the order they came; how many were looked at, if that was all.
    pub(crate) fn all(&mut self, mut visit: impl FnMut(&dyn Row)) -> Result<u64, Problem> {
        let mut visit = |row: &dyn Row| {
            visit(row);
            ControlFlow::Continue(())
        };
        match self.some(Order::OldestFirst, u64::MAX, &mut visit) {
            Scanned { complete: true, count, .. } => Ok(count),
            Scanned { .. } => Err(Problem::SCAN_TOO_LONG),
        }
    }

    /// Alerts until `visit` has had enough, `most` were looked at, or the time is over.
    pub(crate) fn some(
        &mut self,
        order: Order,
        most: u64,
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Scanned {
        self.history.scan(order, most, self.over, visit)
    }
}

/// Has `work` look at the history, and waits for what it makes of it: an answer of `bytes`, which
/// are claimed for it first.
pub(crate) async fn scan<T: Send + 'static>(
    gateway: &Gateway,
    history: Box<dyn History>,
    bytes: usize,
    work: impl FnOnce(&mut Scan<'_>) -> T + Send + 'static,
) -> Result<(T, Arc<Place>), Problem> {
    let turn = gateway.scans.turn().await?;
    let place = gateway.answers.enter(bytes).await?;
    Ok((look(gateway, history, turn, work).await?, place))
}

/// The same without memory of its own, for who has some.
pub(crate) async fn scan_within<T: Send + 'static>(
    gateway: &Gateway,
    history: Box<dyn History>,
    work: impl FnOnce(&mut Scan<'_>) -> T + Send + 'static,
) -> Result<T, Problem> {
    let turn = gateway.scans.turn().await?;
    look(gateway, history, turn, work).await
}

async fn look<T: Send + 'static>(
    gateway: &Gateway,
    history: Box<dyn History>,
    turn: OwnedSemaphorePermit,
    work: impl FnOnce(&mut Scan<'_>) -> T + Send + 'static,
) -> Result<T, Problem> {
    let until = Instant::now() + gateway.limits.scan;
    let (done, outcome) = oneshot::channel();
    spawn_blocking(move || {
        let over = || done.is_closed() || Instant::now() >= until;
        let outcome = work(&mut Scan { history, over: &over });
        let _ = done.send(outcome);
        drop(turn);
    });
    // It panicked; that was logged.
    outcome.await.map_err(|_| Problem::INTERNAL)
}
