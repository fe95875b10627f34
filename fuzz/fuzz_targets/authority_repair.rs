//! Checks that the repair of `:authority` changes nothing else, for any client.
//!
//! 1. The result does not depend on how bytes are cut into reads. The library has that oracle.
//! 2. The same bytes are a script for an HPACK encoder, which may write any index and any octets as
//!    Huffman code, but no unfinished representation. One decoder reads its output, another one the
//!    repaired output. As long as the first succeeds, the second must too, and both must read the
//!    same fields except for the values of `:authority`, which must be legal.

#![no_main]

use falconer::net::authority::Repair;
use fluke_hpack::Decoder;
use http::uri::Authority;
use libfuzzer_sys::fuzz_target;

const NAME: &[u8] = b":authority";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest dynamic table that a client may have.
const HEADER_TABLE_SIZE: usize = 4096;

fuzz_target!(|data: &[u8]| {
    falconer::fuzzing::authority_repair(data);
    compare_decoders(Script(data));
});

fn compare_decoders(mut script: Script<'_>) {
    let mut client = Decoder::new();
    let mut server = Decoder::new();
    client.set_max_allowed_table_size(HEADER_TABLE_SIZE);
    server.set_max_allowed_table_size(HEADER_TABLE_SIZE);
    let mut repair = Repair::default();
    repair.feed(&mut PREFACE.to_vec());

    while !script.0.is_empty() {
        let (block, values) = script.block();
        let mut repaired = Vec::new();
        for mut frame in script.frames(&block) {
            let sent = frame.bytes.clone();
            repair.feed(&mut frame.bytes);
            let (before, after) = (frame.fragment.start, frame.fragment.end);
            assert_eq!(sent[..before], frame.bytes[..before]);
            assert_eq!(sent[after..], frame.bytes[after..]);
            repaired.extend_from_slice(&frame.bytes[frame.fragment]);
        }

        // A block that the client's own decoder rejects ends the connection.
        let Ok(original) = client.decode(&block) else { return };
        let fields = || original.iter().zip(&values);
        // The documented exception: a Huffman code that is longer than its text makes the server's
        // table larger than the client's.
        if fields().any(|(field, value)| field.0 == NAME && value.expands(&field.1)) {
            return;
        }
        let repaired = server.decode(&repaired).expect("repaired block is as valid as it was");
        assert_eq!(original.len(), repaired.len());
        for ((was, value), is) in fields().zip(&repaired) {
            assert_eq!(was.0, is.0);
            if was.0 != NAME || was.1.is_empty() {
                assert_eq!(was.1, is.1);
                continue;
            }
            assert!(Authority::try_from(&is.1[..]).is_ok(), "{was:?} became {is:?}");
            if let Value::Plain = value {
                assert_eq!(was.1.len(), is.1.len());
                assert!(!must_stay(&was.1) || was.1 == is.1, "{was:?} became {is:?}");
            }
        }
    }
}

/// Returns whether a value is legal, has no user information, and brackets at most around the host.
fn must_stay(value: &[u8]) -> bool {
    Authority::try_from(value).is_ok()
        && !value.contains(&b'@')
        && !value.iter().skip(1).any(|&octet| octet == b'[')
}

/// The representation of a field's value.
#[derive(Clone, Copy)]
enum Value {
    Index,
    Plain,
    Huffman { octets: usize },
}

impl Value {
    fn expands(self, decoded: &[u8]) -> bool {
        matches!(self, Value::Huffman { octets } if octets > decoded.len())
    }
}

/// A frame, and the range of the field block's fragment in it.
struct Frame {
    bytes: Vec<u8>,
    fragment: std::ops::Range<usize>,
}

/// The fuzzer's bytes, read as decisions. Each decision takes some bytes. After the end there are
/// zeros.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    fn bytes(&mut self, max: u8) -> Vec<u8> {
        let length = usize::from(self.byte() % max).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }

    /// Returns a field block, and the representation of each of its values.
    fn block(&mut self) -> (Vec<u8>, Vec<Value>) {
        let mut block = Vec::new();
        let mut values = Vec::new();
        if self.byte() % 8 == 1 {
            integer(&mut block, 0x20, 5, usize::from(self.byte()) * 16);
        }
        for _ in 0..=self.byte() % 16 {
            values.push(self.field(&mut block));
        }
        (block, values)
    }

    fn field(&mut self, block: &mut Vec<u8>) -> Value {
        let how = self.byte();
        let (first, bits) = match how & 3 {
            0 => {
                integer(block, 0x80, 7, self.index());
                return Value::Index;
            }
            1 => (0x40, 6),
            2 => (0x00, 4),
            _ => (0x10, 4),
        };
        match how >> 2 & 3 {
            0 => integer(block, first, bits, 1),
            1 => integer(block, first, bits, self.index()),
            2 => {
                block.push(first);
                string(block, 0x00, NAME);
            }
            _ => {
                block.push(first);
                string(block, how & 0x80, &self.bytes(16));
            }
        }
        // Some values are long enough for a length of several octets.
        let value = self.bytes(if how & 0x40 == 0 { 24 } else { 255 });
        let huffman = how & 0x20 != 0;
        string(block, if huffman { 0x80 } else { 0x00 }, &value);
        if huffman { Value::Huffman { octets: value.len() } } else { Value::Plain }
    }

    /// Returns an index that a full table may have, the newest insertions more often than others.
    /// It is not 0, which means that a name follows.
    fn index(&mut self) -> usize {
        match usize::from(self.byte()) {
            index @ 1..=189 => index,
            other => 62 + other % 4,
        }
    }

    /// Returns the frames of a field block, cut and padded as the script says.
    fn frames(&mut self, block: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut rest = block;
        loop {
            let cut = match self.byte() {
                0 => rest.len(),
                cut => usize::from(cut).min(rest.len()),
            };
            let (fragment, after) = rest.split_at(cut);
            rest = after;
            let last = rest.is_empty();
            let mut flags = if last { 0x4 } else { 0x0 };
            let mut before = Vec::new();
            let mut padding = Vec::new();
            if frames.is_empty() {
                let how = self.byte();
                if how & 1 != 0 {
                    flags |= 0x8;
                    padding = self.bytes(32);
                    before.push(padding.len() as u8);
                }
                if how & 2 != 0 {
                    flags |= 0x20;
                    before.extend_from_slice(&[0x80, 0x00, 0x00, 0x41, 0x01]);
                }
            }
            let kind = if frames.is_empty() { 0x1 } else { 0x9 };
            let length = (before.len() + fragment.len() + padding.len()) as u32;
            let head = [&length.to_be_bytes()[1..], &[kind, flags, 0, 0, 0, 1]].concat();
            let start = head.len() + before.len();
            frames.push(Frame {
                bytes: [&head, &before, fragment, &padding].concat(),
                fragment: start..start + fragment.len(),
            });
            if last {
                return frames;
            }
        }
    }
}

fn string(block: &mut Vec<u8>, huffman: u8, octets: &[u8]) {
    integer(block, huffman, 7, octets.len());
    block.extend_from_slice(octets);
}

/// Appends an integer (RFC 7541, section 5.1).
fn integer(block: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let max = (1 << bits) - 1;
    if value < max {
        block.push(first | value as u8);
        return;
    }
    block.push(first | max as u8);
    let mut value = value - max;
    while value >= 0x80 {
        block.push(value as u8 | 0x80);
        value >>= 7;
    }
    block.push(value as u8);
}
