//! Counts and logs the errors that h2 sends by itself.
//!
//! If a peer breaks a rule, h2 resets the call or ends the connection. Neither h2 nor hyper reports
//! it, and no service sees the call. So the frames are observed on their way to the socket.
//!
//! 1. [`Sent`] parses the frames that are written ([`Frames`]).
//! 2. It counts each RST_STREAM and GOAWAY with an error by the error's code, for metrics.
//! 3. It logs the error with the peer, at a limited rate ([`Seldom`]).
//!
//! NO_ERROR and CANCEL do not count as errors, because they end calls that are over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Peer;
use super::frames::{Frame, Frames};
use crate::seldom::Seldom;

const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const GOAWAY: u8 = 0x7;

const END_STREAM: u8 = 0x1;

/// Error codes by number (RFC 9113, section 7).
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// The calls and connections of one listener that h2 ended with an error.
#[derive(Debug, Default)]
pub struct Errors {
    calls: Ends,
    connections: Ends,
}

#[derive(Debug, Default)]
struct Ends {
    /// The counts by error code.
    counts: [AtomicU64; CODES.len()],
    told: Seldom,
}

impl Errors {
    /// Iterates over the numbers of reset calls by error code; codes with 0 are left out.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.calls.counts()
    }

    /// Iterates over the numbers of ended connections by error code; codes with 0 are left out.
    pub fn connections(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.connections.counts()
    }

    fn note(&self, frame: Frame, peer: &Peer) {
        let [a, b, c, d, rest @ ..] = frame.payload;
        let (ends, code) = match frame.kind {
            RST_STREAM => (&self.calls, [a, b, c, d]),
            // The code follows the number of the last stream.
            GOAWAY => (&self.connections, rest),
            _ => return,
        };
        let number = u32::from_be_bytes(code) as usize;
        let (Some(&code), Some(count)) = (CODES.get(number), ends.counts.get(number)) else {
            return;
        };
        if matches!(code, "NO_ERROR" | "CANCEL") {
            return;
        }
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(untold) = ends.told.due() {
            let what = if frame.kind == GOAWAY { "ended a connection" } else { "reset a call" };
            let cause = match code {
                "REFUSED_STREAM" => "the peer has too many calls open on one connection",
                "INTERNAL_ERROR" => "an internal error of this server",
                _ => "the peer sent invalid HTTP/2, invalid headers, or too many frames",
            };
            tracing::warn!(%peer, code, untold, "HTTP/2 {what}: {cause}");
        }
    }
}

impl Ends {
    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = CODES.into_iter().zip(&self.counts);
        let counts = counts.map(|(code, count)| (code, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0)
    }
}

/// The frames that are written to one peer.
#[derive(Debug)]
pub(super) struct Sent {
    frames: Frames,
    /// Whether the last frame was the trailers of a call.
    ends_call: bool,
    peer: Peer,
    errors: Arc<Errors>,
}

impl Sent {
    pub(super) fn to(peer: Peer, errors: Arc<Errors>) -> Self {
        let wanted = |kind| match kind {
            RST_STREAM => 4,
            GOAWAY => 8,
            _ => 0,
        };
        // A server has no preface, so its first byte begins a frame.
        Self { frames: Frames::behind(0, wanted), ends_call: false, peer, errors }
    }

    /// Parses the next bytes that are written.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some(frame) = self.frames.next(&mut bytes) {
            self.ends_call = frame.kind == HEADERS && frame.flags & END_STREAM != 0;
            self.errors.note(frame, &self.peer);
        }
    }

    /// Whether the last frame was the trailers of a call.
    pub(super) fn ends_call(&self) -> bool {
        self.ends_call
    }

    /// Whether the last frame is complete, so that another frame may be inserted.
    pub(super) fn is_between_frames(&self) -> bool {
        self.frames.is_between()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_are_counted_for_any_sizes_of_writes() {
        let frames: [&[u8]; 6] = [
            b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01",
            b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x01",
            b"\0\0\x05\0\0\0\0\0\x03\x03\x03\x03\x03\x03",
            b"\0\0\x04\x03\0\0\0\0\x05\0\0\0\x08",
            b"\0\0\x09\x07\0\0\0\0\0\0\0\0\x05\0\0\0\x0bx",
            b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x05\0\0\0\0",
        ];
        let written = frames.concat();
        for piece in 1..written.len() {
            let errors = Arc::new(Errors::default());
            let mut sent = Sent::to(Peer::Unix { uid: None, pid: None }, errors.clone());
            for piece in written.chunks(piece) {
                sent.follow(piece);
            }
            assert!(sent.is_between_frames());
            assert_eq!(errors.calls().collect::<Vec<_>>(), [("PROTOCOL_ERROR", 1)]);
            assert_eq!(errors.connections().collect::<Vec<_>>(), [("ENHANCE_YOUR_CALM", 1)]);
            sent.follow(&written[..3]);
            assert!(!sent.is_between_frames());
        }
    }
}
