//! What may stand in an authority, judged octet by octet.

/// Takes the place of an octet that is not legal.
pub(super) const STAND_IN: u8 = b'-';

/// What a plain value has been so far, as an authority: `host [ ":" port ]`, where the host may be
/// an IP literal in brackets (RFC 3986 section 3.2).
///
/// What comes out is always an authority that the `http` crate accepts. What it accepts goes in
/// and out unchanged, with two exceptions which would need to be known before they are read: user
/// information, which no request may carry (RFC 9113 section 8.3.1), and brackets that do not
/// begin the host, which is no form of RFC 3986's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Nothing yet.
    Start,
    /// In a name or an IPv4 address, or after an IP literal.
    Host,
    /// Between brackets, after so many colons.
    Literal { colons: u8 },
    /// After the colon that only the port may have before it.
    Port,
}

impl Shape {
    /// The colons which `http` accepts between brackets.
    const LITERAL_COLONS: u8 = 8;

    /// The octet to have instead of `byte`, and the shape after it.
    pub(super) fn next(self, byte: u8, last: bool) -> (u8, Shape) {
        match (self, byte) {
            // The closing bracket needs an octet too.
            (Shape::Start, b'[') if !last => (byte, Shape::Literal { colons: 0 }),
            (Shape::Literal { .. }, _) if last => (b']', Shape::Host),
            (Shape::Literal { .. }, b']') => (byte, Shape::Host),
            (Shape::Literal { colons }, b':') if colons < Shape::LITERAL_COLONS => {
                (byte, Shape::Literal { colons: colons + 1 })
            }
            // A zone of an IPv6 address is percent-encoded (RFC 6874).
            (Shape::Literal { .. }, b'%') => (byte, self),
            (Shape::Start | Shape::Host, b':') => (byte, Shape::Port),
            (shape, byte) => {
                let byte = if is_plain(byte) { byte } else { STAND_IN };
                (byte, if let Shape::Start = shape { Shape::Host } else { shape })
            }
        }
    }
}

/// Whether `byte` is legal anywhere in an authority: `unreserved` and `sub-delims` of RFC 3986.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}
