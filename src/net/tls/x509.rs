//! Parses X.509 certificates and revocation lists (RFC 5280, sections 4.1 and 5.1) of any version.
//!
//! rustls parses only version 3, and exposes few fields. This parser makes no decisions. It finds
//! the fields and returns their bytes.
//!
//! 1. The encoding is DER, without a byte before, between or after the fields.
//! 2. Fields have the tags and the order of the standard. The contents of a name, a key or an
//!    extension are parsed only when a caller needs them.
//! 3. Anything else is [`Malformed`]. Nothing panics, whatever the bytes are.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use der::asn1::{GeneralizedTime, UtcTime};
use der::{AnyRef, Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use jiff::Timestamp;

/// The error of bytes that are not the DER of the expected structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<der::Error> for Malformed {
    fn from(_: der::Error) -> Self {
        Self
    }
}

/// The purposes of certificates (RFC 5280, section 4.2.1.12), as the contents of their object
/// identifiers.
pub(crate) const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0];

const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 3];

/// The version of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
    V3,
}

/// A signed structure: its bytes, the signature algorithm, and the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signed<'a> {
    /// The signed bytes, with tag and length.
    pub(crate) bytes: &'a [u8],
    /// The contents of the algorithm's identifier.
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

/// The fields of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate<'a> {
    pub(crate) version: Version,
    /// The contents of the serial number.
    pub(crate) serial: &'a [u8],
    /// The signature algorithm that the signed part names.
    pub(crate) inner_algorithm: &'a [u8],
    /// The contents of the issuer's name, in the form that rustls has for a root.
    pub(crate) issuer: &'a [u8],
    pub(crate) subject: &'a [u8],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// The subject's public key, with tag and length.
    pub(crate) key: &'a [u8],
    /// Whether fields follow the key. Version 1 has none there.
    pub(crate) has_more: bool,
    extensions: Vec<Extension<'a>>,
    pub(crate) signed: Signed<'a>,
}

impl<'a> Certificate<'a> {
    /// Parses a certificate.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let (signed, tbs) = signed(der)?;
        let mut tbs = Fields::of(tbs)?;
        let version = match tbs.optional(context(0, true))? {
            None => Version::V1,
            Some(tagged) => {
                let mut tagged = Fields::of(tagged.value)?;
                let version = tagged.next(Tag::Integer)?;
                tagged.end()?;
                match version.value {
                    [1] => Version::V2,
                    [2] => Version::V3,
                    // DER omits the default, which is version 1.
                    _ => return Err(Malformed),
                }
            }
        };
        let serial = tbs.next(Tag::Integer)?.value;
        let inner_algorithm = tbs.next(Tag::Sequence)?.value;
        let issuer = tbs.next(Tag::Sequence)?.value;
        let mut validity = Fields::of(tbs.next(Tag::Sequence)?.value)?;
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        validity.end()?;
        let subject = tbs.next(Tag::Sequence)?.value;
        let key = tbs.next(Tag::Sequence)?.whole;
        let has_more = !tbs.is_at_end();
        // Unique identifiers, which no certificate uses today.
        tbs.optional(context(1, false))?;
        tbs.optional(context(2, false))?;
        let extensions = extensions(tbs.optional(context(3, true))?)?;
        tbs.end()?;
        Ok(Self {
            version,
            serial,
            inner_algorithm,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            has_more,
            extensions,
            signed,
        })
    }

    /// Whether the certificate may sign others, as OpenSSL decides. In version 3 the basic
    /// constraints must allow it, or without those the key usage, and the key usage must not deny
    /// it. Before version 3 every self-signed certificate may.
    pub(crate) fn is_authority(&self) -> bool {
        if self.version != Version::V3 {
            return self.is_self_issued();
        }
        let usage = self.extension(KEY_USAGE).map(may_sign_certificates);
        let constraints = self.extension(BASIC_CONSTRAINTS).map(|value| {
            let first = Fields::of(value).and_then(|mut value| {
                let constraints = value.next(Tag::Sequence)?;
                Fields::of(constraints.value)?.next(Tag::Boolean)
            });
            // An absent value means false.
            first.is_ok_and(|is_authority| is_authority.value == [0xff])
        });
        usage != Some(false) && constraints.or(usage) == Some(true)
    }

    /// Whether subject and issuer are the same.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it has a subjectAltName, which clients need that ignore the common name.
    pub(crate) fn has_alternative_names(&self) -> bool {
        self.extension(SUBJECT_ALTERNATIVE_NAME).is_some()
    }

    /// Whether it may be used for a purpose. A certificate that names no purpose allows any.
    pub(crate) fn is_for(&self, purpose: &[u8]) -> bool {
        self.extension(EXTENDED_KEY_USAGE).is_none_or(|value| {
            purposes(value).is_ok_and(|purposes| {
                purposes.iter().any(|found| [purpose, ANY_PURPOSE].contains(found))
            })
        })
    }

    /// Returns the subject's common name.
    pub(crate) fn common_name(&self) -> Option<String> {
        common_name(self.subject).ok().flatten()
    }

    /// Returns the first alternative name of a host, an address, a mailbox or a URI.
    pub(crate) fn alternative_name(&self) -> Option<String> {
        self.alternative_names().into_iter().next().map(|(_, name)| name)
    }

    /// Returns the alternative names of hosts and addresses, to which a client can connect.
    pub(crate) fn hosts(&self) -> Vec<String> {
        let names = self.alternative_names().into_iter();
        names.filter(|(number, _)| [HOST, ADDRESS].contains(number)).map(|(_, name)| name).collect()
    }

    fn alternative_names(&self) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        let names = self.extension(SUBJECT_ALTERNATIVE_NAME).and_then(|value| {
            let mut value = Fields::of(value).ok()?;
            Fields::of(value.next(Tag::Sequence).ok()?.value).ok()
        });
        let Some(mut names) = names else { return found };
        while let Ok(name) = names.any() {
            if let Tag::ContextSpecific { constructed: false, number } = name.tag
                && let Some(text) = general_name(number.value(), name.value)
            {
                found.push((number.value(), text));
            }
        }
        found
    }

    fn extension(&self, id: &[u8]) -> Option<&'a [u8]> {
        self.extensions.iter().find(|(found, _)| *found == id).map(|(_, value)| *value)
    }
}

/// The fields of a revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevocationList<'a> {
    /// The contents of the issuer's name.
    pub(crate) issuer: &'a [u8],
    pub(crate) this_update: Timestamp,
    /// The time at which the next list is due.
    pub(crate) next_update: Option<Timestamp>,
    /// The contents of the revoked serial numbers.
    pub(crate) serials: Vec<&'a [u8]>,
    /// Whether it covers only a part of the certificates of its issuer.
    pub(crate) is_partial: bool,
    /// The contents of its number; empty without one.
    number: &'a [u8],
    pub(crate) signed: Signed<'a>,
}

impl<'a> RevocationList<'a> {
    /// Parses a revocation list.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let (signed, tbs) = signed(der)?;
        let mut tbs = Fields::of(tbs)?;
        tbs.optional(Tag::Integer)?;
        tbs.next(Tag::Sequence)?;
        let issuer = tbs.next(Tag::Sequence)?.value;
        let this_update = tbs.time()?;
        let has_next = matches!(tbs.peek(), Some(Tag::UtcTime | Tag::GeneralizedTime));
        let next_update = if has_next { Some(tbs.time()?) } else { None };
        let mut serials = Vec::new();
        if let Some(revoked) = tbs.optional(Tag::Sequence)? {
            let mut revoked = Fields::of(revoked.value)?;
            while !revoked.is_at_end() {
                let entry = revoked.next(Tag::Sequence)?;
                serials.push(Fields::of(entry.value)?.next(Tag::Integer)?.value);
            }
        }
        let extensions = extensions(tbs.optional(context(0, true))?)?;
        tbs.end()?;
        let is_partial = extensions.iter().any(|(id, _)| *id == ISSUING_DISTRIBUTION_POINT);
        let number = extensions.iter().find(|(id, _)| *id == CRL_NUMBER);
        let number = match number {
            Some((_, value)) => Fields::of(value)?.next(Tag::Integer)?.value,
            None => &[],
        };
        Ok(Self { issuer, this_update, next_update, serials, is_partial, number, signed })
    }

    /// Returns a sort key, which is greater for the newer of two lists of an issuer. It is the time
    /// in seconds, then the number. A number is not negative, so the longer one is greater.
    pub(crate) fn order(&self) -> (Timestamp, usize, Vec<u8>) {
        (self.this_update, self.number.len(), self.number.to_vec())
    }
}

/// Parses the outer structure of a certificate or list. Also returns the contents of the signed
/// part.
fn signed(der: &[u8]) -> Result<(Signed<'_>, &[u8]), Malformed> {
    let mut outer = Fields::of(der)?;
    let mut whole = Fields::of(outer.next(Tag::Sequence)?.value)?;
    outer.end()?;
    let tbs = whole.next(Tag::Sequence)?;
    let algorithm = whole.next(Tag::Sequence)?.value;
    let signature = whole.next(Tag::BitString)?.value;
    whole.end()?;
    // The first octet is the number of unused bits. It is 0, because signatures are whole octets.
    let Some((0, signature)) = signature.split_first() else { return Err(Malformed) };
    Ok((Signed { bytes: tbs.whole, algorithm, signature }, tbs.value))
}

/// The identifier and value of an extension.
type Extension<'a> = (&'a [u8], &'a [u8]);

fn extensions(field: Option<Field<'_>>) -> Result<Vec<Extension<'_>>, Malformed> {
    let Some(field) = field else { return Ok(Vec::new()) };
    let mut tagged = Fields::of(field.value)?;
    let mut list = Fields::of(tagged.next(Tag::Sequence)?.value)?;
    tagged.end()?;
    let mut found = Vec::new();
    while !list.is_at_end() {
        let mut extension = Fields::of(list.next(Tag::Sequence)?.value)?;
        let id = extension.next(Tag::ObjectIdentifier)?.value;
        extension.optional(Tag::Boolean)?;
        found.push((id, extension.next(Tag::OctetString)?.value));
        extension.end()?;
    }
    Ok(found)
}

/// Returns the bit `keyCertSign` (RFC 5280, section 4.2.1.3), the sixth from the left.
fn may_sign_certificates(usage: &[u8]) -> bool {
    let bits = Fields::of(usage).and_then(|mut usage| usage.next(Tag::BitString));
    // The first octet is the number of unused bits in the last.
    bits.is_ok_and(|bits| bits.value.get(1).is_some_and(|octet| octet & 0x04 != 0))
}

fn purposes(value: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut value = Fields::of(value)?;
    let mut list = Fields::of(value.next(Tag::Sequence)?.value)?;
    let mut purposes = Vec::new();
    while !list.is_at_end() {
        purposes.push(list.next(Tag::ObjectIdentifier)?.value);
    }
    Ok(purposes)
}

/// Returns the common name in the contents of a name; the last one if there are several.
pub(crate) fn common_name(name: &[u8]) -> Result<Option<String>, Malformed> {
    let mut sets = Fields::of(name)?;
    let mut found = None;
    while !sets.is_at_end() {
        let mut set = Fields::of(sets.next(Tag::Set)?.value)?;
        while !set.is_at_end() {
            let mut pair = Fields::of(set.next(Tag::Sequence)?.value)?;
            let id = pair.next(Tag::ObjectIdentifier)?.value;
            let value = pair.any()?;
            if id == COMMON_NAME {
                found = Some(text(value));
            }
        }
    }
    Ok(found)
}

/// Decodes a string of a name. BMPString is UTF-16; all other types are read as UTF-8.
fn text(field: Field<'_>) -> String {
    if field.tag == Tag::BmpString {
        let (pairs, _) = field.value.as_chunks::<2>();
        let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
        return char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
    }
    String::from_utf8_lossy(field.value).into_owned()
}

/// The kinds of alternative names (RFC 5280, section 4.2.1.6).
const MAILBOX: u32 = 1;
const HOST: u32 = 2;
const URI: u32 = 6;
const ADDRESS: u32 = 7;

fn general_name(number: u32, value: &[u8]) -> Option<String> {
    match number {
        MAILBOX | HOST | URI => Some(String::from_utf8_lossy(value).into_owned()),
        ADDRESS => match value.len() {
            4 => <[u8; 4]>::try_from(value).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
            _ => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    }
}

fn context(number: u32, constructed: bool) -> Tag {
    TagNumber(number).context_specific(constructed)
}

/// One value: its tag, its contents, and both with the length between them.
#[derive(Debug, Clone, Copy)]
struct Field<'a> {
    tag: Tag,
    value: &'a [u8],
    whole: &'a [u8],
}

/// A sequence of values.
struct Fields<'a>(SliceReader<'a>);

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self(SliceReader::new(bytes)?))
    }

    fn any(&mut self) -> Result<Field<'a>, Malformed> {
        let whole = self.0.tlv_bytes()?;
        let any = AnyRef::from_der(whole)?;
        Ok(Field { tag: any.tag(), value: any.value(), whole })
    }

    fn next(&mut self, tag: Tag) -> Result<Field<'a>, Malformed> {
        let field = self.any()?;
        if field.tag == tag { Ok(field) } else { Err(Malformed) }
    }

    fn optional(&mut self, tag: Tag) -> Result<Option<Field<'a>>, Malformed> {
        if self.peek() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// Reads a time. A later time than [`Timestamp::MAX`] becomes that.
    fn time(&mut self) -> Result<Timestamp, Malformed> {
        let field = self.any()?;
        let since_1970: Duration = match field.tag {
            Tag::UtcTime => UtcTime::from_der(field.whole)?.to_unix_duration(),
            Tag::GeneralizedTime => GeneralizedTime::from_der(field.whole)?.to_unix_duration(),
            _ => return Err(Malformed),
        };
        let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
        Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }

    fn peek(&self) -> Option<Tag> {
        if self.is_at_end() { None } else { Tag::peek(&self.0).ok() }
    }

    fn is_at_end(&self) -> bool {
        self.0.is_finished()
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.is_at_end() { Ok(()) } else { Err(Malformed) }
    }
}
