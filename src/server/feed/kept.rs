//! Scans the retained alerts, forwards or backwards.
//!
//! The loop itself checks whether to stop, not only at matches: a filter without matches takes
//! longest.

use std::ops::ControlFlow;
use std::sync::Arc;

use falconer_gateway::port::{History, Order, Row, Scanned};
use jiff::Timestamp;

use super::ask::Asked;
use super::row::AlertRow;
use super::timestamp;
use crate::hub::{Alert, Hub};

/// A range of the retained alerts.
#[derive(Debug)]
pub(super) struct Kept {
    hub: Arc<Hub>,
    asked: Asked,
    asked_at: Timestamp,
}

impl Kept {
    pub(super) fn new(hub: Arc<Hub>, asked: Asked) -> Self {
        Self { hub, asked, asked_at: Timestamp::now() }
    }
}

impl History for Kept {
    fn scan(
        &mut self,
        order: Order,
        most: u64,
        stop: &dyn Fn() -> bool,
        visit: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Scanned {
        let Self { hub, asked: Asked { selection, start, end, .. }, .. } = self;
        let asked_every = if selection.filter.is_some() { 1 } else { UNFILTERED };
        let mut look = Look { count: 0, last: None, most, stop, asked_every };
        let mut each = |alert: Alert<'_>| {
            look.at(alert.sequence)?;
            if selection.takes(&alert) {
                visit(&AlertRow { hub, alert: &alert })?;
            }
            ControlFlow::Continue(())
        };
        // Alerts that are evicted meanwhile are skipped.
        let whole = match order {
            Order::OldestFirst => {
                let mut next = *start;
                loop {
                    let Some(slice) = hub.first_of(next, *end) else { break true };
                    next = slice.end();
                    if slice.alerts().try_for_each(&mut each).is_break() {
                        break false;
                    }
                }
            }
            Order::NewestFirst => {
                let mut next = *end;
                loop {
                    let Some(slice) = hub.last_of(*start, next) else { break true };
                    next = slice.first();
                    if slice.alerts().rev().try_for_each(&mut each).is_break() {
                        break false;
                    }
                }
            }
        };
        // The scan may have stopped at the last alert of the range.
        let at_the_end = |last: u64| match order {
            Order::OldestFirst => last + 1 >= *end,
            Order::NewestFirst => last <= hub.oldest().max(*start),
        };
        Scanned {
            count: look.count,
            to: look.last.map(|last| hub.cursor(last).to_string()),
            complete: whole || look.last.is_some_and(at_the_end),
        }
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.hub.stats().oldest.map(timestamp)
    }

    fn since(&self) -> Option<Timestamp> {
        self.asked.selection.since.map(timestamp)
    }

    fn until(&self) -> Timestamp {
        self.asked.selection.until.map_or(self.asked_at, timestamp)
    }
}

/// The number of alerts between two checks whether to stop, without a filter: a few microseconds of
/// work.
const UNFILTERED: u64 = 64;

/// The progress of a scan: the number of alerts, and the last one.
struct Look<'s> {
    count: u64,
    last: Option<u64>,
    most: u64,
    stop: &'s dyn Fn() -> bool,
    asked_every: u64,
}

impl Look<'_> {
    fn at(&mut self, sequence: u64) -> ControlFlow<()> {
        let asked = self.count > 0 && self.count.is_multiple_of(self.asked_every);
        if self.count >= self.most || asked && (self.stop)() {
            return ControlFlow::Break(());
        }
        self.count += 1;
        self.last = Some(sequence);
        ControlFlow::Continue(())
    }
}
