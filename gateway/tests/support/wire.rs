//! HTTP/2 as no client's library lets a test have it: frame by frame.

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

/// An HTTP/2 frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [.., a, b, c] = payload.len().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// A request on stream 1.
pub fn get(path: &str) -> Vec<u8> {
    get_on(1, path)
}

/// A request on a stream, in HPACK without Huffman codes.
pub fn get_on(stream: u32, path: &str) -> Vec<u8> {
    assert!(path.len() < 0x7f);
    let path = [&[0x04, path.len() as u8], path.as_bytes()].concat();
    let block = [b"\x82\x86", &path[..], b"\x01\x09localhost"].concat();
    // END_STREAM and END_HEADERS.
    frame(HEADERS, 5, stream, &block)
}

/// SETTINGS by which no stream may send anything until it is granted a window.
pub fn no_window() -> Vec<u8> {
    frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0")
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// The types of frames, and how long each is.
pub fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    std::iter::from_fn(move || {
        let [a, b, c, kind, after @ ..] = bytes else { return None };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        bytes = after.get(5 + length..).unwrap_or_default();
        Some((*kind, length))
    })
}
