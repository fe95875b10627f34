//! Walks HPACK field blocks octet by octet (RFC 7541), finding the values of `:authority`.
//!
//! It remembers how far it is in the representation at hand, and for each entry of the dynamic
//! table one bit: whether its name is `:authority`.

use super::Lost;
use super::value::{STAND_IN, Shape};

/// Octets of dynamic table that the server allows a client (SETTINGS_HEADER_TABLE_SIZE).
///
/// This is HTTP/2's default, which holds before our SETTINGS arrive and which the server must not
/// raise: it bounds how far back a client's index can reach, and so how much is remembered here.
pub const HEADER_TABLE_SIZE: u32 = 4096;

/// Octets that each entry of a dynamic table counts for beside its own (RFC 7541 section 4.1).
pub(super) const ENTRY_OVERHEAD: u32 = 32;

/// Entries of the static table (RFC 7541 appendix A); a greater index is a dynamic entry's.
pub(super) const STATIC_ENTRIES: u32 = 61;

// `Inserted` remembers one bit for each entry that a full table can hold.
const _: () = assert!(HEADER_TABLE_SIZE / ENTRY_OVERHEAD == u128::BITS);

/// The name to look for, and the only way to write it in HPACK's Huffman code.
pub(super) const NAME: &[u8] = b":authority";
pub(super) const NAME_HUFFMAN: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// Set in the first octet of a string's length when the string is Huffman-coded.
pub(super) const HUFFMAN: u8 = 0x80;

/// Walks field blocks (RFC 7541); lives as long as the connection, as the dynamic table does.
#[derive(Debug, Default)]
pub(super) struct Block {
    at: At,
    inserted: Inserted,
}

/// What the next octet of a field block belongs to.
#[derive(Debug, Default, Clone, Copy)]
enum At {
    /// A new representation.
    #[default]
    Field,
    /// An integer that did not fit into its prefix; `value` and `shift` are for the next octet.
    Integer { counts: Counts, value: u32, shift: u32 },
    /// The length of a literal's name.
    NameLength { indexing: bool },
    /// A literal's name; `expected` is how it goes on if it is `:authority`.
    Name { indexing: bool, left: u32, expected: Option<&'static [u8]> },
    /// The length of a literal's value.
    ValueLength(Literal),
    /// A literal's value.
    Value { left: u32, edit: Edit },
}

/// What an integer counts, and so what comes after it.
#[derive(Debug, Clone, Copy)]
enum Counts {
    /// The entry that is the whole field.
    Field,
    /// Octets of the dynamic table.
    TableSize,
    /// The entry that has a literal's name, or 0 for a name in full.
    Name {
        indexing: bool,
    },
    NameOctets {
        indexing: bool,
        huffman: bool,
    },
    ValueOctets {
        literal: Literal,
        huffman: bool,
    },
}

/// A literal field whose name is known.
#[derive(Debug, Clone, Copy)]
struct Literal {
    /// Whether it will be inserted into the dynamic table.
    indexing: bool,
    authority: bool,
}

/// What to do to a value's octets.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Keep,
    /// Keep what is legal there.
    Legal(Shape),
    /// Replace all.
    Blank,
}

impl Block {
    pub(super) fn step(&mut self, byte: &mut u8) -> Result<(), Lost> {
        self.at = match self.at {
            At::Field => match *byte {
                0x80.. => self.prefix(*byte, 7, Counts::Field)?,
                0x40.. => self.prefix(*byte, 6, Counts::Name { indexing: true })?,
                0x20.. => self.prefix(*byte, 5, Counts::TableSize)?,
                _ => self.prefix(*byte, 4, Counts::Name { indexing: false })?,
            },
            At::Integer { counts, value, shift } => {
                let value = value + (u32::from(*byte & 0x7f) << shift);
                match (*byte & 0x80, shift) {
                    (0, _) => self.counted(counts, value)?,
                    // HTTP/2 reads integers of five octets, so the sum stays below 2^29.
                    (_, 21..) => return Err(Lost),
                    _ => At::Integer { counts, value, shift: shift + 7 },
                }
            }
            At::NameLength { indexing } => {
                let huffman = *byte & HUFFMAN != 0;
                self.prefix(*byte, 7, Counts::NameOctets { indexing, huffman })?
            }
            At::Name { indexing, left, expected } => {
                let expected = expected.and_then(|expected| expected.strip_prefix(&[*byte]));
                At::name(indexing, left.saturating_sub(1), expected)
            }
            At::ValueLength(literal) => {
                let huffman = *byte & HUFFMAN != 0;
                if literal.authority {
                    *byte &= !HUFFMAN;
                }
                self.prefix(*byte, 7, Counts::ValueOctets { literal, huffman })?
            }
            At::Value { left, edit } => {
                let left = left.saturating_sub(1);
                At::value(left, edit.apply(byte, left == 0))
            }
        };
        Ok(())
    }

    /// The block's last fragment is over; no representation may be unfinished.
    pub(super) fn end(&self) -> Result<(), Lost> {
        match self.at {
            At::Field => Ok(()),
            _ => Err(Lost),
        }
    }

    /// Begins an integer in the low `bits` of an octet (RFC 7541 section 5.1).
    fn prefix(&mut self, byte: u8, bits: u32, counts: Counts) -> Result<At, Lost> {
        let max = (1_u32 << bits) - 1;
        match u32::from(byte) & max {
            value if value < max => self.counted(counts, value),
            value => Ok(At::Integer { counts, value, shift: 0 }),
        }
    }

    /// An integer is complete.
    fn counted(&mut self, counts: Counts, value: u32) -> Result<At, Lost> {
        match (counts, value) {
            (Counts::Field, 0) => Err(Lost),
            (Counts::Field | Counts::TableSize, _) => Ok(At::Field),
            (Counts::Name { indexing }, 0) => Ok(At::NameLength { indexing }),
            (Counts::Name { indexing }, index) => {
                let authority = self.inserted.is_authority(index);
                Ok(At::ValueLength(Literal { indexing, authority }))
            }
            (Counts::NameOctets { indexing, huffman }, left) => {
                let expected = if huffman { NAME_HUFFMAN } else { NAME };
                Ok(At::name(indexing, left, Some(expected)))
            }
            (Counts::ValueOctets { literal, huffman }, left) => {
                if literal.indexing {
                    self.inserted.insert(literal.authority);
                }
                let edit = match (literal.authority, huffman) {
                    (false, _) => Edit::Keep,
                    (true, false) => Edit::Legal(Shape::Start),
                    (true, true) => Edit::Blank,
                };
                Ok(At::value(left, edit))
            }
        }
    }
}

impl At {
    /// In a name of which `left` octets are to come, or after it.
    fn name(indexing: bool, left: u32, expected: Option<&'static [u8]>) -> At {
        match left {
            0 => At::ValueLength(Literal { indexing, authority: expected == Some(&[]) }),
            left => At::Name { indexing, left, expected },
        }
    }

    /// In a value of which `left` octets are to come, or after it.
    fn value(left: u32, edit: Edit) -> At {
        match left {
            0 => At::Field,
            left => At::Value { left, edit },
        }
    }
}

impl Edit {
    /// Edits one octet of a value, and says what to do to those after it.
    fn apply(self, byte: &mut u8, last: bool) -> Edit {
        match self {
            Edit::Keep => Edit::Keep,
            Edit::Blank => {
                *byte = STAND_IN;
                Edit::Blank
            }
            Edit::Legal(shape) => {
                let (legal, shape) = shape.next(*byte, last);
                *byte = legal;
                Edit::Legal(shape)
            }
        }
    }
}

/// Which of the last insertions into the dynamic table were named `:authority`: the lowest bit is
/// the newest.
///
/// Evictions are not followed. A client that keeps to HPACK names no entry it has evicted, so a
/// bit of one is never asked for; and as indices count from the newest insertion, an eviction
/// moves no other. An entry that was too large to be inserted at all leaves a bit too, but it
/// emptied the table, so that nothing before it is ever asked for either.
#[derive(Debug, Default, Clone, Copy)]
struct Inserted(u128);

impl Inserted {
    fn insert(&mut self, authority: bool) {
        self.0 = self.0 << 1 | u128::from(authority);
    }

    fn is_authority(self, index: u32) -> bool {
        match index.checked_sub(STATIC_ENTRIES + 1) {
            // The first entry of the static table, and no other.
            None => index == 1,
            Some(age) => self.0.checked_shr(age).is_some_and(|bits| bits & 1 == 1),
        }
    }
}
