//! An incremental parser of HTTP/2 frames (RFC 9113, section 4.1), for pieces of any size. It keeps
//! the nine bytes of the frame's head and the first bytes of the payload, and skips the rest.

/// The length of a frame's head.
const HEAD: usize = 9;

/// The most payload bytes that a caller can request: the fixed fields of GOAWAY.
const MOST: usize = 8;

/// The parser of one direction of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// The number of bytes to skip.
    skip: usize,
    start: [u8; HEAD + MOST],
    /// The number of bytes in [`Self::start`].
    known: usize,
    /// Returns how many payload bytes the caller requests of a frame type.
    wanted: fn(u8) -> usize,
}

/// The head of a frame, and the beginning of its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) length: u32,
    /// The requested first bytes of the payload; zeros after its end.
    pub(super) payload: [u8; MOST],
}

impl Frames {
    /// Creates a parser of frames that begin after `before` other bytes.
    pub(super) fn behind(before: usize, wanted: fn(u8) -> usize) -> Self {
        Self { skip: before, start: [0; HEAD + MOST], known: 0, wanted }
    }

    /// Whether the next byte begins a frame.
    pub(super) fn is_between(&self) -> bool {
        self.skip == 0 && self.known == 0
    }

    /// Consumes `bytes` up to the next frame whose requested bytes are complete, and returns it.
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
            // A complete head may show that payload bytes are requested too.
            if self.needed() == needed {
                return Some(self.complete(needed));
            }
        }
    }

    /// Returns how many bytes of this frame are needed.
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
