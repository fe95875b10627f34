//! Calls that have ended, counted by method, outcome and who called.
//!
//! Who may call names the series, so there is a bound: beyond [`MAX_SERIES`] a caller is counted as
//! `other`, beyond it again not by method either.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::net::body::ReplyBody;

/// Methods times outcomes times callers that are told apart.
const MAX_SERIES: usize = 1_000;

/// Stands for what is not told apart.
const OTHER: &str = "other";

/// How a call ended that was cancelled, by the client or with its connection, before it had a
/// status.
const CANCELLED: &str = "1";

/// Method, code and caller.
pub(super) type Ended = (String, String, String);

/// Counts of calls.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<BTreeMap<Ended, u64>>);

impl Calls {
    /// What was counted.
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

/// A call under way: counted when it is dropped.
#[derive(Debug)]
pub(super) struct Call {
    calls: Arc<Calls>,
    method: String,
    peer: Arc<str>,
    code: Option<String>,
}

impl Call {
    pub(super) fn begin(calls: &Arc<Calls>, path: &str, peer: Option<Arc<str>>) -> Self {
        // What names no method of ours ends as UNIMPLEMENTED, and its name is the caller's.
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

    /// Follows the call's reply to its end.
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

/// A reply whose trailers are looked at.
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
