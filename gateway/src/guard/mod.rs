//! Checks every request in front of the routes, so that no path can omit it.
//!
//! 1. The host name must be accepted (`host.rs`), otherwise 400 or 403. This stops DNS rebinding.
//! 2. A POST from a page must come from a page of the same origin, otherwise 403
//!    ([`cross_origin`]). Only configured origins get a CORS header, so a foreign page cannot read
//!    an answer either.
//! 3. If a token is configured, the request must have it, or a client certificate that TLS has
//!    verified, otherwise 401. Probes and the page, which has no alerts in itself, need none.
//! 4. A failed POST is counted, because alerts were in it. The access log can have every answer.

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

/// The settings of the checks.
pub(crate) struct Guard {
    hosts: Hosts,
    /// The rate limit of posts, if there is one.
    pub(crate) rate: Option<Rate>,
    /// The token, if there is one.
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

    /// Counts a failed POST.
    fn refused(&self, problem: Problem, host: Option<&HeaderValue>) {
        self.refusals.note(&*self.port, problem, host);
    }
}

/// Steps 1 and 4. It is a service, because axum's `from_fn` would cost each posted alert two more
/// allocations.
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
        // The routes, which otherwise drop the body of an answer to HEAD, have not run.
        let answer = if head { answer.map(|_| Body::empty()) } else { answer };
        Either::Right(ready(Ok(answer)))
    }
}

pin_project! {
    /// The future of an accepted request.
    pub(crate) struct Answering<F> {
        #[pin]
        answer: F,
        // Counts a failed post, and writes the access log.
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

/// Step 2: checks `Sec-Fetch-Site` or, from older browsers, `Origin`. Falco and curl send neither
/// and pass.
pub(crate) fn cross_origin() -> CsrfLayer<impl FnMut(ProtectionError) -> Response + Clone> {
    CsrfLayer::new().with_rejection_response(|_| Problem::CROSS_ORIGIN.into_response())
}
