//! Errors as they leave the server: RFC 9457 problem details.
//!
//! A problem says what is wrong and what to do next, and nothing about the inside. It carries the
//! security headers itself, so an error is safe wherever it was made. `type` is `about:blank`:
//! the status says which problem it is, and RFC 9457 then wants the status' own words as title.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use crate::headers;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Every error this server answers with. Kept in the response's extensions for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: &'static str,
}

impl Problem {
    pub(crate) const HOST_MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        detail: "A request names the host it is for, once, in plain text (Host).",
    };
    pub(crate) const HOST_FOREIGN: Self = Self {
        status: StatusCode::FORBIDDEN,
        detail: "This server does not answer to that host name. Use 127.0.0.1 or localhost, or \
                 add the name to falconer.gateway.allowed_hosts.",
    };
    pub(crate) const CROSS_ORIGIN: Self = Self {
        status: StatusCode::FORBIDDEN,
        detail: "A page of another origin may not post here.",
    };
    pub(crate) const INGEST_OFF: Self = Self {
        status: StatusCode::FORBIDDEN,
        detail: "Alerts are not taken over HTTP. Set falconer.inputs.http to true.",
    };
    pub(crate) const BODY_TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        detail: "A body may have 8 MiB. Post fewer alerts at once.",
    };
    pub(crate) const BODY_TOO_SLOW: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        detail: "The body did not arrive in time. Post again, or fewer alerts at once.",
    };
    pub(crate) const BODY_BROKEN: Self = Self {
        status: StatusCode::BAD_REQUEST,
        detail: "The body ended before its announced end. Post again.",
    };
    pub(crate) const BODY_ENCODED: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        detail: "A body is taken as it is, not compressed. Post without Content-Encoding.",
    };
    pub(crate) const NOT_FOUND: Self =
        Self { status: StatusCode::NOT_FOUND, detail: "There is nothing at this path." };
    pub(crate) const WRONG_METHOD: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        detail: "This path does not have that method; the Allow header names those it has.",
    };
    pub(crate) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        detail: "The server could not form its answer; its log says why.",
    };
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        // Four plain fields always serialize; an empty body would still have the status.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        headers::protect(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}
