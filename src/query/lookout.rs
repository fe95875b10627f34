//! Wakes idle readers with a filter, and only for alerts that may match.
//!
//! Without it every alert would wake every reader. Ten thousand readers that wait for something
//! rare would cost more than the delivery of an alert.
//!
//! 1. One task ([`watch()`]) evaluates each new alert once for each filter with idle readers, in
//!    turns of [`TURN`]. An alert that it cannot decide within [`WORK`] counts as a match.
//! 2. An [`Expected`](super::expected::Expected) holds the task's position for a filter, and the
//!    latest alerts that may match. Alerts that are evicted before the task evaluates them wake all
//!    readers, because they are lost to them.
//! 3. An idle reader waits on its filter ([`Arrivals`]) and continues at the first alert that may
//!    match. It skips the alerts before.
//!
//! No alert is missed. A reader registers its filter, then reads to the end of the log, and only
//! then waits. The alerts that the task evaluated before the registration are behind the reader's
//! position.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::yield_now;

use super::prepared::{Filters, Prepared};
use super::selection::Selection;
use crate::filter::Work;
use crate::hub::{Hub, Slice};

/// How long the task evaluates before it yields.
const TURN: Duration = Duration::from_millis(1);

/// How many steps one filter may take for one alert: some tens of microseconds.
const WORK: u64 = 50_000;

/// Evaluates every new alert for the idle readers of `filters`, without end. It must run as long as
/// there are readers.
pub async fn watch(hub: Arc<Hub>, filters: Filters) {
    filters.watch();
    let mut head = hub.watch_head();
    let mut next = *head.borrow_and_update();
    let mut since = Instant::now();
    // The hub is alive as long as this task holds it, so this never fails.
    while head.changed().await.is_ok() {
        let end = *head.borrow_and_update();
        while next < end {
            let slice = hub.first_of(next, end);
            let first = slice.as_ref().map_or(end, Slice::first);
            let filters = filters.awaited();
            if first > next {
                // Alerts were evicted before this task evaluated them. Readers must see the gap.
                filters.iter().for_each(|filter| filter.expected().wake(first));
            }
            next = first;
            let Some(slice) = slice else { continue };
            for filter in filters {
                let may = may_pass(&filter, &slice, &mut since).await;
                filter.expected().note(&slice, &may);
            }
            next = slice.end();
        }
    }
}

/// Returns the alerts of `slice` that may match. Yields when a [`TURN`] has passed after `since`.
async fn may_pass(filter: &Prepared, slice: &Slice, since: &mut Instant) -> Vec<u64> {
    let selection = Selection { filter: Some(filter.clone()), ..Selection::default() };
    let (mut may, mut steps) = (Vec::new(), 0);
    for alert in slice.alerts() {
        let work = Work::within(WORK);
        if selection.takes_within(&alert, &work).unwrap_or(true) {
            may.push(alert.sequence);
        }
        steps += work.steps() + alert.line.len() as u64;
        if steps > WORK {
            steps = 0;
            if since.elapsed() > TURN {
                yield_now().await;
                *since = Instant::now();
            }
        }
    }
    // Many cheap filters add up.
    if since.elapsed() > TURN {
        yield_now().await;
        *since = Instant::now();
    }
    may
}

/// Waits for new alerts, for a reader that has read everything.
#[derive(Debug)]
pub struct Arrivals {
    head: watch::Receiver<u64>,
    filtered: Option<(Prepared, watch::Receiver<u64>)>,
}

impl Arrivals {
    /// Creates it for a reader of `hub` with this selection.
    #[must_use]
    pub fn new(hub: &Hub, selection: &Selection) -> Self {
        let shared = selection.filter.clone().filter(Prepared::is_watched);
        let filtered = shared.map(|filter| {
            let passing = filter.expected().subscribe();
            (filter, passing)
        });
        Self { head: hub.watch_head(), filtered }
    }

    /// Makes every alert wake the reader, whatever its filter.
    #[must_use]
    pub fn of_all(self) -> Self {
        Self { filtered: None, ..self }
    }

    /// Must be called before the reader reads the log. Alerts that are appended after this call
    /// wake the reader.
    pub fn about_to_look(&mut self) {
        self.head.mark_unchanged();
    }

    /// Waits for an alert at or after `next` that may match.
    pub async fn wait(&mut self, next: u64) {
        // Both senders outlive the readers.
        match &mut self.filtered {
            Some((_, passing)) => drop(passing.wait_for(|end| *end > next).await),
            None => drop(self.head.changed().await),
        }
    }

    /// Returns where a reader that has read everything before `next` continues. No alert in between
    /// matches.
    #[must_use]
    pub fn next(&self, next: u64) -> u64 {
        self.filtered.as_ref().map_or(next, |(filter, _)| filter.next(next))
    }

    /// Returns the filter that wakes the reader, if not every alert does.
    #[must_use]
    pub fn filter(&self) -> Option<&Prepared> {
        self.filtered.as_ref().map(|(filter, _)| filter)
    }
}

#[cfg(test)]
mod tests;
