//! Looking at what is kept, away from the threads that serve.
//!
//! 1. A scan looks at every alert, and may have to read the JSON of each again: [`AT_A_TIME`] of them
//!    run at a time, others wait their turn. A turn lasts until the work has ended, not until
//!    nobody waits for it any more.
//! 2. A scan ends when its asker has left, and when its time is over ([`Limits::scan`]): both are
//!    asked for at every alert, whether or not it passes.
//! 3. What a page has by then is answered, and says where to go on; numbers that would be too
//!    small are not.
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

/// Scans at a time: they may use a core, not all of them.
const AT_A_TIME: usize = 2;

/// Scans, which wait for their turn here.
#[derive(Debug)]
pub(crate) struct Scans {
    turns: Turns,
    /// How long one may take.
    longest: Duration,
}

/// The right to one scan.
#[derive(Debug)]
pub(crate) struct ScanTurn {
    turn: Turn,
    longest: Duration,
}

impl Scans {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { turns: Turns::new(AT_A_TIME), longest }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) -> Result<ScanTurn, Problem> {
        Ok(ScanTurn { turn: self.turns.next().await?, longest: self.longest })
    }
}

impl ScanTurn {
    /// Has `work` look at the history, away from the threads that serve, and waits for what it makes
    /// of it.
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
        // It panicked; that was logged.
        outcome.await.map_err(|_| Problem::INTERNAL)
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
