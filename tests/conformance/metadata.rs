//! Headers and trailers of a reply, set by a handler while it runs.
//!
//! Falconer's methods set none, so its call shapes do not support them. A handler finds [`Said`] in
//! its request's extensions, and adds headers and trailers of the reply there.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex};

use falconer::grpc::Mounted;
use falconer::net::body::{ReplyBody, RequestBody};
use futures_util::TryFutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// The headers and trailers of a reply.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said(Arc<Mutex<(HeaderMap, HeaderMap)>>);

impl Said {
    /// Adds a header. It has no effect after the first message.
    pub(crate) fn header(&self, name: &str, value: &str) {
        put(&mut self.0.lock().unwrap().0, name, value);
    }

    pub(crate) fn trailer(&self, name: &str, value: &str) {
        put(&mut self.0.lock().unwrap().1, name, value);
    }

    fn trailers(&self) -> HeaderMap {
        self.0.lock().unwrap().1.clone()
    }
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
}

/// Answers with `calls`, and adds the headers and trailers of [`Said`].
pub(crate) fn with(
    mut request: Request<RequestBody>,
    calls: Mounted,
) -> impl Future<Output = Result<Response<ReplyBody>, Infallible>> + Send {
    let said = Said::default();
    request.extensions_mut().insert(said.clone());
    calls.oneshot(request).map_ok(move |mut response| {
        let headers = said.0.lock().unwrap().0.clone();
        response.headers_mut().extend(headers);
        // A trailers-only reply has its trailers in the headers.
        if response.headers().contains_key("grpc-status") {
            response.headers_mut().extend(said.trailers());
        }
        response.map(|body| {
            body.map_frame(move |frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    trailers.extend(said.trailers());
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            })
            .boxed_unsync()
        })
    })
}
