//! Looking at what is kept, away from the threads that serve.
//!
//! A scan looks at every alert, and may have to read the JSON of each again: [`SCANS`] of them run
//! at a time, others wait their turn. One whose asker has left ends.

use std::ops::ControlFlow;

use tokio::{
    sync::{Semaphore, oneshot},
    task::spawn_blocking,
};

use crate::{
    port::{History, Order, Row, Scanned},
    problem::{Problem, Refusal},
    state::Gateway,
};

/// Scans at a time: they may use a core, not all of them.
pub(crate) const SCANS: usize = 2;

/// The right to scan, in turn.
#[derive(Debug)]
pub(crate) struct Scans(Semaphore);

impl Default for Scans {
    fn default() -> Self {
        Self(Semaphore::new(SCANS))
    }
}

/// What a scan is done with: it knows whether anybody still waits for the outcome.
pub(crate) struct Scan<'s> {
    history: Box<dyn History>,
    gone: &'s dyn Fn() -> bool,
}

impl Scan<'_> {
    pub(crate) fn history(&self) -> &dyn History {
        &*self.history
    }

    /// Every alert there is, in the order they came.
    pub(crate) fn all(&mut self, mut visit: impl FnMut(&dyn Row)) -> u64 {
        let mut visit = |row: &dyn Row| {
            visit(row);
            ControlFlow::Continue(())
        };
        self.some(Order::OldestFirst, u64::MAX, &mut visit).count
    }

    /// Alerts until `visit` has had enough, or `most` were looked at.
    pub(crate) fn some(
        &mut self,
        order: Order,
        most: u64,
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Scanned {
        let gone = self.gone;
        self.history.scan(order, most, &mut |row| {
            if gone() { ControlFlow::Break(()) } else { visit(row) }
        })
    }
}

/// Has `work` look at the history, and waits for what it makes of it.
pub(crate) async fn scan<T: Send + 'static>(
    gateway: &Gateway,
    history: Box<dyn History>,
    work: impl FnOnce(&mut Scan<'_>) -> T + Send + 'static,
) -> Result<T, Refusal> {
    // The semaphore is never closed.
    let _turn = gateway.scans.0.acquire().await.map_err(|_| Problem::INTERNAL)?;
    let (done, outcome) = oneshot::channel();
    spawn_blocking(move || {
        let gone = || done.is_closed();
        let outcome = work(&mut Scan { history, gone: &gone });
        let _ = done.send(outcome);
    });
    // It panicked; that was logged.
    outcome.await.map_err(|_| Problem::INTERNAL.into())
}
