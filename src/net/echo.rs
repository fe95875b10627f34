//! Whether a peer has read what was written to it: PINGs of ours, and their answers.
//!
//! A peer answers a PING after it has read what was before it, however busy its machine is. Somebody
//! asks ([`Echo::heard`]); the connection's own task writes the PING between two frames of HTTP/2's
//! ([`super::cork`]); the answer is seen in what is read ([`super::meter`]). HTTP/2 forgets answers
//! that it did not ask for.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

/// What our PINGs begin with; their number follows.
const MARK: [u8; 4] = *b"read";

/// The PINGs of one connection.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// The last one that somebody waits for.
    wanted: AtomicU32,
    /// The last one written.
    written: AtomicU32,
    /// The last one answered. A `watch` would be ten times as large, and each connection has one.
    heard: AtomicU32,
    answers: Notify,
    /// Who writes.
    writer: AtomicWaker,
}

impl Echo {
    /// Has a PING written, and waits for its answer.
    pub(super) async fn heard(&self) {
        // Others may wait for the same one; what they asked after was written before it too.
        let number = self.written.load(Ordering::Acquire).wrapping_add(1);
        self.wanted.fetch_max(number, Ordering::AcqRel);
        self.writer.wake();
        loop {
            // Before the look, so that no answer in between is missed.
            let answer = self.answers.notified();
            if self.heard.load(Ordering::Acquire) >= number {
                return;
            }
            answer.await;
        }
    }

    /// The frame to write now, if one is wanted.
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

/// The number of a PING of ours, by what is in it.
pub(super) fn number([m, n, o, p, number @ ..]: [u8; 8]) -> Option<u32> {
    ([m, n, o, p] == MARK).then(|| u32::from_be_bytes(number))
}
