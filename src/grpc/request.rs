//! Reads the messages of a request's body, as many as the call shape allows.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap};
use http_body_util::BodyExt;
use prost::Message;

use super::body::RequestBody;
use super::frame::Decoder;
use super::{Code, Encoding, Status};

/// The default limit of a request message, in bytes. [`super::Router::max_request`] changes it.
/// Falconer's requests are empty or a short text. gRPC's default, 4 MiB, would only help attackers.
pub const MAX_REQUEST: usize = 64 << 10;

/// The timeout for the whole request of a call with one request. A peer that takes longer is
/// stalled or hostile.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// A call, as a handler gets it.
#[derive(Debug)]
pub struct Request<T> {
    /// The request metadata, as HTTP headers.
    pub metadata: HeaderMap,
    /// What the connection adds, such as the peer's name.
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

    /// Returns the next message, or `None` after a half-close.
    ///
    /// # Errors
    /// INTERNAL if the body or a message is invalid, RESOURCE_EXHAUSTED if a message is too long,
    /// CANCELLED if the client has cancelled the call or disconnected.
    pub async fn next(&mut self) -> Result<Option<T>, Status> {
        match self.bytes().await? {
            Some(message) => T::decode(message)
                .map(Some)
                .map_err(|_| Status::new(Code::Internal, "cannot decode a request message")),
            None => Ok(None),
        }
    }

    /// Returns the message of a call with one request.
    ///
    /// # Errors
    /// UNIMPLEMENTED for none or several (grpc/grpc `doc/statuscodes.md`, cardinality violation),
    /// DEADLINE_EXCEEDED after 10 s (`REQUEST_TIME`), or as [`Self::next`].
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

    /// Reads and discards requests until the client half-closes.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn drain(mut self) -> Result<(), Status> {
        while self.bytes().await?.is_some() {
            // Lets other tasks run while many messages are buffered.
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
                // gRPC has no request trailers; they are ignored.
                Some(Ok(frame)) => self.decoder.push(frame.into_data().unwrap_or_default()),
                Some(Err(_)) => return Err(Status::new(Code::Cancelled, "the call was cancelled")),
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
