//! Hand-written HTTP/2 frames, for peers that break the rules.

/// The preface of a client, with empty SETTINGS.
pub(crate) fn opening() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, b"")[..]].concat()
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a call on a new stream, which adds nothing to the HPACK table.
pub(crate) fn headers(stream: u32, flags: u8, path: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` as indexed fields, the others as literals with an indexed
    // or literal name (RFC 7541, section 6).
    let block = [
        &[0x83, 0x86][..],
        &[0x04, u8::try_from(path.len()).unwrap()],
        path.as_bytes(),
        b"\x01\x09localhost",
        b"\x0f\x10\x10application/grpc",
        b"\x00\x02te\x08trailers",
    ]
    .concat();
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub(crate) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// SETTINGS with the largest possible window.
pub(crate) fn widest() -> Vec<u8> {
    let setting = [&4_u16.to_be_bytes()[..], &0x7fff_ffff_u32.to_be_bytes()].concat();
    [frame(SETTINGS, 0, 0, &setting), window_update(0, 0x7fff_0000)].concat()
}
