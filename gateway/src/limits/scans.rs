//! Scans of the retained alerts, on blocking threads.
//!
//! 1. A scan examines every alert, and may decode the JSON of each. [`AT_A_TIME`] scans run at
//!    once, and others wait for their turn. A turn lasts until the work ends, even if its client
//!    has left.
//! 2. A scan stops when its client has left, and when its time is over ([`Limits::scan`]). Both are
//!    checked before each alert that a filter must decode, and every few of the others.
//! 3. A page is answered with what it has by then, and where to continue. Incomplete numbers are an
//!    error.
//!
//! [`Limits::scan`]: crate::config::Limits::scan

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::spawn_blocking};

use super::turns::{Turn, Turns};
use crate::{
    port::{History, Order, Row, Scanned},
    problem::Problem,
};

/// The number of scans at once, so that they do not use every core.
const AT_A_TIME: usize = 2;

/// The turns of scans.
#[derive(Debug)]
pub(crate) struct Scans {
    turns: Turns,
    /// The time limit of a scan.
    longest: Duration,
}

/// A turn.
#[derive(Debug)]
pub(crate) struct ScanTurn {
    turn: Turn,
    longest: Duration,
}

impl Scans {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { turns: Turns::new(AT_A_TIME), longest }
    }

    /// Waits for a turn to scan.
    pub(crate) async fn turn(&self) -> Result<ScanTurn, Problem> {
        Ok(ScanTurn { turn: self.turns.next().await?, longest: self.longest })
    }
}

impl ScanTurn {
    /// Runs `work` on the history on a blocking thread, and returns its result.
    pub(crate) async fn look<T: Send + 'static>(
        self,
        history: Box<dyn History>,
        work: impl FnOnce(&mut Scan<'_>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let until = Instant::now() + self.longest;
        let (done, outcome) = oneshot::channel();
        spawn_blocking(move || {
            let over = || done.is_closed() || Instant::now() >= until;
            let outcome = work(&mut Scan { history, over: &over });
            let _ = done.send(outcome);
            drop(self.turn);
        });
        // It panicked, which was logged.
        outcome.await.map_err(|_| Problem::INTERNAL)
    }
}

/// A running scan. It knows whether the client still waits, and until when.
pub(crate) struct Scan<'s> {
    history: Box<dyn History>,
    over: &'s dyn Fn() -> bool,
}

impl Scan<'_> {
    pub(crate) fn history(&self) -> &dyn History {
        &*self.history
    }

    /// Scans every alert, oldest first. Returns their number if the scan was complete.
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

    /// Scans alerts until `visit` stops, `most` were examined, or the time is over.
    pub(crate) fn some(
        &mut self,
        order: Order,
        most: u64,
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Scanned {
        self.history.scan(order, most, self.over, visit)
    }
}
