//! Repairs `:authority` in what a client sends, before HTTP/2 reads it.
//!
//! A gRPC client has no host name for a unix socket. Since 1.57 the clients built on C-core send
//! the percent-encoded path (`tmp%2Fx%2Ff.sock`), others the path itself, and neither is an
//! authority (RFC 3986 section 3.2), so HTTP/2 resets the stream before any service is asked. On
//! TCP, Node's HTTP/2 writes an IPv6 address without its brackets (`::1:5060`). Nothing is routed by
//! authority here, and nobody is let in by it; it only has to be legal. [`Repair`] edits the bytes
//! in place as they stream in, [`RepairedIo`] does it to a connection.
//!
//! # How
//!
//! 1. Walk the frames (RFC 9113 section 4.1) after the connection preface, and skip the payload of
//!    every frame but HEADERS and CONTINUATION.
//! 2. In these step over pad length, priority and padding (sections 6.2 and 6.10); what remains
//!    are fragments of one field block, cut at any octet, up to the one flagged END_HEADERS.
//! 3. Walk the block's representations (RFC 7541 section 6), decoding integers (section 5.1) and
//!    counting through strings (section 5.2).
//! 4. A literal's name is `:authority` when it says so in full, plain or Huffman-coded, or when
//!    its index leads there: static entry 1, or a dynamic entry that was inserted under that name.
//! 5. Such a literal's plain value keeps the octets that are legal where they stand, and has a
//!    `-` in place of the others. A Huffman-coded value loses the mark that says so, and every
//!    octet becomes `-`: the code cannot be changed in place, but its length can be kept.
//!
//! Each octet is judged when it comes, knowing only what came before, so how the bytes were cut
//! into reads cannot matter. No octet is added or taken away.
//!
//! # Why the two ends keep the same dynamic table
//!
//! The client's encoder and our decoder each keep the table of inserted fields (RFC 7541 section
//! 2.3.2), and indices count from the newest insertion. An edit changes no insertion into another
//! representation, so the n-th newest is the same field at both ends. What can differ is eviction,
//! which goes by size: a plain value keeps its length; a Huffman-coded one shrinks from its
//! decoded to its encoded length, so our table holds an entry at least as long as the client's
//! does, and a client names no entry which it has itself evicted. Only a client that Huffman-codes
//! a value although that makes it longer could name an entry which is gone here: its connection
//! ends with a compression error, as no wrong field can take the entry's place.
//!
//! # What it refuses
//!
//! Nothing. What is not HTTP/2, or breaks its framing or HPACK in a way that ends the connection,
//! passes through unchanged from there on, and HTTP/2 says what is wrong. An empty `:authority`
//! stays empty and is refused as before, since there is no octet to put a character in.
//!
//! # Where
//!
//! Frames are walked here, field blocks in [`block`], values are judged in [`value`], and [`io`]
//! has the connection.

mod block;
mod io;
mod value;

#[cfg(test)]
mod tests;

pub use block::HEADER_TABLE_SIZE;
pub use io::RepairedIo;

use super::preface::PREFACE;
use block::Block;

/// Repairs one connection's client-to-server bytes; see the module's description.
///
/// State is a few words, whatever is fed.
#[derive(Debug, Default)]
pub struct Repair {
    place: Place,
    /// The stream whose field block has begun and not ended (RFC 9113 section 4.3).
    open: Option<u32>,
    block: Block,
}

/// Where in the connection the next octet is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the connection preface, of which this is to come.
    Preface(&'static [u8]),
    /// In a frame's head; `bits` are what came of it.
    Head { left: u8, bits: u128 },
    /// In the payload of a HEADERS or CONTINUATION frame.
    Payload(Payload),
    /// In a payload that is none of our business.
    Skip { left: u32 },
    /// The connection is broken: nothing is edited any more.
    Lost,
}

/// What is to come of a payload that carries a fragment, in the order of the wire.
#[derive(Debug, Clone, Copy)]
struct Payload {
    pad_length: bool,
    priority: u32,
    fragment: u32,
    padding: u32,
    /// Whether the field block ends with this frame.
    last: bool,
}

/// The client broke the protocol so that its connection will end.
#[derive(Debug)]
struct Lost;

impl Repair {
    /// Edits the next bytes from the client, beginning with the connection preface.
    pub fn feed(&mut self, mut bytes: &mut [u8]) {
        loop {
            if let Place::Skip { left } = self.place {
                // Most of what is sent: not looked at.
                let skipped = (left as usize).min(bytes.len());
                self.place = Place::skip(left - skipped as u32);
                bytes = bytes.get_mut(skipped..).unwrap_or_default();
            }
            let Some((byte, rest)) = bytes.split_first_mut() else { return };
            self.place = self.step(byte).unwrap_or(Place::Lost);
            if let Place::Lost = self.place {
                return;
            }
            bytes = rest;
        }
    }

    fn step(&mut self, byte: &mut u8) -> Result<Place, Lost> {
        match self.place {
            Place::Preface(expected) => match expected.split_first() {
                Some((first, [])) if first == byte => Ok(Place::HEAD),
                Some((first, rest)) if first == byte => Ok(Place::Preface(rest)),
                _ => Err(Lost),
            },
            Place::Head { left, bits } => {
                let bits = bits << 8 | u128::from(*byte);
                match left.saturating_sub(1) {
                    0 => self.begin(Head::parse(bits)),
                    left => Ok(Place::Head { left, bits }),
                }
            }
            Place::Payload(mut payload) => {
                match &mut payload {
                    Payload { pad_length: pad_length @ true, fragment, padding, .. } => {
                        *pad_length = false;
                        *padding = u32::from(*byte);
                        *fragment = fragment.checked_sub(*padding).ok_or(Lost)?;
                    }
                    Payload { priority: left @ 1.., .. } => *left -= 1,
                    Payload { fragment: left @ 1.., .. } => {
                        *left -= 1;
                        self.block.step(byte)?;
                    }
                    Payload { padding: left, .. } => *left = left.saturating_sub(1),
                }
                self.go_on(payload)
            }
            Place::Skip { left } => Ok(Place::skip(left.saturating_sub(1))),
            Place::Lost => Err(Lost),
        }
    }

    /// A frame's head is complete: where its payload begins.
    fn begin(&mut self, head: Head) -> Result<Place, Lost> {
        match (head.kind, self.open) {
            (Head::HEADERS, None) => {
                self.open = Some(head.stream);
                let pad_length = head.has(Head::PADDED);
                let priority = if head.has(Head::PRIORITY) { 5 } else { 0 };
                let before = u32::from(pad_length) + priority;
                let fragment = head.length.checked_sub(before).ok_or(Lost)?;
                let last = head.has(Head::END_HEADERS);
                self.go_on(Payload { pad_length, priority, fragment, padding: 0, last })
            }
            (Head::CONTINUATION, Some(stream)) if stream == head.stream => self.go_on(Payload {
                pad_length: false,
                priority: 0,
                fragment: head.length,
                padding: 0,
                last: head.has(Head::END_HEADERS),
            }),
            // A client never pushes (RFC 9113 section 8.4), nothing comes between the frames of
            // one field block, and CONTINUATION comes nowhere else (section 6.10).
            (Head::PUSH_PROMISE | Head::CONTINUATION, _) | (_, Some(_)) => Err(Lost),
            (_, None) => Ok(Place::skip(head.length)),
        }
    }

    /// Stays in `payload` while there is more of it, and leaves it and its field block when not.
    fn go_on(&mut self, payload: Payload) -> Result<Place, Lost> {
        match payload {
            Payload { pad_length: false, priority: 0, fragment: 0, padding: 0, last } => {
                if last {
                    self.block.end()?;
                    self.open = None;
                }
                Ok(Place::HEAD)
            }
            more => Ok(Place::Payload(more)),
        }
    }
}

impl Place {
    /// Before a frame's head, of nine octets.
    const HEAD: Place = Place::Head { left: 9, bits: 0 };

    fn skip(left: u32) -> Place {
        match left {
            0 => Place::HEAD,
            left => Place::Skip { left },
        }
    }
}

impl Default for Place {
    fn default() -> Place {
        Place::Preface(PREFACE)
    }
}

/// A frame's head (RFC 9113 section 4.1).
#[derive(Debug, Clone, Copy)]
struct Head {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Head {
    const HEADERS: u8 = 0x1;
    const PUSH_PROMISE: u8 = 0x5;
    const CONTINUATION: u8 = 0x9;

    const END_HEADERS: u8 = 0x4;
    const PADDED: u8 = 0x8;
    const PRIORITY: u8 = 0x20;

    /// Reads the 72 bits of a head; each cast keeps the field's own bits.
    fn parse(bits: u128) -> Head {
        Head {
            length: (bits >> 48) as u32 & 0x00ff_ffff,
            kind: (bits >> 40) as u8,
            flags: (bits >> 32) as u8,
            // The highest bit is reserved and ignored.
            stream: bits as u32 & 0x7fff_ffff,
        }
    }

    fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
