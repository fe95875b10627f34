//! gRPC's framing: a flag, a length, a message (gRPC over HTTP/2, "Length-Prefixed-Message").
//!
//! [`Decoder`] takes the chunks of a request body, which may be cut anywhere, and returns messages:
//!
//! 1. It buffers the five bytes of the prefix. It checks flag and length before it waits for the
//!    message or allocates memory for it.
//! 2. It buffers the message, and decompresses it if the flag is set.
//! 3. The body may end only between messages.
//!
//! After an error it returns no more messages. It holds at most one message and one chunk.

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;

use super::{Code, Encoding, InflateError, Status};

/// The length of a message's prefix, in bytes.
pub const PREFIX: usize = 5;

/// Encodes a message as one frame.
///
/// A frame cannot have a message of more than 4 GiB. Falconer has none.
#[must_use]
pub fn encode(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = Vec::with_capacity(PREFIX + length);
    frame.push(0);
    frame.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    // Encoding fails only if the buffer cannot grow.
    let _ = message.encode(&mut frame);
    frame.into()
}

/// Decodes messages from chunks.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    encoding: Encoding,
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Buffering a prefix.
    Prefix,
    /// Buffering a message.
    Message { compressed: bool, length: usize },
    /// Failed; returns no more messages.
    Failed(FrameError),
}

/// The reason why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The flag is neither 0 nor 1.
    #[error("reserved bits are set in a message's compressed flag")]
    Flag,
    /// A message is compressed, but the call has no `grpc-encoding`.
    #[error("a message is compressed, but grpc-encoding names no compression")]
    NotNegotiated,
    /// The message, compressed or decompressed, exceeds the limit in bytes.
    #[error("a message is longer than {0} bytes")]
    TooLarge(usize),
    /// The compressed data is invalid.
    #[error("a compressed message is corrupt")]
    Corrupt,
    /// The body ended in the middle of a message.
    #[error("the request ended in the middle of a message")]
    Truncated,
}

impl From<FrameError> for Status {
    fn from(error: FrameError) -> Self {
        let code = match error {
            FrameError::TooLarge(_) => Code::ResourceExhausted,
            FrameError::Flag
            | FrameError::NotNegotiated
            | FrameError::Corrupt
            | FrameError::Truncated => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl Decoder {
    /// Creates a decoder of messages of at most `limit` bytes each, decompressed.
    #[must_use]
    pub fn new(encoding: Encoding, limit: usize) -> Self {
        Self { limit, encoding, buffer: BytesMut::new(), state: State::Prefix }
    }

    /// Adds the body's next chunk. Before the next chunk, call [`Self::message`] until it returns
    /// `None`.
    pub fn push(&mut self, chunk: impl Buf) {
        use bytes::BufMut;
        self.buffer.put(chunk);
    }

    /// Returns the next whole message, decompressed. `None` needs another chunk.
    ///
    /// # Errors
    /// If the body is invalid. Every later call returns the same error.
    pub fn message(&mut self) -> Result<Option<Bytes>, FrameError> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::Prefix => match self.prefix() {
                    Ok(Some((compressed, length))) => {
                        self.state = State::Message { compressed, length };
                    }
                    Ok(None) => return Ok(None),
                    Err(error) => self.fail(error),
                },
                State::Message { length, .. } if self.buffer.len() < length => return Ok(None),
                State::Message { compressed, length } => {
                    let message = self.buffer.split_to(length).freeze();
                    match if compressed { self.inflate(&message) } else { Ok(message) } {
                        Ok(message) => {
                            self.state = State::Prefix;
                            return Ok(Some(message));
                        }
                        Err(error) => self.fail(error),
                    }
                }
            }
        }
    }

    /// Checks the end of the body. Call it after [`Self::message`] has returned `None`.
    ///
    /// # Errors
    /// If the body ended in the middle of a message, or was invalid before.
    pub fn end(&self) -> Result<(), FrameError> {
        match self.state {
            State::Failed(error) => Err(error),
            State::Prefix if self.buffer.is_empty() => Ok(()),
            State::Prefix | State::Message { .. } => Err(FrameError::Truncated),
        }
    }

    /// Returns the number of buffered bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    fn prefix(&mut self) -> Result<Option<(bool, usize)>, FrameError> {
        if self.buffer.len() < PREFIX {
            return Ok(None);
        }
        let compressed = match self.buffer.get_u8() {
            0 => false,
            1 if self.encoding == Encoding::Identity => return Err(FrameError::NotNegotiated),
            1 => true,
            _ => return Err(FrameError::Flag),
        };
        let length = self.buffer.get_u32() as usize;
        if length > self.limit {
            return Err(FrameError::TooLarge(self.limit));
        }
        Ok(Some((compressed, length)))
    }

    fn inflate(&self, message: &[u8]) -> Result<Bytes, FrameError> {
        self.encoding.inflate(message, self.limit).map_err(|error| match error {
            InflateError::Corrupt => FrameError::Corrupt,
            InflateError::TooLarge => FrameError::TooLarge(self.limit),
        })
    }

    fn fail(&mut self, error: FrameError) {
        self.buffer = BytesMut::new();
        self.state = State::Failed(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::{Decoded, decode_in_chunks, frame_decode as check};
    use proptest::prelude::*;
    use std::io::Write;

    const LIMIT: usize = 100;

    fn frame(flag: u8, length: u32, payload: &[u8]) -> Vec<u8> {
        [&[flag][..], &length.to_be_bytes(), payload].concat()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(body: &[u8], encoding: Encoding) -> Decoded {
        check(body, &[3, 1, 7], encoding, LIMIT);
        decode_in_chunks(std::iter::once(body), encoding, LIMIT)
    }

    #[test]
    fn valid_bodies() {
        for (body, expected) in [
            (Vec::new(), vec![]),
            (frame(0, 0, b""), vec![&b""[..]]),
            (frame(0, 3, b"abc"), vec![b"abc"]),
            (
                [frame(0, 1, b"a"), frame(0, 0, b""), frame(0, 2, b"bc")].concat(),
                vec![b"a", b"", b"bc"],
            ),
            (frame(0, 100, &[7; 100]), vec![&[7; 100]]),
        ] {
            let (messages, end) = decoded(&body, Encoding::Identity);
            assert_eq!(
                (messages, end),
                (expected.iter().map(|m| Bytes::copy_from_slice(m)).collect(), Ok(()))
            );
        }
    }

    #[test]
    fn invalid_bodies() {
        let bomb = gzip(&[0; 10_000]);
        let bomb_length = u32::try_from(bomb.len()).unwrap();
        assert!(bomb.len() < LIMIT);
        for (body, encoding, error) in [
            (vec![0, 0], Encoding::Identity, FrameError::Truncated),
            (frame(0, 10, b""), Encoding::Identity, FrameError::Truncated),
            (frame(0, 10, b"abc"), Encoding::Identity, FrameError::Truncated),
            (frame(2, 0, b""), Encoding::Identity, FrameError::Flag),
            (frame(255, 0, b""), Encoding::Gzip, FrameError::Flag),
            (frame(1, 10, b""), Encoding::Identity, FrameError::NotNegotiated),
            (frame(0, 101, b""), Encoding::Identity, FrameError::TooLarge(LIMIT)),
            (frame(0, u32::MAX, b""), Encoding::Identity, FrameError::TooLarge(LIMIT)),
            (frame(1, 3, b"abc"), Encoding::Gzip, FrameError::Corrupt),
            (frame(1, 0, b""), Encoding::Gzip, FrameError::Corrupt),
            (frame(1, bomb_length, &bomb), Encoding::Gzip, FrameError::TooLarge(LIMIT)),
        ] {
            assert_eq!(decoded(&body, encoding), (vec![], Err(error)), "{body:?}");
        }
    }

    #[test]
    fn compressed_and_plain_messages_mix() {
        let zipped = gzip(b"hello");
        let body = [frame(1, u32::try_from(zipped.len()).unwrap(), &zipped), frame(0, 1, b"x")];
        let expected: Vec<Bytes> = vec!["hello".into(), "x".into()];
        assert_eq!(decoded(&body.concat(), Encoding::Gzip), (expected, Ok(())));
    }

    #[test]
    fn a_prefix_is_checked_before_its_message_arrives() {
        let mut decoder = Decoder::new(Encoding::Identity, LIMIT);
        decoder.push(&frame(1, 50, b"")[..]);
        assert_eq!(decoder.message(), Err(FrameError::NotNegotiated));
        decoder.push(&frame(0, 1, b"x")[..]);
        assert_eq!(decoder.message(), Err(FrameError::NotNegotiated), "nothing after an error");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_bytes(
            body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), 0_u8..9, any::<u8>()], 0..60),
            cuts in prop::collection::vec(0_u8..9, 0..12),
        ) {
            for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Deflate] {
                check(&body, &cuts, encoding, 20);
            }
        }
    }
}
