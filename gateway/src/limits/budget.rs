//! Memory for the bodies that are being read. It is fixed, whatever the number of connections.
//!
//! 1. It is reserved as the bytes of a body arrive. A body that arrives with its head reserves
//!    none. That is usually the case for an alert that Falco posts.
//! 2. If memory is short, the body that holds most for longest is dropped ([`Room`]).
//! 3. Clients on this machine have their own memory, so that other machines cannot make Falco wait.

use super::room::{Place, Room};

/// The maximum size of a posted body, in bytes. A record has at most 1 MiB, and a body several.
pub const MAX_BODY: usize = 8 << 20;

/// The number of bodies that are decompressed at once, so that they do not use every core. Each
/// takes up to 16 MiB.
pub(crate) const UNPACKED_AT_A_TIME: usize = 2;

/// The memory for bodies from other machines, in bytes: five of the largest, or 40 KiB for each
/// connection.
const ELSEWHERE: usize = 40 << 20;

/// The memory for bodies from loopback addresses, in bytes: three of the largest.
const LOOPBACK: usize = 24 << 20;

/// The memory that is left.
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
    /// Returns a place for a body that begins to arrive.
    pub(crate) fn enter(&self, loopback: bool) -> Place {
        let place = if loopback { self.loopback.enter() } else { self.elsewhere.enter() };
        place.moved();
        place
    }
}
