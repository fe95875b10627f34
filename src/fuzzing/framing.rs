//! Checks gRPC's framing: a body decodes as specified, however it is cut.

use bytes::Bytes;

use super::script::Script;
use crate::grpc::frame::{Decoder, FrameError, PREFIX};
use crate::grpc::{Encoding, InflateError};

/// Calls [`frame_decode`] with `data`, read as a limit, an encoding, cuts and a body.
pub fn grpc_frame_decode(data: &[u8]) {
    let mut script = Script(data);
    let limit = usize::from(script.pair());
    let encoding = match script.byte() % 3 {
        0 => Encoding::Identity,
        1 => Encoding::Gzip,
        _ => Encoding::Deflate,
    };
    let cuts = script.short();
    frame_decode(script.0, cuts, encoding, limit);
}

/// Decodes `body`, cut at `cuts`. This is the oracle of the fuzz target and of the tests.
///
/// # Panics
/// If the result depends on the cuts or differs from a plain implementation of the specification,
/// or if the decoder buffers more than one message.
pub fn frame_decode(body: &[u8], cuts: &[u8], encoding: Encoding, limit: usize) {
    let whole = decode_in_chunks(std::iter::once(body), encoding, limit);
    let mut rest = body;
    let chunks = cuts.iter().chain(std::iter::repeat(&u8::MAX)).map_while(|cut| {
        let (chunk, after) = rest.split_at_checked(usize::from(*cut)).unwrap_or((rest, &[]));
        let done = rest.is_empty();
        rest = after;
        (!done || !chunk.is_empty()).then_some(chunk)
    });
    assert_eq!(decode_in_chunks(chunks, encoding, limit), whole, "the result depends on the cuts");
    let bytewise = decode_in_chunks(body.chunks(1), encoding, limit);
    assert_eq!(bytewise, whole, "the result depends on the cuts, byte by byte");
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
        assert!(decoder.buffered() <= PREFIX + limit, "the decoder buffers more than one message");
    }
    (messages, decoder.end())
}

/// A plain implementation of the specification. It has the whole body and no state.
pub(super) fn reference(mut body: &[u8], encoding: Encoding, limit: usize) -> Decoded {
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
