//! Memory for the bodies that are being read: fixed, whatever the number of connections.
//!
//! 1. It is claimed as a body's bytes arrive. One that came whole with its head claims nothing:
//!    that is every alert a Falco posts, as a rule.
//! 2. Where it is short, the body that takes most for longest loses its place ([`Room`]).
//! 3. Clients of this machine have memory of their own: nobody outside makes Falco wait.

use super::room::{Place, Room};

/// Bytes a posted body may have: a record is at most 1 MiB, and several may come at once.
pub const MAX_BODY: usize = 8 << 20;

/// Bodies that are unpacked at a time: they may use a core, not all of them. Each has up to 16 MiB for
/// itself.
pub(crate) const UNPACKED_AT_A_TIME: usize = 2;

/// Bytes for all bodies from elsewhere: five of the largest, or 40 KiB for each connection.
const ELSEWHERE: usize = 40 << 20;

/// Bytes for all bodies from loopback addresses: three of the largest.
const LOOPBACK: usize = 24 << 20;

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Budget {
    elsewhere: Room,
    loopback: Room,
}

impl Default for Budget {
    fn default() -> Self {
        Self { elsewhere: Room::new(ELSEWHERE), loopback: Room::new(LOOPBACK) }
    }
}

impl Budget {
    /// A place for a body that begins to come.
    pub(crate) fn enter(&self, loopback: bool) -> Place {
        let place = if loopback { self.loopback.enter() } else { self.elsewhere.enter() };
        place.moved();
        place
    }
}
