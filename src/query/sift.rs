//! Finds the alerts of a slice that a selection matches, without blocking the event loop.
//!
//! 1. Alerts are evaluated one after the other. After [`TURN`] a reader yields.
//! 2. An alert that may take more than [`WORK`] goes to the slow lane, and so do the alerts after
//!    it: a blocking thread, one reader at a time. An alert that may take more than [`SLOW`] goes
//!    to a lane of its own, so that it does not hold up the slow one.
//! 3. When a reader leaves, its evaluation ends with the current turn.

use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{spawn_blocking, yield_now};

use super::selection::Selection;
use crate::filter::Work;
use crate::hub::{Alert, Slice};

/// How long a reader evaluates before it yields.
const TURN: Duration = Duration::from_millis(1);

/// How many steps of work pass between two looks at the clock.
const CLOCK: u64 = 50_000;

/// How many steps an alert may take on the event loop: 1.5 ms at worst.
const WORK: u64 = 1_000_000;

/// How many steps an alert may take in the slow lane: a third of a second at worst.
const SLOW: u64 = 200_000_000;

/// The alerts of a slice that match.
#[derive(Debug, Default)]
pub struct Sifted {
    passed: Vec<u64>,
}

static SLOW_TURNS: Semaphore = Semaphore::const_new(1);
static VERY_SLOW_TURNS: Semaphore = Semaphore::const_new(1);

/// Where alerts are evaluated, by the work that one may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// On the event loop.
    Fast,
    /// In the slow lane.
    Slow,
    /// In the lane for what may take longer than the slow lane allows.
    VerySlow,
}

/// How the evaluation of some alerts ended.
enum Look {
    /// All were evaluated.
    Whole,
    /// It stopped before this alert, because the turn was over.
    Turn(u64),
    /// It stopped before this alert, which needs more work than allowed.
    Costly(u64),
}

impl Pace {
    /// Returns the work that an alert may take.
    fn work(self) -> Work {
        match self {
            Self::Fast => Work::within(WORK),
            Self::Slow => Work::within(SLOW),
            Self::VerySlow => Work::unbounded(),
        }
    }

    /// Returns where an alert that takes more is evaluated.
    fn slower(self) -> Self {
        match self {
            Self::Fast => Self::Slow,
            Self::Slow | Self::VerySlow => Self::VerySlow,
        }
    }
}

impl Selection {
    /// Returns the alerts of `slice` that match.
    pub async fn sift(&self, slice: &Slice) -> Sifted {
        let mut sifted = Sifted::default();
        if self.is_all() {
            sifted.passed.extend(slice.first()..slice.end());
            return sifted;
        }
        let (mut next, mut pace) = (slice.first(), Pace::Fast);
        loop {
            let look = match pace {
                Pace::Fast => self.look(slice, next, pace, &mut sifted),
                _ => self.look_elsewhere(slice, next, pace, &mut sifted).await,
            };
            match look {
                Look::Whole => return sifted,
                Look::Turn(at) => {
                    next = at;
                    yield_now().await;
                }
                Look::Costly(at) => (next, pace) = (at, pace.slower()),
            }
        }
    }

    /// Evaluates on a blocking thread.
    async fn look_elsewhere(
        &self,
        slice: &Slice,
        next: u64,
        pace: Pace,
        sifted: &mut Sifted,
    ) -> Look {
        let turns = if pace == Pace::Slow { &SLOW_TURNS } else { &VERY_SLOW_TURNS };
        let turn = turns.acquire().await;
        let (selection, slice) = (self.clone(), slice.clone());
        let looked = spawn_blocking(move || {
            let mut found = Sifted::default();
            let look = selection.look(&slice, next, pace, &mut found);
            // Held until the work has ended, even if the reader has left.
            drop(turn);
            (look, found)
        });
        match looked.await {
            Ok((look, found)) => {
                sifted.passed.extend(found.passed);
                look
            }
            // The runtime is shutting down.
            Err(_) => Look::Whole,
        }
    }

    /// Evaluates the alerts from `next` on, each within the work that `pace` allows.
    fn look(&self, slice: &Slice, next: u64, pace: Pace, sifted: &mut Sifted) -> Look {
        let begun = Instant::now();
        let mut steps = 0;
        for alert in slice.alerts_from(next) {
            let work = pace.work();
            match self.takes_within(&alert, &work) {
                Some(true) => sifted.passed.push(alert.sequence),
                Some(false) => {}
                None => return Look::Costly(alert.sequence),
            }
            steps += work.steps() + alert.line.len() as u64;
            if steps > CLOCK {
                steps = 0;
                if begun.elapsed() > TURN && alert.sequence + 1 < slice.end() {
                    return Look::Turn(alert.sequence + 1);
                }
            }
        }
        Look::Whole
    }
}

impl Sifted {
    /// Returns the number of alerts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.passed.len() as u64
    }

    /// Returns the alerts. `slice` must be the slice that was evaluated.
    pub fn alerts<'s>(&'s self, slice: &'s Slice) -> impl Iterator<Item = Alert<'s>> {
        self.passed.iter().filter_map(|sequence| slice.alert(*sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{self, Origin};
    use crate::hub::{Batch, Config, Epoch, Hub, Next};

    /// A pattern that is accepted but slow: for each byte of a text of `a` and `b`, the engine goes
    /// through the whole pattern.
    const SLOW_PATTERN: &str = r"command regex '.*[ab](?:[abx]{0,12}.?){0,12}[^c]{0,9}'";

    fn slice(commands: &[String]) -> Slice {
        let hub = Hub::new(Config::default(), Epoch::new(0xabc));
        let mut batch = Batch::default();
        for command in commands {
            let line = format!(
                r#"{{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","output_fields":{{"command":"{command}"}}}}"#
            );
            event::read(
                line.as_bytes(),
                || unreachable!(),
                |r| batch.push(&r.event, &r.line, &Origin::utc("")),
            )
            .unwrap();
        }
        hub.append(&mut batch);
        let Next::Alerts(slice) = hub.next(1, usize::MAX) else { unreachable!() };
        slice
    }

    fn selection(text: &str) -> Selection {
        Selection { filter: Some(text.parse().unwrap()), ..Selection::default() }
    }

    /// Returns text that defeats the cache of a lazy automaton.
    fn noise(length: usize) -> String {
        let letter = |at: usize| if (at * at + at / 7).is_multiple_of(3) { 'a' } else { 'b' };
        (0..length).map(letter).collect()
    }

    #[test]
    fn a_costly_alert_is_not_started_on_the_event_loop() {
        let (cheap, costly) = (slice(&["ab".to_owned()]), slice(&[noise(20_000)]));
        let slow = selection(SLOW_PATTERN);
        let look =
            |slice: &Slice, pace| slow.look(slice, slice.first(), pace, &mut Sifted::default());
        assert!(matches!(look(&cheap, Pace::Fast), Look::Whole));
        let begun = Instant::now();
        assert!(matches!(look(&costly, Pace::Fast), Look::Costly(1)));
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
        assert!(matches!(look(&slice(&[noise(500)]), Pace::Slow), Look::Whole));
    }

    #[tokio::test]
    async fn sifting_in_turns_finds_the_same_alerts_as_a_scan() {
        let mut commands: Vec<String> = (0..300).map(|n| noise(n % 60)).collect();
        commands.insert(100, noise(3_000));
        commands.push(noise(2_000));
        let slice = slice(&commands);
        for text in ["command contains aab", SLOW_PATTERN, "not command regex '[ab]*ba'"] {
            let selection = selection(text);
            let sifted = selection.sift(&slice).await;
            let found: Vec<u64> = sifted.alerts(&slice).map(|alert| alert.sequence).collect();
            let scanned = slice.alerts().filter(|alert| selection.takes(alert));
            assert_eq!(found, scanned.map(|alert| alert.sequence).collect::<Vec<_>>(), "{text}");
            assert_eq!(sifted.count(), found.len() as u64);
        }
    }
}
