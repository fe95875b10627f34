//! Which requests get in. In front of the routes, so that no path can forget it.
//!
//! 1. The request's host name is ours (`host.rs`), or 400/403: DNS rebinding ends here.
//! 2. A POST from a page comes from a page of ours, or 403 ([`cross_origin`]). A CORS header is sent
//!    only to origins that are named, so a foreign page cannot read an answer either.
//! 3. Where a token is asked for, it is there, or TLS has verified a client's certificate, or 401;
//!    probes and the page itself, which shows nothing by itself, go without.
//! 4. A POST that failed, here or further in, is noted: alerts were in it. Every answer may be.

pub(crate) mod access;
pub(crate) mod client;
pub(crate) mod host;
pub(crate) mod origin;
pub(crate) mod paced;
mod rate;
mod refusals;
pub(crate) mod token;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    num::NonZeroU32,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::future::Either;
use http::{HeaderValue, Method, header::HOST};
use pin_project_lite::pin_project;
use tower::Service;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::{port::Port, problem::Problem};
use access::Access;
use client::Client;
use host::{HostName, Hosts, Unwelcome};
use rate::Rate;
use refusals::Refusals;
use token::Token;

/// What decides who gets in.
pub(crate) struct Guard {
    hosts: Hosts,
    /// What one client may post, where that is limited.
    pub(crate) rate: Option<Rate>,
    /// What clients have to know, where that is asked for.
    pub(crate) token: Option<Token>,
    refusals: Refusals,
    port: Arc<dyn Port>,
}

impl Guard {
    pub(crate) fn new(
        hosts: Vec<HostName>,
        posts_per_second: Option<NonZeroU32>,
        token: Option<Token>,
        port: Arc<dyn Port>,
    ) -> Self {
        let (hosts, rate) = (Hosts::new(hosts), posts_per_second.map(Rate::new));
        Self { hosts, rate, token, refusals: Refusals::default(), port }
    }

    /// Notes a POST that failed.
    fn refused(&self, problem: Problem, host: Option<&HeaderValue>) {
        self.refusals.note(&*self.port, problem, host);
    }
}

/// Steps 1 and 4. A service of its own: every alert that is posted comes through, and axum's
/// `from_fn` would put it into two boxes more.
#[derive(Clone)]
pub(crate) struct KnownHost<S> {
    guard: Arc<Guard>,
    inner: S,
}

impl<S> KnownHost<S> {
    pub(crate) fn new(guard: Arc<Guard>, inner: S) -> Self {
        Self { guard, inner }
    }
}

impl<S> Service<Request> for KnownHost<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Answering<S::Future>, Ready<Result<Response, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (posted, head) = (request.method() == Method::POST, request.method() == Method::HEAD);
        let access = Access::begin(&request);
        let problem = match self.guard.hosts.check(request.uri(), request.headers()) {
            Ok(()) => {
                let guard = posted.then(|| self.guard.clone());
                let answer = self.inner.call(request);
                return Either::Left(Answering { answer, noted: Some((guard, access)) });
            }
            Err(Unwelcome::Malformed) => Problem::HOST_MALFORMED,
            Err(Unwelcome::Foreign) => Problem::HOST_FOREIGN,
        };
        if posted {
            let host = request.headers().get(HOST);
            self.guard.refused(problem, host);
        }
        access.answered(problem.status);
        let answer = problem.into_response();
        // The routes, which see to that otherwise, are further in.
        let answer = if head { answer.map(|_| Body::empty()) } else { answer };
        Either::Right(ready(Ok(answer)))
    }
}

pin_project! {
    /// A request that got in, until it is answered.
    pub(crate) struct Answering<F> {
        #[pin]
        answer: F,
        // Where a post that failed is noted; and the log's line.
        noted: Option<(Option<Arc<Guard>>, Access)>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = std::task::ready!(this.answer.poll(context));
        if let (Ok(response), Some((guard, access))) = (&answer, this.noted.take()) {
            access.answered(response.status());
            if let (Some(guard), Some(problem)) = (guard, response.extensions().get()) {
                guard.refused(*problem, None);
            }
        }
        Poll::Ready(answer)
    }
}

/// Step 3.
pub(crate) async fn authorized(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get::<Client>();
    let certified = client.is_some_and(|client| client.identity.is_some());
    match &guard.token {
        Some(token) if !certified && !token.is_in(request.headers()) => {
            Problem::UNAUTHORIZED.into_response()
        }
        _ => next.run(request).await,
    }
}

/// Step 2, by `Sec-Fetch-Site` and, from browsers too old for it, by `Origin`. Falco and curl
/// send neither and pass.
pub(crate) fn cross_origin() -> CsrfLayer<impl FnMut(ProtectionError) -> Response + Clone> {
    CsrfLayer::new().with_rejection_response(|_| Problem::CROSS_ORIGIN.into_response())
}
