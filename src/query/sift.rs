//! What of a slice is meant, found without holding up the threads that serve.
//!
//! 1. Alerts are looked at one after the other; after [`TURN`] others get theirs.
//! 2. One that may take more than [`WORK`] is looked at elsewhere, and so is what follows it: on a
//!    thread for what is slow, where readers take turns too, one at a time. What may take very long
//!    ([`SLOW`]) has a turn of its own, so that it does not keep the merely slow waiting.
//! 3. A reader that leaves ends its turn at the latest with the alert that is being looked at.

use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{spawn_blocking, yield_now};

use super::selection::Selection;
use crate::filter::Work;
use crate::hub::{Alert, Slice};

/// How long a reader looks before others get their turn.
const TURN: Duration = Duration::from_millis(1);

/// After how many steps of work the clock is looked at.
const CLOCK: u64 = 50_000;

/// Steps that an alert may take on a thread that serves: 1.5 ms at worst.
const WORK: u64 = 1_000_000;

/// Steps above which an alert is very slow: a third of a second at worst.
const SLOW: u64 = 200_000_000;

/// The alerts of a slice that are meant.
#[derive(Debug, Default)]
pub struct Sifted {
    passed: Vec<u64>,
}

static SLOW_TURNS: Semaphore = Semaphore::const_new(1);
static VERY_SLOW_TURNS: Semaphore = Semaphore::const_new(1);

/// Where alerts are looked at, by what one of them may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// On a thread that serves.
    Fast,
    /// Elsewhere, in turn.
    Slow,
    /// Elsewhere, in a turn that nobody else waits for.
    VerySlow,
}

/// How a look at some alerts ended.
enum Look {
    /// With the last of them.
    Whole,
    /// Before this one, as it was time for others.
    Turn(u64),
    /// Before this one, which takes more work than was allowed.
    Costly(u64),
}

impl Pace {
    /// Steps that an alert may take.
    fn work(self) -> Work {
        match self {
            Self::Fast => Work::within(WORK),
            Self::Slow => Work::within(SLOW),
            Self::VerySlow => Work::unbounded(),
        }
    }

    /// Where what takes more is looked at.
    fn slower(self) -> Self {
        match self {
            Self::Fast => Self::Slow,
            Self::Slow | Self::VerySlow => Self::VerySlow,
        }
    }
}

impl Selection {
    /// Which alerts of `slice` are meant.
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

    /// Looks on a thread for what is slow.
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
            // Held until the work has ended, whether or not anybody still waits for it.
            drop(turn);
            (look, found)
        });
        match looked.await {
            Ok((look, found)) => {
                sifted.passed.extend(found.passed);
                look
            }
            // Only when the program ends.
            Err(_) => Look::Whole,
        }
    }

    /// Looks at the alerts from `next` on, each within what `pace` allows.
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
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.passed.len() as u64
    }

    /// The alerts, which are some of `slice`.
    pub fn alerts<'s>(&'s self, slice: &'s Slice) -> impl Iterator<Item = Alert<'s>> {
        self.passed.iter().filter_map(|sequence| slice.alert(*sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{self, Origin};
    use crate::hub::{Batch, Config, Epoch, Hub, Next};

    /// A pattern that is accepted, and slow: each byte of a text of `a` and `b` has the engine look
    /// at all of it.
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

    /// Text that no automaton gets used to.
    fn noise(length: usize) -> String {
        let letter = |at: usize| if (at * at + at / 7).is_multiple_of(3) { 'a' } else { 'b' };
        (0..length).map(letter).collect()
    }

    #[test]
    fn what_is_costly_is_not_begun_on_a_thread_that_serves() {
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
    async fn what_is_found_in_turns_is_what_a_scan_finds() {
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
