//! What the fuzz targets of `fuzz/` check; ordinary tests replay it.
//!
//! Always compiled, so that it cannot rot; not part of the interface.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "for the fuzz targets only: an oracle speaks by panicking"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::time::Instant;

use crate::config;
use crate::event;
use crate::filter::Filter;
use crate::grpc::frame::{Decoder, FrameError, PREFIX};
use crate::grpc::{Encoding, InflateError};
use crate::net::authority::Repair;
use crate::net::meter::{Limit, Meter};
use crate::net::preface::PREFACE;
use crate::net::tls::legacy::Rule;
use crate::net::tls::x509::{Certificate, RevocationList, Version};
use crate::proto::falco::outputs::Response;

/// Follows frames through `bytes` cut at `cuts`, after the preface, and checks that the meter finds
/// the same limit exceeded, or none, as a plain reading of whole frames does.
///
/// # Panics
/// When it does not.
pub fn frame_meter(bytes: &[u8], cuts: &[u8]) {
    fn metered<'p>(mut pieces: impl Iterator<Item = &'p [u8]>) -> Result<(), Limit> {
        let (mut meter, now) = (Meter::default(), Instant::now());
        pieces.try_for_each(|piece| meter.read(piece, now))
    }
    // Enough of it that limits are exceeded.
    let stream = [PREFACE, &bytes.repeat(100)].concat();
    let mut rest = &stream[..];
    let pieces = cuts.iter().chain(std::iter::repeat(&u8::MAX)).map_while(|cut| {
        let (piece, after) = rest.split_at_checked(usize::from(*cut)).unwrap_or((rest, &[]));
        let done = rest.is_empty();
        rest = after;
        (!done).then_some(piece)
    });
    let expected = metered_by_frame(&stream[PREFACE.len()..]);
    assert_eq!(metered(pieces), expected, "depends on the cuts");
    assert_eq!(metered(stream.chunks(1)), expected, "depends on the cuts, byte by byte");
}

/// The limits as they are written down (`net::meter`), for a peer to which nothing is written.
fn metered_by_frame(mut bytes: &[u8]) -> Result<(), Limit> {
    let mut counts = BTreeMap::new();
    while let Some((head, after)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (limit, most) = match (head[3], length) {
            (0, 0) if head[4] & 1 == 0 => (Limit::EmptyFrames, 200),
            (1 | 9, 0) => (Limit::EmptyFrames, 200),
            (0 | 1 | 7 | 9, _) => (Limit::Resets, usize::MAX),
            (2, _) => (Limit::Priorities, 2_000),
            (3, _) => (Limit::Resets, 500),
            (4, _) => (Limit::Settings, 100),
            (6, _) => (Limit::Pings, 200),
            (8, _) => (Limit::WindowUpdates, 2_000),
            _ => (Limit::UnknownFrames, 200),
        };
        if most < usize::MAX {
            let count = counts.entry(limit).or_insert(0);
            *count += 1;
            if *count > most {
                return Err(limit);
            }
        }
        bytes = after.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// Decodes `body` cut at `cuts`, and checks what must hold of every body: the result does not
/// depend on the cuts, equals what a plain reading of the specification gives, and no more is
/// held than one message and one chunk.
///
/// # Panics
/// When any of that does not hold: this is the oracle of the fuzz target and of the tests.
pub fn frame_decode(body: &[u8], cuts: &[u8], encoding: Encoding, limit: usize) {
    let whole = decode_in_chunks(std::iter::once(body), encoding, limit);
    let mut rest = body;
    let chunks = cuts.iter().chain(std::iter::repeat(&u8::MAX)).map_while(|cut| {
        let (chunk, after) = rest.split_at_checked(usize::from(*cut)).unwrap_or((rest, &[]));
        let done = rest.is_empty();
        rest = after;
        (!done || !chunk.is_empty()).then_some(chunk)
    });
    assert_eq!(decode_in_chunks(chunks, encoding, limit), whole, "depends on the cuts");
    let bytewise = decode_in_chunks(body.chunks(1), encoding, limit);
    assert_eq!(bytewise, whole, "depends on the cuts, byte by byte");
    assert_eq!(reference(body, encoding, limit), whole, "differs from the specification");
}

pub(crate) type Decoded = (Vec<Bytes>, Result<(), FrameError>);

pub(crate) fn decode_in_chunks<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    encoding: Encoding,
    limit: usize,
) -> Decoded {
    let mut decoder = Decoder::new(encoding, limit);
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Err(error)),
            }
        }
        assert!(decoder.buffered() <= PREFIX + limit, "holds more than one message");
    }
    (messages, decoder.end())
}

/// The specification, read plainly: the whole body at hand, no states.
fn reference(mut body: &[u8], encoding: Encoding, limit: usize) -> Decoded {
    let mut messages = Vec::new();
    let end = loop {
        if body.is_empty() {
            break Ok(());
        }
        let Some((&[flag, a, b, c, d], rest)) = body.split_first_chunk() else {
            break Err(FrameError::Truncated);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if flag > 1 {
            break Err(FrameError::Flag);
        }
        if flag == 1 && encoding == Encoding::Identity {
            break Err(FrameError::NotNegotiated);
        }
        if length > limit {
            break Err(FrameError::TooLarge(limit));
        }
        let Some((message, after)) = rest.split_at_checked(length) else {
            break Err(FrameError::Truncated);
        };
        match (flag, encoding.inflate(message, limit)) {
            (0, _) => messages.push(Bytes::copy_from_slice(message)),
            (_, Ok(plain)) => messages.push(plain),
            (_, Err(InflateError::Corrupt)) => break Err(FrameError::Corrupt),
            (_, Err(InflateError::TooLarge)) => break Err(FrameError::TooLarge(limit)),
        }
        body = after;
    };
    (messages, end)
}

/// Reads `record` as an alert; what is one must come back from protobuf as it was read, and its
/// line must be one line of JSON. What is said to be no JSON must be none to `serde_json` either.
///
/// # Panics
/// When it does not.
pub fn falco_line(record: &[u8]) {
    let now = || jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let longest = 4 * record.len() + 1024;
    let read = event::read(record, now, |record| {
        let event = &record.event;
        let mut frame = Vec::new();
        event::encode(event, "host", &mut frame);
        let (prefix, message) = frame.split_first_chunk::<PREFIX>().expect("a prefix");
        let [flag, length @ ..] = *prefix;
        assert_eq!((flag, u32::from_be_bytes(length) as usize), (0, message.len()));
        assert!(message.len() <= longest, "a message is a small multiple of its record");
        let response = Response::decode(message).expect("valid protobuf");
        let time = response.time.expect("a time");
        assert_eq!(
            (time.seconds, time.nanos.cast_unsigned()),
            (event.time.seconds(), event.time.nanos())
        );
        assert_eq!(response.priority, event.priority as i32);
        assert_eq!(response.rule, event.rule);
        assert_eq!(response.source, event.source);
        assert_eq!(response.output, event.output);
        assert_eq!(response.hostname, event.hostname.as_deref().unwrap_or("host"));
        assert!(response.tags.is_sorted() && response.tags.iter().eq(&event.tags));
        assert!(response.output_fields.len() <= event.fields.len());
        assert!(!record.line.contains(['\n', '\r']));
        assert!(is_json(&record.line));
    });
    if let Err(event::Reject::Malformed { .. }) = read {
        assert!(!is_json(&String::from_utf8_lossy(record.trim_ascii())));
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// Reads `text` as a filter. What is one must print as text that reads as the same filter, match
/// an alert as its double negation does, and have parts that stand in the text and are filters;
/// what is none must be told in one line with a column that the text has.
///
/// # Panics
/// When any of that does not hold.
pub fn filter_text(text: &str) {
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    let printed = filter.to_string();
    assert!(!printed.contains(char::is_control), "{printed:?}");
    let again = Filter::parse(&printed).expect("a filter");
    assert_eq!(again, filter, "{printed}");
    assert_eq!(again.to_string(), printed);
    for part in filter.parts() {
        Filter::parse(text.get(part).expect("a part of the text")).expect("a filter");
    }
    let Ok(negated) = Filter::parse(&format!("not not ({printed})")) else { return };
    for line in FILTERED {
        let read = event::read(
            line.as_bytes(),
            || unreachable!(),
            |record| {
                let matches = filter.matches(&record.event);
                assert_eq!(matches, again.matches(&record.event), "{printed}");
                assert_eq!(matches, negated.matches(&record.event), "not not ({printed})");
            },
        );
        read.expect("an alert");
    }
}

/// Alerts with a value of every kind, and with next to nothing.
pub(crate) const FILTERED: [&str; 2] = [
    r#"{"hostname":"a","output":"a b","priority":"Error","rule":"a.b","source":"syscall","tags":["a","b"],"time":"2026-01-30T10:00:00.5Z","output_fields":{"a":"/a/b","a.b":1,"a.c":-1.5,"b.a":null,"b.b":["a",1,null,["b"]],"c.a":true,"c.b":{"a":1}}}"#,
    r#"{"priority":"Debug","rule":"","time":"2026-01-30T10:00:00Z"}"#,
];

/// Reads `text` as a configuration file, and as every file it includes.
pub fn config_text(text: &str) {
    let open = |_: &std::path::Path| Ok(config::Found::File(text.into()));
    let _ = config::read(Some(text), &config::Options::default(), &|_| None, &open);
}

/// Panics unless any bytes, alone and after a connection preface, are repaired alike however they
/// are cut, and need no repair afterwards.
pub fn authority_repair(bytes: &[u8]) {
    check_stream(bytes);
    check_stream(&[PREFACE, bytes].concat());
}

fn check_stream(sent: &[u8]) {
    let repaired = in_chunks(sent, [sent.len()]);
    let chunks = sent.iter().map(|byte| usize::from(byte % 16));
    for (cut, got) in [
        ("octet by octet", in_chunks(sent, [1])),
        ("in uneven chunks", in_chunks(sent, chunks)),
        ("a second time", in_chunks(&repaired, [sent.len()])),
    ] {
        assert_eq!(repaired, got, "repaired {cut} gives other bytes");
    }
}

/// Feeds a new connection's bytes in chunks of these sizes, over and over; 0 counts as 1.
pub(crate) fn in_chunks<I>(sent: &[u8], sizes: I) -> Vec<u8>
where
    I: IntoIterator<Item = usize, IntoIter: Clone>,
{
    let mut bytes = sent.to_vec();
    let mut repair = Repair::default();
    let mut sizes = sizes.into_iter().cycle();
    let mut rest = bytes.as_mut_slice();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        let Some((chunk, after)) = rest.split_at_mut_checked(size) else { break };
        repair.feed(chunk);
        rest = after;
    }
    bytes
}

/// An authority and the version 1 certificate of a client that it signed, made once by OpenSSL 3.0
/// and valid for a hundred years; nobody has the keys any more.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUFhEQdU/GVTq0o/7/83zdeR4LgxEwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjMyMzEwMTZaGA8yMTI2MTAzMDIzMTAx
NlowDzENMAsGA1UEAwwEcm9vdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLLF
ABnTdEigdYofQatNTNYX5hCjbNjIZ7Ro9JduXRyRpA2ycRxwGpeAyMhQjOFyJSQ8
yO7soyfi9ELlbElC8C6jUzBRMB0GA1UdDgQWBBTggVSO7P0VZ6l5vrKbYT8TLU0d
SzAfBgNVHSMEGDAWgBTggVSO7P0VZ6l5vrKbYT8TLU0dSzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIA3YCksaWn9Cw+Sc2HeuQUUJYIwCuRI1QdBc
rnXxYABAAiEAo3FWbVhSuOqf5nARu6Fc26HTpulOBydJSKGanQJWqto=
-----END CERTIFICATE-----";
const CLIENT: &str = "-----BEGIN CERTIFICATE-----
MIIBCTCBsAIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARyb290MCAXDTI2MTEy
MzIzMTAxNloYDzIxMjYxMDMwMjMxMDE2WjARMQ8wDQYDVQQDDAZjbGllbnQwWTAT
BgcqhkjOPQIBBggqhkjOPQMBBwNCAARbAltTSh6Z2ovgobJ28qdk9Vo7BrulFdWm
y9AA9ZSCq3oQod8jszqupg0GsG0l4pZ6v76QDy0PNnulj9/KAaQEMAoGCCqGSM49
BAMCA0gAMEUCIQCSbUfXr2S9PNbMuQAzHSi/Y9iUHO3DgWwJ7QMxSuw5LAIgMKf3
pjQ5pmV+cZksa3eToEscPjXHAznBJhmjaVDr4fM=
-----END CERTIFICATE-----";

/// A time at which both are valid: 2030, in seconds.
const VALID: u64 = 1_893_456_000;

/// What legacy certificates are checked against.
#[derive(Debug)]
pub struct Legacy {
    rule: Rule,
    client: Vec<u8>,
}

impl Default for Legacy {
    fn default() -> Self {
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let mut roots = RootCertStore::empty();
        roots.add(der(AUTHORITY)).expect("a root");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let rule = Rule::new(&roots, &[], provider.signature_verification_algorithms);
        Self { rule, client: der(CLIENT).to_vec() }
    }
}

impl Legacy {
    /// Shows the server `der` as a client's certificate, and the one certificate that is right
    /// with changes: each three bytes of `edits` are where and by what. What is accepted must be
    /// the one that is right but for its signature, of which ECDSA has two; says whether it was.
    ///
    /// # Panics
    /// When it is not, or rustls takes as version 3 what is read as version 1 here.
    pub fn check(&self, der: &[u8], edits: &[u8]) -> bool {
        self.check_one(der);
        let mut edited = self.client.clone();
        let (edits, _) = edits.as_chunks::<3>();
        for [high, low, change] in edits {
            let at = usize::from(u16::from_be_bytes([*high, *low])) % self.client.len();
            if let Some(byte) = edited.get_mut(at) {
                *byte ^= change;
            }
        }
        self.check_one(&edited)
    }

    fn check_one(&self, der: &[u8]) -> bool {
        let _ = RevocationList::read(der);
        let Ok(read) = Certificate::read(der) else { return false };
        assert_eq!(der.first(), Some(&0x30));
        let signed = read.signed;
        assert!(signed.bytes.len() + signed.algorithm.len() + signed.signature.len() < der.len());
        let _ = (read.common_name(), read.alternative_name(), read.is_authority());
        if read.version == Version::V1 {
            let der = CertificateDer::from(der);
            assert!(webpki::EndEntityCert::try_from(&der).is_err(), "version 3 to rustls");
        }
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(VALID));
        let accepted = self.rule.check(&read, now).is_ok();
        if accepted {
            let right = Certificate::read(&self.client).expect("the right one");
            assert_eq!(signed.bytes, right.signed.bytes, "nobody signed it");
            assert_eq!(signed.algorithm, right.signed.algorithm);
        }
        accepted
    }
}
