//! Compressed requests, as Falco's server took them: gzip and deflate, message by message.
//!
//! Replies are never compressed; that is always allowed, and blocks of alerts are shared between
//! readers as they are.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Code, Status};

pub(super) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What requests may be compressed with, as we tell clients.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("identity,deflate,gzip");

/// How the messages of a call are compressed, where they say that they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which gRPC calls deflate.
    Deflate,
}

/// A compressed message that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// It does not inflate.
    Corrupt,
    /// It inflates to more than the limit.
    TooLarge,
}

impl Encoding {
    /// The call's encoding.
    ///
    /// # Errors
    /// UNIMPLEMENTED when it is one we do not know.
    pub fn of(headers: &HeaderMap) -> Result<Self, Status> {
        match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(b"deflate") => Ok(Self::Deflate),
            Some(_) => Err(Status::new(
                Code::Unimplemented,
                "unknown grpc-encoding: grpc-accept-encoding lists what can be read",
            )),
        }
    }

    /// Inflates one message of at most `limit` bytes; what is longer is not inflated further than
    /// to notice.
    ///
    /// # Errors
    /// When it does not inflate, or to more than `limit`.
    pub fn inflate(self, message: &[u8], limit: usize) -> Result<Bytes, InflateError> {
        let read = |reader: &mut dyn Read| {
            let mut plain = Vec::new();
            reader
                .take(limit as u64 + 1)
                .read_to_end(&mut plain)
                .map_err(|_| InflateError::Corrupt)?;
            if plain.len() > limit { Err(InflateError::TooLarge) } else { Ok(plain.into()) }
        };
        match self {
            Self::Identity => Err(InflateError::Corrupt),
            Self::Gzip => read(&mut GzDecoder::new(message)),
            Self::Deflate => read(&mut ZlibDecoder::new(message)),
        }
    }
}
