//! gRPC's framing: a flag, a length, a message (gRPC over HTTP/2, "Length-Prefixed-Message").
//!
//! [`Decoder`] takes a request body's chunks, cut anywhere, and gives its messages:
//!
//! 1. Five bytes are gathered; the flag and the length are judged as soon as they are known,
//!    before anything of the message is waited for or made room for.
//! 2. The message's bytes are gathered, and inflated if the flag says so.
//! 3. The end of the body is fine between messages and nowhere else.
//!
//! After an error it gives nothing more. It holds at most one message and one chunk.

use bytes::{Buf, Bytes, BytesMut};
use prost::Message;

use super::{Code, Encoding, InflateError, Status};

/// The length of a message's prefix.
pub const PREFIX: usize = 5;

/// Puts a message into a frame of its own.
///
/// A message longer than 4 GiB cannot be said on the wire; ours never are.
#[must_use]
pub fn encode(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = Vec::with_capacity(PREFIX + length);
    frame.push(0);
    frame.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    // Only a buffer that cannot grow makes encoding fail.
    let _ = message.encode(&mut frame);
    frame.into()
}

/// Takes chunks, gives messages.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    encoding: Encoding,
    buffer: BytesMut,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Gathering a prefix.
    Prefix,
    /// Gathering a message.
    Message { compressed: bool, length: usize },
    /// Nothing more after an error.
    Failed(FrameError),
}

/// A body that is not a sequence of messages we can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Only 0 and 1 mean something.
    #[error("reserved bits are set in a message's compressed flag")]
    Flag,
    /// A message says it is compressed, the call does not say how.
    #[error("a message is compressed but grpc-encoding names no compression")]
    NotNegotiated,
    /// The message, or what it inflates to, is longer than the limit in bytes.
    #[error("a message is longer than {0} bytes")]
    TooLarge(usize),
    /// It does not inflate.
    #[error("a compressed message is corrupt")]
    Corrupt,
    /// The body ended before a message did.
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
    /// A decoder of messages of at most `limit` bytes each, inflated.
    #[must_use]
    pub fn new(encoding: Encoding, limit: usize) -> Self {
        Self { limit, encoding, buffer: BytesMut::new(), state: State::Prefix }
    }

    /// Takes the body's next chunk. Call [`Self::message`] until it has no more before the next.
    pub fn push(&mut self, chunk: impl Buf) {
        use bytes::BufMut;
        self.buffer.put(chunk);
    }

    /// The next whole message, inflated.
    ///
    /// # Errors
    /// The first time the body turns out to be wrong, and every time after.
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

    /// To be asked when the body has ended and [`Self::message`] has no more.
    ///
    /// # Errors
    /// When the body ended in the middle of a message, or was wrong before.
    pub fn end(&self) -> Result<(), FrameError> {
        match self.state {
            State::Failed(error) => Err(error),
            State::Prefix if self.buffer.is_empty() => Ok(()),
            State::Prefix | State::Message { .. } => Err(FrameError::Truncated),
        }
    }

    /// How many bytes are held, waiting for more.
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
    fn bodies_that_are_messages() {
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
    fn bodies_that_are_not() {
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
    fn a_prefix_is_judged_before_its_message_comes() {
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
