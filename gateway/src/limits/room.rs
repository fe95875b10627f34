//! Memory of a fixed total that bodies or answers share.
//!
//! 1. Memory is reserved as it is needed, never because a client announced a size. A request that
//!    does not fit waits.
//! 2. While a request waits, the place with the greatest product of bytes and time since its last
//!    progress is lost. A place is exempt in the first second, which is enough on a working network.
//! 3. The holder of a lost place is notified. It stops and returns its memory.

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

/// How long a place is exempt.
const FAIR: Duration = Duration::from_secs(1);
/// The time between two selections of places to lose, while memory is short.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A fixed amount of memory.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    state: Mutex<State>,
    /// Notified when memory was returned.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    next: u64,
    held: BTreeMap<u64, Held>,
    /// The time of the last selection.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    /// The time since which it counts. `None` while it is exempt.
    since: Option<Instant>,
    lost: CancellationToken,
}

/// A part of the memory, which is returned on drop.
#[derive(Debug)]
pub(crate) struct Place {
    room: Room,
    number: u64,
    lost: CancellationToken,
}

/// The place was lost to other requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl Room {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, state: Mutex::default(), freed: Notify::new() }))
    }

    /// Returns an empty place, which is exempt until [`Place::moved`].
    pub(crate) fn enter(&self) -> Place {
        let lost = CancellationToken::new();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.held.insert(number, Held { bytes: 0, since: None, lost: lost.clone() });
        drop(state);
        Place { room: self.clone(), number, lost }
    }

    /// Selects places to lose, until `bytes` more are available.
    fn make_room(&self, bytes: usize) {
        let (mut state, now) = (self.state(), Instant::now());
        // One selection for all who wait, because it examines every place.
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
    /// Marks places as lost until `short` bytes are covered, or all others are exempt.
    fn make_room(&mut self, mut short: usize) {
        // The memory of places that are lost already will be returned soon.
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
    /// Reserves `bytes` more if they are available.
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

    /// Waits for `bytes` more and reserves them.
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
                // Memory that is returned before this line is seen at the next selection.
                _ = timeout(LOOK_EVERY, self.room.0.freed.notified()) => {}
            }
        }
    }

    /// Returns the memory beyond `bytes`.
    pub(crate) fn keep(&self, bytes: usize) {
        let mut state = self.room.state();
        let Some(held) = state.held.get_mut(&self.number) else { return };
        let back = held.bytes.saturating_sub(bytes);
        held.bytes -= back;
        state.used -= back;
        drop(state);
        self.room.0.freed.notify_waiters();
    }

    /// Notes that the peer has done its part. The place is exempt from now on.
    pub(crate) fn settled(&self) {
        if let Some(held) = self.room.state().held.get_mut(&self.number) {
            held.since = None;
        }
    }

    /// Notes progress of the peer. The place counts from now on.
    pub(crate) fn moved(&self) {
        if let Some(held) = self.room.state().held.get_mut(&self.number) {
            held.since = Some(Instant::now());
        }
    }

    /// Waits until the place is lost.
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
