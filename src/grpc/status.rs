//! The status of a call: a code and a message, as trailers or in place of a reply.
//!
//! `grpc-message` is UTF-8. `%` and every byte outside 0x20 to 0x7E are percent-encoded (gRPC over
//! HTTP/2, "Status-Message"), so a message never repeats a peer's line breaks or escapes as they
//! are. It is cut at [`MAX_MESSAGE`], because clients accept 8 KiB of headers in all.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::body::{self, Body};

/// The longest message that is sent, in bytes before encoding.
const MAX_MESSAGE: usize = 1024;

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The content type of replies, unless they repeat a client's `+proto`.
pub(super) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// gRPC's status codes (grpc/grpc `doc/statuscodes.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are gRPC's own")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// The status that a call ends with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Status {
    code: Code,
    message: Cow<'static, str>,
}

impl Status {
    /// Success.
    pub const OK: Self = Self { code: Code::Ok, message: Cow::Borrowed("") };

    /// Creates a status. The message is for the user of the client.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// Returns the message, not encoded.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the status as the trailers of a reply that has begun.
    #[must_use]
    pub fn trailers(&self) -> HeaderMap {
        let mut trailers = HeaderMap::with_capacity(2);
        self.put_into(&mut trailers);
        trailers
    }

    /// Returns the status as a whole reply ("Trailers-Only"): one HEADERS frame that ends the
    /// stream.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(body::empty());
        response.headers_mut().insert(CONTENT_TYPE, GRPC);
        self.put_into(response.headers_mut());
        response
    }

    pub(super) fn put_into(&self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, HeaderValue::from(self.code as u16));
        if !self.message.is_empty()
            && let Ok(message) = HeaderValue::try_from(percent_encode(&self.message))
        {
            headers.insert(GRPC_MESSAGE, message);
        }
    }
}

/// Percent-encodes `message` for `grpc-message`, and cuts it at a character boundary.
#[must_use]
pub fn percent_encode(message: &str) -> String {
    let end = message.floor_char_boundary(MAX_MESSAGE);
    let mut encoded = String::with_capacity(end);
    for byte in message.bytes().take(end) {
        match byte {
            b'%' | ..0x20 | 0x7f.. => encoded.push_str(&format!("%{byte:02X}")),
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use proptest::prelude::*;

    fn percent_decode(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let hex = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn codes_are_decimal_without_leading_zeros_and_ok_is_zero() {
        assert_eq!(Status::OK.trailers()["grpc-status"], "0");
        assert!(!Status::OK.trailers().contains_key("grpc-message"));
        let trailers = Status::new(Code::Unauthenticated, "100% \r\nSet-Cookie: é").trailers();
        assert_eq!(trailers["grpc-status"], "16");
        assert_eq!(trailers["grpc-message"], "100%25 %0D%0ASet-Cookie: %C3%A9");
    }

    #[test]
    fn trailers_only_is_http_200_without_a_body() {
        let response = Status::new(Code::Unimplemented, "no").into_response();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(response.headers()["grpc-status"], "12");
        assert!(response.body().is_end_stream());
    }

    proptest! {
        #[test]
        fn encoded_messages_decode_to_the_original(message in ".{0,200}") {
            let encoded = percent_encode(&message);
            prop_assert!(encoded.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            prop_assert_eq!(percent_decode(&encoded), message);
        }

        #[test]
        fn long_messages_are_cut_between_characters(message in "é{500,700}") {
            let decoded = percent_decode(&percent_encode(&message));
            prop_assert!(message.starts_with(&decoded) && decoded.len() <= MAX_MESSAGE);
        }
    }
}
