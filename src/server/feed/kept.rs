//! The alerts kept, looked at forwards or backwards.
//!
//! Whether to go on is asked in the loop itself, not where an alert passes: a filter that nothing
//! passes is the one that takes longest.

use std::ops::ControlFlow;
use std::sync::Arc;

use falconer_gateway::port::{History, Order, Row, Scanned};
use jiff::Timestamp;

use super::ask::Asked;
use super::row::AlertRow;
use super::timestamp;
use crate::hub::{Alert, Hub};

/// Some of the alerts kept.
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
        // What is evicted meanwhile is passed over.
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
        // The one it was broken off at may have been the last there is.
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

/// Alerts that are looked at without a filter before it is asked whether to go on: a few
/// microseconds' worth.
const UNFILTERED: u64 = 64;

/// How many were looked at, and which one last.
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
