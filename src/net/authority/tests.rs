//! Tests the repair with hand-written blocks, with h2, and with two decoders.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use fluke_hpack::Decoder;
use http::uri::Authority;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::block::{ENTRY_OVERHEAD, HUFFMAN, NAME, NAME_HUFFMAN, STATIC_ENTRIES};
use super::value::STAND_IN;
use super::*;
use crate::fuzzing::{authority_repair as check_chunking, in_chunks};

const C_CORE: &[u8] = b"tmp%2Fx%2Ff.sock";
const C_CORE_REPAIRED: &[u8] = b"tmp-2Fx-2Ff.sock";

// One or more field blocks on one connection.

#[test]
fn literal_first_then_index() {
    let first = [b"\x83\x86\x41\x10", C_CORE].concat();
    let blocks = repair_blocks(&[&first, b"\x83\x86\xbe"]);
    assert_eq!(blocks[0], [b"\x83\x86\x41\x10", C_CORE_REPAIRED].concat());
    assert_eq!(blocks[1], b"\x83\x86\xbe");
    let mut decoder = Decoder::new();
    for block in blocks {
        let last = decoder.decode(&block).unwrap().pop().unwrap();
        assert_eq!(last, (NAME.to_vec(), C_CORE_REPAIRED.to_vec()));
    }
}

#[test]
fn huffman_value_is_replaced_at_the_same_length() {
    let coded = huffman(b"/run/falco/falco.sock");
    assert!(coded.len() < b"/run/falco/falco.sock".len());
    let block = [&[0x41, HUFFMAN | coded.len() as u8], &coded[..], b"\x83"].concat();
    let blank = vec![STAND_IN; coded.len()];
    assert_eq!(repair_block(&block), [&[0x41, coded.len() as u8], &blank[..], b"\x83"].concat());
}

#[test]
fn spelled_out_name_in_every_representation() {
    assert_eq!(huffman(NAME), NAME_HUFFMAN);
    let plain = [&[NAME.len() as u8], NAME].concat();
    let coded = [&[HUFFMAN | NAME_HUFFMAN.len() as u8], NAME_HUFFMAN].concat();
    for representation in [0x40, 0x00, 0x10] {
        for name in [&plain, &coded] {
            let field = |value: &[u8]| [&[representation], &name[..], value].concat();
            assert_eq!(repair_block(&field(b"\x03a/b")), field(b"\x03a-b"));
        }
    }
}

#[test]
fn other_names_keep_their_values() {
    for name in [&b":authorit"[..], b":authority1", b":Authority", b":path", b"", b"host"] {
        let coded = huffman(name);
        for spelt in [
            [&[name.len() as u8], name].concat(),
            [&[HUFFMAN | coded.len() as u8], &coded[..]].concat(),
        ] {
            let block = [b"\x40", &spelt[..], b"\x03a/b", b"\x0f\x2f\x03a/b"].concat();
            assert_eq!(repair_block(&block), block);
        }
    }
    // Every static index except the first, including those of more than one octet.
    for index in 2..=STATIC_ENTRIES {
        let block = [encode_integer(0x00, 4, index), b"\x03a/b".to_vec()].concat();
        assert_eq!(repair_block(&block), block);
    }
}

#[test]
fn name_by_dynamic_index() {
    // The table, newest first: another field, then the authority.
    let block = b"\x41\x01a\x40\x01n\x01v\x0f\x30\x03a/b\x0f\x2f\x03a/b";
    let fixed = b"\x41\x01a\x40\x01n\x01v\x0f\x30\x03a-b\x0f\x2f\x03a/b";
    assert_eq!(repair_block(block), fixed);
    // An insertion whose name is a dynamic index has the name of that entry.
    let block = b"\x41\x01a\x7e\x01b\x40\x01n\x01v\x7f\x00\x03a/b\x7e\x03a/b\x7f\x01\x03a/b";
    let fixed = b"\x41\x01a\x7e\x01b\x40\x01n\x01v\x7f\x00\x03a-b\x7e\x03a-b\x7f\x01\x03a/b";
    assert_eq!(repair_block(block), fixed);
}

#[test]
fn oldest_entry_of_a_full_table() {
    // An empty authority, then as many empty entries as fit into the table beside it.
    let inserts = [&b"\x41\x00"[..], &b"\x40\x00\x00".repeat(127)].concat();
    let field = |index, value: &[u8]| [&encode_integer(0x00, 4, index)[..], value].concat();
    let block = |value: &[u8]| {
        [&inserts[..], &field(188, b"\x03a/b"), &field(189, value), &field(187, b"\x03a/b")]
            .concat()
    };
    assert_eq!(repair_block(&block(b"\x03a/b")), block(b"\x03a-b"));
    // After one more insertion the authority is no longer in the table.
    let block = [&inserts[..], b"\x40\x00\x00", &field(190, b"\x03a/b")].concat();
    assert_eq!(repair_block(&block), block);
    let block = [&inserts[..], &field(1 << 20, b"\x03a/b")].concat();
    assert_eq!(repair_block(&block), block);
}

#[test]
fn value_of_more_than_one_length_octet() {
    let path = b"/a".repeat(150);
    let block = [&b"\x41\x7f\xad\x01"[..], &path, b"\x83"].concat();
    let fixed = [&b"\x41\x7f\xad\x01"[..], &b"-a".repeat(150), b"\x83"].concat();
    assert_eq!(repair_block(&block), fixed);
    let block = [&b"\x41\xff\xad\x01"[..], &path, b"\x83"].concat();
    let fixed = [&b"\x41\x7f\xad\x01"[..], &b"--".repeat(150), b"\x83"].concat();
    assert_eq!(repair_block(&block), fixed);
}

#[test]
fn empty_value_stays_empty() {
    assert_eq!(repair_block(b"\x41\x00\x83\x81"), b"\x41\x00\x83\x81");
    assert_eq!(repair_block(b"\x41\x80\x41\x03a/b"), b"\x41\x00\x41\x03a-b");
}

#[test]
fn table_size_update_is_skipped() {
    assert_eq!(repair_block(b"\x20\x3f\xe1\x1f\x41\x03a/b"), b"\x20\x3f\xe1\x1f\x41\x03a-b");
}

// Values.

#[test]
fn valid_values_are_unchanged() {
    for value in [
        "localhost",
        "localhost:5060",
        "falco.example",
        "127.0.0.1:80",
        "[::1]",
        "[fe80::1%25eth0]:5060",
        "[1:2:3:4:5:6:7:8]:80",
        "a_b~c-d!$&'()*+,;=",
        "LOCALHOST:",
    ] {
        assert_eq!(repair_value(value.as_bytes()), value.as_bytes());
    }
}

#[test]
fn every_octet_becomes_valid() {
    for octet in 0..=255 {
        for value in
            [vec![octet], vec![b'a', octet, b'c'], vec![b'[', octet, b']'], vec![octet, octet]]
        {
            let repaired = repair_value(&value);
            assert!(Authority::try_from(&repaired[..]).is_ok(), "{value:?} -> {repaired:?}");
        }
    }
}

#[test]
fn every_short_value_becomes_valid_and_valid_ones_stay() {
    const OCTETS: &[u8] = b"a:[]@%/";
    let mut values = vec![vec![]];
    for _ in 0..6 {
        values = values
            .iter()
            .flat_map(|value| OCTETS.iter().map(move |&octet| [value, &[octet][..]].concat()))
            .collect();
        for value in &values {
            let repaired = repair_value(value);
            assert!(Authority::try_from(&repaired[..]).is_ok(), "{value:?} -> {repaired:?}");
            if must_stay(value) {
                assert_eq!(&repaired, value);
            }
        }
    }
    let colons = |n| ["[", &":".repeat(n), "]"].concat().into_bytes();
    assert_eq!(repair_value(&colons(8)), colons(8));
    assert_eq!(repair_value(&colons(9)), b"[::::::::-]");
}

// Frames.

#[test]
fn padding_and_priority_are_skipped() {
    let block = b"\x83\x41\x03a/b";
    let padding = b"\x41\x03a/b";
    let payload = [&b"\x05\x80\0\0\0\xff"[..], block, padding].concat();
    let fixed = [&b"\x05\x80\0\0\0\xff"[..], b"\x83\x41\x03a-b", padding].concat();
    let flags = Head::END_HEADERS | Head::PADDED | Head::PRIORITY;
    assert_eq!(repair_frames(&frame(1, flags, 1, &payload)), frame(1, flags, 1, &fixed));
    // A payload that is only padding.
    let empty = frame(1, Head::END_HEADERS | Head::PADDED, 1, b"\x03\x41\x01");
    assert_eq!(repair_frames(&empty), empty);
    let empty = frame(1, Head::END_HEADERS | Head::PADDED, 1, b"\x02\x41\x01");
    let again = [&empty[..], &frame(1, 4, 3, b"\x41\x03a/b")].concat();
    assert_eq!(repair_frames(&again), [&empty[..], &frame(1, 4, 3, b"\x41\x03a-b")].concat());
}

#[test]
fn block_split_at_every_octet() {
    let long = b"/a".repeat(100);
    let block = [&b"\x83\x40\x0a:authority\x7f\x49"[..], &long, b"\x0f\x2f\x03a/b"].concat();
    let fixed =
        [&b"\x83\x40\x0a:authority\x7f\x49"[..], &b"-a".repeat(100), b"\x0f\x2f\x03a-b"].concat();
    for at in 0..=block.len() {
        let split = |block: &[u8]| {
            let headers = frame(1, 0, 5, &block[..at]);
            [headers, frame(9, 0, 5, b""), frame(9, 4, 5, &block[at..])].concat()
        };
        assert_eq!(repair_frames(&split(&block)), split(&fixed), "split at {at}");
    }
    let each = |block: &[u8]| {
        let (first, rest) = block.split_first().unwrap();
        let mut frames = frame(1, 0, 5, &[*first]);
        rest.iter().for_each(|&octet| frames.extend(frame(9, 0, 5, &[octet])));
        [frames, frame(9, 4, 5, b"")].concat()
    };
    assert_eq!(repair_frames(&each(&block)), each(&fixed));
    // The reserved bit of a stream's number is ignored.
    let reserved = |block: &[u8]| [frame(1, 0, 5, b""), frame(9, 4, 1 << 31 | 5, block)].concat();
    assert_eq!(repair_frames(&reserved(&block)), reserved(&fixed));
}

#[test]
fn other_frames_are_skipped() {
    let field = b"\x41\x03a/b";
    let payload = [&frame(1, 4, 1, field)[..], field].concat();
    for kind in [0, 2, 3, 4, 6, 7, 8, 0xa, 0xff] {
        let other = frame(kind, 0xff, 1, &payload);
        let sent = [&other[..], &frame(kind, 0, 0, b""), &frame(1, 4, 3, field)].concat();
        let repaired = repair_frames(&sent);
        assert_eq!(repaired[..other.len()], other);
        assert_eq!(repaired[sent.len() - field.len()..], *b"\x41\x03a-b");
    }
}

#[test]
fn protocol_errors_pass_unchanged() {
    let field = b"\x41\x03a/b";
    let request = |stream| frame(1, 4, stream, &field.repeat(8));
    let good = [PREFACE, &request(3)].concat();
    assert_ne!(in_chunks(&good, [1]), good);
    for (why, broken) in [
        ("continuation without headers", frame(9, 4, 1, b"\x83")),
        ("continuation of another stream", [frame(1, 0, 1, b""), frame(9, 4, 3, field)].concat()),
        (
            "frame between fragments",
            [frame(1, 0, 1, b""), frame(6, 0, 0, &[0; 8]), frame(9, 4, 1, field)].concat(),
        ),
        ("headers between fragments", frame(1, 0, 1, b"")),
        ("push", frame(5, 4, 1, b"\0\0\0\x02\x83")),
        ("too short for the pad length", frame(1, 4 | Head::PADDED, 1, b"")),
        ("too short for the priority", frame(1, 4 | Head::PRIORITY, 1, b"\0\0\0\0")),
        ("too short for the padding", frame(1, 4 | Head::PADDED, 1, b"\x02\x83")),
        ("unfinished integer", frame(1, 4, 1, b"\xff")),
        ("unfinished name", frame(1, 4, 1, b"\x40\x02a")),
        ("no value", frame(1, 4, 1, b"\x40\x02ab")),
        ("unfinished value", frame(1, 4, 1, b"\x41\x02a")),
        ("index 0", frame(1, 4, 1, b"\x80")),
        ("integer of too many octets", frame(1, 4, 1, b"\xff\x80\x80\x80\x80\x00")),
    ] {
        let sent = [PREFACE, &broken, &request(3)].concat();
        assert_eq!(in_chunks(&sent, [1]), sent, "{why}");
    }
    let other = &PREFACE.to_ascii_lowercase()[..];
    for broken in [other, b"GET / HTTP/1.1\r\n\r\n", &PREFACE[..23], &PREFACE[1..]] {
        let sent = [broken, &request(3)].concat();
        assert_eq!(in_chunks(&sent, [1]), sent);
    }
}

#[test]
fn longest_integer_is_read() {
    // A table of 2^28 - 2 + 127 octets: well-formed, but h2 rejects the size.
    assert_eq!(
        repair_block(b"\x3f\xff\xff\xff\x7f\x41\x03a/b"),
        b"\x3f\xff\xff\xff\x7f\x41\x03a-b"
    );
    // A longer encoding of 127 than necessary.
    assert_eq!(repair_block(b"\x41\x7f\x80\x80\x80\x00"), b"\x41\x7f\x80\x80\x80\x00");
}

// The connection.

#[tokio::test]
async fn only_newly_read_bytes_are_edited() {
    let (mut client, server) = tokio::io::duplex(7);
    let sent = [PREFACE, &frame(1, 4, 1, &[b"\x41\x10", C_CORE].concat())].concat();
    let repaired = in_chunks(&sent, [1]);
    assert_ne!(repaired, sent);
    let writer = tokio::spawn(async move { client.write_all(&sent).await });
    // One buffer, filled by many reads.
    let mut io = RepairedIo::new(server);
    let mut storage = vec![0; repaired.len()];
    let mut buf = ReadBuf::new(&mut storage);
    while buf.remaining() > 0 {
        std::future::poll_fn(|cx| Pin::new(&mut io).poll_read(cx, &mut buf)).await.unwrap();
    }
    assert_eq!(buf.filled(), repaired);
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn vectored_writes_pass_in_one_piece() {
    let (mut client, server) = tokio::net::UnixStream::pair().unwrap();
    let mut io = RepairedIo::new(server);
    assert_eq!(io.is_write_vectored(), io.get_ref().is_write_vectored());
    assert!(io.is_write_vectored());
    let field = frame(1, 4, 1, b"\x41\x03a/b");
    let slices = [IoSlice::new(PREFACE), IoSlice::new(&field)];
    assert_eq!(io.write_vectored(&slices).await.unwrap(), PREFACE.len() + field.len());
    io.write_all(b"tail").await.unwrap();
    io.flush().await.unwrap();
    io.shutdown().await.unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, [PREFACE, &field, b"tail"].concat());
}

/// Sends the requests of a C-core client to h2, and returns the authorities that arrive. The
/// requests have the authority spelled out, then by dynamic index as a field, then by dynamic index
/// as a name, and at last a valid authority.
async fn authorities_at_h2<T>(server: impl FnOnce(tokio::io::DuplexStream) -> T) -> Vec<String>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let literal = |name: &[u8], value: &[u8]| {
        [&[0x40, name.len() as u8], name, &[value.len() as u8], value].concat()
    };
    let path = b"/falco.outputs.service/sub";
    let first = [
        &b"\x83\x86"[..],
        &literal(b":path", path),
        &literal(NAME, C_CORE),
        &literal(b"te", b"trailers"),
    ]
    .concat();
    // Newest first: te 62, authority 63, path 64.
    let third = [&b"\x83\x86\xc0"[..], b"\x0f\x30\x03/x/", b"\xbe"].concat();
    let mut sent = [PREFACE, &frame(4, 0, 0, b"")].concat();
    sent.extend(frame(1, 0, 1, &first[..40]));
    sent.extend(frame(9, 4, 1, &first[40..]));
    sent.extend(frame(1, 5, 3, b"\x83\x86\xc0\xbf\xbe"));
    sent.extend(frame(1, 5, 5, &third));
    sent.extend(frame(1, 5, 7, b"\x83\x86\xc0\x01\x03end\xbe"));

    let (client, io) = tokio::io::duplex(5);
    let (mut reader, mut writer) = tokio::io::split(client);
    tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    tokio::spawn(async move { writer.write_all(&sent).await });
    let mut connection = h2::server::handshake(server(io)).await.unwrap();
    let mut authorities = Vec::new();
    let all = async {
        while authorities.last().is_none_or(|last| last != "end") {
            let (request, _respond) = connection.accept().await.unwrap().unwrap();
            assert_eq!(request.uri().path().as_bytes(), path);
            authorities.push(request.uri().authority().unwrap().to_string());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
    authorities
}

#[tokio::test]
async fn repaired_requests_arrive_at_h2() {
    let repaired = authorities_at_h2(RepairedIo::new).await;
    let name = std::str::from_utf8(C_CORE_REPAIRED).unwrap();
    assert_eq!(repaired, [name, name, "-x-", "end"]);
    // Without the repair only the valid one arrives.
    assert_eq!(authorities_at_h2(|io| io).await, ["end"]);
}

// Any client.

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn garbage_has_the_same_result_in_any_chunks(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        frames in prop::collection::vec(garbage_frame(), 0..6),
    ) {
        check_chunking(&bytes);
        check_chunking(&frames.concat());
        check_chunking(&[&frames.concat()[..], &bytes].concat());
    }

    #[test]
    fn only_authorities_change_for_any_client(
        session in prop::collection::vec(request(), 1..24),
        sizes in prop::collection::vec(0..40_usize, 1..8),
    ) {
        check_session(&session, &sizes);
    }
}

/// A field block and how to send it.
#[derive(Debug, Clone)]
struct Request {
    table_size: Option<u32>,
    fields: Vec<Field>,
    cuts: Vec<prop::sample::Index>,
    padding: Option<Vec<u8>>,
    priority: bool,
    before: Option<(u8, Vec<u8>)>,
}

/// A field and how to encode it.
#[derive(Debug, Clone)]
struct Field {
    name: &'static [u8],
    value: Vec<u8>,
    representation: Representation,
    /// Which of the matching entries to use; `None` uses no index.
    entry: Option<prop::sample::Index>,
    huffman: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Representation {
    Whole,
    Indexing,
    Without,
    Never,
}

fn request() -> impl Strategy<Value = Request> {
    (
        prop::option::weighted(0.1, prop::sample::select(vec![0, 60, 130, 500, 4096])),
        prop::collection::vec(field(), 1..12),
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        any::<bool>(),
        prop::option::of((
            prop::sample::select(vec![0, 2, 3, 4, 6, 8, 0xfa]),
            prop::collection::vec(any::<u8>(), 0..30),
        )),
    )
        .prop_map(|(table_size, fields, cuts, padding, priority, before)| Request {
            table_size,
            fields,
            cuts,
            padding,
            priority,
            before,
        })
}

fn field() -> impl Strategy<Value = Field> {
    use Representation::*;
    const NAMES: &[&[u8]] = &[NAME, NAME, NAME, b":path", b"user-agent", b"x-n", b":authorit", b""];
    (
        prop::sample::select(NAMES),
        prop_oneof![
            prop::sample::select(vec![C_CORE, b"localhost", b"localhost:5060", b"/r/f.sock"])
                .prop_map(<[u8]>::to_vec),
            prop::collection::vec(prop::sample::select(b"az09.:/%@[]".to_vec()), 0..12),
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(prop::sample::select(b"az/%".to_vec()), 120..260),
        ],
        prop::sample::select(vec![Whole, Whole, Indexing, Indexing, Without, Never]),
        prop::option::weighted(0.8, any::<prop::sample::Index>()),
        any::<bool>(),
    )
        .prop_map(|(name, value, representation, entry, huffman)| Field {
            name,
            value,
            representation,
            entry,
            huffman,
        })
}

/// A frame, mostly of the types that are parsed, with a payload that may be invalid anywhere.
fn garbage_frame() -> impl Strategy<Value = Vec<u8>> {
    (
        prop::sample::select(vec![0, 1, 1, 1, 9, 9, 4, 5]),
        prop_oneof![Just(Head::END_HEADERS), any::<u8>()],
        prop_oneof![Just(1), any::<u32>()],
        prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![0x41, 0x40, 0x7e, 0x01, 0x03, 0x0a, 0xff, b'/']),
                any::<u8>(),
            ],
            0..40,
        ),
    )
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
}

fn check_session(session: &[Request], sizes: &[usize]) {
    let mut client = Client::default();
    let sent = client.send(session);
    let repaired = in_chunks(&sent, [sent.len()]);
    assert_eq!(repaired, in_chunks(&sent, sizes.iter().copied()), "by chunks {sizes:?}");
    assert_eq!(repaired, in_chunks(&sent, [1]), "by octet");

    let mut outside = 0;
    let mut decoders = (Decoder::new(), Decoder::new());
    for block in &client.blocks {
        let mut original = Vec::new();
        let mut edited = Vec::new();
        for fragment in &block.fragments {
            let between = outside..fragment.start;
            assert_eq!(repaired[between.clone()], sent[between], "outside of a field block");
            original.extend(&sent[fragment.clone()]);
            edited.extend(&repaired[fragment.clone()]);
            outside = fragment.end;
        }
        let original = decoders.0.decode(&original).unwrap();
        let edited = decoders.1.decode(&edited).unwrap();
        assert_eq!(original.len(), edited.len());
        for ((was, is), plain) in original.iter().zip(&edited).zip(&block.plain) {
            assert_eq!(was.0, is.0);
            if was.0 != NAME || was.1.is_empty() || *plain && must_stay(&was.1) {
                assert_eq!(was.1, is.1, "of {:?}", was.0.escape_ascii().to_string());
            } else {
                assert!(Authority::try_from(&is.1[..]).is_ok(), "{was:?} -> {is:?}");
                assert!(!*plain || was.1.len() == is.1.len());
            }
        }
    }
    assert_eq!(repaired[outside..], sent[outside..]);
}

/// The encoder of a client, and the field blocks that it sent.
#[derive(Debug)]
struct Client {
    table: VecDeque<Entry>,
    table_size: usize,
    blocks: Vec<Sent>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: Vec<u8>,
    value: Vec<u8>,
    plain: bool,
}

#[derive(Debug, Default)]
struct Sent {
    fragments: Vec<Range<usize>>,
    /// For each field, whether its value was last written without Huffman coding.
    plain: Vec<bool>,
}

impl Default for Client {
    fn default() -> Client {
        Client { table: VecDeque::new(), table_size: 4096, blocks: Vec::new() }
    }
}

impl Client {
    fn send(&mut self, session: &[Request]) -> Vec<u8> {
        let mut out = PREFACE.to_vec();
        for (request, stream) in session.iter().zip((1..).step_by(2)) {
            if let Some((kind, payload)) = &request.before {
                out.extend(frame(*kind, 0xff, stream, payload));
            }
            let (block, plain) = self.encode(request);
            let mut cuts: Vec<_> =
                request.cuts.iter().map(|cut| cut.index(block.len() + 1)).collect();
            cuts.extend([0, block.len()]);
            cuts.sort_unstable();
            let mut sent = Sent { fragments: Vec::new(), plain };
            for (nth, cut) in cuts.windows(2).enumerate() {
                let last = if nth + 2 == cuts.len() { Head::END_HEADERS } else { 0 };
                let fragment = &block[cut[0]..cut[1]];
                let padding = request.padding.as_deref().filter(|_| nth == 0);
                let mut before = Vec::new();
                let mut flags = last;
                if let Some(padding) = padding {
                    flags |= Head::PADDED;
                    before.push(padding.len() as u8);
                }
                if request.priority && nth == 0 {
                    flags |= Head::PRIORITY;
                    before.extend(b"\x00\x00\x00\x00\x41");
                }
                let kind = if nth == 0 { Head::HEADERS } else { Head::CONTINUATION };
                let start = out.len() + 9 + before.len();
                let payload = [&before, fragment, padding.unwrap_or_default()].concat();
                out.extend(frame(kind, flags, stream, &payload));
                sent.fragments.push(start..start + fragment.len());
            }
            self.blocks.push(sent);
        }
        out
    }

    fn encode(&mut self, request: &Request) -> (Vec<u8>, Vec<bool>) {
        let mut out = Vec::new();
        let mut plain = Vec::new();
        if let Some(size) = request.table_size {
            out.extend(encode_integer(0x20, 5, size));
            self.table_size = size as usize;
            self.evict(0);
        }
        for field in &request.fields {
            plain.push(self.encode_field(field, &mut out));
        }
        (out, plain)
    }

    /// Encodes a field, and returns whether its value was written plain.
    fn encode_field(&mut self, field: &Field, out: &mut Vec<u8>) -> bool {
        let (first, bits) = match field.representation {
            Representation::Whole => {
                let whole = |entry: &Entry| entry.name == field.name && entry.value == field.value;
                if let Some((index, plain)) = self.find(field, whole) {
                    out.extend(encode_integer(0x80, 7, index));
                    return plain;
                }
                (0x40, 6)
            }
            Representation::Indexing => (0x40, 6),
            Representation::Without => (0x00, 4),
            Representation::Never => (0x10, 4),
        };
        match self.find(field, |entry| entry.name == field.name) {
            Some((index, _)) => out.extend(encode_integer(first, bits, index)),
            None => {
                out.push(first);
                encode_string(field.name, field.huffman, out);
            }
        }
        let plain = !encode_string(&field.value, field.huffman, out);
        if first == 0x40 {
            let (name, value) = (field.name.to_vec(), field.value.clone());
            let size = size(&name, &value);
            self.evict(size);
            if size <= self.table_size {
                self.table.push_front(Entry { name, value, plain });
            }
        }
        plain
    }

    fn find(&self, field: &Field, fits: impl Fn(&Entry) -> bool) -> Option<(u32, bool)> {
        let entries: Vec<_> = [(1, NAME, &b""[..]), (4, b":path", b"/"), (58, b"user-agent", b"")]
            .into_iter()
            .map(|(index, name, value)| {
                (index, Entry { name: name.to_vec(), value: value.to_vec(), plain: true })
            })
            .chain((62..).zip(self.table.iter().cloned()))
            .filter(|(_, entry)| fits(entry))
            .collect();
        let (index, entry) = field.entry.filter(|_| !entries.is_empty())?.get(&entries);
        Some((*index, entry.plain))
    }

    fn evict(&mut self, incoming: usize) {
        let held = |table: &VecDeque<Entry>| {
            table.iter().map(|entry| size(&entry.name, &entry.value)).sum::<usize>()
        };
        while held(&self.table) + incoming > self.table_size && !self.table.is_empty() {
            self.table.pop_back();
        }
    }
}

fn size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_OVERHEAD as usize
}

fn encode_integer(first: u8, bits: u32, value: u32) -> Vec<u8> {
    let max = (1 << bits) - 1;
    if value < max {
        return vec![first | value as u8];
    }
    let mut out = vec![first | max as u8];
    let mut value = value - max;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// Appends a string, and returns whether it is Huffman-coded. It is not if that makes it longer.
fn encode_string(string: &[u8], may_code: bool, out: &mut Vec<u8>) -> bool {
    let coded = huffman(string);
    let code = may_code && coded.len() <= string.len();
    let string = if code { &coded } else { string };
    out.extend(encode_integer(if code { HUFFMAN } else { 0 }, 7, string.len() as u32));
    out.extend(string);
    code
}

/// Lengths in bits of the codes of RFC 7541 appendix B, by octet; end of string has 30 bits too.
#[rustfmt::skip]
const CODE_LENGTHS: [u32; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28,
    30, 28, 28, 28, 28, 28, 28, 28, 28, 28,  6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,
     8,  6,  6,  6,  5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10, 13,  6,
     7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     8,  7,  8, 13, 19, 13, 14,  6, 15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,
     6,  5,  6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28, 20, 22, 20, 20,
    22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
    22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23,
    22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26,
    28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27,
    26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Huffman-codes a string. The code is canonical, so the lengths define it.
fn huffman(string: &[u8]) -> Vec<u8> {
    static CODES: LazyLock<[u32; 256]> = LazyLock::new(|| {
        let mut by_length: Vec<u8> = (0..=255).collect();
        by_length.sort_by_key(|&octet| CODE_LENGTHS[usize::from(octet)]);
        let mut codes = [0; 256];
        let (mut next, mut length) = (0, 0);
        for octet in by_length.into_iter().map(usize::from) {
            next <<= CODE_LENGTHS[octet] - length;
            length = CODE_LENGTHS[octet];
            codes[octet] = next;
            next += 1;
        }
        codes
    });
    let mut out = Vec::new();
    let (mut bits, mut held) = (0_u64, 0);
    for octet in string.iter().copied().map(usize::from) {
        bits = bits << CODE_LENGTHS[octet] | u64::from(CODES[octet]);
        held += CODE_LENGTHS[octet];
        while held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    if held > 0 {
        out.push(((bits << (8 - held)) as u8) | (0xff >> held));
    }
    out
}

#[test]
fn test_encoder_matches_a_huffman_decoder() {
    let all: Vec<u8> = (0..=255).collect();
    for octets in all.chunks(1).chain([&all[..]]) {
        let coded = huffman(octets);
        assert_eq!(fluke_hpack::huffman::HuffmanDecoder::new().decode(&coded), Ok(octets.to_vec()));
    }
}

/// Whether the repair must not change this value; see [`super::value::Shape`].
fn must_stay(value: &[u8]) -> bool {
    Authority::try_from(value).is_ok()
        && !value.contains(&b'@')
        && !value.iter().skip(1).any(|&octet| octet == b'[')
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn repair_frames(frames: &[u8]) -> Vec<u8> {
    in_chunks(&[PREFACE, frames].concat(), [1]).split_off(PREFACE.len())
}

/// Repairs field blocks of one connection, each in one frame.
fn repair_blocks(blocks: &[&[u8]]) -> Vec<Vec<u8>> {
    let frames: Vec<_> = blocks.iter().map(|block| frame(1, 4, 1, block)).collect();
    let mut rest = repair_frames(&frames.concat());
    let mut repaired = Vec::new();
    for frame in frames {
        let after = rest.split_off(frame.len());
        repaired.push(rest.split_off(9));
        rest = after;
    }
    repaired
}

fn repair_block(block: &[u8]) -> Vec<u8> {
    repair_blocks(&[block]).remove(0)
}

fn repair_value(value: &[u8]) -> Vec<u8> {
    let head = [vec![0x41], encode_integer(0, 7, value.len() as u32)].concat();
    repair_block(&[&head, value].concat()).split_off(head.len())
}
