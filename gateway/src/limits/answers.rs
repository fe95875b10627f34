//! Memory for answers with alerts, until the client has read them.
//!
//! 1. All answers together have a fixed amount, whatever the number of connections and their
//!    windows. Each reserves its maximum size before it is written, and then returns the rest.
//! 2. If memory is short, the answer whose size times time without progress is greatest is dropped
//!    ([`Room`]): its stream is reset, or its HTTP/1 connection closed.
//! 3. An answer that gets no memory in time is 503. An answer above the maximum size is rejected.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use super::room::{Place, Room};
use crate::problem::Problem;

/// The memory for all answers, in bytes: thirty of the largest pages.
const ANSWERS: usize = 64 << 20;

/// How long an answer waits for memory. By then, answers that nobody reads have been dropped.
const WAIT: Duration = Duration::from_secs(5);

/// The memory that is left.
#[derive(Debug)]
pub(crate) struct Answers(Room);

impl Default for Answers {
    fn default() -> Self {
        Self(Room::new(ANSWERS))
    }
}

impl Answers {
    /// Reserves memory for an answer of this size.
    pub(crate) async fn enter(&self, bytes: usize) -> Result<Arc<Place>, Problem> {
        let place = self.0.enter();
        match timeout(WAIT, place.claim(bytes)).await {
            Ok(Ok(())) => Ok(Arc::new(place)),
            _ => Err(Problem::NO_ROOM),
        }
    }
}

/// An answer and its memory, which is returned when the last byte has been written.
struct Held {
    bytes: Vec<u8>,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes that hold a place until they are dropped.
pub(crate) fn held(bytes: Vec<u8>, place: Arc<Place>) -> Bytes {
    Bytes::from_owner(Held { bytes, _place: place })
}
