//! The four call shapes. Each makes a method from a function on messages.
//!
//! | shape | requests | replies |
//! |---|---|---|
//! | [`unary`] | one | one |
//! | [`server_streaming`] | one | a stream |
//! | [`client_streaming`] | a stream | one |
//! | [`bidirectional`] | a stream | a stream |
//!
//! A handler returns its reply, or the status that the call ends with. A stream returns frames. A
//! chunk has one frame ([`frame::encode`]), or many that were encoded before, so that calls share
//! encoded alerts without a copy.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use http::Response;
use http::header::CONTENT_TYPE;
use prost::Message;

use super::body::{self, Body, RequestBody};
use super::compression::{ACCEPTED, GRPC_ACCEPT_ENCODING};
use super::status::GRPC;
use super::{Encoding, Request, Requests, Status, frame};

/// A call's reply, as a future.
type Reply = Pin<Box<dyn Future<Output = Result<Body, Status>> + Send>>;

/// A method of any shape.
#[derive(Clone)]
pub struct Method(Arc<dyn Fn(http::Request<RequestBody>, Encoding, usize) -> Reply + Send + Sync>);

impl std::fmt::Debug for Method {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Method")
    }
}

impl Method {
    /// Answers one call. Its request messages may have at most `limit` bytes.
    pub(super) async fn call(
        self,
        request: http::Request<RequestBody>,
        limit: usize,
    ) -> Response<Body> {
        let reply = match Encoding::of(request.headers()) {
            Ok(encoding) => (self.0)(request, encoding, limit).await,
            Err(status) => Err(status),
        };
        let mut response = match reply {
            Ok(body) => {
                let mut response = Response::new(body);
                response.headers_mut().insert(CONTENT_TYPE, GRPC);
                response
            }
            Err(status) => status.into_response(),
        };
        response.headers_mut().insert(GRPC_ACCEPT_ENCODING, ACCEPTED);
        response
    }
}

/// Makes a method with one request and one reply.
pub fn unary<Q, A, H, F>(handler: H) -> Method
where
    Q: Message + Default + 'static,
    A: Message + Send + 'static,
    H: Fn(Request<Q>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<A, Status>> + Send,
{
    one_request(move |request| {
        let handler = handler.clone();
        async move { Ok(one_reply(handler(request).await?)) }
    })
}

/// Makes a method with one request and a stream of replies.
pub fn server_streaming<Q, S, H, F>(handler: H) -> Method
where
    Q: Message + Default + 'static,
    S: Stream<Item = Result<Bytes, Status>> + Send + 'static,
    H: Fn(Request<Q>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<S, Status>> + Send,
{
    one_request(move |request| {
        let handler = handler.clone();
        async move { Ok(body::frames(handler(request).await?)) }
    })
}

/// Makes a method with a stream of requests and one reply.
pub fn client_streaming<Q, A, H, F>(handler: H) -> Method
where
    Q: Message + Default + 'static,
    A: Message + Send + 'static,
    H: Fn(Request<Requests<Q>>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<A, Status>> + Send,
{
    request_stream(move |request| {
        let handler = handler.clone();
        async move { Ok(one_reply(handler(request).await?)) }
    })
}

/// Makes a method with a stream of requests and a stream of replies.
pub fn bidirectional<Q, S, H, F>(handler: H) -> Method
where
    Q: Message + Default + 'static,
    S: Stream<Item = Result<Bytes, Status>> + Send + 'static,
    H: Fn(Request<Requests<Q>>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<S, Status>> + Send,
{
    request_stream(move |request| {
        let handler = handler.clone();
        async move { Ok(body::frames(handler(request).await?)) }
    })
}

fn one_request<Q, H, F>(handler: H) -> Method
where
    Q: Message + Default + 'static,
    H: Fn(Request<Q>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Body, Status>> + Send,
{
    request_stream(move |request: Request<Requests<Q>>| {
        let handler = handler.clone();
        async move {
            let Request { metadata, extensions, message } = request;
            let message = message.only().await?;
            handler(Request { metadata, extensions, message }).await
        }
    })
}

fn request_stream<Q, H, F>(handler: H) -> Method
where
    Q: Message + Default + 'static,
    H: Fn(Request<Requests<Q>>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Body, Status>> + Send,
{
    Method(Arc::new(move |request, encoding, limit| {
        let handler = handler.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            handler(Request {
                metadata: head.headers,
                extensions: head.extensions,
                message: Requests::new(body, encoding, limit),
            })
            .await
        })
    }))
}

fn one_reply(message: impl Message) -> Body {
    body::frames(futures_util::stream::iter([Ok(frame::encode(&message))]))
}
