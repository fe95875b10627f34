//! Validates an authority octet by octet.

/// The octet that replaces an invalid one.
pub(super) const STAND_IN: u8 = b'-';

/// The position in a plain value, parsed as an authority: `host [ ":" port ]`. The host may be an
/// IP literal in brackets (RFC 3986 section 3.2).
///
/// The result is always an authority that the `http` crate accepts. A value that is one already
/// stays unchanged, with two exceptions that only later octets would show: user information, which
/// no request may carry (RFC 9113 section 8.3.1), and brackets that do not begin the host, which
/// RFC 3986 does not allow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// At the beginning.
    Start,
    /// In a name or an IPv4 address, or after an IP literal.
    Host,
    /// Between brackets, after this number of colons.
    Literal { colons: u8 },
    /// After the colon before the port.
    Port,
}

impl Shape {
    /// The most colons that `http` accepts between brackets.
    const LITERAL_COLONS: u8 = 8;

    /// Returns the valid octet for `byte`, and the shape after it.
    pub(super) fn next(self, byte: u8, last: bool) -> (u8, Shape) {
        match (self, byte) {
            // An opening bracket as the last octet would leave none for the closing bracket.
            (Shape::Start, b'[') if !last => (byte, Shape::Literal { colons: 0 }),
            (Shape::Literal { .. }, _) if last => (b']', Shape::Host),
            (Shape::Literal { .. }, b']') => (byte, Shape::Host),
            (Shape::Literal { colons }, b':') if colons < Shape::LITERAL_COLONS => {
                (byte, Shape::Literal { colons: colons + 1 })
            }
            // The zone of an IPv6 address is percent-encoded (RFC 6874).
            (Shape::Literal { .. }, b'%') => (byte, self),
            (Shape::Start | Shape::Host, b':') => (byte, Shape::Port),
            (shape, byte) => {
                let byte = if is_plain(byte) { byte } else { STAND_IN };
                (byte, if let Shape::Start = shape { Shape::Host } else { shape })
            }
        }
    }
}

/// Whether `byte` is valid anywhere in an authority: `unreserved` and `sub-delims` of RFC 3986.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
        || matches!(byte, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}
