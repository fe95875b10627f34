//! The header before an alert in a line, and the parsing of its words.

use super::join::Share;
use super::{Beside, Kind};
use crate::event::Time;

/// A header, and the rest of the line.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) kind: Kind,
    pub(super) time: Option<Time>,
    pub(super) hostname: Option<&'a str>,
    pub(super) share: Option<Share>,
    pub(super) rest: &'a [u8],
}

impl<'a> Header<'a> {
    pub(super) fn new(kind: Kind, rest: &'a [u8]) -> Self {
        Self { kind, time: None, hostname: None, share: None, rest }
    }

    /// Returns the header's values, with those of the outer layers where it has none.
    pub(super) fn beside(&self, outer: &Beside) -> Beside {
        Beside {
            kind: outer.kind.or(Some(self.kind)),
            time: self.time.or(outer.time),
            hostname: self.hostname.map(str::to_owned).or_else(|| outer.hostname.clone()),
            stream: self.share.map(|share| share.stream).or(outer.stream),
        }
    }
}

/// Splits at the first space. Returns what is before and after it.
pub(super) fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (word, rest) = bytes.split_at_checked(memchr::memchr(b' ', bytes)?)?;
    Some((word, rest.get(1..)?))
}

/// Returns `name` if it can be the name of a host, a pod or a container, or an address.
pub(super) fn machine(name: &[u8]) -> Option<&str> {
    /// The longest name, in bytes (RFC 5424, section 6.2.4, and DNS).
    const LONGEST: usize = 255;
    let usual = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(byte);
    let known = name.len() <= LONGEST
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.last() != Some(&b':')
        && name.iter().all(usual);
    known.then(|| str::from_utf8(name).ok()).flatten()
}
