//! Which requests get in. In front of the routes, so that no path can forget it.
//!
//! 1. The request's host name is ours (`host.rs`), or 400/403: DNS rebinding ends here.
//! 2. A POST from a page comes from a page of ours, or 403 ([`cross_origin`]). A CORS header is sent
//!    only to origins that are named, so a foreign page cannot read an answer either.
//! 3. Where a token is asked for, it is there, or TLS has verified a client's certificate, or 401;
//!    probes and the page itself, which shows nothing by itself, go without.
//! 4. A POST that failed, here or further in, is noted: alerts were in it. Every answer may be.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{Method, header::HOST};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::{access::Access, client::Client, host::Unwelcome, problem::Problem, state::Gateway};

/// Steps 1 and 4.
pub(crate) async fn known_host(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    let posted = request.method() == Method::POST;
    let access = Access::begin(&request);
    let problem = match gateway.hosts.check(request.uri(), request.headers()) {
        Ok(()) => {
            let response = next.run(request).await;
            access.answered(response.status());
            if let (true, Some(problem)) = (posted, response.extensions().get::<Problem>()) {
                gateway.refusals.note(&*gateway.port, *problem, None);
            }
            return response;
        }
        Err(Unwelcome::Malformed) => Problem::HOST_MALFORMED,
        Err(Unwelcome::Foreign) => Problem::HOST_FOREIGN,
    };
    if posted {
        gateway.refusals.note(&*gateway.port, problem, request.headers().get(HOST));
    }
    access.answered(problem.status);
    problem.into_response()
}

/// Step 3.
pub(crate) async fn authorized(
    State(gateway): State<Gateway>,
    request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get::<Client>();
    let certified = client.is_some_and(|client| client.identity.is_some());
    match &gateway.token {
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
