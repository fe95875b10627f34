//! A reader that goes on: a cursor, and nothing that grows.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use falconer_gateway::port::{Lost, Progress, Row, Tail};
use tokio::sync::watch;

use super::ask::Asked;
use super::row::AlertRow;
use crate::hub::{Hub, Next};
use crate::query::Selection;
use crate::service::{LOST_CAUSE, subscribers::Subscribed};

/// Reads the log for one stream.
#[derive(Debug)]
pub(super) struct Following {
    hub: Arc<Hub>,
    selection: Selection,
    next: u64,
    head: watch::Receiver<u64>,
    subscribed: Subscribed,
}

impl Following {
    pub(super) fn new(hub: Arc<Hub>, asked: Asked, subscribed: Subscribed) -> Self {
        let Asked { selection, start, .. } = asked;
        let head = hub.watch_head();
        Self { hub, selection, next: start, head, subscribed }
    }
}

impl Tail for Following {
    fn read(&mut self, budget: usize, visit: &mut dyn FnMut(&dyn Row)) -> Progress {
        // Noted before looking, so that what is appended in between wakes the next wait.
        self.head.mark_unchanged();
        match self.hub.next(self.next, budget) {
            Next::Alerts(slice) => {
                self.next = slice.end();
                let mut count = 0;
                for alert in slice.alerts().filter(|alert| self.selection.takes(alert)) {
                    visit(&AlertRow { hub: &self.hub, alert: &alert });
                    count += 1;
                }
                self.subscribed.delivered(count);
                self.subscribed.moved_to(self.next);
                Progress::Alerts
            }
            Next::Lost(gap) => {
                self.next = gap.end;
                self.subscribed.lost(gap.count());
                self.subscribed.moved_to(self.next);
                Progress::Lost(Lost {
                    count: gap.count(),
                    first: self.hub.cursor(gap.first).to_string(),
                    last: self.hub.cursor(gap.end - 1).to_string(),
                    cause: LOST_CAUSE.into(),
                })
            }
            Next::CaughtUp => Progress::CaughtUp,
        }
    }

    fn more(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            // The hub outlives its readers: there is always a next change to wait for.
            let _ = self.head.changed().await;
        })
    }

    fn position(&self) -> String {
        self.hub.cursor(self.next.saturating_sub(1)).to_string()
    }
}
