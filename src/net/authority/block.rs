//! Parses HPACK field blocks octet by octet (RFC 7541), and finds the values of `:authority`.
//!
//! The state is the position in the current representation, and one bit for each entry of the
//! dynamic table: whether its name is `:authority`.

use super::Lost;
use super::value::{STAND_IN, Shape};

/// The size of the dynamic table that the server allows a client, in octets
/// (SETTINGS_HEADER_TABLE_SIZE).
///
/// This is HTTP/2's default, which holds until the server's SETTINGS arrive. The server must not
/// raise it, because it bounds how many entries back an index can refer, and so the size of
/// [`Inserted`].
pub const HEADER_TABLE_SIZE: u32 = 4096;

/// The octets that an entry of the dynamic table counts beside its own (RFC 7541 section 4.1).
pub(super) const ENTRY_OVERHEAD: u32 = 32;

/// The entries of the static table (RFC 7541 appendix A). A greater index means a dynamic entry.
pub(super) const STATIC_ENTRIES: u32 = 61;

// `Inserted` has one bit for each entry that a full table can hold.
const _: () = assert!(HEADER_TABLE_SIZE / ENTRY_OVERHEAD == u128::BITS);

/// The name to find, and its only encoding in HPACK's Huffman code.
pub(super) const NAME: &[u8] = b":authority";
pub(super) const NAME_HUFFMAN: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// The bit in the first octet of a string's length that marks the string as Huffman-coded.
pub(super) const HUFFMAN: u8 = 0x80;

/// Parses field blocks (RFC 7541). It lives as long as the connection, like the dynamic table.
#[derive(Debug, Default)]
pub(super) struct Block {
    at: At,
    inserted: Inserted,
}

/// The position of the next octet in a field block.
#[derive(Debug, Default, Clone, Copy)]
enum At {
    /// A new representation.
    #[default]
    Field,
    /// An integer that is longer than its prefix. `value` and `shift` are for the next octet.
    Integer { counts: Counts, value: u32, shift: u32 },
    /// The length of a literal's name.
    NameLength { indexing: bool },
    /// A literal's name. `expected` are its remaining octets if it is `:authority`.
    Name { indexing: bool, left: u32, expected: Option<&'static [u8]> },
    /// The length of a literal's value.
    ValueLength(Literal),
    /// A literal's value.
    Value { left: u32, edit: Edit },
}

/// The meaning of an integer, which decides what comes after it.
#[derive(Debug, Clone, Copy)]
enum Counts {
    /// The index of a field with name and value.
    Field,
    /// A new size of the dynamic table.
    TableSize,
    /// The index of the entry with a literal's name; 0 if the name is spelled out.
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

/// The edit of a value's octets.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Keep,
    /// Replace the octets that are not valid at their position.
    Legal(Shape),
    /// Replace all octets.
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
                    // h2 accepts integers of at most five octets, so the sum stays below 2^29.
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

    /// Ends the block. An incomplete representation is an error.
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

    /// Returns the position after a complete integer.
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
    /// Returns the position in a name with `left` remaining octets, or after it.
    fn name(indexing: bool, left: u32, expected: Option<&'static [u8]>) -> At {
        match left {
            0 => At::ValueLength(Literal { indexing, authority: expected == Some(&[]) }),
            left => At::Name { indexing, left, expected },
        }
    }

    /// Returns the position in a value with `left` remaining octets, or after it.
    fn value(left: u32, edit: Edit) -> At {
        match left {
            0 => At::Field,
            left => At::Value { left, edit },
        }
    }
}

impl Edit {
    /// Edits one octet of a value, and returns the edit of the next octet.
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

/// One bit for each of the last insertions into the dynamic table: whether its name is
/// `:authority`. The lowest bit is the newest insertion.
///
/// Evictions are not tracked. A client that follows HPACK refers to no entry that it has evicted,
/// so the bit of an evicted entry is never read. Indices count from the newest insertion, so an
/// eviction changes no other index. An entry too large for the table gets a bit too. But it empties
/// the table, so no earlier bit is ever read either.
#[derive(Debug, Default, Clone, Copy)]
struct Inserted(u128);

impl Inserted {
    fn insert(&mut self, authority: bool) {
        self.0 = self.0 << 1 | u128::from(authority);
    }

    fn is_authority(self, index: u32) -> bool {
        match index.checked_sub(STATIC_ENTRIES + 1) {
            // Only the first entry of the static table is `:authority`.
            None => index == 1,
            Some(age) => self.0.checked_shr(age).is_some_and(|bits| bits & 1 == 1),
        }
    }
}
