//! The bodies of requests and replies, as services see them.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// A request's body.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A reply's body. It has no errors, because a failure is a reply with a status.
pub type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;
