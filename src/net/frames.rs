//! HTTP/2's frames (RFC 9113, section 4.1), followed through whatever pieces they come in: nine bytes
//! of each, what of its payload is asked for, and how much is still to come. Nothing is copied.

/// The length of a frame's head.
const HEAD: usize = 9;

/// The most of a payload that can be asked for: what GOAWAY says.
const MOST: usize = 8;

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to come that nobody asks for.
    skip: usize,
    start: [u8; HEAD + MOST],
    /// How much of [`Self::start`] is there.
    known: usize,
    /// How much is asked for of the payload of a frame of such a type.
    wanted: fn(u8) -> usize,
}

/// A frame, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) length: u32,
    /// The payload's first bytes, as many as were asked for; zeros where it has fewer.
    pub(super) payload: [u8; MOST],
}

impl Frames {
    /// Frames that begin behind `before` other bytes.
    pub(super) fn behind(before: usize, wanted: fn(u8) -> usize) -> Self {
        Self { skip: before, start: [0; HEAD + MOST], known: 0, wanted }
    }

    /// Whether the next byte begins a frame.
    pub(super) fn is_between(&self) -> bool {
        self.skip == 0 && self.known == 0
    }

    /// Goes on through `bytes`, and stops at the next frame of which is known what was asked for.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            *bytes = bytes.get(skipped..).unwrap_or_default();
            let needed = self.needed();
            let rest = self.start.get_mut(self.known..needed)?;
            let taken = rest.len().min(bytes.len());
            let (rest, (piece, after)) = (rest.get_mut(..taken)?, bytes.split_at_checked(taken)?);
            rest.copy_from_slice(piece);
            self.known += taken;
            *bytes = after;
            if self.known < needed {
                return None;
            }
            // With the head's last byte it may turn out that more is asked for.
            if self.needed() == needed {
                return Some(self.complete(needed));
            }
        }
    }

    /// How many bytes of this frame have to be known.
    fn needed(&self) -> usize {
        if self.known < HEAD {
            return HEAD;
        }
        let [a, b, c, kind, ..] = self.start;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        HEAD + (self.wanted)(kind).min(length).min(MOST)
    }

    fn complete(&mut self, known: usize) -> Frame {
        let [a, b, c, kind, flags, _, _, _, _, payload @ ..] = self.start;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = length as usize - (known - HEAD);
        self.known = 0;
        self.start = [0; HEAD + MOST];
        Frame { kind, flags, length, payload }
    }
}
