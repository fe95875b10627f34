//! The request side of a call: messages out of a body, as many as the call's shape allows.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap};
use http_body_util::BodyExt;
use prost::Message;

use super::body::RequestBody;
use super::frame::Decoder;
use super::{Code, Encoding, Status};

/// The longest request message, in bytes, unless a router says otherwise: every request of ours is an empty message, or a short
/// text; gRPC's own default, 4 MiB, would only be room for an attacker.
pub const MAX_REQUEST: usize = 64 << 10;

/// How long a call of one request may take to send it whole. Longer is a stalled or hostile peer.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// What a handler gets to see of a call.
#[derive(Debug)]
pub struct Request<T> {
    /// Request metadata, as HTTP headers.
    pub metadata: HeaderMap,
    /// What the connection knows of its peer.
    pub extensions: Extensions,
    /// The message, or the stream of messages.
    pub message: T,
}

/// A stream of request messages.
#[derive(Debug)]
pub struct Requests<T> {
    body: RequestBody,
    decoder: Decoder,
    message: PhantomData<fn() -> T>,
}

impl<T: Message + Default> Requests<T> {
    pub(super) fn new(body: RequestBody, encoding: Encoding, limit: usize) -> Self {
        Self { body, decoder: Decoder::new(encoding, limit), message: PhantomData }
    }

    /// The next message; `None` after the client has finished sending.
    ///
    /// # Errors
    /// INTERNAL or RESOURCE_EXHAUSTED when the body is not a sequence of such messages; CANCELLED
    /// when the client is gone.
    pub async fn next(&mut self) -> Result<Option<T>, Status> {
        match self.bytes().await? {
            Some(message) => T::decode(message)
                .map(Some)
                .map_err(|_| Status::new(Code::Internal, "a request message does not decode")),
            None => Ok(None),
        }
    }

    /// The one message of a call that has one.
    ///
    /// # Errors
    /// UNIMPLEMENTED for none or several (grpc/grpc `doc/statuscodes.md`, cardinality violation),
    /// DEADLINE_EXCEEDED when it does not come; else as [`Self::next`].
    pub(super) async fn only(mut self) -> Result<T, Status> {
        let read = async {
            let message = self.next().await?.ok_or_else(|| cardinality("no request message"))?;
            match self.next().await? {
                None => Ok(message),
                Some(_) => Err(cardinality("more than one request message")),
            }
        };
        tokio::time::timeout(REQUEST_TIME, read).await.unwrap_or_else(|_| {
            let seconds = REQUEST_TIME.as_secs();
            let message = format!("the request was not complete within {seconds} s");
            Err(Status::new(Code::DeadlineExceeded, message))
        })
    }

    /// Reads and forgets whatever the client sends, until it finishes.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn drain(mut self) -> Result<(), Status> {
        while self.bytes().await?.is_some() {
            // Messages that are already here are no reason to keep the thread from others.
            tokio::task::consume_budget().await;
        }
        Ok(())
    }

    async fn bytes(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.decoder.message()? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                // Request trailers mean nothing in gRPC.
                Some(Ok(frame)) => self.decoder.push(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => return Err(Status::new(Code::Cancelled, "the client is gone")),
                None => {
                    self.decoder.end()?;
                    return Ok(None);
                }
            }
        }
    }
}

fn cardinality(found: &'static str) -> Status {
    Status::new(Code::Unimplemented, format!("{found}: this method takes exactly one"))
}
