//! Repairs `:authority` in what a client sends, before HTTP/2 reads it.
//!
//! A gRPC client has no host name for a unix socket. Since 1.57 the clients built on C-core send
//! the percent-encoded path (`tmp%2Fx%2Ff.sock`), and others send the path itself. Neither is a
//! valid authority (RFC 3986 section 3.2), so h2 resets the stream before it reaches a service. On
//! TCP, Node's HTTP/2 sends an IPv6 address without brackets (`::1:5060`). Falconer neither routes
//! nor authorizes by authority, so the value only has to be valid. [`Repair`] edits the bytes in
//! place as they arrive, and [`RepairedIo`] applies it to a connection.
//!
//! # How
//!
//! 1. Parse the frames (RFC 9113 section 4.1) after the connection preface, and skip the payload of
//!    every frame except HEADERS and CONTINUATION.
//! 2. In these, skip pad length, priority and padding (sections 6.2 and 6.10). The rest are the
//!    fragments of one field block, up to the frame with the flag END_HEADERS. A fragment may end
//!    at any octet.
//! 3. Parse the representations in the block (RFC 7541 section 6): decode integers (section 5.1),
//!    and count the octets of strings (section 5.2).
//! 4. The name of a literal is `:authority` if it is spelled out, plain or Huffman-coded, or if its
//!    index refers to that name: static entry 1, or a dynamic entry inserted under that name.
//! 5. Edit the value of such a literal. In a plain value, a `-` replaces each octet that is not
//!    valid at its position. In a Huffman-coded value, the Huffman bit is cleared and every octet
//!    becomes `-`, because the code cannot be changed in place, but its length can stay.
//!
//! An edit depends only on the octets before it, so the sizes of the reads do not matter. No octet
//! is added or removed.
//!
//! # Why the two ends keep the same dynamic table
//!
//! The client's encoder and h2's decoder each have a table of inserted fields (RFC 7541 section
//! 2.3.2). Indices count from the newest insertion. An edit does not change the representation, so
//! the n-th newest entry is the same field at both ends.
//!
//! Eviction can differ, because it depends on sizes. A plain value keeps its length. A value in
//! Huffman code shrinks from its decoded to its encoded length. So h2 evicts an entry no earlier
//! than the client, and a client refers to no entry that it has evicted. The exception is a client
//! that uses Huffman code although that makes the value longer. It could refer to an entry that h2
//! has evicted. Its connection then ends with a compression error, because an index never leads to
//! a wrong field.
//!
//! # What it rejects
//!
//! Nothing. If the bytes are not HTTP/2, or violate its framing or HPACK in a way that ends the
//! connection, they pass unchanged from there on, and h2 reports the error. An empty `:authority`
//! stays empty, because there is no octet to replace, and h2 rejects it.
//!
//! # Where
//!
//! This file parses frames, [`block`] parses field blocks, [`value`] validates values, and [`io`]
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

/// Repairs the bytes that one client sends; see the description of the module.
///
/// The state has a fixed size of a few words.
#[derive(Debug, Default)]
pub struct Repair {
    place: Place,
    /// The stream whose field block has begun and not ended (RFC 9113 section 4.3).
    open: Option<u32>,
    block: Block,
}

/// The position of the next octet in the connection.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the connection preface, whose remaining octets are given.
    Preface(&'static [u8]),
    /// In a frame's head, of which `bits` have arrived.
    Head { left: u8, bits: u128 },
    /// In the payload of a HEADERS or CONTINUATION frame.
    Payload(Payload),
    /// In the payload of any other frame.
    Skip { left: u32 },
    /// After a protocol error. Nothing is edited any more.
    Lost,
}

/// The remaining parts of a payload with a fragment, in the order of the wire.
#[derive(Debug, Clone, Copy)]
struct Payload {
    pad_length: bool,
    priority: u32,
    fragment: u32,
    padding: u32,
    /// Whether the field block ends with this frame.
    last: bool,
}

/// A protocol error of the client that will end its connection.
#[derive(Debug)]
struct Lost;

impl Repair {
    /// Edits the next bytes from the client, beginning with the connection preface.
    pub fn feed(&mut self, mut bytes: &mut [u8]) {
        loop {
            if let Place::Skip { left } = self.place {
                // Most bytes are in skipped payloads, so these are passed over in one step.
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

    /// Returns the place after a complete frame head.
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
            // A client never pushes (RFC 9113 section 8.4). No other frame comes between the frames
            // of a field block, and CONTINUATION comes only there (section 6.10).
            (Head::PUSH_PROMISE | Head::CONTINUATION, _) | (_, Some(_)) => Err(Lost),
            (_, None) => Ok(Place::skip(head.length)),
        }
    }

    /// Stays in `payload` if octets remain. Otherwise goes to the next frame, and ends the field
    /// block if this was its last frame.
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
    /// Before a frame's head, which has nine octets.
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

    /// Reads the 72 bits of a head. Each cast keeps the bits of its field.
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
