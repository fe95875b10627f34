//! Memory for answers that are made of alerts, until their client has taken them.
//!
//! 1. All of them together have a fixed amount, whatever the number of connections and whatever
//!    windows they grant. Each claims what it may become, before it is made, and gives back what it
//!    did not need.
//! 2. Where it is short, the answer loses its place of which nothing was taken for longest
//!    ([`Room`]): its stream is reset, its HTTP/1 connection ends.
//! 3. An answer that finds no memory in time is 503. One that would be larger than any may be is
//!    refused.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use super::room::{Place, Room};
use crate::problem::Problem;

/// Bytes of all answers: thirty of the largest pages.
const ANSWERS: usize = 64 << 20;

/// How long an answer waits for memory: whoever holds it in vain has lost it by then.
const WAIT: Duration = Duration::from_secs(5);

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Answers(Room);

impl Default for Answers {
    fn default() -> Self {
        Self(Room::new(ANSWERS))
    }
}

impl Answers {
    /// Room for an answer of this many bytes.
    pub(crate) async fn enter(&self, bytes: usize) -> Result<Arc<Place>, Problem> {
        let place = self.0.enter();
        match timeout(WAIT, place.claim(bytes)).await {
            Ok(Ok(())) => Ok(Arc::new(place)),
            _ => Err(Problem::NO_ROOM),
        }
    }
}

/// An answer and its memory: bytes that are given back when the last of them has been written.
struct Held {
    bytes: Vec<u8>,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes that hold `place`.
pub(crate) fn held(bytes: Vec<u8>, place: Arc<Place>) -> Bytes {
    Bytes::from_owner(Held { bytes, _place: place })
}
