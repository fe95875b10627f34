//! The errors of the gateway: RFC 9457 problem details.
//!
//! A problem says what is wrong and what to do next, and nothing about the server's internals. It
//! has the security headers itself, so an error from any place is safe. `type` is `about:blank`:
//! the status identifies the problem, and then RFC 9457 requires the status phrase as title.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    headers,
    port::{Mistake, RefusedRecord, Taken, Unanswerable},
};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error that the gateway answers with. The response's extensions carry it for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: &'static str,
}

impl Problem {
    pub(crate) const HOST_MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        detail: "A request must have exactly one Host header, in visible ASCII.",
    };
    pub(crate) const HOST_FOREIGN: Self = Self {
        status: StatusCode::FORBIDDEN,
        detail: "This server does not accept that host name. Use 127.0.0.1 or localhost, or add \
                 the name to falconer.gateway.allowed_hosts.",
    };
    pub(crate) const CROSS_ORIGIN: Self =
        Self { status: StatusCode::FORBIDDEN, detail: "Pages of other origins cannot post here." };
    pub(crate) const INGEST_OFF: Self = Self {
        status: StatusCode::FORBIDDEN,
        detail: "This server does not accept posted alerts. Set falconer.inputs.http to true.",
    };
    pub(crate) const BODY_TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        detail: "A body is limited to 8 MiB. Post fewer alerts at once.",
    };
    pub(crate) const BODY_TOO_SLOW: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        detail: "The body did not arrive in time. Post again, or fewer alerts at once.",
    };
    pub(crate) const BODY_LOST_PLACE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        detail: "The body arrived slowly, and other bodies needed its memory. Nothing of it was \
                 taken. Post again, faster or with fewer alerts.",
    };
    pub(crate) const BODY_NO_TURN: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        detail: "Too many large or compressed bodies wait to be read. Nothing of this one was \
                 taken. Post again, or fewer alerts at once.",
    };
    pub(crate) const BODY_TOO_MANY_LINES: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        detail: "A body is limited to 65,536 lines. Post fewer alerts at once, and no empty lines.",
    };
    pub(crate) const BODY_TOO_MANY_PARTS: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        detail: "A body is limited to 256 gzip members. Compress it as a whole.",
    };
    pub(crate) const BODY_BROKEN: Self =
        Self { status: StatusCode::BAD_REQUEST, detail: "The body ended early. Post again." };
    pub(crate) const BODY_ENCODED: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        detail: "The only supported Content-Encoding is gzip. Post without another one.",
    };
    pub(crate) const BODY_NOT_GZIP: Self = Self {
        status: StatusCode::BAD_REQUEST,
        detail: "The body is not valid gzip. Post again, or uncompressed.",
    };
    pub(crate) const TOO_OFTEN: Self = Self {
        status: StatusCode::TOO_MANY_REQUESTS,
        detail: "This client posts more often than falconer.gateway.posts_per_second allows. Wait \
                 a second, or post several alerts at once.",
    };
    pub(crate) const NOT_FOUND: Self =
        Self { status: StatusCode::NOT_FOUND, detail: "Nothing is served at this path." };
    pub(crate) const WRONG_METHOD: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        detail: "This path does not support the method. The Allow header names those it supports.",
    };
    pub(crate) const NOT_KEPT: Self =
        Self { status: StatusCode::GONE, detail: "The alert is no longer retained." };
    pub(crate) const NO_ALERT: Self =
        Self { status: StatusCode::NOT_FOUND, detail: "No alert has this cursor." };
    pub(crate) const PATH_UNREADABLE: Self = Self {
        status: StatusCode::BAD_REQUEST,
        detail: "The path is not valid UTF-8. After %, write two hexadecimal digits.",
    };
    pub(crate) const UNAUTHORIZED: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        detail: "Send the token of falconer.gateway.token_file (Authorization: Bearer TOKEN, or as \
                 the password in the URL of Falco's http_output), or show a client certificate \
                 where falconer.gateway.tls.root_certs is set.",
    };
    pub(crate) const NO_ROOM: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        detail: "All memory for answers is in use, because clients do not read theirs. Try again \
                 later.",
    };
    pub(crate) const ANSWER_TOO_LARGE: Self = Self {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        detail: "The answer would exceed 8 MiB. Request a shorter time (since, until), fewer \
                 fields or fewer values (top).",
    };
    pub(crate) const SCAN_TOO_LONG: Self = Self {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        detail: "The scan was stopped after 10 s, so the numbers would be incomplete. Request a \
                 shorter time (since, until) or use a simpler filter.",
    };
    pub(crate) const INTERNAL: Self = Self {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        detail: "The server failed to write its answer. See its log.",
    };
}

impl Problem {
    /// Returns the same problem with a detail about this request.
    pub(crate) fn with(self, detail: String) -> Refusal {
        let document = Document::new(self.status, detail);
        Refusal(Box::new((self.status, document, Some(self))))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = document(self.status, &Document::new(self.status, self.detail.into()));
        response.extensions_mut().insert(self);
        response
    }
}

/// An error with a detail about the request.
#[derive(Debug)]
pub(crate) struct Refusal(Box<(StatusCode, Document, Option<Problem>)>);

impl Refusal {
    /// The value of a parameter is invalid.
    pub(crate) fn parameter(name: &str, detail: String) -> Self {
        let status = StatusCode::BAD_REQUEST;
        let parameter = Some(name.to_owned());
        Self(Box::new((status, Document { parameter, ..Document::new(status, detail) }, None)))
    }

    pub(crate) fn unknown_parameter(name: &str, known: &[String]) -> Self {
        let shown: String = name.chars().take(40).collect();
        let detail = match known {
            [] => format!("unknown parameter {shown:?}; this path has no parameters"),
            known => {
                format!("unknown parameter {shown:?}; the parameters are {}", known.join(", "))
            }
        };
        Self::parameter(&shown, detail)
    }

    /// A posted body has no alert. It is not counted as a refused request, because its records were
    /// counted one by one.
    pub(crate) fn no_alert(taken: &Taken) -> Self {
        const EXPECTED: &str = "Post Falco's JSON, with rule, priority and time: one alert a line, \
            several in an array, or as log shippers wrap them.";
        let status = StatusCode::BAD_REQUEST;
        let detail = match (&taken.first_refused, taken.refused) {
            (None, _) => format!("The body is empty. {EXPECTED}"),
            (Some(RefusedRecord { reason, .. }), 1) => {
                format!("The body is no alert: {reason}. {EXPECTED}")
            }
            (Some(RefusedRecord { reason, .. }), refused) => format!(
                "None of the {refused} records in the body is an alert. The first: {reason}. \
                 {EXPECTED}"
            ),
        };
        let (refused, first_refused) = (Some(taken.refused), taken.first_refused.clone());
        let document = Document { refused, first_refused, ..Document::new(status, detail) };
        Self(Box::new((status, document, None)))
    }

    /// The parameters cannot be read.
    pub(crate) fn unreadable(error: &serde_urlencoded::de::Error) -> Self {
        let status = StatusCode::BAD_REQUEST;
        let shown: String = error.to_string().chars().take(200).collect();
        let detail = format!("The parameters cannot be read: {shown}");
        Self(Box::new((status, Document::new(status, detail), None)))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        problem.with(problem.detail.to_owned())
    }
}

impl From<Unanswerable> for Refusal {
    fn from(unanswerable: Unanswerable) -> Self {
        match unanswerable {
            Unanswerable::Invalid { parameter, detail, mistake } => {
                let mut refusal = Self::parameter(parameter, format!("{parameter}: {detail}"));
                if let Some(Mistake { column, found, expected, meant }) = mistake {
                    let document = &mut refusal.0.1;
                    document.column = Some(column);
                    document.found = Some(found);
                    document.expected = Some(expected);
                    document.meant = meant;
                }
                refusal
            }
            Unanswerable::Gone { detail, oldest } => {
                let status = StatusCode::GONE;
                Self(Box::new((status, Document { oldest, ..Document::new(status, detail) }, None)))
            }
            Unanswerable::NotFound => Problem::NO_ALERT.into(),
            Unanswerable::Busy { detail } => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self(Box::new((status, Document::new(status, detail), None)))
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, told, problem) = *self.0;
        let mut response = document(status, &told);
        if let Some(problem) = problem {
            response.extensions_mut().insert(problem);
        }
        response
    }
}

fn document(status: StatusCode, document: &Document) -> Response {
    // Plain fields always serialize. An empty body would still have the status.
    let body = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE = status {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    headers::protect(response.headers_mut());
    response
}

/// What is wrong (RFC 9457).
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Document {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status phrase.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
    /// How many records of a posted body were no alerts.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<u64>,
    /// The first record of a posted body that was no alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_refused: Option<RefusedRecord>,
    /// The invalid parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The position of the mistake in a filter, in characters from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// The text at that position.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<String>,
    /// The text that is expected there.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// A correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    meant: Option<String>,
    /// The cursor of the oldest retained alert, if the requested one is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<String>,
}

impl Document {
    fn new(status: StatusCode, detail: String) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail,
            ..Self::default()
        }
    }
}
