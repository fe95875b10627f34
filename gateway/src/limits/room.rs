//! Memory that many share: what bodies and answers hold, out of a fixed total.
//!
//! 1. Memory is claimed as it is needed, never as it is announced. What no longer fits waits.
//! 2. While somebody waits, the place that costs the others most is lost: the one with most bytes
//!    for longest. None is judged in its first second, which is enough on a working network.
//! 3. Whoever lost its place is told, ends what it does and gives its memory back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long nobody is judged.
const FAIR: Duration = Duration::from_secs(1);
/// How often it is looked at anew whose place is lost, while memory is short.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A fixed amount of memory.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    state: Mutex<State>,
    /// Something was given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    next: u64,
    held: BTreeMap<u64, Held>,
    /// When it was last looked at whose place is lost.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    /// Since when it is judged; not yet where there is none.
    since: Option<Instant>,
    lost: CancellationToken,
}

/// Somebody's part of it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Room,
    number: u64,
    lost: CancellationToken,
}

/// Others needed the memory more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl Room {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, state: Mutex::default(), freed: Notify::new() }))
    }

    /// A place that has nothing so far, and is judged only once it has [`Place::moved`].
    pub(crate) fn enter(&self) -> Place {
        let lost = CancellationToken::new();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.held.insert(number, Held { bytes: 0, since: None, lost: lost.clone() });
        drop(state);
        Place { room: self.clone(), number, lost }
    }

    /// Takes places away, as far as that is needed for `bytes` more.
    fn make_room(&self, bytes: usize) {
        let (mut state, now) = (self.state(), Instant::now());
        // Once for all who wait: each look is at everybody.
        if state.looked.is_some_and(|looked| now.duration_since(looked) < LOOK_EVERY) {
            return;
        }
        state.looked = Some(now);
        let short = state.used.saturating_add(bytes).saturating_sub(self.0.most);
        state.make_room(short);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes away the places it needs for `short` bytes more, as far as there are any that may be.
    fn make_room(&mut self, mut short: usize) {
        // What others have lost comes back soon.
        let leaving = self.held.values().filter(|held| held.lost.is_cancelled());
        short = short.saturating_sub(leaving.map(|held| held.bytes).sum());
        let now = Instant::now();
        while short > 0 {
            let cost = |held: &Held| match held.since {
                Some(since) if now.duration_since(since) >= FAIR && !held.lost.is_cancelled() => {
                    held.bytes as u128 * now.duration_since(since).as_millis()
                }
                _ => 0,
            };
            let Some(most) = self.held.values().max_by_key(|held| cost(held)) else { return };
            if cost(most) == 0 {
                return;
            }
            most.lost.cancel();
            short = short.saturating_sub(most.bytes);
        }
    }
}

impl Place {
    /// Takes `bytes` more if they are there.
    pub(crate) fn try_claim(&self, bytes: usize) -> bool {
        let mut state = self.room.state();
        let fits = state.used.checked_add(bytes).is_some_and(|used| used <= self.room.0.most);
        if fits {
            state.used += bytes;
            if let Some(held) = state.held.get_mut(&self.number) {
                held.bytes += bytes;
            }
        }
        fits
    }

    /// Takes `bytes` more, waiting for them.
    pub(crate) async fn claim(&self, bytes: usize) -> Result<(), Lost> {
        loop {
            if self.lost.is_cancelled() {
                return Err(Lost);
            }
            if self.try_claim(bytes) {
                return Ok(());
            }
            self.room.make_room(bytes);
            tokio::select! {
                () = self.lost.cancelled() => {}
                // What is freed between the look and here is seen at the next look.
                _ = timeout(LOOK_EVERY, self.room.0.freed.notified()) => {}
            }
        }
    }

    /// Gives back what it has beyond `bytes`.
    pub(crate) fn keep(&self, bytes: usize) {
        let mut state = self.room.state();
        let Some(held) = state.held.get_mut(&self.number) else { return };
        let back = held.bytes.saturating_sub(bytes);
        held.bytes -= back;
        state.used -= back;
        drop(state);
        self.room.0.freed.notify_waiters();
    }

    /// Notes that its peer has done its part: it is not judged any more.
    pub(crate) fn settled(&self) {
        if let Some(held) = self.room.state().held.get_mut(&self.number) {
            held.since = None;
        }
    }

    /// Notes that its peer does something: from now on it is judged.
    pub(crate) fn moved(&self) {
        if let Some(held) = self.room.state().held.get_mut(&self.number) {
            held.since = Some(Instant::now());
        }
    }

    /// Ends when it is lost.
    pub(crate) fn lost(&self) -> WaitForCancellationFutureOwned {
        self.lost.clone().cancelled_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.room.state();
        let bytes = state.held.remove(&self.number).map_or(0, |held| held.bytes);
        state.used -= bytes;
        drop(state);
        if bytes > 0 {
            self.room.0.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn place(room: &Room, bytes: usize) -> Place {
        let place = room.enter();
        place.moved();
        assert!(place.try_claim(bytes));
        place
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_most_for_longest_loses_its_place_and_nobody_else() {
        let room = Room::new(100);
        let (old, large) = (place(&room, 10), place(&room, 80));
        advance(Duration::from_secs(2)).await;
        let young = place(&room, 10);
        let next = room.enter();
        let (claimed, ()) = tokio::join!(next.claim(30), async {
            large.lost().await;
            drop(large);
        });
        assert_eq!(claimed, Ok(()));
        assert!(!old.lost.is_cancelled() && !young.lost.is_cancelled());
        assert!(next.try_claim(50) && !next.try_claim(1));
        next.keep(1);
        assert!(young.try_claim(79) && !young.try_claim(1));
        drop((old, young, next));
        assert_eq!(room.state().used, 0);
        assert!(room.state().held.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_judged_in_its_first_second_and_whoever_waits_may_lose_too() {
        let room = Room::new(100);
        let (held, next) = (place(&room, 90), room.enter());
        assert!(timeout(FAIR / 2, next.claim(20)).await.is_err());
        assert!(!held.lost.is_cancelled());
        assert_eq!(held.claim(20).await, Err(Lost), "it had its second");
        drop(held);
        assert_eq!(next.claim(20).await, Ok(()));
    }
}
