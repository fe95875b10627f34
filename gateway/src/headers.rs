//! The security headers of every page, document and error.
//!
//! The answer to `POST /` has none: it has no body, and Falco gets it thousands of times a second.

use axum::response::Response;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};

/// Allows only files of the same origin: nothing inline, no frames, and no text as code.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'";

const PROTECTION: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Keeps alerts and their numbers out of disk caches.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

pub(crate) fn protect(headers: &mut HeaderMap) {
    for (name, value) in PROTECTION {
        headers.insert(name, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
}

/// Applies [`protect`] as a layer.
pub(crate) async fn protected(mut response: Response) -> Response {
    protect(response.headers_mut());
    response
}
