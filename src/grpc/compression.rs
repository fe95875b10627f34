//! Decompresses request messages. Like Falco's server, it supports gzip and deflate.
//!
//! Replies are never compressed, which gRPC allows, because all readers share the encoded alerts.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Code, Status};

pub(super) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
pub(super) const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// The supported encodings of requests, for `grpc-accept-encoding`.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("identity,deflate,gzip");

/// The compression of a call's messages. A flag in each message says whether it is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// No compression.
    #[default]
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// zlib (RFC 1950), which gRPC calls deflate.
    Deflate,
}

/// The reason why a message cannot be decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InflateError {
    /// The compressed data is invalid.
    Corrupt,
    /// The decompressed message exceeds the limit.
    TooLarge,
}

impl Encoding {
    /// Returns the call's encoding.
    ///
    /// # Errors
    /// UNIMPLEMENTED if it is unknown.
    pub fn of(headers: &HeaderMap) -> Result<Self, Status> {
        match headers.get(GRPC_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(b"deflate") => Ok(Self::Deflate),
            Some(_) => Err(Status::new(
                Code::Unimplemented,
                "unknown grpc-encoding; grpc-accept-encoding lists the supported ones",
            )),
        }
    }

    /// Decompresses one message. Stops one byte beyond `limit`, in bytes.
    ///
    /// # Errors
    /// If the data is invalid, or the decompressed message exceeds `limit`.
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
