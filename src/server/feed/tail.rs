//! A live stream's reader of the log. It has a cursor and no queue.

use std::sync::Arc;

use falconer_gateway::port::{Lost, Progress, Row, Soon, Tail};

use super::ask::Asked;
use super::row::AlertRow;
use crate::hub::{Hub, Next, Slice};
use crate::query::{Arrivals, Selection, Sifted};
use crate::service::{LOST_CAUSE, subscribers::Subscribed};

/// Reads the log for one live stream.
#[derive(Debug)]
pub(super) struct Following {
    hub: Arc<Hub>,
    selection: Selection,
    next: u64,
    arrivals: Arrivals,
    /// The alerts lost before the stream began, until they are announced.
    lost: Option<Lost>,
    subscribed: Subscribed,
    /// The alerts of the last read.
    found: Option<(Slice, Sifted)>,
}

impl Following {
    pub(super) fn new(hub: Arc<Hub>, asked: Asked, subscribed: Subscribed) -> Self {
        let Asked { selection, start, lost, .. } = asked;
        let arrivals = Arrivals::new(&hub, &selection);
        if let Some(filter) = arrivals.filter() {
            subscribed.filtered_by(filter.clone());
        }
        Self { hub, selection, next: start, arrivals, lost, subscribed, found: None }
    }

    async fn look(&mut self, budget: usize) -> Progress {
        self.found = None;
        if let Some(lost) = self.lost.take() {
            return Progress::Lost(lost);
        }
        self.subscribed.waits(false);
        // If a wait was dropped, this skips alerts that are known not to match.
        self.moved_to(self.arrivals.next(self.next));
        self.arrivals.about_to_look();
        match self.hub.next(self.next, budget) {
            Next::Alerts(slice) => {
                let sifted = self.selection.sift(&slice).await;
                self.moved_to(slice.end());
                self.subscribed.delivered(sifted.count());
                self.found = Some((slice, sifted));
                Progress::Alerts
            }
            Next::Lost(gap) => {
                self.moved_to(gap.end);
                self.subscribed.lost(gap.count());
                Progress::Lost(Lost {
                    count: Some(gap.count()),
                    first: Some(self.hub.cursor(gap.first).to_string()),
                    last: Some(self.hub.cursor(gap.end - 1).to_string()),
                    cause: LOST_CAUSE.into(),
                })
            }
            Next::CaughtUp => Progress::CaughtUp,
        }
    }

    fn moved_to(&mut self, next: u64) {
        self.next = next;
        self.subscribed.moved_to(next);
    }
}

impl Tail for Following {
    fn look(&mut self, budget: usize) -> Soon<'_, Progress> {
        Box::pin(self.look(budget))
    }

    fn rows(&self, visit: &mut dyn FnMut(&dyn Row)) {
        let Some((slice, sifted)) = &self.found else { return };
        for alert in sifted.alerts(slice) {
            visit(&AlertRow { hub: &self.hub, alert: &alert });
        }
    }

    fn more(&mut self) -> Soon<'_, ()> {
        Box::pin(async {
            self.subscribed.waits(true);
            self.arrivals.wait(self.next).await;
        })
    }

    fn position(&self) -> String {
        // No alert in between matches.
        let next = self.arrivals.next(self.next);
        self.hub.cursor(next.saturating_sub(1)).to_string()
    }
}
