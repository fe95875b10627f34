//! Wakes readers that wait with a filter, only for alerts that may pass it.
//!
//! Without it every alert wakes every reader, and ten thousand that wait for something rare cost
//! more than one alert's delivery does.
//!
//! 1. One task ([`watch()`]) looks at what is appended, once for each filter that somebody waits with,
//!    in turns of [`TURN`]. What it cannot decide within [`WORK`] may pass.
//! 2. An [`super::expected::Expected`] keeps where the task is, and which of the latest alerts may pass.
//!    Alerts that are evicted before it looks wake everybody: they are lost to who waits.
//! 3. A reader that has read everything waits on its filter ([`Arrivals`]), and goes on at the first
//!    alert that may pass: what is before it need not be read.
//!
//! Nothing is missed: a reader waits only after it found nothing behind its place, and its filter
//! was among those in use before it looked. What the task looked at before that is in front of the
//! reader's place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::yield_now;

use super::prepared::{Filters, Prepared};
use super::selection::Selection;
use crate::filter::Work;
use crate::hub::{Hub, Slice};

/// How long the task looks before others get their turn.
const TURN: Duration = Duration::from_millis(1);

/// Steps that one filter may take for one alert: some tens of microseconds.
const WORK: u64 = 50_000;

/// Looks at every alert that comes, for all who wait with one of `filters`, without end. It has to run
/// for as long as anybody waits.
pub async fn watch(hub: Arc<Hub>, filters: Filters) {
    filters.watch();
    let mut head = hub.watch_head();
    let mut next = *head.borrow_and_update();
    let mut since = Instant::now();
    // The hub outlives its readers: there is always a next change to wait for.
    while head.changed().await.is_ok() {
        let end = *head.borrow_and_update();
        while next < end {
            let slice = hub.first_of(next, end);
            let first = slice.as_ref().map_or(end, Slice::first);
            let filters = filters.awaited();
            if first > next {
                // Evicted before it was looked at: who waits has to find out for itself.
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

/// The alerts of `slice` that may pass; others get their turn a [`TURN`] after `since`.
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
    // Many filters that cost little take their time together.
    if since.elapsed() > TURN {
        yield_now().await;
        *since = Instant::now();
    }
    may
}

/// What a reader waits on once it has read everything.
#[derive(Debug)]
pub struct Arrivals {
    head: watch::Receiver<u64>,
    filtered: Option<(Prepared, watch::Receiver<u64>)>,
}

impl Arrivals {
    /// For a reader of `hub` that wants this selection.
    #[must_use]
    pub fn new(hub: &Hub, selection: &Selection) -> Self {
        let shared = selection.filter.clone().filter(Prepared::is_watched);
        let filtered = shared.map(|filter| {
            let passing = filter.expected().subscribe();
            (filter, passing)
        });
        Self { head: hub.watch_head(), filtered }
    }

    /// Every alert wakes it from now on, whatever the filter.
    #[must_use]
    pub fn of_all(self) -> Self {
        Self { filtered: None, ..self }
    }

    /// To be called before the reader looks: what is appended after that wakes it.
    pub fn about_to_look(&mut self) {
        self.head.mark_unchanged();
    }

    /// Waits for an alert at or behind `next` that may pass.
    pub async fn wait(&mut self, next: u64) {
        // Neither sender goes before its readers do.
        match &mut self.filtered {
            Some((_, passing)) => drop(passing.wait_for(|end| *end > next).await),
            None => drop(self.head.changed().await),
        }
    }

    /// Where a reader that has read everything before `next` goes on: nothing in between passes.
    #[must_use]
    pub fn next(&self, next: u64) -> u64 {
        self.filtered.as_ref().map_or(next, |(filter, _)| filter.next(next))
    }

    /// The filter that it is woken for.
    #[must_use]
    pub fn filter(&self) -> Option<&Prepared> {
        self.filtered.as_ref().map(|(filter, _)| filter)
    }
}

#[cfg(test)]
mod tests;
