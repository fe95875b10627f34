//! A log that takes its time, and notes how many look at it at once.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use falconer_gateway::port::{History, Order, Row, Scanned};
use jiff::Timestamp;

/// A log without an end in which nothing passes.
#[derive(Clone, Debug, Default)]
pub struct Slow {
    /// A scan goes on so long whatever it is told.
    pub stubborn: Duration,
    /// Scans that go on, the most there were at once, and how many have begun.
    pub going_on: Arc<AtomicUsize>,
    pub at_once: Arc<AtomicUsize>,
    pub begun: Arc<AtomicUsize>,
}

impl History for Slow {
    fn scan(
        &mut self,
        _: Order,
        _: u64,
        stop: &dyn Fn() -> bool,
        _: &mut dyn FnMut(&dyn Row) -> ControlFlow<()>,
    ) -> Scanned {
        let begun = Instant::now();
        self.begun.fetch_add(1, SeqCst);
        let going_on = self.going_on.fetch_add(1, SeqCst) + 1;
        self.at_once.fetch_max(going_on, SeqCst);
        while begun.elapsed() < self.stubborn || !stop() {
            sleep(Duration::from_millis(1));
        }
        self.going_on.fetch_sub(1, SeqCst);
        Scanned { count: 7, to: Some("64a5f0c2b1e80.7".into()), complete: false }
    }

    fn oldest(&self) -> Option<Timestamp> {
        None
    }

    fn since(&self) -> Option<Timestamp> {
        None
    }

    fn until(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}
