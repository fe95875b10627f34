//! Counts ended calls by method, status code and caller.
//!
//! Callers decide how many series there are, so [`MAX_SERIES`] bounds them. Beyond it, method and
//! caller of a new series are counted as `other`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::net::body::ReplyBody;

/// The most series, each a combination of method, status code and caller.
const MAX_SERIES: usize = 1_000;

/// The label of methods and callers that have no series of their own.
const OTHER: &str = "other";

/// The code (CANCELLED) of a call that ended without a status, because the client cancelled it or
/// its connection ended.
const CANCELLED: &str = "1";

/// Method, status code and caller.
pub(super) type Ended = (String, String, String);

/// Counts of calls.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<BTreeMap<Ended, u64>>);

impl Calls {
    /// Returns the counts.
    pub(super) fn counts(&self) -> BTreeMap<Ended, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ended(&self, method: &str, code: &str, peer: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counts.len() >= MAX_SERIES;
        let whole = (method.to_owned(), code.to_owned(), peer.to_owned());
        let key = match full && !counts.contains_key(&whole) {
            false => whole,
            true => (OTHER.to_owned(), code.to_owned(), OTHER.to_owned()),
        };
        *counts.entry(key).or_default() += 1;
    }
}

/// A running call. It is counted when this is dropped.
#[derive(Debug)]
pub(super) struct Call {
    calls: Arc<Calls>,
    method: String,
    peer: Arc<str>,
    code: Option<String>,
}

impl Call {
    pub(super) fn begin(calls: &Arc<Calls>, path: &str, peer: Option<Arc<str>>) -> Self {
        // Other paths end with UNIMPLEMENTED. The client chose their names, so they get no series.
        let known =
            ["/falco.", "/falconer.v1.", "/grpc."].iter().any(|ours| path.starts_with(ours));
        let method = if known && path.len() < 100 { path.trim_start_matches('/') } else { OTHER };
        let peer = peer.unwrap_or_else(|| OTHER.into());
        Self { calls: calls.clone(), method: method.to_owned(), peer, code: None }
    }

    fn look(&mut self, headers: &HeaderMap) {
        let status = headers.get("grpc-status").and_then(|code| code.to_str().ok());
        self.code = self.code.take().or_else(|| status.map(str::to_owned));
    }

    /// Follows the call's reply up to its trailers.
    pub(super) fn follow(mut self, reply: http::Response<ReplyBody>) -> http::Response<ReplyBody> {
        self.look(reply.headers());
        reply.map(|body| ReplyBody::new(Followed { body, call: self }))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.ended(&self.method, self.code.as_deref().unwrap_or(CANCELLED), &self.peer);
    }
}

/// A reply body that reads the status from its trailers.
struct Followed {
    body: ReplyBody,
    call: Call,
}

impl Body for Followed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            self.call.look(trailers);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
