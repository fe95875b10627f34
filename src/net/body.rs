//! The bodies of requests and replies, as services see them.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// A request's body.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A reply's body; it cannot fail, failures are replies.
pub type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;
