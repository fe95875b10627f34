//! PINGs of Falconer's own, which show whether a peer has read what was written to it.
//!
//! A peer answers a PING after it has read what came before it, even on a busy machine.
//!
//! 1. A caller requests a PING and waits for its answer ([`Echo::heard`]).
//! 2. The connection's task writes the PING between two frames of h2 ([`super::cork`]).
//! 3. The meter finds the answer among the frames it reads ([`super::meter`]). h2 ignores an answer
//!    to a PING that it did not send.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// The first four bytes of the payload of these PINGs. The number of the PING follows.
const MARK: [u8; 4] = *b"read";

/// The PINGs of one connection.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// The number of the last requested PING.
    wanted: AtomicU32,
    /// The number of the last written PING.
    written: AtomicU32,
    /// The number of the last answered PING. Each connection has this state, and a `watch` channel
    /// would be ten times as large.
    heard: AtomicU32,
    answers: Notify,
    /// Wakes the connection's task.
    writer: AtomicWaker,
}

impl Echo {
    /// Requests a PING, and waits for its answer.
    pub(super) async fn heard(&self) {
        // Concurrent callers may share one PING. Their data was written before it too.
        let number = self.written.load(Ordering::Acquire).wrapping_add(1);
        self.wanted.fetch_max(number, Ordering::AcqRel);
        self.writer.wake();
        loop {
            // Created before the check, so that an answer in between is not missed.
            let answer = self.answers.notified();
            if self.heard.load(Ordering::Acquire) >= number {
                return;
            }
            answer.await;
        }
    }

    /// Returns the PING frame to write now, if one is requested.
    pub(super) fn due(&self, context: &std::task::Context<'_>) -> Option<[u8; 17]> {
        self.writer.register(context.waker());
        let wanted = self.wanted.load(Ordering::Acquire);
        if self.written.swap(wanted, Ordering::AcqRel) == wanted {
            return None;
        }
        let [a, b, c, d] = wanted.to_be_bytes();
        let [m, n, o, p] = MARK;
        Some([0, 0, 8, 6, 0, 0, 0, 0, 0, m, n, o, p, a, b, c, d])
    }

    /// Notes that a PING was answered.
    pub(super) fn answered(&self, number: u32) {
        self.heard.store(number, Ordering::Release);
        self.answers.notify_waiters();
    }
}

/// Returns the number in a PING's payload, if the PING is one of these.
pub(super) fn number([m, n, o, p, number @ ..]: [u8; 8]) -> Option<u32> {
    ([m, n, o, p] == MARK).then(|| u32::from_be_bytes(number))
}
