//! Counts gRPC messages in a stream of bytes, without copying or decoding them.
//!
//! A message is counted at its last byte. Its time is read from field 1 of
//! `falco.outputs.response`, which every server writes first.

use std::time::Duration;

/// A message's prefix: a flag and a length.
const PREFIX: usize = 5;

/// The number of bytes that contain the time: tag, length, and two tagged varints of up to ten
/// bytes.
const TIME: usize = 24;

/// Walks over messages, whose bytes may be cut anywhere.
#[derive(Default)]
pub(crate) struct Walker {
    /// The beginning of a message that was cut within its first bytes.
    head: Vec<u8>,
    /// The number of bytes left of the current message; `None` between messages.
    left: Option<usize>,
    stamp: Option<Duration>,
    messages: u64,
}

impl Walker {
    /// Returns the number of complete messages.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Walks over the next bytes. `each` gets the time of every message that ends in them.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Option<Duration>)) {
        loop {
            if let Some(left) = self.left {
                let taken = left.min(bytes.len());
                bytes = &bytes[taken..];
                self.left = Some(left - taken);
                if taken < left {
                    return;
                }
                self.left = None;
                self.messages += 1;
                each(self.stamp.take());
            }
            if self.head.is_empty() && bytes.len() >= PREFIX + TIME {
                let length = length(bytes);
                self.stamp = time(&bytes[PREFIX..]);
                bytes = &bytes[PREFIX..];
                self.left = Some(length);
                continue;
            }
            // Near a cut: collect the message's beginning byte by byte.
            let Some((first, rest)) = bytes.split_first() else { return };
            self.head.push(*first);
            bytes = rest;
            if self.head.len() >= PREFIX {
                let length = length(&self.head);
                let wanted = length.min(TIME);
                if self.head.len() == PREFIX + wanted {
                    self.stamp = time(&self.head[PREFIX..]);
                    self.head.clear();
                    self.left = Some(length - wanted);
                }
            }
        }
    }
}

fn length(prefix: &[u8]) -> usize {
    assert_eq!(prefix[0], 0, "not a plain gRPC message");
    u32::from_be_bytes(prefix[1..PREFIX].try_into().unwrap()) as usize
}

/// Returns the time at the beginning of a message, if there is one.
fn time(message: &[u8]) -> Option<Duration> {
    let [0x0a, length, rest @ ..] = message else { return None };
    let (mut rest, mut seconds, mut nanos) = (rest.get(..usize::from(*length))?, 0, 0);
    while let Some((tag, after)) = rest.split_first() {
        let (value, after) = varint(after)?;
        match tag {
            0x08 => seconds = value,
            0x10 => nanos = value,
            _ => return None,
        }
        rest = after;
    }
    Some(Duration::new(seconds, u32::try_from(nanos).ok()?))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (position, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[position + 1..]));
        }
    }
    None
}
